//! Slurm's dialect in one process: credentials, transport, and the frame of answers, over a cluster of one node.

use std::path::Path;

use jobgate_slurm::books::Books;
use jobgate_slurm::cluster::{
    Accounting, Answer, Cluster, Fault, JobState, JobsWanted, Listed, Located, Reach, RecordChange, RecordsWanted,
    Requeue, Stamp,
};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::jwt::{Lifespan, SharedKey};
use jobgate_slurm::objects::{
    ControllerPing, Diag, Job, JobDesc, JobRecord, License, Node, NodeResourceLayout, NodeUpdate, Partition,
    Reservation, ReservationDesc, SlurmConf,
};
use jobgate_slurm::operations::Plugin;
use jobgate_slurm::version::Version;

use super::*;
use crate::{Names, Shown, SlurmKeys, SlurmSettings};

const KEY: &[u8; 32] = b"0123456789abcdef0123456789abcdef";

/// A cluster with one node and one job.
#[derive(Debug)]
pub(super) struct One;

fn nothing<T>() -> Answer<T> {
    Err(Fault::new(Errno::NOT_SUPPORTED, "not here"))
}

impl Cluster for One {
    fn name(&self) -> &'static str {
        "one"
    }

    fn ping(&self) -> Vec<ControllerPing> {
        vec![ControllerPing { hostname: Some("here".into()), responding: Some(true), ..ControllerPing::default() }]
    }

    fn stamp(&self, _: Listed) -> Answer<Stamp> {
        Ok(Stamp { number: 7, changed: 1000, known: 1000, backfill: 1000 })
    }

    fn jobs(&self, wanted: &JobsWanted, each: &mut dyn FnMut(Job)) -> Answer<()> {
        if wanted.ids.as_ref().is_none_or(|ids| ids.contains(&5)) {
            each(Job { job_id: Some(5), name: Some("\"quoted\"\n".into()), ..Job::default() });
        }
        Ok(())
    }

    fn job_states(&self, _: &JobsWanted, each: &mut dyn FnMut(JobState)) -> Answer<()> {
        each(JobState { id: 5, array: None, component: None, states: vec!["RUNNING"] });
        each(JobState { id: 6, array: Some((6, 1)), component: None, states: vec!["PENDING"] });
        Ok(())
    }

    fn locate(&self, _: i64, _: Option<i64>) -> Answer<Vec<Located>> {
        Ok(Vec::new())
    }

    fn number_of(&self, _: &Path, _: i64) -> Answer<Option<i64>> {
        Ok(Some(41))
    }

    fn resources(&self, _: i64) -> Answer<Vec<NodeResourceLayout>> {
        nothing()
    }

    fn nodes(&self) -> Answer<Vec<Node>> {
        Ok(vec![Node { name: Some("n1".into()), ..Node::default() }])
    }

    fn partitions(&self) -> Answer<Vec<Partition>> {
        Ok(Vec::new())
    }

    fn reservations(&self) -> Answer<Vec<Reservation>> {
        Ok(Vec::new())
    }

    fn licenses(&self) -> Answer<Vec<License>> {
        Ok(Vec::new())
    }

    fn diag(&self) -> Answer<Diag> {
        Ok(Diag::default())
    }

    fn conf(&self) -> Answer<SlurmConf> {
        Ok(SlurmConf::default())
    }

    fn reconfigure(&self) -> Answer<()> {
        Ok(())
    }

    fn update_job(&self, _: i64, _: &JobDesc, _: bool) -> Answer<()> {
        nothing()
    }

    fn signal_job(&self, _: i64, _: i32, _: Reach) -> Answer<()> {
        nothing()
    }

    fn requeue_job(&self, _: i64, _: Requeue) -> Answer<()> {
        nothing()
    }

    fn update_nodes(&self, _: &[String], _: &NodeUpdate, _: &str) -> Answer<()> {
        Ok(())
    }

    fn create_node(&self, _: &str) -> Answer<()> {
        nothing()
    }

    fn delete_node(&self, _: &str) -> Answer<()> {
        nothing()
    }

    fn update_partition(&self, _: &Partition) -> Answer<()> {
        nothing()
    }

    fn delete_partition(&self, _: &str) -> Answer<()> {
        nothing()
    }

    fn update_reservation(&self, _: &ReservationDesc) -> Answer<String> {
        nothing()
    }

    fn delete_reservation(&self, _: &str) -> Answer<()> {
        nothing()
    }
}

impl Accounting for One {
    fn records(&self, _: &RecordsWanted, _: &mut dyn FnMut(JobRecord)) -> Answer<()> {
        Ok(())
    }

