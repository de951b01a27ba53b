//! Who may see and touch which job: decided here, asked on every way in.

use jobgate_model::{Error, ErrorKind, Established, Principal};

use crate::store::jobs::JobRecord;

/// Lets the principal have the job, or says that there is none: who may not see a job does not learn that it exists.
pub(super) fn admit(who: &Principal, record: JobRecord) -> Result<JobRecord, Error> {
    known(who)?;
    if sees_all(who) || record.job.owner == who.name { Ok(record) } else { Err(missing()) }
}

/// The owner to whom a listing is restricted.
pub(super) fn restriction(who: &Principal) -> Result<Option<&str>, Error> {
    known(who)?;
    Ok((!sees_all(who)).then_some(who.name.as_str()))
}

/// Refuses principals of whom only an address is known.
pub(super) fn known(who: &Principal) -> Result<(), Error> {
    match who.established {
        Established::Address => Err(Error::new(ErrorKind::Unauthenticated, "Client identity is required.")),
        Established::Process | Established::Local => Ok(()),
    }
}

/// In psik's local mode whoever is admitted is the one owner of everything, adopted jobs included.
fn sees_all(who: &Principal) -> bool {
    matches!(who.established, Established::Process | Established::Local)
}

/// No such job, or none that the caller may know of.
pub(super) fn missing() -> Error {
    Error::not_found("Job not found")
}
