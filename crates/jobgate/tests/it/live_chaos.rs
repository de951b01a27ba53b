//! Nothing runs twice, and nothing that was acknowledged is forgotten: jobs are submitted to a real cluster while the gateway is
//! killed, the way to the controller is cut and stalls, and the controller itself is stopped and killed, all at random.
//!
//! `JOBGATE_CHAOS_JOBS=500 cargo test -p jobgate --test it live_chaos -- --nocapture --test-threads 1` is the large version;
//! `JOBGATE_CHAOS_SEED` chooses another course of events.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::fixture::{Client, Cluster, Gateway, Home, http::Address, wait_for};
use crate::live_jobs::{described, front, serve, submit, user};

const OPEN: u8 = 0;
const STALLED: u8 = 1;
const CUT: u8 = 2;

/// The way to the controller.
struct Way {
    address: SocketAddr,
    state: Arc<AtomicU8>,
}

impl Way {
    fn to(controller: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, state) = (listener.local_addr().unwrap(), Arc::new(AtomicU8::new(OPEN)));
        let known = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = Arc::clone(&known);
                if state.load(Ordering::Acquire) == CUT {
                    continue;
                }
                std::thread::spawn(move || {
                    let Ok(server) = TcpStream::connect(controller) else { return };
                    let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                    let other = Arc::clone(&state);
                    let back = std::thread::spawn(move || pass(&server, &client, &other));
                    pass(&from, &to, &state);
                    drop(back.join());
                });
            }
        });
        Self { address, state }
    }

    fn set(&self, state: u8) {
        self.state.store(state, Ordering::Release);
    }
}

/// Passes bytes on as long as the way is open; holds them back while it is stalled; loses all when it is cut.
fn pass(mut from: &TcpStream, mut to: &TcpStream, state: &AtomicU8) {
    from.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match state.load(Ordering::Acquire) {
            STALLED => std::thread::sleep(Duration::from_millis(10)),
            CUT => break,
            _ => match from.read(&mut buffer) {
                Ok(0) => {
                    drop(to.shutdown(Shutdown::Write));
                    return;
                }
                Ok(count) => {
                    // it may have stalled since
                    while state.load(Ordering::Acquire) == STALLED {
                        std::thread::sleep(Duration::from_millis(10));
                    }
                    if state.load(Ordering::Acquire) == CUT || to.write_all(&buffer[..count]).is_err() {
                        break;
                    }
                }
                Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                }
                Err(_) => break,
            },
        }
    }
    drop((from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both)));
}

/// Numbers by chance, the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }

    fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.below(most - least))
    }
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// What was done to them.
#[derive(Debug, Default)]
struct Done {
    gateways_killed: u32,
    cuts: u32,
    stalls: u32,
    controllers_stopped: u32,
    controllers_killed: u32,
}

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Harm {
    /// The gateway is killed, the way cut and stalled, the controller stopped: nothing of it may lose a job.
    Ours,
    /// The controller is killed, too. Slurm saves its state some seconds late: it forgets jobs that it has taken, begins
    /// some again, and does not hear of ends. None of that may make us hand a job over twice, or be hidden.
    Slurms,
}

/// Disturbs at random until told to end; then everything is as it should be.
fn disturb(
    cluster: &Cluster,
    home: &Home,
    way: &Way,
    gateway: &Mutex<Gateway>,
    over: &AtomicBool,
    (harm, mut chance): (Harm, Chance),
) -> Done {
    let mut done = Done::default();
    while !over.load(Ordering::Acquire) {
        std::thread::sleep(chance.millis(200, 1500));
        match chance.below(if harm == Harm::Ours { 9 } else { 12 }) {
            0..=2 => {
                let mut gateway = gateway.lock().unwrap_or_else(PoisonError::into_inner);
                gateway.kill();
                *gateway = serve(home);
                done.gateways_killed += 1;
            }
            3..=4 => {
                way.set(CUT);
                std::thread::sleep(chance.millis(50, 800));
                done.cuts += 1;
            }
            5..=6 => {
                way.set(STALLED);
                std::thread::sleep(chance.millis(200, 6000));
                done.stalls += 1;
            }
            7..=8 => {
                cluster.pause_controller();
                std::thread::sleep(chance.millis(200, 6000));
                cluster.continue_controller();
                done.controllers_stopped += 1;
            }
            _ => {
                cluster.kill_controller();
                std::thread::sleep(chance.millis(0, 1000));
                cluster.start_controller();
                done.controllers_killed += 1;
            }
        }
        way.set(OPEN);
    }
    done
}

#[test]
fn every_acknowledged_job_runs_once() {
    run(Harm::Ours, 40);
}

#[test]
fn nothing_runs_twice_when_slurm_forgets() {
    run(Harm::Slurms, 25);
}

