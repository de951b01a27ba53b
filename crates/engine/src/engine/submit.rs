//! Submitting jobs that are described in their batch system's own terms, and kept there.
//!
//! Whoever names an idempotency key is promised that asking again gives the same job: that is recorded before anything is sent.
//! Without one nobody can ask again, and nothing is promised before the answer: the job is recorded while the batch system
//! has it in hand, and the answer is given when both are done. If this process ends in between, the run may be with the batch
//! system and is found by its mark, if it was recorded; it is never sent again.

use std::sync::Weak;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use jobgate_model::{Error, ErrorKind, JobId, NativeId, Principal, Remark, RunRef, RunRequest, State, Submission};

use super::create::{self, FIRST, Prepared};
use super::launch::{Turn, not_known};
use super::record::{cannot_write, exists, transition};
use super::{Engine, policy};
use crate::store::jobs::{self, JobRecord};
use crate::store::runs::{self, Intent};
use crate::tree;
use crate::types::{Job, JobKey, Launched, NewJob, OnRefusal, Submitted};

/// How much less the processor is needed for filling directories than for anything else (`nice`).
const NICE: i32 = 10;
/// Directories are filled when nothing was submitted for so long,
const PAUSE: Duration = Duration::from_millis(100);
/// but the first of them waits no longer than this.
const UNFILLED: Duration = Duration::from_secs(5);

/// A new job that is recorded.
struct Recorded {
    record: JobRecord,
    /// Its run is in this process's hand.
    _turn: Option<Turn>,
}

impl Engine {
    /// Creates a job that is described in its batch system's own terms and hands its run over; what is refused leaves nothing
    /// behind. An array is handed over whole.
    pub fn submit(&self, who: &Principal, new: NewJob, description: &[u8]) -> Result<Submitted, Error> {
        policy::known(who)?;
        if let Some(earlier) = self.earlier(who, new.idempotency.as_ref())? {
            return Ok(Submitted { job: earlier.job, launched: None });
        }
        let prepared = Prepared { description: Some(description.to_vec()), ..self.prepare(who, new)? };
        let limits = self.limits(who, &who.name);
        let is_ours_to_refuse = limits.live_jobs.is_some() || limits.stored.is_some();
        let is_kept = prepared.place.backend.keeps_elsewhere(&prepared.spec);
        match &prepared.intent {
            Some(intent)
                if is_kept && intent.tasks.len() == 1 && prepared.idempotency.is_none() && !is_ours_to_refuse =>
            {
                self.send_and_record(who, &prepared, intent)
            }
            _ => self.record_and_send(who, &prepared),
        }
    }

    fn record_and_send(&self, who: &Principal, new: &Prepared<'_>) -> Result<Submitted, Error> {
        let jobid = self.next_stamp(&new.place.prefix)?;
        let marker = create::marker(&jobid);
        let recorded = match self.record_new(who, new, jobid, (new.intent.clone(), &marker), self.now()) {
            Ok(recorded) => recorded,
            // The same request may have come twice at once: then the other one's job is the answer.
            Err(error) => {
                let earlier = self.earlier(who, new.idempotency.as_ref())?.ok_or(error)?;
                return Ok(Submitted { job: earlier.job, launched: None });
            }
        };
        let job = recorded.record.job;
        let launched = match self.launch(job.key, OnRefusal::Report) {
            Ok(launched) => launched.into_iter().next(),
            // It is looked for, and queued if it is not there.
            Err(error) if error.kind() == ErrorKind::Timeout => None,
            Err(error) => {
                // Nobody was promised anything: what was refused leaves nothing behind.
                drop(self.remove(who, job.key));
                return Err(error);
            }
        };
        self.fill_later(job.key);
        Ok(Submitted { job, launched })
    }

