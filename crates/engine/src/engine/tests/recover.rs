//! What was sent and not recorded, what is to be stopped before that is known, and what somebody left behind.

use super::*;

fn array(last: &str) -> JobSpec {
    let mut spec = JobSpec::new("true");
    spec.attributes.insert("--array", last);
    spec
}

fn sql(bench: &Bench, text: &'static str) {
    bench.engine.store.update(move |connection| connection.execute_batch(text)).unwrap();
}

/// Nothing that says that the batch system has a run can be recorded, nor that it is to be looked for.
const FULL: &str = "CREATE TRIGGER full_event BEFORE INSERT ON event WHEN NEW.state = 1 BEGIN SELECT RAISE(FAIL, 'full'); END;
    CREATE TRIGGER full_run BEFORE UPDATE OF claim ON run WHEN NEW.claim IS NULL BEGIN SELECT RAISE(FAIL, 'full'); END;";
const FREE: &str = "DROP TRIGGER full_event; DROP TRIGGER full_run";

#[test]
fn a_canceled_run_whose_submission_got_no_answer_is_found_and_stopped() {
    let bench = Bench::new();
    *bench.batch.mood.lock().unwrap() = Mood::Vanish;
    let job = bench.create(JobSpec::new("true"), Start::Yes);
    bench.engine.launch(job.key, OnRefusal::Record).unwrap();
    bench.batch.uncertain.store(true, Ordering::SeqCst);
    assert_eq!(bench.engine.cancel(&me(), job.key).unwrap(), Cancelled::Stopping);
    assert_eq!(bench.engine.settle_cancel(job.key, Duration::ZERO).unwrap(), Cancelled::Stopping);
    assert_eq!(bench.states(&job), [(0, New)], "nothing is said before it is certain");
    bench.batch.uncertain.store(false, Ordering::SeqCst);
    bench.engine.round(false).unwrap();
    bench.engine.round(false).unwrap();
    assert_eq!(bench.states(&job), [(0, New), (1, Queued), (1, Canceled), (0, Canceled)]);
    let canceled = bench.batch.canceled.lock().unwrap();
    assert_eq!(canceled.iter().map(|run| run.native.clone().unwrap().0).collect::<Vec<_>>(), ["77"]);
}

#[test]
fn a_canceled_run_that_never_arrived_is_not_sent_again() {
    let bench = Bench::new();
    *bench.batch.mood.lock().unwrap() = Mood::Vanish;
    let job = bench.create(JobSpec::new("true"), Start::Yes);
    bench.engine.launch(job.key, OnRefusal::Record).unwrap();
    bench.batch.taken.lock().unwrap().clear();
    bench.batch.uncertain.store(true, Ordering::SeqCst);
    bench.engine.cancel_run(&me(), job.key, 1).unwrap();
    bench.batch.uncertain.store(false, Ordering::SeqCst);
    bench.engine.round(false).unwrap();
    assert_eq!((bench.states(&job), bench.batch.taken()), (vec![(0, New), (1, Canceled)], 0));
}

#[test]
fn a_job_that_is_canceled_while_it_is_sent_is_stopped_as_soon_as_that_is_known() {
    for mood in [Mood::Accept, Mood::Vanish] {
        for kept in [false, true] {
            let bench = Bench::new();
            *bench.batch.mood.lock().unwrap() = mood;
            let mut spec = JobSpec::new("true");
            if kept {
                spec.attributes.insert("elsewhere", "1");
            }
            let job = bench.create(spec, Start::Yes);
            *bench.batch.watched.lock().unwrap() = Arc::downgrade(&bench.engine);
            *bench.batch.unwanted.lock().unwrap() = Some(job.key);
            assert!(bench.engine.launch(job.key, OnRefusal::Record).unwrap().is_empty());
            for _ in 0..2 {
                bench.engine.round(false).unwrap();
            }
            assert_eq!(bench.states(&job), [(0, New), (1, Queued), (1, Canceled), (0, Canceled)], "{mood:?}");
            assert_eq!((bench.batch.taken(), bench.batch.canceled.lock().unwrap().len()), (1, 1), "{mood:?}");
            assert!(bench.batch.confirmed.lock().unwrap().is_empty());
        }
    }
}

#[test]
fn a_batch_system_that_cannot_be_told_to_stop_a_run_is_told_later() {
    let bench = Bench::new();
    bench.batch.deaf.store(true, Ordering::SeqCst);
    let job = bench.create(JobSpec::new("true"), Start::Yes);
    *bench.batch.watched.lock().unwrap() = Arc::downgrade(&bench.engine);
    *bench.batch.unwanted.lock().unwrap() = Some(job.key);
    bench.engine.launch(job.key, OnRefusal::Record).unwrap();
    bench.engine.round(true).unwrap();
    assert_eq!(bench.states(&job)[..2], [(0, New), (1, Queued)]);

    // One task of two: nobody wants to stop the job.
    *bench.batch.unwanted.lock().unwrap() = None;
    let tasks = bench.create(array("1"), Start::Yes);
    bench.engine.store.update(move |c| crate::store::runs::set_to_stop(c, tasks.key, 1)).unwrap();
    *bench.batch.mood.lock().unwrap() = Mood::Vanish;
    sql(&bench, "UPDATE run SET claim = NULL");
    bench.engine.launch(tasks.key, OnRefusal::Record).unwrap();
    bench.batch.taken.lock().unwrap().extend(marker_of(&bench, tasks.key, 1));
    bench.engine.recover(&open_run(&bench, tasks.key, 1).unwrap()).unwrap();
    assert_eq!(bench.states(&tasks), [(0, New), (1, Queued)]);
    assert!(open_run(&bench, tasks.key, 1).unwrap().cancel);
    bench.batch.deaf.store(false, Ordering::SeqCst);
    bench.engine.round(true).unwrap();
    assert!(bench.states(&tasks).contains(&(1, Canceled)));
    assert!(open_run(&bench, tasks.key, 2).is_some_and(|run| !run.cancel));
}

