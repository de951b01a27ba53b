//! What is stored of changes while the cluster is at work.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::local::cluster::PartitionChange;

/// What was changed of a node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::local) struct NodeRecord {
    pub(in crate::local) down: bool,
    pub(in crate::local) drained: bool,
    pub(in crate::local) reason: String,
    pub(in crate::local) reason_user: String,
    /// Unix seconds.
    pub(in crate::local) reason_at: Option<f64>,
    /// Unix seconds.
    pub(in crate::local) resume_at: Option<f64>,
    pub(in crate::local) comment: String,
    pub(in crate::local) extra: String,
    pub(in crate::local) features: Option<Vec<String>>,
    pub(in crate::local) weight: Option<u64>,
    pub(in crate::local) gres: Option<String>,
}

/// What was changed of a partition, or made of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::local) struct PartitionRecord {
    /// It is configured, and not to be there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(in crate::local) deleted: bool,
    #[serde(flatten)]
    pub(in crate::local) change: PartitionChange,
}

impl PartitionRecord {
    /// Puts a newer change over the older ones.
    pub(in crate::local) fn overlay(&mut self, newer: &PartitionChange) {
        fn put<T: Clone>(old: &mut Option<T>, new: Option<&T>) {
            if let Some(new) = new {
                *old = Some(new.clone());
            }
        }
        self.deleted = false;
        let old = &mut self.change;
        put(&mut old.nodes, newer.nodes.as_ref());
        put(&mut old.default, newer.default.as_ref());
        put(&mut old.state, newer.state.as_ref());
        put(&mut old.minutes, newer.minutes.as_ref());
        put(&mut old.default_minutes, newer.default_minutes.as_ref());
        put(&mut old.priority, newer.priority.as_ref());
        put(&mut old.max_nodes, newer.max_nodes.as_ref());
        put(&mut old.qos, newer.qos.as_ref());
        put(&mut old.allow_accounts, newer.allow_accounts.as_ref());
        put(&mut old.allow_users, newer.allow_users.as_ref());
        put(&mut old.allow_qos, newer.allow_qos.as_ref());
    }
}

/// A reservation. Times are unix seconds; of one that repeats they are the first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::local) struct ReservationRecord {
    pub(in crate::local) start: f64,
    pub(in crate::local) end: f64,
    pub(in crate::local) nodes: Vec<String>,
    pub(in crate::local) users: Vec<String>,
    pub(in crate::local) accounts: Vec<String>,
    pub(in crate::local) partition: Option<String>,
    pub(in crate::local) features: Option<String>,
    pub(in crate::local) licences: BTreeMap<String, u64>,
    pub(in crate::local) flags: BTreeSet<String>,
    pub(in crate::local) comment: String,
}
