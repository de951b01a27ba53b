//! Jobs.

use crate::filename;
use crate::objects::{ExitCode, Job, PartPrio, SlurmStepId};
use crate::rpc::codec::{NO_VAL, NO_VAL16, Places, Text, num16, num32, num64, real, runs_text};
use crate::rpc::records;
use crate::rpc::words;
use crate::signal;
use crate::table::{Flags, Num};

use super::{Names, int, resources, time};

/// The bit of a number of cores that says that it counts threads.
const THREADS: u16 = 0x8000;
/// The bit of an amount of memory that says that it is for each CPU.
const PER_CPU: u64 = 1 << 63;
/// A job's niceness is shown less this.
const NICE: i64 = 0x8000_0000;
/// No array has more tasks than fit into so many digits: Slurm's greatest number of a task is 4,000,000.
const MOST_DIGITS: usize = 1 << 20;
/// So much is shown of a list of an array's tasks.
const TASKS_SHOWN: usize = 63;

/// A job as the API shows it. `last_backfill` is when the backfill scheduler last looked at jobs.
pub(in crate::rpc) fn job(record: &records::Job<'_>, last_backfill: u64, names: Names<'_>) -> Job {
    let id = record.id();
    let files = Files::of(record, names);
    let (per_cpu, per_node) = memory(record);
    let mut shown = Job {
        account: record.account.string(),
        admin_comment: record.admin_comment.string(),
        allocating_node: record.allocating_node.string(),
        array_job_id: Some(num32(record.array_id)),
        array_task_id: Some(num32(record.array_task)),
        array_max_tasks: Some(num32(record.array_max_tasks)),
        array_task_string: tasks(record.array_tasks, record.array_max_tasks),
        association_id: int(record.association_id),
        batch_features: record.batch_features.string(),
        batch_flag: Some(record.batch_flag != 0),
        batch_host: record.batch_host.string(),
        flags: Some(words::job_flags(flags(record, last_backfill))),
        burst_buffer: record.burst_buffer.string(),
        burst_buffer_state: record.burst_buffer_state.string(),
        cluster: record.cluster.string(),
        comment: record.comment.string(),
        container: record.container.string(),
        container_id: record.container_id.string(),
        container_type: record.container_type.string(),
        contiguous: Some(!matches!(record.contiguous, 0 | NO_VAL16)),
        core_spec: int(if record.specialized & THREADS == 0 { record.specialized } else { 0 }),
        thread_spec: int(if record.specialized & THREADS == 0 { 0 } else { record.specialized & !THREADS }),
        billable_tres: Some(real(record.billable_tres)),
        cpus_per_task: Some(num16(record.cpus_per_task)),
        cpus_per_tres: record.cpus_per_tres.string(),
        deadline: time(record.deadline),
        delay_boot: Some(num32(record.delay_boot)),
        derived_exit_code: Some(exit_code(record.derived_exit_code)),
        end_time: time(record.end_time),
        excluded_nodes: record.excluded_nodes.string(),
        exit_code: Some(exit_code(record.exit_code)),
        extra: record.extra.string(),
        failed_node: record.failed_node.string(),
        gres_detail: Some(record.gres_detail.iter().map(|text| text.string().unwrap_or_default()).collect()),
        group_id: Some(record.group_id),
        group_name: Some(names.group(record.group_id)),
        het_job_id: Some(num32(record.het_id)),
        het_job_id_set: record.het_id_set.string(),
        het_job_offset: Some(num32(record.het_offset)),
        job_id: Some(id),
        job_resources: record.allocation.0.as_deref().map(resources::resources),
        job_state: Some(words::job_state(record.state)),
        last_sched_evaluation: time(record.last_sched_evaluation),
        licenses: record.licenses.string(),
        licenses_allocated: record.licenses_allocated.string(),
        mail_type: Some(words::mail(record.mail_type)),
        mail_user: record.mail_user.string(),
        mcs_label: record.mcs_label.string(),
        memory_per_tres: record.memory_per_tres.string(),
        name: record.name.string(),
        network: record.network.string(),
        nodes: record.nodes.string(),
        partition: record.partition.string(),
        memory_per_cpu: Some(per_cpu),
        memory_per_node: Some(per_node),
        minimum_cpus_per_node: Some(num16(record.cpus_per_node)),
        minimum_tmp_disk_per_node: Some(num32(record.tmp_disk)),
        power_flags: Some(Vec::new()),
        power_flags_old: Some(Vec::new()),
        preempt_time: time(record.preempt_time),
        preemptable_time: time(record.preemptable_time),
        pre_sus_time: time(record.pre_sus_time),
        hold: Some(record.priority == 0),
        priority: Some(num32(record.priority)),
        priority_by_partition: Some(priorities(record)),
        profile: Some(words::profile(record.profile)),
        qos: record.qos.string(),
        reboot: Some(record.reboot != 0),
        required_nodes: record.required_nodes.string(),
        required_switches: int(record.required_switches),
        minimum_switches: int(record.required_switches),
        resize_time: time(record.resize_time),
        restart_cnt: int(record.restart_count),
        resv_name: record.reservation.string(),
        scheduled_nodes: record.scheduled_nodes.string(),
        selinux_context: record.selinux_context.string(),
        show_flags: Some(Flags::default()),
        step_id: Some(step(record, id)),
        start_time: time(record.start_time),
        state_description: record.state_description.string(),
        state_reason: Some(words::reason(record.state_reason).to_owned()),
        standard_input: record.standard_input.string(),
        standard_output: record.standard_output.string(),
        standard_error: record.standard_error.string(),
        stdin_expanded: files.expanded(record.standard_input),
        stdout_expanded: files.expanded(record.standard_output),
        stderr_expanded: files.expanded(record.standard_error),
        standard_input_old: Some(files.input(record)),
        standard_output_old: Some(files.output(record)),
        standard_error_v41: Some(files.error(record, record.standard_output.is_empty())),
        standard_error_old: Some(files.error(record, true)),
        suspend_time: time(record.suspend_time),
        system_comment: record.system_comment.string(),
        time_limit: Some(num32(record.time_limit)),
        time_minimum: Some(num32(record.time_minimum)),
        tres_bind: record.tres_bind.string(),
        tres_freq: record.tres_freq.string(),
        tres_per_job: record.tres_in_all.string(),
        tres_per_node: record.tres_per_node.string(),
        tres_per_socket: record.tres_per_socket.string(),
        tres_per_task: record.tres_per_task.string(),
        tres_req_str: record.tres_requested.string(),
        tres_alloc_str: record.tres_allocated.string(),
        user_id: Some(record.user_id),
        user_name: Some(login(record, names)),
        maximum_switch_wait_time: int(record.switch_wait),
        wckey: record.wckey.string(),
        ..Job::default()
    };
    show_federation(record, &mut shown);
    show_details(record, &mut shown);
    show_topology(record, &mut shown);
    shown
}

