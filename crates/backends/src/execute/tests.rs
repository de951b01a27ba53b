use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use jobgate_model::Transition;

use super::*;
use crate::process;

mod batch;

/// A job directory with one queued run.
struct Job {
    dir: tempfile::TempDir,
    spec: JobSpec,
    environment: Vec<(String, String)>,
    memory: Option<u64>,
    /// The run is one of the embedded batch system's.
    batch: Option<Own>,
}

/// What [`Batch`] borrows.
#[derive(Default)]
struct Own {
    variables: Vec<(String, String)>,
    names: Names,
    programs: Option<PathBuf>,
    orders: Mutex<Option<Orders>>,
    /// How often it was asked for orders.
    asked: std::sync::atomic::AtomicUsize,
}

type Rows = Arc<Mutex<Vec<(State, String)>>>;

impl Job {
    fn new(script: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("log")).unwrap();
        fs::create_dir(dir.path().join("work")).unwrap();
        fs::write(dir.path().join("status.csv"), "1.0,0,new,{}\n2.0,1,queued,77\n").unwrap();
        let mut spec = JobSpec::new(script);
        spec.directory = Some(dir.path().join("work").display().to_string());
        Self { dir, spec, environment: Vec::new(), memory: None, batch: None }
    }

    fn base(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join("log").join(name)).unwrap_or_default()
    }

    fn run(&self) -> (Outcome, Vec<(State, String)>) {
        self.run_telling(&Rows::default())
    }

    fn run_telling(&self, rows: &Rows) -> (Outcome, Vec<(State, String)>) {
        let base = self.base();
        let asked = || {
            let own = self.batch.as_ref()?;
            own.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            *own.orders.lock().unwrap()
        };
        let batch = self.batch.as_ref().map(|own| Batch {
            variables: &own.variables,
            names: &own.names,
            programs: own.programs.as_deref(),
            minutes: self.spec.resources.duration,
            orders: &asked,
        });
        let run = Execution {
            base: &base,
            jobndx: 1,
            native: Some("77"),
            spec: &self.spec,
            environment: &self.environment,
            memory: self.memory,
            batch: batch.as_ref(),
        };
        let outcome = execute(&run, &mut |state, info| {
            rows.lock().unwrap().push((state, info.to_owned()));
            append(&base, state, info);
            Ok(())
        });
        let rows = rows.lock().unwrap().clone();
        (outcome, rows)
    }

    /// Runs a script that is expected to be recorded as active and then with one final row.
    fn ends(&self) -> (State, String, u8) {
        let (outcome, rows) = self.run();
        assert_eq!(rows.len(), 2, "{rows:?}");
        assert_eq!(rows[0], (State::Active, String::new()));
        assert_eq!((Some(rows[1].0), &rows[1].1), (outcome.state, &outcome.info));
        (rows[1].0, outcome.info, outcome.code)
    }
}

fn append(base: &Path, state: State, info: &str) {
    use std::io::Write;
    let row = Transition { time: process::now(), jobndx: 1, state, info: info.into() };
    let mut file = fs::OpenOptions::new().append(true).open(base.join("status.csv")).unwrap();
    file.write_all(row.to_row().as_bytes()).unwrap();
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn exit_codes_and_signals() {
    let of = |script: &str| Job::new(script).ends();
    assert_eq!(of("true\n"), (State::Completed, String::new(), 0));
    assert_eq!(of("exit 3\n"), (State::Failed, "3".into(), 3));
    assert_eq!(of("kill -9 $$\n"), (State::Failed, "-9".into(), 247));
    assert_eq!(of("#!/bin/true\nx\n"), (State::Completed, String::new(), 0));
    assert_eq!(of(""), (State::Completed, String::new(), 0));
    assert_eq!(of("#!/bin/sh -e\nfalse\nexit 4\n").1, "1");
}

#[test]
fn interpreters_and_input() {
    let out = |script: &str| {
        let job = Job::new(script);
        job.run();
        job.log("stdout.1") + &job.log("stderr.1")
    };
    assert_eq!(out("echo \"$0 ${BASH_VERSION:+bash}\"\n"), "/bin/bash bash\n");
    assert_eq!(out("#!/bin/sh\necho one\ncat\necho two\n"), "one\ntwo\n");
    assert_eq!(out("echo one; cat; echo two >&2"), "one\ntwo\n");
    assert_eq!(out("#!/usr/bin/env python3\nprint(6*7)\n"), "42\n");
    assert_eq!(out("#!/usr/bin/awk -f\nBEGIN { print 6*7 }\n"), "42\n");
    assert_eq!(out("#!/bin/cat\nx\n"), "#!/bin/cat\nx\n");
    assert_eq!(out("tr '\\0' ' ' < /proc/$$/cmdline; echo\n").trim_end().split(" . ").next(), Some("/bin/bash -c"));
}

#[test]
fn the_environment_is_layered() {
    let mut job = Job::new("#!/bin/sh\nenv\n");
    job.spec.inherit_environment = false;
    job.environment = vec![("nodes".into(), "3".into()), ("X".into(), "below".into())];
    job.spec.environment =
        [("X".to_owned(), "y".to_owned()), ("jobid".to_owned(), "zz".to_owned())].into_iter().collect();
    job.run();
    let base = format!("base={}", job.base().display());
    let log = job.log("stdout.1");
    let mut lines: Vec<&str> = log.lines().filter(|line| !line.starts_with("PWD=")).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["X=y", &base, "jobid=zz", "jobndx=1", "nodes=3"]);
}

