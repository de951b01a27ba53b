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

#[tokio::test]
async fn slashes_do_not_hide_a_submission() {
    let log = tempfile::tempdir().unwrap();
    let path = log.path().join("audit.log");
    let (gate, _dir) = gate_changed(Arc::new(One), |settings| {
        settings.mode = Mode::Tokens;
        settings.auth.rates = RateSettings { submissions: Some(hourly(1)), ..RateSettings::default() };
        settings.audit = crate::AuditSettings { file: Some(path.clone()), ..crate::AuditSettings::default() };
    });
    let alice = token("alice");
    let headers = [("x-slurm-user-token", alice.as_str()), ("content-type", "application/json")];
    // no route has this form, and the dialect answers it
    let line = "POST /only-v0.0.45//slurm/v0.0.45//job/submit";
    assert_eq!(gate.ask_with(line, &headers, "{}").await.status.as_u16(), 422);
    assert_eq!(gate.ask_with(line, &headers, "{}").await.status.as_u16(), 429);
    let recorded = || jobgate_engine::audit::lines(&path).map(Iterator::collect::<Vec<_>>).unwrap_or_default();
    eventually("both are recorded", async || recorded().len() == 2).await;
    let lines: Vec<String> =
        recorded().iter().map(|line| format!("{} {} {}", line.who, line.what, line.outcome)).collect();
    let what = "alice slurm POST /slurm/v0.0.45/job/submit";
    assert_eq!(lines, [format!("{what} failed"), format!("{what} denied")]);
}

#[tokio::test]
async fn who_acts_for_others_is_counted_in_person() {
    let (gate, _dir) =
        gate(RateSettings { requests: Some(hourly(1)), administrators: true, ..RateSettings::default() });
    let (admin, alice) = (token("slurm"), token("alice"));
    let ping =
        async |headers: &[(&str, &str)]| gate.ask_with("GET /slurm/v0.0.45/ping", headers, "").await.status.as_u16();
    let for_alice = [("x-slurm-user-token", admin.as_str()), ("x-slurm-user-name", "alice")];
    assert_eq!((ping(&for_alice).await, ping(&for_alice).await), (200, 429));
    let herself = [("x-slurm-user-token", alice.as_str())];
    assert_eq!((ping(&herself).await, ping(&herself).await), (200, 429));
}

#[tokio::test]
async fn bodies_share_the_memory_for_them() {
    use futures_util::stream::{self, StreamExt};
    let (gate, _dir) = gate_changed(Arc::new(One), |settings| {
        settings.limits.json_body = 256 << 10;
        settings.limits.bodies = 256 << 10;
        settings.limits.body_timeout = Duration::from_millis(300);
    });
    let gate = Arc::new(gate);
    // what stops is one byte less than there may be; that more is wanted of a body says that all before has its room
    let (begun, taken) = [(); 2].map(|()| Arc::new(tokio::sync::Semaphore::new(0))).into();
    let stops_short = || {
        let piece = Ok::<_, std::convert::Infallible>(Bytes::from(vec![b' '; (256 << 10) - 1]));
        let taken = Arc::clone(&taken);
        let never = async move {
            taken.add_permits(1);
            std::future::pending().await
        };
        Body::from_stream(stream::iter([piece]).chain(stream::once(never)))
    };
    let alice = token("alice");
    let send = |path: &str, body: Body| {
        let (gate, line, bearer) = (Arc::clone(&gate), format!("POST {path}"), format!("Bearer {alice}"));
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let request = request(&line, &headers, body);
        async move { gate.send(loopback(), request).await }
    };
    let text = format!("{{\"script\": \"{}\"}}", "x".repeat(200 << 10));
    // they begin before the other, and want more when that has all
    let go = Arc::new(tokio::sync::Semaphore::new(0));
    let later = || {
        let (begin, rest) = text.split_at(1 << 10);
        let (begin, rest, go, begun) = (begin.to_owned(), rest.to_owned(), Arc::clone(&go), Arc::clone(&begun));
        let rest = async move {
            begun.add_permits(1);
            go.acquire().await.map(|_| rest)
        };
        Body::from_stream(stream::iter([Ok(begin)]).chain(stream::once(rest)))
    };
    let psik = tokio::spawn(send("/v2/jobs", later()));
    let slurm = tokio::spawn(send("/slurm/v0.0.45/job/submit", later()));
    let deadline = Duration::from_secs(20);
    drop(tokio::time::timeout(deadline, begun.acquire_many(2)).await.unwrap());
    // so much earlier their time is over
    tokio::time::sleep(Duration::from_millis(50)).await;
    let held = tokio::spawn(send("/v2/jobs", stops_short()));
    drop(tokio::time::timeout(deadline, taken.acquire()).await.unwrap());
    go.add_permits(1);
    send("/v2/jobs/new", Body::from("{\"script\": \"x\"}")).await.ok();
    let (psik, slurm, held) = (psik.await.unwrap(), slurm.await.unwrap(), held.await.unwrap());
    assert_eq!(held.told(), "408 the body did not arrive in time");
    assert_eq!(psik.told(), "503 the gateway has too much to read at once; try again");
    assert_eq!((psik.header("retry-after"), slurm.header("retry-after")), ("5", "5"));
    assert_eq!((slurm.status.as_u16(), slurm.header("content-type")), (503, "text/plain"));
    send("/v2/jobs/new", Body::from(text)).await.ok();
}
