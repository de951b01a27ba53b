//! Allocations.

use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{JobAllocRequest, JobAllocResp};
use jobgate_slurm::site::Seen;

use super::super::call::{Call, Outcome, failed};
use super::super::error::Failure;

const ALLOCATE: &str = "slurm_allocate_resources_blocking()";
const REFUSED: &str = "Job allocation request failed";

/// `POST /slurm/V/job/allocate`: answers when the job is queued. It runs at once if there is room for it.
pub(super) fn allocate(call: &mut Call, seen: &dyn Seen) -> Outcome {
    let request: JobAllocRequest = call.read_body()?;
    let wrong = |words: &str| Failure::new(Errno::REST_INVALID_QUERY, "op_handler_alloc_job", words);
    let mut desc = match (request.job, request.hetjob) {
        (Some(job), None) => job,
        (None, Some(mut jobs)) if jobs.len() == 1 => jobs.remove(0),
        (None, Some(jobs)) if !jobs.is_empty() => {
            let words = format!("{REFUSED}: allocations of several components are not asked for from a real cluster");
            return Err(Failure::new(Errno::NOT_SUPPORTED, ALLOCATE, words));
        }
        _ => return Err(wrong("Specify only one \"job\" or \"hetjob\" fields but never both")),
    };
    // the caller's own name is said by its credential
    if desc.user_id.as_deref() == Some(&*call.asker.login) {
        desc.user_id = None;
    }
    let done = seen.allocate(&desc).map_err(failed(ALLOCATE, REFUSED))?;
    call.trail.job(done.job_id.to_string());
    Ok(call.answer(JobAllocResp {
        job_id: Some(done.job_id),
        job_submit_user_msg: Some(done.message.unwrap_or_default()),
        ..JobAllocResp::default()
    }))
}
