//! Putting jobs back into the queue.

use jobgate_slurm::array::JobRef;
use jobgate_slurm::cluster::Fault;
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{
    JobArrayResponseArray, JobArrayResponseMsgEntry, JobRequeueQuery, JobRequeueResp, JobsRequeueQuery, JobsRequeueResp,
};
use jobgate_slurm::site::Seen;

use super::super::call::{Call, Outcome};
use super::super::convert::{requeue_many, requeue_once};
use super::super::error::Failure;
use super::super::routes::{named_jobs, unknown};

const REQUEUE: &str = "slurm_requeue()";
const REFUSED: &str = "Job requeue failed";

/// `GET /slurm/V/job/ID/requeue`
pub(super) fn one(call: &mut Call, seen: &dyn Seen) -> Outcome {
    let query: JobRequeueQuery = call.read_query("op_handler_job_requeue")?;
    let job = super::named(call, "op_handler_job_requeue")?;
    let how = requeue_once(&query);
    let outcome = seen.requeue(&job.to_string(), how);
    call.trail.job(job.to_string());
    let status = match outcome {
        Ok(()) => Vec::new(),
        Err(fault) if fault.errno == Errno::INVALID_JOB_ID => {
            return Err(unknown(&call.path_name(), "op_handler_job_requeue"));
        }
        Err(fault) if super::is_of_job(fault.errno) => vec![entry(&job, &fault)],
        Err(fault) => return Err(Failure::of(&fault, REQUEUE, REFUSED)),
    };
    Ok(call.answer(JobRequeueResp { status: Some(status), ..JobRequeueResp::default() }))
}

/// `POST /slurm/V/jobs/requeue`
pub(super) fn many(call: &mut Call, seen: &dyn Seen) -> Outcome {
    let request: JobsRequeueQuery = call.read_body()?;
    let how = requeue_many(&request);
    let mut status = Vec::new();
    for job in named_jobs(&request.jobs.unwrap_or_default())? {
        match seen.requeue(&job.to_string(), how) {
            Ok(()) => {}
            Err(fault) if super::is_of_job(fault.errno) => {
                status.push(JobArrayResponseArray(vec![entry(&job, &fault)]));
            }
            Err(fault) => return Err(Failure::of(&fault, REQUEUE, REFUSED)),
        }
    }
    Ok(call.answer(JobsRequeueResp { status: Some(status), ..JobsRequeueResp::default() }))
}

/// What became of one job.
fn entry(job: &JobRef, fault: &Fault) -> JobArrayResponseMsgEntry {
    JobArrayResponseMsgEntry {
        job_id: Some(job.job),
        step_id: Some(job.to_string()),
        error: Some(fault.errno.text().into()),
        error_code: Some(fault.errno.0),
        why: Some(fault.description.to_string()),
    }
}
