//! Slurm by its commands, as psik uses them: the same `sbatch` arguments in the same order, the batch script on its standard
//! input. Beyond psik: a comment by which a run is found again, `squeue` and `sacct` to ask, `scontrol` to hold.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use jobgate_model::{
    Backend, BackendConfig, Cancel, DESCRIBED, Error, ErrorKind, JobSpec, NativeId, Phase, RunRef, RunRequest,
    Sighting, State, Submission,
};

use super::attempt::{attempted, note_attempt};
use crate::command::{CommandError, Output, Programs, run, shell_word};
use crate::console::note;

/// Attributes that psik's own backend reads and that are no options of `sbatch`.
const NOT_FOR_SBATCH: [&str; 2] = ["psik_python", DESCRIBED];
/// A submission that was sent may arrive for so long: a credential of munge is good for 300 seconds.
const STRAY: Duration = Duration::from_secs(300);

/// Slurm on this machine: `sbatch`, `squeue`, `scancel`, `scontrol` and, if there, `sacct` in the PATH.
#[derive(Debug)]
pub struct Slurm {
    /// The program that executes a run on the compute node.
    runner: PathBuf,
    state_dir: PathBuf,
    programs: Programs,
}

impl Slurm {
    /// `runner` is our own program, by a path that is valid on the compute nodes; `state_dir` is where it finds the gateway.
    pub fn new(runner: PathBuf, state_dir: PathBuf) -> Self {
        Self { runner, state_dir, programs: Programs::default() }
    }

    /// Slurm's programs are in this directory rather than in the PATH.
    #[must_use]
    pub fn with_programs_in(mut self, dir: PathBuf) -> Self {
        self.programs.dir = Some(dir);
        self
    }

    /// They are those of the cluster of this configuration (`SLURM_CONF`).
    #[must_use]
    pub fn of_cluster(mut self, conf: Option<PathBuf>) -> Self {
        self.programs.conf = conf;
        self
    }

    fn script(&self, request: &RunRequest<'_>) -> String {
        // In file names `%` begins a pattern.
        let console = quoted(&request.base.join("log/console").display().to_string().replace('%', "%%"));
        format!(
            "#!/bin/sh\n#SBATCH -e {console}\n#SBATCH -o {console}\n#SBATCH --open-mode=append\n#SBATCH --comment={}\n\
             exec {} runner --base {} --jobndx {} --native \"${{SLURM_JOB_ID:--1}}\" \
             --nodes \"${{SLURM_JOB_NUM_NODES:-1}}\" --mpirun srun --state-dir {}{}\n",
            quoted(request.marker),
            shell_word(&self.runner.display().to_string()),
            shell_word(&request.base.display().to_string()),
            request.jobndx,
            shell_word(&self.state_dir.display().to_string()),
            request.report.map_or_else(String::new, |generation| format!(" --report {}", generation.number())),
        )
    }

    /// Slurm's ids and states of all our runs, by id. An array has several lines.
    fn queue(&self, format: &str) -> Result<Vec<Vec<String>>, Error> {
        let output = query(
            self.programs
                .command("squeue")
                .args(["--me", "--noheader", "--states=all"])
                .arg(format!("--format={format}")),
        )?;
        Ok(fields(&output.stdout))
    }

    /// Looks for a marker, now.
    fn look_for(&self, marker: &str) -> Result<Option<NativeId>, Error> {
        let has_marker =
            |line: &Vec<String>| line.get(1).is_some_and(|comment| comment.rsplit(' ').next() == Some(marker));
        let native = |line: Vec<String>| NativeId(base_id(&line[0]).to_owned());
        if let Some(line) = self.queue("%i|%k")?.into_iter().find(has_marker) {
            return Ok(Some(native(line)));
        }
        let accounted = run(
            self.programs.command("sacct").args([
                "--noheader",
                "--parsable2",
                "--allocations",
                "--format=JobID,Comment",
            ]),
            b"",
        );
        let lines = accounted.ok().filter(|output| output.status.success()).map(|output| fields(&output.stdout));
        Ok(lines.and_then(|lines| lines.into_iter().find(has_marker)).map(native))
    }

