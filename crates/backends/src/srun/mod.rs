//! `srun` inside a job of the embedded batch system: starts copies of a program side by side, tells each its number, passes
//! signals on and waits for all of them. All nodes are this machine.

mod layout;
mod task;
mod terminal;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::execute::signals::Signals;
use crate::execute::supervise::{GRACE, wait};
pub use layout::LayoutError;
use layout::{Allotted, Layout};
pub use task::{NAME as TASK, become_task};

/// The variable with the file in which a run counts its steps.
pub const STEPS: &str = "JOBGATE_STEPS";
/// Passed on to the tasks.
const PASSED_ON: [Signal; 7] =
    [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT, Signal::USR1, Signal::USR2, Signal::ALARM];
/// Nothing happens without one of the descriptors telling.
const LONG: Duration = Duration::from_secs(3600);

/// What is to be run in one step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Step {
    /// How many tasks; `None`: as many as the job has, or as follows from nodes.
    pub tasks: Option<u64>,
    /// On how many of the job's nodes; `None`: on all.
    pub nodes: Option<u64>,
    /// How many tasks on each node.
    pub tasks_per_node: Option<u64>,
    /// Told to the tasks as `SLURM_CPUS_PER_TASK`.
    pub cores_per_task: Option<u64>,
    /// Each line of output begins with the number of its task.
    pub label: bool,
    /// A file name with `%t` and the like, or `none`.
    pub output: Option<String>,
    /// Likewise; `None`: where the output goes, if that was said.
    pub error: Option<String>,
    /// A file name likewise; `None`: all tasks read what `srun` reads.
    pub input: Option<String>,
    /// Files are appended to, and not emptied.
    pub append: bool,
    /// `ALL`, `NONE`, or names and values with commas between.
    pub export: Option<String>,
    /// Where the tasks run.
    pub directory: Option<PathBuf>,
    /// A task that fails ends the others.
    pub kill_on_bad_exit: bool,
    /// The program and its arguments; not empty.
    pub command: Vec<OsString>,
}

/// Why a step cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum SrunError {
    /// It is not called by a job.
    #[error("this is not inside a job ({0} is not set): put it into the script of a job")]
    Outside(&'static str),
    /// The tasks cannot be laid out.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The program is not there.
    #[error("cannot find the program {0}")]
    Program(String),
    /// A file cannot be opened.
    #[error("cannot open {path}: {source}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A task cannot be started; those before it were killed.
    #[error("cannot start task {rank}: {source}")]
    Start {
        /// The task's number.
        rank: u64,
        /// Why.
        source: io::Error,
    },
    /// The machine does not let us watch.
    #[error("cannot watch the tasks: {0}")]
    Watch(#[from] io::Error),
}

/// A task that runs.
struct Running {
    rank: u64,
    node: String,
    child: Child,
    pidfd: OwnedFd,
}

/// Runs a step to its end. The result is the highest exit code of its tasks, where a task that a signal killed counts as 128
/// plus the signal. `say` is told what a person should know, a line at a time.
pub fn run(
    step: &Step,
    environment: &BTreeMap<OsString, OsString>,
    say: &mut dyn FnMut(&str),
) -> Result<u8, SrunError> {
    let signals = Signals::catch(&PASSED_ON)?;
    let job = Allotted::of(environment)?;
    let layout = Layout::of(&job, step)?;
    let number = step_number(environment.get(OsStr::new(STEPS)));
    let program = find(&step.command[0], environment, step.directory.as_deref())?;
    let mut terminal = terminal::Terminal::open(step, &job, &layout, number)?;
    let exported = task::exported(step.export.as_deref(), environment);
    let mut running: Vec<Running> = Vec::new();
    for place in layout.places() {
        let mut command = task::command(&program, step, &place);
        command.env_clear().envs(&exported).envs(layout.variables(&job, step, &place, number));
        match terminal.start(&mut command, &place).and_then(|child| watched(child, &place)) {
            Ok(task) => running.push(task),
            Err(source) => {
                end(&mut running);
                return Err(SrunError::Start { rank: place.rank, source });
            }
        }
    }
    terminal.feed();
    let code = supervise(step, &mut running, &signals, say)?;
    terminal.finish();
    Ok(code)
}

fn watched(mut child: Child, place: &layout::Place) -> io::Result<Running> {
    match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
        Ok(pidfd) => Ok(Running { rank: place.rank, node: place.node.clone(), child, pidfd }),
        Err(error) => {
            drop(child.kill());
            drop(child.wait());
            Err(error.into())
        }
    }
}

