//! The inventory from its configuration and from what was changed since.

use std::collections::{BTreeMap, BTreeSet};

use jobgate_model::Error;
use jobgate_slurm::books::Enforce;
use jobgate_slurm::hostlist::Hostlist;
use rusqlite::Connection;

use super::windows::windows_of;
use super::{
    IMPLICIT_PARTITION, Inventory, Node, NodeRecord, Partition, PartitionRecord, Reservation, ReservationRecord, found,
};
use crate::local::books;
use crate::local::cluster::UNLIMITED;
use crate::local::limits::Limits;
use crate::local::queue::{self, Table};
use crate::local::settings::{LocalSettings, NodeSettings, Qos};

/// The quality of service of runs that name none.
pub(in crate::local) const NORMAL_QOS: &str = "normal";
/// The record of the one node of a machine without configured nodes, whatever its name is now.
pub(in crate::local) const THIS_MACHINE: &str = "";

/// The inventory as configured.
#[derive(Debug, Clone)]
pub(super) struct Site {
    configured: Inventory,
    /// What of the accounting books is enforced.
    pub(super) enforce: Enforce,
}

/// What was changed since, as it is stored.
#[derive(Debug, Clone, Default)]
pub(super) struct Records {
    pub(super) nodes: BTreeMap<String, NodeRecord>,
    pub(super) partitions: BTreeMap<String, PartitionRecord>,
    pub(super) reservations: BTreeMap<String, ReservationRecord>,
    /// What the accounting books limit.
    pub(super) limits: Limits,
}

impl Records {
    pub(super) fn load(tx: &Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            nodes: queue::records(tx, Table::Node)?.into_iter().collect(),
            partitions: queue::records(tx, Table::Partition)?.into_iter().collect(),
            reservations: queue::records(tx, Table::Reservation)?.into_iter().collect(),
            limits: books::limits(tx)?,
        })
    }
}

impl Site {
    /// The configuration, if it makes sense.
    pub(super) fn of(settings: &LocalSettings) -> Result<Self, Error> {
        let mut nodes: Vec<Node> = Vec::new();
        for (names, node) in &settings.nodes {
            for name in hostlist(names).map_err(|why| wrong(&format!("nodes.{names:?}"), &why))? {
                if nodes.iter().any(|known| known.name == name) {
                    return Err(wrong("nodes", &format!("node {name} is there twice")));
                }
                nodes.push(configured_node(name, node, settings)?);
            }
        }
        if nodes.is_empty() {
            nodes.push(configured_node(found::host(), &NodeSettings::default(), settings)?);
        }
        let mut qos: BTreeMap<String, Qos> = settings.qos.clone();
        qos.entry(NORMAL_QOS.to_owned())
            .or_insert_with(|| Qos { description: "Normal QOS default".into(), ..Qos::default() });
        let configured = Inventory {
            nodes,
            has_nodes: !settings.nodes.is_empty(),
            has_partitions: !settings.partitions.is_empty(),
            has_qos: !settings.qos.is_empty(),
            licences: settings.licences.clone(),
            qos,
            accounts: settings.accounts.clone(),
            login: settings.bookkeeping.login.clone(),
            oversize: settings.oversize,
            ..Inventory::default()
        };
        let words = settings.bookkeeping.enforce.iter().map(String::as_str);
        let enforce = Enforce::parse(words).map_err(|why| Error::invalid(format!("configuration enforce: {why}")))?;
        let mut site = Self { configured, enforce };
        for (name, partition) in &settings.partitions {
            let nodes = site
                .configured
                .node_set(&partition.nodes)
                .map_err(|why| wrong(&format!("partitions.{name}.nodes"), &why))?;
            for qos in partition.qos.iter().chain(&partition.allow_qos) {
                if !site.configured.qos.contains_key(qos) {
                    return Err(wrong(&format!("partitions.{name}"), &format!("there is no qos {qos:?}")));
                }
            }
            let made = Partition {
                nodes,
                default: partition.default,
                state: partition.state,
                minutes: limited(partition.minutes),
                default_minutes: limited(partition.default_minutes),
                priority: partition.priority,
                max_nodes: partition.max_nodes,
                cores: partition.cores,
                qos: partition.qos.clone(),
                allow_accounts: partition.allow_accounts.clone(),
                allow_users: partition.allow_users.clone(),
                allow_qos: partition.allow_qos.clone(),
                configured: true,
                implicit: false,
            };
            site.configured.partitions.insert(name.clone(), made);
        }
        if site.configured.partitions.values().filter(|partition| partition.default).count() > 1 {
            return Err(wrong("partitions", "more than one is the default"));
        }
        Ok(site)
    }

