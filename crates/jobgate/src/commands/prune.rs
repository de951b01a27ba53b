//! `jobgate prune --older-than TIME`

use jobgate_engine::Retention;

use crate::cli::Prune;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::record::recorded;
use crate::wiring::Session;

pub(crate) fn run(args: &Prune, printer: &mut Printer) -> anyhow::Result<Exit> {
    let session = Session::open(&args.options)?;
    let retention = Retention { older_than: args.older_than, prefix: None, dry_run: args.dry_run };
    let prune = || Ok(session.engine.prune(&session.who, &retention)?);
    let tally = if args.dry_run { prune()? } else { recorded(&session.config, "prune", None, prune)? };
    if args.dry_run {
        printer.line(format_args!("{} jobs would be deleted", tally.seen))?;
    } else {
        printer.line(format_args!("{} of {} old jobs deleted", tally.changed, tally.seen))?;
    }
    Ok(Exit::Ok)
}
