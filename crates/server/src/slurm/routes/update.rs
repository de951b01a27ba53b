//! Changing jobs.

use jobgate_engine::Need;
use jobgate_slurm::cluster::{Fault, Located};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{JobArrayResponseMsgEntry, JobDesc, JobPostResponse};
use jobgate_slurm::version::Version;

use super::super::answer::Reply;
use super::super::call::{Call, Outcome, failed};
use super::super::error::{Failure, status_of};
use super::super::permit::Permits;
use super::jobs::{job_id, unknown};

const UPDATE: &str = "slurm_update_job2()";
const REFUSED: &str = "Job update requested failed";

/// `POST /slurm/V/job/ID`: the body is the description itself. What it does not name stays as it is.
pub(super) fn update(call: &mut Call) -> Outcome {
    let (id, task) = job_id(call, "op_handler_job")?;
    let desc: JobDesc = match call.read_body() {
        Ok(desc) => desc,
        Err(failure) => return Ok(unread(call, failure)),
    };
    let located = call.cluster().locate(id, task).map_err(failed(UPDATE, REFUSED))?;
    if located.is_empty() {
        return Err(unknown(&call.path_name(), "op_handler_job"));
    }
    let admin = call.is_administrator();
    let mut outcomes = Vec::new();
    let live: Vec<&Located> = located.iter().filter(|job| !job.over).collect();
    // of an array, what has ended does not count
    let jobs = if live.is_empty() { located.iter().collect() } else { live };
    let mut permits = Permits::new(call, Need::Write);
    for job in jobs {
        let permit = permits.ask(job, Errno::USER_ID);
        let outcome = permit.and_then(|_| call.cluster().update_job(job.id, &desc, admin));
        outcomes.push((job, outcome));
    }
    Ok(answer(call, &outcomes))
}

fn answer(call: &mut Call, outcomes: &[(&Located, Result<(), Fault>)]) -> Reply {
    let faults: Vec<&Fault> = outcomes.iter().filter_map(|(_, outcome)| outcome.as_ref().err()).collect();
    let status = match faults.first() {
        Some(fault) if faults.len() == outcomes.len() => {
            let words =
                if fault.description.is_empty() { REFUSED.into() } else { format!("{REFUSED}: {}", fault.description) };
            call.note(fault.errno, UPDATE, words);
            status_of(fault.errno, call.follows())
        }
        _ => axum::http::StatusCode::OK,
    };
    // one job has no results of its own; an array has those of its tasks
    let results = (outcomes.len() > 1)
        .then(|| outcomes.iter().map(|(job, outcome)| entry(job, outcome.as_ref().err())).collect());
    let answer = empty(call);
    call.answer_with(status, JobPostResponse { results: results.or(answer.results), ..JobPostResponse::default() })
}

/// The answer that says nothing of single jobs.
pub(in super::super) fn empty(call: &Call) -> JobPostResponse {
    let first = call.version == Version::V40;
    JobPostResponse { results: first.then(Vec::new), ..JobPostResponse::default() }
}

/// A description that cannot be read, as slurmrestd says it.
pub(in super::super) fn unread(call: &mut Call, failure: Failure) -> Reply {
    let status = Some(axum::http::StatusCode::INTERNAL_SERVER_ERROR);
    let failure = failure.unread("_job_post_update", "Rejecting request. Failure parsing job update request.");
    let answer = empty(call);
    call.refuse_in(Failure { status, ..failure }, answer)
}

/// What became of one job.
pub(super) fn entry(job: &Located, fault: Option<&Fault>) -> JobArrayResponseMsgEntry {
    let errno = fault.map_or(Errno::NONE, |fault| fault.errno);
    JobArrayResponseMsgEntry {
        job_id: u32::try_from(job.id).ok(),
        step_id: Some(name(job)),
        error: Some(errno.text().into()),
        error_code: Some(errno.0),
        why: Some(fault.map(|fault| fault.description.to_string()).unwrap_or_default()),
    }
}

/// A job as Slurm names it: its number, or its array's and its task's.
pub(super) fn name(job: &Located) -> String {
    job.array.map_or_else(|| job.id.to_string(), |(array, task)| format!("{array}_{task}"))
}
