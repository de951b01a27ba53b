//! What is shown of the cluster: plain values, read in one go, in Slurm's terms.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jobgate_model::{JobNdx, State, StringMap};
use serde::{Deserialize, Serialize};

/// A time limit of so many minutes means that there is none (Slurm's number for "infinite").
pub const UNLIMITED: i64 = 0xffff_ffff;

/// How far the cluster has changed. Every visible change increases `number`; the times say when each kind of thing changed
/// last, in unix seconds (0: never).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Revision {
    /// Increases with every change, whichever process makes it.
    pub number: u64,
    /// When a run changed last.
    pub runs: f64,
    /// When a node changed last.
    pub nodes: f64,
    /// When a partition changed last.
    pub partitions: f64,
    /// When a reservation changed last.
    pub reservations: f64,
}

/// Which runs are wanted. The default: all that are known, also those that have ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunFilter {
    /// Only runs that changed after this [`Revision::number`].
    pub changed_since: Option<u64>,
    /// Only runs that wait, run or are suspended.
    pub live_only: bool,
    /// Only runs that ended at or after this time (unix seconds), and all that have not ended.
    pub ended_since: Option<f64>,
}

/// What a walk over the runs has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Walked {
    /// The revision that was looked at.
    pub number: u64,
    /// How many runs there are in all, also those that the filter left out. Runs are forgotten a long time after their end;
    /// whoever keeps runs by number and finds another count starts anew.
    pub total: u64,
}

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunView {
    /// Its number in the queue: the job id of Slurm's clients.
    pub id: i64,
    /// The [`Revision::number`] of its last change.
    pub revision: u64,
    /// The marker that it was submitted with.
    pub marker: String,
    /// The job's directory.
    pub base: PathBuf,
    /// The job.
    pub jobid: String,
    /// The run of the job.
    pub jobndx: JobNdx,
    /// What the history calls it: the native id of its `queued` row.
    pub native: String,
    /// Who submitted it.
    pub owner: String,
    /// The job's name.
    pub name: Option<String>,
    /// sbatch's long options as they were given or changed since, in order. Runs that were given the same may share them.
    pub options: Arc<StringMap>,
    /// What it asked for. Runs that ask for the same may share it.
    pub request: Arc<Requested>,
    /// The partitions that it may run in while it waits, with commas between; then the one that it was started in.
    pub partition: String,
    /// The account that it is charged to.
    pub account: Option<String>,
    /// Its quality of service.
    pub qos: Option<String>,
    /// The reservation that it asked for, or that attracted it.
    pub reservation: Option<String>,
    /// What it was given, one entry for each node in the nodes' order; empty until it starts.
    pub allocation: Vec<Share>,
    /// Its place in the order: larger comes earlier. It may be negative.
    pub priority: i64,
    /// What its owner took off the priority.
    pub nice: i64,
    /// When it was submitted, unix seconds.
    pub queued: f64,
    /// When it could have started for the first time as far as dependencies, begin time and holds are concerned.
    pub eligible: Option<f64>,
    /// When it started (the last time), unix seconds.
    pub started: Option<f64>,
    /// When it ended, unix seconds.
    pub ended: Option<f64>,
    /// It does not start before this time, unix seconds.
    pub begin: Option<f64>,
    /// It has to end before this time, unix seconds.
    pub deadline: Option<f64>,
    /// When it will start at the latest, as the scheduler saw it last; only for runs that resources are kept for.
    pub expected: Option<f64>,
    /// Since when it is suspended, unix seconds.
    pub suspended: Option<f64>,
    /// Its time limit; see [`UNLIMITED`].
    pub minutes: i64,
    /// Where it is.
    pub phase: RunPhase,
    /// Why it waits, or why it ended without having started, in Slurm's words; `None` for runs that run or ended by
    /// themselves.
    pub reason: String,
    /// What it waits for in Slurm's form, with run numbers, for example `afterok:12(unfulfilled)`; empty when there is nothing
    /// (any more).
    pub dependency: String,
    /// The array that it is a task of.
    pub array: Option<ArrayTask>,
    /// Who holds it.
    pub hold: Option<Hold>,
    /// Whether it is put back when its node fails, or may be by hand.
    pub requeue: bool,
    /// How often it was put back.
    pub restarts: i64,
    /// It was told to stop and has not ended yet.
    pub stopping: bool,
    /// Somebody canceled it, which is why it was told to stop; otherwise it is put back, or fails with its node.
    pub canceled: bool,
    /// The process id of its runner.
    pub pid: Option<i32>,
}

