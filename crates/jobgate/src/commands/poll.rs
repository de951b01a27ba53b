//! `jobgate poll STAMP...`

use crate::cli::Stamps;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::selector::Scope;
use crate::wiring::Session;

pub(crate) fn run(args: &Stamps, printer: &mut Printer) -> anyhow::Result<Exit> {
    let session = Session::open(&args.options)?;
    super::for_each(&session, printer, &args.stamps, Scope::Live, |job, printer| {
        let job = session.engine.poll(&session.who, job.key)?;
        super::status::print(&session, printer, &job)?;
        super::deliver(&session, printer, &job);
        Ok(Exit::Ok)
    })
}
