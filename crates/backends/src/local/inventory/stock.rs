//! The inventory of a moment, without making it anew each time.

use std::sync::{Arc, Mutex, PoisonError};

use jobgate_model::Error;
use jobgate_slurm::books::Enforce;
use rusqlite::Connection;

use super::Inventory;
use super::build::{Records, Site};
use crate::local::books::Shelf;
use crate::local::queue;
use crate::local::settings::LocalSettings;

/// The configuration, and what was made of it last.
#[derive(Debug)]
pub(in crate::local) struct Stock {
    site: Site,
    /// The accounting books as they were read last.
    pub(in crate::local) books: Shelf,
    last: Mutex<Option<Last>>,
}

#[derive(Debug, Clone)]
struct Last {
    /// The number of the change that it holds.
    number: i64,
    records: Arc<Records>,
    /// If it does not depend on the time.
    inventory: Option<Arc<Inventory>>,
}

impl Stock {
    /// The configuration, if it makes sense.
    pub(in crate::local) fn of(settings: &LocalSettings) -> Result<Self, Error> {
        Ok(Self { site: Site::of(settings)?, books: Shelf::default(), last: Mutex::default() })
    }

    /// What of the accounting books is enforced.
    pub(in crate::local) fn enforce(&self) -> Enforce {
        self.site.enforce
    }

    /// The inventory as a connection sees it that has changed nothing itself.
    pub(in crate::local) fn committed(&self, connection: &Connection, now: f64) -> rusqlite::Result<Arc<Inventory>> {
        let number = queue::changes(connection)?.inventory;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let known = if let Some(known) = last.take().filter(|last| last.number == number) {
            known
        } else {
            let records = Arc::new(Records::load(connection)?);
            let is_timeless = records.reservations.is_empty();
            let inventory = is_timeless.then(|| Arc::new(self.site.inventory(&records, now)));
            Last { number, records, inventory }
        };
        let known = last.insert(known);
        Ok(known.inventory.clone().unwrap_or_else(|| Arc::new(self.site.inventory(&known.records, now))))
    }

    /// The inventory as a transaction sees it that may have changed it and may be taken back.
    pub(in crate::local) fn uncommitted(&self, tx: &Connection, now: f64) -> rusqlite::Result<Arc<Inventory>> {
        Ok(Arc::new(self.site.inventory(&Records::load(tx)?, now)))
    }

    /// The inventory without any changes.
    #[cfg(test)]
    pub(in crate::local) fn configured(&self, now: f64) -> Inventory {
        self.site.inventory(&Records::default(), now)
    }
}
