//! Reservations: making, changing and removing them.

use std::collections::BTreeSet;

use jobgate_model::Error;
use jobgate_slurm::errno::Errno;

use super::start::ends;
use super::{Answer, Pass, is_name};
use crate::local::cluster::{ReservationChange, UNLIMITED};
use crate::local::constraint::Constraint;
use crate::local::inventory::{Inventory, REPEATING, ReservationRecord, windows_of};
use crate::local::queue::{self, Table};

/// A reservation of which no end is said lasts so long.
const YEAR: f64 = 365.0 * 86_400.0;
/// The flags that are understood, besides those that make it repeat. Those after the sixth are shown and change nothing here.
const FLAGS: [&str; 20] = [
    "MAINT",
    "OVERLAP",
    "IGNORE_JOBS",
    "MAGNETIC",
    "PART_NODES",
    "SPEC_NODES",
    "ANY_NODES",
    "ALL_NODES",
    "STATIC",
    "PURGE_COMP",
    "FLEX",
    "NO_HOLD_JOBS",
    "NO_HOLD_JOBS_AFTER_END",
    "FIRST_CORES",
    "TIME_FLOAT",
    "REPLACE",
    "REPLACE_DOWN",
    "USER_DELETE",
    "FORCE_START",
    "SCHED_FAILED",
];

fn invalid(number: Errno, text: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::invalid(text).numbered(number.0)
}

fn unknown(name: &str) -> Error {
    Error::not_found(format!("there is no reservation {name}")).numbered(Errno::INVALID_RESERVATION.0)
}

impl Pass<'_> {
    /// Makes a reservation.
    pub(in crate::local) fn create_reservation(&mut self, name: &str, change: &ReservationChange) -> Answer<()> {
        if !is_name(name) {
            let text = format!("{name:?} cannot be the name of a reservation: expected letters, digits and _-.");
            return Ok(Err(invalid(Errno::INVALID_RESERVATION, text)));
        }
        if self.reservation_records()?.iter().any(|(known, _)| known == name) {
            return Ok(Err(invalid(Errno::RESERVATION_NAME_DUP, format!("there is a reservation {name} already"))));
        }
        let start = change.start.unwrap_or(self.now).floor();
        let record = ReservationRecord { start, end: start + YEAR, ..ReservationRecord::default() };
        self.put_reservation(name, record, change)
    }

    /// Changes a reservation.
    pub(in crate::local) fn update_reservation(&mut self, name: &str, change: &ReservationChange) -> Answer<()> {
        let records = self.reservation_records()?;
        let Some((_, record)) = records.into_iter().find(|(known, _)| known == name) else {
            return Ok(Err(unknown(name)));
        };
        self.put_reservation(name, record, change)
    }

    /// Removes a reservation.
    pub(in crate::local) fn delete_reservation(&mut self, name: &str) -> Answer<()> {
        if !self.reservation_records()?.iter().any(|(known, _)| known == name) {
            return Ok(Err(unknown(name)));
        }
        if queue::running(self.tx)?.iter().any(|run| run.reservation.as_deref() == Some(name)) {
            return Ok(Err(invalid(Errno::RESERVATION_BUSY, format!("jobs run in reservation {name}"))));
        }
        queue::set_record::<ReservationRecord>(self.tx, Table::Reservation, name, None)?;
        self.touched.reservations = true;
        self.reload().map(Ok)
    }

    fn reservation_records(&self) -> rusqlite::Result<Vec<(String, ReservationRecord)>> {
        queue::records(self.tx, Table::Reservation)
    }

    /// Reservations that are over, and in which nothing runs any more, are forgotten.
    pub(super) fn forget_reservations(&mut self) -> rusqlite::Result<()> {
        let is_over = |record: &ReservationRecord| record.end <= self.now && !repeats(&record.flags);
        let mut over: Vec<String> = self
            .reservation_records()?
            .into_iter()
            .filter(|(_, record)| is_over(record))
            .map(|(name, _)| name)
            .collect();
        if over.is_empty() {
            return Ok(());
        }
        let running = queue::running(self.tx)?;
        over.retain(|name| !running.iter().any(|run| run.reservation.as_ref() == Some(name)));
        for name in &over {
            queue::set_record::<ReservationRecord>(self.tx, Table::Reservation, name, None)?;
        }
        if over.is_empty() {
            return Ok(());
        }
        self.touched.reservations = true;
        self.reload()
    }

    fn put_reservation(&mut self, name: &str, mut record: ReservationRecord, change: &ReservationChange) -> Answer<()> {
        let inventory = std::sync::Arc::clone(&self.inventory);
        let busy_until = self.busy_until()?;
        let checked = apply(&mut record, change, &inventory, self.now)
            .and_then(|()| for_somebody(name, &record))
            .and_then(|()| {
                let ground = Ground { inventory: &inventory, busy_until: &busy_until, now: self.now, name };
                match change.node_count.or(change.core_count) {
                    Some(_) if change.nodes.is_none() => {
                        record.nodes = ground.choose(&record, change)?;
                        Ok(())
                    }
                    _ => ground.check(&record),
                }
            });
        if let Err(error) = checked {
            return Ok(Err(error));
        }
        if record.nodes.is_empty() && record.licences.is_empty() {
            let text = format!("reservation {name} is of nothing: say nodes, a number of nodes or cores, or licences");
            return Ok(Err(invalid(Errno::INVALID_RESERVATION, text)));
        }
        queue::set_record(self.tx, Table::Reservation, name, Some(&record))?;
        self.touched.reservations = true;
        self.touched.nodes = true;
        self.reload().map(Ok)
    }

    /// Until when at the latest something runs on each node, unix seconds.
    fn busy_until(&self) -> rusqlite::Result<Vec<f64>> {
        let mut until = vec![f64::NEG_INFINITY; self.inventory.nodes.len()];
        for run in queue::running(self.tx)? {
            for index in run.allocation.iter().filter_map(|share| self.inventory.node(&share.node)) {
                until[index] = until[index].max(ends(&run));
            }
        }
        Ok(until)
    }
}

