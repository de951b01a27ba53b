//! Requests that were recorded with real servers of three releases, in their order, sent to us: status, error numbers,
//! warnings and the shape of the answers agree, or `slurm_golden/differences.txt` says why they do not.

mod cases;
mod differences;
mod shape;

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use self::cases::{Case, Replay, load};
use self::differences::Differences;
use crate::fixture::http::Body;
use crate::fixture::slurm::{Cluster, now};
use crate::fixture::{Answer, Client, SOON, root, skip, wait_for};

/// A recorded server: its folder, and the column of the table of statuses that holds for it.
///
/// Of v0.0.41 on 25.11, whose behaviour we follow, only the statuses were kept: the bodies are those of 24.11.
const PAIRS: [(&str, Option<&str>); 6] = [
    ("24.11.5-v0.0.40", None),
    ("24.11.5-v0.0.41", Some("25.11.7/41")),
    ("26.05.5-v0.0.42", None),
    ("26.05.5-v0.0.43", None),
    ("26.05.5-v0.0.44", None),
    ("26.05.5-v0.0.45", None),
];

/// What one pair came to.
#[derive(Debug)]
struct Outcome {
    pair: &'static str,
    cases: Vec<String>,
    /// Case, and what differs.
    disagreeing: Vec<(String, Vec<String>)>,
}

#[test]
fn recorded_requests_are_answered_as_they_were() {
    let folder = root().join("../shared/golden/slurm");
    if !folder.is_dir() {
        return skip("there are no recorded answers of slurmrestd beside the checkout");
    }
    let only = std::env::var("JOBGATE_GOLDEN").unwrap_or_default();
    let pairs: Vec<_> = PAIRS.into_iter().filter(|(pair, _)| pair.contains(&only)).collect();
    let mut outcomes = Vec::new();
    for some in pairs.chunks(2) {
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                some.iter().map(|(pair, column)| scope.spawn(|| replay(&folder, pair, *column))).collect();
            outcomes.extend(threads.into_iter().map(|thread| thread.join().unwrap()));
        });
    }
    let differences =
        Differences::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/slurm_golden/differences.txt"));
    let (mut wrong, mut agreeing, mut all) = (Vec::new(), 0, 0);
    for outcome in &outcomes {
        let agrees = outcome.cases.len() - outcome.disagreeing.len();
        eprintln!("{}: {agrees} of {} cases agree", outcome.pair, outcome.cases.len());
        agreeing += agrees;
        all += outcome.cases.len();
        for (case, how) in &outcome.disagreeing {
            if !differences.names(outcome.pair, case) {
                wrong.push(format!("{} {case}: {}", outcome.pair, how.join("; ")));
            }
        }
    }
    eprintln!("{agreeing} of {all} cases agree; {} lines name differences", differences.len());
    for (line, pair, case) in differences.outdated(&outcomes) {
        wrong.push(format!("differences.txt:{line} names {pair} {case}, which agrees"));
    }
    assert!(wrong.is_empty(), "{} disagree:\n{}", wrong.len(), wrong.join("\n"));
}

/// Replays all cases of one pair against a server of its own.
fn replay(folder: &Path, pair: &'static str, column: Option<&str>) -> Outcome {
    let statuses = column.map(|column| cases::statuses(&folder.join("STATUS.md"), column)).unwrap_or_default();
    let cases = load(&folder.join(pair));
    let cluster = Cluster::recorded();
    let directory = cluster.home.path("jobs");
    std::fs::create_dir(&directory).unwrap();
    let mut replay = Replay::new(&cases, now(), &directory);
    let mut disagreeing = Vec::new();
    let mut reserved = false;
    for case in &cases {
        prepare(&cluster, case, &mut reserved);
        let how = one(&cluster, &mut replay, case, statuses.get(&case.name).map(String::as_str));
        if !how.is_empty() {
            disagreeing.push((case.name.clone(), how));
        }
    }
    cancel_all(&cluster);
    Outcome { pair, cases: cases.into_iter().map(|case| case.name).collect(), disagreeing }
}

