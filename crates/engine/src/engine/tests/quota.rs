//! What owners may have.

use std::collections::BTreeSet;
use std::time::Instant;

use jobgate_model::{Access, Role};

use super::*;
use crate::engine::measure::Survey;

const BLOCK: u64 = tree::BLOCK;

fn user(name: &str) -> Principal {
    Principal::new(name, Established::Jwt, Role::User)
}

fn with(bench: &Bench, quotas: Quotas) -> Engine {
    Engine::open(Setup { quotas, ..bench.engine.setup.clone() }).unwrap()
}

fn runs(limit: u64) -> Quotas {
    Quotas { live_jobs: Some(limit), ..Quotas::default() }
}

fn bytes(limit: u64) -> Quotas {
    Quotas { stored: Some(limit), ..Quotas::default() }
}

fn new(start: Start) -> NewJob {
    NewJob {
        spec: JobSpec::new("true"),
        generation: Generation::V3,
        place: None,
        start,
        idempotency: None,
        environment: None,
    }
}

/// Measures until nothing is left to measure.
fn measure(engine: &Engine) {
    let mut survey = Survey::default();
    let deadline = Instant::now() + Duration::from_secs(20);
    while engine.measure(&mut survey).unwrap() {
        assert!(Instant::now() < deadline, "it does not come to an end");
    }
}

fn stored(engine: &Engine, owner: &str) -> u64 {
    engine.store.read(|connection| crate::store::usage::stored(connection, owner)).unwrap()
}

#[track_caller]
fn exhausted<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exhausted, "{error}");
    assert!(error.wait_secs().is_some_and(|secs| secs > 1));
    error.message().to_owned()
}

#[test]
fn runs_are_counted_until_they_end() {
    let bench = Bench::new();
    let engine = with(&bench, runs(2));
    let alice = user("alice");
    let first = engine.create(&alice, new(Start::Yes)).unwrap().job;
    engine.create(&alice, new(Start::Yes)).unwrap();
    let before = std::fs::read_dir(bench.prefix()).unwrap().count();
    assert_eq!(
        exhausted(engine.create(&alice, new(Start::Yes))),
        "alice has 2 runs that wait or run, and 2 is the limit ([quota] live_jobs); wait until some have ended, or cancel some"
    );
    assert_eq!(std::fs::read_dir(bench.prefix()).unwrap().count(), before, "what is refused leaves nothing behind");
    // What is only made does not run, and others have their own.
    let made = engine.create(&alice, new(Start::No)).unwrap().job;
    exhausted(engine.start(&alice, made.key, None));
    engine.create(&user("bob"), new(Start::Yes)).unwrap();
    engine.cancel(&alice, first.key).unwrap();
    engine.start(&alice, made.key, None).unwrap();
}

#[test]
fn each_task_of_an_array_is_a_run() {
    let bench = Bench::new();
    let engine = with(&bench, runs(5));
    let mut array = new(Start::Yes);
    array.spec.attributes.insert("array", "5");
    assert!(
        exhausted(engine.create(&user("alice"), array.clone())).contains(", 6 more are asked for, and 5 is the limit")
    );
    array.spec.attributes.insert("array", "4");
    engine.create(&user("alice"), array).unwrap();
    exhausted(engine.create(&user("alice"), new(Start::Yes)));
}

