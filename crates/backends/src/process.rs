//! What `/proc` says about processes, and signals that reach the one that was meant.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Linux shows times in `/proc` in hundredths of a second on every architecture (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// A process that cannot be mistaken for a later one with the same id, nor for one before a restart of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) pid: i32,
    /// When it started, in clock ticks since the machine did.
    pub(crate) start_ticks: u64,
    /// The kernel's random id of this boot.
    pub(crate) boot: String,
}

impl Identity {
    /// The identity of a process that surely exists: a child that nobody has waited for.
    pub(crate) fn of(pid: i32) -> io::Result<Self> {
        Ok(Self { pid, start_ticks: stat(pid)?.start_ticks, boot: boot_id().to_owned() })
    }

    /// Whether it still runs. A zombie does not.
    pub(crate) fn is_alive(&self) -> bool {
        self.boot == boot_id()
            && stat(self.pid).is_ok_and(|stat| stat.start_ticks == self.start_ticks && !stat.is_dead())
    }

    /// A descriptor that stays with this very process; `None` when it is gone.
    pub(crate) fn open(&self) -> Option<OwnedFd> {
        let pidfd = pidfd_open(Pid::from_raw(self.pid)?, PidfdFlags::empty()).ok()?;
        // Looked at after opening: what the descriptor stands for cannot change any more.
        self.is_alive().then_some(pidfd)
    }

    /// Sends it a signal; `false` when it is gone.
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        self.open().is_some_and(|pidfd| pidfd_send_signal(pidfd, signal).is_ok())
    }
}

/// One line of `/proc/PID/stat`, as far as we need it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stat {
    pub(crate) pid: i32,
    state: u8,
    parent: i32,
    group: i32,
    session: i32,
    pub(crate) start_ticks: u64,
}

impl Stat {
    pub(crate) fn is_dead(&self) -> bool {
        matches!(self.state, b'Z' | b'X')
    }

    /// Whether it leads its process group.
    pub(crate) fn leads_group(&self) -> bool {
        self.group == self.pid
    }

    /// Whether it leads its session.
    pub(crate) fn leads_session(&self) -> bool {
        self.session == self.pid
    }

    /// The process as one that cannot be mistaken.
    pub(crate) fn identity(&self) -> Identity {
        Identity { pid: self.pid, start_ticks: self.start_ticks, boot: boot_id().to_owned() }
    }

    /// How long ago it started, in seconds.
    pub(crate) fn age(&self) -> Option<f64> {
        let uptime: f64 = fs::read_to_string("/proc/uptime").ok()?.split_whitespace().next()?.parse().ok()?;
        Some(uptime - self.start_ticks as f64 / TICKS_PER_SECOND)
    }
}

/// What the kernel says of a process; an error when there is none.
pub(crate) fn stat(pid: i32) -> io::Result<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse_stat(pid, &text).ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat is not in the known form")))
}

fn parse_stat(pid: i32, text: &str) -> Option<Stat> {
    // The command's name stands in brackets and may itself hold brackets and blanks.
    let mut fields = text.get(text.rfind(')')? + 2..)?.split(' ');
    let state = *fields.next()?.as_bytes().first()?;
    let mut number = || fields.next()?.parse::<i32>().ok();
    let (parent, group, session) = (number()?, number()?, number()?);
    let start_ticks = fields.nth(15)?.parse().ok()?;
    Some(Stat { pid, state, parent, group, session, start_ticks })
}

/// All processes.
fn all() -> Vec<Stat> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| stat(pid).ok())
        .collect()
}

/// Whether a process group has members that still run.
pub(crate) fn group_is_alive(group: i32) -> bool {
    all().iter().any(|stat| stat.group == group && !stat.is_dead())
}

/// The members of a process group that still run.
pub(crate) fn group_members(group: i32) -> Vec<Identity> {
    all().iter().filter(|stat| stat.group == group && !stat.is_dead()).map(Stat::identity).collect()
}

/// The children of a process that still run.
pub(crate) fn children(parent: i32) -> Vec<Stat> {
    all().into_iter().filter(|stat| stat.parent == parent && !stat.is_dead()).collect()
}

/// Kills what a dead session leader left behind. The kernel does not give a session's number to a new process while the
/// session has members, so these are the leader's own.
pub(crate) fn kill_session(leader: i32) {
    for stat in all().into_iter().filter(|stat| stat.session == leader && !stat.is_dead()) {
        stat.identity().signal(Signal::KILL);
    }
}

/// The children of a process, their children and so on.
pub(crate) fn descendants(pid: i32) -> Vec<Identity> {
    let all = all();
    let mut found: Vec<i32> = vec![pid];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        found.extend(all.iter().filter(|stat| stat.parent == parent).map(|stat| stat.pid));
        next += 1;
    }
    let known = |pid: &i32| all.iter().find(|stat| stat.pid == *pid);
    found[1..].iter().filter_map(known).map(Stat::identity).collect()
}

/// Processes whose argument list satisfies `fits`.
pub(crate) fn with_arguments(fits: impl Fn(&[&[u8]]) -> bool) -> Vec<Identity> {
    let of = |stat: Stat| {
        let line = fs::read(format!("/proc/{}/cmdline", stat.pid)).ok()?;
        let arguments: Vec<&[u8]> = line.strip_suffix(b"\0").unwrap_or(&line).split(|byte| *byte == 0).collect();
        fits(&arguments).then(|| stat.identity())
    };
    all().into_iter().filter(|stat| !stat.is_dead()).filter_map(of).collect()
}

/// The kernel's random id of this boot.
pub(crate) fn boot_id() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| {
        fs::read_to_string("/proc/sys/kernel/random/boot_id").map_or_else(|_| "unknown".into(), |id| id.trim().into())
    })
}

/// Now, in unix seconds (UTC).
pub(crate) fn now() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn names_with_brackets_do_not_confuse() {
        let line = "7 (a) b (c) S 1 2 3 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 98765 0 0";
        let stat = parse_stat(7, line).unwrap();
        assert_eq!((stat.parent, stat.group, stat.session, stat.start_ticks), (1, 2, 3, 98_765));
        assert!(!stat.is_dead());
        assert!(parse_stat(7, "7 (x").is_none());
    }

    #[test]
    fn a_zombie_and_a_successor_are_not_alive() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let identity = Identity::of(child.id() as i32).unwrap();
        assert!(identity.is_alive());
        assert!(stat(identity.pid).unwrap().age().unwrap() < 60.0);
        assert!(descendants(std::process::id() as i32).contains(&identity));
        let successor = Identity { start_ticks: identity.start_ticks + 1, ..identity.clone() };
        assert!(!successor.signal(Signal::KILL));
        assert!(!Identity { boot: "another".into(), ..identity.clone() }.is_alive());
        assert!(identity.signal(Signal::KILL));
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while identity.is_alive() {
            assert!(std::time::Instant::now() < deadline);
        }
        child.wait().unwrap();
        assert!(!identity.is_alive());
    }
}
