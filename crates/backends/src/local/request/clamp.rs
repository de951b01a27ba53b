//! What becomes of a request in psik's manner that is larger than what there is: it gets all of it.

use crate::local::inventory::{Inventory, Node, Partition};
use crate::local::need::{Gpus, Memory, Need};
use crate::local::schedule::tasks_on_empty;

/// Makes a lenient need fit into a partition, and says what was taken off.
pub(in crate::local) fn clamp(
    need: &mut Need,
    name: &str,
    partition: &Partition,
    inventory: &Inventory,
) -> Option<String> {
    let nodes: Vec<&Node> = partition.nodes.iter().filter_map(|index| inventory.nodes.get(*index)).collect();
    if nodes.is_empty() {
        return None;
    }
    let there = if inventory.has_nodes { format!("partition {name} has") } else { "this machine has".to_owned() };
    let mut words = Vec::new();
    let mut cut = |what: &str, asked: u64, total: u64| {
        let is_more = asked > total;
        if is_more {
            words.push(format!("{asked} {what} were asked for, {there} {total}"));
        }
        is_more
    };
    let sum = |of: fn(&Node) -> u64| nodes.iter().map(|node| of(node)).fold(0, u64::saturating_add);
    let most = |of: fn(&Node) -> u64| nodes.iter().map(|node| of(node)).max().unwrap_or_default();

    need.min_nodes = need.min_nodes.min(nodes.len() as u64);
    let (total, largest) = (sum(|node| node.cores), most(|node| node.cores));
    let asked = need.tasks.saturating_mul(need.cores_per_task);
    if cut("cores", asked, total) {
        (need.tasks, need.cores_per_task, need.tasks_per_node) = (total, 1, None);
        if nodes.len() == 1 {
            (need.tasks, need.cores_per_task) = (1, total);
        }
    } else if cut("cores of one process", need.cores_per_task, largest) {
        need.cores_per_task = largest;
    } else if nodes.len() == 1 {
        need.tasks_per_node = None;
    }
    let memory = most(|node| node.memory);
    match need.memory {
        Memory::PerNode(bytes) if cut("bytes of memory", bytes, memory) => need.memory = Memory::PerNode(memory),
        Memory::PerCore(bytes) => {
            let of_task = bytes.saturating_mul(need.cores_per_task);
            let at_once = if nodes.len() == 1 { of_task.saturating_mul(need.tasks) } else { of_task };
            if cut("bytes of memory", at_once, memory) {
                need.memory = Memory::PerNode(memory);
            }
        }
        _ => {}
    }
    let gpus = sum(|node| node.gpus);
    if let Gpus::PerRun(count) = need.gpus
        && cut("GPUs", count, gpus)
    {
        need.gpus = if gpus > 0 { Gpus::PerRun(gpus) } else { Gpus::None };
    }
    // Whole processes may not fit as often as their cores would.
    let fitting = tasks_on_empty(need, &nodes);
    if fitting > 0 && cut("processes", need.tasks, fitting) {
        need.tasks = fitting;
    }
    if let Some(most) = partition.cores {
        let asked = need.tasks.saturating_mul(need.cores_per_task);
        if asked > most {
            words.push(format!("{asked} cores were asked for, partition {name} has {most}"));
            (need.tasks, need.cores_per_task) = if nodes.len() == 1 {
                (1, most.max(1))
            } else {
                ((most / need.cores_per_task).max(1), need.cores_per_task.min(most).max(1))
            };
        }
    }
    (!words.is_empty()).then(|| words.join("; "))
}
