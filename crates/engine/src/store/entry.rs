//! All that is entered with a new job, in one transaction.

use jobgate_model::{Error, Evidence, Transition};
use rusqlite::Connection;

use super::jobs::{self, Beginning, JobRecord, NewRecord};
use super::runs::{self, FIRST, Intent};
use super::usage::{self, Limits};
use super::{broken, history};
use crate::tree;
use crate::types::{Idempotency, Job};

/// What a job begins with.
#[derive(Debug)]
pub(crate) struct Begins {
    /// The runs of its first start.
    pub(crate) intent: Option<Intent>,
    /// Their mark.
    pub(crate) marker: String,
    /// Its batch system has the one run already.
    pub(crate) queued: Option<Transition>,
}

/// A new job: row, spec, event `new`, intent or queued run, and idempotency key.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) record: NewRecord,
    pub(crate) first: Transition,
    pub(crate) begins: Begins,
    pub(crate) promise: Option<Idempotency>,
    /// What its owner may have.
    pub(crate) limits: Limits,
    /// What directories take is counted.
    pub(crate) measured: bool,
    /// Unix seconds.
    pub(crate) now: f64,
}

impl Entry {
    /// Enters it. Refuses with `Exhausted` what its owner may not have.
    pub(crate) fn enter(self, connection: &Connection) -> Result<JobRecord, Error> {
        let Self { record, first, begins: Begins { intent, marker, queued }, promise, limits, measured, now } = self;
        usage::admit_bytes(connection, &record.owner, limits)?;
        let runs = intent.as_ref().map_or(0, |intent| intent.tasks.len());
        if runs > 0 {
            usage::admit_runs(connection, &record.owner, runs, limits)?;
        }
        let writing = |error| broken("write the index", error);
        let beginning = Beginning { first: &first, queued: queued.as_ref(), runs };
        let key = jobs::insert(connection, &record, Some(beginning)).map_err(writing)?;
        let mut offset = 0;
        for transition in std::iter::once(&first).chain(&queued) {
            history::enter(connection, key, offset, transition, Evidence::Gateway, now).map_err(writing)?;
            offset += transition.to_row().len() as u64;
        }
        if measured {
            // three directories and two files, until it is measured
            usage::grew(connection, key, 5 * tree::BLOCK + record.spec_json.len() as u64).map_err(writing)?;
        }
        if let Some(intent) = &intent {
            runs::enter(connection, key, FIRST, intent, &marker, queued.as_ref()).map_err(writing)?;
        }
        if let Some(promise) = &promise {
            jobs::promise(connection, &record.owner, promise, key, now).map_err(writing)?;
        }
        let NewRecord { prefix, jobid, name, owner, backend, generation, .. } = record;
        let base = prefix.join(jobid.as_str());
        let Transition { time: updated, jobndx, state, info } = queued.unwrap_or(first);
        let job = Job { key, base, jobid, name, owner, backend, updated, jobndx, state, info, live: runs > 0 };
        Ok(JobRecord { job, generation, offset, cancel: false })
    }
}
