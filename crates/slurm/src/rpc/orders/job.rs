//! Jobs that are asked for, and changes of jobs.

mod environment;
mod frequency;
mod layout;
mod words;

use super::{Unsendable, fit, newer, nothing_else};
use crate::objects::JobDesc;
use crate::rpc::Protocol;
use crate::rpc::codec::Text;
use crate::rpc::records::{Description, StepId};
use crate::rpc::show::step_of;
use crate::table::{Num, Time};
use frequency::Frequency;
pub(in crate::rpc) use frequency::Governors;
use layout::{Distribution, Nodes};

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

/// The bit of a number of cores that says that it counts threads.
const THREADS: u16 = 0x8000;

/// What is made of a description, and lives as long as what is sent.
#[derive(Debug)]
pub(in crate::rpc) struct Joined {
    excluded: Option<String>,
    required: Option<String>,
    nodes: Option<Nodes>,
    distribution: Option<Distribution>,
    environment: Option<Vec<String>>,
}

impl Joined {
    pub(in crate::rpc) fn of(desc: &JobDesc) -> Result<Self, Unsendable> {
        let join = |names: &Option<Vec<String>>| names.as_ref().map(|names| names.join(","));
        let distribution = Distribution::of(desc)?;
        Ok(Self {
            excluded: join(&desc.excluded_nodes),
            required: join(&desc.required_nodes),
            nodes: desc.nodes.as_deref().map(Nodes::parse).transpose()?,
            environment: environment::environment(desc, distribution.as_ref()),
            distribution,
        })
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
    places(joined, &mut rest, &mut order);
    numbers(&mut rest, &mut order)?;
    limits(&mut rest, &mut order)?;
    times(&mut rest, &mut order)?;
    words::words(&mut rest, &mut order)?;
    identity(&mut rest, &mut order)?;
    since_26_05(protocol, desc, &mut rest, &mut order)?;
    // no record has a place for these, and slurmrestd passes them over
    rest.crontab = None;
    rest.hetjob_group = None;
    rest.power_flags = None;
    rest.power_flags_old = None;
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

/// Nodes, the distribution of tasks over them, and the environment.
fn places<'a>(joined: &'a Joined, rest: &mut JobDesc, order: &mut Description<'a>) {
    rest.excluded_nodes = None;
    order.excluded_nodes = text(joined.excluded.as_ref());
    rest.required_nodes = None;
    order.required_nodes = text(joined.required.as_ref());
    rest.nodes = None;
    if let Some(nodes) = &joined.nodes {
        (order.min_nodes, order.max_nodes) = (nodes.least, nodes.most);
        order.size = text(nodes.counts.as_ref());
    }
    rest.distribution = None;
    rest.distribution_plane_size = None;
    rest.distribution_plane_size_old = None;
    if let Some(distribution) = &joined.distribution {
        order.distribution = distribution.number;
        order.plane_size = distribution.plane.unwrap_or(order.plane_size);
    }
    for limit in [
        &mut rest.rlimits_cpu,
        &mut rest.rlimits_fsize,
        &mut rest.rlimits_data,
        &mut rest.rlimits_stack,
        &mut rest.rlimits_core,
        &mut rest.rlimits_rss,
        &mut rest.rlimits_nproc,
        &mut rest.rlimits_nofile,
        &mut rest.rlimits_memlock,
        &mut rest.rlimits_as,
    ] {
        // it is said in the environment
        *limit = None;
    }
    if let Some(environment) = &joined.environment {
        order.environment = environment.iter().map(|text| Text::of(text)).collect();
    }
}

/// Whose job it is, and which one; the names of users and groups are numbers by now.
fn identity(rest: &mut JobDesc, order: &mut Description<'_>) -> Result<(), Unsendable> {
    for (field, given, to) in
        [("user_id", rest.user_id.take(), &mut order.user_id), ("group_id", rest.group_id.take(), &mut order.group_id)]
    {
        if let Some(given) = given.filter(|given| !given.is_empty()) {
            *to = given.parse().map_err(|_| Unsendable::Value { field, value: given })?;
        }
    }
    if let Some(id) = rest.job_id.take() {
        order.step = StepId::job(id);
    }
    if let Some(mut step) = rest.step_id.take() {
        let wrong = |value: &str| Unsendable::Value { field: "step_id", value: value.to_owned() };
        limit(step.job_id.take(), &mut order.step.job)?;
        limit(step.step_het_component.take(), &mut order.step.component)?;
        if let Some(name) = step.step_id.take() {
            order.step.step = step_of(&name).ok_or_else(|| wrong(&name))?;
        }
        if step.sluid.is_some() {
            return Err(wrong("sluid"));
        }
    }
    order.number = order.step.job;
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
        admin_comment = admin_comment;
        allocating_node = allocation_node_list;
        batch_features = batch_features;
        burst_buffer = burst_buffer;
        cluster_features = cluster_constraint;
        clusters = clusters;
        container = container;
        container_id = container_id;
        cpu_bind = cpu_binding;
        gather_frequency = account_gather_frequency;
        mcs_label = mcs_label;
        mem_bind = memory_binding;
        network = network;
        prefer = prefer;
        selinux_context = selinux_context;
        tres_bind = tres_bind;
        tres_freq = tres_freq;
        x11_magic_cookie = x11_magic_cookie;
        x11_target = x11_target_host;
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
    rest.spank_environment = None;
    order.spank_environment = list(desc.spank_environment.as_ref());
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
        max_cpus = maximum_cpus;
        boards_per_node = minimum_boards_per_node;
        sockets_per_board = minimum_sockets_per_board;
        sockets_per_node = sockets_per_node;
        cores_per_socket = cores_per_socket;
        cores_per_socket = cores_per_socket_old;
        ntasks_per_socket = tasks_per_socket;
        ntasks_per_core = tasks_per_core;
        ntasks_per_board = tasks_per_board;
        ntasks_per_tres = ntasks_per_tres;
        response_port = allocation_node_port;
        other_port = reserve_ports;
        reserved_ports = resv_mpi_ports;
        delay_boot = delay_boot;
        oom_kill_step = oom_kill_step;
        site_factor = site_factor;
        switch_wait = wait_for_switch;
        x11_target_port = x11_target_port;
    }
    if let Some(nice) = rest.nice.take() {
        order.nice = u32::try_from(NICE + i64::from(nice)).unwrap_or(INFINITE);
    }
    memory(rest, order)
}

