//! Trees that others made, changed or removed.

use std::collections::HashMap;
use std::path::Path;
use std::sync::PoisonError;

use rustix::fs::AtFlags;
use rustix::io::Errno;

use jobgate_model::{BackendConfig, Error, Established, Generation, JobId, Principal, State};

use super::prefix::{is_gone, unreadable};
use super::show::read_spec;
use super::{Engine, policy};
use crate::process;
use crate::store::broken;
use crate::store::history::{self, Arrival, Look};
use crate::store::jobs::{self, JobRecord, NewRecord};
use crate::tree::{self, Journal, StoredSpec, Tail};
use crate::types::{JobKey, Tally};

/// A tree that was written to so shortly (in seconds) before the power failed may not have reached the disk.
const UNSYNCED: f64 = 120.0;

/// So many trees are entered with one write.
const AT_ONCE: usize = 256;

/// A tree that the index does not have.
struct Found {
    record: NewRecord,
    tail: Tail,
}

impl Engine {
    /// Looks at the prefixes now: jobs made, changed or removed by others (psik) are taken in or dropped.
    pub fn adopt(&self) -> Result<Tally, Error> {
        let mut tally = Tally::default();
        for prefix in self.prefixes() {
            self.adopt_prefix(prefix, &mut tally)?;
        }
        Ok(tally)
    }

    /// Rebuilds the index from the trees: what only the index knows (owners, deliveries, secrets of callers) is kept for
    /// jobs that it still has, and lost for others. The directories are taken as they are: a job that is not there is dropped.
    pub fn reindex(&self) -> Result<Tally, Error> {
        for prefix in self.prefixes() {
            self.accept(prefix)?;
            for (key, ..) in self.store.read(|connection| jobs::known(connection, prefix))? {
                let record = self.by_key(key)?;
                let Ok(Some(stored)) = tree::read_spec(&record.job.base) else { continue };
                let text = stored.spec.to_spec_json();
                let callback = stored.spec.callback.clone();
                let name = stored.spec.name.clone();
                let mut journal = Journal::lock(&record.job.base)
                    .map_err(|e| Error::internal(format!("cannot read the history of job {}", record.job.jobid), e))?;
                self.store.update(move |connection| {
                    jobs::set_spec(connection, key, &text, callback.as_deref(), name.as_deref())
                })?;
                self.read_anew(&mut journal, &record)?;
            }
        }
        self.adopt()
    }

    /// Takes in a job that the index does not have, if there is one with this id under the prefix.
    pub(super) fn adopt_one(&self, prefix: &Path, jobid: &JobId) -> Result<Option<JobRecord>, Error> {
        let Some(found) = self.found(prefix, jobid)? else { return Ok(None) };
        self.enter_found(vec![found])?;
        let known = self.store.read(|connection| jobs::by_id(connection, prefix, jobid.as_str()))?;
        known.map(|record| self.look(record)).transpose()
    }

    /// Reads a tree that the index does not have; `None` when it is not a job's.
    fn found(&self, prefix: &Path, jobid: &JobId) -> Result<Option<Found>, Error> {
        let base = prefix.join(jobid.as_str());
        let unreadable = |error| Error::internal(format!("cannot read the job's files in {}", base.display()), error);
        let Some(stored) = tree::read_spec(&base).map_err(unreadable)? else { return Ok(None) };
        let tail = tree::tail(&base, 0).unwrap_or_default();
        let first = tail.rows.iter().find(|row| row.transition.state == State::New);
        let frozen = first.and_then(|row| BackendConfig::from_new_info(&row.transition.info));
        let created = tail.rows.first().map_or_else(|| self.now(), |row| row.transition.time);
        let adopted = self.adoption(prefix, jobid, stored, frozen, created);
        Ok(adopted.map(|record| Found { record, tail }))
    }

    /// Enters trees with their past, in one write. Their maker, or another process of ours, may have been faster.
    fn enter_found(&self, found: Vec<Found>) -> Result<(), Error> {
        let now = self.now();
        self.store.write(move |connection| {
            let writing = |error| broken("write the index", error);
            for Found { record, tail } in found {
                if jobs::by_id(connection, &record.prefix, record.jobid.as_str()).map_err(writing)?.is_none() {
                    let key = jobs::insert(connection, &record, None).map_err(writing)?;
                    if tail.rows.is_empty() {
                        // A job without any history makes no event.
                        jobs::count_removal(connection).map_err(writing)?;
                    }
                    let look = Look::Import;
                    history::absorb(connection, &Arrival { key, from: 0, tail, look, reported: Vec::new(), now })?;
                }
            }
            Ok(())
        })
    }

    fn adoption(
        &self,
        prefix: &Path,
        jobid: &JobId,
        stored: StoredSpec,
        frozen: Option<BackendConfig>,
        created: f64,
    ) -> Option<NewRecord> {
        let StoredSpec { mut spec, generation } = stored;
        let named = self.place_of(&spec.backend, prefix);
        let place = named.or_else(|| self.places().iter().find(|place| place.prefix == prefix))?;
        if generation == Generation::V1 {
            spec.backend.clone_from(&place.name);
            if let Some(settings) = spec.backend_settings.take() {
                spec.attributes = settings.attributes;
            }
        }
        Some(NewRecord {
            prefix: prefix.to_owned(),
            jobid: jobid.clone(),
            name: spec.name.clone(),
            owner: Principal::local(Established::Process).name,
            // A backend that is not configured here is shown by its own name; it cannot be started from here.
            backend: spec.backend.clone(),
            generation,
            created,
            spec_json: spec.to_spec_json(),
            callback: spec.callback.clone(),
            client_secret: spec.client_secret.clone(),
            config: frozen.unwrap_or_else(|| place.config.clone()),
            description: None,
        })
    }

