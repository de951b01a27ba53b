//! Orders of several parts, for others, and that wait, beside slurmrestd's: heterogeneous jobs, allocations, jobs that root submits
//! for somebody, tasks of arrays.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fixture::http::Address;
use crate::fixture::{Answer, Client, Cluster, Gateway, SOON, wait_for};
use crate::live_jobs::{described, front, serve, user};

fn theirs(cluster: &Cluster, name: &str) -> Client {
    let mut client = Client::new(Address::Tcp(cluster.slurmrestd));
    client.headers.push(("x-slurm-user-token".into(), cluster.token(name)));
    client
}

/// What is to be the same in two answers to the same order: all but numbers of jobs and who has answered. Statuses of refusals differ
/// by the release that a version follows, and Jobgate adds the controller's own words (docs/slurm.md).
fn compared(answer: &Answer) -> (bool, Value) {
    let mut value = answer.json();
    value.as_object_mut().unwrap().remove("meta");
    for at in ["/job_id", "/result/job_id"] {
        if let Some(id) = value.pointer_mut(at).filter(|id| id.as_u64().is_some_and(|id| id > 0)) {
            *id = json!(1);
        }
    }
    if value["results"].is_null() {
        value["results"] = json!([]);
    }
    (answer.status == 200, value)
}

#[track_caller]
fn assert_same(ours: &Answer, real: &Answer, what: &str) {
    let (mut ours, real) = (compared(ours), compared(real));
    if let (Some(said), Some(short)) =
        (ours.1.pointer_mut("/errors/0/description"), real.1.pointer("/errors/0/description"))
        && said.as_str().unwrap().starts_with(&format!("{}: ", short.as_str().unwrap()))
    {
        *said = short.clone();
    }
    assert_eq!(ours, real, "{what}");
}

fn components(cluster: &Cluster, script: &str) -> Vec<Value> {
    let mut first = described(cluster, script);
    let script = first.as_object_mut().unwrap().remove("script").unwrap();
    let mut second = first.clone();
    second["tasks"] = json!(2);
    second["name"] = json!("theirs");
    first["script"] = script;
    vec![first, second]
}

/// The version of slurmrestd's that is newest, among those that all releases in question have.
const SUBMIT: &str = "/slurm/v0.0.42/job/submit";

#[test]
fn heterogeneous_jobs_are_submitted_as_slurmrestd_does() {
    let Some(cluster) = Cluster::shared() else { return };
    let home = front(&cluster, cluster.controller);
    let gateway = serve(&home);
    let mut alice = user(&cluster, &gateway, "alice");
    let mut theirs = theirs(&cluster, "alice");
    let good = components(&cluster, "true");
    let change = |place: usize, key: &str, value: Value| {
        let mut jobs = good.clone();
        jobs[place][key] = value;
        json!({ "jobs": jobs })
    };
    for body in [
        json!({ "jobs": good }),
        json!({ "jobs": good[..1] }),
        json!({ "jobs": good, "job": good[0] }),
        json!({ "jobs": good[1..] }),
        change(0, "hold", json!(true)),
        change(1, "partition", json!("nowhere")),
        change(1, "current_working_directory", Value::Null),
        change(0, "script", json!("")),
        json!({ "script": "#!/bin/sh\ntrue\n", "jobs": good[1..] }),
    ] {
        let (ours, real) = (alice.post(SUBMIT, &body), theirs.post(SUBMIT, &body));
        assert_same(&ours, &real, &body.to_string());
    }
    // slurmrestd's number for it is whatever went wrong before, if anything did
    let nothing = json!({ "jobs": [] });
    let (ours, real) = (alice.post(SUBMIT, &nothing), theirs.post(SUBMIT, &nothing));
    let why = |answer: &Answer| answer.json()["errors"][0]["description"].clone();
    assert_eq!((ours.status, why(&ours)), (422, why(&real)));
    cluster.exec("root", &["scancel", "--user=alice", "--name=mine,theirs"]);
}

