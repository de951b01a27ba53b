//! Requests to a cluster of several nodes, in Slurm's manner.

use super::super::super::settings::{Account, Qos};
use super::*;

fn nodes() -> LocalSettings {
    let node = NodeSettings {
        cores: Some(4),
        memory: Some(4000 << 20),
        gres: "gpu:amd:4".into(),
        features: vec!["fake".into()],
        ..NodeSettings::default()
    };
    let all = Partition { default: true, minutes: Some(100), ..Partition::default() };
    let half = Partition {
        nodes: "n[1-2]".into(),
        allow_accounts: vec!["physics".into()],
        allow_qos: vec!["high".into()],
        ..Partition::default()
    };
    let closed = Partition { state: PartitionState::Drain, allow_users: vec!["alice".into()], ..Partition::default() };
    let users =
        |names: &[&str]| Account { users: names.iter().map(|name| (*name).into()).collect(), ..Account::default() };
    LocalSettings {
        nodes: [("n[1-5]".to_owned(), node)].into(),
        partitions: [("all".to_owned(), all), ("half".to_owned(), half), ("closed".to_owned(), closed)].into(),
        qos: [("high".to_owned(), Qos { priority: 100, ..Qos::default() })].into(),
        accounts: [("chem".to_owned(), users(&["bob"])), ("physics".to_owned(), users(&["alice", "bob"]))].into(),
        ..settings()
    }
}

fn of(attributes: &[(&str, &str)]) -> Result<Request, Error> {
    parse(&with(attributes), &BackendConfig::default(), &inventory(&nodes()), 1000.0)
}

fn number(attributes: &[(&str, &str)]) -> i32 {
    of(attributes).expect_err("should be refused").number().unwrap_or(0)
}

#[test]
fn what_is_wrong_has_slurms_number() {
    for (option, value, expected) in [
        ("partition", "nope", Errno::INVALID_PARTITION),
        ("partition", "all,nope", Errno::INVALID_PARTITION),
        ("partition", "closed", Errno::PARTITION_NOT_AVAILABLE),
        ("account", "nope", Errno::INVALID_ACCOUNT),
        ("qos", "nope", Errno::INVALID_QOS),
        ("licenses", "nope:1", Errno::INVALID_LICENSES),
        ("reservation", "nope", Errno::INVALID_RESERVATION),
        ("nodelist", "nope", Errno::INVALID_NODE_NAME),
        ("nodelist", "n[1-", Errno::INVALID_NODE_NAME),
        ("exclude", "n9", Errno::INVALID_NODE_NAME),
        ("constraint", "nope", Errno::INVALID_FEATURE),
        ("constraint", "fake&", Errno::INVALID_FEATURE),
        ("dependency", "xyz", Errno::DEPENDENCY),
        ("nodes", "50", Errno::NODE_CONFIGURATION),
        ("ntasks", "21", Errno::NODE_CONFIGURATION),
        ("gres", "gpu:5", Errno::NODE_CONFIGURATION),
        ("gres", "gpu:nvidia:1", Errno::NODE_CONFIGURATION),
        ("gres", "nvme:1", Errno::INVALID_GRES),
        ("time", "soon", Errno::INVALID_TIME_LIMIT),
        ("begin", "soon", Errno::INVALID_TIME),
        ("deadline", "now+5minutes", Errno::INVALID_TIME),
    ] {
        assert_eq!(number(&[(option, value)]), expected.0, "{option}={value}");
    }
    assert_eq!(number(&[("nodelist", "n5"), ("partition", "half")]), Errno::NODES_NOT_IN_PARTITION.0);
    assert_eq!(number(&[("ntasks", "5"), ("cpus-per-task", "4"), ("nodes", "1")]), Errno::NODE_CONFIGURATION.0);
}

