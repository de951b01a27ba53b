//! `jobgate share STAMP USER [read|write]` and `jobgate share STAMP --remove USER`

use jobgate_engine::audit::{Event, Outcome};
use jobgate_model::Access;

use crate::cli::share::Share;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::wiring::Session;
use crate::{record, selector};

pub(crate) fn run(args: &Share, printer: &mut Printer) -> anyhow::Result<Exit> {
    let session = Session::open(&args.options)?;
    let job = selector::one(&session, &args.stamp)?;
    let (engine, who) = (&session.engine, &session.who);
    record::ready(&session.config)?;
    let (event, done, told) = match (&args.remove, &args.user) {
        (Some(user), _) => {
            let told = format!("Unshared {} with {user}", job.jobid);
            (Event::Unshared { with: user.clone() }, engine.unshare(who, job.key, user), told)
        }
        (None, Some(user)) => {
            let access = Access::from(args.access);
            let told = format!("Shared {} with {user} ({})", job.jobid, access.as_str());
            (Event::Shared { with: user.clone(), access }, engine.share(who, job.key, user, access), told)
        }
        (None, None) => return Ok(Exit::Ok),
    };
    let outcome = if done.is_ok() { Outcome::Allowed } else { Outcome::Failed };
    record::note(&session.config, event, Some(&job.jobid), outcome);
    done?;
    printer.line(told)?;
    Ok(Exit::Ok)
}