/// Where a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunPhase {
    /// In the queue.
    Waiting,
    /// Running.
    Running,
    /// Stopped by SIGSTOP, to be continued.
    Suspended,
    /// Over, with the state and the info of its last row.
    Ended(State, String),
}

/// Who holds a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hold {
    /// Its owner, who may release it.
    User,
    /// An administrator.
    Admin,
}

/// A task of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArrayTask {
    /// The number of the array's first task: the array's job id.
    pub id: i64,
    /// The task's number in the array.
    pub task: i64,
    /// How many tasks the array has.
    pub count: i64,
    /// At most so many run at the same time.
    pub limit: Option<i64>,
}

/// What a run asked for. Memory is in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Requested {
    /// The fewest nodes.
    pub min_nodes: u64,
    /// The most nodes; `None`: as many as it takes.
    pub max_nodes: Option<u64>,
    /// Tasks.
    pub tasks: u64,
    /// Cores of each task.
    pub cores_per_task: u64,
    /// Exactly so many tasks on each node.
    pub tasks_per_node: Option<u64>,
    /// All cores that it will get at least.
    pub cores: u64,
    /// Memory on each node.
    pub memory_per_node: Option<u64>,
    /// Memory for each core.
    pub memory_per_core: Option<u64>,
    /// GPUs in all, where that was asked for.
    pub gpus: Option<u64>,
    /// GPUs on each node.
    pub gpus_per_node: Option<u64>,
    /// GPUs of each task.
    pub gpus_per_task: Option<u64>,
    /// The type of GPU.
    pub gpu_type: Option<String>,
    /// Whether nothing else may run on its nodes.
    pub exclusive: bool,
    /// Nodes that must be among its own.
    pub nodelist: Vec<String>,
    /// Nodes that it does not want.
    pub exclude: Vec<String>,
    /// The features that its nodes must have.
    pub constraint: Option<String>,
    /// Licences by name.
    pub licences: BTreeMap<String, u64>,
}

/// What a run has of one node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The node's name.
    pub node: String,
    /// Tasks that are to run there.
    pub tasks: u64,
    /// Cores.
    pub cores: u64,
    /// Bytes of memory; 0: not accounted.
    #[serde(default)]
    pub memory: u64,
    /// Numbers of the GPUs, as the node counts them.
    #[serde(default)]
    pub gpus: Vec<u32>,
}

/// What a node is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeState {
    /// Nothing runs there.
    Idle,
    /// Some of it is in use.
    Mixed,
    /// All of its cores are in use.
    Allocated,
    /// It takes nothing, and what ran there has ended.
    Down,
}

/// A logical node. Memory is in bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// Cores.
    pub cores: u64,
    /// Memory.
    pub memory: u64,
    /// GPUs.
    pub gpus: u64,
    /// Generic resources as they are written, for example `gpu:amd:4`; empty when there are none.
    pub gres: String,
    /// The type of the GPUs, if it is said.
    pub gpu_type: Option<String>,
    /// Features, all of them active.
    pub features: Vec<String>,
    /// Nodes of a lower weight are chosen first.
    pub weight: u64,
    /// What it does.
    pub state: NodeState,
    /// It takes nothing new.
    pub drained: bool,
    /// It is kept for the first waiting run.
    pub planned: bool,
    /// The reservation that holds now and keeps it.
    pub reservation: Option<String>,
    /// That reservation is for maintenance.
    pub maintenance: bool,
    /// Why it is down or drained.
    pub reason: String,
    /// Who said so.
    pub reason_user: String,
    /// When, unix seconds.
    pub reason_at: Option<f64>,
    /// It resumes by itself at this time, unix seconds.
    pub resume_at: Option<f64>,
    /// An administrator's comment.
    pub comment: String,
    /// An administrator's other words.
    pub extra: String,
    /// Its partitions, in the order of their names.
    pub partitions: Vec<String>,
    /// Cores in use.
    pub used_cores: u64,
    /// Memory in use.
    pub used_memory: u64,
    /// Numbers of the GPUs in use.
    pub used_gpus: Vec<u32>,
    /// Runs that are on it.
    pub runs: Vec<i64>,
    /// When something ran there last, unix seconds; now if something does.
    pub last_busy: f64,
}

