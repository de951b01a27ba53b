//! Changes of partitions.

use jobgate_slurm::cluster::{Answer, Fault};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::Partition;
use jobgate_slurm::table::Num;

use super::super::super::cluster::{PartitionChange, PartitionState, PartitionView, UNLIMITED};
use super::super::partition::{job_factor, partition as shown};
use super::unsupported;

/// Reads what is to change of a partition, or what a new one is to be. A partition that is given back as it was read changes
/// nothing.
pub(in super::super) fn partition(desc: &Partition, current: Option<&PartitionView>) -> Answer<PartitionChange> {
    let now = current.map(shown).unwrap_or_default();
    for (what, given) in [
        ("groups/allowed", &desc.groups_allowed),
        ("accounts/deny", &desc.accounts_deny),
        ("qos/deny", &desc.qos_deny),
        ("nodes/allowed_allocation", &desc.nodes_allowed_allocation),
        ("alternate", &desc.alternate),
    ] {
        if given.as_deref().is_some_and(|text| !text.is_empty()) {
            return Err(unsupported(what));
        }
    }
    let flag = |word: &str| desc.flags.as_ref().is_some_and(|flags| flags.has(word));
    let default = match current {
        _ if flag("DEFAULT_CLEAR") => Some(false),
        Some(view) if view.default => None,
        _ => flag("DEFAULT").then_some(true),
    };
    Ok(PartitionChange {
        nodes: new(desc.nodes_configured.as_ref(), now.nodes_configured.as_ref()),
        default,
        state: state(desc)?.filter(|state| current.is_none_or(|view| view.state != *state)),
        minutes: changed(desc.maximums_time, now.maximums_time).and_then(minutes),
        default_minutes: changed(desc.defaults_time, now.defaults_time).and_then(minutes),
        priority: desc
            .priority_job_factor
            .filter(|factor| current.map_or(1, |view| job_factor(view.priority)) != *factor)
            .map(i64::from),
        max_nodes: match changed(desc.maximums_nodes, now.maximums_nodes) {
            None | Some(Num::Unset) => None,
            Some(Num::Infinite) => Some(None),
            Some(Num::Set(nodes)) => Some(Some(u64::from(nodes))),
        },
        qos: new(desc.qos_assigned.as_ref(), now.qos_assigned.as_ref()),
        allow_accounts: new(desc.accounts_allowed.as_ref(), now.accounts_allowed.as_ref()).map(|text| list(&text)),
        allow_users: None,
        allow_qos: new(desc.qos_allowed.as_ref(), now.qos_allowed.as_ref()).map(|text| list(&text)),
    })
}

/// A text that is not what there is; "nothing" is the same whether it is said or not.
fn new(given: Option<&String>, now: Option<&String>) -> Option<String> {
    given.filter(|given| given.as_str() != now.map(String::as_str).unwrap_or_default()).cloned()
}

fn changed(given: Option<Num<u32>>, now: Option<Num<u32>>) -> Option<Num<u32>> {
    given.filter(|given| Some(*given) != now)
}

fn minutes(limit: Num<u32>) -> Option<i64> {
    match limit {
        Num::Set(minutes) => Some(i64::from(minutes)),
        Num::Infinite => Some(UNLIMITED),
        Num::Unset => None,
    }
}

/// `ALL` is everybody.
fn list(text: &str) -> Vec<String> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    let items: Vec<String> = items.map(str::to_owned).collect();
    if items.iter().any(|item| item.eq_ignore_ascii_case("all")) { Vec::new() } else { items }
}

fn state(desc: &Partition) -> Answer<Option<PartitionState>> {
    let Some(states) = &desc.partition_state else { return Ok(None) };
    let mut words = states.iter();
    let state = match (words.next(), words.next()) {
        (None, _) => return Ok(None),
        (Some("UP"), None) => PartitionState::Up,
        (Some("DOWN"), None) => PartitionState::Down,
        (Some("DRAIN"), None) => PartitionState::Drain,
        (Some("INACTIVE"), None) => PartitionState::Inactive,
        _ => {
            let text = "a partition is UP, DOWN, DRAIN or INACTIVE; name one state";
            return Err(Fault::new(Errno::INVALID_ARGUMENT, text));
        }
    };
    Ok(Some(state))
}
