//! What a run needs, and what it has got.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a run needs while it runs. As it is stored, what is not asked for is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Need {
    /// Processes.
    pub(super) tasks: u64,
    /// Cores of each; they are on one node.
    pub(super) cores_per_task: u64,
    /// The fewest nodes.
    #[serde(skip_serializing_if = "is_one")]
    pub(super) min_nodes: u64,
    /// The most nodes; `None`: as many as it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_nodes: Option<u64>,
    /// At most so many tasks on each node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tasks_per_node: Option<u64>,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) memory: Memory,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) gpus: Gpus,
    /// GPUs of this type only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) gpu_type: Option<String>,
    /// Nothing else may run on its nodes.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) exclusive: bool,
    /// Nodes that must be among its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) nodelist: Vec<String>,
    /// Nodes that must not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) exclude: Vec<String>,
    /// What the nodes must have, as it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) constraint: Option<String>,
    /// Licences by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) licences: BTreeMap<String, u64>,
    /// Asked for in psik's manner: when there is less than that, it gets what there is.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) lenient: bool,
}

/// Memory, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Memory {
    /// Not accounted and not limited.
    #[default]
    Unsaid,
    /// On each node.
    PerNode(u64),
    /// For each core.
    PerCore(u64),
    /// All that each node has.
    AllOfNode,
}

/// GPUs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Gpus {
    #[default]
    None,
    /// In all.
    PerRun(u64),
    /// On each node.
    PerNode(u64),
    /// For each task.
    PerTask(u64),
}

impl Default for Need {
    fn default() -> Self {
        Self {
            tasks: 1,
            cores_per_task: 1,
            min_nodes: 1,
            max_nodes: None,
            tasks_per_node: None,
            memory: Memory::Unsaid,
            gpus: Gpus::None,
            gpu_type: None,
            exclusive: false,
            nodelist: Vec::new(),
            exclude: Vec::new(),
            constraint: None,
            licences: BTreeMap::new(),
            lenient: false,
        }
    }
}

impl Need {
    /// The cores that it gets at least.
    pub(super) fn cores(&self) -> u64 {
        self.tasks.saturating_mul(self.cores_per_task).max(self.min_nodes)
    }

    /// The GPUs that it gets at least.
    pub(super) fn gpus(&self) -> u64 {
        match self.gpus {
            Gpus::None => 0,
            Gpus::PerRun(count) => count,
            Gpus::PerNode(count) => count.saturating_mul(self.min_nodes),
            Gpus::PerTask(count) => count.saturating_mul(self.tasks),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
fn is_one(number: &u64) -> bool {
    *number == 1
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_asked_for_is_not_stored() {
        let text = |need: &Need| serde_json::to_string(need).unwrap();
        assert_eq!(text(&Need::default()), r#"{"tasks":1,"cores_per_task":1}"#);
        let need = Need {
            tasks: 4,
            min_nodes: 2,
            memory: Memory::PerNode(7),
            gpus: Gpus::PerTask(1),
            licences: [("x".into(), 2)].into(),
            ..Need::default()
        };
        assert_eq!(
            text(&need),
            r#"{"tasks":4,"cores_per_task":1,"min_nodes":2,"memory":{"per_node":7},"gpus":{"per_task":1},"licences":{"x":2}}"#
        );
        assert_eq!(serde_json::from_str::<Need>(&text(&need)).unwrap(), need);
        assert_eq!((need.cores(), need.gpus()), (4, 4));
    }
}
