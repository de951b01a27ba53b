//! What a run has of each node.

use jobgate_slurm::objects::{JobResCore, JobResNode, JobResSocket, JobResources, NodeGresLayout, NodeResourceLayout};
use jobgate_slurm::table::{Flags, Num, Raw};
use serde_json::{Map, Value, json};

use super::super::super::cluster::{RunView, Share};
use super::given::{hostlist, mib, ranges};
use super::{Nodes, int};

/// What a run was given. Cores have no numbers here: a run of three cores shows the first three of each node's.
pub(super) fn resources(run: &RunView, nodes: &Nodes) -> Option<JobResources> {
    let shares = &run.allocation;
    if shares.is_empty() {
        return None;
    }
    let names: Vec<&str> = shares.iter().map(|share| share.node.as_str()).collect();
    let list = hostlist(&names);
    let cores = int(shares.iter().map(|share| share.cores).sum());
    Some(JobResources {
        // the older and the newer name of the same thing
        select_type: Some(Flags::of(["CORE", "CR_CORE"])),
        nodes_count: Some(int(shares.len() as u64)),
        nodes_select_type: Some(Flags::of(["ONE_ROW"])),
        nodes_list: Some(list.clone()),
        nodes_whole: Some(run.request.exclusive),
        nodes_allocation: Some(shares.iter().enumerate().map(|(index, share)| node(index, share, nodes)).collect()),
        cpus: Some(cores),
        threads_per_core: None,
        nodes: Some(list),
        allocated_cores: Some(cores),
        allocated_cpus: None,
        allocated_hosts: Some(int(shares.len() as u64)),
        allocated_nodes: Some(shares.iter().map(node_as_of_old).collect()),
    })
}

fn node(index: usize, share: &Share, nodes: &Nodes) -> JobResNode {
    let total = nodes.get(&share.node).map_or(share.cores, |node| node.cores).max(share.cores);
    let core = |index: u64| JobResCore {
        index: Some(int(index)),
        status: Some(Flags::of([if index < share.cores { "ALLOCATED" } else { "UNALLOCATED" }])),
    };
    JobResNode {
        index: Some(int(index as u64)),
        name: Some(share.node.clone()),
        cpus_count: Some(int(share.cores)),
        memory_allocated: Some(mib(share.memory).cast_signed()),
        sockets: Some(vec![JobResSocket { index: Some(0), cores: Some((0..total).map(core).collect()) }]),
        ..JobResNode::default()
    }
}

/// A node as v0.0.40 shows it.
fn node_as_of_old(share: &Share) -> Raw {
    let cores: Map<String, Value> = (0..share.cores).map(|core| (core.to_string(), "allocated".into())).collect();
    Raw(json!({
        "sockets": { "0": { "cores": cores } },
        "nodename": share.node,
        "cpus_used": 0,
        "memory_used": 0,
        "memory_allocated": mib(share.memory),
    }))
}

/// What a running run has of each node, as the call for it shows it.
pub(in super::super) fn layout(run: &RunView, nodes: &Nodes) -> Vec<NodeResourceLayout> {
    let one = |share: &Share| {
        let node = nodes.get(&share.node);
        NodeResourceLayout {
            node: Some(share.node.clone()),
            sockets_per_node: Some(1),
            cores_per_socket: Some(int(node.map_or(share.cores, |node| node.cores))),
            mem_alloc: Some(mib(share.memory).cast_signed()),
            core_bitmap: Some(bitmap(share.cores)),
            channel: Some(Num::Unset),
            gres: Some(gres(share, node.and_then(|node| node.gpu_type.as_deref()))),
        }
    };
    run.allocation.iter().map(one).collect()
}

fn gres(share: &Share, kind: Option<&str>) -> Vec<NodeGresLayout> {
    if share.gpus.is_empty() {
        return Vec::new();
    }
    vec![NodeGresLayout {
        name: Some("gpu".into()),
        kind: kind.map(str::to_owned),
        count: Some(share.gpus.len() as i64),
        index: Some(ranges(&share.gpus)),
    }]
}

/// The first so many bits, as a hexadecimal number.
fn bitmap(bits: u64) -> String {
    let first = match bits % 4 {
        0 => String::new(),
        rest => format!("{:X}", (1 << rest) - 1),
    };
    format!("0x{}{}", if bits == 0 { "0" } else { &first }, "F".repeat((bits / 4) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitmaps() {
        for (bits, text) in [(0, "0x0"), (1, "0x1"), (3, "0x7"), (4, "0xF"), (6, "0x3F"), (65, "0x1FFFFFFFFFFFFFFFF")] {
            assert_eq!(bitmap(bits), text);
        }
    }
}
