//! Statements that change runs.

use std::os::unix::ffi::OsStrExt;

use jobgate_model::State;
use rusqlite::{Connection, OptionalExtension, params};

use super::{NewRun, Stop, blocked, to_json};
use crate::local::cluster::Share;
use crate::local::need::Need;
use crate::process::Identity;

/// Adds a waiting run and gives its number.
pub(in crate::local) fn insert(
    tx: &Connection,
    run: &NewRun,
    bits: i64,
    dependency: Option<&str>,
    awaited: &str,
    now: f64,
) -> rusqlite::Result<i64> {
    let environment = environment_id(tx, &run.environment)?;
    let request = &run.request;
    let eligible = (bits & blocked::NOT_ELIGIBLE == 0).then_some(now);
    let first = run.array.map(|(_, first)| first);
    tx.prepare_cached(
        "INSERT INTO run (marker, base, jobid, jobndx, native, owner, queued, name, priority, need, minutes, begin, requeue, \
         dependency, array_first, array_limit, additions, environment, phase, blocked, options, strict, partitions, account, \
         qos, reservations, asked, nice, eligible, deadline, awaited, array_task, array_count) \
         VALUES (?, ?, ?, ?, '', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        run.marker,
        run.base.as_os_str().as_bytes(),
        run.jobid,
        run.jobndx,
        run.owner,
        now,
        run.name,
        request.priority,
        to_json(&request.need),
        request.minutes,
        request.begin,
        request.requeue,
        dependency,
        first,
        run.array_limit,
        to_json(&run.additions),
        environment,
        bits,
        run.options,
        request.strict,
        request.partitions.join(","),
        request.account,
        request.qos,
        request.reservations.join(","),
        request.asked,
        request.nice,
        eligible,
        request.deadline,
        awaited,
        run.array.map(|(task, _)| task),
        run.array_count,
    ])?;
    let id = tx.last_insert_rowid();
    if let Some(first) = first {
        tx.prepare_cached(
            "UPDATE run SET array_id = coalesce((SELECT min(id) FROM run WHERE jobid = ?1 AND base = ?2 AND array_first = ?3), id) \
             WHERE id = ?4",
        )?
        .execute(params![run.jobid, run.base.as_os_str().as_bytes(), first, id])?;
    }
    Ok(id)
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

/// Where and as what a run starts.
#[derive(Debug)]
pub(in crate::local) struct Started<'a> {
    pub(in crate::local) runner: &'a Identity,
    pub(in crate::local) allocation: &'a [Share],
    pub(in crate::local) gpus: &'a [u32],
    pub(in crate::local) partition: &'a str,
    pub(in crate::local) reservation: Option<&'a str>,
}

/// The run starts.
pub(in crate::local) fn start(tx: &Connection, id: i64, started: &Started<'_>, now: f64) -> rusqlite::Result<()> {
    let Started { runner, allocation, gpus, partition, reservation } = started;
    tx.prepare_cached(
        "UPDATE run SET phase = 1, pid = ?, start_ticks = ?, boot = ?, gpus = ?, started = ?, allocation = ?, partition = ?, \
         reservation = ?, expected = NULL, reason = NULL, stop = NULL, stop_at = NULL WHERE id = ? AND phase = 0",
    )?
    .execute(params![
        runner.pid,
        runner.start_ticks.cast_signed(),
        runner.boot,
        to_json(gpus),
        now,
        to_json(allocation),
        partition,
        reservation,
        id
    ])?;
    Ok(())
}

/// Fixes the native id.
pub(in crate::local) fn set_native(tx: &Connection, id: i64, native: &str) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE run SET native = ? WHERE id = ?")?.execute(params![native, id])?;
    Ok(())
}

