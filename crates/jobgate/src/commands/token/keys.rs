//! `jobgate token keys` and `jobgate token rotate`

use crate::cli::Options;
use crate::config::{self, Purpose};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::record;

/// The keys that count, in the form in which biscuit's libraries read them.
pub(super) fn run(options: &Options, printer: &mut Printer) -> anyhow::Result<Exit> {
    let config = config::load(options.config.as_deref(), Purpose::Serve)?;
    for key in config.auth.biscuit.settings(&config.state_dir).keys.public()? {
        printer.line(key)?;
    }
    Ok(Exit::Ok)
}

/// A new signing key.
pub(super) fn rotate(options: &Options, printer: &mut Printer) -> anyhow::Result<Exit> {
    let config = config::load(options.config.as_deref(), Purpose::Serve)?;
    let keys = config.auth.biscuit.settings(&config.state_dir).keys;
    printer.line(record::recorded(&config, "token rotate", None, || Ok(keys.rotate()?))?)?;
    let earlier = keys.earlier();
    printer.note(format_args!(
        "tokens of earlier keys go on counting until their lines are removed from {}",
        earlier.display()
    ));
    Ok(Exit::Ok)
}