impl records::Job<'_> {
    /// Its number: 25.11 packs it with the job's step.
    pub(in crate::rpc) fn id(&self) -> u32 {
        if self.number == 0 { self.step.job } else { self.number }
    }

    /// The numbers by which it is asked for: its own, its array's, and that of the heterogeneous job that it is of.
    pub(in crate::rpc) fn numbers(&self) -> impl Iterator<Item = u32> {
        let wholes = [self.array_id, self.het_id].into_iter().filter(|number| !matches!(*number, 0 | NO_VAL));
        std::iter::once(self.id()).chain(wholes)
    }
}

fn login(record: &records::Job<'_>, names: Names<'_>) -> String {
    record.user_name.string().filter(|name| !name.is_empty()).unwrap_or_else(|| names.user(record.user_id))
}

/// Whether a record leaves it to its reader to name the user.
pub(in crate::rpc) fn lacks_login(record: &records::Job<'_>) -> bool {
    record.user_name.is_empty()
}

/// The client of Slurm adds a flag to those of waiting jobs that were looked at in the last round.
fn flags(record: &records::Job<'_>, last_backfill: u64) -> u64 {
    let lately = evaluated(record).is_some_and(|at| is_of_last_round(at, last_backfill));
    record.flags | u64::from(lately) << words::BACKFILL_LAST
}