    fn send_and_record(&self, who: &Principal, new: &Prepared<'_>, intent: &Intent) -> Result<Submitted, Error> {
        let (jobid, time) = (self.next_stamp(&new.place.prefix)?, self.now());
        let base = new.place.prefix.join(jobid.as_str());
        let marker = create::marker(&jobid);
        let own = format!("{marker}-{FIRST}");
        let request = RunRequest {
            base: &base,
            jobid: &jobid,
            jobndx: FIRST,
            spec: &new.spec,
            description: new.description.as_deref(),
            config: &new.config,
            owner: &who.name,
            marker: &own,
            environment: None,
            array: None,
            array_limit: None,
            report: None,
        };
        let mut recorded: Option<Result<Recorded, Error>> = None;
        let mut record = || {
            if recorded.is_none() {
                let intent = Intent { sent: Some(self.now()), ..intent.clone() };
                recorded = Some(self.record_new(who, new, jobid.clone(), (Some(intent), &marker), time));
            }
        };
        let outcome = new.place.backend.submit_while(&request, &mut record);
        if !matches!(outcome, Submission::Refused(_)) {
            // that something was sent may be certain only now
            record();
        }
        let recorded = recorded.transpose();
        match outcome {
            Submission::Refused(error) => {
                if let Ok(Some(recorded)) = recorded {
                    self.take_out(&recorded.record)?;
                }
                Err(error)
            }
            Submission::Unknown(error) => {
                let recorded = recorded?.ok_or_else(policy::missing)?;
                let key = recorded.record.job.key;
                not_known(&jobid, FIRST, error);
                // that it is recorded is what its submitter is told
                self.store.update(move |connection| runs::promise(connection, key, FIRST))?;
                self.fill_later(key);
                Ok(Submitted { job: recorded.record.job, launched: None })
            }
            Submission::Accepted(native) => self.handed(who, new, recorded, (native, Vec::new()), &own, time),
            Submission::Remarked(native, remarks) => self.handed(who, new, recorded, (native, remarks), &own, time),
        }
    }

    /// The batch system has the run, which is recorded as queued. Where that is not possible the batch system shall not have it,
    /// either: its submitter is told that there is no such job.
    fn handed(
        &self,
        who: &Principal,
        new: &Prepared<'_>,
        recorded: Result<Option<Recorded>, Error>,
        (native, remarks): (NativeId, Vec<Remark>),
        marker: &str,
        time: f64,
    ) -> Result<Submitted, Error> {
        let cancel = |record: Option<&JobRecord>| {
            let run = RunRef {
                base: record.map(|record| record.job.base.clone()).unwrap_or_default(),
                jobid: record.map_or_else(|| JobId::from_millis(0), |record| record.job.jobid.clone()),
                jobndx: FIRST,
                owner: who.name.clone(),
                marker: marker.to_owned(),
                native: Some(native.clone()),
                since: time,
                described: true,
                untold: None,
            };
            if let Err(error) = new.place.backend.cancel(&run) {
                tracing::error!(
                    native = native.0,
                    error = error.chain(),
                    "a run that cannot be recorded cannot be canceled, either"
                );
            }
        };
        let recorded = match recorded.and_then(|recorded| recorded.ok_or_else(policy::missing)) {
            Ok(recorded) => recorded,
            Err(error) => {
                cancel(None);
                return Err(error);
            }
        };
        let record = &recorded.record;
        let row = transition(time, FIRST, State::Queued, native.0.clone());
        match self.record_first(record.job.key, row) {
            Ok(true) => {
                self.fill_later(record.job.key);
                let launched = Some(Launched { jobndx: FIRST, native, remarks });
                Ok(Submitted { job: recorded.record.job, launched })
            }
            // canceled meanwhile
            Ok(false) => {
                cancel(Some(record));
                Ok(Submitted { job: recorded.record.job, launched: None })
            }
            Err(error) => {
                cancel(Some(record));
                self.take_out(record)?;
                Err(error)
            }
        }
    }

