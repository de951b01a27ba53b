//! The engine on a temporary prefix with a batch system that does what the test says.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use jobgate_model::{
    Backend, BackendConfig, Cancel, Error, ErrorKind, Established, Evidence, Generation, JobId, JobSpec, NativeId,
    Phase, Principal, RunRef, RunRequest, Sighting, State, Submission, Transition, Untold,
};

use scripted::{Mood, Scripted};

use super::Engine;
use crate::tree;
use crate::types::*;

pub(crate) struct Bench {
    dir: tempfile::TempDir,
    pub(crate) batch: Arc<Scripted>,
    pub(crate) engine: Arc<Engine>,
}

fn me() -> Principal {
    Principal::local(Established::Process)
}

fn open(dir: &Path, batch: &Arc<Scripted>, clock: Clock) -> Arc<Engine> {
    let place = Place {
        name: "default".into(),
        prefix: dir.join("prefix"),
        config: BackendConfig::default(),
        backend: batch.clone(),
    };
    let setup = Setup {
        state_dir: dir.join("state"),
        places: vec![place],
        callbacks: CallbackPolicy::default(),
        poll_interval: Duration::from_secs(1),
        clock,
        quotas: Quotas::default(),
    };
    Arc::new(Engine::open(setup).unwrap())
}

pub(crate) fn open_with(dir: &Path, batch: &Arc<Scripted>, callbacks: CallbackPolicy) -> Arc<Engine> {
    let engine = open(dir, batch, Clock::system());
    let setup = Setup { callbacks, ..engine.setup.clone() };
    Arc::new(Engine::open(setup).unwrap())
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(CallbackPolicy::default())
    }

    pub(crate) fn with(callbacks: CallbackPolicy) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let batch = Arc::<Scripted>::default();
        let engine = open_with(dir.path(), &batch, callbacks);
        Self { dir, batch, engine }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    fn create(&self, spec: JobSpec, start: Start) -> Job {
        let new = NewJob { spec, generation: Generation::V3, place: None, start, idempotency: None, environment: None };
        self.engine.create(&me(), new).unwrap().job
    }

    fn run(&self, spec: JobSpec) -> Job {
        let job = self.create(spec, Start::Yes);
        self.engine.launch(job.key, OnRefusal::Record).unwrap();
        self.engine.job(&me(), job.key).unwrap()
    }

    fn states(&self, job: &Job) -> Vec<(i64, State)> {
        let rows = self.engine.history(&me(), self.engine.job(&me(), job.key).unwrap().key).unwrap();
        rows.iter().map(|row| (row.transition.jobndx, row.transition.state)).collect()
    }

    fn prefix(&self) -> PathBuf {
        self.dir.path().join("prefix")
    }
}

/// What the runner, or psik, does.
fn reach(job: &Job, jobndx: i64, state: State, info: &str) {
    tree::append(&job.base, &Transition { time: 9.0, jobndx, state, info: info.into() }).unwrap();
}

mod elsewhere;
mod prefix;
mod quota;
mod recover;
mod scripted;
mod sharing;
mod trees;

use State::{Active, Canceled, Completed, Failed, New, Queued};

#[test]
fn a_job_goes_its_way() {
    let bench = Bench::new();
    let job = bench.run(JobSpec::new("true"));
    assert_eq!((job.state, job.jobndx, job.info.as_str(), job.live), (Queued, 1, "100", true));
    assert_eq!(bench.batch.confirmed.lock().unwrap().len(), 1);
    reach(&job, 1, Active, "");
    reach(&job, 1, Completed, "");
    let job = bench.engine.find(&me(), Need::Read, None, &job.jobid).unwrap();
    assert_eq!((job.state, job.live), (Completed, false));
    assert_eq!(bench.states(&job), [(0, New), (1, Queued), (1, Active), (1, Completed)]);
    let rows = bench.engine.history(&me(), job.key).unwrap();
    assert_eq!(
        rows.iter().map(|row| row.evidence).collect::<Vec<_>>(),
        [Evidence::Gateway, Evidence::Gateway, Evidence::Tree, Evidence::Tree]
    );
    let sequence: Vec<i64> = rows.iter().map(|row| row.seq).collect();
    assert!(sequence.is_sorted());
}

