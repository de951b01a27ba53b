//! Callbacks to be delivered: queued with the event, sent in order per job.

use jobgate_model::{Generation, JobId, State, Transition};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::jobs::{self, JobRecord};
use super::shares::Visible;
use crate::types::{Delivery, DeliveryStatus, JobKey};

/// A delivery whose turn it is.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    pub(crate) id: i64,
    pub(crate) key: JobKey,
    pub(crate) body: String,
    pub(crate) attempts: u32,
    pub(crate) created: f64,
    /// It is ours until then.
    pub(crate) lease: f64,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// The receiver took it.
    Delivered(String),
    /// It did not; the next attempt is due then.
    Again(String, f64),
    /// It did not, and there is no next attempt.
    Expired(String),
}

/// The deliveries of one job while rows are taken in.
pub(super) struct Queue {
    callback: bool,
    /// Earlier deliveries of the job are pending, and whether the first of them failed already.
    behind: Option<bool>,
    pushed: bool,
    notes: Vec<String>,
}

impl Queue {
    pub(super) fn open(connection: &Connection, record: &JobRecord) -> rusqlite::Result<Self> {
        let key = record.job.key.0;
        let callback: Option<bool> = connection
            .prepare_cached("SELECT callback IS NOT NULL FROM spec WHERE job = ?1")?
            .query_row([key], |row| row.get(0))
            .optional()?;
        let callback = callback.unwrap_or(false);
        let behind = if callback {
            connection
                .prepare_cached("SELECT noted FROM delivery WHERE job = ?1 AND status = 0 ORDER BY id LIMIT 1")?
                .query_row([key], |row| row.get(0))
                .optional()?
        } else {
            None
        };
        Ok(Self { callback, behind, pushed: false, notes: Vec::new() })
    }

    pub(super) fn push(
        &mut self,
        connection: &Connection,
        record: &JobRecord,
        seq: i64,
        row: &Transition,
        now: f64,
    ) -> rusqlite::Result<()> {
        if !self.callback {
            return Ok(());
        }
        let noted = self.behind == Some(true);
        if noted {
            self.notes.push(waiting_note(&record.job.jobid, row.jobndx, row.state));
        }
        connection
            .prepare_cached(
                "INSERT INTO delivery (job, seq, jobndx, state, body, status, created, next, noted) VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8)",
            )?
            .execute(params![
                record.job.key.0,
                seq,
                row.jobndx,
                row.state.code(),
                body(&record.job.jobid, row, record.generation),
                now,
                self.behind.is_none().then_some(now),
                noted
            ])?;
        self.behind.get_or_insert(false);
        self.pushed = true;
        Ok(())
    }

    pub(super) fn any(&self) -> bool {
        self.pushed
    }

    pub(super) fn notes(self) -> Vec<String> {
        self.notes
    }
}

