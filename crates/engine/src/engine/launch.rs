//! Starting runs: the intent first, then the batch system, then the `queued` row.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use jobgate_model::{
    BackendConfig, Error, ErrorKind, Evidence, JobId, JobNdx, JobSpec, NativeId, Principal, Remark, RunRequest, State,
    Submission,
};

use super::record::{Rule, transition};
use super::show::read_spec;
use super::{Engine, create, policy};
use crate::process;
use crate::store::broken;
use crate::store::jobs::{self, JobRecord, StoredSpec};
use crate::store::runs::{self, OpenRun, Phase};
use crate::store::usage;
use crate::tree;
use crate::types::{JobKey, Launched, Need, OnRefusal, Place};

/// The runs that threads of this process are handing over right now.
#[derive(Debug, Clone, Default)]
pub(super) struct InHand(Arc<Mutex<HashSet<(JobKey, JobNdx)>>>);

/// The right to hand a run over.
#[derive(Debug)]
pub(super) struct Turn {
    among: InHand,
    run: (JobKey, JobNdx),
}

impl InHand {
    /// `None` while somebody has it.
    pub(super) fn turn(&self, key: JobKey, jobndx: JobNdx) -> Option<Turn> {
        let mut in_hand = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Lazily: a turn that is not given must not be taken back, either.
        in_hand.insert((key, jobndx)).then(|| Turn { among: self.clone(), run: (key, jobndx) })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.among.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.run);
    }
}

/// A job with all that handing over its runs needs.
pub(super) struct Ready<'a> {
    pub(super) record: JobRecord,
    pub(super) spec: JobSpec,
    pub(super) config: BackendConfig,
    pub(super) description: Option<Vec<u8>>,
    pub(super) place: &'a Place,
}

impl Engine {
    /// Records the intent to start one more run (or the runs of an array); [`Engine::launch`] carries it out.
    pub fn start(
        &self,
        who: &Principal,
        key: JobKey,
        environment: Option<&[(OsString, OsString)]>,
    ) -> Result<Vec<JobNdx>, Error> {
        let record = self.admitted(who, Need::Write, key)?;
        let record = self.look(record)?;
        let ready = self.ready_job(record)?;
        let intent = create::intent(ready.place, &ready.spec, &ready.config, environment, self.now())?;
        let marker = create::marker(&ready.record.job.jobid);
        let owner = ready.record.job.owner;
        let limits = self.limits(who, &owner);
        self.store.write(move |connection| {
            usage::admit_runs(connection, &owner, intent.tasks.len(), limits)?;
            runs::intend(connection, key, &intent, &marker).map_err(|error| broken("write the index", error))
        })
    }

    /// Hands the intended runs of a job, as far as this process intended them, to its batch system and records them as
    /// queued. Each run is handed over by one thread only.
    pub fn launch(&self, key: JobKey, on_refusal: OnRefusal) -> Result<Vec<Launched>, Error> {
        let (record, stored, open) = self.store.read(|connection| {
            let record = jobs::by_key(connection, key)?;
            Ok((record, jobs::spec(connection, key)?, runs::of_job(connection, key)?))
        })?;
        let ready = self.with_spec(record.ok_or_else(policy::missing)?, stored)?;
        let mut launched = Vec::new();
        for run in open {
            let Some(_turn) = self.in_hand.turn(key, run.jobndx) else { continue };
            let record = &ready.record;
            if ready.place.backend.keeps_elsewhere(&ready.spec)
                && tree::size(&record.job.base).is_ok_and(|size| size > record.offset)
            {
                // A row that was written and did not get into the index counts: it must not be handed over once more.
                self.look(record.clone())?;
            }
            // Another thread may have handed it over since the list was made.
            let current = self.store.read(|connection| runs::one(connection, key, run.jobndx))?;
            let mine =
                |run: &OpenRun| run.phase == Phase::Intended && run.claim.as_deref() == Some(process::identity());
            let Some((run, environment)) = current.filter(|(run, _)| mine(run)) else { continue };
            match self.hand_over(&ready, &run, environment.as_deref()) {
                Ok(Some((native, remarks))) => launched.push(Launched { jobndx: run.jobndx, native, remarks }),
                Ok(None) => {}
                Err(error) => self.refused(&ready, &run, error, on_refusal)?,
            }
        }
        Ok(launched)
    }

