//! The real Autosubmit, driven by our runners, while we read what it writes; and our background workers beside the original's.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::Offset;
use jobgate_autosubmit::expid::Expid;
use jobgate_autosubmit::runners::{Loader, NewExperiment, NewJobList, Runner, RunnerError, StatusChange};
use jobgate_autosubmit::status::JobStatus;
use jobgate_autosubmit::views::facts::Facts;
use jobgate_autosubmit::views::{Moment, Snapshot, brief, graph, tree};
use jobgate_autosubmit::workers::{Task, WorkerError, Workers};
use rusqlite::Connection;

use crate::fixture::experiments::Experiments;
use crate::fixture::sshd::{Sshd, user};
use crate::fixture::wait_for;

/// A run of a few small jobs, one of which fails.
const JOBS: &str = "  INI: {SCRIPT: 'sleep 1', RUNNING: member, WALLCLOCK: '00:05'}\n  \
SIM: {SCRIPT: 'echo sim; sleep 1', DEPENDENCIES: INI SIM-1, RUNNING: chunk, WALLCLOCK: '00:05'}\n  \
POST: {SCRIPT: 'echo post', DEPENDENCIES: SIM, RUNNING: chunk, WALLCLOCK: '00:05'}\n";
const LONG: Duration = Duration::from_secs(150);

fn local() -> Runner {
    Runner::local(Loader::NoModule)
}

fn moment() -> Moment {
    Moment::new(jiff::Timestamp::now().as_second(), Offset::UTC)
}

#[test]
fn what_is_read_beside_a_run_is_never_wrong_and_agrees_at_its_end() {
    let Some(site) = Experiments::new() else { return };
    let expid = site.make(JOBS);
    let runners = site.runners();
    assert!(runners.version(&local()).unwrap().contains("4.1.17"));
    let process = runners.run(&local(), &expid).unwrap();
    assert_eq!(process.status, "ACTIVE");
    // everything is read as fast as can be while Autosubmit writes: no reading fails, and no job goes back from its end
    let ours = site.site();
    let (mut reads, mut completed) = (0, 0);
    wait_for("the run's end", LONG, || {
        let snapshot = Snapshot::read(&ours, &expid).unwrap();
        let facts = Facts::of(&snapshot, moment());
        let summary = brief::summary(&snapshot.jobs, &facts.times);
        assert_eq!(snapshot.jobs.len(), 10, "a half-written list was taken for a whole one");
        let titles = tree::titles(&facts);
        let tree = tree::tree(&facts, &titles);
        graph::graph(&facts, &graph::Placement::Layers, graph::Grouping::None).unwrap();
        let now = snapshot.jobs.counts()[(JobStatus::Completed.code() + 3) as usize];
        assert!(now >= completed, "{now} after {completed} jobs are complete");
        assert_eq!((serde_json::to_value(&tree).unwrap()["total"].as_u64(), summary.n_failed), (Some(10), 0));
        completed = now;
        reads += 1;
        ours.statuses().unwrap();
        (runners.last(&expid).unwrap().status != "ACTIVE").then_some(())
    });
    assert!(reads > 20, "{reads} readings");
    assert_eq!(runners.settle().unwrap(), 1);
    assert_eq!(runners.last(&expid).unwrap().status, "COMPLETED");
    // what the original's reader makes of the same files
    let script = "import json, sys\nfrom autosubmit_api.config.basicConfig import APIBasicConfig\nAPIBasicConfig.read()\n\
        from autosubmit_api.repositories.jobs import create_jobs_repository\n\
        from autosubmit_api.repositories.job_data import create_experiment_job_data_repository\n\
        e = sys.argv[1]\nj = {j.name: j.status for j in create_jobs_repository(e).get_all()}\n\
        h = {r.job_name: [r.submit, r.start, r.finish] for r in create_experiment_job_data_repository(e).get_all()}\n\
        print('ANSWER' + json.dumps([j, h]))";
    let (theirs, times): (BTreeMap<String, i64>, BTreeMap<String, [i64; 3]>) =
        serde_json::from_value(site.original(script, &[expid.as_str()])).unwrap();
    let jobs = ours.jobs(&expid).unwrap();
    let mine: BTreeMap<String, i64> = jobs.jobs().iter().map(|job| (job.name.clone(), job.status.code())).collect();
    assert_eq!(mine, theirs);
    assert!(mine.values().all(|code| *code == 5), "{mine:?}");
    let history = ours.history(&expid).unwrap();
    for (name, times) in times {
        let attempt = history.last_try(&name).unwrap();
        assert_eq!([attempt.submit, attempt.start, attempt.finish], times, "{name}");
    }
}

