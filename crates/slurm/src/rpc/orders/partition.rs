//! Partitions that are made, and changes of partitions.

use super::{Unsendable, fit, newer, nothing_else};
use crate::objects::Partition;
use crate::rpc::Protocol;
use crate::rpc::codec::{NO_VAL, NO_VAL16, Text};
use crate::rpc::records::PartitionChange;
use crate::table::{Flags, Num};

/// The bit of an amount of memory that says that it is for each CPU.
const PER_CPU: u64 = 1 << 63;
/// The bit of a number of jobs that says that they always share what they have.
const FORCE: u16 = 1 << 15;
/// So many jobs share what they have, if nobody says how many.
const SHARING: u16 = 4;

/// Flags, and those that take them back.
const FLAGS: [(&str, u32); 14] = [
    ("DEFAULT", 1 << 0),
    ("HIDDEN", 1 << 1),
    ("NO_ROOT", 1 << 2),
    ("ROOT_ONLY", 1 << 3),
    ("REQ_RESV", 1 << 4),
    ("LLN", 1 << 5),
    ("PDOI", 1 << 7),
    ("DEFAULT_CLEAR", 1 << 8),
    ("HIDDEN_CLEAR", 1 << 9),
    ("NO_ROOT_CLEAR", 1 << 10),
    ("ROOT_ONLY_CLEAR", 1 << 11),
    ("REQ_RESV_CLEAR", 1 << 12),
    ("LLN_CLEAR", 1 << 13),
    ("PDOI_CLEAR", 1 << 15),
];
/// Only one user at a time has a node, and that taken back; the same of jobs and parts of the topology.
const USER: u32 = 1 << 6;
const USER_CLEAR: u32 = 1 << 14;
const TOPOLOGY: u32 = 1 << 16;
const TOPOLOGY_CLEAR: u32 = 1 << 17;

const BINDINGS: [(&str, u32); 2] = [("CPU_BIND_TO_THREADS", 0x2), ("CPU_BIND_TO_CORES", 0x4)];
const NOT_BOUND: u32 = 0x8_0000;

/// Texts that live as long as what is sent.
#[derive(Debug, Default)]
pub(in crate::rpc) struct Joined {
    nodes: Option<String>,
}

impl Joined {
    /// Nodes, and with them sets of nodes. `ALL` is what the controller says of itself, and no set.
    pub(in crate::rpc) fn of(partition: &Partition) -> Self {
        let sets = partition.node_sets.as_deref().filter(|sets| *sets != "ALL");
        let all: Vec<&str> =
            partition.nodes_configured.as_deref().into_iter().chain(sets).filter(|text| !text.is_empty()).collect();
        Self { nodes: (!all.is_empty()).then(|| all.join(",")) }
    }
}

/// What is to be made or to change, in the wire's terms. A partition as the controller shows it is understood: what only tells
/// how it is is passed over.
pub(in crate::rpc) fn partition<'a>(
    protocol: Protocol,
    partition: &'a Partition,
    joined: &'a Joined,
) -> Result<PartitionChange<'a>, Unsendable> {
    let mut rest = partition.clone();
    let mut order = PartitionChange::unset();
    told_only(&mut rest);
    texts(partition, &mut rest, &mut order)?;
    let topology = partition.topology.as_deref().filter(|topology| !topology.is_empty());
    rest.topology = None;
    order.topology = newer(protocol, Protocol::V25_11, "topology", topology)?.map_or(Text::NONE, Text::of);
    order.nodes = joined.nodes.as_deref().map_or(Text::NONE, Text::of);
    (rest.nodes_configured, rest.node_sets) = (None, None);
    numbers(&mut rest, &mut order)?;
    words(&mut rest, &mut order)?;
    share(&mut rest, &mut order)?;
    nothing_else(&rest)?;
    Ok(order)
}

fn told_only(rest: &mut Partition) {
    rest.cluster = None;
    rest.select_type = None;
    rest.nodes_total = None;
    rest.cpus_total = None;
    rest.tres_configured = None;
    (rest.timeouts_resume, rest.timeouts_suspend, rest.suspend_time) = (None, None, None);
    // numbers of older versions of the API, in which partitions could not be changed
    rest.cpus_task_binding_old = None;
    (rest.defaults_memory_per_cpu, rest.maximums_memory_per_cpu) = (None, None);
    (rest.maximums_shares, rest.maximums_shares_old) = (None, None);
    (rest.maximums_oversubscribe_jobs, rest.maximums_oversubscribe_jobs_old) = (None, None);
    rest.maximums_oversubscribe_flags = None;
}

