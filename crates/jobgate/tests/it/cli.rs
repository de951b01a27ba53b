//! The command line, with no server there: psik's commands and our own.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fixture::home::run;
use crate::fixture::{Gateway, Home, Listener, SOON, alive, binary, stays, wait_for};

fn json_of(home: &Home, arguments: &[&str]) -> Value {
    let out = home.ok(arguments);
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {out}"))
}

#[test]
fn submit_prints_what_psik_prints() {
    let home = Home::new();
    let file = home.spec(&json!({"script": "true"}));
    let file = file.to_str().unwrap();
    let out = home.ok(&["submit", "--newdir", file]);
    let jobid = out.strip_prefix("Queued ").and_then(|rest| rest.strip_suffix('\n')).expect("`Queued STAMP`");
    home.wait_row(jobid, 1, &["completed"]);
    assert!(home.ok(&["submit", "--no-submit", file]).starts_with("Created "));
    let parsable = home.ok(&["submit", "--newdir", "--parsable", file]);
    assert!(
        parsable.trim().chars().all(|c| c.is_ascii_digit() || c == '.') && parsable.ends_with('\n'),
        "{parsable:?}"
    );
    let answer = json_of(&home, &["submit", "--newdir", "-o", "json", file]);
    assert!(answer.to_string().contains('.'), "{answer}");
    let yaml = home.path("job.yaml");
    fs::write(&yaml, "name: y\nscript: |\n  echo from yaml\n").unwrap();
    let jobid = home.ok(&["submit", "--newdir", "--parsable", yaml.to_str().unwrap()]).trim().to_owned();
    home.wait_row(&jobid, 1, &["completed"]);
    assert_eq!(home.read(&jobid, "log/stdout.1"), "from yaml\n");
}

