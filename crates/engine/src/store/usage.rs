//! What owners have: runs under way, and bytes in the directories of their jobs.

use std::time::Duration;

use jobgate_model::{Error, ErrorKind};
use rusqlite::{Connection, OptionalExtension, params};

use super::broken;
use super::jobs::{self, JobRecord};
use crate::types::JobKey;

/// A run may end at any moment.
const RUNS_RETRY: Duration = Duration::from_secs(30);
/// What is stored is deleted by people.
const STORED_RETRY: Duration = Duration::from_secs(300);

/// What an owner may have; `None`: any number.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    /// Runs under way, or intended.
    pub(crate) live_jobs: Option<u64>,
    /// Bytes in the directories of its jobs.
    pub(crate) stored: Option<u64>,
}

/// Refuses what would be more runs than the owner may have. Asked in the transaction that intends them.
pub(crate) fn admit_runs(connection: &Connection, owner: &str, more: usize, limits: Limits) -> Result<(), Error> {
    let Some(limit) = limits.live_jobs else { return Ok(()) };
    let live = live_runs(connection, owner).map_err(|error| broken("read the index", error))?;
    if live.saturating_add(more as u64) <= limit {
        return Ok(());
    }
    let asked = if more == 1 { String::new() } else { format!(", {more} more are asked for") };
    let text = format!(
        "{owner} has {live} runs that wait or run{asked}, and {limit} is the limit ([quota] live_jobs); wait until some have \
         ended, or cancel some"
    );
    Err(Error::new(ErrorKind::Exhausted, text).retry_after(RUNS_RETRY))
}

/// Refuses to store anything for an owner whose jobs take all that they may.
pub(crate) fn admit_bytes(connection: &Connection, owner: &str, limits: Limits) -> Result<(), Error> {
    let Some(limit) = limits.stored else { return Ok(()) };
    let stored = stored(connection, owner).map_err(|error| broken("read the index", error))?;
    if stored < limit { Ok(()) } else { Err(full(owner, stored, limit)) }
}

/// An owner's jobs take, or would take, more than they may.
pub(crate) fn full(owner: &str, bytes: u64, limit: u64) -> Error {
    let text = format!(
        "the files of {owner}'s jobs take {} with what is asked for, and {} is the limit ([quota] stored); delete jobs that are \
         not needed any more",
        size(bytes),
        size(limit)
    );
    Error::new(ErrorKind::Exhausted, text).retry_after(STORED_RETRY)
}

/// A number of bytes as people read it: `999`, `1.5M`.
fn size(bytes: u64) -> String {
    let mut size = bytes as f64;
    let mut unit = "";
    for larger in ["K", "M", "G", "T", "P"] {
        if size < 1024.0 {
            break;
        }
        (size, unit) = (size / 1024.0, larger);
    }
    if unit.is_empty() { format!("{bytes} bytes") } else { format!("{size:.1}{unit}") }
}

/// How many runs of an owner's jobs are, or may still be, under way, or are intended.
pub(crate) fn live_runs(connection: &Connection, owner: &str) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT coalesce(sum(live), 0) FROM job WHERE owner = ?1 AND live > 0")?
        .query_row([owner], |row| row.get::<_, i64>(0))
        .map(|live| live as u64)
}

/// The bytes that an owner's jobs take, as far as they were measured.
pub(crate) fn stored(connection: &Connection, owner: &str) -> rusqlite::Result<u64> {
    let bytes: Option<i64> = connection
        .prepare_cached("SELECT bytes FROM stored WHERE owner = ?1")?
        .query_row([owner], |row| row.get(0))
        .optional()?;
    Ok(bytes.unwrap_or(0).max(0) as u64)
}

/// Something of this size was stored with a job: it counts at once, and the job is to be measured.
pub(crate) fn grew(connection: &Connection, key: JobKey, bytes: u64) -> rusqlite::Result<()> {
    let bytes = bytes as i64;
    let known = connection
        .prepare_cached(
            "INSERT INTO usage (job, bytes, changes, counted, measured) SELECT key, ?2, 1, 0, 0 FROM job WHERE key = ?1
             ON CONFLICT (job) DO UPDATE SET bytes = bytes + ?2, changes = changes + 1",
        )?
        .execute(params![key.0, bytes])?;
    if known > 0 { add(connection, key, bytes) } else { Ok(()) }
}

