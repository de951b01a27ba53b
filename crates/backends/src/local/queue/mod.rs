//! The queue's rows. Functions over an open transaction; what they mean together is decided in `pass`.

mod find;
mod migrate;
mod open;
mod records;
mod write;

use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use jobgate_model::{JobNdx, State};
use rusqlite::Row;
use rusqlite::types::Type;
use serde::de::DeserializeOwned;

pub(super) use find::*;
pub(super) use open::{QueueError, open, open_for_reading, trim_log};
pub(super) use records::*;
pub(super) use write::*;

use super::cluster::Share;
use super::need::Need;
use super::request::Request;
use crate::process::Identity;

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
    /// Held by an administrator.
    pub(in crate::local) const HELD_BY_ADMIN: i64 = 64;
    /// What keeps a run from counting as eligible.
    pub(in crate::local) const NOT_ELIGIBLE: i64 = HELD | DEPENDENCY | BEGIN | NEVER | HELD_BY_ADMIN;
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Waiting,
    Running,
    Ended,
}

/// What becomes of a run that is being stopped for another reason than being canceled.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stop {
    /// It waits again.
    Requeue,
    /// It waits again, held.
    RequeueHeld,
    /// It has failed with its node, whose name this is.
    NodeDown(String),
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
    /// JSON.
    pub(super) options: String,
    pub(super) request: Request,
    /// The task of an array, and the first jobndx of the array.
    pub(super) array: Option<(i64, JobNdx)>,
    pub(super) array_limit: Option<i64>,
    pub(super) array_count: Option<i64>,
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
    pub(super) owner: String,
    pub(super) name: Option<String>,
    /// sbatch's options as JSON; see [`Run::options`].
    pub(super) options: String,
    pub(super) need: Need,
    /// It was asked for in Slurm's manner.
    pub(super) strict: bool,
    pub(super) minutes: i64,
    pub(super) requeue: bool,
    /// The first jobndx of the array, and how many of its tasks run at once.
    pub(super) array: Option<(JobNdx, i64)>,
    pub(super) array_task: Option<ArrayRow>,
    pub(super) additions: Vec<(String, String)>,
    pub(super) environment: i64,
    pub(super) phase: Phase,
    pub(super) blocked: i64,
    pub(super) attempts: i64,
    pub(super) actives: u64,
    pub(super) cancel: bool,
    /// Its runner.
    pub(super) runner: Option<Identity>,
    /// What `CUDA_VISIBLE_DEVICES` names.
    pub(super) gpus: Vec<u32>,
    pub(super) started: Option<f64>,
    pub(super) suspended: Option<f64>,
    /// Seconds that it was suspended before.
    pub(super) paused: f64,
    /// How it ended.
    pub(super) end: Option<(State, String)>,
    /// The partitions that it may run in, with commas; empty: the default one.
    pub(super) partitions: String,
    /// The one that it was started in.
    pub(super) partition: Option<String>,
    pub(super) account: Option<String>,
    pub(super) qos: Option<String>,
    /// The reservation that it was started in.
    pub(super) reservation: Option<String>,
    /// What it has of which nodes.
    pub(super) allocation: Vec<Share>,
    pub(super) restarts: i64,
    pub(super) stop: Option<Stop>,
    pub(super) stop_at: Option<f64>,
    /// Why it waits, where that is not just its place in the order.
    pub(super) reason: Option<String>,
}

/// A task of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ArrayRow {
    /// The number of the array's first task in the queue.
    pub(super) id: i64,
    pub(super) task: i64,
    pub(super) count: i64,
    pub(super) limit: Option<i64>,
}

impl Run {
    /// sbatch's options, in order.
    pub(super) fn options(&self) -> jobgate_model::StringMap {
        serde_json::from_str(&self.options).unwrap_or_default()
    }

    /// The memory that it is limited to, in bytes; `None`: no limit.
    pub(super) fn memory_limit(&self) -> Option<u64> {
        let sum = self.allocation.iter().fold(0u64, |sum, share| sum.saturating_add(share.memory));
        (sum > 0).then_some(sum)
    }
}

const COLUMNS: &str = "id, marker, base, jobid, jobndx, native, need, minutes, requeue, array_first, array_limit, additions, \
     environment, phase, blocked, attempts, actives, cancel, pid, start_ticks, boot, gpus, started, state, info, \
     owner, name, options, strict, array_id, array_task, array_count, suspended, partitions, partition, account, qos, \
     reservation, allocation, restarts, stop, stop_at, reason, paused";

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
        phase: phase(row.get(13)?),
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
        owner: row.get(25)?,
        name: row.get(26)?,
        options: row.get(27)?,
        strict: row.get(28)?,
        array_task: array_row(row, 29, array.1)?,
        suspended: row.get(32)?,
        partitions: row.get(33)?,
        partition: row.get(34)?,
        account: row.get(35)?,
        qos: row.get(36)?,
        reservation: row.get(37)?,
        allocation: from_json(row, 38)?,
        restarts: row.get(39)?,
        stop: row.get::<_, Option<String>>(40)?.and_then(|text| serde_json::from_str(&text).ok()),
        stop_at: row.get(41)?,
        reason: row.get(42)?,
        paused: row.get(43)?,
    })
}

fn phase(code: i64) -> Phase {
    match code {
        0 => Phase::Waiting,
        1 => Phase::Running,
        _ => Phase::Ended,
    }
}

/// The columns `array_id`, `array_task` and `array_count`, which follow each other.
fn array_row(row: &Row<'_>, first: usize, limit: Option<i64>) -> rusqlite::Result<Option<ArrayRow>> {
    let (id, task): (Option<i64>, Option<i64>) = (row.get(first)?, row.get(first + 1)?);
    let count: Option<i64> = row.get(first + 2)?;
    Ok(id.zip(task).map(|(id, task)| ArrayRow { id, task, count: count.unwrap_or(1), limit }))
}

pub(super) fn path(row: &Row<'_>, column: usize) -> rusqlite::Result<PathBuf> {
    Ok(std::ffi::OsString::from_vec(row.get(column)?).into())
}

pub(super) fn from_json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

fn to_json<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("invariant: these types have text keys only")
}

#[cfg(test)]
mod tests;
