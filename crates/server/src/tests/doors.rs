//! What counts on which listener.

use std::sync::Arc;

use jobgate_model::Established;

use super::*;
use crate::auth::certificate::{ClientCertificate, Subject};
use crate::auth::{Clients, Names, Wire};
use crate::{AuthSettings, Door};

const REMOTE: &str = "192.0.2.7:4000";

fn names() -> AuthSettings {
    let names = Names {
        login: "gate".into(),
        administrators: vec!["boss".into()],
        of_uid: Arc::new(|uid| (uid == 70_001).then(|| "bob".into())),
    };
    AuthSettings { names, ..AuthSettings::default() }
}

fn gate() -> Gate {
    Gate::with(&Settings { auth: names(), ..settings(Mode::Local) })
}

fn door(kinds: &[Established], clients: Clients, wire: Wire) -> Arc<Door> {
    Arc::new(Door { admits: kinds.iter().copied().collect(), clients, wire })
}

fn certificate(uid: Option<&str>) -> ClientCertificate {
    let subject =
        Subject { uid: uid.map(Into::into), serial: "03A2".into(), not_after: i64::MAX, ..Subject::default() };
    ClientCertificate { subject: Arc::new(subject), withdrawn: false }
}

/// A request by a door, perhaps with a certificate.
fn by(door: &Arc<Door>, certificate: Option<&ClientCertificate>, request: Request<Body>) -> Request<Body> {
    let mut request = request;
    request.extensions_mut().insert(Arc::clone(door));
    if let Some(certificate) = certificate {
        request.extensions_mut().insert(certificate.clone());
    }
    request
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).header("host", "gate.example").body(Body::empty()).unwrap()
}

async fn jobs(gate: &Gate, peer: Peer, door: &Arc<Door>, certificate: Option<&ClientCertificate>) -> StatusCode {
    gate.send(peer, by(door, certificate, get("/v2/jobs"))).await.status
}

async fn submit(gate: &Gate, door: &Arc<Door>, certificate: &ClientCertificate) -> String {
    let request = Request::post("/v2/jobs/new").header("content-type", "application/json");
    let request = request.body(Body::from(json!({"script": "true"}).to_string())).unwrap();
    let peer = Peer::Tcp(REMOTE.parse().unwrap());
    gate.send(peer, by(door, Some(certificate), request)).await.ok().json().as_str().unwrap().to_owned()
}

#[tokio::test]
async fn certificates_count_where_they_are_accepted() {
    let gate = gate();
    let remote = Peer::Tcp(REMOTE.parse().unwrap());
    let tls = Arc::new(Door::over_tls(Mode::Local));
    let alice = certificate(Some("alice"));
    assert_eq!(jobs(&gate, remote, &tls, Some(&alice)).await, StatusCode::OK);
    assert_eq!(jobs(&gate, remote, &tls, None).await, StatusCode::UNAUTHORIZED);
    let tokens = door(&[Established::Biscuit], Clients::Anybody, Wire::Tls);
    assert_eq!(jobs(&gate, remote, &tokens, Some(&alice)).await, StatusCode::UNAUTHORIZED);
    // nobody is this machine's user by TLS, also not from here
    let here = Peer::Tcp("127.0.0.1:4000".parse().unwrap());
    assert_eq!(jobs(&gate, here, &tls, None).await, StatusCode::UNAUTHORIZED);
    assert_eq!(jobs(&gate, here, &tls, Some(&alice)).await, StatusCode::OK);
}

