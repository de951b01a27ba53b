//! A run as the accounting database shows a job.

use jobgate_model::Ending;
use jobgate_slurm::objects::{AssociationShort, JobRecord, StepRecord, Tres, WcKeyTagStruct};
use jobgate_slurm::table::{Flags, Num, Time};

use super::super::cluster::{RunPhase, RunView};
use super::job::given::{Amounts, hostlist, licences, mib};
use super::job::{Files, Scene, Shown, int, limit, number, priority, sluid, state, time};
use super::notes::Note;
use super::options::Options;

/// The numbers of Slurm's own trackable resources, and of the first generic one.
const TRES: [(&str, &str, i32); 5] =
    [("cpu", "", 1), ("mem", "", 2), ("node", "", 4), ("billing", "", 5), ("gres", "gpu", 1001)];

/// A job as the accounting database shows it.
pub(super) fn record(shown: &Shown<'_>, scene: &Scene<'_>) -> JobRecord {
    let run = shown.run();
    let options = Options::of(&run.options);
    let user = scene.users.of(&run.owner);
    let nothing = Note::default();
    let note = scene.notes.get(&run.id).unwrap_or(&nothing);
    let array = run.array.map(|array| {
        let task = if matches!(shown, Shown::Run(_)) { array.task.unsigned_abs() } else { super::job::NO_TASK };
        (array.id.unsigned_abs(), task)
    });
    let files = Files::of(run, &options, &user.login, array);
    let requested = Amounts::requested(&run.request);
    let allocated = Amounts::allocated(&run.allocation);
    let names: Vec<&str> = run.allocation.iter().map(|share| share.node.as_str()).collect();
    let waits = run.phase == RunPhase::Waiting;
    let account = run.account.clone().unwrap_or_default();
    let seconds = |time: Option<f64>| Some(time.unwrap_or(0.0).max(0.0) as i64);
    let started = if waits { None } else { run.started };
    let extra_tres = note.tres.as_deref().map(noted_tres).unwrap_or_default();
    let sluid = sluid(run);
    JobRecord {
        account: Some(account.clone()),
        comment_administrator: note.admin_comment.clone().or_else(|| options.text("admin-comment")),
        comment_job: note.comment.clone().or_else(|| options.text("comment")),
        comment_system: note.system_comment.clone().or_else(|| options.text("system-comment")),
        allocation_nodes: Some(int(run.allocation.len() as u64)),
        array_job_id: Some(run.array.map_or(0, |array| int(array.id.unsigned_abs()))),
        array_limits_max_running_tasks: Some(
            run.array.and_then(|array| array.limit).map_or(0, |limit| int(limit.unsigned_abs())),
        ),
        array_task_id: match (shown, run.array) {
            (Shown::Run(_), Some(array)) => Some(Num::Set(number(array.task))),
            _ => None,
        },
        array_task: shown.task_text(),
        association: Some(AssociationShort {
            id: Some(scene.associations.number(run.account.as_deref(), &user.login)),
            account: Some(account),
            cluster: Some(scene.cluster.to_owned()),
            partition: None,
            user: Some(user.login.clone()),
        }),
        cluster: Some(scene.cluster.to_owned()),
        constraints: run.request.constraint.clone(),
        container: options.text("container"),
        sluid: Some(sluid.clone()),
        derived_exit_code: Some(note.derived_exit_code.map_or_else(state::success, state::waited)),
        time_elapsed: Some(elapsed(run, scene.now)),
        time_eligible: seconds(run.eligible),
        time_end: seconds(run.ended),
        time_planned: started.zip(run.eligible).map(|(start, from)| Num::Set((start - from).max(0.0) as u64)),
        time_start: seconds(started.or(if waits { None } else { run.ended })),
        time_submission: seconds(Some(run.queued)),
        time_limit: Some(limit(run.minutes)),
        exclusive: Some(if run.request.exclusive { "YES" } else { "NO" }.into()),
        exit_code: Some(state::exit_code(run)),
        extra: note.extra.clone().or_else(|| options.text("extra")),
        flags: Some(match started {
            Some(_) => Flags::of(["STARTED_ON_SCHEDULE", "START_RECEIVED"]),
            None => Flags::default(),
        }),
        group: Some(user.group.clone()),
        job_id: Some(number(shown.id())),
        name: Some(run.name.clone().unwrap_or_default()),
        licenses: licences(&run.request),
        mcs_label: options.text("mcs-label"),
        nodes: Some(if names.is_empty() { "None assigned".into() } else { hostlist(&names) }),
        oversubscribe: Some(if options.flag("oversubscribe") { "YES" } else { "NO" }.into()),
        partition: Some(run.partition.clone()),
        hold: Some(run.hold.is_some()),
        priority: Some(Num::Set(priority(run))),
        qos: Some(run.qos.clone().unwrap_or_else(|| "normal".into())),
        qosreq: options.text("qos"),
        required_cpus: Some(int(run.request.cores.max(1))),
        required_memory_per_cpu: run.request.memory_per_core.map(|bytes| Num::Set(mib(bytes))),
        required_memory_per_node: match run.request.memory_per_core {
            Some(_) => None,
            None => Some(Num::Set(run.request.memory_per_node.map_or(0, mib))),
        },
        restart_cnt: Some(i32::try_from(run.restarts).unwrap_or(i32::MAX)),
        reservation_name: run.reservation.clone(),
        reservation_requested: options.text("reservation"),
        original_sluid: Some(sluid),
        stdin_expanded: files.input_expanded,
        stdout_expanded: Some(files.output_expanded),
        stderr_expanded: files.error_expanded,
        stdin: files.input,
        stdout: Some(files.output),
        stderr: files.error,
        state_current: Some(Flags::of(state::states(run))),
        // How a job ended is not a reason here.
        state_reason: Some(if waits { state::reason(run).into_owned() } else { "None".into() }),
        steps: Some(started.map(|start| batch_step(run, start, scene.now)).into_iter().collect()),
        tres_allocated: Some(allocated.map(|amounts| with(tres(amounts), extra_tres)).unwrap_or_default()),
        tres_requested: Some(tres(requested)),
        user: Some(user.login.clone()),
        wckey: Some(WcKeyTagStruct {
            wckey: Some(note.wckey.clone().or_else(|| options.text("wckey")).unwrap_or_default()),
            flags: Some(Flags::default()),
        }),
        working_directory: Some(files.directory),
        ..JobRecord::default()
    }
}