    /// A run that still runs is waited for; of another one nobody else records the end.
    fn after_cancel(&self, native: &str) -> Cancel {
        let mut seen = HashMap::new();
        for line in self.queue("%i|%T|%r").unwrap_or_default() {
            if let [id, state, reason] = &line[..] {
                merge(&mut seen, base_id(id), phase(state, reason));
            }
        }
        if seen.get(native) == Some(&Phase::Running) { Cancel::Stopping } else { Cancel::HandedOver }
    }

    fn native(&self, run: &RunRef) -> Result<Option<String>, Error> {
        match &run.native {
            Some(native) => Ok(Some(native.0.clone())),
            None => Ok(self.look_for(&run.marker)?.map(|native| native.0)),
        }
    }

    fn scontrol(&self, verb: &str, run: &RunRef) -> Result<(), Error> {
        let native = self.native(run)?.ok_or_else(|| {
            Error::new(ErrorKind::Conflict, format!("Slurm does not know run {} of job {}", run.jobndx, run.jobid))
        })?;
        let output = start(self.programs.command("scontrol").args([verb, &native]))?;
        if output.status.success() { Ok(()) } else { Err(Error::new(ErrorKind::Conflict, said(&output))) }
    }
}

/// The arguments of `sbatch`, in psik's order.
fn arguments(spec: &JobSpec, config: &BackendConfig) -> Vec<String> {
    let resources = &spec.resources;
    let number = |value: Option<i64>| value.filter(|value| *value != 0).map(|value| value.to_string());
    let text = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
    let options = [
        ("--job-name", text(&spec.name)),
        ("--time", number(Some(resources.duration))),
        ("--nodes", number(resources.node_count)),
        ("--ntasks", number(resources.process_count)),
        ("--ntasks-per-node", number(resources.processes_per_node)),
        ("--gpus-per-task", number(Some(resources.gpu_cores_per_process))),
        ("--cpus-per-task", number(Some(resources.cpu_cores_per_process))),
    ];
    let places = [
        ("--partition", text(&config.queue_name)),
        ("--account", text(&config.project_name)),
        ("--reservation", text(&config.reservation_id)),
    ];
    let exclusive = resources.exclusive_node_use.then(|| "--exclusive".to_owned());
    let pair = |(option, value): (&str, Option<String>)| value.map(|value| [option.to_owned(), value]);
    let mut words: Vec<String> = options.into_iter().filter_map(pair).flatten().collect();
    words.extend(exclusive);
    words.extend(places.into_iter().filter_map(pair).flatten());
    for (key, value) in spec.attributes.iter().filter(|(key, _)| !NOT_FOR_SBATCH.contains(key)) {
        words.push(match key.chars().count() {
            _ if key.starts_with('-') => key.to_owned(),
            1 => format!("-{key}"),
            _ => format!("--{key}"),
        });
        // An option without a value: an empty word would be taken for the script's name.
        words.extend((!value.is_empty()).then(|| value.to_owned()));
    }
    words
}

