//! `jobgate reindex`

use crate::cli::Options;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::record::recorded;
use crate::wiring::Session;

pub(crate) fn run(args: &Options, printer: &mut Printer) -> anyhow::Result<Exit> {
    let session = Session::open(args)?;
    let tally = recorded(&session.config, "reindex", None, || Ok(session.engine.reindex()?))?;
    printer.line(format_args!("{} jobs seen, {} changed in the index", tally.seen, tally.changed))?;
    Ok(Exit::Ok)
}
