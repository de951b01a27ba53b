//! Jobs that are described in Slurm's own terms, handed to a controller in their owner's name and watched there. Nothing of ours
//! runs with them: what became of them is what the controller, and then the accounting database, says.
//!
//! Nothing is queued twice. A job carries a mark; when its submission was sent is noted before it is sent; and an outcome that is
//! not known is looked up by the mark before it is sent again. That the controller does not have the job counts only when the
//! submission can no longer arrive: the token that it came with has expired by then; or, where nothing expires on our word, the
//! controller has answered for so long that it has read whatever was sent before.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jobgate_model::{
    Backend, BackendConfig, Cancel, DESCRIBED, Error, ErrorKind, JobSpec, NativeId, Phase, Remark, RunRef, RunRequest,
    Sighting, State, Submission,
};
use jobgate_slurm::cluster::{Fault, Reach};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{Job, JobDesc};
use jobgate_slurm::rpc::Error as RpcError;
use jobgate_slurm::site::Seen as _;

use super::super::attempt::{attempted, note_attempt};
use super::super::commands::{Accounting, complete, is_accounting_asked, merge};
use super::description::{Asked, description};
use super::ends::{is_earlier, is_lost, parts};
use super::phases::{began, is_part, number_of, phase_of};
use super::{Asking, Remote, SlurmPrograms, marker};
use crate::command::Programs;

/// Clocks of controllers may differ from ours by so many seconds.
const SKEW: u32 = 10;
/// A controller has certainly saved what it took so many seconds ago.
const UNSAVED: f64 = 60.0;
/// Where tokens do not expire on our word, a submission is thought to be under way for so long, and as long as the controller has
/// not answered for so long.
const STRAY: Duration = Duration::from_secs(60);
/// The number of the signal that cancels.
const CANCEL: i32 = 9;

/// A real cluster as a place where described jobs run.
#[derive(Debug)]
pub struct Described {
    remote: Arc<Remote>,
    /// As whom jobs of psik's local mode run: this process's own login.
    login: String,
    /// Slurm's own programs, where they are this cluster's.
    accounting: Option<Accounting>,
}

/// What the controller says of runs, by their numbers.
#[derive(Default)]
struct Known {
    phases: HashMap<String, Phase>,
    began: HashMap<String, f64>,
    /// Those that are arrays or heterogeneous jobs.
    in_parts: HashSet<String>,
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

    /// How long a submission that was sent so long ago may still be under way. `asked`: when the controller was asked for it, and
    /// had nothing.
    fn left(&self, login: &str, age: Duration, asked: Instant) -> Duration {
        let total = self.remote.limits().total;
        if self.remote.signed_for(login, 1).is_some() {
            // what it came with has expired then, wherever it lies
            return (total + Duration::from_secs(u64::from(2 * SKEW))).saturating_sub(age);
        }
        // A controller that was stopped finds in its sockets what was sent meanwhile, and takes it in any order: it has to have
        // answered for a while. That was not interrupted if it is so even now.
        let steady =
            self.remote.answers_since().map(|since| asked.saturating_duration_since(since)).unwrap_or_default();
        (total + STRAY).saturating_sub(age.min(steady))
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

    /// What accounting says of runs, and of each of their parts: whom the site has named for that (`[slurm.accounting]`) is asked in
    /// the owner's name; if nobody answers, this cluster's `sacct`, if it is here.
    fn accounted(&self, login: &str, runs: &[&RunRef]) -> Vec<(String, Phase)> {
        let natives: Vec<String> = runs.iter().filter_map(|run| Some(run.native.as_ref()?.0.clone())).collect();
        let numbers: Vec<i64> = natives.iter().filter_map(|native| native.parse().ok()).collect();
        if numbers.is_empty() {
            return Vec::new();
        }
        let told = self.remote.caller_for(login).and_then(|caller| self.remote.records(&caller, &numbers).ok());
        let by_programs = || self.accounting.as_ref().map(|programs| programs.parts(&natives)).unwrap_or_default();
        told.map_or_else(by_programs, |records| parts(runs, &records))
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

    /// What the controller says of runs of one owner.
    fn ask(&self, login: &str, runs: &[&RunRef]) -> Result<Known, Error> {
        let number = |run: &RunRef| run.native.as_ref()?.0.parse::<u32>().ok();
        let wanted: HashMap<u32, &RunRef> = runs.iter().filter_map(|run| Some((number(run)?, *run))).collect();
        let ids: Vec<u32> = wanted.keys().copied().collect();
        let mut known = Known::default();
        let view = self.remote.view_of(login)?;
        let outcome = view.each_of_as_it_is(&ids, &mut |id, job| {
            let Some(run) = wanted.get(&id).filter(|_| number_of(&job) == Some(id)) else { return };
            let submitted = job.submit_time.and_then(jobgate_slurm::table::Time::seconds).unwrap_or(0) as f64;
            // After a crash a controller may give a number again that it has forgotten.
            let is_another = || marker::is_anothers(&job, &run.marker) || is_earlier(submitted, run);
            if !marker::is_on(&job, &run.marker) && is_another() {
                return;
            }
            let native = id.to_string();
            if let Some(began) = began(&job) {
                known.began.entry(native.clone()).and_modify(|earlier| *earlier = earlier.min(began)).or_insert(began);
            }
            if is_part(&job) {
                known.in_parts.insert(native.clone());
            }
            merge(&mut known.phases, &native, phase_of(&job));
        });
        outcome.map_err(unavailable)?;
        match view.age().and_then(|age| age.stale) {
            Some(why) => Err(unavailable(why)),
            None => Ok(known),
        }
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
        let Some(sent) = attempted(run) else { return Ok(None) };
        // measured before the question: an answer says nothing of what comes later
        let (now, asked) = (SystemTime::now(), Instant::now());
        let since = |time: SystemTime| now.duration_since(time).unwrap_or_default();
        let (age, oldest) = (since(sent.last), since(sent.first));
        let login = self.login_of(&run.owner);
        let mut found = None;
        self.each_job(login, &mut |job| {
            if marker::is_on(&job, &run.marker) {
                found = found.or_else(|| number_of(&job));
            }
        })?;
        if let Some(number) = found {
            return Ok(Some(NativeId(number.to_string())));
        }
        let left = self.left(login, age, asked);
        if !left.is_zero() {
            let text = "the submission may still reach Slurm's controller; it is looked for again";
            return Err(Error::new(ErrorKind::Timeout, text).retry_after(left));
        }
        let unsaved = sent.first_seconds() - 1.0..sent.last_seconds() + UNSAVED;
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
            let Known { mut phases, began, in_parts } = known;
            let is_asked = |run: &&&RunRef| {
                run.native.as_ref().is_some_and(|native| is_accounting_asked(&native.0, &phases, &in_parts))
            };
            let asked: Vec<&RunRef> = runs.iter().filter(is_asked).copied().collect();
            let accounted = self.accounted(login, &asked);
            complete(&mut phases, &accounted);
            for run in runs {
                let native = run.native.as_ref().map(|native| native.0.as_str()).unwrap_or_default();
                sightings.push(Sighting {
                    marker: run.marker.clone(),
                    phase: phases.get(native).cloned().unwrap_or_else(|| self.missing(run)),
                    began: began.get(native).copied(),
                });
            }
        }
        last.filter(|_| !answered).map_or(Ok(sightings), Err)
    }
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
