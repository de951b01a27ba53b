//! Creating jobs.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use jobgate_model::{BackendConfig, DESCRIBED, Error, Generation, JobId, JobSpec, Principal, State, Transition};

use super::record::{cannot_write, transition};
use super::{Engine, policy};
use crate::process;
use crate::store::entry::{Begins, Entry};
use crate::store::jobs::{self, NewRecord};
use crate::store::runs::Intent;
use crate::tree;
use crate::types::{Created, Idempotency, Need, NewJob, Place, Start};

/// So far may stamps run ahead of the clock (after a burst, or when it steps back) before they follow it again.
const AHEAD_MILLIS: u64 = 24 * 3600 * 1000;

impl Engine {
    /// Creates a job: directory tree, row, event `new` and, if it is to be started, the intent to submit, durably.
    /// Refuses with `Invalid` what could never run, an unknown place or a directory that does not exist (nothing is left
    /// behind), with `KeyReused` an idempotency key that came with another request.
    pub fn create(&self, who: &Principal, new: NewJob) -> Result<Created, Error> {
        policy::known(who)?;
        if let Some(earlier) = self.earlier(who, new.idempotency.as_ref())? {
            return Ok(earlier);
        }
        let prepared = self.prepare(who, new)?;
        let (jobid, base, spec, first) = self.make_tree(&prepared)?;
        let promise = prepared.idempotency.clone();
        let marker = marker(&jobid);
        let record = prepared.record(who, jobid, &spec, first.time);
        let begins = Begins { intent: prepared.intent, marker, queued: None };
        let entry = self.entry(who, record, begins, prepared.idempotency);
        match self.store.write(move |connection| entry.enter(connection)) {
            Ok(record) => Ok(Created { job: record.job, repeated: false }),
            Err(error) => {
                // Nobody was promised anything yet.
                drop(std::fs::remove_dir_all(&base));
                // The same request may have come twice at once: then the other one's job is the answer.
                self.earlier(who, promise.as_ref())?.ok_or(error)
            }
        }
    }

    /// What a new job is, if it may be submitted at all.
    pub(super) fn prepare(&self, who: &Principal, new: NewJob) -> Result<Prepared<'_>, Error> {
        let place = self.chosen(who, &new)?;
        policy::may_submit(who, place)?;
        let NewJob { spec, start, idempotency, environment, generation, .. } = new;
        let (spec, config) = settle(spec, place);
        if let Some(directory) = spec.directory.as_deref() {
            usable(directory)?;
        }
        let intent = match start {
            Start::Yes => Some(intent(place, &spec, &config, environment.as_deref(), self.now())?),
            Start::No => None,
        };
        Ok(Prepared { place, spec, config, description: None, intent, generation, idempotency })
    }

    pub(super) fn earlier(&self, who: &Principal, promise: Option<&Idempotency>) -> Result<Option<Created>, Error> {
        let Some(promise) = promise else { return Ok(None) };
        let mut found = Ok(None);
        self.store.read(|connection| {
            found = jobs::idempotent(connection, &who.name, promise);
            Ok(())
        })?;
        found?.map(|key| Ok(Created { job: self.admitted(who, Need::Read, key)?.job, repeated: true })).transpose()
    }

    fn chosen(&self, who: &Principal, new: &NewJob) -> Result<&Place, Error> {
        let name = new.place.as_deref().unwrap_or(&new.spec.backend);
        if let Some(place) = self.place(name) {
            return Ok(place);
        }
        let known: Vec<&str> =
            self.places().iter().map(|place| place.name.as_str()).filter(|name| who.may_use(name)).collect();
        Err(Error::invalid(format!("unknown backend {name:?}; configured are: {}", known.join(", "))))
    }

    fn make_tree(&self, new: &Prepared<'_>) -> Result<(JobId, PathBuf, JobSpec, Transition), Error> {
        let prefix = &new.place.prefix;
        let mut spec = new.spec.clone();
        loop {
            let jobid = self.next_stamp(prefix)?;
            let base = prefix.join(jobid.as_str());
            if new.spec.directory.is_none() {
                spec.directory = Some(base.join("work").to_string_lossy().into_owned());
            }
            let first = transition(self.now(), 0, State::New, new.config.to_new_info());
            match tree::create(&base, &spec, std::slice::from_ref(&first)) {
                Ok(()) => return Ok((jobid, base, spec, first)),
                // psik, or another process of ours, was given the same stamp.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(cannot_write(prefix, error)),
            }
        }
    }

    /// The next stamp: the clock's milliseconds, or one more than the last that was given out, so that jobs of the same
    /// millisecond, or after the clock stepped back, get ids in their order.
    pub(super) fn next_stamp(&self, prefix: &Path) -> Result<JobId, Error> {
        let now = (self.now() * 1000.0) as u64;
        if self.stamp.load(Ordering::Acquire) == 0 {
            let newest = self.store.read(|connection| jobs::newest(connection, prefix))?.unwrap_or(0.0);
            let newest = (newest * 1000.0).round() as u64;
            let start = if newest < now + AHEAD_MILLIS { newest.max(1) } else { 1 };
            // Whoever was first is right.
            let _ = self.stamp.compare_exchange(0, start, Ordering::AcqRel, Ordering::Acquire);
        }
        let follow = |last: u64| Some(if last < now || last > now + AHEAD_MILLIS { now } else { last + 1 });
        let last = self.stamp.fetch_update(Ordering::AcqRel, Ordering::Acquire, follow).unwrap_or(now);
        Ok(JobId::from_millis(follow(last).unwrap_or(now)))
    }

    /// What is entered into the index with a job.
    pub(super) fn entry(
        &self,
        who: &Principal,
        record: NewRecord,
        begins: Begins,
        promise: Option<Idempotency>,
    ) -> Entry {
        let limits = self.limits(who, &record.owner);
        let first = transition(record.created, 0, State::New, record.config.to_new_info());
        Entry { record, first, begins, promise, limits, measured: self.setup.quotas.stored.is_some(), now: self.now() }
    }
}