fn elapsed(run: &RunView, now: f64) -> i32 {
    let Some(started) = run.started.filter(|_| run.phase != RunPhase::Waiting) else { return 0 };
    int((run.ended.unwrap_or(now) - started).max(0.0) as u64)
}

/// The script itself: the one step that every job has.
fn batch_step(run: &RunView, start: f64, now: f64) -> StepRecord {
    let ending = state::ending(run);
    let state = match &ending {
        None if run.phase == RunPhase::Suspended => "SUSPENDED",
        None => "RUNNING",
        Some(Ending::Completed) => "COMPLETED",
        Some(Ending::Exited(_) | Ending::NotRun(_)) => "FAILED",
        Some(Ending::Killed(_) | Ending::TimedOut | Ending::Canceled | Ending::Lost(_)) => "CANCELLED",
    };
    let exit_code = match ending {
        None | Some(Ending::Lost(_)) => state::pending(),
        Some(_) => state::exit_code(run),
    };
    let first = run.allocation.first();
    let node = first.map(|share| share.node.clone()).unwrap_or_default();
    let amounts = first.map(|share| (share.cores, mib(share.memory))).unwrap_or_default();
    StepRecord {
        time_elapsed: Some(elapsed(run, now)),
        time_end: Some(run.ended.map_or(Time(Num::Unset), time)),
        time_start: Some(time(start)),
        time_limit: Some(Num::Infinite),
        exit_code: Some(exit_code),
        nodes_count: Some(1),
        nodes_range: Some(node.clone()),
        nodes_list: Some(vec![node]),
        tasks_count: Some(1),
        cpu_requested_frequency_min: Some(Num::Set(0)),
        cpu_requested_frequency_max: Some(Num::Set(0)),
        cpu_governor: Some("0".into()),
        state: Some(Flags::of([state])),
        statistics_energy_consumed: Some(Num::Set(0)),
        step_id: Some(format!("{}.batch", run.id)),
        step_name: Some("batch".into()),
        task_distribution: Some("Unknown".into()),
        tres_allocated: Some(vec![one(0, amounts.0), one(1, amounts.1), one(2, 1)]),
        ..StepRecord::default()
    }
}

fn one(index: usize, count: u64) -> Tres {
    let (kind, name, id) = TRES[index];
    Tres {
        kind: Some(kind.into()),
        name: Some(name.into()),
        id: Some(id),
        count: Some(i64::try_from(count).unwrap_or(i64::MAX)),
        ..Tres::default()
    }
}

fn tres(amounts: Amounts) -> Vec<Tres> {
    let counts = [amounts.cpus, amounts.memory, amounts.nodes, amounts.cpus, amounts.gpus];
    let is_shown = |(index, count): &(usize, u64)| *count > 0 || matches!(index, 0 | 2 | 3);
    counts.into_iter().enumerate().filter(is_shown).map(|(index, count)| one(index, count)).collect()
}

/// What was noted besides: `cpu=4,gres/gpu=2`.
fn noted_tres(text: &str) -> Vec<Tres> {
    let Ok(noted) = jobgate_slurm::tres::Tres::parse(text) else { return Vec::new() };
    let each = noted.iter().map(|(full, count)| {
        let (kind, name) = full.split_once('/').unwrap_or((full, ""));
        let known = TRES.iter().position(|(a, b, _)| (*a, *b) == (kind, name));
        known.map_or_else(
            || Tres {
                kind: Some(kind.to_owned()),
                name: Some(name.to_owned()),
                id: other_id(full),
                count: Some(count.cast_signed()),
                ..Tres::default()
            },
            |index| one(index, count),
        )
    });
    each.collect()
}

fn other_id(name: &str) -> Option<i32> {
    match name {
        "energy" => Some(3),
        "fs/disk" => Some(6),
        "vmem" => Some(7),
        "pages" => Some(8),
        _ => None,
    }
}

/// A list with others in place of those of the same name, or after them.
fn with(mut list: Vec<Tres>, others: Vec<Tres>) -> Vec<Tres> {
    for other in others {
        match list.iter_mut().find(|one| (&one.kind, &one.name) == (&other.kind, &other.name)) {
            Some(one) => *one = other,
            None => list.push(other),
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noted_resources_replace_or_follow() {
        let list =
            with(tres(Amounts { cpus: 2, memory: 0, nodes: 1, gpus: 0 }), noted_tres("cpu=9,energy=5,license/x=1"));
        let short: Vec<_> = list.iter().map(|one| (one.kind.as_deref().unwrap(), one.id, one.count.unwrap())).collect();
        assert_eq!(
            short,
            [
                ("cpu", Some(1), 9),
                ("node", Some(4), 1),
                ("billing", Some(5), 2),
                ("energy", Some(3), 5),
                ("license", None, 1)
            ]
        );
        assert!(noted_tres("what?").is_empty());
    }
}