impl Backend for Slurm {
    fn kind(&self) -> &'static str {
        "slurm"
    }

    fn check(&self, spec: &JobSpec, config: &BackendConfig) -> Result<(), Error> {
        match arguments(spec, config).iter().find(|word| word.contains('\0')) {
            Some(word) => Err(Error::invalid(format!("{word:?} holds a NUL and cannot be passed to sbatch"))),
            None => Ok(()),
        }
    }

    fn submit(&self, request: &RunRequest<'_>) -> Submission {
        if request.base.to_string_lossy().contains('\n') {
            return Submission::Refused(Error::invalid("the prefix holds a newline, which no batch script can"));
        }
        if let Err(error) = note_attempt(request.base, request.jobndx) {
            return Submission::Refused(error);
        }
        let mut command = self.programs.command("sbatch");
        command.args(marked(arguments(request.spec, request.config), request.marker));
        environment(&mut command, request.environment);
        self.programs.point(&mut command);
        let output = match run(&mut command, self.script(request).as_bytes()) {
            Ok(output) => output,
            Err(error @ CommandError::Start { .. }) => return Submission::Refused(cannot_start(error)),
            Err(error) => {
                return Submission::Unknown(Error::new(ErrorKind::Timeout, "sbatch gave no answer").because(error));
            }
        };
        if !output.status.success() {
            note(request.base, request.jobndx, &said(&output));
            let error = Error::new(ErrorKind::Refused, said(&output));
            // The request may have arrived although the answer did not; a signal says nothing at all.
            let uncertain = output.status.code().is_none() || output.stderr.contains("timed out");
            return if uncertain { Submission::Unknown(error) } else { Submission::Refused(error) };
        }
        // `Submitted batch job 4711`, or `4711;cluster` if somebody asked for --parsable.
        let native =
            output.stdout.split_whitespace().last().and_then(|word| word.split(';').next()).unwrap_or_default();
        if native.is_empty() {
            return Submission::Unknown(Error::new(ErrorKind::Refused, "sbatch did not tell the id of the job"));
        }
        Submission::Accepted(NativeId(native.to_owned()))
    }

    /// Slurm forgets a job some minutes after its end; one that started has left rows in its `status.csv` by then.
    fn find(&self, run: &RunRef) -> Result<Option<NativeId>, Error> {
        let Some(sent) = attempted(run) else { return Ok(None) };
        // measured before the question: an answer says nothing of what comes later
        let age = SystemTime::now().duration_since(sent.last).unwrap_or_default();
        let found = self.look_for(&run.marker)?;
        if found.is_none() && age < STRAY {
            let text = "the submission may still reach Slurm; it is looked for again";
            return Err(Error::new(ErrorKind::Timeout, text).retry_after(STRAY.saturating_sub(age)));
        }
        Ok(found)
    }

    fn cancel(&self, run: &RunRef) -> Result<Cancel, Error> {
        let Some(native) = self.native(run)? else { return Ok(Cancel::Absent) };
        let output = start(self.programs.command("scancel").arg(&native))?;
        match output.status.success() {
            true => Ok(self.after_cancel(&native)),
            false if output.stderr.contains("Invalid job id") => Ok(Cancel::Absent),
            false => Err(Error::new(ErrorKind::Unavailable, said(&output))),
        }
    }

    fn hold(&self, run: &RunRef) -> Result<(), Error> {
        self.scontrol("hold", run)
    }

    fn release(&self, run: &RunRef) -> Result<(), Error> {
        self.scontrol("release", run)
    }

    fn observe(&self, runs: &[RunRef]) -> Result<Vec<Sighting>, Error> {
        if runs.is_empty() {
            return Ok(Vec::new());
        }
        let mut seen: HashMap<String, Phase> = HashMap::new();
        for line in self.queue("%i|%T|%r")? {
            if let [id, state, reason] = &line[..] {
                merge(&mut seen, base_id(id), phase(state, reason));
            }
        }
        let ids = |run: &RunRef| run.native.as_ref().map(|native| native.0.clone());
        let missing: Vec<String> = runs.iter().filter_map(ids).filter(|id| !seen.contains_key(id)).collect();
        if !missing.is_empty() {
            seen.extend(Accounting { programs: self.programs.clone() }.phases(&missing));
        }
        let sighting = |run: &RunRef| {
            let phase = run.native.as_ref().and_then(|native| seen.get(&native.0)).cloned();
            Sighting { marker: run.marker.clone(), phase: phase.unwrap_or(Phase::Absent), began: None }
        };
        Ok(runs.iter().map(sighting).collect())
    }
}

/// The accounting database, by `sacct` if it is in the PATH.
#[derive(Debug, Clone, Default)]
pub(super) struct Accounting {
    pub(super) programs: Programs,
}

impl Accounting {
    /// What it says of these jobs. Without accounting there is no sacct, or it fails: then nothing is known, which proves nothing.
    pub(super) fn phases(&self, ids: &[String]) -> HashMap<String, Phase> {
        let mut seen = HashMap::new();
        let mut sacct = self.programs.command("sacct");
        sacct.args(["--noheader", "--parsable2", "--allocations", "--format=JobID,State,ExitCode"]);
        sacct.arg(format!("--jobs={}", ids.join(",")));
        let answered = run(&mut sacct, b"").ok().filter(|output| output.status.success());
        for line in answered.map(|output| fields(&output.stdout)).unwrap_or_default() {
            if let [id, state, code] = &line[..] {
                merge(&mut seen, base_id(id), phase(state, code));
            }
        }
        // It is told of beginnings and ends: what has no end there may have been lost on the way.
        seen.retain(|_, phase| matches!(phase, Phase::Ended(..)));
        seen
    }
}

