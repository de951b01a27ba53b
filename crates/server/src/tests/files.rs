//! Files over HTTP.

use std::os::unix::fs::symlink;

use super::*;

const BOUNDARY: &str = "b0undary";

fn multipart(parts: &[(&str, Option<&str>, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (field, file, content) in parts {
        let file = file.map(|file| format!("; filename=\"{file}\"")).unwrap_or_default();
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"{file}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

async fn upload(gate: &Gate, id: &str, parts: &[(&str, Option<&str>, &[u8])]) -> Reply {
    let form = format!("multipart/form-data; boundary={BOUNDARY}");
    gate.ask_with(&format!("POST /v1/jobs/{id}/files"), &[("content-type", &form)], multipart(parts)).await
}

fn left_in(gate: &Gate, id: &str) -> Vec<String> {
    let entries = std::fs::read_dir(gate.base(id).join("work")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn up_and_down() {
    let gate = Gate::new();
    let id = gate.job(json!({})).await;
    assert_eq!(gate.ask(&format!("GET /v1/jobs/{id}/files/")).await.ok().body, "{}");
    let binary: Vec<u8> = (0..300_000u32).map(|i| i as u8).collect();
    let parts: [(&str, Option<&str>, &[u8]); 3] =
        [("files", Some("a b; é.txt"), b"hello\n"), ("note", None, b"ignored"), ("files", Some("b.bin"), &binary)];
    assert_eq!(upload(&gate, &id, &parts).await.ok().body, "null");
    assert_eq!(left_in(&gate, &id), ["a b; é.txt", "b.bin"]);

    let v1 = gate.ask(&format!("GET /v1/jobs/{id}/files")).await.ok().json();
    assert_eq!(v1["b.bin"]["size"], 300_000);
    assert_eq!(v1["b.bin"].as_object().unwrap().keys().collect::<Vec<_>>(), ["size", "atime", "mtime"]);
    let v2 = gate.ask(&format!("GET /v2/jobs/{id}/files")).await.ok().json();
    assert_eq!(v2["b.bin"]["children"], false);

    let text = gate.ask(&format!("GET /v1/jobs/{id}/files/a%20b%3B%20%C3%A9.txt")).await.ok();
    assert_eq!(text.body, "hello\n");
    let file = gate.ask(&format!("GET /v2/jobs/{id}/files/b.bin")).await.ok();
    assert_eq!(file.body, binary);
    assert_eq!(file.header("content-type"), "application/octet-stream");
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"b.bin\"");
    assert_eq!(file.header("content-length"), "300000");

    let head = gate.ask(&format!("HEAD /v1/jobs/{id}/files/b.bin")).await.ok();
    assert_eq!((head.header("content-length"), head.body.len()), ("300000", 0));
    let part = gate.ask_with(&format!("GET /v1/jobs/{id}/files/b.bin"), &[("range", "bytes=2-4")], "").await;
    assert_eq!((part.status, &part.body[..]), (StatusCode::PARTIAL_CONTENT, &[2u8, 3, 4][..]));
    let same = [("if-none-match", file.header("etag"))];
    assert_eq!(gate.ask_with(&format!("GET /v1/jobs/{id}/files/b.bin"), &same, "").await.status, 304);
    let beyond = gate.ask_with(&format!("GET /v1/jobs/{id}/files/b.bin"), &[("range", "bytes=300000-")], "").await;
    assert_eq!((beyond.status.as_u16(), beyond.header("content-range")), (416, "bytes */300000"));
}

#[tokio::test]
async fn directories() {
    let gate = Gate::new();
    let id = gate.job(json!({})).await;
    std::fs::create_dir_all(gate.base(&id).join("work/a/b")).unwrap();
    upload(&gate, &id, &[("files", Some("a/b/c.txt"), b"xy\n")]).await.ok();
    for version in ["v1", "v2"] {
        assert_eq!(gate.ask(&format!("GET /{version}/jobs/{id}/files/a/b/c.txt")).await.ok().body, "xy\n");
        assert_eq!(gate.ask(&format!("GET /{version}/jobs/{id}/files/a/b")).await.ok().json()["c.txt"]["size"], 3);
        assert_eq!(gate.ask(&format!("GET /{version}/jobs/{id}/files/a%2Fb%2Fc.txt")).await.ok().body, "xy\n");
    }
    assert_eq!(gate.ask(&format!("GET /v2/jobs/{id}/files/a/")).await.ok().json()["b"]["children"], true);
}

#[tokio::test]
async fn paths_that_lead_out() {
    let gate = Gate::new();
    let id = gate.job(json!({})).await;
    let work = gate.base(&id).join("work");
    symlink("/etc", work.join("etc")).unwrap();
    symlink("nonexistent", work.join("dangling")).unwrap();
    for version in ["v1", "v2"] {
        for path in [
            "..",
            "../spec.json",
            "%2e%2e",
            "..%2Fspec.json",
            "a/../../spec.json",
            "%2Fetc%2Fpasswd",
            "etc",
            "etc/hostname",
            "a%00b",
        ] {
            let told = gate.ask(&format!("GET /{version}/jobs/{id}/files/{path}")).await.told();
            assert_eq!(told, "403 invalid path", "{version} {path}");
        }
        assert_eq!(gate.ask(&format!("GET /{version}/jobs/{id}/files/nope")).await.told(), "404 file nope not found");
        assert_eq!(gate.ask(&format!("GET /{version}/jobs/{id}/files/%ff")).await.told(), "404 Not Found");
        gate.ask(&format!("GET /{version}/jobs/{id}/files")).await.ok();
    }
    for name in ["/tmp/x", "../x", "etc/x", "", ".", "..", "x/"] {
        let told = upload(&gate, &id, &[("files", Some(name), b"x")]).await.told();
        assert_eq!(told, "403 invalid path", "{name:?}");
    }
    let control = upload(&gate, &id, &[("files", Some("a\u{1}b"), b"x")]).await;
    assert_eq!(control.told(), "400 There was an error parsing the body", "no header may hold such a character");
    assert_eq!(upload(&gate, &id, &[("files", Some("no/such/x"), b"x")]).await.told(), "404 Invalid path: no/such/x");
    std::fs::remove_dir_all(&work).unwrap();
    symlink("/etc", &work).unwrap();
    assert_eq!(gate.ask(&format!("GET /v1/jobs/{id}/files")).await.told(), "404 work dir missing");
    assert_eq!(upload(&gate, &id, &[("files", Some("x"), b"x")]).await.told(), "404 work dir missing");
}

#[tokio::test]
async fn forms_that_are_none() {
    let gate = Gate::new();
    let id = gate.job(json!({})).await;
    let line = format!("POST /v1/jobs/{id}/files");
    assert_eq!(gate.ask(&line).await.told(), "422 missing body.files");
    let raw = gate.ask_with(&line, &[("content-type", "application/octet-stream")], "raw").await;
    assert_eq!(raw.told(), "422 missing body.files");
    let unbounded = gate.ask_with(&line, &[("content-type", "multipart/form-data")], "xx").await;
    assert_eq!(unbounded.told(), "400 Missing boundary in multipart.");
    assert_eq!(upload(&gate, &id, &[("file", Some("a"), b"x")]).await.told(), "422 missing body.files");
    assert_eq!(upload(&gate, &id, &[("files", None, b"x")]).await.told(), "422 value_error body.files.0");
    let two: [(&str, Option<&str>, &[u8]); 2] = [("files", Some("good"), b"x"), ("files", Some("../bad"), b"x")];
    assert_eq!(upload(&gate, &id, &two).await.status, StatusCode::FORBIDDEN);

    let whole = multipart(&[("files", Some("cut"), &vec![b'x'; 2_000_000])]);
    let form = format!("multipart/form-data; boundary={BOUNDARY}");
    let cut = whole[..1_500_000].to_vec();
    let reply = gate.ask_with(&line, &[("content-type", &form)], cut).await;
    assert_eq!(reply.told(), "400 There was an error parsing the body");
    eventually("all removed", async || left_in(&gate, &id).is_empty()).await;
}

#[tokio::test]
async fn curls_upload_file() {
    let gate = Gate::new();
    let id = gate.job(json!({})).await;
    let curl = [("user-agent", "curl/7.88.1")];
    for (method, name) in [("POST", "data.txt"), ("PUT", "put%20me")] {
        let reply = gate.ask_with(&format!("{method} /v1/jobs/{id}/files/{name}"), &curl, "T = 298\n").await;
        assert_eq!(reply.ok().body, "null");
    }
    assert_eq!(left_in(&gate, &id), ["data.txt", "put me"]);
    let up = gate.ask_with(&format!("PUT /v1/jobs/{id}/files/..%2Fspec.json"), &curl, "x").await;
    assert_eq!(up.told(), "403 invalid path");
}

#[tokio::test]
async fn an_upload_may_be_limited() {
    let mut settings = settings(Mode::Local);
    settings.limits.upload = Some(1000);
    let gate = Gate::with(&settings);
    let id = gate.job(json!({})).await;
    let two: [(&str, Option<&str>, &[u8]); 2] =
        [("files", Some("a"), &[b'x'; 600]), ("files", Some("b"), &[b'x'; 600])];
    assert_eq!(upload(&gate, &id, &two).await.told(), "413 the upload is larger than 1000 bytes");
    assert!(left_in(&gate, &id).is_empty());
    upload(&gate, &id, &two[..1]).await.ok();
}

#[tokio::test]
async fn logs_and_scripts() {
    let gate = Gate::new();
    let id = gate.job(json!({"script": "echo marker"})).await;
    let log = gate.base(&id).join("log");
    std::fs::create_dir_all(log.join("sub")).unwrap();
    std::fs::write(log.join("stdout.1"), b"out \xc3\xa9\n\xff").unwrap();
    let large = "line \"quoted\"\n".repeat(200_000);
    std::fs::write(log.join("stdout.2"), &large).unwrap();
    for line in ["GET /v1/jobs/ID/logs", "GET /v2/jobs/ID/logs/"] {
        let logs = gate.ask(&line.replace("ID", &id)).await.ok().json();
        assert_eq!(logs["stdout.1"], "out é\n\u{fffd}");
        assert_eq!(logs["stdout.2"], large);
        assert!(logs.get("sub").is_none());
    }
    let scripts = gate.ask(&format!("GET /v1/jobs/{id}/scripts/")).await.ok().json();
    assert_eq!(scripts, json!({"run": "#!/bin/bash\necho marker\n"}));
    std::fs::create_dir(gate.base(&id).join("scripts")).unwrap();
    std::fs::write(gate.base(&id).join("scripts/submit"), "old").unwrap();
    std::fs::write(gate.base(&id).join("scripts/run"), "#!/usr/bin/env rc\n").unwrap();
    let scripts = gate.ask(&format!("GET /v2/jobs/{id}/scripts")).await.ok().json();
    assert_eq!(scripts, json!({"run": "#!/usr/bin/env rc\n", "submit": "old"}), "what psik 1 wrote");

    std::fs::remove_dir_all(&log).unwrap();
    symlink("/etc", &log).unwrap();
    assert_eq!(gate.ask(&format!("GET /v1/jobs/{id}/logs")).await.told(), "404 log dir missing");
}

#[tokio::test]
async fn an_explicit_directory_is_used_as_named() {
    let gate = Gate::new();
    let named = tempfile::tempdir().unwrap();
    std::fs::write(named.path().join("data"), "mine").unwrap();
    let id = gate.job(json!({"directory": named.path()})).await;
    assert_eq!(gate.ask(&format!("GET /v1/jobs/{id}/files/data")).await.ok().body, "mine");
}
