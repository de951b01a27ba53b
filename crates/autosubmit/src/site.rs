//! A site: everything that can be read of its experiments, each file parsed again only when it has changed.

use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

use crate::basis::{self, is_absent};
use crate::config::{ConfigError, Configuration, Origin, load};
use crate::databases::catalogue::{Catalogue, Experiment, Statuses, statuses};
use crate::databases::history::{History, Run};
use crate::databases::packages::Packages;
use crate::databases::{DatabaseError, Source, structure};
use crate::expid::{Expid, Layout, Places};
use crate::jobs::{JobList, JobsError, modified, of_pickle, read_database, read_pickle};
use crate::kept::{Kept, Sources};
use crate::logs::{JobLogs, LogFile};
use crate::rc::{Environment, Rc};
use crate::store::Store;
use crate::texts;

/// The schema of the tables that belong to no experiment.
pub(crate) const PUBLIC: &str = "public";

/// Edges from a job to those that wait for it.
pub type Edges = Vec<(String, String)>;

/// Why something of an experiment cannot be told.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SiteError {
    /// The main database does not know the experiment.
    #[error("Experiment with expid '{0}' not found.")]
    Unknown(Expid),
    /// A database cannot be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The list of jobs cannot be read.
    #[error(transparent)]
    Jobs(#[from] JobsError),
    /// The configuration cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// A site and what is kept of its files.
#[derive(Debug)]
pub struct Site {
    rc: Rc,
    store: Arc<Store>,
    environment: Environment,
    catalogue: Kept<Catalogue>,
    statuses: Kept<Statuses>,
    jobs: Kept<JobList>,
    edges: Kept<Edges>,
    packages: Kept<Packages>,
    history: Kept<History>,
    runs: Kept<Vec<Run>>,
    configurations: Kept<Configuration>,
    logs: Kept<JobLogs>,
}

impl Site {
    /// A site whose parsed files may take about `room` bytes of memory.
    pub fn new(rc: Rc, environment: Environment, room: usize) -> Self {
        Self {
            store: Arc::new(Store::new(&rc)),
            rc,
            environment,
            catalogue: Kept::new(room / 8),
            statuses: Kept::new(room / 32),
            jobs: Kept::new(room / 4),
            edges: Kept::new(room / 8),
            packages: Kept::new(room / 16),
            history: Kept::new(room / 4),
            runs: Kept::new(room / 16),
            configurations: Kept::new(room / 8),
            logs: Kept::new(room / 16),
        }
    }

    /// The site's configuration.
    pub fn rc(&self) -> &Rc {
        &self.rc
    }

    /// Its tables: what is asked of single rows, and what is written.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Where an experiment's files are.
    pub fn places(&self, expid: &Expid) -> Places {
        Places::of(&self.rc, expid)
    }

    /// Where a table is: in this file, or in this schema of the server.
    fn source<'a>(&'a self, path: &'a Path, schema: &'a str) -> Source<'a> {
        self.store.server().map_or(Source::File(path), |server| Source::Schema(server, schema))
    }

    /// What is kept of a file. What a server says is asked for each time: nothing tells cheaply whether it changed.
    fn kept<T: Send + Sync + 'static, E>(
        &self,
        kept: &Kept<T>,
        path: &Path,
        read: impl FnOnce() -> Result<(T, usize), E>,
    ) -> Result<Arc<T>, E> {
        if self.store.server().is_some() {
            return Ok(Arc::new(read()?.0));
        }
        kept.get(path, || {
            let sources = Sources::database(path);
            let (value, size) = read()?;
            Ok((value, size, sources))
        })
    }

    /// All experiments.
    pub fn catalogue(&self) -> Result<Arc<Catalogue>, DatabaseError> {
        let path = self.rc.database();
        self.kept(&self.catalogue, &path, || {
            let catalogue = Catalogue::read(self.source(&path, PUBLIC))?;
            let size = catalogue.size();
            Ok((catalogue, size))
        })
    }

    /// An experiment of the main database.
    pub fn experiment(&self, expid: &Expid) -> Result<Experiment, SiteError> {
        self.catalogue()?.get(expid.as_str()).cloned().ok_or_else(|| SiteError::Unknown(expid.clone()))
    }

    /// The states of experiments. Without a database none is known.
    pub fn statuses(&self) -> Result<Arc<Statuses>, DatabaseError> {
        let path = self.rc.times();
        self.kept(&self.statuses, &path, || {
            let found = missing_is_empty(statuses(self.source(&path, PUBLIC)))?;
            let size = found.size();
            Ok((found, size))
        })
    }

    /// Which layout an experiment has, by the version in the main database.
    pub fn layout(&self, expid: &Expid) -> Result<Layout, SiteError> {
        Ok(Layout::of_version(self.experiment(expid)?.version.as_deref()))
    }

    /// The jobs of an experiment.
    pub fn jobs(&self, expid: &Expid) -> Result<Arc<JobList>, SiteError> {
        let places = self.places(expid);
        let layout = self.layout(expid)?;
        let path = match layout {
            Layout::Pickle => places.pickle,
            Layout::Database => places.job_list,
        };
        self.kept(&self.jobs, &path, || {
            let list = match (layout, self.store.server()) {
                (Layout::Pickle, None) => read_pickle(&path)?,
                (Layout::Pickle, Some(server)) => {
                    let missing = || DatabaseError::Missing { path: expid.as_str().into() };
                    let bytes = server.pickle(expid.as_str())?.ok_or_else(missing)?;
                    of_pickle(&bytes, expid.as_str())?
                }
                (Layout::Database, _) => read_database(self.source(&path, expid.as_str())).map_err(JobsError::from)?,
            };
            let size = list.size();
            Ok((list, size))
        })
    }

    /// When an experiment's list of jobs was changed, in seconds since 1970: the time of the file, or since Autosubmit 4.2 what
    /// the newest row says, which is taken as local time.
    pub fn jobs_modified(&self, expid: &Expid, zone: jiff::tz::Offset) -> Result<Option<i64>, SiteError> {
        let places = self.places(expid);
        Ok(match (self.layout(expid)?, self.store.server()) {
            (Layout::Pickle, None) => pickled(&places.pickle)?,
            (Layout::Pickle, Some(server)) => {
                server.pickled(expid.as_str())?.and_then(|text| texts::any_seconds(&text, zone))
            }
            (Layout::Database, _) => {
                modified(self.source(&places.job_list, expid.as_str()))?.and_then(|at| texts::seconds(at, zone))
            }
        })
    }

    /// Which job waits for which. An experiment without a structure has no edges.
    pub fn edges(&self, expid: &Expid) -> Result<Arc<Edges>, SiteError> {
        let places = self.places(expid);
        let path = match self.layout(expid)? {
            Layout::Pickle => places.structure,
            Layout::Database => places.job_list,
        };
        self.kept(&self.edges, &path, || {
            let edges = missing_is_empty(structure::read(self.source(&path, expid.as_str())))?;
            let size = edges.iter().map(|(from, to)| from.len() + to.len() + 64).sum();
            Ok((edges, size))
        })
    }

    /// The wrappers of an experiment. One without a database of them has none.
    pub fn packages(&self, expid: &Expid) -> Result<Arc<Packages>, SiteError> {
        let places = self.places(expid);
        let path = match self.layout(expid)? {
            Layout::Pickle => places.packages,
            Layout::Database => places.job_list,
        };
        self.kept(&self.packages, &path, || {
            let packages = missing_is_empty(Packages::read(self.source(&path, expid.as_str())))?;
            let size = packages.jobs().map(|(job, package)| 4 * (job.len() + package.len()) + 100).sum();
            Ok((packages, size))
        })
    }

    /// The history of an experiment.
    pub fn history(&self, expid: &Expid) -> Result<Arc<History>, DatabaseError> {
        let path = self.places(expid).history;
        self.kept(&self.history, &path, || {
            let history = History::read(self.source(&path, expid.as_str()))?;
            let size = history.size();
            Ok((history, size))
        })
    }

    /// The runs of an experiment, by number, without what they did.
    pub fn runs(&self, expid: &Expid) -> Result<Arc<Vec<Run>>, DatabaseError> {
        let path = self.places(expid).history;
        self.kept(&self.runs, &path, || {
            let runs = self.store.runs(expid)?;
            let size = runs.iter().map(Run::size).sum::<usize>() + 100;
            Ok((runs, size))
        })
    }

    /// The configuration of an experiment that has a `tmp` folder, as views of a whole experiment ask for it.
    pub fn configuration_in_place(&self, expid: &Expid) -> Result<Arc<Configuration>, SiteError> {
        let configuration = self.configuration(expid)?;
        let tmp = self.places(expid).tmp;
        basis::note(&tmp);
        if !tmp.is_dir() {
            return Err(ConfigError::NoTmp(tmp.to_string_lossy().into_owned()).into());
        }
        Ok(configuration)
    }

    /// The configuration of an experiment.
    pub fn configuration(&self, expid: &Expid) -> Result<Arc<Configuration>, SiteError> {
        let places = self.places(expid);
        let description =
            self.catalogue().ok().and_then(|catalogue| catalogue.get(expid.as_str())?.description.clone());
        // the description comes from another file, so it is a part of the name; no path has the character between them
        let mut name = places.conf.clone().into_os_string();
        name.push("\0");
        name.push(description.as_deref().unwrap_or_default());
        self.configurations.get(&name, || {
            let (rc, environment) = (&self.rc, &self.environment);
            let origin = Origin { rc, environment, expid, places: &places, description: description.as_deref() };
            let loaded = load(origin)?;
            Ok((loaded.configuration, loaded.size, loaded.sources))
        })
    }

    /// The logs of an experiment's jobs.
    pub fn logs(&self, expid: &Expid) -> Arc<JobLogs> {
        let path = self.places(expid).logs;
        let read = || {
            let sources = Sources::file(&path);
            let logs = JobLogs::list(&path);
            let size = logs.size();
            Ok::<_, std::convert::Infallible>((logs, size, sources))
        };
        match self.logs.get(&path, read) {
            Ok(logs) => logs,
            Err(never) => match never {},
        }
    }

    /// About how many bytes are kept.
    pub fn size(&self) -> usize {
        self.catalogue.size()
            + self.statuses.size()
            + self.jobs.size()
            + self.edges.size()
            + self.packages.size()
            + self.history.size()
            + self.runs.size()
            + self.configurations.size()
            + self.logs.size()
    }

    /// The path of a job's file of tries.
    pub fn total_stats(&self, expid: &Expid, job: &str) -> Option<std::path::PathBuf> {
        self.places(expid).total_stats(job).filter(|path| path.parent() == Some(Path::new(&self.places(expid).tmp)))
    }
}

/// When a pickle was written; nothing where there is none. One that cannot be looked at may be there.
fn pickled(path: &Path) -> Result<Option<i64>, JobsError> {
    if let Some(file) = LogFile::at(path) {
        return Ok(Some(file.modified));
    }
    match std::fs::metadata(path) {
        Err(source) if !is_absent(&source) => Err(JobsError::unreadable(path, source)),
        _ => Ok(None),
    }
}

fn missing_is_empty<T: Default>(read: Result<T, DatabaseError>) -> Result<T, DatabaseError> {
    match read {
        Err(DatabaseError::Missing { .. }) => Ok(T::default()),
        other => other,
    }
}
