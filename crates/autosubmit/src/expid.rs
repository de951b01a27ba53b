//! Names of experiments, and the places of an experiment's files.

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::rc::Rc;

/// The name of an experiment: letters, digits and `_`, so that it is safe as a part of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Expid(String);

/// A text that is no name of an experiment.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("this is no experiment identifier: letters and digits, at most {LONGEST}")]
pub struct ExpidError;

/// Characters of an expid; Autosubmit's have four and more.
const LONGEST: usize = 64;

impl Expid {
    /// Reads a name.
    pub fn parse(text: &str) -> Result<Self, ExpidError> {
        let fits = (1..=LONGEST).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if fits { Ok(Self(text.to_owned())) } else { Err(ExpidError) }
    }

    /// The expid that a job or log belongs to: what stands before the first `_`.
    pub fn of_name(name: &str) -> Result<Self, ExpidError> {
        Self::parse(name.split('_').next().unwrap_or_default())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Expid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where an experiment's files are.
#[derive(Debug, Clone)]
pub struct Places {
    /// `LOCAL_ROOT/<expid>`
    pub folder: PathBuf,
    /// Its configuration files
    pub conf: PathBuf,
    /// The job list of Autosubmit before 4.2
    pub pickle: PathBuf,
    /// The packages of Autosubmit before 4.2
    pub packages: PathBuf,
    /// Job list, structure and packages of Autosubmit 4.2
    pub job_list: PathBuf,
    /// The structure of Autosubmit before 4.2
    pub structure: PathBuf,
    /// The history of its runs
    pub history: PathBuf,
    /// The cached layout of its graph
    pub graph: PathBuf,
    /// Metrics that its jobs reported
    pub metrics: PathBuf,
    /// `tmp`
    pub tmp: PathBuf,
    /// Output of its jobs
    pub logs: PathBuf,
    /// Logs of Autosubmit's commands
    pub command_logs: PathBuf,
}

impl Places {
    /// The places of one experiment.
    pub fn of(rc: &Rc, expid: &Expid) -> Self {
        let folder = rc.root.join(expid.as_str());
        let tmp = folder.join("tmp");
        Self {
            conf: folder.join("conf"),
            pickle: folder.join(format!("pkl/job_list_{expid}.pkl")),
            packages: folder.join(format!("pkl/job_packages_{expid}.db")),
            job_list: folder.join("db/job_list.db"),
            structure: rc.structures.join(format!("structure_{expid}.db")),
            history: rc.history.join(format!("job_data_{expid}.db")),
            graph: rc.graphs.join(format!("graph_data_{expid}.db")),
            metrics: tmp.join(format!("metrics_{expid}.db")),
            logs: tmp.join(format!("LOG_{expid}")),
            command_logs: tmp.join("ASLOGS"),
            tmp,
            folder,
        }
    }

    /// The file of a job's tries.
    pub fn total_stats(&self, job: &str) -> Option<PathBuf> {
        plain(job).then(|| self.tmp.join(format!("{job}_TOTAL_STATS")))
    }

    /// The file in the folder of logs with this name, if it is a plain name.
    pub fn log(&self, name: &str) -> Option<PathBuf> {
        plain(name).then(|| self.logs.join(name))
    }
}

/// Whether a name is a single part of a path and leads nowhere else.
pub fn plain(name: &str) -> bool {
    !name.is_empty()
        && name != "."
        && name != ".."
        && !name.contains(['/', '\0'])
        && Path::new(name).file_name().is_some()
}

/// Which of the two layouts an experiment has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `pkl/`, before Autosubmit 4.2
    Pickle,
    /// `db/job_list.db`, since Autosubmit 4.2
    Database,
}

impl Layout {
    /// The layout of a version such as `4.1.17.1`. No version, or one that cannot be read, is an old one.
    pub fn of_version(version: Option<&str>) -> Self {
        match version.and_then(release) {
            Some(release) if release >= (4, 2) => Self::Database,
            _ => Self::Pickle,
        }
    }
}

/// The first two numbers of a version.
pub fn release(version: &str) -> Option<(u64, u64)> {
    let mut numbers = version.split('.').map(|number| number.trim().parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_names() {
        for right in ["a000", "t0ab", "zzzz", "a_b", "A1"] {
            assert_eq!(Expid::parse(right).map(|expid| expid.to_string()).as_deref(), Ok(right));
        }
        let long = "a".repeat(65);
        for wrong in ["", ".", "..", "../x", "a/b", "a\0", "a.b", "é", "a b", "%2e", long.as_str()] {
            assert_eq!(Expid::parse(wrong), Err(ExpidError), "{wrong}");
        }
        assert_eq!(Expid::of_name("a000_20000101_fc0_SIM").unwrap().as_str(), "a000");
        assert!(Expid::of_name("../a000_x").is_err());
    }

    #[test]
    fn names_of_logs_stay_in_their_folder() {
        let environment = crate::rc::Environment::default();
        let places = Places::of(&Rc::without_file(&environment), &Expid::parse("a000").unwrap());
        assert!(places.log("a000_SIM.out").unwrap().ends_with("a000/tmp/LOG_a000/a000_SIM.out"));
        for wrong in ["", ".", "..", "../x", "/etc/passwd", "a/../b", "a\0b"] {
            assert_eq!((places.log(wrong), places.total_stats(wrong).filter(|_| wrong.contains('/'))), (None, None));
        }
    }

    #[test]
    fn the_version_decides_the_layout() {
        for old in [None, Some(""), Some("3.14.0"), Some("4.1.17.1"), Some("develop"), Some("4")] {
            assert_eq!(Layout::of_version(old), Layout::Pickle, "{old:?}");
        }
        for new in ["4.2.0", "4.2", "4.10.1", "5.0.0b1", " 4.2.0", "4. 2"] {
            assert_eq!(Layout::of_version(Some(new)), Layout::Database, "{new}");
        }
    }
}
