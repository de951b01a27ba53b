//! How jobs have ended that have left the queue, by the accounting database.

use jobgate_model::{Phase, RunRef};
use jobgate_slurm::objects::JobRecord;
use jobgate_slurm::table::Flags;

use super::super::attempt::{Sent, attempted};
use super::super::commands::phase;
use super::marker;
use super::phases::exit;

/// A job that was queued earlier than its run was handed over is another one of the same number.
const EARLIER: f64 = 60.0;

/// What these records say of runs, and of each task or component of theirs, by the runs' numbers. Another job of the same number
/// is none of theirs.
pub(super) fn parts(runs: &[&RunRef], records: &[JobRecord]) -> Vec<(String, Phase)> {
    let mut parts = Vec::new();
    for record in records {
        let whole =
            |number: Option<i32>| number.and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0);
        let number = whole(record.array_job_id).or_else(|| whole(record.het_job_id)).or(record.job_id);
        let native = number.unwrap_or_default().to_string();
        let of_number = |run: &&&RunRef| run.native.as_ref().is_some_and(|of_run| of_run.0 == native);
        if !runs.iter().find(of_number).is_some_and(|run| is_its(record, run)) {
            continue;
        }
        let word = record.state_current.iter().flat_map(Flags::iter).next().unwrap_or_default();
        parts.push((native, phase(word, &exit(record.exit_code.as_ref()))));
    }
    parts
}

/// Whether a record of a run's number is the run's: it carries its mark, if accounting keeps comments; or no other one, and is not
/// too old.
fn is_its(record: &JobRecord, run: &RunRef) -> bool {
    let texts = [&record.comment_job, &record.extra];
    let submitted = record.time_submission.unwrap_or(0) as f64;
    let is_another = || marker::carries_anothers(texts, &run.marker) || is_earlier(submitted, run);
    marker::carries(texts, &run.marker) || !is_another()
}

/// Whether what was queued then was queued before a run was handed over: another job of the same number. Of a run that was
/// only found later, it was recorded later that it is queued.
pub(super) fn is_earlier(queued: f64, run: &RunRef) -> bool {
    let is_before = |handed_over: f64| queued + EARLIER < handed_over;
    let sent = || attempted(run).map_or_else(|| run.jobid.number(), Sent::first_seconds);
    is_before(run.since) && is_before(sent())
}

/// Whether a run that nobody knows any more, and that was queued at this time, was lost by a controller that was started at that time
/// and still knows all that ended after `forgotten`: it was queued before the start. All in seconds since 1970.
pub(super) fn is_lost(queued: f64, started: f64, forgotten: f64) -> bool {
    // the start is told in whole seconds; the controller before may have queued it in that second
    queued > 0.0 && queued < started + 1.0 && queued > forgotten
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use jobgate_model::{JobId, NativeId, State};
    use jobgate_slurm::objects::ExitCode;
    use jobgate_slurm::table::Num;

    use super::super::super::attempt::note_attempt;
    use super::super::super::commands::complete;
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
        let ends = |runs: &[&RunRef], records: &[JobRecord]| {
            let mut seen = HashMap::new();
            complete(&mut seen, &parts(runs, records));
            seen
        };
        let seen = ends(&runs.each_ref(), &records);
        let of = |native: &str| seen.get(native).cloned();
        assert_eq!(of("7"), Some(Phase::Ended(State::Completed, String::new())));
        assert_eq!(of("8"), None, "it may have been lost on the way");
        assert_eq!(of("9"), None, "an earlier job of the same number");
        assert_eq!(of("20"), Some(Phase::Ended(State::Failed, "slurm: TIMEOUT".into())));
        assert_eq!(seen.len(), 2);
        let early = ends(&[&run("9", 930.0)], &records);
        assert_eq!(early.get("9"), Some(&Phase::Ended(State::Failed, "3".into())));
    }

    /// It is recorded as queued when it is found, which may be hours after it was.
    #[test]
    fn a_run_that_was_found_late_ends() {
        let dir = tempfile::tempdir().unwrap();
        let mark = |jobndx: u32| format!("jobgate-5000.000-0a1b2c3d-{jobndx}");
        let run = RunRef {
            base: dir.path().to_owned(),
            jobid: JobId::parse("5000.000").unwrap(),
            jobndx: 1,
            owner: "alice".into(),
            marker: mark(1),
            native: Some(NativeId("7".into())),
            since: 9000.0,
            described: true,
            untold: None,
        };
        let record = JobRecord {
            job_id: Some(7),
            state_current: Some(Flags::of(["COMPLETED"])),
            time_submission: Some(5001),
            ..JobRecord::default()
        };
        let is_its = |record: &JobRecord| !parts(&[&run], std::slice::from_ref(record)).is_empty();
        assert!(is_its(&record), "its job was made before");
        let older = JobRecord { time_submission: Some(4900), ..record.clone() };
        assert!(!is_its(&older));
        assert!(is_its(&JobRecord { comment_job: Some(format!("theirs {}", mark(1))), ..older.clone() }));
        assert!(is_its(&JobRecord { extra: Some(mark(1)), ..older }));
        assert!(!is_its(&JobRecord { comment_job: Some(mark(2)), ..record.clone() }));
        // when it was sent is known better
        note_attempt(dir.path(), 1).unwrap();
        let noted = std::fs::File::options().write(true).open(dir.path().join(".submitted.1")).unwrap();
        noted.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(6000)).unwrap();
        assert!(!is_its(&record));
        assert!(is_its(&JobRecord { time_submission: Some(6001), ..record }));
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