fn open_run(bench: &Bench, key: JobKey, jobndx: i64) -> Option<crate::store::runs::OpenRun> {
    bench.engine.store.read(|c| crate::store::runs::one(c, key, jobndx)).unwrap().map(|(run, _)| run)
}

fn marker_of(bench: &Bench, key: JobKey, jobndx: i64) -> Option<String> {
    open_run(bench, key, jobndx).map(|run| run.marker)
}

#[test]
fn a_run_that_was_taken_and_cannot_be_recorded_is_looked_for_and_not_called_refused() {
    for on_refusal in [OnRefusal::Report, OnRefusal::Record] {
        let bench = Bench::new();
        let job = bench.create(JobSpec::new("true"), Start::Yes);
        sql(&bench, FULL);
        let launched = bench.engine.launch(job.key, on_refusal);
        assert_eq!(
            launched.err().map(|error| error.kind()),
            (on_refusal == OnRefusal::Report).then_some(ErrorKind::Timeout)
        );
        assert!(bench.engine.launch(job.key, OnRefusal::Report).unwrap().is_empty(), "it is not sent again");
        sql(&bench, FREE);
        // its row may have been written, and is taken in then
        bench.engine.round(false).unwrap();
        assert_eq!((bench.states(&job), bench.batch.taken()), (vec![(0, New), (1, Queued)], 1), "{on_refusal:?}");
    }
}

#[test]
fn a_job_with_an_idempotency_key_is_kept_if_its_run_was_taken() {
    let bench = Bench::new();
    let submit = || {
        let mut spec = JobSpec::new("true");
        spec.attributes.insert("elsewhere", "1");
        let idempotency = Some(Idempotency { key: "k".into(), digest: [1; 32] });
        let (generation, start) = (Generation::V3, Start::Yes);
        let new = NewJob { spec, generation, place: None, start, idempotency, environment: None };
        bench.engine.submit(&me(), new, b"{}").unwrap()
    };
    sql(&bench, FULL);
    let first = submit();
    assert!(first.launched.is_none());
    sql(&bench, FREE);
    assert_eq!(submit().job.key, first.job.key);
    bench.engine.round(false).unwrap();
    assert_eq!((bench.states(&first.job), bench.batch.taken()), (vec![(0, New), (1, Queued)], 1));
}

#[test]
fn an_array_that_is_refused_at_once_leaves_the_job_as_it_was() {
    let bench = Bench::new();
    *bench.batch.mood.lock().unwrap() = Mood::Refuse;
    let job = bench.create(array("3"), Start::Yes);
    assert_eq!(bench.engine.launch(job.key, OnRefusal::Report).unwrap_err().message(), "no");
    assert_eq!(bench.states(&job), [(0, New)]);
    assert!(!bench.engine.job(&me(), job.key).unwrap().live);
    assert_eq!(bench.engine.start(&me(), job.key, None).unwrap(), [1, 2, 3, 4]);
}

#[test]
fn tasks_behind_one_that_is_refused_are_not_left_for_ever() {
    let bench = Bench::new();
    *bench.batch.mood.lock().unwrap() = Mood::Fill(2);
    let job = bench.create(array("4"), Start::Yes);
    bench.engine.launch(job.key, OnRefusal::Report).unwrap_err();
    assert_eq!(bench.states(&job), [(0, New), (1, Queued), (2, Queued)]);
    *bench.batch.mood.lock().unwrap() = Mood::Fill(4);
    bench.engine.round(false).unwrap();
    assert_eq!(bench.states(&job)[3..], [(3, Queued), (4, Queued), (5, Failed)]);
}

#[test]
fn an_intent_that_a_living_process_left_behind_is_finished() {
    let bench = Bench::new();
    let job = bench.create(JobSpec::new("true"), Start::Yes);
    bench.engine.round(false).unwrap();
    assert_eq!(bench.states(&job), [(0, New)], "somebody is about to hand it over");
    sql(&bench, "UPDATE run SET intended = intended - 60");
    let round = bench.engine.in_hand.round(job.key);
    bench.engine.round(false).unwrap();
    assert_eq!(bench.states(&job), [(0, New)], "a thread is at it");
    drop(round);
    bench.engine.round(false).unwrap();
    assert_eq!((bench.states(&job), bench.batch.taken()), (vec![(0, New), (1, Queued)], 1));
    assert!(bench.engine.launch(job.key, OnRefusal::Record).unwrap().is_empty());
    assert_eq!(bench.batch.taken(), 1);
}

#[test]
fn what_an_older_version_sent_and_did_not_record_is_never_sent_again() {
    let bench = Bench::new();
    let job = bench.create(JobSpec::new("true"), Start::Yes);
    sql(&bench, "UPDATE run SET once = 1, sent = intended, claim = '1:1:x'");
    bench.engine.poll(&me(), job.key).unwrap();
    assert_eq!((bench.states(&job), bench.batch.taken()), (vec![(0, New), (1, Failed)], 0));
}
