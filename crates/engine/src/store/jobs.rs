//! Jobs: making, finding, listing and removing their rows.

use std::path::{Path, PathBuf};

use jobgate_model::{BackendConfig, Error, ErrorKind, Generation, JobId, State, Transition};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::shares::Visible;
use super::{broken, prefixes};
use crate::types::{Counts, Idempotency, Job, JobKey, JobRow, ListQuery, Order};

/// A job as the index has it: what listings show and what the engine works with.
#[derive(Debug, Clone)]
pub(crate) struct JobRecord {
    pub(crate) job: Job,
    pub(crate) generation: Generation,
    pub(crate) offset: u64,
    pub(crate) cancel: bool,
}

/// A job that is entered into the index.
#[derive(Debug, Clone)]
pub(crate) struct NewRecord {
    pub(crate) prefix: PathBuf,
    pub(crate) jobid: JobId,
    pub(crate) name: Option<String>,
    pub(crate) owner: String,
    pub(crate) backend: String,
    pub(crate) generation: Generation,
    pub(crate) created: f64,
    pub(crate) spec_json: String,
    pub(crate) callback: Option<String>,
    pub(crate) client_secret: Option<String>,
    pub(crate) config: BackendConfig,
    /// What describes the job in its batch system's own terms.
    pub(crate) description: Option<Vec<u8>>,
}

const COLUMNS: &str =
    "job.key, job.jobid, prefix.path, job.name, job.owner, job.backend, job.updated, job.jobndx, job.state,
    job.info, job.live, job.generation, job.offset, job.cancel";

fn record(row: &Row<'_>) -> rusqlite::Result<JobRecord> {
    let jobid: String = row.get(1)?;
    let prefix: String = row.get(2)?;
    let jobid = JobId::parse(&jobid).map_err(|_| rusqlite::Error::InvalidColumnName("jobid".into()))?;
    Ok(JobRecord {
        job: Job {
            key: JobKey(row.get(0)?),
            base: Path::new(&prefix).join(jobid.as_str()),
            jobid,
            name: row.get(3)?,
            owner: row.get(4)?,
            backend: row.get(5)?,
            updated: row.get(6)?,
            jobndx: row.get(7)?,
            state: state(row.get(8)?),
            info: row.get(9)?,
            live: row.get::<_, i64>(10)? > 0,
        },
        generation: Generation::from_number(row.get(11)?),
        offset: row.get::<_, i64>(12)? as u64,
        cancel: row.get::<_, i64>(13)? != 0,
    })
}

pub(super) fn state(code: i64) -> State {
    State::from_code(code).unwrap_or(State::New)
}

/// How a job that is entered begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beginning<'a> {
    /// Its first row, which has been, or will be, the first of its history.
    pub(crate) first: &'a Transition,
    /// The next row, if its batch system has its run already.
    pub(crate) queued: Option<&'a Transition>,
    /// So many runs are intended.
    pub(crate) runs: usize,
}

/// Enters a job, without any history unless a beginning is given. An entry that a look at the tree made in the meantime is
/// replaced: whoever made the directory knows more.
pub(crate) fn insert(
    connection: &Connection,
    new: &NewRecord,
    beginning: Option<Beginning<'_>>,
) -> rusqlite::Result<JobKey> {
    let prefix = prefixes::id(connection, &new.prefix)?;
    let adopted: Option<i64> = connection
        .prepare_cached("SELECT key FROM job WHERE prefix = ?1 AND jobid = ?2")?
        .query_row(params![prefix, new.jobid.as_str()], |row| row.get(0))
        .optional()?;
    if let Some(key) = adopted {
        forget(connection, JobKey(key))?;
    }
    let (first, queued) =
        (beginning.map(|beginning| beginning.first), beginning.and_then(|beginning| beginning.queued));
    let last = queued.or(first);
    let runs = beginning.map_or(0, |beginning| beginning.runs as i64);
    let key = connection
        .prepare_cached(
            "INSERT INTO job (prefix, jobid, number, name, owner, backend, generation, created, updated, jobndx, state, info,
                              live, next_ndx, offset)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 1 + ?13, ?14)",
        )?
        .insert(params![
            prefix,
            new.jobid.as_str(),
            new.jobid.number(),
            new.name,
            new.owner,
            new.backend,
            new.generation.number(),
            new.created,
            last.map_or(new.created, |last| last.time),
            last.map_or(0, |last| last.jobndx),
            last.map_or(0, |last| last.state.code()),
            last.map_or("", |last| last.info.as_str()),
            runs,
            first.iter().chain(&queued).map(|row| row.to_row().len() as i64).sum::<i64>()
        ])?;
    let config = serde_json::to_string(&new.config).unwrap_or_default();
    connection
        .prepare_cached("INSERT INTO spec (job, text, callback, client_secret, config, description) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![key, new.spec_json, new.callback, new.client_secret, config, new.description])?;
    Ok(JobKey(key))
}

