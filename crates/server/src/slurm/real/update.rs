//! Changing jobs.

use jobgate_slurm::array::Part;
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::JobDesc;
use jobgate_slurm::site::Seen;

use super::super::call::{Call, Outcome};
use super::super::error::{Failure, status_of};
use super::super::routes::update::{empty, unread};

const UPDATE: &str = "slurm_update_job2()";
const REFUSED: &str = "Job update requested failed";
const NO_TASKS: &str = "Rejecting request. Submit job update against Array Job's JobID instead of array task id.";

/// `POST /slurm/V/job/ID`: what the description does not name stays as it is.
pub(super) fn update(call: &mut Call, seen: &dyn Seen) -> Outcome {
    let job = super::named(call, "op_handler_job")?;
    let desc: JobDesc = match call.read_body() {
        Ok(desc) => desc,
        Err(failure) => return Ok(unread(call, failure)),
    };
    super::warn_of_crontab(call, &desc, "#/");
    let answer = empty(call);
    if super::is_anothers(call, &desc) {
        return Ok(call.refuse_in(Failure::new(Errno::USER_ID, UPDATE, REFUSED), answer));
    }
    if matches!(job.part, Part::Task(_)) {
        return Ok(call.refuse_in(Failure::new(Errno::REST_INVALID_QUERY, "_job_post_update", NO_TASKS), answer));
    }
    let outcome = seen.update_job(i64::from(job.job), &desc, call.asker.administrator);
    call.trail.job(job.to_string());
    match outcome {
        Ok(()) => Ok(call.answer(answer)),
        Err(fault) => {
            let failure = Failure::of(&fault, UPDATE, REFUSED);
            let status = status_of(fault.errno, call.follows());
            Ok(call.refuse_in(failure.with(status), answer))
        }
    }
}
