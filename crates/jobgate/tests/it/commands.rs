//! What commands do where no gateway is there to do it, and our own commands besides psik's.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::fixture::home::run;
use crate::fixture::{Home, Listener, SOON, wait_for};

/// Kills a job's runner as the kernel does when memory is short.
fn kill_runner(home: &Home, jobid: &str) {
    home.wait_row(jobid, 1, &["active"]);
    let pid: i32 = home.wait_row(jobid, 1, &["queued"]).info.parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    wait_for("the runner to be gone", SOON, || (!crate::fixture::alive(pid as u32)).then_some(()));
}

fn json_of(home: &Home, arguments: &[&str]) -> Value {
    serde_json::from_str(&home.ok(arguments)).unwrap()
}

#[test]
fn waiting_makes_begin_times_come() {
    let home = Home::new();
    let jobid = home.submit(&json!({"script": "echo came", "attributes": {"begin": "now+2"}}));
    assert_eq!(home.ok(&["logs", "-f", &jobid]), "came\n");
    let jobid = home.submit(&json!({"script": "true", "attributes": {"begin": "now+2"}}));
    assert_eq!(home.run(&["wait", "--timeout", "30s", &jobid]).code, 0);
}

#[test]
fn waiting_ends_when_the_runner_is_killed() {
    let home = Home::with_settings("[local]\ncores = 1\n");
    let killed = home.submit(&json!({"script": "sleep 600"}));
    let next = home.submit(&json!({"script": "echo next"}));
    let waiting = home.command(&["wait", "--timeout", "60s", &killed]).spawn();
    kill_runner(&home, &killed);
    let status = waiting.and_then(|mut child| child.wait()).unwrap();
    assert_eq!(status.code(), Some(1));
    let last = home.rows(&killed).pop().unwrap();
    assert!(last.state == "failed" && last.info.starts_with("lost: "), "{last:?}");
    // the queue goes on
    home.wait_row(&next, 1, &["completed"]);
}

#[test]
fn a_killed_runner_is_seen_by_who_looks() {
    for look in [&["ls"][..], &["status", "last"], &["show", "last"], &["ls", "last"]] {
        let home = Home::new();
        let jobid = home.submit(&json!({"script": "sleep 600"}));
        kill_runner(&home, &jobid);
        let out = home.ok(look);
        assert!(out.contains("failed") && out.contains("lost: "), "{look:?}: {out}");
        assert_eq!(json_of(&home, &["ls", "-o", "json"])[0]["state"], "failed");
    }
}

#[test]
fn show_says_what_is_waited_for() {
    let home = Home::with_settings("[local]\ncores = 1\n");
    let running = home.submit(&json!({"script": "sleep 600"}));
    home.wait_row(&running, 1, &["active"]);
    let of = |attributes: Value| home.submit(&json!({"script": "true", "attributes": attributes}));
    let cases = [
        (of(json!({"hold": ""})), "JobHeldUser"),
        (of(json!({"dependency": format!("afternotok:{running}")})), "Dependency"),
        (of(json!({"begin": "now+1hour"})), "BeginTime"),
        (of(json!({})), "Resources"),
        (of(json!({})), "Priority"),
    ];
    for (jobid, reason) in &cases {
        let line = format!("waits for   {reason}\n");
        let out = home.ok(&["show", jobid]);
        assert!(out.contains(&line), "{reason}: {out}");
        let json = json_of(&home, &["show", "-o", "json", jobid]);
        assert_eq!(json[0]["waits_for"], json!([{"jobndx": 1, "reason": reason}]));
    }
    assert!(!home.ok(&["show", &running]).contains("waits for"));
    home.ok(&["cancel", "all"]);
}

#[test]
fn a_drained_machine_starts_nothing_until_it_is_resumed() {
    let home = Home::new();
    home.ok(&["drain"]);
    let jobid = home.submit(&json!({"script": "true"}));
    assert!(home.ok(&["show", &jobid]).contains("waits for   ReqNodeNotAvail"));
    assert_eq!(home.run(&["wait", "--timeout", "1500ms", &jobid]).code, 5);
    assert_eq!(home.ok(&["resume"]), "Resumed\n");
    home.wait_row(&jobid, 1, &["completed"]);
}

