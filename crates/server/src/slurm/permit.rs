//! Who may change which job: the engine decides that, here as in every dialect. The cluster itself asks nobody.

use std::collections::HashMap;
use std::path::Path;

use jobgate_engine::{Job, Need};
use jobgate_model::{Error, ErrorKind, JobId, Principal, Role};
use jobgate_slurm::cluster::{Fault, Located};
use jobgate_slurm::errno::Errno;

use super::call::Call;

/// As whom the engine is asked. Who administrates the accounting database may do everything with the jobs of its cluster.
pub(super) fn acting(call: &Call) -> Principal {
    let mut principal = call.asker.principal.clone();
    if call.is_administrator() {
        principal.role = Role::Administrator;
    }
    principal
}

/// The permits of one request: asked for once for each job, of which an array has many runs.
pub(super) struct Permits<'a> {
    call: &'a Call,
    need: Need,
    who: Principal,
    /// What was answered, by the job's directory.
    known: HashMap<&'a Path, Result<Option<Job>, ErrorKind>>,
}

impl<'a> Permits<'a> {
    pub(super) fn new(call: &'a Call, need: Need) -> Self {
        Self { call, need, who: acting(call), known: HashMap::new() }
    }

    /// Says whether the caller may do what it needs to with a job; if not, that is a fault with `denied`. `None`: it may, and
    /// the engine has no such job any more; what is left of it is the cluster's own.
    pub(super) fn ask(&mut self, job: &'a Located, denied: Errno) -> Result<Option<Job>, Fault> {
        let (call, need, who) = (self.call, self.need, &self.who);
        let known = self.known.entry(&job.directory);
        let answer = known.or_insert_with(|| permit(call, need, who, job).map_err(|error| logged(&error)));
        answer.clone().map_err(|kind| match kind {
            ErrorKind::NotFound | ErrorKind::Forbidden => Fault::new(denied, ""),
            _ => Fault::new(Errno::GENERAL, ""),
        })
    }
}

fn logged(error: &Error) -> ErrorKind {
    if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Forbidden) {
        tracing::error!(error = error.chain(), "cannot find out whether a job may be changed");
    }
    error.kind()
}

fn permit(call: &Call, need: Need, who: &Principal, job: &Located) -> Result<Option<Job>, Error> {
    let engine = &call.shared.app.engine;
    let name = job.directory.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match engine.find(who, need, job.directory.parent(), &JobId::parse(name)?) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let its = who.role == Role::Administrator || job.user == call.asker.login;
            let left_over = its && who.backends.is_none() && !engine.knows(&job.directory)?;
            if left_over { Ok(None) } else { Err(error) }
        }
        found => found.map(Some),
    }
}
