//! Arrays as Slurm shows them: the tasks that wait are one record, each task that has started or ended is one of its own.

use std::collections::HashMap;

use jobgate_slurm::array::TaskSet;
use jobgate_slurm::cluster::JobsWanted;

use super::super::cluster::{RunPhase, RunView};
use super::job::Shown;

/// The runs that are wanted, as jobs, in the order of the numbers that they are shown by. `is_whose` tells whether a run is
/// its user's.
pub(super) fn shown<'a>(
    runs: impl Iterator<Item = &'a RunView>,
    wanted: &JobsWanted,
    is_whose: impl Fn(&RunView, &str) -> bool,
) -> Vec<Shown<'a>> {
    let mut jobs: Vec<Shown<'a>> = Vec::new();
    // The place of each array's waiting tasks among the jobs, and the tasks.
    let mut waiting: HashMap<i64, Vec<(usize, Vec<u32>)>> = HashMap::new();
    for run in runs.filter(|run| is_wanted(run, wanted)) {
        if wanted.user.as_deref().is_some_and(|user| !is_whose(run, user)) {
            continue;
        }
        let Some(array) = run.array.filter(|_| run.phase == RunPhase::Waiting) else {
            jobs.push(Shown::Run(run));
            continue;
        };
        let task = u32::try_from(array.task).unwrap_or(u32::MAX);
        let groups = waiting.entry(array.id).or_default();
        if let Some((_, tasks)) = groups.iter_mut().find(|(place, _)| is_alike(jobs[*place].run(), run)) {
            tasks.push(task);
        } else {
            groups.push((jobs.len(), vec![task]));
            jobs.push(Shown::Run(run));
        }
    }
    for mut groups in waiting.into_values() {
        // Tasks that were changed on their own are shown on their own; most are not.
        groups.sort_by_key(|(place, tasks)| (std::cmp::Reverse(tasks.len()), *place));
        for (index, (place, tasks)) in groups.into_iter().enumerate() {
            if index == 0 || tasks.len() > 1 {
                jobs[place] = Shown::Tasks(jobs[place].run(), tasks.into_iter().collect::<TaskSet>());
            }
        }
    }
    // The first task that has started goes by the same number as the array.
    jobs.sort_by_key(|job| (job.id(), matches!(job, Shown::Run(_))));
    jobs
}

/// Whether a run is among those that are wanted by number.
pub(super) fn is_wanted(run: &RunView, wanted: &JobsWanted) -> bool {
    let array = run.array.map(|array| array.id);
    wanted.ids.as_ref().is_none_or(|ids| ids.iter().any(|id| *id == run.id || Some(*id) == array))
}

/// Whether two waiting tasks of an array are still as they were submitted, or were changed alike.
fn is_alike(a: &RunView, b: &RunView) -> bool {
    a.hold == b.hold
        && a.priority == b.priority
        && a.minutes == b.minutes
        && a.nice == b.nice
        && a.name == b.name
        && a.partition == b.partition
        && a.account == b.account
        && a.qos == b.qos
        && a.begin == b.begin
        && a.restarts == b.restarts
        && a.options == b.options
}
