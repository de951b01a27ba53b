//! SIGKILL while clients of Slurm's dialect submit, with retries: every acknowledged number is a job, no promise made two
//! jobs, and nothing ran twice.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use crate::crash::{moments, pass};
use crate::fixture::http::Body;
use crate::fixture::{Client, Gateway, Home, wait_for};

const SETTLED: Duration = Duration::from_secs(90);
const CLIENTS: usize = 4;
const ROUNDS: usize = 12;
/// The submissions of a round take about as long.
const AMONG: Duration = Duration::from_millis(300);
const JOBS: usize = 15;

/// One submission; `None` when the server went away, or could not say.
fn submit(client: &mut Client, token: &str, name: &str, ran: &Path) -> Option<i64> {
    let script = format!("#!/bin/sh\necho ran >> {}/{name}\n", ran.display());
    // every third one waits for ever
    let hold = name.bytes().last().is_some_and(|last| last % 3 == 0);
    let job = json!({"job": {
        "name": name, "hold": hold, "script": script, "environment": ["PATH=/usr/bin:/bin"],
        "current_working_directory": "/tmp", "standard_output": "/dev/null",
    }});
    let (bearer, text) = (format!("Bearer {token}"), job.to_string());
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json"), ("idempotency-key", name)];
    let answer = client.request("POST", "/slurm/v0.0.45/job/submit", &headers, &Body::Bytes(text.as_bytes())).ok()?;
    if answer.status == 503 {
        return None;
    }
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["job_id"].as_i64()
}

fn jobs(gateway: &Gateway, token: &str) -> Vec<Value> {
    let bearer = format!("Bearer {token}");
    let answer = gateway.client().ask("GET", "/slurm/v0.0.45/jobs", &[("authorization", &bearer)], &Body::None);
    answer.json()["jobs"].as_array().unwrap().clone()
}

#[test]
fn submissions_survive_the_gateway() {
    let home = Home::new();
    let ran = home.path("ran");
    fs::create_dir(&ran).unwrap();
    let line = home.ok(&["token"]);
    let token = line.trim().strip_prefix("SLURM_JWT=").unwrap();
    let mut acknowledged: BTreeMap<String, i64> = BTreeMap::new();
    for (round, moment) in moments(AMONG).take(ROUNDS).enumerate() {
        let mut gateway = Gateway::start(&home);
        let promises: Vec<String> = (0..CLIENTS * JOBS).map(|number| format!("job-{round}-{number}")).collect();
        let told = Mutex::new(BTreeMap::new());
        std::thread::scope(|scope| {
            for part in promises.chunks(JOBS) {
                let (mut client, told, ran) = (gateway.client(), &told, &ran);
                scope.spawn(move || {
                    for name in part {
                        if let Some(id) = submit(&mut client, token, name, ran) {
                            told.lock().unwrap().insert(name.clone(), id);
                        }
                    }
                });
            }
            pass(moment);
            gateway.kill();
        });
        // whoever got no answer asks again, and gets the job that there is, or the only one that there will be
        let gateway = Gateway::start(&home);
        let told = told.into_inner().unwrap();
        for name in promises {
            let id = wait_for("an answer to a repeated submission", SETTLED, || {
                submit(&mut gateway.client(), token, &name, &ran)
            });
            assert_eq!(told.get(&name).copied().unwrap_or(id), id, "{name} was promised another number before");
            acknowledged.insert(name, id);
        }
    }
    let gateway = Gateway::start(&home);
    let over = |job: &Value| job["job_state"] == json!(["COMPLETED"]) || job["hold"] == json!(true);
    let listed = wait_for("all jobs to be over or held", SETTLED, || {
        let listed = jobs(&gateway, token);
        listed.iter().all(over).then_some(listed)
    });
    let numbers: BTreeMap<String, i64> =
        listed.iter().map(|job| (job["name"].as_str().unwrap().to_owned(), job["job_id"].as_i64().unwrap())).collect();
    assert_eq!(listed.len(), acknowledged.len(), "one job for each promise");
    assert_eq!(numbers, acknowledged);
    for job in &listed {
        let text = fs::read_to_string(ran.join(job["name"].as_str().unwrap())).unwrap_or_default();
        let expected = if job["hold"] == json!(true) { "" } else { "ran\n" };
        assert_eq!(text, expected, "{}", job["name"]);
    }
}
