//! Jobs and their states, and nothing else: what is asked most often.

use jobgate_slurm::array::JobRef;
use jobgate_slurm::cluster::{JobState, JobsWanted};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{Framed, JobsStateQuery, Plain};
use jobgate_slurm::table::Writer;

use super::super::answer::Reply;
use super::super::call::{Call, Outcome, failed};
use super::super::error::Failure;
use super::jobs::{task_of, visible_user};

/// `GET /slurm/V/jobs/state`. Several ids may come with commas between, or one by one.
pub(super) fn list(call: &mut Call) -> Outcome {
    let query: JobsStateQuery = call.read_query("op_handler_job_states")?;
    let bad =
        || Failure::new(Errno::REST_INVALID_QUERY, "op_handler_job_states", "Rejecting request. Failure parsing query");
    let named = match &query.job_id {
        Some(ids) if !ids.0.is_empty() => {
            Some(ids.0.iter().map(|id| JobRef::parse(id)).collect::<Result<Vec<_>, _>>().map_err(|_| bad())?)
        }
        _ => None,
    };
    let ids = named.as_ref().map(|jobs| jobs.iter().map(|job| i64::from(job.job)).collect());
    let wanted = JobsWanted { ids, user: visible_user(call), all: false };
    let failed = failed("slurm_load_job_state()", "Unable to query job states");
    let is_wanted = |state: &JobState| {
        named.as_ref().is_none_or(|jobs| {
            jobs.iter().any(|job| match (task_of(job), state.array) {
                (None, array) => i64::from(job.job) == array.map_or(state.id, |(id, _)| id),
                (Some(task), Some(array)) => array == (i64::from(job.job), task),
                (Some(_), None) => false,
            })
        })
    };
    let mut out = Writer::with_capacity(call.version, 64 << 10);
    out.raw("{\"jobs\":[");
    let begin = out.len();
    call.cluster()
        .job_states(&wanted, &mut |state| {
            if is_wanted(&state) {
                if out.len() > begin {
                    out.raw(",");
                }
                write(&state, &mut out);
            }
        })
        .map_err(failed)?;
    out.raw("],");
    // no times of changes, unlike the other listings of jobs
    let mut frame = Plain::default();
    let (meta, errors, warnings) = call.frame();
    frame.frame(meta, errors, warnings);
    let mut rest = Writer::new(call.version);
    rest.object(&frame);
    out.raw(&String::from_utf8_lossy(&rest.into_bytes()[1..]));
    Ok(Reply::json(call.status(), out.into_bytes()))
}

/// A task is named by its array and its number in it.
fn write(state: &JobState, out: &mut Writer) {
    out.raw("{\"job_id\":");
    match state.array {
        Some((array, task)) if task >= 0 => out.text(&format!("{array}_{task}")),
        Some(_) | None => match state.component {
            Some(place) => out.text(&format!("{}+{place}", state.id)),
            None => out.text(&state.id.to_string()),
        },
    }
    out.raw(",\"state\":");
    out.list(&state.states, |out, word| out.text(word));
    out.raw("}");
}
