//! States of jobs.

use crate::cluster::JobState;
use crate::rpc::codec::NO_VAL;
use crate::rpc::records;
use crate::rpc::words;

/// Calls `each` with the state of a job, or with those of the tasks of an array that wait together, one by one.
pub(in crate::rpc) fn states(record: &records::State<'_>, each: &mut dyn FnMut(JobState)) {
    let states = || words::job_states(record.is).collect();
    let id = i64::from(record.job);
    match &record.part {
        records::Part::Whole { het_job } => {
            let first = i64::from(*het_job);
            each(JobState { id, array: None, component: (first != 0).then_some(id - first), states: states() });
        }
        records::Part::Array { id: array, task, tasks } => {
            let of =
                |task: i64| JobState { id, array: Some((i64::from(*array), task)), component: None, states: states() };
            let waiting = tasks.places().unwrap_or_default();
            if waiting.iter().next().is_some() {
                waiting.iter().for_each(|task| each(of(task as i64)));
            } else if *task < NO_VAL {
                each(of(i64::from(*task)));
            } else {
                // as a whole
                each(JobState { id, array: None, component: None, states: states() });
            }
        }
    }
}
