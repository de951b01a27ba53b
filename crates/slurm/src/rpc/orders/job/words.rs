//! Words and truths of a description, as bits and numbers.

use super::super::Unsendable;
use super::super::kill::SIGNAL_FLAGS;
use crate::objects::JobDesc;
use crate::rpc::records::Description;
use crate::rpc::words;
use crate::signal;
use crate::table::{Flags, Num};

/// The bits of a word.
type Known<'a> = (&'a str, u16);

const OPEN_MODES: [Known<'_>; 2] = [("APPEND", 1), ("TRUNCATE", 2)];
const SHARED: [Known<'_>; 5] = [("none", 0), ("oversubscribe", 1), ("user", 2), ("mcs", 3), ("topo", 4)];
const EXCLUSIVE: [Known<'_>; 5] = [("true", 0), ("false", 1), ("user", 2), ("mcs", 3), ("topo", 4)];
const X11: [Known<'_>; 4] = [("FORWARD_ALL_NODES", 1), ("BATCH_NODE", 2), ("FIRST_NODE", 4), ("LAST_NODE", 8)];
const CPU_BINDINGS: [Known<'_>; 13] = [
    ("VERBOSE", 0x1),
    ("CPU_BIND_TO_THREADS", 0x2),
    ("CPU_BIND_TO_CORES", 0x4),
    ("CPU_BIND_TO_SOCKETS", 0x8),
    ("CPU_BIND_TO_LDOMS", 0x10),
    ("CPU_BIND_NONE", 0x20),
    // gone since 24.11, and sent as nothing
    ("CPU_BIND_RANK", 0),
    ("CPU_BIND_MAP", 0x80),
    ("CPU_BIND_MASK", 0x100),
    ("CPU_BIND_LDRANK", 0x200),
    ("CPU_BIND_LDMAP", 0x400),
    ("CPU_BIND_LDMASK", 0x800),
    ("CPU_BIND_ONE_THREAD_PER_CORE", 0x2000),
];
const MEMORY_BINDINGS: [Known<'_>; 8] = [
    ("VERBOSE", 0x1),
    ("NONE", 0x2),
    ("RANK", 0x4),
    ("MAP", 0x8),
    ("MASK", 0x10),
    ("LOCAL", 0x20),
    ("SORT", 0x40),
    ("PREFER", 0x80),
];
/// Flags of a warning that are none of a signal's.
const WARNING_FLAGS: [Known<'_>; 6] = [
    ("FEDERATION_REQUEUE", 1 << 4),
    ("OUT_OF_MEMORY", 1 << 6),
    ("NO_SIBLING_JOBS", 1 << 7),
    ("RESERVATION_JOB", 1 << 8),
    ("NO_CRON_JOBS", 1 << 9),
    ("WARNING_SENT", 1 << 15),
];

/// Takes what is given and is not empty: that says nothing.
fn taken<V>(given: &mut Option<Flags<V>>) -> Option<Flags<V>> {
    given.take().filter(|given| !given.is_empty())
}

fn bit(field: &'static str, word: &str, known: &[Known<'_>]) -> Result<u16, Unsendable> {
    let bit = known.iter().find(|(name, _)| *name == word).map(|(_, bit)| *bit);
    bit.ok_or_else(|| Unsendable::Value { field, value: word.to_owned() })
}

/// The bits of all.
fn bits<V>(field: &'static str, given: &Flags<V>, known: &[Known<'_>]) -> Result<u16, Unsendable> {
    given.iter().try_fold(0, |bits, word| Ok(bits | bit(field, word, known)?))
}

/// The number of the last one: only one counts.
fn last<V>(field: &'static str, given: &Flags<V>, known: &[Known<'_>]) -> Result<u16, Unsendable> {
    given.iter().try_fold(0, |_, word| bit(field, word, known))
}

fn truth<T: From<bool>>(given: Option<bool>, to: &mut T) {
    if let Some(given) = given {
        *to = T::from(given);
    }
}

pub(super) fn words(rest: &mut JobDesc, order: &mut Description<'_>) -> Result<(), Unsendable> {
    truth(rest.requeue.take(), &mut order.requeue);
    truth(rest.reboot.take(), &mut order.reboot);
    truth(rest.contiguous.take(), &mut order.contiguous);
    truth(rest.immediate.take(), &mut order.immediate);
    truth(rest.kill_on_node_fail.take(), &mut order.kill_on_node_fail);
    truth(rest.wait_all_nodes.take(), &mut order.wait_all_nodes);
    truth(rest.overcommit.take(), &mut order.overcommit);
    if let Some(mode) = taken(&mut rest.open_mode) {
        order.open_mode = bits("open_mode", &mode, &OPEN_MODES)? as u8;
    }
    if let Some(flags) = taken(&mut rest.x11) {
        order.x11 = bits("x11", &flags, &X11)?;
    }
    if let Some(flags) = taken(&mut rest.cpu_binding_flags) {
        order.cpu_bind_type = bits("cpu_binding_flags", &flags, &CPU_BINDINGS)?;
    }
    if let Some(kinds) = taken(&mut rest.memory_binding_type) {
        order.mem_bind_type = bits("memory_binding_type", &kinds, &MEMORY_BINDINGS)?;
    }
    let of_table = |field| move |word: &str| Unsendable::Value { field, value: word.to_owned() };
    if let Some(flags) = taken(&mut rest.flags) {
        order.flags = words::job_flag_bits(&flags).map_err(of_table("flags"))?;
    }
    if let Some(kinds) = taken(&mut rest.mail_type) {
        order.mail_type = words::mail_bits(&kinds).map_err(of_table("mail_type"))?;
    }
    if let Some(kinds) = taken(&mut rest.profile) {
        order.profile = words::profile_bits(&kinds).map_err(of_table("profile"))?;
    }
    sharing(rest, order)?;
    warning(rest, order)
}

/// Whether the job shares its nodes; the oldest versions of the API have two more names for it.
fn sharing(rest: &mut JobDesc, order: &mut Description<'_>) -> Result<(), Unsendable> {
    if let Some(shared) = taken(&mut rest.shared) {
        order.shared = last("shared", &shared, &SHARED)?;
    }
    if let Some(exclusive) = taken(&mut rest.exclusive) {
        order.shared = last("exclusive", &exclusive, &EXCLUSIVE)?;
    }
    truth(rest.oversubscribe.take(), &mut order.shared);
    Ok(())
}

/// The signal before the end.
fn warning(rest: &mut JobDesc, order: &mut Description<'_>) -> Result<(), Unsendable> {
    if let Some(flags) = taken(&mut rest.kill_warning_flags) {
        let all = [&SIGNAL_FLAGS[..], &WARNING_FLAGS].concat();
        order.warn_flags = bits("kill_warning_flags", &flags, &all)?;
    }
    if let Some(name) = rest.kill_warning_signal.take().filter(|name| !name.is_empty()) {
        let number = signal::number(&name).and_then(|number| u16::try_from(number).ok());
        order.warn_signal = number.ok_or(Unsendable::Value { field: "kill_warning_signal", value: name })?;
    }
    match rest.kill_warning_delay.take() {
        Some(Num::Set(seconds)) => order.warn_time = seconds,
        Some(Num::Infinite) => order.warn_time = u16::MAX,
        Some(Num::Unset) | None => {}
    }
    Ok(())
}
