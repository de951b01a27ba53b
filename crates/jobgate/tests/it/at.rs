//! The `at` backend with a real `atd`.

use std::fs;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::fixture::{Home, SOON, is_root, program, skip, wait_for};

/// A running `atd`: ours, or the machine's. One test at a time: there is one queue on a machine.
struct Atd {
    child: Option<Child>,
    _alone: fs::File,
}

impl Atd {
    fn start() -> Option<Self> {
        let Some(atd) = program("atd").filter(|_| program("at").is_some()) else {
            skip("at and atd are not installed");
            return None;
        };
        let lock = fs::File::create(format!("{}/atd.lock", env!("CARGO_TARGET_TMPDIR"))).unwrap();
        lock.lock().unwrap();
        if running() {
            return Some(Self { child: None, _alone: lock });
        }
        if !is_root() {
            skip("atd does not run here and only root can start it");
            return None;
        }
        let child = Command::new(atd).arg("-f").stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        wait_for("atd to run", SOON, || running().then_some(()));
        Some(Self { child: Some(child), _alone: lock })
    }
}

fn running() -> bool {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .any(|entry| fs::read_to_string(entry.path().join("comm")).is_ok_and(|name| name.trim() == "atd"))
}

impl Drop for Atd {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn home() -> Home {
    Home::with_settings("[backends.default]\ntype = \"at\"\n")
}

#[test]
fn a_job_runs_under_atd() {
    let Some(_atd) = Atd::start() else { return };
    let home = home();
    let jobid =
        home.submit(&json!({"script": "echo \"$jobndx|$jobid|$FOO\"; pwd; exit 3", "environment": {"FOO": "bar"}}));
    let queued = home.wait_row(&jobid, 1, &["queued"]);
    let number: u32 = queued.info.parse().expect("the native id is at's job number");
    let last = home.wait_row(&jobid, 1, &["failed", "completed"]);
    assert_eq!((last.state.as_str(), last.info.as_str()), ("failed", "3"));
    let expected = format!("1|{number}|bar\n{}\n", home.job(&jobid, "work").display());
    assert_eq!(home.read(&jobid, "log/stdout.1"), expected);
    let steps: Vec<String> = home.steps(&jobid).into_iter().map(|step| step.1).collect();
    assert_eq!(steps, ["new", "queued", "active", "failed"]);
}

#[test]
fn a_running_job_is_canceled() {
    let Some(_atd) = Atd::start() else { return };
    let home = home();
    let jobid = home.submit(&json!({"script": "sleep 600 & echo $!; wait"}));
    home.wait_row(&jobid, 1, &["active"]);
    let sleeper = wait_for("the script's child", SOON, || home.read(&jobid, "log/stdout.1").trim().parse().ok());
    home.ok(&["cancel", &jobid]);
    wait_for("the script's group to be gone", SOON, || (!crate::fixture::alive(sleeper)).then_some(()));
    assert_eq!(home.steps(&jobid).last().unwrap(), &(0, "canceled".to_owned()));
    assert!(home.ok(&["poll", &jobid]).contains("canceled"));
}

/// While the daemon is stopped a job waits, and `atrm` takes it out again.
#[test]
fn a_waiting_job_is_canceled() {
    let Some(atd) = Atd::start() else { return };
    let Some(child) = &atd.child else { return skip("atd is not ours to stop") };
    let signal = |signal| rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).unwrap();
    signal(rustix::process::Signal::STOP);
    let home = home();
    let jobid = home.submit(&json!({"script": "true"}));
    let number = home.wait_row(&jobid, 1, &["queued"]).info;
    let queue = || String::from_utf8(Command::new("atq").output().unwrap().stdout).unwrap();
    let waits = |text: &str| text.lines().any(|line| line.split_whitespace().next() == Some(number.as_str()));
    assert!(waits(&queue()), "{number} is not in {}", queue());
    home.ok(&["cancel", &jobid]);
    assert!(!waits(&queue()));
    signal(rustix::process::Signal::CONT);
    assert_eq!(home.steps(&jobid).last().unwrap(), &(0, "canceled".to_owned()));
    assert!(!home.steps(&jobid).contains(&(1, "active".to_owned())));
}
