//! Jobs of Slurm's dialect on a real cluster: they are the controller's as slurmrestd would have queued them, and the gateway's
//! with state, owner and safe repetition. The gateway itself runs on a machine without any of Slurm's programs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fixture::http::Body;
use crate::fixture::{Answer, Client, Cluster, Gateway, Home, SOON, wait_for};

/// A gateway in front of the cluster: it has its keys.
pub(crate) fn front(cluster: &Cluster, controller: std::net::SocketAddr) -> Home {
    let home = Home::with_settings(&format!(
        "poll_interval = \"1s\"\n[[server.listener]]\naddress = \"127.0.0.1:0\"\naccept = [\"jwt\"]\n[slurm]\njwt_key = \"../../etc/jwt_hs256.key\"\n\
         jwks = \"../../etc/jwks.pub.json\"\n\
         [slurm.controller]\naddresses = [\"{controller}\"]\ntimeout = \"4s\"\nfreshness = \"500ms\"\n\
         [slurm.users]\nalice = {{ uid = 2001, gid = 2001 }}\nbob = {{ uid = 2002, gid = 2002 }}\n"
    ));
    for name in ["jwt_hs256.key", "jwks.pub.json"] {
        let copy = home.path("etc").join(name);
        std::fs::write(&copy, std::fs::read(cluster.etc(name)).unwrap()).unwrap();
        std::fs::set_permissions(&copy, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    home
}

/// Serves on a port that the system chooses, for users with tokens.
pub(crate) fn serve(home: &Home) -> Gateway {
    let mut command = home.command(&["serve"]);
    command.arg("--prefix").arg(&home.prefix);
    Gateway::spawn(home, &mut command)
}

/// A user of the gateway with a token of the cluster's.
pub(crate) fn user(cluster: &Cluster, gateway: &Gateway, name: &str) -> Client {
    let mut client = gateway.client();
    client.headers.push(("authorization".into(), format!("Bearer {}", cluster.token(name))));
    client
}

/// A job that writes a line into a file and ends.
pub(crate) fn described(cluster: &Cluster, script: &str) -> Value {
    json!({
        "script": format!("#!/bin/sh\n{script}\n"),
        "current_working_directory": cluster.work(),
        "environment": ["PATH=/usr/bin:/bin"],
        "standard_output": "/dev/null",
        "name": "mine",
        "tasks": 1,
        "time_limit": { "set": true, "number": 5 },
    })
}

/// Submits with an idempotency key.
pub(crate) fn submit(client: &mut Client, job: &Value, key: &str) -> std::io::Result<Answer> {
    submit_with(client, job, &[("idempotency-key", key)])
}

/// Submits as slurmrestd's clients do.
pub(crate) fn submit_once(client: &mut Client, job: &Value) -> std::io::Result<Answer> {
    submit_with(client, job, &[])
}

fn submit_with(client: &mut Client, job: &Value, headers: &[(&str, &str)]) -> std::io::Result<Answer> {
    let body = json!({ "job": job }).to_string();
    let mut all = vec![("content-type", "application/json")];
    all.extend_from_slice(headers);
    client.request("POST", "/slurm/v0.0.42/job/submit", &all, &Body::Bytes(body.as_bytes()))
}

#[track_caller]
fn queued(client: &mut Client, job: &Value, key: &str) -> u64 {
    let answer = submit(client, job, key).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["job_id"].as_u64().unwrap()
}

#[test]
fn without_a_key_every_request_is_a_job_and_a_refusal_none() {
    let Some(cluster) = Cluster::shared() else { return };
    let home = front(&cluster, cluster.controller);
    let gateway = serve(&home);
    let mut alice = user(&cluster, &gateway, "alice");
    let mut job = described(&cluster, "true");
    job["hold"] = json!(true);
    let mut numbers: Vec<String> = (0..2)
        .map(|_| {
            let answer = submit_once(&mut alice, &job).unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
            answer.json()["job_id"].to_string()
        })
        .collect();
    job["partition"] = json!("nowhere");
    assert_ne!(submit_once(&mut alice, &job).unwrap().status, 200);
    let mut shown: Vec<String> = listed(&mut alice)
        .iter()
        .map(|job| {
            let jobid = job["jobid"].as_str().unwrap();
            assert_eq!(wait_state(&mut alice, jobid, "queued").len(), 2);
            let number = home.wait_row(jobid, 1, &["queued"]).info;
            wait_for("all of its files", SOON, || home.prefix.join(jobid).join("spec.json").exists().then_some(()));
            number
        })
        .collect();
    shown.sort_unstable();
    numbers.sort_unstable();
    assert_eq!(shown, numbers);
    assert_eq!(std::fs::read_dir(&home.prefix).unwrap().count(), 2, "what is refused leaves nothing");
    cluster.ok("alice", &["scancel", &numbers[0], &numbers[1]]);
}

/// The states of a job of the gateway, in order.
fn steps(client: &mut Client, jobid: &str) -> Vec<(i64, String)> {
    let answer = client.get(&format!("/v2/jobs/{jobid}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let step = |step: &Value| (step["jobndx"].as_i64().unwrap(), step["state"].as_str().unwrap().to_owned());
    answer.json().as_array().unwrap().iter().map(step).collect()
}

/// The gateway's jobs of this user, newest first.
fn listed(client: &mut Client) -> Vec<Value> {
    let answer = client.get("/v2/jobs");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json().as_array().unwrap().clone()
}

fn wait_state(client: &mut Client, jobid: &str, state: &str) -> Vec<(i64, String)> {
    wait_for(&format!("{jobid} to be {state}"), SOON, || {
        let steps = steps(client, jobid);
        steps.iter().any(|step| step.1 == state).then_some(steps)
    })
}

#[test]
fn a_job_is_the_clusters_and_the_gateways() {
    let Some(cluster) = Cluster::shared() else { return };
    let home = front(&cluster, cluster.controller);
    let gateway = serve(&home);
    let mut alice = user(&cluster, &gateway, "alice");
    let mut bob = user(&cluster, &gateway, "bob");
    let note = cluster.work().join(format!("note-{}", std::process::id()));
    let job = described(&cluster, &format!("echo \"$(id -un) $SLURM_JOB_ID\" >> {}; exit 3", note.display()));
    let number = queued(&mut alice, &job, "first");
    assert_eq!(queued(&mut alice, &job, "first"), number, "the same key is the same job");
    // the gateway's side
    let jobs = listed(&mut alice);
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    assert_eq!(jobs[0]["name"], "mine");
    let jobid = jobs[0]["jobid"].as_str().unwrap().to_owned();
    assert!(listed(&mut bob).is_empty(), "it is alice's");
    let states: Vec<(i64, String)> =
        [(0, "new"), (1, "queued"), (1, "active"), (1, "failed")].map(|(ndx, state)| (ndx, state.to_owned())).to_vec();
    assert_eq!(wait_state(&mut alice, &jobid, "failed"), states);
    let rows = home.rows(&jobid);
    assert_eq!((rows[1].info.as_str(), rows[3].info.as_str()), (number.to_string().as_str(), "3"));
    // the cluster's side
    assert_eq!(std::fs::read_to_string(&note).unwrap(), format!("alice {number}\n"));
    let shown = alice.get(&format!("/slurm/v0.0.42/job/{number}")).json();
    assert_eq!(shown["jobs"][0]["comment"], "", "the mark is out of sight");
    let itself = cluster.ok("alice", &["scontrol", "show", "job", &number.to_string()]);
    assert!(itself.contains(&format!("Comment=jobgate-{jobid}-")), "{itself}");
}

#[test]
fn cancelled_held_and_released_from_either_side() {
    let Some(cluster) = Cluster::shared() else { return };
    let home = front(&cluster, cluster.controller);
    let gateway = serve(&home);
    let mut alice = user(&cluster, &gateway, "alice");
    let held = |hold: bool| {
        let mut job = described(&cluster, "sleep 60");
        job["hold"] = json!(hold);
        job["comment"] = json!("my words");
        job
    };
    // by the gateway
    let number = queued(&mut alice, &held(true), "a");
    let jobid = listed(&mut alice)[0]["jobid"].as_str().unwrap().to_owned();
    let reason = |number: u64| cluster.ok("root", &["squeue", "-h", "-o", "%T %r", "-j", &number.to_string()]);
    assert_eq!(reason(number), "PENDING JobHeldUser\n");
    assert_eq!(home.run(&["release", &jobid]).code, 0);
    wait_state(&mut alice, &jobid, "active");
    assert_eq!(alice.delete(&format!("/v2/jobs/{jobid}")).status, 200);
    let end = wait_state(&mut alice, &jobid, "canceled");
    assert!(end.contains(&(1, "active".into())), "{end:?}");
    wait_for("the job to leave the cluster", SOON, || {
        let state = cluster.exec("root", &["squeue", "-h", "-o", "%T", "-j", &number.to_string()]).out;
        (state.is_empty() || state == "CANCELLED\n").then_some(())
    });
    // by Slurm's own programs, before it ran
    let number = queued(&mut alice, &held(true), "b");
    let jobid = listed(&mut alice)[0]["jobid"].as_str().unwrap().to_owned();
    cluster.ok("alice", &["scancel", &number.to_string()]);
    let end = wait_state(&mut alice, &jobid, "canceled");
    assert!(!end.iter().any(|step| step.1 == "active"), "{end:?}");
    // through the dialect
    let number = queued(&mut alice, &held(true), "c");
    let jobid = listed(&mut alice)[0]["jobid"].as_str().unwrap().to_owned();
    let shown = alice.get(&format!("/slurm/v0.0.42/job/{number}")).json();
    assert_eq!((&shown["jobs"][0]["comment"], &shown["jobs"][0]["extra"]), (&json!("my words"), &json!("")));
    assert_eq!(alice.delete(&format!("/slurm/v0.0.42/job/{number}")).status, 200);
    wait_state(&mut alice, &jobid, "canceled");
}

#[test]
fn what_others_queue_is_not_ours_and_what_is_refused_leaves_nothing() {
    let Some(cluster) = Cluster::shared() else { return };
    let home = front(&cluster, cluster.controller);
    let gateway = serve(&home);
    let mut alice = user(&cluster, &gateway, "alice");
    let number = cluster.ok("alice", &["sbatch", "--parsable", "--output=/dev/null", "--hold", "--wrap", "true"]);
    let shown = alice.get(&format!("/slurm/v0.0.42/job/{}", number.trim())).json();
    assert_eq!(shown["jobs"][0]["name"], "wrap");
    assert!(listed(&mut alice).is_empty());
    cluster.ok("alice", &["scancel", number.trim()]);
    let mut nowhere = described(&cluster, "true");
    nowhere["partition"] = json!("nowhere");
    let answer = submit(&mut alice, &nowhere, "x").unwrap();
    assert_ne!(answer.status, 200);
    assert!(answer.text().contains("nvalid partition"), "{}", answer.text());
    assert!(listed(&mut alice).is_empty());
    // its key is free again
    queued(&mut alice, &described(&cluster, "true"), "x");
    // psik's jobs would run as the gateway's own user
    let answer = alice.post("/v2/jobs", &json!({ "script": "true", "backend": "slurm" }));
    assert_eq!(answer.status, 400, "{}", answer.text());
}

/// What a power failure right after an answer leaves: the intent, which was waited for; of the rest, only what had been written
/// long before.
fn lose_power(home: &Home, jobid: &str) {
    let base = home.prefix.join(jobid);
    let first = format!("{}\n", std::fs::read_to_string(base.join("status.csv")).unwrap().lines().next().unwrap());
    std::fs::write(base.join("status.csv"), &first).unwrap();
    std::fs::write(base.join("spec.json"), "").unwrap();
    std::fs::remove_file(base.join(".submitted.1")).unwrap();
    let index = rusqlite::Connection::open(home.state().join("index.db")).unwrap();
    index
        .execute_batch(&format!(
            "UPDATE run SET state = NULL, phase = 0, native = NULL, queued = 0, claim = '1:1:earlier', boot = 'earlier';
             DELETE FROM event WHERE jobndx > 0;
             UPDATE job SET state = 0, jobndx = 0, info = '', live = 1, offset = {};
             UPDATE meta SET value = 'earlier' WHERE key = 'boot'",
            first.len()
        ))
        .unwrap();
}

#[test]
fn a_power_failure_right_after_the_answer_loses_nothing() {
    let Some(cluster) = Cluster::shared() else { return };
    let home = front(&cluster, cluster.controller);
    let mut gateway = serve(&home);
    let mut alice = user(&cluster, &gateway, "alice");
    let mut job = described(&cluster, "true");
    job["hold"] = json!(true);
    let number = queued(&mut alice, &job, "acknowledged");
    let jobid = listed(&mut alice)[0]["jobid"].as_str().unwrap().to_owned();
    home.wait_row(&jobid, 1, &["queued"]);
    gateway.kill();
    lose_power(&home, &jobid);
    let gateway = serve(&home);
    let mut alice = user(&cluster, &gateway, "alice");
    assert_eq!(queued(&mut alice, &job, "acknowledged"), number, "it was found by its mark");
    assert_eq!(home.wait_row(&jobid, 1, &["queued"]).info, number.to_string());
    let marked = cluster.ok("root", &["squeue", "--noheader", "--states=all", "--format=%A %k"]);
    let of_job = |line: &&str| line.contains(&format!(" jobgate-{jobid}-"));
    assert_eq!(marked.lines().filter(of_job).count(), 1, "{marked}");
    cluster.ok("alice", &["scancel", &number.to_string()]);
}

#[test]
fn a_lost_answer_is_looked_up_and_an_absent_controller_said_at_once() {
    let Some(cluster) = Cluster::alone() else { return };
    let home = front(&cluster, cluster.controller);
    let gateway = serve(&home);
    let mut alice = user(&cluster, &gateway, "alice");
    queued(&mut alice, &described(&cluster, "true"), "before");
    cluster.pause_controller();
    let begun = Instant::now();
    let job = described(&cluster, "true");
    let answer = std::thread::scope(|scope| {
        let answer = scope.spawn(|| submit(&mut alice, &job, "lost").unwrap());
        std::thread::sleep(Duration::from_secs(6));
        cluster.continue_controller();
        answer.join().unwrap()
    });
    assert_eq!(answer.status, 200, "after {:?}: {}", begun.elapsed(), answer.text());
    let number = answer.json()["job_id"].as_u64().unwrap();
    assert_eq!(queued(&mut alice, &job, "lost"), number);
    cluster.kill_controller();
    let begun = Instant::now();
    let refused = submit(&mut alice, &job, "away").unwrap();
    let time = begun.elapsed();
    cluster.start_controller();
    assert!(refused.status >= 500 && time < Duration::from_secs(3), "{time:?} {}", refused.text());
    let accepted = wait_for("the controller to be asked again", SOON, || {
        submit(&mut alice, &job, "away").ok().filter(|answer| answer.status == 200)
    });
    assert_ne!(accepted.json()["job_id"].as_u64().unwrap(), number);
}
