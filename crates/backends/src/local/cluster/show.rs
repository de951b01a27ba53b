//! Showing nodes, partitions, reservations and what is counted.

use std::collections::{BTreeMap, BTreeSet};

use jobgate_model::Error;
use rusqlite::Connection;

use super::{AccountView, Counters, LicenceView, NodeState, NodeView, PartitionView, QosView, ReservationView, Share};
use crate::local::Local;
use crate::local::inventory::{Inventory, NORMAL_QOS, Node};
use crate::local::pass::planned_nodes;
use crate::local::queue::{self, Run};
use crate::process::now;

/// What runs use of a node.
#[derive(Debug, Clone, Default)]
struct Usage {
    cores: u64,
    memory: u64,
    gpus: BTreeSet<u32>,
    runs: Vec<i64>,
}

impl Local {
    /// All nodes, in their order.
    pub fn nodes(&self) -> Result<Vec<NodeView>, Error> {
        self.look_with(|connection| {
            let now = now();
            let inventory = self.stock.committed(connection, now)?;
            let running = queue::running(connection)?;
            let used = usage(&running, &inventory);
            let last_used = last_used(connection, &inventory)?;
            let planned = planned_nodes(connection, &inventory, &running, now)?;
            let views = inventory.nodes.iter().enumerate().map(|(index, node)| {
                let usage = &used[index];
                NodeView {
                    planned: planned.contains(&index),
                    last_busy: if usage.runs.is_empty() { last_used[index] } else { now },
                    ..node_view(index, node, usage, &inventory, now)
                }
            });
            Ok(views.collect())
        })
    }

    /// All partitions, in the order of their names.
    pub fn partitions(&self) -> Result<Vec<PartitionView>, Error> {
        let inventory = self.inventory()?;
        let names = |nodes: &[usize]| nodes.iter().map(|index| inventory.nodes[*index].name.clone()).collect();
        let sum = |nodes: &[usize], of: fn(&Node) -> u64| nodes.iter().map(|index| of(&inventory.nodes[*index])).sum();
        let view = |(name, partition): (&String, &crate::local::inventory::Partition)| PartitionView {
            name: name.clone(),
            nodes: names(&partition.nodes),
            default: partition.default,
            state: partition.state,
            minutes: partition.minutes,
            default_minutes: partition.default_minutes,
            priority: partition.priority,
            max_nodes: partition.max_nodes,
            most_cores: partition.cores,
            qos: partition.qos.clone(),
            allow_accounts: partition.allow_accounts.clone(),
            allow_users: partition.allow_users.clone(),
            allow_qos: partition.allow_qos.clone(),
            configured: partition.configured,
            cores: sum(&partition.nodes, |node| node.cores),
            memory: sum(&partition.nodes, |node| node.memory),
            gpus: sum(&partition.nodes, |node| node.gpus),
        };
        Ok(inventory.partitions.iter().map(view).collect())
    }

    /// All reservations that have not ended, in the order of their names.
    pub fn reservations(&self) -> Result<Vec<ReservationView>, Error> {
        let (inventory, now) = (self.inventory()?, now());
        let view = |(name, reservation): (&String, &crate::local::inventory::Reservation)| {
            let (start, end) = reservation.windows.first().copied().unwrap_or_default();
            ReservationView {
                name: name.clone(),
                start,
                end,
                nodes: reservation.nodes.iter().map(|index| inventory.nodes[*index].name.clone()).collect(),
                cores: reservation.nodes.iter().map(|index| inventory.nodes[*index].cores).sum(),
                users: reservation.users.clone(),
                accounts: reservation.accounts.clone(),
                partition: reservation.partition.clone(),
                features: reservation.features.clone(),
                licences: reservation.licences.clone(),
                flags: reservation.flags.iter().cloned().collect(),
                comment: reservation.comment.clone(),
                active: start <= now && now < end,
            }
        };
        Ok(inventory.reservations.iter().map(view).collect())
    }

    /// All licences, in the order of their names.
    pub fn licences(&self) -> Result<Vec<LicenceView>, Error> {
        let now = now();
        let (inventory, running) =
            self.look_with(|connection| Ok((self.stock.committed(connection, now)?, queue::running(connection)?)))?;
        let mut used: BTreeMap<&str, u64> = BTreeMap::new();
        for (name, count) in running.iter().flat_map(|run| &run.need.licences) {
            *used.entry(name).or_default() += count;
        }
        let reserved = |name: &str| -> u64 {
            let active = inventory.reservations.values().filter(|reservation| reservation.meets(now, now));
            active.filter_map(|reservation| reservation.licences.get(name)).sum()
        };
        let view = |(name, total): (&String, &u64)| LicenceView {
            name: name.clone(),
            total: *total,
            used: used.get(name.as_str()).copied().unwrap_or_default(),
            reserved: reserved(name),
        };
        Ok(inventory.licences.iter().map(view).collect())
    }