#[tokio::test]
async fn certificates_that_count_no_longer() {
    let gate = gate();
    let remote = Peer::Tcp(REMOTE.parse().unwrap());
    let tls = Arc::new(Door::over_tls(Mode::Local));
    let good = certificate(Some("alice"));
    let withdrawn = ClientCertificate { withdrawn: true, ..good.clone() };
    let ended = Subject { not_after: 1_000_000_000, ..(*good.subject).clone() };
    let ended = ClientCertificate { subject: Arc::new(ended), ..good.clone() };
    for (certificate, told) in [
        (withdrawn, "no longer accepted"),
        (ended, "expired"),
        (certificate(None), "names no user (looked for: uid, email, cn)"),
        (certificate(Some("local:psik_api")), "cannot name a user here"),
        (certificate(Some("a b")), "cannot name a user here"),
    ] {
        let reply = gate.send(remote, by(&tls, Some(&certificate), get("/v2/jobs"))).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{told}");
        assert!(reply.told().contains(told), "{}", reply.told());
        // public pages are for everybody who can connect
        assert_eq!(gate.send(remote, by(&tls, Some(&certificate), get("/v2/backends"))).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_certificate_is_nobody_elses_and_no_local_mode() {
    let gate = gate();
    let tls = Arc::new(Door::over_tls(Mode::Local));
    let remote = Peer::Tcp(REMOTE.parse().unwrap());
    let alice = certificate(Some("alice"));
    let job = submit(&gate, &tls, &alice).await;
    let path = format!("/v2/jobs/{job}");
    for (name, expected) in [("alice", 200), ("mallory", 404), ("root", 404), ("gate", 404), ("boss", 200)] {
        let certificate = certificate(Some(name));
        let reply = gate.send(remote, by(&tls, Some(&certificate), get(&path))).await;
        assert_eq!(reply.status.as_u16(), expected, "{name}");
    }
}

#[tokio::test]
async fn a_web_site_does_not_get_at_the_certificate() {
    let gate = gate();
    let tls = Arc::new(Door::over_tls(Mode::Local));
    let remote = Peer::Tcp(REMOTE.parse().unwrap());
    let alice = certificate(Some("alice"));
    for (header, value, expected) in [
        ("origin", "https://evil.example", 403),
        ("sec-fetch-site", "cross-site", 403),
        ("origin", "https://gate.example", 200),
        ("sec-fetch-site", "same-origin", 200),
    ] {
        let mut request = get("/v2/jobs");
        request.headers_mut().insert(header, value.parse().unwrap());
        let reply = gate.send(remote, by(&tls, Some(&alice), request)).await;
        assert_eq!(reply.status.as_u16(), expected, "{header}: {value}");
    }
}

#[tokio::test]
async fn redirects_stay_on_tls() {
    let gate = gate();
    let remote = Peer::Tcp(REMOTE.parse().unwrap());
    let tls = Arc::new(Door::over_tls(Mode::Local));
    let reply = gate.send(remote, by(&tls, None, get("/v2"))).await;
    assert_eq!(reply.header("location"), "https://gate.example/v2/");
    let plain = Arc::new(Door::of(Mode::Insecure));
    let reply = gate.send(remote, by(&plain, None, get("/v2"))).await;
    assert_eq!(reply.header("location"), "http://gate.example/v2/");
}

#[tokio::test]
async fn users_of_a_socket_are_told_apart() {
    let gate = gate();
    let shared = door(&[Established::Socket], Clients::Anybody, Wire::Clear);
    let own = Peer::Unix { uid: rustix::process::geteuid().as_raw() };
    assert_eq!(jobs(&gate, Peer::Unix { uid: 70_001 }, &shared, None).await, StatusCode::OK, "bob");
    assert_eq!(jobs(&gate, Peer::Unix { uid: 70_002 }, &shared, None).await, StatusCode::UNAUTHORIZED, "no login");
    assert_eq!(jobs(&gate, own, &shared, None).await, StatusCode::OK, "the gateway's own user");
    let alone = Arc::new(Door::of(Mode::Local));
    assert_eq!(jobs(&gate, Peer::Unix { uid: 70_001 }, &alone, None).await, StatusCode::FORBIDDEN, "not for others");
    // where sockets do not count, not even our own user is anybody
    let tokens = door(&[Established::Jwt], Clients::Anybody, Wire::Clear);
    assert_eq!(jobs(&gate, own, &tokens, None).await, StatusCode::UNAUTHORIZED);
}