#[test]
fn autosubmit_is_driven_in_all_its_ways() {
    let Some(site) = Experiments::new() else { return };
    let runners = site.runners();
    let canary = site.home.path("canary");
    let description = format!("it's \"x\"; touch {0}; $(touch {0})", canary.display());
    let new = NewExperiment {
        description: Some(description.clone()),
        hpc: Some("LOCAL".into()),
        testcase: true,
        minimal: true,
        ..NewExperiment::default()
    };
    let made = Expid::parse(&runners.create_experiment(&local(), &new).unwrap()).unwrap();
    assert!(made.as_str().starts_with('t'));
    let described = || site.site().experiment(&made).unwrap().description.unwrap();
    assert_eq!(described(), description);
    runners.describe(&local(), &made, "--help `id`").unwrap();
    assert_eq!(described(), "--help `id`");
    assert!(!canary.exists());

    let expid = site.make(
        "  LONG: {SCRIPT: 'sleep 300', RUNNING: once, WALLCLOCK: '00:10'}\n  \
                           NEXT: {SCRIPT: 'true', DEPENDENCIES: LONG, RUNNING: once, WALLCLOCK: '00:05'}\n",
    );
    runners.create_job_list(&local(), &expid, NewJobList { force: true, ..NewJobList::default() }).unwrap();
    let status = |name: &str| {
        let jobs = site.site().jobs(&expid).unwrap();
        jobs.get(&format!("{expid}_{name}")).unwrap().status
    };
    let change = |job: &str, to: &str| StatusChange {
        job_names_list: Some(vec![format!("{expid}_{job}")]),
        final_status: Some(to.into()),
        ..StatusChange::default()
    };
    runners.set_status(&local(), &expid, &change("NEXT", "COMPLETED")).unwrap();
    assert_eq!((status("LONG"), status("NEXT")), (JobStatus::Waiting, JobStatus::Completed));
    let error = runners.set_status(&local(), &expid, &change("NEXT", "NO_SUCH_STATUS")).unwrap_err();
    assert!(matches!(error, RunnerError::Failed { .. }), "{error}");

    // a run is stopped by Autosubmit itself, which then says so, and its process ends
    let process = runners.run(&local(), &expid).unwrap();
    assert_eq!(runners.run(&local(), &expid).unwrap_err(), RunnerError::Running(expid.to_string()));
    wait_for("the job", LONG, || (status("LONG") == JobStatus::Running).then_some(()));
    runners.stop(&expid, false).unwrap();
    assert_eq!(runners.last(&expid).unwrap().status, "TERMINATED");
    let alive = Command::new("kill").args(["-0", &process.pid.to_string()]).output().unwrap();
    assert!(!alive.status.success());
    let output = fs::read_dir(site.home.path("state/runs")).unwrap().flatten().map(|run| run.path().join("output"));
    let said: String = output.map(|path| fs::read_to_string(path).unwrap()).collect();
    assert!(said.contains("Autosubmit is running with 4.1.17"), "{said}");
    // and again, with force
    let process = runners.run(&local(), &expid).unwrap();
    runners.stop(&expid, true).unwrap();
    assert_eq!(runners.last(&expid).unwrap().id, process.id);
    // an experiment that there is not
    let none = Expid::parse("zzzz").unwrap();
    runners.run(&local(), &none).unwrap();
    wait_for("its failure", LONG, || (runners.last(&none).unwrap().status == "TERMINATED").then_some(()));
}

