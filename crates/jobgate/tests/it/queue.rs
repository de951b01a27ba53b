//! The embedded batch system end to end: what waits, what runs, and in which order.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fixture::{Gateway, Home, SOON, stays, wait_for};

/// A machine of one core: jobs run one after the other.
fn one_core() -> Home {
    Home::with_settings("[local]\ncores = 1\n")
}

/// A job that holds its resources until the file `go` is there, then notes its name.
fn until(go: &Path, order: &Path, name: &str) -> Value {
    let script = format!("while [ ! -e {} ]; do sleep 0.02; done; echo {name} >> {}", go.display(), order.display());
    json!({"script": script, "name": name})
}

fn with(mut spec: Value, attributes: Value) -> Value {
    spec["attributes"] = attributes;
    spec
}

#[test]
fn hold_and_release() {
    let home = Home::new();
    let held = home.submit(&json!({"script": "true", "attributes": {"--hold": ""}}));
    let free = home.submit(&json!({"script": "true"}));
    home.wait_row(&free, 1, &["completed"]);
    assert_eq!(home.steps(&held).last().unwrap(), &(1, "queued".to_owned()));
    home.ok(&["release", &held]);
    home.wait_row(&held, 1, &["completed"]);
}

#[test]
fn dependencies_order_runs() {
    let home = Home::new();
    let order = home.path("order");
    let line = |word: &str| format!("echo {word} >> {}", order.display());
    let first = home.submit(&json!({"script": format!("while [ ! -e {} ]; do sleep 0.05; done; {}; exit 3", home.path("go").display(), line("first"))}));
    let not = home.submit(&json!({"script": line("never"), "attributes": {"dependency": format!("afterok:{first}")}}));
    let then =
        home.submit(&json!({"script": line("then"), "attributes": {"dependency": format!("afternotok:{first}")}}));
    let any =
        home.submit(&json!({"script": line("any"), "attributes": {"dependency": format!("afterany:{first}:{then}")}}));
    assert_eq!(home.steps(&then).last().unwrap(), &(1, "queued".to_owned()));
    fs::write(home.path("go"), "").unwrap();
    home.wait_row(&any, 1, &["completed"]);
    assert_eq!(fs::read_to_string(&order).unwrap(), "first\nthen\nany\n");
    assert!(
        !home.steps(&not).iter().any(|(_, state)| state == "active" || state == "completed"),
        "{:?}",
        home.steps(&not)
    );
}

#[test]
fn arrays_have_one_run_per_task() {
    let home = Home::new();
    let script = "echo $SLURM_ARRAY_TASK_ID > task.$jobndx";
    let jobid = home.submit(&json!({"script": script, "attributes": {"array": "3-7:2%1"}}));
    for ndx in 1..=3 {
        home.wait_row(&jobid, ndx, &["completed"]);
    }
    let tasks: Vec<String> =
        (1..=3).map(|ndx| home.read(&jobid, &format!("work/task.{ndx}")).trim().to_owned()).collect();
    assert_eq!(tasks, ["3", "5", "7"]);
    // at most one at a time
    let rows = home.rows(&jobid);
    let mut running = 0;
    for row in &rows {
        running += i32::from(row.state == "active") - i32::from(row.state == "completed");
        assert!(running <= 1, "{rows:?}");
    }
}

/// The machine is never over-committed: two jobs that each want all of it run one after the other.
#[test]
fn cores_are_accounted() {
    let home = Home::with_settings("[local]\ncores = 2\n");
    let script = "mkdir \"$PREFIX/busy\" || echo overlap > \"$PREFIX/overlap\"; sleep 0.1; rmdir \"$PREFIX/busy\"";
    let shared = home.path("shared");
    fs::create_dir(&shared).unwrap();
    let jobs: Vec<String> = (0..4)
        .map(|_| {
            let spec = json!({"script": script, "environment": {"PREFIX": shared},
                "resources": {"process_count": 1, "cpu_cores_per_process": 2}});
            home.submit(&spec)
        })
        .collect();
    for jobid in &jobs {
        home.wait_row(jobid, 1, &["completed"]);
    }
    assert!(!shared.join("overlap").exists());
}

#[test]
fn a_request_larger_than_the_machine() {
    let spec = json!({"script": "true", "resources": {"process_count": 8, "cpu_cores_per_process": 4096}});
    let home = Home::with_settings("[local]\ncores = 2\n");
    let jobid = home.submit(&spec);
    home.wait_row(&jobid, 1, &["completed"]);
    assert!(home.read(&jobid, "log/console").contains("cores"), "nothing was said about it");
    let strict = Home::with_settings("[local]\ncores = 2\noversize = \"refuse\"\n");
    let file = strict.spec(&spec);
    let output = strict.run(&["submit", "--newdir", file.to_str().unwrap()]);
    assert!(output.code == 1 && format!("{}{}", output.out, output.err).contains("cores"), "{output:?}");
}

