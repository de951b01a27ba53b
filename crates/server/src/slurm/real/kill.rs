//! Cancelling and signalling jobs.

use jobgate_slurm::array::JobRef;
use jobgate_slurm::cluster::Fault;
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{DeleteJobQuery, KillJobResp, KillJobs, KillJobsResp, KillJobsRespJob, Plain};
use jobgate_slurm::site::Seen;

use super::super::call::{Call, Outcome};
use super::super::error::{Failure, status_of};
use super::super::routes::kill::{KILL, REFUSED, reach_of, signal_of};
use super::super::routes::unknown;

/// `DELETE /slurm/V/job/ID`. A signal that nobody knows is refused; slurmrestd kills the job.
pub(super) fn one(call: &mut Call, seen: &dyn Seen) -> Outcome {
    let query: DeleteJobQuery = call.read_query("op_handler_job")?;
    let job = super::named(call, "op_handler_job")?;
    let signal = signal_of(query.signal.as_deref())?;
    let outcome = seen.signal(&job.to_string(), signal, reach_of(query.flags.as_ref()));
    call.trail.job(job.to_string());
    let Err(fault) = outcome else {
        let newer = call.version.number() >= 42;
        return Ok(if newer {
            call.answer(KillJobResp { status: Some(Vec::new()), ..KillJobResp::default() })
        } else {
            call.done()
        });
    };
    match fault.errno {
        errno if super::is_of_job(errno) && call.version.number() >= 42 => {
            let status = vec![entry(&job, &fault)];
            Ok(call.answer(KillJobResp { status: Some(status), ..KillJobResp::default() }))
        }
        Errno::ALREADY_DONE => Ok(call.done()),
        // nothing is said of it by slurmrestd; who was refused has to learn it
        Errno::INVALID_JOB_ID => Err(unknown(&call.path_name(), "op_handler_job")),
        errno => {
            let status = status_of(errno, call.follows());
            Ok(call.refuse_in(Failure::of(&fault, KILL, REFUSED).with(status), Plain::default()))
        }
    }
}

/// `DELETE /slurm/V/jobs`
pub(super) fn many(call: &mut Call, seen: &dyn Seen) -> Outcome {
    let refused = |call: &mut Call, failure| Ok(call.refuse_in(failure, KillJobsResp::default()));
    if let Some(kind) = not_a_list(&call.body) {
        // numbers that are not in a list may be meant for something else
        let words = format!("Unexpected type {kind} when expecting a list");
        return refused(call, Failure::new(Errno::DATA_CONVERSION, "#/jobs/", words));
    }
    let filter: KillJobs = match call.read_body() {
        Ok(filter) => filter,
        Err(failure) => return refused(call, failure),
    };
    // a signal that nobody knows is refused; slurmrestd kills the jobs
    signal_of(filter.signal.as_deref())?;
    if filter.jobs.iter().flatten().any(|job| JobRef::parse(job).is_err()) {
        return refused(call, Failure::new(Errno::JOB_ZERO, KILL, REFUSED));
    }
    let named = KillJobs { signal: None, flags: None, ..filter.clone() };
    if named == KillJobs::default() {
        return refused(call, Failure::new(Errno::KILL_NOTHING, KILL, REFUSED));
    }
    match seen.signal_many(&filter) {
        Ok(status) => Ok(call.answer(KillJobsResp { status: Some(status), ..KillJobsResp::default() })),
        Err(fault) => Ok(call.refuse_in(Failure::of(&fault, KILL, REFUSED), KillJobsResp::default())),
    }
}

/// What `jobs` is instead of a list, or of a text with commas; `None`: it is one, or is not there.
fn not_a_list(body: &serde_json::Value) -> Option<&'static str> {
    match body.get("jobs")? {
        serde_json::Value::Number(_) => Some("64 bit integer"),
        serde_json::Value::Bool(_) => Some("boolean"),
        serde_json::Value::Object(_) => Some("dictionary"),
        _ => None,
    }
}

/// What became of one job.
fn entry(job: &JobRef, fault: &Fault) -> KillJobsRespJob {
    let text = fault.errno.text().to_owned();
    KillJobsRespJob {
        error_string: Some(text.clone()),
        error_code: Some(fault.errno.0),
        error_message: Some(if fault.description.is_empty() { text } else { fault.description.to_string() }),
        step_id: Some(job.to_string()),
        job_id: Some(Some(job.job).filter(|_| fault.errno != Errno::INVALID_JOB_ID).into()),
        federation_sibling: Some(String::new()),
    }
}
