//! Runs of the embedded batch system: output files, Slurm's way, orders.

use super::*;

impl Job {
    /// A job as the dialect of Slurm's makes them.
    fn slurm(script: &str) -> Self {
        let mut job = Self::new(script);
        job.spec.inherit_environment = false;
        job.spec.attributes.insert("--output", "");
        let names = Names { job: 12, name: "test".into(), node: "n1".into(), ..Names::default() };
        job.batch = Some(Own { names, ..Own::default() });
        job
    }

    fn with(mut self, option: &str, value: &str) -> Self {
        self.spec.attributes.insert(option, value);
        self
    }

    fn work(&self, name: &str) -> String {
        fs::read_to_string(self.base().join("work").join(name)).unwrap_or_else(|error| format!("{name}: {error}"))
    }
}

const BOTH: &str = "#!/bin/sh\necho out\necho err >&2\n";

#[test]
fn output_goes_where_it_is_asked_for_and_into_the_log() {
    let job = Job::slurm(BOTH);
    assert_eq!(job.ends().0, State::Completed);
    assert_eq!((job.work("slurm-12.out"), job.log("stdout.1")), ("out\nerr\n".into(), "out\nerr\n".into()));
    assert_eq!(job.log("stderr.1"), "");

    let mut job = Job::slurm(BOTH).with("--error", "e.%x");
    job.batch.as_mut().unwrap().names.array = Some((10, 3));
    job.run();
    assert_eq!((job.work("slurm-10_3.out"), job.work("e.test")), ("out\n".into(), "err\n".into()));
    assert_eq!((job.log("stdout.1"), job.log("stderr.1")), ("out\n".into(), "err\n".into()));

    let job = Job::slurm(BOTH).with("--output", "same").with("--error", "same").with("--open-mode", "append");
    fs::write(job.base().join("work/same"), "before\n").unwrap();
    job.run();
    assert_eq!(job.work("same"), "before\nout\nerr\n");

    // Without --output, or anywhere but in the embedded batch system, the log is all there is.
    let mut job = Job::slurm(BOTH);
    job.spec.attributes = [("--error".to_owned(), "e".to_owned())].into_iter().collect();
    job.run();
    assert_eq!(
        (job.log("stdout.1"), job.log("stderr.1"), job.work("e")),
        ("out\n".into(), "err\n".into(), "err\n".into())
    );
    let mut job = Job::new(BOTH).with("--output", "o");
    job.batch = None;
    job.run();
    assert!(!job.base().join("work/o").exists());
    assert_eq!(job.log("stdout.1"), "out\n");
}

#[test]
fn output_that_cannot_be_opened_fails_in_words() {
    let job = Job::slurm(BOTH).with("--output", "none/out");
    let (state, info, _) = job.ends();
    assert_eq!(state, State::Failed);
    assert!(info.contains("No such file or directory") && info.contains("none/out"), "{info}");
    assert!(job.log("console").contains("none/out"));
}

#[test]
fn input_comes_from_a_file() {
    for script in
        ["#!/bin/sh\nread x; echo $x\n", "#!/usr/bin/env python3\nprint(input())\n", "#!/usr/bin/awk -f\n{ print }\n"]
    {
        let job = Job::slurm(script).with("--input", "in.%j");
        fs::write(job.base().join("work/in.12"), "text\n").unwrap();
        job.run();
        assert_eq!(job.work("slurm-12.out"), "text\n", "{script}");
    }
    let job = Job::slurm("#!/bin/sh\ncat; echo end\n");
    job.run();
    assert_eq!(job.work("slurm-12.out"), "end\n");
}

#[test]
fn the_batch_system_has_the_last_word_in_slurms_way_only() {
    let run = |mut job: Job| {
        let own = job.batch.as_mut().unwrap();
        own.variables = vec![("SLURM_JOB_ID".into(), "12".into())];
        own.programs = Some("/opt/programs".into());
        for (name, value) in [("SLURM_JOB_ID", "99"), ("PATH", "/usr/bin:/bin"), ("jobndx", "7")] {
            job.spec.environment.insert(name, value);
        }
        job.run();
        job.log("stdout.1")
    };
    let script = "#!/bin/bash\necho $SLURM_JOB_ID $PATH $jobndx $((SLURM_TASK_PID == $$))\n";
    assert_eq!(run(Job::slurm(script)), "12 /opt/programs:/usr/bin:/bin 7 1\n");
    let mut psik = Job::slurm(script);
    psik.spec.inherit_environment = true;
    assert_eq!(run(psik), "99 /opt/programs:/usr/bin:/bin 7 0\n");
}