#[test]
fn final_states_stay_final_for_their_jobndx() {
    let bench = Bench::new();
    let job = bench.run(JobSpec::new("true"));
    reach(&job, 1, Failed, "3");
    reach(&job, 1, Active, "");
    reach(&job, 1, Completed, "");
    let job = bench.engine.job(&me(), job.key).unwrap();
    assert_eq!((job.state, job.info.as_str()), (Failed, "3"));
    assert_eq!(bench.states(&job).len(), 5, "late rows stay in the history");
}

#[test]
fn what_could_never_run_leaves_nothing_behind() {
    let bench = Bench::new();
    let attempt = |change: fn(&mut JobSpec), place: Option<&str>| {
        let mut spec = JobSpec::new("true");
        change(&mut spec);
        let new = NewJob {
            spec,
            generation: Generation::V3,
            place: place.map(str::to_owned),
            start: Start::Yes,
            idempotency: None,
            environment: None,
        };
        bench.engine.create(&me(), new).unwrap_err()
    };
    assert!(attempt(|s| s.attributes.insert("never", "1"), None).message().contains("never run"));
    assert!(attempt(|s| s.directory = Some("/no/such/dir".into()), None).message().contains("/no/such/dir"));
    assert!(attempt(|s| s.directory = Some("relative".into()), None).message().contains("absolute"));
    assert!(attempt(|s| s.backend = "none".into(), None).message().contains("configured are: default"));
    assert!(attempt(|_| (), Some("none")).message().contains("unknown backend"));
    assert_eq!(std::fs::read_dir(bench.prefix()).unwrap().count(), 0);
    let mut listed = 0;
    bench.engine.list(&me(), &ListQuery::default(), &mut |_| listed += 1).unwrap();
    assert_eq!(listed, 0);
}

#[test]
fn refusals_are_recorded_or_reported() {
    let bench = Bench::new();
    *bench.batch.mood.lock().unwrap() = Mood::Refuse;
    let told = bench.create(JobSpec::new("true"), Start::Yes);
    assert_eq!(bench.engine.launch(told.key, OnRefusal::Report).unwrap_err().message(), "no");
    assert_eq!(bench.states(&told), [(0, New)]);
    assert!(std::fs::read_to_string(told.base.join("log/console")).unwrap().contains("Error submitting job: no"));
    let promised = bench.create(JobSpec::new("true"), Start::Yes);
    bench.engine.launch(promised.key, OnRefusal::Record).unwrap();
    assert_eq!(bench.states(&promised), [(0, New), (1, Failed)]);
    *bench.batch.mood.lock().unwrap() = Mood::Accept;
    assert_eq!(bench.engine.start(&me(), told.key, None).unwrap(), [1], "the refused jobndx is free again");
}

#[test]
fn an_unknown_outcome_is_looked_for_and_never_submitted_again() {
    let bench = Bench::new();
    *bench.batch.mood.lock().unwrap() = Mood::Vanish;
    let job = bench.create(JobSpec::new("true"), Start::Yes);
    bench.engine.launch(job.key, OnRefusal::Record).unwrap();
    assert_eq!(bench.states(&job), [(0, New)], "nothing is guessed");
    assert!(bench.engine.job(&me(), job.key).unwrap().live);
    bench.engine.poll(&me(), job.key).unwrap();
    assert_eq!(bench.states(&job)[1], (1, Queued));
    assert_eq!(bench.engine.job(&me(), job.key).unwrap().info, "77", "the run was adopted");
    assert_eq!(bench.batch.taken(), 1);
}

#[test]
fn an_intent_survives_its_process() {
    let bench = Bench::new();
    let job = bench.create(JobSpec::new("true"), Start::Yes);
    // The process that intended it is gone: its claim names a process that never was.
    let key = job.key;
    bench
        .engine
        .store
        .update(move |c| crate::store::runs::claim(c, key, 1, Some(crate::process::identity()), "1:1:x"))
        .unwrap();
    assert!(bench.engine.launch(job.key, OnRefusal::Record).unwrap().is_empty(), "not ours to hand over");
    bench.engine.poll(&me(), job.key).unwrap();
    assert_eq!(bench.states(&job), [(0, New), (1, Queued)]);
    assert_eq!(bench.batch.taken(), 1);
}

