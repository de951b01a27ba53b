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
    same("rest-submit-het.4028", |protocol| bodies::submit_het(protocol, &components));
    assert!(bodies::submit_het(Protocol::V24_11, &[]).is_err());
}

#[test]
fn allocations() {
    let desc = json!({
        "name": "allocated", "current_working_directory": "/tmp", "environment": ["PATH=/bin"], "tasks": 1, "partition": "defq",
        "time_limit": 5,
    });
    // slurmrestd waits on a port of its own for the news that the job has begun
    for (protocol, _) in SPOKEN {
        let bytes = sent(protocol, "rest-allocate.4001");
        let mut real: Description<'_> = read(protocol, &bytes);
        assert_ne!(real.response_port, 0);
        real.response_port = 0;
        let ours = bodies::allocate(protocol, &of_json(desc.clone())).unwrap();
        same_as(protocol, "rest-allocate.4001", &written(protocol, &real), &ours);
    }
    assert!(bodies::allocate(Protocol::V24_11, &of_json(json!({ "script": SCRIPT }))).is_err());
}

#[test]
fn heterogeneous_allocations() {
    let components: Vec<JobDesc> = [
        json!({
            "name": "het", "current_working_directory": "/tmp", "environment": ["PATH=/bin"], "tasks": 1, "partition": "defq",
            "time_limit": 5,
        }),
        json!({
            "current_working_directory": "/tmp", "environment": ["PATH=/bin"], "tasks": 2, "partition": "gpu", "nodes": "2",
        }),
    ]
    .map(of_json)
    .into();
    for (protocol, _) in SPOKEN {
        let bytes = sent(protocol, "rest-allocate-het.4025");
        let mut real = Packer::new(protocol);
        for mut component in components_of(protocol, &bytes, &mut real) {
            // slurmrestd waits on a port of its own for the news that the job has begun
            assert_ne!(component.response_port, 0);
            component.response_port = 0;
            component.write(&mut real);
        }
        let ours = bodies::allocate_het(protocol, &components).unwrap();
        same_as(protocol, "rest-allocate-het.4025", &real.into_bytes(), &ours);
    }
    assert!(bodies::allocate_het(Protocol::V24_11, &[]).is_err());
}

fn users(name: &str) -> Option<u32> {
    (name == "alice").then_some(2001)
}

#[test]
fn signals_for_many_jobs() {
    let order = |wanted: Value| {
        move |protocol: Protocol| bodies::kill_many(protocol, &of_json::<KillJobs>(wanted.clone()), &users)
    };
    let body = |wanted: Value| order(wanted)(Protocol::V24_11);
    same(
        "rest-kill-many.5041",
        order(json!({
            "account": "physics", "flags": ["BATCH_JOB", "VERBOSE"], "job_name": "name", "jobs": [JOB.to_string(), "7_3"],
            "nodes": ["n1", "n2"], "partition": "defq", "qos": "normal", "reservation": "r1", "signal": "USR1",
            "job_state": ["RUNNING"], "user_id": "2001", "user_name": "alice", "wckey": "key",
        })),
    );
    same("rest-kill-named.5041", order(json!({ "jobs": [JOB.to_string()] })));
    same("rest-kill-user.5041", order(json!({ "user_name": "alice", "flags": ["FULL_JOB"] })));
    same("rest-cancel.5041", order(json!({ "jobs": [JOB.to_string()], "flags": ["FULL_JOB"] })));
    let signal = json!({ "jobs": [JOB.to_string()], "flags": ["BATCH_JOB"], "signal": "USR1" });
    same("rest-signal.5041", order(signal));
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
