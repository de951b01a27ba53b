//! Runs jobs: the embedded batch system `local`, the classic `at`, and Slurm by its commands.
//!
//! Each is a [`Backend`]: it hands runs over, finds them again by their marker, and says what it knows of them. What a run
//! itself does, on whatever machine, is [`execute`]. Programs are started in this crate only.

mod at;
mod command;
mod console;
pub mod execute;
mod journal;
pub mod local;
mod process;
mod slurm;

use std::path::PathBuf;
use std::sync::Arc;

use jobgate_model::{Backend, Error};

pub use at::At;
pub use console::note;
pub use local::{Local, LocalSettings};
pub use slurm::Slurm;

/// The names of all backends, as they stand in a configuration.
pub const KINDS: [&str; 3] = ["local", "at", "slurm"];

/// What backends need to know about this installation.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Our own program, by an absolute path: it is started as `PROGRAM runner ...` to execute a run.
    pub runner: PathBuf,
    /// The embedded batch system.
    pub local: LocalSettings,
}

/// Opens a backend by its name. To be called once for each name; all places of that kind share it.
pub fn open(kind: &str, settings: &Settings) -> Result<Arc<dyn Backend>, Error> {
    match kind {
        "local" => Ok(Local::open(settings.local.clone())?),
        "at" => Ok(Arc::new(At::new(settings.runner.clone(), settings.local.state_dir.clone()))),
        "slurm" => Ok(Arc::new(Slurm::new(settings.runner.clone(), settings.local.state_dir.clone()))),
        _ => Err(Error::invalid(format!("unknown backend type {kind:?}, expected one of {}", KINDS.join(", ")))),
    }
}