    /// Takes over runs that a process intended and did not live to hand over. The batch system is asked first whether it has
    /// them: nothing is submitted twice.
    pub(super) fn recover(&self, run: &OpenRun) -> Result<(), Error> {
        if run.phase != Phase::Intended || run.claim.as_deref().is_some_and(process::alive) {
            return Ok(());
        }
        let Some(_turn) = self.in_hand.turn(run.key, run.jobndx) else { return Ok(()) };
        // What it wrote before it died counts, whether that got into the index or not.
        let record = self.look(self.by_key(run.key)?)?;
        let (key, jobndx, old) = (run.key, run.jobndx, run.claim.clone());
        let mine = self
            .store
            .update(move |connection| runs::claim(connection, key, jobndx, old.as_deref(), process::identity()))?;
        if !mine {
            return Ok(());
        }
        let ready = self.ready_job(record)?;
        tracing::info!(job = %run.jobid, jobndx, "finishing a submission that was interrupted");
        match ready.place.backend.find(&run.to_ref()) {
            Ok(Some(native)) => self.queued(&ready, run, native, self.now()).map(drop),
            Ok(None) => {
                let environment = self.store.read(|connection| runs::environment(connection, key, jobndx))?;
                match self.hand_over(&ready, run, environment.as_deref()) {
                    Ok(_) => Ok(()),
                    // Nobody waits for an answer, so there is time.
                    Err(error) if error.kind() == ErrorKind::Unavailable => {
                        self.release_claim(run)?;
                        Err(error)
                    }
                    Err(error) => self.refused(&ready, run, error, OnRefusal::Record),
                }
            }
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let row = transition(self.now(), jobndx, State::Failed, error.message().to_owned());
                self.record(&ready.record, &row, Evidence::Query, Rule::UnlessOver).map(drop)
            }
            Err(error) => {
                self.release_claim(run)?;
                Err(error)
            }
        }
    }

    pub(super) fn ready_job(&self, record: JobRecord) -> Result<Ready<'_>, Error> {
        let stored = self.store.read(|connection| jobs::spec(connection, record.job.key))?;
        self.with_spec(record, stored)
    }

    fn with_spec(&self, record: JobRecord, stored: Option<StoredSpec>) -> Result<Ready<'_>, Error> {
        let prefix = record.job.base.parent().unwrap_or(&record.job.base);
        let place = self.place_of(&record.job.backend, prefix).ok_or_else(|| {
            Error::new(
                ErrorKind::Conflict,
                format!(
                    "the job's backend {:?} is not configured (any more); add it to the configuration",
                    record.job.backend
                ),
            )
        })?;
        let stored = stored.ok_or_else(policy::missing)?;
        Ok(Ready { spec: read_spec(&stored)?, config: stored.config, description: stored.description, place, record })
    }

    fn hand_over(
        &self,
        ready: &Ready<'_>,
        run: &OpenRun,
        environment: Option<&[u8]>,
    ) -> Result<Option<(NativeId, Vec<Remark>)>, Error> {
        let environment = environment.map(decode_environment);
        let request = RunRequest {
            base: &ready.record.job.base,
            jobid: &ready.record.job.jobid,
            jobndx: run.jobndx,
            spec: &ready.spec,
            description: ready.description.as_deref(),
            config: &ready.config,
            owner: &ready.record.job.owner,
            marker: &run.marker,
            environment: environment.as_deref(),
            array: run.task.zip(run.first),
            array_limit: run.at_most,
            report: (!self.attended.load(Ordering::Acquire)).then_some(ready.record.generation),
        };
        // psik takes the time of the `queued` row before it asks the batch system.
        let time = self.now();
        match ready.place.backend.submit(&request) {
            Submission::Accepted(native) => {
                Ok(self.queued(ready, run, native, time)?.map(|native| (native, Vec::new())))
            }
            Submission::Remarked(native, remarks) => {
                Ok(self.queued(ready, run, native, time)?.map(|native| (native, remarks)))
            }
            Submission::Refused(error) => Err(error),
            Submission::Unknown(error) => {
                self.release_claim(run)?;
                Err(not_known(&run.jobid, run.jobndx, error))
            }
        }
    }

    /// Records that the batch system has the run, then lets it go. A run that was canceled meanwhile is stopped instead.
    fn queued(&self, ready: &Ready<'_>, run: &OpenRun, native: NativeId, time: f64) -> Result<Option<NativeId>, Error> {
        let row = transition(time, run.jobndx, State::Queued, native.0.clone());
        let base = &ready.record.job.base;
        let is_begun = || tree::size(base).map_or(true, |size| size > 0);
        let is_queued = if ready.place.backend.keeps_elsewhere(&ready.spec) && !is_begun() {
            self.record_first(ready.record.job.key, row)?
        } else {
            self.record(&ready.record, &row, Evidence::Gateway, Rule::UnlessOver)?.0.is_some()
        };
        if !is_queued {
            let mut reference = run.to_ref();
            reference.native = Some(native);
            ready.place.backend.cancel(&reference)?;
            return Ok(None);
        }
        ready.place.backend.confirm(&run.marker);
        Ok(Some(native))
    }

    fn refused(&self, ready: &Ready<'_>, run: &OpenRun, error: Error, on_refusal: OnRefusal) -> Result<(), Error> {
        if error.kind() == ErrorKind::Timeout {
            return match on_refusal {
                OnRefusal::Report => Err(error),
                OnRefusal::Record => Ok(()),
            };
        }
        let base = &ready.record.job.base;
        tree::console(base, &format!("{}: Error submitting job: {}", run.jobid, error.chain()));
        match on_refusal {
            OnRefusal::Report => {
                let (key, jobndx) = (run.key, run.jobndx);
                self.store.update(move |connection| runs::take_back(connection, key, jobndx))?;
                Err(error)
            }
            OnRefusal::Record => {
                tracing::warn!(job = %run.jobid, jobndx = run.jobndx, error = error.chain(), "the batch system refused the run");
                let row =
                    transition(self.now(), run.jobndx, State::Failed, format!("not submitted: {}", error.message()));
                self.record(&ready.record, &row, Evidence::Gateway, Rule::UnlessOver).map(drop)
            }
        }
    }

    fn release_claim(&self, run: &OpenRun) -> Result<(), Error> {
        let (key, jobndx) = (run.key, run.jobndx);
        self.store.update(move |connection| runs::unclaim(connection, key, jobndx))
    }
}

