//! Allocations.

use std::time::{Duration, Instant};

use jobgate_model::Principal;
use jobgate_slurm::cluster::Reach;
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{Job, JobAllocRequest, JobAllocResp, JobDesc};

use super::super::call::{Call, Outcome, failed};
use super::super::error::Failure;
use super::super::routes::submit::{self, TAKEN_BACK, neither, submitter};

const ONE: &str = "slurm_allocate_resources_blocking()";
const HET: &str = "slurm_allocate_het_job_blocking()";
const REFUSED: &str = "Job allocation request failed";
/// How often it is looked whether a job has started; the controller is asked less often.
const LOOK: Duration = Duration::from_millis(100);
/// The number of the signal that cancels.
const CANCEL: i32 = 9;

/// `POST /slurm/V/job/allocate`: answers when the job has started, or all components of a heterogeneous one have.
pub(super) fn allocate(call: &mut Call) -> Outcome {
    let request: JobAllocRequest = call.read_body()?;
    let wrong = |words: &str| Failure::new(Errno::REST_INVALID_QUERY, "op_handler_alloc_job", words);
    let (source, mut components) = match (request.job, request.hetjob) {
        (Some(job), None) => (ONE, vec![job]),
        (None, Some(jobs)) if jobs.is_empty() => {
            let words = "Refusing HetJob submission without any components";
            return Err(Failure::new(Errno::REST_INVALID_QUERY, "_job_post_het_allocate", words));
        }
        (None, Some(jobs)) => (HET, jobs),
        (Some(_), Some(_)) => return Err(wrong("Specify only one \"job\" or \"hetjob\" fields but never both")),
        _ => return Err(neither(call)),
    };
    for (index, desc) in components.iter().enumerate() {
        let at = if source == ONE { "#/job/".to_owned() } else { format!("#/hetjob[{index}]/") };
        super::warn_of_crontab(call, desc, &at);
    }
    let who = asked_for(call, &mut components)?;
    let seen = call.seen_anew_by(&who).map_err(failed(source, REFUSED))?;
    let done = match (source, &components[..]) {
        (ONE, [desc]) => seen.allocate(desc).map(|one| vec![one]),
        _ => seen.allocate_het(&components),
    };
    let done = done.map_err(failed(source, REFUSED))?;
    // slurmrestd names the last component
    let (Some(first), Some(last)) = (done.first(), done.last()) else {
        return Err(Failure::new(Errno::UNEXPECTED_MESSAGE, source, REFUSED));
    };
    call.trail.job(first.job_id.to_string());
    let until = Instant::now() + submit::ALLOCATE;
    while waits(call, &who, first.job_id) {
        if Instant::now() >= until {
            seen.signal(&first.job_id.to_string(), CANCEL, Reach::Steps).map_err(failed(source, REFUSED))?;
            return Err(Failure::new(Errno::NODES_BUSY, source, TAKEN_BACK));
        }
        std::thread::sleep(LOOK);
    }
    let message = done.iter().find_map(|one| one.message.clone());
    Ok(call.answer(JobAllocResp {
        job_id: Some(last.job_id),
        job_submit_user_msg: Some(message.unwrap_or_default()),
        ..JobAllocResp::default()
    }))
}

/// For whom all components are asked for. The credential says that, and of which group.
fn asked_for(call: &Call, components: &mut [JobDesc]) -> Result<Principal, Failure> {
    let who = submitter(call, &components[0])?;
    for desc in components {
        if submitter(call, desc)? != who {
            return Err(Failure::new(Errno::USER_ID, HET, REFUSED));
        }
        (desc.user_id, desc.group_id) = (None, None);
    }
    Ok(who)
}

/// Whether a job, or a component of it, still waits, as far as is known.
fn waits(call: &Call, who: &Principal, id: u32) -> bool {
    let mut waits = false;
    let mut each = |job: Job| waits |= job.job_state.is_some_and(|states| states.has("PENDING"));
    let asked = call.seen_anew_by(who).and_then(|seen| seen.job(i64::from(id), &mut each));
    asked.is_err() || waits
}
