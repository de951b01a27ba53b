//! The same for everything that is no job: nodes, partitions, reservations, licences, counters, configuration, records.

use std::collections::BTreeMap;

use super::super::super::cluster::{
    Counters, LicenceView, NodeState, NodeView, PartitionState, PartitionView, ReservationView,
};
use super::super::job::given::MIB;
use super::super::job::resources;
use super::super::{ClusterSettings, added, conf, diag, node, partition, record};
use super::beside::{RELEASES, compare, differences, each_release, recorded};
use super::*;

#[test]
fn what_a_job_has_of_a_node() {
    if let Some(theirs) = recorded("26.05.5-v0.0.45", "resources", "nodes") {
        let world = World::new();
        let ours = resources::layout(&running(1, "n1"), &world.nodes);
        compare("resources", &theirs[0], &json(&ours[0], Version::V45), &[]);
    }
}

#[test]
fn nodes() {
    let view = NodeView {
        name: "n1".into(),
        cores: 4,
        memory: 4000 * MIB,
        gpus: 4,
        gres: "gpu:amd:4".into(),
        gpu_type: Some("amd".into()),
        features: vec!["fake".into()],
        weight: 1,
        state: NodeState::Idle,
        drained: false,
        planned: false,
        reservation: None,
        maintenance: false,
        reason: String::new(),
        reason_user: String::new(),
        reason_at: None,
        resume_at: None,
        comment: String::new(),
        extra: String::new(),
        partitions: vec!["defq".into(), "gpu".into(), "down".into()],
        used_cores: 0,
        used_memory: 0,
        used_gpus: Vec::new(),
        runs: Vec::new(),
        last_busy: THEN,
    };
    let machine = node::Machine::look("n1", THEN, THEN);
    let but = [
        "address",
        "port",
        "boot_time",
        "cpu_load",
        "free_mem",
        "last_busy",
        "slurmd_start_time",
        "operating_system",
        "version",
        "architecture",
    ];
    each_release("node", "nodes", |version, theirs, what| {
        compare(what, &theirs[0], &json(&node::node(&view, &machine, Version::V45), version), &but);
    });
    let busy = NodeView {
        name: "n3".into(),
        state: NodeState::Mixed,
        drained: true,
        planned: true,
        reason: "test api drain".into(),
        reason_user: "root".into(),
        reason_at: Some(THEN),
        used_cores: 3,
        partitions: vec!["defq".into(), "gpu".into()],
        ..view
    };
    each_release("node-after-drain", "nodes", |version, theirs, what| {
        let ours = json(&node::node(&busy, &machine, Version::V45), version);
        let but = [
            &but[..],
            // those nodes were as busy as their other jobs made them
            &["hostname", "reason_changed_at/number", "alloc_cpus", "alloc_idle_cpus", "tres_used", "tres_weighted"],
            &["state", "partitions"],
        ];
        compare(what, &theirs[0], &ours, &but.concat());
        assert_eq!(ours["state"], serde_json::json!(["MIXED", "DRAIN", "PLANNED"]));
    });
    for (release, version) in RELEASES {
        let version = Version::parse(version).unwrap();
        if let Some(theirs) = recorded(release, "nodes", "nodes") {
            let added = added::parse("NodeName=x CPUs=4 State=CLOUD", 5).unwrap();
            let ours = json(&added::node(&added[0], version), version);
            let mut found = Vec::new();
            differences(&theirs[0], &ours, "", &mut found);
            assert!(!found.iter().any(|at| at.starts_with('!')), "{found:#?}");
        }
    }
}

#[test]
fn partitions() {
    let view = PartitionView {
        name: "defq".into(),
        nodes: (1..=5).map(|number| format!("n{number}")).collect(),
        default: true,
        state: PartitionState::Up,
        minutes: Some(10_080),
        default_minutes: Some(60),
        priority: 0,
        max_nodes: None,
        most_cores: None,
        qos: Some("sample".into()),
        allow_accounts: Vec::new(),
        allow_users: Vec::new(),
        allow_qos: Vec::new(),
        configured: true,
        cores: 20,
        memory: 20_000 * MIB,
        gpus: 20,
    };
    each_release("partition", "partitions", |version, theirs, what| {
        compare(what, &theirs[0], &json(&partition::partition(&view), version), &[]);
    });
    if let Some(theirs) = recorded("26.05.5-v0.0.45", "part-get", "partitions") {
        let new = PartitionView {
            name: "newp".into(),
            nodes: vec!["n1".into(), "n2".into()],
            default: false,
            minutes: None,
            default_minutes: None,
            qos: None,
            cores: 8,
            memory: 8000 * MIB,
            gpus: 8,
            configured: false,
            ..view
        };
        compare("part-get", &theirs[0], &json(&partition::partition(&new), Version::V45), &["minimums/nodes"]);
    }
}

