//! `jobgate status STAMP...`

use jobgate_engine::{Job, tree};

use crate::cli::{Output, ShownStamps};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::selector::Scope;
use crate::table;
use crate::wiring::Session;

pub(crate) fn run(args: &ShownStamps, printer: &mut Printer) -> anyhow::Result<Exit> {
    let session = Session::open(&args.options)?;
    of_each(&session, printer, &args.stamps, args.format.output)
}

/// The status of each of these jobs; also `ls STAMP...`.
pub(crate) fn of_each(
    session: &Session,
    printer: &mut Printer,
    stamps: &[String],
    output: Output,
) -> anyhow::Result<Exit> {
    let mut values = Vec::new();
    let exit = super::for_each(session, printer, stamps, Scope::Any, |job, printer| {
        let job = super::looked_at(session, printer, job)?;
        match output {
            Output::Text => print(session, printer, &job)?,
            Output::Json => {
                let spec = session.engine.spec(&session.who, job.key)?;
                values.push(table::status_json(&job, &spec, &session.engine.history(&session.who, job.key)?));
            }
        }
        Ok(Exit::Ok)
    })?;
    if output == Output::Json {
        printer.json(&values)?;
    }
    Ok(exit)
}

/// psik's block for one job, after what it has to say about the job's history.
pub(crate) fn print(session: &Session, printer: &mut Printer, job: &Job) -> anyhow::Result<()> {
    for line in tree::invalid_rows(&job.base).unwrap_or_default() {
        printer.line(table::invalid_row(&job.jobid, &line))?;
    }
    let spec = session.engine.spec(&session.who, job.key)?;
    let history = session.engine.history(&session.who, job.key)?;
    let paint = printer.painter();
    printer.text(table::status(job, &spec, &history, |row, padded| paint(padded, row.state)))?;
    Ok(())
}
