//! A job description as a JobSpec. What a JobSpec has no field for becomes an attribute: sbatch's long option for it, which is
//! what the embedded batch system and Slurm's own commands read.

use jiff::Timestamp;
use jobgate_model::{JobSpec, StringMap};
use jobgate_slurm::objects::JobDesc;
use jobgate_slurm::table::{Num, Time};

/// Minutes that mean "no limit" (Slurm's `INFINITE`).
const UNLIMITED: i64 = 0xffff_ffff;
/// Above this a number says that a value is not set (Slurm's `NO_VAL` and `INFINITE`).
const NO_VAL: i32 = -2;

/// The JobSpec of a description with this script, to be run by this backend.
pub(in crate::slurm) fn spec(desc: &JobDesc, script: String, backend: &str) -> JobSpec {
    let mut spec = JobSpec::new(script);
    spec.name = desc.name.clone().filter(|name| !name.is_empty());
    spec.directory.clone_from(&desc.current_working_directory);
    spec.inherit_environment = false;
    spec.environment = environment(desc.environment.as_deref().unwrap_or_default());
    backend.clone_into(&mut spec.backend);
    spec.attributes = attributes(desc);
    let array = spec.attributes.get("--array").is_some();
    if spec.attributes.get("--output").is_none() {
        spec.attributes.insert("--output", if array { "slurm-%A_%a.out" } else { "slurm-%j.out" });
    }
    let resources = &mut spec.resources;
    resources.exclusive_node_use = false;
    resources.duration = time_limit(desc).unwrap_or(UNLIMITED);
    resources.cpu_cores_per_process = positive(desc.cpus_per_task).unwrap_or(1);
    resources.process_count = tasks(desc);
    spec
}

/// The time limit in minutes; `None`: none is asked for.
pub(in crate::slurm) fn time_limit(desc: &JobDesc) -> Option<i64> {
    match desc.time_limit? {
        Num::Set(minutes) if i64::from(minutes) < UNLIMITED - 1 => Some(i64::from(minutes)),
        Num::Infinite => Some(UNLIMITED),
        Num::Set(_) | Num::Unset => None,
    }
}

/// A number that is really set.
fn positive(number: Option<i32>) -> Option<i64> {
    number.filter(|number| *number > 0).map(i64::from)
}

fn tasks(desc: &JobDesc) -> Option<i64> {
    let per_task = positive(desc.cpus_per_task).unwrap_or(1);
    let by_cpus = positive(desc.minimum_cpus).map(|cpus| (cpus + per_task - 1) / per_task);
    positive(desc.tasks).or(by_cpus)
}

/// `KEY=VALUE` texts; what has no `=` says nothing, and is how clients send an empty environment.
fn environment(pairs: &[String]) -> StringMap {
    let pair = |text: &String| text.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    pairs.iter().filter_map(pair).filter(|(key, _)| !key.is_empty()).collect()
}

/// sbatch's options for everything that the description names.
pub(in crate::slurm) fn attributes(desc: &JobDesc) -> StringMap {
    let mut all = StringMap::default();
    texts(desc, &mut all);
    numbers(desc, &mut all);
    lists_and_flags(desc, &mut all);
    all
}

