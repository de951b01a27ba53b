//! Putting jobs back into the queue.

use jobgate_engine::Need;
use jobgate_slurm::cluster::Requeue;
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{
    JobArrayResponseArray, JobArrayResponseMsgEntry, JobRequeueQuery, JobRequeueResp, JobsRequeueQuery, JobsRequeueResp,
};

use super::super::call::{Call, Outcome, failed};
use super::super::convert::{requeue_many, requeue_once};
use super::super::error::Failure;
use super::super::permit::Permits;
use super::jobs::{job_id, named_jobs, task_of, unknown};
use super::update::entry;

const REQUEUE: &str = "slurm_requeue()";
const REFUSED: &str = "Job requeue failed";

/// `GET /slurm/V/job/ID/requeue`
pub(super) fn one(call: &mut Call) -> Outcome {
    let query: JobRequeueQuery = call.read_query("op_handler_job_requeue")?;
    let (id, task) = job_id(call, "op_handler_job_requeue")?;
    let how = requeue_once(&query);
    match requeue(call, id, task, how)? {
        None => Err(unknown(&call.path_name(), "op_handler_job_requeue")),
        Some(status) => Ok(call.answer(JobRequeueResp { status: Some(status), ..JobRequeueResp::default() })),
    }
}

/// `POST /slurm/V/jobs/requeue`
pub(super) fn many(call: &mut Call) -> Outcome {
    let request: JobsRequeueQuery = call.read_body()?;
    let how = requeue_many(&request);
    let mut status = Vec::new();
    for job in named_jobs(&request.jobs.unwrap_or_default())? {
        let entries = match requeue(call, i64::from(job.job), task_of(&job), how)? {
            Some(entries) => entries,
            None => vec![JobArrayResponseMsgEntry {
                job_id: Some(job.job),
                step_id: Some(job.to_string()),
                error: Some(Errno::INVALID_JOB_ID.text().into()),
                error_code: Some(Errno::INVALID_JOB_ID.0),
                why: Some(String::new()),
            }],
        };
        if !entries.is_empty() {
            status.push(JobArrayResponseArray(entries));
        }
    }
    Ok(call.answer(JobsRequeueResp { status: Some(status), ..JobsRequeueResp::default() }))
}

/// Puts a job, or all tasks of an array, back: what failed of it; `None`: there is no such job.
fn requeue(
    call: &Call,
    id: i64,
    task: Option<i64>,
    how: Requeue,
) -> Result<Option<Vec<JobArrayResponseMsgEntry>>, Failure> {
    let located = call.cluster().locate(id, task).map_err(failed(REQUEUE, REFUSED))?;
    if located.is_empty() {
        return Ok(None);
    }
    let mut permits = Permits::new(call, Need::Write);
    let failures = located.iter().filter_map(|job| {
        let permit = permits.ask(job, Errno::ACCESS_DENIED);
        permit.and_then(|_| call.cluster().requeue_job(job.id, how)).err().map(|fault| entry(job, Some(&fault)))
    });
    Ok(Some(failures.collect()))
}
