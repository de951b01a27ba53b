//! The originals on the same files: psik 3.0.1 and 3.1.1 on one prefix with us, both ways, and psik_api 1.0.0 beside us
//! on copies of one store.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fixture::home::{Output, run};
use crate::fixture::http::Body;
use crate::fixture::peer::Peer;
use crate::fixture::{Client, Gateway, Home, SOON, alive, stays, wait_for};

/// The two generations of psik that people have.
const GENERATIONS: [&str; 2] = ["psik-3.0", "psik-3.1"];

/// Runs a test against each generation that is there.
fn with_each(test: impl Fn(&Original<'_>)) {
    for generation in GENERATIONS {
        let Some(peer) = Peer::get(generation) else { continue };
        let home = Home::new();
        test(&Original { peer: &peer, home: &home, generation });
    }
}

struct Original<'a> {
    peer: &'a Peer,
    home: &'a Home,
    generation: &'static str,
}

impl Original<'_> {
    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.psik(arguments);
        assert_eq!(output.code, 0, "{} {arguments:?}: {output:?}", self.generation);
        output.out
    }

    fn psik(&self, arguments: &[&str]) -> Output {
        self.peer.psik(self.home, arguments)
    }

    /// A job submitted by psik itself into its own `work/`.
    fn submit(&self, spec: &Value) -> String {
        let file = self.home.spec(spec);
        let newdir: &[&str] = if self.generation == "psik-3.0" { &["--newdir"] } else { &[] };
        let out = self.ok(&[&["run"], newdir, &[file.to_str().unwrap()]].concat());
        out.lines().find_map(|line| line.strip_prefix("Queued ")).expect("a line `Queued STAMP`").trim().to_owned()
    }
}

fn state_of(client: &mut Client, jobid: &str) -> String {
    let answer = client.get(&format!("/v2/jobs/{jobid}/state"));
    if answer.status == 200 { answer.json().as_str().unwrap_or_default().to_owned() } else { String::new() }
}

#[test]
fn psik_reads_our_jobs() {
    with_each(|original| {
        let home = original.home;
        let done = home.submit(&json!({"script": "exit 3", "name": "a name"}));
        home.wait_row(&done, 1, &["failed"]);
        let new = home.create(&json!({"script": "true"}));
        let gateway = Gateway::start(home);
        let mut client = gateway.client();
        let rest = client.submit("v1", &json!({"script": "true", "name": "by v1", "backend": {"queue_name": "q"}}));
        home.wait_row(&rest, 1, &["completed"]);
        let theirs = original.ok(&["ls"]);
        assert_eq!(theirs, home.ok(&["ls"]), "{}", original.generation);
        for jobid in [&done, &new, &rest] {
            assert!(theirs.contains(jobid.as_str()), "{} does not see {jobid}: {theirs}", original.generation);
            assert_eq!(original.ok(&["status", jobid]), home.ok(&["status", jobid]));
        }
    });
}

#[test]
fn we_see_what_psik_does() {
    with_each(|original| {
        let home = original.home;
        let gateway = Gateway::start(home);
        let mut client = gateway.client();
        let jobid = original.submit(&json!({"script": "echo hi", "name": "theirs"}));
        wait_for("the job to appear here as completed", SOON, || {
            (state_of(&mut client, &jobid) == "completed").then_some(())
        });
        let listed = client.get("/v2/jobs").json();
        assert!(listed.as_array().unwrap().iter().any(|job| job["jobid"] == jobid.as_str() && job["name"] == "theirs"));
        assert!(home.ok(&["ls"]).contains(&jobid));
        assert_eq!(client.get(&format!("/v2/jobs/{jobid}/logs")).json()["stdout.1"], "hi\n");
        // started again by psik, deleted by psik
        original.ok(&["start", &jobid]);
        wait_for("the second run to appear", SOON, || {
            let history = client.history("v2", &jobid);
            history.iter().any(|step| (step.0, step.1.as_str()) == (2, "completed")).then_some(())
        });
        original.ok(&["rm", &jobid]);
        wait_for("the job to disappear", SOON, || {
            let listed = client.get("/v2/jobs").json();
            let gone = listed.as_array().unwrap().iter().all(|job| job["jobid"] != jobid.as_str());
            (gone && client.get(&format!("/v2/jobs/{jobid}")).status == 404).then_some(())
        });
    });
}

