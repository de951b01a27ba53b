//! The audit log of a whole server.

use std::path::{Path, PathBuf};

use jobgate_engine::audit::{Line, lines, verify};

use super::slurm::{One, gate_changed, token};
use super::*;
use crate::{AuditSettings, OnFailure};

struct Recorded {
    gate: Gate,
    dir: tempfile::TempDir,
    path: PathBuf,
}

fn recorded(change: impl FnOnce(&mut AuditSettings)) -> Recorded {
    let log = tempfile::tempdir().unwrap();
    let path = log.path().join("audit.log");
    let mut audit = AuditSettings { file: Some(path.clone()), login: "me".into(), ..AuditSettings::default() };
    change(&mut audit);
    let (gate, dir) = gate_changed(Arc::new(One), |settings| settings.audit = audit);
    // the key is read when it is asked for
    std::mem::forget(dir);
    Recorded { gate, dir: log, path }
}

fn read(path: &Path) -> Vec<Line> {
    lines(path).map(Iterator::collect).unwrap_or_default()
}

fn shown(line: &Line) -> String {
    let Line { who, established, role, client, via, what, outcome, .. } = line;
    let (job, status) = (line.job.as_deref().unwrap_or("-"), line.status.unwrap_or_default());
    format!("{who} {established} {role} {client} {via}: {what} {job} {outcome} {status}")
}

impl Recorded {
    /// The lines, once there are so many.
    async fn lines(&self, count: usize) -> Vec<Line> {
        eventually(&format!("{count} lines"), async || read(&self.path).len() >= count).await;
        read(&self.path)
    }
}