fn texts(desc: &JobDesc, all: &mut StringMap) {
    let texts: [(&str, &Option<String>); 39] = [
        ("chdir", &desc.current_working_directory),
        ("account", &desc.account),
        ("acctg-freq", &desc.account_gather_frequency),
        ("admin-comment", &desc.admin_comment),
        ("array", &desc.array),
        ("batch", &desc.batch_features),
        ("bb", &desc.burst_buffer),
        ("clusters", &desc.clusters),
        ("cluster-constraint", &desc.cluster_constraint),
        ("comment", &desc.comment),
        ("constraint", &desc.constraints),
        ("container", &desc.container),
        ("container-id", &desc.container_id),
        ("cpu-bind", &desc.cpu_binding),
        ("cpu-freq", &desc.cpu_frequency),
        ("cpus-per-tres", &desc.cpus_per_tres),
        ("dependency", &desc.dependency),
        ("distribution", &desc.distribution),
        ("error", &desc.standard_error),
        ("extra", &desc.extra),
        ("input", &desc.standard_input),
        ("licenses", &desc.licenses),
        ("mail-user", &desc.mail_user),
        ("mcs-label", &desc.mcs_label),
        ("mem-bind", &desc.memory_binding),
        ("mem-per-tres", &desc.memory_per_tres),
        ("network", &desc.network),
        ("output", &desc.standard_output),
        ("partition", &desc.partition),
        ("prefer", &desc.prefer),
        ("qos", &desc.qos),
        ("reservation", &desc.reservation),
        ("tres-bind", &desc.tres_bind),
        ("tres-freq", &desc.tres_freq),
        ("tres-per-job", &desc.tres_per_job),
        ("tres-per-socket", &desc.tres_per_socket),
        ("tres-per-task", &desc.tres_per_task),
        ("gres", &desc.tres_per_node),
        ("wckey", &desc.wckey),
    ];
    for (option, text) in texts {
        // an empty text takes an option away when a job is changed
        if let Some(text) = text {
            all.insert(format!("--{option}"), text.clone());
        }
    }
}

fn numbers(desc: &JobDesc, all: &mut StringMap) {
    let plain: [(&str, Option<i32>); 12] = [
        ("core-spec", desc.core_specification),
        ("thread-spec", desc.thread_specification),
        ("delay-boot", desc.delay_boot),
        ("cpus-per-task", desc.cpus_per_task),
        ("mincpus", desc.minimum_cpus_per_node),
        ("ntasks", desc.tasks),
        ("ntasks-per-node", desc.tasks_per_node),
        ("ntasks-per-socket", desc.tasks_per_socket),
        ("ntasks-per-core", desc.tasks_per_core),
        ("sockets-per-node", desc.sockets_per_node),
        ("threads-per-core", desc.threads_per_core),
        ("tmp", desc.temporary_disk_per_node),
    ];
    for (option, number) in plain {
        if let Some(number) = positive(number) {
            all.insert(format!("--{option}"), number.to_string());
        }
    }
    if let Some(nice) = desc.nice.filter(|nice| *nice > i32::MIN / 2 && *nice != NO_VAL) {
        all.insert("--nice", nice.to_string());
    }
    if let Some(Num::Set(priority)) = desc.priority {
        if priority == 0 {
            all.insert("--hold", "true");
        } else {
            all.insert("--priority", priority.to_string());
        }
    }
    let megabytes: [(&str, Option<Num<u64>>); 2] =
        [("mem", desc.memory_per_node), ("mem-per-cpu", desc.memory_per_cpu)];
    for (option, amount) in megabytes {
        if let Some(Num::Set(amount)) = amount {
            all.insert(format!("--{option}"), amount.to_string());
        }
    }
    if let Some(Num::Set(minutes)) = desc.time_minimum {
        all.insert("--time-min", minutes.to_string());
    }
    if let Some(begin) = desc.begin_time.and_then(Time::seconds).and_then(moment) {
        all.insert("--begin", begin);
    }
    if let Some(deadline) = desc.deadline.and_then(|at| u64::try_from(at).ok()).filter(|at| *at > 0).and_then(moment) {
        all.insert("--deadline", deadline);
    }
    if let Some(nodes) = nodes(desc) {
        all.insert("--nodes", nodes);
    }
}

/// A second of unix time as the options take it.
fn moment(seconds: u64) -> Option<String> {
    Timestamp::from_second(i64::try_from(seconds).ok()?).ok().map(|at| at.to_string())
}

fn nodes(desc: &JobDesc) -> Option<String> {
    if let Some(range) = desc.nodes.clone().filter(|range| !range.is_empty()) {
        return Some(range);
    }
    match (positive(desc.minimum_nodes), positive(desc.maximum_nodes)) {
        (None, None) => None,
        (Some(least), None) => Some(least.to_string()),
        (least, Some(most)) => Some(format!("{}-{most}", least.unwrap_or(1))),
    }
}

