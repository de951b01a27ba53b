//! Nodes that were added while the cluster is at work: `CLOUD`, `FUTURE` and `EXTERNAL` ones. They are known and shown, and
//! nothing is started on them: there is but one machine here, and none can be switched on.

use jobgate_slurm::cluster::{Answer, Fault};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::hostlist::Hostlist;
use jobgate_slurm::objects::Node;
use jobgate_slurm::table::{Flags, Num};
use jobgate_slurm::tres::memory;
use jobgate_slurm::version::Version;
use serde::{Deserialize, Serialize};

use super::job::given::Amounts;
use super::job::int;
use super::node::no_energy;

/// The setting that keeps them.
pub(super) const KEY: &str = "added-nodes";
/// So many nodes a cluster may have.
pub(super) const MOST_NODES: usize = 65_536;

/// A node that was added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AddedNode {
    pub(super) name: String,
    state: AddedState,
    cpus: u64,
    /// MiB.
    memory: u64,
    #[serde(default)]
    features: Vec<String>,
    #[serde(default)]
    gres: String,
    weight: u64,
    /// When it was added, unix seconds.
    at: u64,
}

/// What kind of node it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum AddedState {
    /// It would be switched on when it is needed.
    Cloud,
    /// It is to come.
    Future,
    /// It is somebody else's.
    External,
}

/// Reads a line as in slurm.conf(5): `NodeName=c[1-4] CPUs=2 RealMemory=4000 State=CLOUD`.
pub(super) fn parse(line: &str, at: u64) -> Answer<Vec<AddedNode>> {
    let mut names = None;
    let mut node = AddedNode {
        name: String::new(),
        state: AddedState::Future,
        cpus: 1,
        memory: 1,
        features: Vec::new(),
        gres: String::new(),
        weight: 1,
        at,
    };
    let mut state = None;
    let mut boards = [1u64; 3];
    let mut cpus = None;
    for word in line.split_whitespace() {
        let (key, value) =
            word.split_once('=').ok_or_else(|| refused(format!("{word:?} is not KEY=VALUE, as in NodeName=n1")))?;
        let count = || value.parse::<u64>().map_err(|_| refused(format!("{key}={value} is not a number")));
        match key.to_ascii_lowercase().as_str() {
            "nodename" => names = Some(value),
            "cpus" => cpus = Some(count()?.max(1)),
            "sockets" | "socketsperboard" => boards[0] = count()?.max(1),
            "corespersocket" => boards[1] = count()?.max(1),
            "threadspercore" => boards[2] = count()?.max(1),
            "realmemory" => {
                node.memory = memory(value).ok_or_else(|| refused(format!("{key}={value} is no amount of memory")))?;
            }
            "feature" | "features" => node.features = value.split(',').map(str::to_owned).collect(),
            "gres" => value.clone_into(&mut node.gres),
            "weight" => node.weight = count()?,
            "state" => state = Some(value),
            // Where it is and what else it has is of no use here.
            "boards" | "nodeaddr" | "nodehostname" | "port" | "tmpdisk" | "bcastaddr" | "topology" | "comment"
            | "reason" => {}
            _ => {
                return Err(refused(format!(
                    "{key} is not understood; a node has NodeName, CPUs, RealMemory, Features, Gres, Weight and State"
                )));
            }
        }
    }
    let names = names.ok_or_else(|| refused("NodeName is missing".to_owned()))?;
    let names = Hostlist::parse(names).map_err(|error| Fault::new(Errno::INVALID_NODE_NAME, error.to_string()))?;
    if names.is_empty() || names.len() > MOST_NODES {
        return Err(Fault::new(Errno::INVALID_NODE_NAME, "NodeName names no node, or too many"));
    }
    node.state = match state.map(str::to_ascii_uppercase).as_deref() {
        Some("CLOUD") => AddedState::Cloud,
        Some("FUTURE") | None => AddedState::Future,
        Some("EXTERNAL") => AddedState::External,
        Some(other) => {
            let text = format!("a node cannot be added as {other}; CLOUD, FUTURE and EXTERNAL ones can");
            return Err(Fault::new(Errno::INVALID_NODE_STATE, text));
        }
    };
    node.cpus = cpus.unwrap_or_else(|| boards.iter().copied().fold(1, u64::saturating_mul));
    Ok(names.names().map(|name| AddedNode { name, ..node.clone() }).collect())
}

fn refused(text: String) -> Fault {
    Fault::new(Errno::INVALID_ARGUMENT, text)
}

/// A node as the controller shows it.
pub(super) fn node(added: &AddedNode, version: Version) -> Node {
    let states: &[&'static str] = match added.state {
        AddedState::Cloud => &["IDLE", "CLOUD", "POWERED_DOWN"],
        AddedState::Future => &["FUTURE"],
        AddedState::External => &["IDLE", "EXTERNAL"],
    };
    let total = Amounts { cpus: added.cpus, memory: added.memory, nodes: 1, gpus: 0 };
    Node {
        boards: Some(1),
        cores: Some(int(added.cpus)),
        cpus: Some(int(added.cpus)),
        effective_cpus: Some(int(added.cpus)),
        energy: Some(no_energy()),
        features: Some(added.features.clone()),
        active_features: Some(added.features.clone()),
        gres: Some(added.gres.clone()),
        gres_drained: Some("N/A".into()),
        free_mem: Some(Num::Unset),
        name: Some(added.name.clone()),
        next_state_after_reboot: Some(Flags::of(["INVALID"])),
        address: Some(added.name.clone()),
        hostname: Some(added.name.clone()),
        state: Some(Flags::of(states.iter().copied())),
        partitions: Some(Vec::new()),
        real_memory: Some(added.memory.cast_signed()),
        suspend_time: Some(Num::Infinite),
        alloc_cpus: Some(0),
        alloc_idle_cpus: Some(int(added.cpus)),
        sockets: Some(1),
        threads: Some(1),
        weight: Some(int(added.weight)),
        tres: Some(total.node_text()),
        version: Some(version.release().to_string()),
        ..Node::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let nodes = parse("NodeName=c[1-3] CPUs=2 RealMemory=4G Features=a,b State=cloud Weight=9", 5).unwrap();
        assert_eq!(nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["c1", "c2", "c3"]);
        assert_eq!((nodes[0].cpus, nodes[0].memory, nodes[0].weight), (2, 4096, 9));
        let shown = node(&nodes[2], Version::V45);
        assert!(shown.state.unwrap().has("CLOUD"));
        assert_eq!(parse("NodeName=x Sockets=2 CoresPerSocket=4 State=EXTERNAL", 5).unwrap()[0].cpus, 8);
        for (line, errno) in [
            ("CPUs=2 State=CLOUD", Errno::INVALID_ARGUMENT),
            ("NodeName=x CPUs=two", Errno::INVALID_ARGUMENT),
            ("NodeName=x what", Errno::INVALID_ARGUMENT),
            ("NodeName=x Speed=9", Errno::INVALID_ARGUMENT),
            ("NodeName=x[1- State=CLOUD", Errno::INVALID_NODE_NAME),
            ("NodeName=x State=DOWN", Errno::INVALID_NODE_STATE),
            ("NodeName=x State=DRAIN", Errno::INVALID_NODE_STATE),
            ("NodeName=x State=FAIL", Errno::INVALID_NODE_STATE),
            ("NodeName=x State=UNKNOWN", Errno::INVALID_NODE_STATE),
        ] {
            assert_eq!(parse(line, 5).unwrap_err().errno, errno, "{line}");
        }
    }
}
