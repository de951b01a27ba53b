//! Starts runners.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use super::queue::Run;
use super::runner::Ticket;
use super::settings::LocalSettings;
use super::variables::Allocation;
use crate::process::{self, Identity};

/// A runner that takes longer to begin is not waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// A runner that has its ticket and waits for its `go`.
#[derive(Debug)]
pub(super) struct Spawned {
    pub(super) marker: String,
    pub(super) identity: Identity,
    /// What the run is called: the runner's process id, if it starts as soon as it is submitted.
    pub(super) native: String,
    /// The run was queued in the same pass and has to be confirmed.
    pub(super) fresh: bool,
    pub(super) child: Child,
    /// Closing it without `go` ends the runner.
    pub(super) stdin: ChildStdin,
}

/// Starts a runner with the environment of the run's submitter, and gives it its ticket.
pub(super) fn runner(settings: &LocalSettings, run: &Run, environment: &[u8], fresh: bool) -> io::Result<Spawned> {
    let mut child = Command::new(&settings.runner)
        .arg("runner")
        .env_clear()
        .envs(decode(environment))
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut stdin = child.stdin.take().expect("invariant: stdin is a pipe");
    let pid = child.id() as i32;
    // It is our child and nobody has waited for it, so it has an entry, if only as a zombie.
    let identity = Identity::of(pid)?;
    let native = if fresh { pid.to_string() } else { run.native.clone() };
    let mut variables = run.additions.clone();
    if !run.gpus.is_empty() {
        let gpus: Vec<String> = run.gpus.iter().map(u32::to_string).collect();
        variables.push(("CUDA_VISIBLE_DEVICES".into(), gpus.join(",")));
    }
    let ticket = Ticket {
        run: run.id,
        base: run.base.clone(),
        jobid: run.jobid.clone(),
        jobndx: run.jobndx,
        marker: run.marker.clone(),
        native: native.clone(),
        environment: variables,
        memory: run.memory_limit(),
        allocation: allocation(run),
        settings: settings.clone(),
    };
    let mut line = serde_json::to_vec(&ticket)?;
    line.push(b'\n');
    // Smaller than a pipe holds, so it does not block; if the runner died at once, it will be noticed as such.
    drop(stdin.write_all(&line));
    Ok(Spawned { marker: run.marker.clone(), identity, native, fresh, child, stdin })
}

/// What the run was given, for the variables of its script.
fn allocation(run: &Run) -> Allocation {
    Allocation {
        run: run.id,
        name: run.name.clone(),
        array: run.array_task.map(|array| (array.id, array.task)),
        shares: run.allocation.clone(),
        partition: run.partition.clone(),
        account: run.account.clone(),
        qos: run.qos.clone(),
        reservation: run.reservation.clone(),
        options: run.options(),
        started: run.started.unwrap_or_default() as i64,
        minutes: run.minutes,
        restarts: run.restarts,
    }
}

/// Tells a runner to go; `false` when it is gone.
pub(super) fn go(mut stdin: ChildStdin) -> bool {
    stdin.write_all(b"go\n").is_ok()
}

/// Waits until a runner has a session of its own: from then on what ends its parent's session, a terminal that hangs up for
/// example, is no concern of its. That is the first thing that it does.
pub(super) fn wait_for_session(runner: &Identity) {
    let deadline = Instant::now() + PATIENCE;
    // Not `getsid`: where the parent's session was begun outside of this PID namespace (a container's first process) it is
    // numbered 0, which a `Pid` cannot say.
    let waits = || process::stat(runner.pid).is_ok_and(|stat| !stat.is_dead() && !stat.leads_session());
    while waits() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// An environment as it is stored: `KEY=VALUE` NUL and so on, in the given order.
pub(super) fn encode(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<u8> {
    let mut body = Vec::with_capacity(4096);
    for (key, value) in environment {
        body.extend_from_slice(key.as_bytes());
        body.push(b'=');
        body.extend_from_slice(value.as_bytes());
        body.push(0);
    }
    body
}

fn decode(body: &[u8]) -> impl Iterator<Item = (OsString, OsString)> + '_ {
    let text = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    body.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()).map(move |entry| {
        // A name may begin with an equals sign, but is never empty.
        let at = entry.iter().skip(1).position(|byte| *byte == b'=').map_or(entry.len(), |at| at + 1);
        (text(&entry[..at]), entry.get(at + 1..).map_or_else(|| OsStr::new("").to_owned(), text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environments_survive_being_stored() {
        let pairs: Vec<(OsString, OsString)> = vec![
            ("A".into(), "b=c\nd".into()),
            ("EMPTY".into(), OsString::new()),
            ("=odd".into(), "x".into()),
            ("RAW".into(), OsString::from_vec(vec![0xff, 0xfe])),
        ];
        assert_eq!(decode(&encode(pairs.clone())).collect::<Vec<_>>(), pairs);
    }
}
