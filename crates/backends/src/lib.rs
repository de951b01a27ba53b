//! Runs jobs: the embedded batch system `local`, the classic `at`, and Slurm.
//!
//! Each is a [`Backend`]: it hands runs over, finds them again by their marker, and says what it knows of them. What a run
//! itself does, on whatever machine, is [`execute`]. Programs are started in this crate only.

mod accounts;
mod at;
pub mod autosubmit;
mod command;
mod console;
pub mod execute;
pub mod filters;
mod journal;
pub mod local;
mod process;
mod slurm;
pub mod srun;

use std::path::PathBuf;
use std::sync::Arc;

use jobgate_model::{Backend, Error};

pub use accounts::UserEntry;
pub use at::At;
pub use console::note;
pub use local::show::{ClusterSettings, LocalCluster};
pub use local::{Bookkeeping, Local, LocalSettings};
pub use slurm::accounting::AccountingPrograms;
pub use slurm::remote::{Asking, Described, Munge, Remote, RemoteSettings, RemoteSite, RemoteView, SlurmPrograms};
pub use slurm::{Either, Slurm};

/// The names of all backends, as they stand in a configuration.
pub const KINDS: [&str; 3] = ["local", "at", "slurm"];

/// What backends need to know about this installation.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Our own program, by an absolute path: it is started as `PROGRAM runner ...` to execute a run.
    pub runner: PathBuf,
    /// The embedded batch system.
    pub local: LocalSettings,
    /// The real cluster, if it is configured by its controller.
    pub cluster: Option<Arc<Remote>>,
}

/// Opens a backend by its name. To be called once for each name and cluster; all places of that kind share it.
pub fn open(kind: &str, settings: &Settings) -> Result<Arc<dyn Backend>, Error> {
    match kind {
        "local" => Ok(Local::open(settings.local.clone())?),
        "at" => Ok(Arc::new(At::new(settings.runner.clone(), settings.local.state_dir.clone()))),
        "slurm" => {
            let commands = Slurm::new(settings.runner.clone(), settings.local.state_dir.clone());
            let Some(cluster) = settings.cluster.clone() else { return Ok(Arc::new(commands)) };
            let conf = match &cluster.programs {
                SlurmPrograms::Usual => None,
                SlurmPrograms::With(conf) => Some(conf.clone()),
                SlurmPrograms::Others => return Ok(open_described(cluster, settings)),
            };
            let controller = Described::new(cluster, settings.local.bookkeeping.login.clone());
            Ok(Arc::new(Either::new(commands.of_cluster(conf), controller)))
        }
        _ => Err(Error::invalid(format!("unknown backend type {kind:?}, expected one of {}", KINDS.join(", ")))),
    }
}

/// Opens a real cluster as a place for jobs of Slurm's own dialect only.
pub fn open_described(cluster: Arc<Remote>, settings: &Settings) -> Arc<dyn Backend> {
    Arc::new(Described::new(cluster, settings.local.bookkeeping.login.clone()))
}