fn texts<'a>(
    partition: &'a Partition,
    rest: &mut Partition,
    order: &mut PartitionChange<'a>,
) -> Result<(), Unsendable> {
    macro_rules! same {
        ($($to:ident = $from:ident;)*) => {$(
            rest.$from = None;
            order.$to = partition.$from.as_deref().map_or(Text::NONE, Text::of);
        )*};
    }
    same! {
        accounts = accounts_allowed;
        submit_nodes = nodes_allowed_allocation;
        groups = groups_allowed;
        qos_allowed = qos_allowed;
        alternate = alternate;
        billing_weights = tres_billing_weights;
        accounts_denied = accounts_deny;
        qos_denied = qos_deny;
        job_defaults = defaults_job;
        name = name;
        qos = qos_assigned;
    }
    // an empty text takes back what was said, but not here
    for text in [&mut order.billing_weights, &mut order.job_defaults] {
        if text.is_empty() {
            *text = Text::NONE;
        }
    }
    if order.name.is_empty() { Err(Unsendable::Missing("name")) } else { Ok(()) }
}

/// A number that may be infinite; "not set" stays.
fn limit(field: &'static str, number: Option<Num<u32>>, to: &mut u32) -> Result<(), Unsendable> {
    match number {
        None | Some(Num::Unset) => {}
        Some(Num::Infinite) => *to = u32::MAX,
        Some(Num::Set(number)) if number < NO_VAL => *to = number,
        Some(Num::Set(number)) => return Err(Unsendable::Value { field, value: number.to_string() }),
    }
    Ok(())
}

fn numbers(rest: &mut Partition, order: &mut PartitionChange<'_>) -> Result<(), Unsendable> {
    macro_rules! limits {
        ($($to:ident = $from:ident;)*) => {$( limit(stringify!($from), rest.$from.take(), &mut order.$to)?; )*};
    }
    limits! {
        default_time = defaults_time;
        max_cpus_per_node = maximums_cpus_per_node;
        max_cpus_per_socket = maximums_cpus_per_socket;
        max_nodes = maximums_nodes;
        max_time = maximums_time;
    }
    macro_rules! fitted {
        ($($to:ident = $from:ident;)*) => {$(
            if let Some(number) = rest.$from.take() {
                order.$to = fit(stringify!($from), number)?;
            }
        )*};
    }
    fitted! {
        grace_time = grace_time;
        min_nodes = minimums_nodes;
        priority_job_factor = priority_job_factor;
        priority_tier = priority_tier;
    }
    match rest.maximums_over_time_limit.take() {
        None | Some(Num::Unset) => {}
        Some(Num::Infinite) => order.over_time_limit = u16::MAX,
        Some(Num::Set(minutes)) if minutes < NO_VAL16 => order.over_time_limit = minutes,
        Some(Num::Set(minutes)) => {
            return Err(Unsendable::Value { field: "maximums/over_time_limit", value: minutes.to_string() });
        }
    }
    memory("defaults", &mut rest.defaults_partition_memory_per_cpu, &mut rest.defaults_partition_memory_per_node)?
        .inspect(|amount| order.default_memory = *amount);
    memory("maximums", &mut rest.maximums_partition_memory_per_cpu, &mut rest.maximums_partition_memory_per_node)?
        .inspect(|amount| order.max_memory = *amount);
    Ok(())
}

/// Memory for each CPU, or for each node.
fn memory(
    field: &'static str,
    per_cpu: &mut Option<Num<u64>>,
    per_node: &mut Option<Num<u64>>,
) -> Result<Option<u64>, Unsendable> {
    let (per_cpu, per_node) = (per_cpu.take(), per_node.take());
    let wrong = |what: &str| Unsendable::Value { field, value: what.to_owned() };
    if matches!(per_cpu, Some(Num::Infinite)) || matches!(per_node, Some(Num::Infinite)) {
        return Err(wrong("infinite memory"));
    }
    match (per_cpu.and_then(Num::number), per_node.and_then(Num::number)) {
        (Some(_), Some(_)) => Err(wrong("memory per CPU and per node")),
        (Some(amount), None) | (None, Some(amount)) if amount & PER_CPU != 0 => Err(wrong(&amount.to_string())),
        (Some(amount), None) => Ok(Some(amount | PER_CPU)),
        (None, amount) => Ok(amount),
    }
}