    /// Records a new job durably. Its directory is made before, so that nobody else gets its id, and filled later, when nobody
    /// waits for it.
    fn record_new(
        &self,
        who: &Principal,
        new: &Prepared<'_>,
        mut jobid: JobId,
        (intent, marker): (Option<Intent>, &str),
        time: f64,
    ) -> Result<Recorded, Error> {
        let prefix = &new.place.prefix;
        let base = loop {
            let base = prefix.join(jobid.as_str());
            match tree::reserve(&base) {
                Ok(()) => break base,
                // psik, or another process of ours, was given the same stamp.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => jobid = self.next_stamp(prefix)?,
                Err(error) => return Err(cannot_write(prefix, error)),
            }
        };
        let mut spec = new.spec.clone();
        spec.directory.get_or_insert_with(|| base.join("work").to_string_lossy().into_owned());
        let first = transition(time, 0, State::New, new.config.to_new_info());
        let entered = new.record(who, jobid, &spec, time);
        let entered = self.enter(who, entered, first, (intent, marker), new.idempotency.clone());
        let (record, turn) = entered.inspect_err(|_| drop(std::fs::remove_dir(&base)))?;
        Ok(Recorded { record, _turn: turn })
    }

    /// Has a directory filled that was reserved. What is not, because this process ends, is filled by whoever looks at it next.
    fn fill_later(&self, key: JobKey) {
        if self.filling.get().is_none_or(|filling| filling.send(key).is_err()) {
            self.fill(key);
        }
    }

    /// Whether a directory in which there is nothing is one that this process fills in a moment.
    pub(super) fn is_filled_soon(&self, jobid: &JobId) -> bool {
        self.filling.get().is_some() && self.now() - jobid.number() < 2.0 * UNFILLED.as_secs_f64()
    }

    /// Fills directories, when nobody else needs the processor and the disk: where many jobs are submitted at once, new files
    /// would take more of both than the submissions do.
    pub(super) fn keep_filling(engine: &Weak<Self>, keys: &Receiver<JobKey>) {
        // in Linux, this thread's only; as it was is good enough, too
        let _ = rustix::process::setpriority_process(None, NICE);
        if let Some(engine) = engine.upgrade() {
            engine.fill_rest();
        }
        while let Ok(first) = keys.recv() {
            let (until, mut unfilled) = (Instant::now() + UNFILLED, vec![first]);
            let ends = loop {
                match keys.recv_timeout(PAUSE.min(until.saturating_duration_since(Instant::now()))) {
                    Ok(key) => unfilled.push(key),
                    Err(why) => break why == RecvTimeoutError::Disconnected,
                }
            };
            for key in unfilled {
                let Some(engine) = engine.upgrade().filter(|engine| !engine.is_closed()) else { return };
                engine.fill(key);
            }
            if ends {
                return;
            }
        }
    }

    fn fill(&self, key: JobKey) {
        match self.by_key(key).and_then(|record| self.look(record)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::warn!(error = error.chain(), "a job's files are made later");
            }
            _ => {}
        }
    }

    /// What a process has begun to fill that died meanwhile: the history is made first, so that is where `spec.json` is missing.
    fn fill_rest(&self) {
        for prefix in self.prefixes() {
            let known = self.store.read(|connection| jobs::known(connection, prefix)).unwrap_or_default();
            for (key, jobid, _) in known {
                let base = prefix.join(jobid);
                if !exists(&base.join("spec.json")) && tree::size(&base).is_ok_and(|size| size > 0) {
                    let described = self.stored_spec(key).map(|spec| tree::describe(&base, &spec));
                    tracing::info!(base = %base.display(), ?described, "a job's files were not whole");
                }
            }
        }
    }

    /// Leaves nothing of a job that nobody was promised.
    fn take_out(&self, record: &JobRecord) -> Result<(), Error> {
        let Job { base, jobid, key, .. } = &record.job;
        // The tree goes first: a directory without a row would be taken for somebody else's new job.
        tree::remove(base.parent().unwrap_or(base), jobid).map_err(|error| cannot_write(base, error))?;
        let key = *key;
        self.store.update(move |connection| jobs::forget(connection, key))
    }
}