    /// The inventory now.
    pub(super) fn inventory(&self, records: &Records, now: f64) -> Inventory {
        let mut inventory = self.configured.clone();
        let has_nodes = inventory.has_nodes;
        for node in &mut inventory.nodes {
            let key = if has_nodes { node.name.as_str() } else { THIS_MACHINE };
            if let Some(record) = records.nodes.get(key) {
                apply_node(node, record);
            }
        }
        for (name, record) in &records.partitions {
            if record.deleted {
                inventory.partitions.remove(name);
                continue;
            }
            inventory.has_partitions = true;
            let mut partition = inventory.partitions.remove(name).unwrap_or_default();
            apply_partition(&mut partition, record, &inventory);
            inventory.partitions.insert(name.clone(), partition);
        }
        if !inventory.partitions.values().any(|partition| partition.default) {
            let all = (0..inventory.nodes.len()).collect();
            let implicit = Partition { nodes: all, configured: true, implicit: true, ..Partition::default() };
            inventory.partitions.entry(IMPLICIT_PARTITION.to_owned()).or_insert(implicit).default = true;
        }
        self.apply_limits(&mut inventory, &records.limits);
        for (name, record) in &records.reservations {
            let windows = windows_of(record, now);
            if !windows.is_empty() {
                inventory.reservations.insert(name.clone(), reservation(record, windows, &inventory));
            }
        }
        inventory
    }
}

impl Site {
    /// What the accounting books say of qualities of service, they say of configured ones, too. Those that are in the books
    /// alone can be asked for, but limit nothing unless limits are enforced; the same is true of limits of accounts and users.
    fn apply_limits(&self, inventory: &mut Inventory, limits: &Limits) {
        for (name, qos) in &limits.qos {
            let qos = match inventory.qos.get(name) {
                // which the books cannot say
                Some(known) if known.priority < 0 && qos.priority == 0 => {
                    Qos { priority: known.priority, ..qos.clone() }
                }
                Some(_) if inventory.has_qos || self.enforce.limits => qos.clone(),
                None if self.enforce.limits => qos.clone(),
                _ => Qos { description: qos.description.clone(), priority: qos.priority, ..Qos::default() },
            };
            inventory.qos.insert(name.clone(), qos);
        }
        if self.enforce.limits {
            inventory.limits = limits.clone();
        }
        if self.enforce.associations {
            // the books have them, and say who may use them
            inventory.accounts.clear();
        }
    }
}

fn wrong(what: &str, why: &str) -> Error {
    Error::invalid(format!("configuration local.{what}: {why}"))
}

/// The names of a hostlist, each once.
pub(in crate::local) fn hostlist(text: &str) -> Result<Vec<String>, String> {
    let list = Hostlist::parse(text).map_err(|error| error.to_string())?;
    Ok(list.distinct().names().collect())
}

fn limited(minutes: Option<i64>) -> Option<i64> {
    minutes.filter(|minutes| *minutes < UNLIMITED)
}

fn configured_node(name: String, node: &NodeSettings, settings: &LocalSettings) -> Result<Node, Error> {
    let Some((gpu_type, gpus)) = super::parse_gres(&node.gres) else {
        return Err(wrong(&format!("nodes.{name}.gres"), "expected gpu:COUNT or gpu:TYPE:COUNT"));
    };
    let one_machine = settings.nodes.is_empty();
    let gpus = if one_machine { settings.gpus.unwrap_or_else(found::gpus) } else { gpus };
    Ok(Node {
        name,
        cores: node.cores.or(settings.cores).unwrap_or_else(found::cores).max(1),
        memory: node.memory.or(settings.memory).unwrap_or_else(found::memory),
        gpus,
        gpu_type,
        features: node.features.iter().cloned().collect(),
        weight: node.weight.unwrap_or(1),
        ..Node::default()
    })
}

