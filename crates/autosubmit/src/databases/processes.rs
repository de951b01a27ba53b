//! The table of the processes that run experiments, as the original has it, in `api_runners.db`.

use std::path::{Path, PathBuf};

use rusqlite::{OptionalExtension, params};
use serde::Serialize;

use super::write::{Writer, table_of};
use super::{Column, Database, DatabaseError, Parameter, Row, Source, integer, text};

/// What became of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ProcessStatus {
    /// It runs, as far as is known
    Active,
    /// It ended by itself, with exit code 0
    Completed,
    /// It failed, was stopped, or is gone
    Terminated,
}

impl ProcessStatus {
    /// The word of the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Completed => "COMPLETED",
            Self::Terminated => "TERMINATED",
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Its number
    pub id: i64,
    /// Whom it runs
    pub expid: String,
    /// Its process id on the machine where it runs; 0 while it is being started
    pub pid: i64,
    /// One of the words of [`ProcessStatus`]
    pub status: String,
    /// `LOCAL` or `SSH`
    pub runner: String,
    /// Kind of the loader
    pub module_loader: String,
    /// The loader's modules, one a line
    pub modules: String,
    /// When it was started, ISO 8601 with zone
    pub created: String,
    /// When the row was changed last
    pub modified: String,
    /// JSON: `ssh_host`, `ssh_user`, `ssh_port`, and what only we write
    pub runner_extra_params: Option<String>,
}

/// What is known of a process before it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "columns of the table")]
pub struct NewProcess {
    pub expid: String,
    pub runner: &'static str,
    pub module_loader: &'static str,
    pub modules: String,
    pub runner_extra_params: String,
}

/// How a new process is entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entered {
    /// As this row, active and without a process id
    Row(i64),
    /// Not at all: this row of the experiment is active
    Active(Box<Process>),
}

const TABLE: &str = "CREATE TABLE IF NOT EXISTS runner_processes (id INTEGER NOT NULL, expid TEXT NOT NULL, \
pid INTEGER NOT NULL, status VARCHAR(50) NOT NULL, runner VARCHAR(50) NOT NULL, module_loader VARCHAR(50) NOT NULL, \
modules TEXT NOT NULL, created TEXT NOT NULL, modified TEXT NOT NULL, runner_extra_params TEXT, PRIMARY KEY (id))";

const COLUMNS: [Column; 10] = [
    Column::Needed("id"),
    Column::Needed("expid"),
    Column::Needed("pid"),
    Column::Needed("status"),
    Column::Optional("runner"),
    Column::Optional("module_loader"),
    Column::Optional("modules"),
    Column::Optional("created"),
    Column::Optional("modified"),
    Column::Optional("runner_extra_params"),
];

fn process(row: &Row<'_>) -> Option<Process> {
    let or_empty = |column| text(row, column).unwrap_or_default();
    Some(Process {
        id: integer(row, 0)?,
        expid: text(row, 1)?,
        pid: integer(row, 2)?,
        status: text(row, 3)?,
        runner: or_empty(4),
        module_loader: or_empty(5),
        modules: or_empty(6),
        created: or_empty(7),
        modified: or_empty(8),
        runner_extra_params: text(row, 9),
    })
}

/// The row that was made last for an experiment.
pub(crate) fn last<'a>(source: impl Into<Source<'a>>, expid: &str) -> Result<Option<Process>, DatabaseError> {
    Ok(read_processes(source, "WHERE expid = ?1 ORDER BY created DESC, id DESC LIMIT 1", &[expid.into()])?.pop())
}

/// All rows that are active, the oldest first.
pub(crate) fn active<'a>(source: impl Into<Source<'a>>) -> Result<Vec<Process>, DatabaseError> {
    read_processes(source, "WHERE status = 'ACTIVE' ORDER BY id", &[])
}

/// Rows of the table; none if there is no table.
pub(super) fn read_processes<'a>(
    source: impl Into<Source<'a>>,
    rest: &str,
    parameters: &[Parameter<'_>],
) -> Result<Vec<Process>, DatabaseError> {
    let database = match Database::open(source) {
        Err(DatabaseError::Missing { .. }) => return Ok(Vec::new()),
        opened => opened?,
    };
    Ok(database.read_if_there("runner_processes", &COLUMNS, rest, parameters, process)?.into_iter().flatten().collect())
}

/// The table in a SQLite file.
#[derive(Debug, Clone)]
pub struct ProcessFile {
    path: PathBuf,
}

