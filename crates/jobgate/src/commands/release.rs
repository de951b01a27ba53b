//! `jobgate release STAMP...`

use crate::cli::Stamps;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::selector::Scope;
use crate::wiring::Session;

pub(crate) fn run(args: &Stamps, printer: &mut Printer) -> anyhow::Result<Exit> {
    let session = Session::open(&args.options)?;
    super::change_each("release", &session, printer, &args.stamps, Scope::Held, |job, printer| {
        session.engine.release(&session.who, job.key)?;
        printer.line(format_args!("Released {}", job.jobid))?;
        Ok(Exit::Ok)
    })
}