/// Takes a job and all that belongs to it out of the index.
pub(crate) fn forget(connection: &Connection, key: JobKey) -> rusqlite::Result<()> {
    super::usage::forget(connection, key)?;
    for sql in [
        "DELETE FROM delivery WHERE job = ?1",
        "DELETE FROM event WHERE job = ?1",
        "DELETE FROM run WHERE job = ?1",
        "DELETE FROM spec WHERE job = ?1",
        "DELETE FROM idempotency WHERE job = ?1",
        "DELETE FROM share WHERE job = ?1",
        "DELETE FROM job WHERE key = ?1",
    ] {
        connection.prepare_cached(sql)?.execute([key.0])?;
    }
    count_removal(connection)
}

/// The job with this key.
pub(crate) fn by_key(connection: &Connection, key: JobKey) -> rusqlite::Result<Option<JobRecord>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM job JOIN prefix ON prefix.id = job.prefix WHERE job.key = ?1"))?
        .query_row([key.0], record)
        .optional()
}

/// The job with this id in this prefix.
pub(crate) fn by_id(connection: &Connection, prefix: &Path, jobid: &str) -> rusqlite::Result<Option<JobRecord>> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM prefix CROSS JOIN job ON prefix.id = job.prefix WHERE prefix.path = ?1 AND job.jobid = ?2"
        ))?
        .query_row(params![prefix.to_string_lossy(), jobid], record)
        .optional()
}

/// What tells, together, whether a listing may have changed. None of them ever gets smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counters {
    /// The number of the last event.
    pub(crate) events: i64,
    /// How many jobs were removed, or changed without an event.
    pub(crate) removals: i64,
    /// How often something was shared, or not any more.
    pub(crate) shares: i64,
}

/// The counters as they are now.
pub(crate) fn counters(connection: &Connection) -> rusqlite::Result<Counters> {
    connection
        .prepare_cached(
            "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0),
                    (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'removals'),
                    (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'shares')",
        )?
        .query_row([], |row| Ok(Counters { events: row.get(0)?, removals: row.get(1)?, shares: row.get(2)? }))
}

/// A change of listings that no event tells of.
pub(crate) fn count_removal(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'removals'")?
        .execute([])
        .map(drop)
}

/// How many jobs these prefixes have, counting no further than `most`.
pub(crate) fn count_at_most(connection: &Connection, prefixes: &[&Path], most: usize) -> rusqlite::Result<usize> {
    let sql = format!("SELECT count(*) FROM (SELECT 1 FROM job WHERE {AMONG} LIMIT ?)");
    connection
        .prepare_cached(&sql)?
        .query_row(params![paths(prefixes), most as i64], |row| row.get::<_, i64>(0))
        .map(|n| n as usize)
}

/// Restricts rows of `job` to a list of prefixes, given as a JSON array of paths.
pub(super) const AMONG: &str = "prefix IN (SELECT id FROM prefix WHERE path IN (SELECT value FROM json_each(?)))";

pub(super) fn paths(prefixes: &[&Path]) -> String {
    json_list(prefixes.iter().map(|path| path.to_string_lossy()))
}

pub(super) fn json_list(texts: impl IntoIterator<Item = impl Into<String>>) -> String {
    texts.into_iter().map(|text| serde_json::Value::String(text.into())).collect::<serde_json::Value>().to_string()
}

