//! Statements that look for runs.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use jobgate_model::{JobNdx, State};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{COLUMNS, Run, from_json, path, read};
use crate::local::schedule::Waiting;

/// A stored environment.
pub(in crate::local) fn environment(tx: &Connection, id: i64) -> rusqlite::Result<Vec<u8>> {
    tx.prepare_cached("SELECT body FROM environment WHERE id = ?")?.query_row([id], |row| row.get(0))
}

/// The run with this marker.
pub(in crate::local) fn by_marker(tx: &Connection, marker: &str) -> rusqlite::Result<Option<Run>> {
    one(tx, "marker = ?", marker)
}

/// The run with this number.
pub(in crate::local) fn by_id(tx: &Connection, id: i64) -> rusqlite::Result<Option<Run>> {
    one(tx, "id = ?", id)
}

fn one(tx: &Connection, condition: &str, key: impl rusqlite::ToSql) -> rusqlite::Result<Option<Run>> {
    tx.prepare_cached(&format!("SELECT {COLUMNS} FROM run WHERE {condition}"))?.query_row([key], read).optional()
}

/// All running runs.
pub(in crate::local) fn running(tx: &Connection) -> rusqlite::Result<Vec<Run>> {
    tx.prepare_cached(&format!("SELECT {COLUMNS} FROM run WHERE phase = 1"))?.query_map([], read)?.collect()
}

/// All waiting runs, also those that may not start.
pub(in crate::local) fn all_waiting(tx: &Connection) -> rusqlite::Result<Vec<Run>> {
    tx.prepare_cached(&format!("SELECT {COLUMNS} FROM run WHERE phase = 0"))?.query_map([], read)?.collect()
}

const WAITING: &str =
    "priority, id, need, minutes, partitions, reservations, qos, account, owner, deadline, reason, expected";

/// A waiting run as the scheduler is shown it.
#[derive(Debug, Clone)]
pub(in crate::local) struct Candidate {
    pub(in crate::local) priority: i64,
    pub(in crate::local) run: Waiting,
    /// What was said of it last.
    pub(in crate::local) outlook: (Option<String>, Option<f64>),
}

/// The first `limit` runs that may start, in order.
pub(in crate::local) fn ready(tx: &Connection, limit: usize) -> rusqlite::Result<Vec<Candidate>> {
    tx.prepare_cached(&format!(
        "SELECT {WAITING} FROM run WHERE phase = 0 AND blocked = 0 ORDER BY priority DESC, id LIMIT ?"
    ))?
    .query_map([limit as i64], read_waiting)?
    .collect()
}

/// The first run that nothing keeps back but those that run.
pub(in crate::local) fn first_ready(tx: &Connection) -> rusqlite::Result<Option<i64>> {
    tx.prepare_cached(
        "SELECT id FROM run WHERE phase = 0 AND blocked = 0 AND reason IS NULL ORDER BY priority DESC, id LIMIT 1",
    )?
    .query_row([], |row| row.get(0))
    .optional()
}

/// One waiting run as [`ready`] gives it.
pub(in crate::local) fn waiting(tx: &Connection, id: i64) -> rusqlite::Result<Option<Candidate>> {
    tx.prepare_cached(&format!("SELECT {WAITING} FROM run WHERE id = ? AND phase = 0"))?
        .query_row([id], read_waiting)
        .optional()
}

fn read_waiting(row: &Row<'_>) -> rusqlite::Result<Candidate> {
    let minutes: i64 = row.get(3)?;
    let list = |column: usize| -> rusqlite::Result<Vec<String>> {
        let text = row.get_ref(column)?.as_str()?;
        Ok(text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect())
    };
    let run = Waiting {
        id: row.get(1)?,
        need: from_json(row, 2)?,
        limit: minutes as f64 * 60.0,
        partitions: list(4)?,
        reservations: list(5)?,
        qos: row.get(6)?,
        account: row.get(7)?,
        owner: row.get(8)?,
    };
    Ok(Candidate { priority: row.get(0)?, run, outlook: (row.get(10)?, row.get(11)?) })
}

/// Whether there is nothing to be looked after.
pub(in crate::local) fn is_idle(tx: &Connection) -> rusqlite::Result<bool> {
    tx.query_row("SELECT NOT EXISTS (SELECT 1 FROM run WHERE phase < 2)", [], |row| row.get(0))
}

/// The next time at which a run may begin, or is too late.
pub(in crate::local) fn next_time(tx: &Connection) -> rusqlite::Result<Option<f64>> {
    let begin: Option<f64> = tx
        .prepare_cached("SELECT min(begin) FROM run WHERE phase = 0 AND (blocked & 8) <> 0")?
        .query_row([], |row| row.get(0))?;
    let late: Option<f64> = tx
        .prepare_cached("SELECT min(deadline) FROM run WHERE phase = 0 AND deadline IS NOT NULL")?
        .query_row([], |row| row.get(0))?;
    Ok([begin, late].into_iter().flatten().min_by(f64::total_cmp))
}

