//! Schemathesis, which reads our own OpenAPI documents and tries to catch us lying.
//!
//! It makes up callback URLs and scripts, so the server runs in a network namespace that has nothing but loopback, and
//! its batch system is a stand-in that takes every job and runs none.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::fixture::home::run;
use crate::fixture::peer::Peer;
use crate::fixture::{Home, binary, is_root, program, skip, stand_in};

/// What must hold of every answer. Left out is what the originals' rules forbid: numbers may come as strings (so "wrong"
/// types are not always refused), and a well-formed request may name a job or a directory that is not there.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,unsupported_method";

const SCRIPT: &str = r#"
ip link set lo up || exit 90
"$1" serve --listen 127.0.0.1:0 --prefix "$2" >serve.log 2>&1 &
server=$!
turns=0 port=
while [ -z "$port" ]; do
  port=$(sed -n 's,.*http://127\.0\.0\.1:\([0-9]*\).*,\1,p' serve.log | head -n 1)
  turns=$((turns + 1))
  [ $turns -lt 600 ] || { cat serve.log; exit 91; }
  sleep 0.05
done
schemathesis run "http://127.0.0.1:$port/$3/openapi.json" --wait-for-schema 20 --checks "$4" --max-examples "$5" \
  --phases examples,coverage,fuzzing --seed 7 --generation-deterministic --suppress-health-check all --no-color \
  --request-timeout 20 --workers 1 --continue-on-failure --warnings off
code=$?
kill -0 $server || { echo 'the server is gone'; tail -n 40 serve.log; code=92; }
kill $server
exit $code
"#;

fn fuzz(version: &str) {
    let Some(peer) = Peer::get("tools") else { return };
    if program("ip").is_none() || program("unshare").is_none() {
        return skip("needs unshare and ip, to keep made-up callback URLs off the network");
    }
    let unshare: &[&str] = if is_root() { &["--net"] } else { &["--map-root-user", "--net"] };
    if run(Command::new("unshare").args(unshare).arg("true").stdin(Stdio::null())).code != 0 {
        return skip("this machine allows no network namespace, and made-up callback URLs must not reach the network");
    }
    let home = Home::with_settings("[backends.default]\ntype = \"slurm\"\n");
    for (name, body) in [
        ("sbatch", "cat >/dev/null; echo Submitted batch job $$"),
        ("squeue", ""),
        ("sacct", ""),
        ("scancel", ""),
        ("scontrol", ""),
    ] {
        stand_in(&home.path("bin"), name, body);
    }
    let examples = std::env::var("JOBGATE_FUZZ_EXAMPLES").unwrap_or_else(|_| "25".to_owned());
    let mut command = peer.command(&home, "python");
    let path = format!("{}:{}", home.path("bin").display(), path_of(&command));
    let log = fs::File::create(home.path("fuzz.log")).unwrap();
    let mut shell = home.program(Path::new("unshare"));
    shell.args(unshare).args(["sh", "-c", SCRIPT, "sh"]).arg(binary()).arg(&home.prefix);
    shell.args([version, CHECKS, &examples]).env("PATH", path);
    shell.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    command.stdin(Stdio::null());
    let status = shell.status().unwrap();
    let text = fs::read_to_string(home.path("fuzz.log")).unwrap();
    assert!(status.success(), "{status}\n{text}");
    assert!(text.contains("No issues found") || text.contains(" passed"), "nothing was tested: {text}");
}

fn path_of(command: &Command) -> String {
    let path = command.get_envs().find(|(key, _)| *key == "PATH").and_then(|(_, value)| value);
    path.unwrap_or_default().to_string_lossy().into_owned()
}

#[test]
fn v1_keeps_what_its_document_promises() {
    fuzz("v1");
}

#[test]
fn v2_keeps_what_its_document_promises() {
    fuzz("v2");
}