/// Whether a partition takes and starts runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartitionState {
    /// Runs are taken and started.
    #[default]
    Up,
    /// Runs are taken and not started.
    Down,
    /// No runs are taken; those that wait are started.
    Drain,
    /// Neither.
    Inactive,
}

/// A partition.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionView {
    /// Its name.
    pub name: String,
    /// Its nodes, in their order.
    pub nodes: Vec<String>,
    /// Runs that name no partition come here.
    pub default: bool,
    /// Whether it takes and starts runs.
    pub state: PartitionState,
    /// The longest time limit, in minutes.
    pub minutes: Option<i64>,
    /// The time limit of a run that names none, in minutes.
    pub default_minutes: Option<i64>,
    /// Added to the priority of its runs.
    pub priority: i64,
    /// No run gets more nodes.
    pub max_nodes: Option<u64>,
    /// Its runs use at most so many cores together.
    pub most_cores: Option<u64>,
    /// Its own quality of service, whose limits hold for all of its runs.
    pub qos: Option<String>,
    /// Only these accounts may use it; empty: all.
    pub allow_accounts: Vec<String>,
    /// Only these users may use it; empty: all.
    pub allow_users: Vec<String>,
    /// Only these qualities of service may be used in it; empty: all.
    pub allow_qos: Vec<String>,
    /// It is in the configuration, and was not made at run time.
    pub configured: bool,
    /// Cores of its nodes.
    pub cores: u64,
    /// Memory of its nodes, bytes.
    pub memory: u64,
    /// GPUs of its nodes.
    pub gpus: u64,
}

/// A reservation of nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct ReservationView {
    /// Its name.
    pub name: String,
    /// When it begins (the next or current time, if it repeats), unix seconds.
    pub start: f64,
    /// When it ends, unix seconds.
    pub end: f64,
    /// Its nodes, in their order.
    pub nodes: Vec<String>,
    /// Their cores.
    pub cores: u64,
    /// Who may use it.
    pub users: Vec<String>,
    /// The accounts that may use it.
    pub accounts: Vec<String>,
    /// The partition that its nodes are of.
    pub partition: Option<String>,
    /// The features that its nodes were chosen by.
    pub features: Option<String>,
    /// Licences that are kept for it.
    pub licences: BTreeMap<String, u64>,
    /// Flags in Slurm's words, for example `MAINT`, `IGNORE_JOBS`, `MAGNETIC`, `DAILY`, `SPEC_NODES`.
    pub flags: Vec<String>,
    /// An administrator's comment.
    pub comment: String,
    /// Whether it holds now.
    pub active: bool,
}

/// A licence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicenceView {
    /// Its name.
    pub name: String,
    /// How many there are.
    pub total: u64,
    /// How many are in use.
    pub used: u64,
    /// How many reservations that hold now keep.
    pub reserved: u64,
}

/// A quality of service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QosView {
    /// Its number: 1 for the first.
    pub id: i64,
    /// Its name.
    pub name: String,
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

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountView {
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Whose it is.
    pub organization: String,
    /// Who may use it; empty: everybody.
    pub users: Vec<String>,
}

/// What the scheduler has done since it was asked to count anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Since when it is counted, unix seconds.
    pub since: f64,
    /// Runs that were queued.
    pub submitted: u64,
    /// Runs that were started.
    pub started: u64,
    /// Runs that completed.
    pub completed: u64,
    /// Runs that were canceled.
    pub canceled: u64,
    /// Runs that failed.
    pub failed: u64,
    /// Runs that wait now.
    #[serde(skip)]
    pub waiting: u64,
    /// Runs that run now.
    #[serde(skip)]
    pub running: u64,
    /// Scheduling cycles.
    pub cycles: u64,
    /// When the last one was, unix seconds.
    pub last_cycle: f64,
    /// How long it took, microseconds.
    pub cycle_last: u64,
    /// How long the longest took, microseconds.
    pub cycle_max: u64,
    /// How long all took together, microseconds.
    pub cycle_sum: u64,
    /// How many waiting runs all cycles looked at together.
    pub depth_sum: u64,
    /// How many waiting runs the last cycle looked at.
    pub depth_last: u64,
    /// Runs that were started before one that came earlier.
    pub backfilled: u64,
    /// How many of them in the last cycle that started any.
    pub backfilled_last: u64,
    /// Cycles in which something was kept for a run, so that others could only be filled in.
    pub backfill_cycles: u64,
}
