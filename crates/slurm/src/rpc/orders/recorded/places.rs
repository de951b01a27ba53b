//! Reservations, partitions and nodes that are added, as scontrol sends them.

use serde_json::{Value, json};

use super::*;
use crate::objects::ReservationDesc;

/// 2030-01-01T00:00:00Z.
const START: u64 = 1_893_456_000;
const DAY: u64 = 86_400;

fn made(name: &str, desc: Value) {
    let desc: ReservationDesc = of_json(desc);
    same(&format!("{name}.3006"), |protocol| bodies::create_reservation(protocol, &desc));
}

fn changed(name: &str, desc: Value) {
    let desc: ReservationDesc = of_json(desc);
    same(&format!("{name}.3009"), |protocol| bodies::update_reservation(protocol, &desc));
}

#[test]
fn reservations_that_are_made() {
    made(
        "reservation",
        json!({
            "name": "r9", "start_time": START, "duration": 60, "users": ["alice", "bob"], "node_list": ["n1", "n2"],
            "flags": ["MAINT", "IGNORE_JOBS"],
        }),
    );
    made(
        "reservation-much",
        json!({
            "name": "r9", "start_time": START, "end_time": START + DAY, "accounts": ["physics", "chem"], "node_count": 2,
            "partition": "defq", "features": "fake", "licenses": ["matlab:2"], "max_start_delay": 3600, "burst_buffer": "bb",
            "comment": "words", "flags": ["DAILY", "PURGE_COMP", "REPLACE_DOWN", "MAGNETIC"], "purge_completed": { "time": 300 },
            "tres": [{ "type": "cpu", "count": 4 }, { "type": "gres", "name": "gpu", "count": 2 }],
        }),
    );
    made(
        "reservation-cores",
        json!({
            "name": "r9", "start_time": START, "duration": { "infinite": true }, "groups": ["users"], "core_count": 3,
            "flags": ["FLEX", "ANY_NODES", "NO_HOLD_JOBS_AFTER_END"],
        }),
    );
    made(
        "reservation-per-node",
        json!({
            "name": "r9", "start_time": START, "duration": 60, "users": ["alice"], "node_count": 2, "flags": ["TRES_PER_NODE"],
            "tres": [{ "type": "gres", "name": "gpu", "count": 1 }],
        }),
    );
    made(
        "reservation-flags",
        json!({
            "name": "r9", "start_time": START, "duration": 60, "users": ["alice"], "node_count": 1,
            "flags": [
                "MAINT", "OVERLAP", "FLEX", "IGNORE_JOBS", "HOURLY", "DAILY", "WEEKDAY", "WEEKEND", "WEEKLY", "ANY_NODES", "STATIC",
                "MAGNETIC", "PURGE_COMP", "TIME_FLOAT", "REPLACE", "REPLACE_DOWN", "NO_HOLD_JOBS_AFTER_END", "USER_DELETE",
            ],
        }),
    );
}

#[test]
fn reservations_of_whole_partitions() {
    let partition =
        json!({ "name": "r9", "start_time": START, "duration": 60, "users": ["alice"], "partition": "defq" });
    made("reservation-partition", partition.clone());
    let mut all = partition;
    all["node_list"] = json!(["ALL"]);
    made("reservation-all", all);
    let unnamed = json!({ "start_time": START, "duration": 60, "users": ["alice"], "node_list": ["ALL"] });
    made("reservation-unnamed", unnamed);
}

#[test]
fn changes_of_reservations() {
    let change =
        json!({ "name": "r9", "duration": 120, "users": ["carol"], "comment": "other", "flags": ["NO_DAILY"] });
    changed("reservation-update", change);
    changed("reservation-update-less", json!({ "name": "r9", "end_time": START + 2 * DAY }));
    // what a reservation tells of itself is not asked for
    changed("reservation-update-less", json!({ "name": "r9", "end_time": START + 2 * DAY, "flags": ["SPEC_NODES"] }));
    changed("reservation-skip", json!({ "name": "r9", "flags": ["SKIP"] }));
    changed("reservation-longer", json!({ "name": "r9", "duration": 5, "flags": ["DURATION_PLUS"] }));
    changed("reservation-shorter", json!({ "name": "r9", "duration": 5, "flags": ["DURATION_MINUS"] }));
    changed(
        "reservation-flags-less",
        json!({ "name": "r9", "flags": [
        "NO_MAINT", "NO_FLEX", "NO_IGNORE_JOBS", "NO_HOURLY", "NO_DAILY", "NO_WEEKDAY", "NO_WEEKEND", "NO_WEEKLY", "NO_ANY_NODES",
        "NO_STATIC", "NO_PART_NODES", "NO_MAGNETIC", "NO_PURGE_COMP", "NO_USER_DELETE",
    ] }),
    );
    same("reservation-delete.3008", |protocol| bodies::delete(protocol, "r9"));
}

