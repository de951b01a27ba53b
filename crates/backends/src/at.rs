//! The classic `at` and its daemon: one run, one `at` job.

use std::path::{Path, PathBuf};

use jobgate_model::{
    Backend, BackendConfig, Cancel, Error, ErrorKind, JobNdx, JobSpec, NativeId, Phase, RunRef, RunRequest, Sighting,
    Submission,
};
use rustix::process::Signal;

use crate::command::{CommandError, Programs, run, shell_word};
use crate::process::with_arguments;
use crate::slurm::{cannot_start, environment, query, said, start};

/// `at`, `atq`, `atrm` in the PATH, and a running `atd`.
#[derive(Debug)]
pub struct At {
    /// The program that executes a run.
    runner: PathBuf,
    state_dir: PathBuf,
    programs: Programs,
}

impl At {
    /// `runner` is our own program, by an absolute path; `state_dir` is where it finds the gateway.
    pub fn new(runner: PathBuf, state_dir: PathBuf) -> Self {
        Self { runner, state_dir, programs: Programs::default() }
    }

    /// at's programs are in this directory rather than in the PATH.
    #[must_use]
    pub fn with_programs_in(mut self, dir: PathBuf) -> Self {
        self.programs.dir = Some(dir);
        self
    }

    /// Ids and queues of all our jobs; the queue of a running one is `=`.
    fn queue(&self) -> Result<Vec<(String, String)>, Error> {
        Ok(parse_queue(&query(&mut self.programs.command("atq"))?.stdout))
    }

    /// Two lines for `sh`: the marker, by which the job is found again, and the runner.
    fn script(&self, request: &RunRequest<'_>) -> String {
        format!(
            "{}\nexec {} runner --base {} --jobndx {} --state-dir {} </dev/null >/dev/null 2>&1\n",
            marker_line(request.marker),
            shell_word(&self.runner.display().to_string()),
            shell_word(&request.base.display().to_string()),
            request.jobndx,
            shell_word(&self.state_dir.display().to_string()),
        )
    }
}

fn marker_line(marker: &str) -> String {
    format!("# jobgate {}", jobgate_model::clean_info(marker))
}

/// Whether a run should wait for a low load (`batch`) rather than start at once (`at now`).
fn is_batch(spec: &JobSpec) -> bool {
    spec.attribute("batch").is_some_and(|value| !matches!(value, "false" | "no" | "0"))
}

