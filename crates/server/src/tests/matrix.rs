//! Every route of every dialect for every kind of principal: what is answered is a snapshot, so that nothing opens or closes
//! unnoticed. What is not in the list of routes fails `audience::the_list_is_complete`; Slurm's operations are a table.

use std::fmt::Write as _;

use jobgate_slurm::operations::OPERATIONS;
use jobgate_slurm::version::Version;

use super::audience::ROUTES;
use super::slurm::{gate_with, token as jwt};
use super::*;
use crate::Vouching;
use crate::biscuit::{BiscuitSettings, Grant, Restriction, attenuate, mint, revocation_id, revoke};

/// Who may do something with one job only.
const THIS_JOB: &str = "this job";

/// One who asks: what it is called in the snapshot, and its token.
type Kind = (&'static str, Option<String>);

/// A gateway that admits tokens only, with a job of alice's that bob may read and carol may write.
struct Stage {
    gate: Gate,
    _slurm: tempfile::TempDir,
    _keys: tempfile::TempDir,
    settings: BiscuitSettings,
}

impl Stage {
    fn new() -> Self {
        let keys = tempfile::tempdir().unwrap();
        let settings = BiscuitSettings::below(keys.path());
        let (gate, slurm) = gate_with(Mode::Insecure, |auth| auth.biscuit = Some(settings.clone()));
        Self { gate, _slurm: slurm, _keys: keys, settings }
    }

    fn biscuit(&self, user: &str, lasting: i64) -> String {
        let expires = jiff::Timestamp::now().as_second() + lasting;
        mint(&self.settings, &Grant { user, vouching: Vouching::Ours, expires, backends: None }).unwrap()
    }

    async fn send(&self, token: Option<&str>, line: &str, kind: &str, body: String) -> Reply {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = [("content-type", kind), ("user-agent", "curl/8")]
            .into_iter()
            .chain(bearer.as_deref().map(|bearer| ("authorization", bearer)))
            .collect();
        self.gate.send(Peer::Tcp("192.0.2.1:5".parse().unwrap()), request(line, &headers, body)).await
    }

    /// A job of alice's, with its shares.
    async fn job(&self) -> String {
        let alice = self.biscuit("uid:alice", 600);
        let send = async |line: &str, body: Value| {
            self.send(Some(&alice), line, "application/json", body.to_string()).await.ok().json()
        };
        let jobid = send("POST /v2/jobs/new", json!({"script": "#!/bin/sh\ntrue\n"})).await;
        let jobid = jobid.as_str().unwrap().to_owned();
        send(&format!("PUT /v2/jobs/{jobid}/shares/bob"), json!("read")).await;
        send(&format!("PUT /v2/jobs/{jobid}/shares/carol"), json!("write")).await;
        std::fs::write(self.gate.base(&jobid).join("work/x"), "x").unwrap();
        jobid
    }

    /// A token of alice's for one job.
    fn for_job(&self, jobid: &str) -> String {
        let one = Restriction { jobs: vec![jobid.to_owned()], ..Restriction::default() };
        attenuate(&self.biscuit("uid:alice", 600), &one).unwrap()
    }

    fn kinds(&self, jobid: &str) -> Vec<Kind> {
        let elsewhere = tempfile::tempdir().unwrap();
        let foreign = BiscuitSettings::below(elsewhere.path());
        let expires = jiff::Timestamp::now().as_second() + 600;
        let wrong = mint(&foreign, &Grant { user: "uid:alice", vouching: Vouching::Ours, expires, backends: None });
        let alice = self.biscuit("uid:alice", 600);
        let read_only = attenuate(&alice, &Restriction { read_only: true, ..Restriction::default() }).unwrap();
        let revoked = self.biscuit("uid:alice", 601);
        let id = revocation_id(&revoked).unwrap();
        revoke(&self.settings.revoked, &[id], "by the test").unwrap();
        vec![
            ("none", None),
            ("wrong", Some(wrong.unwrap())),
            ("expired", Some(self.biscuit("uid:alice", -60))),
            ("revoked", Some(revoked)),
            ("stranger", Some(jwt("zoe"))),
            ("may read", Some(jwt("bob"))),
            ("may write", Some(self.biscuit("uid:carol", 600))),
            ("owner", Some(alice)),
            ("read-only", Some(read_only)),
            (THIS_JOB, Some(self.for_job(jobid))),
            ("other job", Some(self.for_job("1.002"))),
            ("administrator", Some(jwt("slurm"))),
        ]
    }
}

/// What a request of this line needs in order to be a good one.
fn body_of(line: &str, jobid: &str) -> (&'static str, String) {
    const PART: &str = "--b\r\ncontent-disposition: form-data; name=\"files\"; filename=\"up\"\r\n\r\nx\r\n--b--\r\n";
    let json = |value: Value| ("application/json", value.to_string());
    match line.rsplit('/').find(|part| !part.is_empty()).unwrap_or_default() {
        "callback" => json(json!({"jobid": jobid, "jobndx": 7, "state": "active"})),
        "jobs" | "new" if line.starts_with("POST") => json(json!({"script": "#!/bin/sh\ntrue\n"})),
        "files" if line.starts_with("POST") => ("multipart/form-data; boundary=b", PART.into()),
        _ if line.contains("/shares/") => json(json!("read")),
        _ if line.contains("/files/") && !line.starts_with("GET") => ("application/octet-stream", "x".into()),
        _ => ("application/json", String::new()),
    }
}

/// A line of the snapshot; kinds with the same answer stand together.
fn row(table: &mut String, line: &str, statuses: &[(&'static str, u16)]) {
    let mut groups: Vec<(u16, Vec<&str>)> = Vec::new();
    for (kind, status) in statuses {
        match groups.iter_mut().find(|(known, _)| known == status) {
            Some((_, kinds)) => kinds.push(kind),
            None => groups.push((*status, vec![kind])),
        }
    }
    groups.sort();
    let groups: Vec<String> = groups.iter().map(|(status, kinds)| format!("{status}: {}", kinds.join(", "))).collect();
    writeln!(table, "{line}\n    {}", groups.join("\n    ")).unwrap();
}

#[tokio::test]
async fn psik_and_pages() {
    let stage = Stage::new();
    let kinds = stage.kinds("1.001");
    let looked_at = stage.job().await;
    let mut table = String::new();
    for (_, route) in ROUTES {
        for dialect in ["/v1", "/v2"] {
            let route = route.replace("/V", dialect);
            let mut statuses = Vec::new();
            for (name, token) in &kinds {
                // what may be changed is a job of its own
                let changes = !route.starts_with("GET") && (route.contains("1.001") || route.contains("callback"));
                let jobid = if changes { stage.job().await } else { looked_at.clone() };
                let token = if *name == THIS_JOB { Some(stage.for_job(&jobid)) } else { token.clone() };
                let line = route.replace("1.001", &jobid);
                let (kind, body) = body_of(&line, &jobid);
                let reply = stage.send(token.as_deref(), &line, kind, body).await;
                assert_ne!(reply.status.as_u16() / 100, 5, "{line} for {name}");
                statuses.push((*name, reply.status.as_u16()));
            }
            row(&mut table, &route.replace("1.001", "JOBID"), &statuses);
            if !route.contains(dialect) {
                break;
            }
        }
    }
    insta::assert_snapshot!("psik_and_pages", table);
}

#[tokio::test]
async fn operations_of_slurm() {
    let stage = Stage::new();
    let jobid = stage.job().await;
    let kinds = stage.kinds(&jobid);
    let mut table = String::new();
    for operation in OPERATIONS {
        // the newest version that has it
        let Some(version) = Version::ALL.into_iter().rev().find(|version| operation.is_in(*version)) else { continue };
        let path = operation.path.replace("{version}", &version.to_string());
        let path: Vec<&str> = path.split('/').map(|part| if part.starts_with('{') { "5" } else { part }).collect();
        let line = format!("{} {}", operation.method.as_str(), path.join("/"));
        let mut statuses = Vec::new();
        for (name, token) in &kinds {
            let reply = stage.send(token.as_deref(), &line, "application/json", "{}".into()).await;
            statuses.push((*name, reply.status.as_u16()));
        }
        row(&mut table, &line, &statuses);
        for (kind, status) in statuses {
            let kept_out = ["none", "wrong", "expired", "revoked", THIS_JOB, "other job"].contains(&kind);
            assert!(!kept_out || (400..600).contains(&status), "{line} lets {kind} in");
        }
    }
    insta::assert_snapshot!("operations_of_slurm", table);
}
