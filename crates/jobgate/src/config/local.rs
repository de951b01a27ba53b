//! The part of the configuration about the embedded batch system.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use jobgate_backends::LocalSettings;
use jobgate_backends::local::cluster::PartitionState;
use jobgate_backends::local::{Account, NodeSettings, Oversize, Partition, Qos};
use serde::Deserialize;

use super::render::{list, quoted};
use super::units::{Bytes, Lasting, show_duration, show_size};

/// The machine, or the cluster of logical nodes on it, as the embedded batch system sees it. What is not said is looked up on
/// the machine.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LocalConfig {
    /// Cores to give out.
    pub(crate) cores: Option<u64>,
    /// Memory to give out, in bytes.
    pub(crate) memory: Option<u64>,
    /// GPUs to give out.
    pub(crate) gpus: Option<u64>,
    /// Logical nodes by name or hostlist.
    pub(crate) nodes: BTreeMap<String, NodeSettings>,
    /// Licences to give out, by name.
    pub(crate) licences: BTreeMap<String, u64>,
    /// What becomes of a request larger than the machine.
    pub(crate) oversize: Oversize,
    /// Partitions by name; jobs choose one with the attribute `partition` or the backend's `queue_name`.
    pub(crate) partitions: BTreeMap<String, Partition>,
    /// Qualities of service by name; jobs choose one with the attribute `qos`.
    pub(crate) qos: BTreeMap<String, Qos>,
    /// Accounts by name; jobs choose one with the attribute `account` or the backend's `project_name`.
    pub(crate) accounts: BTreeMap<String, Account>,
    /// How long ended runs are kept.
    pub(crate) keep_ended: Duration,
}

impl Default for LocalConfig {
    fn default() -> Self {
        Local::default().settings()
    }
}

impl LocalConfig {
    /// Puts it into the settings of the batch system.
    pub(crate) fn apply(&self, settings: LocalSettings) -> LocalSettings {
        let Self { cores, memory, gpus, nodes, licences, oversize, partitions, qos, accounts, keep_ended } =
            self.clone();
        let keep_ended = keep_ended.as_secs();
        LocalSettings {
            cores,
            memory,
            gpus,
            nodes,
            licences,
            oversize,
            partitions,
            qos,
            accounts,
            keep_ended,
            ..settings
        }
    }

    /// It as TOML that reads back as the same.
    pub(super) fn render(&self) -> String {
        let mut text = String::from("\n[local]\n");
        for (key, value) in [("cores", self.cores), ("gpus", self.gpus)] {
            number(&mut text, key, value);
        }
        if let Some(memory) = self.memory {
            line(&mut text, "memory", &quoted(&show_size(memory)));
        }
        let oversize = match self.oversize {
            Oversize::Clamp => "clamp",
            Oversize::Refuse => "refuse",
        };
        line(&mut text, "oversize", &quoted(oversize));
        line(&mut text, "keep_ended", &quoted(&show_duration(self.keep_ended)));
        if !self.licences.is_empty() {
            text.push_str("\n[local.licences]\n");
            for (name, count) in &self.licences {
                line(&mut text, &quoted(name), &count.to_string());
            }
        }
        for (name, node) in &self.nodes {
            table(&mut text, "nodes", name);
            number(&mut text, "cores", node.cores);
            if let Some(memory) = node.memory {
                line(&mut text, "memory", &quoted(&show_size(memory)));
            }
            line(&mut text, "gres", &quoted(&node.gres));
            names(&mut text, "features", &node.features);
            number(&mut text, "weight", node.weight);
        }
        self.partitions.iter().for_each(|(name, partition)| render_partition(&mut text, name, partition));
        for (name, qos) in &self.qos {
            table(&mut text, "qos", name);
            line(&mut text, "description", &quoted(&qos.description));
            line(&mut text, "priority", &qos.priority.to_string());
            number(&mut text, "minutes", qos.minutes);
            number(&mut text, "jobs_per_user", qos.jobs_per_user);
            number(&mut text, "submit_per_user", qos.submit_per_user);
            number(&mut text, "cores_per_user", qos.cores_per_user);
            number(&mut text, "cores", qos.cores);
        }
        for (name, account) in &self.accounts {
            table(&mut text, "accounts", name);
            line(&mut text, "description", &quoted(&account.description));
            line(&mut text, "organization", &quoted(&account.organization));
            names(&mut text, "users", &account.users);
        }
        text
    }
}

fn render_partition(text: &mut String, name: &str, partition: &Partition) {
    table(text, "partitions", name);
    line(text, "nodes", &quoted(&partition.nodes));
    line(text, "default", &partition.default.to_string());
    let state = match partition.state {
        PartitionState::Up => "up",
        PartitionState::Down => "down",
        PartitionState::Drain => "drain",
        PartitionState::Inactive => "inactive",
    };
    line(text, "state", &quoted(state));
    number(text, "cores", partition.cores);
    number(text, "max_nodes", partition.max_nodes);
    number(text, "minutes", partition.minutes);
    number(text, "default_minutes", partition.default_minutes);
    line(text, "priority", &partition.priority.to_string());
    if let Some(qos) = &partition.qos {
        line(text, "qos", &quoted(qos));
    }
    names(text, "allow_accounts", &partition.allow_accounts);
    names(text, "allow_users", &partition.allow_users);
    names(text, "allow_qos", &partition.allow_qos);
}

fn table(text: &mut String, kind: &str, name: &str) {
    writeln!(text, "\n[local.{kind}.{}]", quoted(name)).expect("invariant: a String takes everything");
}

fn line(text: &mut String, key: &str, value: &str) {
    writeln!(text, "{key} = {value}").expect("invariant: a String takes everything");
}

fn number(text: &mut String, key: &str, value: Option<impl std::fmt::Display>) {
    if let Some(value) = value {
        line(text, key, &value.to_string());
    }
}

fn names(text: &mut String, key: &str, names: &[String]) {
    line(text, key, &list(names.iter().map(|name| quoted(name))));
}

/// `[local]` as it stands in the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Local {
    cores: Option<u64>,
    memory: Option<Bytes>,
    gpus: Option<u64>,
    nodes: BTreeMap<String, Node>,
    licences: BTreeMap<String, u64>,
    oversize: Oversize,
    partitions: BTreeMap<String, Partition>,
    qos: BTreeMap<String, Qos>,
    accounts: BTreeMap<String, Account>,
    keep_ended: Option<Lasting>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Node {
    #[serde(alias = "cpus")]
    cores: Option<u64>,
    memory: Option<Bytes>,
    gres: String,
    features: Vec<String>,
    weight: Option<u64>,
}

impl Local {
    pub(super) fn settings(self) -> LocalConfig {
        let default = LocalSettings::new("", "").keep_ended;
        let node = |(names, node): (String, Node)| {
            let Node { cores, memory, gres, features, weight } = node;
            (names, NodeSettings { cores, memory: memory.map(|bytes| bytes.0), gres, features, weight })
        };
        LocalConfig {
            cores: self.cores,
            memory: self.memory.map(|bytes| bytes.0),
            gpus: self.gpus,
            nodes: self.nodes.into_iter().map(node).collect(),
            licences: self.licences,
            oversize: self.oversize,
            partitions: self.partitions,
            qos: self.qos,
            accounts: self.accounts,
            keep_ended: self.keep_ended.map_or(Duration::from_secs(default), |lasting| lasting.0),
        }
    }
}
