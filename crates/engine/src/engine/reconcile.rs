//! The gateway's background work: what was intended is finished, what lives is watched, what others made is taken in.
//!
//! One question per backend and interval, however many clients ask us. An answer that does not come changes no state.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use jobgate_model::{Error, ErrorKind, Evidence, JobId, JobNdx, Phase as Seen, Principal, RunRef, Sighting, State};

use super::Engine;
use super::measure::keep_measuring;
use super::record::{Rule, transition};
use crate::gateway;
use crate::store::jobs::{self, JobRecord};
use crate::store::runs::{self, OpenRun, Phase};
use crate::types::{Job, JobKey, Need, Place};

/// How often the files of live jobs are looked at.
const GLANCE: Duration = Duration::from_secs(1);
/// At most this part of the time goes into looking at trees of jobs that are over.
const SWEEP_SHARE: u32 = 50;
/// So long may it take at the least until somebody else's new job is noticed.
const SWEEP: Duration = Duration::from_secs(2);

/// A reason to look at a job.
type News = (PathBuf, Option<Sighting>);

/// What is known here of a run that a batch system is asked about.
struct Watched {
    key: JobKey,
    state: Option<State>,
}

impl Watched {
    fn of(run: &OpenRun) -> Self {
        Self { key: run.key, state: run.state }
    }
}

impl Engine {
    /// Asks the job's batch system about its live runs now, and takes in what was written to its tree.
    pub fn poll(&self, who: &Principal, key: JobKey) -> Result<Job, Error> {
        let record = self.look(self.admitted(who, Need::Read, key)?)?;
        if record.job.live || record.cancel {
            let open = self.store.read(|connection| runs::of_job(connection, key))?;
            for run in &open {
                self.recover(run)?;
            }
            self.observe(open);
            if record.cancel {
                self.stop_runs(&self.by_key(key)?)?;
            }
        }
        self.by_key(key).map(|record| record.job)
    }

    /// Why the job's waiting runs wait, in their batch system's words (`Resources`, `Dependency`, `JobHeldUser`, ...). The
    /// batch system is asked now.
    pub fn waits_for(&self, who: &Principal, key: JobKey) -> Result<Vec<(JobNdx, String)>, Error> {
        let record = self.look(self.admitted(who, Need::Read, key)?)?;
        let ready = self.ready_job(record)?;
        let open = self.store.read(|connection| runs::of_job(connection, key))?;
        let references: Vec<_> = open.iter().filter(|run| !run.marker.is_empty()).map(OpenRun::to_ref).collect();
        let seen = if references.is_empty() { Vec::new() } else { ready.place.backend.observe(&references)? };
        let reason = |sighting: Sighting| match sighting.phase {
            Seen::Waiting(reason) => {
                open.iter().find(|run| run.marker == sighting.marker).map(|run| (run.jobndx, reason))
            }
            Seen::Running | Seen::Ended(..) | Seen::Absent => None,
        };
        Ok(seen.into_iter().filter_map(reason).collect())
    }

