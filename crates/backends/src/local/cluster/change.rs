//! What can be changed while the cluster is at work. `None` leaves a thing as it is; an empty text or list clears it.

use std::collections::BTreeMap;

use jobgate_model::StringMap;
use serde::{Deserialize, Serialize};

use super::view::{Hold, PartitionState};

/// Changes of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunChange {
    /// The time limit, in minutes; also of a run that runs.
    pub minutes: Option<i64>,
    /// The priority that was asked for.
    pub priority: Option<i64>,
    /// What is taken off the priority.
    pub nice: Option<i64>,
    /// Holds or releases it.
    pub hold: Option<HoldChange>,
    /// The job's name.
    pub name: Option<String>,
    /// Whether it is put back when its node fails, or may be by hand.
    pub requeue: Option<bool>,
    /// sbatch's long options without dashes (`partition`, `qos`, `account`, `dependency`, `begin`, `nodes`, `comment`, ...) with
    /// their new values; an empty value takes the option away. They mean what they mean at submission, and are refused alike.
    pub options: StringMap,
}

/// Holding and releasing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldChange {
    /// Hold it, in this capacity.
    Hold(Hold),
    /// Release it, whoever holds it.
    Release,
}

/// What an administrator wants of a node, in Slurm's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeOrder {
    /// `DOWN`: what runs there is stopped or put back, and nothing starts.
    Down,
    /// `DRAIN`: nothing new starts.
    Drain,
    /// `UNDRAIN`: as before [`NodeOrder::Drain`].
    Undrain,
    /// `RESUME`: neither down nor drained; refused when it is neither.
    Resume,
    /// `IDLE`: like resume, and never refused.
    Idle,
}

/// Changes of nodes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NodeChange {
    /// The state.
    pub order: Option<NodeOrder>,
    /// Why.
    pub reason: Option<String>,
    /// Down or drained, it resumes by itself after so many seconds.
    pub resume_after: Option<f64>,
    /// A comment.
    pub comment: Option<String>,
    /// Other words.
    pub extra: Option<String>,
    /// The features.
    pub features: Option<Vec<String>>,
    /// The weight.
    pub weight: Option<u64>,
    /// Generic resources, for example `gpu:amd:4`.
    pub gres: Option<String>,
}

/// Changes of a partition, or a new one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PartitionChange {
    /// Its nodes, as a hostlist; `ALL` means all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<String>,
    /// Whether it is the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<bool>,
    /// Whether it takes and starts runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<PartitionState>,
    /// The longest time limit in minutes; see [`super::view::UNLIMITED`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<i64>,
    /// The time limit of a run that names none, in minutes; see [`super::view::UNLIMITED`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_minutes: Option<i64>,
    /// Added to the priority of its runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// No run gets more nodes; `Some(None)`: no limit.
    #[serde(deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub max_nodes: Option<Option<u64>>,
    /// Its quality of service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qos: Option<String>,
    /// Only these accounts may use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_accounts: Option<Vec<String>>,
    /// Only these users may use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_users: Option<Vec<String>>,
    /// Only these qualities of service may be used in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_qos: Option<Vec<String>>,
}

/// A new reservation, or changes of one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReservationChange {
    /// When it begins, unix seconds; a new one begins now if nothing is said.
    pub start: Option<f64>,
    /// When it ends, unix seconds.
    pub end: Option<f64>,
    /// How long it lasts, minutes; see [`super::view::UNLIMITED`].
    pub minutes: Option<i64>,
    /// Its nodes, as a hostlist; `ALL` means all.
    pub nodes: Option<String>,
    /// How many nodes, where they are not named.
    pub node_count: Option<u64>,
    /// How many cores, where neither nodes nor their number are given: as many nodes as it takes.
    pub core_count: Option<u64>,
    /// Who may use it. A name with `-` before it is taken out of the list when a reservation is changed, with `+` added.
    pub users: Option<Vec<String>>,
    /// The accounts that may use it, likewise.
    pub accounts: Option<Vec<String>>,
    /// The partition that its nodes are of.
    pub partition: Option<String>,
    /// Features that its nodes must have.
    pub features: Option<String>,
    /// Licences that are kept for it.
    pub licences: Option<BTreeMap<String, u64>>,
    /// Flags in Slurm's words; one with `-` before it is taken away when a reservation is changed.
    pub flags: Option<Vec<String>>,
    /// A comment.
    pub comment: Option<String>,
}

/// A signal for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// All processes of the run.
    All,
    /// The script's own process only (Slurm's `BATCH_JOB`).
    Script,
    /// What `srun` has started; not the script.
    Steps,
}

/// A value that is there, also when it is `null`.
#[expect(clippy::option_option, reason = "not said, no limit, and a limit are three things")]
fn said<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u64>>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}
