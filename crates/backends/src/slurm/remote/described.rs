//! Jobs that are described in Slurm's own terms, handed to a controller in their owner's name and watched there. Nothing of ours
//! runs with them: what became of them is what the controller, and then the accounting database, says.
//!
//! Nothing is queued twice. A job carries a mark; when its submission was sent is noted before it is sent; and an outcome that is
//! not known is looked up by the mark before it is sent again. That the controller does not have the job counts only when the
//! submission can no longer arrive: the token that it came with has expired by then.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jobgate_model::{
    Backend, BackendConfig, Cancel, DESCRIBED, Error, ErrorKind, JobSpec, NativeId, Phase, Remark, RunRef, RunRequest,
    Sighting, State, Submission,
};
use jobgate_slurm::cluster::{Fault, Reach};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{Job, JobDesc, JobSubmitRequest};
use jobgate_slurm::rpc::Error as RpcError;
use jobgate_slurm::site::Seen as _;
use jobgate_slurm::table::{Flags, Num, Reader};
use jobgate_slurm::version::Version;

use super::super::attempt::{Sent, attempted, note_attempt};
use super::super::commands::{Accounting, merge, phase};
use super::ends::{ends, exit, is_lost};
use super::{Asking, Remote, SlurmPrograms, marker};
use crate::command::Programs;

/// Clocks of controllers may differ from ours by so many seconds.
const SKEW: u32 = 10;
/// A controller has certainly saved what it took so many seconds ago.
const UNSAVED: f64 = 60.0;
/// Where tokens do not expire on our word, a submission is thought to be under way for so long.
const STRAY: Duration = Duration::from_secs(60);
/// The number of the signal that cancels.
const CANCEL: i32 = 9;
/// A job that was queued earlier than its run was handed over is another one of the same number.
pub(super) const EARLIER: f64 = 60.0;

/// A real cluster as a place where described jobs run.
#[derive(Debug)]
pub struct Described {
    remote: Arc<Remote>,
    /// As whom jobs of psik's local mode run: this process's own login.
    login: String,
    /// Slurm's own programs, where they are this cluster's.
    accounting: Option<Accounting>,
}

/// What is known of a run.
struct Known {
    phase: HashMap<String, Phase>,
    began: Option<f64>,
}

impl Described {
    /// `login` is that of this process.
    pub fn new(remote: Arc<Remote>, login: String) -> Self {
        let programs = match &remote.programs {
            SlurmPrograms::Usual => Some(Programs::default()),
            SlurmPrograms::With(conf) => Some(Programs { conf: Some(conf.clone()), ..Programs::default() }),
            SlurmPrograms::Others => None,
        };
        Self { remote, login, accounting: programs.map(|programs| Accounting { programs }) }
    }

    /// Whether a job is described in Slurm's terms.
    pub(in super::super) fn is_its(spec: &JobSpec) -> bool {
        spec.attribute(DESCRIBED).is_some()
    }

    fn login_of<'a>(&'a self, owner: &'a str) -> &'a str {
        if owner == jobgate_model::LOCAL { &self.login } else { owner }
    }

    /// So long a submission may be under way.
    fn window(&self, login: &str) -> Duration {
        let total = self.remote.limits().total;
        let expires = self.remote.signed_for(login, 1).is_some();
        if expires { total + Duration::from_secs(u64::from(2 * SKEW)) } else { total + STRAY }
    }

    /// `before` is done when there is a credential; `meanwhile`, when the order is on its way.
    fn send(
        &self,
        request: &RunRequest<'_>,
        before: impl FnOnce() -> Result<(), Error>,
        meanwhile: &mut dyn FnMut(),
    ) -> Result<Submission, Error> {
        let mut asked = description(request.description.unwrap_or_default())?;
        for desc in asked.components() {
            marker::put(desc, request.marker);
            // whose it is was settled when it was recorded, and is said by the credential
            desc.user_id = None;
            let invalid = |fault: Fault| Error::invalid(fault.description.into_owned()).numbered(fault.errno.0);
            self.remote.wire.names.settle(desc).map_err(invalid)?;
        }
        let login = self.login_of(request.owner);
        let seconds = u32::try_from(self.remote.limits().total.as_secs()).unwrap_or(u32::MAX).saturating_add(SKEW);
        let credential = match self.remote.signed_for(login, seconds) {
            Some(credential) => credential,
            None => self.remote.credential_of(login)?,
        };
        before()?;
        let outcome = self.remote.ask(&credential, |client| match &asked {
            Asked::Job(desc) => client.submit(&credential, desc, meanwhile),
            Asked::Components(components) => client.submit_het(&credential, components, meanwhile),
        });
        self.remote.ordered_by(login);
        Ok(match outcome {
            Ok(submitted) => {
                let native = NativeId(submitted.job_id.to_string());
                let warning =
                    submitted.warning.map(|errno| Remark { number: Some(errno.0), words: errno.text().into() });
                let words = submitted.message.map(|words| Remark { number: None, words });
                Submission::Remarked(native, warning.into_iter().chain(words).collect())
            }
            Err(asking) if asking.is_undone() => Submission::Refused(failure(asking)),
            Err(asking) => Submission::Unknown(
                Error::new(ErrorKind::Timeout, "Slurm's controller has not answered").because(failure(asking)),
            ),
        })
    }

