//! Which jobs a command line names: ids, `last`, `all`.

use jobgate_engine::{Job, ListQuery, Need, Order};
use jobgate_model::{Error, ErrorKind, JobId};

use crate::wiring::Session;

/// To which jobs a command can apply, when it is told `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Every job.
    Any,
    /// Jobs with a run that is, or may be, under way.
    Live,
    /// Jobs with a run that waits and is not held.
    Waiting,
    /// Jobs with a run that is held.
    Held,
}

impl Scope {
    fn has(self, session: &Session, job: &Job) -> bool {
        let waits = |held: bool| {
            let reasons = job.live.then(|| session.engine.waits_for(&session.who, job.key));
            // Where it cannot be asked, the command itself will say what is wrong.
            reasons.is_some_and(|reasons| {
                reasons.map_or(true, |reasons| reasons.iter().any(|(_, reason)| reason.starts_with(HELD) == held))
            })
        };
        match self {
            Self::Any => true,
            Self::Live => job.live,
            Self::Waiting => waits(false),
            Self::Held => waits(true),
        }
    }
}

/// How Slurm's words for held jobs begin: `JobHeldUser`, `JobHeldAdmin`.
const HELD: &str = "JobHeld";

/// A job that was named, or why it is none.
#[derive(Debug)]
pub(crate) struct Named {
    /// What was written.
    pub(crate) text: String,
    /// The job.
    pub(crate) job: Result<Job, Error>,
}

/// Finds the jobs that were named, in that order.
pub(crate) fn resolve(session: &Session, texts: &[String], scope: Scope) -> Result<Vec<Named>, Error> {
    let mut named = Vec::with_capacity(texts.len());
    for text in texts {
        match text.as_str() {
            "all" => {
                for jobid in ids(session, Order::Oldest, None)? {
                    let job = find(session, &jobid);
                    if scope == Scope::Any || job.as_ref().is_ok_and(|job| scope.has(session, job)) {
                        named.push(Named { text: jobid, job });
                    }
                }
            }
            _ => named.push(Named { text: text.clone(), job: one(session, text) }),
        }
    }
    Ok(named)
}

/// Finds one job: an id, or `last`.
pub(crate) fn one(session: &Session, text: &str) -> Result<Job, Error> {
    if text != "last" {
        return find(session, text);
    }
    let newest = ids(session, Order::Newest, Some(1))?.pop();
    newest.map_or_else(|| Err(Error::not_found("there is no job yet")), |jobid| find(session, &jobid))
}

fn find(session: &Session, text: &str) -> Result<Job, Error> {
    let jobid = JobId::parse(text).map_err(|_| {
        Error::invalid(format!("{text:?} is not a job id: expected something like 1693992878.203, `last` or `all`"))
    })?;
    session.engine.find(&session.who, Need::Read, None, &jobid).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::not_found(format!("job {text} not found; `jobgate ls` lists all jobs")),
        _ => error,
    })
}

fn ids(session: &Session, order: Order, limit: Option<u64>) -> Result<Vec<String>, Error> {
    session.engine.adopt()?;
    let mut ids = Vec::new();
    let query = ListQuery { order, limit, ..ListQuery::default() };
    session.engine.list(&session.who, &query, &mut |row| ids.push(row.jobid.to_owned()))?;
    Ok(ids)
}