/// Jobs of these prefixes with something under way, or to be canceled; but for those whose files nobody writes while they run,
/// because they are described to their batch system and run elsewhere.
pub(crate) fn unfinished(connection: &Connection, prefixes: &[&Path]) -> rusqlite::Result<Vec<JobRecord>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM job INDEXED BY job_unfinished JOIN prefix ON prefix.id = job.prefix
         WHERE (job.live > 0 OR job.cancel = 1)
           AND (job.cancel = 1 OR NOT EXISTS (SELECT 1 FROM run WHERE run.job = job.key AND phase = 1 AND described = 1))"
    );
    let all = connection.prepare_cached(&sql)?.query_map([], record)?.collect::<rusqlite::Result<Vec<JobRecord>>>()?;
    Ok(all
        .into_iter()
        .filter(|record| record.job.base.parent().is_some_and(|prefix| prefixes.contains(&prefix)))
        .collect())
}

/// (key, jobid, bytes of history taken in) of all jobs of a prefix.
pub(crate) fn known(connection: &Connection, prefix: &Path) -> rusqlite::Result<Vec<(JobKey, String, u64)>> {
    connection
        .prepare_cached("SELECT key, jobid, offset FROM job WHERE prefix = (SELECT id FROM prefix WHERE path = ?1)")?
        .query_map([prefix.to_string_lossy()], |row| {
            Ok((JobKey(row.get(0)?), row.get(1)?, row.get::<_, i64>(2)? as u64))
        })?
        .collect()
}

/// (key, jobid, length of `spec.json`) of all jobs of a prefix.
pub(crate) fn spec_lengths(connection: &Connection, prefix: &Path) -> rusqlite::Result<Vec<(JobKey, String, u64)>> {
    connection
        .prepare_cached(
            "SELECT job.key, job.jobid, octet_length(spec.text) FROM job JOIN spec ON spec.job = job.key
             WHERE job.prefix = (SELECT id FROM prefix WHERE path = ?1)",
        )?
        .query_map([prefix.to_string_lossy()], |row| {
            Ok((JobKey(row.get(0)?), row.get(1)?, row.get::<_, i64>(2)? as u64))
        })?
        .collect()
}

/// What is stored of a job's spec.
#[derive(Debug, Clone)]
pub(crate) struct StoredSpec {
    /// `spec.json`.
    pub(crate) text: String,
    /// The secret of callbacks to us.
    pub(crate) client_secret: Option<String>,
    /// The backend's settings, frozen with the job.
    pub(crate) config: BackendConfig,
    /// What describes the job in its batch system's own terms.
    pub(crate) description: Option<Vec<u8>>,
}

/// The stored spec of a job.
pub(crate) fn spec(connection: &Connection, key: JobKey) -> rusqlite::Result<Option<StoredSpec>> {
    connection
        .prepare_cached("SELECT text, client_secret, config, description FROM spec WHERE job = ?1")?
        .query_row([key.0], |row| {
            let config: String = row.get(2)?;
            let config = serde_json::from_str(&config).unwrap_or_default();
            Ok(StoredSpec { text: row.get(0)?, client_secret: row.get(1)?, config, description: row.get(3)? })
        })
        .optional()
}

