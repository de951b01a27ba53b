//! What there is to run on, as it is configured.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::cluster::PartitionState;

/// Ended runs are kept for so many seconds.
const KEEP_ENDED: u64 = 30 * 86_400;

/// How the local batch system is set up. Runners get a copy, so that they can go on when no gateway is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalSettings {
    /// Where the queue `local.db` lives; on a local disk.
    pub state_dir: PathBuf,
    /// The program that is started as `PROGRAM runner` for each run.
    pub runner: PathBuf,
    /// Cores; `None`: those that this process may use (affinity and control group).
    pub cores: Option<u64>,
    /// Bytes of memory; `None`: the machine's.
    pub memory: Option<u64>,
    /// GPUs; `None`: as many as there are `/dev/nvidia0`, `/dev/nvidia1`, ...
    pub gpus: Option<u64>,
    /// Logical nodes by name or hostlist. If there are none, the machine is the one node.
    #[serde(default)]
    pub nodes: BTreeMap<String, NodeSettings>,
    /// Licences by name.
    pub licences: BTreeMap<String, u64>,
    /// Partitions by name. If there are none, any partition's name is accepted and means nothing.
    pub partitions: BTreeMap<String, Partition>,
    /// Qualities of service by name. If there are none, any name is accepted and means nothing.
    #[serde(default)]
    pub qos: BTreeMap<String, Qos>,
    /// Accounts by name. If there are none, any name is accepted and means nothing.
    #[serde(default)]
    pub accounts: BTreeMap<String, Account>,
    /// What of the accounting books is enforced.
    #[serde(default)]
    pub bookkeeping: Bookkeeping,
    /// What is done with a request that is larger than the machine.
    pub oversize: Oversize,
    /// Ended runs are kept for so many seconds.
    #[serde(default = "keep_ended")]
    pub keep_ended: u64,
    /// The configuration file that all this comes from; not used here, but runners look there for how to send callbacks.
    #[serde(default)]
    pub config: Option<PathBuf>,
}

/// One logical node, or several alike. What is not said is the machine's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeSettings {
    /// Cores.
    pub cores: Option<u64>,
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Generic resources: `gpu:COUNT` or `gpu:TYPE:COUNT`.
    pub gres: String,
    /// Features that jobs can ask for.
    pub features: Vec<String>,
    /// Nodes of a lower weight are chosen first.
    pub weight: Option<u64>,
}

/// A part of the queue with limits of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Partition {
    /// Its nodes as a hostlist; all when nothing is said.
    pub nodes: String,
    /// Runs that name no partition come here.
    pub default: bool,
    /// Whether it takes and starts runs.
    pub state: PartitionState,
    /// Its runs use at most so many cores together.
    pub cores: Option<u64>,
    /// No run gets more nodes.
    pub max_nodes: Option<u64>,
    /// The longest time limit, in minutes.
    pub minutes: Option<i64>,
    /// The time limit of a run that names none, in minutes.
    pub default_minutes: Option<i64>,
    /// Added to the priority of its runs.
    pub priority: i64,
    /// The quality of service whose limits hold for all of its runs.
    pub qos: Option<String>,
    /// Only these accounts may use it; all when nothing is said.
    pub allow_accounts: Vec<String>,
    /// Only these users may use it; all when nothing is said.
    pub allow_users: Vec<String>,
    /// Only these qualities of service may be used in it; all when nothing is said.
    pub allow_qos: Vec<String>,
}

/// A quality of service: limits and priority that runs ask for by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Qos {
    /// What it is for.
    pub description: String,
    /// Added to the priority of its runs.
    pub priority: i64,
    /// The longest time limit, in minutes.
    pub minutes: Option<i64>,
    /// So many runs of one user run at the same time.
    pub jobs_per_user: Option<u64>,
    /// So many runs of one user wait and run at the same time; more are refused.
    pub submit_per_user: Option<u64>,
    /// The runs of one user use at most so many cores together.
    pub cores_per_user: Option<u64>,
    /// All its runs use at most so many cores together.
    pub cores: Option<u64>,
}

/// An account that runs are charged to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Account {
    /// What it is.
    pub description: String,
    /// Whose it is.
    pub organization: String,
    /// Who may use it; everybody when nothing is said.
    pub users: Vec<String>,
}

/// What of the accounting books is enforced when runs are queued and started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bookkeeping {
    /// The cluster's name in the books.
    pub cluster: String,
    /// The login of the user that this process runs as, whose runs are those of owners such as `local:...`.
    pub login: String,
    /// Slurm's words: `associations`, `limits`, `qos`, `wckeys`. None: nothing is enforced.
    pub enforce: Vec<String>,
}

impl Bookkeeping {
    /// The login that a run's owner goes by in the books.
    pub(super) fn login_of<'a>(&'a self, owner: &'a str) -> &'a str {
        if owner.starts_with("local:") { &self.login } else { owner }
    }
}

/// What is done with a request that is larger than the machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Oversize {
    /// It gets the whole machine, and `log/console` says so. psik runs such jobs, too.
    #[default]
    Clamp,
    /// It is refused.
    Refuse,
}

impl LocalSettings {
    /// Everything as found on the machine.
    pub fn new(state_dir: impl Into<PathBuf>, runner: impl Into<PathBuf>) -> Self {
        Self {
            state_dir: state_dir.into(),
            runner: runner.into(),
            cores: None,
            memory: None,
            gpus: None,
            nodes: BTreeMap::new(),
            licences: BTreeMap::new(),
            partitions: BTreeMap::new(),
            qos: BTreeMap::new(),
            accounts: BTreeMap::new(),
            bookkeeping: Bookkeeping::default(),
            oversize: Oversize::default(),
            keep_ended: KEEP_ENDED,
            config: None,
        }
    }
}

fn keep_ended() -> u64 {
    KEEP_ENDED
}
