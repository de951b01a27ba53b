//! The queue's rows. Functions over an open transaction; what they mean together is decided in `pass.rs`.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jobgate_model::{JobNdx, State};
use rusqlite::config::DbConfig;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::de::DeserializeOwned;

use super::request::Need;
use super::schedule::Waiting;
use crate::process::Identity;

const VERSION: i64 = 1;
/// How long another process may keep the queue to itself.
const BUSY: Duration = Duration::from_secs(30);

/// Why a waiting run may not start yet: bits of the column `blocked`.
pub(super) mod blocked {
    /// The gateway has not recorded it as queued yet.
    pub(in crate::local) const UNCONFIRMED: i64 = 1;
    /// Held by its owner.
    pub(in crate::local) const HELD: i64 = 2;
    /// Waits for other runs.
    pub(in crate::local) const DEPENDENCY: i64 = 4;
    /// Waits for a time.
    pub(in crate::local) const BEGIN: i64 = 8;
    /// So many tasks of its array may not run at once.
    pub(in crate::local) const ARRAY: i64 = 16;
    /// Waits for something that will not happen any more.
    pub(in crate::local) const NEVER: i64 = 32;
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Waiting,
    Running,
    Ended,
}

/// What can go wrong with the queue.
#[derive(Debug, thiserror::Error)]
pub(super) enum QueueError {
    #[error("cannot open {path}: {source}")]
    Open { path: PathBuf, source: io::Error },
    #[error("{path} was written by a newer version (its format is {found}, this program knows {VERSION})")]
    Newer { path: PathBuf, found: i64 },
    #[error("the local queue cannot be changed: {0}")]
    Pass(String),
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
}

impl From<QueueError> for jobgate_model::Error {
    fn from(error: QueueError) -> Self {
        Self::new(jobgate_model::ErrorKind::Unavailable, "the local queue cannot be used now, see the log")
            .because(error)
    }
}

/// A run that is about to be queued.
#[derive(Debug, Clone)]
pub(super) struct NewRun {
    pub(super) marker: String,
    pub(super) base: PathBuf,
    pub(super) jobid: String,
    pub(super) jobndx: JobNdx,
    pub(super) owner: String,
    pub(super) name: Option<String>,
    pub(super) priority: i64,
    pub(super) need: Need,
    pub(super) minutes: i64,
    pub(super) begin: Option<f64>,
    pub(super) requeue: bool,
    pub(super) array_first: Option<JobNdx>,
    pub(super) array_limit: Option<i64>,
    pub(super) additions: Vec<(String, String)>,
    pub(super) environment: Vec<u8>,
}

/// A run in the queue.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) id: i64,
    pub(super) marker: String,
    pub(super) base: PathBuf,
    pub(super) jobid: String,
    pub(super) jobndx: JobNdx,
    pub(super) native: String,
    pub(super) need: Need,
    pub(super) minutes: i64,
    pub(super) requeue: bool,
    pub(super) array: Option<(JobNdx, i64)>,
    pub(super) additions: Vec<(String, String)>,
    pub(super) environment: i64,
    pub(super) phase: Phase,
    pub(super) blocked: i64,
    pub(super) attempts: i64,
    pub(super) actives: u64,
    pub(super) cancel: bool,
    /// Its runner.
    pub(super) runner: Option<Identity>,
    pub(super) gpus: Vec<u32>,
    pub(super) started: Option<f64>,
    /// How it ended.
    pub(super) end: Option<(State, String)>,
}

const COLUMNS: &str = "id, marker, base, jobid, jobndx, native, need, minutes, requeue, array_first, array_limit, additions, \
     environment, phase, blocked, attempts, actives, cancel, pid, start_ticks, boot, gpus, started, state, info";