#[test]
fn scripts_that_slurm_could_not_start() {
    for (script, code, words) in [
        ("echo no\n", "8", "line of its interpreter"),
        ("#!/bin/sh\r\necho no\r\n", "2", "carriage return"),
        ("#!/no/such/program\n", "2", "/no/such/program"),
        ("#!/etc/passwd\n", "13", "/etc/passwd"),
    ] {
        let job = Job::slurm(script);
        let (state, info, _) = job.ends();
        assert_eq!((state, info.as_str()), (State::Failed, code), "{script}");
        assert!(job.work("slurm-12.out").starts_with("jobgate: error: "), "{script}");
        assert!(job.work("slurm-12.out").contains(words) && job.log("console").contains(words), "{script}");
    }
}

#[test]
fn a_missing_directory_is_replaced() {
    let out = tempfile::NamedTempFile::new().unwrap();
    let mut job = Job::slurm("#!/bin/sh\npwd\n").with("--output", out.path().to_str().unwrap());
    job.spec.directory = Some("/no/such/dir".into());
    assert_eq!(job.ends().0, State::Completed);
    let expected =
        "jobgate: error: couldn't chdir to /no/such/dir: No such file or directory: going to /tmp instead\n/tmp\n";
    assert_eq!(job.log("stdout.1"), expected);
    assert_eq!(fs::read_to_string(out.path()).unwrap(), expected);
    // A relative name has no place there: what everybody can write to is not a place for guessed names.
    let mut job = Job::slurm("#!/bin/sh\npwd\n").with("--output", "jobgate-test.out");
    job.spec.directory = Some("/no/such/dir".into());
    job.run();
    assert_eq!(job.log("stdout.1"), "/tmp\n");
    assert!(job.log("stderr.1").contains("couldn't chdir to /no/such/dir"));
    assert!(!Path::new("/tmp/jobgate-test.out").exists());
    assert!(job.log("console").contains("jobgate-test.out"));
}

#[test]
fn orders_shorten_the_time_and_take_the_run_back() {
    let orders = |minutes, hand_back| {
        let job = Job::slurm("#!/bin/sh\nsleep 60\n");
        *job.batch.as_ref().unwrap().orders.lock().unwrap() = Some(Orders { minutes, hand_back });
        let (outcome, rows) = job.run();
        (outcome.state, rows.len(), job.work("slurm-12.out"))
    };
    let (state, rows, text) = orders(0, false);
    assert_eq!((state, rows), (Some(State::Failed), 2));
    assert!(text.contains("*** JOB 12 ON n1 CANCELLED AT 20") && text.ends_with("DUE TO TIME LIMIT ***\n"), "{text}");
    let (state, rows, text) = orders(60, true);
    assert_eq!((state, rows), (None, 1), "no final row");
    assert!(text.ends_with("DUE TO JOB REQUEUE ***\n"), "{text}");
}

#[test]
fn orders_are_looked_at_when_the_runner_is_told_so() {
    let job = Job::slurm("#!/bin/sh\nsleep 60\n");
    std::thread::scope(|scope| {
        let run = scope.spawn(|| job.run());
        let own = job.batch.as_ref().unwrap();
        until("the first look", || own.asked.load(std::sync::atomic::Ordering::Relaxed) == 1);
        *own.orders.lock().unwrap() = Some(Orders { minutes: 60, hand_back: true });
        rustix::process::kill_process(rustix::process::getpid(), Signal::URG).unwrap();
        assert_eq!(run.join().unwrap().0.state, None);
    });
}

#[test]
fn a_stop_that_comes_from_the_queue_is_no_end() {
    let job = Job::slurm("#!/bin/sh\ntouch ready\nsleep 60\n");
    *job.batch.as_ref().unwrap().orders.lock().unwrap() = Some(Orders { minutes: 60, hand_back: true });
    std::thread::scope(|scope| {
        let run = scope.spawn(|| job.run());
        until("the script", || job.base().join("work/ready").exists());
        rustix::process::kill_process(rustix::process::getpid(), Signal::TERM).unwrap();
        let (outcome, rows) = run.join().unwrap();
        assert_eq!((outcome.state, rows.len()), (None, 1));
    });
}

#[test]
fn a_signal_before_the_time_is_over() {
    let script = "#!/bin/bash\ntrap 'echo warned; exit 3' USR1\nwhile :; do sleep 0.05; done\n";
    std::thread::scope(|scope| {
        for wish in ["B:USR1@58", "USR1@58"] {
            scope.spawn(move || {
                let mut job = Job::slurm(script).with("--signal", wish);
                job.spec.resources.duration = 1;
                assert_eq!(job.ends().1, "3", "{wish}");
                // To all, the `sleep` gets it, too, and bash says so.
                assert!(job.work("slurm-12.out").ends_with("warned\n"));
            });
        }
    });
    let job = Job::slurm("#!/bin/sh\n").with("--signal", "nonsense@60");
    assert_eq!(job.ends().0, State::Completed);
    assert!(job.log("console").contains("nonsense@60"));
}
