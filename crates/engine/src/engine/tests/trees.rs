//! The tree as the meeting point: psik's jobs, lost rows, many writers.

use super::*;

#[test]
fn psiks_own_jobs_are_taken_in_followed_and_dropped() {
    let bench = Bench::new();
    let base = bench.prefix().join("123.456");
    let mut spec = JobSpec::new("echo hi");
    spec.name = Some("foreign".into());
    spec.directory = Some("/".into());
    let at = |time, jobndx, state, info: &str| Transition { time, jobndx, state, info: info.into() };
    tree::create(&base, &spec, &[at(1.0, 0, New, "{}"), at(2.0, 1, Queued, "4711"), at(3.0, 1, Active, "")]).unwrap();
    std::fs::create_dir(bench.prefix().join("77")).unwrap();
    std::fs::write(bench.prefix().join("junk"), "").unwrap();
    assert_eq!(bench.engine.adopt().unwrap().changed, 1);
    let id = JobId::parse("123.456").unwrap();
    let job = bench.engine.find(&me(), Need::Read, None, &id).unwrap();
    assert_eq!((job.state, job.live, job.name.as_deref()), (Active, true, Some("foreign")));
    tree::append(&base, &at(4.0, 1, Completed, "")).unwrap();
    assert_eq!(bench.engine.find(&me(), Need::Read, None, &id).unwrap().state, Completed);
    assert!(bench.engine.deliveries(&me(), None, 10).unwrap().is_empty());
    // The same file with something else in it, and shorter.
    std::fs::write(base.join("status.csv"), "1.0,0,new,{}\n5.0,1,failed,7\n").unwrap();
    assert_eq!(bench.engine.find(&me(), Need::Read, None, &id).unwrap().state, Failed);
    std::fs::remove_dir_all(&base).unwrap();
    assert_eq!(bench.engine.find(&me(), Need::Read, None, &id).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(bench.engine.counts().unwrap().jobs, [0; 6]);
}

#[test]
fn a_run_of_psiks_that_was_quicker_than_its_number_can_be_canceled() {
    let bench = Bench::new();
    let base = bench.prefix().join("123.456");
    let at = |time, jobndx, state, info: &str| Transition { time, jobndx, state, info: info.into() };
    let rows = [at(1.0, 0, New, "{}"), at(3.0, 1, Active, ""), at(2.0, 1, Queued, "4711")];
    let spec = JobSpec { directory: Some("/".into()), ..JobSpec::new("sleep 60") };
    tree::create(&base, &spec, &rows).unwrap();
    bench.engine.adopt().unwrap();
    let job = bench.engine.find(&me(), Need::Read, None, &JobId::parse("123.456").unwrap()).unwrap();
    assert_eq!(job.state, Active);
    bench.engine.cancel(&me(), job.key).unwrap();
    let canceled = bench.batch.canceled.lock().unwrap();
    let [run] = canceled.as_slice() else { panic!("{canceled:?}") };
    assert_eq!((run.native.as_ref().map(|native| native.0.as_str()), run.since), (Some("4711"), 2.0));
}

#[test]
fn the_index_is_rebuilt_from_the_tree() {
    let bench = Bench::new();
    let job = bench.run(JobSpec::new("true"));
    reach(&job, 1, Completed, "");
    let before = bench.states(&job);
    drop(bench.engine);
    std::fs::remove_dir_all(bench.dir.path().join("state")).unwrap();
    let engine = open(bench.dir.path(), &bench.batch, Clock::system());
    assert_eq!(engine.reindex().unwrap().changed, 1);
    let found = engine.find(&me(), Need::Read, None, &job.jobid).unwrap();
    let after: Vec<_> =
        engine.history(&me(), found.key).unwrap().iter().map(|r| (r.transition.jobndx, r.transition.state)).collect();
    assert_eq!(after, before);
    engine.reindex().unwrap();
    assert_eq!(engine.history(&me(), found.key).unwrap().len(), before.len(), "rebuilding twice is the same");
}

#[test]
fn rows_that_a_power_failure_took_from_the_tree_come_back() {
    let bench = Bench::new();
    let job = bench.run(JobSpec::new("true"));
    std::fs::write(job.base.join("status.csv"), "").unwrap();
    bench.engine.job(&me(), job.key).unwrap();
    assert_eq!(tree::tail(&job.base, 0).unwrap().rows.len(), 2);
    assert_eq!(bench.states(&job), [(0, New), (1, Queued)]);

    std::fs::remove_dir_all(&job.base).unwrap();
    bench.engine.store.update(|c| crate::store::jobs::set_boot(c, "an earlier boot")).unwrap();
    let engine = open(bench.dir.path(), &bench.batch, Clock::system());
    assert_eq!(engine.find(&me(), Need::Read, None, &job.jobid).unwrap().state, Queued);
    assert!(job.base.join("work").is_dir());
}

#[test]
fn a_lost_run_is_recorded_once_with_its_evidence() {
    let bench = Bench::new();
    let job = bench.run(JobSpec::new("true"));
    reach(&job, 1, Active, "");
    bench.engine.poll(&me(), job.key).unwrap();
    bench.engine.poll(&me(), job.key).unwrap();
    let rows = bench.engine.history(&me(), job.key).unwrap();
    let last = rows.last().unwrap();
    assert_eq!(
        (last.transition.state, last.transition.info.as_str(), last.evidence),
        (Failed, "lost", Evidence::Query)
    );
    assert_eq!(rows.len(), 4);
}

#[test]
fn parallel_callbacks_are_all_recorded() {
    let bench = Bench::new();
    let job = bench.create(JobSpec::new("x"), Start::No);
    std::thread::scope(|scope| {
        for jobndx in 0..40 {
            let (engine, key) = (&bench.engine, job.key);
            scope.spawn(move || engine.reached(&me(), key, jobndx, Active, "", Evidence::Callback).unwrap());
        }
    });
    let mut seen: Vec<i64> = bench.states(&job)[1..].iter().map(|(jobndx, _)| *jobndx).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..40).collect::<Vec<_>>());
}

