//! Runs: the intent to submit, who is handing it over, and what is still open.

use std::path::{Path, PathBuf};

use jobgate_model::{JobId, JobNdx, NativeId, RunRef, State, Transition, Untold};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::jobs;
use crate::process;
use crate::types::JobKey;

/// The number of a job's first run.
pub(crate) const FIRST: JobNdx = 1;

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It is intended; the batch system may or may not have it.
    Intended,
    /// The batch system has it.
    Handed,
    /// It is over.
    Over,
}

/// The runs that one start makes.
#[derive(Debug, Clone)]
pub(crate) struct Intent {
    /// The tasks of an array, or one `None`.
    pub(crate) tasks: Vec<Option<i64>>,
    /// Tasks at the same time.
    pub(crate) at_most: Option<i64>,
    /// The submitter's environment, encoded.
    pub(crate) environment: Option<Vec<u8>>,
    /// The process that will hand them over; nobody if they were sent.
    pub(crate) claim: Option<String>,
    /// When they were intended.
    pub(crate) time: f64,
    /// They were sent already, not later than then.
    pub(crate) sent: Option<f64>,
    /// The job is described in its batch system's own terms.
    pub(crate) described: bool,
}

/// A run that is not over.
#[derive(Debug, Clone)]
pub(crate) struct OpenRun {
    pub(crate) key: JobKey,
    pub(crate) base: PathBuf,
    pub(crate) jobid: JobId,
    pub(crate) owner: String,
    pub(crate) backend: String,
    pub(crate) jobndx: JobNdx,
    pub(crate) state: Option<State>,
    pub(crate) phase: Phase,
    pub(crate) marker: String,
    pub(crate) native: Option<String>,
    pub(crate) queued: f64,
    pub(crate) claim: Option<String>,
    pub(crate) task: Option<i64>,
    pub(crate) first: Option<JobNdx>,
    pub(crate) at_most: Option<i64>,
    pub(crate) intended: f64,
    pub(crate) boot: Option<String>,
    pub(crate) sent: Option<f64>,
    pub(crate) described: bool,
    /// An older version sent it and promised nothing: it is never sent again.
    pub(crate) once: bool,
    /// It is to be stopped, and its batch system was not told yet.
    pub(crate) cancel: bool,
}

impl OpenRun {
    /// The run as a backend knows it.
    pub(crate) fn to_ref(&self) -> RunRef {
        let earlier = self.boot.as_deref() != Some(process::boot_id());
        let until = if earlier && !self.once { Some(process::booted()) } else { self.sent };
        let untold = until.filter(|_| self.phase == Phase::Intended);
        RunRef {
            base: self.base.clone(),
            jobid: self.jobid.clone(),
            jobndx: self.jobndx,
            owner: self.owner.clone(),
            marker: self.marker.clone(),
            native: self.native.clone().map(NativeId),
            since: self.queued,
            described: self.described,
            untold: untold.map(|until| Untold { since: self.intended, until }),
        }
    }
}

/// Enters the runs of one start, numbered on from the job's last, and takes back an earlier wish to cancel.
pub(crate) fn intend(
    connection: &Connection,
    key: JobKey,
    intent: &Intent,
    marker: &str,
) -> rusqlite::Result<Vec<JobNdx>> {
    let count = intent.tasks.len() as i64;
    let next: JobNdx = connection
        .prepare_cached(
            "UPDATE job SET next_ndx = next_ndx + ?2, live = live + ?2, cancel = 0 WHERE key = ?1 RETURNING next_ndx",
        )?
        .query_row(params![key.0, count], |row| row.get(0))?;
    enter(connection, key, next - count, intent, marker, None)?;
    Ok((next - count..next).collect())
}

