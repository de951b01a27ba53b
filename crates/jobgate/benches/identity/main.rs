//! What it costs to know who asks: the same request, by the same user's jobs, with each kind of identity.
//!
//! `cargo bench -p jobgate --bench identity`; `-- --quick` for shorter measurements. The first line is psik's local mode, in
//! which nothing has to be checked: the others are to be read beside it. Look at the server's CPU time per request; figures say
//! what was seen, and nothing is asserted. The originals cannot be put beside it: psik_api 1.0.0 does not work over TLS, where
//! alone it checks tokens, with the current releases of what it needs.
#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a program that prints figures")]

#[expect(dead_code, unused_imports, reason = "shared with the tests, which use all of it")]
#[path = "../../tests/it/fixture/mod.rs"]
mod fixture;

#[expect(dead_code, reason = "shared with the benchmark of psik, which uses all of it")]
#[path = "../peers/load.rs"]
mod load;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::time::Duration;

use fixture::http::Body;
use fixture::{Gateway, Home};
use load::load;

const SECRET: &str = "a-secret-of-a-program-0123456789abcdef";
const POLICY: &str = "deny if user(\"uid:mallory\");\ndeny if access(\"write\"), established(\"session\");\n";

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let time = Duration::from_secs(if quick { 1 } else { 4 });
    println!("load before: {}", fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    for policy in [false, true] {
        println!("\nGET /v2/jobs, one client{}", if policy { ", with a site's policy of two rules" } else { "" });
        let home = home(policy);
        let gateway = Gateway::start(&home);
        for (name, token) in tokens(&home) {
            let bearer = token.map(|token| format!("Bearer {token}"));
            let headers: Vec<(&str, &str)> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
            let figures = load(&gateway, 1, time, |client| {
                client.request("GET", "/v2/jobs", &headers, &Body::None).is_ok_and(|answer| answer.status == 200)
            });
            println!("  {name:<44} {}", figures.show());
        }
    }
}

/// A home whose gateway knows a secret of a program and, perhaps, a policy.
fn home(policy: bool) -> Home {
    let rule = if policy { "policy = \"policy.datalog\"\n" } else { "" };
    let home = Home::with_settings(&format!(
        "[auth]\n{rule}[auth.secrets.watcher]\nfile = \"watcher.secret\"\nrole = \"user\"\n"
    ));
    let secret = home.path("config/jobgate/watcher.secret");
    fs::write(&secret, SECRET).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(home.path("config/jobgate/policy.datalog"), POLICY).unwrap();
    home
}

/// What a client brings, by name.
fn tokens(home: &Home) -> Vec<(&'static str, Option<String>)> {
    let jwt = home.ok(&["token", "alice"]).trim().trim_start_matches("SLURM_JWT=").to_owned();
    let biscuit = home.ok(&["token", "biscuit", "alice"]).trim().to_owned();
    let once = attenuate(home, &biscuit, &["--read-only"]);
    let thrice = attenuate(home, &once, &["--expires", "1h", "--path", "/v2/jobs"]);
    let thrice = attenuate(home, &thrice, &["--check", "check if client(\"addr:127.0.0.1\")"]);
    vec![
        ("nothing (psik's local mode)", None),
        ("a program's secret", Some(SECRET.to_owned())),
        ("a JWT (HS256)", Some(jwt)),
        ("a biscuit", Some(biscuit)),
        ("a biscuit, restricted once", Some(once)),
        ("a biscuit, restricted three times", Some(thrice)),
    ]
}

fn attenuate(home: &Home, token: &str, options: &[&str]) -> String {
    let words: Vec<&str> = ["token", "attenuate"].iter().chain(options).copied().collect();
    let mut child = home.command(&words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(token.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
