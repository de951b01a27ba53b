//! SIGKILL at many points, hundreds of times, with jobs in flight. Afterwards: no acknowledged job is lost, none ran
//! twice, every transition stands once in the tree, and every callback of a recorded transition arrives.
//!
//! Each script appends a line to a file when it starts, so a second run of the same jobndx would show.
//! `JOBGATE_CRASH_ROUNDS` makes the tests longer (in percent of the usual number of rounds).

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fixture::http::Body;
use crate::fixture::{Client, Gateway, Home, Listener, wait_for};

/// Everything must have settled this long after the last kill.
const SETTLED: Duration = Duration::from_secs(90);

pub(crate) const SETTINGS: &str = "[callbacks]\nschedule = [\"20ms\", \"100ms\"]\n";

/// The script of all jobs here: says that it ran, in the job's work directory, where it starts.
pub(crate) const SCRIPT: &str = "echo $jobndx >> ran";

fn rounds(usual: u64) -> u64 {
    let percent = std::env::var("JOBGATE_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(100);
    (usual * percent / 100).max(1)
}

/// Moments spread over `0..limit`, the same in every run (a linear congruential sequence).
pub(crate) fn moments(limit: Duration) -> impl Iterator<Item = Duration> {
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;
    std::iter::repeat_with(move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        limit.mul_f64((seed >> 33) as f64 / f64::from(1_u32 << 31))
    })
}

/// Lets a moment pass: a kill has to come at some time, and no event says which.
pub(crate) fn pass(moment: Duration) {
    let end = Instant::now() + moment;
    if let Some(coarse) = moment.checked_sub(Duration::from_micros(200)) {
        std::thread::sleep(coarse);
    }
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

fn kill(pid: u32) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid as i32) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

/// What the tree says of a job, for messages.
fn story(home: &Home, jobid: &str) -> String {
    format!(
        "{jobid}: rows {:?}, ran {:?}, console {:?}",
        home.rows(jobid),
        home.read(jobid, "work/ran"),
        home.read(jobid, "log/console")
    )
}

fn is_final(state: &str) -> bool {
    ["completed", "failed", "canceled"].contains(&state)
}

