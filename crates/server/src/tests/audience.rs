//! Who gets what: every route for every kind of client.

use super::*;

/// All routes, with the audience that each is meant for. [`the_list_is_complete`] compares it with `router.rs`.
pub(super) const ROUTES: [(&str, &str); 43] = [
    ("anyone", "GET /healthz"),
    ("operator", "GET /readyz"),
    ("operator", "GET /metrics"),
    ("public", "GET /"),
    ("public", "GET /assets/api.js"),
    ("public", "GET /assets/style.css"),
    ("public", "GET /nowhere"),
    ("public", "GET /auth/login"),
    ("public", "GET /auth/login/x"),
    ("public", "POST /auth/logout"),
    ("public", "GET /auth/whoami"),
    // its tests are in `logins.rs`
    ("arrival", "GET /auth/callback/x"),
    ("public", "GET /V"),
    ("public", "GET /V/"),
    ("public", "GET /V/redoc"),
    ("public", "GET /V/openapi.json"),
    ("public", "GET /V/backends"),
    ("public", "GET /V/backends/"),
    ("public", "GET /V/backends/default"),
    ("public", "GET /V/token"),
    ("public", "POST /V/token"),
    ("owner", "GET /V/jobs"),
    ("owner", "POST /V/jobs"),
    ("owner", "GET /V/jobs/"),
    ("owner", "POST /V/jobs/"),
    ("owner", "POST /V/jobs/new"),
    ("owner", "POST /V/jobs/callback"),
    ("owner", "GET /V/jobs/1.001"),
    ("owner", "DELETE /V/jobs/1.001"),
    ("owner", "POST /V/jobs/1.001/start"),
    ("owner", "GET /V/jobs/1.001/state"),
    ("owner", "GET /V/jobs/1.001/logs"),
    ("owner", "GET /V/jobs/1.001/logs/"),
    ("owner", "GET /V/jobs/1.001/scripts"),
    ("owner", "GET /V/jobs/1.001/files"),
    ("owner", "POST /V/jobs/1.001/files"),
    ("owner", "POST /V/jobs/1.001/files/"),
    ("owner", "GET /V/jobs/1.001/files/x"),
    ("owner", "PUT /V/jobs/1.001/files/x"),
    ("owner", "POST /V/jobs/1.001/files/x"),
    ("owner", "GET /V/jobs/1.001/shares"),
    ("owner", "PUT /V/jobs/1.001/shares/x"),
    ("owner", "DELETE /V/jobs/1.001/shares/x"),
];

fn lines(audience: &str) -> Vec<String> {
    let of = ROUTES.iter().filter(|(whose, _)| *whose == audience).map(|(_, line)| *line);
    of.flat_map(|line| {
        if line.contains("/V") { vec![line.replace("/V", "/v1"), line.replace("/V", "/v2")] } else { vec![line.into()] }
    })
    .collect()
}

fn all() -> Vec<String> {
    ["anyone", "operator", "public", "owner"].into_iter().flat_map(lines).collect()
}