/// Enters the runs of one start, from this number on. If they are `queued`, the batch system has them already.
pub(crate) fn enter(
    connection: &Connection,
    key: JobKey,
    first: JobNdx,
    intent: &Intent,
    marker: &str,
    queued: Option<&Transition>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO run (job, jobndx, phase, marker, claim, task, first, at_most, environment, intended, boot, sent, described,
                          state, native, queued, seen)
         VALUES (?1, ?2, ?13 IS NOT NULL, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?15)",
    )?;
    for (jobndx, task) in (first..).zip(&intent.tasks) {
        statement.execute(params![
            key.0,
            jobndx,
            format!("{marker}-{jobndx}"),
            intent.claim,
            task,
            task.map(|_| first),
            intent.at_most,
            intent.environment,
            intent.time,
            queued.is_none().then(process::boot_id),
            intent.sent,
            intent.described,
            queued.map(|queued| queued.state.code()),
            queued.map(|queued| &queued.info),
            queued.map_or(0.0, |queued| queued.time)
        ])?;
    }
    Ok(())
}

/// Takes intents of this process back that the batch system does not have; a jobndx is free again if it was the last.
pub(crate) fn take_back(connection: &Connection, key: JobKey, runs: &[JobNdx], claim: &str) -> rusqlite::Result<()> {
    for jobndx in runs {
        connection
            .prepare_cached("DELETE FROM run WHERE job = ?1 AND jobndx = ?2 AND phase = 0 AND claim = ?3")?
            .execute(params![key.0, jobndx, claim])?;
    }
    connection
        .prepare_cached(
            "UPDATE job SET next_ndx = 1 + coalesce((SELECT max(jobndx) FROM run WHERE job = ?1), 0),
                 live = (SELECT count(*) FROM run WHERE job = ?1 AND phase < 2) WHERE key = ?1",
        )?
        .execute([key.0])?;
    Ok(())
}

/// Lets this process hand a run over if nobody else is doing it: the claim must still be `old`.
pub(crate) fn claim(
    connection: &Connection,
    key: JobKey,
    jobndx: JobNdx,
    old: Option<&str>,
    new: &str,
) -> rusqlite::Result<bool> {
    let changed = connection
        .prepare_cached("UPDATE run SET claim = ?4 WHERE job = ?1 AND jobndx = ?2 AND phase = 0 AND claim IS ?3")?
        .execute(params![key.0, jobndx, old, new])?;
    Ok(changed == 1)
}

/// Gives up this process's claim on runs, so that whoever comes next looks for them.
pub(crate) fn unclaim(connection: &Connection, key: JobKey, runs: &[JobNdx], claim: &str) -> rusqlite::Result<()> {
    for jobndx in runs {
        connection
            .prepare_cached("UPDATE run SET claim = NULL WHERE job = ?1 AND jobndx = ?2 AND phase = 0 AND claim = ?3")?
            .execute(params![key.0, jobndx, claim])?;
    }
    Ok(())
}

/// Says that a run is to be stopped that its batch system may or may not have.
pub(crate) fn set_to_stop(connection: &Connection, key: JobKey, jobndx: JobNdx) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE run SET cancel = 1 WHERE job = ?1 AND jobndx = ?2 AND phase = 0")?
        .execute(params![key.0, jobndx])?;
    Ok(())
}

/// Its batch system was told.
pub(crate) fn set_told(connection: &Connection, key: JobKey, jobndx: JobNdx) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE run SET cancel = 0 WHERE job = ?1 AND jobndx = ?2")?
        .execute(params![key.0, jobndx])?;
    Ok(())
}

/// Whether a run is to be stopped, and its batch system was not told yet.
pub(crate) fn is_to_stop(connection: &Connection, key: JobKey, jobndx: JobNdx) -> rusqlite::Result<bool> {
    let found: Option<bool> = connection
        .prepare_cached("SELECT cancel FROM run WHERE job = ?1 AND jobndx = ?2")?
        .query_row(params![key.0, jobndx], |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or(false))
}

const COLUMNS: &str =
    "job.key, prefix.path, job.jobid, job.backend, run.jobndx, run.state, run.phase, run.marker, run.native,
    run.queued, run.claim, run.task, run.first, run.at_most, job.owner, run.intended, run.boot,
    run.sent, run.described, run.once, run.cancel";

