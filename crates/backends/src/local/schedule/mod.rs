//! Which waiting runs start now, and where: a pure function, without IO and without a clock.
//!
//! First come, first served within a priority, with backfill. A run that does not fit now gets a place at the earliest time at
//! which it will (from the time limits of what runs), and that place counts as taken for all that come later: they start
//! before it only if they end by then or leave alone what it needs. Places are kept for the first such run of each list of
//! partitions or reservation, so the first waiting run is never delayed by one that came later. Nothing starts that would
//! still be there when a reservation begins, unless it belongs to it.

mod place;
mod profile;

use std::collections::BTreeSet;

use place::{Offer, place};
pub(super) use place::{Placed, tasks_on_empty};
use profile::Profile;

use super::cluster::PartitionState;
use super::constraint::Constraint;
use super::inventory::{Countable, Counter, Inventory, Partition, Reservation};
use super::need::{Gpus, Need};

/// What is known when a decision is made. Runs that are held, wait for others or for a time are not in it.
#[derive(Debug, Clone)]
pub(super) struct Snapshot<'a> {
    /// Now, unix seconds.
    pub(super) now: f64,
    /// All that there is.
    pub(super) inventory: &'a Inventory,
    /// What runs.
    pub(super) running: Vec<Running>,
    /// What may start, in the order in which it should.
    pub(super) waiting: Vec<Waiting>,
}

/// A run that runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Running {
    /// What it has of nodes.
    pub(super) placement: Vec<Placed>,
    /// What it counts for.
    pub(super) counted: Vec<(Counter, u64)>,
    /// When its time limit ends it, unix seconds.
    pub(super) ends: f64,
    /// The reservation that it runs in.
    pub(super) reservation: Option<String>,
}

/// A run that waits.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Waiting {
    /// Its number.
    pub(super) id: i64,
    /// What it needs.
    pub(super) need: Need,
    /// Its time limit in seconds.
    pub(super) limit: f64,
    /// The partitions that it may run in, the preferred one first.
    pub(super) partitions: Vec<String>,
    /// The reservations that it asked for.
    pub(super) reservations: Vec<String>,
    pub(super) qos: Option<String>,
    pub(super) account: Option<String>,
    pub(super) owner: String,
}

/// What was decided of a run.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Decision {
    Start(Start),
    Wait {
        /// Its number.
        id: i64,
        why: Obstacle,
        /// When it will start at the latest, where a place is kept for it; unix seconds.
        expected: Option<f64>,
        /// The nodes of that place.
        nodes: Vec<usize>,
    },
}

/// A run that starts now.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Start {
    /// Its number.
    pub(super) id: i64,
    pub(super) placement: Vec<Placed>,
    pub(super) partition: String,
    pub(super) reservation: Option<String>,
    /// It goes before one that came earlier.
    pub(super) backfilled: bool,
}

/// Why a run does not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// Something that it needs is in use.
    Resources,
    /// It would be in the way of runs that come earlier.
    Priority,
    Licences,
    PartitionCores,
    PartitionDown,
    PartitionInactive,
    PartitionTimeLimit,
    PartitionNodeLimit,
    QosTimeLimit,
    QosUserRuns,
    QosUserCores,
    QosCores,
    AssociationRuns,
    AccountRuns,
    AccountCores,
    /// Its reservation does not hold (long enough).
    Reservation,
    /// Its reservation is gone.
    ReservationDeleted,
    /// Nodes that it needs are down or drained, or reserved for others.
    NodesUnavailable,
    /// There are no such nodes.
    NoSuchNodes,
}

/// A run past its time limit is about to be stopped: it is expected to be gone after so many seconds.
const OVERDUE: f64 = 10.0;
/// For so many runs places are kept at the same time.
const MOST_KEPT: usize = 8;
/// So many times at most are tried for one place.
const MOST_TIMES: usize = 512;

