//! Wrappers: packages of jobs that a batch system sees as one.

use std::collections::HashMap;

use super::{Column, Database, DatabaseError, Source, text};

/// The packages of an experiment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packages {
    /// Package and job, in the order of the database: of the real packages, or of the previewed ones if there are no real ones.
    rows: Vec<(String, String)>,
    /// The last package of each job.
    of_job: HashMap<String, String>,
}

/// Tables since Autosubmit 4.1.17, and those before.
const TABLES: [[&str; 2]; 2] = [["wrappers_jobs", "preview_wrappers_jobs"], ["job_package", "wrapper_job_package"]];

impl Packages {
    /// Reads the packages from `job_packages_<expid>.db`, or from `job_list.db` since Autosubmit 4.2.
    pub fn read<'a>(source: impl Into<Source<'a>>) -> Result<Self, DatabaseError> {
        let database = Database::open(source)?;
        let columns = ["package_name", "job_name"].map(Column::Needed);
        for table in
            TABLES.iter().flat_map(|kind| kind.iter().take(1)).chain(TABLES.iter().flat_map(|kind| kind.iter().skip(1)))
        {
            let rows = database
                .read_if_there(table, &columns, "ORDER BY rowid", &[], |row| Some((text(row, 0)?, text(row, 1)?)))?;
            let packages: Self = rows.into_iter().flatten().collect();
            if !packages.rows.is_empty() {
                return Ok(packages);
            }
        }
        Ok(Self::default())
    }

    /// The package that a job belongs to; of several the last.
    pub fn of_job(&self, job: &str) -> Option<&str> {
        self.of_job.get(job).map(String::as_str)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.of_job.is_empty()
    }

    /// Each job with its package, in the order in which the jobs first appear.
    pub fn jobs(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut seen = std::collections::HashSet::new();
        self.rows
            .iter()
            .filter(move |(_, job)| seen.insert(job.as_str()))
            .filter_map(|(_, job)| Some((job.as_str(), self.of_job(job)?)))
    }

    /// The packages with their jobs, in the order in which they first appear.
    pub fn all(&self) -> Vec<(&str, Vec<&str>)> {
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut all: Vec<(&str, Vec<&str>)> = Vec::new();
        for (job, package) in self.jobs() {
            let place = *places.entry(package).or_insert_with(|| {
                all.push((package, Vec::new()));
                all.len() - 1
            });
            all[place].1.push(job);
        }
        all
    }
}

impl FromIterator<(String, String)> for Packages {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(rows: I) -> Self {
        let rows: Vec<_> = rows.into_iter().collect();
        let of_job = rows.iter().map(|(package, job)| (job.clone(), package.clone())).collect();
        Self { rows, of_job }
    }
}
