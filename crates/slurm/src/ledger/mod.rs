//! The accounting database of a real cluster, asked in the words of the REST API: whoever answers (a site's slurmrestd, or Slurm's
//! programs) has the caller's credential and decides itself who may do what.
//!
//! Who answers may not have the version of the API that a question is in. Then the question is put in a version that it has, and
//! the answer comes back in that of the question (`translate.rs`).

mod translate;

use std::fmt;

use serde_json::Value;

pub use translate::{Put, Told};

use crate::cluster::{Answer, Fault};
use crate::errno::Errno;
use crate::objects::{DbdJobsResp, JobRecord};
use crate::operations::{Call, OPERATIONS, Operation};
use crate::rpc::Credential;
use crate::table::Reader;
use crate::version::Version;

/// No time in what is asked of accounting, or told by it, is without a zone: all are unix seconds.
static UTC: jiff::tz::TimeZone = jiff::tz::TimeZone::UTC;

/// What is asked of an accounting database.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// What is to be done.
    pub call: Call,
    /// In which version it is said, and is to be answered.
    pub version: Version,
    /// The open part of the path, as it stands in a URL: encoded.
    pub name: String,
    /// The parameters, decoded.
    pub query: Vec<(String, String)>,
    /// The body; `Null`: none.
    pub body: Value,
}

impl Question {
    /// A question without a body.
    pub fn new(call: Call, version: Version) -> Self {
        Self { call, version, name: String::new(), query: Vec::new(), body: Value::Null }
    }

    /// The operation that it means in a version; `None`: that version has none.
    pub(crate) fn operation(&self, version: Version) -> Option<&'static Operation> {
        OPERATIONS.iter().find(|operation| operation.call == self.call && operation.is_in(version))
    }

    /// Nothing is changed by it, so that it may be asked twice.
    pub fn is_read(&self) -> bool {
        self.operation(self.version).is_none_or(|operation| operation.method == crate::operations::Method::Get)
    }
}

/// Who answered, and in which version it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// For example `slurmrestd` or `sacct`.
    pub by: &'static str,
    /// The version in which it was asked.
    pub version: Version,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.by, self.version)
    }
}

/// An accounting database that answers questions of the REST API. All calls may block.
pub trait Ledger: Send + Sync + fmt::Debug {
    /// Asks as this caller. A fault means that nobody has answered; what was refused is an answer.
    fn ask(&self, who: &Credential, question: &Question) -> Answer<Told>;
}

/// The records of jobs with these numbers, all tasks of an array included, as far as the caller may see them. An empty list
/// means that the database knows none.
pub fn records(ledger: &dyn Ledger, who: &Credential, jobs: &[i64]) -> Answer<Vec<JobRecord>> {
    let failed = |why: String| Fault::new(Errno::DB_CONNECTION, why);
    let mut question = Question::new(Call::DbdGetJobs, Version::V45);
    // one by one: slurmrestd does not understand a list with an encoded comma
    question.query = jobs.iter().map(|job| ("step".into(), job.to_string())).collect();
    question.query.push(("skip_steps".into(), "true".into()));
    let told = ledger.ask(who, &question)?;
    let said: Value = serde_json::from_slice(&told.body)
        .map_err(|error| failed(format!("what {} says of jobs cannot be read: {error}", told.way)))?;
    if told.status != 200 {
        let why = said["errors"][0]["description"].as_str().unwrap_or("no reason was given");
        return Err(failed(format!("{} does not say what became of jobs ({}): {why}", told.way, told.status)));
    }
    let mut reader = Reader::new(Version::V45, 0, &UTC);
    let said: DbdJobsResp = reader.object(said);
    said.jobs.ok_or_else(|| failed(format!("what {} says of jobs has no list of them", told.way)))
}

#[cfg(test)]
mod tests;