#[test]
fn psik_cancels_and_restarts_our_jobs() {
    with_each(|original| {
        let home = original.home;
        let gateway = Gateway::start(home);
        let mut client = gateway.client();
        let spec = json!({"script": "if [ $jobndx = 1 ]; then sleep 600 & echo $!; wait; else echo again; fi"});
        let jobid = client.submit("v2", &spec);
        home.wait_row(&jobid, 1, &["active"]);
        let sleeper: u32 =
            wait_for("the script's child", SOON, || home.read(&jobid, "log/stdout.1").trim().parse().ok());
        original.ok(&["cancel", &jobid]);
        wait_for("the script's whole group to be gone", SOON, || (!alive(sleeper)).then_some(()));
        wait_for("canceled here", SOON, || (state_of(&mut client, &jobid) == "canceled").then_some(()));
        wait_for("a final row of the run", SOON, || home.steps(&jobid).contains(&(1, "canceled".into())).then_some(()));
        original.ok(&["start", &jobid]);
        home.wait_row(&jobid, 2, &["completed"]);
        wait_for("completed here", SOON, || (state_of(&mut client, &jobid) == "completed").then_some(()));
        assert_eq!(home.read(&jobid, "log/stdout.2"), "again\n");
    });
}

#[test]
fn we_cancel_and_restart_psiks_jobs() {
    with_each(|original| {
        let home = original.home;
        let spec = json!({"script": "if [ $jobndx = 1 ]; then sleep 600 & echo $!; wait; else echo again; fi"});
        let jobid = original.submit(&spec);
        home.wait_row(&jobid, 1, &["active"]);
        // with its number, which psik may write after it
        home.wait_row(&jobid, 1, &["queued"]);
        let sleeper: u32 =
            wait_for("the script's child", SOON, || home.read(&jobid, "log/stdout.1").trim().parse().ok());
        home.ok(&["cancel", &jobid]);
        wait_for("the script's whole group to be gone", SOON, || (!alive(sleeper)).then_some(()));
        assert_eq!(home.steps(&jobid).last().unwrap(), &(0, "canceled".to_owned()));
        home.ok(&["start", &jobid]);
        home.wait_row(&jobid, 2, &["completed"]);
        assert!(original.ok(&["status", &jobid]).contains("completed"));
    });
}

/// psik's records of a process that is somebody else's by now must not lead us to it.
#[test]
fn a_stale_pid_of_psiks_is_left_alone() {
    with_each(|original| {
        let home = original.home;
        let jobid = original.submit(&json!({"script": "true"}));
        home.wait_row(&jobid, 1, &["completed"]);
        let mut innocent = Command::new("sleep").arg("600").spawn().unwrap();
        let path = home.job(&jobid, "status.csv");
        let mut text = fs::read_to_string(&path).unwrap();
        let rows = format!("1700000000.5,2,queued,{}\n1700000000.6,2,active,\n", innocent.id());
        text.push_str(&rows);
        fs::write(&path, text).unwrap();
        home.run(&["cancel", &jobid]);
        stays("the innocent process lives", Duration::from_millis(500), || alive(innocent.id()));
        innocent.kill().unwrap();
        innocent.wait().unwrap();
    });
}

// ---- psik_api 1.0.0 -------------------------------------------------------------------------------------------------

