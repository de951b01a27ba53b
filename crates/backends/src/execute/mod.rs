//! Runs one run in the foreground of the calling process, as psik does, and records its transitions.
//!
//! One thread and one loop: the script's pidfd, the caught signals, and a time-out for the wall time and for the look at
//! `status.csv`. Whatever happens after the `active` row is recorded ends in exactly one final row.

mod memory;
mod script;
mod signals;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use jobgate_model::{JobNdx, JobSpec, State};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Access, AtFlags, CWD};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::console::note;
use crate::journal::{CancelWatch, read_run};
use crate::process;
use signals::Signals;

/// Between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
/// Between two looks at `status.csv`.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks whether a stopped group is gone, once its leader is.
const GROUP_LOOK: Duration = Duration::from_millis(50);
/// The end of a run is tried to be recorded so many times, one second apart (a full disk may be emptied).
const RECORD_ATTEMPTS: u32 = 600;
/// psik's return code when a run cannot even be prepared.
const CODE_NOT_PREPARED: u8 = 7;
/// psik's return code, and the info of the `failed` row, of a time-out or a script that cannot be started.
const CODE_NOT_RUN: u8 = 9;

/// One run to be executed here and now.
#[derive(Debug, Clone, Copy)]
pub struct Execution<'a> {
    /// The job's directory (absolute).
    pub base: &'a Path,
    /// The run.
    pub jobndx: JobNdx,
    /// The variable `jobid`: what the batch system calls the run. `None` (hot-start): the variable is left as inherited.
    pub native: Option<&'a str>,
    /// What was asked for.
    pub spec: &'a JobSpec,
    /// What the batch system adds to the environment: `mpirun` and `nodes`, an array task, GPUs.
    pub environment: &'a [(String, String)],
    /// Memory limit in bytes.
    pub memory: Option<u64>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The final state that was recorded; `None` when nothing could be recorded: then nothing ran, or the end is lost.
    pub state: Option<State>,
    /// The info of the final row.
    pub info: String,
    /// The exit code that psik's hot-start gives: the script's, 256-n when signal n killed it, 128+n when this process
    /// was stopped by signal n, 9 after a time-out, 7 when the run could not be prepared.
    pub code: u8,
}

/// Catches the signals that stop a run (SIGTERM, SIGINT, SIGHUP) from now on; [`execute`] looks at them. To be called
/// early in a process that will execute, so that none is lost, and none kills it, before its run is `active`.
pub fn catch_signals() {
    if let Err(error) = Signals::caught() {
        tracing::warn!(%error, "cannot catch signals");
    }
}

/// The native id in a run's `queued` row, waiting for it at most `patience`: a batch system such as `at` starts a run
/// without telling it its id, and may do so before the gateway has recorded it.
pub fn queued_native(base: &Path, jobndx: JobNdx, patience: Duration) -> Option<String> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(native) = read_run(base, jobndx).ok().and_then(|rows| rows.queued) {
            return Some(native);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(GROUP_LOOK);
    }
}

/// Runs it. `record` appends a row to the history and tells who has to know; it is called with `active` before the script
/// starts and with one final state after it ended, or only with `canceled` when somebody was faster. If `active` cannot be
/// recorded, nothing is run.
pub fn execute(run: &Execution<'_>, record: &mut dyn FnMut(State, &str) -> io::Result<()>) -> Outcome {
    let prepared = Signals::caught().and_then(|signals| Ok((signals, CancelWatch::start(run.base, run.jobndx)?)));
    let (signals, (cancel, canceled)) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return unrecorded(run, &error),
    };
    let mut watches = Watches { signals, cancel };
    let stopped = if canceled { Some(Stop::Canceled) } else { signals.take().map(Stop::Signal) };
    let outcome = if let Some(stop) = stopped {
        stop.outcome()
    } else if let Err(error) = record(State::Active, "") {
        return unrecorded(run, &error);
    } else {
        run_script(run, &mut watches)
    };
    record_end(run, outcome, record)
}