/// What is said of a submission whose outcome is not known.
pub(super) fn not_known(jobid: &JobId, jobndx: JobNdx, error: Error) -> Error {
    tracing::warn!(job = %jobid, jobndx, error = error.chain(), "it is not known whether the run was submitted");
    let text = "it is not known whether the batch system took the run; it will be looked for";
    Error::new(ErrorKind::Timeout, text).because(error)
}

/// An environment as `NAME=value` texts, each ended by NUL (the form of `/proc/PID/environ`).
pub(super) fn encode_environment(variables: &[(OsString, OsString)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in variables {
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(b'=');
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(0);
    }
    bytes
}

fn decode_environment(bytes: &[u8]) -> Vec<(OsString, OsString)> {
    bytes
        .split(|byte| *byte == 0)
        .filter_map(|text| {
            // A name may start with `=` on no system that we know; the separator is the first `=` after a first character.
            let at = text.iter().skip(1).position(|byte| *byte == b'=')? + 1;
            Some((OsStr::from_bytes(&text[..at]).to_owned(), OsString::from_vec(text[at + 1..].to_vec())))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environments_round_trip() {
        let pairs: Vec<(OsString, OsString)> =
            [("A", "b"), ("EMPTY", ""), ("EQ", "x=y\nz"), ("BASH_FUNC_f%%", "() { :; }")]
                .into_iter()
                .map(|(k, v)| (k.into(), v.into()))
                .collect();
        assert_eq!(decode_environment(&encode_environment(&pairs)), pairs);
    }
}
