//! No secret is ever where somebody else could read it: not in logs, error texts, numbers, process arguments, or files that are not
//! their owner's alone.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::fixture::http::Body;
use crate::fixture::{Answer, Client, Gateway, Home, Listener, SOON, wait_for};

const JSON: (&str, &str) = ("content-type", "application/json");

/// Every kind of secret, by its name.
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    /// The names of those that stand in a text.
    fn within(&self, text: &[u8]) -> Vec<&'static str> {
        let stands = |secret: &str| text.windows(secret.len()).any(|window| window == secret.as_bytes());
        self.0.iter().filter(|(_, secret)| stands(secret)).map(|(name, _)| *name).collect()
    }

    #[track_caller]
    fn are_not_in(&self, what: &str, text: impl AsRef<[u8]>) {
        let found = self.within(text.as_ref());
        assert!(found.is_empty(), "{what} holds {found:?}: {:.2000}", String::from_utf8_lossy(text.as_ref()));
    }
}

/// A client all of whose errors are looked through.
struct Watched<'a> {
    client: Client,
    secrets: &'a Secrets,
}

impl Watched<'_> {
    fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let answer = self.client.ask(method, path, headers, &Body::Bytes(body.as_bytes()));
        if answer.status >= 400 {
            let head: Vec<String> = answer.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            let text = format!("{} {}", head.join("\n"), answer.text());
            self.secrets.are_not_in(&format!("the answer {} to {method} {path}", answer.status), text);
        }
        answer
    }
}

/// A key file, its content in the forms in which it could be shown, and tokens.
fn secrets(home: &Home) -> Secrets {
    let key: Vec<u8> = (0..48_u32).map(|number| b'!' + ((number * 31 + 7) % 90) as u8).collect();
    let path = home.path("etc/jwt.key");
    fs::write(&path, &key).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let token = home.ok(&["token", "alice"]).trim().replace("SLURM_JWT=", "");
    let signature = token.rsplit('.').next().unwrap().to_owned();
    Secrets(vec![
        ("the key", String::from_utf8(key.clone()).unwrap()),
        ("the key in hexadecimal digits", hex(&key)),
        ("the key in base64", STANDARD.encode(&key)),
        ("the key in base64url", URL_SAFE_NO_PAD.encode(&key)),
        ("the token's signature", signature),
        ("the token", token),
        ("cb_secret", "cb-5ecret-of-the-callback".into()),
        ("client_secret", "client-5ecret-of-the-sender".into()),
        ("a header of the callback", "header-5ecret-of-the-receiver".into()),
        ("a bad token", "eyJhbGciOiJIUzI1NiJ9.YmFkLTVlY3JldA.c2lnbmF0dXJl".into()),
        ("a bad bearer", "bearer-5ecret-that-is-none".into()),
    ])
}

fn spec(listener: &Listener) -> Value {
    json!({
        "name": "secret bearer", "script": "#!/bin/sh\nsleep 60\n", "callback": format!("{}/cb", listener.url),
        "cb_secret": "cb-5ecret-of-the-callback", "client_secret": "client-5ecret-of-the-sender",
    })
}

