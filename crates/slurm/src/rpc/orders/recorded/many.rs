//! Heterogeneous jobs, allocations, and signals for many jobs, as slurmrestd sends them.

use serde_json::{Value, json};

use super::*;
use crate::objects::KillJobs;

#[test]
fn heterogeneous_jobs() {
    let of = |components: Value| -> Vec<JobDesc> {
        components.as_array().unwrap().iter().map(|desc| of_json(desc.clone())).collect()
    };
    let components = of(json!([
        { "script": SCRIPT, "name": "het", "current_working_directory": "/tmp", "environment": ["PATH=/bin"], "tasks": 1 },
        { "current_working_directory": "/tmp", "environment": ["PATH=/bin"], "partition": "gpu", "tasks": 2 },
    ]));
    same("rest-submit-het.4028", &bodies::submit_het(&components).unwrap());
    assert!(bodies::submit_het(&[]).is_err());
}

#[test]
fn allocations() {
    let desc = json!({
        "name": "allocated", "current_working_directory": "/tmp", "environment": ["PATH=/bin"], "tasks": 1, "partition": "defq",
        "time_limit": 5,
    });
    // slurmrestd waits on a port of its own for the news that the job has begun
    let bytes = sent("rest-allocate.4001");
    let mut real: Description<'_> = read(&bytes);
    assert_ne!(real.response_port, 0);
    real.response_port = 0;
    let mut to = Packer::new(PROTOCOL);
    real.write(&mut to);
    same_as("rest-allocate.4001", &to.into_bytes(), &bodies::allocate(&of_json(desc)).unwrap());
    assert!(bodies::allocate(&of_json(json!({ "script": SCRIPT }))).is_err());
}

fn users(name: &str) -> Option<u32> {
    (name == "alice").then_some(2001)
}

#[test]
fn signals_for_many_jobs() {
    let body = |wanted: Value| bodies::kill_many(&of_json::<KillJobs>(wanted), &users);
    same("rest-kill-many.5041", &body(json!({
        "account": "physics", "flags": ["BATCH_JOB", "VERBOSE"], "job_name": "name", "jobs": [JOB.to_string(), "7_3"],
        "nodes": ["n1", "n2"], "partition": "defq", "qos": "normal", "reservation": "r1", "signal": "USR1",
        "job_state": ["RUNNING"], "user_id": "2001", "user_name": "alice", "wckey": "key",
    })).unwrap());
    same("rest-kill-named.5041", &body(json!({ "jobs": [JOB.to_string()] })).unwrap());
    same("rest-kill-user.5041", &body(json!({ "user_name": "alice", "flags": ["FULL_JOB"] })).unwrap());
    same("rest-cancel.5041", &body(json!({ "jobs": [JOB.to_string()], "flags": ["FULL_JOB"] })).unwrap());
    let signal = json!({ "jobs": [JOB.to_string()], "flags": ["BATCH_JOB"], "signal": "USR1" });
    same("rest-signal.5041", &body(signal).unwrap());
    for good in ["7", "7_3", "7_[1-5,8]", "7+1"] {
        assert!(body(json!({ "jobs": [good] })).is_ok(), "{good}");
    }
    for bad in ["", "x", "7_", "7_[", "7_[x]", "7+", "7.0", "-7", "7;8", "99999999999", "7é"] {
        assert!(body(json!({ "jobs": [bad] })).is_err(), "{bad}");
    }
    let refused = |wanted: Value| body(wanted).unwrap_err().to_string();
    assert_eq!(refused(json!({})), "what says which jobs is missing");
    assert_eq!(refused(json!({ "signal": "USR1", "flags": ["FULL_JOB"] })), "what says which jobs is missing");
    assert!(refused(json!({ "user_name": "nobody" })).contains("nobody"));
    assert!(refused(json!({ "job_state": ["COMPLETED"] })).contains("COMPLETED"));
    assert!(refused(json!({ "jobs": ["7"], "signal": "NOTHING" })).contains("NOTHING"));
    assert!(refused(json!({ "jobs": ["7"], "flags": ["OUT_OF_MEMORY"] })).contains("OUT_OF_MEMORY"));
}
