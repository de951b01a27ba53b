//! Records as the objects of the API.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::books::{Books, Named, is_association};
use super::names::People;
use super::records;
use crate::filename;
use crate::hostlist::Hostlist;
use crate::objects::{AssociationShort, JobRecord, StepRecord, Tres, WcKeyTagStruct};
use crate::rpc::Protocol;
use crate::rpc::codec::{NO_VAL, Text, num32, num64};
use crate::rpc::show::{exit_code, int, memory_of, sluid, step_name, time, wide};
use crate::rpc::words;
use crate::table::{Flags, Num};

/// "Infinite", where a point in time or a quality of service is meant.
const INFINITE: u64 = 0xffff_ffff;
/// The mark of a workload key that was not chosen.
const DEFAULT_KEY: char = '*';

/// How records of jobs are shown.
pub(super) struct Jobs<'a> {
    pub(super) books: &'a Books,
    pub(super) people: &'a dyn People,
    pub(super) protocol: Protocol,
    /// Unix seconds.
    pub(super) now: u64,
}

/// What could not be shown: a function of Slurm's, and words.
type Warnings = Vec<(&'static str, String)>;

impl Jobs<'_> {
    /// The record of a job.
    pub(super) fn job(&self, job: &records::Job<'_>, warnings: &mut Warnings) -> JobRecord {
        let (per_cpu, per_node) = memory_of(job.required_memory);
        let files = self.files(job);
        let tres = |text| amounts(&self.books.named, text);
        JobRecord {
            account: job.account.string(),
            comment_administrator: job.comment_administrator.string(),
            comment_job: job.comment.string(),
            comment_system: job.comment_system.string(),
            allocation_nodes: int(job.allocated_nodes),
            array_job_id: int(job.array_id),
            array_limits_max_running_tasks: int(job.array_limit),
            array_task_id: Some(num32(job.array_task)),
            array_task: job.array_tasks.string(),
            association: Some(self.association(job, warnings)),
            block: job.block.string(),
            cluster: job.cluster.string(),
            constraints: job.constraints.string(),
            container: job.container.string(),
            sluid: self.number(job.index),
            derived_exit_code: Some(exit_code(job.derived_exit_code)),
            time_elapsed: int(job.elapsed),
            time_eligible: wide(job.eligible),
            time_end: wide(job.end),
            time_planned: Some(Num::Set(self.planned(job))),
            time_start: wide(job.start),
            time_submission: wide(job.submitted),
            time_suspended: int(job.suspended),
            time_system_seconds: wide(job.system.seconds),
            time_system_microseconds: wide(job.system.microseconds),
            time_limit: Some(num32(job.time_limit)),
            time_total_seconds: wide(job.total.seconds),
            time_total_microseconds: wide(job.total.microseconds),
            time_user_seconds: wide(job.user.seconds),
            time_user_microseconds: wide(job.user.microseconds),
            exclusive: job.exclusive.string(),
            exit_code: Some(exit_code(job.exit_code)),
            extra: job.extra.string(),
            failed_node: job.failed_node.string(),
            flags: Some(words::record_flags(job.flags)),
            group: self.people.group(job.group),
            het_job_id: int(job.het_id),
            het_job_offset: Some(num32(job.het_offset)),
            job_id: Some(job.number),
            name: job.name.string(),
            licenses: job.licenses.string(),
            mcs_label: job.mcs_label.string(),
            nodes: job.nodes.string(),
            oversubscribe: job.oversubscribe.string(),
            partition: job.partition.string(),
            hold: Some(job.priority == 0),
            priority: Some(num32(job.priority)),
            qos: Some(qos_name(&self.books.named, job.qos, warnings)),
            qosreq: job.qos_requested.string(),
            required_cpus: int(job.required_cpus),
            required_memory_per_cpu: Some(per_cpu),
            required_memory_per_node: Some(per_node),
            kill_request_user: self.login(job.killed_by),
            restart_cnt: int(job.restarts),
            reservation_id: int(job.reservation_id),
            reservation_name: job.reservation.string(),
            reservation_requested: job.reservation_requested.string(),
            script: job.script.string(),
            segment_size: int(job.segment_size),
            original_sluid: self.number(job.original),
            stdin_expanded: files.of(job.standard_input),
            stdout_expanded: files.of(job.standard_output),
            stderr_expanded: files.of(job.standard_error),
            stdout: job.standard_output.string(),
            stderr: job.standard_error.string(),
            stdin: job.standard_input.string(),
            state_current: Some(words::job_state(job.state)),
            state_reason: Some(words::reason(job.reason).to_owned()),
            steps: Some(job.steps.iter().map(|step| self.step(job, step)).collect()),
            submit_line: job.submit_line.string(),
            tres_allocated: Some(tres(job.tres_allocated)),
            tres_requested: Some(tres(job.tres_requested)),
            used_gres: None,
            user: self.user(job),
            wckey: Some(key(job.wckey)),
            working_directory: job.directory.string(),
        }
    }

    fn step(&self, job: &records::Job<'_>, step: &records::Step<'_>) -> StepRecord {
        let list = step.nodes.get().and_then(|text| Hostlist::parse(&text).ok());
        let hosts: Option<Vec<String>> = list.map(|list| list.names().collect());
        let named = self.books.named.as_ref();
        let extreme = |extreme: &records::Extreme<'_>| extremes(named, extreme, hosts.as_deref().unwrap_or_default());
        let usage = &step.usage;
        let files = Files {
            names: filename::Names {
                step: (step.id.step < GREATEST_STEP).then_some(step.id.step),
                node: hosts.as_ref().and_then(|hosts| hosts.first().cloned()).unwrap_or_default(),
                ..names(job)
            },
            directory: step.directory.string().unwrap_or_default(),
            slash: true,
        };
        StepRecord {
            time_elapsed: int(step.elapsed),
            time_end: time(step.end),
            time_start: time(step.start),
            time_suspended: int(step.suspended),
            time_system_seconds: wide(step.system.seconds),
            time_system_microseconds: int(step.system.microseconds),
            time_limit: Some(num32(step.time_limit)),
            time_total_seconds: wide(step.total.seconds),
            time_total_microseconds: int(step.total.microseconds),
            time_user_seconds: wide(step.user.seconds),
            time_user_microseconds: int(step.user.microseconds),
            exit_code: Some(exit_code(step.exit_code)),
            nodes_count: int(step.node_count),
            nodes_range: step.nodes.string(),
            nodes_list: hosts.clone(),
            tasks_count: int(step.tasks),
            cpu_requested_frequency_min: Some(num32(step.frequency_min)),
            cpu_requested_frequency_max: Some(num32(step.frequency_max)),
            cpu_governor: Some(words::conf::frequency(step.governor)),
            kill_request_user: self.login(step.killed_by),
            state: Some(words::job_state(step.state.into())),
            // a float is never greater than the greatest whole number after this
            statistics_cpu_actual_frequency: Some(usage.frequency as i64),
            statistics_energy_consumed: Some(num64(usage.energy)),
            step_id: Some(step_id(step)),
            step_name: step.name.string(),
            step_stderr: step.standard_error.string(),
            step_stdin: step.standard_input.string(),
            step_stdout: step.standard_output.string(),
            step_stderr_expanded: files.of(step.standard_error),
            step_stdin_expanded: files.of(step.standard_input),
            step_stdout_expanded: files.of(step.standard_output),
            submit_line: step.submit_line.string(),
            task_distribution: Some(words::distribution(step.distribution)),
            tres_requested_max: Some(extreme(&usage.taken_max)),
            tres_requested_min: Some(extreme(&usage.taken_min)),
            tres_requested_average: Some(amounts(named, usage.taken_average)),
            tres_requested_total: Some(amounts(named, usage.taken_total)),
            tres_consumed_max: Some(extreme(&usage.given_max)),
            tres_consumed_min: Some(extreme(&usage.given_min)),
            tres_consumed_average: Some(amounts(named, usage.given_average)),
            tres_consumed_total: Some(amounts(named, usage.given_total)),
            tres_allocated: Some(amounts(named, step.tres_allocated)),
            pid: None,
        }
    }

    /// How long a job has been ready and waited, as `sacct` has it.
    fn planned(&self, job: &records::Job<'_>) -> u64 {
        match (job.eligible, job.start) {
            (0 | INFINITE, _) => 0,
            (eligible, start) if start == u64::from(NO_VAL) && job.end != 0 => job.end.saturating_sub(eligible),
            (eligible, 0) => self.now.saturating_sub(eligible),
            (eligible, start) => start.saturating_sub(eligible),
        }
    }

    fn association(&self, job: &records::Job<'_>, warnings: &mut Warnings) -> AssociationShort {
        let cluster = job.cluster.get().unwrap_or_default();
        let known = &self.books.associations;
        let found = Some(job.association).filter(|id| is_association(*id)).and_then(|id| known.of(&cluster, id));
        found.cloned().unwrap_or_else(|| {
            let id = job.association;
            if self.protocol >= Protocol::V26_05 {
                return AssociationShort { cluster: job.cluster.string(), id: int(id), ..AssociationShort::default() };
            }
            let words = format!("Unknown association with id#{id}. Unable to dump association.");
            warnings.push(("data_parser_p_dump_JOB_ASSOC_ID", words));
            AssociationShort::default()
        })
    }

    fn user(&self, job: &records::Job<'_>) -> Option<String> {
        if job.login.is_empty() { self.login(job.user_id) } else { job.login.string() }
    }

    /// The login of a number that is one of a user.
    fn login(&self, number: u32) -> Option<String> {
        (number < NO_VAL).then(|| self.people.login(number)).flatten()
    }

    /// The number that a job has for good, in releases that have such numbers.
    fn number(&self, number: u64) -> Option<String> {
        (self.protocol >= Protocol::V26_05 && number != 0).then(|| sluid(number))
    }

    fn files(&self, job: &records::Job<'_>) -> Files {
        let new = self.protocol >= Protocol::V26_05;
        let node =
            if new { first(job.nodes) } else { job.steps.first().map(|step| first(step.nodes)).unwrap_or_default() };
        Files {
            names: filename::Names { node, ..names(job) },
            directory: job.directory.string().unwrap_or_default(),
            slash: new,
        }
    }
}

