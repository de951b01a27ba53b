//! The list of an experiment's jobs, in the order in which Autosubmit keeps it: from a pickle, or from `job_list.db`.

mod pickled;
mod stored;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use jiff::civil::DateTime;
use thiserror::Error;

use crate::basis;
use crate::databases::DatabaseError;
use crate::pickle::PickleError;
use crate::status::JobStatus;

pub use pickled::{of_bytes as of_pickle, read as read_pickle};
pub use stored::{modified, read as read_database};

/// A job as the list has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its name, unique in the experiment
    pub name: String,
    /// What the batch system calls it
    pub id: Option<i64>,
    /// Its state
    pub status: JobStatus,
    /// Its priority
    pub priority: Option<i64>,
    /// The section of the configuration that it was made from
    pub section: Option<String>,
    /// The start date of its simulation
    pub date: Option<DateTime>,
    /// The member of the ensemble
    pub member: Option<String>,
    /// Its chunk, from 1
    pub chunk: Option<i64>,
    /// Its split, from 1; a database says -1 where there is none
    pub split: Option<i64>,
    /// Into how many splits its chunk is divided; a database says -1 where there is none
    pub splits: Option<i64>,
    /// File names of output and errors on this machine
    pub local_logs: Logs,
    /// File names of output and errors where it runs
    pub remote_logs: Logs,
}

impl Job {
    /// Bytes of its texts besides its name.
    fn texts(&self) -> usize {
        let logs = [&self.local_logs, &self.remote_logs].into_iter().flat_map(|logs| [&logs.out, &logs.err]);
        logs.chain([&self.section, &self.member]).flatten().map(|text| text.len() + 16).sum()
    }
}

/// The file names of a job's output and errors, as the list has them: perhaps empty, perhaps not there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "two files")]
pub struct Logs {
    pub out: Option<String>,
    pub err: Option<String>,
}

/// All jobs of an experiment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobList {
    jobs: Vec<Job>,
    places: HashMap<String, usize>,
}

/// Why there is no list of jobs.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JobsError {
    /// The pickle cannot be read.
    #[error("cannot read the job list {file}: {source}")]
    Read {
        /// The file's name
        file: String,
        /// Why
        source: std::io::Error,
    },
    /// The file is no pickle that can be read.
    #[error("the job list {file}: {source}")]
    Pickle {
        /// The file's name
        file: String,
        /// What is wrong with it
        source: PickleError,
    },
    /// The pickle holds something else than a job list.
    #[error("the job list {file}: {what}")]
    Content {
        /// The file's name
        file: String,
        /// What is wrong
        what: &'static str,
    },
    /// The database cannot be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl JobsError {
    /// A file cannot be read.
    pub(crate) fn unreadable(path: &Path, source: std::io::Error) -> Self {
        basis::note_error(&source);
        Self::Read { file: file_name(path), source }
    }
}

/// More jobs than any experiment has.
pub const MOST_JOBS: usize = 500_000;

impl JobList {
    /// All jobs, in the order of the list.
    pub fn jobs(&self) -> &[Job] {
        &self.jobs
    }

    /// The job with this name.
    pub fn get(&self, name: &str) -> Option<&Job> {
        self.place(name).map(|place| &self.jobs[place])
    }

    /// Where in the list a job stands.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// How many jobs there are.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// How many jobs are in each state, in the order of [`JobStatus::ALL`].
    pub fn counts(&self) -> [usize; 13] {
        let mut counts = [0; 13];
        for job in &self.jobs {
            counts[(job.status.code() + 3) as usize] += 1;
        }
        counts
    }

    /// About how many bytes it takes in memory.
    pub fn size(&self) -> usize {
        self.jobs.iter().map(|job| size_of::<Job>() + 120 + 2 * job.name.len() + job.texts()).sum()
    }
}

/// Of several jobs with the same name the last counts, in the place of the first.
impl FromIterator<Job> for JobList {
    fn from_iter<I: IntoIterator<Item = Job>>(all: I) -> Self {
        let mut list = Self::default();
        for job in all {
            match list.places.entry(job.name.clone()) {
                Entry::Occupied(known) => list.jobs[*known.get()] = job,
                Entry::Vacant(new) => {
                    new.insert(list.jobs.len());
                    list.jobs.push(job);
                }
            }
        }
        list
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
