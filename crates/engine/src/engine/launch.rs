//! Starting runs: the intent first, then the batch system, then the `queued` row.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::atomic::Ordering;

use jobgate_model::{
    BackendConfig, Error, ErrorKind, Evidence, JobId, JobNdx, JobSpec, NativeId, Principal, Remark, RunRequest, State,
    Submission,
};

use super::record::{Rule, transition};
use super::recover::Fate;
use super::show::read_spec;
use super::{Engine, create, policy};
use crate::process;
use crate::store::broken;
use crate::store::jobs::{self, JobRecord, StoredSpec};
use crate::store::runs::{self, OpenRun, Phase};
use crate::store::usage;
use crate::tree;
use crate::types::{JobKey, Launched, Need, OnRefusal, Place};

/// A job with all that handing over its runs needs.
pub(super) struct Ready<'a> {
    pub(super) record: JobRecord,
    pub(super) spec: JobSpec,
    pub(super) config: BackendConfig,
    pub(super) description: Option<Vec<u8>>,
    pub(super) place: &'a Place,
}

/// Why a run was not handed over.
#[derive(Debug)]
pub(super) enum NotHanded {
    /// The batch system does not have it and never will.
    Refused(Error),
    /// It may have it, and is asked: nothing may be taken back.
    Unknown(Error),
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
        let _round = self.in_hand.round(key);
        let (record, stored, open) = self.store.read(|connection| {
            let record = jobs::by_key(connection, key)?;
            Ok((record, jobs::spec(connection, key)?, runs::of_job(connection, key)?))
        })?;
        let ready = self.with_spec(record.ok_or_else(policy::missing)?, stored)?;
        let mut launched = Vec::new();
        for (nth, run) in open.iter().enumerate() {
            let Some(_turn) = self.in_hand.turn(key, run.jobndx) else { continue };
            if self.in_hand.is_sent(key, run.jobndx) {
                // It is looked for first.
                continue;
            }
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
            if run.cancel {
                let row = transition(self.now(), run.jobndx, State::Canceled, "");
                self.record(record, &row, Evidence::Gateway, Rule::UnlessOver)?;
                continue;
            }
            let (error, is_as_before) = match self.hand_over(&ready, &run, environment.as_deref()) {
                Ok((Fate::Queued(native), remarks)) => {
                    launched.push(Launched { jobndx: run.jobndx, native, remarks });
                    continue;
                }
                Ok(_) => continue,
                Err(NotHanded::Unknown(error)) => match on_refusal {
                    OnRefusal::Report => (error, false),
                    OnRefusal::Record => continue,
                },
                Err(NotHanded::Refused(error)) => match self.refused(&ready, &run, error, on_refusal) {
                    Ok(()) => continue,
                    Err(error) => (error, launched.is_empty()),
                },
            };
            self.leave(&run, &open[nth + 1..], is_as_before);
            return Err(error);
        }
        Ok(launched)
    }

    /// Leaves a run that was not handed over, and the tasks that were to follow it: they are taken back if the job can be as it
    /// was before (the batch system has none of them), and otherwise left to whoever looks after what is intended.
    fn leave(&self, run: &OpenRun, after: &[OpenRun], is_as_before: bool) {
        let key = run.key;
        let is_same =
            |other: &&OpenRun| other.phase == Phase::Intended && other.first.is_some() && other.first == run.first;
        // Only those that nobody else has in hand.
        let turns: Vec<_> = after
            .iter()
            .filter(is_same)
            .filter_map(|other| self.in_hand.turn(key, other.jobndx).map(|turn| (turn, other.jobndx)))
            .filter(|(_, jobndx)| !self.in_hand.is_sent(key, *jobndx))
            .collect();
        let left: Vec<JobNdx> = std::iter::once(run.jobndx).chain(turns.iter().map(|(_, jobndx)| *jobndx)).collect();
        let done = self.store.update(move |connection| {
            let leave = if is_as_before { runs::take_back } else { runs::unclaim };
            leave(connection, key, &left, process::identity())
        });
        if let Err(error) = done {
            tracing::warn!(job = %run.jobid, error = error.chain(), "cannot note that runs were not handed over; they are looked for");
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

    /// The caller has the run's turn and claim.
    pub(super) fn hand_over(
        &self,
        ready: &Ready<'_>,
        run: &OpenRun,
        environment: Option<&[u8]>,
    ) -> Result<(Fate, Vec<Remark>), NotHanded> {
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
        self.in_hand.note_sent(run.key, run.jobndx);
        let (native, remarks) = match ready.place.backend.submit(&request) {
            Submission::Accepted(native) => (native, Vec::new()),
            Submission::Remarked(native, remarks) => (native, remarks),
            Submission::Refused(error) => {
                self.in_hand.note_told(run.key, run.jobndx);
                return Err(NotHanded::Refused(error));
            }
            Submission::Unknown(error) => {
                self.leave_to_others(run);
                return Err(NotHanded::Unknown(not_known(&run.jobid, run.jobndx, error)));
            }
        };
        match self.queued(ready, run, native, time) {
            Ok(fate) => {
                self.in_hand.note_told(run.key, run.jobndx);
                Ok((fate, remarks))
            }
            // The batch system has it, and that could not be recorded: as if there had been no answer.
            Err(error) => {
                self.leave_to_others(run);
                Err(NotHanded::Unknown(not_known(&run.jobid, run.jobndx, error)))
            }
        }
    }

    /// Records that the batch system has the run, then lets it go. One that was to be stopped meanwhile is stopped instead.
    pub(super) fn queued(&self, ready: &Ready<'_>, run: &OpenRun, native: NativeId, time: f64) -> Result<Fate, Error> {
        let row = transition(time, run.jobndx, State::Queued, native.0.clone());
        let (base, key) = (&ready.record.job.base, run.key);
        let is_begun = || tree::size(base).map_or(true, |size| size > 0);
        let is_queued = if ready.place.backend.keeps_elsewhere(&ready.spec) && !is_begun() {
            self.record_first(key, row)?
        } else {
            self.record(&ready.record, &row, Evidence::Gateway, Rule::UnlessOver)?.0.is_some()
        };
        let handed = OpenRun { phase: Phase::Handed, native: Some(native.0.clone()), queued: time, ..run.clone() };
        if !is_queued {
            // Somebody else (psik) recorded its end while it was on its way.
            if let Err(error) = ready.place.backend.cancel(&handed.to_ref()) {
                tracing::error!(job = %run.jobid, jobndx = run.jobndx, native = native.0, error = error.chain(), "a run that is recorded as over cannot be canceled");
            }
            return Ok(Fate::Over);
        }
        // Whoever wants it stopped says so before it looks how far the run is; so one of us sees the other.
        if self.store.read(|connection| runs::is_to_stop(connection, key, run.jobndx))? {
            return Ok(match self.stop_handed(&ready.record, &OpenRun { cancel: true, ..handed }) {
                Ok(false) => Fate::Over,
                Ok(true) => Fate::Stopping,
                Err(error) => {
                    tracing::warn!(job = %run.jobid, jobndx = run.jobndx, error = error.chain(), "cannot stop a run yet");
                    Fate::Stopping
                }
            });
        }
        ready.place.backend.confirm(&run.marker);
        Ok(Fate::Queued(native))
    }

    /// What follows from a refusal. [`OnRefusal::Report`] gives the error back.
    pub(super) fn refused(
        &self,
        ready: &Ready<'_>,
        run: &OpenRun,
        error: Error,
        on_refusal: OnRefusal,
    ) -> Result<(), Error> {
        let base = &ready.record.job.base;
        tree::console(base, &format!("{}: Error submitting job: {}", run.jobid, error.chain()));
        match on_refusal {
            OnRefusal::Report => Err(error),
            OnRefusal::Record => {
                tracing::warn!(job = %run.jobid, jobndx = run.jobndx, error = error.chain(), "the batch system refused the run");
                let row =
                    transition(self.now(), run.jobndx, State::Failed, format!("not submitted: {}", error.message()));
                self.record(&ready.record, &row, Evidence::Gateway, Rule::UnlessOver).map(drop)
            }
        }
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