    /// Starts the gateway's background work: finishing what was intended, watching live jobs, adopting foreign ones,
    /// sending callbacks. Must be called from a tokio runtime; ends when the engine is dropped or [`Engine::close`]d.
    pub fn attend(self: &Arc<Self>) -> Result<(), Error> {
        self.attended.store(true, Ordering::Release);
        let (sender, receiver) = channel();
        if let Some(socket) = gateway::listen(&self.setup.state_dir) {
            let (engine, sender) = (Arc::downgrade(self), sender.clone());
            thread("jobgate-hear", move || {
                let mut buffer = vec![0; 8192];
                while engine.upgrade().is_some_and(|engine| !engine.is_closed()) {
                    if let Some(path) = gateway::receive(&socket, &mut buffer) {
                        drop(sender.send((path, None)));
                    }
                }
            })?;
        }
        let mut told: Vec<*const ()> = Vec::new();
        for place in self.places() {
            let identity = Arc::as_ptr(&place.backend).cast::<()>();
            if told.contains(&identity) {
                continue;
            }
            told.push(identity);
            let sender = sender.clone();
            place
                .backend
                .clone()
                .attend(Arc::new(move |base: &Path, sighting| drop(sender.send((base.to_owned(), sighting)))))?;
        }
        let (filling, to_fill) = channel();
        let _ = self.filling.set(filling);
        let engine = Arc::downgrade(self);
        thread("jobgate-fill", move || Self::keep_filling(&engine, &to_fill))?;
        let engine = Arc::downgrade(self);
        thread("jobgate-watch", move || watch(&engine, &receiver))?;
        let engine = Arc::downgrade(self);
        // The sender lives as long as somebody may have news.
        thread("jobgate-poll", move || keep_polling(&engine, sender))?;
        if self.setup.quotas.stored.is_some() {
            let engine = Arc::downgrade(self);
            thread("jobgate-measure", move || keep_measuring(&engine))?;
        }
        crate::callbacks::attend(self);
        Ok(())
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Looks at the jobs that there is news of, then records what was seen beyond their files.
    fn hear(&self, news: &[News]) -> Result<(), Error> {
        let mut bases: Vec<&PathBuf> = news.iter().map(|(base, _)| base).collect();
        bases.sort_unstable();
        bases.dedup();
        let mut records = Vec::with_capacity(bases.len());
        for base in bases {
            records.extend(self.by_base(base)?);
        }
        self.look_at_all(records)?;
        for (base, sighting) in news {
            if let (Some(sighting), Some(record)) = (sighting, self.by_base(base)?) {
                let open = self.store.read(|connection| runs::of_job(connection, record.job.key))?;
                if let Some(run) = open.iter().find(|run| run.marker == sighting.marker) {
                    let (run, watched) = (run.to_ref(), Watched::of(run));
                    self.note(&run, &watched, sighting);
                }
            }
        }
        Ok(())
    }

    fn by_base(&self, base: &Path) -> Result<Option<JobRecord>, Error> {
        let (Some(prefix), Some(name)) = (base.parent(), base.file_name().and_then(|name| name.to_str())) else {
            return Ok(None);
        };
        let known = self.store.read(|connection| jobs::by_id(connection, prefix, name))?;
        match (known, JobId::parse(name)) {
            (None, Ok(jobid)) if self.prefixes().contains(&prefix) => self.adopt_one(prefix, &jobid),
            (known, _) => Ok(known),
        }
    }

    /// Asks every batch system about all of its runs, once.
    pub(super) fn observe(&self, mut open: Vec<OpenRun>) {
        for place in self.places() {
            let here = |run: &mut OpenRun| {
                run.phase == Phase::Handed
                    && run.backend == place.name
                    && run.base.parent() == Some(&place.prefix)
                    && !run.marker.is_empty()
            };
            // there may be very many: of each, one copy
            let mine: (Vec<RunRef>, Vec<Watched>) =
                open.extract_if(.., here).map(|run| (run.to_ref(), Watched::of(&run))).unzip();
            if !mine.0.is_empty() {
                open.shrink_to_fit();
                self.observe_at(place, &mine.0, &mine.1);
            }
        }
    }

    /// `references` and `mine` are of the same runs.
    fn observe_at(&self, place: &Place, references: &[RunRef], mine: &[Watched]) {
        let sightings = match place.backend.observe(references) {
            Ok(sightings) => sightings,
            Err(error) => {
                // The evidence gets older; no state changes.
                tracing::warn!(backend = place.name, error = error.chain(), "the batch system did not answer");
                return;
            }
        };
        let by_marker: HashMap<&str, (&RunRef, &Watched)> =
            references.iter().zip(mine).map(|(run, watched)| (run.marker.as_str(), (run, watched))).collect();
        for sighting in &sightings {
            let Some((run, watched)) = by_marker.get(sighting.marker.as_str()) else { continue };
            self.note(run, watched, sighting);
        }
    }

    /// Records what the batch system says of a run. A job whose files cannot be written hides no other.
    fn note(&self, run: &RunRef, watched: &Watched, sighting: &Sighting) {
        let recorded = self.begin(run, watched, sighting).and_then(|()| self.apply(run, watched, &sighting.phase));
        match recorded {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::warn!(job = %run.jobid, jobndx = run.jobndx, error = error.chain(), "cannot record what the batch system says of a run");
            }
            _ => {}
        }
    }

    /// Records that a run has begun, if nobody but the batch system tells.
    fn begin(&self, run: &RunRef, watched: &Watched, sighting: &Sighting) -> Result<(), Error> {
        if let (Some(began), Some(State::Queued)) = (sighting.began, watched.state) {
            let native = run.native.as_ref().map(|native| native.0.clone()).unwrap_or_default();
            let row = transition(began.max(run.since), run.jobndx, State::Active, native);
            self.record(&self.by_key(watched.key)?, &row, Evidence::Query, Rule::UnlessOver)?;
        }
        Ok(())
    }