/// Waiting runs with a deadline, and their time limit in seconds.
pub(in crate::local) fn with_deadline(tx: &Connection) -> rusqlite::Result<Vec<(i64, f64, f64)>> {
    tx.prepare_cached("SELECT id, deadline, minutes FROM run WHERE phase = 0 AND deadline IS NOT NULL")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)? as f64 * 60.0)))?
        .collect()
}

/// Runs that were queued before `before` and are not confirmed.
pub(in crate::local) fn unconfirmed(tx: &Connection, before: f64) -> rusqlite::Result<Vec<(i64, PathBuf, JobNdx)>> {
    tx.prepare_cached(
        "SELECT id, base, jobndx FROM run WHERE phase = 0 AND (blocked & 1) <> 0 AND queued < ? ORDER BY queued LIMIT 1000",
    )?
    .query_map([before], |row| Ok((row.get(0)?, path(row, 1)?, row.get(2)?)))?
    .collect()
}

/// How many tasks of an array run or may start.
pub(in crate::local) fn array_in_use(tx: &Connection, base: &Path, first: JobNdx) -> rusqlite::Result<i64> {
    tx.prepare_cached(
        "SELECT count(*) FROM run WHERE base = ? AND array_first = ? \
         AND array_limit IS NOT NULL AND phase < 2 AND (blocked & 16) = 0",
    )?
    .query_row(params![base.as_os_str().as_bytes(), first], |row| row.get(0))
}

/// The first task of an array that waits only because of the array's limit, or for other things besides.
pub(in crate::local) fn array_next(tx: &Connection, base: &Path, first: JobNdx) -> rusqlite::Result<Option<i64>> {
    tx.prepare_cached(
        "SELECT id FROM run WHERE base = ? AND array_first = ? \
         AND array_limit IS NOT NULL AND phase = 0 AND (blocked & 16) <> 0 ORDER BY id LIMIT 1",
    )?
    .query_row(params![base.as_os_str().as_bytes(), first], |row| row.get(0))
    .optional()
}

/// Runs of the same owner and name that have not ended.
pub(in crate::local) fn same_name(tx: &Connection, owner: &str, name: Option<&str>) -> rusqlite::Result<Vec<i64>> {
    tx.prepare_cached("SELECT id FROM run WHERE owner = ? AND name IS ? AND phase < 2")?
        .query_map(params![owner, name], |row| row.get(0))?
        .collect()
}

/// How many runs of this quality of service a user has that have not ended.
pub(in crate::local) fn submitted(tx: &Connection, qos: &str, owner: &str) -> rusqlite::Result<u64> {
    let count: i64 = tx
        .prepare_cached("SELECT count(*) FROM run WHERE phase < 2 AND qos IS NOT NULL AND qos = ? AND owner = ?")?
        .query_row([qos, owner], |row| row.get(0))?;
    Ok(count.cast_unsigned())
}

/// Some of the runs that have not ended.
#[derive(Debug, Clone, Default)]
pub(in crate::local) struct Population {
    /// Of these accounts; none: of any.
    pub(in crate::local) accounts: Vec<String>,
    /// Of this user.
    pub(in crate::local) user: Option<String>,
    /// Owners such as `local:...` are this user, too.
    pub(in crate::local) with_local_owners: bool,
    /// Of this quality of service.
    pub(in crate::local) qos: Option<String>,
    /// In this partition, where they run, or else the first that they may run in; and whether it is that of runs that name none.
    pub(in crate::local) partition: Option<(String, bool)>,
}

