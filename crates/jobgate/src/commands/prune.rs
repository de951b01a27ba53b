//! `jobgate prune --older-than TIME`

use jobgate_engine::Retention;

use crate::cli::Prune;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::wiring::Session;

pub(crate) fn run(args: &Prune, printer: &mut Printer) -> anyhow::Result<Exit> {
    let session = Session::open(&args.options)?;
    let retention = Retention { older_than: args.older_than, prefix: None, dry_run: args.dry_run };
    let tally = session.engine.prune(&session.who, &retention)?;
    if args.dry_run {
        printer.line(format_args!("{} jobs would be deleted", tally.seen))?;
    } else {
        printer.line(format_args!("{} of {} old jobs deleted", tally.changed, tally.seen))?;
    }
    Ok(Exit::Ok)
}