    /// Records the end of a run that its own runner did not record.
    fn apply(&self, run: &RunRef, watched: &Watched, phase: &Seen) -> Result<(), Error> {
        if let Seen::Ended(state, info) = phase {
            let record = self.by_key(watched.key)?;
            let row = transition(self.now(), run.jobndx, *state, info.clone());
            self.record(&record, &row, Evidence::Query, Rule::UnlessOver)?;
        }
        Ok(())
    }

    /// One round over everything that is not over.
    pub(super) fn round(&self, ask: bool) -> Result<(), Error> {
        let unfinished = self.store.read(|connection| jobs::unfinished(connection, &self.prefixes()))?;
        let canceling: Vec<JobKey> =
            unfinished.iter().filter(|record| record.cancel).map(|record| record.job.key).collect();
        self.look_at_all(unfinished)?;
        let which = if ask { runs::all_open } else { runs::all_intended };
        let open = self.store.read(|connection| which(connection, &self.prefixes()))?;
        for run in open.iter().filter(|run| run.phase == Phase::Intended) {
            if let Err(error) = self.recover(run) {
                // Not certain yet, or its place is not configured here.
                let certain_later = matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Conflict);
                if certain_later {
                    tracing::debug!(job = %run.jobid, jobndx = run.jobndx, error = error.chain(), "the submission is finished later");
                } else {
                    tracing::warn!(job = %run.jobid, jobndx = run.jobndx, error = error.chain(), "cannot finish the submission yet");
                }
            }
        }
        // Those that were to be stopped before their batch system had them, and it could not be told when it had.
        for run in open.iter().filter(|run| run.cancel && run.phase == Phase::Handed && !canceling.contains(&run.key)) {
            if let Err(error) = self.by_key(run.key).and_then(|record| self.stop_handed(&record, run)) {
                tracing::warn!(job = %run.jobid, jobndx = run.jobndx, error = error.chain(), "cannot stop a run yet");
            }
        }
        for key in canceling {
            let settled = self.settle_cancel(key, Duration::ZERO);
            if matches!(settled, Ok(crate::Cancelled::Stopping)) && ask {
                drop(self.by_key(key).and_then(|record| self.stop_runs(&record)));
            }
        }
        if ask {
            self.observe(open);
        }
        Ok(())
    }
}

fn watch(engine: &Weak<Engine>, news: &Receiver<News>) {
    loop {
        let first = match news.recv_timeout(GLANCE) {
            Ok(first) => Some(first),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let Some(engine) = engine.upgrade().filter(|engine| !engine.is_closed()) else { return };
        if let Some(first) = first {
            let mut batch = vec![first];
            batch.extend(news.try_iter().take(4096));
            if let Err(error) = engine.hear(&batch) {
                tracing::error!(error = error.chain(), "cannot record what happened; it will be tried again");
            }
        }
    }
}

fn keep_polling(engine: &Weak<Engine>, keep: Sender<News>) {
    let mut asked: Option<Instant> = None;
    let mut sweep_at = Instant::now();
    loop {
        let Some(engine) = engine.upgrade().filter(|engine| !engine.is_closed()) else { break };
        let ask = asked.is_none_or(|at| at.elapsed() >= engine.setup.poll_interval);
        if ask {
            asked = Some(Instant::now());
        }
        if let Err(error) = engine.round(ask) {
            tracing::error!(error = error.chain(), "cannot look after the live jobs; it will be tried again");
        }
        if Instant::now() >= sweep_at {
            let began = Instant::now();
            if let Err(error) = engine.adopt() {
                tracing::error!(error = error.chain(), "cannot look at the prefixes; it will be tried again");
            }
            sweep_at = Instant::now() + SWEEP.max(began.elapsed() * SWEEP_SHARE);
        }
        pause(&engine, GLANCE.min(engine.setup.poll_interval));
    }
    drop(keep);
}

fn thread(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(body)
        .map(drop)
        .map_err(|error| Error::internal("cannot start a background thread", error))
}

/// Waits for the next round, in short steps so that closing does not take long.
pub(super) fn pause(engine: &Engine, at_most: Duration) {
    let until = Instant::now() + at_most;
    while !engine.is_closed() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50).min(until.saturating_duration_since(Instant::now())));
    }
}