#[test]
fn a_spec_from_standard_input() {
    let home = Home::new();
    let mut command = home.command(&["submit", "--newdir", "--parsable", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(br#"{"script": "echo piped"}"#).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let jobid = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    home.wait_row(&jobid, 1, &["completed"]);
    assert_eq!(home.read(&jobid, "log/stdout.1"), "piped\n");
}

#[test]
fn wait_says_how_it_ended() {
    let home = Home::new();
    let good = home.submit(&json!({"script": "true"}));
    let bad = home.submit(&json!({"script": "exit 3"}));
    let long = home.submit(&json!({"script": "sleep 600"}));
    assert_eq!(home.run(&["wait", &good]).code, 0);
    assert_eq!(home.run(&["wait", &good, &bad]).code, 1);
    assert_eq!(home.run(&["wait", "--timeout", "200ms", &long]).code, 5);
    home.ok(&["cancel", &long]);
    assert_eq!(home.run(&["wait", &good, &long]).code, 1);
    // `all` are those that are still to end
    assert_eq!(home.run(&["wait", "all"]).code, 0);
    assert_ne!(home.run(&["wait", "1.001"]).code, 0);
}

#[test]
fn logs_are_shown_and_followed() {
    let home = Home::new();
    let script = "echo one; echo oops >&2; while [ ! -e go ]; do sleep 0.05; done; echo two";
    let jobid = home.submit(&json!({"script": script}));
    let out = home.path("followed");
    let mut follower = home.command(&["logs", "-f", &jobid]);
    let mut follower = follower.stdout(fs::File::create(&out).unwrap()).stderr(Stdio::null()).spawn().unwrap();
    let text = || fs::read_to_string(&out).unwrap();
    wait_for("the first line to be followed", SOON, || (text() == "one\n").then_some(()));
    assert!(follower.try_wait().unwrap().is_none(), "it did not wait for the end");
    fs::write(home.job(&jobid, "work/go"), "").unwrap();
    let status = wait_for("the follower to end with the run", SOON, || follower.try_wait().unwrap());
    assert!(status.success());
    assert_eq!(text(), "one\ntwo\n");
    assert_eq!(home.ok(&["logs", &jobid]), "one\ntwo\n");
    assert_eq!(home.ok(&["logs", "--err", "last"]), "oops\n");
    assert_ne!(home.run(&["logs", "1.001"]).code, 0);
}

#[test]
fn json_for_scripts() {
    let home = Home::new();
    let listener = Listener::start();
    let url = format!("{}/cb", listener.url);
    let jobid = home.submit(&json!({"script": "exit 3", "name": "j", "callback": url, "cb_secret": "hush"}));
    home.ok(&["ls"]);
    assert_eq!(home.run(&["wait", &jobid]).code, 1);
    wait_for("the callbacks", SOON, || (listener.of(&jobid).len() == 3).then_some(()));
    let list = json_of(&home, &["ls", "-o", "json"]);
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(
        (&list[0]["jobid"], &list[0]["state"], &list[0]["name"]),
        (&json!(jobid), &json!("failed"), &json!("j"))
    );
    for command in ["status", "show"] {
        let answer = json_of(&home, &[command, "-o", "json", &jobid]);
        let text = answer.to_string();
        assert!(text.contains("failed") && text.contains(&jobid), "{text}");
        assert!(!text.contains("hush"), "{command} shows a secret");
    }
    let deliveries = wait_for("three deliveries to be noted", SOON, || {
        let deliveries = json_of(&home, &["deliveries", "-o", "json", &jobid]);
        let list = deliveries.as_array().unwrap().clone();
        (list.len() == 3 && list.iter().all(|one| one["status"] == "delivered")).then_some(list)
    });
    assert!(deliveries.iter().all(|one| one["url"] == url.as_str()));
    assert!(!home.ok(&["show", &jobid]).contains("hush"));
}

#[test]
fn a_failed_delivery_is_retried_by_hand() {
    let home = Home::with_settings("[callbacks]\nschedule = [\"1h\"]\n");
    let listener = Listener::start();
    listener.answer(500);
    let jobid = home.create(&json!({"script": "x", "callback": format!("{}/cb", listener.url)}));
    home.ok(&["cancel", &jobid]);
    wait_for("one attempt", SOON, || (listener.of(&jobid).len() == 1).then_some(()));
    let list = json_of(&home, &["deliveries", "-o", "json"]);
    assert_eq!((&list[0]["status"], &list[0]["attempts"]), (&json!("pending"), &json!(1)), "{list}");
    listener.answer(200);
    home.ok(&["deliveries", "retry", &list[0]["id"].to_string()]);
    wait_for("the delivery", SOON, || {
        home.ok(&["poll", &jobid]);
        (json_of(&home, &["deliveries", "-o", "json"])[0]["status"] == "delivered").then_some(())
    });
    assert_eq!(listener.of(&jobid).len(), 2);
}

#[test]
fn selectors_mean_last_and_all() {
    let home = Home::new();
    let first = home.create(&json!({"script": "x", "name": "first"}));
    let last = home.create(&json!({"script": "x", "name": "last one"}));
    assert!(home.ok(&["status", "last"]).starts_with("last one\n"));
    let all = home.ok(&["status", "all"]);
    assert!(all.contains("first\n") && all.contains("last one\n"));
    assert_ne!(home.run(&["rm", "all"]).code, 0);
    assert!(home.prefix.join(&first).is_dir());
    assert_eq!(home.ok(&["rm", "last"]), format!("Deleted {last}\n"));
    home.ok(&["rm", "all", "--yes"]);
    assert_eq!(home.ok(&["ls"]).lines().count(), 1);
    assert_eq!(fs::read_dir(&home.prefix).unwrap().count(), 0);
}

#[test]
fn a_running_job_is_not_removed() {
    let home = Home::new();
    let jobid = home.submit(&json!({"script": "sleep 600"}));
    home.wait_row(&jobid, 1, &["active"]);
    let output = home.run(&["rm", &jobid]);
    assert!(output.code == 1 && output.err.contains("cancel"), "{output:?}");
    assert!(home.prefix.join(&jobid).is_dir());
    home.ok(&["cancel", &jobid]);
    home.ok(&["rm", &jobid]);
}

#[test]
fn the_caller_is_not_held_by_the_job() {
    let home = Home::new();
    let file = home.spec(&json!({"script": "sleep 600"}));
    let begin = Instant::now();
    // `output` reads the pipes to their end: a job that kept them would keep us
    let output = run(&mut home.command(&["submit", "--newdir", "--parsable", file.to_str().unwrap()]));
    assert!(begin.elapsed() < Duration::from_mins(1) && output.code == 0);
    let jobid = output.out.trim();
    let pid: u32 = home.wait_row(jobid, 1, &["queued"]).info.parse().unwrap();
    // its standard input was the ticket it got
    for descriptor in 1..=2 {
        let target = fs::read_link(format!("/proc/{pid}/fd/{descriptor}")).unwrap();
        assert_eq!(target, std::path::Path::new("/dev/null"), "descriptor {descriptor}");
    }
}

#[test]
fn usage_errors_and_help() {
    let home = Home::new();
    for arguments in [&[][..], &["nosuch"], &["run"], &["status"], &["ls", "--nosuch"], &["-v", "ls"]] {
        let output = home.run(arguments);
        assert_eq!((output.code, output.out.as_str()), (2, ""), "{arguments:?}");
        assert!(!output.err.is_empty());
    }
    let help = home.ok(&["--help"]);
    for command in [
        "submit",
        "start",
        "poll",
        "cancel",
        "ls",
        "status",
        "reached",
        "rm",
        "hot-start",
        "version",
        "logs",
        "show",
        "wait",
        "hold",
        "release",
        "deliveries",
        "reindex",
        "prune",
        "serve",
        "completions",
        "man",
    ] {
        assert!(help.contains(command), "{command} is not in --help");
        home.ok(&[command, "--help"]);
    }
    assert!(home.ok(&["version"]).starts_with("psik version 3."));
    assert!(home.ok(&["--version"]).starts_with("jobgate "));
    for shell in ["bash", "zsh", "fish"] {
        assert!(home.ok(&["completions", shell]).contains("hot-start"));
    }
    fs::create_dir(home.path("man")).unwrap();
    home.ok(&["man", home.path("man").to_str().unwrap()]);
    assert!(fs::read_dir(home.path("man")).unwrap().count() > 10);
}

#[test]
fn data_goes_to_stdout_and_complaints_to_stderr() {
    let home = Home::new();
    let output = home.run(&["status", "1.001"]);
    assert_eq!((output.code, output.out.as_str()), (1, ""));
    assert!(output.err.contains("1.001"), "{output:?}");
    let mut command = home.command(&["ls"]);
    let output = run(command.env("JOBGATE_CONFIG", "/nonexistent/jobgate.toml"));
    assert!(output.code != 0 && output.err.contains("/nonexistent/jobgate.toml"), "{output:?}");
    let file = home.path("bad.toml");
    fs::write(&file, "prefix = \"/tmp\"\n[server]\nlistne = []\n").unwrap();
    let output = home.run(&["ls", "--config", file.to_str().unwrap()]);
    assert!(output.code != 0 && output.err.contains("listne") && output.err.contains('3'), "{output:?}");
    // a reader that goes away early is no error
    let script = format!("{} ls | true", binary().display());
    assert_eq!(run(home.program(std::path::Path::new("bash")).args(["-o", "pipefail", "-c", &script])).code, 0);
}

/// The index can be made again from nothing but the trees.
#[test]
fn reindex_rebuilds_what_was_lost() {
    let home = Home::new();
    let done = home.submit(&json!({"script": "exit 3", "name": "kept"}));
    home.wait_row(&done, 1, &["failed"]);
    let new = home.create(&json!({"script": "x"}));
    let before = home.ok(&["ls"]);
    fs::remove_dir_all(home.state()).unwrap();
    home.ok(&["reindex"]);
    assert_eq!(home.ok(&["ls"]), before);
    assert!(before.contains(&done) && before.contains(&new));
    let gateway = Gateway::start(&home);
    assert_eq!(gateway.client().history("v2", &done).len(), 4);
}

#[test]
fn prune_removes_what_ended_long_ago() {
    let home = Home::new();
    let old = home.create(&json!({"script": "x"}));
    let young = home.create(&json!({"script": "x"}));
    let status = home.job(&old, "status.csv");
    fs::write(
        &status,
        "1500000000.5,0,new,{}\n1500000001.5,1,queued,1\n1500000002.5,1,active,\n1500000003.5,1,completed,\n",
    )
    .unwrap();
    home.ok(&["reindex"]);
    home.ok(&["prune", "--older-than", "30d", "--dry-run"]);
    assert!(home.prefix.join(&old).is_dir());
    home.ok(&["prune", "--older-than", "30d"]);
    assert!(!home.prefix.join(&old).exists() && home.prefix.join(&young).is_dir());
    assert!(!home.ok(&["ls"]).contains(&old));
}

/// A newer Jobgate has been here: refuse rather than damage its index.
#[test]
fn a_newer_index_is_refused() {
    let home = Home::new();
    home.create(&json!({"script": "x"}));
    let index = rusqlite::Connection::open(home.state().join("index.db")).unwrap();
    index.pragma_update(None, "user_version", 9999).unwrap();
    drop(index);
    let output = home.run(&["ls"]);
    assert!(output.code != 0 && output.err.contains("newer"), "{output:?}");
}

#[test]
fn secrets_are_nobody_elses_business() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    let jobid =
        home.submit(&json!({"script": "sleep 600", "cb_secret": "very-secret", "callback": "http://127.0.0.1:9/x"}));
    home.wait_row(&jobid, 1, &["active"]);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o077;
    assert_eq!(mode(&home.job(&jobid, "spec.json")), 0);
    assert_eq!(mode(&home.state()), 0);
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&line).contains("very-secret"), "in the arguments of {pid}");
    }
    home.ok(&["cancel", &jobid]);
}

#[test]
fn cancel_ends_the_whole_group_and_nothing_else() {
    let home = Home::new();
    let mut other = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    let jobid = home.submit(&json!({"script": "sleep 600 & (sleep 600 & echo $!; wait) & echo $!; wait"}));
    let pids: Vec<u32> = wait_for("the script's children", SOON, || {
        let pids: Vec<u32> = home.read(&jobid, "log/stdout.1").lines().filter_map(|line| line.parse().ok()).collect();
        (pids.len() == 2).then_some(pids)
    });
    assert!(home.ok(&["cancel", &jobid]).contains(&format!("Canceled {jobid}\n")));
    wait_for("the group to be gone", SOON, || pids.iter().all(|pid| !alive(*pid)).then_some(()));
    assert_eq!(home.steps(&jobid)[3..], [(1, "canceled".into()), (0, "canceled".into())]);
    stays("others live", Duration::from_millis(200), || alive(other.id()));
    other.kill().unwrap();
    other.wait().unwrap();
    // a second cancel changes nothing
    let before = home.rows(&jobid);
    home.ok(&["cancel", &jobid]);
    assert_eq!(home.rows(&jobid), before);
}