/// The body of a callback, byte for byte as psik sends it. psik 1 and 2 give the info as an integer.
pub(crate) fn body(jobid: &JobId, row: &Transition, generation: Generation) -> String {
    let info = match generation {
        Generation::V3 => serde_json::Value::from(row.info.as_str()),
        Generation::V1 | Generation::V2 => row.info_number().into(),
    };
    format!(r#"{{"jobid":"{jobid}","jobndx":{},"state":"{}","info":{info}}}"#, row.jobndx, row.state.as_str())
}

fn waiting_note(jobid: &JobId, jobndx: i64, state: State) -> String {
    format!("{jobid}: Error sending callback: {state} ({jobndx}) waits for an earlier one that was not delivered")
}

fn due(row: &Row<'_>) -> rusqlite::Result<Due> {
    Ok(Due {
        id: row.get(0)?,
        key: JobKey(row.get(1)?),
        body: row.get(2)?,
        attempts: row.get(3)?,
        created: row.get(4)?,
        lease: row.get(5)?,
    })
}

/// Takes deliveries whose turn it is, each until `lease` (unix seconds), so that no other process sends them too.
pub(crate) fn take_due(connection: &Connection, now: f64, lease: f64, limit: u32) -> rusqlite::Result<Vec<Due>> {
    connection
        .prepare_cached(
            "UPDATE delivery SET lease = ?2 WHERE id IN
                 (SELECT id FROM delivery INDEXED BY delivery_due
                  WHERE status = 0 AND next IS NOT NULL AND next <= ?1 AND lease < ?1 ORDER BY next LIMIT ?3)
             RETURNING id, job, body, attempts, created, lease",
        )?
        .query_map(params![now, lease, limit], due)?
        .collect()
}

/// Takes the first pending delivery of a job. With `early`, also before it is due.
pub(crate) fn take_head(
    connection: &Connection,
    key: JobKey,
    early: bool,
    now: f64,
    lease: f64,
) -> rusqlite::Result<Option<Due>> {
    connection
        .prepare_cached(
            "UPDATE delivery SET lease = ?3 WHERE id = (SELECT min(id) FROM delivery WHERE job = ?1 AND status = 0)
                 AND lease < ?2 AND (?4 OR next <= ?2)
             RETURNING id, job, body, attempts, created, lease",
        )?
        .query_row(params![key.0, now, lease, early], due)
        .optional()
}

/// Whether a job has pending deliveries that are due before `until` or being sent.
pub(crate) fn pending_before(connection: &Connection, key: JobKey, until: f64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM delivery WHERE job = ?1 AND status = 0 AND next <= ?2)")?
        .query_row(params![key.0, until], |row| row.get(0))
}

/// When the next delivery is due.
pub(crate) fn next_due(connection: &Connection) -> rusqlite::Result<Option<f64>> {
    connection
        .prepare_cached(
            "SELECT min(max(next, lease)) FROM delivery INDEXED BY delivery_due WHERE status = 0 AND next IS NOT NULL",
        )?
        .query_row([], |row| row.get(0))
}

/// Where the delivery of an event stands; `None` when there is none.
pub(crate) fn of_event(connection: &Connection, seq: i64) -> rusqlite::Result<Option<(DeliveryStatus, u32)>> {
    connection
        .prepare_cached(
            "SELECT status, attempts FROM delivery WHERE seq = ?1 AND job = (SELECT job FROM event WHERE seq = ?1)",
        )?
        .query_row([seq], |row| Ok((status(row.get(0)?), row.get(1)?)))
        .optional()
}

/// Puts a delivery off that was taken but not attempted, if it is still ours.
pub(crate) fn put_off(connection: &Connection, due: &Due, until: f64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE delivery SET next = ?2, lease = 0 WHERE id = ?1 AND status = 0 AND lease = ?3")?
        .execute(params![due.id, until, due.lease])?;
    Ok(())
}

/// Keeps a delivery until `lease` that was taken and had to wait; `false`: somebody else took it, or it is made.
pub(crate) fn keep(connection: &Connection, due: &Due, lease: f64) -> rusqlite::Result<bool> {
    let changed = connection
        .prepare_cached("UPDATE delivery SET lease = ?2 WHERE id = ?1 AND status = 0 AND lease = ?3")?
        .execute(params![due.id, lease, due.lease])?;
    Ok(changed == 1)
}

