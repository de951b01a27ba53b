//! What the background workers write: states, details and layouts, in the tables and forms of the original.

use std::path::Path;

use rusqlite::params;

use super::DatabaseError;
use super::write::{Writer, table_of};

/// A state of an experiment that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusRow {
    /// The experiment's number
    pub id: i64,
    /// Its expid
    pub name: String,
    /// Whether it runs
    pub running: bool,
    /// When that was found, `YYYY-MM-DD-HH:MM:SS+HH:MM`
    pub modified: String,
}

impl StatusRow {
    /// The word of the table.
    pub(crate) fn status(&self) -> &'static str {
        if self.running { "RUNNING" } else { "NOT RUNNING" }
    }
}

/// Details of an experiment that are to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "columns of the table")]
pub struct DetailsRow {
    pub id: i64,
    pub user: String,
    pub created: String,
    pub model: String,
    pub branch: String,
    pub hpc: String,
}

/// A job's place in a layout.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "columns of the table")]
pub struct Drawn {
    pub job: String,
    pub x: i64,
    pub y: i64,
}

const STATUS: &str = "CREATE TABLE IF NOT EXISTS experiment_status (exp_id INTEGER NOT NULL, name TEXT NOT NULL, \
status TEXT NOT NULL, seconds_diff INTEGER NOT NULL, modified TEXT NOT NULL, PRIMARY KEY (exp_id))";
const DETAILS: &str = "CREATE TABLE IF NOT EXISTS details (exp_id INTEGER NOT NULL, user TEXT NOT NULL, created TEXT NOT NULL, \
model TEXT NOT NULL, branch TEXT NOT NULL, hpc TEXT NOT NULL, PRIMARY KEY (exp_id))";
const EXPERIMENT: &str = "CREATE TABLE IF NOT EXISTS experiment (id INTEGER NOT NULL, name VARCHAR NOT NULL, \
description VARCHAR NOT NULL, autosubmit_version VARCHAR, PRIMARY KEY (id))";
const DRAWING: &str = "CREATE TABLE IF NOT EXISTS experiment_graph_draw (id INTEGER NOT NULL, job_name TEXT NOT NULL, \
x INTEGER NOT NULL, y INTEGER NOT NULL, PRIMARY KEY (id))";

/// Makes the tables that are there after the original was started.
pub fn prepare(database: &Path, times: &Path) -> Result<(), DatabaseError> {
    let writer = Writer::open(database)?;
    table_of(&writer, EXPERIMENT)?;
    table_of(&writer, DETAILS)?;
    table_of(&Writer::open(times)?, STATUS)
}

/// Deletes the states of experiments and writes others, in one change.
pub fn write_statuses(times: &Path, forget: &[i64], rows: &[StatusRow]) -> Result<(), DatabaseError> {
    let mut writer = Writer::open(times)?;
    table_of(&writer, STATUS)?;
    writer.change(|transaction| {
        // an old table has no key, so that a row is replaced and never updated in conflict
        let mut delete = transaction.prepare("DELETE FROM experiment_status WHERE exp_id = ?1")?;
        for id in forget.iter().copied().chain(rows.iter().map(|row| row.id)) {
            delete.execute([id])?;
        }
        let mut insert = transaction.prepare(
            "INSERT INTO experiment_status (exp_id, name, status, seconds_diff, modified) VALUES (?1, ?2, ?3, 0, ?4)",
        )?;
        for row in rows {
            insert.execute(params![row.id, row.name, row.status(), row.modified])?;
        }
        Ok(())
    })
}

/// Replaces the details of these experiments, in one change.
pub fn write_details(database: &Path, rows: &[DetailsRow]) -> Result<(), DatabaseError> {
    let mut writer = Writer::open(database)?;
    table_of(&writer, DETAILS)?;
    writer.change(|transaction| {
        for row in rows {
            transaction.execute("DELETE FROM details WHERE exp_id = ?1", [row.id])?;
            transaction.execute(
                "INSERT INTO details (exp_id, user, created, model, branch, hpc) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![row.id, row.user, row.created, row.model, row.branch, row.hpc],
            )?;
        }
        Ok(())
    })
}

/// Replaces the layout of an experiment.
pub fn write_drawing(path: &Path, drawn: &[Drawn]) -> Result<(), DatabaseError> {
    let mut writer = Writer::open(path)?;
    table_of(&writer, DRAWING)?;
    writer.change(|transaction| {
        transaction.execute("DELETE FROM experiment_graph_draw", [])?;
        let mut insert =
            transaction.prepare("INSERT INTO experiment_graph_draw (job_name, x, y) VALUES (?1, ?2, ?3)")?;
        for Drawn { job, x, y } in drawn {
            insert.execute(params![job, x, y])?;
        }
        Ok(())
    })
}