impl ProcessFile {
    /// The table in this file, which is made with the first process.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The row that was made last for an experiment.
    pub fn last(&self, expid: &str) -> Result<Option<Process>, DatabaseError> {
        last(&self.path, expid)
    }

    /// All rows that are active, the oldest first.
    pub fn active(&self) -> Result<Vec<Process>, DatabaseError> {
        active(&self.path)
    }

    /// Enters a process that is to be started, unless one of the experiment is active.
    pub fn enter(&self, new: &NewProcess, now: &str) -> Result<Entered, DatabaseError> {
        let mut writer = self.writer()?;
        writer.change(|transaction| {
            let columns =
                "id, expid, pid, status, runner, module_loader, modules, created, modified, runner_extra_params";
            let active = format!(
                "SELECT {columns} FROM runner_processes WHERE expid = ?1 AND status = 'ACTIVE' ORDER BY id LIMIT 1"
            );
            let active = transaction.query_row(&active, [&new.expid], |row| Ok(process(&Row::File(row)))).optional()?;
            if let Some(active) = active.flatten() {
                return Ok(Entered::Active(Box::new(active)));
            }
            transaction.execute(
                "INSERT INTO runner_processes (expid, pid, status, runner, module_loader, modules, created, modified, \
                 runner_extra_params) VALUES (?1, 0, 'ACTIVE', ?2, ?3, ?4, ?5, ?5, ?6)",
                params![new.expid, new.runner, new.module_loader, new.modules, now, new.runner_extra_params],
            )?;
            Ok(Entered::Row(transaction.last_insert_rowid()))
        })
    }

    /// Notes the process id of a process that was entered.
    pub fn started(&self, id: i64, pid: i64, now: &str) -> Result<(), DatabaseError> {
        self.writer()?.change(|transaction| {
            let change = "UPDATE runner_processes SET pid = ?2, modified = ?3 WHERE id = ?1";
            transaction.execute(change, params![id, pid, now]).map(drop)
        })
    }

    /// Notes what became of a process. One that is no longer active stays what it is.
    pub fn ended(&self, id: i64, status: ProcessStatus, now: &str) -> Result<(), DatabaseError> {
        self.writer()?.change(|transaction| {
            let change = "UPDATE runner_processes SET status = ?2, modified = ?3 WHERE id = ?1 AND status = 'ACTIVE'";
            transaction.execute(change, params![id, status.name(), now]).map(drop)
        })
    }

    fn writer(&self) -> Result<Writer, DatabaseError> {
        let writer = Writer::open(&self.path)?;
        table_of(&writer, TABLE)?;
        Ok(writer)
    }
}

/// Where the table lies beside an installation's experiments.
pub fn beside(root: &Path) -> PathBuf {
    root.join("api_runners.db")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_of_an_experiment_is_active() {
        let folder = tempfile::tempdir().unwrap();
        let table = ProcessFile::new(beside(folder.path()));
        assert_eq!((table.last("a000").unwrap(), table.active().unwrap()), (None, Vec::new()));
        assert!(!beside(folder.path()).exists(), "reading makes nothing");
        let new = NewProcess {
            expid: "a000".into(),
            runner: "LOCAL",
            module_loader: "LMOD",
            modules: "a\nb".into(),
            runner_extra_params: "{}".into(),
        };
        let Entered::Row(id) = table.enter(&new, "2026-01-01T00:00:00+00:00").unwrap() else { panic!() };
        let Entered::Active(active) = table.enter(&new, "2026-01-01T00:00:01+00:00").unwrap() else { panic!() };
        assert_eq!((active.id, active.pid, active.status.as_str()), (id, 0, "ACTIVE"));
        table.started(id, 77, "2026-01-01T00:00:02+00:00").unwrap();
        assert_eq!(table.active().unwrap()[0].pid, 77);
        table.ended(id, ProcessStatus::Completed, "2026-01-01T00:00:03+00:00").unwrap();
        table.ended(id, ProcessStatus::Terminated, "2026-01-01T00:00:04+00:00").unwrap();
        let last = table.last("a000").unwrap().unwrap();
        assert_eq!((last.status.as_str(), last.modified.as_str()), ("COMPLETED", "2026-01-01T00:00:03+00:00"));
        assert_eq!(serde_json::to_value(ProcessStatus::Terminated).unwrap(), "TERMINATED");
        let Entered::Row(next) = table.enter(&new, "2026-01-01T00:00:03+00:00").unwrap() else { panic!() };
        assert_eq!(table.last("a000").unwrap().unwrap().id, next);
    }
}
