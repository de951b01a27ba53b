//! What few ask for: each field that slurmrestd hands on, as it does.

use serde_json::{Value, json};

use super::*;

/// All of it at once.
const MORE: &str = r##"{
        "script": "#!/bin/sh\nsleep 60\n", "current_working_directory": "/tmp", "environment": ["PATH=/bin"], "account_gather_frequency": "task=30",
        "admin_comment": "administrator", "allocation_node_list": "node", "allocation_node_port": 7, "batch_features": "fake",
        "flags": ["KILL_INVALID_DEPENDENCY", "SPREAD_JOB", "STEPMGR_ENABLED", "GRES_BINDING_DISABLED"], "burst_buffer": "bb",
        "clusters": "testcl", "cluster_constraint": "there", "container": "/bundle", "container_id": "contained",
        "core_specification": 1, "cpu_binding": "map", "cpu_binding_flags": ["CPU_BIND_MAP", "VERBOSE"],
        "cpu_frequency": "low-high:performance", "crontab": { "specification": "@daily" }, "delay_boot": 5, "end_time": 1893628800,
        "group_id": "100", "user_id": "2001", "hetjob_group": 3, "immediate": true, "job_id": 77,
        "rlimits": { "nofile": 7, "cpu": 5, "as": { "set": true, "infinite": true } }, "kill_on_node_fail": true,
        "mcs_label": "label", "memory_binding": "local", "memory_binding_type": ["LOCAL", "VERBOSE"], "network": "net",
        "oom_kill_step": 1, "reserve_ports": 9, "overcommit": true, "prefer": "fake", "profile": ["ENERGY", "TASK"],
        "site_factor": 8, "spank_environment": ["A=B", "C=D"], "distribution": "block:cyclic", "tres_bind": "gres/gpu:closest",
        "tres_freq": "gpu:low", "wait_all_nodes": true, "kill_warning_signal": "10",
        "kill_warning_flags": ["BATCH_JOB", "RESERVATION_JOB"], "maximum_cpus": 6, "minimum_boards_per_node": 1,
        "minimum_sockets_per_board": 2, "sockets_per_node": 3, "tasks_per_socket": 5, "tasks_per_core": 6, "tasks_per_board": 7,
        "ntasks_per_tres": 8, "selinux_context": "context", "required_switches": 2, "segment_size": 3, "wait_for_switch": 60,
        "x11": ["LAST_NODE", "BATCH_NODE"], "x11_magic_cookie": "cookie", "x11_target_host": "target", "x11_target_port": 6000,
        "mail_type": ["TIME=50%", "ARRAY_TASKS"], "shared": ["topo"], "nodes": "1-15:4"
}"##;

/// As slurmrestd sends it, without the bits of "not set" that it leaves in three fields of bits, and that mean nothing.
fn without_leftovers(protocol: Protocol, name: &str) -> Vec<u8> {
    let bytes = sent(protocol, name);
    let mut record: Description<'_> = read(protocol, &bytes);
    assert_eq!((record.mail_type, record.cpu_bind_type), (0xfa80, 0xd081));
    assert!([0xff61, 0xff21].contains(&record.mem_bind_type), "{:#x}", record.mem_bind_type);
    (record.mail_type, record.cpu_bind_type, record.mem_bind_type) = (0x280, 0x81, 0x21);
    written(protocol, &record)
}

#[test]
fn submissions_with_all_that_few_ask_for() {
    let more: Value = serde_json::from_str(MORE).unwrap();
    for (protocol, _) in SPOKEN {
        let real = without_leftovers(protocol, "rest-submit-more.4003");
        same_as(protocol, "rest-submit-more.4003", &real, &bodies::submit(protocol, &of_json(more.clone())).unwrap());
    }
    same("rest-submit-sharing.4003", |protocol| {
        let desc = json!({
            "script": SCRIPT, "current_working_directory": "/tmp", "environment": ["PATH=/bin", "SLURM_DISTRIBUTION=old"],
            "shared": ["mcs"], "thread_specification": 2, "cpu_frequency": "2000", "distribution": "plane=4",
            "kill_on_node_fail": false, "overcommit": false, "wait_all_nodes": false, "nodes": "4,8-9",
            "required_switches": { "infinite": true }, "segment_size": { "infinite": true },
            "kill_warning_delay": { "infinite": true }, "profile": ["NONE"], "mail_type": [], "flags": [], "group_id": "100",
        });
        bodies::submit(protocol, &of_json(desc))
    });
}

