//! Somebody who wants to be somebody else, or to have somebody's browser do something.

use super::*;

#[tokio::test]
async fn who_comes_back_must_have_been_sent() {
    let idp = Idp::new();
    let gate = gate(Mode::Insecure, idp.logins(None, Vec::new()));
    let refused = async |browser: &mut Browser<'_>, query: &str, told: &str| {
        let reply = browser.come_back(&format!("/auth/callback/site?{query}")).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{query}");
        assert!(reply.told().contains(told), "{query}: {}", reply.told());
        assert!(!browser.cookies.contains_key("jobgate"), "{query}");
    };
    let mut browser = Browser::new(&gate);
    let url = browser.depart("/auth/login/site").await;
    let state = query(&url, "state");
    *idp.claims.lock().unwrap() = idp.says(&query(&url, "nonce"));
    refused(&mut browser, "code=good", "not begun in this browser").await;
    refused(&mut browser, "code=good&state=", "not begun in this browser").await;
    refused(&mut browser, "code=good&state=abc", "not begun in this browser").await;
    // an attacker's own login, brought into the victim's browser, and the other way around
    let mut attacker = Browser::new(&gate);
    let theirs = query(&attacker.depart("/auth/login/site").await, "state");
    refused(&mut browser, &format!("code=good&state={theirs}"), "not begun in this browser").await;
    refused(&mut attacker, &format!("code=good&state={state}"), "not begun in this browser").await;
    let mut nobody = Browser::new(&gate);
    refused(&mut nobody, &format!("code=good&state={state}"), "not begun in this browser").await;
    // an honest state comes back once, whatever came of it
    let cookies = browser.cookies.clone();
    refused(&mut browser, &format!("code=bad&state={state}"), "does not accept the code").await;
    browser.cookies = cookies;
    refused(&mut browser, &format!("code=good&state={state}"), "this login is over").await;
    for (query_of, told) in [
        ("code=&state=", "no code"),
        ("error=access_denied&error_description=%3Cscript%3E&state=", "has not let you in"),
        ("iss=https://evil.example&code=good&state=", "of another provider"),
    ] {
        let state = query(&browser.depart("/auth/login/site").await, "state");
        refused(&mut browser, &format!("{query_of}{state}"), told).await;
    }
}

#[tokio::test]
async fn the_id_token_must_be_for_us_and_for_this_login() {
    let idp = Idp::new();
    let gate = gate(Mode::Insecure, idp.logins(None, Vec::new()));
    let other = Signer::p256();
    let now = jiff::Timestamp::now().as_second();
    for (name, value, fine) in [
        ("sub", json!("4711"), true),
        ("nonce", json!("abc"), false),
        ("nonce", Value::Null, false),
        ("aud", json!("other"), false),
        ("aud", json!([CLIENT, "other"]), false),
        ("aud", json!([CLIENT]), true),
        ("azp", json!("other"), false),
        ("azp", json!(CLIENT), true),
        ("iss", json!("https://evil.example"), false),
        ("exp", json!(now - 60), false),
        ("iat", json!(now + 600), false),
        ("preferred_username", json!("local:psik_api"), false),
        ("preferred_username", json!("a b"), false),
        ("preferred_username", json!(["root"]), false),
        ("preferred_username", Value::Null, false),
    ] {
        let mut browser = Browser::new(&gate);
        let url = browser.depart("/auth/login/site").await;
        let mut claims = idp.says(&query(&url, "nonce"));
        claims[name] = value.clone();
        *idp.claims.lock().unwrap() = claims;
        let reply = browser.come_back(&format!("/auth/callback/site?code=good&state={}", query(&url, "state"))).await;
        assert_eq!(reply.status.is_success(), fine, "{name} = {value}: {}", String::from_utf8_lossy(&reply.body));
        assert_eq!(browser.cookies.contains_key("jobgate"), fine, "{name} = {value}");
    }
    // signed by somebody else, or by nobody
    for token in [
        other.sign(&json!({"alg": "ES256", "kid": "k1"}), &idp.says("n")),
        other.sign(&json!({"alg": "ES256", "kid": "k2"}), &idp.says("n")),
        Signer::Hmac(CLIENT_SECRET.into()).sign(&json!({"alg": "HS256"}), &idp.says("n")),
        "eyJhbGciOiJub25lIn0.e30.".to_owned(),
        "x".repeat(20_000),
    ] {
        let mut browser = Browser::new(&gate);
        let url = browser.depart("/auth/login/site").await;
        let answer = json!({"access_token": "at", "id_token": token}).to_string();
        let jwks = json!({"keys": [idp.signer.jwk("k1")]}).to_string();
        idp.server.answer(move |asked: &Asked| match asked.path() {
            "/token" => (200, answer.clone()),
            "/jwks" => (200, jwks.clone()),
            _ => (404, String::new()),
        });
        let back = format!("/auth/callback/site?code=good&state={}", query(&url, "state"));
        let reply = browser.come_back(&back).await;
        assert_eq!(reply.told(), "401 the provider's answer does not prove who you are");
    }
}