fn names(job: &records::Job<'_>) -> filename::Names {
    filename::Names {
        job: job.number.into(),
        array: (job.array_id != 0).then_some((job.array_id.into(), job.array_task.into())),
        name: job.name.string().unwrap_or_default(),
        user: job.login.string().unwrap_or_default(),
        ..filename::Names::default()
    }
}

/// The numbers of steps that `srun` has started are below this.
const GREATEST_STEP: u32 = 0xffff_fff0;

/// Where files of a job or a step are.
struct Files {
    names: filename::Names,
    directory: String,
    slash: bool,
}

impl Files {
    fn of(&self, pattern: Text<'_>) -> Option<String> {
        let pattern = pattern.get().filter(|pattern| !pattern.is_empty())?;
        let file = filename::expand(&pattern, &self.names);
        if pattern.starts_with('/') || self.directory.is_empty() {
            return Some(file);
        }
        let between = if self.slash && !self.directory.ends_with('/') { "/" } else { "" };
        Some(format!("{}{between}{file}", self.directory))
    }
}

/// The name of a quality of service.
pub(super) fn qos_name(named: &Named, id: u32, warnings: &mut Warnings) -> String {
    if id == 0 || u64::from(id) == INFINITE {
        return String::new();
    }
    if let Some(name) = named.qos_name(id) {
        return name.to_owned();
    }
    warnings.push(("data_parser_p_dump_QOS_ID", format!("Unknown QOS with id#{id}. Unable to dump QOS.")));
    "Unknown".to_owned()
}

