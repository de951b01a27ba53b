//! `jobgate token revoke`

use jobgate_engine::audit::{Event, Outcome};
use jobgate_server::biscuit::{Biscuits, inspect, revoke};

use crate::accounts;
use crate::cli::token::Revoke;
use crate::config::{self, Purpose};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::record;

pub(super) fn run(args: &Revoke, printer: &mut Printer) -> anyhow::Result<Exit> {
    let config = config::load(args.given.options.config.as_deref(), Purpose::Serve)?;
    let settings = config.auth.biscuit.settings(&config.state_dir);
    let ids = if args.ids.is_empty() {
        let token = super::read(args.given.file.as_deref())?;
        let found = inspect(&token, &Biscuits::new(settings.clone()), super::now())
            .map_err(|why| anyhow::anyhow!("not a biscuit: {why}"))?;
        // the last block's id is this token's and that of all made from it; the first one's is that of all its kin
        let block = if args.root { found.blocks.first() } else { found.blocks.last() };
        block.map(|block| block.revocation_id.clone()).into_iter().collect()
    } else {
        args.ids.clone()
    };
    record::ready(&config)?;
    revoke(&settings.revoked, &ids, &format!("by {} at {}", accounts::login(), super::now()))?;
    for id in ids {
        record::note(&config, Event::Revoked { id: id.clone() }, None, Outcome::Allowed);
        printer.line(id)?;
    }
    Ok(Exit::Ok)
}
