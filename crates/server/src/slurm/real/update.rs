//! Changing jobs.

use jobgate_slurm::array::{JobRef, Part};
use jobgate_slurm::cluster::JobsWanted;
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{JobDesc, JobPostResponse};
use jobgate_slurm::site::Seen;
use jobgate_slurm::version::Version;

use super::super::call::{Call, Outcome};
use super::super::error::{Failure, status_of};

const UPDATE: &str = "slurm_update_job2()";
const REFUSED: &str = "Job update requested failed";

/// `POST /slurm/V/job/ID`: what the description does not name stays as it is.
pub(super) fn update(call: &mut Call, seen: &dyn Seen) -> Outcome {
    let job = super::named(call, "op_handler_job")?;
    let desc: JobDesc = call.read_body()?;
    let id = number_of(seen, &job)?;
    let outcome = seen.update_job(id, &desc, call.asker.administrator);
    call.trail.job(job.to_string());
    let first = call.version == Version::V40;
    let answer = JobPostResponse { results: first.then(Vec::new), ..JobPostResponse::default() };
    match outcome {
        Ok(()) => Ok(call.answer(answer)),
        Err(fault) => {
            let failure = Failure::of(&fault, UPDATE, REFUSED);
            let status = status_of(fault.errno, call.version);
            Ok(call.refuse_in(failure.with(status), answer))
        }
    }
}

/// The number by which the controller knows a job, also a task of an array.
fn number_of(seen: &dyn Seen, job: &JobRef) -> Result<i64, Failure> {
    let id = i64::from(job.job);
    let Part::Task(task) = job.part else { return Ok(id) };
    let mut found = None;
    let wanted = JobsWanted { ids: Some(vec![id]), ..JobsWanted::default() };
    let mut each = |one: jobgate_slurm::objects::Job| {
        if one.array_task_id.and_then(jobgate_slurm::table::Num::number) == Some(task) {
            found = one.job_id.map(i64::from);
        }
    };
    seen.jobs(&wanted, &mut each).map_err(|fault| Failure::of(&fault, UPDATE, REFUSED))?;
    found.ok_or_else(|| {
        let words = format!("{REFUSED}: task {task} of array {id} has not started; change the array as a whole");
        Failure::new(Errno::NOT_SUPPORTED, UPDATE, words)
    })
}
