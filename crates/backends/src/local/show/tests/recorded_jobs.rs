//! Every job that we render has the keys and types of the recorded one, in each version; in the same situation it has the same
//! values, too, but for those that a test names.

use std::collections::BTreeMap;

use jobgate_slurm::array::TaskSet;

use super::super::super::cluster::Hold;
use super::super::job::given::MIB;
use super::beside::{OTHERWISE, compare, each_release};
use super::*;

/// Our run has the number and the times of theirs.
fn timed(mut run: RunView, theirs: &Value) -> RunView {
    let time = |key: &str| theirs[key]["number"].as_f64().unwrap();
    run.id = theirs["job_id"].as_i64().unwrap();
    run.queued = time("submit_time");
    run.eligible = Some(time("eligible_time")).filter(|time| *time > 0.0);
    run.started = run.started.map(|_| time("start_time"));
    run
}

#[test]
fn a_running_job() {
    each_release("job-running", "jobs", |version, theirs, what| {
        let ours = World::new().job(&timed(running(1, "n1"), &theirs[0]), version);
        compare(what, &theirs[0], &ours, &[&OTHERWISE[..], &["end_time/number"]].concat());
        assert_eq!(ours["flags"], serde_json::json!(without_backfill(&theirs[0]["flags"])));
    });
}

fn without_backfill(flags: &Value) -> Vec<&str> {
    let flags = flags.as_array().unwrap().iter().filter_map(Value::as_str);
    flags.filter(|flag| *flag != "BACKFILL_ATTEMPTED" && *flag != "JOB_IMPLICIT_MAX_NODES").collect()
}

#[test]
fn a_held_job() {
    each_release("job-held", "jobs", |version, theirs, what| {
        let mut held = timed(run(1), &theirs[0]);
        (held.hold, held.priority, held.eligible) = (Some(Hold::User), 0, None);
        held.reason = "JobHeldUser".into();
        let ours = World::new().job(&held, version);
        compare(what, &theirs[0], &ours, &[&OTHERWISE[..], &["max_nodes/number"]].concat());
        assert_eq!(ours["flags"], serde_json::json!(without_backfill(&theirs[0]["flags"])));
    });
}

#[test]
fn tasks_of_an_array() {
    each_release("job-array", "jobs", |version, theirs, what| {
        let world = World::new();
        let find =
            |running: bool| theirs.as_array().unwrap().iter().find(|job| (job["nodes"] != "") == running).unwrap();
        let (waits, runs) = (find(false), find(true));
        let first = RunView {
            array: Some(task(waits["job_id"].as_i64().unwrap(), 3)),
            reason: "JobArrayTaskLimit".into(),
            ..timed(run(1), waits)
        };
        let tasks = Shown::Tasks(&first, [3, 4, 5].into_iter().collect::<TaskSet>());
        let but = [&OTHERWISE[..], &["accrue_time/number"]].concat();
        compare(what, waits, &json(&job(&tasks, &world.scene()), version), &but);
        let task = RunView {
            array: Some(task(
                runs["array_job_id"]["number"].as_i64().unwrap(),
                runs["array_task_id"]["number"].as_i64().unwrap(),
            )),
            ..timed(running(1, runs["nodes"].as_str().unwrap()), runs)
        };
        // Which of the node's cores it has is not said.
        let but = [&OTHERWISE[..], &["accrue_time", "end_time/number", "job_resources"]].concat();
        compare(what, runs, &world.job(&task, version), &but);
    });
}

#[test]
fn a_job_that_depends_on_another() {
    each_release("job-dep", "jobs", |version, theirs, what| {
        let theirs = &theirs[0];
        let request = Requested {
            min_nodes: 2,
            tasks: 4,
            tasks_per_node: Some(2),
            cores_per_task: 1,
            cores: 4,
            max_nodes: theirs["max_nodes"]["number"].as_u64().filter(|most| *most > 0),
            ..Requested::default()
        };
        let depends = RunView {
            name: theirs["name"].as_str().map(str::to_owned),
            request: request.into(),
            dependency: theirs["dependency"].as_str().unwrap().to_owned(),
            reason: "Dependency".into(),
            ..timed(run(1), theirs)
        };
        let ours = World::new().job(&depends, version);
        compare(what, theirs, &ours, &OTHERWISE);
        assert_eq!(ours["flags"], serde_json::json!(without_backfill(&theirs["flags"])));
    });
}

#[test]
fn a_job_with_many_wishes() {
    each_release("job-rich", "jobs", |version, theirs, what| {
        let theirs = &theirs[0];
        let text = |key: &str| theirs[key].as_str().unwrap();
        let mut rich = timed(run(1), theirs);
        rich.options = options(&[
            ("--chdir", "/tmp"),
            ("--output", "/tmp/%x-%j.out"),
            ("--error", "/tmp/%x-%j.err"),
            ("--input", "/dev/null"),
            ("--account", "physics"),
            ("--qos", "normal"),
            ("--wckey", "k"),
            ("--comment", "a comment"),
            ("--command", "x"),
            ("--mem", "100M"),
            ("--ntasks", "2"),
            ("--time-min", "1"),
            ("--mail-user", "a@b"),
            ("--mail-type", "END,FAIL"),
        ])
        .into();
        rich.request = Requested {
            min_nodes: 1,
            max_nodes: theirs["max_nodes"]["number"].as_u64().filter(|most| *most > 0),
            tasks: 2,
            cores_per_task: 2,
            cores: 4,
            memory_per_node: Some(100 * MIB),
            exclude: vec!["n1".into()],
            constraint: Some(text("features").into()),
            licences: BTreeMap::from([("matlab".to_owned(), 2)]),
            ..Requested::default()
        }
        .into();
        rich.nice = 5;
        rich.reason = "BeginTime".into();
        rich.begin = rich.eligible;
        let ours = World::new().job(&rich, version);
        let but: Vec<&str> = OTHERWISE.iter().copied().filter(|name| *name != "tres_req_str").collect();
        compare(what, theirs, &ours, &but);
        assert_eq!(ours["flags"], serde_json::json!(without_backfill(&theirs["flags"])));
    });
}

#[test]
fn a_cancelled_job() {
    each_release("job-cancelled", "jobs", |version, theirs, what| {
        let mut over = timed(running(1, "n1"), &theirs[0]);
        over.ended = theirs[0]["end_time"]["number"].as_f64();
        over.phase = RunPhase::Ended(jobgate_model::State::Canceled, String::new());
        let (mut theirs, mut ours) = (theirs[0].clone(), World::new().job(&over, version));
        // Which of the node's cores it has is not said, and v0.0.40 has them as keys.
        for shown in [&mut theirs, &mut ours] {
            assert!(shown.as_object_mut().unwrap().remove("job_resources").unwrap().is_object());
        }
        compare(what, &theirs, &ours, &OTHERWISE);
        assert_eq!(ours["flags"], serde_json::json!(without_backfill(&theirs["flags"])));
    });
}
