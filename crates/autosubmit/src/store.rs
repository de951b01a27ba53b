//! Where a site keeps its tables: what is asked of single rows, and all that is written. What is read whole and kept is
//! [`crate::site::Site`]'s.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::databases::history::{self, Run, Try};
use crate::databases::metrics::{self, Metric};
use crate::databases::postgres::Postgres;
use crate::databases::preferences::{self, Preference};
use crate::databases::processes::{self, Entered, NewProcess, Process, ProcessFile, ProcessStatus};
use crate::databases::written::{self, DetailsRow, Drawn, StatusRow};
use crate::databases::{DatabaseError, Source, drawing, posted};
use crate::expid::{Expid, Places};
use crate::rc::{Backend, Rc};
use crate::site::PUBLIC;

/// A site's tables.
#[derive(Debug)]
pub struct Store {
    rc: Rc,
    processes: ProcessFile,
    server: Option<Postgres>,
}

impl Store {
    /// The tables of the site with this configuration. Nothing is opened yet.
    pub fn new(rc: &Rc) -> Self {
        let server = match &rc.backend {
            Backend::Sqlite => None,
            Backend::Postgres(url) => Some(Postgres::new(url)),
        };
        Self { processes: ProcessFile::new(processes::beside(&rc.root)), rc: rc.clone(), server }
    }

    /// The PostgreSQL server, if the site uses one instead of files.
    pub(crate) fn server(&self) -> Option<&Postgres> {
        self.server.as_ref()
    }

    /// Where a table is: in this file, or in this schema of the server.
    fn source<'a>(&'a self, path: &'a Path, schema: &'a str) -> Source<'a> {
        self.server().map_or(Source::File(path), |server| Source::Schema(server, schema))
    }

    fn places(&self, expid: &Expid) -> Places {
        Places::of(&self.rc, expid)
    }

    /// Makes the tables and the folder that are there after the original was started. For whoever starts the background workers.
    pub fn prepare(&self) -> Result<(), DatabaseError> {
        if let Some(server) = self.server() {
            return posted::prepare(server);
        }
        if std::fs::create_dir_all(&self.rc.graphs).is_err() {
            return Err(DatabaseError::ReadOnly { path: self.rc.graphs.clone() });
        }
        written::prepare(&self.rc.database(), &self.rc.times())
    }

    /// All tries of a job, the newest first.
    pub fn tries_of_job(&self, expid: &Expid, job: &str) -> Result<Vec<Try>, DatabaseError> {
        history::tries_of_job(self.source(&self.places(expid).history, expid.as_str()), job)
    }

    /// All tries of a run.
    pub fn tries_of_run(&self, expid: &Expid, run: i64) -> Result<Vec<Try>, DatabaseError> {
        history::tries_of_run(self.source(&self.places(expid).history, expid.as_str()), run)
    }

    /// All tries that completed.
    pub fn completed_tries(&self, expid: &Expid) -> Result<Vec<Try>, DatabaseError> {
        history::completed_tries(self.source(&self.places(expid).history, expid.as_str()))
    }

    /// All runs.
    pub fn runs(&self, expid: &Expid) -> Result<Vec<Run>, DatabaseError> {
        history::runs(self.source(&self.places(expid).history, expid.as_str()))
    }

    /// The configuration of a run, or of the newest, as JSON.
    pub fn run_configuration(&self, expid: &Expid, run: Option<i64>) -> Result<Option<String>, DatabaseError> {
        history::configuration(self.source(&self.places(expid).history, expid.as_str()), run)
    }

    /// What the jobs of a run reported.
    pub fn metrics_of_run(&self, expid: &Expid, run: i64) -> Result<Vec<Metric>, DatabaseError> {
        metrics::of_run(self.source(&self.places(expid).metrics, expid.as_str()), run)
    }

    /// The runs whose jobs reported something, the newest first.
    pub fn metric_runs(&self, expid: &Expid) -> Result<Vec<i64>, DatabaseError> {
        metrics::runs(self.source(&self.places(expid).metrics, expid.as_str()))
    }

    /// The layout that a background worker calculated, if it did.
    pub fn drawing(&self, expid: &Expid) -> Result<HashMap<String, (i64, i64)>, DatabaseError> {
        drawing::read(self.source(&self.places(expid).graph, expid.as_str()))
    }

    /// What a user prefers.
    pub fn preference(&self, user: &str) -> Result<Option<Preference>, DatabaseError> {
        preferences::read(self.source(&self.preferences(), PUBLIC), user)
    }

    /// Notes what a user prefers; `now` as `YYYY-MM-DD-HH:MM:SS+HH:MM`.
    pub fn set_preference(&self, user: &str, preferred: &str, now: &str) -> Result<(), DatabaseError> {
        if let Some(server) = self.server() {
            return posted::set_preference(server, user, preferred, now);
        }
        preferences::write(&self.preferences(), user, preferred, now)
    }

    fn preferences(&self) -> PathBuf {
        preferences::beside(&self.rc.database_folder)
    }

    /// Deletes the states of experiments and writes others, in one change.
    pub fn write_statuses(&self, forget: &[i64], rows: &[StatusRow]) -> Result<(), DatabaseError> {
        if let Some(server) = self.server() {
            return posted::write_statuses(server, forget, rows);
        }
        written::write_statuses(&self.rc.times(), forget, rows)
    }

    /// Replaces the details of these experiments, in one change.
    pub fn write_details(&self, rows: &[DetailsRow]) -> Result<(), DatabaseError> {
        if let Some(server) = self.server() {
            return posted::write_details(server, rows);
        }
        written::write_details(&self.rc.database(), rows)
    }

    /// Replaces the layout of an experiment.
    pub fn write_drawing(&self, expid: &Expid, drawn: &[Drawn]) -> Result<(), DatabaseError> {
        if let Some(server) = self.server() {
            return posted::write_drawing(server, expid.as_str(), drawn);
        }
        written::write_drawing(&self.places(expid).graph, drawn)
    }

    pub(crate) fn last_process(&self, expid: &str) -> Result<Option<Process>, DatabaseError> {
        match self.server() {
            Some(server) => processes::last(Source::Schema(server, PUBLIC), expid),
            None => self.processes.last(expid),
        }
    }

    pub(crate) fn active_processes(&self) -> Result<Vec<Process>, DatabaseError> {
        match self.server() {
            Some(server) => processes::active(Source::Schema(server, PUBLIC)),
            None => self.processes.active(),
        }
    }

    pub(crate) fn enter_process(&self, new: &NewProcess, now: &str) -> Result<Entered, DatabaseError> {
        if let Some(server) = self.server() {
            return posted::enter_process(server, new, now);
        }
        self.processes.enter(new, now)
    }

    pub(crate) fn start_process(&self, id: i64, pid: i64, now: &str) -> Result<(), DatabaseError> {
        if let Some(server) = self.server() {
            return posted::start_process(server, id, pid, now);
        }
        self.processes.started(id, pid, now)
    }

    pub(crate) fn end_process(&self, id: i64, status: ProcessStatus, now: &str) -> Result<(), DatabaseError> {
        if let Some(server) = self.server() {
            return posted::end_process(server, id, status, now);
        }
        self.processes.ended(id, status, now)
    }
}