#[test]
fn requests_at_the_same_time_get_no_more() {
    let bench = Bench::new();
    let engine = with(&bench, runs(10));
    let made: usize = std::thread::scope(|scope| {
        let attempt = || (0..5).filter(|_| engine.create(&user("alice"), new(Start::Yes)).is_ok()).count();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(attempt)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(made, 10);
}

#[test]
fn a_promised_job_is_given_back_however_full_it_is() {
    let bench = Bench::new();
    let engine = with(&bench, runs(1));
    let promised = || NewJob { idempotency: Some(Idempotency { key: "k".into(), digest: [1; 32] }), ..new(Start::Yes) };
    let job = engine.create(&user("alice"), promised()).unwrap().job;
    let again = engine.create(&user("alice"), promised()).unwrap();
    assert!(again.repeated && again.job.key == job.key);
}

#[test]
fn administrators_and_the_local_owner_have_no_limits() {
    let bench = Bench::new();
    let exempt = BTreeSet::from(["boss".to_owned()]);
    let engine = with(&bench, Quotas { live_jobs: Some(0), stored: Some(0), exempt });
    let administrator = Principal::new("root", Established::Jwt, Role::Administrator);
    for who in [&me(), &administrator, &user("boss")] {
        let job = engine.create(who, new(Start::Yes)).unwrap().job;
        let mut room = engine.room(who, job.key).unwrap();
        room.take(1 << 40).unwrap();
        engine.keep(room).unwrap();
    }
    exhausted(engine.create(&user("alice"), new(Start::No)));
}

#[test]
fn what_jobs_store_is_measured_and_given_back() {
    let bench = Bench::new();
    let engine = with(&bench, bytes(100 * BLOCK));
    let alice = user("alice");
    let job = engine.create(&alice, new(Start::No)).unwrap().job;
    assert!(stored(&engine, "alice") >= 5 * BLOCK, "it counts before it is measured");
    measure(&engine);
    assert_eq!(stored(&engine, "alice"), 5 * BLOCK, "base, log, work, spec.json and status.csv");
    std::fs::write(job.base.join("work/big"), vec![0; 96 * BLOCK as usize]).unwrap();
    std::os::unix::fs::symlink("/usr", job.base.join("work/elsewhere")).unwrap();
    measure(&engine);
    assert_eq!(stored(&engine, "alice"), 5 * BLOCK, "nothing says that it has changed");
    engine.reached(&alice, job.key, 1, Active, "", Evidence::Callback).unwrap();
    measure(&engine);
    assert_eq!(stored(&engine, "alice"), 102 * BLOCK);
    let text = exhausted(engine.create(&alice, new(Start::No)));
    assert_eq!(
        text,
        "the files of alice's jobs take 408.0K with what is asked for, and 400.0K is the limit ([quota] stored); delete jobs that \
         are not needed any more"
    );
    exhausted(engine.room(&alice, job.key));
    engine.create(&user("bob"), new(Start::No)).unwrap();
    engine.cancel(&alice, job.key).unwrap();
    engine.reached(&alice, job.key, 1, Completed, "", Evidence::Callback).unwrap();
    engine.remove(&alice, job.key).unwrap();
    assert_eq!(stored(&engine, "alice"), 0);
    engine.create(&alice, new(Start::No)).unwrap();
}

#[test]
fn jobs_from_before_the_quota_are_measured_too() {
    let bench = Bench::new();
    let alice = user("alice");
    for _ in 0..70 {
        bench.engine.create(&alice, new(Start::No)).unwrap();
    }
    assert_eq!(stored(&bench.engine, "alice"), 0, "without a quota nothing is counted");
    let engine = with(&bench, bytes(1 << 30));
    measure(&engine);
    assert_eq!(stored(&engine, "alice"), 70 * 5 * BLOCK);
    // A tree that somebody removed takes nothing.
    let job = engine.create(&alice, new(Start::No)).unwrap().job;
    std::fs::remove_dir_all(&job.base).unwrap();
    measure(&engine);
    assert_eq!(stored(&engine, "alice"), 70 * 5 * BLOCK);
}

#[test]
fn a_running_job_is_measured_from_time_to_time() {
    let bench = Bench::new();
    let now = Arc::new(Mutex::new(1_700_000_000.0));
    let clock = now.clone();
    let setup = Setup {
        quotas: bytes(1 << 30),
        clock: Clock::from_fn(move || *clock.lock().unwrap()),
        ..bench.engine.setup.clone()
    };
    let engine = Engine::open(setup).unwrap();
    let alice = user("alice");
    let job = engine.create(&alice, new(Start::Yes)).unwrap().job;
    engine.launch(job.key, OnRefusal::Record).unwrap();
    measure(&engine);
    let before = stored(&engine, "alice");
    std::fs::write(job.base.join("work/growing"), vec![0; 10 * BLOCK as usize]).unwrap();
    measure(&engine);
    assert_eq!(stored(&engine, "alice"), before);
    *now.lock().unwrap() += 61.0;
    measure(&engine);
    assert_eq!(stored(&engine, "alice"), before + 10 * BLOCK);
}

#[test]
fn uploads_under_way_count_whoever_sends_them() {
    let bench = Bench::new();
    let engine = with(&bench, bytes(10 * BLOCK));
    let (alice, bob) = (user("alice"), user("bob"));
    let job = engine.create(&alice, new(Start::No)).unwrap().job;
    measure(&engine);
    engine.share(&alice, job.key, "bob", Access::Write).unwrap();
    let mut one = engine.room(&alice, job.key).unwrap();
    let mut two = engine.room(&bob, job.key).unwrap();
    one.take(3 * BLOCK).unwrap();
    two.take(2 * BLOCK).unwrap();
    assert!(exhausted(two.take(1)).contains("alice's jobs take 40.0K"));
    drop(one);
    two.take(BLOCK).unwrap();
    // What has arrived counts on, also for an upload that began before.
    let mut three = engine.room(&alice, job.key).unwrap();
    engine.keep(two).unwrap();
    exhausted(three.take(3 * BLOCK));
    three.take(2 * BLOCK).unwrap();
    drop(three);
    assert_eq!(stored(&engine, "alice"), 8 * BLOCK);
    measure(&engine);
    assert_eq!(stored(&engine, "alice"), 5 * BLOCK, "nothing was written after all");
    assert_eq!(engine.room(&user("carol"), job.key).unwrap_err().kind(), ErrorKind::NotFound);
}
