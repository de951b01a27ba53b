//! `jobgate resume`

use crate::cli::Options;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::record::recorded;
use crate::wiring::Session;

pub(crate) fn run(options: &Options, printer: &mut Printer) -> anyhow::Result<Exit> {
    let session = Session::open(options)?;
    recorded(&session.config, "resume", None, || Ok(session.local()?.resume()?))?;
    printer.line("Resumed")?;
    Ok(Exit::Ok)
}
