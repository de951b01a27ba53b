//! What time does to logins and sessions.

use std::time::Duration;

use axum::http::request::Parts;
use jobgate_engine::{Reach, Targets};
use jobgate_model::Access;

use super::browser::{Brought, Said};
use super::*;
use crate::accept::Peer;
use crate::auth::{Door, Mode};
use crate::tests::elsewhere::Elsewhere;

const NOW: i64 = 1_800_000_000;

fn parts(cookie: &str) -> Parts {
    let request = axum::http::Request::builder().uri("/").header("host", "localhost").header("cookie", cookie);
    request.body(()).unwrap().into_parts().0
}

/// `name=value` of a header that sets it.
fn kept(cookie: &axum::http::HeaderValue) -> String {
    cookie.to_str().unwrap().split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn logins_and_sessions_end() {
    let server = Elsewhere::start(|_| {
        let user = "<authenticationSuccess><user>carol</user></authenticationSuccess>";
        (200, format!("<serviceResponse xmlns='http://www.yale.edu/tp/cas'>{user}</serviceResponse>"))
    });
    let dir = tempfile::tempdir().unwrap();
    let (timeout, targets) = (Duration::from_secs(5), Targets::Any);
    let outside = Arc::new(Outgoing::new(Reach { timeout, targets, setting: "-", roots: None, identity: None }));
    let open = |providers| {
        let session = Duration::from_secs(3600);
        Logins::open(LoginSettings { url: None, session, state_dir: dir.path().into(), providers }, &outside).unwrap()
    };
    let cas = || vec![ProviderSettings::Cas(CasSettings::at(&server.url))];
    let (logins, door, peer) = (open(cas()), Door::of(Mode::Insecure), Peer::Tcp("127.0.0.1:5".parse().unwrap()));

    let departure = logins.depart("cas", None, (&door, &peer, &parts("")), NOW).await.unwrap();
    let state = departure.url.as_str().split("state%3D").nth(1).unwrap().to_owned();
    let said: Said = serde_json::from_value(serde_json::json!({"state": state, "ticket": "ST-1"})).unwrap();
    let back = parts(&kept(&departure.cookie));
    let late = logins.arrive("cas", &said, &door, &back, NOW + 600).await.unwrap_err();
    assert_eq!(late.message(), "the login took too long; log in again");
    let wrong = logins.arrive("github", &said, &door, &back, NOW).await.unwrap_err();
    assert!(wrong.message().contains("was not begun in this browser"), "by another provider: {wrong}");
    let entrance = logins.arrive("cas", &said, &door, &back, NOW + 599).await.unwrap();
    assert_eq!((entrance.session.user.as_str(), entrance.next.as_str()), ("carol", "/"));

    let asking = parts(&kept(&entrance.cookies[0]));
    let end = NOW + 599 + 3600;
    assert!(matches!(logins.brought(&door, &asking, Access::Read, end - 1), Brought::Session(_)));
    assert!(matches!(logins.brought(&door, &asking, Access::Read, end), Brought::Ended));
    // a provider that is no longer trusted takes its sessions with it
    assert!(matches!(open(cas()).brought(&door, &asking, Access::Read, NOW), Brought::Session(_)));
    assert!(matches!(open(Vec::new()).brought(&door, &asking, Access::Read, NOW), Brought::Ended));
}