/// An association in few words.
pub(super) fn association_short(one: &records::Association<'_>) -> AssociationShort {
    AssociationShort {
        account: one.account.string(),
        cluster: one.cluster.string(),
        partition: one.partition.string(),
        user: one.user.string(),
        id: int(one.id),
    }
}

fn key(text: Text<'_>) -> WcKeyTagStruct {
    let text = text.string().unwrap_or_default();
    let (name, flags) = match text.strip_prefix(DEFAULT_KEY) {
        Some(name) => (name.to_owned(), Flags::of(["ASSIGNED_DEFAULT"])),
        None => (text, Flags::default()),
    };
    WcKeyTagStruct { wckey: Some(name), flags: Some(flags) }
}

/// The number of a step, with that of its job: `12.batch`, `12.0+1`.
fn step_id(step: &records::Step<'_>) -> String {
    let id = &step.id;
    let mut text = id.job.to_string();
    if id.step != NO_VAL {
        text.extend([".", &step_name(id.step)]);
        if id.component != NO_VAL {
            text.extend(["+", &id.component.to_string()]);
        }
    }
    text
}

/// The first node of a list.
fn first(nodes: Text<'_>) -> String {
    let list = nodes.get().and_then(|text| Hostlist::parse(&text).ok());
    list.and_then(|list| list.names().next()).unwrap_or_default()
}

/// Amounts by numbers of resources, as they are stored: `1=4,2=4000`. The first one of a number counts; what is none ends it.
fn entries(text: Text<'_>) -> Vec<(u32, u64)> {
    let text = text.get().unwrap_or_default();
    let (mut entries, mut seen) = (Vec::new(), HashSet::new());
    for part in text.strip_prefix(',').unwrap_or(&text).split(',') {
        let Some((id, count)) = part.split_once('=') else { break };
        let (Ok(id), Ok(count)) = (id.parse(), count.parse()) else { break };
        if id == 0 {
            break;
        }
        if seen.insert(id) {
            entries.push((id, count));
        }
    }
    entries
}

pub(super) fn amounts(named: &Named, text: Text<'_>) -> Vec<Tres> {
    entries(text).into_iter().map(|(id, count)| named.amount(id, count)).collect()
}

/// The greatest or least amounts, with node and task of each, in the database's order. If a resource is not known, nothing is shown,
/// as in Slurm.
fn extremes(named: &Named, extreme: &records::Extreme<'_>, hosts: &[String]) -> Vec<Tres> {
    let [counts, nodes, tasks] = [extreme.amounts, extreme.nodes, extreme.tasks].map(|text| {
        let entries: HashMap<u32, u64> = entries(text).into_iter().collect();
        entries
    });
    let ids: BTreeSet<u32> = counts.keys().chain(nodes.keys()).chain(tasks.keys()).copied().collect();
    let places: Option<BTreeMap<usize, u32>> = ids.into_iter().map(|id| Some((named.place(id)?, id))).collect();
    let shown = places.unwrap_or_default().into_values().filter_map(|id| {
        let of = |entries: &HashMap<u32, u64>| entries.get(&id).copied();
        let (count, task) = (of(&counts).unwrap_or(0), of(&tasks).unwrap_or(0));
        let node = of(&nodes).and_then(|place| hosts.get(usize::try_from(place).ok()?)).cloned();
        let some = count != 0 || task != 0 || node.is_some();
        some.then(|| Tres { node: Some(node.unwrap_or_default()), task: int(task), ..named.amount(id, count) })
    });
    shown.collect()
}