fn apply_node(node: &mut Node, record: &NodeRecord) {
    node.down = record.down;
    node.drained = record.drained;
    node.reason.clone_from(&record.reason);
    node.reason_user.clone_from(&record.reason_user);
    node.reason_at = record.reason_at;
    node.resume_at = record.resume_at;
    node.comment.clone_from(&record.comment);
    node.extra.clone_from(&record.extra);
    if let Some(features) = &record.features {
        node.features = features.iter().cloned().collect();
    }
    if let Some(weight) = record.weight {
        node.weight = weight;
    }
    if let Some((gpu_type, gpus)) = record.gres.as_deref().and_then(super::parse_gres) {
        (node.gpu_type, node.gpus) = (gpu_type, gpus);
    }
}

fn apply_partition(partition: &mut Partition, record: &PartitionRecord, inventory: &Inventory) {
    let change = &record.change;
    let is_new = !partition.configured;
    if let Some(nodes) = change.nodes.as_deref().or(is_new.then_some("ALL")) {
        // Nodes that are no longer configured are left out.
        partition.nodes = inventory.node_set_of_known(nodes);
    }
    let set = |field: &mut Option<i64>, minutes: Option<i64>| {
        if minutes.is_some() {
            *field = limited(minutes);
        }
    };
    set(&mut partition.minutes, change.minutes);
    set(&mut partition.default_minutes, change.default_minutes);
    partition.default = change.default.unwrap_or(partition.default);
    partition.state = change.state.unwrap_or(partition.state);
    partition.priority = change.priority.unwrap_or(partition.priority);
    partition.max_nodes = change.max_nodes.unwrap_or(partition.max_nodes);
    if let Some(qos) = &change.qos {
        partition.qos = Some(qos.clone()).filter(|qos| !qos.is_empty());
    }
    for (field, list) in [
        (&mut partition.allow_accounts, &change.allow_accounts),
        (&mut partition.allow_users, &change.allow_users),
        (&mut partition.allow_qos, &change.allow_qos),
    ] {
        if let Some(list) = list {
            field.clone_from(list);
        }
    }
}

fn reservation(record: &ReservationRecord, windows: Vec<(f64, f64)>, inventory: &Inventory) -> Reservation {
    let mut nodes: Vec<usize> = record.nodes.iter().filter_map(|name| inventory.node(name)).collect();
    nodes.sort_unstable();
    nodes.dedup();
    Reservation {
        windows,
        nodes,
        users: record.users.clone(),
        accounts: record.accounts.clone(),
        partition: record.partition.clone(),
        features: record.features.clone(),
        licences: record.licences.clone(),
        flags: record.flags.clone(),
        comment: record.comment.clone(),
    }
}

impl Inventory {
    /// The nodes of a hostlist, `ALL` or an empty text for all, as indices in their order; fails with the name that there is not.
    pub(in crate::local) fn node_set(&self, text: &str) -> Result<Vec<usize>, String> {
        if means_all(text) {
            return Ok((0..self.nodes.len()).collect());
        }
        let mut found = BTreeSet::new();
        for name in hostlist(text)? {
            found.insert(self.node(&name).ok_or_else(|| format!("there is no node {name}"))?);
        }
        Ok(found.into_iter().collect())
    }

    fn node_set_of_known(&self, text: &str) -> Vec<usize> {
        if means_all(text) {
            return (0..self.nodes.len()).collect();
        }
        let names = hostlist(text).unwrap_or_default();
        let found: BTreeSet<usize> = names.iter().filter_map(|name| self.node(name)).collect();
        found.into_iter().collect()
    }
}

fn means_all(text: &str) -> bool {
    text.trim().is_empty() || text.trim().eq_ignore_ascii_case("ALL")
}