fn words(rest: &mut Partition, order: &mut PartitionChange<'_>) -> Result<(), Unsendable> {
    const MODES: [(&str, u16); 3] = [("SUSPEND", 1), ("REQUEUE", 1 << 1), ("CANCEL", 1 << 3)];
    const STATES: [(&str, u16); 5] = [("INACTIVE", 0), ("DOWN", 1), ("DRAIN", 2), ("UP", 3), ("UNKNOWN", NO_VAL16)];
    let unknown = |field, words: Vec<&str>| Unsendable::Value { field, value: words.join(",") };
    for word in rest.flags.take().iter().flat_map(Flags::iter) {
        let flag = FLAGS.iter().find(|(name, _)| *name == word).map(|(_, flag)| flag);
        order.flags |= flag.ok_or_else(|| unknown("flags", vec![word]))?;
    }
    if let Some(binding) = rest.cpus_task_binding.take() {
        order.cpu_binding = match binding.iter().collect::<Vec<_>>()[..] {
            [] => 0,
            ["CPU_BIND_OFF"] => NOT_BOUND,
            [word] => known(&BINDINGS, word).ok_or_else(|| unknown("cpus/task_binding", vec![word]))?,
            ref words => return Err(unknown("cpus/task_binding", words.to_vec())),
        };
    }
    if let Some(mode) = rest.preempt_mode.take() {
        order.preempt_mode = match mode.iter().collect::<Vec<_>>()[..] {
            [] | ["CLUSTER_GLOBAL"] => NO_VAL16,
            ["DISABLED"] => 0,
            [word] => known(&MODES, word).ok_or_else(|| unknown("preempt_mode", vec![word]))?,
            ref words => return Err(unknown("preempt_mode", words.to_vec())),
        };
    }
    if let Some(state) = rest.partition_state.take() {
        order.state = match state.iter().collect::<Vec<_>>()[..] {
            [] => NO_VAL16,
            [word] => known(&STATES, word).ok_or_else(|| unknown("partition/state", vec![word]))?,
            ref words => return Err(unknown("partition/state", words.to_vec())),
        };
    }
    Ok(())
}

fn known<T: Copy>(table: &[(&str, T)], word: &str) -> Option<T> {
    table.iter().find(|(name, _)| *name == word).map(|(_, value)| *value)
}

/// Who has nodes for himself, and how many jobs share what they have: the first decides.
fn share(rest: &mut Partition, order: &mut PartitionChange<'_>) -> Result<(), Unsendable> {
    let unknown = |field, value: &str| Unsendable::Value { field, value: value.to_owned() };
    if let Some(exclusive) = rest.partition_exclusive.take() {
        let (flags, alone) = match exclusive.to_ascii_uppercase().as_str() {
            "NO" | "NONE" => (USER_CLEAR | TOPOLOGY_CLEAR, false),
            "NODE" => (USER_CLEAR | TOPOLOGY_CLEAR, true),
            "USER" => (USER | TOPOLOGY_CLEAR, false),
            "TOPO" => (USER_CLEAR | TOPOLOGY, true),
            _ => return Err(unknown("partition/exclusive", &exclusive)),
        };
        order.flags |= flags;
        if alone {
            order.max_share = 0;
        }
    }
    if let Some(text) = rest.partition_oversubscribe.take() {
        let upper = text.to_ascii_uppercase();
        let (word, jobs) = upper.split_once(':').map_or((upper.as_str(), None), |(word, jobs)| (word, Some(jobs)));
        let jobs = jobs.map_or(Some(SHARING), |jobs| jobs.parse().ok().filter(|jobs| (1..FORCE).contains(jobs)));
        let share = match (word, jobs) {
            ("NO", Some(_)) if !upper.contains(':') => 1,
            ("YES", Some(jobs)) if jobs > 1 => jobs,
            ("FORCE", Some(jobs)) => jobs | FORCE,
            _ => return Err(unknown("partition/oversubscribe", &text)),
        };
        if order.max_share != 0 {
            order.max_share = share;
        }
    }
    Ok(())
}