/// Runs the script. Does not fail: every failure is an outcome.
fn run_script(run: &Execution<'_>, watches: &mut Watches) -> Outcome {
    let directory = Path::new(run.spec.directory.as_deref().unwrap_or("/"));
    if let Err(error) = enterable(directory) {
        return not_prepared(run, &errno_text(&error, directory));
    }
    let limit = memory::Limit::prepare(run.memory);
    if let Some(text) = limit.describe() {
        note(run.base, run.jobndx, &text);
    }
    let mut child = match spawn(run, directory, &limit) {
        Ok(child) => child,
        Err(failure) => return failure,
    };
    let outcome = match supervise(run, &mut child, watches) {
        Ok((Ending::Script, status)) => of_status(status),
        Ok((Ending::Stopped(stop), _)) => stop.outcome(),
        Err(error) => {
            let _ = kill_process_group(pid_of(&child), Signal::KILL);
            drop(child.wait());
            not_prepared(run, &error.to_string())
        }
    };
    if limit.release() {
        note(run.base, run.jobndx, "the kernel killed a process of the run because of its memory limit");
    }
    outcome
}

/// Starts the script in a process group of its own.
fn spawn(run: &Execution<'_>, directory: &Path, limit: &memory::Limit) -> Result<Child, Outcome> {
    let log = |name: &str| {
        let path = run.base.join(format!("log/{name}.{}", run.jobndx));
        File::create(&path).map_err(|error| not_prepared(run, &errno_text(&error, &path)))
    };
    let (stdout, stderr) = (log("stdout")?, log("stderr")?);
    let (mut command, text) =
        script::command(&run.spec.script).map_err(|error| not_prepared(run, &error.to_string()))?;
    if !run.spec.inherit_environment {
        command.env_clear();
    }
    if let Some(native) = run.native {
        command.env("jobid", native);
    }
    command.envs(run.environment.iter().map(|(key, value)| (key, value)));
    command.env("jobndx", run.jobndx.to_string()).env("base", run.base);
    command.envs(run.spec.environment.iter());
    command.current_dir(directory).stdout(stdout).stderr(stderr).process_group(0);
    let spawned = limit.spawn(&mut command);
    drop(text);
    spawned.map_err(|error| {
        let program = command.get_program().to_string_lossy().into_owned();
        note(run.base, run.jobndx, &format!("Cannot start {program}: {error}"));
        Outcome { state: Some(State::Failed), info: CODE_NOT_RUN.to_string(), code: CODE_NOT_RUN }
    })
}

/// Why a run ended.
enum Ending {
    /// Its script did.
    Script,
    /// It was stopped.
    Stopped(Stop),
}

/// Why a run is stopped.
#[derive(Clone, Copy)]
enum Stop {
    Timeout,
    Signal(Signal),
    Canceled,
}

impl Stop {
    /// What is sent to the script's group: a signal is passed on.
    fn signal(self) -> Signal {
        match self {
            Self::Signal(signal) => signal,
            Self::Timeout | Self::Canceled => Signal::TERM,
        }
    }

    fn outcome(self) -> Outcome {
        let canceled = |signal: Signal| Outcome {
            state: Some(State::Canceled),
            info: String::new(),
            code: 128 + signal.as_raw() as u8,
        };
        match self {
            Self::Timeout => Outcome { state: Some(State::Failed), info: CODE_NOT_RUN.to_string(), code: CODE_NOT_RUN },
            Self::Signal(signal) => canceled(signal),
            Self::Canceled => canceled(Signal::TERM),
        }
    }
}

/// What may stop a run from outside.
struct Watches {
    signals: &'static Signals,
    cancel: CancelWatch,
}

/// Waits for the script's end, or for a reason to stop it and then for the end of its whole group.
fn supervise(run: &Execution<'_>, child: &mut Child, watches: &mut Watches) -> io::Result<(Ending, ExitStatus)> {
    let pidfd = pidfd_open(pid_of(child), PidfdFlags::empty())?;
    let minutes = run.spec.resources.duration.max(0);
    let deadline = Instant::now().checked_add(Duration::from_secs((minutes as u64).saturating_mul(60)));
    let mut look = Instant::now() + LOOK;
    let stop = loop {
        let next = deadline.map_or(look, |deadline| deadline.min(look));
        let [terminate, interrupt, hangup] = watches.signals.fds();
        let [ended, ..] = wait([pidfd.as_fd(), terminate, interrupt, hangup], next)?;
        if ended {
            return Ok((Ending::Script, child.wait()?));
        }
        if let Some(signal) = watches.signals.take() {
            break Stop::Signal(signal);
        }
        let now = Instant::now();
        if deadline.is_some_and(|deadline| now >= deadline) {
            break Stop::Timeout;
        }
        if now >= look {
            look = now + LOOK;
            if watches.cancel.look() {
                break Stop::Canceled;
            }
        }
    };
    let text = match stop {
        Stop::Timeout => {
            format!("Script execution timed out after {} minutes. Killing process group.", run.spec.resources.duration)
        }
        Stop::Signal(signal) => format!("Received signal {}. Forwarding it to the process group.", signal.as_raw()),
        Stop::Canceled => "The job was canceled. Killing process group.".to_owned(),
    };
    note(run.base, run.jobndx, &text);
    stop_group(run, child, pidfd.as_fd(), stop.signal())?;
    Ok((Ending::Stopped(stop), child.wait()?))
}

