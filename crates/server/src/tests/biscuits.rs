//! Biscuits and the site's policy, through the whole server.

use crate::biscuit::{BiscuitSettings, Grant, Restriction, attenuate, mint, revoke};
use crate::tests::slurm::{gate_with, token as jwt};
use crate::{AuthSettings, Vouching};

use super::*;

/// A gateway with keys in a directory.
struct Site {
    gate: Gate,
    _slurm: tempfile::TempDir,
    dir: tempfile::TempDir,
    settings: BiscuitSettings,
}

impl Site {
    fn new(mode: Mode, policy: Option<&str>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let settings = BiscuitSettings::below(dir.path());
        let file = dir.path().join("policy");
        if let Some(policy) = policy {
            std::fs::write(&file, policy).unwrap();
        }
        let file = policy.map(|_| file);
        let (gate, slurm) = gate_with(mode, |auth: &mut AuthSettings| {
            auth.biscuit = Some(settings.clone());
            auth.policy = file;
        });
        Self { gate, _slurm: slurm, dir, settings }
    }

    fn biscuit(&self, user: &str) -> String {
        let expires = jiff::Timestamp::now().as_second() + 600;
        mint(&self.settings, &Grant { user, vouching: Vouching::Ours, expires, backends: None }).unwrap()
    }

    /// From far away, with a bearer token.
    async fn ask(&self, token: &str, line: &str) -> Reply {
        self.send(token, line, Value::Null).await
    }

    async fn send(&self, token: &str, line: &str, document: Value) -> Reply {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let body = if document.is_null() { String::new() } else { document.to_string() };
        self.gate.send(Peer::Tcp("192.0.2.1:5".parse().unwrap()), request(line, &headers, body)).await
    }

    async fn submit(&self, token: &str, backend: &str) -> Reply {
        let spec = json!({"script": "#!/bin/sh\ntrue\n", "backend": backend});
        self.send(token, "POST /v2/jobs/new", spec).await
    }
}

fn only(token: &str, restriction: &Restriction) -> String {
    attenuate(token, restriction).unwrap()
}

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body.to_vec()).unwrap()
}

#[tokio::test]
async fn given_to_who_is_known_otherwise_and_never_for_another() {
    let site = Site::new(Mode::Insecure, None);
    let reply = site.ask(&jwt("alice"), "GET /v2/token").await.ok();
    assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(reply.header("cache-control"), "no-store");
    let biscuit = text(&reply);
    let shown = site.ask(&biscuit, "POST /v1/token").await.ok().json();
    let authority = shown["blocks"][0].as_str().unwrap();
    assert!(authority.starts_with("user(\"uid:alice\");\ncheck if time($time), $time < "), "{authority}");
    site.ask(&biscuit, "GET /v1/jobs").await.ok();
    let reply = site.ask(&biscuit, "GET /v1/token").await;
    assert!(reply.told().starts_with("403 a token is given for a login"), "{}", reply.told());
    // nobody: nothing, and no key is made for it
    let fresh = Site::new(Mode::Insecure, None);
    assert_eq!(text(&fresh.ask("x", "GET /v2/token").await.ok()), "");
    assert!(!fresh.settings.keys.signing.exists());
    // psik's local mode gives none
    let local = Site::new(Mode::Local, None);
    assert_eq!(text(&local.gate.ask("GET /v1/token").await.ok()), "");
    let shown = local.gate.ask_with("POST /v1/token", &[("authorization", "bearer abc")], "").await.ok().json();
    assert!(shown["BiscuitValidationError"].is_string(), "{shown}");
    assert_eq!(local.gate.ask("POST /v1/token").await.told(), "401 required header Authorization: bearer b64-token");
}

#[tokio::test]
async fn a_token_does_not_outlive_what_it_was_given_for() {
    let site = Site::new(Mode::Insecure, None);
    // that of the Slurm key lives for ten minutes; psik_api would give a day
    let biscuit = text(&site.ask(&jwt("alice"), "GET /v2/token").await.ok());
    let shown = site.ask(&biscuit, "POST /v2/token").await.ok().json();
    let end = shown["blocks"][0].as_str().unwrap().split(" < ").nth(1).unwrap().trim_end().trim_end_matches(';');
    let left = end.parse::<jiff::Timestamp>().unwrap().as_second() - jiff::Timestamp::now().as_second();
    assert!((0..=24 * 3600).contains(&left), "{left}");
}