/// The run is put back: its runner is gone. One that was `wanted` back counts as restarted, the other as tried again.
pub(in crate::local) fn put_back(
    tx: &Connection,
    id: i64,
    blocked: i64,
    actives: u64,
    wanted: bool,
) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "UPDATE run SET phase = 0, blocked = ?1, actives = ?2, attempts = attempts + NOT ?3, restarts = restarts + ?3, \
         pid = NULL, start_ticks = NULL, boot = NULL, gpus = '[]', allocation = '[]', partition = NULL, reservation = NULL, \
         started = NULL, suspended = NULL, paused = 0, stop = NULL, stop_at = NULL WHERE id = ?4",
    )?
    .execute(params![blocked, actives.cast_signed(), wanted, id])?;
    Ok(())
}

/// The run has ended.
pub(in crate::local) fn end(tx: &Connection, id: i64, state: State, info: &str, now: f64) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "UPDATE run SET phase = 2, blocked = 0, ended = ?, state = ?, info = ?, expected = NULL, suspended = NULL WHERE id = ?",
    )?
    .execute(params![now, state.code(), info, id])?;
    tx.prepare_cached("DELETE FROM awaits WHERE run = ?")?.execute([id])?;
    Ok(())
}

/// Forgets a run.
pub(in crate::local) fn delete(tx: &Connection, id: i64) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM awaits WHERE run = ?")?.execute([id])?;
    tx.prepare_cached("DELETE FROM run WHERE id = ?")?.execute([id])?;
    Ok(())
}

/// Sets and clears bits of a waiting run; `false` when none was changed. A run that nothing keeps back any more is eligible.
pub(in crate::local) fn change_blocked(
    tx: &Connection,
    id: i64,
    set: i64,
    clear: i64,
    now: f64,
) -> rusqlite::Result<bool> {
    let changed = tx
        .prepare_cached(
            "UPDATE run SET blocked = (blocked | ?1) & ~?2, \
             eligible = CASE WHEN ((blocked | ?1) & ~?2) & ?5 = 0 THEN coalesce(eligible, ?4) ELSE eligible END \
             WHERE id = ?3 AND phase = 0 AND blocked <> ((blocked | ?1) & ~?2)",
        )?
        .execute(params![set, clear, id, now, blocked::NOT_ELIGIBLE])?;
    Ok(changed > 0)
}

/// Lets runs go whose time has come; how many.
pub(in crate::local) fn unblock_begun(tx: &Connection, now: f64) -> rusqlite::Result<usize> {
    tx.prepare_cached(
        "UPDATE run SET blocked = blocked & ~8, \
         eligible = CASE WHEN (blocked & ~8) & ?2 = 0 THEN coalesce(eligible, ?1) ELSE eligible END \
         WHERE phase = 0 AND (blocked & 8) <> 0 AND begin <= ?1",
    )?
    .execute(params![now, blocked::NOT_ELIGIBLE])
}

/// A running run is to be stopped.
pub(in crate::local) fn set_cancel(tx: &Connection, id: i64) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE run SET cancel = 1 WHERE id = ?")?.execute([id])?;
    Ok(())
}

/// A running run is being stopped, and this becomes of it.
pub(in crate::local) fn set_stop(tx: &Connection, id: i64, stop: &Stop, now: f64) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE run SET stop = ?, stop_at = ? WHERE id = ? AND phase = 1")?.execute(params![
        to_json(stop),
        now,
        id
    ])?;
    Ok(())
}

/// A running run is suspended.
pub(in crate::local) fn suspend(tx: &Connection, id: i64, now: f64) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE run SET suspended = ? WHERE id = ? AND phase = 1")?.execute(params![now, id])?;
    Ok(())
}

/// A suspended run goes on.
pub(in crate::local) fn go_on(tx: &Connection, id: i64, now: f64) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "UPDATE run SET paused = paused + max(0, ? - suspended), suspended = NULL \
         WHERE id = ? AND phase = 1 AND suspended IS NOT NULL",
    )?
    .execute(params![now, id])?;
    Ok(())
}

