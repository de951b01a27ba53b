//! The one place that runs a batch system's programs: an argument list, never a shell; a time limit; a limit of output.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

/// A program may take so long; a busy Slurm controller answers late, but within its own time-outs.
const TIME: Duration = Duration::from_secs(90);
/// A program may write so much, in bytes.
const OUTPUT: u64 = 64 << 20;
/// How often the amount of output is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Where a batch system's programs are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Programs {
    /// Not in the PATH but here.
    pub(crate) dir: Option<PathBuf>,
    /// Slurm's configuration, if it is not the one that they find by themselves.
    pub(crate) conf: Option<PathBuf>,
}

impl Programs {
    /// A command that is to run one of them.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.dir.as_ref().map_or_else(|| name.into(), |dir| dir.join(name)));
        self.point(&mut command);
        command
    }

    /// Tells a command which cluster is meant: to be said again to one whose environment was replaced.
    pub(crate) fn point(&self, command: &mut Command) {
        if let Some(conf) = &self.conf {
            command.env("SLURM_CONF", conf);
        }
    }
}

/// What a program said.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Why a program said nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// It never ran.
    #[error("cannot start {program}: {source}")]
    Start { program: String, source: io::Error },
    /// It was killed; whether it did anything is not known.
    #[error("{program} was killed: {why}")]
    Killed { program: String, why: String },
}

/// Runs a program to its end with `input` on its standard input. Its output is kept apart from ours.
pub(crate) fn run(command: &mut Command, input: &[u8]) -> Result<Output, CommandError> {
    run_within(command, input, TIME, OUTPUT)
}

/// The same, within a time and with so many bytes of output.
pub(crate) fn run_within(
    command: &mut Command,
    input: &[u8],
    time: Duration,
    most: u64,
) -> Result<Output, CommandError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let start = |source| CommandError::Start { program: program.clone(), source };
    // Files in memory rather than pipes: nobody can block on them, nor hold them open.
    let (stdin, mut stdout, mut stderr) =
        (file(input).map_err(start)?, file(b"").map_err(start)?, file(b"").map_err(start)?);
    let own = |file: &File| file.try_clone().map_err(start);
    command.stdin(stdin).stdout(own(&stdout)?).stderr(own(&stderr)?).process_group(0);
    let mut child = command.spawn().map_err(start)?;
    let waited = wait(&child, time, || size(&stdout).max(size(&stderr)) > most);
    if let Err(why) = waited {
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
        drop(child.wait());
        return Err(CommandError::Killed { program, why });
    }
    let status = child.wait().map_err(start)?;
    Ok(Output { status, stdout: text(&mut stdout, most), stderr: text(&mut stderr, most) })
}

fn wait(child: &Child, time: Duration, too_much: impl Fn() -> bool) -> Result<(), String> {
    let deadline = Instant::now() + time;
    let pidfd = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).map_err(|error| error.to_string())?;
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).min(LOOK);
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(left.subsec_nanos()) };
        let mut polled = [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)];
        let ended = match poll(&mut polled, Some(&timeout)) {
            Ok(ready) => ready > 0,
            Err(rustix::io::Errno::INTR) => false,
            Err(error) => return Err(error.to_string()),
        };
        if too_much() {
            return Err("it wrote too much".into());
        }
        if ended {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(format!("no end after {} seconds", time.as_secs()));
        }
    }
}

fn file(content: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"jobgate", MemfdFlags::CLOEXEC)?);
    file.write_all(content)?;
    file.rewind()?;
    Ok(file)
}

fn size(file: &File) -> u64 {
    file.metadata().map_or(0, |meta| meta.len())
}

fn text(file: &mut File, most: u64) -> String {
    let mut bytes = Vec::new();
    if file.rewind().is_ok() {
        drop(file.take(most).read_to_end(&mut bytes));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A word for a POSIX shell that stands for itself, whatever is in it.
pub(crate) fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_output_and_exit_code() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "cat; echo problem >&2; exit 3"]);
        let output = run(&mut command, b"text").unwrap();
        assert_eq!(
            (output.status.code(), output.stdout.as_str(), output.stderr.as_str()),
            (Some(3), "text", "problem\n")
        );
    }

    #[test]
    fn a_program_that_is_missing_hangs_or_floods() {
        assert!(matches!(run(&mut Command::new("/no/such"), b""), Err(CommandError::Start { .. })));
        let within = |script: &str| {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", script]);
            run_within(&mut command, b"", Duration::from_millis(300), 1000).unwrap_err().to_string()
        };
        assert!(within("sleep 60 & wait").contains("no end"));
        assert!(within("yes").contains("too much"));
    }

    #[test]
    fn words_stand_for_themselves() {
        let odd = "a 'b' \"$HOME\" `id` \\ \n*";
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(format!("printf %s {}", shell_word(odd)));
        assert_eq!(run(&mut command, b"").unwrap().stdout, odd);
    }
}
