//! A controller of another release takes over while jobs are submitted: 24.11 ends, and 26.05 goes on with what it has saved, at its
//! port. Jobgate goes on as it is.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fixture::{Client, Cluster, wait_for};
use crate::live_jobs::{described, front, serve, submit, user};

/// So many clients submit all the time.
const CLIENTS: usize = 4;

#[test]
#[ignore = "it consumes a cluster: cargo nextest run -p jobgate --test it live_upgrade --run-ignored all"]
fn a_newer_controller_takes_over_while_jobs_are_submitted() {
    let Some(old) = Cluster::of_suite("trixie") else { return };
    let Some(new) = Cluster::of_suite("forky") else { return };
    let home = front(&old, old.controller);
    let gateway = serve(&home);
    let mut alice = user(&old, &gateway, "alice");
    let release = |client: &mut Client| {
        let answer = client.get("/slurm/v0.0.42/jobs/state").json();
        answer["meta"]["slurm"]["release"].as_str().unwrap_or_default().to_owned()
    };
    alice.get("/slurm/v0.0.42/nodes");
    assert!(release(&mut alice).starts_with("24.11"), "{}", release(&mut alice));
    let notes = old.work().join(format!("upgrade-{}", std::process::id()));
    fs::create_dir(&notes).unwrap();
    old.give("alice", &notes);
    let headers = &alice.headers.clone();
    let (next, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let taken: Mutex<BTreeMap<usize, u64>> = Mutex::default();
    let (longest, begun) = (Mutex::new(Duration::ZERO), Instant::now());
    let insist = |number: usize| {
        let script = format!("echo $SLURM_JOB_ID >> {}", notes.join(number.to_string()).display());
        let mut job = described(&old, &script);
        job["requeue"] = json!(false);
        let first = Instant::now();
        loop {
            let mut client = gateway.client();
            client.headers.clone_from(headers);
            match submit(&mut client, &job, &format!("upgrade-{number}")) {
                Ok(answer) if answer.status == 200 => {
                    let mut longest = longest.lock().unwrap();
                    *longest = (*longest).max(first.elapsed());
                    return answer.json()["job_id"].as_u64().unwrap();
                }
                outcome if first.elapsed() > Duration::from_secs(120) => panic!("job {number}: {outcome:?}"),
                _ => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    };
    let count = || taken.lock().unwrap().len();
    let more = |by: usize| {
        let wanted = count() + by;
        wait_for("more jobs to be taken", Duration::from_secs(120), || (count() >= wanted).then_some(()));
    };
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !over.load(Ordering::Acquire) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let id = insist(number);
                    taken.lock().unwrap().insert(number, id);
                    std::thread::sleep(Duration::from_millis(300));
                }
            });
        }
        more(20);
        old.upgrade_database(&new);
        more(20);
        old.upgrade_controller(&new);
        more(40);
        over.store(true, Ordering::Release);
    });
    let took = begun.elapsed();
    wait_for("the release to be seen", Duration::from_secs(30), || {
        release(&mut alice).starts_with("26.05").then_some(())
    });
    let taken = taken.into_inner().unwrap();
    let is_over = |job: &Value| matches!(job["state"].as_str(), Some("completed" | "failed" | "canceled"));
    let jobs = wait_for("all jobs to end", Duration::from_secs(180), || {
        let jobs = alice.get("/v2/jobs").json().as_array().unwrap().clone();
        jobs.iter().all(is_over).then_some(jobs)
    });
    assert_eq!(jobs.len(), taken.len(), "one job of the gateway for each");
    assert!(jobs.iter().all(|job| job["state"] == "completed"), "{jobs:?}");
    for (number, id) in &taken {
        let runs = fs::read_to_string(notes.join(number.to_string())).unwrap_or_default();
        assert_eq!(runs, format!("{id}\n"), "job {number} did not run once");
    }
    eprintln!(
        "{} jobs were submitted in {took:?} while the release changed, each ran once and is shown as completed; the longest wait for \
         a number was {:?}",
        taken.len(),
        longest.into_inner().unwrap()
    );
    drop((gateway, home));
    old.destroy();
}
