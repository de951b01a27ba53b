//! Why something was not done.

use thiserror::Error;

use crate::databases::DatabaseError;
use crate::machine::{MachineError, Said};

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RunnerError {
    /// There is no profile of that name.
    #[error("Invalid profile name")]
    Profile,
    /// A profile lacks what it needs.
    #[error("Profile is missing required fields")]
    Fields,
    /// The site's file does not permit that runner or loader.
    #[error("Runner or module loader is not enabled in the config file")]
    Forbidden,
    /// There is no runner of that kind.
    #[error("Unknown runner type: {0}")]
    Kind(String),
    /// There is no loader of that kind.
    #[error("Unknown module type: {0}")]
    LoaderKind(String),
    /// The modules are not what the loader needs.
    #[error("{0}")]
    Modules(&'static str),
    /// The SSH host, user or port is none.
    #[error("the SSH runner needs a host, a user and a port such as they are in names: letters, digits, `.`, `-`, `_`")]
    Host,
    /// The expid is none that Autosubmit makes.
    #[error("{0:?} is no experiment identifier: a small letter, then at least three small letters or digits")]
    Expid(String),
    /// A text is too long or cannot be an argument.
    #[error("{0} is too long or has a NUL in it")]
    Text(&'static str),
    /// A new experiment has no description.
    #[error("Description is required to create an experiment.")]
    NoDescription,
    /// The experiment runs already.
    #[error("Runner for experiment {0} is already running.")]
    Running(String),
    /// The experiment does not run.
    #[error("Experiment {0} is not running.")]
    NotRunning(String),
    /// Nobody ever ran the experiment here.
    #[error("No process found for expid {0}")]
    NoProcess(String),
    /// The run is on a machine that this one cannot look at.
    #[error("the run of {expid} is on {host}; it can be stopped there only")]
    Elsewhere {
        /// Which experiment
        expid: String,
        /// Where it runs
        host: String,
    },
    /// Autosubmit said no.
    #[error("autosubmit {command} failed with exit code {code}: {said}")]
    Failed {
        /// The command
        command: String,
        /// Its exit code
        code: i32,
        /// The last of what it said
        said: String,
    },
    /// Autosubmit made an experiment and did not say which.
    #[error("Failed to extract experiment ID from output.")]
    NoExpid,
    /// The run does not end.
    #[error("the run of {0} did not end although all its processes were killed")]
    Immortal(String),
    /// A program could not be run.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// The table of processes cannot be read or written.
    #[error("{0}")]
    Table(String),
}

impl From<DatabaseError> for RunnerError {
    fn from(error: DatabaseError) -> Self {
        Self::Table(error.to_string())
    }
}

/// Bytes of what a program said that go into an error.
const SAID: usize = 2000;

/// A command that said no.
pub(super) fn failed(command: &str, said: &Said) -> RunnerError {
    let text = if said.err.trim().is_empty() { said.out.trim() } else { said.err.trim() };
    let from = text.char_indices().rev().nth(SAID).map_or(0, |(at, _)| at);
    RunnerError::Failed { command: command.to_owned(), code: said.code.unwrap_or(-1), said: text[from..].to_owned() }
}
