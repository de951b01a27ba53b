//! Which runs are shown as one job.

use jobgate_slurm::cluster::JobsWanted;

use super::super::super::cluster::Hold;
use super::super::array::shown;
use super::*;

/// An array of five tasks from run 10 on: the first runs, the others wait; run 20 is a job of its own.
fn runs() -> Vec<RunView> {
    let mut runs: Vec<RunView> =
        (0..5).map(|index| RunView { array: Some(task(10, index + 1)), ..run(10 + index) }).collect();
    runs[0] = RunView { array: Some(task(10, 1)), ..running(10, "n1") };
    runs.push(run(20));
    runs
}

fn short(runs: &[RunView], wanted: &JobsWanted) -> Vec<(i64, String)> {
    shown(runs.iter(), wanted, |run, user| run.owner == user)
        .iter()
        .map(|job| (job.id(), job.task_text().unwrap_or_default()))
        .collect()
}

fn pair(id: i64, tasks: &str) -> (i64, String) {
    (id, tasks.to_owned())
}

#[test]
fn waiting_tasks_are_one_job() {
    let all = short(&runs(), &JobsWanted::default());
    assert_eq!(all, [pair(10, "2-5%2"), pair(10, ""), pair(20, "")]);
}

#[test]
fn a_task_that_was_changed_is_shown_by_itself() {
    let mut runs = runs();
    runs[2].hold = Some(Hold::User);
    assert_eq!(short(&runs, &JobsWanted::default()), [pair(10, "2,4-5%2"), pair(10, ""), pair(12, ""), pair(20, "")]);
}

#[test]
fn by_number_and_by_user() {
    let wanted = |ids: &[i64]| JobsWanted { ids: Some(ids.to_vec()), ..JobsWanted::default() };
    assert_eq!(short(&runs(), &wanted(&[10])), [pair(10, "2-5%2"), pair(10, "")]);
    assert_eq!(short(&runs(), &wanted(&[20, 99])), [pair(20, "")]);
    assert_eq!(short(&runs(), &wanted(&[12])), [pair(10, "3%2")]);
    let of_bob = JobsWanted { user: Some("bob".into()), ..JobsWanted::default() };
    assert_eq!(short(&runs(), &of_bob), []);
}
