//! Jobs that are asked for, and changes of jobs.

use super::{Unsendable, fit, newer, nothing_else};
use crate::objects::JobDesc;
use crate::rpc::Protocol;
use crate::rpc::codec::Text;
use crate::rpc::records::Description;
use crate::signal;
use crate::table::{Flags, Num, Time};

/// The bit of an amount of memory that says that it is for each CPU.
const PER_CPU: u64 = 1 << 63;
/// A job's niceness is sent more this.
const NICE: i64 = 0x8000_0000;
/// "Infinite"; as a priority: the scheduler's own.
const INFINITE: u32 = u32::MAX;
/// Flags of what is not given and has a default: the account, the partition, the QOS, the workload key.
const DEFAULT_ACCOUNT: u64 = 1 << 25;
const DEFAULT_PARTITION: u64 = 1 << 26;
const DEFAULT_QOS: u64 = 1 << 27;
const DEFAULT_WCKEY: u64 = 1 << 28;

/// Texts that live as long as what is sent.
#[derive(Debug, Default)]
pub(in crate::rpc) struct Joined {
    excluded: Option<String>,
    required: Option<String>,
}

impl Joined {
    pub(in crate::rpc) fn of(desc: &JobDesc) -> Self {
        let join = |names: &Option<Vec<String>>| names.as_ref().map(|names| names.join(","));
        Self { excluded: join(&desc.excluded_nodes), required: join(&desc.required_nodes) }
    }
}

/// What is asked for, in the wire's terms.
pub(in crate::rpc) fn description<'a>(
    protocol: Protocol,
    desc: &'a JobDesc,
    joined: &'a Joined,
) -> Result<Description<'a>, Unsendable> {
    let mut order = Description::unset();
    let mut rest = desc.clone();
    texts(desc, &mut rest, &mut order);
    numbers(&mut rest, &mut order)?;
    times(&mut rest, &mut order)?;
    words(&mut rest, &mut order)?;
    since_26_05(protocol, desc, &mut rest, &mut order)?;
    if rest.excluded_nodes.take().is_some() {
        order.excluded_nodes = text(joined.excluded.as_ref());
    }
    if rest.required_nodes.take().is_some() {
        order.required_nodes = text(joined.required.as_ref());
    }
    nothing_else(&rest)?;
    let absent = |text: Text<'_>, flag: u64| if text == Text::NONE { flag } else { 0 };
    order.flags |= absent(order.account, DEFAULT_ACCOUNT)
        | absent(order.partition, DEFAULT_PARTITION)
        | absent(order.qos, DEFAULT_QOS)
        | absent(order.wckey, DEFAULT_WCKEY);
    Ok(order)
}

fn since_26_05<'a>(
    protocol: Protocol,
    desc: &'a JobDesc,
    rest: &mut JobDesc,
    order: &mut Description<'a>,
) -> Result<(), Unsendable> {
    let since = Protocol::V26_05;
    rest.container_type = None;
    order.container_type = text(newer(protocol, since, "container_type", desc.container_type.as_ref())?);
    for (field, given, to) in [
        ("memory_update_delay", rest.memory_update_delay.take(), &mut order.memory_update_delay),
        ("memory_update_margin", rest.memory_update_margin.take(), &mut order.memory_update_margin),
    ] {
        if let Some(number) = newer(protocol, since, field, given)? {
            *to = fit(field, number)?;
        }
    }
    Ok(())
}

fn text(text: Option<&String>) -> Text<'_> {
    text.map_or(Text::NONE, |text| Text::of(text))
}

fn texts<'a>(desc: &'a JobDesc, rest: &mut JobDesc, order: &mut Description<'a>) {
    macro_rules! same {
        ($($to:ident = $from:ident;)*) => {$(
            rest.$from = None;
            order.$to = text(desc.$from.as_ref());
        )*};
    }
    same! {
        account = account;
        array = array;
        comment = comment;
        features = constraints;
        dependency = dependency;
        licenses = licenses;
        mail_user = mail_user;
        name = name;
        partition = partition;
        qos = qos;
        reservation = reservation;
        script = script;
        standard_error = standard_error;
        standard_input = standard_input;
        standard_output = standard_output;
        tres_per_job = tres_per_job;
        tres_per_node = tres_per_node;
        tres_per_socket = tres_per_socket;
        tres_per_task = tres_per_task;
        cpus_per_tres = cpus_per_tres;
        mem_per_tres = memory_per_tres;
        wckey = wckey;
        extra = extra;
        directory = current_working_directory;
    }
    let list = |texts: Option<&'a Vec<String>>| texts.into_iter().flatten().map(|text| Text::of(text)).collect();
    rest.argv = None;
    order.arguments = list(desc.argv.as_ref());
    rest.environment = None;
    order.environment = list(desc.environment.as_ref());
}

/// A number that may be infinite; "not set" stays.
fn limit(number: Option<Num<u32>>, to: &mut u32) -> Result<(), Unsendable> {
    match number {
        None | Some(Num::Unset) => {}
        Some(Num::Infinite) => *to = INFINITE,
        Some(Num::Set(number)) if number < crate::rpc::codec::NO_VAL => *to = number,
        Some(Num::Set(number)) => return Err(Unsendable::Value { field: "a limit", value: number.to_string() }),
    }
    Ok(())
}

