//! Showing runs.

use std::sync::Arc;

use jobgate_model::{Error, State};
use rusqlite::{Connection, Row, params};

use super::{ArrayTask, Hold, Requested, Revision, RunFilter, RunPhase, RunView, Walked};
use crate::local::inventory::Inventory;
use crate::local::need::{Gpus, Memory, Need};
use crate::local::queue::{self, blocked};
use crate::local::{Line, Local};
use crate::process::now;

const COLUMNS: &str = "id, revision, marker, base, jobid, jobndx, native, owner, name, options, need, partitions, partition, \
     account, qos, reservations, reservation, allocation, priority, nice, queued, eligible, started, ended, begin, deadline, \
     expected, suspended, minutes, phase, state, info, blocked, reason, awaited, array_id, array_task, array_count, \
     array_limit, requeue, restarts, cancel, stop, pid";

/// What has to be known besides a row.
struct Context {
    line: Line,
    default_partition: String,
}

impl Context {
    fn of(connection: &Connection, inventory: &Inventory) -> rusqlite::Result<Self> {
        let default_partition = inventory.default_partition().to_owned();
        Ok(Self { line: Line::of(connection, inventory)?, default_partition })
    }
}

impl Local {
    /// How far the cluster has changed; cheap.
    pub fn revision(&self) -> Result<Revision, Error> {
        let changes = self.look_with(queue::changes)?;
        Ok(Revision {
            number: changes.number.cast_unsigned(),
            runs: changes.runs,
            nodes: changes.nodes,
            partitions: changes.partitions,
            reservations: changes.reservations,
        })
    }

