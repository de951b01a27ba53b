//! Owners, those with whom they share, and what each may have: two users of one gateway, by tokens of ours.

use serde_json::{Value, json};

use crate::fixture::http::Body;
use crate::fixture::slurm::{Cluster, Token};
use crate::fixture::{Answer, Client, Gateway, SOON, wait_for};

const USERS: &str = r#"
[slurm]
administrators = ["slurm"]
jwt_key = "../../etc/jwt_hs256.key"

[slurm.users]
alice = { uid = 2001, gid = 2001 }
bob = { uid = 2002, gid = 2002 }
slurm = { uid = 64030, gid = 64030 }
"#;

/// A gateway with these further settings.
fn gateway(settings: &str) -> Cluster {
    Cluster::start(&format!("{settings}\n{USERS}"), &[])
}

/// A client of psik's dialect that acts as this user.
fn client(cluster: &Cluster, user: &str) -> Client {
    let mut client = cluster.gateway.client();
    client.headers.push(("authorization".into(), format!("Bearer {}", cluster.keys.token(user, Token::Good))));
    client
}

fn put(client: &mut Client, path: &str, body: &Value) -> Answer {
    let bytes = body.to_string();
    client.ask("PUT", path, &[("content-type", "application/json")], &Body::Bytes(bytes.as_bytes()))
}

fn ids(client: &mut Client) -> Vec<String> {
    let listing = client.get("/v2/jobs").json();
    listing.as_array().unwrap().iter().map(|job| job["jobid"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_job_is_shared_by_command_and_over_http() {
    let mut cluster = gateway("");
    let (mut alice, mut bob) = (client(&cluster, "alice"), client(&cluster, "bob"));
    let jobid = alice.submit("v2", &json!({"script": "#!/bin/sh\necho hello; exec sleep 60\n"}));
    alice.wait_step("v2", &jobid, 1, &["active"]);
    let path = format!("/v2/jobs/{jobid}");
    assert_eq!((bob.get(&path).status, ids(&mut bob).len()), (404, 0));

    assert_eq!(cluster.home.ok(&["share", &jobid, "bob"]), format!("Shared {jobid} with bob (read)\n"));
    assert_eq!((bob.get(&path).status, ids(&mut bob)), (200, vec![jobid.clone()]));
    wait_for("the output to be readable by bob", SOON, || {
        let logs = bob.get(&format!("{path}/logs")).json();
        (logs["stdout.1"] == "hello\n").then_some(())
    });
    let refused = bob.delete(&path);
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains(&format!("job {jobid} of alice was shared with you for reading only")));
    assert_eq!(bob.upload(&format!("{path}/files"), &[("x", b"x")]).status, 403);
    let shown = cluster.home.ok(&["show", &jobid]);
    assert!(shown.contains("owner       alice\n") && shown.contains("shared with bob (read)\n"), "{shown}");
    let shown: Value = serde_json::from_str(&cluster.home.ok(&["show", "-o", "json", &jobid])).unwrap();
    assert_eq!(shown[0]["shares"], json!({"bob": "read"}));

    // It is kept, and owners do the same over HTTP.
    cluster.gateway.kill();
    cluster.gateway = Gateway::start(&cluster.home);
    let (mut alice, mut bob) = (client(&cluster, "alice"), client(&cluster, "bob"));
    assert_eq!(alice.get(&format!("{path}/shares")).json(), json!({"bob": "read"}));
    assert_eq!(put(&mut bob, &format!("{path}/shares/bob"), &json!("write")).status, 403);
    assert_eq!(put(&mut alice, &format!("{path}/shares/bob"), &json!("write")).status, 200);
    assert_eq!(bob.delete(&path).status, 200);
    bob.wait_step("v2", &jobid, 0, &["canceled"]);
    assert_eq!(cluster.home.ok(&["share", &jobid, "--remove", "bob"]), format!("Unshared {jobid} with bob\n"));
    assert_eq!((bob.get(&path).status, ids(&mut bob).len(), ids(&mut alice).len()), (404, 0, 1));
    let told = cluster.home.ok(&["audit", "show"]);
    for event in ["read with bob", "write with bob", "with bob"] {
        assert!(told.contains(event), "{event}: {told}");
    }
    for (words, told) in [
        (vec!["share", jobid.as_str(), "--remove", "bob"], "is not shared with \"bob\""),
        (vec!["share", jobid.as_str(), "alice"], "is alice's own"),
        (vec!["share", jobid.as_str(), "a b"], "is no user's name"),
        (vec!["share", jobid.as_str()], "USER"),
        (vec!["share", jobid.as_str(), "bob", "all"], "read, write"),
        (vec!["share", "1.001", "bob"], "not found"),
    ] {
        let output = cluster.home.run(&words);
        assert!(output.code != 0 && output.err.contains(told), "{words:?}: {output:?}");
    }
}

/// The numbers of all errors in an answer of Slurm's dialect, wherever they stand.
fn numbers(answer: &Answer) -> Vec<i64> {
    fn collect(value: &Value, found: &mut Vec<i64>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    if ["code", "error_code", "error_number"].contains(&name.as_str()) {
                        found.extend(value.as_i64().filter(|number| *number != 0));
                    }
                    collect(value, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(&answer.json(), &mut found);
    found
}

#[test]
fn slurms_dialect_goes_no_other_way() {
    const DENIED: i64 = 2002;
    let cluster = gateway("");
    let (mut alice, mut bob) = (cluster.client("alice"), cluster.client("bob"));
    let submit = json!({
        "script": "#!/bin/sh\nsleep 60\n",
        "job": {"current_working_directory": "/tmp", "environment": ["PATH=/usr/bin:/bin"], "hold": true},
    });
    let made = alice.post("/slurm/v0.0.45/job/submit", &submit);
    let id = made.json()["job_id"].as_i64().unwrap_or_else(|| panic!("{}", made.text()));
    let jobid = ids(&mut client(&cluster, "alice")).pop().unwrap();
    let path = format!("/slurm/v0.0.45/job/{id}");
    let requeue = json!({"jobs": [id.to_string()]});
    for access in ["", "read"] {
        if !access.is_empty() {
            cluster.home.ok(&["share", &jobid, "bob", access]);
        }
        assert_eq!(numbers(&bob.delete(&path)), [DENIED], "{access}");
        assert_eq!(numbers(&bob.post(&path, &json!({"priority": {"set": true, "number": 7}}))), [2010], "{access}");
        assert_eq!(numbers(&bob.post("/slurm/v0.0.45/jobs/requeue", &requeue)), [DENIED], "{access}");
    }
    cluster.home.ok(&["share", &jobid, "bob", "write"]);
    assert_eq!(numbers(&bob.post(&path, &json!({"comment": "by bob"}))), [0_i64; 0]);
    assert_eq!(numbers(&bob.delete(&path)), [0_i64; 0]);
    client(&cluster, "alice").wait_step("v2", &jobid, 0, &["canceled"]);

    // Who submits for somebody makes that one's job.
    let mut for_bob = submit;
    for_bob["job"]["user_id"] = "bob".into();
    assert_eq!(numbers(&alice.post("/slurm/v0.0.45/job/submit", &for_bob)), [2010]);
    let made = cluster.client("slurm").post("/slurm/v0.0.45/job/submit", &for_bob);
    assert_eq!(numbers(&made), [0_i64; 0], "{}", made.text());
    assert_eq!(ids(&mut client(&cluster, "bob")).len(), 2);
    assert_eq!(ids(&mut client(&cluster, "alice")).len(), 1);
}

#[test]
fn nobody_has_more_runs_than_the_quota() {
    let cluster = gateway("[quota]\nlive_jobs = 1\n");
    let (mut alice, mut bob) = (client(&cluster, "alice"), client(&cluster, "bob"));
    let sleeps = json!({"script": "#!/bin/sh\nexec sleep 60\n"});
    let first = alice.submit("v2", &sleeps);
    let refused = alice.post("/v2/jobs", &sleeps);
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("30")), "{}", refused.text());
    assert!(refused.text().contains("alice has 1 runs that wait or run, and 1 is the limit ([quota] live_jobs)"));
    let submit = json!({
        "script": "#!/bin/sh\nsleep 60\n",
        "job": {"current_working_directory": "/tmp", "environment": ["PATH=/usr/bin:/bin"]},
    });
    let refused = cluster.client("alice").post("/slurm/v0.0.45/job/submit", &submit);
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("30")), "{}", refused.text());
    assert!(refused.text().contains("[quota] live_jobs"), "{}", refused.text());
    bob.submit("v2", &sleeps);
    // The command line is the gateway's own user's, who has no quota.
    cluster.home.submit(&sleeps);
    cluster.home.submit(&sleeps);
    assert_eq!(alice.delete(&format!("/v2/jobs/{first}")).status, 200);
    alice.wait_step("v2", &first, 0, &["canceled"]);
    alice.submit("v2", &sleeps);
}