/// A job that is about to be created.
pub(super) struct Prepared<'a> {
    pub(super) place: &'a Place,
    pub(super) spec: JobSpec,
    pub(super) config: BackendConfig,
    pub(super) description: Option<Vec<u8>>,
    pub(super) intent: Option<Intent>,
    pub(super) generation: Generation,
    pub(super) idempotency: Option<Idempotency>,
}

impl Prepared<'_> {
    /// What the index gets of it. `spec` is its own, with the directory set.
    pub(super) fn record(&self, who: &Principal, jobid: JobId, spec: &JobSpec, created: f64) -> NewRecord {
        NewRecord {
            prefix: self.place.prefix.clone(),
            jobid,
            name: spec.name.clone(),
            owner: who.name.clone(),
            backend: self.place.name.clone(),
            generation: self.generation,
            created,
            spec_json: spec.to_spec_json(),
            callback: spec.callback.clone(),
            client_secret: spec.client_secret.clone(),
            config: self.config.clone(),
            description: self.description.clone(),
        }
    }
}

/// With which the runs of a job are marked that are started together; their numbers follow.
pub(super) fn marker(jobid: &JobId) -> String {
    format!("jobgate-{jobid}-{:08x}", process::random())
}

/// The spec and the backend's settings as they are frozen with the job. A psik 1 spec overrides settings, and its
/// attributes, if it has any, replace the backend's; later ones lay the job's attributes over the backend's.
fn settle(mut spec: JobSpec, place: &Place) -> (JobSpec, BackendConfig) {
    let mut config = place.config.clone();
    let own = spec.backend_settings.take().unwrap_or_default();
    config.queue_name = own.queue_name.or(config.queue_name);
    config.project_name = own.project_name.or(config.project_name);
    config.reservation_id = own.reservation_id.or(config.reservation_id);
    spec.attributes =
        if own.attributes.is_empty() { config.attributes.overlaid(&spec.attributes) } else { own.attributes };
    spec.backend.clone_from(&place.name);
    (spec, config)
}

fn usable(directory: &str) -> Result<(), Error> {
    let path = Path::new(directory);
    if !path.is_absolute() {
        return Err(Error::invalid(format!("directory {directory:?} must be an absolute path")));
    }
    if directory.contains('\0') || !path.is_dir() {
        return Err(Error::invalid(format!("directory {directory:?} does not exist, or is not a directory")));
    }
    Ok(())
}

/// What one start of a job makes: checked against what its batch system could ever run.
pub(super) fn intent(
    place: &Place,
    spec: &JobSpec,
    config: &BackendConfig,
    environment: Option<&[(std::ffi::OsString, std::ffi::OsString)]>,
    time: f64,
) -> Result<Intent, Error> {
    place.backend.check(spec, config)?;
    let (tasks, at_most) = match place.backend.array(spec)? {
        Some((tasks, at_most)) => (tasks.into_iter().map(Some).collect(), at_most),
        None => (vec![None], None),
    };
    let environment = environment.filter(|_| spec.inherit_environment).map(super::launch::encode_environment);
    let (claim, described) = (Some(process::identity().to_owned()), spec.attribute(DESCRIBED).is_some());
    Ok(Intent { tasks, at_most, environment, claim, time, sent: None, described })
}
