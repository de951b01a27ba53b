//! The bodies of what changes something, in the version that is spoken.

use crate::cluster::{Reach, Requeue as How};
use crate::objects::{JobDesc, KillJobs, NodeUpdate, Partition, ReservationDesc};
use crate::rpc::Protocol;
use crate::rpc::codec::{NO_VAL, Text, Wire, Writer};
use crate::rpc::orders::{self, Unsendable};
use crate::rpc::records::{Kill, Name, NodeChange, Requeue, StepId, Suspend};

/// Jobs have smaller numbers.
const MOST: u32 = 0x03ff_ffff;

/// As scontrol says that a job is named by a text.
const NO_JOB: StepId = StepId { sluid: 0, job: NO_VAL, step: 0, component: 0 };

fn packed<'a>(protocol: Protocol, record: &impl Wire<'a>) -> Vec<u8> {
    let mut to = Writer::new(protocol);
    record.write(&mut to);
    to.into_bytes()
}

pub(in crate::rpc) fn submit(protocol: Protocol, desc: &JobDesc) -> Result<Vec<u8>, Unsendable> {
    let joined = orders::JoinedJob::of(desc)?;
    let mut order = orders::description(protocol, desc, &joined)?;
    // nobody's session
    order.session = 0;
    Ok(packed(protocol, &order))
}

/// Of a heterogeneous job: what each of its components asks for.
pub(in crate::rpc) fn submit_het(protocol: Protocol, components: &[JobDesc]) -> Result<Vec<u8>, Unsendable> {
    each(protocol, components, submit)
}

/// Of a heterogeneous allocation.
pub(in crate::rpc) fn allocate_het(protocol: Protocol, components: &[JobDesc]) -> Result<Vec<u8>, Unsendable> {
    each(protocol, components, allocate)
}

fn each(
    protocol: Protocol,
    components: &[JobDesc],
    one: impl Fn(Protocol, &JobDesc) -> Result<Vec<u8>, Unsendable>,
) -> Result<Vec<u8>, Unsendable> {
    let count = u16::try_from(components.len()).ok().filter(|count| *count > 0);
    let wrong = || Unsendable::Value { field: "jobs", value: format!("{} components", components.len()) };
    let mut to = Writer::new(protocol);
    to.u16(count.ok_or_else(wrong)?);
    for component in components {
        to.raw(&one(protocol, component)?);
    }
    Ok(to.into_bytes())
}

/// Of an allocation without a script. Nobody is there who could be told when it begins: the job is looked up.
pub(in crate::rpc) fn allocate(protocol: Protocol, desc: &JobDesc) -> Result<Vec<u8>, Unsendable> {
    if desc.script.as_ref().is_some_and(|script| !script.is_empty()) {
        return Err(Unsendable::Value { field: "script", value: "of an allocation".to_owned() });
    }
    let joined = orders::JoinedJob::of(desc)?;
    let mut order = orders::description(protocol, desc, &joined)?;
    order.session = 0;
    (order.response_port, order.other_port) = (0, 0);
    if matches!(order.min_nodes, 0 | NO_VAL) {
        order.min_nodes = 1;
    }
    Ok(packed(protocol, &order))
}

pub(in crate::rpc) fn update_job(protocol: Protocol, id: u32, desc: &JobDesc) -> Result<Vec<u8>, Unsendable> {
    let joined = orders::JoinedJob::of(desc)?;
    let mut order = orders::description(protocol, desc, &joined)?;
    order.number = number("job_id", &id.to_string())?;
    order.step = StepId::job(order.number);
    Ok(packed(protocol, &order))
}

pub(in crate::rpc) fn update_nodes(
    protocol: Protocol,
    names: &[String],
    update: &NodeUpdate,
) -> Result<Vec<u8>, Unsendable> {
    let joined = orders::JoinedNode::of(names, update);
    Ok(packed(protocol, &orders::change(protocol, update, &joined)?))
}

