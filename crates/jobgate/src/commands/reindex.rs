//! `jobgate reindex`

use crate::cli::Options;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::wiring::Session;

pub(crate) fn run(args: &Options, printer: &mut Printer) -> anyhow::Result<Exit> {
    let tally = Session::open(args)?.engine.reindex()?;
    printer.line(format_args!("{} jobs seen, {} changed in the index", tally.seen, tally.changed))?;
    Ok(Exit::Ok)
}
