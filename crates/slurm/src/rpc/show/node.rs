//! Nodes.

use crate::objects::{AcctGatherEnergy, Node};
use crate::rpc::codec::{num32, num64};
use crate::rpc::{Protocol, records, words};
use crate::table::{EmptyObject, Flags, Num};

use super::{Names, csv, int, time, wide};

/// No partition has a longer name.
const LONGEST_NAME: usize = 1024;

/// Which partitions each node is in, of those at these places of the controller's table, which are in order. What a partition says
/// of other places is passed over: there are no such nodes.
pub(in crate::rpc) fn memberships(partitions: &[records::Partition<'_>], nodes: &[usize]) -> Vec<Vec<String>> {
    let mut all = vec![Vec::new(); nodes.len()];
    for partition in partitions {
        let Some(name) = partition.name.string().filter(|name| name.len() <= LONGEST_NAME) else { continue };
        for place in partition.node_places.places().iter() {
            if let Ok(node) = nodes.binary_search(&place) {
                all[node].push(name.clone());
            }
        }
    }
    all
}

/// A node as the API shows it.
pub(in crate::rpc) fn node(
    record: &records::Node<'_>,
    protocol: Protocol,
    partitions: Vec<String>,
    names: Names<'_>,
) -> Node {
    let suspend_time = if protocol < Protocol::V26_05 { Num::Unset } else { num32(record.suspend_time) };
    Node {
        architecture: record.architecture.string(),
        burstbuffer_network_address: record.broadcast_address.string(),
        boards: int(record.boards),
        boot_time: time(record.boot_time),
        tls_cert_last_renewal: time(record.cert_renewed),
        cert_flags: Some(Flags::of((record.cert_flags & 1 == 1).then_some("TOKEN_SET"))),
        cluster_name: None,
        cores: int(record.cores),
        specialized_cores: int(record.specialized_cores),
        cpu_binding: int(record.cpu_binding),
        cpu_load: int(record.cpu_load),
        free_mem: Some(num64(record.free_memory)),
        cpus: int(record.cpus),
        effective_cpus: int(record.effective_cpus),
        specialized_cpus: record.specialized_cpus.string(),
        energy: Some(energy(&record.energy)),
        extra: record.extra.string(),
        features: csv(record.features),
        active_features: csv(record.active_features),
        gpu_spec: record.gpu_cores.string(),
        gres: record.gres.string(),
        gres_drained: record.gres_drained.string(),
        gres_used: record.gres_used.string(),
        instance_id: record.instance_id.string(),
        instance_type: record.instance_type.string(),
        last_busy: time(record.last_busy),
        mcs_label: record.mcs_label.string(),
        specialized_memory: wide(record.specialized_memory),
        name: record.name.string(),
        next_state_after_reboot: Some(words::node_state(record.next_state)),
        address: record.address.string(),
        hostname: record.hostname.string(),
        state: Some(words::node_state(state(record))),
        operating_system: record.system.string(),
        owner: Some(names.user(record.owner)),
        partitions: Some(partitions),
        port: int(record.port),
        real_memory: wide(record.memory),
        res_cores_per_gpu: int(record.cores_per_gpu),
        comment: record.comment.string(),
        reason: record.reason.string(),
        reason_changed_at: time(record.reason_time),
        reason_set_by_user: Some(names.user(record.reason_user)),
        resume_after: time(record.resume_after),
        reservation: record.reservation.string(),
        suspend_time: Some(suspend_time),
        alloc_memory: wide(record.allocated_memory),
        alloc_cpus: int(record.allocated_cpus),
        alloc_idle_cpus: int(i32::from(record.cpus) - i32::from(record.allocated_cpus)),
        tres_used: record.tres_used.string(),
        slurmd_start_time: time(record.started),
        sockets: int(record.sockets),
        threads: int(record.threads),
        temporary_disk: int(record.tmp_disk),
        weight: int(record.weight),
        topology: record.topology.string(),
        tres: record.tres.string(),
        version: record.version.string(),
        external_sensors: Some(EmptyObject),
        external_sensors_old: Some(EmptyObject),
        power: Some(EmptyObject),
        power_old: Some(EmptyObject),
        tres_weighted: Some(record.tres_weighted),
    }
}

/// Slurm's client calls a node mixed that has jobs on some of its CPUs, or jobs that need none.
fn state(record: &records::Node<'_>) -> u32 {
    let idle = record.effective_cpus.saturating_sub(record.allocated_cpus);
    let some = idle != 0 && idle < record.effective_cpus;
    let none = !record.tres_used.is_empty() && idle == record.effective_cpus;
    if some || none { record.state & !words::NODE_BASE | words::NODE_MIXED } else { record.state }
}

fn energy(energy: &records::Energy) -> AcctGatherEnergy {
    AcctGatherEnergy {
        average_watts: int(energy.average_watts),
        base_consumed_energy: wide(energy.base),
        consumed_energy: wide(energy.consumed),
        current_watts: Some(num32(energy.current_watts)),
        previous_consumed_energy: wide(energy.previous),
        last_collected: wide(energy.polled),
    }
}
