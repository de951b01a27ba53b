//! How jobs have ended that have left the queue, by the accounting database.

use std::collections::HashMap;

use jobgate_model::{Phase, RunRef};
use jobgate_slurm::objects::{ExitCode, JobRecord};
use jobgate_slurm::table::{Flags, Num};

use super::super::commands::{merge, phase};
use super::described::EARLIER;

/// How runs have ended by these records. What has no end there may have been lost on the way; a job that was queued earlier than
/// its run was handed over is another one of the same number.
pub(super) fn ends(runs: &[&RunRef], records: &[JobRecord]) -> HashMap<String, Phase> {
    let mut seen = HashMap::new();
    for record in records {
        let whole =
            |number: Option<i32>| number.and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0);
        let number = whole(record.array_job_id).or_else(|| whole(record.het_job_id)).or(record.job_id);
        let native = number.unwrap_or_default().to_string();
        let is_its = |run: &&&RunRef| run.native.as_ref().is_some_and(|of_run| of_run.0 == native);
        let Some(run) = runs.iter().find(is_its) else { continue };
        if record.time_submission.unwrap_or(0) as f64 + EARLIER < run.since {
            continue;
        }
        let word = record.state_current.iter().flat_map(Flags::iter).next().unwrap_or_default();
        merge(&mut seen, &native, phase(word, &exit(record.exit_code.as_ref())));
    }
    seen.retain(|_, phase| matches!(phase, Phase::Ended(..)));
    seen
}

/// Whether a run that nobody knows any more, and that was queued at this time, was lost by a controller that was started at that time
/// and still knows all that ended after `forgotten`: it was queued before the start. All in seconds since 1970.
pub(super) fn is_lost(queued: f64, started: f64, forgotten: f64) -> bool {
    // the start is told in whole seconds; the controller before may have queued it in that second
    queued > 0.0 && queued < started + 1.0 && queued > forgotten
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
    use jobgate_model::{JobId, NativeId, State};

    use super::*;

    #[test]
    fn ends_are_those_of_the_run_and_of_no_earlier_job_of_its_number() {
        let run = |native: &str, since: f64| RunRef {
            base: "/".into(),
            jobid: JobId::parse("1693992878.203").unwrap(),
            jobndx: 1,
            owner: "alice".into(),
            marker: String::new(),
            native: Some(NativeId(native.into())),
            since,
            described: false,
            untold: None,
        };
        let record = |id: u32, state: &'static str, code: u32, submitted: i64| JobRecord {
            job_id: Some(id),
            state_current: Some(Flags::of([state])),
            exit_code: Some(ExitCode { return_code: Some(Num::Set(code)), ..ExitCode::default() }),
            time_submission: Some(submitted),
            ..JobRecord::default()
        };
        let runs = [run("7", 1000.0), run("8", 1000.0), run("9", 1000.0), run("20", 1000.0)];
        let task = |id: u32, state| JobRecord { array_job_id: Some(20), ..record(id, state, 0, 1001) };
        let records = [
            record(7, "COMPLETED", 0, 1001),
            record(8, "RUNNING", 0, 1001),
            record(9, "FAILED", 3, 900),
            task(20, "COMPLETED"),
            task(21, "TIMEOUT"),
            record(99, "COMPLETED", 0, 1001),
        ];
        let seen = ends(&runs.each_ref(), &records);
        let of = |native: &str| seen.get(native).cloned();
        assert_eq!(of("7"), Some(Phase::Ended(State::Completed, String::new())));
        assert_eq!(of("8"), None, "it may have been lost on the way");
        assert_eq!(of("9"), None, "an earlier job of the same number");
        assert_eq!(of("20"), Some(Phase::Ended(State::Failed, "slurm: TIMEOUT".into())));
        assert_eq!(seen.len(), 2);
        let late = ends(&[&run("9", 930.0)], &records);
        assert_eq!(late.get("9"), Some(&Phase::Ended(State::Failed, "3".into())));
    }

    #[test]
    fn what_a_controller_lost_was_queued_before_it_started() {
        assert!(is_lost(1000.5, 1010.0, 900.0));
        assert!(is_lost(1010.3, 1010.0, 900.0), "it started at 1010.9");
        assert!(!is_lost(1011.5, 1010.0, 900.0), "this controller has queued it");
        assert!(!is_lost(899.0, 1010.0, 900.0), "it may have ended, and be forgotten");
        assert!(!is_lost(0.0, 1010.0, -5.0), "nobody knows when it was queued");
    }
}