    fn number(run: &RunRef) -> Result<u32, Error> {
        let number = run.native.as_ref().and_then(|native| native.0.parse().ok());
        number.ok_or_else(|| {
            let text = format!("Slurm does not know run {} of job {}", run.jobndx, run.jobid);
            Error::new(ErrorKind::Conflict, text)
        })
    }

    fn keep_back(&self, run: &RunRef, hold: bool) -> Result<(), Error> {
        let (number, login) = (Self::number(run)?, self.login_of(&run.owner));
        let credential = self.remote.credential_of(login)?;
        let change = JobDesc { hold: Some(hold), ..JobDesc::default() };
        let outcome = self.remote.ask(&credential, |client| client.update_job(&credential, number, &change));
        self.remote.ordered_by(login);
        outcome.map_err(failure)
    }

    /// What it means that nobody knows a run (any more). A controller that was started after the run was queued, and would still
    /// know of it if it had ended, has lost it: Slurm saves its state some seconds late.
    fn missing(&self, run: &RunRef) -> Phase {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let (Some(booted), Some(age)) = (self.remote.boot_time(), self.remote.min_job_age()) else {
            return Phase::Absent;
        };
        if is_lost(run.since, booted, now - f64::from(age)) {
            return Phase::Ended(State::Failed, "slurm: lost by the controller when it was restarted".into());
        }
        Phase::Absent
    }

    /// What accounting says of runs that have left the queue: whom the site has named for that (`[slurm.accounting]`) is asked in
    /// the owner's name; if nobody answers, this cluster's `sacct`, if it is here.
    fn accounted(&self, login: &str, gone: &[&RunRef]) -> HashMap<String, Phase> {
        let natives: Vec<String> = gone.iter().filter_map(|run| Some(run.native.as_ref()?.0.clone())).collect();
        let numbers: Vec<i64> = natives.iter().filter_map(|native| native.parse().ok()).collect();
        if numbers.is_empty() {
            return HashMap::new();
        }
        let told = self.remote.caller_for(login).and_then(|caller| self.remote.records(&caller, &numbers).ok());
        let by_programs = || self.accounting.as_ref().map(|programs| programs.phases(&natives)).unwrap_or_default();
        told.map_or_else(by_programs, |records| ends(gone, &records))
    }

    /// Calls `each` with every job that this one may see, asked for now.
    fn each_job(&self, login: &str, each: &mut dyn FnMut(Job)) -> Result<(), Error> {
        // what was read before now is too old
        self.remote.ordered_by(login);
        let view = self.remote.view_of(login)?;
        view.each_as_it_is(each).map_err(unavailable)?;
        match view.age().and_then(|age| age.stale) {
            Some(why) => Err(unavailable(why)),
            None => Ok(()),
        }
    }

    /// What the controller says of runs of one owner, by their numbers.
    fn ask(&self, login: &str, runs: &[&RunRef]) -> Result<HashMap<String, Known>, Error> {
        let mut wanted: HashMap<String, (&RunRef, Known)> = HashMap::new();
        for run in runs {
            if let Some(native) = &run.native {
                wanted.insert(native.0.clone(), (run, Known { phase: HashMap::new(), began: None }));
            }
        }
        let view = self.remote.view_of(login)?;
        let outcome = view.each_as_it_is(&mut |job| {
            let Some(id) = number_of(&job) else { return };
            let Some((run, known)) = wanted.get_mut(&id.to_string()) else { return };
            let submitted = job.submit_time.and_then(jobgate_slurm::table::Time::seconds).unwrap_or(0) as f64;
            // After a crash a controller may give a number again that it has forgotten.
            let is_another = marker::is_anothers(&job, &run.marker) || submitted + EARLIER < run.since;
            if is_another && !marker::is_on(&job, &run.marker) {
                return;
            }
            if let Some(began) = began(&job) {
                known.began = Some(known.began.map_or(began, |earlier| earlier.min(began)));
            }
            merge(&mut known.phase, "", phase_of(&job));
        });
        outcome.map_err(unavailable)?;
        if let Some(why) = view.age().and_then(|age| age.stale) {
            return Err(unavailable(why));
        }
        Ok(wanted.into_iter().map(|(id, (_, known))| (id, known)).collect())
    }
}

