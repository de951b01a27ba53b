//! `jobgate rm STAMP...`

use jobgate_engine::audit::{Event, Outcome};
use jobgate_model::{Error, ErrorKind};

use crate::cli::Rm;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::record;
use crate::selector::{self, Scope};
use crate::wiring::Session;

/// Exits with the number of jobs that could not be deleted, as psik does.
pub(crate) fn run(args: &Rm, printer: &mut Printer) -> anyhow::Result<Exit> {
    if args.stamps.iter().any(|text| text == "all") && !args.yes {
        printer.error("`rm all` deletes every job that is not running");
        printer.hint("if that is what you want, say `rm --yes all`");
        return Ok(Exit::Failed);
    }
    let session = Session::open(&args.options)?;
    record::ready(&session.config)?;
    let mut failures = 0;
    for named in selector::resolve(&session, &args.stamps, Scope::Any)? {
        let removed = named.job.and_then(|job| {
            let removed = session.engine.remove(&session.who, job.key);
            record::note(&session.config, Event::Command("rm".into()), Some(&job.jobid), outcome(&removed));
            removed.map(|()| job)
        });
        match removed {
            Ok(job) => printer.line(format_args!("Deleted {}", job.jobid))?,
            Err(error) => {
                failures += 1;
                match (error.kind(), session.engine.places().first()) {
                    (ErrorKind::NotFound, Some(place)) => {
                        printer.complain(format_args!("{} not found", place.prefix.join(&named.text).display()));
                    }
                    _ => printer.error(error.chain()),
                }
            }
        }
    }
    Ok(Exit::failures(failures))
}

fn outcome(removed: &Result<(), Error>) -> Outcome {
    if removed.is_ok() { Outcome::Allowed } else { Outcome::Failed }
}
