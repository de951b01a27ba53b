//! `jobgate version`

use crate::exit::Exit;
use crate::printer::Printer;

/// The psik whose command line this one follows.
const PSIK: &str = "3.0.1";

/// In psik's words, so that what looks for psik finds it; our own version is the build metadata.
pub(crate) fn run(printer: &mut Printer) -> anyhow::Result<Exit> {
    printer.line(format_args!("psik version {PSIK}+jobgate.{}", env!("CARGO_PKG_VERSION")))?;
    Ok(Exit::Ok)
}