/// Whether the gate let a request through: what is behind it answers in its own words.
fn admitted(reply: &Reply) -> bool {
    !matches!(reply.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

#[test]
fn the_list_is_complete() {
    let source = include_str!("../router.rs");
    let written = source.split('"').skip(1).step_by(2).filter(|text| text.starts_with('/'));
    // Slurm's dialect has tests of its own: it looks at credentials itself
    let slurms =
        |pattern: &&str| ["/slurm", "/util", "/openapi", "//", "/{{version}}"].iter().any(|s| pattern.starts_with(s));
    for pattern in written.filter(|pattern| !slurms(pattern)) {
        let example = pattern.replace("{jobid}", "1.001").replace("{*fname}", "x").replace("{name}", "default");
        let example = example.replace("{provider}", "x").replace("{user}", "x");
        let listed = ROUTES.iter().any(|(_, line)| {
            let path = line.split(' ').nth(1).unwrap();
            let path = path.strip_prefix("/V").filter(|rest| rest.starts_with('/')).unwrap_or(path);
            path == example || format!("{path}/") == example
        });
        assert!(listed, "{pattern} is in no list of this test");
    }
}

#[tokio::test]
async fn local_clients_are_admitted_everywhere() {
    let gate = Gate::new();
    let ours = Peer::Unix { uid: rustix::process::geteuid().as_raw() };
    let ipv6 = Peer::Tcp("[::1]:5".parse().unwrap());
    for line in all() {
        // showing a token needs one in every mode
        if line.contains("POST") && line.ends_with("/token") {
            continue;
        }
        for (peer, host) in
            [(loopback(), "127.0.0.1:1"), (loopback(), "gate.example"), (ipv6, "[::1]:8000"), (ours, "x")]
        {
            let reply = gate.send(peer, request(&line, &[("host", host)], "")).await;
            assert!(admitted(&reply), "{line} for {peer:?} as {host}: {}", reply.status);
        }
    }
}

#[tokio::test]
async fn strangers_web_sites_and_rebound_names_get_nothing() {
    let gate = Gate::new();
    let far = Peer::Tcp("8.8.8.8:5".parse().unwrap());
    let other = Peer::Unix { uid: rustix::process::geteuid().as_raw() + 1 };
    let cases: [(Peer, &[(&str, &str)]); 7] = [
        (far, &[]),
        (Peer::Tcp("[::ffff:10.0.0.1]:5".parse().unwrap()), &[]),
        (other, &[]),
        (loopback(), &[("host", "evil.example")]),
        (loopback(), &[("origin", "http://evil.example")]),
        (loopback(), &[("origin", "null")]),
        (loopback(), &[("sec-fetch-site", "cross-site")]),
    ];
    for (peer, headers) in cases {
        for line in all() {
            let reply = gate.send(peer, request(&line, headers, "")).await;
            let expected = if line == "GET /healthz" { StatusCode::OK } else { StatusCode::FORBIDDEN };
            assert_eq!(reply.status, expected, "{line} for {peer:?} with {headers:?}");
        }
        let reply = gate.send(peer, request("PATCH /v1/jobs", headers, "")).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "also for methods that there are not");
    }
}

#[tokio::test]
async fn our_own_pages_are_no_foreign_web_site() {
    let gate = Gate::new();
    let own = [("origin", "http://localhost:8000"), ("sec-fetch-site", "same-origin")];
    assert_eq!(gate.ask_with("GET /v1/jobs", &own, "").await.status, StatusCode::OK);
    assert_eq!(gate.ask_with("GET /v1/", &[("sec-fetch-site", "none")], "").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_connection_without_an_origin_is_refused() {
    let gate = Gate::new();
    let reply = gate.routes.answer(request("GET /v1/jobs", &[], "")).await.unwrap();
    assert_eq!(reply.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn insecure_mode_shows_public_pages_only() {
    let gate = Gate::with(&settings(Mode::Insecure));
    let far = Peer::Tcp("8.8.8.8:5".parse().unwrap());
    let with = |line: String, token: Option<&'static str>| {
        let headers: Vec<_> = token.map(|token| ("authorization", token)).into_iter().collect();
        request(&line, &headers, "")
    };
    for line in lines("public").into_iter().filter(|line| !(line.starts_with("POST"))) {
        assert!(admitted(&gate.send(far, with(line.clone(), None)).await), "{line}");
    }
    for line in lines("operator") {
        assert!(!admitted(&gate.send(far, with(line.clone(), None)).await), "{line}");
        assert!(admitted(&gate.send(loopback(), with(line.clone(), None)).await), "{line}");
    }
    for line in lines("owner") {
        for (peer, token, told) in [
            (loopback(), None, "Required header \"Biscuit: urlsafe-b64-encoded-value\" not found."),
            (far, Some("Basic abc"), "Required header \"Biscuit: urlsafe-b64-encoded-value\" not found."),
            (far, Some("Bearer ???"), "Required header \"Biscuit: urlsafe-b64-encoded-value\" invalid format."),
            (Peer::Unix { uid: 0 }, None, "Client identity is required."),
        ] {
            let reply = gate.send(peer, with(line.clone(), token)).await;
            assert_eq!(reply.told(), format!("401 {told}"), "{line}");
            assert_eq!(reply.header("www-authenticate"), "Bearer");
        }
    }
}

#[tokio::test]
async fn broken_json_is_told_before_missing_rights() {
    let gate = Gate::with(&settings(Mode::Insecure));
    let reply = gate.ask_with("POST /v1/jobs", &[("content-type", "application/json")], "{\"a\":").await;
    assert!(reply.told().starts_with("422 json_invalid"), "{}", reply.told());
    let long = format!("{{\"script\": \"{}\"}}", "x".repeat(100_000));
    let reply = gate.ask_with("POST /v1/jobs", &[("content-type", "application/json")], long).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "not much is read for strangers");
}
