//! Background workers: what the original's master process does from time to time, with the same tables and periods. Each says what
//! is to be written as a plain function of what was read; only [`Workers`] reads the clock and writes.

mod details;
mod graph;
mod schedule;
mod status;

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::tz::Offset;
use thiserror::Error;

use crate::basis::is_absent;
use crate::databases::DatabaseError;
use crate::expid::Expid;
use crate::logs::run_log;
use crate::machine::{Call, Machine, MachineError};
use crate::rc::Backend;
use crate::site::{Site, SiteError};
use crate::views::Moment;

pub use details::{Owner, details};
pub use graph::{arguments, drawn, is_missing};
pub use schedule::{Schedule, Task};
pub use status::{Age, StatusPlan, plan, runs};

/// Does what is due.
#[derive(Debug)]
pub struct Workers {
    site: Arc<Site>,
    machine: Arc<dyn Machine>,
}

/// Why a worker did nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// Another process is at it.
    #[error("another process does this at the moment")]
    Taken,
    /// Another process has done it a moment ago.
    #[error("another process has done this already")]
    Recent,
    /// The lock file cannot be made.
    #[error("cannot lock {path}: {source}")]
    Lock {
        /// Which file
        path: PathBuf,
        /// Why
        source: std::io::Error,
    },
    /// A database cannot be read or written.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A program cannot be run.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// Something of an experiment cannot be told.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// Graphviz says no.
    #[error("dot failed: {0}")]
    Dot(String),
}

/// What a worker did.
#[derive(Debug, Default)]
pub struct Done {
    /// Rows or layouts written
    pub written: usize,
    /// Experiments that were left out, and why
    pub left_out: Vec<(String, String)>,
}

impl Workers {
    /// Workers of a site, with the machine that runs `id` and `dot`.
    pub fn new(site: Arc<Site>, machine: Arc<dyn Machine>) -> Self {
        Self { site, machine }
    }

    /// Makes the tables and folders that are there after the original was started.
    pub fn prepare(&self) -> Result<(), WorkerError> {
        Ok(self.site.store().prepare()?)
    }

    /// Does one task, unless another process is at it.
    pub fn run(&self, task: Task, moment: Moment) -> Result<Done, WorkerError> {
        let lock = self.lock(task)?;
        self.locked(task, &lock, moment)
    }

    /// The same for a task that is done each time such an interval has passed: unless another process has done it within that.
    pub fn run_again(&self, task: Task, interval: Duration, moment: Moment) -> Result<Done, WorkerError> {
        let lock = self.lock(task)?;
        // clocks do not go alike
        let enough = interval.mul_f64(0.9);
        if last_done(&lock).is_some_and(|ago| ago < enough) {
            return Err(WorkerError::Recent);
        }
        self.locked(task, &lock, moment)
    }

    fn locked(&self, task: Task, lock: &File, moment: Moment) -> Result<Done, WorkerError> {
        let began = SystemTime::now();
        let done = match task {
            Task::Status => self.statuses(moment),
            Task::Details => self.details(moment.zone),
            Task::Graph => self.graphs(moment),
        }?;
        // others go by when it was begun, as we do; if it cannot be noted they do it once more
        drop(lock.set_len(DONE).and_then(|()| lock.set_modified(began)));
        Ok(done)
    }

