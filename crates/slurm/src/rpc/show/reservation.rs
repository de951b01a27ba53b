//! Reservations.

use crate::objects::{Reservation, ReservationCoreSpec};
use crate::rpc::codec::num32;
use crate::rpc::{records, words};
use crate::table::Num;

use super::{int, time};

/// A reservation as the API shows it.
pub(in crate::rpc) fn reservation(record: &records::Reservation<'_>) -> Reservation {
    let core =
        |spec: &records::CoreSpec<'_>| ReservationCoreSpec { node: spec.node.string(), core: spec.cores.string() };
    Reservation {
        accounts: record.accounts.string(),
        burst_buffer: record.burst_buffer.string(),
        core_count: int(record.cores),
        core_specializations: Some(record.core_specs.iter().map(core).collect()),
        end_time: time(record.end_time),
        features: record.features.string(),
        flags: Some(words::reservation_flags(record.flags)),
        groups: record.groups.string(),
        licenses: record.licenses.string(),
        max_start_delay: int(record.max_start_delay),
        name: record.name.string(),
        node_count: int(record.node_count),
        node_list: record.nodes.string(),
        partition: record.partition.string(),
        purge_completed_time: Some(num32(record.purge_after)),
        start_time: time(record.start_time),
        tres: record.tres.string(),
        users: record.users.string(),
        watts: Some(Num::Unset),
    }
}