#[tokio::test]
async fn what_changes_something_or_is_refused_is_recorded() {
    let recorded = recorded(|_| ());
    let gate = &recorded.gate;
    let reply =
        gate.ask_with("POST /v2/jobs/new?secret=s3cret", &[("x-request-id", "abc")], "{\"script\": \"s3cret\"}").await;
    let jobid = reply.ok().json().as_str().unwrap().to_owned();
    gate.ask(&format!("GET /v2/jobs/{jobid}")).await.ok();
    gate.ask("GET /v2/backends/nowhere").await;
    gate.ask("GET /v2/jobs/17.005/state").await;
    gate.ask(&format!("DELETE /v1/jobs/{jobid}")).await.ok();
    gate.send(Peer::Tcp("192.0.2.7:80".parse().unwrap()), request("GET /v1/jobs?x=s3cret", &[], "")).await;
    let alice = token("alice");
    let slurm = [("x-slurm-user-token", alice.as_str()), ("content-type", "application/json")];
    gate.ask_with("DELETE /slurm/v0.0.43/job/77", &slurm, "").await;
    gate.ask_with("GET /slurm/v0.0.43/jobs", &[("x-slurm-user-token", "s3cret")], "").await;
    gate.ask_with("GET /slurm/v0.0.43/jobs", &[], "").await;

    let lines = recorded.lines(7).await;
    let shown: Vec<String> = lines.iter().map(shown).collect();
    let shown = shown.join("\n").replace(&jobid, "JOBID");
    insta::assert_snapshot!(shown, @"
    local:psik_api local administrator 127.0.0.1 tcp: psik POST /v2/jobs/new JOBID allowed 200
    local:psik_api local administrator 127.0.0.1 tcp: psik GET /v2/jobs/{jobid}/state 17.005 denied 404
    local:psik_api local administrator 127.0.0.1 tcp: psik DELETE /v1/jobs/{jobid} JOBID allowed 200
    - - - 192.0.2.7 tcp: psik GET /v1/jobs - denied 403
    alice jwt user 127.0.0.1 tcp: slurm DELETE /slurm/v0.0.43/job/{job_id} 77 denied 404
    - - - 127.0.0.1 tcp: slurm GET /slurm/v0.0.43/jobs/ - denied 511
    - - - 127.0.0.1 tcp: slurm GET /slurm/v0.0.43/jobs/ - denied 401
    ");
    assert_eq!(lines[0].request_id.as_deref(), Some("abc"));
    assert!(!std::fs::read_to_string(&recorded.path).unwrap().contains("s3cret"));
    let report = verify(std::slice::from_ref(&recorded.path)).unwrap();
    assert_eq!((report.lines, report.fault), (7, None));
}

#[tokio::test]
async fn who_acts_as_somebody_else_is_recorded() {
    let recorded = recorded(|_| ());
    let slurm = token("slurm");
    let headers = [("x-slurm-user-token", slurm.as_str()), ("x-slurm-user-name", "alice")];
    recorded.gate.ask_with("DELETE /slurm/v0.0.43/job/77", &headers, "").await;
    recorded.gate.ask_with("DELETE /slurm/v0.0.43/job/77", &headers[..1], "").await;
    let lines: Vec<String> = recorded.lines(2).await.iter().map(shown).collect();
    assert_eq!(
        lines,
        [
            "slurm jwt administrator 127.0.0.1 tcp: slurm DELETE /slurm/v0.0.43/job/{job_id} as alice 77 denied 404",
            "slurm jwt administrator 127.0.0.1 tcp: slurm DELETE /slurm/v0.0.43/job/{job_id} 77 denied 404",
        ]
    );
}

#[tokio::test]
async fn reads_if_they_should_be() {
    let recorded = recorded(|audit| audit.reads = true);
    recorded.gate.ask("GET /v2/jobs").await.ok();
    recorded.gate.ask("GET /v2/backends").await.ok();
    recorded.gate.ask("GET /v2/jobs/").await.ok();
    let whats: Vec<String> = recorded.lines(2).await.into_iter().map(|line| line.what).collect();
    assert_eq!(whats, ["psik GET /v2/jobs", "psik GET /v2/jobs/"]);
}

#[tokio::test]
async fn refusals_do_not_fill_the_disk() {
    let recorded = recorded(|_| ());
    for _ in 0..100 {
        recorded.gate.ask("GET /v2/jobs/17.005").await;
    }
    recorded.gate.job(json!({})).await;
    let lines = recorded.lines(61).await;
    assert_eq!((lines.len(), lines[60].outcome.as_str()), (61, "allowed"));
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_done_if_that_is_wanted() {
    let recorded = recorded(|audit| audit.on_failure = OnFailure::Refuse);
    let submit = async || {
        recorded
            .gate
            .ask_with("POST /v2/jobs/new", &[("content-type", "application/json")], "{\"script\": \"x\"}")
            .await
    };
    submit().await.ok();
    let away = recorded.dir.path().join("away");
    eventually("the first line", async || !read(&recorded.path).is_empty()).await;
    // where the file was there is something that cannot be written
    std::fs::rename(&recorded.path, &away).unwrap();
    std::fs::create_dir(&recorded.path).unwrap();
    eventually("a refusal", async || submit().await.status == StatusCode::SERVICE_UNAVAILABLE).await;
    let refused = submit().await;
    assert!(refused.told().starts_with("503 the audit log cannot be written"), "{}", refused.told());
    assert_eq!(refused.header("retry-after"), "5");
    recorded.gate.ask("GET /v2/jobs").await.ok();
    let slurm = recorded.gate.ask("POST /slurm/v0.0.43/job/submit").await;
    assert_eq!((slurm.status.as_u16(), slurm.header("content-type")), (503, "text/plain"));
    let page = String::from_utf8(recorded.gate.ask("GET /metrics").await.ok().body.to_vec()).unwrap();
    assert!(page.contains("jobgate_audit_failures_total") && page.contains("jobgate_audit_lost_total 0\n"), "{page}");

    std::fs::remove_dir(&recorded.path).unwrap();
    eventually("that it goes on", async || submit().await.status == StatusCode::OK).await;
    // what was under way is written as soon as it can be
    let jobs = recorded.gate.ask("GET /v2/jobs").await.ok().json().as_array().unwrap().len();
    let done =
        |path: &Path| read(path).iter().filter(|line| line.outcome == "allowed" && line.event == "request").count();
    eventually("a line for each job", async || done(&away) + done(&recorded.path) == jobs).await;
    assert_eq!(verify(&[away, recorded.path.clone()]).unwrap().fault, None);
}

#[tokio::test]
async fn it_goes_on_if_that_is_wanted() {
    let recorded = recorded(|_| ());
    std::fs::create_dir(&recorded.path).unwrap();
    for _ in 0..3 {
        recorded.gate.job(json!({})).await;
    }
    std::fs::remove_dir(&recorded.path).unwrap();
    assert_eq!(recorded.lines(3).await.len(), 3);
}

#[tokio::test]
async fn another_policy_is_recorded_when_it_takes_effect() {
    let site = tempfile::tempdir().unwrap();
    let (path, policy) = (site.path().join("audit.log"), site.path().join("policy"));
    std::fs::write(&policy, "allow if true;").unwrap();
    let mut settings = settings(Mode::Local);
    settings.auth.policy = Some(policy.clone());
    settings.audit = AuditSettings { file: Some(path.clone()), login: "me".into(), ..AuditSettings::default() };
    let gate = Gate::with(&settings);
    gate.ask("GET /v2/jobs").await.ok();
    std::fs::write(&policy, "deny if access(\"write\");\nallow if true;").unwrap();
    gate.ask("GET /v2/jobs").await.ok();
    gate.ask("GET /v2/jobs").await.ok();
    eventually("the line of it", async || !read(&path).is_empty()).await;
    let events: Vec<String> = read(&path).iter().map(|line| format!("{} {}", line.who, line.event)).collect();
    assert_eq!(events, ["me policy-reloaded"]);
}
