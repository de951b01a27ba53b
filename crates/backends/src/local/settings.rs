//! What there is to run on: configured, or found on the machine.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::request::{Need, licence_counter, partition_counter};

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
    /// Licences by name.
    pub licences: BTreeMap<String, u64>,
    /// Partitions by name. If there are none, any partition's name is accepted and means nothing.
    pub partitions: BTreeMap<String, Partition>,
    /// What is done with a request that is larger than the machine.
    pub oversize: Oversize,
    /// The configuration file that all this comes from; not used here, but runners look there for how to send callbacks.
    #[serde(default)]
    pub config: Option<PathBuf>,
}

/// A part of the queue with limits of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Partition {
    /// Its runs use at most so many cores together.
    pub cores: Option<u64>,
    /// The longest time limit, in minutes.
    pub minutes: Option<i64>,
    /// Added to the priority of its runs.
    pub priority: i64,
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
            licences: BTreeMap::new(),
            partitions: BTreeMap::new(),
            oversize: Oversize::default(),
            config: None,
        }
    }
}

/// The machine as the scheduler sees it.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    /// All that can be in use at the same time.
    pub(super) total: Need,
    pub(super) partitions: BTreeMap<String, Partition>,
    pub(super) oversize: Oversize,
}

impl Machine {
    pub(super) fn of(settings: &LocalSettings) -> Self {
        let mut counters: BTreeMap<String, u64> =
            settings.licences.iter().map(|(name, count)| (licence_counter(name), *count)).collect();
        for (name, partition) in &settings.partitions {
            if let Some(cores) = partition.cores {
                counters.insert(partition_counter(name), cores);
            }
        }
        let total = Need {
            cores: settings.cores.unwrap_or_else(found_cores).max(1),
            memory: settings.memory.unwrap_or_else(found_memory),
            gpus: settings.gpus.unwrap_or_else(found_gpus),
            counters,
        };
        Self { total, partitions: settings.partitions.clone(), oversize: settings.oversize }
    }
}

/// Affinity and the control group's quota are taken into account by the standard library.
fn found_cores() -> u64 {
    std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64)
}

fn found_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).map_or(u64::MAX >> 1, |kib| kib * 1024)
}

fn found_gpus() -> u64 {
    let Ok(entries) = std::fs::read_dir("/dev") else { return 0 };
    let is_gpu = |name: &str| {
        name.strip_prefix("nvidia")
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    entries.filter_map(Result::ok).filter(|entry| entry.file_name().to_str().is_some_and(is_gpu)).count() as u64
}