/// A job that is measured at all is to be measured again.
pub(crate) fn changed(connection: &Connection, key: JobKey) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE usage SET changes = changes + 1 WHERE job = ?1")?.execute([key.0]).map(drop)
}

/// Takes a job's bytes out of its owner's sum, before the job is forgotten.
pub(super) fn forget(connection: &Connection, key: JobKey) -> rusqlite::Result<()> {
    let bytes: Option<i64> = connection
        .prepare_cached("DELETE FROM usage WHERE job = ?1 RETURNING bytes")?
        .query_row([key.0], |row| row.get(0))
        .optional()?;
    bytes.map_or(Ok(()), |bytes| add(connection, key, -bytes))
}

/// A job to be measured, and the changes that the measurement will have taken in.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) record: JobRecord,
    pub(crate) changes: i64,
}

/// What was measured of a job.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) key: JobKey,
    /// `None`: that could not be found out, and what was known stays.
    pub(crate) bytes: Option<u64>,
    pub(crate) changes: i64,
}

/// At most `most` jobs to be measured: such as changed, and such as run and were last measured before `before`.
pub(crate) fn wanted(connection: &Connection, before: f64, most: usize) -> rusqlite::Result<Vec<Wanted>> {
    let found: Vec<(i64, i64)> = connection
        .prepare_cached(
            "SELECT job, changes FROM usage WHERE counted <> changes
             UNION SELECT job, changes FROM job JOIN usage ON usage.job = job.key WHERE job.live > 0 AND measured < ?1
             LIMIT ?2",
        )?
        .query_map(params![before, most as i64], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut wanted = Vec::with_capacity(found.len());
    for (key, changes) in found {
        wanted.extend(jobs::by_key(connection, JobKey(key))?.map(|record| Wanted { record, changes }));
    }
    Ok(wanted)
}

/// Whether there are jobs after this key.
pub(crate) fn any_after(connection: &Connection, after: i64) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM job WHERE key > ?1")?.exists([after])
}

/// Jobs after this key that were never measured, at most `most` of them: they are to be measured from now on. Gives the last
/// key that was looked at; `None`: there is none left.
pub(crate) fn enlist(connection: &Connection, after: i64, most: usize) -> rusqlite::Result<Option<i64>> {
    let keys: Vec<i64> = connection
        .prepare_cached("SELECT key FROM job WHERE key > ?1 ORDER BY key LIMIT ?2")?
        .query_map(params![after, most as i64], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut statement = connection.prepare_cached(
        "INSERT INTO usage (job, bytes, changes, counted, measured) VALUES (?1, 0, 1, 0, 0) ON CONFLICT (job) DO NOTHING",
    )?;
    for key in &keys {
        statement.execute([key])?;
    }
    Ok(keys.last().copied())
}

/// Enters what was measured. What was stored in the meantime makes a job be measured again.
pub(crate) fn settle(connection: &Connection, all: &[Measured], now: f64) -> rusqlite::Result<()> {
    for one in all {
        let before: Option<i64> = connection
            .prepare_cached("SELECT bytes FROM usage WHERE job = ?1")?
            .query_row([one.key.0], |row| row.get(0))
            .optional()?;
        let Some(before) = before else { continue };
        let bytes = one.bytes.map_or(before, |bytes| bytes as i64);
        connection
            .prepare_cached("UPDATE usage SET bytes = ?2, counted = ?3, measured = ?4 WHERE job = ?1")?
            .execute(params![one.key.0, bytes, one.changes, now])?;
        add(connection, one.key, bytes - before)?;
    }
    Ok(())
}

fn add(connection: &Connection, key: JobKey, bytes: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO stored (owner, bytes) SELECT owner, ?2 FROM job WHERE key = ?1
             ON CONFLICT (owner) DO UPDATE SET bytes = bytes + ?2",
        )?
        .execute(params![key.0, bytes])
        .map(drop)
}
