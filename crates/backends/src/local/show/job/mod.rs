//! A run as Slurm's controller shows a job. Everything is here already: no file is opened and nothing is asked for.

mod files;
pub(super) mod given;
pub(super) mod resources;
pub(super) mod state;
mod words;

use std::collections::HashMap;
use std::path::PathBuf;

use jobgate_slurm::array::TaskSet;
use jobgate_slurm::objects::{Association, Job, PartPrio, SlurmStepId};
use jobgate_slurm::table::{Flags, Num, Time};
use jobgate_slurm::time::TimeLimit;

use super::super::cluster::{Hold, RunPhase, RunView, UNLIMITED};
use super::notes::Note;
use super::options::Options;
use super::users::Users;
pub(super) use files::Files;
use given::{Amounts, hostlist, licences, mib, tres_per};

/// A job without a time limit is shown to end after so many seconds: a year.
const YEAR: f64 = 365.0 * 86_400.0;
/// Slurm's number for "no array task".
pub(super) const NO_TASK: u64 = 0xffff_fffe;
/// What Slurm shows as `thread_spec` where nothing was asked for.
const NO_THREADS: i32 = 32766;

/// What is known of a node beyond its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NodeFacts {
    pub(super) cores: u64,
    pub(super) gpu_type: Option<String>,
}

/// Nodes by name.
pub(super) type Nodes = HashMap<String, NodeFacts>;

/// The numbers of associations, by account and user.
#[derive(Debug, Default)]
pub(super) struct Associations(HashMap<String, HashMap<String, i32>>);

impl Associations {
    /// Those of the books. One for a partition only counts where there is no other.
    pub(super) fn of(books: &[Association]) -> Self {
        let mut all = Self::default();
        for association in books {
            let text = |field: &Option<String>| field.clone().unwrap_or_default();
            let (account, user) = (text(&association.account), text(&association.user));
            let number = association.id.unwrap_or(0);
            let users = all.0.entry(account).or_default();
            if text(&association.partition).is_empty() {
                users.insert(user, number);
            } else {
                users.entry(user).or_insert(number);
            }
        }
        all
    }

    /// The number of a run's association; 0 where there is none.
    pub(super) fn number(&self, account: Option<&str>, user: &str) -> i32 {
        account.and_then(|account| self.0.get(account)?.get(user).copied()).unwrap_or(0)
    }
}

/// What all runs are shown with.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) cluster: &'a str,
    pub(super) host: &'a str,
    pub(super) users: &'a Users,
    pub(super) nodes: &'a Nodes,
    /// The associations of the accounting database.
    pub(super) associations: &'a Associations,
    /// What was noted about runs in the accounting database, by number.
    pub(super) notes: &'a HashMap<i64, Note>,
    /// Now, unix seconds.
    pub(super) now: f64,
}

/// What is shown as one job.
#[derive(Debug, Clone)]
pub(super) enum Shown<'a> {
    /// A run: a job of its own, or a task of an array.
    Run(&'a RunView),
    /// Tasks of an array that wait; the run is the first of them.
    Tasks(&'a RunView, TaskSet),
}

impl<'a> Shown<'a> {
    pub(super) fn run(&self) -> &'a RunView {
        match self {
            Self::Run(run) | Self::Tasks(run, _) => run,
        }
    }

    /// The number that it is shown by: tasks that wait together go by the array's.
    pub(super) fn id(&self) -> i64 {
        match self {
            Self::Run(run) => run.id,
            Self::Tasks(run, _) => run.array.map_or(run.id, |array| array.id),
        }
    }

    /// The array's number and the task's, for file names.
    fn array(&self) -> Option<(u64, u64)> {
        let array = self.run().array?;
        let task = match self {
            Self::Run(_) => array.task.unsigned_abs(),
            Self::Tasks(..) => NO_TASK,
        };
        Some((array.id.unsigned_abs(), task))
    }

    /// The tasks that wait, with the array's limit: `3-5%2`.
    pub(super) fn task_text(&self) -> Option<String> {
        let Self::Tasks(run, tasks) = self else { return None };
        let limit = run.array?.limit.map(|limit| format!("%{limit}")).unwrap_or_default();
        Some(format!("{}{limit}", tasks.short()))
    }
}

