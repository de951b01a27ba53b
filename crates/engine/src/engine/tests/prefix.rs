//! Prefixes that are not mounted, and jobs that cannot be restored.

use super::*;

fn known(engine: &Engine) -> usize {
    engine.counts().unwrap().jobs.iter().sum::<u64>() as usize
}

#[test]
fn jobs_of_a_prefix_that_is_not_mounted_are_not_forgotten() {
    let bench = Bench::new();
    let (prefix, away) = (bench.prefix(), bench.path().join("away"));
    let jobs = [bench.run(JobSpec::new("true")), bench.run(JobSpec::new("true"))];
    std::fs::rename(&prefix, &away).unwrap();
    std::fs::create_dir(&prefix).unwrap();
    // one that is begun before somebody looks, and one that was running
    let engine = open(bench.path(), &bench.batch, Clock::system());
    for engine in [&bench.engine, &engine] {
        engine.adopt().unwrap();
        let error = engine.find(&me(), Need::Read, None, &jobs[0].jobid).unwrap_err();
        assert_eq!((error.kind(), known(engine)), (ErrorKind::Unavailable, 2), "{error}");
        assert!(engine.ready().unwrap_err().message().contains("reindex"));
        assert!(engine.round(true).is_ok());
    }
    // A job more does not make it the directory that it was.
    bench.create(JobSpec::new("true"), Start::No);
    bench.engine.adopt().unwrap();
    assert_eq!(known(&bench.engine), 3);

    std::fs::remove_dir_all(&prefix).unwrap();
    std::fs::rename(&away, &prefix).unwrap();
    bench.engine.adopt().unwrap();
    bench.engine.ready().unwrap();
    assert_eq!(bench.engine.find(&me(), Need::Read, None, &jobs[0].jobid).unwrap().key, jobs[0].key);
    assert_eq!(known(&bench.engine), 2, "the one that was made elsewhere is not here");
}

#[test]
fn jobs_that_were_deleted_are_forgotten_and_so_is_a_prefix_with_a_word() {
    let bench = Bench::new();
    let only = bench.create(JobSpec::new("true"), Start::No);
    std::fs::remove_dir_all(&only.base).unwrap();
    bench.engine.adopt().unwrap();
    assert_eq!(known(&bench.engine), 0);
    let only = bench.create(JobSpec::new("true"), Start::No);
    std::fs::remove_dir_all(&only.base).unwrap();
    assert_eq!(bench.engine.find(&me(), Need::Read, None, &only.jobid).unwrap_err().kind(), ErrorKind::NotFound);
    bench.create(JobSpec::new("true"), Start::No);
    std::fs::rename(bench.prefix(), bench.path().join("old")).unwrap();
    std::fs::create_dir(bench.prefix()).unwrap();
    bench.engine.adopt().unwrap();
    assert_eq!(known(&bench.engine), 1);
    bench.engine.reindex().unwrap();
    assert_eq!(known(&bench.engine), 0);
}

#[test]
fn a_copy_of_a_prefix_is_taken_for_it() {
    let bench = Bench::new();
    let jobs = [bench.create(JobSpec::new("true"), Start::No), bench.create(JobSpec::new("true"), Start::No)];
    std::fs::rename(bench.prefix(), bench.path().join("old")).unwrap();
    std::fs::create_dir(bench.prefix()).unwrap();
    for job in &jobs {
        std::fs::rename(bench.path().join("old").join(job.jobid.as_str()), &job.base).unwrap();
    }
    bench.engine.adopt().unwrap();
    std::fs::remove_dir_all(&jobs[0].base).unwrap();
    std::fs::remove_dir_all(&jobs[1].base).unwrap();
    bench.engine.adopt().unwrap();
    assert_eq!(known(&bench.engine), 0);
}

#[test]
fn a_job_that_cannot_be_restored_keeps_nobody_from_starting() {
    let bench = Bench::new();
    let jobs = [bench.run(JobSpec::new("true")), bench.run(JobSpec::new("true"))];
    for job in &jobs {
        std::fs::remove_dir_all(&job.base).unwrap();
    }
    // and one whose place is not configured any more
    let elsewhere = "INSERT INTO prefix (path) VALUES ('/nowhere');
        UPDATE spec SET text = '{' WHERE job = 1; UPDATE meta SET value = 'an earlier boot' WHERE key = 'boot';
        INSERT INTO job (prefix, jobid, number, owner, backend, generation, created, updated, jobndx, state, info, live, next_ndx, offset)
            VALUES (2, '5.000', 5, 'x', 'gone', 3, 5, 5, 1, 1, '', 1, 2, 9)";
    bench.engine.store.update(move |c| c.execute_batch(elsewhere)).unwrap();
    let engine = open(bench.path(), &bench.batch, Clock::system());
    assert!(!jobs[0].base.exists() && jobs[1].base.join("spec.json").exists());
    assert_eq!(engine.find(&me(), Need::Read, None, &jobs[1].jobid).unwrap().state, Queued);
}

/// The files of the jobs are there again when the disk is: nothing is written into the directory below it.
#[test]
fn nothing_is_restored_into_a_prefix_that_is_not_mounted() {
    let bench = Bench::new();
    let job = bench.run(JobSpec::new("true"));
    let away = bench.path().join("away");
    std::fs::rename(bench.prefix(), &away).unwrap();
    bench.engine.store.update(|c| crate::store::jobs::set_boot(c, "an earlier boot")).unwrap();
    open(bench.path(), &bench.batch, Clock::system());
    assert_eq!(std::fs::read_dir(bench.prefix()).unwrap().count(), 0);
    std::fs::remove_dir(bench.prefix()).unwrap();
    std::fs::rename(&away, bench.prefix()).unwrap();
    std::fs::remove_file(job.base.join("spec.json")).unwrap();
    open(bench.path(), &bench.batch, Clock::system());
    assert!(job.base.join("spec.json").exists());
}
