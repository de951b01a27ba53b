//! Starting what can start.

use std::collections::BTreeSet;
use std::io;
use std::time::Instant;

use jobgate_model::State;

use super::Pass;
use crate::local::cluster::{Share, UNLIMITED};
use crate::local::inventory::{Countable, Inventory};
use crate::local::queue::{self, Candidate, Run, Started};
use crate::local::request::clamp;
use crate::local::schedule::{Decision, Obstacle, Placed, Running, Snapshot, Start, Waiting, schedule};
use crate::local::spawn;

/// So many waiting runs are looked at in one pass. What comes later cannot start before these in order, and backfill finds
/// enough among them.
const WINDOW: usize = 256;

impl Pass<'_> {
    /// Starts what can start now.
    pub(in crate::local) fn start_what_fits(&mut self) -> rusqlite::Result<()> {
        let began = Instant::now();
        let inventory = std::sync::Arc::clone(&self.inventory);
        let rows = queue::running(self.tx)?;
        if !self.reconsider && nothing_is_free(&inventory, &rows) {
            return Ok(());
        }
        let running = rows.iter().map(|run| as_running(run, &inventory)).collect();
        let mut candidates = queue::ready(self.tx, WINDOW)?;
        for id in &self.fresh {
            candidates.extend(queue::waiting(self.tx, *id)?);
        }
        if candidates.is_empty() {
            return Ok(());
        }
        candidates.sort_by_key(|candidate| (std::cmp::Reverse(candidate.priority), candidate.run.id));
        let waiting: Vec<Waiting> =
            candidates.iter().map(|candidate| within(candidate.run.clone(), &inventory)).collect();
        let snapshot = Snapshot { now: self.now, inventory: &inventory, running, waiting };
        let decisions = schedule(&snapshot);
        self.count_cycle(&decisions, began);
        let mut in_use = gpus_in_use(&rows, &inventory);
        for decision in decisions {
            match decision {
                Decision::Start(start) => self.start(&start, &inventory, &mut in_use)?,
                Decision::Wait { id, why, expected, .. } => self.note_outlook(id, why, expected, &candidates)?,
            }
        }
        Ok(())
    }

    fn note_outlook(
        &self,
        id: i64,
        why: Obstacle,
        expected: Option<f64>,
        candidates: &[Candidate],
    ) -> rusqlite::Result<()> {
        // That something else comes first, or is in use, is seen from the order.
        let reason = (!matches!(why, Obstacle::Resources | Obstacle::Priority)).then(|| why.text());
        let known = candidates.iter().find(|candidate| candidate.run.id == id).map(|candidate| &candidate.outlook);
        let is_news = known.is_none_or(|(text, at)| {
            text.as_deref() != reason || (at.unwrap_or(0.0) - expected.unwrap_or(0.0)).abs() >= 1.0
        });
        if is_news { queue::set_outlook(self.tx, id, reason, expected) } else { Ok(()) }
    }

    fn count_cycle(&mut self, decisions: &[Decision], began: Instant) {
        let counters = &mut self.counters;
        let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let backfilled = |decision: &&Decision| matches!(decision, Decision::Start(start) if start.backfilled);
        let filled = decisions.iter().filter(backfilled).count() as u64;
        let keeps = |decision: &Decision| matches!(decision, Decision::Wait { expected: Some(_), .. });
        counters.cycles += 1;
        counters.last_cycle = self.now;
        counters.cycle_last = took;
        counters.cycle_max = counters.cycle_max.max(took);
        counters.cycle_sum = counters.cycle_sum.saturating_add(took);
        counters.depth_last = decisions.len() as u64;
        counters.depth_sum += decisions.len() as u64;
        counters.backfill_cycles += u64::from(decisions.iter().any(keeps));
        counters.backfilled += filled;
        if filled > 0 {
            counters.backfilled_last = filled;
        }
    }

    fn start(&mut self, start: &Start, inventory: &Inventory, in_use: &mut [BTreeSet<u32>]) -> rusqlite::Result<()> {
        let Some(mut run) = queue::by_id(self.tx, start.id)? else { return Ok(()) };
        let fresh = self.fresh.contains(&run.id);
        run.allocation = start.placement.iter().map(|placed| share(placed, inventory, in_use)).collect();
        run.gpus = visible_gpus(&run.allocation, inventory);
        run.partition = Some(start.partition.clone());
        run.reservation.clone_from(&start.reservation);
        run.started = Some(self.now);
        let environment = queue::environment(self.tx, run.environment)?;
        match spawn::runner(self.settings, &run, &environment, fresh) {
            Ok(spawned) => {
                let started = Started {
                    runner: &spawned.identity,
                    allocation: &run.allocation,
                    gpus: &run.gpus,
                    partition: &start.partition,
                    reservation: start.reservation.as_deref(),
                };
                queue::start(self.tx, run.id, &started, self.now)?;
                if fresh {
                    queue::set_native(self.tx, run.id, &spawned.native)?;
                    self.effects.started.insert(run.id, spawned.native.clone());
                }
                self.effects.spawned.push(spawned);
                self.touched.nodes = true;
                self.counters.started += 1;
                self.settle_awaiting(run.id)
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory) => {
                tracing::warn!(%error, "cannot start a runner now");
                self.effects.retry = true;
                Ok(())
            }
            Err(error) => {
                let reason = format!("cannot start {}: {error}", self.settings.runner.display());
                if fresh {
                    self.effects.refused.insert(run.id, reason);
                    queue::delete(self.tx, run.id)
                } else {
                    self.end_and_tell(&run, State::Failed, &reason)
                }
            }
        }
    }
}

