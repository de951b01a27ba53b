//! Finding, listing and showing jobs.

use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use jobgate_model::{Error, ErrorKind, Evidence, JobId, JobNdx, JobSpec, Principal, State, StringMap};

use super::record::{Rule, transition};
use super::{Engine, policy};
use crate::store::history;
use crate::store::jobs::{self, StoredSpec};
use crate::types::{Counts, HistoryRow, Job, JobKey, JobRow, ListQuery, Need};

impl Engine {
    /// Finds a job by its id, in one prefix or (None) in the first place's prefix that has it for this principal, and says
    /// whether it may be used as is needed: `NotFound` if it may not be seen, `Forbidden` if it may be seen and no more. What
    /// others wrote into its `status.csv` since the last look is taken in first.
    pub fn find(&self, who: &Principal, need: Need, prefix: Option<&Path>, jobid: &JobId) -> Result<Job, Error> {
        policy::known(who)?;
        let prefixes = prefix.map_or_else(|| self.prefixes(), |one| vec![one]);
        for prefix in prefixes {
            let known = self.store.read(|connection| jobs::by_id(connection, prefix, jobid.as_str()))?;
            let found = match known {
                Some(record) => match self.look(record) {
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    looked => Some(looked?),
                },
                None => self.adopt_one(prefix, jobid)?,
            };
            let Some(record) = found else { continue };
            match self.admit(who, need, &record) {
                Ok(()) => return Ok(record.job),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Err(policy::missing())
    }

    /// Whether the index has this job; looks at nothing else.
    pub fn knows(&self, base: &Path) -> Result<bool, Error> {
        let (Some(prefix), Some(jobid)) = (base.parent(), base.file_name().and_then(|name| name.to_str())) else {
            return Ok(false);
        };
        Ok(self.store.read(|connection| jobs::by_id(connection, prefix, jobid))?.is_some())
    }

    /// The job as it is now.
    pub fn job(&self, who: &Principal, key: JobKey) -> Result<Job, Error> {
        let record = self.admitted(who, Need::Read, key)?;
        self.look(record).map(|record| record.job)
    }

    /// What the job's owner asked for (secrets included; do not show them). Who may only read the job gets it without where
    /// and how callbacks are sent: those are the owner's secrets.
    pub fn spec(&self, who: &Principal, key: JobKey) -> Result<JobSpec, Error> {
        let record = self.admitted(who, Need::Read, key)?;
        let mut spec = self.stored_spec(key)?;
        if self.admit(who, Need::Write, &record).is_err() {
            (spec.callback, spec.cb_secret, spec.client_secret) = (None, None, None);
            spec.cb_headers = StringMap::default();
        }
        Ok(spec)
    }

    /// All transitions in the order in which they were recorded.
    pub fn history(&self, who: &Principal, key: JobKey) -> Result<Vec<HistoryRow>, Error> {
        self.admitted(who, Need::Read, key)?;
        self.store.read(|connection| history::rows(connection, key))
    }

    /// Calls `row` for every job of the listing, in order, without touching the directory tree.
    pub fn list(&self, who: &Principal, query: &ListQuery, row: &mut dyn FnMut(JobRow<'_>)) -> Result<(), Error> {
        let visible = policy::visible(who)?;
        let prefixes = query.prefix.as_deref().map_or_else(|| self.prefixes(), |one| vec![one]);
        // Only a gateway lists often enough to keep a board, and only of what it serves.
        if self.attended.load(Ordering::Acquire) && prefixes == self.prefixes() {
            let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
            if self.store.read(|connection| board.refresh(connection, &prefixes))? {
                board.list(query, visible, row);
                return Ok(());
            }
        }
        self.store.read(|connection| jobs::list(connection, query, &prefixes, visible, row))
    }

    /// A number that changes with every change of what listings show, by this process or another.
    pub fn revision(&self) -> Result<u64, Error> {
        self.store.revision()
    }

    /// Records a transition that somebody told us of, and gives its event's number. What psik allows is allowed: any state,
    /// any jobndx; but a run that is over stays over.
    pub fn reached(
        &self,
        who: &Principal,
        key: JobKey,
        jobndx: JobNdx,
        state: State,
        info: &str,
        evidence: Evidence,
    ) -> Result<i64, Error> {
        let record = self.admitted(who, Need::Write, key)?;
        let (seq, _) = self.record(&record, &transition(self.now(), jobndx, state, info), evidence, Rule::Any)?;
        Ok(seq.unwrap_or_default())
    }

    /// Numbers for `/metrics`.
    pub fn counts(&self) -> Result<Counts, Error> {
        self.store.read(|connection| jobs::counts(connection, &self.prefixes()))
    }

    /// Whether the index answers and every prefix is the directory that it was, and can be written; for `/readyz`.
    pub fn ready(&self) -> Result<(), Error> {
        self.store.revision()?;
        for prefix in self.prefixes() {
            self.expect_known(prefix)?;
            rustix::fs::access(prefix, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).map_err(
                |error| {
                    Error::new(ErrorKind::Unavailable, format!("the prefix {} cannot be written", prefix.display()))
                        .because(error)
                },
            )?;
        }
        Ok(())
    }

    /// The stored spec, with what only the index has.
    pub(crate) fn stored_spec(&self, key: JobKey) -> Result<JobSpec, Error> {
        let stored = self.store.read(|connection| jobs::spec(connection, key))?.ok_or_else(policy::missing)?;
        read_spec(&stored)
    }
}

/// A stored spec, read.
pub(super) fn read_spec(stored: &StoredSpec) -> Result<JobSpec, Error> {
    let unreadable = || Error::invalid("the job's stored specification cannot be read; run `jobgate reindex`");
    let value = serde_json::from_str(&stored.text).map_err(|_| unreadable())?;
    let mut spec = jobgate_model::parse_spec(&value, jobgate_model::Generation::V3).map_err(|_| unreadable())?;
    spec.client_secret.clone_from(&stored.client_secret);
    Ok(spec)
}