/// Everything that a user can do, rightly and wrongly.
fn use_everything(client: &mut Watched<'_>, listener: &Listener, secrets: &Secrets) -> String {
    let of = |name: &str| secrets.0.iter().find(|(known, _)| *known == name).unwrap().1.clone();
    let (token, bad, bearer) = (of("the token"), of("a bad token"), of("a bad bearer"));
    let spec = spec(listener);
    let mut with_headers = spec.clone();
    with_headers["cb_headers"] = json!({"x-receiver": "header-5ecret-of-the-receiver"});
    let answer = client.ask("POST", "/v1/jobs", &[JSON], &with_headers.to_string());
    let jobid = match answer.status {
        200 => answer.json().as_str().unwrap().to_owned(),
        _ => client.ask("POST", "/v2/jobs", &[JSON], &spec.to_string()).json().as_str().unwrap().to_owned(),
    };
    // violations in and around secrets
    for (key, value) in [
        ("cb_secret", json!(["cb-5ecret-of-the-callback"])),
        ("client_secret", json!({"x": "client-5ecret-of-the-sender"})),
        ("cb_headers", json!("header-5ecret-of-the-receiver")),
        ("cb_headers", json!({"x": ["header-5ecret-of-the-receiver"]})),
        ("script", json!(5)),
        ("callback", json!("file:///etc/shadow")),
        ("callback", json!("http://user:cb-5ecret-of-the-callback@[::1")),
        ("backend", json!("nowhere")),
    ] {
        let mut wrong = spec.clone();
        wrong[key] = value;
        for version in ["v1", "v2"] {
            client.ask("POST", &format!("/{version}/jobs"), &[JSON], &wrong.to_string());
        }
    }
    for version in ["v1", "v2"] {
        let jobs = format!("/{version}/jobs");
        client.ask("POST", &jobs, &[JSON], &json!([spec]).to_string());
        client.ask("POST", &jobs, &[("content-type", "text/plain")], &spec.to_string());
        client.ask("POST", &jobs, &[JSON], &spec.to_string().replace('}', ""));
        let callback = json!({"jobid": jobid, "jobndx": 1, "state": "active", "info": 0}).to_string();
        for signature in ["", "sha256=00", "client-5ecret-of-the-sender", "sha256=client-5ecret-of-the-sender"] {
            client.ask("POST", &format!("{jobs}/callback"), &[JSON, ("x-hub-signature-256", signature)], &callback);
        }
        for (name, value) in [("authorization", format!("Bearer {bearer}")), ("authorization", format!("Bearer {bad}"))]
        {
            client.ask("GET", &jobs, &[(name, &value)], "");
            client.ask("POST", &format!("/{version}/token"), &[(name, &value)], "");
        }
        client.ask("GET", &format!("{jobs}/{jobid}/files/../spec.json"), &[], "");
        client.ask("GET", &format!("{jobs}/{bearer}?token={bad}"), &[], "");
    }
    for (name, value) in [
        ("x-slurm-user-token", token.clone()),
        ("x-slurm-user-token", bad.clone()),
        ("x-slurm-user-token", format!("{token}x")),
        ("x-slurm-user-token", bearer.clone()),
        ("authorization", format!("Bearer {bad}")),
    ] {
        for user in ["alice", "bob"] {
            let headers = [(name, value.as_str()), ("x-slurm-user-name", user), JSON];
            client.ask("GET", "/slurm/v0.0.43/jobs", &headers, "");
            client.ask("GET", "/slurmdb/v0.0.43/users", &headers, "");
            client.ask("POST", "/slurm/v0.0.43/job/submit", &headers, "{\"job\": {\"current_working_directory\": 5}}");
            client.ask("POST", "/slurm/v0.0.43/job/submit", &headers, &format!("{{\"job\": \"{bearer}"));
        }
    }
    jobid
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |text, byte| format!("{text}%{byte:02X}"))
}

/// Every file below a directory.
fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files_below(&entry.path(), found);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
}

fn search(log_format: &str) {
    let home = Home::with_settings(&format!(
        "[server]\nlog_format = \"{log_format}\"\n[slurm]\njwt_key = \"../../etc/jwt.key\"\n[audit]\nreads = true\n"
    ));
    let (listener, secrets) = (Listener::start(), secrets(&home));
    let mut gateway = Gateway::start_with(&home, &["-vv"]);
    let mut client = Watched { client: gateway.client(), secrets: &secrets };
    let jobid = use_everything(&mut client, &listener, &secrets);
    home.wait_row(&jobid, 1, &["active"]);
    wait_for("a callback", SOON, || listener.all().into_iter().next());

    let mut looked_at = 0;
    let marks = [home.prefix.to_string_lossy().into_owned(), gateway.address.to_string()];
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(arguments) = fs::read(process.path().join("cmdline")) else { continue };
        let environment = fs::read(process.path().join("environ")).unwrap_or_default();
        let own = process.file_name().to_str() == Some(&std::process::id().to_string());
        let ours = |text: &[u8]| marks.iter().any(|mark| text.windows(mark.len()).any(|part| part == mark.as_bytes()));
        if !own && (ours(&arguments) || ours(&environment)) {
            looked_at += 1;
            secrets.are_not_in("the arguments of a process", arguments);
        }
    }
    assert!(looked_at >= 2, "the server and a runner should be there");
    secrets.are_not_in("/metrics", client.client.get("/metrics").body);
    client.client.delete(&format!("/v2/jobs/{jobid}"));
    assert!(gateway.stop().success());
    secrets.are_not_in("the server's log", gateway.log());
    assert!(gateway.log().lines().count() > 50, "{}", gateway.log());
    for args in
        [&["show", &jobid][..], &["show", "-o", "json", &jobid], &["audit", "show"], &["config"], &["deliveries"]]
    {
        let said = home.run(args);
        secrets.are_not_in(&format!("jobgate {args:?}"), format!("{}{}", said.out, said.err));
    }

    let mut files = Vec::new();
    for folder in [home.state(), home.prefix.clone()] {
        files_below(&folder, &mut files);
    }
    for path in files {
        let found = secrets.within(&fs::read(&path).unwrap_or_default());
        let mode = fs::metadata(&path).unwrap().mode() & 0o777;
        assert!(found.is_empty() || mode.trailing_zeros() >= 6, "{} ({mode:o}) holds {found:?}", path.display());
        let name = path.file_name().unwrap().to_string_lossy();
        assert!(
            found.is_empty() || !name.contains("audit") && !name.ends_with("console"),
            "{} {found:?}",
            path.display()
        );
    }
}