/// A job as the controller shows it.
pub(super) fn job(shown: &Shown<'_>, scene: &Scene<'_>) -> Job {
    let run = shown.run();
    let options = Options::of(&run.options);
    let user = scene.users.of(&run.owner);
    let note = scene.notes.get(&run.id);
    let files = Files::of(run, &options, &user.login, shown.array());
    let times = Times::of(run, scene.now);
    let requested = Amounts::requested(&run.request);
    let allocated = Amounts::allocated(&run.allocation);
    let amounts = allocated.unwrap_or(requested);
    let names: Vec<&str> = run.allocation.iter().map(|share| share.node.as_str()).collect();
    let ids = number(shown.id());
    let request = &run.request;
    let runs = matches!(run.phase, RunPhase::Running | RunPhase::Suspended);
    let priority = priority(run);
    Job {
        account: run.account.clone(),
        accrue_time: times.accrue,
        admin_comment: note.and_then(|note| note.admin_comment.clone()).or_else(|| options.text("admin-comment")),
        allocating_node: Some(scene.host.to_owned()),
        array_job_id: Some(Num::Set(run.array.map_or(0, |array| number(array.id)))),
        array_task_id: match (shown, run.array) {
            (Shown::Run(_), Some(array)) => Some(Num::Set(number(array.task))),
            _ => None,
        },
        array_max_tasks: Some(Num::Set(run.array.and_then(|array| array.limit).map_or(0, number))),
        array_task_string: shown.task_text(),
        association_id: Some(scene.associations.number(run.account.as_deref(), &user.login)),
        batch_features: options.text("batch"),
        batch_flag: Some(true),
        batch_host: names.first().map(|name| (*name).to_owned()),
        flags: Some(Flags::of(words::flags(run, &options))),
        burst_buffer: options.text("bb"),
        cluster: Some(scene.cluster.to_owned()),
        cluster_features: options.text("cluster-constraint"),
        command: options.text("command"),
        comment: note.and_then(|note| note.comment.clone()).or_else(|| options.text("comment")),
        container: options.text("container"),
        container_id: options.text("container-id"),
        contiguous: Some(options.flag("contiguous")),
        core_spec: options.number("core-spec"),
        thread_spec: Some(options.number("thread-spec").unwrap_or(NO_THREADS)),
        cores_per_socket: options.number("cores-per-socket").map(Num::Set),
        billable_tres: allocated.map(|amounts| Num::Set(amounts.cpus as f64)),
        cpus_per_task: Some(Num::Set(short(request.cores_per_task.max(1)))),
        cpus_per_tres: options.text("cpus-per-tres"),
        deadline: run.deadline.map(time),
        delay_boot: Some(Num::Set(options.number("delay-boot").unwrap_or(0))),
        dependency: Some(run.dependency.clone()),
        derived_exit_code: Some(
            note.and_then(|note| note.derived_exit_code).map_or_else(state::success, state::waited),
        ),
        eligible_time: times.eligible,
        end_time: times.end,
        excluded_nodes: Some(hostlist(&request.exclude)),
        exit_code: Some(state::exit_code(run)),
        extra: note.and_then(|note| note.extra.clone()).or_else(|| options.text("extra")),
        features: request.constraint.clone(),
        gres_detail: Some(if runs { gres_details(run, scene.nodes) } else { Vec::new() }),
        group_id: Some(user.gid),
        group_name: Some(user.group.clone()),
        het_job_id: Some(Num::Set(0)),
        het_job_offset: Some(Num::Set(0)),
        job_id: Some(ids),
        job_resources: resources::resources(run, scene.nodes),
        job_state: Some(Flags::of(state::states(run))),
        last_sched_evaluation: Some(time(run.started.unwrap_or(run.queued))),
        licenses: licences(request),
        licenses_allocated: if runs { licences(request) } else { None },
        mail_type: options.get("mail-type").map(|text| Flags::of(words::mail(text))),
        mail_user: Some(options.text("mail-user").unwrap_or_else(|| user.login.clone())),
        max_cpus: Some(Num::Set(0)),
        max_nodes: Some(Num::Set(request.max_nodes.map_or(0, capped))),
        mcs_label: options.text("mcs-label"),
        memory_per_tres: options.text("mem-per-tres"),
        name: Some(run.name.clone().unwrap_or_default()),
        network: options.text("network"),
        nodes: Some(hostlist(&names)),
        nice: Some(i32::try_from(run.nice).unwrap_or(if run.nice < 0 { i32::MIN } else { i32::MAX })),
        tasks_per_core: Some(options.number("ntasks-per-core").map_or(Num::Infinite, Num::Set)),
        tasks_per_tres: Some(Num::Set(0)),
        tasks_per_node: Some(Num::Set(request.tasks_per_node.map_or(0, short))),
        tasks_per_socket: Some(options.number("ntasks-per-socket").map_or(Num::Infinite, Num::Set)),
        tasks_per_board: Some(Num::Set(0)),
        cpus: Some(Num::Set(capped(amounts.cpus))),
        node_count: Some(Num::Set(capped(amounts.nodes))),
        tasks: Some(Num::Set(capped(request.tasks.max(1)))),
        partition: Some(run.partition.clone()),
        prefer: options.text("prefer"),
        memory_per_cpu: request.memory_per_core.map(|bytes| Num::Set(mib(bytes))),
        memory_per_node: match request.memory_per_core {
            Some(_) => None,
            None => Some(Num::Set(request.memory_per_node.map_or(0, mib))),
        },
        minimum_cpus_per_node: Some(Num::Set(short(
            request
                .cores_per_task
                .max(1)
                .saturating_mul(request.tasks_per_node.unwrap_or(1))
                .max(options.number("mincpus").unwrap_or(0)),
        ))),
        minimum_tmp_disk_per_node: Some(Num::Set(options.number("tmp").unwrap_or(0))),
        pre_sus_time: run.suspended.zip(run.started).map(|(suspended, started)| time(suspended - started)),
        hold: Some(run.hold.is_some()),
        priority: Some(Num::Set(priority)),
        priority_by_partition: Some(by_partition(run, priority)),
        profile: Some(Flags::of(["NOT_SET"])),
        qos: Some(run.qos.clone().unwrap_or_else(|| "normal".into())),
        reboot: Some(options.flag("reboot")),
        required_nodes: Some(hostlist(&request.nodelist)),
        requeue: Some(run.requeue),
        restart_cnt: Some(i32::try_from(run.restarts).unwrap_or(i32::MAX)),
        resv_name: run.reservation.clone(),
        selinux_context: options.text("context"),
        shared: words::shared(run, &options),
        step_id: Some(SlurmStepId {
            sluid: Some(sluid(run)),
            job_id: Some(Num::Set(ids)),
            step_id: Some("entire".into()),
            ..SlurmStepId::default()
        }),
        sockets_per_node: options.number("sockets-per-node").map(Num::Set),
        start_time: times.start,
        state_description: state::description(run),
        state_reason: Some(state::reason(run).into_owned()),
        standard_input: files.input.clone(),
        standard_output: Some(files.output),
        standard_error: files.error.clone(),
        stdin_expanded: files.input_expanded.clone(),
        stdout_expanded: Some(files.output_expanded.clone()),
        stderr_expanded: files.error_expanded.clone(),
        standard_input_old: Some(files.input_expanded.unwrap_or_else(|| "/dev/null".into())),
        standard_error_v41: files.error_expanded.clone(),
        standard_error_old: Some(files.error_expanded.unwrap_or_else(|| files.output_expanded.clone())),
        standard_output_old: Some(files.output_expanded),
        submit_time: Some(time(run.queued)),
        suspend_time: run.suspended.map(time),
        system_comment: note.and_then(|note| note.system_comment.clone()).or_else(|| options.text("system-comment")),
        time_limit: Some(limit(run.minutes)),
        time_minimum: Some(Num::Set(time_minimum(&options))),
        threads_per_core: options.number("threads-per-core").map(Num::Set),
        tres_bind: options.text("tres-bind"),
        tres_freq: options.text("tres-freq"),
        tres_per_job: tres_per(&options, "job"),
        tres_per_node: tres_per(&options, "node"),
        tres_per_socket: tres_per(&options, "socket"),
        tres_per_task: tres_per(&options, "task"),
        tres_req_str: Some(requested.text()),
        tres_alloc_str: allocated.map(Amounts::text),
        user_id: Some(user.uid),
        user_name: Some(user.login.clone()),
        wckey: note.and_then(|note| note.wckey.clone()).or_else(|| options.text("wckey")),
        current_working_directory: Some(files.directory),
        exclusive: words::exclusive(run, &options),
        oversubscribe: Some(!run.request.exclusive),
        ..Job::default()
    }
}

