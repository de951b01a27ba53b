//! Reservations to be made or changed.

use std::collections::BTreeMap;

use jobgate_slurm::cluster::{Answer, Fault};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{ReservationDesc, words};
use jobgate_slurm::table::{Flags, Num, Time};

use super::super::super::cluster::{ReservationChange, UNLIMITED};
use super::unsupported;

/// Slurm's number for "not set", which its own clients give back as a time.
const NOT_SET: u64 = 0xffff_fffe;

/// Reads a reservation's name and what it is to be.
pub(in super::super) fn reservation(desc: &ReservationDesc) -> Answer<(String, ReservationChange)> {
    let name = desc.name.clone().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Fault::new(Errno::INVALID_RESERVATION, "Reservation must be given."))?;
    if desc.groups.as_ref().is_some_and(|groups| groups.iter().any(|group| !group.is_empty())) {
        return Err(unsupported("groups"));
    }
    if desc.burst_buffer.as_deref().is_some_and(|text| !text.is_empty()) {
        return Err(unsupported("burst_buffer"));
    }
    let change = ReservationChange {
        start: desc.start_time.and_then(point),
        end: desc.end_time.and_then(point),
        minutes: match desc.duration {
            Some(Num::Set(minutes)) => Some(i64::from(minutes)),
            Some(Num::Infinite) => Some(UNLIMITED),
            Some(Num::Unset) | None => None,
        },
        nodes: names(desc.node_list.as_ref()).map(|names| names.join(",")),
        node_count: desc.node_count.and_then(Num::number).map(u64::from),
        core_count: cores(desc)?,
        users: names(desc.users.as_ref()),
        accounts: names(desc.accounts.as_ref()),
        partition: desc.partition.clone().filter(|text| !text.is_empty()),
        features: desc.features.clone().filter(|text| !text.is_empty()),
        licences: desc.licenses.as_ref().filter(|list| !list.is_empty()).map(|list| licences(list)).transpose()?,
        flags: desc.flags.as_ref().filter(|flags| !flags.is_empty()).map(flags),
        comment: desc.comment.clone().filter(|text| !text.is_empty()),
    };
    Ok((name, change))
}

fn point(time: Time) -> Option<f64> {
    time.seconds().filter(|seconds| *seconds != NOT_SET).map(|seconds| seconds as f64)
}

/// Nothing is said by an empty list: requests are given back as they are shown, with all fields.
fn names(list: Option<&Vec<String>>) -> Option<Vec<String>> {
    let names: Vec<String> = list?.iter().filter(|name| !name.is_empty()).cloned().collect();
    (!names.is_empty()).then_some(names)
}

/// Cores by their own field, or as a trackable resource.
fn cores(desc: &ReservationDesc) -> Answer<Option<u64>> {
    if let Some(cores) = desc.core_count.and_then(Num::number) {
        return Ok(Some(u64::from(cores)));
    }
    let mut cores = None;
    for tres in desc.tres.iter().flatten() {
        let count = tres.count.unwrap_or(0);
        match (tres.kind.as_deref(), u64::try_from(count)) {
            (Some("cpu"), Ok(count)) => cores = Some(count),
            // Licences and nodes have fields of their own.
            _ => return Err(unsupported(&format!("tres {}", tres.kind.as_deref().unwrap_or_default()))),
        }
    }
    Ok(cores)
}

fn licences(list: &[String]) -> Answer<BTreeMap<String, u64>> {
    let one = |text: &String| {
        let (name, count) = text.split_once([':', '=']).unwrap_or((text, "1"));
        let count = count.trim().parse().ok().filter(|_| !name.trim().is_empty());
        let fault =
            || Fault::new(Errno::INVALID_LICENSES, format!("{text:?} is no licence; write for example matlab:2"));
        count.map(|count| (name.trim().to_owned(), count)).ok_or_else(fault)
    };
    list.iter().filter(|text| !text.is_empty()).map(one).collect()
}

/// A flag with `NO_` before it is taken away.
fn flags(flags: &Flags<words::ReservationDescFlags>) -> Vec<String> {
    let one = |word: &str| match word.strip_prefix("NO_") {
        Some(rest) if rest != "HOLD_JOBS_AFTER_END" => format!("-{rest}"),
        _ => word.to_owned(),
    };
    flags.iter().map(one).collect()
}
