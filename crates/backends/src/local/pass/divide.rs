//! Partitions that are made, changed and removed while the cluster is at work.

use std::collections::BTreeMap;

use jobgate_model::Error;
use jobgate_slurm::errno::Errno;

use super::{Answer, Pass, is_name};
use crate::local::cluster::PartitionChange;
use crate::local::inventory::PartitionRecord;
use crate::local::queue::{self, Table};
use crate::local::request::{Request, effective_priority};

impl Pass<'_> {
    /// Changes a partition, or makes it.
    pub(in crate::local) fn update_partition(&mut self, name: &str, change: &PartitionChange) -> Answer<()> {
        if let Err(error) = self.check_partition(name, change) {
            return Ok(Err(error));
        }
        let mut records: BTreeMap<String, PartitionRecord> =
            queue::records(self.tx, Table::Partition)?.into_iter().collect();
        if change.default == Some(true) {
            let others: Vec<String> = self
                .inventory
                .partitions
                .iter()
                .filter(|(other, partition)| partition.default && !partition.implicit && *other != name)
                .map(|(other, _)| other.clone())
                .collect();
            for other in &others {
                let record = records.entry(other.clone()).or_default();
                record.overlay(&PartitionChange { default: Some(false), ..PartitionChange::default() });
                queue::set_record(self.tx, Table::Partition, other, Some(record))?;
            }
        }
        let mut record = records.remove(name).unwrap_or_default();
        record.overlay(change);
        queue::set_record(self.tx, Table::Partition, name, Some(&record))?;
        self.touched.partitions = true;
        self.reload()?;
        self.place_anew().map(Ok)
    }

    fn check_partition(&self, name: &str, change: &PartitionChange) -> Result<(), Error> {
        if !is_name(name) {
            return Err(Error::invalid(format!(
                "{name:?} cannot be the name of a partition: expected letters, digits and _-."
            ))
            .numbered(Errno::INVALID_PARTITION.0));
        }
        if let Some(nodes) = &change.nodes {
            self.inventory.node_set(nodes).map_err(|why| {
                Error::invalid(format!("nodes {nodes:?}: {why}")).numbered(Errno::INVALID_NODE_NAME.0)
            })?;
        }
        let named = change.qos.iter().filter(|name| !name.is_empty()).chain(change.allow_qos.iter().flatten());
        for qos in named {
            if !self.inventory.qos.contains_key(qos) {
                return Err(Error::invalid(format!("there is no qos {qos:?}")).numbered(Errno::INVALID_QOS.0));
            }
        }
        Ok(())
    }

    /// Removes a partition.
    pub(in crate::local) fn delete_partition(&mut self, name: &str) -> Answer<()> {
        if self.inventory.partitions.get(name).is_none_or(|partition| partition.implicit) {
            let error = Error::not_found(format!("there is no partition {name} that could be removed"));
            return Ok(Err(error.numbered(Errno::INVALID_PARTITION.0)));
        }
        let default = self.inventory.default_partition() == name;
        let waits = |partitions: &str| partitions.split(',').any(|one| one == name) || partitions.is_empty() && default;
        let in_use = queue::running(self.tx)?.iter().any(|run| run.partition.as_deref() == Some(name))
            || queue::all_waiting(self.tx)?.iter().any(|run| waits(&run.partitions));
        if in_use {
            let error = Error::new(jobgate_model::ErrorKind::Conflict, format!("jobs wait or run in partition {name}"));
            return Ok(Err(error.numbered(Errno::PARTITION_IN_USE.0)));
        }
        let configured = self.settings.partitions.contains_key(name);
        let record = configured.then(|| PartitionRecord { deleted: true, ..PartitionRecord::default() });
        queue::set_record(self.tx, Table::Partition, name, record.as_ref())?;
        self.touched.partitions = true;
        self.reload().map(Ok)
    }

    /// Priorities and reasons of waiting runs, after a partition has changed.
    fn place_anew(&mut self) -> rusqlite::Result<()> {
        for run in queue::all_waiting(self.tx)? {
            let wishes = queue::wishes(self.tx, run.id)?;
            let partitions = run.partitions.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
            let request = Request {
                need: run.need,
                minutes: run.minutes,
                partitions,
                qos: run.qos,
                asked: wishes.asked,
                nice: wishes.nice,
                ..Request::default()
            };
            queue::set_priority(self.tx, run.id, effective_priority(&request, &self.inventory))?;
            queue::set_outlook(self.tx, run.id, self.forbids(&request), None)?;
        }
        Ok(())
    }
}