#[test]
fn reservations_that_are_not_sent() {
    let refused = |desc: Value| {
        bodies::create_reservation(Protocol::V24_11, &of_json::<ReservationDesc>(desc)).unwrap_err().to_string()
    };
    let whole = json!({ "start_time": START, "duration": 60, "users": ["alice"], "node_list": ["n1"] });
    let without = |key: &str| {
        let mut desc = whole.clone();
        desc.as_object_mut().unwrap().remove(key);
        refused(desc)
    };
    assert_eq!(without("start_time"), "start_time is missing");
    assert_eq!(without("duration"), "end_time or duration is missing");
    assert_eq!(without("users"), "users, groups or accounts is missing");
    assert!(without("node_list").ends_with("or tres is missing"), "{}", without("node_list"));
    let with = |key: &str, value: Value| {
        let mut desc = whole.clone();
        desc[key] = value;
        refused(desc)
    };
    assert!(with("end_time", json!(START + 7)).contains("end_time"));
    assert!(with("groups", json!(["users"])).contains("groups"));
    assert!(with("flags", json!(["PART_NODES"])).contains("PART_NODES"));
    assert!(with("flags", json!(["REOCCURRING"])).contains("REOCCURRING"));
    assert!(with("flags", json!(["FORCE_START"])).contains("FORCE_START"));
    assert!(with("node_count", json!({ "infinite": true })).contains("node_count"));
    assert!(with("start_time", json!(u64::from(u32::MAX))).contains("start_time"));
    let nameless = bodies::update_reservation(Protocol::V24_11, &of_json::<ReservationDesc>(json!({ "duration": 5 })));
    assert_eq!(nameless.unwrap_err().to_string(), "name is missing");
    assert!(bodies::delete(Protocol::V24_11, "").is_err());
}

fn partition(name: &str, partition: Value) {
    let partition: Partition = of_json(partition);
    same(name, |protocol| bodies::partition(protocol, &partition));
}

#[test]
fn partitions_that_are_made() {
    partition("partition.3003", json!({ "name": "p9", "nodes": { "configured": "n1,n2" } }));
    partition("partition.3003", json!({ "name": "p9", "nodes": { "configured": "n1" }, "node_sets": "n2" }));
    partition(
        "partition-much.3003",
        json!({
            "name": "p9", "nodes": { "configured": "n1,n2", "allowed_allocation": "n3" }, "accounts": { "allowed": "physics" },
            "groups": { "allowed": "users" }, "qos": { "allowed": "normal", "assigned": "normal" }, "alternate": "defq",
            "tres": { "billing_weights": "CPU=2.0" }, "cpus": { "task_binding": ["CPU_BIND_TO_CORES"] },
            "defaults": { "partition_memory_per_cpu": 100, "time": 30, "job": "DefCpuPerGPU=2" },
            "flags": ["DEFAULT", "HIDDEN", "NO_ROOT", "ROOT_ONLY", "REQ_RESV", "LLN", "PDOI"], "grace_time": 9,
            "maximums": {
                "cpus_per_node": 3, "cpus_per_socket": 2, "partition_memory_per_cpu": 200, "nodes": 5, "time": 60, "over_time_limit": 7,
            },
            "minimums": { "nodes": 2 }, "preempt_mode": ["REQUEUE"], "priority": { "job_factor": 11, "tier": 12 },
            "partition": { "oversubscribe": "FORCE:3", "state": ["DOWN"] },
        }),
    );
}

#[test]
fn partitions_with_nodes_for_users_and_topology() {
    // to say whose nodes are says whose they are not, too, which scontrol 24.11 has a word of its own for
    let (user, topology) = (json!({ "oversubscribe": "YES:2", "exclusive": "USER", "state": ["DRAIN"] }), 1 << 17);
    let denials = |partition: Value| {
        json!({
            "name": "p9", "nodes": { "configured": "ALL" }, "accounts": { "deny": "chem" }, "qos": { "deny": "sample" },
            "defaults": { "partition_memory_per_node": 100 }, "preempt_mode": ["SUSPEND"], "partition": partition,
            "maximums": {
                "partition_memory_per_node": 200, "time": { "infinite": true }, "nodes": { "infinite": true },
                "cpus_per_node": { "infinite": true }, "over_time_limit": { "infinite": true },
            },
        })
    };
    same_but_for_flags("partition-denials.3003", denials(user), topology);
    let alone = json!({ "exclusive": "TOPO", "oversubscribe": "YES", "state": ["INACTIVE"] });
    let alone = json!({ "name": "p9", "preempt_mode": ["DISABLED"], "partition": alone });
    same_but_for_flags("partition-topo.3003", alone, 1 << 14);
}

