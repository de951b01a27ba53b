//! How many requests were answered: what `/diag` shows as RPCs.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jobgate_slurm::operations::Call as Operation;

/// Requests by operation and by user.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Counts>);

/// A count with the time that it took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Count {
    /// How many.
    pub(super) count: u64,
    /// Microseconds of all of them.
    pub(super) time: u64,
}

#[derive(Debug, Default)]
struct Counts {
    operations: BTreeMap<String, Count>,
    users: BTreeMap<String, Count>,
}

/// So many users are counted one by one; the rest is one.
const MOST_USERS: usize = 1000;

impl Tally {
    /// Counts one.
    pub(super) fn add(&self, operation: Operation, user: &str, took: Duration) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let count = |one: &mut Count| {
            one.count += 1;
            one.time = one.time.saturating_add(took);
        };
        count(counts.operations.entry(format!("{operation:?}")).or_default());
        let known = counts.users.len() < MOST_USERS || counts.users.contains_key(user);
        count(counts.users.entry(if known { user } else { "others" }.to_owned()).or_default());
    }

    /// By operation, in the order of their names.
    pub(super) fn operations(&self) -> Vec<(String, Count)> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.operations.iter().map(|(name, count)| (name.clone(), *count)).collect()
    }

    /// By user, in the order of their names.
    pub(super) fn users(&self) -> Vec<(String, Count)> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.users.iter().map(|(name, count)| (name.clone(), *count)).collect()
    }
}
