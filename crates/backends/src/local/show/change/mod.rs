//! From Slurm's requests to changes of runs, nodes, partitions and reservations.

mod job;
mod node;
mod partition;
mod reservation;

use jobgate_slurm::cluster::Fault;
use jobgate_slurm::errno::Errno;

pub(super) use job::{job, said};
pub(super) use node::nodes;
pub(super) use partition::partition;
pub(super) use reservation::reservation;

/// Refuses what this batch system has not, naming it.
fn unsupported(what: &str) -> Fault {
    Fault::new(Errno::NOT_SUPPORTED, format!("{what} cannot be changed: the embedded batch system has no such thing"))
}
