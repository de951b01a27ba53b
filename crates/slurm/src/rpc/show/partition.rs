//! Partitions.

use crate::objects::Partition;
use crate::rpc::codec::{num16, num32, num64};
use crate::rpc::{Protocol, records, words};
use crate::table::{Flags, Num};

use super::int;

/// The bit of an amount of memory that says that it is for each CPU.
const PER_CPU: u64 = 1 << 63;
/// The bit of a number of jobs that says that they always share what they have.
const FORCE: u16 = 1 << 15;

/// A partition as the API shows it.
pub(in crate::rpc) fn partition(record: &records::Partition<'_>, protocol: Protocol) -> Partition {
    let select = if protocol < Protocol::V25_11 { words::selection(record.select_type) } else { record.select_type };
    let (default_per_cpu, default_per_node) = memory(record.default_memory);
    let (max_per_cpu, max_per_node) = memory(record.max_memory);
    let jobs = record.max_share & !FORCE;
    Partition {
        nodes_allowed_allocation: record.submit_nodes.string(),
        nodes_configured: record.nodes.string(),
        nodes_total: int(record.total_nodes),
        accounts_allowed: record.accounts.string(),
        accounts_deny: record.accounts_denied.string(),
        groups_allowed: record.groups.string(),
        qos_allowed: record.qos_allowed.string(),
        qos_deny: record.qos_denied.string(),
        qos_assigned: record.qos.string(),
        alternate: record.alternate.string(),
        tres_billing_weights: record.billing_weights.string(),
        tres_configured: record.tres.string(),
        // Slurm's client fills it in federations only; defaults for jobs are shown nowhere
        cluster: None,
        defaults_job: None,
        select_type: Some(words::select_type(select)),
        cpus_task_binding: Some(words::binding(record.cpu_binding)),
        cpus_task_binding_old: int(record.cpu_binding),
        cpus_total: int(record.total_cpus),
        defaults_memory_per_cpu: Some(record.default_memory.cast_signed()),
        defaults_partition_memory_per_cpu: Some(default_per_cpu),
        defaults_partition_memory_per_node: Some(default_per_node),
        defaults_time: Some(num32(record.default_time)),
        flags: Some(words::partition_flags(record.flags)),
        partition_exclusive: Some(exclusive(record, jobs).to_owned()),
        partition_oversubscribe: Some(oversubscribe(record.max_share, jobs)),
        partition_state: Some(words::partition_state(record.state)),
        grace_time: int(record.grace_time),
        maximums_cpus_per_node: Some(num32(record.max_cpus_per_node)),
        maximums_cpus_per_socket: Some(num32(record.max_cpus_per_socket)),
        maximums_memory_per_cpu: Some(record.max_memory.cast_signed()),
        maximums_partition_memory_per_cpu: Some(max_per_cpu),
        maximums_partition_memory_per_node: Some(max_per_node),
        maximums_nodes: Some(num32(record.max_nodes)),
        // removed in 26.05: neither is known there
        maximums_shares: None,
        maximums_shares_old: int(record.max_share),
        maximums_oversubscribe_jobs: None,
        maximums_oversubscribe_jobs_old: int(jobs),
        maximums_oversubscribe_flags: Some(Flags::of((record.max_share & FORCE != 0).then_some("force"))),
        maximums_time: Some(num32(record.max_time)),
        maximums_over_time_limit: Some(num16(record.over_time_limit)),
        minimums_nodes: int(record.min_nodes),
        name: Some(record.name.string().unwrap_or_default()),
        node_sets: record.node_sets.string(),
        preempt_mode: Some(words::preempt(record.preempt_mode)),
        priority_job_factor: int(record.priority_job_factor),
        priority_tier: int(record.priority_tier),
        timeouts_resume: Some(num16(record.resume_timeout)),
        timeouts_suspend: Some(num16(record.suspend_timeout)),
        topology: record.topology.string(),
        suspend_time: Some(num32(record.suspend_time)),
    }
}

/// Memory for each CPU, and for each node: one of them is set.
fn memory(amount: u64) -> (Num<u64>, Num<u64>) {
    if amount & PER_CPU == 0 { (Num::Unset, num64(amount)) } else { (num64(amount & !PER_CPU), Num::Unset) }
}

fn exclusive(record: &records::Partition<'_>, jobs: u16) -> &'static str {
    match record.flags {
        flags if flags & words::PARTITION_TOPOLOGY != 0 => "TOPO",
        _ if jobs == 0 => "NODE",
        flags if flags & words::PARTITION_USER != 0 => "USER",
        _ => "NO",
    }
}

fn oversubscribe(max_share: u16, jobs: u16) -> String {
    match jobs {
        0 => "NO".to_owned(),
        jobs if max_share & FORCE != 0 => format!("FORCE:{jobs}"),
        1 => "NO".to_owned(),
        jobs => format!("YES:{jobs}"),
    }
}
