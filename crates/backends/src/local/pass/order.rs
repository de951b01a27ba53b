//! What an administrator wants of nodes.

use jobgate_model::Error;
use jobgate_slurm::errno::Errno;

use super::{Answer, Pass};
use crate::local::cluster::{NodeChange, NodeOrder};
use crate::local::inventory::{NodeRecord, THIS_MACHINE, parse_gres};
use crate::local::queue::{self, Stop, Table};

impl Pass<'_> {
    /// Changes nodes, all or none.
    pub(in crate::local) fn update_nodes(&mut self, names: &[String], change: &NodeChange, user: &str) -> Answer<()> {
        if let Err(error) = check(change) {
            return Ok(Err(error));
        }
        let mut known: std::collections::BTreeMap<String, NodeRecord> =
            queue::records(self.tx, Table::Node)?.into_iter().collect();
        let mut records = Vec::with_capacity(names.len());
        for name in names {
            let Some(index) = self.inventory.node(name) else {
                let error = Error::not_found(format!("there is no node {name}")).numbered(Errno::INVALID_NODE_NAME.0);
                return Ok(Err(error));
            };
            let key = self.node_key(index);
            let mut record = known.remove(&key).unwrap_or_default();
            if let Err(error) = apply(&mut record, change, user, self.now) {
                return Ok(Err(Error::invalid(format!("node {name}: {error}")).numbered(Errno::NODE_TRANSITION.0)));
            }
            records.push((key, index, record));
        }
        let mut down = Vec::new();
        for (key, index, record) in records {
            let record = Some(record).filter(|record| *record != NodeRecord::default());
            queue::set_record(self.tx, Table::Node, &key, record.as_ref())?;
            if change.order == Some(NodeOrder::Down) {
                down.push(index);
            }
        }
        self.touched.nodes = true;
        self.reload()?;
        self.stop_on(&down)?;
        Ok(Ok(()))
    }

    /// Every node.
    pub(in crate::local) fn update_all_nodes(
        &mut self,
        order: NodeOrder,
        reason: Option<&str>,
        user: &str,
    ) -> Answer<()> {
        let names: Vec<String> = self.inventory.nodes.iter().map(|node| node.name.clone()).collect();
        let change = NodeChange { order: Some(order), reason: reason.map(str::to_owned), ..NodeChange::default() };
        self.update_nodes(&names, &change, user)
    }

    /// The name under which a node's changes are stored.
    fn node_key(&self, index: usize) -> String {
        if self.inventory.has_nodes { self.inventory.nodes[index].name.clone() } else { THIS_MACHINE.to_owned() }
    }

    /// Stops what runs on nodes that are down.
    fn stop_on(&mut self, nodes: &[usize]) -> rusqlite::Result<()> {
        if nodes.is_empty() {
            return Ok(());
        }
        for run in queue::running(self.tx)? {
            let mut its = run.allocation.iter().filter_map(|share| self.inventory.node(&share.node));
            if let Some(index) = its.find(|index| nodes.contains(index)) {
                let name = self.inventory.nodes[index].name.clone();
                self.stop(&run, &Stop::NodeDown(name))?;
            }
        }
        Ok(())
    }

    /// Nodes whose time has come are up again.
    pub(super) fn resume_nodes(&mut self) -> rusqlite::Result<()> {
        let is_due = |time: Option<f64>| time.is_some_and(|time| time <= self.now);
        if !self.inventory.nodes.iter().any(|node| is_due(node.resume_at)) {
            return Ok(());
        }
        for (name, mut record) in queue::records::<NodeRecord>(self.tx, Table::Node)? {
            if is_due(record.resume_at) {
                clear(&mut record);
                queue::set_record(self.tx, Table::Node, &name, Some(&record))?;
            }
        }
        self.touched.nodes = true;
        self.reload()
    }
}

fn check(change: &NodeChange) -> Result<(), Error> {
    if let Some(gres) = &change.gres
        && parse_gres(gres).is_none()
    {
        return Err(Error::invalid(format!("cannot read gres {gres:?}: expected gpu:COUNT or gpu:TYPE:COUNT"))
            .numbered(Errno::INVALID_GRES.0));
    }
    let is_name =
        |name: &String| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.=:".contains(c));
    if let Some(bad) = change.features.iter().flatten().find(|name| !is_name(name)) {
        return Err(Error::invalid(format!("{bad:?} cannot be a feature: expected letters, digits and _-.=:"))
            .numbered(Errno::INVALID_FEATURE.0));
    }
    Ok(())
}

fn clear(record: &mut NodeRecord) {
    (record.down, record.drained) = (false, false);
    (record.reason, record.reason_user) = (String::new(), String::new());
    (record.reason_at, record.resume_at) = (None, None);
}

fn apply(record: &mut NodeRecord, change: &NodeChange, user: &str, now: f64) -> Result<(), &'static str> {
    match change.order {
        Some(NodeOrder::Down) => record.down = true,
        Some(NodeOrder::Drain) => record.drained = true,
        Some(NodeOrder::Resume) if !record.down && !record.drained => {
            return Err("it is neither down nor drained, so there is nothing to resume");
        }
        Some(NodeOrder::Resume | NodeOrder::Idle) => clear(record),
        Some(NodeOrder::Undrain) => {
            record.drained = false;
            if !record.down {
                clear(record);
            }
        }
        None => {}
    }
    let stops = matches!(change.order, Some(NodeOrder::Down | NodeOrder::Drain));
    if let Some(reason) = &change.reason {
        reason.clone_into(&mut record.reason);
    }
    if change.reason.is_some() || stops && record.reason_at.is_none() {
        user.clone_into(&mut record.reason_user);
        record.reason_at = Some(now);
    }
    if let Some(after) = change.resume_after {
        record.resume_at = (after.is_finite() && after > 0.0).then_some(now + after);
    }
    if let Some(comment) = &change.comment {
        comment.clone_into(&mut record.comment);
    }
    if let Some(extra) = &change.extra {
        extra.clone_into(&mut record.extra);
    }
    record.features = change.features.clone().or(record.features.take());
    record.weight = change.weight.or(record.weight);
    record.gres = change.gres.clone().or(record.gres.take());
    Ok(())
}
