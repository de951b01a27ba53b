//! What the controller says of a job, in a backend's words.

use jobgate_model::Phase;
use jobgate_slurm::objects::{ExitCode, Job};
use jobgate_slurm::table::{Flags, Num};

use super::super::commands::phase;

/// The number by which a job is known: for a task, its array's; for a component, its job's.
pub(super) fn number_of(job: &Job) -> Option<u32> {
    whole_of(job).or(job.job_id)
}

/// Whether a job is a task of an array, or a component of a heterogeneous job.
pub(super) fn is_part(job: &Job) -> bool {
    whole_of(job).is_some()
}

fn whole_of(job: &Job) -> Option<u32> {
    let whole = |number: Option<Num<u32>>| number.and_then(Num::number).filter(|number| *number != 0);
    whole(job.array_job_id).or_else(|| whole(job.het_job_id))
}

/// When a job began to run, if it did: what was cancelled before it had nodes did not.
pub(super) fn began(job: &Job) -> Option<f64> {
    let is = |word: &str| job.job_state.as_ref().is_some_and(|states| states.has(word));
    let had_nodes = job.nodes.as_deref().is_some_and(|nodes| !nodes.is_empty());
    let started = job.start_time.and_then(jobgate_slurm::table::Time::seconds).filter(|second| *second > 0)?;
    (had_nodes && !is("PENDING") && !is("CONFIGURING")).then_some(started as f64)
}

/// What a job is doing.
pub(super) fn phase_of(job: &Job) -> Phase {
    let states: Vec<&str> = job.job_state.iter().flat_map(Flags::iter).collect();
    // what squeue calls it: the most telling of the words
    let telling = ["CONFIGURING", "COMPLETING", "REQUEUE_HOLD", "SPECIAL_EXIT"];
    let word = telling.iter().find(|word| states.contains(word)).copied().or(states.first().copied());
    let waits = matches!(word, Some("PENDING" | "CONFIGURING" | "REQUEUE_HOLD" | "SPECIAL_EXIT"));
    let detail = if waits { job.state_reason.clone().unwrap_or_default() } else { exit(job.exit_code.as_ref()) };
    phase(word.unwrap_or_default(), &detail)
}

/// A code and a signal, as sacct shows them: `3:0`.
pub(super) fn exit(code: Option<&ExitCode>) -> String {
    let number = |number: Option<u32>| number.unwrap_or(0);
    format!(
        "{}:{}",
        number(code.and_then(|code| code.return_code).and_then(Num::number)),
        number(code.and_then(|code| code.signal_id).and_then(Num::number).map(u32::from))
    )
}

#[cfg(test)]
mod tests {
    use jobgate_model::State;
    use jobgate_slurm::table::Time;

    use super::*;

    fn job(states: &[&'static str]) -> Job {
        Job {
            job_id: Some(7),
            job_state: Some(Flags::of(states.iter().copied())),
            start_time: Some(Time::at(500)),
            nodes: Some("n1".into()),
            ..Job::default()
        }
    }

    #[test]
    fn states_are_what_squeue_would_say() {
        assert_eq!(
            phase_of(&Job { state_reason: Some("Priority".into()), ..job(&["PENDING"]) }),
            Phase::Waiting("Priority".into())
        );
        assert_eq!(phase_of(&job(&["RUNNING"])), Phase::Running);
        assert_eq!(phase_of(&job(&["CANCELLED", "COMPLETING"])), Phase::Running, "its processes are still being ended");
        assert_eq!(phase_of(&job(&["CANCELLED"])), Phase::Ended(State::Canceled, String::new()));
        let code = |code, signal| Job {
            exit_code: Some(ExitCode {
                return_code: Some(Num::Set(code)),
                signal_id: Some(Num::Set(signal)),
                ..ExitCode::default()
            }),
            ..job(&["FAILED"])
        };
        assert_eq!(phase_of(&code(3, 0)), Phase::Ended(State::Failed, "3".into()));
        assert_eq!(phase_of(&code(0, 9)), Phase::Ended(State::Failed, "-9".into()));
    }

    #[test]
    fn what_had_no_node_never_began() {
        assert_eq!(began(&job(&["RUNNING"])), Some(500.0));
        assert_eq!(began(&Job { nodes: Some(String::new()), ..job(&["CANCELLED"]) }), None);
        assert_eq!(began(&job(&["PENDING"])), None, "when it is expected to start");
    }

    #[test]
    fn tasks_and_components_go_by_the_number_of_the_whole() {
        assert_eq!(number_of(&job(&["RUNNING"])), Some(7));
        let task = Job { array_job_id: Some(Num::Set(5)), ..job(&["RUNNING"]) };
        assert_eq!(number_of(&task), Some(5));
        let component = Job { array_job_id: Some(Num::Set(0)), het_job_id: Some(Num::Set(6)), ..job(&["RUNNING"]) };
        assert_eq!(number_of(&component), Some(6));
    }
}