    /// A lock that ends with the process that holds it, whatever becomes of that.
    fn lock(&self, task: Task) -> Result<File, WorkerError> {
        let name = format!("jobgate_{}.lock", task.id().to_lowercase());
        // where the tables are on a server, the folder of the main database means nothing
        let rc = self.site.rc();
        let path = if rc.backend == Backend::Sqlite { rc.database_folder.join(name) } else { rc.root.join(name) };
        let failed = |source| WorkerError::Lock { path: path.clone(), source };
        let file = File::options().create(true).append(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => Err(WorkerError::Taken),
            Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    fn statuses(&self, moment: Moment) -> Result<Done, WorkerError> {
        let catalogue = self.site.catalogue()?;
        let known = self.site.statuses()?;
        let mut done = Done::default();
        let mut ages = Vec::with_capacity(catalogue.experiments().len());
        for experiment in catalogue.experiments() {
            ages.push(match self.age(&experiment.name, moment) {
                Ok(age) => Some(age),
                Err(why) => {
                    done.left_out.push((experiment.name.clone(), why));
                    None
                }
            });
        }
        let plan = plan(&catalogue, known.numbered(), &ages, moment);
        if !plan.forget.is_empty() || !plan.rows.is_empty() {
            self.site.store().write_statuses(&plan.forget, &plan.rows)?;
        }
        done.written = plan.rows.len();
        Ok(done)
    }

    /// How long ago an experiment's files were changed. What cannot be looked at says nothing, and least of all that nothing runs.
    fn age(&self, name: &str, moment: Moment) -> Result<Age, String> {
        // a name that is none has no files
        let Ok(expid) = Expid::parse(name) else { return Ok(Age::default()) };
        let jobs = match self.site.jobs_modified(&expid, moment.zone) {
            Ok(modified) => modified.map(|at| moment.now() - at),
            Err(SiteError::Database(DatabaseError::NoTable { .. })) => None,
            Err(SiteError::Database(DatabaseError::Missing { path })) if is_gone(&path) => None,
            Err(error) => return Err(error.to_string()),
        };
        // the log is looked for only where it decides, and it needs the configuration
        let log = match jobs {
            Some(age) if status::needs_log(age) => self.log_age(&expid, moment)?,
            _ => None,
        };
        Ok(Age { jobs, log })
    }

    /// How long ago the log of the newest run was written to.
    fn log_age(&self, expid: &Expid, moment: Moment) -> Result<Option<i64>, String> {
        let version = self.site.configuration(expid).ok().map(|configuration| configuration.version());
        let places = self.site.places(expid);
        if let Some(file) = run_log(&places, version.as_deref()) {
            return Ok(Some(moment.now() - file.modified));
        }
        match std::fs::read_dir(&places.command_logs) {
            Err(error) if !is_absent(&error) => Err(error.to_string()),
            _ => Ok(None),
        }
    }

    fn details(&self, zone: Offset) -> Result<Done, WorkerError> {
        let catalogue = self.site.catalogue()?;
        let mut done = Done::default();
        let mut rows = Vec::new();
        let mut names = std::collections::HashMap::new();
        for experiment in catalogue.experiments() {
            let made = Expid::parse(&experiment.name).map_err(|error| error.to_string()).and_then(|expid| {
                let configuration = self.site.configuration(&expid).map_err(|error| error.to_string())?;
                let folder = self.site.places(&expid).folder;
                let metadata = std::fs::metadata(&folder).map_err(|error| error.to_string())?;
                let uid = metadata.uid();
                let name = names.entry(uid).or_insert_with(|| self.login(uid)).clone();
                Ok(details(experiment.id, &configuration, &Owner { name, changed: metadata.ctime() }, zone))
            });
            match made {
                // only what changed is written, so that files that say the same stay as they are
                Ok(row) if experiment.details.as_ref().is_some_and(|known| details::is_same(known, &row)) => {}
                Ok(row) => rows.push(row),
                Err(why) => done.left_out.push((experiment.name.clone(), why)),
            }
        }
        if !rows.is_empty() {
            self.site.store().write_details(&rows)?;
        }
        done.written = rows.len();
        Ok(done)
    }

    /// The name of a user as `id` says it, which also asks the directories of a site; empty if there is none.
    fn login(&self, uid: u32) -> String {
        let argv = ["id", "-nu", &uid.to_string()].map(str::to_owned).into();
        let said = self.machine.run(&Call { argv, input: Vec::new(), time: graph::ID_TIME });
        said.map(|said| said.out.trim().to_owned()).unwrap_or_default()
    }

    fn graphs(&self, moment: Moment) -> Result<Done, WorkerError> {
        let statuses = self.site.statuses()?;
        let catalogue = self.site.catalogue()?;
        let mut done = Done::default();
        let running = |id: i64| statuses.get(id) == Some("RUNNING");
        for experiment in catalogue.experiments().iter().filter(|experiment| running(experiment.id)) {
            match self.graph(&experiment.name, moment) {
                Ok(drawn) => done.written += usize::from(drawn),
                Err(error) => done.left_out.push((experiment.name.clone(), error.to_string())),
            }
        }
        Ok(done)
    }

    /// Draws an experiment if its layout misses jobs.
    fn graph(&self, name: &str, moment: Moment) -> Result<bool, WorkerError> {
        let expid = Expid::parse(name).map_err(|error| WorkerError::Dot(error.to_string()))?;
        let snapshot = crate::views::Snapshot::read(&self.site, &expid)?;
        if !graph::is_drawable(&snapshot) || !is_missing(&snapshot.jobs, &self.site.store().drawing(&expid)?) {
            return Ok(false);
        }
        // the original's own lock, so that both do not draw at once
        let _lock = self.original_lock()?;
        let facts = crate::views::facts::Facts::of(&snapshot, moment);
        let input = crate::views::graph::to_dot(&facts).into_bytes();
        let argv = arguments(snapshot.jobs.len(), facts.chunk_length.size);
        let said = self.machine.run(&Call { argv, input, time: graph::DOT_TIME })?;
        if said.code != Some(0) {
            return Err(WorkerError::Dot(said.err.lines().next().unwrap_or("no reason given").to_owned()));
        }
        self.site.store().write_drawing(&expid, &drawn(&said.out))?;
        Ok(true)
    }

    fn original_lock(&self) -> Result<OriginalLock, WorkerError> {
        let path = self.site.rc().root.join("calculation_in_progress.lock");
        let failed = |source| WorkerError::Lock { path: path.clone(), source };
        let file = File::options().create(true).append(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(OriginalLock { _file: file, path }),
            Err(std::fs::TryLockError::WouldBlock) => Err(WorkerError::Taken),
            Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

/// Bytes of the lock file of a task that was ever done; one that was only made has none.
const DONE: u64 = 1;

/// How long ago a task was begun that was done, if it ever was.
fn last_done(lock: &File) -> Option<Duration> {
    let metadata = lock.metadata().ok().filter(|metadata| metadata.len() > 0)?;
    SystemTime::now().duration_since(metadata.modified().ok()?).ok()
}

/// Whether there is nothing at a path, of what is known.
fn is_gone(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_err_and(|error| is_absent(&error))
}

/// The original deletes its lock file afterwards, so that its being there means that somebody is at it.
#[derive(Debug)]
struct OriginalLock {
    _file: File,
    path: PathBuf,
}

impl Drop for OriginalLock {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.path));
    }
}