    fn adopt_prefix(&self, prefix: &Path, tally: &mut Tally) -> Result<(), Error> {
        let unreadable = |error: std::io::Error| unreadable(prefix, error);
        let known = self.store.read(|connection| jobs::known(connection, prefix))?;
        let mut known: HashMap<&[u8], (JobKey, u64)> =
            known.iter().map(|(key, jobid, offset)| (jobid.as_bytes(), (*key, *offset))).collect();
        let opened = std::fs::File::open(prefix).map_err(unreadable)?;
        let entries = rustix::fs::Dir::read_from(&opened).map_err(|error| unreadable(error.into()))?;
        let mut found = Vec::new();
        let mut path = Vec::with_capacity(64);
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(error.into()))?;
            let name = entry.file_name().to_bytes();
            if !name.first().is_some_and(u8::is_ascii_digit) {
                continue;
            }
            if let Some((key, offset)) = known.remove(name) {
                tally.seen += 1;
                path.clear();
                path.extend_from_slice(name);
                path.extend_from_slice(b"/status.csv");
                let size =
                    rustix::fs::statat(&opened, path.as_slice(), AtFlags::SYMLINK_NOFOLLOW).map(|stat| stat.st_size);
                let is_filled_soon = || {
                    let jobid = std::str::from_utf8(name).ok().and_then(|name| JobId::parse(name).ok());
                    size == Err(Errno::NOENT) && jobid.is_some_and(|jobid| self.is_filled_soon(&jobid))
                };
                if size != Ok(offset.cast_signed()) && !is_filled_soon() {
                    tally.changed += u64::from(self.by_key(key).and_then(|record| self.look(record)).is_ok());
                }
                continue;
            }
            let Some(jobid) = std::str::from_utf8(name).ok().and_then(|name| JobId::parse(name).ok()) else { continue };
            tally.seen += 1;
            // One unreadable tree hides only itself.
            match self.found(prefix, &jobid) {
                Ok(one) => found.extend(one),
                Err(error) => tracing::warn!(job = %jobid, error = error.chain(), "cannot take the job in"),
            }
            if found.len() == AT_ONCE {
                tally.changed += found.len() as u64;
                self.enter_found(std::mem::take(&mut found))?;
            }
        }
        tally.changed += found.len() as u64;
        if !found.is_empty() {
            self.enter_found(found)?;
        }
        let is_known = self.is_known(prefix, &opened)?;
        for (jobid, (key, _)) in known {
            // Made after the directory was read, or removed: its own look tells.
            if is_known && is_gone(&opened, jobid) {
                tally.changed += 1;
                self.store.update(move |connection| jobs::forget(connection, key))?;
            }
        }
        Ok(())
    }

    /// After the machine was restarted: trees that may not have reached the disk are written again from the index, which had.
    pub(super) fn mend_after_restart(&self) -> Result<(), Error> {
        let boot = process::boot_id();
        let (before, active) = self.store.read(jobs::last_boot)?;
        if before.as_deref() == Some(boot) {
            return Ok(());
        }
        let since = active.unwrap_or(0.0) - UNSYNCED;
        let mut is_done = true;
        for prefix in self.prefixes() {
            if before.is_none() || self.unknown.lock().unwrap_or_else(PoisonError::into_inner).contains(prefix) {
                // Whoever starts when it is mounted does it.
                is_done &= before.is_none();
                continue;
            }
            for record in self.store.read(|connection| jobs::touched_since(connection, prefix, since))? {
                // One that cannot be restored keeps nobody from the others.
                if let Err(error) = self.restore(&record) {
                    tracing::error!(job = %record.job.jobid, error = error.chain(), "cannot write the job's files again");
                }
            }
        }
        if !is_done {
            return Ok(());
        }
        self.store.update(move |connection| jobs::set_boot(connection, boot))
    }

    fn restore(&self, record: &JobRecord) -> Result<(), Error> {
        let (base, key) = (&record.job.base, record.job.key);
        let stored = self.store.read(|connection| jobs::spec(connection, key))?.ok_or_else(policy::missing)?;
        if matches!(tree::read_spec(base), Ok(Some(_))) && tree::size(base).is_ok_and(|size| size >= record.offset) {
            return Ok(());
        }
        let history = self.store.read(|connection| jobs::transitions(connection, key))?;
        let spec = read_spec(&stored)?;
        tracing::warn!(job = %record.job.jobid, "the job's files did not survive the restart; writing them again");
        tree::restore(base, &spec, &history)
            .map_err(|error| Error::internal(format!("cannot restore the job's files in {}", base.display()), error))?;
        let size = tree::size(base).unwrap_or(record.offset);
        self.store.update(move |connection| jobs::set_offset(connection, key, size))
    }
}
