//! When a run's submission was sent last: a file in the job's directory, whose time it is. It outlives the process that sent it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jobgate_model::{Error, JobNdx};

fn path(base: &Path, jobndx: JobNdx) -> PathBuf {
    base.join(format!(".submitted.{jobndx}"))
}

/// To be called before a submission is sent.
pub(super) fn note_attempt(base: &Path, jobndx: JobNdx) -> Result<(), Error> {
    let path = path(base, jobndx);
    fs::write(&path, "\n").map_err(|error| Error::internal(format!("cannot write {}", path.display()), error))
}

/// When a submission was sent last; `None`: never.
pub(super) fn attempted(base: &Path, jobndx: JobNdx) -> Option<SystemTime> {
    fs::metadata(path(base, jobndx)).ok()?.modified().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attempt_counts() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(attempted(dir.path(), 1), None);
        note_attempt(dir.path(), 1).unwrap();
        assert_eq!(attempted(dir.path(), 2), None);
        let first = SystemTime::now() - std::time::Duration::from_mins(1);
        fs::File::options().write(true).open(path(dir.path(), 1)).unwrap().set_modified(first).unwrap();
        note_attempt(dir.path(), 1).unwrap();
        assert!(attempted(dir.path(), 1).unwrap() > first);
    }
}
