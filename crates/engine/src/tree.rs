//! The job directory tree: psik's files, read and written as psik itself does.
//!
//! `status.csv` is the journal of a job's transitions. Whoever reaches one appends a row with a single write under an
//! exclusive `flock`; readers take complete lines only. Everything here works on one job's directory and knows no index.

mod create;
mod journal;
mod measure;
mod reports;
mod spec;

pub use create::{create, describe, remove, reserve, restore};
pub use journal::{Journal, Row, Tail, append, console, invalid_rows, size, tail};
pub(crate) use measure::{BLOCK, Walk};
pub use reports::{announce_reports, reported};
pub use spec::{StoredSpec, read_spec};