#[test]
fn the_script_can_be_interrupted_and_leads_its_own_group() {
    let job = Job::new("grep SigBlk /proc/self/status; set -- $(cat /proc/self/stat); echo $(( $5 == $$ ))\n");
    job.run();
    assert_eq!(job.log("stdout.1"), "SigBlk:\t0000000000000000\n1\n");
}

#[test]
fn what_cannot_run_fails_in_words() {
    let job = Job::new("#!/no/such/interp\nx\n");
    assert_eq!(job.ends(), (State::Failed, "9".into(), 9));
    assert!(job.log("console").contains("/no/such/interp"));
    let mut job = Job::new("true");
    job.spec.directory = Some("/no/such/dir".into());
    let text = "psik.hot_start error: [Errno 2] No such file or directory: '/no/such/dir'";
    assert_eq!(job.ends(), (State::Failed, text.into(), 7));
    let mut job = Job::new("true");
    job.spec.environment.insert("A", "nul\0");
    assert_eq!(job.ends(), (State::Failed, "9".into(), 9));
    let job = Job::new("true");
    fs::remove_dir(job.base().join("log")).unwrap();
    assert_eq!(job.ends().2, 7);
}

#[test]
fn nothing_runs_when_active_cannot_be_recorded() {
    let job = Job::new("touch ran\n");
    let base = job.base();
    let run = Execution {
        base: &base,
        jobndx: 1,
        native: None,
        spec: &job.spec,
        environment: &[],
        memory: None,
        batch: None,
    };
    let outcome = execute(&run, &mut |_, _| Err(io::Error::other("full")));
    assert_eq!(outcome.state, None);
    assert!(!base.join("work/ran").exists());
}

#[test]
fn no_time_at_all() {
    let mut job = Job::new("sleep 60\n");
    job.spec.resources.duration = 0;
    assert_eq!(job.ends(), (State::Failed, "9".into(), 9));
    assert!(job.log("console").contains("Script execution timed out after 0 minutes. Killing process group."));
}

#[test]
fn a_foreign_canceled_row_stops_the_whole_group() {
    let job = Job::new("trap 'echo TERM; exit 0' TERM\nsleep 60 & echo $!\nwait\n");
    let rows = Rows::default();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| job.run_telling(&rows));
        until("the sleeper", || job.log("stdout.1").ends_with('\n'));
        fs::OpenOptions::new()
            .append(true)
            .open(job.base().join("status.csv"))
            .and_then(|mut file| io::Write::write_all(&mut file, b"9.0,0,canceled,\n"))
            .unwrap();
        let (outcome, rows) = run.join().unwrap();
        assert_eq!((outcome.state, outcome.code), (Some(State::Canceled), 143));
        assert_eq!(rows.last().unwrap().0, State::Canceled);
    });
    let log = job.log("stdout.1");
    assert!(log.contains("TERM"), "{log}");
    let sleeper: i32 = log.lines().find(|line| *line != "TERM").unwrap().parse().unwrap();
    until("the sleeper's end", || {
        process::stat(sleeper).is_ok_and(|stat| stat.is_dead()) || process::stat(sleeper).is_err()
    });
}

#[test]
fn a_signal_is_passed_on_and_recorded_as_canceled() {
    let job = Job::new("trap 'echo INT; exit 5' INT\ntouch ready\nwhile :; do sleep 0.05; done\n");
    std::thread::scope(|scope| {
        let run = scope.spawn(|| job.run());
        until("the script", || job.base().join("work/ready").exists());
        rustix::process::kill_process(rustix::process::getpid(), Signal::INT).unwrap();
        let (outcome, _) = run.join().unwrap();
        assert_eq!((outcome.state, outcome.code), (Some(State::Canceled), 130));
    });
    assert_eq!(job.log("stdout.1"), "INT\n");
}

#[test]
fn canceled_before_it_began() {
    let job = Job::new("touch ran\n");
    append(&job.base(), State::Canceled, "");
    let (outcome, rows) = job.run();
    assert_eq!(rows, [(State::Canceled, String::new())]);
    assert_eq!(outcome.state, Some(State::Canceled));
    assert!(!job.base().join("work/ran").exists());
}

#[test]
fn too_much_memory() {
    let mut job = Job::new("#!/usr/bin/env python3\nx = bytearray(800 << 20)\n");
    job.memory = Some(400 << 20);
    let (state, _, _) = job.ends();
    assert_eq!(state, State::Failed, "{}", job.log("stderr.1"));
    assert!(job.log("console").contains("limited to 419430400 bytes"));
}

#[test]
fn the_queued_row_tells_the_native_id() {
    let job = Job::new("");
    assert_eq!(queued_native(&job.base(), 1, Duration::ZERO).as_deref(), Some("77"));
    assert_eq!(queued_native(&job.base(), 2, Duration::ZERO), None);
}