impl Backend for At {
    fn kind(&self) -> &'static str {
        "at"
    }

    fn check(&self, _: &JobSpec, config: &BackendConfig) -> Result<(), Error> {
        let queue = config.queue_name.as_deref().unwrap_or("a");
        if queue.len() == 1 && queue.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Ok(());
        }
        Err(Error::invalid(format!("unknown queue {queue:?}: at has queues of one letter, a to z and A to Z")))
    }

    fn submit(&self, request: &RunRequest<'_>) -> Submission {
        let mut command = self.programs.command(if is_batch(request.spec) { "batch" } else { "at" });
        environment(&mut command, request.environment);
        // at remembers the directory, and the job fails if it is gone by then.
        command.current_dir("/");
        if !is_batch(request.spec) {
            command.arg("-M");
            if let Some(queue) = &request.config.queue_name {
                command.args(["-q", queue]);
            }
            command.arg("now");
        }
        let output = match run(&mut command, self.script(request).as_bytes()) {
            Ok(output) => output,
            Err(error @ CommandError::Start { .. }) => return Submission::Refused(cannot_start(error)),
            Err(error) => {
                return Submission::Unknown(Error::new(ErrorKind::Timeout, "at gave no answer").because(error));
            }
        };
        // `job 17 at Sun Nov 22 05:00:00 2026`, after a warning about the shell.
        let native = output.stderr.lines().find_map(|line| {
            let (id, _) = line.strip_prefix("job ")?.split_once(" at ")?;
            id.parse::<u64>().ok()
        });
        match native {
            Some(native) => Submission::Accepted(NativeId(native.to_string())),
            None if output.status.success() => Submission::Unknown(Error::new(
                ErrorKind::Refused,
                format!("at did not tell the job's number: {}", said(&output)),
            )),
            None => Submission::Refused(Error::new(ErrorKind::Refused, said(&output))),
        }
    }

    /// at forgets a job when it ends; one that started has left rows in its `status.csv` by then.
    fn find(&self, run: &RunRef) -> Result<Option<NativeId>, Error> {
        let line = marker_line(&run.marker);
        for (id, _) in self.queue()? {
            // It may have ended since.
            let script = start(self.programs.command("at").args(["-c", &id]))?.stdout;
            if script.lines().any(|found| found == line) {
                return Ok(Some(NativeId(id)));
            }
        }
        Ok(None)
    }

    fn cancel(&self, run: &RunRef) -> Result<Cancel, Error> {
        if stop_runner(&run.base, run.jobndx) {
            return Ok(Cancel::Stopping);
        }
        let native = match &run.native {
            Some(native) => Some(native.clone()),
            None => self.find(run)?,
        };
        let Some(native) = native else { return Ok(Cancel::Absent) };
        let Some((_, queue)) = self.queue()?.into_iter().find(|(id, _)| *id == native.0) else {
            return Ok(Cancel::Absent);
        };
        // It has started, but its shell has not become the runner yet, which will look at the job's history first.
        if queue == "=" {
            return Ok(Cancel::HandedOver);
        }
        let output = start(self.programs.command("atrm").arg(&native.0))?;
        if stop_runner(&run.base, run.jobndx) {
            return Ok(Cancel::Stopping);
        }
        match output.status.success() {
            true if output.stderr.contains("running") => Ok(Cancel::HandedOver),
            true => Ok(Cancel::Removed),
            false => Err(Error::new(ErrorKind::Unavailable, said(&output))),
        }
    }

    fn hold(&self, _: &RunRef) -> Result<(), Error> {
        Err(Error::new(ErrorKind::Conflict, "at cannot hold a job; cancel it and start it later"))
    }

    fn release(&self, _: &RunRef) -> Result<(), Error> {
        Err(Error::new(ErrorKind::Conflict, "at cannot hold a job, so there is nothing to release"))
    }

    fn observe(&self, runs: &[RunRef]) -> Result<Vec<Sighting>, Error> {
        if runs.is_empty() {
            return Ok(Vec::new());
        }
        let queue = self.queue()?;
        let sighting = |run: &RunRef| {
            let listed = run.native.as_ref().and_then(|native| queue.iter().find(|(id, _)| *id == native.0));
            let phase = match listed {
                Some((_, queue)) if queue == "=" => Phase::Running,
                Some((_, queue)) => Phase::Waiting(format!("queue {queue}")),
                None => Phase::Absent,
            };
            Sighting { marker: run.marker.clone(), phase, began: None }
        };
        Ok(runs.iter().map(sighting).collect())
    }
}

/// `17<TAB>Sun Nov 22 05:00:00 2026 a alice`
fn parse_queue(text: &str) -> Vec<(String, String)> {
    let line = |line: &str| {
        let (id, rest) = line.split_once('\t')?;
        let queue = rest.split_whitespace().nth(5)?;
        Some((id.trim().to_owned(), queue.to_owned()))
    };
    text.lines().filter_map(line).collect()
}

/// Tells the run's runner to stop, if there is one. at does not know its process, but its arguments do.
fn stop_runner(base: &Path, jobndx: JobNdx) -> bool {
    let (base, jobndx) = (base.display().to_string(), jobndx.to_string());
    let wanted: [&[u8]; 5] = [b"runner", b"--base", base.as_bytes(), b"--jobndx", jobndx.as_bytes()];
    let runners = with_arguments(|arguments| arguments.get(1..6).is_some_and(|arguments| arguments == wanted));
    runners.iter().filter(|runner| runner.signal(Signal::TERM)).count() > 0
}

#[cfg(test)]
mod tests;
