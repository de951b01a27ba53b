//! The machine that programs run on, as this crate asks for it: nothing is started here.

use std::fmt::Debug;
use std::time::Duration;

use thiserror::Error;

/// A program to run to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The program and its arguments; never the text of a shell, but for fixed scripts of ours
    pub argv: Vec<String>,
    /// What it reads from its standard input
    pub input: Vec<u8>,
    /// After so long it is killed
    pub time: Duration,
}

/// What a program said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said {
    /// Its exit code; `None` if a signal ended it
    pub code: Option<i32>,
    /// Its standard output
    pub out: String,
    /// Its errors
    pub err: String,
}

/// Why a program said nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MachineError {
    /// It never ran.
    #[error("cannot start {program}: {why}; is it installed, and in the PATH of this server?")]
    Start {
        /// Which program
        program: String,
        /// Why not
        why: String,
    },
    /// It was killed; whether it did what it was to do is not known.
    #[error("{program} was killed: {why}")]
    Killed {
        /// Which program
        program: String,
        /// Why
        why: String,
    },
}

/// Runs programs. Blocks until they end.
pub trait Machine: Debug + Send + Sync {
    /// Runs a program to its end, with the environment of this process but for its secrets.
    fn run(&self, call: &Call) -> Result<Said, MachineError>;
}