#[test]
fn autosubmit_is_driven_over_ssh() {
    let Some(site) = Experiments::new() else { return };
    let Some(sshd) = Sshd::start(&site, &[]) else { return };
    let expid = site.make("  LONG: {SCRIPT: 'sleep 300', RUNNING: once, WALLCLOCK: '00:10'}\n");
    let loader = Loader::Venv(site.venv());
    let far = Runner::ssh(loader.clone(), "127.0.0.1", Some(&user()), Some(sshd.port)).unwrap();
    let runners = site.runners_with(sshd.options.clone());
    assert!(runners.version(&far).unwrap().contains("4.1.17"));
    let canary = site.home.path("canary");
    let description = format!("it's \"x\"; touch {0}; $(touch {0})\n`touch {0}` \\", canary.display());
    runners.describe(&far, &expid, &description).unwrap();
    assert_eq!(site.site().experiment(&expid).unwrap().description.unwrap(), description);
    assert!(!canary.exists());
    let process = runners.run(&far, &expid).unwrap();
    assert_eq!((process.status.as_str(), process.runner.as_str()), ("ACTIVE", "SSH"));
    assert!(matches!(runners.run(&far, &expid), Err(RunnerError::Running(_))));
    let status = || site.site().jobs(&expid).unwrap().jobs()[0].status;
    wait_for("the job", LONG, || (status() == JobStatus::Running).then_some(()));
    runners.stop(&expid, false).unwrap();
    assert_eq!(runners.last(&expid).unwrap().status, "TERMINATED");
    // a host whose key is not known is not talked to
    fs::write(site.home.path("known_hosts"), "").unwrap();
    let error = runners.version(&far).unwrap_err().to_string();
    assert!(error.contains("Host key verification failed"), "{error}");
}