/// psik accepts such a file, lists its jobs, and fails to run them.
#[test]
fn no_backend_at_all() {
    let home = Home::new();
    let jobid = home.create(&json!({"script": "true", "name": "made before"}));
    let file = home.path("none.json");
    std::fs::write(&file, json!({"prefix": home.prefix, "backends": {}}).to_string()).unwrap();
    let config = ["--config", file.to_str().unwrap()];
    let with = |words: &[&str]| home.run(&[words, &config].concat());
    assert!(with(&["ls"]).out.contains("made before"));
    let refused = with(&["start", &jobid]);
    assert!(refused.code == 1 && refused.err.contains("no backend"), "{refused:?}");
    let spec = home.spec(&json!({"script": "true"}));
    let refused = with(&["submit", spec.to_str().unwrap()]);
    assert!(refused.code == 1 && refused.err.contains("no backend"), "{refused:?}");
    let refused = with(&["drain"]);
    assert!(refused.code == 1 && refused.err.contains("no queue"), "{refused:?}");
}

#[test]
fn states_are_completed_and_checked() {
    let home = Home::new();
    assert!(home.ok(&["completions", "bash"]).contains("new queued active completed failed canceled"));
    assert_eq!(home.run(&["ls", "--state", "com"]).code, 2);
}

#[test]
fn control_characters_are_shown_escaped() {
    let home = Home::new();
    let jobid = home.create(&json!({"script": "true", "name": "a\nb\u{1b}[2J"}));
    let list = home.ok(&["ls"]);
    assert_eq!(list.lines().count(), 2, "{list}");
    for out in [list, home.ok(&["status", &jobid]), home.ok(&["show", &jobid])] {
        assert!(out.contains("a\\nb\\u{1b}[2J") && !out.contains('\u{1b}'), "{out}");
    }
    assert_eq!(json_of(&home, &["ls", "-o", "json"])[0]["name"], "a\nb\u{1b}[2J");
}

#[test]
fn hold_and_release_all_mean_those_that_can_be() {
    let home = Home::with_settings("[local]\ncores = 1\n");
    let running = home.submit(&json!({"script": "sleep 600"}));
    home.wait_row(&running, 1, &["active"]);
    let waiting = home.submit(&json!({"script": "true"}));
    for (verb, word) in [("hold", "Held"), ("release", "Released")] {
        let output = home.run(&[verb, "all"]);
        assert_eq!((output.code, output.out, output.err), (0, format!("{word} {waiting}\n"), String::new()));
        assert_eq!(home.run(&[verb, &running]).code, 1);
    }
    home.ok(&["cancel", "all"]);
}

/// What the configuration says of callbacks holds for runners and for `reached`, too, when no gateway is there.
#[test]
fn forbidden_targets_are_forbidden_to_everybody() {
    let home = Home::new();
    let listener = Listener::start();
    let file = home.path("strict.toml");
    let strict = "[callbacks]\ntargets = \"public\"\nschedule = [\"100ms\"]\n";
    std::fs::write(&file, format!("prefix = {:?}\n{strict}", home.prefix)).unwrap();
    let spec = home.spec(&json!({"script": "sleep 0.2", "callback": format!("{}/cb", listener.url)}));
    let words = ["submit", "--newdir", "--parsable", "--config", file.to_str().unwrap(), spec.to_str().unwrap()];
    let jobid = home.ok(&words).trim().to_owned();
    home.wait_row(&jobid, 1, &["completed"]);
    let deliveries = wait_for("an attempt to deliver", SOON, || {
        let deliveries = json_of(&home, &["deliveries", "-o", "json"]).as_array().unwrap().clone();
        deliveries.iter().any(|one| one["attempts"] != 0).then_some(deliveries)
    });
    assert!(deliveries.iter().all(|one| one["status"] == "pending"), "{deliveries:?}");
    let base = home.job(&jobid, "");
    let mut reached = home.command(&["reached", base.to_str().unwrap(), "2", "failed"]);
    assert_eq!(run(reached.env("JOBGATE_CONFIG", &file)).code, 1);
    assert!(listener.all().is_empty(), "{:?}", listener.all());
}