fn for_somebody(name: &str, record: &ReservationRecord) -> Result<(), Error> {
    if record.users.is_empty() && record.accounts.is_empty() {
        let text = format!("reservation {name} is for nobody: say users or accounts");
        return Err(invalid(Errno::INVALID_RESERVATION, text));
    }
    Ok(())
}

/// Where a reservation is to be put.
struct Ground<'a> {
    inventory: &'a Inventory,
    busy_until: &'a [f64],
    now: f64,
    /// The reservation's own name.
    name: &'a str,
}

impl Ground<'_> {
    /// Nodes that are free for it, the light ones first.
    fn choose(&self, record: &ReservationRecord, change: &ReservationChange) -> Result<Vec<String>, Error> {
        let all: Vec<usize> = match record.partition.as_ref().and_then(|name| self.inventory.partitions.get(name)) {
            Some(partition) => partition.nodes.clone(),
            None => (0..self.inventory.nodes.len()).collect(),
        };
        let constraint = record.features.as_deref().and_then(Constraint::parse);
        let fits =
            |index: &usize| constraint.as_ref().is_none_or(|one| one.allows(&self.inventory.nodes[*index].features));
        let mut fitting: Vec<usize> = all.into_iter().filter(fits).collect();
        fitting.sort_by_key(|index| (self.inventory.nodes[*index].weight, *index));
        let (nodes, cores) = (change.node_count.unwrap_or(1), change.core_count.unwrap_or(1));
        let take = |from: Vec<usize>| {
            let mut taken = Vec::new();
            let mut sum = 0;
            for index in from {
                if taken.len() as u64 >= nodes && sum >= cores {
                    break;
                }
                sum += self.inventory.nodes[index].cores;
                taken.push(index);
            }
            (taken.len() as u64 >= nodes && sum >= cores).then_some(taken)
        };
        let is_free = |index: &usize| self.overlapping(record, *index).is_none() && !self.is_busy(record, *index);
        let free: Vec<usize> = fitting.iter().copied().filter(is_free).collect();
        if let Some(mut taken) = take(free) {
            taken.sort_unstable();
            return Ok(taken.into_iter().map(|index| self.inventory.nodes[index].name.clone()).collect());
        }
        Err(if take(fitting).is_some() {
            invalid(Errno::NODES_BUSY, "there are so many such nodes, but jobs or other reservations are on them then")
        } else {
            invalid(Errno::NODE_CONFIGURATION, "there are not so many such nodes")
        })
    }

    /// Whether its nodes are free for it.
    fn check(&self, record: &ReservationRecord) -> Result<(), Error> {
        let nodes: Vec<usize> = record.nodes.iter().filter_map(|name| self.inventory.node(name)).collect();
        let node = |index: usize| self.inventory.nodes[index].name.as_str();
        if let Some((index, other)) = nodes.iter().find_map(|index| Some((*index, self.overlapping(record, *index)?))) {
            return Err(invalid(
                Errno::RESERVATION_OVERLAP,
                format!("reservation {other} has node {} then; MAINT or OVERLAP allows that", node(index)),
            ));
        }
        if let Some(index) = nodes.into_iter().find(|index| self.is_busy(record, *index)) {
            let text = format!(
                "jobs on node {} may run longer than until the reservation begins; IGNORE_JOBS allows that",
                node(index)
            );
            return Err(invalid(Errno::NODES_BUSY, text));
        }
        Ok(())
    }

    /// Another reservation that has the node at the same time.
    fn overlapping(&self, record: &ReservationRecord, node: usize) -> Option<&str> {
        if record.flags.contains("MAINT") || record.flags.contains("OVERLAP") {
            return None;
        }
        let own = windows_of(record, self.now);
        let others = self.inventory.reservations.iter().filter(|(name, _)| *name != self.name);
        let mut meeting = others.filter(|(_, other)| {
            other.nodes.contains(&node) && own.iter().any(|(start, end)| other.meets(*start, *end))
        });
        meeting.next().map(|(name, _)| name.as_str())
    }

    /// Whether what runs there may still be there when it begins.
    fn is_busy(&self, record: &ReservationRecord, node: usize) -> bool {
        !record.flags.contains("IGNORE_JOBS") && self.busy_until[node] > record.start.max(self.now)
    }
}

