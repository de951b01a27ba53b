//! Flags of a job.

use jobgate_slurm::objects::words;
use jobgate_slurm::table::Flags;

use super::super::super::cluster::{RunPhase, RunView};
use super::super::options::Options;

/// What Slurm's flags say of a run.
pub(super) fn flags(run: &RunView, options: &Options<'_>) -> Vec<&'static str> {
    let waits = run.phase == RunPhase::Waiting;
    let started = run.started.is_some() && !waits;
    let mut flags = Vec::with_capacity(10);
    let mut add = |is: bool, flag: &'static str| {
        if is {
            flags.push(flag);
        }
    };
    match options.get("kill-on-invalid-dep") {
        Some(value) if value.eq_ignore_ascii_case("no") => add(true, "NO_KILL_INVALID_DEPENDENCY"),
        Some(_) => add(true, "KILL_INVALID_DEPENDENCY"),
        None => {}
    }
    add(options.flag("spread-job"), "SPREAD_JOB");
    add(options.flag("use-min-nodes"), "PREFER_MINIMUM_NODE_COUNT");
    add(options.get("ntasks").is_some(), "EXACT_TASK_COUNT_REQUESTED");
    add(started, "ACCRUE_COUNT_CLEARED");
    add(started && matches!(run.phase, RunPhase::Running | RunPhase::Suspended), "JOB_WAS_RUNNING");
    add(options.has_any(&["mem", "mem-per-cpu"]), "EXACT_MEMORY_REQUESTED");
    add(options.get("account").is_none(), "USING_DEFAULT_ACCOUNT");
    add(options.get("partition").is_none(), "USING_DEFAULT_PARTITION");
    add(options.get("qos").is_none(), "USING_DEFAULT_QOS");
    add(options.get("wckey").is_none(), "USING_DEFAULT_WCKEY");
    add(waits && (run.hold.is_some() || !run.dependency.is_empty()), "DEPENDENT");
    add(run.reservation.is_some() && options.get("reservation").is_none(), "MAGNETIC");
    add(true, "PARTITION_ASSIGNED");
    flags
}

/// sbatch's `--mail-type` in the API's words.
pub(super) fn mail(text: &str) -> Vec<&'static str> {
    const ALL: [&str; 6] = ["BEGIN", "END", "FAIL", "INVALID_DEPENDENCY", "REQUEUE", "STAGE_OUT"];
    let mut words: Vec<&'static str> = Vec::new();
    for word in text.split(',').map(|word| word.trim().to_ascii_uppercase()) {
        match word.as_str() {
            "ALL" => words.extend(ALL),
            "BEGIN" => words.push("BEGIN"),
            "END" => words.push("END"),
            "FAIL" => words.push("FAIL"),
            "REQUEUE" => words.push("REQUEUE"),
            "STAGE_OUT" => words.push("STAGE_OUT"),
            "ARRAY_TASKS" => words.push("ARRAY_TASKS"),
            "INVALID_DEPEND" | "INVALID_DEPENDENCY" => words.push("INVALID_DEPENDENCY"),
            "TIME_LIMIT" | "TIME=100%" => words.push("TIME=100%"),
            "TIME_LIMIT_90" | "TIME=90%" => words.push("TIME=90%"),
            "TIME_LIMIT_80" | "TIME=80%" => words.push("TIME=80%"),
            "TIME_LIMIT_50" | "TIME=50%" => words.push("TIME=50%"),
            _ => {}
        }
    }
    words
}

/// Whether nodes are shared, where the run said something about it.
pub(super) fn shared(run: &RunView, options: &Options<'_>) -> Option<Flags<words::JobShared>> {
    let word = match options.get("exclusive") {
        Some("user") => "user",
        Some("mcs") => "mcs",
        Some("topo") => "topo",
        _ if run.request.exclusive => "none",
        _ if options.flag("oversubscribe") => "oversubscribe",
        _ => return None,
    };
    Some(Flags::of([word]))
}

/// The same, as versions up to v0.0.41 have it.
pub(super) fn exclusive(run: &RunView, options: &Options<'_>) -> Option<Flags<words::JobExclusiveFlags>> {
    let word = match options.get("exclusive") {
        Some("user") => "user",
        Some("mcs") => "mcs",
        Some("topo") => "topo",
        _ if run.request.exclusive => "true",
        _ => return None,
    };
    Some(Flags::of([word]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_types() {
        assert_eq!(mail("END,fail"), ["END", "FAIL"]);
        assert_eq!(mail("NONE"), [""; 0]);
        assert_eq!(mail("ALL").len(), 6);
        assert_eq!(mail("TIME_LIMIT_90, ARRAY_TASKS"), ["TIME=90%", "ARRAY_TASKS"]);
    }
}
