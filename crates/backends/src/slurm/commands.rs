//! Slurm by its commands, as psik uses them: the same `sbatch` arguments in the same order, the batch script on its standard
//! input. Beyond psik: a comment by which a run is found again, `squeue` and `sacct` to ask, `scontrol` to hold.

use std::collections::{HashMap, HashSet};
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

/// What sbatch says when it does not know what has become of a request that it has sent, in small letters. That it could not
/// connect is none of it.
const UNCERTAIN: [&str; 7] = [
    "timed out",
    "receive failure",
    "send failure",
    "shutdown failure",
    "zero bytes",
    "connection reset",
    "unexpected message",
];

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

    /// What is to be known of all our runs, each with its id first. An array has several lines.
    fn queue(&self, format: &str) -> Result<String, Error> {
        let output = query(
            self.programs
                .command("squeue")
                .args(["--me", "--noheader", "--states=all"])
                .arg(format!("--format={format}")),
        )?;
        Ok(output.stdout)
    }

    /// Ids and phases of all our runs.
    fn phases(&self) -> Result<Vec<(String, Phase)>, Error> {
        let lines = fields(&self.queue("%i|%T|%r")?);
        Ok(lines
            .into_iter()
            .filter_map(|line| Some((line.first()?.clone(), phase(line.get(1)?, line.get(2)?))))
            .collect())
    }

    /// Looks for a marker, now.
    fn look_for(&self, marker: &str) -> Result<Option<NativeId>, Error> {
        if let Some(id) = marked_id(&self.queue("%i|%k")?, marker) {
            return Ok(Some(id));
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
        let accounted = accounted.ok().filter(|output| output.status.success());
        Ok(accounted.and_then(|output| marked_id(&output.stdout, marker)))
    }

    /// A run that still runs is waited for; of another one nobody else records the end.
    fn after_cancel(&self, native: &str) -> Cancel {
        let mut seen = HashMap::new();
        for (id, phase) in self.phases().unwrap_or_default() {
            merge(&mut seen, base_id(&id), phase);
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

/// The arguments of `sbatch`, in psik's order; the mark goes behind the comment that the job has, if it has one.
fn arguments(spec: &JobSpec, config: &BackendConfig, marker: &str) -> Vec<String> {
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
        let option = option_of(key);
        if let Some(comment) = comment_of(&option, value) {
            // without one, that of the script counts, which is the mark
            if !comment.is_empty() {
                words.extend(["--comment".to_owned(), format!("{comment} {marker}")]);
            }
            continue;
        }
        words.push(option);
        // An option without a value: an empty word would be taken for the script's name.
        words.extend((!value.is_empty()).then(|| value.to_owned()));
    }
    words
}

/// An attribute as an option of `sbatch`.
fn option_of(key: &str) -> String {
    match key.chars().count() {
        _ if key.starts_with('-') => key.to_owned(),
        1 => format!("-{key}"),
        _ => format!("--{key}"),
    }
}

/// The job's comment, if that is what an option with this value gives. `sbatch` takes abbreviations, too.
fn comment_of<'a>(option: &'a str, value: &'a str) -> Option<&'a str> {
    let (name, with) = option.split_once('=').map_or((option, value), |(name, with)| (name, with));
    (name.starts_with("--com") && "--comment".starts_with(name)).then_some(with)
}

impl Backend for Slurm {
    fn kind(&self) -> &'static str {
        "slurm"
    }

    fn check(&self, spec: &JobSpec, config: &BackendConfig) -> Result<(), Error> {
        if let Some(word) = arguments(spec, config, "").iter().find(|word| word.contains('\0')) {
            return Err(Error::invalid(format!("{word:?} holds a NUL and cannot be passed to sbatch")));
        }
        // the run is found again by its line in a list
        let is_torn =
            |(key, value)| comment_of(&option_of(key), value).is_some_and(|text| text.contains(char::is_control));
        if spec.attributes.iter().any(is_torn) {
            return Err(Error::invalid("the job's comment holds a line end or another control character"));
        }
        Ok(())
    }

    fn submit(&self, request: &RunRequest<'_>) -> Submission {
        if request.base.to_string_lossy().contains('\n') {
            return Submission::Refused(Error::invalid("the prefix holds a newline, which no batch script can"));
        }
        if let Err(error) = note_attempt(request.base, request.jobndx) {
            return Submission::Refused(error);
        }
        let mut command = self.programs.command("sbatch");
        command.args(arguments(request.spec, request.config, request.marker));
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
            let uncertain = output.status.code().is_none() || is_uncertain(&output.stderr);
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
        let (mut seen, mut in_parts) = (HashMap::new(), HashSet::new());
        for (id, phase) in self.phases()? {
            let base = base_id(&id);
            if id != base {
                in_parts.insert(base.to_owned());
            }
            merge(&mut seen, base, phase);
        }
        let ids = |run: &RunRef| run.native.as_ref().map(|native| native.0.clone());
        let asked: Vec<String> =
            runs.iter().filter_map(ids).filter(|id| is_accounting_asked(id, &seen, &in_parts)).collect();
        if !asked.is_empty() {
            let accounted = Accounting { programs: self.programs.clone() }.parts(&asked);
            complete(&mut seen, &accounted);
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
    /// What it says of these jobs, and of each task of an array. Without accounting there is no sacct, or it fails: then nothing is
    /// known, which proves nothing.
    pub(super) fn parts(&self, ids: &[String]) -> Vec<(String, Phase)> {
        let mut sacct = self.programs.command("sacct");
        sacct.args(["--noheader", "--parsable2", "--allocations", "--format=JobID,State,ExitCode"]);
        sacct.arg(format!("--jobs={}", ids.join(",")));
        let answered = run(&mut sacct, b"").ok().filter(|output| output.status.success());
        let mut parts = Vec::new();
        for line in answered.map(|output| fields(&output.stdout)).unwrap_or_default() {
            if let [id, state, code] = &line[..] {
                parts.push((base_id(id).to_owned(), phase(state, code)));
            }
        }
        parts
    }
}

/// Whether the queue's word about a job is not all: it has nothing of it, or tasks of an array that have ended, which leave it
/// one by one.
pub(super) fn is_accounting_asked(id: &str, seen: &HashMap<String, Phase>, in_parts: &HashSet<String>) -> bool {
    match seen.get(id) {
        None => true,
        Some(phase) => matches!(phase, Phase::Ended(..)) && in_parts.contains(id),
    }
}

/// Adds to what the queue has `seen` what accounting knows: of jobs of which the queue has nothing, how they have ended as a whole;
/// of those of which it has only some tasks, and these have ended, how the others have.
pub(super) fn complete(seen: &mut HashMap<String, Phase>, accounted: &[(String, Phase)]) {
    let mut gone = HashMap::new();
    for (id, phase) in accounted {
        if !seen.contains_key(id) {
            merge(&mut gone, id, phase.clone());
        } else if matches!(phase, Phase::Ended(..)) {
            merge(seen, id, phase.clone());
        }
    }
    // It is told of beginnings and ends: what has no end there may have been lost on the way.
    gone.retain(|_, phase| matches!(phase, Phase::Ended(..)));
    seen.extend(gone);
}

/// Whether a request of sbatch may have arrived, by what it says on its standard error.
fn is_uncertain(stderr: &str) -> bool {
    let said = stderr.to_lowercase();
    UNCERTAIN.iter().any(|words| said.contains(words))
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

/// The id of the job whose comment ends in this mark, in lines of an id and a comment. In a comment there may be anything.
fn marked_id(text: &str, marker: &str) -> Option<NativeId> {
    let mut pairs = text.lines().filter_map(|line| line.split_once('|'));
    let (id, _) = pairs.find(|(_, comment)| comment.trim().rsplit(' ').next() == Some(marker))?;
    Some(NativeId(base_id(id.trim()).to_owned()))
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
