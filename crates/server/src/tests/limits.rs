//! How often somebody may ask, in each dialect's own words.

use std::time::Duration;

use super::slurm::{One, gate_changed, token};
use super::*;
use crate::Rate;

fn hourly(count: u32) -> Rate {
    Rate { count, per: Duration::from_secs(3600) }
}

fn gate(rates: RateSettings) -> (Gate, tempfile::TempDir) {
    gate_changed(Arc::new(One), |settings| settings.auth.rates = rates)
}

#[tokio::test]
async fn submissions_in_both_dialects_count_together() {
    let (gate, _dir) = gate(RateSettings { submissions: Some(hourly(3)), ..RateSettings::default() });
    let (alice, bob) = (token("alice"), token("bob"));
    let submit = async |token: &str, path: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        gate.ask_with(&format!("POST {path}"), &headers, "{\"script\": \"x\"}").await
    };
    let jobid = submit(&alice, "/v2/jobs/new").await.ok().json().as_str().unwrap().to_owned();
    submit(&alice, &format!("/v2/jobs/{jobid}/start")).await.ok();
    assert_ne!(submit(&alice, "/slurm/v0.0.43/job/submit").await.status, StatusCode::TOO_MANY_REQUESTS);

    let refused = submit(&alice, "/v1/jobs").await;
    assert_eq!(
        refused.told(),
        "429 too many submissions of jobs: 3/h are allowed; ask again when the time in Retry-After is over"
    );
    assert_eq!(refused.header("retry-after"), "1200");
    let refused = submit(&alice, "/slurm/v0.0.43/job/submit").await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "1200"));
    let answer = refused.json();
    assert!(answer["errors"][0]["description"].as_str().unwrap().starts_with("too many submissions"), "{answer}");
    assert_eq!(answer["meta"]["plugin"]["data_parser"], "data_parser/v0.0.43");

    // neither what is no submission, nor others, nor who runs the gateway
    let bearer = format!("Bearer {alice}");
    gate.ask_with("GET /v2/jobs", &[("authorization", &bearer)], "").await.ok();
    submit(&bob, "/v2/jobs").await.ok();
    for _ in 0..5 {
        gate.job(json!({})).await;
    }
    let page = String::from_utf8(gate.ask("GET /metrics").await.ok().body.to_vec()).unwrap();
    assert!(page.contains("jobgate_rate_limited_total{limit=\"submissions\"} 2\n"), "{page}");
}

#[tokio::test]
async fn strangers_have_a_bucket_for_each_address() {
    let (gate, _dir) = gate_changed(Arc::new(One), |settings| {
        settings.mode = Mode::Insecure;
        settings.auth.rates = RateSettings { requests: Some(hourly(2)), ..RateSettings::default() };
    });
    let ask = async |address: &str, line: &str| {
        gate.send(Peer::Tcp(address.parse().unwrap()), request(line, &[], "")).await.status.as_u16()
    };
    assert_eq!(ask("192.0.2.1:1", "GET /v2/backends").await, 200);
    assert_eq!(ask("192.0.2.1:2", "GET /v2/jobs").await, 401);
    assert_eq!(ask("192.0.2.1:3", "GET /v2/backends").await, 429);
    assert_eq!(ask("192.0.2.1:3", "GET /slurm/v0.0.43/ping").await, 429);
    assert_eq!(ask("192.0.2.1:3", "GET /healthz").await, 200, "whoever watches it must not be kept out");
    assert_eq!(ask("192.0.2.2:3", "GET /v2/backends").await, 200);
}

#[tokio::test]
async fn guessing_does_not_lock_out_others() {
    let (gate, _dir) = gate_changed(Arc::new(One), |settings| {
        settings.mode = Mode::Insecure;
        settings.auth.rates = RateSettings { failures: Some(hourly(2)), ..RateSettings::default() };
    });
    let alice = token("alice");
    let ask = async |address: &str, token: &str, path: &str| {
        let peer = Peer::Tcp(address.parse().unwrap());
        let bearer = format!("Bearer {token}");
        gate.send(peer, request(&format!("GET {path}"), &[("authorization", &bearer)], "")).await
    };
    assert_eq!(ask("192.0.2.1:1", "a.b.c", "/v2/jobs").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(ask("192.0.2.1:1", "a.b.c", "/slurm/v0.0.43/jobs").await.status.as_u16(), 511);
    let refused = ask("192.0.2.1:1", "a.b.d", "/v2/jobs").await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "1800"));
    assert_eq!(ask("192.0.2.1:1", "a.b.d", "/slurm/v0.0.43/jobs").await.status.as_u16(), 429);
    ask("192.0.2.1:1", &alice, "/v2/jobs").await.ok();
    assert_eq!(ask("192.0.2.2:1", "a.b.c", "/v2/jobs").await.status, StatusCode::UNAUTHORIZED);
    for _ in 0..4 {
        assert_eq!(ask("127.0.0.1:1", "a.b.c", "/v2/jobs").await.status, StatusCode::UNAUTHORIZED);
    }
}
