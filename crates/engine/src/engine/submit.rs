//! Submitting jobs that are described in their batch system's own terms, and kept there.
//!
//! Whoever names an idempotency key is promised that asking again gives the same job: that is recorded before anything is sent.
//! Without one nobody can ask again, and nothing is promised before the answer: the job is recorded, with its number, when the
//! batch system has answered. If this process ends before, the run may be with the batch system; it is never sent again.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Weak;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use jobgate_model::{Error, ErrorKind, JobId, NativeId, Principal, RunRef, RunRequest, State, Submission};

use super::create::{self, Prepared};
use super::launch::not_known;
use super::record::{cannot_write, transition};
use super::{Engine, policy};
use crate::store::entry::Begins;
use crate::store::jobs::{self, JobRecord, NewRecord};
use crate::store::runs::{FIRST, Intent};
use crate::tree::{self, Journal};
use crate::types::{Job, JobKey, Launched, NewJob, OnRefusal, Submitted};

/// How much less the processor is needed for filling directories than for anything else (`nice`).
const NICE: i32 = 10;
/// Directories are filled when nothing was submitted for so long,
const PAUSE: Duration = Duration::from_millis(100);
/// but the first of them waits no longer than this.
const UNFILLED: Duration = Duration::from_secs(5);

/// What could not be filled is tried again after so long, then after twice that, and so on until that is as long as the second;
const LATER: Duration = Duration::from_secs(2);
const LATEST: Duration = Duration::from_secs(600);
/// so often, and then by the next gateway.
const TRIES: u32 = 30;

/// An empty directory that is so old will not be a job's any more.
const ABANDONED: Duration = Duration::from_secs(3600);

/// A job whose files are to be made, and its directory.
pub(super) type Unfilled = (JobKey, PathBuf);

/// One that could not be filled so often, and when it is tried again.
struct Again {
    job: Unfilled,
    tries: u32,
    at: Instant,
}

