//! What an owner may have: runs under way, and bytes in the directories of its jobs. Runs are counted in the transaction that
//! intends them. Bytes are measured in the background (`measure.rs`); what is being uploaded meanwhile is counted here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jobgate_model::{Error, LOCAL, Principal, Role};

use super::Engine;
use crate::store::usage::{self, Limits};
use crate::types::{JobKey, Need};

/// What is being uploaded to the jobs of each owner, by this process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flights(Arc<Mutex<HashMap<String, Flight>>>);

#[derive(Debug, Default)]
struct Flight {
    /// Uploads under way.
    rooms: usize,
    /// Bytes of theirs.
    flying: u64,
    /// What the owner's jobs take, as last known.
    stored: u64,
    /// How many uploads have ended and become a part of what is stored.
    landed: u64,
}

impl Flights {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Flight>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The room that an upload takes. Dropping it without [`Engine::keep`] gives it back.
#[derive(Debug)]
pub struct Room {
    flights: Flights,
    owner: String,
    key: JobKey,
    limit: Option<u64>,
    taken: u64,
}

impl Room {
    /// Takes so many bytes more, or says that there are not so many. Never blocks for long.
    pub fn take(&mut self, bytes: u64) -> Result<(), Error> {
        let mut flights = self.flights.lock();
        let Some(flight) = flights.get_mut(&self.owner) else { return Ok(()) };
        let wanted = flight.stored.saturating_add(flight.flying).saturating_add(bytes);
        if let Some(limit) = self.limit.filter(|limit| wanted > *limit) {
            return Err(usage::full(&self.owner, wanted, limit));
        }
        flight.flying += bytes;
        self.taken += bytes;
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut flights = self.flights.lock();
        if let Some(flight) = flights.get_mut(&self.owner) {
            flight.flying = flight.flying.saturating_sub(self.taken);
            flight.rooms = flight.rooms.saturating_sub(1);
            if flight.rooms == 0 {
                flights.remove(&self.owner);
            }
        }
    }
}

impl Engine {
    /// The room for an upload to a job, which counts for the job's owner. `Exhausted`: there is none left.
    pub fn room(&self, who: &Principal, key: JobKey) -> Result<Room, Error> {
        let owner = self.admitted(who, Need::Write, key)?.job.owner;
        let limit = self.limits(who, &owner).stored;
        let flights = self.flights.clone();
        flights.lock().entry(owner.clone()).or_default().rooms += 1;
        let mut room = Room { flights, owner, key, limit, taken: 0 };
        if limit.is_some() {
            self.know_stored(&room)?;
        }
        room.take(0)?;
        Ok(room)
    }

    /// An upload has arrived: what it took is stored now.
    pub fn keep(&self, mut room: Room) -> Result<(), Error> {
        if self.setup.quotas.stored.is_none() {
            return Ok(());
        }
        let (key, bytes) = (room.key, room.taken);
        self.store.update(move |connection| usage::grew(connection, key, bytes))?;
        if let Some(flight) = room.flights.lock().get_mut(&room.owner) {
            flight.flying = flight.flying.saturating_sub(bytes);
            flight.stored += bytes;
            flight.landed += 1;
        }
        room.taken = 0;
        Ok(())
    }

    /// Looks up what the owner's jobs take. An upload that ends meanwhile must not be missed.
    fn know_stored(&self, room: &Room) -> Result<(), Error> {
        loop {
            let landed = room.flights.lock().get(&room.owner).map_or(0, |flight| flight.landed);
            let stored = self.store.read(|connection| usage::stored(connection, &room.owner))?;
            let mut flights = room.flights.lock();
            let Some(flight) = flights.get_mut(&room.owner) else { return Ok(()) };
            if flight.landed == landed {
                flight.stored = stored;
                return Ok(());
            }
        }
    }

    /// The limits of what this principal does on account of that owner. Administrators have none, and neither has the owner of
    /// psik's local mode.
    pub(super) fn limits(&self, who: &Principal, owner: &str) -> Limits {
        let quotas = &self.setup.quotas;
        if who.role == Role::Administrator || owner == LOCAL || quotas.exempt.contains(owner) {
            return Limits::default();
        }
        Limits { live_jobs: quotas.live_jobs, stored: quotas.stored }
    }
}