fn repeats(flags: &BTreeSet<String>) -> bool {
    REPEATING.iter().any(|flag| flags.contains(*flag))
}

/// Puts a change into a record.
fn apply(
    record: &mut ReservationRecord,
    change: &ReservationChange,
    inventory: &Inventory,
    now: f64,
) -> Result<(), Error> {
    times(record, change, now)?;
    edit(&mut record.users, change.users.as_deref());
    edit(&mut record.accounts, change.accounts.as_deref());
    if let Some(name) = &change.partition {
        if !name.is_empty() && !inventory.partitions.contains_key(name) {
            return Err(invalid(Errno::INVALID_PARTITION, format!("there is no partition {name}")));
        }
        record.partition = Some(name.clone()).filter(|name| !name.is_empty());
    }
    if let Some(text) = &change.features {
        let known = |name: &&str| inventory.nodes.iter().any(|node| node.features.contains(*name));
        let parsed = Constraint::parse(text);
        if !text.is_empty() && !parsed.is_some_and(|parsed| parsed.names().iter().all(known)) {
            return Err(invalid(Errno::INVALID_FEATURE, format!("features {text:?}: no node has them")));
        }
        record.features = Some(text.clone()).filter(|text| !text.is_empty());
    }
    if let Some(licences) = &change.licences {
        for (name, count) in licences {
            if inventory.licences.get(name).is_none_or(|total| count > total) {
                return Err(invalid(Errno::INVALID_LICENSES, format!("there are no {count} licences {name}")));
            }
        }
        record.licences.clone_from(licences);
    }
    flags(record, change)?;
    if let Some(comment) = &change.comment {
        comment.clone_into(&mut record.comment);
    }
    nodes(record, change, inventory)
}

fn times(record: &mut ReservationRecord, change: &ReservationChange, now: f64) -> Result<(), Error> {
    if let Some(start) = change.start {
        record.start = start;
    }
    record.end = match (change.end, change.minutes) {
        (Some(end), _) => end,
        (None, Some(minutes)) if minutes >= UNLIMITED => record.start + YEAR,
        (None, Some(minutes)) => record.start + minutes.max(0) as f64 * 60.0,
        (None, None) => record.end,
    };
    if record.end <= record.start || record.end <= now && !repeats(&record.flags) {
        return Err(invalid(Errno::INVALID_TIME, "a reservation must end after it begins, and not before now"));
    }
    Ok(())
}

/// Names with `+` or `-` before them change the list, others are the list.
fn edit(list: &mut Vec<String>, change: Option<&[String]>) {
    let Some(change) = change else { return };
    let edits = !list.is_empty() && change.iter().any(|name| name.starts_with(['+', '-']));
    if !edits {
        *list = change.iter().map(|name| name.strip_prefix('+').unwrap_or(name).to_owned()).collect();
        return;
    }
    for name in change {
        let bare = name.trim_start_matches(['+', '-']);
        list.retain(|known| known != bare);
        if !name.starts_with('-') {
            list.push(bare.to_owned());
        }
    }
}

fn flags(record: &mut ReservationRecord, change: &ReservationChange) -> Result<(), Error> {
    for flag in change.flags.iter().flatten() {
        let bare = flag.strip_prefix('-').unwrap_or(flag);
        if !FLAGS.contains(&bare) && !REPEATING.contains(&bare) {
            return Err(invalid(Errno::NOT_SUPPORTED, format!("unknown flag {bare:?} of a reservation")));
        }
        if flag.starts_with('-') {
            record.flags.remove(bare);
        } else {
            record.flags.insert(bare.to_owned());
        }
    }
    if REPEATING.iter().filter(|flag| record.flags.contains(**flag)).count() > 1 {
        let text = format!("a reservation repeats in one way only: {}", REPEATING.join(", "));
        return Err(invalid(Errno::INVALID_RESERVATION, text));
    }
    Ok(())
}

fn nodes(record: &mut ReservationRecord, change: &ReservationChange, inventory: &Inventory) -> Result<(), Error> {
    let all = |text: &str| text.trim().eq_ignore_ascii_case("ALL");
    let of_partition = record.partition.as_ref().and_then(|name| inventory.partitions.get(name));
    let indices = match (change.nodes.as_deref(), of_partition) {
        (None, _) => return Ok(()),
        (Some(""), _) => Vec::new(),
        (Some(text), Some(partition)) if all(text) => partition.nodes.clone(),
        (Some(text), _) => {
            let found = inventory.node_set(text);
            found.map_err(|why| invalid(Errno::INVALID_NODE_NAME, format!("nodes {text:?}: {why}")))?
        }
    };
    let everything = indices.len() == inventory.nodes.len() && change.nodes.as_deref().is_some_and(all);
    record.flags.insert(if everything { "ALL_NODES" } else { "SPEC_NODES" }.to_owned());
    record.nodes = indices.into_iter().map(|index| inventory.nodes[index].name.clone()).collect();
    Ok(())
}
