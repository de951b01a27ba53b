//! Which waiting runs start now: a pure function, without IO and without a clock.
//!
//! First come, first served within a priority, with backfill: the first run that does not fit now gets a reservation at
//! the earliest time at which it will (from the time limits of what runs), and later runs may start before it only if they
//! end by then or leave alone what it needs.

use std::collections::BTreeMap;

use super::request::Need;

/// What is known when a decision is made. Runs that are held, wait for others or for a time are not in it.
#[derive(Debug, Clone)]
pub(super) struct Snapshot<'a> {
    /// Now, unix seconds.
    pub(super) now: f64,
    /// All that can be in use at the same time.
    pub(super) total: &'a Need,
    /// What runs.
    pub(super) running: Vec<Running>,
    /// What may start, in the order in which it should.
    pub(super) waiting: Vec<Waiting>,
}

/// A run that runs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Running {
    /// What it uses.
    pub(super) need: Need,
    /// When its time limit ends it, unix seconds.
    pub(super) ends: f64,
    /// The GPUs that it was given.
    pub(super) gpus: Vec<u32>,
}

/// A run that waits.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Waiting {
    /// Its number.
    pub(super) id: i64,
    /// What it needs.
    pub(super) need: Need,
    /// Its time limit in seconds.
    pub(super) limit: f64,
}

/// A run that starts now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decision {
    /// Its number.
    pub(super) id: i64,
    /// The GPUs that it gets.
    pub(super) gpus: Vec<u32>,
}

/// A run past its time limit is about to be stopped: it is expected to be gone after so many seconds.
const OVERDUE: f64 = 10.0;

/// Decides. The result is in the order of `waiting`; nothing in it over-commits the machine.
pub(super) fn schedule(snapshot: &Snapshot<'_>) -> Vec<Decision> {
    let Snapshot { now, total, .. } = *snapshot;
    let mut running = snapshot.running.clone();
    let mut free = Free::of(total, &running);
    let mut reservation: Option<Reservation> = None;
    let mut decisions = Vec::new();
    for run in &snapshot.waiting {
        if free.cores == 0 {
            break;
        }
        // The machine has become smaller since it was accepted: it must not hold up the others.
        if !Free::of(total, &[]).has(&run.need) {
            continue;
        }
        let ends = now + run.limit;
        let may_start = free.has(&run.need) && reservation.as_mut().is_none_or(|held| held.lets_pass(&run.need, ends));
        if may_start {
            free.take(&run.need);
            let gpus = free_gpus(total.gpus, &running, run.need.gpus);
            running.push(Running { need: run.need.clone(), ends, gpus: gpus.clone() });
            decisions.push(Decision { id: run.id, gpus });
        } else if reservation.is_none() {
            reservation = Some(Reservation::make(&run.need, &free, &running, now));
        }
    }
    decisions
}

/// What is not in use.
#[derive(Debug, Clone)]
struct Free {
    cores: u64,
    memory: u64,
    gpus: u64,
    counters: BTreeMap<String, u64>,
}

impl Free {
    fn of(total: &Need, running: &[Running]) -> Self {
        let mut free =
            Self { cores: total.cores, memory: total.memory, gpus: total.gpus, counters: total.counters.clone() };
        for run in running {
            free.take(&run.need);
        }
        free
    }

    fn has(&self, need: &Need) -> bool {
        need.cores <= self.cores
            && need.memory <= self.memory
            && need.gpus <= self.gpus
            && need.counters.iter().all(|(name, count)| self.counters.get(name).is_some_and(|free| count <= free))
    }

    fn take(&mut self, need: &Need) {
        self.change(need, u64::saturating_sub);
    }

    fn give(&mut self, need: &Need) {
        self.change(need, u64::saturating_add);
    }

    fn change(&mut self, need: &Need, change: fn(u64, u64) -> u64) {
        self.cores = change(self.cores, need.cores);
        self.memory = change(self.memory, need.memory);
        self.gpus = change(self.gpus, need.gpus);
        for (name, count) in &need.counters {
            if let Some(free) = self.counters.get_mut(name) {
                *free = change(*free, *count);
            }
        }
    }
}

/// What is kept for the first run that does not fit now.
#[derive(Debug)]
struct Reservation {
    /// When it will fit at the latest.
    at: f64,
    /// What will be free then besides what it needs.
    spare: Free,
}

impl Reservation {
    fn make(need: &Need, free: &Free, running: &[Running], now: f64) -> Self {
        let mut ends: Vec<(f64, &Need)> = running.iter().map(|run| (run.ends.max(now + OVERDUE), &run.need)).collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut spare = free.clone();
        let mut at = now;
        for (end, used) in ends {
            if spare.has(need) && end > at {
                break;
            }
            spare.give(used);
            at = end;
        }
        spare.take(need);
        Self { at, spare }
    }

    /// Whether a run that ends then may start although it came later. If it stays beyond the reservation, it takes part of
    /// what is spare.
    fn lets_pass(&mut self, need: &Need, ends: f64) -> bool {
        if ends <= self.at {
            return true;
        }
        let fits = self.spare.has(need);
        if fits {
            self.spare.take(need);
        }
        fits
    }
}

/// The lowest GPUs that nobody was given.
fn free_gpus(total: u64, running: &[Running], count: u64) -> Vec<u32> {
    (0..u32::try_from(total).unwrap_or(u32::MAX))
        .filter(|gpu| !running.iter().any(|run| run.gpus.contains(gpu)))
        .take(usize::try_from(count).unwrap_or(usize::MAX))
        .collect()
}

#[cfg(test)]
mod tests;
