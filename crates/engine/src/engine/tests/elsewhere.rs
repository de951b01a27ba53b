//! Runs that their batch system keeps: nobody waits until it is on the disk that they were handed over. Whatever is lost by that
//! is in the tree, or with the batch system.

use std::sync::mpsc::channel;

use super::*;

fn kept() -> JobSpec {
    let mut spec = JobSpec::new("true");
    spec.attributes.insert("elsewhere", "1");
    spec
}

/// Hands a job over while nothing can be written to the index, and gives a copy of the index as it is then: what a process leaves
/// behind that dies at that moment.
fn handed_over_and_dead(bench: &Bench) -> (Job, PathBuf) {
    let job = bench.create(kept(), Start::Yes);
    let (blocked, is_blocked) = channel();
    let (release, released) = channel::<()>();
    let engine = Arc::clone(&bench.engine);
    let busy = std::thread::spawn(move || {
        engine.store.update(move |_| {
            blocked.send(()).unwrap();
            released.recv().unwrap();
            Ok(())
        })
    });
    is_blocked.recv().unwrap();
    let launched = bench.engine.launch(job.key, OnRefusal::Report).unwrap();
    assert_eq!(launched.len(), 1, "nobody waits for the index");
    let rows = std::fs::read_to_string(job.base.join("status.csv")).unwrap();
    assert_eq!(rows.lines().count(), 2, "the row is in the tree: {rows}");
    let copy = bench.path().join("copy");
    std::fs::create_dir_all(copy.join("state")).unwrap();
    for name in ["index.db", "index.db-wal"] {
        std::fs::copy(bench.path().join("state").join(name), copy.join("state").join(name)).unwrap();
    }
    release.send(()).unwrap();
    busy.join().unwrap().unwrap();
    (job, copy)
}

/// The engine of the next process, with that index and the same jobs.
fn next(bench: &Bench, copy: &Path) -> Arc<Engine> {
    let setup = Setup { state_dir: copy.join("state"), ..bench.engine.setup.clone() };
    Arc::new(Engine::open(setup).unwrap())
}

fn shown(engine: &Engine, job: &Job) -> (State, String) {
    let job = engine.find(&me(), Need::Read, None, &job.jobid).unwrap();
    (job.state, job.info)
}

#[test]
fn the_row_is_taken_in_a_little_later() {
    let bench = Bench::new();
    let job = bench.run(kept());
    assert_eq!((job.state, job.info.as_str(), job.live), (Queued, "100", true));
    assert!(bench.engine.launch(job.key, OnRefusal::Report).unwrap().is_empty());
    assert_eq!(bench.batch.taken(), 1);
    let rows = bench.engine.history(&me(), job.key).unwrap();
    assert_eq!(rows.iter().map(|row| row.evidence).collect::<Vec<_>>(), [Evidence::Gateway; 2]);
    reach(&job, 1, Completed, "");
    assert_eq!(bench.engine.job(&me(), job.key).unwrap().state, Completed);
}

#[test]
fn what_only_the_tree_knows_is_not_handed_over_again() {
    let bench = Bench::new();
    let (job, copy) = handed_over_and_dead(&bench);
    let engine = next(&bench, &copy);
    assert!(engine.launch(job.key, OnRefusal::Report).unwrap().is_empty());
    assert_eq!((bench.batch.taken(), shown(&engine, &job)), (1, (Queued, "100".into())));
    assert!(bench.batch.looked_for.lock().unwrap().is_empty(), "it is known");
}

#[test]
fn what_a_power_failure_took_is_asked_of_the_batch_system() {
    let bench = Bench::new();
    let (job, copy) = handed_over_and_dead(&bench);
    let engine = next(&bench, &copy);
    // the tree's last moments are lost, too
    std::fs::write(job.base.join("status.csv"), tree::tail(&job.base, 0).unwrap().rows[0].transition.to_row()).unwrap();
    engine.store.update(|c| c.execute("UPDATE run SET boot = 'earlier', claim = '1:1:earlier'", [])).unwrap();
    engine.poll(&me(), job.key).unwrap();
    assert_eq!((bench.batch.taken(), shown(&engine, &job)), (1, (Queued, "77".into())));
    let looked_for = bench.batch.looked_for.lock().unwrap();
    let Some(Untold { intended, booted }) = looked_for[0] else { panic!("its directory may not tell all") };
    assert!(intended > 0.0 && booted > 0.0, "{intended} {booted}");
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

#[test]
fn a_description_comes_back_with_its_tree() {
    let bench = Bench::new();
    let new = NewJob {
        spec: kept(),
        generation: Generation::V3,
        place: None,
        start: Start::No,
        idempotency: None,
        environment: None,
    };
    let job = bench.engine.create_described(&me(), new, Some(b"{\"words\":1}")).unwrap().job;
    let file = job.base.join(jobgate_model::DESCRIPTION);
    for lost in ["", "{\"wo"] {
        std::fs::write(&file, lost).unwrap();
        bench.engine.store.update(|c| crate::store::jobs::set_boot(c, "an earlier boot")).unwrap();
        drop(open(bench.path(), &bench.batch, Clock::system()));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "{\"words\":1}", "it was {lost:?}");
    }
    // and the index gets it from the tree
    std::fs::remove_dir_all(bench.path().join("state")).unwrap();
    let engine = open(bench.path(), &bench.batch, Clock::system());
    engine.reindex().unwrap();
    let key = engine.find(&me(), Need::Read, None, &job.jobid).unwrap().key;
    let stored = engine.store.read(|c| crate::store::jobs::spec(c, key)).unwrap().unwrap();
    assert_eq!(stored.description.as_deref(), Some(&b"{\"words\":1}"[..]));
}