#[test]
fn the_background_writes_what_the_original_would() {
    let Some(site) = Experiments::new() else { return };
    let two = "  A: {SCRIPT: 'true', RUNNING: once, WALLCLOCK: '00:05'}\n  \
               B: {SCRIPT: 'true', RUNNING: once, DEPENDENCIES: A, WALLCLOCK: '00:05'}\n";
    let (running, old, wrapped) = (site.make(JOBS), site.make(JOBS), site.make(two));
    let place = |expid: &Expid| site.site().places(expid);
    let long_ago = |path: &std::path::Path, seconds: u64| {
        let then = std::time::SystemTime::now() - Duration::from_secs(seconds);
        fs::File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
    };
    // one looks as if it ran, one as if it did not, and of one the log decides
    long_ago(&place(&old).pickle, 4000);
    long_ago(&place(&wrapped).pickle, 2000);
    fs::write(place(&wrapped).command_logs.join("20260101_000000_run.log"), "it runs").unwrap();
    let git =
        "PROJECT: {PROJECT_TYPE: git}\nGIT: {PROJECT_ORIGIN: 'https://example.org/m.git', PROJECT_BRANCH: trunk}\n";
    fs::write(place(&old).conf.join("project.yml"), git).unwrap();
    let tables = [
        ("as_times.db", "SELECT * FROM experiment_status ORDER BY exp_id".to_owned()),
        ("autosubmit.db", "SELECT * FROM details ORDER BY exp_id".to_owned()),
        (
            "as_times.db",
            "SELECT name, replace(replace(sql, char(10), ''), char(9), '') FROM sqlite_master ORDER BY name".into(),
        ),
    ];
    let drawing = |expid: &Expid| format!("metadata/graph/graph_data_{expid}.db");
    let all = || {
        let mut all: Vec<Vec<String>> = tables.iter().map(|(file, query)| rows(&site, file, query)).collect();
        for expid in [&running, &wrapped] {
            all.push(rows(&site, &drawing(expid), "SELECT * FROM experiment_graph_draw ORDER BY id"));
        }
        all
    };
    let theirs = || {
        let script = "from autosubmit_api.config.basicConfig import APIBasicConfig\nAPIBasicConfig.read()\n\
            from autosubmit_api.bgtasks.scheduler import REGISTERED_TASKS\n\
            from autosubmit_api.repositories.experiment_status import create_experiment_status_repository\n\
            create_experiment_status_repository()\n\
            for task in REGISTERED_TASKS: task.procedure()\nprint('ANSWER0')";
        site.original(script, &[]);
    };
    let drawn_now = site.root().join("calculation_in_progress.lock");
    let forget = || {
        let connection = Connection::open(site.root().join("as_times.db")).unwrap();
        connection.execute_batch("DROP TABLE IF EXISTS experiment_status").unwrap();
        let stranger = "CREATE TABLE experiment_status (exp_id INTEGER NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL, \
                        seconds_diff INTEGER NOT NULL, modified TEXT NOT NULL)";
        connection.execute_batch(stranger).unwrap();
        let row = "INSERT INTO experiment_status VALUES (99, 'gone', 'RUNNING', 0, 'then')";
        connection.execute(row, []).unwrap();
        let connection = Connection::open(site.root().join("autosubmit.db")).unwrap();
        // the original cannot write into a table without this key, such as Autosubmit 4.1.17 makes; we can
        let details = "DROP TABLE details; CREATE TABLE details (exp_id INTEGER NOT NULL, user TEXT NOT NULL, \
                       created TEXT NOT NULL, model TEXT NOT NULL, branch TEXT NOT NULL, hpc TEXT NOT NULL, PRIMARY KEY (exp_id))";
        connection.execute_batch(details).unwrap();
        for expid in [&running, &wrapped] {
            drop(fs::remove_file(site.root().join(drawing(expid))));
        }
        drop(fs::remove_file(&drawn_now));
    };
    let without_time = |all: &[Vec<String>]| {
        let mut all = all.to_owned();
        for row in &mut all[0] {
            row.truncate(row.rfind(' ').unwrap());
        }
        all
    };
    forget();
    theirs();
    let expected = all();
    assert_eq!(
        (expected[0].len(), expected[1].len(), expected[3].len(), expected[4].len()),
        (3, 3, 10, 2),
        "{expected:#?}"
    );
    forget();
    let workers = Workers::new(Arc::new(site.site()), site.machine());
    for task in Task::ALL {
        let done = workers.run(task, moment()).unwrap();
        assert!(done.left_out.is_empty(), "{done:?}");
    }
    assert!(!drawn_now.exists());
    let ours = all();
    assert_eq!(without_time(&ours), without_time(&expected));
    // whoever comes next, the original or we, finds nothing to change
    theirs();
    assert_eq!(all(), ours);
    let workers = Workers::new(Arc::new(site.site()), site.machine());
    assert!(Task::ALL.iter().all(|task| workers.run(*task, moment()).unwrap().written == 0));
    assert_eq!(all(), ours);
    // one that is at it keeps others away
    let held = fs::File::open(site.root().join("jobgate_task_popdet.lock")).unwrap();
    held.lock().unwrap();
    assert!(matches!(workers.run(Task::Details, moment()), Err(WorkerError::Taken)));
}

/// All rows of a table, as texts.
fn rows(site: &Experiments, file: &str, query: &str) -> Vec<String> {
    let connection = Connection::open(site.root().join(file)).unwrap();
    let mut statement = connection.prepare(query).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        let value = |column| row.get::<_, rusqlite::types::Value>(column).map(|value| format!("{value:?}"));
        (0..columns).map(value).collect::<Result<Vec<_>, _>>().map(|values| values.join(" "))
    });
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}
