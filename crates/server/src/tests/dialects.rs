//! What psik_api's clients see.

use std::fmt::Write;

use aws_lc_rs::hmac;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use tower::ServiceExt;

use super::*;

#[tokio::test]
async fn paths_methods_and_slashes() {
    let gate = Gate::new();
    for line in ["GET /nowhere", "GET /v1/nothing-here", "GET /v1/jobs/1.001/nothing", "GET /v3/jobs"] {
        assert_eq!(gate.ask(line).await.told(), "404 Not Found", "{line}");
    }
    for (line, allowed) in [
        ("PUT /v1/jobs", "GET,HEAD,POST"),
        ("POST /v1/backends", "GET,HEAD"),
        ("GET /v2/jobs/1.001/start", "POST"),
        ("PATCH /v2/jobs/1.001", "GET,HEAD,DELETE"),
        ("PUT /v1/jobs/1.001/files/x", "GET,HEAD"),
        ("POST /v1/jobs/1.001/files/x", "GET,HEAD"),
        ("PATCH /v1/jobs/1.001/files/x", "GET,HEAD"),
    ] {
        let reply = gate.ask(line).await;
        assert_eq!(reply.told(), "405 Method Not Allowed", "{line}");
        assert!(reply.header("allow").starts_with(allowed), "{line}: {}", reply.header("allow"));
    }
    for (line, location) in [
        ("GET /v1", "/v1/"),
        ("GET /v2?a=b", "/v2/?a=b"),
        ("POST /v1/jobs/new/?machine=x", "/v1/jobs/new?machine=x"),
        ("DELETE /v2/jobs/1.001/", "/v2/jobs/1.001"),
        ("POST /v1/jobs/1.001/start/", "/v1/jobs/1.001/start"),
        ("GET /v1/jobs/1.001/files/x/", "/v1/jobs/1.001/files/x"),
        ("GET /v1/token/", "/v1/token"),
        ("GET /v1/backends/default/", "/v1/backends/default"),
    ] {
        let reply = gate.ask(line).await;
        assert_eq!(reply.status, StatusCode::TEMPORARY_REDIRECT, "{line}");
        assert_eq!(reply.header("location"), format!("http://localhost:8000{location}"), "{line}");
    }
    assert_eq!(gate.ask("HEAD /v1/backends").await.ok().body, "");
}

