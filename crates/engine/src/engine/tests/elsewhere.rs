//! Runs that their batch system keeps: nobody waits until it is on the disk that they were handed over. Whatever is lost by that
//! is with the batch system.

use super::*;

fn kept() -> JobSpec {
    let mut spec = JobSpec::new("true");
    spec.attributes.insert("elsewhere", "1");
    spec.attributes.insert(jobgate_model::DESCRIBED, "v0.0.42");
    spec
}

fn shown(engine: &Engine, job: &Job) -> (State, String) {
    let job = engine.find(&me(), Need::Read, None, &job.jobid).unwrap();
    (job.state, job.info)
}

#[test]
fn what_only_the_tree_knows_is_not_handed_over_again() {
    let bench = Bench::new();
    let job = bench.create(kept(), Start::Yes);
    reach(&job, 1, Queued, "100");
    assert!(bench.engine.launch(job.key, OnRefusal::Report).unwrap().is_empty());
    assert_eq!((bench.batch.taken(), shown(&bench.engine, &job)), (0, (Queued, "100".into())));
    assert!(bench.batch.looked_for.lock().unwrap().is_empty(), "it is known");
}

#[test]
fn what_a_power_failure_took_is_asked_of_the_batch_system() {
    let bench = Bench::new();
    let job = bench.create(kept(), Start::Yes);
    *bench.batch.mood.lock().unwrap() = Mood::Vanish;
    bench.engine.launch(job.key, OnRefusal::Report).unwrap_err();
    bench.engine.store.update(|c| c.execute("UPDATE run SET boot = 'earlier', claim = '1:1:earlier'", [])).unwrap();
    bench.engine.poll(&me(), job.key).unwrap();
    assert_eq!((bench.batch.taken(), shown(&bench.engine, &job)), (1, (Queued, "77".into())));
    let looked_for = bench.batch.looked_for.lock().unwrap();
    let Some(Untold { since, until }) = looked_for[0] else { panic!("its directory may not tell all") };
    assert!(since > 0.0 && until > 0.0, "{since} {until}");
}

/// Somebody begins the history and cancels the run while it is being recorded as queued.
#[test]
fn what_is_appended_while_a_run_is_recorded_comes_behind_that() {
    let bench = Bench::new();
    *bench.batch.mood.lock().unwrap() = Mood::Vanish;
    let job = submit(&bench, None).unwrap().job;
    std::fs::write(job.base.join("status.csv"), "").unwrap();
    let (blocked, is_blocked) = std::sync::mpsc::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let key = job.key;
    std::thread::scope(|scope| {
        let (engine, now) = (&bench.engine, bench.engine.now());
        let queued = scope.spawn(move || {
            engine.store.write_unsynced(move |connection| {
                blocked.send(()).unwrap();
                released.recv().unwrap();
                let row = Transition { time: now, jobndx: 1, state: Queued, info: "100".into() };
                crate::store::history::advance(connection, key, row, now)
            })
        });
        is_blocked.recv().unwrap();
        let canceled = scope.spawn(move || {
            let row = Transition { time: now, jobndx: 1, state: Canceled, info: String::new() };
            let rule = super::super::record::Rule::UnlessOver;
            engine.record(&engine.by_key(key).unwrap(), &row, Evidence::Gateway, rule)
        });
        // it has appended its row, and waits for the index with the history locked
        while std::fs::read_to_string(job.base.join("status.csv")).unwrap().lines().count() < 2 {
            assert!(!canceled.is_finished(), "{:?}", canceled.join());
            std::thread::yield_now();
        }
        release.send(()).unwrap();
        assert!(queued.join().unwrap().unwrap().is_some());
        assert!(canceled.join().unwrap().unwrap().0.is_some());
    });
    let rows: Vec<State> = tree::tail(&job.base, 0).unwrap().rows.iter().map(|row| row.transition.state).collect();
    assert_eq!(rows, [New, Queued, Canceled]);
    assert_eq!(bench.states(&job), [(0, New), (1, Queued), (1, Canceled)]);
}