#[test]
fn two_engines_on_one_index_record_each_row_once() {
    let bench = Bench::new();
    let other = open(bench.dir.path(), &bench.batch, Clock::system());
    let job = bench.create(JobSpec::new("x"), Start::No);
    std::thread::scope(|scope| {
        for engine in [&bench.engine, &other] {
            scope.spawn(|| {
                for jobndx in 1..30 {
                    engine.reached(&me(), job.key, jobndx, Active, "", Evidence::Callback).unwrap();
                    engine.job(&me(), job.key).unwrap();
                }
            });
        }
    });
    let rows = tree::tail(&job.base, 0).unwrap().rows.len();
    assert_eq!(rows, 1 + 2 * 29);
    assert_eq!(bench.engine.history(&me(), job.key).unwrap().len(), rows);
}

#[test]
fn what_a_runner_reports_itself_is_not_sent_again() {
    let bench = Bench::new();
    let mut spec = JobSpec::new("x");
    spec.callback = Some("http://127.0.0.1:9/".into());
    let job = bench.run(spec);
    let told = || -> Vec<State> {
        bench.engine.deliveries(&me(), Some(job.key), 9).unwrap().iter().rev().map(|delivery| delivery.state).collect()
    };
    assert_eq!(told(), [Queued]);
    tree::announce_reports(&job.base, 1).unwrap();
    reach(&job, 1, Active, "");
    bench.engine.job(&me(), job.key).unwrap();
    assert_eq!(told(), [Queued]);
    // The runner died: its end is ours to tell.
    bench.engine.poll(&me(), job.key).unwrap();
    assert_eq!(told(), [Queued, Failed]);
}

#[test]
fn a_stopped_run_that_records_nothing_is_asked_after() {
    let bench = Bench::new();
    let job = bench.run(JobSpec::new("sleep"));
    assert_eq!(bench.engine.cancel(&me(), job.key).unwrap(), Cancelled::Stopping);
    assert_eq!(bench.engine.settle_cancel(job.key, Duration::from_secs(20)).unwrap(), Cancelled::Done);
    assert_eq!(bench.states(&job), [(0, New), (1, Queued), (1, Failed), (0, Canceled)]);
}

#[test]
fn a_history_that_was_emptied_and_cannot_be_written_as_it_was_is_read_anew() {
    let bench = Bench::new();
    let job = bench.create(JobSpec::new("x"), Start::No);
    let file = job.base.join("status.csv");
    // somebody's own words, which no row gives back
    let text = std::fs::read_to_string(&file).unwrap() + "a line of somebody else\n9.000,1,failed,1\n";
    std::fs::write(&file, text).unwrap();
    assert_eq!(bench.engine.job(&me(), job.key).unwrap().state, Failed);
    for text in ["", "8.0,0,new,{}\n"] {
        std::fs::write(&file, text).unwrap();
        bench.engine.reached(&me(), job.key, 2, Active, "", Evidence::Callback).unwrap();
        let rows = tree::tail(&job.base, 0).unwrap().rows;
        let shown: Vec<_> = rows.iter().map(|row| (row.transition.jobndx, row.transition.state)).collect();
        assert_eq!(bench.states(&job), shown, "{text:?}");
        assert_eq!(shown.last(), Some(&(2, Active)));
    }
}

#[test]
fn callbacks_of_old_are_not_sent_again_while_the_index_is_rebuilt() {
    let bench = Bench::new();
    let mut spec = JobSpec::new("x");
    spec.callback = Some("http://127.0.0.1:9/".into());
    let job = bench.run(spec);
    reach(&job, 1, Completed, "");
    bench.engine.job(&me(), job.key).unwrap();
    let told = || bench.engine.deliveries(&me(), Some(job.key), 99).unwrap().len();
    assert_eq!(told(), 2);
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::SeqCst) {
                let record = bench.engine.by_key(job.key).unwrap();
                bench.engine.look_at_all(vec![record]).unwrap();
            }
        });
        for _ in 0..30 {
            bench.engine.reindex().unwrap();
        }
        is_done.store(true, Ordering::SeqCst);
    });
    assert_eq!((told(), bench.states(&job).len()), (2, 3));
}