#[test]
fn a_memory_limit_is_kept() {
    let home = Home::new();
    let script = "#!/usr/bin/env python3\nx = bytearray(900 << 20)\nprint(len(x))\n";
    let jobid = home.submit(&json!({"script": script, "attributes": {"mem": "200M"}}));
    home.wait_row(&jobid, 1, &["failed"]);
    assert_eq!(home.read(&jobid, "log/stdout.1"), "");
    let said = home.read(&jobid, "log/console");
    assert!(said.contains("209715200") && (said.contains("RLIMIT") || said.contains("group")), "which limit? {said:?}");
}

#[test]
fn priority_decides_who_is_next() {
    let home = one_core();
    let (go, order) = (home.path("go"), home.path("order"));
    let first = home.submit(&until(&go, &order, "first"));
    home.wait_row(&first, 1, &["active"]);
    let mut last = Vec::new();
    for (name, attributes) in [
        ("plain", json!({})),
        ("nice", json!({"nice": "100"})),
        ("urgent", json!({"priority": "50"})),
        ("plain-too", json!({})),
    ] {
        last.push(home.submit(&with(until(&go, &order, name), attributes)));
    }
    fs::write(&go, "").unwrap();
    for jobid in &last {
        home.wait_row(jobid, 1, &["completed"]);
    }
    assert_eq!(fs::read_to_string(&order).unwrap(), "first\nurgent\nplain\nplain-too\nnice\n");
}

/// A small short job runs beside a big one that waits, if that does not make the big one wait longer; a long one does not.
#[test]
fn backfill_fills_gaps_and_delays_nobody() {
    let home = Home::with_settings("[local]\ncores = 2\n");
    let (go, order) = (home.path("go"), home.path("order"));
    let sized = |name: &str, cores: u64, minutes: i64| {
        let mut spec = until(&go, &order, name);
        spec["resources"] = json!({"cpu_cores_per_process": cores, "duration": minutes});
        home.submit(&spec)
    };
    let running = sized("running", 1, 60);
    home.wait_row(&running, 1, &["active"]);
    let big = sized("big", 2, 10);
    let long = sized("long", 1, 600);
    let short = sized("short", 1, 10);
    home.wait_row(&short, 1, &["active"]);
    stays("the long one waits for the big one", Duration::from_millis(300), || {
        ![&big, &long].iter().any(|jobid| home.steps(jobid).contains(&(1, "active".into())))
    });
    fs::write(&go, "").unwrap();
    home.wait_row(&long, 1, &["completed"]);
    let order = fs::read_to_string(&order).unwrap();
    let place = |name: &str| order.lines().position(|line| line == name);
    assert!(place("big") < place("long"), "{order}");
}

#[test]
fn licences_are_counted() {
    let home = Home::with_settings("[local]\ncores = 8\n[local.licences]\nmatlab = 1\n");
    let (go, order) = (home.path("go"), home.path("order"));
    let wants = json!({"licenses": "matlab:1"});
    let first = home.submit(&with(until(&go, &order, "first"), wants.clone()));
    home.wait_row(&first, 1, &["active"]);
    let second = home.submit(&with(until(&go, &order, "second"), wants));
    let other = home.submit(&until(&go, &order, "other"));
    home.wait_row(&other, 1, &["active"]);
    assert_eq!(home.steps(&second).last().unwrap(), &(1, "queued".to_owned()));
    fs::write(&go, "").unwrap();
    home.wait_row(&second, 1, &["completed"]);
    let file = home.spec(&with(until(&go, &order, "never"), json!({"licenses": "nosuch:1"})));
    assert_eq!(home.run(&["submit", file.to_str().unwrap()]).code, 1);
}

#[test]
fn gpus_are_given_out_one_by_one() {
    let home = Home::with_settings("[local]\ncores = 8\ngpus = 2\n");
    let go = home.path("go");
    let script = format!("echo \"<$CUDA_VISIBLE_DEVICES>\"; while [ ! -e {} ]; do sleep 0.02; done", go.display());
    let spec = json!({"script": script, "resources": {"gpu_cores_per_process": 1}});
    let jobs: Vec<String> = (0..3).map(|_| home.submit(&spec)).collect();
    for jobid in &jobs[..2] {
        home.wait_row(jobid, 1, &["active"]);
    }
    stays("the third waits", Duration::from_millis(200), || !home.steps(&jobs[2]).contains(&(1, "active".into())));
    fs::write(&go, "").unwrap();
    home.wait_row(&jobs[2], 1, &["completed"]);
    let mut given: Vec<String> = jobs[..2].iter().map(|jobid| home.read(jobid, "log/stdout.1")).collect();
    given.sort();
    assert_eq!(given, ["<0>\n", "<1>\n"]);
}

