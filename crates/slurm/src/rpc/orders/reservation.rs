//! Reservations that are made, and changes of reservations.

use super::{Unsendable, nothing_else};
use crate::objects::ReservationDesc;
use crate::rpc::codec::{NO_VAL, Text};
use crate::rpc::records::ReservationChange;
use crate::rpc::words;
use crate::table::{Num, Time};

/// All nodes of a partition.
const PART_NODES: u64 = 1 << 12;
/// What a reservation tells about itself, and nobody can ask for: that its nodes were named, that it has all.
const TOLD: u64 = 1 << 15 | 1 << 19;
/// Flags that release 24.11 has.
const KNOWN: u64 = (1 << 41) - 1;

/// Texts that live as long as what is sent.
#[derive(Debug, Default)]
pub(in crate::rpc) struct Joined {
    accounts: Option<String>,
    groups: Option<String>,
    licenses: Option<String>,
    nodes: Option<String>,
    tres: Option<String>,
    users: Option<String>,
}

impl Joined {
    pub(in crate::rpc) fn of(desc: &ReservationDesc) -> Self {
        let join = |texts: &Option<Vec<String>>| texts.as_ref().map(|texts| texts.join(","));
        let tres = |tres: &crate::objects::Tres| {
            let kind = tres.kind.clone().unwrap_or_default();
            let name = tres.name.as_deref().filter(|name| !name.is_empty());
            let name = name.map_or(kind.clone(), |name| format!("{kind}/{name}"));
            format!("{name}={}", tres.count.unwrap_or(0))
        };
        Self {
            accounts: join(&desc.accounts),
            groups: join(&desc.groups),
            licenses: join(&desc.licenses),
            // an empty list names no nodes, and takes none back
            nodes: join(&desc.node_list).filter(|nodes| !nodes.is_empty()),
            tres: desc.tres.as_ref().map(|all| all.iter().map(tres).collect::<Vec<_>>().join(",")),
            users: join(&desc.users),
        }
    }
}

/// A reservation that is to be made, in the wire's terms. Who names a partition and nothing else means all of its nodes.
pub(in crate::rpc) fn create<'a>(
    desc: &'a ReservationDesc,
    joined: &'a Joined,
) -> Result<ReservationChange<'a>, Unsendable> {
    let mut order = change(desc, joined)?;
    let (start, end) = (order.start_time, order.end_time);
    if start == u64::from(NO_VAL) {
        return Err(Unsendable::Missing("start_time"));
    }
    if end == u64::from(NO_VAL) && order.duration == NO_VAL {
        return Err(Unsendable::Missing("end_time or duration"));
    }
    let minutes = u64::from(order.duration) * 60;
    if end != u64::from(NO_VAL) && (end < start || order.duration != NO_VAL && start.checked_add(minutes) != Some(end))
    {
        return Err(Unsendable::Value { field: "end_time", value: end.to_string() });
    }
    if order.users.is_empty() && order.groups.is_empty() && order.accounts.is_empty() {
        return Err(Unsendable::Missing("users, groups or accounts"));
    }
    if !order.users.is_empty() && !order.groups.is_empty() {
        return Err(Unsendable::Value { field: "groups", value: "together with users".to_owned() });
    }
    let is_all = |nodes: Text<'_>| nodes.get().is_some_and(|nodes| nodes.eq_ignore_ascii_case("ALL"));
    let is_none = |number: u32| matches!(number, 0 | NO_VAL);
    let all = Text::of("ALL");
    let parts = [order.nodes, order.licenses, order.burst_buffer, order.tres];
    if is_none(order.cores) && is_none(order.node_count) && parts.iter().all(|part| part.is_empty()) {
        if order.partition == Text::NONE {
            return Err(Unsendable::Missing("nodes, a partition, node_count, core_count, licenses or tres"));
        }
        order.nodes = all;
    }
    let flags = if order.flags == NO_FLAGS { 0 } else { order.flags };
    if order.partition != Text::NONE && is_all(order.nodes) {
        order.flags = flags | PART_NODES;
    } else if flags & PART_NODES != 0 {
        return Err(Unsendable::Value {
            field: "flags",
            value: "PART_NODES without a partition and all nodes".to_owned(),
        });
    }
    Ok(order)
}

/// No flags are given.
const NO_FLAGS: u64 = crate::rpc::codec::NO_VAL64;

/// What is to change in a reservation, in the wire's terms.
pub(in crate::rpc) fn change<'a>(
    desc: &'a ReservationDesc,
    joined: &'a Joined,
) -> Result<ReservationChange<'a>, Unsendable> {
    let mut rest = desc.clone();
    let mut order = ReservationChange::unset();
    macro_rules! texts {
        ($($to:ident = $of:ident.$from:ident;)*) => {$(
            rest.$to = None;
            order.$from = $of.$from.as_deref().map_or(Text::NONE, Text::of);
        )*};
    }
    texts! {
        accounts = joined.accounts;
        burst_buffer = desc.burst_buffer;
        comment = desc.comment;
        features = desc.features;
        groups = joined.groups;
        licenses = joined.licenses;
        name = desc.name;
        node_list = joined.nodes;
        partition = desc.partition;
        tres = joined.tres;
        users = joined.users;
    }
    macro_rules! numbers {
        ($($to:ident = $from:ident;)*) => {$( number(stringify!($from), rest.$from.take(), &mut order.$to)?; )*};
    }
    numbers! {
        cores = core_count;
        duration = duration;
        max_start_delay = max_start_delay;
        node_count = node_count;
        purge_after = purge_completed_time;
    }
    for (field, time, to) in [
        ("start_time", rest.start_time.take(), &mut order.start_time),
        ("end_time", rest.end_time.take(), &mut order.end_time),
    ] {
        match time {
            None | Some(Time(Num::Unset)) => {}
            // the greatest numbers of 32 bits mean something else
            Some(Time(Num::Set(seconds))) if seconds < u64::from(NO_VAL) => *to = seconds,
            Some(Time(other)) => return Err(Unsendable::Value { field, value: format!("{other:?}") }),
        }
    }
    for word in rest.flags.take().iter().flat_map(crate::table::Flags::iter) {
        let bit = words::reservation_bit(word).filter(|bit| KNOWN >> bit & 1 == 1);
        let bit = bit.ok_or_else(|| Unsendable::Value { field: "flags", value: word.to_owned() })?;
        let flags = if order.flags == NO_FLAGS { 0 } else { order.flags };
        order.flags = flags | (1 << bit) & !TOLD;
    }
    if order.flags == 0 {
        order.flags = NO_FLAGS;
    }
    nothing_else(&rest)?;
    Ok(order)
}

/// A number that may be infinite; "not set" stays.
fn number(field: &'static str, number: Option<Num<u32>>, to: &mut u32) -> Result<(), Unsendable> {
    match number {
        None | Some(Num::Unset) => {}
        Some(Num::Infinite) if field == "duration" => *to = u32::MAX,
        Some(Num::Set(number)) if number < NO_VAL => *to = number,
        Some(other) => return Err(Unsendable::Value { field, value: format!("{other:?}") }),
    }
    Ok(())
}
