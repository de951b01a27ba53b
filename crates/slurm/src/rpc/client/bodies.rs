//! The bodies of what changes something. All are in the version of 24.11, in which they were compared: every release that is
//! spoken with understands it.

use crate::cluster::{Reach, Requeue as How};
use crate::objects::{JobDesc, KillJobs, NodeUpdate, Partition, ReservationDesc};
use crate::rpc::Protocol;
use crate::rpc::codec::{NO_VAL, Text, Wire, Writer};
use crate::rpc::orders::{self, Unsendable};
use crate::rpc::records::{Kill, Name, NodeChange, Requeue, Suspend};

/// The version of all that changes something.
pub(in crate::rpc) const PROTOCOL: Protocol = Protocol::V24_11;

/// Jobs have smaller numbers.
const MOST: u32 = 0x03ff_ffff;

fn packed<'a>(record: &impl Wire<'a>) -> Vec<u8> {
    let mut to = Writer::new(PROTOCOL);
    record.write(&mut to);
    to.into_bytes()
}

pub(in crate::rpc) fn submit(desc: &JobDesc) -> Result<Vec<u8>, Unsendable> {
    let joined = orders::JoinedJob::of(desc);
    let mut order = orders::description(desc, &joined)?;
    // nobody's session
    order.session = 0;
    Ok(packed(&order))
}

/// Of a heterogeneous job: what each of its components asks for.
pub(in crate::rpc) fn submit_het(components: &[JobDesc]) -> Result<Vec<u8>, Unsendable> {
    let count = u16::try_from(components.len()).ok().filter(|count| *count > 0);
    let wrong = || Unsendable::Value { field: "jobs", value: format!("{} components", components.len()) };
    let mut to = Writer::new(PROTOCOL);
    to.u16(count.ok_or_else(wrong)?);
    for component in components {
        to.raw(&submit(component)?);
    }
    Ok(to.into_bytes())
}

/// Of an allocation without a script. Nobody is there who could be told when it begins: the job is looked up.
pub(in crate::rpc) fn allocate(desc: &JobDesc) -> Result<Vec<u8>, Unsendable> {
    if desc.script.as_ref().is_some_and(|script| !script.is_empty()) {
        return Err(Unsendable::Value { field: "script", value: "of an allocation".to_owned() });
    }
    let joined = orders::JoinedJob::of(desc);
    let mut order = orders::description(desc, &joined)?;
    order.session = 0;
    if matches!(order.min_nodes, 0 | NO_VAL) {
        order.min_nodes = 1;
    }
    Ok(packed(&order))
}

pub(in crate::rpc) fn update_job(id: u32, desc: &JobDesc) -> Result<Vec<u8>, Unsendable> {
    let joined = orders::JoinedJob::of(desc);
    let mut order = orders::description(desc, &joined)?;
    order.number = number("job_id", &id.to_string())?;
    Ok(packed(&order))
}

pub(in crate::rpc) fn update_nodes(names: &[String], update: &NodeUpdate) -> Result<Vec<u8>, Unsendable> {
    let joined = orders::JoinedNode::of(names, update);
    Ok(packed(&orders::change(update, &joined)?))
}

pub(in crate::rpc) fn create_nodes(line: &str) -> Result<Vec<u8>, Unsendable> {
    Ok(packed(&orders::added(line)?))
}

pub(in crate::rpc) fn delete_nodes(names: &str) -> Result<Vec<u8>, Unsendable> {
    Ok(packed(&NodeChange { names: some_name(names)?, ..NodeChange::unset() }))
}

/// Of a partition that is to be made, and of what is to change in one.
pub(in crate::rpc) fn partition(partition: &Partition) -> Result<Vec<u8>, Unsendable> {
    let joined = orders::JoinedPartition::of(partition);
    Ok(packed(&orders::partition(partition, &joined)?))
}

pub(in crate::rpc) fn create_reservation(desc: &ReservationDesc) -> Result<Vec<u8>, Unsendable> {
    let joined = orders::JoinedReservation::of(desc);
    Ok(packed(&orders::create_reservation(desc, &joined)?))
}

pub(in crate::rpc) fn update_reservation(desc: &ReservationDesc) -> Result<Vec<u8>, Unsendable> {
    let joined = orders::JoinedReservation::of(desc);
    let order = orders::change_reservation(desc, &joined)?;
    if order.name.is_empty() {
        return Err(Unsendable::Missing("name"));
    }
    Ok(packed(&order))
}

/// Of a partition or a reservation that is to be removed.
pub(in crate::rpc) fn delete(name: &str) -> Result<Vec<u8>, Unsendable> {
    Ok(packed(&Name { name: some_name(name)? }))
}

fn some_name(name: &str) -> Result<Text<'_>, Unsendable> {
    if name.is_empty() { Err(Unsendable::Missing("name")) } else { Ok(Text::of(name)) }
}

pub(in crate::rpc) fn kill(job: &str, signal: i32, reach: Reach) -> Result<Vec<u8>, Unsendable> {
    let wrong = || Unsendable::Value { field: "signal", value: signal.to_string() };
    let signal = u16::try_from(signal).ok().filter(|signal| (1..=64).contains(signal)).ok_or_else(wrong)?;
    let flags = match reach {
        Reach::Steps => 0,
        Reach::Script => 1 << 0,
        Reach::Whole => 1 << 3,
    };
    Ok(packed(&Kill { step: orders::NAMED, job: named(job)?, sibling: Text::NONE, signal, flags }))
}

pub(in crate::rpc) fn kill_many(
    wanted: &KillJobs,
    number_of: &dyn Fn(&str) -> Option<u32>,
) -> Result<Vec<u8>, Unsendable> {
    let joined = orders::JoinedKill::of(wanted)?;
    Ok(packed(&orders::kill_many(wanted, &joined, number_of)?))
}

pub(in crate::rpc) fn requeue(job: &str, how: How) -> Result<Vec<u8>, Unsendable> {
    let flags = u32::from(how.incomplete)
        | if how.hold || how.special_exit { 1 << 11 } else { 0 }
        | if how.special_exit { 1 << 12 } else { 0 };
    Ok(packed(&Requeue { number: NO_VAL, job: named(job)?, flags }))
}

pub(in crate::rpc) fn suspend(job: &str) -> Result<Vec<u8>, Unsendable> {
    Ok(packed(&Suspend { what: 0, number: NO_VAL, job: named(job)? }))
}

pub(in crate::rpc) fn resume(job: &str) -> Result<Vec<u8>, Unsendable> {
    Ok(packed(&Suspend { what: 1, number: NO_VAL, job: named(job)? }))
}

/// A job's number, or an array's and a task's: `7_3`.
fn named(job: &str) -> Result<Text<'_>, Unsendable> {
    let (id, task) = job.split_once('_').map_or((job, None), |(id, task)| (id, Some(task)));
    number("job", id)?;
    if let Some(task) = task {
        let task: Option<u32> = task.parse().ok().filter(|number| *number < MOST);
        task.ok_or_else(|| Unsendable::Value { field: "job", value: job.to_owned() })?;
    }
    Ok(Text::of(job))
}

fn number(field: &'static str, text: &str) -> Result<u32, Unsendable> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| is_plain && (1..MOST).contains(number));
    number.ok_or_else(|| Unsendable::Value { field, value: text.to_owned() })
}