/// The same requests to the original and to us, on copies of one store that the original made.
#[test]
fn psik_api_and_we_give_the_same_answers() {
    let Some(peer) = Peer::get("psik_api-1") else { return };
    if crate::fixture::program("rc").is_none() {
        return crate::fixture::skip("psik 1 needs the shell rc");
    }
    let home = Home::new();
    let (store, copy) = (home.path("store"), home.prefix.clone());
    let ids = make_store(&peer, &home, &store);
    let status = run(Command::new("cp").arg("-a").arg(&store).arg(&copy));
    assert_eq!(status.code, 0, "{status:?}");
    let theirs = peer.serve_api(&home, &store);
    let ours = Gateway::start(&home);
    let mut sides = [theirs.client(), ours.client()];
    let mut differences = Vec::new();
    for path in read_requests(&ids) {
        let path = format!("/v1{path}");
        let pair = sides.each_mut().map(|side| side.ask("GET", &path, &[], &Body::None));
        compare(&format!("GET {path}"), &pair, &mut differences);
    }
    for (method, path, body) in bad_requests(&ids) {
        let path = format!("/v1{path}");
        let headers = [("content-type", "application/json")];
        let pair = sides.each_mut().map(|side| side.ask(method, &path, &headers, &Body::Bytes(body.as_bytes())));
        compare(&format!("{method} {path} {body}"), &pair, &mut differences);
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

/// Jobs in several states, made and run by the original.
fn make_store(peer: &Peer, home: &Home, store: &Path) -> Vec<String> {
    let gateway = peer.serve_api(home, store);
    let mut client = gateway.client();
    let mut ids = Vec::new();
    for (name, script) in
        [("runs", "#!/bin/sh\necho out é; echo err >&2; mkdir sub; echo x > sub/f"), ("fails", "#!/bin/sh\nexit 3\n")]
    {
        let jobid = client.submit("v1", &json!({"name": name, "script": script, "resources": {"node_count": 1}}));
        // by the files: whoever reads through the original can make it lose a transition
        wait_for("the original's job to end", SOON * 2, || {
            let rows = crate::fixture::home::rows_of(&store.join(&jobid).join("status.csv"));
            rows.iter().any(|row| row.state == "completed" || row.state == "failed").then_some(())
        });
        ids.push(jobid);
    }
    let jobid = client.create("v1", &json!({"script": "cat data.txt", "backend": {"queue_name": "debug"}}));
    client.upload(&format!("/v1/jobs/{jobid}/files"), &[("data.txt", b"T = 298\n"), ("a b.txt", b"")]);
    ids.push(jobid);
    let jobid = client.create("v1", &json!({"name": "reported", "script": "#!/bin/sh\ntrue\n"}));
    for (ndx, state, info) in [(1, "queued", 77), (1, "active", 77), (1, "completed", 0)] {
        let body = json!({"jobid": jobid, "jobndx": ndx, "state": state, "info": info});
        assert_eq!(client.post("/v1/jobs/callback", &body).json(), "OK");
    }
    ids.push(jobid);
    ids
}

fn read_requests(ids: &[String]) -> Vec<String> {
    let mut paths: Vec<String> = [
        "/backends",
        "/backends/",
        "/backends?name=default",
        "/backends?name=x",
        "/backends/default",
        "/backends/x",
        "/jobs",
        "/jobs/",
        "/jobs?limit=2",
        "/jobs?index=1&limit=2",
        "/jobs?index=9",
        "/jobs?limit=0",
        "/jobs?state=new",
        "/jobs?state=failed",
        "/jobs?state=bogus",
        "/jobs?state=",
        "/jobs?limit=x",
        "/jobs?limit=",
        "/jobs?index=1.5",
        "/jobs?index=1.0",
        "/jobs?limit=%201_0%20",
        "/jobs?backend=x",
        "/jobs?backend=default",
        "/jobs?nosuch=1",
        "/jobs?limit=1&limit=2",
        "/jobs/abc",
        "/jobs/123",
        "/jobs/1.001",
        "/jobs/1.001/state",
        "/jobs/1.001/files/x",
        "/jobs/abc/logs",
        "/nothing",
        "/token",
        "",
    ]
    .map(str::to_owned)
    .to_vec();
    for jobid in ids {
        for part in [
            "",
            "/state",
            "/logs",
            "/logs/",
            "/scripts",
            "/scripts/",
            "/files",
            "/files/",
            "/files/nope",
            "/start",
            "?backend=x",
            "?backend=default",
            "/state/",
        ] {
            paths.push(format!("/jobs/{jobid}{part}"));
        }
    }
    paths.extend(["/files/data.txt", "/files/a%20b.txt"].map(|part| format!("/jobs/{}{part}", ids[2])));
    paths.push(format!("/jobs/{}/files/sub", ids[0]));
    paths
}

fn bad_requests(ids: &[String]) -> Vec<(&'static str, String, &'static str)> {
    let mut requests = Vec::new();
    for body in [
        "",
        "null",
        "[]",
        "5",
        "\"x\"",
        "{",
        "{\"script\":\"x\",}",
        "{}",
        "{\"script\":5}",
        "{\"script\":null}",
        "{\"script\":\"x\",\"name\":5}",
        "{\"script\":\"x\",\"environment\":{\"A\":1}}",
        "{\"script\":\"x\",\"environment\":null}",
        "{\"script\":\"x\",\"resources\":null}",
        "{\"script\":\"x\",\"resources\":{\"duration\":1.5}}",
        "{\"script\":\"x\",\"resources\":{\"duration\":\"1e3\"}}",
        "{\"script\":\"x\",\"resources\":{\"node_count\":\"two\"}}",
        "{\"script\":\"x\",\"inherit_environment\":\"maybe\"}",
        "{\"script\":\"x\",\"backend\":\"default\"}",
        "{\"script\":\"x\",\"callback\":5}",
        "{\"script\":\"x\",\"directory\":\"/nonexistent/dir\"}",
    ] {
        requests.push(("POST", "/jobs/new".to_owned(), body));
    }
    for body in [
        "{}",
        "{\"jobid\":5,\"jobndx\":1,\"state\":\"new\"}",
        "{\"jobid\":\"abc\",\"jobndx\":1,\"state\":\"new\"}",
        "{\"jobid\":\"1.001\",\"jobndx\":1,\"state\":\"new\"}",
        "{\"jobid\":\"1.001\",\"jobndx\":\"x\",\"state\":\"bogus\"}",
    ] {
        requests.push(("POST", "/jobs/callback".to_owned(), body));
    }
    requests.push(("PUT", "/jobs".to_owned(), "{}"));
    requests.push(("POST", "/backends".to_owned(), "{}"));
    requests.push(("PATCH", format!("/jobs/{}", ids[0]), "{}"));
    requests.push(("POST", "/token".to_owned(), ""));
    requests.push(("POST", "/jobs/1.001/start".to_owned(), ""));
    requests.push(("DELETE", "/jobs/abc".to_owned(), ""));
    requests.push(("POST", "/jobs/new?machine=x".to_owned(), "{\"script\":\"x\"}"));
    requests
}

fn compare(what: &str, pair: &[crate::fixture::Answer; 2], differences: &mut Vec<String>) {
    let shown = |answer: &crate::fixture::Answer| format!("{} {:.400}", answer.status, answer.text());
    let kind = |answer: &crate::fixture::Answer| {
        answer.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().to_owned()
    };
    let page = kind(&pair[0]) == "text/html";
    let bodies = [0, 1].map(|side| serde_json::from_slice::<Value>(&pair[side].body).map(comparable));
    let same = match &bodies {
        [Ok(theirs), Ok(ours)] => theirs == ours,
        [Err(_), Err(_)] => page || pair[0].body == pair[1].body,
        _ => false,
    };
    if pair[0].status != pair[1].status || kind(&pair[0]) != kind(&pair[1]) || !same {
        differences.push(format!("{what}\n   psik_api: {}\n   jobgate:  {}", shown(&pair[0]), shown(&pair[1])));
    }
}

/// Takes out what differs between any two servers: the time of the answer, where the store lies, the link into the
/// documentation of a Python library, the words and the place of a JSON parser; and a reason where the original has none.
fn comparable(mut value: Value) -> Value {
    match &mut value {
        Value::Object(map) => {
            for key in ["updated_at", "description", "url", "atime"] {
                map.remove(key);
            }
            if map.get("type").is_some_and(|kind| kind == "json_invalid") {
                map.remove("ctx");
                map.remove("loc");
            }
            if map.get("detail").and_then(Value::as_str).is_some_and(|text| text.starts_with("Error creating job: ")) {
                map.insert("detail".into(), "Error creating job: ".into());
            }
            for inner in map.values_mut() {
                *inner = comparable(inner.take());
            }
        }
        Value::Array(list) => {
            for inner in list {
                *inner = comparable(inner.take());
            }
        }
        _ => {}
    }
    value
}
