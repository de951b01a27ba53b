//! Which experiments run, as far as their files tell.

use std::collections::BTreeMap;

use crate::databases::catalogue::Catalogue;
use crate::databases::written::StatusRow;
use crate::texts;
use crate::views::Moment;

/// An experiment runs whose list of jobs is younger, in seconds.
const YOUNG: i64 = 600;
/// One whose list is younger than this runs if its log is young.
const YOUNG_WITH_LOG: i64 = 3600;
/// So young has the log to be.
const YOUNG_LOG: i64 = 300;

/// How long ago an experiment's files were changed, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Age {
    /// Its list of jobs; `None` if there is none that can be read
    pub jobs: Option<i64>,
    /// The log of its newest run, looked at only where it decides
    pub log: Option<i64>,
}

/// Whether the log decides.
pub(super) fn needs_log(jobs: i64) -> bool {
    (YOUNG..YOUNG_WITH_LOG).contains(&jobs)
}

/// Whether an experiment runs.
pub fn runs(age: Age) -> bool {
    age.jobs.is_some_and(|jobs| jobs < YOUNG || needs_log(jobs) && age.log.is_some_and(|log| log < YOUNG_LOG))
}

/// What is to be changed in the table of states.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatusPlan {
    /// Numbers of experiments that are there no more
    pub forget: Vec<i64>,
    /// States that are new or changed
    pub rows: Vec<StatusRow>,
}

/// Compares what is known with what is the case. `ages` are those of the catalogue's experiments; of one of which nothing could be
/// told, what is known stays.
pub fn plan(catalogue: &Catalogue, known: &BTreeMap<i64, String>, ages: &[Option<Age>], moment: Moment) -> StatusPlan {
    let experiments = catalogue.experiments();
    let mut ids: Vec<i64> = experiments.iter().map(|experiment| experiment.id).collect();
    ids.sort_unstable();
    let forget = known.keys().copied().filter(|id| ids.binary_search(id).is_err()).collect();
    let modified = texts::spaced(moment.now(), moment.zone).unwrap_or_default().replacen(' ', "-", 1);
    let mut rows = Vec::new();
    for (experiment, age) in experiments.iter().zip(ages) {
        let Some(age) = *age else { continue };
        let running = runs(age);
        let row = StatusRow { id: experiment.id, name: experiment.name.clone(), running, modified: modified.clone() };
        if known.get(&experiment.id).map(String::as_str) != Some(row.status()) {
            rows.push(row);
        }
    }
    StatusPlan { forget, rows }
}

#[cfg(test)]
mod tests {
    use jiff::tz::Offset;

    use super::*;
    use crate::databases::catalogue::Experiment;

    #[test]
    fn files_tell_what_runs() {
        let age = |jobs, log| Age { jobs, log };
        let table = [
            (age(None, None), false),
            (age(None, Some(1)), false),
            (age(Some(-5), None), true),
            (age(Some(599), None), true),
            (age(Some(600), None), false),
            (age(Some(600), Some(299)), true),
            (age(Some(3599), Some(300)), false),
            (age(Some(3600), Some(1)), false),
        ];
        for (age, expected) in table {
            assert_eq!(runs(age), expected, "{age:?}");
        }
    }

    #[test]
    fn only_changes_are_written() {
        let experiment =
            |id: i64| Experiment { id, name: format!("a00{id}"), description: None, version: None, details: None };
        let catalogue: Catalogue = (1..=6).map(experiment).collect();
        let known = [(1, "RUNNING"), (2, "RUNNING"), (3, "NOT RUNNING"), (5, "RUNNING"), (9, "RUNNING")];
        let known = known.map(|(id, status)| (id, status.to_owned())).into();
        let ages = [Some(1), None, None, Some(1)].map(|jobs| Some(Age { jobs, log: None }));
        // of two nothing can be told at the moment
        let ages = [&ages[..], &[None, None]].concat();
        let moment = Moment::new(1_781_524_800, Offset::from_seconds(3600).unwrap());
        let plan = plan(&catalogue, &known, &ages, moment);
        assert_eq!(plan.forget, [9]);
        let rows: Vec<_> = plan.rows.iter().map(|row| (row.id, row.status(), row.modified.as_str())).collect();
        let modified = "2026-06-15-13:00:00+01:00";
        assert_eq!(rows, [(2, "NOT RUNNING", modified), (4, "RUNNING", modified)]);
    }
}