/// Opens the queue, for the owner's eyes only, and makes it if it is missing.
pub(super) fn open(state_dir: &Path) -> Result<Connection, QueueError> {
    let path = state_dir.join("local.db");
    let failed = |source| QueueError::Open { path: path.clone(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(state_dir).map_err(failed)?;
    OpenOptions::new().append(true).create(true).mode(0o600).open(&path).map_err(failed)?;
    let mut conn = Connection::open(&path)?;
    conn.busy_timeout(BUSY)?;
    write_ahead(&conn)?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    // A command line that closes the queue should not wait for a checkpoint; see `trim_log`.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // Where there are partial indices, a statement is otherwise compiled anew for every value that is bound.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.set_prepared_statement_cache_capacity(64);
    let version = |conn: &Connection| conn.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
    if version(&conn)? == 0 {
        let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        // Another process may have been faster.
        if version(&tx)? == 0 {
            tx.execute_batch(include_str!("schema.sql"))?;
            tx.pragma_update(None, "user_version", VERSION)?;
        }
        tx.commit()?;
    }
    match version(&conn)? {
        VERSION => Ok(conn),
        found => Err(QueueError::Newer { path, found }),
    }
}

/// Switches to the write-ahead log. SQLite does not wait for another process that does the same, so we do.
fn write_ahead(conn: &Connection) -> rusqlite::Result<()> {
    let until = std::time::Instant::now() + BUSY;
    loop {
        match conn.pragma_update(None, "journal_mode", "WAL") {
            Err(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
                    && std::time::Instant::now() < until =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            result => return result,
        }
    }
}

/// Puts the log's content into the database if it is long and nobody else is using it right now.
pub(super) fn trim_log(conn: &Connection) {
    const LONG: u64 = 256 << 10;
    let Some(path) = conn.path() else { return };
    if fs::metadata(format!("{path}-wal")).is_ok_and(|meta| meta.len() > LONG) {
        // Whoever fails here leaves it to the next.
        drop(conn.busy_timeout(Duration::ZERO));
        drop(conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
    }
}

/// Adds a waiting run and gives its number.
pub(super) fn insert(
    tx: &Connection,
    run: &NewRun,
    blocked: i64,
    dependency: Option<&str>,
    now: f64,
) -> rusqlite::Result<i64> {
    let environment = environment_id(tx, &run.environment)?;
    tx.prepare_cached(
        "INSERT INTO run (marker, base, jobid, jobndx, native, owner, queued, name, priority, need, minutes, begin, requeue, \
         dependency, array_first, array_limit, additions, environment, phase, blocked) \
         VALUES (?, ?, ?, ?, '', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)",
    )?
    .execute(params![
        run.marker,
        run.base.as_os_str().as_bytes(),
        run.jobid,
        run.jobndx,
        run.owner,
        now,
        run.name,
        run.priority,
        to_json(&run.need),
        run.minutes,
        run.begin,
        run.requeue,
        dependency,
        run.array_first,
        run.array_limit,
        to_json(&run.additions),
        environment,
        blocked,
    ])?;
    Ok(tx.last_insert_rowid())
}

/// The number of an environment, which is stored if it is new.
fn environment_id(tx: &Connection, body: &[u8]) -> rusqlite::Result<i64> {
    use std::hash::{Hash, Hasher};
    let mut hasher = std::hash::DefaultHasher::new();
    body.hash(&mut hasher);
    let hash = hasher.finish().cast_signed();
    let known = tx
        .prepare_cached("SELECT id FROM environment WHERE hash = ? AND body = ?")?
        .query_row(params![hash, body], |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    tx.prepare_cached("INSERT INTO environment (hash, body) VALUES (?, ?)")?.execute(params![hash, body])?;
    Ok(tx.last_insert_rowid())
}

/// A stored environment.
pub(super) fn environment(tx: &Connection, id: i64) -> rusqlite::Result<Vec<u8>> {
    tx.prepare_cached("SELECT body FROM environment WHERE id = ?")?.query_row([id], |row| row.get(0))
}

/// The run with this marker.
pub(super) fn by_marker(tx: &Connection, marker: &str) -> rusqlite::Result<Option<Run>> {
    one(tx, "marker = ?", marker)
}

/// The run with this number.
pub(super) fn by_id(tx: &Connection, id: i64) -> rusqlite::Result<Option<Run>> {
    one(tx, "id = ?", id)
}

/// All running runs.
pub(super) fn running(tx: &Connection) -> rusqlite::Result<Vec<Run>> {
    tx.prepare_cached(&format!("SELECT {COLUMNS} FROM run WHERE phase = 1"))?.query_map([], read)?.collect()
}

/// The first `limit` runs that may start, in order.
pub(super) fn ready(tx: &Connection, limit: usize) -> rusqlite::Result<Vec<(i64, Waiting)>> {
    tx.prepare_cached(
        "SELECT priority, id, need, minutes FROM run WHERE phase = 0 AND blocked = 0 ORDER BY priority DESC, id LIMIT ?",
    )?
    .query_map([limit as i64], read_waiting)?
    .collect()
}

/// One waiting run as [`ready`] gives it.
pub(super) fn waiting(tx: &Connection, id: i64) -> rusqlite::Result<Option<(i64, Waiting)>> {
    tx.prepare_cached("SELECT priority, id, need, minutes FROM run WHERE id = ? AND phase = 0")?
        .query_row([id], read_waiting)
        .optional()
}

/// Whether there is nothing to be looked after.
pub(super) fn is_idle(tx: &Connection) -> rusqlite::Result<bool> {
    tx.query_row("SELECT NOT EXISTS (SELECT 1 FROM run WHERE phase < 2)", [], |row| row.get(0))
}

/// The run starts: this is its runner.
pub(super) fn start(tx: &Connection, id: i64, runner: &Identity, gpus: &[u32], now: f64) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "UPDATE run SET phase = 1, pid = ?, start_ticks = ?, boot = ?, gpus = ?, started = ? WHERE id = ? AND phase = 0",
    )?
    .execute(params![runner.pid, runner.start_ticks.cast_signed(), runner.boot, to_json(gpus), now, id])?;
    Ok(())
}

/// Fixes the native id.
pub(super) fn set_native(tx: &Connection, id: i64, native: &str) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE run SET native = ? WHERE id = ?")?.execute(params![native, id])?;
    Ok(())
}

/// The run is put back: its runner has died.
pub(super) fn put_back(tx: &Connection, id: i64, blocked: i64, actives: u64) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "UPDATE run SET phase = 0, blocked = ?, actives = ?, attempts = attempts + 1, pid = NULL, start_ticks = NULL, \
         boot = NULL, gpus = '[]', started = NULL WHERE id = ?",
    )?
    .execute(params![blocked, actives.cast_signed(), id])?;
    Ok(())
}

