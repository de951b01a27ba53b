//! `jobgate config`

use crate::cli::ConfigArgs;
use crate::config::{self, Purpose};
use crate::exit::Exit;
use crate::printer::Printer;

pub(crate) fn run(args: &ConfigArgs, printer: &mut Printer) -> anyhow::Result<Exit> {
    if args.default {
        printer.text(config::DEFAULT_FILE)?;
        return Ok(Exit::Ok);
    }
    let purpose = if args.serve { Purpose::Serve } else { Purpose::CommandLine };
    let config = config::load(args.options.config.as_deref(), purpose)?;
    match &config.file {
        Some(path) => printer.line(format_args!("# from {}", path.display()))?,
        None => printer.line("# built-in defaults: there is no configuration file")?,
    }
    printer.text(config.render())?;
    Ok(Exit::Ok)
}
