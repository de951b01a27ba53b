//! How many threads the requests about one cluster occupy at the same time.
//!
//! All dialects and clusters share the threads for what blocks. A cluster that answers slowly, and allocations, which wait for their
//! jobs to start, must leave some to the others.

use std::sync::Arc;
use std::time::Duration;

use jobgate_slurm::operations::Call as Operation;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many allocations wait at the same time.
const ALLOCATIONS: usize = 32;
/// So many other requests are carried out.
const OTHERS: usize = 256;
/// The most threads that one cluster's requests occupy.
pub(crate) const MOST: usize = ALLOCATIONS + OTHERS;
/// A request waits so long for its turn.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The turns of one cluster.
#[derive(Debug)]
pub(super) struct Turns {
    allocations: Arc<Semaphore>,
    others: Arc<Semaphore>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { allocations: Arc::new(Semaphore::new(ALLOCATIONS)), others: Arc::new(Semaphore::new(OTHERS)) }
    }
}

impl Turns {
    /// Waits for a turn, which is over when what this gives is dropped. `None`: there was none in time.
    pub(super) async fn take(&self, operation: Operation) -> Option<OwnedSemaphorePermit> {
        let turns = match operation {
            Operation::PostJobAllocate => &self.allocations,
            _ => &self.others,
        };
        tokio::time::timeout(PATIENCE, Arc::clone(turns).acquire_owned()).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn allocations_leave_room_for_the_rest() {
        let turns = Turns::default();
        let mut taken = Vec::new();
        for _ in 0..ALLOCATIONS {
            taken.push(turns.take(Operation::PostJobAllocate).await.unwrap());
        }
        assert!(turns.take(Operation::PostJobAllocate).await.is_none());
        assert!(turns.take(Operation::PostJobSubmit).await.is_some());
        taken.pop();
        assert!(turns.take(Operation::PostJobAllocate).await.is_some());
    }
}