/// What sbatch sends for the same options, where it has them. It takes times in minutes.
#[test]
fn submissions_as_sbatch_asks_for_them() {
    for (protocol, _) in SPOKEN {
        let bytes = sent(protocol, "submit-more.4003");
        let real: Description<'_> = read(protocol, &bytes);
        let desc = of_json(json!({
            "account_gather_frequency": "task=30", "cluster_constraint": "there", "container": "/bundle", "core_specification": 1,
            "cpu_frequency": "low-high:performance", "delay_boot": 300, "shared": ["user"],
            "flags": ["KILL_INVALID_DEPENDENCY", "SPREAD_JOB"], "network": "net", "oom_kill_step": 1, "overcommit": true,
            "profile": ["TASK", "ENERGY"], "distribution": "block:cyclic", "tres_freq": "gpu:low", "wait_all_nodes": true,
            "tasks_per_socket": 5, "required_switches": 2, "wait_for_switch": 3600, "kill_on_node_fail": false,
            "mail_type": ["TIME=50%", "ARRAY_TASKS"],
        }));
        let bytes = bodies::submit(protocol, &desc).unwrap();
        let ours: Description<'_> = read(protocol, &bytes);
        macro_rules! equal {
            ($($field:ident)*) => {$( assert_eq!(ours.$field, real.$field, "{} in {protocol}", stringify!($field)); )*};
        }
        equal! {
            gather_frequency cluster_features container specialized cpu_minimum cpu_maximum cpu_governor delay_boot shared network
            oom_kill_step overcommit profile distribution tres_freq wait_all_nodes ntasks_per_socket required_switches
            switch_wait kill_on_node_fail mail_type
        }
        // sbatch says, too, that it gave a number of tasks
        assert_eq!(real.flags & 0x101, ours.flags & 0x101, "{:#x} {:#x}", real.flags, ours.flags);
    }
}

#[test]
fn changes_of_what_few_ask_for() {
    same("rest-update-more.3001", |protocol| {
        let desc = json!({
            "admin_comment": "administrator", "flags": ["KILL_INVALID_DEPENDENCY", "SPREAD_JOB"], "shared": ["user"],
            "kill_on_node_fail": true, "burst_buffer": "bb", "end_time": 1_893_628_800, "delay_boot": 5, "core_specification": 1,
            "nodes": "4,8", "group_id": "100", "required_switches": 2, "wait_for_switch": 60, "rlimits": { "cpu": 5 },
        });
        bodies::update_job(protocol, JOB, &of_json(desc))
    });
}

#[test]
fn words_of_the_oldest_versions() {
    let shared = |desc: Value| {
        let zone = jiff::tz::TimeZone::UTC;
        let desc = Json::new(Version::parse("v0.0.41").unwrap(), 0, &zone).object(desc);
        let bytes = bodies::submit(Protocol::V24_11, &desc).unwrap();
        let order: Description<'_> = read(Protocol::V24_11, &bytes);
        (order.shared, order.reserved_ports)
    };
    // as slurmrestd 24.11 sends them in v0.0.41
    assert_eq!(shared(json!({ "exclusive": ["user"] })), (2, 0));
    assert_eq!(shared(json!({ "exclusive": ["true"] })), (0, 0));
    assert_eq!(shared(json!({ "oversubscribe": true, "resv_mpi_ports": 3 })), (1, 3));
    assert_eq!(shared(json!({ "oversubscribe": false })), (0, 0));
}

#[test]
fn what_no_job_can_be() {
    let refused = |desc: Value| bodies::submit(Protocol::V26_05, &of_json::<JobDesc>(desc)).unwrap_err().to_string();
    for (desc, field) in [
        (json!({ "core_specification": 0 }), "core_specification"),
        (json!({ "thread_specification": 32_768 }), "thread_specification"),
        (json!({ "cpu_frequency": "low-high" }), "cpu_frequency"),
        (json!({ "distribution": "bogus" }), "distribution"),
        (json!({ "distribution": "arbitrary" }), "distribution"),
        (json!({ "distribution": "block", "distribution_plane_size": 4 }), "distribution"),
        (json!({ "group_id": "users" }), "group_id"),
        (json!({ "end_time": -1 }), "end_time"),
        (json!({ "delay_boot": -5 }), "delay_boot"),
        (json!({ "step_id": { "step_id": "nonsense" } }), "step_id"),
    ] {
        let words = refused(desc);
        assert!(words.starts_with(&format!("{field}: ")) && words.ends_with(" is not possible"), "{words}");
    }
}
