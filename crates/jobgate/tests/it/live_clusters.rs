//! Several clusters behind one gateway, each at its own base URL; and a cluster of MUNGE, for its own user on a login node.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::fixture::http::{Address, Body};
use crate::fixture::{Client, Cluster, Gateway, Home, SOON, wait_for};
use crate::live_jobs::{described, serve};

/// Users that this machine does not know.
const USERS: &str = "[slurm.users]\nalice = { uid = 2001, gid = 2001 }\n";
/// With tokens only, on a port that the system chooses.
const LISTENER: &str = "[[server.listener]]\naddress = \"127.0.0.1:0\"\naccept = [\"jwt\"]\n";

/// A further cluster, of which the gateway has the key.
fn table(name: &str, cluster: &Cluster) -> String {
    let (controller, key) = (cluster.controller, format!("../../etc/{name}.key"));
    format!(
        "[slurm.clusters.{name}]\njwt_key = \"{key}\"\n[slurm.clusters.{name}.controller]\n\
         addresses = [\"{controller}\"]\nfreshness = \"500ms\"\n"
    )
}

fn give_key(home: &Home, name: &str, key: &Path) {
    let path = home.path(&format!("etc/{name}.key"));
    fs::write(&path, fs::read(key).unwrap()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn with_token(gateway: &Gateway, token: &str) -> Client {
    let mut client = gateway.client();
    client.headers.push(("authorization".into(), format!("Bearer {token}")));
    client
}

/// Submits below a base path; gives the number.
#[track_caller]
fn submit(client: &mut Client, base: &str, job: &Value, key: &str) -> u64 {
    let body = json!({ "job": job }).to_string();
    let headers = [("content-type", "application/json"), ("idempotency-key", key)];
    let path = format!("{base}/slurm/v0.0.42/job/submit");
    let answer = client.request("POST", &path, &headers, &Body::Bytes(body.as_bytes())).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["job_id"].as_u64().unwrap()
}

/// The gateway's jobs: id and state.
fn jobs(client: &mut Client) -> Vec<(String, String)> {
    let answer = client.get("/v2/jobs");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = |job: &Value, key: &str| job[key].as_str().unwrap().to_owned();
    answer.json().as_array().unwrap().iter().map(|job| (text(job, "jobid"), text(job, "state"))).collect()
}

#[track_caller]
fn state_of(client: &mut Client, jobid: &str) -> String {
    jobs(client).into_iter().find(|job| job.0 == jobid).unwrap().1
}

/// The only job of a backend.
#[track_caller]
fn job_in(home: &Home, client: &mut Client, backend: &str) -> String {
    let is_there = |jobid: &String| {
        // its files are made a moment after the answer
        let spec: Value =
            wait_for("a job's spec.json", SOON, || serde_json::from_str(&home.read(jobid, "spec.json")).ok());
        spec["backend"] == backend
    };
    let there: Vec<String> = jobs(client).into_iter().map(|job| job.0).filter(is_there).collect();
    assert_eq!(there.len(), 1, "{backend}: {there:?}");
    there[0].clone()
}

fn names(client: &mut Client, base: &str, path: &str) -> Vec<String> {
    let answer = client.get(&format!("{base}/slurm/v0.0.42/{path}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["jobs"].as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_real_cluster_beside_the_embedded_one() {
    let Some(cluster) = Cluster::shared() else { return };
    let home = Home::with_settings(&format!("poll_interval = \"1s\"\n{LISTENER}{}{USERS}", table("real", &cluster)));
    give_key(&home, "real", &cluster.etc("jwt_hs256.key"));
    let token = home.run(&["token", "alice"]);
    assert_eq!(token.code, 0, "{token:?}");
    let embedded = token.out.trim().trim_start_matches("SLURM_JWT=").to_owned();
    let gateway = serve(&home);
    let (mut here, mut there) = (with_token(&gateway, &embedded), with_token(&gateway, &cluster.token("alice")));
    // tokens count for their own cluster, and those of the main one also elsewhere
    for (client, expected) in [(&mut here, [200, 511]), (&mut there, [511, 200])] {
        let statuses = ["", "/cluster/real"].map(|base| client.get(&format!("{base}/slurm/v0.0.42/nodes/")).status);
        assert_eq!(statuses, expected);
    }
    assert_eq!(there.get("/v2/jobs").status, 401);
    let meta = there.get("/cluster/real/slurm/v0.0.42/ping").json();
    assert_ne!(meta["meta"]["slurm"]["cluster"], here.get("/slurm/v0.0.42/ping").json()["meta"]["slurm"]["cluster"]);
    // the same request to either
    let mut job = described(&cluster, "sleep 60");
    job["hold"] = json!(true);
    job["name"] = json!(format!("twofold-{}", std::process::id()));
    job["current_working_directory"] = json!("/tmp");
    let number = submit(&mut there, "/cluster/real", &job, "k");
    assert_eq!(submit(&mut there, "/cluster/real", &job, "k"), number, "the same key is the same job");
    let body = json!({ "job": job }).to_string();
    let headers = [("content-type", "application/json"), ("idempotency-key", "k")];
    let reused = here.request("POST", "/slurm/v0.0.42/job/submit", &headers, &Body::Bytes(body.as_bytes())).unwrap();
    assert_eq!(reused.status, 422, "another cluster is another request: {}", reused.text());
    submit(&mut here, "", &job, "l");
    let (own, far) = (job_in(&home, &mut here, "default"), job_in(&home, &mut here, "real"));
    let name = job["name"].as_str().unwrap();
    assert!(names(&mut there, "/cluster/real", &format!("job/{number}")).iter().any(|one| one == name));
    assert_eq!(names(&mut here, "", "jobs"), [name], "the embedded one has its own only");
    // an order goes where the job is
    assert_eq!(here.delete(&format!("/v2/jobs/{far}")).status, 200);
    wait_for("the job in the cluster to be cancelled", SOON, || {
        (state_of(&mut here, &far) == "canceled").then_some(())
    });
    let itself = cluster.exec("root", &["squeue", "-h", "-o", "%T", "-j", &number.to_string()]).out;
    assert!(itself.is_empty() || itself == "CANCELLED\n", "{itself}");
    assert_eq!(state_of(&mut here, &own), "queued", "the other is as it was");
    assert_eq!(here.delete(&format!("/v2/jobs/{own}")).status, 200);
    // psik's jobs are not let in where Slurm's own programs would find another cluster
    let refused = here.post("/v2/jobs", &json!({ "script": "true", "backend": "real" }));
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(refused.text().contains("conf"), "{}", refused.text());
}

#[test]
#[ignore = "two clusters at once: cargo nextest run -p jobgate --test it live_clusters --run-ignored all"]
fn jobs_of_the_same_number_in_two_real_clusters() {
    let Some(old) = Cluster::of_suite("trixie") else { return };
    let Some(new) = Cluster::of_suite("forky") else { return };
    let home = Home::with_settings(&format!(
        "poll_interval = \"1s\"\n{LISTENER}[slurm]\njwt_key = \"../../etc/old.key\"\n[slurm.controller]\naddresses = [\"{}\"]\n\
         freshness = \"500ms\"\n{}{USERS}",
        old.controller,
        table("new", &new),
    ));
    give_key(&home, "old", &old.etc("jwt_hs256.key"));
    give_key(&home, "new", &new.etc("jwt_hs256.key"));
    let gateway = serve(&home);
    let (mut first, mut second) =
        (with_token(&gateway, &old.token("alice")), with_token(&gateway, &new.token("alice")));
    let release = |client: &mut Client, base: &str| {
        let answer = client.get(&format!("{base}/slurm/v0.0.42/ping"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        client.get(&format!("{base}/slurm/v0.0.42/nodes")).json()["meta"]["slurm"]["release"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert!(release(&mut first, "").starts_with("24.11"));
    assert!(release(&mut second, "/cluster/new").starts_with("26.05"));
    // the one whose numbers are lower catches up
    let next = |cluster: &Cluster| {
        let id = cluster.ok("alice", &["sbatch", "--parsable", "-o", "/dev/null", "-H", "--wrap", "true"]);
        cluster.ok("alice", &["scancel", id.trim()]);
        id.trim().parse::<u64>().unwrap()
    };
    let (mut a, mut b) = (next(&old), next(&new));
    assert!(a.abs_diff(b) < 500, "{a} and {b}: take fresh clusters (tests/cluster down)");
    while a != b {
        if a < b { a = next(&old) } else { b = next(&new) }
    }
    let note = |cluster: &Cluster| cluster.work().join(format!("note-{}", std::process::id()));
    let job = |cluster: &Cluster, end: &str| {
        let mut job = described(cluster, &format!("echo $SLURM_JOB_ID >> {}; {end}", note(cluster).display()));
        job["hold"] = json!(true);
        job
    };
    let one = submit(&mut first, "", &job(&old, "exit 3"), "k");
    let two = submit(&mut second, "/cluster/new", &job(&new, "true"), "l");
    assert_eq!(one, two);
    let (one_id, two_id) = (job_in(&home, &mut first, "slurm"), job_in(&home, &mut first, "new"));
    // each is released where it is, ends as it does there, and ran once
    for (jobid, state, cluster) in [(&two_id, "completed", &new), (&one_id, "failed", &old)] {
        assert_eq!(home.run(&["release", jobid]).code, 0);
        wait_for(&format!("{jobid} to be {state}"), SOON, || (state_of(&mut first, jobid) == state).then_some(()));
        assert_eq!(fs::read_to_string(note(cluster)).unwrap(), format!("{one}\n"));
        fs::remove_file(note(cluster)).unwrap();
    }
}

#[test]
fn munge_speaks_for_who_runs_the_gateway() {
    let Some(cluster) = Cluster::shared() else { return };
    let settings = format!(
        "poll_interval = \"1s\"\n[slurm.controller]\naddresses = [\"{}\"]\nfreshness = \"500ms\"\nmunge = \"/run/munge/munge.socket.2\"\n",
        cluster.controller
    );
    let home = Home::in_cluster(&cluster, "alice", &settings);
    let socket = home.path("gate.sock");
    let _gateway = Gateway::start_with(&home, &["--uds", socket.to_str().unwrap()]);
    // root may act for the gateway's own user, who alone needs no token
    let as_user = |login: &str| {
        let mut client = Client::new(Address::Unix(socket.clone()));
        client.headers.push(("x-slurm-user-name".into(), login.into()));
        client
    };
    let mut alice = as_user("alice");
    let note = cluster.work().join(format!("munge-{}", std::process::id()));
    let job = described(&cluster, &format!("echo \"$(id -un) $SLURM_JOB_ID\" >> {}", note.display()));
    let number = submit(&mut alice, "", &job, "k");
    let jobid = wait_for("the job to end", SOON, || {
        let job = jobs(&mut alice).pop()?;
        (job.1 == "completed").then_some(job.0)
    });
    assert_eq!(fs::read_to_string(&note).unwrap(), format!("alice {number}\n"));
    assert_eq!(home.wait_row(&jobid, 1, &["queued"]).info, number.to_string());
    let drain = json!({ "state": ["DRAIN"], "reason": "no" });
    assert_eq!(
        alice.post("/slurm/v0.0.42/node/n1", &drain).json()["errors"][0]["error_number"],
        2010,
        "she is no operator"
    );
    let refused = as_user("bob").get("/slurm/v0.0.42/jobs");
    assert_eq!(refused.status, 511, "{}", refused.text());
    assert!(refused.text().contains("MUNGE vouches for alice only"), "{}", refused.text());
    let mut bob = Client::new(Address::Unix(socket.clone()));
    bob.headers.push(("x-slurm-user-token".into(), cluster.token("bob")));
    assert_eq!(bob.get("/slurm/v0.0.42/jobs").status, 200);
}
