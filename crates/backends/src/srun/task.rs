//! One task of a step: its variables, and how its process comes to be.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use super::Step;
use super::layout::Place;

/// The name under which our own program becomes a task.
pub const NAME: &str = "jobgate-task";
/// Names of variables that belong to the job whatever is exported.
const OF_THE_JOB: [&str; 3] = ["SLURM_", "SLURMD_", "JOBGATE_"];

/// The command that becomes a task: our own program, because only the process itself knows its number, and can ask to be
/// killed when `srun` is.
pub(super) fn command(program: &Path, step: &Step, place: &Place) -> Command {
    tracing::debug!(rank = place.rank, program = %program.display(), "starting a task");
    let mut command = Command::new("/proc/self/exe");
    command.arg0(NAME).arg(std::process::id().to_string()).arg(program).args(&step.command);
    if let Some(directory) = &step.directory {
        command.current_dir(directory);
    }
    command
}

/// Becomes a task: `words` are the process id of `srun`, the program's path, and the program's arguments from its name on.
/// Returns only if that fails.
pub fn become_task(words: impl Iterator<Item = OsString>) -> io::Result<Infallible> {
    let mut words = words;
    let wrong = || io::Error::new(io::ErrorKind::InvalidInput, "this is started by srun only");
    let parent: i32 = words.next().and_then(|word| word.to_str()?.parse().ok()).ok_or_else(wrong)?;
    let (program, name) = words.next().zip(words.next()).ok_or_else(wrong)?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid().is_none_or(|pid| pid.as_raw_nonzero().get() != parent) {
        return Err(io::Error::other("srun is gone"));
    }
    let own = std::process::id().to_string();
    Err(Command::new(program).arg0(name).args(words).env("SLURM_TASK_PID", own).exec())
}

/// The part of the environment that tasks get: `ALL` (also when nothing is said), `NONE`, or a list of names and of
/// `NAME=VALUE`, to which `ALL` adds the rest. The variables of the job are always there.
pub(super) fn exported(
    export: Option<&str>,
    environment: &BTreeMap<OsString, OsString>,
) -> BTreeMap<OsString, OsString> {
    let wishes: Vec<&str> = export.unwrap_or("ALL").split(',').filter(|wish| !wish.is_empty()).collect();
    let all = wishes.contains(&"ALL");
    let of_the_job =
        |name: &OsStr| OF_THE_JOB.iter().any(|start| name.as_encoded_bytes().starts_with(start.as_bytes()));
    let kept = |name: &OsStr| all || of_the_job(name) || wishes.iter().any(|wish| name == OsStr::new(wish));
    let set = wishes.iter().filter_map(|wish| wish.split_once('=')).filter(|(name, _)| !name.is_empty());
    let kept = environment.iter().filter(|(name, _)| kept(name)).map(|(name, value)| (name.clone(), value.clone()));
    kept.chain(set.map(|(name, value)| (name.into(), value.into()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_exported() {
        let environment = [("A", "1"), ("B", "2"), ("SLURM_JOB_ID", "7")]
            .map(|(name, value)| (OsString::from(name), OsString::from(value)))
            .into_iter()
            .collect();
        let of = |export: Option<&str>| {
            let pairs = exported(export, &environment);
            let pairs: Vec<String> =
                pairs.iter().map(|(name, value)| format!("{}={}", name.display(), value.display())).collect();
            pairs.join(" ")
        };
        assert_eq!(of(None), "A=1 B=2 SLURM_JOB_ID=7");
        assert_eq!(of(Some("ALL,C=3")), "A=1 B=2 C=3 SLURM_JOB_ID=7");
        assert_eq!(of(Some("NONE")), "SLURM_JOB_ID=7");
        assert_eq!(of(Some("B,A=x=y,=z")), "A=x=y B=2 SLURM_JOB_ID=7");
    }

    #[test]
    fn only_srun_starts_tasks() {
        for words in [vec![], vec!["x", "/bin/true", "true"], vec!["1", "/bin/true"]] {
            assert!(become_task(words.into_iter().map(OsString::from)).is_err());
        }
    }
}
