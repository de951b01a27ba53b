//! `jobgate cancel STAMP...`

use std::time::Duration;

use jobgate_engine::Cancelled;

use crate::cli::Stamps;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::selector::Scope;
use crate::wiring::Session;

/// A run has 5 s between SIGTERM and SIGKILL; this leaves time to see its end recorded.
const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) fn run(args: &Stamps, printer: &mut Printer) -> anyhow::Result<Exit> {
    let session = Session::open(&args.options)?;
    super::change_each("cancel", &session, printer, &args.stamps, Scope::Live, |job, printer| {
        let cancelled = match session.engine.cancel(&session.who, job.key)? {
            Cancelled::Stopping => session.engine.settle_cancel(job.key, PATIENCE)?,
            settled => settled,
        };
        let exit = match cancelled {
            Cancelled::Done => {
                printer.line(format_args!("Canceled {}", job.jobid))?;
                Exit::Ok
            }
            Cancelled::AlreadyFinal(state) => {
                printer.note(format_args!("{} is already {state}", job.jobid));
                Exit::Ok
            }
            Cancelled::Stopping => {
                printer.note(format_args!("{} was told to stop and has not ended yet", job.jobid));
                Exit::TimedOut
            }
        };
        super::deliver(&session, printer, job);
        Ok(exit)
    })
}
