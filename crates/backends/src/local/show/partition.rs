//! Partitions and reservations.

use jobgate_slurm::objects::{Partition, Reservation};
use jobgate_slurm::table::{Flags, Num};

use super::super::cluster::{PartitionState, PartitionView, ReservationView};
use super::job::given::{Amounts, hostlist, mib};
use super::job::{int, limit, time};

/// A reservation's record is kept for so many seconds after its last job (Slurm's default).
const PURGE: u32 = 300;

/// A partition as the controller shows it.
pub(super) fn partition(view: &PartitionView) -> Partition {
    let total = Amounts { cpus: view.cores, memory: mib(view.memory), nodes: view.nodes.len() as u64, gpus: view.gpus };
    let state = match view.state {
        PartitionState::Up => "UP",
        PartitionState::Down => "DOWN",
        PartitionState::Drain => "DRAIN",
        PartitionState::Inactive => "INACTIVE",
    };
    Partition {
        nodes_configured: Some(hostlist(&view.nodes)),
        nodes_total: Some(int(view.nodes.len() as u64)),
        accounts_allowed: Some(view.allow_accounts.join(",")),
        qos_allowed: Some(view.allow_qos.join(",")),
        qos_assigned: view.qos.clone(),
        tres_configured: Some(total.text()),
        select_type: Some(Flags::of(["NONE"])),
        cpus_total: Some(int(view.cores)),
        defaults_partition_memory_per_node: Some(Num::Set(0)),
        defaults_time: view.default_minutes.map(limit),
        flags: Some(if view.default { Flags::of(["DEFAULT"]) } else { Flags::default() }),
        partition_exclusive: Some("NO".into()),
        partition_oversubscribe: Some("NO".into()),
        partition_state: Some(Flags::of([state])),
        maximums_cpus_per_node: Some(Num::Infinite),
        maximums_cpus_per_socket: Some(Num::Infinite),
        maximums_partition_memory_per_node: Some(Num::Set(0)),
        maximums_nodes: Some(match view.max_nodes {
            None => Num::Infinite,
            Some(nodes) => Num::Set(u32::try_from(nodes).unwrap_or(u32::MAX - 2)),
        }),
        maximums_shares_old: Some(1),
        maximums_oversubscribe_jobs_old: Some(1),
        maximums_time: Some(view.minutes.map_or(Num::Infinite, limit)),
        name: Some(view.name.clone()),
        preempt_mode: Some(Flags::of(["CLUSTER_GLOBAL"])),
        priority_job_factor: Some(job_factor(view.priority)),
        priority_tier: Some(1),
        ..Partition::default()
    }
}

/// What a partition adds to priorities, as Slurm shows it: at least 1.
pub(super) fn job_factor(priority: i64) -> i32 {
    i32::try_from(priority.max(1)).unwrap_or(i32::MAX)
}

/// A reservation as the controller shows it.
pub(super) fn reservation(view: &ReservationView) -> Reservation {
    let licences: Vec<String> = view.licences.iter().map(|(name, count)| format!("{name}:{count}")).collect();
    Reservation {
        accounts: Some(view.accounts.join(",")),
        core_count: Some(int(view.cores)),
        core_specializations: Some(Vec::new()),
        end_time: Some(time(view.end)),
        features: view.features.clone(),
        flags: Some(Flags::of(view.flags.iter().cloned())),
        licenses: Some(licences.join(",")),
        name: Some(view.name.clone()),
        node_count: Some(int(view.nodes.len() as u64)),
        node_list: Some(hostlist(&view.nodes)),
        partition: view.partition.clone(),
        purge_completed_time: Some(Num::Set(PURGE)),
        start_time: Some(time(view.start)),
        tres: Some(if view.cores > 0 { format!("cpu={}", view.cores) } else { String::new() }),
        users: Some(view.users.join(",")),
        ..Reservation::default()
    }
}