/// Waits for all tasks and passes signals on to them.
fn supervise(
    step: &Step,
    running: &mut Vec<Running>,
    signals: &Signals,
    say: &mut dyn FnMut(&str),
) -> Result<u8, SrunError> {
    let mut worst = 0;
    let mut kill_at: Option<Instant> = None;
    while !running.is_empty() {
        let fds: Vec<BorrowedFd<'_>> = running.iter().map(|task| task.pidfd.as_fd()).chain(signals.fds()).collect();
        let ready = wait(&fds, kill_at.unwrap_or_else(|| Instant::now() + LONG))?;
        while let Some(signal) = signals.take() {
            send(running, signal);
        }
        if kill_at.is_some_and(|at| Instant::now() >= at) {
            send(running, Signal::KILL);
            kill_at = Some(Instant::now() + LONG);
        }
        let mut ended = ready.iter();
        let mut codes = Vec::new();
        running.retain_mut(|task| {
            if !ended.next().is_some_and(|ended| *ended) {
                return true;
            }
            codes.extend(task.child.wait().map(|status| (code(status), told(task, status))));
            false
        });
        for (code, text) in codes {
            worst = worst.max(code);
            if let Some(text) = text {
                say(&text);
            }
        }
        if worst > 0 && step.kill_on_bad_exit && kill_at.is_none() && !running.is_empty() {
            say("a task has failed: ending the others");
            send(running, Signal::TERM);
            kill_at = Some(Instant::now() + GRACE);
        }
    }
    Ok(worst)
}

fn send(running: &[Running], signal: Signal) {
    for task in running {
        // One that has just ended needs none.
        let _ = pidfd_send_signal(&task.pidfd, signal);
    }
}

fn end(running: &mut Vec<Running>) {
    send(running, Signal::KILL);
    for mut task in running.drain(..) {
        drop(task.child.wait());
    }
}

fn code(status: ExitStatus) -> u8 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()) as u8
}

fn told(task: &Running, status: ExitStatus) -> Option<String> {
    let how = match (status.code(), status.signal()) {
        (Some(0), _) => return None,
        (Some(code), _) => format!("Exited with exit code {code}"),
        (None, signal) => {
            let signal = signal.unwrap_or_default();
            jobgate_slurm::signal::name(signal)
                .map_or_else(|| format!("Killed by signal {signal}"), |name| format!("Killed by SIG{name}"))
        }
    };
    Some(format!("{}: task {}: {how}", task.node, task.rank))
}

/// Where a program is: a name with a slash is a path from where it will run, other names are looked for in `PATH`.
fn find(
    name: &OsStr,
    environment: &BTreeMap<OsString, OsString>,
    directory: Option<&Path>,
) -> Result<PathBuf, SrunError> {
    let from = |path: &Path| directory.map_or_else(|| path.to_owned(), |directory| directory.join(path));
    let is_program =
        |path: &PathBuf| path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
    let path = environment.get(OsStr::new("PATH")).cloned().unwrap_or_default();
    let found = if name.as_encoded_bytes().contains(&b'/') {
        Some(from(Path::new(name))).filter(is_program)
    } else {
        std::env::split_paths(&path).map(|folder| from(&folder).join(name)).find(is_program)
    };
    found.ok_or_else(|| SrunError::Program(name.to_string_lossy().into_owned()))
}

/// The number of this step of the run: 0, 1, ... A run whose steps cannot be counted calls all of them 0.
fn step_number(counter: Option<&OsString>) -> u32 {
    let count = |path: &OsString| -> io::Result<u32> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)?;
        let mut text = String::new();
        Read::by_ref(&mut file).take(16).read_to_string(&mut text)?;
        let number = text.trim().parse().unwrap_or(0);
        file.rewind()?;
        file.write_all((number + 1).to_string().as_bytes())?;
        Ok(number)
    };
    counter.and_then(|path| count(path).ok()).unwrap_or(0)
}

/// Whether a process is a stand-in for `srun`, by the name that it was called by.
pub(crate) fn is_srun(pid: i32) -> bool {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).next().is_some_and(|name| name == b"srun" || name.ends_with(b"/srun"))
}

#[cfg(test)]
mod tests;