#[test]
fn an_intent_of_this_boot_is_told_by_its_directory() {
    let bench = Bench::new();
    let job = bench.create(kept(), Start::Yes);
    let own = crate::process::identity();
    bench.engine.store.update(move |c| crate::store::runs::claim(c, job.key, 1, Some(own), "1:1:x")).unwrap();
    bench.engine.poll(&me(), job.key).unwrap();
    assert_eq!(*bench.batch.looked_for.lock().unwrap(), [None]);
    assert_eq!(bench.batch.taken(), 1);
}

fn new(promise: Option<&str>) -> NewJob {
    NewJob {
        spec: kept(),
        generation: Generation::V3,
        place: None,
        start: Start::Yes,
        idempotency: promise.map(|key| Idempotency { key: key.into(), digest: [1; 32] }),
        environment: None,
    }
}

fn submit(bench: &Bench, promise: Option<&str>) -> Result<Submitted, Error> {
    bench.engine.submit(&me(), new(promise), b"{\"words\":1}")
}

/// What is in the prefix, and how many jobs are listed.
fn left(bench: &Bench) -> (usize, usize) {
    let mut listed = 0;
    bench.engine.list(&me(), &ListQuery::default(), &mut |_| listed += 1).unwrap();
    (std::fs::read_dir(bench.prefix()).unwrap().count(), listed)
}

#[test]
fn what_is_described_is_submitted_once_promised_or_not() {
    let bench = Bench::new();
    for (nth, promise) in [None, Some("key")].into_iter().enumerate() {
        let submitted = submit(&bench, promise).unwrap();
        let native = (100 + nth).to_string();
        assert_eq!(submitted.launched.unwrap().native.0, native);
        let job = bench.engine.job(&me(), submitted.job.key).unwrap();
        assert_eq!((job.state, job.info, job.live), (Queued, native, true));
        assert_eq!(tree::tail(&job.base, 0).unwrap().rows.len(), 2);
        assert_eq!(tree::read_spec(&job.base).unwrap().unwrap().spec, bench.engine.spec(&me(), job.key).unwrap());
        assert!(!job.base.join("work").exists() && !job.base.join("log").exists(), "it runs elsewhere");
        let stored = bench.engine.store.read(|c| crate::store::jobs::spec(c, job.key)).unwrap().unwrap();
        assert_eq!(stored.description.as_deref(), Some(&b"{\"words\":1}"[..]));
    }
    let again = submit(&bench, Some("key")).unwrap();
    assert!(again.launched.is_none() && bench.batch.taken() == 2);
}

#[test]
fn what_is_refused_before_or_after_it_was_sent_leaves_nothing() {
    let bench = Bench::new();
    for mood in [Mood::Refuse, Mood::Decline] {
        *bench.batch.mood.lock().unwrap() = mood;
        for promise in [None, Some("key")] {
            assert_eq!(submit(&bench, promise).unwrap_err().message(), "no");
            assert_eq!(left(&bench), (0, 0), "{mood:?} {promise:?}");
        }
    }
}

#[test]
fn what_was_sent_and_cannot_be_recorded_is_taken_back() {
    let bench = Bench::new();
    let fails = "CREATE TRIGGER full BEFORE INSERT ON run BEGIN SELECT RAISE(FAIL, 'full'); END";
    bench.engine.store.update(move |c| c.execute_batch(fails)).unwrap();
    submit(&bench, None).unwrap_err();
    assert_eq!(left(&bench), (0, 0));
    let (taken, canceled) = (bench.batch.taken.lock().unwrap(), bench.batch.canceled.lock().unwrap());
    assert_eq!(canceled.iter().map(|run| &run.marker).collect::<Vec<_>>(), taken.iter().collect::<Vec<_>>());
    assert_eq!(canceled[0].native, Some(NativeId("100".into())));
}

#[test]
fn a_new_directory_is_left_to_the_thread_that_fills_it() {
    let bench = Bench::new();
    let (keys, to_fill) = std::sync::mpsc::channel();
    bench.engine.filling.set(keys).unwrap();
    let job = submit(&bench, None).unwrap().job;
    bench.engine.adopt().unwrap();
    bench.engine.look_at_all(vec![bench.engine.by_key(job.key).unwrap()]).unwrap();
    assert_eq!(std::fs::read_dir(&job.base).unwrap().count(), 0);
    let engine = Arc::downgrade(&bench.engine);
    let filling = std::thread::spawn(move || Engine::keep_filling(&engine, &to_fill));
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while !job.base.join("spec.json").exists() {
        assert!(std::time::Instant::now() < end, "nobody fills it");
        std::thread::yield_now();
    }
    assert_eq!(tree::tail(&job.base, 0).unwrap().rows.len(), 2);
    // it ends with the engine
    drop(bench.engine);
    filling.join().unwrap();
}