    /// Calls `each` with every run that the filter lets pass, in the order of their numbers. Why a run waits may change without
    /// it: what is said of the first in line, and whether all nodes are drained, is looked up each time.
    pub fn runs(&self, filter: &RunFilter, each: &mut dyn FnMut(RunView)) -> Result<Walked, Error> {
        let since = filter.changed_since.map_or(-1, u64::cast_signed);
        let ended_since = filter.ended_since.unwrap_or(f64::NEG_INFINITY);
        let most = if filter.live_only { 2 } else { 3 };
        self.look_with(|connection| {
            let inventory = self.stock.committed(connection, now())?;
            let context = Context::of(connection, &inventory)?;
            let sql = format!(
                "SELECT {COLUMNS} FROM run WHERE revision > ?1 AND phase < ?2 AND (ended IS NULL OR ended >= ?3) ORDER BY id"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query(params![since, most, ended_since])?;
            while let Some(row) = rows.next()? {
                each(view(row, &context)?);
            }
            let number = queue::changes(connection)?.number.cast_unsigned();
            Ok(Walked { number, total: queue::population(connection)?.2 })
        })
    }

    /// The run with this number.
    pub fn run(&self, id: i64) -> Result<Option<RunView>, Error> {
        Ok(self.some_runs("id = ?1", id)?.pop())
    }

    /// The tasks of the array whose number this is, in order.
    pub fn tasks_of(&self, array: i64) -> Result<Vec<RunView>, Error> {
        self.some_runs("array_id IS NOT NULL AND array_id = ?1", array)
    }

    fn some_runs(&self, condition: &str, key: i64) -> Result<Vec<RunView>, Error> {
        self.look_with(|connection| {
            let inventory = self.stock.committed(connection, now())?;
            let context = Context::of(connection, &inventory)?;
            let sql = format!("SELECT {COLUMNS} FROM run WHERE {condition} ORDER BY id");
            let mut statement = connection.prepare_cached(&sql)?;
            statement.query_map([key], |row| view(row, &context))?.collect()
        })
    }

    /// The numbers of all runs of a job, in order.
    pub fn numbers_of(&self, jobid: &str) -> Result<Vec<i64>, Error> {
        self.look_with(|connection| queue::numbers_of(connection, jobid))
    }

    /// The number of a run of the job in this directory.
    pub fn number_at(&self, base: &std::path::Path, jobndx: jobgate_model::JobNdx) -> Result<Option<i64>, Error> {
        self.look_with(|connection| queue::number_at(connection, base, jobndx))
    }
}

fn view(row: &Row<'_>, context: &Context) -> rusqlite::Result<RunView> {
    let id = row.get(0)?;
    let need: Need = queue::from_json(row, 10)?;
    let asked: String = row.get(11)?;
    let started_in: Option<String> = row.get(12)?;
    let said: String = row.get(15)?;
    let (begin, bits): (Option<f64>, i64) = (row.get(24)?, row.get(32)?);
    let suspended: Option<f64> = row.get(27)?;
    let phase = match row.get::<_, i64>(29)? {
        0 => RunPhase::Waiting,
        1 if suspended.is_some() => RunPhase::Suspended,
        1 => RunPhase::Running,
        _ => {
            let state = row.get::<_, Option<i64>>(30)?.and_then(State::from_code).unwrap_or(State::Failed);
            RunPhase::Ended(state, row.get::<_, Option<String>>(31)?.unwrap_or_default())
        }
    };
    let stored = row.get_ref(33)?.as_str_or_null()?;
    let reason = match phase {
        RunPhase::Waiting => context.line.reason(id, bits, stored),
        RunPhase::Ended(..) => stored.unwrap_or("None"),
        RunPhase::Running | RunPhase::Suspended => "None",
    };
    let eligible: Option<f64> = row.get(21)?;
    let waits_for_time = phase == RunPhase::Waiting && bits & blocked::BEGIN != 0;
    let array: (Option<i64>, Option<i64>, Option<i64>) = (row.get(35)?, row.get(36)?, row.get(37)?);
    let limit = row.get(38)?;
    Ok(RunView {
        id,
        revision: row.get::<_, i64>(1)?.cast_unsigned(),
        marker: row.get(2)?,
        base: queue::path(row, 3)?,
        jobid: row.get(4)?,
        jobndx: row.get(5)?,
        native: row.get(6)?,
        owner: row.get(7)?,
        name: row.get(8)?,
        options: Arc::new(queue::from_json(row, 9)?),
        request: Arc::new(requested(need)),
        partition: started_in.unwrap_or(if asked.is_empty() { context.default_partition.clone() } else { asked }),
        account: row.get(13)?,
        qos: row.get(14)?,
        reservation: row.get::<_, Option<String>>(16)?.or(Some(said).filter(|said| !said.is_empty())),
        allocation: queue::from_json(row, 17)?,
        priority: row.get(18)?,
        nice: row.get(19)?,
        queued: row.get(20)?,
        eligible: if waits_for_time { eligible.or(begin) } else { eligible },
        started: row.get(22)?,
        ended: row.get(23)?,
        begin,
        deadline: row.get(25)?,
        expected: row.get(26)?,
        suspended,
        minutes: row.get(28)?,
        reason: reason.to_owned(),
        dependency: row.get(34)?,
        array: array.0.zip(array.1).map(|(id, task)| ArrayTask { id, task, count: array.2.unwrap_or(1), limit }),
        hold: match phase {
            RunPhase::Waiting if bits & blocked::HELD_BY_ADMIN != 0 => Some(Hold::Admin),
            RunPhase::Waiting if bits & blocked::HELD != 0 => Some(Hold::User),
            _ => None,
        },
        requeue: row.get(39)?,
        restarts: row.get(40)?,
        stopping: phase_is_live(&phase)
            && (row.get::<_, bool>(41)? || row.get_ref(42)? != rusqlite::types::ValueRef::Null),
        canceled: phase_is_live(&phase) && row.get::<_, bool>(41)?,
        pid: row.get(43)?,
        phase,
    })
}

fn phase_is_live(phase: &RunPhase) -> bool {
    matches!(phase, RunPhase::Running | RunPhase::Suspended)
}

fn requested(need: Need) -> Requested {
    let (per_node, per_core) = match need.memory {
        Memory::Unsaid => (None, None),
        Memory::PerNode(bytes) => (Some(bytes), None),
        Memory::PerCore(bytes) => (None, Some(bytes)),
        Memory::AllOfNode => (Some(0), None),
    };
    let of = |wanted: fn(&Gpus) -> Option<u64>| wanted(&need.gpus);
    Requested {
        min_nodes: need.min_nodes,
        max_nodes: need.max_nodes,
        tasks: need.tasks,
        cores_per_task: need.cores_per_task,
        tasks_per_node: need.tasks_per_node,
        cores: need.cores(),
        memory_per_node: per_node,
        memory_per_core: per_core,
        gpus: of(|gpus| if let Gpus::PerRun(count) = gpus { Some(*count) } else { None }),
        gpus_per_node: of(|gpus| if let Gpus::PerNode(count) = gpus { Some(*count) } else { None }),
        gpus_per_task: of(|gpus| if let Gpus::PerTask(count) = gpus { Some(*count) } else { None }),
        gpu_type: need.gpu_type,
        exclusive: need.exclusive,
        nodelist: need.nodelist,
        exclude: need.exclude,
        constraint: need.constraint,
        licences: need.licences,
    }
}
