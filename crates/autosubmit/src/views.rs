//! What can be told of an experiment: the answers of Autosubmit's views, with their numbers and texts.
//!
//! Views are plain functions over a [`Snapshot`] (everything of one experiment, read once) and a [`Moment`] (what time it is, and
//! where). What they return is named and rounded as Autosubmit's clients know it.

pub mod brief;
pub mod eta;
pub mod facts;
pub mod graph;
mod moment;
pub mod performance;
pub mod rundetail;
pub mod runs;
pub mod search;
pub mod statistics;
pub mod times;
pub mod tree;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::config::Configuration;
use crate::databases::DatabaseError;
use crate::databases::history::History;
use crate::databases::packages::Packages;
use crate::expid::{Expid, Places};
use crate::jobs::JobList;
use crate::logs::JobLogs;
use crate::site::{Edges, Site, SiteError};

pub use moment::Moment;

/// Everything of an experiment that its views need.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the parts are named for what they are")]
pub struct Snapshot {
    pub expid: Expid,
    pub places: Places,
    pub jobs: Arc<JobList>,
    pub edges: Arc<Edges>,
    pub packages: Arc<Packages>,
    /// Empty where there is no history
    pub history: Arc<History>,
    pub configuration: Arc<Configuration>,
    pub logs: Arc<JobLogs>,
}

impl Snapshot {
    /// Reads an experiment. One without a history, a structure or packages has none; without jobs or configuration it is an error.
    pub fn read(site: &Site, expid: &Expid) -> Result<Self, SiteError> {
        Ok(Self {
            configuration: site.configuration_in_place(expid)?,
            jobs: site.jobs(expid)?,
            edges: site.edges(expid)?,
            packages: site.packages(expid)?,
            history: history(site, expid)?,
            logs: site.logs(expid),
            places: site.places(expid),
            expid: expid.clone(),
        })
    }

    /// The parents and the children of each job of the list, as places in it, each in the order of their names.
    pub fn relations(&self) -> Relations {
        let mut parents = vec![Vec::new(); self.jobs.len()];
        let mut children = vec![Vec::new(); self.jobs.len()];
        let mut unlisted: HashMap<usize, BTreeSet<String>> = HashMap::new();
        for (from, to) in self.edges.iter() {
            match (self.jobs.place(from), self.jobs.place(to)) {
                (Some(from), Some(to)) => {
                    children[from].push(to);
                    parents[to].push(from);
                }
                (Some(from), None) => {
                    unlisted.entry(from).or_default().insert(to.clone());
                }
                _ => {}
            }
        }
        let jobs = self.jobs.jobs();
        for list in parents.iter_mut().chain(&mut children) {
            list.sort_by(|one: &usize, other| jobs[*one].name.cmp(&jobs[*other].name));
            list.dedup();
        }
        Relations { parents, children, unlisted }
    }

    /// The jobs of each package that are in the list, by the package's name, in the order of the packages' database.
    pub fn packaged(&self) -> HashMap<&str, Vec<usize>> {
        let mut packaged: HashMap<&str, Vec<usize>> = HashMap::new();
        for (job, package) in self.packages.jobs() {
            if let Some(place) = self.jobs.place(job) {
                packaged.entry(package).or_default().push(place);
            }
        }
        packaged
    }
}

/// A history that is not there yet is an empty one; so is a file without tables, which the original makes by looking for it.
fn history(site: &Site, expid: &Expid) -> Result<Arc<History>, SiteError> {
    match site.history(expid) {
        Err(DatabaseError::Missing { .. } | DatabaseError::NoTable { .. }) => Ok(Arc::default()),
        other => Ok(other?),
    }
}

/// Who waits for whom, by places in the list of jobs.
#[derive(Debug, Clone, Default)]
pub struct Relations {
    /// For whom each job waits
    pub parents: Vec<Vec<usize>>,
    /// Who waits for each job
    pub children: Vec<Vec<usize>>,
    /// Who waits for a job and is not in the list: what is left of an earlier list. Trees name them nevertheless.
    pub unlisted: HashMap<usize, BTreeSet<String>>,
}

impl Relations {
    /// The names of those who wait for a job that are not in the list.
    pub fn unlisted(&self, place: usize) -> impl Iterator<Item = &str> {
        self.unlisted.get(&place).into_iter().flatten().map(String::as_str)
    }
}