impl Backend for Described {
    fn kind(&self) -> &'static str {
        "slurm"
    }

    fn check(&self, spec: &JobSpec, _: &BackendConfig) -> Result<(), Error> {
        if Self::is_its(spec) {
            return Ok(());
        }
        Err(Error::invalid(
            "this place takes jobs of Slurm's own dialect (/slurm/V/job/submit) only; psik's jobs need a backend of type \
             \"slurm\" in the configuration, which runs them as the gateway's own user by Slurm's programs (of a cluster of \
             [slurm.clusters] only if its controller's `conf` is set)",
        ))
    }

    fn submit(&self, request: &RunRequest<'_>) -> Submission {
        let note = || note_attempt(request.base, request.jobndx);
        self.send(request, note, &mut || ()).unwrap_or_else(Submission::Refused)
    }

    /// When it was sent is told by who records it.
    fn submit_while(&self, request: &RunRequest<'_>, meanwhile: &mut dyn FnMut()) -> Submission {
        self.send(request, || Ok(()), meanwhile).unwrap_or_else(Submission::Refused)
    }

    /// The controller has the run, and it is found there by its mark, however long this machine was away.
    fn keeps_elsewhere(&self, spec: &JobSpec) -> bool {
        Self::is_its(spec)
    }

    fn find(&self, run: &RunRef) -> Result<Option<NativeId>, Error> {
        let Some(Sent { first, last }) = attempted(run) else { return Ok(None) };
        // measured before the question: an answer says nothing of what comes later
        let now = SystemTime::now();
        let since = |time: SystemTime| now.duration_since(time).unwrap_or_default();
        let (age, oldest) = (since(last), since(first));
        let mut found = None;
        self.each_job(self.login_of(&run.owner), &mut |job| {
            if marker::is_on(&job, &run.marker) {
                found = found.or_else(|| number_of(&job));
            }
        })?;
        if let Some(number) = found {
            return Ok(Some(NativeId(number.to_string())));
        }
        let window = self.window(self.login_of(&run.owner));
        if age < window {
            let text = "the submission may still reach Slurm's controller; it is looked for again";
            return Err(Error::new(ErrorKind::Timeout, text).retry_after(window.saturating_sub(age)));
        }
        let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let unsaved = seconds(first) - 1.0..seconds(last) + UNSAVED;
        if self.remote.boot_time().is_some_and(|booted| unsaved.contains(&booted)) {
            let text = "not known whether Slurm ran it: its answer was lost, and its controller was restarted before it saved \
                        what it had taken";
            return Err(Error::new(ErrorKind::Conflict, text));
        }
        match self.remote.min_job_age() {
            Some(known) if oldest.as_secs() >= u64::from(known) => Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "not known whether Slurm took it: its answer was lost {} s ago, and Slurm forgets jobs {known} s after \
                     their end",
                    oldest.as_secs()
                ),
            )),
            _ => Ok(None),
        }
    }

    fn cancel(&self, run: &RunRef) -> Result<Cancel, Error> {
        let Ok(number) = Self::number(run) else { return Ok(Cancel::Absent) };
        let login = self.login_of(&run.owner);
        let credential = self.remote.credential_of(login)?;
        let outcome = self
            .remote
            .ask(&credential, |client| client.signal(&credential, &number.to_string(), CANCEL, Reach::Steps));
        self.remote.ordered_by(login);
        match outcome {
            Err(Asking::Failed(RpcError::Refused { errno: Errno::INVALID_JOB_ID, .. })) => Ok(Cancel::Absent),
            // how it ended is seen when it is asked for
            Ok(()) | Err(Asking::Failed(RpcError::Refused { errno: Errno::ALREADY_DONE, .. })) => Ok(Cancel::Stopping),
            Err(asking) => Err(failure(asking)),
        }
    }

    fn hold(&self, run: &RunRef) -> Result<(), Error> {
        self.keep_back(run, true)
    }

    fn release(&self, run: &RunRef) -> Result<(), Error> {
        self.keep_back(run, false)
    }

    fn observe(&self, runs: &[RunRef]) -> Result<Vec<Sighting>, Error> {
        let mut owners: BTreeMap<&str, Vec<&RunRef>> = BTreeMap::new();
        for run in runs {
            owners.entry(self.login_of(&run.owner)).or_default().push(run);
        }
        let (mut sightings, mut last, mut answered) = (Vec::new(), None, false);
        for (login, runs) in owners {
            let known = match self.ask(login, &runs) {
                Ok(known) => known,
                // nobody may be there to ask for this owner; the others' runs are seen all the same
                Err(error) => {
                    last = Some(error);
                    continue;
                }
            };
            answered = true;
            let is_gone = |run: &&&RunRef| {
                run.native
                    .as_ref()
                    .is_some_and(|native| known.get(&native.0).is_none_or(|known| known.phase.is_empty()))
            };
            let gone: Vec<&RunRef> = runs.iter().filter(is_gone).copied().collect();
            let accounted = self.accounted(login, &gone);
            for run in runs {
                let native = run.native.as_ref().map(|native| native.0.as_str()).unwrap_or_default();
                let seen = known.get(native);
                let phase = seen.and_then(|known| known.phase.get("")).or_else(|| accounted.get(native));
                sightings.push(Sighting {
                    marker: run.marker.clone(),
                    phase: phase.cloned().unwrap_or_else(|| self.missing(run)),
                    began: seen.and_then(|known| known.began),
                });
            }
        }
        last.filter(|_| !answered).map_or(Ok(sightings), Err)
    }
}