/// How many of them there are, and how many of these run.
pub(in crate::local) fn population_of(tx: &Connection, of: &Population) -> rusqlite::Result<(u64, u64)> {
    let mut sql = String::from("SELECT count(*), coalesce(sum(phase = 1), 0) FROM run WHERE phase < 2");
    let mut values: Vec<String> = Vec::new();
    if let Some(user) = &of.user {
        let locals = if of.with_local_owners { " OR (owner >= 'local:' AND owner < 'local;')" } else { "" };
        sql.push_str(" AND (owner = ?");
        sql.push_str(locals);
        sql.push(')');
        values.push(user.clone());
    }
    if let Some(qos) = &of.qos {
        sql.push_str(" AND qos = ?");
        values.push(qos.clone());
    }
    if !of.accounts.is_empty() {
        sql.push_str(" AND account IN (SELECT value FROM json_each(?))");
        values.push(super::to_json(&of.accounts));
    }
    if let Some((partition, is_default)) = &of.partition {
        let unsaid = if *is_default { " OR coalesce(partition, partitions) = ''" } else { "" };
        sql.push_str(" AND (instr(coalesce(partition, partitions) || ',', ? || ',') = 1");
        sql.push_str(unsaid);
        sql.push(')');
        values.push(partition.clone());
    }
    let (all, running): (i64, i64) = tx
        .prepare_cached(&sql)?
        .query_row(rusqlite::params_from_iter(&values), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok((all.cast_unsigned(), running.cast_unsigned()))
}

/// All runs of a job: number, directory, and the start (single run or array) to which each belongs.
pub(in crate::local) fn of_job(tx: &Connection, jobid: &str) -> rusqlite::Result<Vec<(i64, PathBuf, JobNdx)>> {
    tx.prepare_cached("SELECT id, base, coalesce(array_first, jobndx) FROM run WHERE jobid = ?")?
        .query_map([jobid], |row| Ok((row.get(0)?, path(row, 1)?, row.get(2)?)))?
        .collect()
}

/// The numbers of all runs of a job, in order.
pub(in crate::local) fn numbers_of(tx: &Connection, jobid: &str) -> rusqlite::Result<Vec<i64>> {
    tx.prepare_cached("SELECT id FROM run WHERE jobid = ? ORDER BY id")?.query_map([jobid], |row| row.get(0))?.collect()
}

/// The number of a run of the job in this directory.
pub(in crate::local) fn number_at(tx: &Connection, base: &Path, jobndx: JobNdx) -> rusqlite::Result<Option<i64>> {
    // The directory's name is the job's id, for which there is an index.
    let jobid = base.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    tx.prepare_cached("SELECT max(id) FROM run WHERE jobid = ? AND base = ? AND jobndx = ?")?
        .query_row(params![jobid, base.as_os_str().as_bytes(), jobndx], |row| row.get(0))
}

/// What the runs that ended last had, and when they ended.
pub(in crate::local) fn ended_last<T: serde::de::DeserializeOwned>(tx: &Connection) -> rusqlite::Result<Vec<(T, f64)>> {
    tx.prepare_cached("SELECT allocation, ended FROM run WHERE phase = 2 ORDER BY ended DESC LIMIT 200")?
        .query_map([], |row| Ok((from_json(row, 0)?, row.get(1)?)))?
        .collect()
}

/// The tasks of an array: their rows and the numbers in the array.
pub(in crate::local) fn tasks_of(tx: &Connection, array: i64) -> rusqlite::Result<Vec<(i64, i64)>> {
    tx.prepare_cached("SELECT id, array_task FROM run WHERE array_id IS NOT NULL AND array_id = ? ORDER BY id")?
        .query_map([array], |row| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?.unwrap_or_default())))?
        .collect()
}

/// The newest run with this native id.
pub(in crate::local) fn by_native(tx: &Connection, native: &str) -> rusqlite::Result<Option<i64>> {
    tx.prepare_cached("SELECT max(id) FROM run WHERE native = ?")?.query_row([native], |row| row.get(0))
}

/// What a run that others wait for has reached: when it started, whether it has, and how it ended.
#[derive(Debug, Clone, Copy)]
pub(in crate::local) struct Reached {
    pub(in crate::local) started: bool,
    pub(in crate::local) started_at: Option<f64>,
    pub(in crate::local) ended: Option<State>,
}

/// What a run that others wait for has reached; `None`: it is not known any more.
pub(in crate::local) fn reached(tx: &Connection, id: i64) -> rusqlite::Result<Option<Reached>> {
    tx.prepare_cached("SELECT phase > 0, started, state FROM run WHERE id = ?")?
        .query_row([id], |row| {
            let ended = row.get::<_, Option<i64>>(2)?.and_then(State::from_code);
            Ok(Reached { started: row.get(0)?, started_at: row.get(1)?, ended })
        })
        .optional()
}

/// Waiting runs that wait for this one, with what they wait for.
pub(in crate::local) fn awaiting(tx: &Connection, target: i64) -> rusqlite::Result<Vec<(i64, String)>> {
    tx.prepare_cached(
        "SELECT run.id, run.dependency FROM awaits JOIN run ON run.id = awaits.run \
         WHERE awaits.target = ? AND run.phase = 0 AND run.dependency IS NOT NULL",
    )?
    .query_map([target], |row| Ok((row.get(0)?, row.get(1)?)))?
    .collect()
}

/// Runs that ended before `before`, oldest first.
pub(in crate::local) fn ended_before(tx: &Connection, before: f64, limit: i64) -> rusqlite::Result<Vec<Run>> {
    tx.prepare_cached(&format!("SELECT {COLUMNS} FROM run WHERE phase = 2 AND ended < ? ORDER BY ended LIMIT ?"))?
        .query_map(params![before, limit], read)?
        .collect()
}

/// What a run asked for that is not in [`Run`]: the priority and what was taken off, the begin time, the deadline, and the
/// reservations.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::local) struct Wishes {
    pub(in crate::local) asked: i64,
    pub(in crate::local) nice: i64,
    pub(in crate::local) begin: Option<f64>,
    pub(in crate::local) deadline: Option<f64>,
    pub(in crate::local) reservations: String,
}

/// What a run asked for besides.
pub(in crate::local) fn wishes(tx: &Connection, id: i64) -> rusqlite::Result<Wishes> {
    tx.prepare_cached("SELECT asked, nice, begin, deadline, reservations FROM run WHERE id = ?")?.query_row(
        [id],
        |row| {
            Ok(Wishes {
                asked: row.get(0)?,
                nice: row.get(1)?,
                begin: row.get(2)?,
                deadline: row.get(3)?,
                reservations: row.get(4)?,
            })
        },
    )
}