    fn change_record(&self, _: i64, _: &RecordChange) -> Answer<()> {
        nothing()
    }

    fn books(&self) -> Answer<Arc<Books>> {
        Ok(Arc::new(Books::default()))
    }

    fn change_books(&self, _: &mut dyn FnMut(&mut Books) -> Answer<()>) -> Answer<()> {
        nothing()
    }

    fn started(&self) -> u64 {
        0
    }
}

/// A gateway whose key is in a file of its own.
pub(super) fn gate() -> (Gate, tempfile::TempDir) {
    gate_over(Arc::new(One))
}

/// A gateway over this accounting database.
pub(super) fn gate_over(accounting: Arc<dyn Accounting>) -> (Gate, tempfile::TempDir) {
    gate_changed(accounting, |_| ())
}

/// A gateway with changed settings.
pub(super) fn gate_changed(
    accounting: Arc<dyn Accounting>,
    change: impl FnOnce(&mut Settings),
) -> (Gate, tempfile::TempDir) {
    let (auth, slurm, dir) = parts(accounting);
    let mut settings = Settings { auth, slurm: Some(slurm), ..settings(Mode::Local) };
    change(&mut settings);
    (Gate::with(&settings), dir)
}

/// A gateway in some mode, with further credentials.
pub(super) fn gate_with(mode: Mode, change: impl FnOnce(&mut AuthSettings)) -> (Gate, tempfile::TempDir) {
    gate_changed(Arc::new(One), |settings| {
        settings.mode = mode;
        change(&mut settings.auth);
    })
}

/// A file that holds a key.
pub(super) fn key_file(dir: &tempfile::TempDir, key: &[u8]) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.path().join("key");
    std::fs::write(&path, key).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn parts(accounting: Arc<dyn Accounting>) -> (AuthSettings, SlurmSettings, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let key = key_file(&dir, KEY);
    let slurm = SlurmSettings {
        cluster: Shown::Embedded(Arc::new(One)),
        accounting,
        versions: Version::ALL.to_vec(),
        plugins: Plugin::ALL.to_vec(),
        backend: "default".into(),
        private_jobs: false,
        listing_cache: 1 << 20,
    };
    let auth = AuthSettings {
        names: Names { login: "me".into(), administrators: vec!["slurm".into()], ..Names::default() },
        slurm_keys: SlurmKeys { hs256: Some(key), ..SlurmKeys::default() },
        ..settings(Mode::Local).auth
    };
    (auth, slurm, dir)
}

pub(super) fn token(user: &str) -> String {
    token_by(KEY, user)
}

/// A token that this key has signed.
pub(super) fn token_by(key: &[u8], user: &str) -> String {
    let now = jiff::Timestamp::now().as_second();
    SharedKey::new(key).unwrap().mint(user, Lifespan::Seconds(600), now).unwrap()
}

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body.to_vec()).unwrap()
}

#[tokio::test]
async fn nothing_is_told_without_credentials() {
    let (gate, _dir) = gate();
    let alice = token("alice");
    let both = [("x-slurm-user-token", alice.as_str()), ("authorization", "Bearer x")];
    for path in ["/slurm/v0.0.45/ping", "/slurm/v0.0.45/nosuch", "/slurmdb/v0.0.40/users", "/openapi", "/openapi/v3"] {
        for headers in [&[][..], &[("x-slurm-user-name", "alice")], &[("authorization", "Basic YTpi")], &both] {
            let reply = gate.ask_with(&format!("GET {path}"), headers, "").await;
            assert_eq!(
                (reply.status.as_u16(), text(&reply)),
                (401, "Authentication failure".into()),
                "{path} {headers:?}"
            );
            assert_eq!(reply.header("connection"), "Close");
        }
    }
}

