//! Who sends a run's callbacks: a note in the tree.
//!
//! A runner on a machine without the index sends its run's callbacks itself, as psik does. Before its first row it leaves
//! `log/reports.N`, so that whoever takes the rows into the index later does not send them a second time.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use jobgate_model::{JobNdx, State};

use super::Tail;

/// Says that the runner of this run sends its callbacks itself.
pub fn announce_reports(base: &Path, jobndx: JobNdx) -> io::Result<()> {
    // anew: it must not be somebody else's file, reached through a link
    match File::create_new(note(base, jobndx)) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Of the runs that these rows are about, those whose runner sends their callbacks itself.
pub fn reported(base: &Path, tail: &Tail) -> Vec<JobNdx> {
    let by_runner = |state| matches!(state, State::Active | State::Completed | State::Failed | State::Canceled);
    let mut runs: Vec<JobNdx> =
        tail.rows.iter().filter(|row| by_runner(row.transition.state)).map(|row| row.transition.jobndx).collect();
    runs.sort_unstable();
    runs.dedup();
    runs.retain(|jobndx| *jobndx > 0 && note(base, *jobndx).symlink_metadata().is_ok());
    runs
}

fn note(base: &Path, jobndx: JobNdx) -> PathBuf {
    base.join(format!("log/reports.{jobndx}"))
}