#[tokio::test]
async fn cookies_cannot_be_made_or_changed() {
    let idp = Idp::new();
    let gate = gate(Mode::Insecure, idp.logins(None, Vec::new()));
    let mut browser = Browser::new(&gate);
    let attempt = {
        browser.depart("/auth/login/site").await;
        browser.cookies["jobgate-login"].clone()
    };
    browser.log_in(&idp).await.ok();
    let session = browser.cookies["jobgate"].clone();
    let other = Idp::new();
    let elsewhere = self::gate(Mode::Insecure, other.logins(None, Vec::new()));
    let mut there = Browser::new(&elsewhere);
    there.log_in(&other).await.ok();
    let flipped = |at: usize| {
        let mut bytes = session.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    let forged = [
        there.cookies["jobgate"].clone(),
        attempt,
        flipped(0),
        flipped(20),
        flipped(session.len() / 2),
        session[1..].to_owned(),
        format!("{session}AAAA"),
        BASE64.encode(
            "{\"id\":\"x\",\"user\":\"root\",\"provider\":\"site\",\"role\":\"administrator\",\"expires\":9999999999}",
        ),
        "alice".into(),
    ];
    for cookie in forged {
        browser.cookies = BTreeMap::from([("jobgate".into(), cookie.clone())]);
        assert_eq!(browser.who().await["role"], "stranger", "{cookie}");
        assert_eq!(browser.ask("GET /v2/jobs", &[]).await.status, StatusCode::UNAUTHORIZED);
    }
    // under the name of TLS it does not count on a connection without
    browser.cookies = BTreeMap::from([("__Host-jobgate".into(), session.clone())]);
    assert_eq!(browser.who().await["role"], "stranger");
    // one that somebody else has put beside it does no harm
    let both = format!("jobgate=AAAA; jobgate={session}");
    let reply = gate.send(loopback(), request("GET /auth/whoami", &[("cookie", &both)], "")).await;
    assert_eq!(reply.json()["name"], "alice");
}

#[tokio::test]
async fn other_sites_cannot_use_a_session() {
    let idp = Idp::new();
    let gate = gate(Mode::Insecure, idp.logins(None, Vec::new()));
    let mut browser = Browser::new(&gate);
    browser.log_in(&idp).await.ok();
    let own = [("origin", "http://localhost:8000"), ("sec-fetch-site", "same-origin")];
    for line in ["POST /v2/jobs/new", "DELETE /v2/jobs/1.001", "POST /auth/logout", "PUT /v2/jobs/1.001/files/x"] {
        for headers in [
            &[][..],
            &[("origin", "http://evil.example"), ("sec-fetch-site", "cross-site")],
            &[("origin", "null")],
            &[("origin", "http://localhost:8001"), ("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "same-site")],
            &[("origin", "https://localhost:8000.evil.example")],
        ] {
            let reply = browser.ask(line, headers).await;
            assert_eq!(reply.status, StatusCode::FORBIDDEN, "{line} {headers:?}");
        }
    }
    let body = json!({"script": "#!/bin/sh\ntrue\n"}).to_string();
    let cookie = format!("jobgate={}", browser.cookies["jobgate"]);
    let headers = [own[0], own[1], ("cookie", cookie.as_str()), ("content-type", "application/json")];
    gate.send(loopback(), request("POST /v2/jobs/new", &headers, body)).await.ok();
    // looking: what a script of another site asks for is not its user's wish, a link is
    let script = [("origin", "http://evil.example"), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")];
    assert_eq!(browser.ask("GET /v2/jobs", &script).await.status, StatusCode::FORBIDDEN);
    let link = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
    browser.ask("GET /v2/jobs", &link).await.ok();
    // a token in a header is no browser's doing, and wins
    let reply = browser.ask("GET /v2/jobs", &[("authorization", "Bearer abc")]).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn other_sites_cannot_lead_to_what_acts() {
    let idp = Idp::new();
    let (gate, _dir) =
        crate::tests::slurm::gate_with(Mode::Insecure, |auth| auth.logins = Some(idp.logins(None, Vec::new())));
    let mut browser = Browser::new(&gate);
    browser.log_in(&idp).await.ok();
    let link = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
    browser.ask("GET /slurm/v0.0.45/jobs", &link).await.ok();
    for path in [
        "/slurm/v0.0.45/job/7/requeue",
        "/slurm/v0.0.45/reconfigure/",
        "//slurm/v0.0.45//reconfigure",
        "/only-v0.0.45/slurm/v0.0.45/reconfigure/",
    ] {
        let line = format!("GET {path}");
        for headers in [&link[..], &[], &[("sec-fetch-site", "none")], &[("sec-fetch-site", "same-site")]] {
            assert_eq!(browser.ask(&line, headers).await.status.as_u16(), 511, "{path} {headers:?}");
        }
        let own = browser.ask(&line, &[("sec-fetch-site", "same-origin")]).await;
        assert_ne!(own.status.as_u16(), 511, "{path}: what the batch system says to alice");
    }
}

#[tokio::test]
async fn nobody_is_led_elsewhere() {
    let idp = Idp::new();
    let open = self::gate(Mode::Insecure, idp.logins(None, Vec::new()));
    let mut browser = Browser::new(&open);
    for next in
        ["https://evil.example", "//evil.example", "/%5Cevil.example", "javascript:alert(1)", "/%0d%0ax", "%2F%2Fevil"]
    {
        let reply = browser.ask(&format!("GET /auth/login/site?next={next}"), &[]).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{next}");
    }
    // without a configured address only this machine's own names are believed, and only from this machine
    let far = Peer::Tcp("192.0.2.7:5".parse().unwrap());
    for (peer, host) in [
        (loopback(), "evil.example"),
        (loopback(), "localhost.evil.example:8000"),
        (loopback(), "gate.example"),
        (far, "localhost:8000"),
        (Peer::Unix { uid: 0 }, "localhost"),
    ] {
        let reply = open.send(peer, request("GET /auth/login/site", &[("host", host)], "")).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{peer:?} {host}");
        assert!(reply.told().contains("[auth] url"));
    }
    // with one, nobody else's word counts
    let gate = self::gate(Mode::Insecure, idp.logins(Some("https://gate.example"), Vec::new()));
    let tricks = [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("forwarded", "host=evil.example"),
    ];
    let reply = gate.send(far, request("GET /auth/login/site", &tricks, "")).await;
    let url: Url = reply.header("location").parse().unwrap();
    assert_eq!(query(&url, "redirect_uri"), "https://gate.example/auth/callback/site");
    let cookie = reply.header("set-cookie");
    assert!(
        cookie.starts_with("__Host-jobgate-login=") && cookie.ends_with("; HttpOnly; SameSite=Lax; Secure"),
        "{cookie}"
    );
}

#[tokio::test]
async fn a_provider_that_is_away_or_lies() {
    let idp = Idp::new();
    let settings = |issuer: &str| OidcSettings { whereabouts: discovered(issuer), ..idp.settings() };
    let evil = Elsewhere::start(|_| (200, json!({"issuer": "https://idp.example"}).to_string()));
    let weak = Elsewhere::start(|_| (500, String::new()));
    let said = json!({"issuer": weak.url, "authorization_endpoint": "http://idp.example/a", "token_endpoint": "https://x/",
                      "jwks_uri": "https://x/"});
    weak.answer(move |_| (200, said.to_string()));
    for issuer in [evil.url.as_str(), weak.url.as_str(), "http://127.0.0.1:9"] {
        let logins = logins(idp.dir.path(), None, vec![ProviderSettings::Oidc(settings(issuer))]);
        let gate = gate(Mode::Insecure, logins);
        let reply = Browser::new(&gate).ask("GET /auth/login/site", &[]).await;
        assert_eq!(reply.told(), "503 the login's provider cannot be asked now; try again", "{issuer}");
    }
    // the next one may come a moment later, but the provider is not asked each time
    assert_eq!(evil.asked().len(), 1);
}
