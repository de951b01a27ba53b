//! Where on the nodes a run fits.

use crate::local::inventory::Node;
use crate::local::need::{Gpus, Memory, Need};

/// What a run is to have of one node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::local) struct Placed {
    /// The node's index.
    pub(in crate::local) node: usize,
    pub(in crate::local) tasks: u64,
    pub(in crate::local) cores: u64,
    /// Bytes; 0: not accounted.
    pub(in crate::local) memory: u64,
    pub(in crate::local) gpus: u64,
}

/// What a node has to offer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Offer<'a> {
    /// Its index.
    pub(super) index: usize,
    pub(super) node: &'a Node,
    /// Free cores.
    pub(super) cores: u64,
    /// Free bytes.
    pub(super) memory: u64,
    /// Free GPUs.
    pub(super) gpus: u64,
    /// Nothing is on it.
    pub(super) idle: bool,
    /// The run must have it.
    pub(super) required: bool,
}

/// A node that can take at least one task.
#[derive(Debug, Clone, Copy)]
struct Able<'a> {
    offer: Offer<'a>,
    tasks: u64,
}

/// Places a run on as few of the offered nodes as it can, the light ones first; `None`: it does not fit. Where it fits, it fits
/// as well when more is free.
pub(super) fn place(need: &Need, offers: &[Offer<'_>], max_nodes: Option<u64>) -> Option<Vec<Placed>> {
    let most = need.max_nodes.unwrap_or(u64::MAX).min(max_nodes.unwrap_or(u64::MAX));
    let mut able: Vec<Able<'_>> = Vec::with_capacity(offers.len());
    for offer in offers {
        match tasks_on(need, offer) {
            Some(tasks) => able.push(Able { offer: *offer, tasks }),
            None if offer.required => return None,
            None => {}
        }
    }
    able.sort_by_key(|able| (!able.offer.required, able.offer.node.weight, able.offer.index));
    let required = able.iter().filter(|able| able.offer.required).count();
    if need.min_nodes <= 1 && required <= 1 {
        let candidates = if required == 1 { &able[..1] } else { &able[..] };
        if let Some(one) = candidates.iter().find(|able| enough(need, std::slice::from_ref(*able))) {
            return Some(shares(need, std::slice::from_ref(one)));
        }
    }
    if first_enough(need, &able, required, most).is_none() {
        // Fewer, larger nodes.
        let gpus_first = matches!(need.gpus, Gpus::PerRun(_));
        let gpus = |able: &Able<'_>| if gpus_first { able.offer.gpus } else { 0 };
        able.sort_by_key(|able| (!able.offer.required, std::cmp::Reverse((gpus(able), able.tasks)), able.offer.index));
    }
    let chosen = first_enough(need, &able, required, most)?;
    let mut chosen = chosen.to_vec();
    chosen.sort_by_key(|able| able.offer.index);
    Some(shares(need, &chosen))
}

/// How many tasks of the run the node can take now; `None`: it is of no use to it.
fn tasks_on(need: &Need, offer: &Offer<'_>) -> Option<u64> {
    if need.exclusive && !offer.idle {
        return None;
    }
    let cores = need.cores_per_task.max(1);
    let mut tasks = offer.cores / cores;
    match need.memory {
        Memory::Unsaid => {}
        Memory::PerNode(bytes) if bytes <= offer.memory => {}
        Memory::AllOfNode if offer.memory == offer.node.memory => {}
        Memory::PerNode(_) | Memory::AllOfNode => return None,
        Memory::PerCore(bytes) => tasks = tasks.min(offer.memory / bytes.saturating_mul(cores).max(1)),
    }
    match need.gpus {
        Gpus::PerNode(count) if count > offer.gpus => return None,
        Gpus::PerTask(count) if count > 0 => tasks = tasks.min(offer.gpus / count),
        _ => {}
    }
    tasks = tasks.min(need.tasks_per_node.unwrap_or(u64::MAX));
    (tasks > 0).then_some(tasks)
}

/// How many tasks of a run these nodes could take if nothing were on them.
pub(in crate::local) fn tasks_on_empty(need: &Need, nodes: &[&Node]) -> u64 {
    let offer = |node| Offer {
        index: 0,
        node,
        cores: node.cores,
        memory: node.memory,
        gpus: node.gpus,
        idle: true,
        required: false,
    };
    nodes.iter().filter_map(|node| tasks_on(need, &offer(node))).fold(0, u64::saturating_add)
}

fn enough(need: &Need, chosen: &[Able<'_>]) -> bool {
    let sum = |of: fn(&Able<'_>) -> u64| chosen.iter().map(of).fold(0, u64::saturating_add);
    let gpus = match need.gpus {
        Gpus::PerRun(count) => count,
        _ => 0,
    };
    chosen.len() as u64 >= need.min_nodes && sum(|able| able.tasks) >= need.tasks && sum(|able| able.offer.gpus) >= gpus
}

/// The shortest beginning of the list that is enough.
fn first_enough<'a, 'b>(need: &Need, able: &'a [Able<'b>], required: usize, most: u64) -> Option<&'a [Able<'b>]> {
    let most = usize::try_from(most).unwrap_or(usize::MAX).min(able.len());
    (required.max(1)..=most).map(|count| &able[..count]).find(|chosen| enough(need, chosen))
}

/// Fills the first nodes and leaves a task for each of the others.
fn shares(need: &Need, chosen: &[Able<'_>]) -> Vec<Placed> {
    let mut tasks_left = need.tasks;
    let mut gpus_left = match need.gpus {
        Gpus::PerRun(count) => count,
        _ => 0,
    };
    let mut placement = Vec::with_capacity(chosen.len());
    for (at, able) in chosen.iter().enumerate() {
        let offer = &able.offer;
        let behind = (chosen.len() - 1 - at) as u64;
        let tasks = tasks_left.saturating_sub(behind).max(1).min(able.tasks).min(tasks_left);
        tasks_left -= tasks;
        let cores = if need.exclusive { offer.node.cores } else { tasks.saturating_mul(need.cores_per_task).max(1) };
        let memory = match need.memory {
            Memory::Unsaid => 0,
            Memory::PerNode(bytes) => bytes,
            Memory::PerCore(bytes) => bytes.saturating_mul(cores).min(offer.memory),
            Memory::AllOfNode => offer.node.memory,
        };
        let gpus = match need.gpus {
            Gpus::None => 0,
            Gpus::PerNode(count) => count,
            Gpus::PerTask(count) => count.saturating_mul(tasks),
            Gpus::PerRun(_) => gpus_left.min(offer.gpus),
        };
        gpus_left = gpus_left.saturating_sub(gpus);
        placement.push(Placed { node: offer.index, tasks, cores, memory, gpus });
    }
    placement
}
