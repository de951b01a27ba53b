//! `jobgate start STAMP...`

use jobgate_engine::OnRefusal;

use crate::cli::Stamps;
use crate::config::Manner;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::selector::Scope;
use crate::wiring::Session;

pub(crate) fn run(args: &Stamps, printer: &mut Printer) -> anyhow::Result<Exit> {
    let session = Session::open(&args.options)?;
    let word = match session.config.psik {
        Manner::Psik30 => "Started",
        Manner::Psik31 => "Queued",
    };
    let environment: Vec<_> = std::env::vars_os().collect();
    super::change_each("start", &session, printer, &args.stamps, Scope::Any, |job, printer| {
        session.engine.start(&session.who, job.key, Some(&environment))?;
        session.engine.launch(job.key, OnRefusal::Report)?;
        printer.line(format_args!("{word} {}", job.jobid))?;
        super::deliver(&session, printer, job);
        Ok(Exit::Ok)
    })
}