fn lists_and_flags(desc: &JobDesc, all: &mut StringMap) {
    for (option, list) in [("nodelist", &desc.required_nodes), ("exclude", &desc.excluded_nodes)] {
        if let Some(list) = list {
            all.insert(format!("--{option}"), list.join(","));
        }
    }
    if desc.hold == Some(true) {
        all.insert("--hold", "true");
    }
    match desc.requeue {
        Some(true) => all.insert("--requeue", "true"),
        Some(false) => all.insert("--no-requeue", "true"),
        None => {}
    }
    for (option, set) in [
        ("contiguous", desc.contiguous),
        ("overcommit", desc.overcommit),
        ("reboot", desc.reboot),
        ("kill-on-node-fail", desc.kill_on_node_fail),
    ] {
        if set == Some(true) {
            all.insert(format!("--{option}"), "true");
        }
    }
    let words = |words: &mut dyn Iterator<Item = &str>| words.collect::<Vec<_>>().join(",");
    if let Some(mode) = &desc.open_mode
        && !mode.is_empty()
    {
        all.insert("--open-mode", words(&mut mode.iter()).to_ascii_lowercase());
    }
    if let Some(mail) = &desc.mail_type
        && !mail.is_empty()
    {
        all.insert("--mail-type", words(&mut mail.iter()));
    }
    let exclusive = desc.shared.as_ref().is_some_and(|shared| shared.has("none"))
        || desc.exclusive.as_ref().is_some_and(|exclusive| exclusive.has("true"));
    if exclusive {
        all.insert("--exclusive", "true");
    }
    if let Some(signal) = desc.kill_warning_signal.clone().filter(|signal| !signal.is_empty()) {
        let delay = desc.kill_warning_delay.and_then(Num::number).unwrap_or(60);
        all.insert("--signal", format!("{signal}@{delay}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobgate_slurm::table::Reader;
    use jobgate_slurm::version::Version;
    use serde_json::json;

    fn desc(body: serde_json::Value) -> JobDesc {
        let zone = jiff::tz::TimeZone::UTC;
        let mut reader = Reader::new(Version::V45, 1_800_000_000, &zone);
        let desc = reader.object(body);
        assert!(reader.problems.is_empty() && reader.warnings.is_empty(), "{reader:?}");
        desc
    }

    #[test]
    fn a_rich_description() {
        let desc = desc(json!({
            "name": "n", "current_working_directory": "/tmp", "environment": ["PATH=/bin", "", "A=b=c"],
            "partition": "gpu", "minimum_nodes": 2, "maximum_nodes": 3, "tasks": 4, "cpus_per_task": 2,
            "time_limit": {"set": true, "number": 5}, "required_nodes": ["n2", "n4"], "nice": -5, "hold": true,
            "begin_time": {"set": true, "number": 1_800_000_000}, "memory_per_node": {"set": true, "number": 100},
            "licenses": "matlab:2", "requeue": false, "tres_per_node": "gres:gpu:amd:2",
        }));
        let spec = spec(&desc, "#!/bin/sh\n".into(), "default");
        let got: Vec<(&str, &str)> = spec.attributes.iter().collect();
        for pair in [
            ("--partition", "gpu"),
            ("--nodes", "2-3"),
            ("--ntasks", "4"),
            ("--cpus-per-task", "2"),
            ("--nodelist", "n2,n4"),
            ("--nice", "-5"),
            ("--hold", "true"),
            ("--begin", "2027-01-15T08:00:00Z"),
            ("--mem", "100"),
            ("--licenses", "matlab:2"),
            ("--no-requeue", "true"),
            ("--gres", "gres:gpu:amd:2"),
            ("--output", "slurm-%j.out"),
        ] {
            assert!(got.contains(&pair), "{pair:?} in {got:?}");
        }
        assert_eq!(spec.resources.duration, 5);
        assert_eq!(spec.environment.iter().collect::<Vec<_>>(), [("PATH", "/bin"), ("A", "b=c")]);
        assert!(!spec.inherit_environment);
    }

    #[test]
    fn time_limits() {
        let of = |limit: serde_json::Value| time_limit(&desc(json!({ "time_limit": limit })));
        assert_eq!(of(json!(7)), Some(7));
        assert_eq!(of(json!({"set": true, "infinite": true})), Some(UNLIMITED));
        assert_eq!(of(json!({"set": false})), None);
        assert_eq!(time_limit(&desc(json!({}))), None);
    }
}
