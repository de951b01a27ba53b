//! What requests become.

use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{JobDesc, NodeUpdate, Partition, ReservationDesc};
use jobgate_slurm::table::Reader;
use serde_json::json;

use super::super::super::cluster::{
    Hold, HoldChange, NodeChange, NodeOrder, PartitionChange, PartitionState, PartitionView, ReservationChange,
    RunChange, UNLIMITED,
};
use super::super::change;
use super::super::partition::partition as shown;
use super::*;

fn read<T: Object>(body: Value) -> T {
    let zone = jiff::tz::TimeZone::UTC;
    let mut reader = Reader::new(Version::V45, THEN as i64, &zone);
    let object = reader.object(body);
    assert!(reader.problems.is_empty(), "{:?}", reader.problems);
    object
}

fn job(run: &RunView, body: Value, admin: bool) -> Result<RunChange, Errno> {
    change::job(run, &read::<JobDesc>(body), admin).map_err(|fault| fault.errno)
}

#[test]
fn jobs() {
    assert_eq!(job(&run(1), json!({}), false), Ok(RunChange::default()));
    let change = job(
        &run(1),
        json!({
            "name": "n", "time_limit": { "set": true, "number": 7 }, "comment": "c", "nice": 5, "requeue": false,
            "partition": "gpu", "minimum_nodes": 2, "maximum_nodes": 4, "tasks": 3, "required_nodes": ["n1", "n2"],
            "memory_per_node": { "set": true, "number": 100 }, "begin_time": { "set": true, "number": 1_795_318_527 },
            "constraints": "", "mail_type": ["END"], "shared": ["none"],
        }),
        false,
    )
    .unwrap();
    assert_eq!(
        (change.name.as_deref(), change.minutes, change.nice, change.requeue),
        (Some("n"), Some(7), Some(5), Some(false))
    );
    let expected = [
        ("comment", "c"),
        ("constraint", ""),
        ("partition", "gpu"),
        ("nodelist", "n1,n2"),
        ("ntasks", "3"),
        ("mem", "100M"),
        ("begin", "2026-11-22T03:35:27Z"),
        ("nodes", "2-4"),
        ("exclusive", "true"),
        ("mail-type", "END"),
    ];
    assert_eq!(change.options, options(&expected));
    let endless = job(&run(1), json!({ "time_limit": { "infinite": true } }), false).unwrap();
    assert_eq!(endless.minutes, Some(UNLIMITED));
    assert_eq!(job(&run(1), json!({ "minimum_nodes": 3 }), false).unwrap().options, options(&[("nodes", "3")]));
}

#[test]
fn holds_and_priorities() {
    let held = RunView { hold: Some(Hold::User), priority: 0, ..run(1) };
    let admins = RunView { hold: Some(Hold::Admin), ..held.clone() };
    let hold = |run: &RunView, body: Value, admin: bool| job(run, body, admin).map(|change| change.hold);
    let priority = |number: u32| json!({ "priority": { "set": true, "number": number } });
    assert_eq!(hold(&run(1), json!({ "hold": true }), false), Ok(Some(HoldChange::Hold(Hold::User))));
    assert_eq!(hold(&held, json!({ "hold": false }), false), Ok(Some(HoldChange::Release)));
    assert_eq!(hold(&run(1), priority(0), true), Ok(Some(HoldChange::Hold(Hold::Admin))));
    assert_eq!(hold(&run(1), priority(0), false), Ok(Some(HoldChange::Hold(Hold::User))));
    assert_eq!(hold(&admins, json!({ "hold": false }), false), Err(Errno::ACCESS_DENIED));
    assert_eq!(hold(&admins, json!({ "hold": false }), true), Ok(Some(HoldChange::Release)));
    assert_eq!(hold(&held, priority(100), true), Err(Errno::HELD));
    assert_eq!(hold(&held, json!({ "priority": { "infinite": true } }), false), Ok(Some(HoldChange::Release)));
    assert_eq!(job(&run(1), priority(4_000_000), false), Err(Errno::ACCESS_DENIED));
    assert_eq!(job(&run(1), priority(4_000_000), true).unwrap().priority, Some(4_000_000));
    assert_eq!(job(&run(1), json!({ "nice": -5 }), false), Err(Errno::ACCESS_DENIED));
    assert_eq!(job(&run(1), json!({ "admin_comment": "x" }), false), Err(Errno::ACCESS_DENIED));
    assert_eq!(job(&run(1), json!({ "burst_buffer": "x" }), true), Err(Errno::NOT_SUPPORTED));
    assert_eq!(
        job(&run(1), json!({ "begin_time": { "set": true, "number": u64::MAX } }), true),
        Err(Errno::INVALID_TIME)
    );
}

fn node(body: Value) -> Result<(Vec<String>, NodeChange), Errno> {
    change::nodes(&["n9".to_owned()], &read::<NodeUpdate>(body), &[]).map_err(|fault| fault.errno)
}

