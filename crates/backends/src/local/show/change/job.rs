//! Changes of jobs.

use jobgate_model::StringMap;
use jobgate_slurm::cluster::{Answer, Fault, RecordChange};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::JobDesc;
use jobgate_slurm::table::{Flags, Num, Time};

use super::super::super::cluster::{Hold, HoldChange, RunChange, RunView, UNLIMITED};
use super::unsupported;

/// Slurm's number for a priority that the controller is to choose.
const CHOOSE: u32 = u32::MAX;

/// Reads what is to change of a run. `admin`: an administrator asks.
pub(in super::super) fn job(run: &RunView, desc: &JobDesc, admin: bool) -> Answer<RunChange> {
    let mut change = RunChange {
        minutes: desc.time_limit.and_then(minutes),
        name: desc.name.clone(),
        requeue: desc.requeue,
        options: options(run, desc)?,
        ..RunChange::default()
    };
    let holder = if admin { Hold::Admin } else { Hold::User };
    // Slurm's "hold" by the REST API is the owner's, whoever asks.
    change.hold = match desc.hold {
        Some(true) => Some(HoldChange::Hold(Hold::User)),
        Some(false) if run.hold == Some(Hold::Admin) && !admin => {
            return Err(Fault::new(Errno::ACCESS_DENIED, "an administrator holds the job, and has to release it"));
        }
        Some(false) => Some(HoldChange::Release),
        None => None,
    };
    match desc.priority {
        None | Some(Num::Unset) => {}
        Some(Num::Set(0)) => change.hold = Some(HoldChange::Hold(holder)),
        Some(Num::Infinite | Num::Set(CHOOSE)) => change.hold = Some(HoldChange::Release),
        Some(Num::Set(_)) if run.hold.is_some() && change.hold != Some(HoldChange::Release) => {
            return Err(Fault::new(Errno::HELD, "the job is held; release it before its priority is changed"));
        }
        Some(Num::Set(priority)) if !admin && i64::from(priority) > run.priority.max(1) => {
            return Err(Fault::new(Errno::ACCESS_DENIED, "only an administrator raises a job's priority"));
        }
        Some(Num::Set(priority)) => change.priority = Some(i64::from(priority)),
    }
    if let Some(nice) = desc.nice {
        // Slurm's clients may count from the middle of the range.
        let nice = i64::from(nice);
        let nice = if nice >= 0x4000_0000 { nice - 0x8000_0000 } else { nice };
        if nice < 0 && !admin {
            return Err(Fault::new(Errno::ACCESS_DENIED, "only an administrator gives a job a negative nice value"));
        }
        change.nice = Some(nice);
    }
    if desc.admin_comment.is_some() && !admin {
        return Err(Fault::new(Errno::ACCESS_DENIED, "only an administrator sets admin_comment"));
    }
    Ok(change)
}

/// What a change says anew of what may be noted in the accounting database.
pub(in super::super) fn said(desc: &JobDesc) -> RecordChange {
    RecordChange {
        comment: desc.comment.clone(),
        admin_comment: desc.admin_comment.clone(),
        extra: desc.extra.clone(),
        wckey: desc.wckey.clone(),
        ..RecordChange::default()
    }
}

fn minutes(limit: Num<u32>) -> Option<i64> {
    match limit {
        Num::Set(minutes) => Some(i64::from(minutes)),
        Num::Infinite => Some(UNLIMITED),
        Num::Unset => None,
    }
}