/// What scontrol sent, with more flags.
fn same_but_for_flags(name: &str, ours: Value, flags: u32) {
    let ours: Partition = of_json(ours);
    for (protocol, _) in SPOKEN {
        let bytes = sent(protocol, name);
        let mut record: PartitionChange<'_> = read(protocol, &bytes);
        assert_eq!(record.flags & flags, 0);
        record.flags |= flags;
        let ours = bodies::partition(protocol, &ours).unwrap();
        same_as(protocol, name, &written(protocol, &record), &ours);
    }
}

#[test]
fn changes_of_partitions() {
    let update = json!({
        "name": "defq", "maximums": { "time": 90 }, "partition": { "state": ["UP"], "oversubscribe": "no" },
    });
    partition("partition-update.3005", update);
    partition(
        "partition-clear.3005",
        json!({
            "name": "p9", "partition": { "exclusive": "NO" },
            "flags": [
                "DEFAULT_CLEAR", "HIDDEN_CLEAR", "NO_ROOT_CLEAR", "ROOT_ONLY_CLEAR", "REQ_RESV_CLEAR", "LLN_CLEAR", "PDOI_CLEAR",
            ],
        }),
    );
    partition(
        "partition-loose.3005",
        json!({
            "name": "p9", "cpus": { "task_binding": ["CPU_BIND_OFF"] }, "preempt_mode": ["CANCEL"],
            "partition": { "exclusive": "NO", "oversubscribe": "YES" },
        }),
    );
    partition(
        "partition-threads.3005",
        json!({
            "name": "p9", "cpus": { "task_binding": ["CPU_BIND_TO_THREADS"] }, "partition": { "oversubscribe": "FORCE" },
        }),
    );
    // an empty text takes back what was said; of weights, defaults and nodes it says nothing
    partition(
        "partition-empty.3005",
        json!({
            "name": "p9", "accounts": { "allowed": "", "deny": "" }, "nodes": { "allowed_allocation": "", "configured": "" },
            "groups": { "allowed": "" }, "qos": { "allowed": "", "deny": "", "assigned": "" }, "alternate": "",
            "tres": { "billing_weights": "" }, "defaults": { "job": "" },
        }),
    );
    same("partition-delete.3004", |protocol| bodies::delete(protocol, "p9"));
}

#[test]
fn partitions_that_were_shown_can_be_given_back() {
    let path = folder(Protocol::V25_11).join("../reads/partitions.json");
    let shown: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for mut one in shown {
        // as v0.0.45 shows it
        one["cpus"]["task_binding"] = json!([]);
        one["preempt_mode"] = json!(["CLUSTER_GLOBAL"]);
        one["flags"] = json!(["DEFAULT"]);
        bodies::partition(Protocol::V24_11, &of_json::<Partition>(one)).unwrap();
    }
}

#[test]
fn partitions_that_are_not_sent() {
    let refused = |partition: Value| {
        let mut named = json!({ "name": "p9" });
        named.as_object_mut().unwrap().extend(partition.as_object().unwrap().clone());
        bodies::partition(Protocol::V24_11, &of_json::<Partition>(named)).unwrap_err().to_string()
    };
    assert!(refused(json!({ "name": "" })).contains("name is missing"));
    assert!(refused(json!({ "topology": "tree" })).contains("topology cannot be said"));
    assert!(refused(json!({ "priority": { "tier": 70_000 } })).contains("priority_tier: 70000 is not possible"));
    assert!(refused(json!({ "grace_time": -1 })).contains("-1"));
    for share in ["YES:1", "YES:x", "FORCE:0", "FORCE:40000", "MAYBE", "NO:2"] {
        assert!(refused(json!({ "partition": { "oversubscribe": share } })).contains(share));
    }
    assert!(refused(json!({ "partition": { "exclusive": "MAYBE" } })).contains("MAYBE"));
    assert!(refused(json!({ "partition": { "state": ["UP", "DOWN"] } })).contains("UP,DOWN"));
    assert!(refused(json!({ "preempt_mode": ["PRIORITY"] })).contains("PRIORITY"));
    assert!(refused(json!({ "cpus": { "task_binding": ["VERBOSE"] } })).contains("VERBOSE"));
    let both = json!({ "partition_memory_per_cpu": 1, "partition_memory_per_node": 2 });
    assert!(refused(json!({ "maximums": both })).contains("per CPU and per node"));
}

#[test]
fn nodes_that_are_added_and_removed() {
    same("node-create.3015", |protocol| bodies::create_nodes(protocol, "NodeName=n9 CPUs=4 State=CLOUD"));
    same("node-delete.3014", |protocol| bodies::delete_nodes(protocol, "n9"));
    same("rest-node-delete.3014", |protocol| bodies::delete_nodes(protocol, "n9"));
    for bad in ["", "CPUs=4", "NodeName=", "NodeName=n9\nNodeName=n10"] {
        assert!(bodies::create_nodes(Protocol::V24_11, bad).is_err(), "{bad}");
    }
    assert!(bodies::delete_nodes(Protocol::V24_11, "").is_err());
}