#[test]
fn nodes() {
    let (names, change) =
        node(json!({ "name": ["n[1-2]", "n2"], "state": ["DRAIN"], "reason": "r", "weight": 3 })).unwrap();
    assert_eq!(names, ["n1", "n2"]);
    let expected = NodeChange {
        order: Some(NodeOrder::Drain),
        reason: Some("r".into()),
        weight: Some(3),
        ..NodeChange::default()
    };
    assert_eq!(change, expected);
    assert_eq!(node(json!({})).unwrap(), (vec!["n9".to_owned()], NodeChange::default()));
    for (body, errno) in [
        (json!({ "state": ["DOWN", "DRAIN"] }), Errno::NODE_TRANSITION),
        (json!({ "state": ["ALLOCATED"] }), Errno::INVALID_NODE_STATE),
        (json!({ "state": ["POWER_DOWN"] }), Errno::NOT_SUPPORTED),
        (json!({ "features": ["a"], "features_act": ["a", "b"] }), Errno::ACTIVE_FEATURES),
        (json!({ "name": ["n[1-"] }), Errno::INVALID_NODE_NAME),
        (json!({ "address": ["10.0.0.1"] }), Errno::NOT_SUPPORTED),
    ] {
        assert_eq!(node(body.clone()), Err(errno), "{body}");
    }
}

#[test]
fn a_partition_given_back_as_it_was_read_changes_nothing() {
    let view = PartitionView {
        name: "defq".into(),
        nodes: vec!["n1".into(), "n2".into(), "n3".into()],
        default: true,
        state: PartitionState::Up,
        minutes: Some(600),
        default_minutes: None,
        priority: 0,
        max_nodes: Some(2),
        most_cores: None,
        qos: Some("q".into()),
        allow_accounts: vec!["physics".into(), "chem".into()],
        allow_users: Vec::new(),
        allow_qos: Vec::new(),
        configured: true,
        cores: 12,
        memory: 0,
        gpus: 0,
    };
    let body = super::json(&shown(&view), Version::V45);
    let same = change::partition(&read::<Partition>(body.clone()), Some(&view)).unwrap();
    assert_eq!(same, PartitionChange::default());
    let mut other = body;
    other["partition"]["state"] = json!(["DRAIN"]);
    other["maximums"]["time"] = json!({ "set": false, "infinite": true });
    other["priority"]["job_factor"] = json!(5);
    other["accounts"]["allowed"] = json!("ALL");
    let changed = change::partition(&read::<Partition>(other), Some(&view)).unwrap();
    let expected = PartitionChange {
        state: Some(PartitionState::Drain),
        minutes: Some(UNLIMITED),
        priority: Some(5),
        allow_accounts: Some(Vec::new()),
        ..PartitionChange::default()
    };
    assert_eq!(changed, expected);
    let new = change::partition(&read(json!({ "name": "newp", "nodes": { "configured": "n1,n2" } })), None).unwrap();
    assert_eq!(new, PartitionChange { nodes: Some("n1,n2".into()), ..PartitionChange::default() });
    let denied = change::partition(&read(json!({ "name": "p", "groups": { "allowed": "g" } })), None);
    assert_eq!(denied.unwrap_err().errno, Errno::NOT_SUPPORTED);
}

#[test]
fn reservations() {
    let reservation = |body: Value| change::reservation(&read::<ReservationDesc>(body)).map_err(|fault| fault.errno);
    let (name, change) = reservation(json!({
        "name": "r", "duration": { "set": true, "number": 15 }, "node_list": ["n4", "n5"], "users": ["slurm"],
        "start_time": { "set": true, "number": 1_795_315_527 }, "end_time": { "set": true, "number": 4_294_967_294_u64 },
        "flags": ["IGNORE_JOBS", "NO_DAILY"], "accounts": [], "licenses": ["matlab:2"], "comment": "",
    }))
    .unwrap();
    assert_eq!(name, "r");
    let expected = ReservationChange {
        start: Some(1_795_315_527.0),
        minutes: Some(15),
        nodes: Some("n4,n5".into()),
        users: Some(vec!["slurm".into()]),
        licences: Some([("matlab".to_owned(), 2)].into()),
        flags: Some(vec!["IGNORE_JOBS".into(), "-DAILY".into()]),
        ..ReservationChange::default()
    };
    assert_eq!(change, expected);
    assert_eq!(reservation(json!({})), Err(Errno::INVALID_RESERVATION));
    assert_eq!(reservation(json!({ "name": "r", "groups": ["g"] })), Err(Errno::NOT_SUPPORTED));
    assert_eq!(reservation(json!({ "name": "r", "licenses": ["x:many"] })), Err(Errno::INVALID_LICENSES));
    let cores = reservation(json!({ "name": "r", "tres": [{ "type": "cpu", "count": 4 }] })).unwrap().1;
    assert_eq!(cores.core_count, Some(4));
}
