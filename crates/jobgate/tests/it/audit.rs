//! The audit log of the real program: one chain, whoever writes, whatever is killed or moved.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::crash::{moments, pass};
use crate::fixture::gateway::script;
use crate::fixture::home::Output;
use crate::fixture::http::Body;
use crate::fixture::{Gateway, Home, SOON, wait_for};

fn log_of(home: &Home) -> PathBuf {
    home.state().join("audit.log")
}

/// What `audit verify` says of these files, or of the current one.
fn verify(home: &Home, files: &[&str]) -> Output {
    home.run(&[&["audit", "verify"], files].concat())
}

fn lines(home: &Home, args: &[&str]) -> Vec<Value> {
    let shown = home.ok(&[&["audit", "show", "-o", "json"], args].concat());
    shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn whats(lines: &[Value]) -> Vec<String> {
    lines.iter().map(|line| format!("{} {}", line["event"].as_str().unwrap(), line["what"].as_str().unwrap())).collect()
}

#[test]
fn server_and_commands_write_one_chain() {
    let home = Home::new();
    let mut gateway = Gateway::start(&home);
    let mut client = gateway.client();
    let first = client.create("v2", &script("true"));
    let second = home.create(&script("true"));
    client.delete(&format!("/v2/jobs/{second}"));
    home.ok(&["rm", &first]);
    assert_eq!(client.get(&format!("/v2/jobs/{first}")).status, 404);
    assert!(gateway.stop().success());

    let lines = lines(&home, &[]);
    assert_eq!(
        whats(&lines),
        [
            "started ",
            "request psik POST /v2/jobs/new",
            "command jobgate submit",
            "request psik DELETE /v2/jobs/{jobid}",
            "command jobgate rm",
            "request psik GET /v2/jobs/{jobid}",
            "stopped ",
        ]
    );
    let jobs: Vec<&str> = lines.iter().map(|line| line["job"].as_str().unwrap_or_default()).collect();
    assert_eq!(jobs, ["", &first, &second, &second, &first, &first, ""]);
    assert_eq!(lines[5]["outcome"], "denied");
    let said = verify(&home, &[]);
    assert!(said.code == 0 && said.out.starts_with("7 lines are in order: 1 to 7, "), "{said:?}");
    for name in ["audit.log", "audit.log.head"] {
        assert_eq!(fs::metadata(home.state().join(name)).unwrap().mode() & 0o777, 0o600, "{name}");
    }

    assert_eq!(whats(&self::lines(&home, &["--job", &first])).len(), 3);
    assert_eq!(self::lines(&home, &["--user", "nobody"]).len(), 0);
    assert_eq!(self::lines(&home, &["--since", "1h"]).len(), 7);
    assert!(home.ok(&["audit", "show", "--job", &second]).contains("allowed jobgate submit"));

    let log = log_of(&home);
    let text = fs::read_to_string(&log).unwrap();
    fs::write(&log, text.replacen("\"status\":404", "\"status\":200", 1)).unwrap();
    let said = verify(&home, &[]);
    assert!(said.code == 1 && said.out.contains("audit.log:6: changed: "), "{said:?}");
    let cut: String = text.lines().take(6).map(|line| line.to_owned() + "\n").collect();
    fs::write(&log, cut).unwrap();
    let said = verify(&home, &[]);
    assert!(said.code == 1 && said.out.contains("audit.log:6: truncated: "), "{said:?}");
}

#[test]
fn a_log_that_is_moved_away_goes_on_in_a_new_file() {
    let home = Home::new();
    let mut gateway = Gateway::start(&home);
    let mut client = gateway.client();
    client.create("v2", &script("true"));
    let (log, old) = (log_of(&home), home.state().join("audit.log.1"));
    wait_for("the first lines", SOON, || {
        (fs::read_to_string(&log).unwrap_or_default().lines().count() >= 2).then_some(())
    });
    fs::rename(&log, &old).unwrap();
    kill_process(Pid::from_child(&gateway.child), Signal::HUP).unwrap();
    client.create("v2", &script("true"));
    home.create(&script("true"));
    assert!(gateway.stop().success());
    assert_eq!(whats(&lines(&home, &[]))[0], "continued ");
    let (old, new) = (old.to_str().unwrap(), log.to_str().unwrap());
    let said = verify(&home, &[old, new]);
    assert!(said.code == 0 && said.out.starts_with("6 lines are in order: 1 to 6, "), "{said:?}");
    let said = verify(&home, &[new]);
    assert!(said.code == 0 && said.err.contains("older files"), "{said:?}");
    assert_eq!(verify(&home, &[new, old]).code, 1);
}

#[test]
fn whatever_is_killed_the_chain_holds() {
    let home = Home::new();
    for moment in moments(Duration::from_millis(60)).take(8) {
        let mut gateway = Gateway::start(&home);
        let address = gateway.address;
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(move || {
                    let mut client = crate::fixture::Client::new(crate::fixture::http::Address::Tcp(address));
                    // what is recorded with little work: until the server is gone
                    while client.request("POST", "/v2/jobs", &[], &Body::Bytes(b"{}")).is_ok() {}
                });
            }
            scope.spawn(|| home.run(&["rm", "17.005"]));
            pass(moment);
            gateway.kill();
        });
    }
    home.create(&script("true"));
    let said = verify(&home, &[]);
    assert!(said.code == 0 && said.out.contains("lines are in order: 1 to "), "{said:?}");
    assert!(lines(&home, &[]).len() > 50, "{said:?}");
}

#[test]
fn nothing_is_done_that_cannot_be_recorded_if_that_is_wanted() {
    let home = Home::with_settings("[audit]\nfile = \"log/audit.log\"\non_failure = \"refuse\"\n");
    // relative to the directory of the configuration file
    let folder = home.path("config/jobgate/log");
    let spec = home.spec(&script("true"));
    let submit = ["submit", "--no-submit", "--parsable", spec.to_str().unwrap()];
    let refused = home.run(&submit);
    assert!(refused.code == 3 && refused.err.contains("cannot write the audit log"), "{refused:?}");
    assert!(home.run(&["serve", "--listen", "127.0.0.1:0"]).err.contains("cannot write the audit log"));
    assert_eq!(fs::read_dir(&home.prefix).map_or(0, Iterator::count), 0);
    fs::create_dir(&folder).unwrap();
    home.ok(&submit);
    assert_eq!(whats(&lines(&home, &[])), ["command jobgate submit"]);
}

#[test]
fn nothing_is_recorded_if_nothing_should_be() {
    let home = Home::with_settings("[audit]\nenabled = false\n");
    home.create(&script("true"));
    assert!(!log_of(&home).exists());
    assert!(home.run(&["audit", "verify"]).err.contains("cannot read the audit log"));
}