/// What was so on the recorded cluster, and would not be here.
fn prepare(cluster: &Cluster, case: &Case, made: &mut bool) {
    let post = |path: &str, body: &Value| {
        let answer = cluster.client("root").post(&format!("/slurm/v0.0.45/{path}"), body);
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    let all = |state: &str| post("nodes/", &json!({ "name": ["n[1-5]"], "state": [state], "reason": "full" }));
    match case.name.as_str() {
        // It was full when a held job was released, so that it waited until it was held again.
        "update-job-release" => all("DRAIN"),
        "update-job-other" => all("RESUME"),
        "resv-create" => *made = true,
        // Where the API cannot make a reservation, it was made otherwise.
        "reservations-one" if !*made => {
            let number = |number: i64| json!({ "set": true, "number": number });
            let reservation = json!({
                "name": "important_jobs", "duration": number(15), "node_list": ["n4", "n5"], "users": ["slurm"],
                "start_time": number(now() + 600), "flags": ["IGNORE_JOBS", "MAGNETIC", "DAILY"],
            });
            post("reservation", &reservation);
        }
        _ => {}
    }
}

/// Sends one request; says what of its answer differs.
fn one(cluster: &Cluster, replay: &mut Replay, case: &Case, status: Option<&str>) -> Vec<String> {
    if case.name == "job-running" {
        wait_until_running(cluster, &replay.path(case));
    }
    let mut client = cluster.gateway.client();
    client.headers.retain(|(name, _)| name != "accept");
    client.timeout = if case.answer["status"].is_null() { Duration::from_secs(6) } else { Duration::from_secs(60) };
    let headers = case.headers(&cluster.keys);
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let body = replay.body(case);
    let body = body.as_deref().map_or(Body::None, Body::Bytes);
    let path = replay.path(case);
    match client.request(&case.method, &path, &headers, &body) {
        Ok(answer) => {
            replay.learn(case, &answer);
            let how = compare(case, &answer, status);
            if !how.is_empty() && std::env::var_os("JOBGATE_GOLDEN").is_some() {
                eprintln!("--- {} {} {path}\n{how:#?}\n{:.1500}", case.name, case.method, answer.text());
            }
            how
        }
        // the recorded server did not answer in that time either
        Err(_) if case.answer["status"].is_null() => Vec::new(),
        Err(error) => vec![format!("no answer: {error}")],
    }
}

fn compare(case: &Case, answer: &Answer, status: Option<&str>) -> Vec<String> {
    let theirs = case.answer["status"].as_u64().unwrap_or_default();
    let marks = status.filter(|status| *status != "None");
    // a status of another release than the body's: only that is compared
    let other = marks.filter(|marks| !marks.starts_with(&theirs.to_string()));
    if let Some(marks) = other {
        let ours = shape::marks(answer);
        return if ours == marks { Vec::new() } else { vec![format!("status {ours}, theirs {marks}")] };
    }
    let mut how = Vec::new();
    if u64::from(answer.status) != theirs {
        let errors = serde_json::from_slice::<Value>(&answer.body).map(|body| body["errors"].to_string());
        how.push(format!(
            "status {}, theirs {theirs}: {:.300}",
            answer.status,
            errors.unwrap_or_else(|_| answer.text())
        ));
        return how;
    }
    how.extend(shape::headers(&case.answer["headers"], answer));
    let recorded = match (&case.answer["json"], case.answer["text"].as_str()) {
        (Value::Null, Some(text)) if text.starts_with("%YAML") => shape::yaml(text),
        (Value::Null, _) => return how,
        (json, _) => json.clone(),
    };
    let body = shape::body(answer);
    how.extend(shape::numbers(&recorded, &body));
    how.extend(shape::differences(&recorded, &body));
    how
}

/// What runs for 300 seconds is not left running.
fn cancel_all(cluster: &Cluster) {
    let mut root = cluster.client("root");
    let jobs = root.get("/slurm/v0.0.45/jobs").json();
    let ids: Vec<String> = jobs["jobs"].as_array().unwrap().iter().map(|job| job["job_id"].to_string()).collect();
    kill(&mut root, &json!({ "jobs": ids }));
    wait_for("all jobs to end", SOON, || running(&mut root, "/slurm/v0.0.45/jobs").is_empty().then_some(()));
}

fn kill(root: &mut Client, which: &Value) {
    let body = which.to_string();
    let kind = [("content-type", "application/json")];
    let answer = root.ask("DELETE", "/slurm/v0.0.45/jobs/", &kind, &Body::Bytes(body.as_bytes()));
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn wait_until_running(cluster: &Cluster, path: &str) {
    let mut client = cluster.client("root");
    wait_for("the job to run", SOON, || (!running(&mut client, path).is_empty()).then_some(()));
}

fn running(client: &mut Client, path: &str) -> Vec<Value> {
    let jobs = client.get(path).json();
    let running = |job: &&Value| job["job_state"][0] == "RUNNING" || job["job_state"] == "RUNNING";
    jobs["jobs"].as_array().map(|jobs| jobs.iter().filter(running).cloned().collect()).unwrap_or_default()
}