#[test]
fn ids_of_one_millisecond_differ_and_follow_the_clock_back() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    let now = Arc::new(Mutex::new(2_000_000.0));
    let read = now.clone();
    let engine = open(dir.path(), &bench.batch, Clock::from_fn(move || *read.lock().unwrap()));
    let make = || {
        let new = NewJob {
            spec: JobSpec::new("true"),
            generation: Generation::V3,
            place: None,
            start: Start::No,
            idempotency: None,
            environment: None,
        };
        engine.create(&me(), new).unwrap().job.jobid.as_str().to_owned()
    };
    assert_eq!([make(), make(), make()], ["2000000.000", "2000000.001", "2000000.002"]);
    *now.lock().unwrap() = 1_999_000.0;
    assert_eq!(make(), "2000000.003", "the clock stepped back: the order of submission is kept");
    *now.lock().unwrap() = 2_000_500.0;
    assert_eq!(make(), "2000500.000");
}

#[test]
fn an_idempotency_key_means_one_job() {
    let bench = Bench::new();
    let send = |key: &str, digest: u8| {
        let idempotency = Some(Idempotency { key: key.into(), digest: [digest; 32] });
        let new = NewJob {
            spec: JobSpec::new("true"),
            generation: Generation::V3,
            place: None,
            start: Start::No,
            idempotency,
            environment: None,
        };
        bench.engine.create(&me(), new)
    };
    let first = send("a", 1).unwrap();
    let again = send("a", 1).unwrap();
    assert_eq!((first.repeated, again.repeated), (false, true));
    assert_eq!(first.job.jobid, again.job.jobid);
    assert_eq!(send("a", 2).unwrap_err().kind(), ErrorKind::KeyReused);
    assert_ne!(send("b", 1).unwrap().job.jobid, first.job.jobid);
    let ids: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| send("c", 3).unwrap().job.jobid)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "eight at once: {ids:?}");
    assert_eq!(std::fs::read_dir(bench.prefix()).unwrap().count(), 3);
}

#[test]
fn cancel_records_the_run_first_and_the_job_last() {
    let bench = Bench::new();
    let never = bench.create(JobSpec::new("true"), Start::No);
    assert_eq!(bench.engine.cancel(&me(), never.key).unwrap(), Cancelled::Done);
    assert_eq!(bench.states(&never), [(0, New), (0, Canceled)]);
    assert_eq!(bench.engine.cancel(&me(), never.key).unwrap(), Cancelled::AlreadyFinal(Canceled));

    let running = bench.run(JobSpec::new("sleep"));
    reach(&running, 1, Active, "");
    assert_eq!(bench.engine.cancel(&me(), running.key).unwrap(), Cancelled::Stopping);
    assert_eq!(bench.engine.settle_cancel(running.key, Duration::ZERO).unwrap(), Cancelled::Stopping);
    reach(&running, 1, Canceled, "");
    assert_eq!(bench.engine.settle_cancel(running.key, Duration::ZERO).unwrap(), Cancelled::Done);
    assert_eq!(bench.states(&running), [(0, New), (1, Queued), (1, Active), (1, Canceled), (0, Canceled)]);

    let done = bench.run(JobSpec::new("true"));
    reach(&done, 1, Completed, "");
    assert_eq!(bench.engine.cancel(&me(), done.key).unwrap(), Cancelled::AlreadyFinal(Completed));
    assert_eq!(bench.engine.job(&me(), done.key).unwrap().state, Completed);
}

#[test]
fn a_run_canceled_before_it_was_handed_over_never_starts() {
    let bench = Bench::new();
    let job = bench.create(JobSpec::new("true"), Start::Yes);
    bench.engine.cancel(&me(), job.key).unwrap();
    bench.engine.launch(job.key, OnRefusal::Record).unwrap();
    assert_eq!(bench.states(&job), [(0, New), (1, Canceled), (0, Canceled)]);
    assert!(bench.batch.confirmed.lock().unwrap().is_empty());
}

#[test]
fn arrays_are_runs_of_one_job() {
    let bench = Bench::new();
    let mut spec = JobSpec::new("true");
    spec.attributes.insert("--array", "3");
    let job = bench.run(spec);
    assert_eq!(bench.states(&job), [(0, New), (1, Queued), (2, Queued), (3, Queued), (4, Queued)]);
    for jobndx in 1..=3 {
        reach(&job, jobndx, Completed, "");
    }
    assert!(bench.engine.job(&me(), job.key).unwrap().live);
    reach(&job, 4, Completed, "");
    assert!(!bench.engine.job(&me(), job.key).unwrap().live);
}