#[test]
fn a_heterogeneous_job_is_one_of_the_gateways_and_runs_once() {
    let Some(cluster) = Cluster::shared() else { return };
    let home = front(&cluster, cluster.controller);
    let mut gateway = serve(&home);
    let mut alice = user(&cluster, &gateway, "alice");
    let note = cluster.work().join(format!("het-{}", std::process::id()));
    let script = format!("echo \"$SLURM_JOB_ID $SLURM_HET_SIZE\" >> {}; exit 3", note.display());
    let body = json!({ "jobs": components(&cluster, &script) }).to_string();
    let headers = [("content-type", "application/json"), ("idempotency-key", "het")];
    let submit = |client: &mut Client| {
        let body = crate::fixture::http::Body::Bytes(body.as_bytes());
        let answer = client.request("POST", SUBMIT, &headers, &body).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["job_id"].as_u64().unwrap()
    };
    let number = submit(&mut alice);
    gateway.kill();
    gateway = serve(&home);
    alice = user(&cluster, &gateway, "alice");
    assert_eq!(submit(&mut alice), number, "the same key is the same job");
    let jobs = alice.get("/v2/jobs").json();
    assert_eq!(jobs.as_array().unwrap().len(), 1, "{jobs}");
    let jobid = jobs[0]["jobid"].as_str().unwrap().to_owned();
    let shown = alice.get(&format!("/slurm/v0.0.42/job/{number}")).json();
    let parts = shown["jobs"].as_array().unwrap();
    let text = |key: &str| parts.iter().map(|part| part[key].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>();
    assert_eq!((text("name"), text("comment")), (["mine".into(), "theirs".into()].into(), [String::new()].into()));
    let rows = wait_for("the job to fail", Duration::from_secs(60), || {
        let rows = home.rows(&jobid);
        rows.iter().any(|row| row.state == "failed").then_some(rows)
    });
    assert_eq!(rows.iter().map(|row| row.state.as_str()).collect::<Vec<_>>(), ["new", "queued", "active", "failed"]);
    assert_eq!((&rows[1].info, rows[3].info.as_str()), (&number.to_string(), "3"));
    assert_eq!(fs::read_to_string(&note).unwrap(), format!("{number} 2\n"));
}

#[test]
fn an_allocation_is_answered_when_it_has_started() {
    let Some(cluster) = Cluster::shared() else { return };
    let home = front(&cluster, cluster.controller);
    let gateway = serve(&home);
    let mut alice = user(&cluster, &gateway, "alice");
    let begin = jiff::Timestamp::now().as_second() + 6;
    let body = json!({ "job": {
        "name": "later", "begin_time": { "set": true, "number": begin }, "current_working_directory": "/tmp",
        "time_limit": { "set": true, "number": 1 },
    } });
    let answer = alice.post("/slurm/v0.0.42/job/allocate", &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(jiff::Timestamp::now().as_second() >= begin, "it was not waited for");
    let id = answer.json()["job_id"].as_u64().unwrap();
    let state = cluster.ok("root", &["squeue", "-h", "-o", "%T", "-j", &id.to_string()]);
    assert_eq!(state, "RUNNING\n");
    assert_eq!(alice.delete(&format!("/slurm/v0.0.42/job/{id}")).status, 200);
    // slurmrestd waits as well
    let begun = Instant::now();
    let later = json!({ "job": {
        "name": "later", "begin_time": { "set": true, "number": jiff::Timestamp::now().as_second() + 4 },
        "current_working_directory": "/tmp",
    } });
    let real = theirs(&cluster, "alice").post("/slurm/v0.0.42/job/allocate", &later);
    assert!(real.status == 200 && begun.elapsed() > Duration::from_secs(3), "{}", real.text());
}

/// Whose a job is.
fn owner(cluster: &Cluster, id: &Value) -> String {
    cluster.ok("root", &["squeue", "-h", "-o", "%u %g", "-j", &id.to_string()]).trim().to_owned()
}

#[test]
fn root_submits_for_others_and_nobody_else_does() {
    let Some(cluster) = Cluster::shared() else { return };
    let home = front(&cluster, cluster.controller);
    let gateway = serve(&home);
    let mut root = user(&cluster, &gateway, "root");
    let mut job = described(&cluster, "true");
    job["hold"] = json!(true);
    for named in ["alice", "2001"] {
        job["user_id"] = json!(named);
        let (ours, real) =
            (root.post(SUBMIT, &json!({ "job": job })), theirs(&cluster, "root").post(SUBMIT, &json!({ "job": job })));
        assert_same(&ours, &real, named);
        assert_eq!(owner(&cluster, &ours.json()["job_id"]), "alice alice");
        assert!(owner(&cluster, &real.json()["job_id"]).starts_with("alice "));
    }
    // they are alice's jobs of the gateway
    let mut alice = user(&cluster, &gateway, "alice");
    let jobs = alice.get("/v2/jobs").json();
    assert_eq!(jobs.as_array().unwrap().len(), 2, "{jobs}");
    for (name, named) in [("alice", "bob"), ("bob", "2001"), ("bob", "root")] {
        job["user_id"] = json!(named);
        let body = json!({ "job": job });
        let ours = user(&cluster, &gateway, name).post(SUBMIT, &body);
        assert_same(&ours, &theirs(&cluster, name).post(SUBMIT, &body), &format!("{name} for {named}"));
    }
    job["user_id"] = json!("alice");
    let own = alice.post(SUBMIT, &json!({ "job": job }));
    assert_eq!(own.status, 200, "{}", own.text());
    cluster.exec("root", &["scancel", "--user=alice", "--name=mine"]);
}

#[test]
fn tasks_of_arrays_are_not_changed_one_by_one() {
    let Some(cluster) = Cluster::shared() else { return };
    let home = front(&cluster, cluster.controller);
    let gateway: Gateway = serve(&home);
    let mut alice = user(&cluster, &gateway, "alice");
    let mut job = described(&cluster, "true");
    (job["hold"], job["array"]) = (json!(true), json!("1-3"));
    let id = alice.post(SUBMIT, &json!({ "job": job })).json()["job_id"].as_u64().unwrap();
    for path in [format!("{id}_2"), format!("{id}")] {
        for version in [40, 42] {
            let url = format!("/slurm/v0.0.{version}/job/{path}");
            let change = json!({ "comment": "changed" });
            let (ours, real) = (alice.post(&url, &change), theirs(&cluster, "alice").post(&url, &change));
            if real.status != 404 {
                assert_same(&ours, &real, &url);
            }
        }
    }
    let shown = wait_for("the array", SOON, || {
        let shown = alice.get(&format!("/slurm/v0.0.42/job/{id}")).json();
        shown["jobs"][0]["comment"].as_str().map(str::to_owned)
    });
    assert_eq!(shown, "changed");
    cluster.exec("root", &["scancel", &id.to_string()]);
}