/// Decides. The decisions are in the order of `waiting`, and end where nothing is free any more; those that start over-commit
/// nothing.
pub(super) fn schedule(snapshot: &Snapshot<'_>) -> Vec<Decision> {
    let mut search = Search::new(snapshot);
    let mut kept_for: BTreeSet<(&[String], &[String])> = BTreeSet::new();
    let mut decisions = Vec::new();
    for run in &snapshot.waiting {
        if !kept_for.is_empty() && search.nothing_is_free() {
            break;
        }
        let why = match search.find(run, snapshot.now) {
            Ok(found) => {
                search.take(&found, run, snapshot.now);
                let Found { placement, partition, reservation, .. } = found;
                let backfilled = !kept_for.is_empty();
                decisions.push(Decision::Start(Start { id: run.id, placement, partition, reservation, backfilled }));
                continue;
            }
            Err(why) => why,
        };
        let line = (run.partitions.as_slice(), run.reservations.as_slice());
        let first = !kept_for.contains(&line);
        let mut decision = Decision::Wait { id: run.id, why, expected: None, nodes: Vec::new() };
        if !why.passes_by_itself() {
            // It holds up nobody.
        } else if !first {
            decision = Decision::Wait { id: run.id, why: why.behind(), expected: None, nodes: Vec::new() };
        } else if kept_for.len() < MOST_KEPT
            && let Some((at, found)) = search.earliest(run)
        {
            search.take(&found, run, at);
            kept_for.insert(line);
            let nodes = found.placement.iter().map(|placed| placed.node).collect();
            decision = Decision::Wait { id: run.id, why, expected: Some(at), nodes };
        }
        decisions.push(decision);
    }
    decisions
}

impl Obstacle {
    /// Whether it goes away when what runs ends.
    fn passes_by_itself(self) -> bool {
        matches!(
            self,
            Self::Resources
                | Self::Priority
                | Self::Licences
                | Self::PartitionCores
                | Self::Reservation
                | Self::NodesUnavailable
        )
    }

    /// What is said of runs that come later than one with the same obstacle.
    fn behind(self) -> Self {
        if self == Self::Resources { Self::Priority } else { self }
    }

    fn of_counter(counter: &Counter) -> Self {
        match counter {
            Counter::Licence(_) => Self::Licences,
            Counter::PartitionCores(_) => Self::PartitionCores,
            Counter::QosCores(_) => Self::QosCores,
            Counter::QosUserRuns(..) => Self::QosUserRuns,
            Counter::QosUserCores(..) => Self::QosUserCores,
            Counter::AssociationRuns(..) => Self::AssociationRuns,
            Counter::AccountRuns(_) => Self::AccountRuns,
            Counter::AccountCores(_) => Self::AccountCores,
        }
    }

    /// It in Slurm's words.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Resources => "Resources",
            Self::Priority => "Priority",
            Self::Licences => "Licenses",
            Self::PartitionCores | Self::QosCores => "QOSGrpCpuLimit",
            Self::PartitionDown => "PartitionDown",
            Self::PartitionInactive => "PartitionInactive",
            Self::PartitionTimeLimit => "PartitionTimeLimit",
            Self::PartitionNodeLimit => "PartitionNodeLimit",
            Self::QosTimeLimit => "QOSMaxWallDurationPerJobLimit",
            Self::QosUserRuns => "QOSMaxJobsPerUserLimit",
            Self::QosUserCores => "QOSMaxCpuPerUserLimit",
            Self::AssociationRuns => "AssocMaxJobsLimit",
            Self::AccountRuns => "AssocGrpJobsLimit",
            Self::AccountCores => "AssocGrpCpuLimit",
            Self::Reservation => "Reservation",
            Self::ReservationDeleted => "ReservationDeleted",
            Self::NodesUnavailable => "ReqNodeNotAvail",
            Self::NoSuchNodes => "BadConstraints",
        }
    }
}

/// What of a partition or quality of service keeps a run from starting, whatever is free.
pub(super) fn forbidden(
    inventory: &Inventory,
    partition: &str,
    qos: Option<&str>,
    need: &Need,
    limit: f64,
) -> Option<Obstacle> {
    let longer = |minutes: Option<i64>| minutes.is_some_and(|minutes| limit > minutes as f64 * 60.0);
    let Some(at) = inventory.partitions.get(partition) else { return Some(Obstacle::PartitionDown) };
    match at.state {
        PartitionState::Down => return Some(Obstacle::PartitionDown),
        PartitionState::Inactive => return Some(Obstacle::PartitionInactive),
        PartitionState::Up | PartitionState::Drain => {}
    }
    if longer(at.minutes) {
        return Some(Obstacle::PartitionTimeLimit);
    }
    if at.max_nodes.is_some_and(|most| need.min_nodes > most) {
        return Some(Obstacle::PartitionNodeLimit);
    }
    let of_qos = [qos, at.qos.as_deref()].into_iter().flatten().filter_map(|name| inventory.qos.get(name));
    of_qos.map(|qos| qos.minutes).any(longer).then_some(Obstacle::QosTimeLimit)
}

/// Whether a run would fit on some nodes of a partition if nothing else were there; down nodes count.
pub(super) fn fits_empty(inventory: &Inventory, partition: &Partition, need: &Need) -> bool {
    let empty = Profile::new(inventory.nodes.len());
    let all = |_: usize| true;
    fit(inventory, &empty, partition, need, &all, (0.0, 1.0)).is_some()
}

