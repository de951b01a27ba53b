//! What browsers are told: headers that every answer has, and pages of other web sites.

use super::*;
use crate::{Door, Wire};

const GUI: &str = "https://gui.example";
const EVIL: &str = "https://evil.example";

fn gate() -> Gate {
    let auth = AuthSettings { origins: vec![GUI.parse().unwrap()], ..AuthSettings::default() };
    Gate::with(&Settings { auth, ..settings(Mode::Local) })
}

#[tokio::test]
async fn before_a_page_of_an_allowed_site_asks() {
    let gate = gate();
    let before = async |origin: &str, path: &str| {
        let headers = [("origin", origin), ("access-control-request-method", "POST"), ("sec-fetch-site", "cross-site")];
        gate.ask_with(&format!("OPTIONS {path}"), &headers, "").await
    };
    for path in ["/v2/jobs", "/slurm/v0.0.43/jobs", "/nowhere"] {
        let reply = before(GUI, path).await;
        assert_eq!((reply.status.as_u16(), reply.header("access-control-allow-origin")), (204, GUI), "{path}");
        assert!(reply.header("access-control-allow-headers").contains("x-slurm-user-token"));
        assert!(reply.header("access-control-allow-methods").contains("DELETE"));
        assert_eq!((reply.header("access-control-allow-credentials"), reply.header("vary")), ("true", "origin"));
        let reply = before(EVIL, path).await;
        assert!(!reply.headers.contains_key("access-control-allow-origin"), "{path}");
        assert_ne!(reply.status.as_u16() / 100, 2, "{path}");
    }
    let options = gate.ask_with("OPTIONS /v2/jobs", &[("origin", GUI)], "").await;
    assert_eq!(options.status, StatusCode::METHOD_NOT_ALLOWED, "nobody asks for CORS");
}

#[tokio::test]
async fn pages_of_allowed_sites_see_answers_and_others_are_turned_away() {
    let gate = gate();
    let ask = async |origin: &str| {
        gate.ask_with("GET /v2/jobs", &[("origin", origin), ("sec-fetch-site", "cross-site")], "").await
    };
    let reply = ask(GUI).await.ok();
    assert_eq!((reply.header("access-control-allow-origin"), reply.header("vary")), (GUI, "origin"));
    assert!(reply.header("access-control-expose-headers").contains("etag"));
    for origin in [EVIL, "https://gui.example.evil.example", "http://gui.example", "https://gui.example:444", "null"] {
        let reply = ask(origin).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{origin}");
        assert!(!reply.headers.contains_key("access-control-allow-origin"), "{origin}");
    }
    // an error is seen, too
    let reply = gate.ask_with("GET /v2/jobs/17.005", &[("origin", GUI)], "").await;
    assert_eq!((reply.status.as_u16(), reply.header("access-control-allow-origin")), (404, GUI));
}

#[tokio::test]
async fn nothing_of_it_unless_it_is_configured() {
    let gate = Gate::new();
    let reply = gate.ask_with("GET /v2/jobs", &[("origin", GUI)], "").await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    assert!(reply.headers.keys().all(|name| !name.as_str().starts_with("access-control") && name != "vary"));
}

#[tokio::test]
async fn every_answer_has_its_headers() {
    let gate = Gate::new();
    for line in ["GET /v2/jobs/17.005", "GET /healthz", "GET /nowhere", "GET /", "PUT /v2/jobs", "GET /metrics"] {
        let reply = gate.ask(line).await;
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{line}");
        assert_eq!(reply.header("referrer-policy"), "no-referrer", "{line}");
        assert!(!reply.headers.contains_key("strict-transport-security"), "{line}");
    }
    let cache = async |line: &str| gate.ask(line).await.header("cache-control").to_owned();
    assert_eq!(cache("GET /v2/jobs").await, "private, no-cache");
    assert_eq!(cache("GET /v2/jobs/17.005").await, "no-store");
    assert_eq!(cache("GET /healthz").await, "");
    assert_eq!(cache("GET /").await, "no-cache");
    let mut over_tls = request("GET /healthz", &[], "");
    over_tls.extensions_mut().insert(Arc::new(Door { wire: Wire::Tls, ..Door::of(Mode::Insecure) }));
    let reply = gate.send(loopback(), over_tls).await;
    assert_eq!(reply.header("strict-transport-security"), "max-age=31536000");
}

/// A page that a job has written is never a page of ours.
#[tokio::test]
async fn files_of_jobs_do_not_run_in_browsers() {
    let gate = Gate::new();
    let jobid = gate.job(json!({})).await;
    std::fs::write(gate.base(&jobid).join("work/page.html"), "<script>alert(1)</script>").unwrap();
    for headers in [&[][..], &[("range", "bytes=0-3")]] {
        let reply = gate.ask_with(&format!("GET /v2/jobs/{jobid}/files/page.html"), headers, "").await;
        assert!(reply.status.is_success());
        assert_eq!(reply.header("content-type"), "application/octet-stream");
        assert_eq!(reply.header("content-disposition"), "attachment; filename=\"page.html\"");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("content-security-policy"), "sandbox; default-src 'none'; frame-ancestors 'none'");
        assert_eq!(reply.header("cache-control"), "private, no-cache");
    }
    for (line, kind) in [("logs", "application/json"), ("scripts", "application/json"), ("files", "application/json")] {
        let reply = gate.ask(&format!("GET /v2/jobs/{jobid}/{line}")).await.ok();
        assert_eq!((reply.header("content-type"), reply.header("x-content-type-options")), (kind, "nosniff"), "{line}");
    }
}
