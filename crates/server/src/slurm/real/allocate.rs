//! Allocations.

use std::time::{Duration, Instant};

use jobgate_model::Principal;
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{Job, JobAllocRequest, JobAllocResp};

use super::super::call::{Call, Outcome, failed};
use super::super::error::Failure;
use super::super::routes::submit::{self, TAKEN_BACK, neither, submitter};
use jobgate_slurm::cluster::Reach;

const ALLOCATE: &str = "slurm_allocate_resources_blocking()";
const REFUSED: &str = "Job allocation request failed";
/// How often it is looked whether a job has started; the controller is asked less often.
const LOOK: Duration = Duration::from_millis(100);
/// The number of the signal that cancels.
const CANCEL: i32 = 9;

/// `POST /slurm/V/job/allocate`: answers when the job has started.
pub(super) fn allocate(call: &mut Call) -> Outcome {
    let request: JobAllocRequest = call.read_body()?;
    let wrong = |words: &str| Failure::new(Errno::REST_INVALID_QUERY, "op_handler_alloc_job", words);
    let mut desc = match (request.job, request.hetjob) {
        (Some(job), None) => job,
        (None, Some(mut jobs)) if jobs.len() == 1 => jobs.remove(0),
        (None, Some(jobs)) if !jobs.is_empty() => {
            let words = format!("{REFUSED}: allocations of several components are not asked for from a real cluster");
            return Err(Failure::new(Errno::NOT_SUPPORTED, ALLOCATE, words));
        }
        (Some(_), Some(_)) => return Err(wrong("Specify only one \"job\" or \"hetjob\" fields but never both")),
        _ => return Err(neither(call)),
    };
    let who = submitter(call, &desc)?;
    // said by the credential
    desc.user_id = None;
    let seen = call.seen_anew_by(&who).map_err(failed(ALLOCATE, REFUSED))?;
    let done = seen.allocate(&desc).map_err(failed(ALLOCATE, REFUSED))?;
    call.trail.job(done.job_id.to_string());
    let until = Instant::now() + submit::ALLOCATE;
    while waits(call, &who, done.job_id) {
        if Instant::now() >= until {
            seen.signal(&done.job_id.to_string(), CANCEL, Reach::Steps).map_err(failed(ALLOCATE, REFUSED))?;
            return Err(Failure::new(Errno::NODES_BUSY, ALLOCATE, TAKEN_BACK));
        }
        std::thread::sleep(LOOK);
    }
    Ok(call.answer(JobAllocResp {
        job_id: Some(done.job_id),
        job_submit_user_msg: Some(done.message.unwrap_or_default()),
        ..JobAllocResp::default()
    }))
}

/// Whether a job still waits, as far as is known.
fn waits(call: &Call, who: &Principal, id: u32) -> bool {
    let mut waits = false;
    let mut each = |job: Job| waits |= job.job_state.is_some_and(|states| states.has("PENDING"));
    let asked = call.seen_anew_by(who).and_then(|seen| seen.job(i64::from(id), &mut each));
    asked.is_err() || waits
}