/// The run has ended.
pub(super) fn end(tx: &Connection, id: i64, state: State, info: &str, now: f64) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE run SET phase = 2, blocked = 0, ended = ?, state = ?, info = ? WHERE id = ?")?
        .execute(params![now, state.code(), info, id])?;
    tx.prepare_cached("DELETE FROM awaits WHERE run = ?")?.execute([id])?;
    Ok(())
}

/// Forgets a run.
pub(super) fn delete(tx: &Connection, id: i64) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM awaits WHERE run = ?")?.execute([id])?;
    tx.prepare_cached("DELETE FROM run WHERE id = ?")?.execute([id])?;
    Ok(())
}

/// Sets and clears bits of a waiting run; `false` when none was changed.
pub(super) fn change_blocked(tx: &Connection, id: i64, set: i64, clear: i64) -> rusqlite::Result<bool> {
    let changed = tx
        .prepare_cached(
            "UPDATE run SET blocked = (blocked | ?1) & ~?2 WHERE id = ?3 AND phase = 0 AND blocked <> ((blocked | ?1) & ~?2)",
        )?
        .execute(params![set, clear, id])?;
    Ok(changed > 0)
}

/// A running run is to be stopped.
pub(super) fn set_cancel(tx: &Connection, id: i64) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE run SET cancel = 1 WHERE id = ?")?.execute([id])?;
    Ok(())
}

/// The run's script surely never started.
pub(super) fn set_never_started(tx: &Connection, id: i64) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE run SET started = NULL WHERE id = ?")?.execute([id])?;
    Ok(())
}

