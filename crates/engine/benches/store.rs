//! How fast the engine is by itself: durable creations, listings, recorded transitions. `cargo bench -p jobgate-engine`.
//!
//! `JOBS=1000000 cargo bench -p jobgate-engine` sizes the listings' store (default 100,000).
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark's whole purpose is to print figures")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use jobgate_engine::{CallbackPolicy, Clock, Engine, ListQuery, NewJob, Place, Quotas, Setup, Start, tree};
use jobgate_model::{
    Backend, BackendConfig, Cancel, Error, Established, Evidence, Generation, JobSpec, NativeId, Principal, RunRef,
    RunRequest, Sighting, State, Submission, Transition,
};

#[derive(Debug)]
struct Nothing;

impl Backend for Nothing {
    fn kind(&self) -> &'static str {
        "nothing"
    }
    fn check(&self, _: &JobSpec, _: &BackendConfig) -> Result<(), Error> {
        Ok(())
    }
    fn submit(&self, _: &RunRequest<'_>) -> Submission {
        Submission::Accepted(NativeId("1".into()))
    }
    fn find(&self, _: &RunRef) -> Result<Option<NativeId>, Error> {
        Ok(None)
    }
    fn cancel(&self, _: &RunRef) -> Result<Cancel, Error> {
        Ok(Cancel::Absent)
    }
    fn hold(&self, _: &RunRef) -> Result<(), Error> {
        Ok(())
    }
    fn release(&self, _: &RunRef) -> Result<(), Error> {
        Ok(())
    }
    fn observe(&self, _: &[RunRef]) -> Result<Vec<Sighting>, Error> {
        Ok(Vec::new())
    }
}

fn me() -> Principal {
    Principal::local(Established::Process)
}

fn open(dir: &std::path::Path) -> Engine {
    let place = Place {
        name: "default".into(),
        prefix: dir.join("prefix"),
        config: BackendConfig::default(),
        backend: Arc::new(Nothing),
    };
    Engine::open(Setup {
        state_dir: dir.join("state"),
        places: vec![place],
        callbacks: CallbackPolicy::default(),
        poll_interval: Duration::from_secs(1),
        clock: Clock::system(),
        quotas: Quotas::default(),
    })
    .unwrap()
}

fn create(engine: &Engine) -> jobgate_engine::Job {
    let mut spec = JobSpec::new("true\n");
    spec.name = Some("bench".into());
    let new = NewJob {
        spec,
        generation: Generation::V3,
        place: None,
        start: Start::Yes,
        idempotency: None,
        environment: None,
    };
    engine.create(&me(), new).unwrap().job
}

fn rate(what: &str, count: usize, elapsed: Duration) {
    println!(
        "{what:<44} {:>9.0} /s   {:>9.3} ms each",
        count as f64 / elapsed.as_secs_f64(),
        elapsed.as_secs_f64() * 1e3 / count as f64
    );
}

fn median(mut work: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..21)
        .map(|_| {
            let began = Instant::now();
            work();
            began.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[10]
}

fn main() {
    let jobs: usize = std::env::var("JOBS").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    for threads in [1, 8] {
        let each = 2000 / threads;
        let began = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| (0..each).for_each(|_| drop(create(&engine))));
            }
        });
        rate(&format!("durable creations with intent, {threads} threads"), each * threads, began.elapsed());
    }
    let job = create(&engine);
    let began = Instant::now();
    for n in 0..1000 {
        engine.reached(&me(), job.key, n, State::Active, "", Evidence::Callback).unwrap();
    }
    rate("durable transitions of one job", 1000, began.elapsed());

    // A store of finished jobs, as psik would have left them, taken in.
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let prefix = dir.path().join("prefix").canonicalize().unwrap();
    let mut spec = JobSpec::new("true\n");
    spec.name = Some("old".into());
    spec.directory = Some("/tmp".into());
    for n in 0..jobs {
        let time = 1_600_000_000.0 + n as f64;
        let row = |jobndx, state, info: &str| Transition { time, jobndx, state, info: info.into() };
        let base = prefix.join(format!("{}.000", 1_600_000_000 + n));
        let rows = [
            row(0, State::New, "{}"),
            row(1, State::Queued, "4711"),
            row(1, State::Active, ""),
            row(1, State::Completed, ""),
        ];
        tree::create(&base, &spec, &rows).unwrap();
    }
    let began = Instant::now();
    engine.adopt().unwrap();
    rate("foreign jobs taken in", jobs, began.elapsed());
    let began = Instant::now();
    engine.adopt().unwrap();
    println!("{:<44} {:>9.1} ms", format!("another look at {jobs} trees"), began.elapsed().as_secs_f64() * 1e3);
    for (what, limit, index) in [
        ("first page of 100", Some(100), 0),
        ("page of 100 in the middle", Some(100), jobs as u64 / 2),
        ("first 10,000", Some(10_000), 0),
        ("all", None, 0),
    ] {
        let query = ListQuery { limit, index, ..ListQuery::default() };
        let mut bytes = 0;
        let time = median(|| engine.list(&me(), &query, &mut |row| bytes += row.jobid.len()).unwrap());
        println!("{:<44} {time:>9.3} ms", format!("list, {what} of {jobs}"));
    }
    println!("{:<44} {:>9.4} ms", "revision, nothing changed", median(|| assert!(engine.revision().unwrap() > 0)));
}