/// The mark goes behind a comment that the job has: `sbatch` takes the last one that it is given.
fn marked(mut words: Vec<String>, marker: &str) -> Vec<String> {
    if let Some(at) = words.iter().rposition(|word| word == "--comment" || word.starts_with("--comment=")) {
        let at = if words[at] == "--comment" { at + 1 } else { at };
        if let Some(comment) = words.get_mut(at) {
            *comment = format!("{comment} {marker}");
        }
    }
    words
}

/// What one of Slurm's states means. `detail` is the reason of waiting, or the exit code.
pub(super) fn phase(state: &str, detail: &str) -> Phase {
    // `CANCELLED by 1000`
    let state = state.split_whitespace().next().unwrap_or_default().trim_end_matches('+');
    match state {
        "PENDING" | "CONFIGURING" | "REQUEUED" | "REQUEUE_HOLD" | "REQUEUE_FED" | "SPECIAL_EXIT" | "RESV_DEL_HOLD" => {
            Phase::Waiting(detail.to_owned())
        }
        "COMPLETED" => Phase::Ended(State::Completed, String::new()),
        "CANCELLED" | "REVOKED" => Phase::Ended(State::Canceled, String::new()),
        "FAILED" => match detail.split_once(':') {
            Some((code, "0")) => Phase::Ended(State::Failed, code.to_owned()),
            Some((_, signal)) => Phase::Ended(State::Failed, format!("-{signal}")),
            None => Phase::Ended(State::Failed, "slurm: FAILED".into()),
        },
        "BOOT_FAIL" | "DEADLINE" | "LAUNCH_FAILED" | "NODE_FAIL" | "OUT_OF_MEMORY" | "PREEMPTED" | "TIMEOUT"
        | "RECONFIG_FAIL" => Phase::Ended(State::Failed, format!("slurm: {state}")),
        // RUNNING, COMPLETING, SUSPENDED, STAGE_OUT and what newer versions add: it is there and has not ended.
        _ => Phase::Running,
    }
}

/// An array is running if one of its tasks is, waiting if one waits, and has ended with its worst task.
pub(super) fn merge(seen: &mut HashMap<String, Phase>, id: &str, phase: Phase) {
    let rank = |phase: &Phase| match phase {
        Phase::Running => 4,
        Phase::Waiting(_) => 3,
        Phase::Ended(State::Completed, _) => 1,
        Phase::Ended(..) => 2,
        Phase::Absent => 0,
    };
    match seen.get_mut(id) {
        Some(known) if rank(known) >= rank(&phase) => {}
        Some(known) => *known = phase,
        None => drop(seen.insert(id.to_owned(), phase)),
    }
}

/// `4711_3` and `4711_[4-9]` are tasks of the array 4711.
fn base_id(id: &str) -> &str {
    id.split(['_', '+', '.']).next().unwrap_or_default()
}

fn fields(text: &str) -> Vec<Vec<String>> {
    text.lines().map(|line| line.split('|').map(|field| field.trim().to_owned()).collect()).collect()
}

/// A value in an `#SBATCH` line.
fn quoted(text: &str) -> String {
    if text.contains([' ', '\t', '"', '\'', '\\', '#']) {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        text.to_owned()
    }
}

pub(crate) fn environment(command: &mut Command, environment: Option<&[(OsString, OsString)]>) {
    if let Some(environment) = environment {
        command.env_clear().envs(environment.iter().map(|(key, value)| (key, value)));
    }
}

/// What a program says for itself when it fails.
pub(crate) fn said(output: &Output) -> String {
    let text = output.stderr.trim();
    if text.is_empty() { format!("the command ended with {}", output.status) } else { text.to_owned() }
}

/// Runs a program that must be there.
pub(crate) fn start(command: &mut Command) -> Result<Output, Error> {
    run(command, b"").map_err(|error| match error {
        CommandError::Start { .. } => cannot_start(error),
        CommandError::Killed { .. } => Error::new(ErrorKind::Timeout, error.to_string()),
    })
}

/// Runs a program whose answer counts only if it succeeds.
pub(crate) fn query(command: &mut Command) -> Result<Output, Error> {
    let output = start(command)?;
    if output.status.success() { Ok(output) } else { Err(Error::new(ErrorKind::Unavailable, said(&output))) }
}

pub(crate) fn cannot_start(error: CommandError) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{error}; is the batch system installed and in the PATH?"))
        .because(error)
}

#[cfg(test)]
mod tests;
