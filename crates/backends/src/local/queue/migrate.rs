//! From older versions of the queue's file to the present one.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use serde::Deserialize;

use super::to_json;
use crate::local::cluster::Share;
use crate::local::need::{Gpus, Memory, Need};

/// What a run needed in version 1: one machine's scalars. A counter was a licence, or a partition's cores.
#[derive(Debug, Deserialize)]
struct Need1 {
    cores: u64,
    #[serde(default)]
    memory: u64,
    #[serde(default)]
    gpus: u64,
    #[serde(default)]
    counters: BTreeMap<String, u64>,
}

/// What has to be known of a row of version 1.
struct Row1 {
    id: i64,
    need: Need1,
    gpus: Vec<u32>,
    additions: Vec<(String, String)>,
    is_running: bool,
}

/// From version 1: nodes, partitions and all that belongs to them are new; a whole machine that was drained is a node now.
pub(super) fn from_1(tx: &Connection) -> rusqlite::Result<()> {
    tx.execute_batch(include_str!("migrate_1.sql"))?;
    let rows: Vec<Row1> = tx
        .prepare("SELECT id, need, gpus, additions, phase = 1 FROM run")?
        .query_map([], |row| {
            Ok(Row1 {
                id: row.get(0)?,
                need: super::from_json(row, 1)?,
                gpus: super::from_json(row, 2)?,
                additions: super::from_json(row, 3)?,
                is_running: row.get(4)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut update =
        tx.prepare("UPDATE run SET need = ?, allocation = ?, partitions = ?, array_task = ? WHERE id = ?")?;
    for row in rows {
        let partition = row.need.counters.keys().find_map(|name| name.strip_prefix("partition:")).unwrap_or_default();
        let share =
            Share { node: String::new(), tasks: 1, cores: row.need.cores, memory: row.need.memory, gpus: row.gpus };
        let allocation = if row.is_running { vec![share] } else { Vec::new() };
        let task = row.additions.iter().find(|(key, _)| key == "SLURM_ARRAY_TASK_ID");
        let task = task.and_then(|(_, value)| value.parse::<i64>().ok());
        update.execute(params![to_json(&need_of(&row.need)), to_json(&allocation), partition, task, row.id])?;
    }
    drop(update);
    tx.execute_batch(include_str!("cluster.sql"))?;
    tx.execute_batch(include_str!("migrate_1_end.sql"))
}

fn need_of(old: &Need1) -> Need {
    let licences =
        old.counters.iter().filter_map(|(name, count)| Some((name.strip_prefix("licence:")?.to_owned(), *count)));
    Need {
        cores_per_task: old.cores,
        memory: if old.memory > 0 { Memory::PerNode(old.memory) } else { Memory::Unsaid },
        gpus: if old.gpus > 0 { Gpus::PerRun(old.gpus) } else { Gpus::None },
        licences: licences.collect(),
        lenient: true,
        ..Need::default()
    }
}