/// Waits until every job has a final row for its first run.
#[track_caller]
pub(crate) fn settle(home: &Home, jobs: &[String]) {
    let end = Instant::now() + SETTLED;
    for jobid in jobs {
        while !home.rows(jobid).iter().any(|row| row.ndx == 1 && is_final(&row.state)) {
            assert!(Instant::now() < end, "lost: {}", story(home, jobid));
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Each job ran exactly once, and each transition was recorded exactly once, in order.
#[track_caller]
pub(crate) fn all_ran_once(home: &Home, jobs: &[String]) {
    for jobid in jobs {
        assert_eq!(home.read(jobid, "work/ran"), "1\n", "{}", story(home, jobid));
        let steps: Vec<String> = home.steps(jobid).into_iter().map(|(ndx, state)| format!("{ndx} {state}")).collect();
        assert_eq!(steps, ["0 new", "1 queued", "1 active", "1 completed"], "{}", story(home, jobid));
    }
}

/// The index tells the same story as the trees.
#[track_caller]
pub(crate) fn index_agrees(gateway: &Gateway, home: &Home, jobs: &[String]) {
    let mut client = gateway.client();
    for jobid in jobs {
        wait_for(&format!("the index to know the end of {jobid}"), SETTLED, || {
            let state = client.get(&format!("/v2/jobs/{jobid}/state"));
            (state.status == 200 && is_final(state.json().as_str().unwrap_or_default())).then_some(())
        });
        let told: Vec<_> = client.history("v2", jobid).into_iter().map(|(ndx, state, _)| (ndx, state)).collect();
        assert_eq!(told, home.steps(jobid), "{}", story(home, jobid));
    }
}

/// Every recorded transition but `new` was told, in order. A kill between an answer and its being noted makes us tell it
/// again, so that repetitions are allowed, but no gaps and no going back.
#[track_caller]
pub(crate) fn all_were_told(home: &Home, listener: &Listener, jobs: &[String]) {
    for jobid in jobs {
        let expected: Vec<_> = home.steps(jobid).into_iter().skip(1).collect();
        wait_for(&format!("the callbacks of {jobid}"), SETTLED, || {
            let mut told = listener.steps(jobid);
            told.dedup();
            (told == expected).then_some(())
        });
    }
}

/// How long a fresh server takes to acknowledge a few jobs at once, on this machine, now: kills have to fall around that.
fn time_to_acknowledge(home: &Home) -> Duration {
    let gateway = Gateway::start(home);
    let begin = Instant::now();
    let users: Vec<_> = (0..3).map(|_| submit_with_key(gateway.client(), None, json!({"script": "true"}))).collect();
    for user in users {
        assert!(user.join().unwrap().is_some());
    }
    begin.elapsed()
}

/// Submits from a thread of its own; gives the id, if there was an answer.
pub(crate) fn submit_with_key(
    mut client: Client,
    key: Option<String>,
    spec: Value,
) -> std::thread::JoinHandle<Option<String>> {
    std::thread::spawn(move || {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(key.as_deref().map(|key| ("idempotency-key", key)));
        let answer = client.request("POST", "/v2/jobs", &headers, &Body::Bytes(spec.to_string().as_bytes())).ok()?;
        (answer.status == 200).then(|| answer.json().as_str().unwrap_or_default().to_owned())
    })
}

/// The server is killed while several users submit. Whoever got no answer asks again with the same idempotency key.
#[test]
fn the_server_is_killed() {
    let home = Home::with_settings(SETTINGS);
    let listener = Listener::start();
    let spec = json!({"script": SCRIPT, "callback": format!("{}/cb", listener.url)});
    let mut jobs = BTreeMap::new();
    let mut open: Vec<String> = Vec::new();
    let mut moments = moments(time_to_acknowledge(&home).mul_f64(2.0));
    let mut gateway = Gateway::start(&home);
    for round in 0..rounds(150) {
        let new = (0..4_usize.saturating_sub(open.len())).map(|user| format!("key-{round}-{user}"));
        open.extend(new);
        let users: Vec<_> = open
            .drain(..)
            .map(|key| (key.clone(), submit_with_key(gateway.client(), Some(key), spec.clone())))
            .collect();
        pass(moments.next().unwrap());
        gateway.kill();
        for (key, user) in users {
            match user.join().unwrap() {
                Some(jobid) => assert_eq!(jobs.insert(key, jobid), None),
                None => open.push(key),
            }
        }
        gateway = Gateway::start(&home);
    }
    for (key, jobid) in &jobs {
        let again = submit_with_key(gateway.client(), Some(key.clone()), spec.clone()).join().unwrap();
        assert_eq!(again.as_ref(), Some(jobid), "{key} became two jobs");
    }
    let jobs: Vec<String> = jobs.into_values().collect();
    assert!(jobs.len() > 20, "too few answers between kills to prove anything: {}", jobs.len());
    settle(&home, &jobs);
    all_ran_once(&home, &jobs);
    index_agrees(&gateway, &home, &jobs);
    all_were_told(&home, &listener, &jobs);
    nothing_else_ran_twice(&home);
    eprintln!("{} acknowledged jobs", jobs.len());
}

/// Also jobs that nobody got an answer about may have run, but not twice.
#[track_caller]
pub(crate) fn nothing_else_ran_twice(home: &Home) {
    for entry in fs::read_dir(&home.prefix).unwrap().flatten() {
        let jobid = entry.file_name().to_string_lossy().into_owned();
        let mut ran: Vec<String> = home.read(&jobid, "work/ran").lines().map(str::to_owned).collect();
        let all = ran.len();
        ran.sort();
        ran.dedup();
        assert_eq!(all, ran.len(), "{}", story(home, &jobid));
    }
}

/// The command line is killed while it submits, with no server there.
#[test]
fn the_command_line_is_killed() {
    let home = Home::with_settings(SETTINGS);
    let listener = Listener::start();
    let file = home.spec(&json!({"script": SCRIPT, "callback": format!("{}/cb", listener.url)}));
    let mut jobs = Vec::new();
    let mut moments = moments(Duration::from_millis(60));
    for round in 0..rounds(200) {
        let out = home.path(&format!("out-{round}"));
        let mut command = home.command(&["submit", "--newdir", "--parsable", file.to_str().unwrap()]);
        let mut child = command.stdout(fs::File::create(&out).unwrap()).stderr(Stdio::null()).spawn().unwrap();
        pass(moments.next().unwrap());
        let _ = child.kill();
        let _ = child.wait();
        let answer = fs::read_to_string(&out).unwrap();
        if let Some(jobid) = answer.strip_suffix('\n') {
            jobs.push(jobid.to_owned());
        }
    }
    // what was acknowledged needs no server to go on
    settle(&home, &jobs);
    all_ran_once(&home, &jobs);
    let gateway = Gateway::start(&home);
    index_agrees(&gateway, &home, &jobs);
    all_were_told(&home, &listener, &jobs);
    settle_strangers(&home);
    nothing_else_ran_twice(&home);
    eprintln!("{} acknowledged jobs", jobs.len());
}

/// Jobs of which nobody was told either never start or end well.
#[track_caller]
pub(crate) fn settle_strangers(home: &Home) {
    for entry in fs::read_dir(&home.prefix).unwrap().flatten() {
        let jobid = entry.file_name().to_string_lossy().into_owned();
        if home.steps(&jobid).iter().any(|(_, state)| state == "queued") {
            settle(home, std::slice::from_ref(&jobid));
        }
    }
}

/// A runner is killed at any time of its life. Its run either never started, and is started again, or is recorded as lost.
#[test]
fn a_runner_is_killed() {
    let home = Home::with_settings(SETTINGS);
    let listener = Listener::start();
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    let mut moments = moments(Duration::from_millis(40));
    let mut jobs = Vec::new();
    let script = format!("{SCRIPT}; sleep 0.01");
    for _ in 0..rounds(100) {
        let spec = json!({"script": script, "callback": format!("{}/cb", listener.url)});
        let jobid = client.submit("v2", &spec);
        let pid = wait_for("the runner's pid", SETTLED, || {
            home.rows(&jobid).iter().find(|row| row.state == "queued").and_then(|row| row.info.parse::<u32>().ok())
        });
        pass(moments.next().unwrap());
        if pid < 10_000_000 {
            kill(pid);
        }
        jobs.push(jobid);
    }
    settle(&home, &jobs);
    let mut lost = 0;
    for jobid in &jobs {
        lost += u32::from(ended_lost_or_well(&home, jobid));
    }
    index_agrees(&gateway, &home, &jobs);
    all_were_told(&home, &listener, &jobs);
    nothing_else_ran_twice(&home);
    eprintln!("{lost} of {} runs were lost with their runner", jobs.len());
}

/// Says whether the run was lost; panics if it is neither that nor well.
#[track_caller]
pub(crate) fn ended_lost_or_well(home: &Home, jobid: &str) -> bool {
    let rows = home.rows(jobid);
    let of = |state: &str| rows.iter().filter(|row| row.ndx == 1 && row.state == state).count();
    assert_eq!((of("queued"), of("active")), (1, 1), "{}", story(home, jobid));
    assert_eq!(of("completed") + of("failed"), 1, "{}", story(home, jobid));
    if of("completed") == 1 {
        assert_eq!(home.read(jobid, "work/ran"), "1\n", "{}", story(home, jobid));
        return false;
    }
    let last = rows.last().unwrap();
    assert!(last.info.contains("lost"), "the evidence is missing: {}", story(home, jobid));
    true
}

/// Everything dies at the same time, as when a machine loses its power, but for the page cache.
#[test]
fn everything_is_killed_at_once() {
    let home = Home::with_settings(SETTINGS);
    let listener = Listener::start();
    let mut moments = moments(time_to_acknowledge(&home).mul_f64(4.0));
    let mut gateway = Gateway::start(&home);
    let mut jobs = Vec::new();
    for _ in 0..rounds(60) {
        let spec = json!({"script": SCRIPT, "callback": format!("{}/cb", listener.url)});
        let users: Vec<_> = (0..3).map(|_| submit_with_key(gateway.client(), None, spec.clone())).collect();
        pass(moments.next().unwrap());
        home.kill_all();
        gateway.kill();
        jobs.extend(users.into_iter().filter_map(|user| user.join().unwrap()));
        gateway = Gateway::start(&home);
    }
    settle(&home, &jobs);
    let lost = jobs.iter().filter(|jobid| ended_lost_or_well(&home, jobid)).count();
    index_agrees(&gateway, &home, &jobs);
    all_were_told(&home, &listener, &jobs);
    nothing_else_ran_twice(&home);
    eprintln!("{} acknowledged jobs, {lost} lost while they ran", jobs.len());
}

/// Cancelling survives the death of whoever does it: once acknowledged, the job ends, and does not go on.
#[test]
fn the_server_is_killed_while_it_cancels() {
    let home = Home::with_settings(SETTINGS);
    let mut gateway = Gateway::start(&home);
    let mut moments = moments(Duration::from_millis(15));
    for _ in 0..rounds(40) {
        let mut client = gateway.client();
        let jobid = client.submit("v2", &json!({"script": "sleep 600"}));
        home.wait_row(&jobid, 1, &["active"]);
        let killer = std::thread::spawn({
            let (jobid, mut client) = (jobid.clone(), gateway.client());
            move || {
                client.request("DELETE", &format!("/v2/jobs/{jobid}"), &[], &Body::None).is_ok_and(|a| a.status == 200)
            }
        });
        pass(moments.next().unwrap());
        gateway.kill();
        let acknowledged = killer.join().unwrap();
        gateway = Gateway::start(&home);
        let mut client = gateway.client();
        if !acknowledged {
            assert_eq!(client.delete(&format!("/v2/jobs/{jobid}")).status, 200);
        }
        home.wait_row(&jobid, 0, &["canceled"]);
        home.wait_row(&jobid, 1, &["canceled"]);
        let canceled = home.steps(&jobid).iter().filter(|(_, state)| state == "canceled").count();
        assert_eq!(canceled, 2, "{}", story(&home, &jobid));
    }
}