fn run(harm: Harm, jobs: u64) {
    let Some(cluster) = Cluster::alone() else { return };
    let (jobs, seed) = (setting("JOBGATE_CHAOS_JOBS", jobs), setting("JOBGATE_CHAOS_SEED", 20_261_130));
    let way = Way::to(cluster.controller);
    let home = front(&cluster, way.address);
    let notes = cluster.work().join(format!("chaos-{harm:?}-{}", std::process::id()));
    std::fs::create_dir(&notes).unwrap();
    cluster.give("alice", &notes);
    let first = serve(&home);
    let headers = user(&cluster, &first, "alice").headers;
    let gateway = Mutex::new(first);
    let client = || {
        let address = gateway.lock().unwrap_or_else(PoisonError::into_inner).address;
        let mut client = Client::new(Address::Tcp(address));
        client.headers.clone_from(&headers);
        client.timeout = Duration::from_secs(30);
        client
    };
    // Submits job `number` until it is acknowledged.
    let insist = |number: usize| {
        let note = notes.join(number.to_string());
        let script = format!("echo $SLURM_JOB_ID >> {}; sleep 0.{}", note.display(), number % 10);
        let mut job = described(&cluster, &script);
        // nor does Slurm itself run it twice
        job["requeue"] = json!(false);
        let end = Instant::now() + Duration::from_secs(300);
        loop {
            let answer = submit(&mut client(), &job, &format!("chaos-{number}"));
            match &answer {
                Ok(answer) if answer.status == 200 => return answer.json()["job_id"].as_u64(),
                // said rather than guessed
                Ok(answer) if harm == Harm::Slurms && answer.text().contains("not known whether Slurm") => return None,
                _ if Instant::now() > end => panic!("job {number} was never taken: {answer:?}"),
                _ => std::thread::sleep(Duration::from_millis(150)),
            }
        }
    };
    let (next, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let acknowledged: Mutex<BTreeMap<usize, u64>> = Mutex::default();
    let begun = Instant::now();
    let done = std::thread::scope(|scope| {
        let disturber = scope.spawn(|| disturb(&cluster, &home, &way, &gateway, &over, (harm, Chance(seed))));
        let work = |mut chance: Chance| loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= jobs as usize {
                return;
            }
            std::thread::sleep(chance.millis(100, 2000));
            let Some(id) = insist(number) else { continue };
            acknowledged.lock().unwrap().insert(number, id);
            // whose answer was lost asks again
            if number.is_multiple_of(3) {
                assert_eq!(insist(number), Some(id), "the same key is the same job");
            }
        };
        let workers: Vec<_> =
            (0..jobs.div_ceil(10).clamp(3, 16)).map(|n| scope.spawn(move || work(Chance(seed + n + 1)))).collect();
        let outcomes: Vec<_> = workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        over.store(true, Ordering::Release);
        let done = disturber.join().unwrap();
        for outcome in outcomes {
            outcome.unwrap();
        }
        done
    });
    let submitted = begun.elapsed();
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(harm == Harm::Slurms || acknowledged.len() as u64 == jobs, "{}", acknowledged.len());
    let shown = settle(&cluster, &home, &mut client(), harm);
    assert_eq!(shown.len() as u64, jobs, "one job of the gateway for each");
    let (mut ran, mut lost) = (0, 0);
    for (number, id) in &acknowledged {
        let runs = std::fs::read_to_string(notes.join(number.to_string())).unwrap_or_default();
        let mut runs: Vec<&str> = runs.lines().collect();
        if harm == Harm::Slurms {
            // under one number: by Slurm itself, which had not saved that the job has begun
            runs.dedup();
        }
        assert!(runs.len() < 2, "job {number} ({id}) ran more than once: {runs:?}");
        ran += runs.len();
        let states: Vec<&str> =
            shown.iter().filter(|(native, _)| native == &id.to_string()).map(|(_, state)| state.as_str()).collect();
        match (runs.is_empty(), &states[..]) {
            (false, ["completed"]) => {}
            _ if harm == Harm::Slurms && !states.is_empty() => lost += 1,
            (_, states) => panic!("job {number} ({id}) ran {} times and is shown as {states:?}", runs.len()),
        }
    }
    eprintln!(
        "{jobs} jobs acknowledged in {submitted:?} amid {done:?}; {ran} ran, none was handed over twice; {lost} were forgotten or not heard \
         of by the controller when it was killed, and are shown as it shows them"
    );
}

/// Waits until every job is shown as having ended, or as the controller itself has it; gives native ids and states.
fn settle(cluster: &Cluster, home: &Home, alice: &mut Client, harm: Harm) -> Vec<(String, String)> {
    let is_over = |state: &str| matches!(state, "completed" | "failed" | "canceled");
    let same = |native: &str, state: &str| {
        let slurms = cluster.exec("root", &["squeue", "--noheader", "--format=%T", "--jobs", native]).out;
        match slurms.trim() {
            "PENDING" => state == "queued",
            "RUNNING" | "COMPLETING" => state == "active",
            _ => false,
        }
    };
    let (begun, mut waiting) = (Instant::now(), String::new());
    wait_for("all jobs to end", Duration::from_secs(90), || {
        cluster.mend();
        let answer = alice.get("/v2/jobs");
        let mut shown = Vec::new();
        for job in answer.json().as_array()? {
            let rows = home.rows(job["jobid"].as_str()?);
            let native = rows.iter().find(|row| row.state == "queued").map(|row| row.info.clone()).unwrap_or_default();
            let state = job["state"].as_str()?.to_owned();
            let forgiven = harm == Harm::Slurms && begun.elapsed() > Duration::from_secs(20);
            if !(is_over(&state) || forgiven && same(&native, &state)) {
                let what = format!("{} ({native}) is {state}", job["jobid"]);
                if begun.elapsed() > Duration::from_secs(20) && waiting != what {
                    eprintln!("after {:?}: {what}", begun.elapsed());
                    waiting = what;
                }
                return None;
            }
            shown.push((native, state));
        }
        cluster.exec("root", &["scancel", "--user=alice", "--name=mine"]);
        Some(shown)
    })
}
