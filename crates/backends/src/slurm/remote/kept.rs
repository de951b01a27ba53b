//! What was read of a controller, kept for a moment: however many want it, one asks.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use jobgate_slurm::cluster::{Answer, Fault};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::rpc::{Error, Fresh};

use super::Wire;
use super::away::fault_of;

/// Who has a copy already waits so long for a new one that was asked for, and then takes the old one.
const PATIENCE: Duration = Duration::from_secs(1);

/// A thing that is kept.
#[derive(Debug)]
pub(super) struct Kept<T> {
    slot: Mutex<Slot<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Slot<T> {
    copy: Option<Held<T>>,
    /// Somebody is asking, since then.
    asking: Option<Instant>,
    /// The last time nothing came of it: when that was begun, and why.
    failed: Option<(Instant, Fault)>,
}

#[derive(Debug)]
struct Held<T> {
    value: Arc<T>,
    number: u64,
    /// When it was asked for first, as it is.
    new: Instant,
    /// When it was asked for last.
    asked: Instant,
    /// Only what has changed since is wanted the next time, unix seconds.
    since: Option<u64>,
}

/// A thing as it was when it was read.
#[derive(Debug)]
pub(super) struct Glimpse<T> {
    pub(super) value: Arc<T>,
    /// No other thing has this number.
    pub(super) number: u64,
    /// When it was asked for.
    pub(super) asked: Instant,
    /// For so long it had not changed when it was asked for last.
    pub(super) lasted: Duration,
    /// Why it is older than it should be, if it is.
    pub(super) stale: Option<Fault>,
}

/// What came of asking: the thing, and since when changes of it are to be asked for the next time, if that can be asked.
pub(super) type Asked<T> = Result<Fresh<(T, Option<u64>)>, Error>;

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { slot: Mutex::new(Slot { copy: None, asking: None, failed: None }), changed: Condvar::new() }
    }
}

impl<T: Send + Sync + 'static> Kept<T> {
    /// The thing, asked for not before `since`; older only if the controller does not answer. `ask` is called in a thread of
    /// its own, by one of all who want the thing.
    pub(super) fn get(
        self: &Arc<Self>,
        wire: &Arc<Wire>,
        since: Instant,
        ask: impl FnOnce(&Wire, Option<u64>) -> Asked<T> + Send + 'static,
    ) -> Answer<Glimpse<T>> {
        self.get_within(wire, since, wire.patience(), ask)
    }

    /// The same; who has no copy waits so long.
    pub(super) fn get_within(
        self: &Arc<Self>,
        wire: &Arc<Wire>,
        since: Instant,
        without: Duration,
        ask: impl FnOnce(&Wire, Option<u64>) -> Asked<T> + Send + 'static,
    ) -> Answer<Glimpse<T>> {
        let begun = Instant::now();
        let mut ask = Some(ask);
        // what the controller says about who has asked is nobody else's
        let refused = Arc::new(OnceLock::new());
        let mut slot = self.lock();
        loop {
            if let Some(fault) = refused.get() {
                return Err(Fault::clone(fault));
            }
            if let Some(held) = slot.copy.as_ref().filter(|held| held.asked >= since) {
                return Ok(held.glimpse(None));
            }
            if let Some((_, fault)) = slot.failed.as_ref().filter(|(begun, _)| *begun >= since) {
                return slot.old(fault.clone());
            }
            if slot.asking.is_none() {
                if let Some((fault, _)) = wire.away.why(Instant::now()) {
                    return slot.old(fault);
                }
                let Some(ask) = ask.take() else {
                    return slot.old(Fault::new(Errno::CONTROLLER_RECEIVE, "the controller was asked in vain"));
                };
                slot.asking = Some(Instant::now());
                let changes_since = slot.copy.as_ref().and_then(|held| held.since).filter(|_| slot.failed.is_none());
                let (kept, wire) = (Arc::clone(self), Arc::clone(wire));
                let refused = Arc::clone(&refused);
                std::thread::spawn(move || kept.renew(&wire, changes_since, ask, &refused));
            }
            // of a controller that hangs nobody waits for what others have waited for already
            let waited = slot.asking.map_or_else(|| begun.elapsed(), |asking| asking.elapsed());
            let patience = if slot.copy.is_some() { PATIENCE } else { without };
            let Some(left) = patience.checked_sub(waited).filter(|left| !left.is_zero()) else {
                return slot.old(Fault::new(Errno::CONTROLLER_RECEIVE, "the controller has not answered yet"));
            };
            slot = self.changed.wait_timeout(slot, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The copy, if it was asked for not before `since`.
    pub(super) fn peek(&self, since: Instant) -> Option<Glimpse<T>> {
        let slot = self.lock();
        slot.copy.as_ref().filter(|held| held.asked >= since).map(|held| held.glimpse(None))
    }

    /// The copy, however old it is.
    pub(super) fn peek_any(&self) -> Option<Glimpse<T>> {
        self.lock().copy.as_ref().map(|held| held.glimpse(None))
    }

    fn renew(
        &self,
        wire: &Wire,
        since: Option<u64>,
        ask: impl FnOnce(&Wire, Option<u64>) -> Asked<T>,
        refused: &OnceLock<Fault>,
    ) {
        // also if reading the answer should panic
        let _done = Done(self);
        let begun = Instant::now();
        let outcome = ask(wire, since);
        let mut slot = self.lock();
        match outcome {
            Ok(Fresh::New((value, since))) => {
                slot.failed = None;
                slot.copy =
                    Some(Held { value: Arc::new(value), number: wire.number(), new: begun, asked: begun, since });
            }
            Ok(Fresh::Unchanged) => {
                slot.failed = None;
                if let Some(held) = &mut slot.copy {
                    held.asked = begun;
                }
            }
            Err(error) if error.is_authentication() => drop(refused.set(fault_of(&error))),
            Err(error) => {
                // what the controller does not let somebody see any more is not shown from memory
                if matches!(error, Error::Refused { errno, .. } if errno != Errno::BUSY) {
                    slot.copy = None;
                }
                slot.failed = Some((begun, fault_of(&error)));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slot<T>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody asks any more, whatever came of it.
struct Done<'a, T>(&'a Kept<T>);

impl<T> Drop for Done<'_, T> {
    fn drop(&mut self) {
        self.0.slot.lock().unwrap_or_else(PoisonError::into_inner).asking = None;
        self.0.changed.notify_all();
    }
}

impl<T> Slot<T> {
    fn old(&self, why: Fault) -> Answer<Glimpse<T>> {
        match &self.copy {
            Some(held) => Ok(held.glimpse(Some(why))),
            None => Err(why),
        }
    }
}

impl<T> Clone for Glimpse<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), stale: self.stale.clone(), ..*self }
    }
}

impl<T> Held<T> {
    fn glimpse(&self, stale: Option<Fault>) -> Glimpse<T> {
        let lasted = self.asked.duration_since(self.new);
        Glimpse { value: Arc::clone(&self.value), number: self.number, asked: self.asked, lasted, stale }
    }
}

#[cfg(test)]
mod tests;