/// The run's script surely never started.
pub(in crate::local) fn set_never_started(tx: &Connection, id: i64) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE run SET started = NULL WHERE id = ?")?.execute([id])?;
    Ok(())
}

/// Why a run waits, and when it is expected to start.
pub(in crate::local) fn set_outlook(
    tx: &Connection,
    id: i64,
    reason: Option<&str>,
    expected: Option<f64>,
) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "UPDATE run SET reason = ?1, expected = ?2 WHERE id = ?3 AND phase = 0 \
         AND (reason IS NOT ?1 OR abs(coalesce(expected, 0) - coalesce(?2, 0)) >= 1)",
    )?
    .execute(params![reason, expected, id])?;
    Ok(())
}

/// The text of a run's dependency.
pub(in crate::local) fn set_awaited(tx: &Connection, id: i64, text: &str) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE run SET awaited = ?1 WHERE id = ?2 AND awaited <> ?1")?.execute(params![text, id])?;
    Ok(())
}

/// Another dependency, or none, for a waiting run.
pub(in crate::local) fn set_dependency(tx: &Connection, id: i64, json: Option<&str>) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM awaits WHERE run = ?")?.execute([id])?;
    tx.prepare_cached("UPDATE run SET dependency = ?, awaited = '' WHERE id = ?")?.execute(params![json, id])?;
    Ok(())
}

/// The earliest time of a waiting run.
pub(in crate::local) fn set_begin(tx: &Connection, id: i64, begin: Option<f64>) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE run SET begin = ? WHERE id = ?")?.execute(params![begin, id])?;
    Ok(())
}

/// The priority of a run.
pub(in crate::local) fn set_priority(tx: &Connection, id: i64, priority: i64) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE run SET priority = ?1 WHERE id = ?2 AND priority <> ?1")?.execute([priority, id])?;
    Ok(())
}

/// What can be changed of a run besides its state.
#[derive(Debug)]
pub(in crate::local) struct Changed<'a> {
    pub(in crate::local) name: Option<&'a str>,
    pub(in crate::local) options: &'a str,
    pub(in crate::local) need: &'a Need,
    pub(in crate::local) strict: bool,
    pub(in crate::local) minutes: i64,
    pub(in crate::local) requeue: bool,
    pub(in crate::local) partitions: &'a str,
    pub(in crate::local) account: Option<&'a str>,
    pub(in crate::local) qos: Option<&'a str>,
    pub(in crate::local) reservations: &'a str,
    pub(in crate::local) asked: i64,
    pub(in crate::local) nice: i64,
    pub(in crate::local) priority: i64,
    pub(in crate::local) deadline: Option<f64>,
}

/// Changes a run.
pub(in crate::local) fn change(tx: &Connection, id: i64, changed: &Changed<'_>) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "UPDATE run SET name = ?, options = ?, need = ?, strict = ?, minutes = ?, requeue = ?, partitions = ?, account = ?, \
         qos = ?, reservations = ?, asked = ?, nice = ?, priority = ?, deadline = ?, reason = NULL WHERE id = ?",
    )?
    .execute(params![
        changed.name,
        changed.options,
        to_json(changed.need),
        changed.strict,
        changed.minutes,
        changed.requeue,
        changed.partitions,
        changed.account,
        changed.qos,
        changed.reservations,
        changed.asked,
        changed.nice,
        changed.priority,
        changed.deadline,
        id,
    ])?;
    Ok(())
}

/// Records that a run waits for others.
pub(in crate::local) fn await_all(tx: &Connection, run: i64, targets: &[i64]) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached("INSERT OR IGNORE INTO awaits (target, run) VALUES (?, ?)")?;
    targets.iter().try_for_each(|target| statement.execute([*target, run]).map(drop))
}

/// Forgets environments that no run has.
pub(in crate::local) fn forget_environments(tx: &Connection) -> rusqlite::Result<()> {
    tx.execute("DELETE FROM environment WHERE id NOT IN (SELECT environment FROM run)", [])?;
    Ok(())
}