pub(in crate::rpc) fn create_nodes(protocol: Protocol, line: &str) -> Result<Vec<u8>, Unsendable> {
    Ok(packed(protocol, &orders::added(line)?))
}

pub(in crate::rpc) fn delete_nodes(protocol: Protocol, names: &str) -> Result<Vec<u8>, Unsendable> {
    Ok(packed(protocol, &NodeChange { names: some_name(names)?, ..NodeChange::unset() }))
}

/// Of a partition that is to be made, and of what is to change in one.
pub(in crate::rpc) fn partition(protocol: Protocol, partition: &Partition) -> Result<Vec<u8>, Unsendable> {
    let joined = orders::JoinedPartition::of(partition);
    Ok(packed(protocol, &orders::partition(protocol, partition, &joined)?))
}

pub(in crate::rpc) fn create_reservation(protocol: Protocol, desc: &ReservationDesc) -> Result<Vec<u8>, Unsendable> {
    let joined = orders::JoinedReservation::of(desc);
    Ok(packed(protocol, &orders::create_reservation(desc, &joined)?))
}

pub(in crate::rpc) fn update_reservation(protocol: Protocol, desc: &ReservationDesc) -> Result<Vec<u8>, Unsendable> {
    let joined = orders::JoinedReservation::of(desc);
    let order = orders::change_reservation(desc, &joined)?;
    if order.name.is_empty() {
        return Err(Unsendable::Missing("name"));
    }
    Ok(packed(protocol, &order))
}

/// Of a partition or a reservation that is to be removed.
pub(in crate::rpc) fn delete(protocol: Protocol, name: &str) -> Result<Vec<u8>, Unsendable> {
    Ok(packed(protocol, &Name { name: some_name(name)? }))
}

fn some_name(name: &str) -> Result<Text<'_>, Unsendable> {
    if name.is_empty() { Err(Unsendable::Missing("name")) } else { Ok(Text::of(name)) }
}

pub(in crate::rpc) fn kill(protocol: Protocol, job: &str, signal: i32, reach: Reach) -> Result<Vec<u8>, Unsendable> {
    let wrong = || Unsendable::Value { field: "signal", value: signal.to_string() };
    let signal = u16::try_from(signal).ok().filter(|signal| (1..=64).contains(signal)).ok_or_else(wrong)?;
    let flags = match reach {
        Reach::Steps => 0,
        Reach::Script => 1 << 0,
        Reach::Whole => 1 << 3,
    };
    Ok(packed(protocol, &Kill { step: StepId::NONE, job: named(job)?, sibling: Text::NONE, signal, flags }))
}

pub(in crate::rpc) fn kill_many(
    protocol: Protocol,
    wanted: &KillJobs,
    number_of: &dyn Fn(&str) -> Option<u32>,
) -> Result<Vec<u8>, Unsendable> {
    let joined = orders::JoinedKill::of(wanted)?;
    Ok(packed(protocol, &orders::kill_many(wanted, &joined, number_of)?))
}

pub(in crate::rpc) fn requeue(protocol: Protocol, job: &str, how: How) -> Result<Vec<u8>, Unsendable> {
    let flags = u32::from(how.incomplete)
        | if how.hold || how.special_exit { 1 << 11 } else { 0 }
        | if how.special_exit { 1 << 12 } else { 0 };
    Ok(packed(protocol, &Requeue { step: NO_JOB, number: NO_VAL, job: named(job)?, flags }))
}

pub(in crate::rpc) fn suspend(protocol: Protocol, job: &str) -> Result<Vec<u8>, Unsendable> {
    Ok(packed(protocol, &Suspend { step: NO_JOB, what: 0, number: NO_VAL, job: named(job)? }))
}

pub(in crate::rpc) fn resume(protocol: Protocol, job: &str) -> Result<Vec<u8>, Unsendable> {
    Ok(packed(protocol, &Suspend { step: NO_JOB, what: 1, number: NO_VAL, job: named(job)? }))
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