/// Walks a listing of these prefixes, of the jobs that may be seen.
pub(crate) fn list(
    connection: &Connection,
    query: &ListQuery,
    prefixes: &[&Path],
    visible: Visible<'_>,
    each: &mut dyn FnMut(JobRow<'_>),
) -> rusqlite::Result<()> {
    let mut clauses = Vec::new();
    let mut values: Vec<Value> = Vec::new();
    let mut filter = |clause: &'static str, given: &[Value]| {
        clauses.push(clause);
        values.extend_from_slice(given);
    };
    match prefixes {
        // So that the index gives the order, too.
        [one] => {
            filter("prefix = (SELECT id FROM prefix WHERE path = ?)", &[one.to_string_lossy().into_owned().into()]);
        }
        several => filter(AMONG, &[paths(several).into()]),
    }
    if let Some(backend) = &query.backend {
        filter("backend = ?", &[backend.clone().into()]);
    }
    if let Some(state) = query.state {
        // The second term, where it is true, lets the partial index serve.
        filter(
            if state == State::Completed { "state = ?" } else { "state = ? AND state <> 3" },
            &[state.code().into()],
        );
    }
    if let Some(backends) = visible.backends {
        filter("backend IN (SELECT value FROM json_each(?))", &[json_list(backends).into()]);
    }
    if let Some(user) = visible.user {
        // Most users have nothing but their own: then an index gives the order, too.
        if super::shares::has_any(connection, user)? {
            let user = Value::from(user.to_owned());
            filter("(owner = ? OR key IN (SELECT job FROM share WHERE user = ?))", &[user.clone(), user]);
        } else {
            filter("owner = ?", &[user.to_owned().into()]);
        }
    }
    let order = match query.order {
        Order::Newest => "number DESC, key DESC",
        Order::Oldest => "number, key",
    };
    let filters = if clauses.is_empty() { String::new() } else { format!("WHERE {}", clauses.join(" AND ")) };
    let sql = format!(
        "SELECT jobid, name, updated, jobndx, state, info, owner, backend FROM job {filters} ORDER BY {order} LIMIT ? OFFSET ?"
    );
    let limited = |number: u64| Value::from(i64::try_from(number).unwrap_or(i64::MAX));
    values.push(query.limit.map_or(Value::from(-1), limited));
    values.push(limited(query.index));
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        let text = |column| -> rusqlite::Result<&str> { Ok(row.get_ref(column)?.as_str()?) };
        each(JobRow {
            jobid: text(0)?,
            name: row.get_ref(1)?.as_str_or_null()?,
            updated: row.get(2)?,
            jobndx: row.get(3)?,
            state: state(row.get(4)?),
            info: text(5)?,
            owner: text(6)?,
            backend: text(7)?,
        });
    }
    Ok(())
}

/// The job that an idempotency key stands for; `KeyReused` when it came with another request.
pub(crate) fn idempotent(connection: &Connection, owner: &str, promise: &Idempotency) -> Result<Option<JobKey>, Error> {
    let found: Option<(i64, Vec<u8>)> = connection
        .prepare_cached("SELECT job, digest FROM idempotency WHERE owner = ?1 AND key = ?2")
        .and_then(|mut s| s.query_row(params![owner, promise.key], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .map_err(|e| broken("read the index", e))?;
    match found {
        Some((_, digest)) if digest != promise.digest => {
            Err(Error::new(ErrorKind::KeyReused, "this Idempotency-Key was used for another request; send a new key"))
        }
        found => Ok(found.map(|(job, _)| JobKey(job))),
    }
}

/// Remembers what an idempotency key stands for.
pub(crate) fn promise(
    connection: &Connection,
    owner: &str,
    promise: &Idempotency,
    key: JobKey,
    now: f64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO idempotency (owner, key, digest, job, created) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![owner, promise.key, promise.digest, key.0, now])?;
    Ok(())
}

/// Marks a job as to be canceled, and its runs that their batch system may or may not have as to be stopped.
pub(crate) fn set_cancel(connection: &Connection, key: JobKey) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE job SET cancel = 1 WHERE key = ?1")?.execute([key.0])?;
    connection.prepare_cached("UPDATE run SET cancel = 1 WHERE job = ?1 AND phase = 0")?.execute([key.0])?;
    Ok(())
}

/// Forgets how much of a history was taken in, and the history itself: it is read again from the start.
pub(crate) fn reset(connection: &Connection, key: JobKey) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM event WHERE job = ?1")?.execute([key.0])?;
    connection.prepare_cached("DELETE FROM run WHERE job = ?1 AND marker = ''")?.execute([key.0])?;
    connection.prepare_cached("UPDATE run SET state = NULL WHERE job = ?1")?.execute([key.0])?;
    connection
        .prepare_cached("UPDATE job SET offset = 0, state = 0, jobndx = 0, info = '', live = (SELECT count(*) FROM run WHERE run.job = job.key AND phase < 2) WHERE key = ?1")?
        .execute([key.0])?;
    Ok(())
}

/// The jobid of the newest job of a prefix, as a number.
pub(crate) fn newest(connection: &Connection, prefix: &Path) -> rusqlite::Result<Option<f64>> {
    connection
        .prepare_cached("SELECT max(number) FROM job WHERE prefix = (SELECT id FROM prefix WHERE path = ?1)")?
        .query_row([prefix.to_string_lossy()], |row| row.get(0))
}