/// Limits, and what may be infinite.
fn limits(rest: &mut JobDesc, order: &mut Description<'_>) -> Result<(), Unsendable> {
    limit(rest.required_switches.take(), &mut order.required_switches)?;
    match rest.segment_size.take() {
        None | Some(Num::Unset) => {}
        Some(Num::Infinite) => order.segment_size = u16::MAX,
        Some(Num::Set(size)) => order.segment_size = size,
    }
    for (field, given, bit) in [
        ("core_specification", rest.core_specification.take(), 0),
        ("thread_specification", rest.thread_specification.take(), THREADS),
    ] {
        if let Some(number) = given {
            let wrong = || Unsendable::Value { field, value: number.to_string() };
            let number = u16::try_from(number).ok().filter(|number| (1..THREADS).contains(number)).ok_or_else(wrong)?;
            order.specialized = number | bit;
        }
    }
    if let Some(text) = rest.cpu_frequency.take() {
        let Frequency { least, most, governor } = Frequency::parse(&text)?;
        (order.cpu_minimum, order.cpu_maximum, order.cpu_governor) = (least, most, governor);
    }
    limit(rest.time_limit.take(), &mut order.time_limit)?;
    limit(rest.time_minimum.take(), &mut order.time_minimum)?;
    limit(rest.priority.take(), &mut order.priority)?;
    match rest.hold.take() {
        Some(true) => order.priority = 0,
        Some(false) => order.priority = INFINITE,
        None => {}
    }
    Ok(())
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

fn times(rest: &mut JobDesc, order: &mut Description<'_>) -> Result<(), Unsendable> {
    match rest.begin_time.take() {
        None | Some(Time(Num::Unset)) => {}
        Some(Time(Num::Set(seconds))) => order.begin_time = seconds,
        Some(Time(Num::Infinite)) => {
            return Err(Unsendable::Value { field: "begin_time", value: "infinite".to_owned() });
        }
    }
    for (field, given, to) in [
        ("deadline", rest.deadline.take(), &mut order.deadline),
        ("end_time", rest.end_time.take(), &mut order.end_time),
    ] {
        if let Some(moment) = given {
            *to = u64::try_from(moment).map_err(|_| Unsendable::Value { field, value: moment.to_string() })?;
        }
    }
    Ok(())
}