/// When a waiting job was looked at by the backfill scheduler; `None`: it is shown alike whenever that was.
pub(in crate::rpc) fn evaluated(record: &records::Job<'_>) -> Option<u64> {
    let tried = record.flags >> words::BACKFILL_TRIED & 1 == 1;
    let waits = record.state & words::JOB_BASE == words::PENDING;
    (tried && waits).then_some(record.last_sched_evaluation)
}

/// Whether a job that was looked at then was so in the scheduler's last round.
pub(in crate::rpc) fn is_of_last_round(evaluated: u64, last_backfill: u64) -> bool {
    last_backfill != 0 && last_backfill <= evaluated
}

fn step(record: &records::Job<'_>, id: u32) -> SlurmStepId {
    let (step, component) =
        if record.step.job == 0 { (NO_VAL, NO_VAL) } else { (record.step.step, record.step.component) };
    SlurmStepId {
        sluid: (record.step.sluid != 0).then(|| sluid(record.step.sluid)),
        job_id: Some(num32(id)),
        step_het_component: Some(num32(component)),
        step_id: Some(step_name(step)),
    }
}

/// The number that a cluster gives to a job for good, as Slurm writes it: `s`, and thirteen digits of Crockford's base 32.
pub(in crate::rpc) fn sluid(number: u64) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let digit = |place: u32| char::from(DIGITS[(number >> (5 * place) & 31) as usize]);
    std::iter::once('s').chain((0..13).rev().map(digit)).collect()
}

/// Steps that have names.
const STEPS: [(u32, &str); 5] = [
    (NO_VAL, "entire"),
    (0xffff_fffd, "TBD"),
    (0xffff_fffc, "extern"),
    (0xffff_fffb, "batch"),
    (0xffff_fffa, "interactive"),
];

pub(in crate::rpc) fn step_name(step: u32) -> String {
    let named = STEPS.iter().find(|(number, _)| *number == step);
    named.map_or_else(|| step.to_string(), |(_, name)| (*name).to_owned())
}

/// The number of a step, from its name.
pub(in crate::rpc) fn step_of(name: &str) -> Option<u32> {
    let named = STEPS.iter().find(|(_, known)| *known == name).map(|(number, _)| *number);
    named.or_else(|| name.parse().ok())
}

fn show_federation(record: &records::Job<'_>, shown: &mut Job) {
    let Some(federation) = &record.federation.0 else { return };
    shown.federation_origin = federation.origin.string();
    shown.federation_siblings_active = federation.active_names.string();
    shown.federation_siblings_viable = federation.viable_names.string();
}