/// Tells the script's group to stop and kills what is left of it after the grace period. The script itself is not waited
/// for here: as long as it is at least a zombie, nobody else can get its process group's number.
fn stop_group(run: &Execution<'_>, child: &Child, pidfd: BorrowedFd<'_>, signal: Signal) -> io::Result<()> {
    let group = pid_of(child);
    let _ = kill_process_group(group, signal);
    // A stopped process would not see it.
    let _ = kill_process_group(group, Signal::CONT);
    let deadline = Instant::now() + GRACE;
    let [leader_ended] = wait([pidfd], deadline)?;
    while leader_ended && Instant::now() < deadline {
        if !process::group_is_alive(group.as_raw_nonzero().get()) {
            return Ok(());
        }
        std::thread::sleep(GROUP_LOOK);
    }
    note(run.base, run.jobndx, "SIGTERM grace period expired. Sending SIGKILL.");
    let _ = kill_process_group(group, Signal::KILL);
    Ok(())
}

/// Waits until one of the descriptors can be read or the time has come; says which can.
fn wait<const N: usize>(fds: [BorrowedFd<'_>; N], until: Instant) -> io::Result<[bool; N]> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        let mut polled = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        match poll(&mut polled, Some(&timeout)) {
            Ok(_) => return Ok(polled.map(|fd| !fd.revents().is_empty())),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn of_status(status: ExitStatus) -> Outcome {
    match (status.code(), status.signal()) {
        (Some(0), _) => Outcome { state: Some(State::Completed), info: String::new(), code: 0 },
        (Some(code), _) => Outcome { state: Some(State::Failed), info: code.to_string(), code: code as u8 },
        (None, signal) => {
            let signal = signal.unwrap_or_default();
            Outcome { state: Some(State::Failed), info: format!("-{signal}"), code: (256 - signal) as u8 }
        }
    }
}

/// Records the final row, again and again if need be: a run whose end is not recorded counts as lost.
fn record_end(run: &Execution<'_>, outcome: Outcome, record: &mut dyn FnMut(State, &str) -> io::Result<()>) -> Outcome {
    let Some(state) = outcome.state else { return outcome };
    for attempt in 0..RECORD_ATTEMPTS {
        match record(state, &outcome.info) {
            Ok(()) => return outcome,
            Err(error) if attempt == 0 => {
                note(run.base, run.jobndx, &format!("cannot record {state}, trying again: {error}"));
            }
            Err(_) => {}
        }
        std::thread::sleep(LOOK);
    }
    Outcome { state: None, ..outcome }
}

/// Nothing ran, and that cannot be recorded.
fn unrecorded(run: &Execution<'_>, error: &io::Error) -> Outcome {
    let info = format!("cannot record the run in {}: {error}", run.base.join("status.csv").display());
    note(run.base, run.jobndx, &info);
    Outcome { state: None, info, code: CODE_NOT_PREPARED }
}

/// The run cannot be prepared; psik's words.
fn not_prepared(run: &Execution<'_>, reason: &str) -> Outcome {
    let info = format!("psik.hot_start error: {reason}");
    note(run.base, run.jobndx, &info);
    Outcome { state: Some(State::Failed), info, code: CODE_NOT_PREPARED }
}

/// An OS error as Python words it: `[Errno 2] No such file or directory: '/x'`.
fn errno_text(error: &io::Error, path: &Path) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    match error.raw_os_error() {
        Some(errno) => format!("[Errno {errno}] {text}: '{}'", path.display()),
        None => format!("{text}: '{}'", path.display()),
    }
}

fn enterable(directory: &Path) -> io::Result<()> {
    if !std::fs::metadata(directory)?.is_dir() {
        return Err(rustix::io::Errno::NOTDIR.into());
    }
    Ok(rustix::fs::accessat(CWD, directory, Access::EXEC_OK, AtFlags::EACCESS)?)
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_child(child)
}

#[cfg(test)]
mod tests;
