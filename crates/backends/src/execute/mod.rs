//! Runs one run in the foreground of the calling process, as psik does, and records its transitions.
//!
//! One thread and one loop: the script's pidfd, the caught signals, and a time-out for the wall time and for the look at
//! `status.csv`. Whatever happens after the `active` row is recorded ends in exactly one final row.

mod environment;
mod memory;
mod script;
pub(crate) mod signals;
pub(crate) mod streams;
pub(crate) mod supervise;

use std::fmt;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use jobgate_model::{JobNdx, JobSpec, State};
use jobgate_slurm::filename::Names;
use rustix::fs::{Access, AtFlags, CWD};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::console::note;
use crate::journal::{CancelWatch, read_run};
use signals::Signals;
use streams::Streams;
use supervise::{Ending, Stop, Watches, supervise};

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
    /// What a run of the embedded batch system has beside; `None` elsewhere.
    pub batch: Option<&'a Batch<'a>>,
}

/// What a run of the embedded batch system has beside what every run has.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    /// Slurm's variables.
    pub variables: &'a [(String, String)],
    /// What stands in the names of its output files.
    pub names: &'a Names,
    /// The directory of our programs, among them `srun`.
    pub programs: Option<&'a Path>,
    /// The time limit in minutes.
    pub minutes: i64,
    /// Asks what is to be done now; called after a SIGURG. `None`: not known, nothing changes.
    pub orders: &'a dyn Fn() -> Option<Orders>,
}

impl fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("names", self.names).field("minutes", &self.minutes).finish_non_exhaustive()
    }
}

/// What is to be done with a run that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orders {
    /// Its time limit in minutes, from the start of the script on.
    pub minutes: i64,
    /// It is stopped, and the queue says what becomes of it: no final row is recorded.
    pub hand_back: bool,
}

/// In which way a script is run where psik and Slurm differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// psik's.
    Psik,
    /// Slurm's: for jobs of the embedded batch system that say `--output` and bring their whole environment with them.
    Slurm,
}

impl Execution<'_> {
    fn way(&self) -> Way {
        let slurm = self.batch.is_some() && !self.spec.inherit_environment && self.spec.attribute("output").is_some();
        if slurm { Way::Slurm } else { Way::Psik }
    }

    fn minutes(&self) -> i64 {
        self.batch.map_or(self.spec.resources.duration, |batch| batch.minutes)
    }

    fn orders(&self) -> Option<Orders> {
        self.batch.and_then(|batch| (batch.orders)())
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The final state that was recorded; `None` when nothing was: then nothing ran, the end is lost, or the run goes back
    /// into the queue.
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
    if let Err(error) = Signals::stopping() {
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
    let prepared = Signals::stopping().and_then(|signals| Ok((signals, CancelWatch::start(run.base, run.jobndx)?)));
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
    let asked = Path::new(run.spec.directory.as_deref().unwrap_or("/"));
    let (directory, missing) = match enterable(asked) {
        Ok(()) => (asked, None),
        Err(error) if run.way() == Way::Slurm => (Path::new("/tmp"), Some(error)),
        Err(error) => return not_prepared(run, &errno_text(&error, asked)),
    };
    let mut streams = match streams::open(run, missing.is_none().then_some(directory)) {
        Ok(streams) => streams,
        Err(reason) => return not_prepared(run, &reason),
    };
    if let Some(error) = missing {
        let text = format!("couldn't chdir to {}: {}: going to /tmp instead", asked.display(), plain_text(&error));
        note(run.base, run.jobndx, &text);
        streams.say(run, &text);
    }
    let limit = memory::Limit::prepare(run.memory);
    if let Some(text) = limit.describe() {
        note(run.base, run.jobndx, &text);
    }
    let outcome = match spawn(run, directory, &limit, &mut streams) {
        Ok(child) => watch(run, child, watches, &mut streams),
        Err(failure) => failure,
    };
    streams.catch_up(run);
    if limit.release() {
        note(run.base, run.jobndx, "the kernel killed a process of the run because of its memory limit");
    }
    outcome
}

fn watch(run: &Execution<'_>, mut child: Child, watches: &mut Watches, streams: &mut Streams) -> Outcome {
    match supervise(run, &mut child, watches, streams) {
        Ok((Ending::Script, status)) => of_status(status),
        Ok((Ending::Stopped(stop), _)) => stop.outcome(),
        Err(error) => {
            let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
            drop(child.wait());
            not_prepared(run, &error.to_string())
        }
    }
}

/// Starts the script in a process group of its own.
fn spawn(
    run: &Execution<'_>,
    directory: &Path,
    limit: &memory::Limit,
    streams: &mut Streams,
) -> Result<Child, Outcome> {
    if run.way() == Way::Slurm {
        script::check(&run.spec.script)
            .map_err(|script::NoProgram(errno, words)| not_started(run, streams, words, errno.raw_os_error() as u8))?;
    }
    let mut prepare = || {
        let (mut command, text) = script::command(&run.spec.script, run.way(), streams.input.take())?;
        command.stdout(streams.output.try_clone()?).stderr(streams.error.try_clone()?);
        io::Result::Ok((command, text))
    };
    let (mut command, text) = prepare().map_err(|error: io::Error| not_prepared(run, &error.to_string()))?;
    command.env_clear().envs(environment::of(run)).current_dir(directory).process_group(0);
    let spawned = limit.spawn(&mut command);
    drop(text);
    spawned.map_err(|error| {
        let words = format!("Cannot start {}: {error}", command.get_program().display());
        let code = match (run.way(), error.raw_os_error()) {
            (Way::Slurm, Some(errno)) => errno as u8,
            _ => CODE_NOT_RUN,
        };
        not_started(run, streams, &words, code)
    })
}

/// The script cannot be started.
fn not_started(run: &Execution<'_>, streams: &mut Streams, words: &str, code: u8) -> Outcome {
    note(run.base, run.jobndx, words);
    streams.say(run, words);
    Outcome { state: Some(State::Failed), info: code.to_string(), code }
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
    let text = plain_text(error);
    match error.raw_os_error() {
        Some(errno) => format!("[Errno {errno}] {text}: '{}'", path.display()),
        None => format!("{text}: '{}'", path.display()),
    }
}

/// An OS error's text without its number.
fn plain_text(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

fn enterable(directory: &Path) -> io::Result<()> {
    if !std::fs::metadata(directory)?.is_dir() {
        return Err(Errno::NOTDIR.into());
    }
    Ok(rustix::fs::accessat(CWD, directory, Access::EXEC_OK, AtFlags::EACCESS)?)
}

#[cfg(test)]
mod tests;