/// Records how an attempt ended, lets the job's next delivery have its turn, and gives what its console should say. Of one that
/// is not ours any more nothing is recorded: whoever has it knows better.
pub(crate) fn settle(
    connection: &Connection,
    due: &Due,
    jobid: &JobId,
    outcome: &Outcome,
    now: f64,
) -> rusqlite::Result<Vec<String>> {
    let (code, last, next) = match outcome {
        Outcome::Delivered(last) => (1, last, None),
        Outcome::Again(last, next) => (0, last, Some(*next)),
        Outcome::Expired(last) => (2, last, None),
    };
    let changed = connection
        .prepare_cached(
            "UPDATE delivery SET status = ?2, attempts = attempts + 1, last = ?3, next = ?4, lease = 0
             WHERE id = ?1 AND status = 0 AND lease = ?5",
        )?
        .execute(params![due.id, code, last, next, due.lease])?;
    if changed == 0 {
        return Ok(Vec::new());
    }
    if code != 0 {
        connection
            .prepare_cached(
                "UPDATE delivery SET next = ?2 WHERE id = (SELECT min(id) FROM delivery WHERE job = ?1 AND status = 0)",
            )?
            .execute(params![due.key.0, now])?;
    }
    if code == 1 {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare_cached(
        "UPDATE delivery SET noted = 1 WHERE job = ?1 AND noted = 0 AND (status = 0 OR id = ?2) RETURNING id, jobndx, state",
    )?;
    let mut notes: Vec<(i64, String)> = statement
        .query_map(params![due.key.0, due.id], |row| {
            let id: i64 = row.get(0)?;
            let note = if id == due.id {
                format!("{jobid}: Error sending callback: {last}")
            } else {
                waiting_note(jobid, row.get(1)?, jobs::state(row.get(2)?))
            };
            Ok((id, note))
        })?
        .collect::<rusqlite::Result<_>>()?;
    notes.sort_by_key(|(id, _)| *id);
    Ok(notes.into_iter().map(|(_, note)| note).collect())
}

/// Makes a delivery due now, also one that was given up; `false` when there is no such one or it was delivered.
pub(crate) fn retry(connection: &Connection, id: i64, now: f64) -> rusqlite::Result<bool> {
    let job: Option<i64> = connection
        .prepare_cached("UPDATE delivery SET status = 0, next = NULL, lease = 0, created = max(created, ?2) WHERE id = ?1 AND status <> 1 RETURNING job")?
        .query_row(params![id, now], |row| row.get(0))
        .optional()?;
    if let Some(job) = job {
        connection
            .prepare_cached("UPDATE delivery SET next = CASE WHEN id = (SELECT min(id) FROM delivery WHERE job = ?1 AND status = 0) THEN ?2 END WHERE job = ?1 AND status = 0")?
            .execute(params![job, now])?;
    }
    Ok(job.is_some())
}

/// Deliveries, newest first; with `owner` only of that one's jobs.
pub(crate) fn list(
    connection: &Connection,
    key: Option<JobKey>,
    prefixes: &[&std::path::Path],
    visible: Visible<'_>,
    limit: u64,
) -> rusqlite::Result<Vec<Delivery>> {
    connection
        .prepare_cached(
            "SELECT delivery.id, job.jobid, delivery.jobndx, delivery.state, spec.callback, delivery.status, attempts, next, last
             FROM delivery JOIN job ON job.key = delivery.job JOIN spec ON spec.job = job.key
             WHERE (?1 IS NULL OR delivery.job = ?1) AND (?2 IS NULL OR job.owner = ?2)
                 AND (?5 IS NULL OR job.backend IN (SELECT value FROM json_each(?5)))
                 AND job.prefix IN (SELECT id FROM prefix WHERE path IN (SELECT value FROM json_each(?4))) ORDER BY delivery.id DESC LIMIT ?3",
        )?
        .query_map(params![
            key.map(|k| k.0),
            visible.user,
            i64::try_from(limit).unwrap_or(i64::MAX),
            jobs::paths(prefixes),
            visible.backends.map(jobs::json_list)
        ], |row| {
            let jobid: String = row.get(1)?;
            Ok(Delivery {
                id: row.get(0)?,
                jobid: JobId::parse(&jobid).map_err(|_| rusqlite::Error::InvalidColumnName("jobid".into()))?,
                jobndx: row.get(2)?,
                state: jobs::state(row.get(3)?),
                url: row.get::<_, Option<String>>(4)?.unwrap_or_default(),
                status: status(row.get(5)?),
                attempts: row.get(6)?,
                next: row.get(7)?,
                last: row.get(8)?,
            })
        })?
        .collect()
}

/// The job of a delivery.
pub(crate) fn job_of(connection: &Connection, id: i64) -> rusqlite::Result<Option<JobKey>> {
    connection
        .prepare_cached("SELECT job FROM delivery WHERE id = ?1")?
        .query_row([id], |row| Ok(JobKey(row.get(0)?)))
        .optional()
}

fn status(code: i64) -> DeliveryStatus {
    match code {
        0 => DeliveryStatus::Pending,
        1 => DeliveryStatus::Delivered,
        _ => DeliveryStatus::Expired,
    }
}