#[tokio::test]
async fn backends() {
    let gate = Gate::new();
    for line in ["GET /v1/backends", "GET /v2/backends/"] {
        let all = gate.ask(line).await.ok().json();
        assert_eq!(all.as_object().unwrap().keys().collect::<Vec<_>>(), ["default", "other"]);
        let prefix = gate.dir.path().join("default").display().to_string();
        let shown = &all["default"];
        assert_eq!(shown["description"], format!("psik:local job manager at {prefix}"));
        assert_eq!((&shown["full_name"], &shown["system_type"]), (&json!("default"), &json!("local")));
        assert!(shown["updated_at"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{shown}");
    }
    assert_eq!(gate.ask("GET /v1/backends?name=other").await.ok().json().as_object().unwrap().len(), 1);
    assert_eq!(gate.ask("GET /v1/backends/default").await.ok().json()["status"], "active");
    for line in ["GET /v1/backends?name=_none_", "GET /v2/backends/_none_"] {
        assert_eq!(gate.ask(line).await.told(), "404 Item not found");
    }
}

#[tokio::test]
async fn a_job_from_its_creation_to_its_end() {
    let gate = Gate::new();
    for version in ["v1", "v2"] {
        let spec = json!({"name": "n", "script": "true"});
        let id = gate.post(&format!("/{version}/jobs"), spec).await.ok().json().as_str().unwrap().to_owned();
        let path = format!("GET /{version}/jobs/{id}");
        eventually("queued", async || gate.ask(&path).await.ok().json().as_array().unwrap().len() == 2).await;
        let history = gate.ask(&path).await.ok().json();
        let row = |row: &Value| (row["jobndx"].clone(), row["state"].clone(), row["info"].clone(), row["name"].clone());
        assert_eq!(row(&history[0]), (json!(0), json!("new"), json!(0), json!("n")));
        assert_eq!(row(&history[1]), (json!(1), json!("queued"), json!(4711), json!("n")));
        let keys: Vec<_> = history[0].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["jobid", "name", "updated", "jobndx", "state", "info"]);

        assert_eq!(gate.ask(&format!("DELETE /{version}/jobs/{id}")).await.ok().body, "null");
        let state = format!("GET /{version}/jobs/{id}/state");
        eventually("canceled", async || gate.ask(&state).await.ok().body == "\"canceled\"").await;

        assert_eq!(gate.ask(&format!("POST /{version}/jobs/{id}/start")).await.ok().body, "null");
        eventually("started again", async || gate.ask(&state).await.ok().body == "\"queued\"").await;
    }
}

#[tokio::test]
async fn creation_is_refused_with_the_reason() {
    let gate = Gate::new();
    for (path, spec, told) in [
        ("/v1/jobs", json!({}), "422 missing body.script"),
        ("/v1/jobs", json!([]), "422 model_attributes_type body"),
        ("/v1/jobs", json!(null), "422 missing body"),
        (
            "/v1/jobs/new",
            json!({"script": 5, "environment": {"A": 1}}),
            "422 string_type body.script, string_type body.environment.A",
        ),
        ("/v1/jobs/new", json!({"script": "x", "backend": "default"}), "422 model_attributes_type body.backend"),
        ("/v2/jobs/new", json!({"script": "x", "backend": {}}), "422 string_type body.backend"),
        ("/v2/jobs/new", json!({"script": "x", "bogus": 1}), "422 extra_forbidden body.bogus"),
        ("/v2/jobs/new", json!({"script": "x", "backend": "_none_"}), "404 Backend not found"),
        ("/v2/jobs?submit=maybe", json!({"script": "x"}), "422 bool_parsing query.submit"),
        ("/v1/jobs?backend=_none_", json!({"script": "x"}), "404 Backend not found"),
        ("/v1/jobs/new?machine=_none_", json!({"script": "x"}), "404 Backend not found"),
    ] {
        assert_eq!(gate.post(path, spec).await.told(), told, "{path}");
    }
    let refused = gate.post("/v1/jobs", json!({"script": "x", "directory": "/nonexistent/dir"})).await.told();
    assert!(refused.starts_with("400 Error creating job: "), "{refused}");
    assert_eq!(gate.ask("GET /v2/jobs").await.ok().body, "[]", "nothing was created");
    let text = gate.ask_with("POST /v1/jobs", &[("content-type", "text/plain")], "{\"script\": \"x\"}").await;
    assert_eq!(text.told(), "422 model_attributes_type body");
    let large = gate.ask_with("POST /v1/jobs", &[], vec![b' '; (16 << 20) + 1]).await;
    assert_eq!(large.told(), "413 the body is larger than 16777216 bytes");
}

#[tokio::test]
async fn only_created_when_asked_to() {
    let gate = Gate::new();
    let id = gate.post("/v2/jobs?submit=false", json!({"script": "x"})).await.ok().json();
    let id = id.as_str().unwrap();
    assert_eq!(gate.ask(&format!("GET /v2/jobs/{id}/state")).await.ok().body, "\"new\"");
    assert_eq!(gate.engine.counts().unwrap().jobs[0], 1);
}

#[tokio::test]
async fn the_same_key_is_the_same_job() {
    let gate = Gate::new();
    let send = async |key: &str, path: &str, body: &'static str| {
        gate.ask_with(path, &[("idempotency-key", key), ("content-type", "application/json")], body).await
    };
    let first = send("k1", "POST /v1/jobs", r#"{"script": "a"}"#).await.ok().json();
    assert_eq!(send("k1", "POST /v1/jobs", r#"{"script": "a"}"#).await.ok().json(), first);
    let other = send("k1", "POST /v1/jobs", r#"{"script": "b"}"#).await;
    assert_eq!(other.told(), "422 idempotency_key_reused header.idempotency-key");
    assert_eq!(send("k1", "POST /v2/jobs", r#"{"script": "a"}"#).await.status, 422, "another request");
    assert_ne!(send("k2", "POST /v1/jobs", r#"{"script": "a"}"#).await.ok().json(), first);
    assert_eq!(send("", "POST /v1/jobs", r#"{"script": "a"}"#).await.status, 400);
    assert_eq!(gate.ask("GET /v2/jobs").await.ok().json().as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn which_job() {
    let gate = Gate::new();
    let id = gate.job(json!({})).await;
    for suffix in ["", "/state", "/logs", "/scripts", "/files", "/files/x"] {
        for version in ["v1", "v2"] {
            for bad in ["abc", "123", "1.2x", "1.", ".5", "-1.0", "%ff", "1.0%2f..", "%2e%2e"] {
                let told = gate.ask(&format!("GET /{version}/jobs/{bad}{suffix}")).await.told();
                assert_eq!(told, "400 Invalid jobid", "{version} {bad}{suffix}");
            }
            assert_eq!(gate.ask(&format!("GET /{version}/jobs/1.001{suffix}")).await.told(), "404 Job not found");
        }
        let unknown = gate.ask(&format!("GET /v1/jobs/{id}{suffix}?backend=_none_")).await.told();
        assert_eq!(unknown, "404 Invalid backend", "{suffix}");
        let elsewhere = gate.ask(&format!("GET /v1/jobs/{id}{suffix}?backend=other")).await.told();
        assert_eq!(elsewhere, "404 Job not found", "each backend has its own store in psik_api 1");
    }
    gate.ask(&format!("GET /v1/jobs/{id}?backend=default")).await.ok();
    gate.ask(&format!("GET /v2/jobs/{id}?backend=_none_")).await.ok();
}

#[tokio::test]
async fn listings() {
    let gate = Gate::new();
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.insert(0, gate.job(json!({"name": name})).await);
    }
    let elsewhere = gate.post("/v1/jobs/new?machine=other", json!({"script": "x"})).await.ok().json();
    let listed = async |query: &str| -> Vec<String> {
        let rows = gate.ask(&format!("GET {query}")).await.ok().json();
        rows.as_array().unwrap().iter().map(|row| row["jobid"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(listed("/v1/jobs").await, ids, "newest first, of the default backend");
    assert_eq!(listed("/v1/jobs/?limit=2").await, ids[..2]);
    assert_eq!(listed("/v1/jobs?index=1&limit=1").await, ids[1..2]);
    assert_eq!(listed("/v1/jobs?index=9").await, [""; 0]);
    assert_eq!(listed("/v1/jobs?state=queued").await, [""; 0]);
    assert_eq!(listed("/v1/jobs?backend=other").await, [elsewhere.as_str().unwrap()]);
    assert_eq!(listed("/v2/jobs").await.len(), 4);
    assert_eq!(listed("/v2/jobs?backend=other").await, [elsewhere.as_str().unwrap()]);
    assert_eq!(listed("/v2/jobs?backend=_none_").await, [""; 0]);
    assert_eq!(gate.ask("GET /v1/jobs?backend=_none_").await.told(), "404 Backend not found");
    let wrong = gate.ask("GET /v1/jobs?limit=-1&state=x").await;
    assert_eq!(wrong.json()["detail"][0]["ctx"], json!({"ge": 0}));
    let names = "'new', 'queued', 'active', 'completed', 'failed' or 'canceled'";
    assert_eq!(wrong.json()["detail"][1]["ctx"], json!({"expected": names}));
    assert_eq!(wrong.told(), "422 greater_than_equal query.limit, enum query.state");
}

#[tokio::test]
async fn a_listing_is_rendered_again_when_something_changed() {
    let gate = Gate::new();
    gate.job(json!({})).await;
    let first = gate.ask("GET /v1/jobs").await.ok();
    let tag = first.header("etag").to_owned();
    let again = gate.ask_with("GET /v1/jobs", &[("if-none-match", &tag)], "").await;
    assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    gate.job(json!({})).await;
    let changed = gate.ask_with("GET /v1/jobs", &[("if-none-match", &tag)], "").await.ok();
    assert_eq!(changed.json().as_array().unwrap().len(), 2);
    assert_ne!(changed.header("etag"), tag);
}

#[tokio::test]
async fn reported_transitions() {
    let gate = Gate::new();
    let id = gate.job(json!({})).await;
    let report = |body: Value| gate.post("/v1/jobs/callback", body);
    assert_eq!(report(json!({"jobid": id, "jobndx": 1, "state": "active", "info": 5})).await.ok().body, "\"OK\"");
    assert_eq!(report(json!({"jobid": id, "jobndx": 1, "state": "completed"})).await.ok().body, "\"OK\"");
    let history = gate.ask(&format!("GET /v1/jobs/{id}")).await.ok().json();
    let rows: Vec<_> =
        history.as_array().unwrap()[1..].iter().map(|r| (r["state"].clone(), r["info"].clone())).collect();
    assert_eq!(rows, [(json!("active"), json!(5)), (json!("completed"), json!(0))]);

    assert_eq!(report(json!({"jobid": "1.001", "jobndx": 1, "state": "active"})).await.told(), "404 Job not found");
    assert_eq!(report(json!({"jobid": "abc", "jobndx": 1, "state": "active"})).await.told(), "400 Invalid jobid");
    let pattern = gate.post("/v2/jobs/callback", json!({"jobid": "../1", "jobndx": 1, "state": "active"})).await;
    assert_eq!(pattern.told(), "422 string_pattern_mismatch body.jobid");
    let unreachable = gate.job(json!({"callback": "http://127.0.0.1:1/x"})).await;
    let reply = report(json!({"jobid": unreachable, "jobndx": 1, "state": "active"})).await.ok();
    assert_eq!(reply.body, "\"ERROR\"");
}

#[tokio::test]
async fn reports_are_verified_with_the_clients_secret() {
    let gate = Gate::new();
    let id = gate.job(json!({"client_secret": "s3"})).await;
    // not how we would write it: the signature covers what was sent
    let body = format!("{{ \"state\":\"active\",\n\"jobid\":\"{id}\", \"jobndx\": 1.0}}");
    let send = async |signature: Option<&str>| {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(signature.map(|signature| ("x-hub-signature-256", signature)));
        gate.ask_with("POST /v1/jobs/callback", &headers, body.clone()).await
    };
    assert_eq!(send(None).await.told(), "403 x-hub-signature-256 header is missing!");
    assert_eq!(send(Some("sha256=bad")).await.told(), "403 x-hub-signature-256 does not match the body");
    assert_eq!(gate.ask(&format!("GET /v1/jobs/{id}")).await.ok().json().as_array().unwrap().len(), 1);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"s3"), body.as_bytes());
    let mut signature = String::from("sha256=");
    tag.as_ref().iter().for_each(|byte| write!(signature, "{byte:02x}").unwrap());
    assert_eq!(send(Some(&signature)).await.ok().body, "\"OK\"");
}

#[tokio::test]
async fn secrets_are_not_shown() {
    let gate = Gate::new();
    let id = gate.job(json!({"cb_secret": "topsecret1", "client_secret": "topsecret2"})).await;
    for suffix in ["", "/state", "/scripts", "/logs", "/files"] {
        let reply = gate.ask(&format!("GET /v1/jobs/{id}{suffix}")).await.ok();
        assert!(!String::from_utf8_lossy(&reply.body).contains("topsecret"), "{suffix}");
    }
}

#[tokio::test]
async fn tokens() {
    let gate = Gate::new();
    let issued = gate.ask("GET /v1/token").await.ok();
    assert_eq!((issued.header("content-type"), &issued.body[..]), ("text/plain; charset=utf-8", &b""[..]));
    assert_eq!(gate.ask("POST /v1/token").await.told(), "401 required header Authorization: bearer b64-token");
    let shown = gate.ask_with("POST /v1/token", &[("authorization", "bearer abc")], "").await.ok().json();
    assert!(shown["BiscuitValidationError"].is_string(), "{shown}");
}

#[tokio::test]
async fn pages_and_documents() {
    let gate = Gate::new();
    for path in ["/", "/v1/", "/v2/", "/v1/redoc"] {
        let page = gate.ask(&format!("GET {path}")).await.ok();
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8", "{path}");
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}");
        assert!(!String::from_utf8_lossy(&page.body).contains("https://"), "{path} loads nothing from elsewhere");
    }
    for version in ["v1", "v2"] {
        let document = gate.ask(&format!("GET /{version}/openapi.json")).await.ok().json();
        assert_eq!(document["openapi"], "3.1.0");
    }
    assert_eq!(gate.ask("GET /healthz").await.ok().body, "ok\n");
    assert_eq!(gate.ask("GET /readyz").await.ok().body, "ready\n");
    let metrics = gate.ask("GET /metrics").await.ok();
    assert!(String::from_utf8_lossy(&metrics.body).contains("jobgate_http_requests_total{"), "{metrics:?}");
}

#[tokio::test]
async fn every_documented_operation_is_routed() {
    let gate = Gate::new();
    for version in ["v1", "v2"] {
        let document = gate.ask(&format!("GET /{version}/openapi.json")).await.ok().json();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let path = path.replace("{jobid}", "1.001").replace("{fname}", "x").replace("{name}", "default");
                let line = format!("{} /{version}{path}", method.to_uppercase());
                let reply = gate.ask(&line).await;
                assert_ne!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "{line}");
                let documented = operation["responses"].get(reply.status.as_str()).is_some();
                assert!(documented, "{line} answers {}, which its document does not know", reply.status);
            }
        }
    }
}

#[tokio::test]
async fn a_panic_is_one_requests_problem() {
    let gate = Gate::new();
    let spec = json!({"script": "x", "attributes": {"panic": "yes"}});
    let reply = gate.post("/v2/jobs", spec).await;
    assert_eq!(reply.told(), "500 the gateway stumbled over this request; its log says why");
    gate.job(json!({})).await;

    let app = Arc::new(App::new(Arc::clone(&gate.engine), &settings(Mode::Local)));
    let broken = get(async || -> StatusCode { panic!("a handler's code is wrong") });
    let observed = Router::new().route("/", broken).layer(from_fn_with_state(app, crate::observe::observe));
    let reply = observed.oneshot(request("GET /", &[], "")).await.unwrap();
    assert_eq!(reply.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(reply.headers().contains_key("x-request-id"));
}

#[tokio::test]
async fn request_ids_are_taken_over_if_they_are_harmless() {
    let gate = Gate::new();
    assert_eq!(gate.ask_with("GET /healthz", &[("x-request-id", "abc-1")], "").await.header("x-request-id"), "abc-1");
    let fresh = gate.ask_with("GET /healthz", &[("x-request-id", "a b{}")], "").await;
    assert_eq!(fresh.header("x-request-id").len(), 16);
}