fn show_details(record: &records::Job<'_>, shown: &mut Job) {
    let details = match &record.details {
        records::Details::Full(details) => details,
        records::Details::Brief(brief) => {
            shown.cpus = Some(num32(brief.cpus));
            shown.node_count = Some(num32(brief.nodes));
            shown.nice = nice(brief.nice);
            return;
        }
    };
    shown.accrue_time = time(details.accrue_time);
    shown.eligible_time = time(details.eligible_time);
    shown.cluster_features = details.cluster_features.string();
    shown.cpu_frequency_governor = Some(num32(details.cpu_governor));
    shown.cpu_frequency_maximum = Some(num32(details.cpu_maximum));
    shown.cpu_frequency_minimum = Some(num32(details.cpu_minimum));
    shown.dependency = details.dependency.string();
    let sizes = details.size.places().unwrap_or_default();
    shown.job_size_str = Some(sizes.runs().iter().map(|run| runs_text(&[*run])).collect());
    shown.nice = nice(details.nice);
    shown.tasks_per_node = Some(num16(details.tasks_per_node));
    shown.tasks_per_tres = Some(num16(details.tasks_per_tres));
    shown.requeue = Some(details.requeue != 0);
    shown.segment_size = int(details.segment_size);
    shown.submit_time = time(details.submit_time);
    shown.submit_line = details.submit_line.string();
    shown.current_working_directory = details.directory.string();
    shown.features = details.features.string();
    shown.prefer = details.prefer.string();
    shown.command = details.command.string();
    shown.cpus = Some(num32(details.cpus));
    shown.max_cpus = Some(num32(details.max_cpus));
    shown.node_count = Some(num32(details.nodes));
    shown.max_nodes = Some(num32(details.max_nodes));
    shown.tasks = Some(num32(details.tasks));
    shown.shared = Some(words::shared(details.shared));
    shown.exclusive = Some(words::exclusive(details.shared));
    shown.oversubscribe = Some(details.shared != 0);
    shown.cron = details.cron.string();
}

fn nice(nice: u32) -> Option<i32> {
    let shown = if nice == NO_VAL { 0 } else { i64::from(nice) - NICE };
    int(shown)
}

fn show_topology(record: &records::Job<'_>, shown: &mut Job) {
    let Some(topology) = &record.topology.0 else { return };
    shown.sockets_per_board = int(topology.sockets_per_board);
    shown.sockets_per_node = Some(num16(topology.sockets_per_node));
    shown.cores_per_socket = Some(num16(topology.cores_per_socket));
    shown.threads_per_core = Some(num16(topology.threads_per_core));
    shown.tasks_per_board = Some(num16(topology.tasks_per_board));
    shown.tasks_per_socket = Some(num16(topology.tasks_per_socket));
    shown.tasks_per_core = Some(num16(topology.tasks_per_core));
}

/// Memory for each CPU, and for each node: one of them is set. What is asked for with each GPU counts as the node's.
fn memory(record: &records::Job<'_>) -> (Num<u64>, Num<u64>) {
    let per_tres = record.memory_per_tres.get().and_then(|text| {
        let first = text.split(',').next().unwrap_or_default();
        first.rsplit([':', '=']).next().and_then(|amount| amount.parse().ok())
    });
    memory_of(per_tres.unwrap_or(record.memory))
}

/// An amount of memory that is for each CPU, or for each node.
pub(in crate::rpc) fn memory_of(memory: u64) -> (Num<u64>, Num<u64>) {
    match memory {
        memory if memory & PER_CPU == 0 => (Num::Unset, num64(memory)),
        // "not set" and "infinite" have this bit, too
        memory => (num64(memory & !PER_CPU), Num::Unset),
    }
}

fn priorities(record: &records::Job<'_>) -> Vec<PartPrio> {
    let partitions = record.priority_partitions.get().unwrap_or_default();
    let named = partitions.split(',').filter(|name| !name.is_empty()).zip(&record.priorities);
    named.map(|(name, priority)| PartPrio { partition: Some(name.to_owned()), priority: int(*priority) }).collect()
}

/// The tasks of an array that wait, from the bits that the controller packs: `1-3,7%2`, or `1-99:7` for every seventh. As with
/// Slurm's clients a long list ends in dots.
fn tasks(bits: Text<'_>, limit: u32) -> Option<String> {
    let hex = bits.get()?;
    if !(3..MOST_DIGITS).contains(&hex.len()) || !hex.starts_with("0x") {
        return Some(shortened(hex.into_owned()));
    }
    let places = Places::of_hex(bits);
    let mut text = stepped(&places).unwrap_or_else(|| shortened(runs_text(&places.runs())));
    if limit != 0 {
        text.push('%');
        text.push_str(&limit.to_string());
    }
    Some(text)
}

