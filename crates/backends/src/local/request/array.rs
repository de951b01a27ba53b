//! Arrays of runs.

use std::collections::BTreeSet;

use jobgate_model::{Error, JobSpec};
use jobgate_slurm::errno::Errno;

use super::options::{Options, number};

/// An array has at most so many tasks.
const MOST_TASKS: usize = 10_000;

/// The task numbers of an array, and how many of them may run at the same time.
pub(in crate::local) type Tasks = (Vec<i64>, Option<i64>);

/// The tasks of an array; `None`: not an array.
pub(in crate::local) fn array(spec: &JobSpec) -> Result<Option<Tasks>, Error> {
    let Some(text) = Options(&spec.attributes).either("array", "-a") else { return Ok(None) };
    let wrong = || {
        Error::invalid(format!(
            "cannot read array {text:?}: expected task numbers such as 0-9, 1,3,5 or 0-20:4, with %LIMIT at the end \
             if not all may run at once, and at most {MOST_TASKS} tasks"
        ))
        .numbered(Errno::INVALID_ARRAY.0)
    };
    let (list, limit) = match text.trim().split_once('%') {
        Some((list, limit)) => (list, Some(number(limit).filter(|limit| *limit > 0).ok_or_else(wrong)?)),
        None => (text.trim(), None),
    };
    let mut tasks = BTreeSet::new();
    for part in list.split(',') {
        let (range, step) = match part.split_once(':') {
            Some((range, step)) => (range, number(step).filter(|step| *step > 0).ok_or_else(wrong)?),
            None => (part, 1),
        };
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (number(first).ok_or_else(wrong)?, number(last).ok_or_else(wrong)?);
        if last < first || (last - first) / step >= MOST_TASKS as i64 {
            return Err(wrong());
        }
        tasks.extend((first..=last).step_by(usize::try_from(step).map_err(|_| wrong())?));
        if tasks.len() > MOST_TASKS {
            return Err(wrong());
        }
    }
    Ok(Some((tasks.into_iter().collect(), limit)))
}

/// The variables that Slurm gives a task of an array. The array's id is the job's.
pub(in crate::local) fn array_environment(spec: &JobSpec, jobid: &str, task: i64) -> Vec<(String, String)> {
    let tasks = array(spec).ok().flatten().map_or_else(|| vec![task], |(tasks, _)| tasks);
    let step = tasks.windows(2).map(|pair| pair[1] - pair[0]).next().unwrap_or(1);
    [
        ("JOB_ID", jobid.to_owned()),
        ("TASK_ID", task.to_string()),
        ("TASK_COUNT", tasks.len().to_string()),
        ("TASK_MIN", tasks.first().unwrap_or(&task).to_string()),
        ("TASK_MAX", tasks.last().unwrap_or(&task).to_string()),
        ("TASK_STEP", step.to_string()),
    ]
    .map(|(key, value)| (format!("SLURM_ARRAY_{key}"), value))
    .to_vec()
}
