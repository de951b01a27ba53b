//! The engine: one index and its places.

mod adopt;
mod cancel;
mod create;
mod housekeeping;
mod in_hand;
mod launch;
mod measure;
mod policy;
mod prefix;
mod quota;
mod reconcile;
mod record;
mod recover;
mod share;
mod show;
mod submit;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, OnceLock};

use jobgate_model::Error;

use crate::callbacks::Courier;
use crate::gateway::Bell;
use crate::store::Store;
use crate::store::board::Board;
use crate::types::{Place, Setup};

use self::prefix::open_prefix;
use self::quota::Flights;
pub use self::quota::Room;

/// The product's actions over one index and its places. Cheap to call from many threads at once.
#[derive(Debug)]
pub struct Engine {
    pub(crate) setup: Setup,
    pub(crate) store: Store,
    pub(crate) courier: Arc<Courier>,
    pub(crate) bell: Arc<Bell>,
    pub(crate) closed: AtomicBool,
    /// This process is a gateway: it looks after runs until their end.
    attended: AtomicBool,
    /// What listings show, while this process is a gateway.
    board: Mutex<Board>,
    /// The last stamp that was given out, in milliseconds.
    stamp: AtomicU64,
    /// Runs that a thread of this process is handing over right now.
    in_hand: in_hand::InHand,
    /// To whom it is told, in a gateway, that a job's directory is to be filled.
    filling: OnceLock<Sender<submit::Unfilled>>,
    /// Prefixes that are not the directories that they were.
    unknown: Mutex<HashSet<PathBuf>>,
    /// What is being uploaded.
    flights: Flights,
}

impl Engine {
    /// Opens (or makes) the index under `state_dir` and the prefixes of all places.
    pub fn open(mut setup: Setup) -> Result<Self, Error> {
        if setup.places.is_empty() {
            return Err(Error::invalid("no backend is configured; name at least one"));
        }
        for place in &mut setup.places {
            place.prefix = open_prefix(&place.prefix)?;
        }
        let store = Store::open(&setup.state_dir.join("index.db"))?;
        let courier = Arc::new(Courier::new(setup.callbacks.clone()));
        let engine = Self {
            setup,
            store,
            courier,
            bell: Arc::default(),
            closed: AtomicBool::new(false),
            attended: AtomicBool::new(false),
            board: Mutex::default(),
            stamp: AtomicU64::new(0),
            in_hand: in_hand::InHand::default(),
            filling: OnceLock::new(),
            unknown: Mutex::default(),
            flights: Flights::default(),
        };
        for prefix in engine.prefixes() {
            // It was said; what is there can be used.
            let _ = engine.expect_known(prefix);
        }
        engine.mend_after_restart()?;
        Ok(engine)
    }

    /// Places in the order of the configuration.
    pub fn places(&self) -> &[Place] {
        &self.setup.places
    }

    /// The place with this name.
    pub fn place(&self, name: &str) -> Option<&Place> {
        self.setup.places.iter().find(|place| place.name == name)
    }

    /// The place called `default`, otherwise the first.
    pub fn default_place(&self) -> &Place {
        self.place("default").unwrap_or(&self.setup.places[0])
    }

    /// Ends the background work.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.bell.ring_all();
        self.courier.wake();
    }

    pub(crate) fn now(&self) -> f64 {
        self.setup.clock.now()
    }

    /// The distinct prefixes, in the order of the places.
    pub(crate) fn prefixes(&self) -> Vec<&Path> {
        let mut all: Vec<&Path> = Vec::new();
        for place in &self.setup.places {
            if !all.contains(&place.prefix.as_path()) {
                all.push(&place.prefix);
            }
        }
        all
    }

    /// The place in which a job of this backend's name under this prefix runs.
    pub(crate) fn place_of(&self, backend: &str, prefix: &Path) -> Option<&Place> {
        self.setup.places.iter().find(|place| place.name == backend && place.prefix == prefix)
    }
}
