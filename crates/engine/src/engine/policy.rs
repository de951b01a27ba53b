//! Who may see and touch which job: decided here, asked on every way in.

use jobgate_model::{Access, Error, ErrorKind, Principal, Role};

use super::Engine;
use crate::store::jobs::JobRecord;
use crate::store::shares::{self, Visible};
use crate::types::{JobKey, Need, Place};

impl Engine {
    /// The job's row, if this principal may do what it needs to.
    pub(super) fn admitted(&self, who: &Principal, need: Need, key: JobKey) -> Result<JobRecord, Error> {
        known(who)?;
        let record = self.by_key(key)?;
        self.admit(who, need, &record)?;
        Ok(record)
    }

    /// Says whether the principal may do with the job what it needs to. How the job is shared is looked up only for those to
    /// whom it matters.
    pub(super) fn admit(&self, who: &Principal, need: Need, record: &JobRecord) -> Result<(), Error> {
        admit(who, need, record, || self.store.read(|connection| shares::access(connection, record.job.key, &who.name)))
    }
}

/// The rule. Who may not see a job does not learn that it exists; who may only read it does not get to hear that it is not
/// there.
fn admit(
    who: &Principal,
    need: Need,
    record: &JobRecord,
    shared: impl FnOnce() -> Result<Option<Access>, Error>,
) -> Result<(), Error> {
    known(who)?;
    let job = &record.job;
    if !who.may_use(&job.backend) {
        return Err(missing());
    }
    if is_its(who, record) {
        return Ok(());
    }
    let access = shared()?.ok_or_else(missing)?;
    match (need, access) {
        (Need::Read, _) | (Need::Write, Access::Write) => Ok(()),
        (Need::Write, Access::Read) => Err(forbidden(format!(
            "job {} of {} was shared with you for reading only; its owner can share it for writing, too",
            job.jobid, job.owner
        ))),
        (Need::Own, _) => Err(forbidden(format!(
            "job {} is {}'s, and only its owner may delete it or say with whom it is shared",
            job.jobid, job.owner
        ))),
    }
}

/// Whether the job is the principal's own, or as good as that. In psik's local mode whoever is admitted is the one owner of
/// everything, adopted jobs included; so is an administrator.
pub(super) fn is_its(who: &Principal, record: &JobRecord) -> bool {
    who.role == Role::Administrator || record.job.owner == who.name
}

/// What listings show to a principal: exactly the jobs that [`admit`] lets it read.
pub(super) fn visible(who: &Principal) -> Result<Visible<'_>, Error> {
    known(who)?;
    Ok(Visible {
        user: (who.role != Role::Administrator).then_some(who.name.as_str()),
        backends: who.backends.as_ref(),
    })
}

/// Refuses principals who may not have jobs at this place.
pub(super) fn may_submit(who: &Principal, place: &Place) -> Result<(), Error> {
    known(who)?;
    if who.may_use(&place.name) {
        return Ok(());
    }
    let allowed = who.backends.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ");
    Err(forbidden(format!("this identity may not use the backend {:?}; it may use: {allowed}", place.name)))
}

/// Refuses principals who may have no jobs.
pub(super) fn known(who: &Principal) -> Result<(), Error> {
    match who.role {
        Role::Stranger => Err(Error::new(ErrorKind::Unauthenticated, "Client identity is required.")),
        Role::Monitor => Err(forbidden("this identity may only look at how the gateway fares")),
        Role::User | Role::Administrator => Ok(()),
    }
}

fn forbidden(text: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Forbidden, text)
}

/// No such job, or none that the caller may know of.
pub(super) fn missing() -> Error {
    Error::not_found("Job not found")
}