#[test]
fn nobody_sees_jobs_without_an_identity() {
    let bench = Bench::new();
    let job = bench.run(JobSpec::new("true"));
    let stranger = Principal::address("192.0.2.1");
    assert_eq!(bench.engine.job(&stranger, job.key).unwrap_err().kind(), ErrorKind::Unauthenticated);
    assert!(bench.engine.list(&stranger, &ListQuery::default(), &mut |_| ()).is_err());
    assert!(bench.engine.cancel(&stranger, job.key).is_err());
}

#[test]
fn listings_are_filtered_then_paged() {
    let bench = Bench::new();
    let jobs: Vec<Job> = (0..5).map(|_| bench.create(JobSpec::new("x"), Start::No)).collect();
    bench.engine.cancel(&me(), jobs[2].key).unwrap();
    let ids = |query: ListQuery| {
        let mut ids = Vec::new();
        bench.engine.list(&me(), &query, &mut |row| ids.push(row.jobid.to_owned())).unwrap();
        ids
    };
    let id = |n: usize| jobs[n].jobid.as_str().to_owned();
    assert_eq!(ids(ListQuery::default()), [id(4), id(3), id(2), id(1), id(0)]);
    assert_eq!(ids(ListQuery { order: Order::Oldest, limit: Some(2), ..Default::default() }), [id(0), id(1)]);
    assert_eq!(ids(ListQuery { state: Some(New), index: 1, limit: Some(2), ..Default::default() }), [id(3), id(1)]);
    assert_eq!(ids(ListQuery { state: Some(Canceled), ..Default::default() }), [id(2)]);
    assert!(ids(ListQuery { backend: Some("none".into()), ..Default::default() }).is_empty());
    assert!(ids(ListQuery { index: 9, ..Default::default() }).is_empty());
    let before = bench.engine.revision().unwrap();
    assert_eq!(bench.engine.revision().unwrap(), before);
    bench.engine.remove(&me(), jobs[0].key).unwrap();
    assert_ne!(bench.engine.revision().unwrap(), before);
    assert!(!jobs[0].base.exists());
}

#[test]
fn many_starts_at_once_are_distinct_runs() {
    let bench = Bench::new();
    let job = bench.create(JobSpec::new("true"), Start::No);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                bench.engine.start(&me(), job.key, None).unwrap();
                bench.engine.launch(job.key, OnRefusal::Record).unwrap();
            });
        }
    });
    let mut states = bench.states(&job);
    states.sort_unstable();
    let expected: Vec<_> = std::iter::once((0, New)).chain((1..=8).map(|jobndx| (jobndx, Queued))).collect();
    assert_eq!(states, expected);
    assert_eq!(bench.batch.taken(), 8);
}

#[test]
fn a_gateways_board_shows_what_the_index_has() {
    let bench = Bench::new();
    let gateway = open(bench.path(), &bench.batch, Clock::system());
    gateway.attended.store(true, Ordering::SeqCst);
    let list = |engine: &Engine, query: &ListQuery| {
        let mut rows = Vec::new();
        engine.list(&me(), query, &mut |row| rows.push(format!("{row:?}"))).unwrap();
        rows
    };
    let queries = [
        ListQuery::default(),
        ListQuery { order: Order::Oldest, index: 1, limit: Some(2), ..Default::default() },
        ListQuery { state: Some(Completed), ..Default::default() },
        ListQuery { backend: Some("default".into()), limit: Some(1), ..Default::default() },
        ListQuery { index: 100, ..Default::default() },
    ];
    let agree = || {
        for query in &queries {
            assert_eq!(list(&gateway, query), list(&bench.engine, query), "{query:?}");
        }
    };
    agree();
    let jobs: Vec<Job> = (0..4).map(|_| bench.run(JobSpec::new("true"))).collect();
    agree();
    reach(&jobs[1], 1, Completed, "");
    bench.engine.job(&me(), jobs[1].key).unwrap();
    agree();
    bench.engine.remove(&me(), jobs[1].key).unwrap();
    agree();
    // An older job that appears later, with a history and without.
    for (id, rows) in [("5.000", 1), ("6.000", 0)] {
        let mut spec = JobSpec::new("x");
        spec.directory = Some("/".into());
        let row = Transition { time: 1.0, jobndx: 0, state: New, info: "{}".into() };
        tree::create(&bench.prefix().canonicalize().unwrap().join(id), &spec, &vec![row; rows]).unwrap();
        bench.engine.adopt().unwrap();
        agree();
    }
    assert_eq!(list(&gateway, &queries[0]).len(), 5);
}
