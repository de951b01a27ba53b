//! `jobgate drain`

use crate::cli::Options;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::record::recorded;
use crate::wiring::Session;

pub(crate) fn run(options: &Options, printer: &mut Printer) -> anyhow::Result<Exit> {
    let session = Session::open(options)?;
    recorded(&session.config, "drain", None, || Ok(session.local()?.drain()?))?;
    printer.line("Drained: what runs goes on, nothing new starts until `jobgate resume`")?;
    Ok(Exit::Ok)
}