/// A place for a run.
#[derive(Debug)]
struct Found {
    placement: Vec<Placed>,
    partition: String,
    reservation: Option<String>,
    counted: Vec<(Counter, u64)>,
}

/// The state of a search.
struct Search<'a> {
    now: f64,
    inventory: &'a Inventory,
    profile: Profile,
}

impl<'a> Search<'a> {
    fn new(snapshot: &Snapshot<'a>) -> Self {
        let inventory = snapshot.inventory;
        let mut profile = Profile::new(inventory.nodes.len());
        for run in &snapshot.running {
            let ends = if run.ends > snapshot.now { run.ends } else { snapshot.now + OVERDUE };
            profile.take(&run.placement, &run.counted, f64::NEG_INFINITY, ends);
        }
        for (name, reservation) in &inventory.reservations {
            for (licence, count) in &reservation.licences {
                let members = snapshot.running.iter().filter(|run| run.reservation.as_ref() == Some(name));
                let of_licence = Counter::Licence(licence.clone());
                let used: u64 = members
                    .flat_map(|run| run.counted.iter().filter(|(counter, _)| *counter == of_licence))
                    .map(|(_, count)| *count)
                    .sum();
                for window in &reservation.windows {
                    profile.keep_licence(name, licence, count.saturating_sub(used), *window);
                }
            }
        }
        Self { now: snapshot.now, inventory, profile }
    }

    fn nothing_is_free(&self) -> bool {
        let is_full = |(index, node): (usize, &super::inventory::Node)| {
            !node.takes_runs() || self.profile.used(index, self.now, self.now).cores >= node.cores
        };
        self.inventory.nodes.iter().enumerate().all(is_full)
    }

    fn take(&mut self, found: &Found, run: &Waiting, from: f64) {
        self.profile.take(&found.placement, &found.counted, from, from + run.limit);
    }

    /// A place from then on.
    fn find(&self, run: &Waiting, from: f64) -> Result<Found, Obstacle> {
        let mut why = Obstacle::PartitionDown;
        for (at, partition) in run.partitions.iter().enumerate() {
            match self.find_in(run, partition, from) {
                Ok(found) => return Ok(found),
                // What keeps it out of the preferred partition is said, unless it fits into another one later.
                Err(obstacle) if at == 0 || obstacle.passes_by_itself() && !why.passes_by_itself() => why = obstacle,
                Err(_) => {}
            }
        }
        Err(why)
    }

    fn find_in(&self, run: &Waiting, partition: &str, from: f64) -> Result<Found, Obstacle> {
        let forbidden = forbidden(self.inventory, partition, run.qos.as_deref(), &run.need, run.limit);
        if let Some(obstacle) = forbidden {
            return Err(obstacle);
        }
        let part = &self.inventory.partitions[partition];
        if !run.reservations.is_empty() {
            let mut why = Obstacle::ReservationDeleted;
            for name in &run.reservations {
                let Some(reservation) = self.inventory.reservations.get(name) else { continue };
                match self.find_inside(run, (partition, part), (name, reservation), from) {
                    Ok(found) => return Ok(found),
                    Err(obstacle) => why = obstacle,
                }
            }
            return Err(why);
        }
        let account = run.account.as_deref();
        for (name, reservation) in &self.inventory.reservations {
            if reservation.has("MAGNETIC")
                && reservation.admits(&run.owner, account)
                && let Ok(found) = self.find_inside(run, (partition, part), (name, reservation), from)
            {
                return Ok(found);
            }
        }
        let until = from + run.limit;
        let open =
            |index: usize| self.inventory.nodes[index].takes_runs() && !self.is_reserved(index, None, from, until);
        self.find_on(run, (partition, part), None, &open, from)
    }

    /// A place in a reservation.
    fn find_inside(
        &self,
        run: &Waiting,
        partition: (&str, &Partition),
        (name, reservation): (&str, &Reservation),
        from: f64,
    ) -> Result<Found, Obstacle> {
        let until = from + run.limit;
        if !reservation.spans(from, until) || reservation.partition.as_deref().is_some_and(|only| only != partition.0) {
            return Err(Obstacle::Reservation);
        }
        let open = |index: usize| {
            reservation.nodes.contains(&index)
                && self.inventory.nodes[index].takes_runs()
                && (reservation.overlaps_others() || !self.is_reserved(index, Some(name), from, until))
        };
        self.find_on(run, partition, Some(name), &open, from)
    }