#[test]
fn reservations() {
    let view = ReservationView {
        name: "important_jobs".into(),
        start: THEN,
        end: THEN + 900.0,
        nodes: vec!["n4".into(), "n5".into()],
        cores: 8,
        users: vec!["slurm".into()],
        accounts: Vec::new(),
        partition: None,
        features: None,
        licences: BTreeMap::new(),
        flags: ["DAILY", "IGNORE_JOBS", "SPEC_NODES", "MAGNETIC"].map(str::to_owned).to_vec(),
        comment: String::new(),
        active: false,
    };
    each_release("reservation", "reservations", |version, theirs, what| {
        let mut theirs = theirs[0].clone();
        let mut ours = json(&partition::reservation(&view), version);
        // An object without anything in it there, whatever their document says.
        for shown in [&mut theirs, &mut ours] {
            shown.as_object_mut().unwrap().remove("watts");
        }
        compare(what, &theirs, &ours, &["start_time/number", "end_time/number"]);
    });
}

#[test]
fn licences_and_counters() {
    each_release("licenses", "licenses", |version, theirs, what| {
        let theirs = &theirs[0];
        let name = theirs["LicenseName"].as_str().unwrap().to_owned();
        let view = LicenceView { name, total: theirs["Total"].as_u64().unwrap(), used: 0, reserved: 0 };
        compare(what, theirs, &json(&node::license(&view), version), &[]);
    });
    let counters = Counters { since: THEN, submitted: 36, cycles: 4, cycle_sum: 100, ..Counters::default() };
    each_release("diag", "statistics", |version, theirs, what| {
        let ours = json(&diag::diag(&counters, THEN + 30.0), version);
        let mut found = Vec::new();
        differences(theirs, &ours, "", &mut found);
        found.retain(|at| at.starts_with('!'));
        assert!(found.is_empty(), "{what}: {found:#?}");
    });
    assert_eq!(diag::diag(&counters, THEN + 30.0).schedule_cycle_mean, Some(25));
}

#[test]
fn the_configuration() {
    let settings = ClusterSettings {
        enforce: ["associations", "limits", "qos"].map(str::to_owned).to_vec(),
        ..ClusterSettings::new("testcl", "slurm")
    };
    let world = World::new();
    let licences = [("matlab", 10), ("ansys", 4)].map(|(name, total)| LicenceView {
        name: name.into(),
        total,
        used: 0,
        reserved: 0,
    });
    let ours = conf::conf(&settings, std::path::Path::new("/state"), "vm", world.users.own(), &[], &licences);
    let ours = json(&ours, Version::V45);
    assert_eq!(ours["Licenses"], serde_json::json!(["matlab:10", "ansys:4"]));
    assert_eq!(ours["MinJobAge"], 300);
    assert_eq!(ours["AccountingStorageEnforce"], serde_json::json!(["associations", "limits", "qos"]));
    if let Some(theirs) = recorded("26.05.5-v0.0.45", "conf", "slurm_conf") {
        let mut found = Vec::new();
        differences(&theirs, &ours, "", &mut found);
        found.retain(|at| at.starts_with('!'));
        assert!(found.is_empty(), "{found:#?}");
    }
}

#[test]
fn records() {
    each_release("db-jobs", "jobs", |version, theirs, what| {
        let of_one_node =
            |job: &&Value| job["state"]["current"] == serde_json::json!(["COMPLETED"]) && job["allocation_nodes"] == 1;
        let theirs = theirs.as_array().unwrap().iter().find(of_one_node).unwrap();
        let time = |key: &str| theirs["time"][key].as_f64();
        let mut over = running(theirs["job_id"].as_i64().unwrap(), theirs["nodes"].as_str().unwrap());
        over.name = theirs["name"].as_str().map(str::to_owned);
        over.phase = RunPhase::Ended(jobgate_model::State::Completed, String::new());
        (over.queued, over.eligible) = (time("submission").unwrap(), time("eligible"));
        (over.started, over.ended) = (time("start"), time("end"));
        let world = World::new();
        let ours = json(&record::record(&Shown::Run(&over), &world.scene()), version);
        let but = [
            "sluid",
            "original_sluid",
            "group",
            "flags",
            // a description that slurmdbd lost at times
            "association",
            "tres/requested",
            "tres/allocated",
            // what the processes used is not counted
            "steps/time",
            "steps/statistics",
            "steps/tres",
        ];
        compare(what, theirs, &ours, &but);
    });
    // A lost one: its step never ended.
    if let Some(theirs) = recorded("26.05.5-v0.0.45", "db-jobs-user", "jobs") {
        let is_lost = |job: &&Value| job["state"]["current"] == serde_json::json!(["NODE_FAIL"]);
        let theirs = theirs.as_array().unwrap().iter().find(is_lost).unwrap();
        let mut lost = running(30, "n5");
        lost.phase = RunPhase::Ended(jobgate_model::State::Failed, "lost: its machine was restarted".into());
        lost.ended = Some(THEN + 16.0);
        let world = World::new();
        let ours = json(&record::record(&Shown::Run(&lost), &world.scene()), Version::V45);
        for key in ["exit_code", "state", "kill_request_user"] {
            assert_eq!(ours[key], theirs[key], "{key}");
        }
        assert_eq!(ours["steps"][0]["exit_code"], theirs["steps"][0]["exit_code"]);
        assert_eq!(ours["steps"][0]["state"], theirs["steps"][0]["state"]);
    }
}
