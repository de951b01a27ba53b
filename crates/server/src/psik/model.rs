//! The dialects' wire types, by their names there.

use jobgate_model::{JobNdx, State};
use serde::Serialize;

/// A transition of a job.
#[derive(Debug, Serialize)]
pub(super) struct JobStepInfo<'a> {
    pub(super) jobid: &'a str,
    /// `""` for a job without a name.
    pub(super) name: &'a str,
    /// Unix seconds.
    pub(super) updated: f64,
    pub(super) jobndx: JobNdx,
    pub(super) state: State,
    /// The native id, the exit code, or 0.
    pub(super) info: i64,
}

/// A backend and how it is.
#[derive(Debug, Serialize)]
pub(super) struct SystemStatus<'a> {
    pub(super) name: &'a str,
    pub(super) full_name: &'a str,
    pub(super) description: String,
    pub(super) system_type: &'a str,
    pub(super) notes: [&'a str; 0],
    pub(super) status: &'a str,
    /// UTC, RFC 3339 with microseconds.
    pub(super) updated_at: String,
}

/// What somebody reports of a job: the body of `POST /jobs/callback`.
#[derive(Debug, PartialEq)]
pub(super) struct Callback {
    pub(super) jobid: String,
    pub(super) jobndx: JobNdx,
    pub(super) state: State,
    /// `None`: not given.
    pub(super) info: Option<i64>,
}

/// An entry of a work directory.
#[derive(Debug, Serialize)]
pub(super) struct FileStat {
    pub(super) size: u64,
    /// Unix seconds.
    pub(super) atime: i64,
    /// Unix seconds.
    pub(super) mtime: i64,
    /// Whether it is a directory; psik_api 1 does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) children: Option<bool>,
}

/// The blocks of a token.
#[derive(Debug, Serialize)]
pub(super) enum TokenText {
    /// Datalog, the authority block first.
    #[serde(rename = "blocks")]
    Blocks(Vec<String>),
    /// It cannot be read.
    #[serde(rename = "BiscuitValidationError")]
    Unreadable(String),
}