#[test]
fn secrets_are_nowhere_in_readable_logs() {
    search("text");
}

#[test]
fn secrets_are_nowhere_in_logs_for_programs() {
    search("json");
}

/// Names that try to end a line, to begin another one, or to reach the terminal of whoever reads it.
#[test]
fn nobody_writes_lines_of_its_own() {
    let forged = "x\n2026-01-01T00:00:00Z ERROR forged=1\r\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}31m\",\"outcome\":\"allowed\"}\n{\"seq\":1}";
    for log_format in ["text", "json"] {
        let home = Home::with_settings(&format!("[server]\nlog_format = \"{log_format}\"\n[audit]\nreads = true\n"));
        let mut gateway = Gateway::start_with(&home, &["-vv"]);
        let mut client = gateway.client();
        let encoded = percent(forged);
        let spec =
            json!({"name": forged, "script": "#!/bin/sh\nexit 3\n", "backend": forged, "attributes": {forged: forged}});
        client.post("/v2/jobs", &spec);
        let mut spec = spec;
        spec.as_object_mut().unwrap().remove("backend");
        let jobid = client.create("v2", &spec);
        client.upload(&format!("/v2/jobs/{jobid}/files"), &[("a\u{1b}[2Jb", b"x"), ("../\u{1b}[2Jb", b"x")]);
        for path in [
            format!("/v2/jobs/{encoded}"),
            format!("/v2/jobs/{jobid}/files/{encoded}"),
            format!("/v2/jobs?backend={encoded}"),
            format!("/{encoded}"),
            format!("/slurm/v0.0.43/job/{encoded}"),
        ] {
            client.get(&path);
            client.delete(&path);
        }
        for (name, value) in [
            ("x-request-id", "a\" forged=1"),
            ("x-request-id", "{\"seq\":1}"),
            ("x-slurm-user-token", "a.b\tforged.c"),
            ("authorization", "Bearer a\tb forged=1"),
            ("user-agent", "forged=1"),
        ] {
            client.ask("GET", "/v2/jobs/17.005", &[(name, value)], &Body::None);
            client.ask("GET", "/slurm/v0.0.43/jobs", &[(name, value)], &Body::None);
        }
        client.post(&format!("/v2/jobs/{jobid}/start"), &Value::Null);
        client.wait_step("v2", &jobid, 1, &["failed"]);
        assert!(gateway.stop().success());

        let harmless = |c: char| c == '\n' || !c.is_control();
        for (what, text) in
            [("log", gateway.log()), ("audit", fs::read_to_string(home.state().join("audit.log")).unwrap())]
        {
            assert!(text.chars().all(harmless), "{log_format} {what}: {text:?}");
            let begins = |line: &str| line.starts_with("listening on ") || line.starts_with(['2', '{']);
            assert!(text.lines().all(begins), "{log_format} {what}: {text}");
            assert!(
                text.lines().all(|line| !line.contains("Z ERROR forged") || line.matches("202").count() > 1),
                "{text}"
            );
        }
        let said = home.run(&["audit", "verify"]);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(home.ok(&["audit", "show"]).chars().all(harmless));
    }
}
