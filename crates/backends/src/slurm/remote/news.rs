//! Who has all that is known already waits for the next look at the cluster: nobody looks more often for that.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jobgate_slurm::cluster::{Listed, Stamp};
use jobgate_slurm::rpc::Listing;

use super::RemoteView;
use super::kept::{Glimpse, Kept};

/// Nobody waits longer.
const LONGEST: Duration = Duration::from_secs(5);
/// So many wait at the same time, as each keeps a thread; others get what is known.
const MOST: usize = 64;

/// How many wait.
#[derive(Debug, Default)]
pub(super) struct Waiting(AtomicUsize);

impl Waiting {
    fn wait(&self, time: Duration) {
        if self.0.fetch_add(1, Ordering::Relaxed) < MOST {
            std::thread::sleep(time);
        }
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// When a listing changed last.
pub(super) fn stamp<T>(glimpse: &Glimpse<Listing<T>>) -> Stamp {
    let changed = glimpse.value.last_update;
    Stamp { number: glimpse.number, changed, known: changed + glimpse.lasted.as_secs(), backfill: 0 }
}

impl RemoteView {
    /// What was asked for earlier is too old.
    pub(super) fn since(&self) -> Instant {
        self.later.get().copied().unwrap_or(self.first)
    }

    /// Waits until the controller is asked again, if somebody has all that is known, which is so until `has` (unix seconds).
    pub(super) fn wait_for_news(&self, of: Listed, has: u64) {
        let known = match of {
            Listed::Nodes => self.known(&self.class.nodes),
            Listed::Partitions => self.known(&self.class.partitions),
            Listed::Reservations => self.known(&self.class.reservations),
            // what has changed of jobs since a time is never more than what is known
            Listed::Jobs | Listed::Licenses => None,
        };
        let Some((until, asked)) = known else { return };
        let freshness = self.remote.freshness;
        // of what will be so in a year there is no news
        let is_all = (until..=until + freshness.as_secs() + 1).contains(&has);
        let left = (asked + freshness).saturating_duration_since(Instant::now());
        if is_all && !left.is_zero() && left <= LONGEST {
            self.remote.waiting.wait(left);
            let now = Instant::now();
            let _ = self.later.set(now.checked_sub(freshness).unwrap_or(now));
        }
    }

    /// Until when something is known that would be shown as it is, unix seconds, and when it was asked for.
    fn known<T: Send + Sync + 'static>(&self, kept: &Arc<Kept<Listing<T>>>) -> Option<(u64, Instant)> {
        let glimpse = kept.peek(self.since())?;
        Some((stamp(&glimpse).known, glimpse.asked))
    }
}