#[tokio::test]
async fn tokens_are_taken_as_slurmrestd_takes_them() {
    let (gate, _dir) = gate();
    let (alice, root) = (token("alice"), token("root"));
    let bearer = format!("Bearer {alice}");
    for headers in [
        &[("x-slurm-user-token", alice.as_str())][..],
        &[("x-slurm-user-token", alice.as_str()), ("x-slurm-user-name", "alice")],
        &[("authorization", bearer.as_str())],
        &[("x-slurm-user-token", root.as_str()), ("x-slurm-user-name", "alice")],
    ] {
        let reply = gate.ask_with("GET /slurm/v0.0.42//ping/", headers, "").await.ok();
        assert_eq!(reply.json()["pings"][0]["hostname"], "here", "{headers:?}");
        assert_eq!(reply.json()["meta"]["plugin"]["data_parser"], "data_parser/v0.0.42");
    }
    let bob = [("x-slurm-user-token", alice.as_str()), ("x-slurm-user-name", "bob")];
    for headers in [&bob[..], &[("x-slurm-user-token", "garbage")]] {
        let reply = gate.ask_with("GET /slurm/v0.0.42/jobs", headers, "").await;
        assert_eq!((reply.status.as_u16(), &reply.json()["errors"][0]["error_number"]), (511, &json!(1007)));
        let reply = gate.ask_with("GET /slurmdb/v0.0.42/users", headers, "").await;
        assert_eq!((reply.status.as_u16(), &reply.json()["errors"][0]["error_number"]), (502, &json!(7000)));
        assert_eq!(gate.ask_with("GET /slurm/v0.0.42/nosuch", headers, "").await.status, StatusCode::NOT_FOUND);
    }
    let ours = Peer::Unix { uid: rustix::process::geteuid().as_raw() };
    assert_eq!(gate.send(ours, request("GET /slurm/v0.0.45/ping", &[], "")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn transport() {
    let (gate, _dir) = gate();
    let token = token("alice");
    let with = |extra: &[(&'static str, &'static str)]| {
        let mut headers = vec![("x-slurm-user-token", token.as_str())];
        headers.extend(extra);
        headers
    };
    let status = async |line: &str, extra: &[(&'static str, &'static str)], body: &'static str| {
        gate.ask_with(line, &with(extra), body).await.status.as_u16()
    };
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"] {
        assert_eq!(status(&format!("{method} /slurm/v0.0.45/ping"), &[], "").await, 404, "{method}");
    }
    assert_eq!(status("GET /slurm/v0.0.39/ping", &[], "").await, 404);
    assert_eq!(status("GET /slurm/v0.0.45/ping", &[("accept", "text/html")], "").await, 415);
    let submit = "POST /slurm/v0.0.45/job/submit";
    for (kind, body, expected) in [
        ("application/json", "{\"job\": {", 400),
        ("application/json", "null", 400),
        ("application/json", "[1,2]", 500),
        ("application/json", "", 422),
        ("application/json", "{}", 422),
        ("application/json; charset=utf-8", "{}", 422),
        ("text/plain", "{}", 415),
        ("application/yaml", "a: &a [x]\nb: *a", 400),
    ] {
        assert_eq!(status(submit, &[("content-type", kind)], body).await, expected, "{kind} {body}");
    }
    assert_eq!(status(submit, &[], "{}").await, 500, "a body without a type");
    let yaml = gate.ask_with("GET /slurm/v0.0.45/ping", &with(&[("accept", "application/yaml")]), "").await.ok();
    assert_eq!(yaml.header("content-type"), "application/yaml");
    assert!(text(&yaml).starts_with("pings:\n- hostname: here\n"), "{}", text(&yaml));
}

#[tokio::test]
async fn listings_are_shared_compressed_and_known_again() {
    let (gate, _dir) = gate();
    let token = token("alice");
    let get = async |path: &str, extra: &[(&str, &str)]| {
        let mut headers = vec![("x-slurm-user-token", token.as_str())];
        headers.extend(extra);
        gate.ask_with(&format!("GET {path}"), &headers, "").await
    };
    for version in Version::ALL {
        let reply = get(&format!("/slurm/{version}/jobs"), &[]).await.ok();
        let jobs = reply.json()["jobs"].clone();
        assert_eq!(
            (jobs[0]["job_id"].clone(), jobs[0]["name"].clone()),
            (json!(5), json!("\"quoted\"\n")),
            "{version}"
        );
        let etag = reply.header("etag").to_owned();
        let again = get(&format!("/slurm/{version}/jobs"), &[("if-none-match", &etag)]).await;
        assert_eq!((again.status.as_u16(), again.body.len()), (304, 0), "{version}");
        // in the second of the last change there may have been more of them
        let known = reply.json()["last_update"]["number"].clone();
        let again = get(&format!("/slurm/{version}/jobs?update_time=1000"), &[]).await.ok().json();
        assert_eq!((known, again["jobs"].as_array().unwrap().len()), (json!(1001), 1), "{version}");
        let same = get(&format!("/slurm/{version}/jobs?update_time=1001"), &[]).await.ok();
        assert_eq!((same.json()["jobs"].clone(), same.json()["warnings"].as_array().unwrap().len()), (json!([]), 1));
    }
    let small = get("/slurm/v0.0.45/jobs", &[("accept-encoding", "br, gzip")]).await.ok();
    assert_eq!(small.header("content-encoding"), "gzip");
    let mut whole = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&small.body[..]), &mut whole).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&whole).unwrap()["jobs"][0]["job_id"], 5);
    // as many warnings as before, but others
    for wrong in ["first", "second"] {
        let packed = get(&format!("/slurm/v0.0.45/jobs?{wrong}=1"), &[("accept-encoding", "gzip")]).await.ok();
        let unpacked: Value = serde_json::from_reader(flate2::read::GzDecoder::new(&packed.body[..])).unwrap();
        let warnings = unpacked["warnings"].to_string();
        assert!(warnings.contains(wrong), "{warnings}");
    }

    let states = get("/slurm/v0.0.45/jobs/state?job_id=5,6_1", &[]).await.ok().json();
    assert_eq!(states["jobs"], json!([{"job_id": "5", "state": ["RUNNING"]}, {"job_id": "6_1", "state": ["PENDING"]}]));
    assert_eq!(get("/slurm/v0.0.45/jobs/state?job_id=abc", &[]).await.status.as_u16(), 422);
    assert_eq!(get("/slurm/v0.0.45/nodes?update_time=2000", &[]).await.status.as_u16(), 304);
    assert_eq!(get("/slurm/v0.0.45/job/99", &[]).await.status.as_u16(), 404);
}

