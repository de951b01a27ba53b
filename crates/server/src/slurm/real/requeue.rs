//! Putting jobs back into the queue.

use jobgate_slurm::cluster::Fault;
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{JobRequeueQuery, JobRequeueResp, JobsRequeueQuery, JobsRequeueResp};
use jobgate_slurm::site::Seen;

use super::super::call::{Call, Outcome};
use super::super::convert::{requeue_many, requeue_once};
use super::super::error::Failure;
use super::super::routes::named_jobs;

const ONE: &str = "op_handler_job_requeue";
const MANY: &str = "op_handler_jobs_requeue";

/// `GET /slurm/V/job/ID/requeue`
pub(super) fn one(call: &mut Call, seen: &dyn Seen) -> Outcome {
    let query: JobRequeueQuery = call.read_query(ONE)?;
    let how = requeue_once(&query);
    let name = call.path_name();
    let words = format!("Requeue JobID={name} failed");
    let answer = JobRequeueResp { status: Some(Vec::new()), ..JobRequeueResp::default() };
    let outcome = match super::named(call, ONE) {
        Ok(job) => seen.requeue(&job.to_string(), how),
        Err(failure) if failure.is(Errno::INVALID_JOB_ID) => Err(Fault::new(Errno::INVALID_JOB_ID, "")),
        Err(failure) => return Err(failure),
    };
    call.trail.job(name);
    match outcome {
        Ok(()) => Ok(call.answer(answer)),
        Err(fault) => Ok(call.refuse_in(Failure::of(&fault, ONE, &words), answer)),
    }
}

/// `POST /slurm/V/jobs/requeue`
pub(super) fn many(call: &mut Call, seen: &dyn Seen) -> Outcome {
    let request: JobsRequeueQuery = call.read_body_for(MANY, "Rejecting request. Failure parsing query")?;
    let how = requeue_many(&request);
    let jobs = named_jobs(&request.jobs.unwrap_or_default())?;
    if jobs.is_empty() {
        return Err(Failure::new(Errno::INVALID_JOB_ID, MANY, "Query missing JobIds"));
    }
    let mut failed: Option<Failure> = None;
    for job in jobs {
        let outcome = if job.job > super::MOST {
            Err(Fault::new(Errno::INVALID_JOB_ID, ""))
        } else {
            seen.requeue(&job.to_string(), how)
        };
        let Err(fault) = outcome else { continue };
        let mut failure = Failure::of(&fault, MANY, &format!("Requeue JobId={job} failed"));
        match &mut failed {
            Some(failed) => failed.problems.append(&mut failure.problems),
            None => failed = Some(failure),
        }
    }
    let answer = JobsRequeueResp { status: Some(Vec::new()), ..JobsRequeueResp::default() };
    Ok(match failed {
        Some(failure) => call.refuse_in(failure, answer),
        None => call.answer(answer),
    })
}