/// The new values of sbatch's options.
fn options(run: &RunView, desc: &JobDesc) -> Answer<StringMap> {
    let mut options = StringMap::default();
    let mut set = |option: &str, value: Option<String>| {
        if let Some(value) = value {
            options.insert(option, value);
        }
    };
    for (option, text) in [
        ("account", &desc.account),
        ("admin-comment", &desc.admin_comment),
        ("array", &desc.array),
        ("comment", &desc.comment),
        ("constraint", &desc.constraints),
        ("dependency", &desc.dependency),
        ("error", &desc.standard_error),
        ("extra", &desc.extra),
        ("input", &desc.standard_input),
        ("licenses", &desc.licenses),
        ("mail-user", &desc.mail_user),
        ("output", &desc.standard_output),
        ("partition", &desc.partition),
        ("prefer", &desc.prefer),
        ("qos", &desc.qos),
        ("reservation", &desc.reservation),
        ("tres-per-job", &desc.tres_per_job),
        // as at submission
        ("gres", &desc.tres_per_node),
        ("tres-per-socket", &desc.tres_per_socket),
        ("tres-per-task", &desc.tres_per_task),
        ("wckey", &desc.wckey),
    ] {
        set(option, text.clone());
    }
    for (option, names) in [("nodelist", &desc.required_nodes), ("exclude", &desc.excluded_nodes)] {
        set(option, names.as_ref().map(|names| names.join(",")));
    }
    for (option, number) in [
        ("cpus-per-task", desc.cpus_per_task),
        ("mincpus", desc.minimum_cpus_per_node),
        ("ntasks", desc.tasks),
        ("ntasks-per-node", desc.tasks_per_node),
    ] {
        set(option, number.filter(|number| *number > 0).map(|number| number.to_string()));
    }
    for (option, memory) in [("mem", desc.memory_per_node), ("mem-per-cpu", desc.memory_per_cpu)] {
        set(option, memory.and_then(Num::number).map(|mib| format!("{mib}M")));
    }
    set("time-min", desc.time_minimum.and_then(Num::number).map(|minutes| minutes.to_string()));
    set("begin", desc.begin_time.and_then(Time::seconds).map(point).transpose()?);
    let deadline = desc.deadline.and_then(|at| u64::try_from(at).ok()).filter(|at| *at > 0);
    set("deadline", deadline.map(point).transpose()?);
    set("nodes", node_count(run, desc));
    set("exclusive", exclusive(desc));
    set("mail-type", desc.mail_type.as_ref().map(|flags| flags.iter().collect::<Vec<_>>().join(",")));
    set("contiguous", desc.contiguous.map(|yes| yes.to_string()));
    for (what, is) in [
        ("burst_buffer", desc.burst_buffer.as_deref().is_some_and(|text| !text.is_empty())),
        ("user_id", desc.user_id.is_some()),
        ("end_time", desc.end_time.is_some_and(|end| end > 0)),
        ("cluster features", desc.cluster_constraint.as_deref().is_some_and(|text| !text.is_empty())),
        ("core_specification", desc.core_specification.is_some_and(|cores| cores > 0)),
    ] {
        if is {
            return Err(unsupported(what));
        }
    }
    Ok(options)
}

/// `--nodes` from whatever says something about it.
fn node_count(run: &RunView, desc: &JobDesc) -> Option<String> {
    if let Some(text) = desc.nodes.clone().filter(|text| !text.is_empty()) {
        return Some(text);
    }
    if desc.minimum_nodes.is_none() && desc.maximum_nodes.is_none() {
        return None;
    }
    let least = desc.minimum_nodes.map_or(run.request.min_nodes, |nodes| u64::try_from(nodes).unwrap_or(0)).max(1);
    let most = match desc.maximum_nodes {
        Some(nodes) => u64::try_from(nodes).ok().filter(|nodes| *nodes > 0),
        None => run.request.max_nodes.filter(|most| *most >= least),
    };
    Some(most.map_or_else(|| least.to_string(), |most| format!("{least}-{most}")))
}

fn exclusive(desc: &JobDesc) -> Option<String> {
    let has = |word: &str| desc.shared.as_ref().is_some_and(|shared| shared.has(word));
    let old = |word: &str| desc.exclusive.as_ref().is_some_and(|flags: &Flags<_>| flags.has(word));
    match () {
        () if has("none") || old("true") => Some("true".into()),
        () if has("oversubscribe") || old("false") => Some("false".into()),
        () if has("user") || old("user") => Some("user".into()),
        () if has("mcs") || old("mcs") => Some("mcs".into()),
        () => None,
    }
}

/// A time for `--begin` and `--deadline`, with its offset so that no zone matters.
fn point(seconds: u64) -> Answer<String> {
    let time = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map(|time| time.to_string())
        .ok_or_else(|| Fault::new(Errno::INVALID_TIME, format!("{seconds} is no point in time; give unix seconds")))
}