fn stepped(places: &Places) -> Option<String> {
    let all: Vec<usize> = places.iter().collect();
    let (first, last) = (*all.first()?, *all.last()?);
    let step = all.get(1)? - first;
    let regular = all.windows(2).all(|pair| pair[1] - pair[0] == step);
    (last - first > 10 && all.len() > 5 && step > 1 && regular).then(|| format!("{first}-{last}:{step}"))
}

fn shortened(mut text: String) -> String {
    if text.len() > TASKS_SHOWN {
        text.truncate(text.floor_char_boundary(TASKS_SHOWN - 3));
        text.push_str("...");
    }
    text
}

/// How a process ended, from what wait(2) gives.
pub(in crate::rpc) fn exit_code(waited: u32) -> ExitCode {
    let ended = |status: &'static str, code: Num<u32>, number: Num<u16>| ExitCode {
        status: Some(Flags::of([status])),
        return_code: Some(code),
        signal_id: Some(number),
        signal_name: number
            .number()
            .map(|number| signal::name(i32::from(number)).map_or_else(|| format!("SIG{number}"), str::to_owned)),
    };
    let (code, number) = (waited >> 8 & 0xff, waited & 0x7f);
    match (waited, number) {
        (NO_VAL, _) => ended("PENDING", Num::Unset, Num::Unset),
        (_, 0) if code == 0 => ended("SUCCESS", Num::Set(0), Num::Unset),
        (_, 0) => ended("ERROR", Num::Set(code), Num::Unset),
        (_, 0x7f) if waited & 0x80 != 0 => ended("CORE_DUMPED", Num::Unset, Num::Unset),
        (_, 0x7f) => ended("INVALID", num32(waited), Num::Unset),
        (_, number) => ended("SIGNALED", Num::Unset, Num::Set(number as u16)),
    }
}

/// Where a job reads and writes.
struct Files {
    names: filename::Names,
    directory: String,
    batch: bool,
}

impl Files {
    fn of(record: &records::Job<'_>, names: Names<'_>) -> Self {
        let directory = match &record.details {
            records::Details::Full(details) => details.directory.string().unwrap_or_default(),
            records::Details::Brief(_) => String::new(),
        };
        let array = (record.array_id != 0).then_some((record.array_id.into(), record.array_task.into()));
        let names = filename::Names {
            job: record.id().into(),
            array,
            name: record.name.string().unwrap_or_default(),
            user: login(record, names),
            node: record.batch_host.string().unwrap_or_default(),
            ..filename::Names::default()
        };
        Self { names, directory, batch: record.batch_flag != 0 }
    }

    fn expanded(&self, pattern: Text<'_>) -> Option<String> {
        Some(self.path(&pattern.get()?))
    }

    fn path(&self, pattern: &str) -> String {
        let file = filename::expand(pattern, &self.names);
        if pattern.is_empty() || pattern.starts_with('/') || self.directory.is_empty() {
            return file;
        }
        format!("{}/{file}", self.directory.trim_end_matches('/'))
    }

    /// Where it reads, in the versions of the API that show a path; the default is theirs, too.
    fn input(&self, record: &records::Job<'_>) -> String {
        match record.standard_input.get() {
            Some(pattern) => self.path(&pattern),
            None if self.batch => "/dev/null".to_owned(),
            None => String::new(),
        }
    }

    fn output(&self, record: &records::Job<'_>) -> String {
        match record.standard_output.get() {
            Some(pattern) => self.path(&pattern),
            None if !self.batch => String::new(),
            None if self.names.array.is_some() => self.path(filename::DEFAULT_ARRAY),
            None => self.path(filename::DEFAULT),
        }
    }

    /// Where it writes errors. Controllers before 25.05 leave defaults out, and their clients show them; later ones are
    /// known by always saying where the output is.
    fn error(&self, record: &records::Job<'_>, default: bool) -> String {
        match record.standard_error.get() {
            Some(pattern) => self.path(&pattern),
            None if self.batch && default => self.output(record),
            None => String::new(),
        }
    }
}
