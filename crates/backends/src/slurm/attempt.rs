//! When a run's submission was sent: a file in the job's directory, whose time it is. It outlives the process that sent it, but
//! not surely a power failure; then it may have been sent at any time between the intent and the end of that boot. Of what was
//! sent before it was recorded, the record says when.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jobgate_model::{Error, JobNdx, RunRef};

/// When a submission of which no answer is known was sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sent {
    /// Not before this moment.
    pub(super) first: SystemTime,
    /// Not after this one.
    pub(super) last: SystemTime,
}

impl Sent {
    /// The first moment in unix seconds.
    pub(super) fn first_seconds(self) -> f64 {
        seconds(self.first)
    }

    /// The last moment in unix seconds.
    pub(super) fn last_seconds(self) -> f64 {
        seconds(self.last)
    }
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn path(base: &Path, jobndx: JobNdx) -> PathBuf {
    base.join(format!(".submitted.{jobndx}"))
}

/// To be called before a submission is sent.
pub(super) fn note_attempt(base: &Path, jobndx: JobNdx) -> Result<(), Error> {
    let path = path(base, jobndx);
    fs::write(&path, "\n").map_err(|error| Error::internal(format!("cannot write {}", path.display()), error))
}

/// When a submission was sent last; `None`: surely never.
pub(super) fn attempted(run: &RunRef) -> Option<Sent> {
    let noted = fs::metadata(path(&run.base, run.jobndx)).and_then(|meta| meta.modified()).ok();
    let Some(untold) = run.untold else { return noted.map(|at| Sent { first: at, last: at }) };
    // what was noted until then need not be the last that was sent
    let at = |seconds: f64| UNIX_EPOCH + Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let (since, until) = (at(untold.since), at(untold.until));
    Some(match noted {
        Some(noted) if noted > until => Sent { first: noted, last: noted },
        _ => Sent { first: since.min(until), last: until },
    })
}

#[cfg(test)]
mod tests {
    use jobgate_model::{JobId, Untold};

    use super::*;

    /// A run of a job in this directory, of which nothing more is known.
    fn run_in(base: &Path, jobndx: JobNdx) -> RunRef {
        RunRef {
            base: base.to_owned(),
            jobid: JobId::parse("7.000").unwrap(),
            jobndx,
            owner: "alice".into(),
            marker: format!("m-{jobndx}"),
            native: None,
            since: 0.0,
            described: false,
            untold: None,
        }
    }

    #[test]
    fn each_attempt_counts() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (run_in(dir.path(), 1), run_in(dir.path(), 2));
        assert_eq!(attempted(&one), None);
        note_attempt(dir.path(), 1).unwrap();
        assert_eq!(attempted(&other), None);
        let first = SystemTime::now() - Duration::from_mins(1);
        fs::File::options().write(true).open(path(dir.path(), 1)).unwrap().set_modified(first).unwrap();
        note_attempt(dir.path(), 1).unwrap();
        let sent = attempted(&one).unwrap();
        assert!(sent.first > first && sent.first == sent.last, "{sent:?}");
    }

    /// The power failed: the note may be gone, or be the one before the last.
    #[test]
    fn what_another_boot_noted_is_not_all() {
        let dir = tempfile::tempdir().unwrap();
        let at = |seconds: u64| UNIX_EPOCH + Duration::from_secs(seconds);
        let run = RunRef { untold: Some(Untold { since: 1000.0, until: 2000.0 }), ..run_in(dir.path(), 1) };
        let unknown = Some(Sent { first: at(1000), last: at(2000) });
        assert_eq!(attempted(&run), unknown, "it may have been sent");
        note_attempt(dir.path(), 1).unwrap();
        let note =
            |time| fs::File::options().write(true).open(path(dir.path(), 1)).unwrap().set_modified(time).unwrap();
        note(at(1500));
        assert_eq!(attempted(&run), unknown, "and once more after the note");
        note(at(2001));
        assert_eq!(
            attempted(&run),
            Some(Sent { first: at(2001), last: at(2001) }),
            "this boot has looked, and sent it"
        );
    }
}
