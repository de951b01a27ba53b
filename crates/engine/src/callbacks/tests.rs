//! Deliveries to a receiver on the loopback address that answers as the test says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jobgate_model::{Established, Evidence, Generation, JobSpec, Principal, State};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::engine::Engine;
use crate::engine::tests::{Bench, open_with};
use crate::outgoing::Targets;
use crate::types::*;

/// What arrived: request head (lower case) and body.
type Received = Arc<Mutex<Vec<(String, String)>>>;

async fn receiver(answers: HashMap<&'static str, &'static str>) -> (String, Received) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let got = Received::default();
    let seen = got.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (seen, answers) = (seen.clone(), answers.clone());
            tokio::spawn(async move {
                let mut bytes = Vec::new();
                let mut chunk = [0; 4096];
                loop {
                    let read = stream.read(&mut chunk).await.unwrap_or(0);
                    bytes.extend_from_slice(&chunk[..read]);
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    if read == 0 || text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.ends_with('}')) {
                        break;
                    }
                }
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                seen.lock().unwrap().push((head.to_lowercase(), body.to_owned()));
                let answer = answers.get(path.as_str()).copied().unwrap_or("200 OK");
                let text =
                    format!("HTTP/1.1 {answer}\r\nlocation: /ok\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                drop(stream.write_all(text.as_bytes()).await);
            });
        }
    });
    (url, got)
}

fn me() -> Principal {
    Principal::local(Established::Process)
}

fn job(engine: &Engine, url: &str, change: impl FnOnce(&mut JobSpec)) -> JobKey {
    let mut spec = JobSpec::new("x");
    spec.callback = Some(url.to_owned());
    change(&mut spec);
    let new = NewJob {
        spec,
        generation: Generation::V3,
        place: None,
        start: Start::No,
        idempotency: None,
        environment: None,
    };
    engine.create(&me(), new).unwrap().job.key
}

fn reached(engine: &Engine, key: JobKey, jobndx: i64, state: State) -> i64 {
    engine.reached(&me(), key, jobndx, state, "", Evidence::Callback).unwrap()
}

async fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn quick() -> CallbackPolicy {
    CallbackPolicy {
        schedule: vec![Duration::from_millis(50)],
        timeout: Duration::from_millis(500),
        ..CallbackPolicy::default()
    }
}

#[tokio::test]
async fn in_order_signed_with_headers_and_query() {
    let bench = Bench::new();
    let (url, got) = receiver(HashMap::new()).await;
    let key = job(&bench.engine, &format!("{url}/cb?x=1"), |spec| {
        spec.cb_secret = Some("s".into());
        spec.cb_headers.insert("X-Tok", "abc");
    });
    reached(&bench.engine, key, 1, State::Queued);
    reached(&bench.engine, key, 1, State::Active);
    let last = reached(&bench.engine, key, 1, State::Completed);
    assert_eq!(bench.engine.forward(key, last).await.unwrap(), Forwarded::Ok);
    let got = got.lock().unwrap();
    let states: Vec<bool> =
        got.iter().zip(["queued", "active", "completed"]).map(|((_, body), state)| body.contains(state)).collect();
    assert_eq!(states, [true; 3]);
    for (head, body) in got.iter() {
        assert!(head.starts_with("post /cb?x=1 "), "{head}");
        assert!(head.contains("x-tok: abc") && head.contains("content-type: application/json"), "{head}");
        assert!(head.contains(&format!("x-hub-signature-256: {}", super::sign("s", body.as_bytes()))), "{head}");
    }
}

#[tokio::test]
async fn a_failure_is_retried_and_holds_back_what_follows() {
    let bench = Bench::with(quick());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let key = job(&bench.engine, &format!("http://{address}/"), |_| ());
    let first = reached(&bench.engine, key, 1, State::Queued);
    assert_eq!(bench.engine.forward(key, first).await.unwrap(), Forwarded::Failed);
    let second = reached(&bench.engine, key, 1, State::Active);
    assert_eq!(bench.engine.forward(key, second).await.unwrap(), Forwarded::Failed);
    let console = std::fs::read_to_string(bench.engine.job(&me(), key).unwrap().base.join("log/console")).unwrap();
    assert_eq!(console.matches("Error sending callback").count(), 2, "{console}");

    let back = TcpListener::bind(address).await.unwrap();
    let order = Received::default();
    let seen = order.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = back.accept().await {
            let mut bytes = vec![0; 4096];
            let read = stream.read(&mut bytes).await.unwrap_or(0);
            seen.lock().unwrap().push((String::new(), String::from_utf8_lossy(&bytes[..read]).into_owned()));
            drop(stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await);
        }
    });
    bench.engine.attend().unwrap();
    wait_for("both arrive", || order.lock().unwrap().len() == 2).await;
    let bodies: Vec<bool> =
        order.lock().unwrap().iter().zip(["queued", "active"]).map(|((_, b), s)| b.contains(s)).collect();
    assert_eq!(bodies, [true, true]);
    wait_for("settled", || bench.engine.counts().unwrap().deliveries_pending == 0).await;
    bench.engine.close();
}

#[tokio::test]
async fn a_delivery_survives_a_restart_and_a_dead_receiver_delays_nobody() {
    let bench = Bench::with(quick());
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, got) = receiver(HashMap::new()).await;
    for _ in 0..20 {
        let stuck = job(&bench.engine, &format!("http://{}/", silent.local_addr().unwrap()), |_| ());
        reached(&bench.engine, stuck, 1, State::Active);
    }
    let fine = job(&bench.engine, &url, |_| ());
    reached(&bench.engine, fine, 1, State::Completed);
    let engine = open_with(bench.path(), &bench.batch, quick());
    engine.attend().unwrap();
    let began = Instant::now();
    wait_for("the live receiver is told", || !got.lock().unwrap().is_empty()).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    engine.close();
}