/// When things happened, or are to happen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Times {
    pub(super) accrue: Option<Time>,
    pub(super) eligible: Option<Time>,
    pub(super) start: Option<Time>,
    pub(super) end: Option<Time>,
}

impl Times {
    fn of(run: &RunView, now: f64) -> Self {
        let lasts = if run.minutes >= UNLIMITED { YEAR } else { run.minutes.max(0) as f64 * 60.0 };
        let later = run.begin.filter(|begin| *begin > now && run.phase == RunPhase::Waiting);
        let held = run.phase == RunPhase::Waiting && (run.hold.is_some() || !run.dependency.is_empty());
        let eligible = if held { None } else { later.or(run.eligible) };
        let (start, end) = match &run.phase {
            RunPhase::Waiting => {
                let start = if held { None } else { run.expected.or(later) };
                (start, start.map(|start| start + lasts))
            }
            RunPhase::Running | RunPhase::Suspended => (run.started, run.started.map(|start| start + lasts)),
            // What was cancelled while it waited began and ended at that time.
            RunPhase::Ended(..) => (run.started.or(run.ended), run.ended),
        };
        let accrue = if later.is_some() { None } else { eligible };
        Self { accrue: accrue.map(time), eligible: eligible.map(time), start: start.map(time), end: end.map(time) }
    }
}