fn open_run(row: &Row<'_>) -> rusqlite::Result<OpenRun> {
    let jobid =
        JobId::parse(row.get_ref(2)?.as_str()?).map_err(|_| rusqlite::Error::InvalidColumnName("jobid".into()))?;
    Ok(OpenRun {
        key: JobKey(row.get(0)?),
        base: PathBuf::from(row.get::<_, String>(1)?).join(jobid.as_str()),
        jobid,
        backend: row.get(3)?,
        jobndx: row.get(4)?,
        state: row.get::<_, Option<i64>>(5)?.map(jobs::state),
        phase: match row.get::<_, i64>(6)? {
            0 => Phase::Intended,
            1 => Phase::Handed,
            _ => Phase::Over,
        },
        marker: row.get(7)?,
        native: row.get(8)?,
        queued: row.get(9)?,
        claim: row.get(10)?,
        task: row.get(11)?,
        first: row.get(12)?,
        at_most: row.get(13)?,
        owner: row.get(14)?,
        intended: row.get(15)?,
        boot: row.get(16)?,
        sent: row.get(17)?,
        described: row.get(18)?,
        once: row.get(19)?,
        cancel: row.get(20)?,
    })
}

/// The runs of a job that are not over, in order.
pub(crate) fn of_job(connection: &Connection, key: JobKey) -> rusqlite::Result<Vec<OpenRun>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM run JOIN job ON job.key = run.job JOIN prefix ON prefix.id = job.prefix
         WHERE run.job = ?1 AND run.phase < 2 ORDER BY run.jobndx"
    );
    connection.prepare_cached(&sql)?.query_map([key.0], open_run)?.collect()
}

/// The state of a run, if anything is known of it.
pub(crate) fn state(connection: &Connection, key: JobKey, jobndx: JobNdx) -> rusqlite::Result<Option<State>> {
    let state: Option<Option<i64>> = connection
        .prepare_cached("SELECT state FROM run WHERE job = ?1 AND jobndx = ?2")?
        .query_row(params![key.0, jobndx], |row| row.get(0))
        .optional()?;
    Ok(state.flatten().map(jobs::state))
}

/// One run, if it is not over, and the environment that it was intended with.
pub(crate) fn one(
    connection: &Connection,
    key: JobKey,
    jobndx: JobNdx,
) -> rusqlite::Result<Option<(OpenRun, Option<Vec<u8>>)>> {
    let sql = format!(
        "SELECT {COLUMNS}, run.environment FROM run JOIN job ON job.key = run.job JOIN prefix ON prefix.id = job.prefix
         WHERE run.job = ?1 AND run.jobndx = ?2 AND run.phase < 2"
    );
    let with_environment = |row: &Row<'_>| Ok((open_run(row)?, row.get("environment")?));
    connection.prepare_cached(&sql)?.query_row(params![key.0, jobndx], with_environment).optional()
}

/// All runs of jobs of these prefixes that are not over.
pub(crate) fn all_open(connection: &Connection, prefixes: &[&Path]) -> rusqlite::Result<Vec<OpenRun>> {
    all(connection, prefixes, "run.phase < 2")
}

/// Those of them that are intended.
pub(crate) fn all_intended(connection: &Connection, prefixes: &[&Path]) -> rusqlite::Result<Vec<OpenRun>> {
    // both terms, so that the index of those that are open serves
    all(connection, prefixes, "run.phase < 2 AND run.phase = 0")
}

fn all(connection: &Connection, prefixes: &[&Path], which: &'static str) -> rusqlite::Result<Vec<OpenRun>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM run INDEXED BY run_open JOIN job ON job.key = run.job JOIN prefix ON prefix.id = job.prefix
         WHERE {which} ORDER BY run.job, run.jobndx"
    );
    let all = connection.prepare_cached(&sql)?.query_map([], open_run)?.collect::<rusqlite::Result<Vec<OpenRun>>>()?;
    Ok(all.into_iter().filter(|run| run.base.parent().is_some_and(|prefix| prefixes.contains(&prefix))).collect())
}
