//! Changes of nodes.

use jobgate_slurm::cluster::{Answer, Fault};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::hostlist::Hostlist;
use jobgate_slurm::objects::{NodeUpdate, words};
use jobgate_slurm::table::{Flags, Num};

use super::super::super::cluster::{NodeChange, NodeOrder, NodeView};
use super::unsupported;

/// Reads which nodes are to change, and how. `names`: where the update itself names none. `all`: the nodes that there are.
pub(in super::super) fn nodes(
    names: &[String],
    update: &NodeUpdate,
    all: &[NodeView],
) -> Answer<(Vec<String>, NodeChange)> {
    let named = update.name.as_deref().filter(|named| !named.is_empty()).unwrap_or(names);
    let list = Hostlist::of(named).map_err(|error| Fault::new(Errno::INVALID_NODE_NAME, error.to_string()))?;
    let names: Vec<String> = list.distinct().names().collect();
    if names.is_empty() {
        return Err(Fault::new(Errno::INVALID_NODE_NAME, "no node is named"));
    }
    if let Some(active) = &update.features_act {
        for name in &names {
            let node = all.iter().find(|node| node.name == *name);
            let available = update.features.as_ref().or(node.map(|node| &node.features));
            if available.is_some_and(|available| active.iter().any(|one| !available.contains(one))) {
                let text = format!("active features of {name} have to be among its features");
                return Err(Fault::new(Errno::ACTIVE_FEATURES, text));
            }
        }
    }
    for (what, given) in [("address", &update.address), ("hostname", &update.hostname)] {
        if given.as_ref().is_some_and(|given| !given.is_empty()) {
            return Err(unsupported(what));
        }
    }
    let change = NodeChange {
        order: update.state.as_ref().map(order).transpose()?.flatten(),
        reason: update.reason.clone(),
        resume_after: update.resume_after.and_then(Num::number).map(f64::from),
        comment: update.comment.clone(),
        extra: update.extra.clone(),
        features: update.features.clone(),
        weight: update.weight.and_then(Num::number).map(u64::from),
        gres: update.gres.clone(),
    };
    Ok((names, change))
}

/// The words of states that can be ordered here.
const ORDERS: [(&str, NodeOrder); 5] = [
    ("DOWN", NodeOrder::Down),
    ("DRAIN", NodeOrder::Drain),
    ("UNDRAIN", NodeOrder::Undrain),
    ("RESUME", NodeOrder::Resume),
    ("IDLE", NodeOrder::Idle),
];

fn order(states: &Flags<words::NodeState>) -> Answer<Option<NodeOrder>> {
    let mut words = states.iter();
    let Some(word) = words.next() else { return Ok(None) };
    if words.next().is_some() {
        return Err(Fault::new(Errno::NODE_TRANSITION, "a node goes to one state at a time; name one"));
    }
    if let Some((_, order)) = ORDERS.into_iter().find(|(known, _)| *known == word) {
        return Ok(Some(order));
    }
    let known = ORDERS.map(|(word, _)| word).join(", ");
    let text = format!("a node cannot be set to {word} here; name one of {known}");
    Err(match word {
        "POWER_UP" | "POWER_DOWN" | "POWER_DOWN_ASAP" | "POWER_DOWN_FORCE" | "REBOOT_REQUESTED" | "REBOOT_CANCELED" => {
            Fault::new(Errno::NOT_SUPPORTED, text)
        }
        _ => Fault::new(Errno::INVALID_NODE_STATE, text),
    })
}