/// Jobs of these prefixes that ended, or were never started, and whose last transition is older than `before`.
pub(crate) fn older(connection: &Connection, before: f64, prefixes: &[&Path]) -> rusqlite::Result<Vec<JobRecord>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM job JOIN prefix ON prefix.id = job.prefix
         WHERE job.live = 0 AND job.updated < ?1 AND job.{AMONG} ORDER BY job.number"
    );
    connection.prepare_cached(&sql)?.query_map(params![before, paths(prefixes)], record)?.collect()
}

/// Numbers for `/metrics`.
pub(crate) fn counts(connection: &Connection, prefixes: &[&Path]) -> rusqlite::Result<Counts> {
    let mut counts = Counts::default();
    let sql = format!("SELECT state, count(*) FROM job WHERE {AMONG} GROUP BY state");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([paths(prefixes)])?;
    while let Some(row) = rows.next()? {
        let code: i64 = row.get(0)?;
        if let Some(count) = usize::try_from(code).ok().and_then(|i| counts.jobs.get_mut(i)) {
            *count = row.get::<_, i64>(1)? as u64;
        }
    }
    counts.deliveries_pending =
        connection.query_row("SELECT count(*) FROM delivery WHERE status = 0", [], |row| row.get::<_, i64>(0))? as u64;
    counts.last_event = connection.query_row("SELECT coalesce(max(seq), 0) FROM event", [], |row| row.get(0))?;
    Ok(counts)
}

/// The recorded history of a job.
pub(crate) fn transitions(connection: &Connection, key: JobKey) -> rusqlite::Result<Vec<Transition>> {
    Ok(super::history::rows(connection, key)?.into_iter().map(|row| row.transition).collect())
}

/// Replaces a job's stored spec by what its tree says.
pub(crate) fn set_spec(
    connection: &Connection,
    key: JobKey,
    text: &str,
    callback: Option<&str>,
    name: Option<&str>,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE spec SET text = ?2, callback = ?3 WHERE job = ?1")?
        .execute(params![key.0, text, callback])?;
    connection.prepare_cached("UPDATE job SET name = ?2 WHERE key = ?1")?.execute(params![key.0, name])?;
    Ok(())
}

/// Says how many bytes of a history are taken in.
pub(crate) fn set_offset(connection: &Connection, key: JobKey, offset: u64) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE job SET offset = ?2 WHERE key = ?1")?.execute(params![key.0, offset as i64])?;
    Ok(())
}

/// The boot during which the index was last opened, and the time of the last event.
pub(crate) fn last_boot(connection: &Connection) -> rusqlite::Result<(Option<String>, Option<f64>)> {
    let boot = connection.query_row("SELECT value FROM meta WHERE key = 'boot'", [], |row| row.get(0)).optional()?;
    let active = connection
        .query_row("SELECT recorded FROM event ORDER BY seq DESC LIMIT 1", [], |row| row.get(0))
        .optional()?;
    Ok((boot, active))
}

/// Remembers the boot.
pub(crate) fn set_boot(connection: &Connection, boot: &str) -> rusqlite::Result<()> {
    connection.execute("INSERT INTO meta VALUES ('boot', ?1) ON CONFLICT (key) DO UPDATE SET value = ?1", [boot])?;
    Ok(())
}

/// Jobs of this prefix that are not over, or had an event since then.
pub(crate) fn touched_since(connection: &Connection, prefix: &Path, since: f64) -> rusqlite::Result<Vec<JobRecord>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM job JOIN prefix ON prefix.id = job.prefix
         WHERE prefix.path = ?1 AND (job.live > 0 OR job.updated >= ?2 OR job.created >= ?2)"
    );
    connection.prepare_cached(&sql)?.query_map(params![prefix.to_string_lossy(), since], record)?.collect()
}

/// Forgets idempotency keys that are older than that.
pub(crate) fn forget_promises(connection: &Connection, before: f64) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM idempotency WHERE created < ?1")?.execute([before])?;
    Ok(())
}
