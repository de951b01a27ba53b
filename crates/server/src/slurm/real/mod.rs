//! What is done otherwise on a real cluster: its controller gets orders as they came, in the caller's name, and decides.

mod accounting;
mod allocate;
mod controller;
mod database;
mod kill;
mod requeue;
mod submit;
mod update;

pub(super) use database::{heard, unanswered};
use jobgate_slurm::array::JobRef;
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::JobDesc;
use jobgate_slurm::operations::{Call as Operation, Plugin};
use jobgate_slurm::site::Seen;

use super::call::{Call, Outcome};
use super::error::Failure;
use super::routes::unknown;

/// Carries out an operation; `None`: it is the same on every cluster.
pub(super) fn run(call: &mut Call, seen: &dyn Seen) -> Option<Outcome> {
    Some(match call.operation.call {
        Operation::GetDiag => controller::diag(call, seen),
        Operation::GetShares => controller::shares(call, seen),
        Operation::GetResources => controller::resources(call, seen),
        Operation::PostJobSubmit => submit::submit(call),
        Operation::PostJobAllocate => allocate::allocate(call),
        Operation::PostJob => update::update(call, seen),
        Operation::DeleteJob => kill::one(call, seen),
        Operation::DeleteJobs => kill::many(call, seen),
        Operation::GetJobRequeue => requeue::one(call, seen),
        Operation::PostJobsRequeue => requeue::many(call, seen),
        _ if call.operation.plugin() == Plugin::Slurmdbd => accounting::run(call, seen),
        _ => return None,
    })
}

/// The job that the path names.
fn named(call: &Call, source: &str) -> Result<JobRef, Failure> {
    let bad = || Failure::new(Errno::REST_INVALID_QUERY, source, "Rejecting request. Failure parsing parameters");
    let job = JobRef::parse(&call.path_name()).map_err(|_| bad())?;
    if job.job > MOST { Err(unknown(&call.path_name(), source)) } else { Ok(job) }
}

/// The highest number that a job can have.
const MOST: u32 = 0x03ff_ffff;

/// Whether a job is asked for in the name of somebody else, by somebody who may not: the controller refuses that.
fn is_anothers(call: &Call, desc: &JobDesc) -> bool {
    let named = desc.user_id.as_deref().filter(|user| !user.is_empty());
    !call.asker.administrator && named.is_some_and(|user| user != call.asker.login)
}

/// Warns of what of a description slurmrestd reads and passes over. `at`: where the description is in the request.
fn warn_of_crontab(call: &mut Call, desc: &JobDesc, at: &str) {
    if desc.crontab.is_some() {
        call.warn(&format!("{at}crontab/"), "crontab submissions are not supported");
    }
}

/// Whether a fault is about one job, and not about the controller or who asks.
fn is_of_job(errno: Errno) -> bool {
    !matches!(
        errno,
        Errno::CONTROLLER_CONNECT
            | Errno::CONTROLLER_RECEIVE
            | Errno::PROTOCOL_VERSION
            | Errno::UNEXPECTED_MESSAGE
            | Errno::AUTHENTICATION
            | Errno::NOT_SUPPORTED
            | Errno::BUSY
    )
}