/// The directory of a new job, which is made so that nobody else gets its id. It is filled when the job is recorded and nobody
/// waits any more.
struct Reserved(PathBuf);

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
                if is_kept
                    && intent.tasks.len() == 1
                    && prepared.idempotency.is_none()
                    && prepared.spec.callback.is_none()
                    && !is_ours_to_refuse =>
            {
                self.send_and_record(who, &prepared, intent)
            }
            _ => self.record_and_send(who, &prepared),
        }
    }

    fn record_and_send(&self, who: &Principal, new: &Prepared<'_>) -> Result<Submitted, Error> {
        let time = self.now();
        let (reserved, record) = self.reserve(who, new, self.next_stamp(&new.place.prefix)?, time)?;
        let begins = Begins { intent: new.intent.clone(), marker: create::marker(&record.jobid), queued: None };
        let entry = self.entry(who, record, begins, new.idempotency.clone());
        let job = match self.store.write(move |connection| entry.enter(connection)) {
            Ok(record) => record.job,
            Err(error) => {
                reserved.give_back();
                // The same request may have come twice at once: then the other one's job is the answer.
                let earlier = self.earlier(who, new.idempotency.as_ref())?.ok_or(error)?;
                return Ok(Submitted { job: earlier.job, launched: None });
            }
        };
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
        self.fill_later(&job);
        Ok(Submitted { job, launched })
    }

    fn send_and_record(&self, who: &Principal, new: &Prepared<'_>, intent: &Intent) -> Result<Submitted, Error> {
        let (jobid, time) = (self.next_stamp(&new.place.prefix)?, self.now());
        let marker = create::marker(&jobid);
        let own = format!("{marker}-{FIRST}");
        let request = RunRequest {
            base: &new.place.prefix.join(jobid.as_str()),
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
        let mut reserved = None;
        let mut reserve = || {
            reserved.get_or_insert_with(|| self.reserve(who, new, jobid.clone(), time));
        };
        let outcome = new.place.backend.submit_while(&request, &mut reserve);
        let (native, remarks) = match outcome {
            Submission::Refused(error) => {
                if let Some(Ok((reserved, _))) = reserved {
                    reserved.give_back();
                }
                return Err(error);
            }
            Submission::Accepted(native) => (Some(native), Vec::new()),
            Submission::Remarked(native, remarks) => (Some(native), remarks),
            Submission::Unknown(error) => {
                not_known(&jobid, FIRST, error);
                (None, Vec::new())
            }
        };
        // that something was sent may be certain only now
        reserve();
        let intent = Intent { sent: Some(self.now()), claim: None, ..intent.clone() };
        let recorded = reserved.ok_or_else(policy::missing).flatten().and_then(|(reserved, record)| {
            let queued = native.as_ref().map(|native| transition(time, FIRST, State::Queued, native.0.clone()));
            let is_handed = queued.is_some();
            let entry = self.entry(who, record, Begins { intent: Some(intent), marker, queued }, None);
            let enter = move |connection: &_| entry.enter(connection);
            let recorded = if is_handed { self.store.write_unsynced(enter) } else { self.store.write(enter) };
            recorded.inspect_err(|_| reserved.give_back())
        });
        match recorded {
            Ok(JobRecord { job, .. }) => {
                self.fill_later(&job);
                let launched = native.map(|native| Launched { jobndx: FIRST, native, remarks });
                Ok(Submitted { job, launched })
            }
            Err(error) => {
                if let Some(native) = native {
                    withdraw(new, &request, native, time);
                }
                Err(error)
            }
        }
    }

    /// Makes the directory of a new job.
    fn reserve(
        &self,
        who: &Principal,
        new: &Prepared<'_>,
        mut jobid: JobId,
        time: f64,
    ) -> Result<(Reserved, NewRecord), Error> {
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
        Ok((Reserved(base), new.record(who, jobid, &spec, time)))
    }

    /// Has a directory filled that was reserved. What is not, because this process ends, is filled by whoever looks at it next.
    fn fill_later(&self, job: &Job) {
        let job = (job.key, job.base.clone());
        let unsent = match self.filling.get() {
            Some(filling) => filling.send(job).err().map(|unsent| unsent.0),
            None => Some(job),
        };
        if let Some(job) = unsent
            && let Err(error) = self.fill(&job)
        {
            tracing::warn!(error = error.chain(), "a job's files are made later");
        }
    }

    /// Whether a directory in which there is nothing is one that this process fills in a moment.
    pub(super) fn is_filled_soon(&self, jobid: &JobId) -> bool {
        self.filling.get().is_some() && self.now() - jobid.number() < 2.0 * UNFILLED.as_secs_f64()
    }

    /// Fills directories, when nobody else needs the processor and the disk: where many jobs are submitted at once, new files
    /// would take more of both than the submissions do.
    pub(super) fn keep_filling(engine: &Weak<Self>, keys: &Receiver<Unfilled>) {
        // in Linux, this thread's only; as it was is good enough, too
        let _ = rustix::process::setpriority_process(None, NICE);
        if let Some(engine) = engine.upgrade() {
            engine.fill_rest();
        }
        let mut again: Vec<Again> = Vec::new();
        loop {
            let first = match again.iter().map(|one| one.at).min() {
                None => keys.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => keys.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            let mut ends = first == Err(RecvTimeoutError::Disconnected);
            let mut unfilled: Vec<(Unfilled, u32)> = Vec::new();
            if let Ok(first) = first {
                unfilled.push((first, 0));
                ends = gather(keys, &mut unfilled);
            }
            let now = Instant::now();
            unfilled.extend(again.extract_if(.., |one| one.at <= now).map(|one| (one.job, one.tries)));
            for (job, tries) in unfilled {
                let Some(engine) = engine.upgrade().filter(|engine| !engine.is_closed()) else { return };
                let Err(error) = engine.fill(&job) else { continue };
                tracing::warn!(base = %job.1.display(), tries, error = error.chain(), "a job's files are made later");
                if tries < TRIES {
                    let at = Instant::now() + LATEST.min(LATER * (1 << tries.min(10)));
                    again.push(Again { job, tries: tries + 1, at });
                }
            }
            if ends {
                return;
            }
        }
    }

    fn fill(&self, (key, base): &Unfilled) -> Result<(), Error> {
        let mut journal = match Journal::lock(base) {
            Ok(journal) => journal,
            // there may be no directory any more, nor a job
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return is_there(self.look_at(*key)),
            Err(error) => return Err(cannot_write(base, error)),
        };
        let is_begun = journal.size().map_err(|error| cannot_write(base, error))? > 0;
        let completed = self.by_key(*key).and_then(|record| self.complete(&mut journal, &record));
        if let Ok(is_whole) = completed {
            if is_begun {
                // Somebody did not get further than that.
                self.describe(*key, base)?;
            }
            drop(journal);
            return if is_whole { Ok(()) } else { is_there(self.look_at(*key)) };
        }
        is_there(completed.map(drop))
    }

    fn look_at(&self, key: JobKey) -> Result<(), Error> {
        self.by_key(key).and_then(|record| self.look(record)).map(drop)
    }

    /// What a process has begun to fill that died meanwhile: the history is made first, so that is where `spec.json` is missing. Of
    /// a job that it did not live to record there is an empty directory, which nobody fills any more.
    fn fill_rest(&self) {
        for prefix in self.prefixes() {
            let Ok(known) = self.store.read(|connection| jobs::spec_lengths(connection, prefix)) else { continue };
            let names: HashSet<&str> = known.iter().map(|(_, jobid, _)| jobid.as_str()).collect();
            for entry in std::fs::read_dir(prefix).into_iter().flatten().flatten() {
                let jobid = entry.file_name().to_str().and_then(|name| JobId::parse(name).ok());
                let is_old = jobid.is_some_and(|jobid| {
                    !names.contains(jobid.as_str()) && jobid.number() + ABANDONED.as_secs_f64() < self.now()
                });
                // one that is not empty stays
                if is_old && std::fs::remove_dir(entry.path()).is_ok() {
                    tracing::info!(base = %entry.path().display(), "removed the empty directory of a job that was never recorded");
                }
            }
            for (key, jobid, length) in known {
                let base = prefix.join(jobid);
                // One that is long enough is whole; to read them all takes long.
                let is_whole = base.join("spec.json").symlink_metadata().is_ok_and(|meta| meta.len() >= length);
                if !is_whole
                    && !matches!(tree::read_spec(&base), Ok(Some(_)))
                    && tree::size(&base).is_ok_and(|size| size > 0)
                {
                    let described = self.describe(key, &base);
                    tracing::info!(base = %base.display(), ?described, "a job's files were not whole");
                }
            }
        }
    }
}

/// What is to be filled besides, once nothing was submitted for a while: who submits need not wake this thread each time. Whether
/// nothing will follow.
fn gather(keys: &Receiver<Unfilled>, unfilled: &mut Vec<(Unfilled, u32)>) -> bool {
    let until = Instant::now() + UNFILLED;
    loop {
        std::thread::sleep(PAUSE);
        let before = unfilled.len();
        let ended = loop {
            match keys.try_recv() {
                Ok(job) => unfilled.push((job, 0)),
                Err(why) => break why == TryRecvError::Disconnected,
            }
        };
        if ended || unfilled.len() == before || Instant::now() >= until {
            return ended;
        }
    }
}

/// What is said of a job that is gone is no failure.
fn is_there(looked: Result<(), Error>) -> Result<(), Error> {
    match looked {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

impl Reserved {
    fn give_back(&self) {
        drop(std::fs::remove_dir(&self.0));
    }
}

/// Has the batch system stop a run that cannot be recorded: its submitter is told that there is no such job.
fn withdraw(new: &Prepared<'_>, request: &RunRequest<'_>, native: NativeId, since: f64) {
    let run = RunRef {
        base: request.base.to_owned(),
        jobid: request.jobid.clone(),
        jobndx: request.jobndx,
        owner: request.owner.to_owned(),
        marker: request.marker.to_owned(),
        native: Some(native),
        since,
        described: true,
        untold: None,
    };
    if let Err(error) = new.place.backend.cancel(&run) {
        let native = run.native.map(|native| native.0);
        tracing::error!(native, error = error.chain(), "a run that cannot be recorded cannot be canceled, either");
    }
}