#[test]
fn nobody_stores_more_than_the_quota() {
    let cluster = gateway("[quota]\nstored = \"1M\"\n");
    let mut alice = client(&cluster, "alice");
    let job = alice.create("v2", &json!({"script": "#!/bin/sh\nhead -c 2000000 /dev/zero >big\n"}));
    let files = format!("/v2/jobs/{job}/files");
    assert_eq!(alice.upload(&files, &[("half", &vec![b'x'; 600_000])]).status, 200);
    let refused = alice.upload(&files, &[("other", &vec![b'x'; 600_000])]);
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("300")), "{}", refused.text());
    assert!(refused.text().contains("alice's jobs take") && refused.text().contains("1.0M is the limit"));
    let listing = alice.get(&files).json();
    assert_eq!(listing.as_object().unwrap().keys().collect::<Vec<_>>(), ["half"], "nothing of it was kept");

    // What a job writes by itself is measured in the background.
    assert_eq!(alice.post(&format!("/v2/jobs/{job}/start"), &Value::Null).status, 200);
    alice.wait_step("v2", &job, 1, &["completed"]);
    let new = json!({"script": "#!/bin/sh\ntrue\n"});
    let refused = wait_for("what the job wrote to count", SOON, || {
        let answer = alice.post("/v2/jobs/new", &new);
        (answer.status == 429).then_some(answer)
    });
    assert!(refused.text().contains("delete jobs that are not needed any more"), "{}", refused.text());
    cluster.home.ok(&["rm", &job]);
    assert_eq!(alice.post("/v2/jobs/new", &new).status, 200);
}