#[tokio::test]
async fn redirects_are_not_followed_and_old_ones_expire() {
    let policy = CallbackPolicy { expire_after: Duration::ZERO, ..quick() };
    let bench = Bench::with(policy);
    let (url, got) = receiver(HashMap::from([("/moved", "302 Found")])).await;
    let key = job(&bench.engine, &format!("{url}/moved"), |_| ());
    let seq = reached(&bench.engine, key, 1, State::Active);
    assert_eq!(bench.engine.forward(key, seq).await.unwrap(), Forwarded::Failed);
    assert_eq!(got.lock().unwrap().len(), 1);
    let delivery = bench.engine.deliveries(&me(), Some(key), 9).unwrap().remove(0);
    assert_eq!((delivery.status, delivery.attempts), (DeliveryStatus::Expired, 1));
    bench.engine.retry_delivery(&me(), delivery.id).unwrap();
    assert_eq!(bench.engine.deliveries(&me(), Some(key), 9).unwrap()[0].status, DeliveryStatus::Pending);
    assert!(bench.engine.retry_delivery(&me(), 999).is_err());
}

#[tokio::test]
async fn private_targets_are_refused_where_the_policy_says_so() {
    let bench = Bench::with(CallbackPolicy { targets: Targets::Public, ..quick() });
    let (url, got) = receiver(HashMap::new()).await;
    for url in [url.clone(), url.replace("127.0.0.1", "localhost"), "ftp://example.org/".into(), "nonsense".into()] {
        let key = job(&bench.engine, &url, |_| ());
        let seq = reached(&bench.engine, key, 1, State::Active);
        assert_eq!(bench.engine.forward(key, seq).await.unwrap(), Forwarded::Failed, "{url}");
    }
    assert!(got.lock().unwrap().is_empty());
}

#[tokio::test]
async fn two_processes_send_a_delivery_once() {
    let bench = Bench::new();
    let other = open_with(bench.path(), &bench.batch, CallbackPolicy::default());
    let (url, got) = receiver(HashMap::new()).await;
    let key = job(&bench.engine, &url, |_| ());
    for jobndx in 1..=20 {
        reached(&bench.engine, key, jobndx, State::Active);
    }
    let (a, b) = tokio::join!(
        bench.engine.deliver_job(key, Duration::from_secs(5)),
        other.deliver_job(key, Duration::from_secs(5))
    );
    a.unwrap();
    b.unwrap();
    wait_for("all arrive", || got.lock().unwrap().len() >= 20).await;
    let bodies: Vec<String> = got.lock().unwrap().iter().map(|(_, body)| body.clone()).collect();
    assert_eq!(bodies.len(), 20);
    for (index, body) in bodies.iter().enumerate() {
        assert!(body.contains(&format!("\"jobndx\":{},", index + 1)), "{index}: {body}");
    }
}

#[tokio::test]
async fn an_attempt_that_ends_late_changes_nothing() {
    use crate::store::deliveries::{self, Outcome};
    let bench = Bench::new();
    let key = job(&bench.engine, "http://127.0.0.1:9/", |_| ());
    reached(&bench.engine, key, 1, State::Active);
    let store = &bench.engine.store;
    let jobid = bench.engine.job(&me(), key).unwrap().jobid;
    let now = bench.engine.now();
    let late = store.update(move |c| deliveries::take_head(c, key, true, now, now + 20.0)).unwrap().unwrap();
    let next = store.update(move |c| deliveries::take_head(c, key, true, now + 21.0, now + 41.0)).unwrap().unwrap();
    let kept = late.clone();
    assert!(!store.update(move |c| deliveries::keep(c, &kept, now + 60.0)).unwrap());
    let put_off = late.clone();
    store.update(move |c| deliveries::put_off(c, &put_off, now + 99.0)).unwrap();
    let id = jobid.clone();
    store.update(move |c| deliveries::settle(c, &next, &id, &Outcome::Delivered("200".into()), now)).unwrap();
    let again = Outcome::Again("too late".into(), now + 50.0);
    let notes = store.update(move |c| deliveries::settle(c, &late, &jobid, &again, now)).unwrap();
    let delivery = bench.engine.deliveries(&me(), Some(key), 9).unwrap().remove(0);
    assert_eq!((delivery.status, delivery.attempts, notes.len()), (DeliveryStatus::Delivered, 1, 0));
}

#[tokio::test]
async fn whoever_waits_for_its_turn_at_a_target_sends_only_what_is_still_its_own() {
    let bench = Bench::with(CallbackPolicy { per_target: 1, ..CallbackPolicy::default() });
    let (url, got) = receiver(HashMap::new()).await;
    let key = job(&bench.engine, &url, |_| ());
    let seq = reached(&bench.engine, key, 1, State::Active);
    let turn = bench.engine.courier.target(&url).acquire_owned().await.unwrap();
    let engine = bench.engine.clone();
    let waits = tokio::spawn(async move { engine.forward(key, seq).await.unwrap() });
    let pending = || bench.engine.store.read(|c| c.query_row("SELECT lease FROM delivery", [], |r| r.get::<_, f64>(0)));
    wait_for("it is taken", || pending().unwrap() > 0.0).await;
    // somebody else takes it meanwhile, and has delivered it
    bench.engine.store.update(|c| c.execute("UPDATE delivery SET status = 1, lease = 0", [])).unwrap();
    drop(turn);
    waits.await.unwrap();
    assert!(got.lock().unwrap().is_empty());
}
