//! States, reasons, times and exit codes.

use jobgate_model::State;

use super::super::super::cluster::{Hold, UNLIMITED};
use super::super::job::state;
use super::*;

fn over(state: State, info: &str) -> RunView {
    RunView { phase: RunPhase::Ended(state, info.into()), ended: Some(THEN + 30.0), ..running(1, "n1") }
}

fn shown(run: &RunView) -> (Vec<&'static str>, String, String) {
    let code = json(&state::exit_code(run), Version::V45);
    let code = match code["return_code"]["set"].as_bool() {
        Some(true) => format!("{}:0", code["return_code"]["number"]),
        _ => format!("0:{}", code["signal"]["id"]["number"]),
    };
    (state::states(run), state::reason(run).into_owned(), code)
}

#[test]
fn words_for_every_end() {
    let cases = [
        (over(State::Completed, ""), "COMPLETED", "None", "0:0"),
        (over(State::Failed, "3"), "FAILED", "NonZeroExitCode", "3:0"),
        (over(State::Failed, "-11"), "FAILED", "RaisedSignal", "0:11"),
        (over(State::Canceled, ""), "CANCELLED", "None", "0:15"),
        (over(State::Failed, "lost: x"), "NODE_FAIL", "NodeDown", "1:0"),
        (over(State::Failed, "no such directory"), "FAILED", "JobLaunchFailure", "1:0"),
        (RunView { minutes: 0, ..over(State::Failed, "9") }, "TIMEOUT", "TimeLimit", "0:15"),
    ];
    for (run, state, reason, code) in cases {
        assert_eq!(shown(&run), (vec![state], reason.to_owned(), code.to_owned()));
    }
    // Cancelled while it waited: there was no process.
    let mut waited = over(State::Canceled, "");
    (waited.started, waited.reason) = (None, "JobHeldUser".into());
    assert_eq!(shown(&waited), (vec!["CANCELLED"], "JobHeldUser".to_owned(), "0:0".to_owned()));
    waited.reason = "DeadLine".into();
    assert_eq!(state::states(&waited), ["DEADLINE"]);
}

#[test]
fn words_for_what_has_not_ended() {
    assert_eq!(shown(&run(1)), (vec!["PENDING"], "Priority".to_owned(), "0:0".to_owned()));
    assert_eq!(state::states(&running(1, "n1")), ["RUNNING"]);
    let suspended = RunView { phase: RunPhase::Suspended, suspended: Some(THEN + 5.0), ..running(1, "n1") };
    assert_eq!(state::states(&suspended), ["SUSPENDED"]);
    let job = World::new().job(&suspended, Version::V45);
    assert_eq!(
        (&job["suspend_time"]["number"], &job["pre_sus_time"]["number"]),
        (&(THEN as u64 + 5).into(), &5.into())
    );
    let stopping = RunView { stopping: true, ..running(1, "n1") };
    assert_eq!(state::states(&stopping), ["RUNNING", "COMPLETING"]);
    assert_eq!(state::states(&RunView { canceled: true, ..stopping }), ["CANCELLED", "COMPLETING"]);
}

#[test]
fn limits_and_times() {
    let world = World::new();
    let number = |job: &Value, key: &str| job[key]["number"].as_u64().unwrap();
    let endless = world.job(&RunView { minutes: UNLIMITED, ..running(1, "n1") }, Version::V45);
    assert_eq!(endless["time_limit"], serde_json::json!({ "set": false, "infinite": true, "number": 0 }));
    assert_eq!(number(&endless, "end_time"), THEN as u64 + 365 * 86_400);
    let expected = world.job(&RunView { expected: Some(THEN + 100.0), ..run(1) }, Version::V45);
    assert_eq!(
        (number(&expected, "start_time"), number(&expected, "end_time")),
        (THEN as u64 + 100, THEN as u64 + 3700)
    );
    let waits = world.job(&run(1), Version::V45);
    assert_eq!((number(&waits, "start_time"), number(&waits, "eligible_time")), (0, THEN as u64));
}

#[test]
fn priorities_and_holds() {
    let priority = |run: &RunView| super::super::job::priority(run);
    assert_eq!(priority(&RunView { priority: -5, ..run(1) }), 1);
    assert_eq!(priority(&RunView { priority: 700, ..run(1) }), 700);
    assert_eq!(priority(&RunView { priority: 0, hold: Some(Hold::Admin), ..run(1) }), 0);
    let two = World::new().job(&RunView { partition: "a,b".into(), priority: 9, ..run(1) }, Version::V45);
    assert_eq!(two["priority_by_partition"][1], serde_json::json!({ "partition": "b", "priority": 9 }));
}

#[test]
fn files_of_jobs_that_know_nothing_of_slurm() {
    let run = RunView { options: StringMap::default().into(), jobndx: 3, ..run(7) };
    let job = World::new().job(&run, Version::V45);
    assert_eq!(job["stdout_expanded"], "/jobs/7.5/log/stdout.3");
    assert_eq!(job["standard_error"], "/jobs/7.5/log/stderr.3");
    assert_eq!(job["current_working_directory"], "/jobs/7.5/work");
    let run = RunView { options: options(&[("-D", "/w/"), ("-o", "%5j-%u.out"), ("-e", "e")]).into(), ..run };
    let job = World::new().job(&run, Version::V45);
    assert_eq!((&job["stdout_expanded"], &job["stderr_expanded"]), (&"/w/00007-alice.out".into(), &"/w/e".into()));
    let old = World::new().job(&run, Version::V40);
    assert_eq!((&old["standard_output"], &old["standard_error"]), (&"/w/00007-alice.out".into(), &"/w/e".into()));
}

#[test]
fn gpus_and_notes() {
    let mut world = World::new();
    let mut run = running(7, "n1");
    run.allocation[0].gpus = vec![0, 1];
    run.request = Requested { gpus: Some(2), ..(*run.request).clone() }.into();
    run.options = options(&[("gpus", "amd:2"), ("comment", "as submitted")]).into();
    let note = Note { comment: Some("noted".into()), derived_exit_code: Some(1024), ..Note::default() };
    world.notes.insert(7, note);
    let job = world.job(&run, Version::V45);
    assert_eq!(job["gres_detail"], serde_json::json!(["gpu:amd:2(IDX:0-1)"]));
    assert_eq!(job["tres_alloc_str"], "cpu=1,node=1,billing=1,gres/gpu=2");
    assert_eq!(job["tres_per_job"], "gres/gpu:amd:2");
    assert_eq!(job["comment"], "noted");
    assert_eq!(job["derived_exit_code"]["return_code"]["number"], 4);
}