#[tokio::test]
async fn documents() {
    let (gate, _dir) = gate();
    let token = token("alice");
    let headers = [("authorization", format!("Bearer {token}"))];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for path in ["/openapi", "/openapi.json", "/openapi/v3", "//openapi/v3", "/only-v0.0.43/openapi/v3"] {
        let document = gate.ask_with(&format!("GET {path}"), &headers, "").await.ok().json();
        let paths = document["paths"].as_object().unwrap();
        assert!(paths.contains_key("/slurm/v0.0.43/jobs/"), "{path}");
        assert_eq!(paths.contains_key("/slurm/v0.0.45/jobs/"), !path.contains("only"), "{path}");
    }
    assert_eq!(gate.ask_with("GET /only-v0.0.43/slurm/v0.0.45/ping", &headers, "").await.status.as_u16(), 404);
    gate.ask_with("GET /only-v0.0.43/slurm/v0.0.43/ping", &headers, "").await.ok();
}

#[tokio::test]
async fn who_may_change_what() {
    let (gate, _dir) = gate();
    let post = async |user: &str, path: &str, body: Value| {
        let token = token(user);
        let headers = [("x-slurm-user-token", token.as_str()), ("content-type", "application/json")];
        gate.ask_with(&format!("POST {path}"), &headers, body.to_string()).await
    };
    let drain = json!({"state": ["DRAIN"], "reason": "test"});
    let refused = post("alice", "/slurm/v0.0.45/node/n1", drain.clone()).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["errors"][0]["error_number"]), (422, &json!(2010)));
    assert_eq!(post("alice", "/slurm/v0.0.41/node/n1", drain.clone()).await.status.as_u16(), 500);
    for admin in ["root", "slurm", "me"] {
        post(admin, "/slurm/v0.0.45/node/n1", drain.clone()).await.ok();
    }
    let unknown = post("root", "/slurm/v0.0.45/node/n1", json!({"state": ["NOPE"]})).await;
    assert_eq!((unknown.status.as_u16(), &unknown.json()["errors"][0]["error_number"]), (500, &json!(9207)));
}

#[tokio::test]
async fn a_job_submitted_here_is_a_job_of_every_dialect() {
    let (gate, _dir) = gate();
    let mine = token("me");
    let headers = [("x-slurm-user-token", mine.as_str()), ("content-type", "application/json")];
    let job = json!({"job": {"name": "one", "script": "#!/bin/sh\ntrue\n", "current_working_directory": "/tmp", "environment": ["A=b"]}});
    let reply = gate.ask_with("POST /slurm/v0.0.45/job/submit", &headers, job.to_string()).await.ok().json();
    assert_eq!(
        (reply["job_id"].clone(), reply["step_id"].clone(), reply["errors"].clone()),
        (json!(41), json!("batch"), json!([]))
    );
    let jobs = gate.ask("GET /v2/jobs").await.ok().json();
    assert_eq!(jobs.as_array().unwrap().len(), 1);
    assert_eq!(jobs[0]["name"], "one");
    // the same promise, the same job
    let promised = [headers[0], headers[1], ("idempotency-key", "k")];
    for _ in 0..2 {
        gate.ask_with("POST /slurm/v0.0.45/job/submit", &promised, job.to_string()).await.ok();
    }
    assert_eq!(gate.ask("GET /v2/jobs").await.ok().json().as_array().unwrap().len(), 2);
}