#[test]
fn a_tree_that_was_being_filled_is_filled_by_the_next_gateway() {
    let bench = Bench::new();
    let job = submit(&bench, None).unwrap().job;
    let file = job.base.join("spec.json");
    let whole = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    // of jobs that were not recorded, or are being submitted, or are psik's, or of something else
    let [old, new, full, other] =
        ["1000.000", "99999999999.000", "1001.000", "things"].map(|name| bench.prefix().join(name));
    for dir in [&old, &new, &full, &other] {
        std::fs::create_dir(dir).unwrap();
    }
    std::fs::write(full.join("x"), "").unwrap();
    let (keys, to_fill) = std::sync::mpsc::channel();
    drop(keys);
    Engine::keep_filling(&Arc::downgrade(&bench.engine), &to_fill);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), whole);
    assert_eq!([&old, &new, &full, &other].map(|dir| dir.exists()), [false, true, true, true]);
}

#[test]
fn what_could_not_be_filled_is_tried_again() {
    let bench = Bench::new();
    let (keys, to_fill) = std::sync::mpsc::channel();
    bench.engine.filling.set(keys).unwrap();
    let job = submit(&bench, None).unwrap().job;
    let file = job.base.join("spec.json");
    std::fs::create_dir(&file).unwrap();
    let engine = Arc::downgrade(&bench.engine);
    let filling = std::thread::spawn(move || Engine::keep_filling(&engine, &to_fill));
    let wait_for = |what: &str, done: &dyn Fn() -> bool| {
        let end = std::time::Instant::now() + Duration::from_secs(20);
        while !done() {
            assert!(std::time::Instant::now() < end, "{what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    wait_for("it is begun", &|| tree::size(&job.base).unwrap() > 0);
    std::fs::remove_dir(&file).unwrap();
    wait_for("it is filled", &|| tree::read_spec(&job.base).is_ok_and(|spec| spec.is_some()));
    drop(bench.engine);
    filling.join().unwrap();
}

#[test]
fn what_its_submitter_was_told_to_be_recorded_is_sent_again() {
    let bench = Bench::new();
    *bench.batch.mood.lock().unwrap() = Mood::Vanish;
    let submitted = submit(&bench, None).unwrap();
    assert!(submitted.launched.is_none());
    *bench.batch.mood.lock().unwrap() = Mood::Accept;
    bench.batch.taken.lock().unwrap().clear();
    bench.engine.poll(&me(), submitted.job.key).unwrap();
    assert_eq!((bench.batch.taken(), shown(&bench.engine, &submitted.job)), (1, (Queued, "100".into())));
    let Some(Untold { since, until }) = bench.batch.looked_for.lock().unwrap()[0] else { panic!("it was sent") };
    assert!(since <= until, "{since} {until}");
}

#[test]
fn what_is_sent_is_recorded_when_there_is_an_answer() {
    let bench = Bench::new();
    *bench.batch.watched.lock().unwrap() = Arc::downgrade(&bench.engine);
    let job = submit(&bench, None).unwrap().job;
    // nobody took its directory for a job, or for nothing
    assert_eq!(*bench.batch.listed.lock().unwrap(), [0]);
    assert_eq!((left(&bench), shown(&bench.engine, &job)), ((1, 1), (Queued, "100".into())));
    assert_eq!(bench.states(&job), [(0, New), (1, Queued)]);
}

#[test]
fn a_history_that_is_not_begun_gets_its_first_row_from_whoever_is_first() {
    let bench = Bench::new();
    let job = bench.create(kept(), Start::Yes);
    std::fs::write(job.base.join("status.csv"), "").unwrap();
    bench.engine.cancel(&me(), job.key).unwrap();
    let rows: Vec<State> = tree::tail(&job.base, 0).unwrap().rows.iter().map(|row| row.transition.state).collect();
    assert_eq!(rows, [New, Canceled, Canceled]);
    assert_eq!(bench.states(&job), [(0, New), (1, Canceled), (0, Canceled)]);
}