    fn find_on(
        &self,
        run: &Waiting,
        (name, partition): (&str, &Partition),
        reservation: Option<&str>,
        open: &dyn Fn(usize) -> bool,
        from: f64,
    ) -> Result<Found, Obstacle> {
        let until = from + run.limit;
        let Some(placement) = fit(self.inventory, &self.profile, partition, &run.need, open, (from, until)) else {
            return Err(self.why_not(run, partition, open));
        };
        let cores = placement.iter().map(|placed| placed.cores).sum();
        let countable = Countable {
            licences: &run.need.licences,
            partition: name,
            qos: run.qos.as_deref(),
            account: run.account.as_deref(),
            user: &run.owner,
        };
        let counted = self.inventory.counted(&countable, cores);
        if let Some(counter) = self.profile.lacks(self.inventory, &counted, reservation, from, until) {
            return Err(Obstacle::of_counter(counter));
        }
        let (partition, reservation) = (name.to_owned(), reservation.map(str::to_owned));
        Ok(Found { placement, partition, reservation, counted })
    }

    fn why_not(&self, run: &Waiting, partition: &Partition, open: &dyn Fn(usize) -> bool) -> Obstacle {
        let empty = Profile::new(self.inventory.nodes.len());
        let fits = |open: &dyn Fn(usize) -> bool| {
            fit(self.inventory, &empty, partition, &run.need, open, (self.now, self.now + run.limit)).is_some()
        };
        if fits(open) {
            Obstacle::Resources
        } else if fits(&|_| true) {
            Obstacle::NodesUnavailable
        } else {
            Obstacle::NoSuchNodes
        }
    }

    /// Whether a reservation (not this one) has the node at some time between these two.
    fn is_reserved(&self, node: usize, but: Option<&str>, from: f64, until: f64) -> bool {
        self.inventory.reservations.iter().any(|(name, reservation)| {
            Some(name.as_str()) != but && reservation.nodes.contains(&node) && reservation.meets(from, until)
        })
    }

    /// The earliest time at which it will fit, as far as is known now.
    fn earliest(&self, run: &Waiting) -> Option<(f64, Found)> {
        let mut times = self.profile.ends(self.now);
        for reservation in self.inventory.reservations.values() {
            times.extend(reservation.windows.iter().flat_map(|(start, end)| [*start, *end]));
        }
        times.retain(|time| *time > self.now && time.is_finite());
        times.sort_by(f64::total_cmp);
        times.dedup();
        let try_at = |at: usize| Some((times[at], self.find(run, times[at]).ok()?));
        let step = times.len().div_ceil(MOST_TIMES).max(1);
        let mut coarse = (step - 1..times.len()).step_by(step).chain(times.len().checked_sub(1));
        let (at, found) = coarse.find_map(|at| Some((at, try_at(at)?)))?;
        (at.saturating_sub(step - 1)..at).find_map(try_at).or(Some(found))
    }
}

/// Places a run on nodes of a partition that are `open` to it, between these times.
fn fit(
    inventory: &Inventory,
    profile: &Profile,
    partition: &Partition,
    need: &Need,
    open: &dyn Fn(usize) -> bool,
    (from, until): (f64, f64),
) -> Option<Vec<Placed>> {
    let constraint = need.constraint.as_deref().and_then(Constraint::parse);
    let alternatives = constraint.map_or_else(|| vec![None], |all| all.alternatives().into_iter().map(Some).collect());
    let mut offers = Vec::with_capacity(partition.nodes.len());
    for index in partition.nodes.iter().copied().filter(|index| open(*index)) {
        let node = &inventory.nodes[index];
        if need.exclude.contains(&node.name) {
            continue;
        }
        let used = profile.used(index, from, until);
        let typed = need.gpus == Gpus::None || need.gpu_type.is_none() || need.gpu_type == node.gpu_type;
        offers.push(Offer {
            index,
            node,
            cores: node.cores.saturating_sub(used.cores),
            memory: node.memory.saturating_sub(used.memory),
            gpus: if typed { node.gpus.saturating_sub(used.gpus) } else { 0 },
            idle: used.runs == 0,
            required: need.nodelist.contains(&node.name),
        });
    }
    let required = offers.iter().filter(|offer| offer.required).count();
    if required < need.nodelist.len() {
        return None;
    }
    alternatives.into_iter().find_map(|constraint| {
        let allowed = |offer: &&Offer<'_>| constraint.as_ref().is_none_or(|one| one.allows(&offer.node.features));
        let offers: Vec<Offer<'_>> = offers.iter().filter(allowed).copied().collect();
        (offers.iter().filter(|offer| offer.required).count() == required)
            .then(|| place(need, &offers, partition.max_nodes))?
    })
}

#[cfg(test)]
mod tests;