/// A waiting job is canceled without ever having run; so are the tasks of an array.
#[test]
fn what_waits_is_canceled_at_once() {
    let home = one_core();
    let (go, order) = (home.path("go"), home.path("order"));
    let first = home.submit(&until(&go, &order, "first"));
    home.wait_row(&first, 1, &["active"]);
    let waiting = home.submit(&until(&go, &order, "waiting"));
    let array = home.submit(&with(until(&go, &order, "array"), json!({"array": "1-3"})));
    let native: u64 = home.wait_row(&waiting, 1, &["queued"]).info.parse().unwrap();
    assert!(native > 10_000_000, "a foreign signal to {native} would hit something");
    home.ok(&["cancel", &waiting, &array]);
    fs::write(&go, "").unwrap();
    home.wait_row(&first, 1, &["completed"]);
    stays("neither runs", Duration::from_millis(300), || {
        fs::read_to_string(&order).is_ok_and(|text| text == "first\n")
    });
    for jobid in [&waiting, &array] {
        assert_eq!(home.steps(jobid).last().unwrap(), &(0, "canceled".to_owned()));
        assert!(!home.steps(jobid).iter().any(|(_, state)| state == "active"));
    }
}

/// The gateway is away while jobs end: who ends starts who waits.
#[test]
fn the_queue_moves_without_a_gateway() {
    let home = one_core();
    let (go, order) = (home.path("go"), home.path("order"));
    let mut gateway = Gateway::start(&home);
    let jobs: Vec<String> =
        (0..4).map(|number| gateway.client().submit("v2", &until(&go, &order, &format!("j{number}")))).collect();
    home.wait_row(&jobs[0], 1, &["active"]);
    for jobid in &jobs {
        home.wait_row(jobid, 1, &["queued"]);
    }
    gateway.kill();
    fs::write(&go, "").unwrap();
    for jobid in &jobs {
        home.wait_row(jobid, 1, &["completed"]);
    }
    assert_eq!(fs::read_to_string(&order).unwrap(), "j0\nj1\nj2\nj3\n");
}

/// A job that the gateway accepted later than another finds it in the queue, whoever put it there.
#[test]
fn command_line_and_gateway_share_one_queue() {
    let home = one_core();
    let (go, order) = (home.path("go"), home.path("order"));
    let gateway = Gateway::start(&home);
    let by_command = home.submit(&until(&go, &order, "command"));
    home.wait_row(&by_command, 1, &["active"]);
    let by_rest = gateway.client().submit("v2", &until(&go, &order, "rest"));
    home.wait_row(&by_rest, 1, &["queued"]);
    assert!(!home.steps(&by_rest).contains(&(1, "active".into())));
    fs::write(&go, "").unwrap();
    home.wait_row(&by_rest, 1, &["completed"]);
    assert_eq!(fs::read_to_string(&order).unwrap(), "command\nrest\n");
}

#[test]
fn a_begin_time_is_waited_for() {
    let home = Home::new();
    // somebody has to be there when the time comes
    let _gateway = Gateway::start(&home);
    let later = home.submit(&json!({"script": "true", "attributes": {"begin": "now+1hour"}}));
    let soon = home.submit(&json!({"script": "true", "attributes": {"begin": "now+1"}}));
    let row = home.wait_row(&soon, 1, &["active"]);
    assert!(row.time - home.rows(&soon)[0].time >= 0.9, "{:?}", home.rows(&soon));
    assert_eq!(home.steps(&later).last().unwrap(), &(1, "queued".to_owned()));
    home.ok(&["cancel", &later]);
}

/// What a script leaves running when it ends holds up nothing, and lives on as under psik.
#[test]
fn leftovers_hold_up_nothing() {
    let home = Home::new();
    let jobid = home.submit(&json!({"script": "sleep 600 & echo $!"}));
    home.wait_row(&jobid, 1, &["completed"]);
    let pid: u32 = wait_for("the pid", SOON, || home.read(&jobid, "log/stdout.1").trim().parse().ok());
    assert!(crate::fixture::alive(pid), "psik lets what is left in the group live");
}