/// What was asked for.
#[derive(Debug)]
enum Asked {
    /// A job.
    Job(Box<JobDesc>),
    /// A heterogeneous job: what each of its components asks for.
    Components(Vec<JobDesc>),
}

impl Asked {
    fn components(&mut self) -> &mut [JobDesc] {
        match self {
            Self::Job(desc) => std::slice::from_mut(desc),
            Self::Components(components) => components,
        }
    }
}

/// What a job was described as.
fn description(bytes: &[u8]) -> Result<Asked, Error> {
    let unreadable =
        |why: String| Error::internal("the job's description in Slurm's terms is lost, or cannot be read", why);
    let mut value: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| unreadable(error.to_string()))?;
    let version = value["version"].as_str().and_then(Version::parse);
    let version = version.ok_or_else(|| unreadable("it has no version".into()))?;
    let zone = jiff::tz::TimeZone::system();
    let mut reader = Reader::new(version, value["now"].as_i64().unwrap_or_default(), &zone);
    let request: JobSubmitRequest = reader.object(value["request"].take());
    let mut asked = match (request.job, request.jobs) {
        (None, Some(jobs)) => Asked::Components(jobs),
        (job, _) => Asked::Job(Box::new(job.unwrap_or_default())),
    };
    if let Some(first) = asked.components().first_mut() {
        first.script = first.script.take().or(request.script);
    }
    match reader.problems.first() {
        Some(problem) => Err(unreadable(format!("{}: {}", problem.source, problem.description))),
        None => Ok(asked),
    }
}

/// The number by which a job is known: for a task, its array's; for a component, its job's.
fn number_of(job: &Job) -> Option<u32> {
    let whole = |number: Option<Num<u32>>| number.and_then(Num::number).filter(|number| *number != 0);
    whole(job.array_job_id).or_else(|| whole(job.het_job_id)).or(job.job_id)
}

/// When a job began to run, if it did: what was cancelled before it had nodes did not.
fn began(job: &Job) -> Option<f64> {
    let is = |word: &str| job.job_state.as_ref().is_some_and(|states| states.has(word));
    let had_nodes = job.nodes.as_deref().is_some_and(|nodes| !nodes.is_empty());
    let started = job.start_time.and_then(jobgate_slurm::table::Time::seconds).filter(|second| *second > 0)?;
    (had_nodes && !is("PENDING") && !is("CONFIGURING")).then_some(started as f64)
}

fn phase_of(job: &Job) -> Phase {
    let states: Vec<&str> = job.job_state.iter().flat_map(Flags::iter).collect();
    // what squeue calls it: the most telling of the words
    let telling = ["CONFIGURING", "COMPLETING", "REQUEUE_HOLD", "SPECIAL_EXIT"];
    let word = telling.iter().find(|word| states.contains(word)).copied().or(states.first().copied());
    let waits = matches!(word, Some("PENDING" | "CONFIGURING" | "REQUEUE_HOLD" | "SPECIAL_EXIT"));
    let detail = if waits { job.state_reason.clone().unwrap_or_default() } else { exit(job.exit_code.as_ref()) };
    phase(word.unwrap_or_default(), &detail)
}

