//! The conformance checkers that were written against the originals, whole and without retries. They live beside the
//! checkout, in `../shared/tools`; where they are not, the tests of `rest`, `cli` and `defects` have to do.

use std::path::PathBuf;
use std::process::Stdio;

use crate::fixture::peer::Peer;
use crate::fixture::{Gateway, Home, binary, root, skip};

fn checker(name: &str) -> Option<(Peer, PathBuf)> {
    let path = root().join("../shared/tools").join(name);
    if !path.is_file() {
        skip(&format!("../shared/tools/{name} is not beside this checkout"));
        return None;
    }
    Some((Peer::get("tools")?, path))
}

/// Runs a checker and demands exit code 0 and a closing line that says how much was checked.
#[track_caller]
pub(crate) fn must_pass(home: &Home, name: &str, arguments: &[&str], environment: &[(&str, &str)], at_least: usize) {
    let Some((peer, path)) = checker(name) else { return };
    let path = path.to_string_lossy().into_owned();
    let mut all = vec!["-u", path.as_str()];
    all.extend(arguments);
    let mut command = peer.command(home, "python");
    command.args(&all).env_remove("PSIK_CONFIG").env("TMPDIR", home.path(""));
    command.envs(environment.iter().copied());
    let log = home.path("checker.log");
    let file = std::fs::File::create(&log).unwrap();
    command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
    let status = command.status().unwrap();
    let text = std::fs::read_to_string(&log).unwrap();
    eprintln!("{text}");
    let last = text.lines().last().unwrap_or_default();
    assert!(status.success(), "{name} {arguments:?}: {last}");
    let passed: usize = last.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0);
    assert!(passed >= at_least, "{name} ran only {passed} checks: {last}");
}

fn rest(version: &str, at_least: usize) {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let url = gateway.url(&format!("/{version}"));
    must_pass(&home, "psik_conformance.py", &["--hardened", "--retries", "0", &url], &[], at_least);
}

#[test]
fn psik_api_v1_hardened() {
    rest("v1", 90);
}

#[test]
fn psik_api_v2_hardened() {
    rest("v2", 90);
}

fn cli(dialect: &str, slow: bool, at_least: usize) {
    let home = Home::new();
    // under psik's own name, as scripts call it, and under ours
    let program = if slow { binary().to_path_buf() } else { named_psik(&home) };
    let program = program.to_string_lossy().into_owned();
    let mut arguments = vec!["--hardened", "--dialect", dialect, program.as_str()];
    if slow {
        arguments.insert(0, "--slow");
    }
    must_pass(&home, "psik_cli_conformance.py", &arguments, &[("JOBGATE_PSIK", dialect)], at_least);
}

/// Our binary under the name `psik`.
fn named_psik(home: &Home) -> PathBuf {
    let path = home.path("psik");
    std::os::unix::fs::symlink(binary(), &path).unwrap();
    path
}

#[test]
fn psik_3_0_command_line_hardened() {
    cli("3.0", true, 60);
}

#[test]
fn psik_3_1_command_line_hardened() {
    cli("3.1", false, 60);
}
