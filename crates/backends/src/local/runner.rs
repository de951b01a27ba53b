//! What a runner is told by whoever started it, and what it finds out by itself later.

use std::fs;
use std::io::{self, BufRead};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use jobgate_model::JobNdx;
use serde::{Deserialize, Serialize};

use super::orders;
use super::settings::LocalSettings;
use super::variables::Allocation;
use crate::execute::Orders;

/// A run that is handed to a runner: the first line on its standard input, as JSON. The second line is `go`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The run's number in the queue, for [`super::Local::finish`].
    pub run: i64,
    /// The job's directory.
    pub base: PathBuf,
    /// The job.
    pub jobid: String,
    /// The run.
    pub jobndx: JobNdx,
    /// The run's marker.
    pub marker: String,
    /// What the run is called in its `queued` row: the variable `jobid`.
    pub native: String,
    /// Variables that the batch system adds: an array task, GPUs.
    pub environment: Vec<(String, String)>,
    /// Memory limit in bytes.
    pub memory: Option<u64>,
    /// What the run was given.
    pub allocation: Allocation,
    /// To open the queue with when there is no gateway.
    pub settings: LocalSettings,
}

/// Becomes a runner: catches the signals that stop a run, leaves the session of the process that started it, and reads the
/// ticket from the standard input. `None`: the starter is gone or has changed its mind, and nothing may be run.
pub fn receive() -> Option<Ticket> {
    crate::execute::catch_signals();
    if let Err(error) = rustix::process::setsid() {
        tracing::warn!(%error, "cannot leave the session");
    }
    read(&mut io::stdin().lock())
}

/// What the run's row says that its runner has to do; `None` when that cannot be read now.
pub fn orders(settings: &LocalSettings, run: i64) -> Option<Orders> {
    orders::read(settings, run)
}

/// The directory with the programs that jobs find first: `srun`, which is our own program by another name. Made if it is
/// missing; `None` when it cannot be made, or no search path could hold it.
pub fn programs(settings: &LocalSettings) -> Option<PathBuf> {
    let dir = settings.state_dir.join("bin");
    let srun = dir.join("srun");
    if dir.as_os_str().as_encoded_bytes().contains(&b':') {
        return None;
    }
    if fs::read_link(&srun).is_ok_and(|target| target == settings.runner) {
        return Some(dir);
    }
    match link(&dir, &srun, &settings.runner) {
        Ok(()) => Some(dir),
        Err(error) => {
            tracing::warn!(path = %srun.display(), %error, "jobs will not find srun");
            None
        }
    }
}

/// Others may do the same at the same time; whoever comes last wins, and at no time is there none.
fn link(dir: &Path, path: &Path, target: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let new = dir.join(format!(".srun-{}", std::process::id()));
    symlink(target, &new)?;
    fs::rename(&new, path).inspect_err(|_| drop(fs::remove_file(&new)))
}

fn read(input: &mut impl BufRead) -> Option<Ticket> {
    let mut line = String::new();
    input.read_line(&mut line).ok()?;
    let ticket = serde_json::from_str(&line).ok()?;
    line.clear();
    input.read_line(&mut line).ok()?;
    (line == "go\n").then_some(ticket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_complete_order_counts() {
        let ticket = Ticket {
            run: 1,
            base: "/p/1.000".into(),
            jobid: "1.000".into(),
            jobndx: 2,
            marker: "m".into(),
            native: "77".into(),
            environment: vec![("A".into(), "b\n".into())],
            memory: None,
            allocation: Allocation { run: 1, minutes: 5, ..Allocation::default() },
            settings: LocalSettings::new("/s", "/bin/jobgate"),
        };
        let line = serde_json::to_string(&ticket).unwrap();
        let of = |text: String| read(&mut text.as_bytes());
        assert_eq!(of(format!("{line}\ngo\n")), Some(ticket));
        for cut in [line.clone(), format!("{line}\n"), format!("{line}\ngo"), format!("{line}\nno\n"), String::new()] {
            assert_eq!(of(cut), None);
        }
    }

    #[test]
    fn srun_is_our_program() {
        let dir = tempfile::tempdir().unwrap();
        let of = |runner: &str| programs(&LocalSettings::new(dir.path(), runner));
        assert_eq!(of("/opt/old/jobgate"), Some(dir.path().join("bin")));
        assert_eq!(of("/opt/new/jobgate"), Some(dir.path().join("bin")));
        assert_eq!(fs::read_link(dir.path().join("bin/srun")).unwrap(), Path::new("/opt/new/jobgate"));
        assert_eq!(fs::read_dir(dir.path().join("bin")).unwrap().count(), 1);
    }
}