/// Lets runs go whose time has come; how many.
pub(super) fn unblock_begun(tx: &Connection, now: f64) -> rusqlite::Result<usize> {
    tx.prepare_cached("UPDATE run SET blocked = blocked & ~8 WHERE phase = 0 AND (blocked & 8) <> 0 AND begin <= ?")?
        .execute([now])
}

/// The next time at which a run may begin.
pub(super) fn next_begin(tx: &Connection) -> rusqlite::Result<Option<f64>> {
    tx.prepare_cached("SELECT min(begin) FROM run WHERE phase = 0 AND (blocked & 8) <> 0")?
        .query_row([], |row| row.get(0))
}

/// Runs that were queued before `before` and are not confirmed.
pub(super) fn unconfirmed(tx: &Connection, before: f64) -> rusqlite::Result<Vec<(i64, PathBuf, JobNdx)>> {
    tx.prepare_cached(
        "SELECT id, base, jobndx FROM run WHERE phase = 0 AND (blocked & 1) <> 0 AND queued < ? ORDER BY queued LIMIT 1000",
    )?
    .query_map([before], |row| Ok((row.get(0)?, path(row, 1)?, row.get(2)?)))?
    .collect()
}

/// How many tasks of an array run or may start.
pub(super) fn array_in_use(tx: &Connection, base: &Path, first: JobNdx) -> rusqlite::Result<i64> {
    tx.prepare_cached(
        "SELECT count(*) FROM run WHERE base = ? AND array_first = ? \
         AND array_limit IS NOT NULL AND phase < 2 AND (blocked & 16) = 0",
    )?
    .query_row(params![base.as_os_str().as_bytes(), first], |row| row.get(0))
}

/// The first task of an array that waits only because of the array's limit, or for other things besides.
pub(super) fn array_next(tx: &Connection, base: &Path, first: JobNdx) -> rusqlite::Result<Option<i64>> {
    tx.prepare_cached(
        "SELECT id FROM run WHERE base = ? AND array_first = ? \
         AND array_limit IS NOT NULL AND phase = 0 AND (blocked & 16) <> 0 ORDER BY id LIMIT 1",
    )?
    .query_row(params![base.as_os_str().as_bytes(), first], |row| row.get(0))
    .optional()
}

/// Runs of the same owner and name that have not ended.
pub(super) fn same_name(tx: &Connection, owner: &str, name: Option<&str>) -> rusqlite::Result<Vec<i64>> {
    tx.prepare_cached("SELECT id FROM run WHERE owner = ? AND name IS ? AND phase < 2")?
        .query_map(params![owner, name], |row| row.get(0))?
        .collect()
}

/// All runs of a job: number, directory, and the start (single run or array) to which each belongs.
pub(super) fn of_job(tx: &Connection, jobid: &str) -> rusqlite::Result<Vec<(i64, PathBuf, JobNdx)>> {
    tx.prepare_cached("SELECT id, base, coalesce(array_first, jobndx) FROM run WHERE jobid = ?")?
        .query_map([jobid], |row| Ok((row.get(0)?, path(row, 1)?, row.get(2)?)))?
        .collect()
}

/// The newest run with this native id.
pub(super) fn by_native(tx: &Connection, native: &str) -> rusqlite::Result<Option<i64>> {
    tx.prepare_cached("SELECT max(id) FROM run WHERE native = ?")?.query_row([native], |row| row.get(0))
}

/// What a run that others wait for has reached: whether it has started, and how it ended.
pub(super) fn reached(tx: &Connection, id: i64) -> rusqlite::Result<Option<(bool, Option<State>)>> {
    tx.prepare_cached("SELECT phase > 0, state FROM run WHERE id = ?")?
        .query_row([id], |row| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?.and_then(State::from_code))))
        .optional()
}

/// Records that a run waits for others.
pub(super) fn await_all(tx: &Connection, run: i64, targets: &[i64]) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached("INSERT OR IGNORE INTO awaits (target, run) VALUES (?, ?)")?;
    targets.iter().try_for_each(|target| statement.execute([*target, run]).map(drop))
}