/// The nodes that are kept for runs that wait.
pub(in crate::local) fn planned_nodes(
    connection: &rusqlite::Connection,
    inventory: &Inventory,
    running: &[Run],
    now: f64,
) -> rusqlite::Result<BTreeSet<usize>> {
    let candidates = queue::ready(connection, WINDOW)?;
    if candidates.is_empty() {
        return Ok(BTreeSet::new());
    }
    let running = running.iter().map(|run| as_running(run, inventory)).collect();
    let waiting = candidates.into_iter().map(|candidate| within(candidate.run, inventory)).collect();
    let decisions = schedule(&Snapshot { now, inventory, running, waiting });
    let kept = decisions.into_iter().filter_map(|decision| match decision {
        Decision::Wait { nodes, .. } => Some(nodes),
        Decision::Start(_) => None,
    });
    Ok(kept.flatten().collect())
}

/// No core is free on a node that takes runs.
fn nothing_is_free(inventory: &Inventory, running: &[Run]) -> bool {
    let mut used = vec![0u64; inventory.nodes.len()];
    for share in running.iter().flat_map(|run| &run.allocation) {
        if let Some(index) = inventory.node(&share.node) {
            used[index] = used[index].saturating_add(share.cores);
        }
    }
    inventory.nodes.iter().zip(used).all(|(node, used)| !node.takes_runs() || used >= node.cores)
}

/// A waiting run as the scheduler has to see it: what there is may have become less since it was accepted.
fn within(mut run: Waiting, inventory: &Inventory) -> Waiting {
    if !inventory.has_partitions || run.partitions.is_empty() {
        run.partitions = vec![inventory.default_partition().to_owned()];
    }
    if run.need.lenient
        && let Some((name, partition)) =
            run.partitions.first().and_then(|name| inventory.partitions.get_key_value(name))
    {
        clamp(&mut run.need, name, partition, inventory);
    }
    if run.limit >= UNLIMITED as f64 * 60.0 {
        run.limit = f64::INFINITY;
    }
    run
}

/// A running run as the scheduler sees it.
pub(in crate::local) fn as_running(run: &Run, inventory: &Inventory) -> Running {
    let placement: Vec<Placed> = run
        .allocation
        .iter()
        .filter_map(|share| {
            let node = inventory.node(&share.node)?;
            let gpus = share.gpus.len() as u64;
            Some(Placed { node, tasks: share.tasks, cores: share.cores, memory: share.memory, gpus })
        })
        .collect();
    let cores = run.allocation.iter().map(|share| share.cores).sum();
    let countable = Countable {
        licences: &run.need.licences,
        partition: run.partition.as_deref().unwrap_or(&run.partitions),
        qos: run.qos.as_deref(),
        account: run.account.as_deref(),
        user: &run.owner,
    };
    let counted = inventory.counted(&countable, cores);
    Running { placement, counted, ends: ends(run), reservation: run.reservation.clone() }
}

/// When a running run's time limit ends it, unix seconds.
pub(in crate::local) fn ends(run: &Run) -> f64 {
    if run.minutes >= UNLIMITED || run.suspended.is_some() {
        return f64::INFINITY;
    }
    run.started.unwrap_or_default() + run.paused + run.minutes as f64 * 60.0
}

/// The numbers of the GPUs in use, by node.
fn gpus_in_use(running: &[Run], inventory: &Inventory) -> Vec<BTreeSet<u32>> {
    let mut in_use = vec![BTreeSet::new(); inventory.nodes.len()];
    for share in running.iter().flat_map(|run| &run.allocation) {
        if let Some(index) = inventory.node(&share.node) {
            in_use[index].extend(&share.gpus);
        }
    }
    in_use
}

/// What a run gets of a node, with the lowest GPUs that nobody else has.
fn share(placed: &Placed, inventory: &Inventory, in_use: &mut [BTreeSet<u32>]) -> Share {
    let node = &inventory.nodes[placed.node];
    let taken = &mut in_use[placed.node];
    let all = 0..u32::try_from(node.gpus).unwrap_or(u32::MAX);
    let wanted = usize::try_from(placed.gpus).unwrap_or(usize::MAX);
    let gpus: Vec<u32> = all.filter(|gpu| !taken.contains(gpu)).take(wanted).collect();
    taken.extend(&gpus);
    Share { node: node.name.clone(), tasks: placed.tasks, cores: placed.cores, memory: placed.memory, gpus }
}

/// The machine's GPUs: the nodes' follow each other in the nodes' order.
fn visible_gpus(allocation: &[Share], inventory: &Inventory) -> Vec<u32> {
    let before = |index: usize| inventory.nodes[..index].iter().map(|node| node.gpus).sum::<u64>();
    let of = |share: &Share| {
        let first = inventory.node(&share.node).map_or(0, before);
        share.gpus.iter().map(|gpu| gpu + u32::try_from(first).unwrap_or(0)).collect::<Vec<_>>()
    };
    allocation.iter().flat_map(of).collect()
}
