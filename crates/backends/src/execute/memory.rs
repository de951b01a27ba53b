//! Keeps a script within its memory: a control group where we may make one, otherwise a limit of the address space.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};

/// How the memory of one script is limited.
#[derive(Debug)]
pub(super) enum Limit {
    /// No limit was asked for.
    None,
    /// All processes of the script together.
    Group { dir: PathBuf, home: PathBuf, bytes: u64 },
    /// Each process of the script by itself.
    AddressSpace { bytes: u64 },
}

impl Limit {
    /// Chooses and prepares the limit.
    pub(super) fn prepare(bytes: Option<u64>) -> Self {
        let Some(bytes) = bytes else { return Self::None };
        own_group().and_then(|home| make_group(&home, bytes)).unwrap_or(Self::AddressSpace { bytes })
    }

    /// What the job's owner should know about it.
    pub(super) fn describe(&self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Group { bytes, dir, .. } => {
                Some(format!("memory of the whole run limited to {bytes} bytes by the control group {}", dir.display()))
            }
            Self::AddressSpace { bytes } => Some(format!(
                "address space of each process limited to {bytes} bytes (RLIMIT_AS): no control group can be made here"
            )),
        }
    }

    /// Spawns the command within the limit.
    pub(super) fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        match self {
            Self::None => command.spawn(),
            // The child is born where this process is.
            Self::Group { dir, home, .. } => {
                enter(dir)?;
                let child = command.spawn();
                // If the way back is barred this process stays inside; it needs next to nothing.
                drop(enter(home));
                child
            }
            Self::AddressSpace { bytes } => spawn_in_address_space(command, *bytes),
        }
    }

    /// Whether the kernel killed something because of the limit; clears away the control group if it is empty.
    pub(super) fn release(&self) -> bool {
        let Self::Group { dir, .. } = self else { return false };
        let events = fs::read_to_string(dir.join("memory.events")).unwrap_or_default();
        drop(fs::remove_dir(dir));
        events.lines().any(|line| line.strip_prefix("oom_kill ").is_some_and(|count| count.trim() != "0"))
    }
}

/// The child inherits the soft limit that this process has for a moment; the hard one follows at once.
fn spawn_in_address_space(command: &mut Command, bytes: u64) -> io::Result<Child> {
    let before = getrlimit(Resource::As);
    let bytes = before.maximum.map_or(bytes, |maximum| bytes.min(maximum));
    setrlimit(Resource::As, Rlimit { current: Some(bytes), maximum: before.maximum })?;
    let first = command.spawn();
    setrlimit(Resource::As, before)?;
    let child = match first {
        // The limit may be below what this process has mapped already, and then it cannot even fork.
        Err(error) if error.kind() == io::ErrorKind::OutOfMemory => command.spawn()?,
        other => other?,
    };
    let both = Rlimit { current: Some(bytes), maximum: Some(bytes) };
    match prlimit(Pid::from_raw(child.id() as i32), Resource::As, both) {
        // It may have ended already.
        Ok(_) | Err(rustix::io::Errno::SRCH) => Ok(child),
        Err(error) => {
            let mut child = child;
            drop(child.kill());
            drop(child.wait());
            Err(error.into())
        }
    }
}

/// The directory of the control group (version 2) in which this process is.
fn own_group() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let root = mounts.lines().find_map(|line| {
        let (front, back) = line.split_once(" - ")?;
        back.starts_with("cgroup2 ").then(|| front.split(' ').nth(4)).flatten()
    })?;
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(Path::new(root).join(path))
}

/// Makes a sub-group with a memory limit below our own group or beside it: only where the memory controller is handed
/// down already, because a group with processes cannot begin to.
fn make_group(home: &Path, bytes: u64) -> Option<Limit> {
    let parent = [Some(home), home.parent()].into_iter().flatten().find(|dir| {
        let handed_down = fs::read_to_string(dir.join("cgroup.subtree_control")).unwrap_or_default();
        handed_down.split_whitespace().any(|controller| controller == "memory")
    })?;
    let dir = parent.join(format!("jobgate-{}", std::process::id()));
    fs::create_dir(&dir).ok()?;
    let limited = fs::write(dir.join("memory.max"), bytes.to_string()).and_then(|()| {
        // Without swap accounting there is no such file, and nothing to limit.
        drop(fs::write(dir.join("memory.swap.max"), "0"));
        enter(&dir)?;
        enter(home)
    });
    if limited.is_err() {
        drop(fs::remove_dir(&dir));
        return None;
    }
    Some(Limit::Group { dir, home: home.to_owned(), bytes })
}

fn enter(group: &Path) -> io::Result<()> {
    fs::write(group.join("cgroup.procs"), std::process::id().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_made_where_the_controller_is_handed_down() {
        let root = tempfile::tempdir().unwrap();
        let home = root.path().join("home");
        fs::create_dir(&home).unwrap();
        assert!(make_group(&home, 5).is_none());
        fs::write(root.path().join("cgroup.subtree_control"), "cpu memory\n").unwrap();
        let limit = make_group(&home, 1 << 20).unwrap();
        let Limit::Group { dir, .. } = &limit else { panic!("{limit:?}") };
        assert_eq!(dir.parent(), Some(root.path()));
        assert_eq!(fs::read_to_string(dir.join("memory.max")).unwrap(), "1048576");
        assert_eq!(fs::read_to_string(home.join("cgroup.procs")).unwrap(), std::process::id().to_string());
        assert!(limit.describe().unwrap().contains("1048576 bytes"));
        fs::write(dir.join("memory.events"), "oom 1\noom_kill 2\n").unwrap();
        assert!(limit.release());
    }

    #[test]
    fn a_child_has_the_limit_and_this_process_does_not() {
        let before = getrlimit(Resource::As);
        let limit = Limit::AddressSpace { bytes: 256 << 20 };
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "ulimit -v"]).stdout(std::process::Stdio::piped());
        let output = limit.spawn(&mut command).unwrap().wait_with_output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "262144");
        assert_eq!(getrlimit(Resource::As), before);
    }
}