    /// All qualities of service, in the order of their numbers.
    pub fn qos(&self) -> Result<Vec<QosView>, Error> {
        let inventory = self.inventory()?;
        let first = inventory.qos.get_key_value(NORMAL_QOS).into_iter();
        let others = inventory.qos.iter().filter(|(name, _)| *name != NORMAL_QOS);
        let view = |(id, (name, qos)): (i64, (&String, &crate::local::settings::Qos))| QosView {
            id,
            name: name.clone(),
            description: qos.description.clone(),
            priority: qos.priority,
            minutes: qos.minutes,
            jobs_per_user: qos.jobs_per_user,
            submit_per_user: qos.submit_per_user,
            cores_per_user: qos.cores_per_user,
            cores: qos.cores,
        };
        Ok((1..).zip(first.chain(others)).map(view).collect())
    }

    /// All configured accounts, in the order of their names.
    pub fn accounts(&self) -> Result<Vec<AccountView>, Error> {
        let view = |(name, account): (&String, &crate::local::settings::Account)| AccountView {
            name: name.clone(),
            description: account.description.clone(),
            organization: account.organization.clone(),
            users: account.users.clone(),
        };
        Ok(self.inventory()?.accounts.iter().map(view).collect())
    }

    /// What the scheduler has done.
    pub fn counters(&self) -> Result<Counters, Error> {
        self.look_with(|connection| {
            let (waiting, running, _) = queue::population(connection)?;
            Ok(Counters { waiting, running, ..queue::counters(connection)? })
        })
    }
}

fn usage(running: &[Run], inventory: &Inventory) -> Vec<Usage> {
    let mut used = vec![Usage::default(); inventory.nodes.len()];
    for run in running {
        for share in &run.allocation {
            let Some(index) = inventory.node(&share.node) else { continue };
            let usage = &mut used[index];
            usage.cores += share.cores;
            usage.memory = usage.memory.saturating_add(share.memory);
            usage.gpus.extend(&share.gpus);
            usage.runs.push(run.id);
        }
    }
    used
}

/// When something ran last on each node, as far as runs are remembered.
fn last_used(connection: &Connection, inventory: &Inventory) -> rusqlite::Result<Vec<f64>> {
    let mut last = vec![0.0; inventory.nodes.len()];
    for (shares, ended) in queue::ended_last::<Vec<Share>>(connection)? {
        for index in shares.iter().filter_map(|share| inventory.node(&share.node)) {
            last[index] = f64::max(last[index], ended);
        }
    }
    Ok(last)
}

fn node_view(index: usize, node: &Node, usage: &Usage, inventory: &Inventory, now: f64) -> NodeView {
    let state = match usage.cores {
        _ if node.down => NodeState::Down,
        0 => NodeState::Idle,
        cores if cores >= node.cores => NodeState::Allocated,
        _ => NodeState::Mixed,
    };
    let mut holding = inventory
        .reservations
        .iter()
        .filter(|(_, reservation)| reservation.nodes.contains(&index) && reservation.meets(now, now));
    let reservation = holding.next();
    let gres = match (&node.gpu_type, node.gpus) {
        (_, 0) => String::new(),
        (Some(kind), count) => format!("gpu:{kind}:{count}"),
        (None, count) => format!("gpu:{count}"),
    };
    let in_it = |partition: &crate::local::inventory::Partition| partition.nodes.contains(&index);
    NodeView {
        name: node.name.clone(),
        cores: node.cores,
        memory: node.memory,
        gpus: node.gpus,
        gres,
        gpu_type: node.gpu_type.clone(),
        features: node.features.iter().cloned().collect(),
        weight: node.weight,
        state,
        drained: node.drained,
        planned: false,
        reservation: reservation.map(|(name, _)| name.clone()),
        maintenance: reservation.is_some_and(|(_, reservation)| reservation.has("MAINT")),
        reason: node.reason.clone(),
        reason_user: node.reason_user.clone(),
        reason_at: node.reason_at,
        resume_at: node.resume_at,
        comment: node.comment.clone(),
        extra: node.extra.clone(),
        partitions: inventory
            .partitions
            .iter()
            .filter(|(_, partition)| in_it(partition))
            .map(|(name, _)| name.clone())
            .collect(),
        used_cores: usage.cores,
        used_memory: usage.memory,
        used_gpus: usage.gpus.iter().copied().collect(),
        runs: usage.runs.clone(),
        last_busy: 0.0,
    }
}