fn numbers(rest: &mut JobDesc, order: &mut Description<'_>) -> Result<(), Unsendable> {
    macro_rules! fitted {
        ($($to:ident = $from:ident;)*) => {$(
            if let Some(number) = rest.$from.take() {
                order.$to = fit(stringify!($from), number)?;
            }
        )*};
    }
    fitted! {
        cpus_per_task = cpus_per_task;
        min_cpus = minimum_cpus;
        cpus_per_node = minimum_cpus_per_node;
        min_nodes = minimum_nodes;
        max_nodes = maximum_nodes;
        tasks = tasks;
        ntasks_per_node = tasks_per_node;
        threads_per_core = threads_per_core;
        tmp_disk = temporary_disk_per_node;
    }
    if let Some(range) = rest.nodes.take() {
        (order.min_nodes, order.max_nodes) = nodes(&range)?;
    }
    if let Some(nice) = rest.nice.take() {
        order.nice = u32::try_from(NICE + i64::from(nice)).unwrap_or(INFINITE);
    }
    limit(rest.time_limit.take(), &mut order.time_limit)?;
    limit(rest.time_minimum.take(), &mut order.time_minimum)?;
    limit(rest.priority.take(), &mut order.priority)?;
    match rest.hold.take() {
        Some(true) => order.priority = 0,
        Some(false) => order.priority = INFINITE,
        None => {}
    }
    memory(rest, order)
}

/// Memory of each node, or of each CPU.
fn memory(rest: &mut JobDesc, order: &mut Description<'_>) -> Result<(), Unsendable> {
    let per_node = rest.memory_per_node.take().and_then(Num::number);
    let per_cpu = rest.memory_per_cpu.take().and_then(Num::number);
    let amount = per_node.or(per_cpu).unwrap_or(0);
    if amount & PER_CPU != 0 || per_node.is_some() && per_cpu.is_some() {
        return Err(Unsendable::Value { field: "memory", value: amount.to_string() });
    }
    if per_node.is_some() || per_cpu.is_some() {
        order.memory = amount | if per_cpu.is_some() { PER_CPU } else { 0 };
    }
    Ok(())
}

/// `2`, or `2-3`.
fn nodes(range: &str) -> Result<(u32, u32), Unsendable> {
    let number = |text: &str| text.trim().parse::<u32>().ok().filter(|number| *number < crate::rpc::codec::NO_VAL);
    let (least, most) = range.split_once('-').unwrap_or((range, range));
    let pair = number(least).zip(number(most)).filter(|(least, most)| least <= most);
    pair.ok_or_else(|| Unsendable::Value { field: "nodes", value: range.to_owned() })
}

fn times(rest: &mut JobDesc, order: &mut Description<'_>) -> Result<(), Unsendable> {
    match rest.begin_time.take() {
        None | Some(Time(Num::Unset)) => {}
        Some(Time(Num::Set(seconds))) => order.begin_time = seconds,
        Some(Time(Num::Infinite)) => {
            return Err(Unsendable::Value { field: "begin_time", value: "infinite".to_owned() });
        }
    }
    if let Some(deadline) = rest.deadline.take() {
        let negative = |_| Unsendable::Value { field: "deadline", value: deadline.to_string() };
        order.deadline = u64::try_from(deadline).map_err(negative)?;
    }
    Ok(())
}

/// The number of the only word, or the bits of all.
fn bits<V>(field: &'static str, given: &Flags<V>, known: &[(&str, u16)]) -> Result<u16, Unsendable> {
    given.iter().try_fold(0, |bits, word| {
        let bit = known.iter().find(|(name, _)| *name == word).map(|(_, bit)| bit);
        bit.map(|bit| bits | bit).ok_or_else(|| Unsendable::Value { field, value: word.to_owned() })
    })
}

fn words(rest: &mut JobDesc, order: &mut Description<'_>) -> Result<(), Unsendable> {
    let truth = |given: Option<bool>, to: &mut u16| {
        if let Some(given) = given {
            *to = u16::from(given);
        }
    };
    truth(rest.requeue.take(), &mut order.requeue);
    truth(rest.reboot.take(), &mut order.reboot);
    truth(rest.contiguous.take(), &mut order.contiguous);
    if let Some(mail) = rest.mail_type.take() {
        order.mail_type = bits("mail_type", &mail, &[("BEGIN", 1), ("END", 2), ("FAIL", 4), ("REQUEUE", 8)])?;
    }
    if let Some(mode) = rest.open_mode.take() {
        order.open_mode = bits("open_mode", &mode, &[("APPEND", 1), ("TRUNCATE", 2)])? as u8;
    }
    if let Some(shared) = rest.shared.take() {
        order.shared = bits("shared", &shared, &[("none", 0), ("oversubscribe", 1)])?;
    }
    if let Some(flags) = rest.kill_warning_flags.take() {
        order.warn_flags = bits("kill_warning_flags", &flags, &[("BATCH_JOB", 1)])?;
    }
    if let Some(name) = rest.kill_warning_signal.take() {
        let number = signal::number(&name).and_then(|number| u16::try_from(number).ok());
        order.warn_signal = number.ok_or(Unsendable::Value { field: "kill_warning_signal", value: name })?;
    }
    if let Some(Num::Set(seconds)) = rest.kill_warning_delay.take() {
        order.warn_time = seconds;
    }
    Ok(())
}
