//! `jobgate token inspect`

use jobgate_server::biscuit::{Biscuits, inspect};

use crate::cli::token::Given;
use crate::config::{self, Purpose};
use crate::exit::Exit;
use crate::printer::Printer;

pub(super) fn run(args: &Given, printer: &mut Printer) -> anyhow::Result<Exit> {
    let config = config::load(args.options.config.as_deref(), Purpose::Serve)?;
    let biscuits = Biscuits::new(config.auth.biscuit.settings(&config.state_dir));
    let token = super::read(args.file.as_deref())?;
    let found = inspect(&token, &biscuits, super::now()).map_err(|why| anyhow::anyhow!("not a biscuit: {why}"))?;
    for (number, block) in found.blocks.iter().enumerate() {
        let by = block.third_party.as_ref().map(|key| format!(", signed by {key}")).unwrap_or_default();
        printer.line(format_args!("block {number}{by}"))?;
        printer.line(format_args!("  revocation id {}", block.revocation_id))?;
        for line in block.datalog.lines() {
            printer.line(format_args!("  {line}"))?;
        }
    }
    match found.verdict {
        Ok(user) => {
            printer.line(format_args!("accepted here, as {user}"))?;
            Ok(Exit::Ok)
        }
        Err(why) => {
            printer.line(format_args!("not accepted here: {why}"))?;
            Ok(Exit::Failed)
        }
    }
}
