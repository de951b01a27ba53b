//! Runs jobs.
mod console;
pub mod execute;
mod journal;
mod process;
pub use console::note;