#[tokio::test]
async fn delegation() {
    let site = Site::new(Mode::Insecure, None);
    let alice = site.biscuit("uid:alice");
    let [one, two] = [site.submit(&alice, "default").await, site.submit(&alice, "other").await]
        .map(|reply| reply.ok().json().as_str().unwrap().to_owned());

    let read = only(&alice, &Restriction { read_only: true, ..Restriction::default() });
    site.ask(&read, "GET /v2/jobs").await.ok();
    site.ask(&read, &format!("GET /v1/jobs/{one}/logs/")).await.ok();
    for line in [format!("DELETE /v2/jobs/{one}"), format!("POST /v2/jobs/{one}/start"), "POST /v2/jobs/new".into()] {
        assert_eq!(site.ask(&read, &line).await.told(), "403 Forbidden", "{line}");
    }
    let job = only(&alice, &Restriction { jobs: vec![one.clone()], ..Restriction::default() });
    site.ask(&job, &format!("GET /v2/jobs/{one}")).await.ok();
    site.ask(&job, &format!("GET /v1/jobs/{}/state", one.replace('.', "%2E"))).await.ok();
    for line in [format!("GET /v2/jobs/{two}"), "GET /v2/jobs".into(), "GET /v2/jobs/".into()] {
        assert_eq!(site.ask(&job, &line).await.told(), "403 Forbidden", "{line}");
    }
    let path = only(&alice, &Restriction { path: Some(format!("/v2/jobs/{one}/files")), ..Restriction::default() });
    site.ask(&path, &format!("GET /v2/jobs/{one}/files/")).await.ok();
    for way in ["logs", "files/../logs", "files/%2e%2e/logs"] {
        assert_eq!(site.ask(&path, &format!("GET /v2/jobs/{one}/{way}")).await.status, StatusCode::FORBIDDEN, "{way}");
    }
    let backend = only(&alice, &Restriction { backends: vec!["other".into()], ..Restriction::default() });
    assert_eq!(site.ask(&backend, &format!("GET /v2/jobs/{one}")).await.status, StatusCode::NOT_FOUND);
    site.ask(&backend, &format!("GET /v2/jobs/{two}")).await.ok();
    let none = only(&backend, &Restriction { backends: vec!["default".into()], ..Restriction::default() });
    assert_eq!(site.ask(&none, "GET /v2/jobs").await.told(), "403 Forbidden");
    // what is for everybody is also for who holds less
    site.ask(&path, "GET /v2/backends").await.ok();
    site.ask(&path, "GET /v2/openapi.json").await.ok();
    let shown = site.ask(&path, "POST /v2/token").await.ok().json();
    assert_eq!(shown["blocks"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn owners_are_who_their_tokens_say() {
    let site = Site::new(Mode::Insecure, None);
    let (alice, bob) = (site.biscuit("uid:alice"), site.biscuit("uid:bob"));
    let job = site.submit(&alice, "default").await.ok().json().as_str().unwrap().to_owned();
    assert_eq!(site.ask(&bob, &format!("GET /v2/jobs/{job}")).await.status, StatusCode::NOT_FOUND);
    site.ask(&jwt("alice"), &format!("GET /v2/jobs/{job}")).await.ok();
    // a certificate's common name is the same owner, and root only of whoever runs its authority
    site.ask(&site.biscuit("cn:alice"), &format!("GET /v2/jobs/{job}")).await.ok();
    assert_eq!(site.ask(&site.biscuit("cn:root"), &format!("GET /v2/jobs/{job}")).await.status, StatusCode::NOT_FOUND);
    site.ask(&site.biscuit("uid:root"), &format!("GET /v2/jobs/{job}")).await.ok();
}

#[tokio::test]
async fn in_local_mode_a_token_of_ours_restricts_and_others_are_ignored() {
    let site = Site::new(Mode::Local, None);
    let read = only(&site.biscuit("uid:me"), &Restriction { read_only: true, ..Restriction::default() });
    let ask = async |token: &str, line: &str| {
        site.gate.ask_with(line, &[("authorization", &format!("bearer {token}"))], "").await
    };
    for foreign in ["abc", &Site::new(Mode::Local, None).biscuit("uid:alice")] {
        ask(foreign, "POST /v1/jobs/callback").await;
        ask(foreign, "GET /v1/jobs").await.ok();
    }
    ask(&read, "GET /v1/jobs").await.ok();
    assert_eq!(ask(&read, "POST /v1/jobs").await.told(), "403 Forbidden");
    let id = crate::biscuit::inspect(&read, &crate::biscuit::Biscuits::new(site.settings.clone()), 0).unwrap();
    revoke(&site.settings.revoked, &[id.blocks[1].revocation_id.clone()], "test").unwrap();
    assert_eq!(ask(&read, "GET /v1/jobs").await.told(), "401 the token was revoked");
    let over = Grant { user: "uid:me", vouching: Vouching::Ours, expires: 1, backends: None };
    let over = mint(&site.settings, &over).unwrap();
    assert_eq!(ask(&over, "GET /v1/jobs").await.told(), "401 the token has expired; get a new one");
}

#[tokio::test]
async fn slurms_dialect_takes_them_too() {
    let site = Site::new(Mode::Local, None);
    let alice = site.biscuit("uid:alice");
    let read = only(&alice, &Restriction { read_only: true, ..Restriction::default() });
    let status = async |token: &str, line: &str| {
        let own = site.gate.ask_with(line, &[("x-slurm-user-token", token)], "").await.status;
        let bearer = format!("Bearer {token}");
        assert_eq!(site.gate.ask_with(line, &[("authorization", &bearer)], "").await.status, own, "{line}");
        own.as_u16()
    };
    assert_eq!(status(&read, "GET /slurm/v0.0.45/nodes").await, 200);
    for line in ["GET /slurm/v0.0.45/reconfigure", "GET //slurm/v0.0.45//reconfigure/", "DELETE /slurm/v0.0.45/job/5"] {
        assert_eq!(status(&read, line).await, 403, "{line}");
    }
    assert_eq!(status("abc", "GET /slurm/v0.0.45/nodes").await, 511);
    // its queue is that of all backends of its kind
    let one = only(&alice, &Restriction { backends: vec!["default".into()], ..Restriction::default() });
    assert_eq!(status(&one, "GET /slurm/v0.0.45/nodes").await, 403);
    let both = Restriction { backends: vec!["default".into(), "other".into()], ..Restriction::default() };
    assert_eq!(status(&only(&alice, &both), "GET /slurm/v0.0.45/nodes").await, 200);
    let job = only(&alice, &Restriction { jobs: vec!["1693992878.203".into()], ..Restriction::default() });
    assert_eq!(status(&job, "GET /slurm/v0.0.45/job/5").await, 403);
}

#[tokio::test]
async fn the_sites_policy_holds_for_everybody_and_is_read_again() {
    let policy = "deny if user(\"uid:mallory\");\ndeny if access(\"write\"), established(\"jwt\");\n";
    let site = Site::new(Mode::Insecure, Some(policy));
    let file = site.dir.path().join("policy");
    let status = async |token: &str, line: &str| site.ask(token, line).await.status.as_u16();
    let (alice, mallory) = (site.biscuit("uid:alice"), site.biscuit("uid:mallory"));
    assert_eq!(status(&alice, "GET /v2/jobs").await, 200);
    assert_eq!(status(&mallory, "GET /v2/jobs").await, 403);
    assert_eq!(status(&jwt("mallory"), "GET /slurm/v0.0.45/nodes").await, 403);
    assert_eq!(status(&jwt("alice"), "GET /v2/jobs").await, 200);
    assert_eq!(status(&jwt("alice"), "POST /v2/jobs/new").await, 403);
    assert_eq!(status(&alice, "POST /v2/jobs/new").await, 422);
    assert_eq!(text(&site.ask(&jwt("mallory"), "GET /v2/token").await.ok()), "", "and no token either");
    std::fs::write(&file, "deny if user(\"uid:alice\");\n").unwrap();
    assert_eq!((status(&alice, "GET /v2/jobs").await, status(&mallory, "GET /v2/jobs").await), (403, 200));
    for broken in ["deny if user(", "", "x"] {
        std::fs::write(&file, broken).unwrap();
        let expected = if broken.is_empty() { 200 } else { 403 };
        let before = if broken == "x" { 200 } else { expected };
        assert_eq!(status(&alice, "GET /v2/jobs").await, before, "{broken:?}");
    }
    std::fs::remove_file(&file).unwrap();
    assert_eq!(status(&alice, "GET /v2/jobs").await, 200, "the one before stays");
    let [one, two] = [site.submit(&alice, "default").await, site.submit(&alice, "other").await]
        .map(|reply| reply.ok().json().as_str().unwrap().to_owned());
    std::fs::write(&file, "check if backend(\"other\");").unwrap();
    assert_eq!(status(&alice, &format!("GET /v2/jobs/{two}")).await, 200);
    assert_eq!(status(&alice, &format!("GET /v2/jobs/{one}")).await, 404);
}