#[test]
fn what_is_asked_for_is_what_is_needed() {
    let need = |attributes: &[(&str, &str)]| of(attributes).unwrap().need;
    let two = need(&[("nodes", "2-4"), ("ntasks-per-node", "2"), ("cpus-per-task", "2"), ("mem", "1G")]);
    assert_eq!((two.min_nodes, two.max_nodes, two.tasks, two.cores()), (2, Some(4), 4, 8));
    assert_eq!((two.tasks_per_node, two.memory, two.lenient), (Some(2), Memory::PerNode(1 << 30), false));
    let gpus = |option: &str, value: &str| {
        let need = need(&[("ntasks", "2"), (option, value)]);
        (need.gpus, need.gpu_type)
    };
    assert_eq!(gpus("gres", "gpu:amd:2"), (Gpus::PerNode(2), Some("amd".into())));
    assert_eq!(gpus("gpus", "3"), (Gpus::PerRun(3), None));
    assert_eq!(gpus("gpus-per-task", "amd:1"), (Gpus::PerTask(1), Some("amd".into())));
    let named = need(&[("nodelist", "n[2,4]"), ("exclude", "n1"), ("constraint", "fake"), ("exclusive", "")]);
    assert_eq!((named.nodelist, named.exclude), (vec!["n2".to_owned(), "n4".into()], vec!["n1".to_owned()]));
    assert_eq!((named.min_nodes, named.constraint, named.exclusive), (2, Some("fake".into()), true));
}

#[test]
fn time_limits_and_priorities() {
    let request = of(&[("time", "1-00:30:00"), ("qos", "high"), ("priority", "7"), ("nice", "2")]).unwrap();
    assert_eq!(request.minutes, 1470, "longer than the partition allows: it waits, as in Slurm");
    assert_eq!((request.priority, request.asked, request.nice), (105, 7, 2));
    assert_eq!(of(&[("time", "UNLIMITED")]).unwrap().minutes, crate::local::cluster::UNLIMITED);
    let mut long = with(&[]);
    long.resources.duration = 101;
    assert!(parse(&long, &BackendConfig::default(), &inventory(&nodes()), 0.0).is_err(), "refused, as psik's jobs are");
    long.attributes.insert("--output", "slurm-%j.out");
    long.inherit_environment = false;
    let slurms = parse(&long, &BackendConfig::default(), &inventory(&nodes()), 0.0).unwrap();
    assert_eq!((slurms.strict, slurms.minutes, slurms.requeue), (true, 101, true), "as Slurm's clients submit it");
    assert_eq!(of(&[("deadline", "now+20minutes")]).unwrap().deadline, Some(2200.0));
}

#[test]
fn who_may_what() {
    let inventory = inventory(&nodes());
    let admitted = |attributes: &[(&str, &str)], owner: &str| {
        let mut request = parse(&with(attributes), &BackendConfig::default(), &inventory, 0.0).unwrap();
        admit(&mut request, owner, &inventory).map(|()| request).map_err(|error| Errno(error.number().unwrap_or(0)))
    };
    assert_eq!(admitted(&[], "bob").unwrap().account.as_deref(), Some("chem"), "the first that is his");
    assert_eq!(admitted(&[("account", "physics")], "alice").unwrap().account.as_deref(), Some("physics"));
    assert_eq!(admitted(&[("account", "chem")], "alice").unwrap_err(), Errno::INVALID_ACCOUNT);
    assert_eq!(admitted(&[], "mallory").unwrap_err(), Errno::INVALID_ACCOUNT);
    assert!(admitted(&[("partition", "half"), ("qos", "high")], "alice").is_ok());
    assert_eq!(admitted(&[("partition", "half"), ("qos", "high")], "bob").unwrap_err(), Errno::INVALID_ACCOUNT);
    assert_eq!(admitted(&[("partition", "half")], "alice").unwrap_err(), Errno::INVALID_QOS);
}

#[test]
fn psiks_requests_get_what_there_is() {
    let mut spec = with(&[]);
    spec.resources.process_count = Some(8);
    spec.resources.cpu_cores_per_process = 7;
    let of = |spec: &JobSpec| parse(spec, &BackendConfig::default(), &inventory(&nodes()), 0.0).unwrap();
    let request = of(&spec);
    assert_eq!((request.need.tasks, request.need.cores_per_task), (20, 1));
    assert_eq!(request.clamped.unwrap(), "56 cores were asked for, partition all has 20: the run gets all of it");
    spec.resources.process_count = Some(2);
    let request = of(&spec);
    assert_eq!((request.need.tasks, request.need.cores_per_task), (2, 4), "a process is on one node");
    spec.resources.cpu_cores_per_process = 3;
    spec.resources.process_count = Some(6);
    assert_eq!(of(&spec).need.tasks, 5, "one on each node");
    spec.resources.process_count = None;
    spec.resources.node_count = Some(9);
    spec.resources.processes_per_node = Some(1);
    spec.resources.cpu_cores_per_process = 2;
    let request = of(&spec);
    assert_eq!((request.need.min_nodes, request.need.tasks), (5, 5));
}