fn gres_details(run: &RunView, nodes: &Nodes) -> Vec<String> {
    let shares = run.allocation.iter().filter(|share| !share.gpus.is_empty());
    shares
        .map(|share| given::gres_detail(&share.gpus, nodes.get(&share.node).and_then(|node| node.gpu_type.as_deref())))
        .collect()
}

/// The priority as Slurm shows it: 0 is held, so what is not held has at least 1.
pub(super) fn priority(run: &RunView) -> u32 {
    if run.hold.is_some() && run.phase == RunPhase::Waiting {
        return 0;
    }
    u32::try_from(run.priority.max(1)).unwrap_or(u32::MAX - 2)
}

fn by_partition(run: &RunView, priority: u32) -> Vec<PartPrio> {
    if !run.partition.contains(',') {
        return Vec::new();
    }
    let priority = i32::try_from(priority).unwrap_or(i32::MAX);
    let one = |name: &str| PartPrio { partition: Some(name.to_owned()), priority: Some(priority) };
    run.partition.split(',').map(one).collect()
}

/// A number of minutes, or no limit.
pub(super) fn limit(minutes: i64) -> Num<u32> {
    match u32::try_from(minutes.max(0)) {
        Ok(minutes) if i64::from(minutes) < UNLIMITED => Num::Set(minutes),
        _ => Num::Infinite,
    }
}

fn time_minimum(options: &Options<'_>) -> u32 {
    options.get("time-min").and_then(|text| TimeLimit::parse(text).ok()?.minutes()).unwrap_or(0)
}

/// A time in unix seconds.
pub(super) fn time(seconds: f64) -> Time {
    Time::at(seconds.max(0.0) as u64)
}

/// A run's number as Slurm shows job ids.
pub(super) fn number(id: i64) -> u32 {
    u32::try_from(id).unwrap_or(0)
}

pub(super) fn int(number: u64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn capped(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX - 2)
}

fn short(number: u64) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX - 2)
}

/// An identifier that no other run has, in the order of submission: what Slurm calls a SLUID.
pub(super) fn sluid(run: &RunView) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let stamp = ((run.queued.max(0.0) * 1000.0) as u64) << 22 | (run.id.unsigned_abs() & 0x3f_ffff);
    let digit = |place: u32| char::from(DIGITS[(stamp >> (5 * place) & 31) as usize]);
    std::iter::once('s').chain((0..13).rev().map(digit)).collect()
}

/// An administrator's hold, which the owner cannot take back.
pub(super) fn held_by_admin(run: &RunView) -> bool {
    run.hold == Some(Hold::Admin)
}

/// The directory of a job whose spec names none.
pub(super) fn default_directory(run: &RunView) -> PathBuf {
    run.base.join("work")
}
