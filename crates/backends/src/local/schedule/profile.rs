//! What is free when: runs that run, places that are kept for later ones, and what both count for.

use crate::local::inventory::{Counter, Inventory};

use super::Placed;

/// Something in use for a time.
#[derive(Debug, Clone)]
struct Use<T> {
    from: f64,
    until: f64,
    what: T,
}

/// What is used of a node.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Amount {
    pub(super) cores: u64,
    pub(super) memory: u64,
    pub(super) gpus: u64,
    /// So many runs.
    pub(super) runs: u64,
}

impl Amount {
    fn plus(self, other: Self) -> Self {
        Self {
            cores: self.cores.saturating_add(other.cores),
            memory: self.memory.saturating_add(other.memory),
            gpus: self.gpus.saturating_add(other.gpus),
            runs: self.runs + other.runs,
        }
    }

    fn most(self, other: Self) -> Self {
        Self {
            cores: self.cores.max(other.cores),
            memory: self.memory.max(other.memory),
            gpus: self.gpus.max(other.gpus),
            runs: self.runs.max(other.runs),
        }
    }
}

/// The use of everything from now on.
#[derive(Debug, Clone)]
pub(super) struct Profile {
    nodes: Vec<Vec<Use<Amount>>>,
    counters: Vec<Use<(Counter, u64)>>,
    /// Licences that reservations keep from those who are not in them.
    kept: Vec<Use<(String, String, u64)>>,
    /// When something begins later than now.
    starts: Vec<f64>,
}

impl Profile {
    pub(super) fn new(nodes: usize) -> Self {
        Self { nodes: vec![Vec::new(); nodes], counters: Vec::new(), kept: Vec::new(), starts: Vec::new() }
    }

    /// Something is in use between these times.
    pub(super) fn take(&mut self, placement: &[Placed], counted: &[(Counter, u64)], from: f64, until: f64) {
        for placed in placement {
            let gpus = placed.gpus;
            let what = Amount { cores: placed.cores, memory: placed.memory, gpus, runs: 1 };
            self.nodes[placed.node].push(Use { from, until, what });
        }
        for counted in counted {
            self.counters.push(Use { from, until, what: counted.clone() });
        }
        self.begins(from);
    }

    /// A reservation keeps licences.
    pub(super) fn keep_licence(&mut self, reservation: &str, licence: &str, count: u64, window: (f64, f64)) {
        let what = (reservation.to_owned(), licence.to_owned(), count);
        self.kept.push(Use { from: window.0, until: window.1, what });
        self.begins(window.0);
    }

    fn begins(&mut self, from: f64) {
        if from.is_finite() && !self.starts.contains(&from) {
            self.starts.push(from);
        }
    }

    /// The most that is used of a node at any time between these two.
    pub(super) fn used(&self, node: usize, from: f64, until: f64) -> Amount {
        let at = |instant: f64| {
            let uses = self.nodes[node].iter().filter(|used| used.from <= instant && instant < used.until);
            uses.fold(Amount::default(), |sum, used| sum.plus(used.what))
        };
        self.instants(from, until).map(at).fold(Amount::default(), Amount::most)
    }

    /// Whether so many of these are to be had all the time between these two; the first that is not. `member_of`: the
    /// reservation whose licences count as free.
    pub(super) fn lacks<'a>(
        &self,
        inventory: &Inventory,
        counted: &'a [(Counter, u64)],
        member_of: Option<&str>,
        from: f64,
        until: f64,
    ) -> Option<&'a Counter> {
        let fits = |(counter, count): &(Counter, u64)| {
            let Some(capacity) = inventory.capacity(counter) else { return true };
            let used = |instant: f64| self.counted_at(counter, instant) + self.kept_at(counter, member_of, instant);
            self.instants(from, until).all(|instant| used(instant).saturating_add(*count) <= capacity)
        };
        counted.iter().find(|counted| !fits(counted)).map(|(counter, _)| counter)
    }

    fn counted_at(&self, counter: &Counter, instant: f64) -> u64 {
        let holds =
            |used: &&Use<(Counter, u64)>| used.from <= instant && instant < used.until && used.what.0 == *counter;
        self.counters.iter().filter(holds).map(|used| used.what.1).sum()
    }

    fn kept_at(&self, counter: &Counter, member_of: Option<&str>, instant: f64) -> u64 {
        let Counter::Licence(name) = counter else { return 0 };
        let holds = |used: &&Use<(String, String, u64)>| {
            let (reservation, licence, _) = &used.what;
            used.from <= instant && instant < used.until && licence == name && Some(reservation.as_str()) != member_of
        };
        self.kept.iter().filter(holds).map(|used| used.what.2).sum()
    }

    /// The times between these two at which more may be in use than before: use only grows when something begins.
    fn instants(&self, from: f64, until: f64) -> impl Iterator<Item = f64> + '_ {
        let later = self.starts.iter().copied().filter(move |start| from < *start && *start < until);
        std::iter::once(from).chain(later)
    }

    /// The times from `now` on at which something becomes free, in order.
    pub(super) fn ends(&self, now: f64) -> Vec<f64> {
        let of_nodes = self.nodes.iter().flatten().map(|used| used.until);
        let of_counters = self.counters.iter().map(|used| used.until);
        let of_kept = self.kept.iter().map(|used| used.until);
        of_nodes.chain(of_counters).chain(of_kept).filter(|end| *end > now && end.is_finite()).collect()
    }
}