fn unavailable(fault: Fault) -> Error {
    Error::new(ErrorKind::Unavailable, fault.description).numbered(fault.errno.0)
}

/// What came of asking. A token that was signed here is refused only if it has come too late, or the clocks differ.
fn failure(asking: Asking) -> Error {
    match asking {
        Asking::Failed(RpcError::Refused { errno, words }) if errno != Errno::AUTHENTICATION => {
            let words = words.unwrap_or_else(|| errno.text().to_owned());
            Error::new(ErrorKind::Refused, words).numbered(errno.0)
        }
        Asking::Failed(error @ RpcError::Unsendable(_)) => Error::invalid(error.to_string()).numbered(error.errno().0),
        other => unavailable(other.into()),
    }
}

#[cfg(test)]
mod tests {
    use jobgate_slurm::objects::ExitCode;
    use jobgate_slurm::table::Time;

    use super::*;

    #[test]
    fn a_description_is_read_as_the_request_was() {
        let read = |text: &str| description(text.as_bytes());
        let one = read(
            r##"{"version":"v0.0.42","now":1000,"request":{"script":"#!/bin/sh\n","job":{"name":"n","begin_time":"now+60"}}}"##,
        );
        let Asked::Job(one) = one.unwrap() else { panic!("it is one job") };
        assert_eq!((one.name.as_deref(), one.script.as_deref()), (Some("n"), Some("#!/bin/sh\n")));
        assert_eq!(one.begin_time.and_then(Time::seconds), Some(1060), "as it was meant then");
        assert_eq!(one.nodes, None, "what was not said is not said");
        let listed = read(
            r#"{"version":"v0.0.40","now":1,"request":{"jobs":[{"name":"m"},{"name":"n","script":"own"}],"script":"s"}}"#,
        );
        let Asked::Components(parts) = listed.unwrap() else { panic!("it is heterogeneous") };
        let scripts: Vec<_> = parts.iter().map(|part| (part.name.as_deref(), part.script.as_deref())).collect();
        assert_eq!(scripts, [(Some("m"), Some("s")), (Some("n"), Some("own"))]);
        for bad in ["", "{}", r#"{"version":"v0.0.99","request":{}}"#] {
            assert_eq!(read(bad).unwrap_err().kind(), ErrorKind::Internal, "{bad}");
        }
    }

    fn job(states: &[&'static str]) -> Job {
        Job {
            job_id: Some(7),
            job_state: Some(Flags::of(states.iter().copied())),
            start_time: Some(Time::at(500)),
            nodes: Some("n1".into()),
            ..Job::default()
        }
    }

    #[test]
    fn states_are_what_squeue_would_say() {
        assert_eq!(
            phase_of(&Job { state_reason: Some("Priority".into()), ..job(&["PENDING"]) }),
            Phase::Waiting("Priority".into())
        );
        assert_eq!(phase_of(&job(&["RUNNING"])), Phase::Running);
        assert_eq!(phase_of(&job(&["CANCELLED", "COMPLETING"])), Phase::Running, "its processes are still being ended");
        assert_eq!(phase_of(&job(&["CANCELLED"])), Phase::Ended(State::Canceled, String::new()));
        let code = |code, signal| Job {
            exit_code: Some(ExitCode {
                return_code: Some(Num::Set(code)),
                signal_id: Some(Num::Set(signal)),
                ..ExitCode::default()
            }),
            ..job(&["FAILED"])
        };
        assert_eq!(phase_of(&code(3, 0)), Phase::Ended(State::Failed, "3".into()));
        assert_eq!(phase_of(&code(0, 9)), Phase::Ended(State::Failed, "-9".into()));
    }

    #[test]
    fn what_had_no_node_never_began() {
        assert_eq!(began(&job(&["RUNNING"])), Some(500.0));
        assert_eq!(began(&Job { nodes: Some(String::new()), ..job(&["CANCELLED"]) }), None);
        assert_eq!(began(&job(&["PENDING"])), None, "when it is expected to start");
    }

    #[test]
    fn tasks_and_components_go_by_the_number_of_the_whole() {
        assert_eq!(number_of(&job(&["RUNNING"])), Some(7));
        let task = Job { array_job_id: Some(Num::Set(5)), ..job(&["RUNNING"]) };
        assert_eq!(number_of(&task), Some(5));
        let component = Job { array_job_id: Some(Num::Set(0)), het_job_id: Some(Num::Set(6)), ..job(&["RUNNING"]) };
        assert_eq!(number_of(&component), Some(6));
    }
}