/// Waiting runs that wait for this one, with what they wait for.
pub(super) fn awaiting(tx: &Connection, target: i64) -> rusqlite::Result<Vec<(i64, String)>> {
    tx.prepare_cached(
        "SELECT run.id, run.dependency FROM awaits JOIN run ON run.id = awaits.run \
         WHERE awaits.target = ? AND run.phase = 0 AND run.dependency IS NOT NULL",
    )?
    .query_map([target], |row| Ok((row.get(0)?, row.get(1)?)))?
    .collect()
}

/// Runs that ended before `before`, oldest first.
pub(super) fn ended_before(tx: &Connection, before: f64, limit: i64) -> rusqlite::Result<Vec<Run>> {
    tx.prepare_cached(&format!("SELECT {COLUMNS} FROM run WHERE phase = 2 AND ended < ? ORDER BY ended LIMIT ?"))?
        .query_map(params![before, limit], read)?
        .collect()
}

/// Forgets environments that no run has.
pub(super) fn forget_environments(tx: &Connection) -> rusqlite::Result<()> {
    tx.execute("DELETE FROM environment WHERE id NOT IN (SELECT environment FROM run)", [])?;
    Ok(())
}

/// A setting that all processes share.
pub(super) fn setting(tx: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    tx.prepare_cached("SELECT value FROM setting WHERE key = ?")?.query_row([key], |row| row.get(0)).optional()
}

/// Sets a setting, or removes it.
pub(super) fn set_setting(tx: &Connection, key: &str, value: Option<&str>) -> rusqlite::Result<()> {
    match value {
        Some(value) => tx.execute("INSERT OR REPLACE INTO setting (key, value) VALUES (?, ?)", [key, value]),
        None => tx.execute("DELETE FROM setting WHERE key = ?", [key]),
    }
    .map(drop)
}

fn one(tx: &Connection, condition: &str, key: impl rusqlite::ToSql) -> rusqlite::Result<Option<Run>> {
    tx.prepare_cached(&format!("SELECT {COLUMNS} FROM run WHERE {condition}"))?.query_row([key], read).optional()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Run> {
    let array: (Option<JobNdx>, Option<i64>) = (row.get(9)?, row.get(10)?);
    let runner: (Option<i32>, Option<i64>, Option<String>) = (row.get(18)?, row.get(19)?, row.get(20)?);
    let end: (Option<i64>, Option<String>) = (row.get(23)?, row.get(24)?);
    Ok(Run {
        id: row.get(0)?,
        marker: row.get(1)?,
        base: path(row, 2)?,
        jobid: row.get(3)?,
        jobndx: row.get(4)?,
        native: row.get(5)?,
        need: from_json(row, 6)?,
        minutes: row.get(7)?,
        requeue: row.get(8)?,
        array: array.0.zip(array.1),
        additions: from_json(row, 11)?,
        environment: row.get(12)?,
        phase: match row.get(13)? {
            0 => Phase::Waiting,
            1 => Phase::Running,
            _ => Phase::Ended,
        },
        blocked: row.get(14)?,
        attempts: row.get(15)?,
        actives: row.get::<_, i64>(16)?.cast_unsigned(),
        cancel: row.get(17)?,
        runner: match runner {
            (Some(pid), Some(ticks), Some(boot)) => Some(Identity { pid, start_ticks: ticks.cast_unsigned(), boot }),
            _ => None,
        },
        gpus: from_json(row, 21)?,
        started: row.get(22)?,
        end: end.0.and_then(State::from_code).map(|state| (state, end.1.unwrap_or_default())),
    })
}

fn read_waiting(row: &Row<'_>) -> rusqlite::Result<(i64, Waiting)> {
    let minutes: i64 = row.get(3)?;
    Ok((row.get(0)?, Waiting { id: row.get(1)?, need: from_json(row, 2)?, limit: minutes as f64 * 60.0 }))
}

fn path(row: &Row<'_>, column: usize) -> rusqlite::Result<PathBuf> {
    Ok(std::ffi::OsString::from_vec(row.get(column)?).into())
}

fn from_json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

fn to_json<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("invariant: these types have text keys only")
}
