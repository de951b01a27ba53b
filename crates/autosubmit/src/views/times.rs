//! How long jobs waited and ran, and when.

use std::collections::{BTreeMap, HashSet, VecDeque};

use super::{Moment, Snapshot};
use crate::databases::history::{History, Try};
use crate::databases::packages::Packages;
use crate::expid::Places;
use crate::jobs::{Job, JobList};
use crate::status::JobStatus;
use crate::texts::{round, timedelta};
use crate::totals;

/// The times of a job. Points in time are seconds since 1970, 0 if not known; spans are seconds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Times {
    /// How long it waited
    pub queue: i64,
    /// How long it ran, or has been running
    pub run: i64,
    /// When it was handed in
    pub submit: i64,
    /// When it began
    pub start: i64,
    /// When it ended
    pub finish: i64,
    /// Joules
    pub energy: f64,
    /// Whether its file of tries contradicts the list of jobs
    pub suspicious: bool,
    /// Processors that it had, in its last run
    pub ncpus: Option<i64>,
    /// Its last run
    pub run_id: Option<i64>,
    /// The workflow's commit in its last run
    pub workflow_commit: Option<String>,
}

impl Times {
    /// The text of a view: `( QUEUE ) + RUN`, or that the file of tries contradicts the list.
    pub fn text(&self, status: JobStatus) -> String {
        if self.suspicious {
            return " <small><i><b>SUSPICIOUS</b></i></small>".to_owned();
        }
        match status {
            JobStatus::Completed | JobStatus::Failed | JobStatus::Running => {
                format!("( {} ) + {}", timedelta(self.queue), timedelta(self.run))
            }
            JobStatus::Submitted | JobStatus::Queuing | JobStatus::Held => format!("( {} )", timedelta(self.queue)),
            _ => String::new(),
        }
    }

    /// When it was handed in, if its state says that this is known.
    pub fn shown_submit(&self, status: JobStatus) -> i64 {
        use JobStatus::{Completed, Failed, Queuing, Running, Submitted};
        if matches!(status, Completed | Failed | Queuing | Running | Submitted) { self.submit } else { 0 }
    }

    /// When it began, if its state says that this is known.
    pub fn shown_start(&self, status: JobStatus) -> i64 {
        use JobStatus::{Completed, Failed, Running};
        if matches!(status, Completed | Failed | Running) { self.start } else { 0 }
    }

    /// When it ended, if its state says that this is known.
    pub fn shown_finish(&self, status: JobStatus) -> i64 {
        if matches!(status, JobStatus::Completed | JobStatus::Failed) { self.finish } else { 0 }
    }
}

/// The times of all jobs of a snapshot, in the order of the list.
pub fn of_all(snapshot: &Snapshot, moment: Moment) -> Vec<Times> {
    let parts = (&snapshot.jobs, &snapshot.packages, &snapshot.history, &snapshot.places);
    let mut times = plain(parts.0, parts.2, parts.3, moment);
    if !snapshot.packages.is_empty() {
        correct(&mut times, snapshot);
    }
    times
}

/// The times of one job, without what its package does to them.
pub fn of_job(job: &Job, history: &History, places: &Places, moment: Moment) -> Times {
    if let Some(last) = history.last_try(&job.name).filter(|last| last.status == job.status.name()) {
        return from_history(last, job.status, moment);
    }
    match job.status {
        JobStatus::Running | JobStatus::Submitted | JobStatus::Queuing | JobStatus::Failed => {
            from_tries(job, places, moment)
        }
        _ => Times::default(),
    }
}

fn plain(jobs: &JobList, history: &History, places: &Places, moment: Moment) -> Vec<Times> {
    jobs.jobs().iter().map(|job| of_job(job, history, places, moment)).collect()
}

/// Seconds between two points in time, if both are known.
pub fn span(from: i64, to: i64) -> i64 {
    if from > 0 && to > from { to - from } else { 0 }
}

/// What a row of the history says.
fn from_history(last: &Try, status: JobStatus, moment: Moment) -> Times {
    let finish = if status == JobStatus::Running { moment.now() } else { last.finish };
    let suspended = status == JobStatus::Suspended;
    let shown = |time: i64| if suspended { 0 } else { time };
    Times {
        queue: span(last.submit, last.start),
        run: span(last.start, finish),
        submit: shown(last.submit),
        start: shown(last.start),
        finish: shown(finish),
        energy: round(last.energy, 2),
        suspicious: false,
        ncpus: Some(last.ncpus),
        run_id: last.run_id,
        workflow_commit: last.workflow_commit.clone(),
    }
}

/// What the last line of the job's file of tries says.
fn from_tries(job: &Job, places: &Places, moment: Moment) -> Times {
    let lines = places.total_stats(&job.name).and_then(|path| totals::read(&path).ok()).unwrap_or_default();
    let last = lines.last();
    let column = |place: usize| last.and_then(|line| line.time(place, moment.zone));
    let submit = column(0).unwrap_or_else(|| moment.now());
    let start = column(1).unwrap_or(submit);
    let suspicious = last.and_then(totals::Line::status).is_some_and(|status| status != job.status.name());
    let (queue, run, start, finish) = match job.status {
        JobStatus::Running => (start - submit, moment.now() - start, start, 0),
        JobStatus::Failed => {
            let finish = column(2).unwrap_or(start);
            (start - submit, finish - start, start, finish)
        }
        _ => (moment.now() - submit, 0, 0, 0),
    };
    Times { queue: queue.abs(), run: run.abs(), submit, start, finish, suspicious, ..Times::default() }
}

/// Takes from the waiting of a packaged job what it waited for others of its package.
fn correct(times: &mut [Times], snapshot: &Snapshot) {
    let original: Vec<(i64, i64)> = times.iter().map(|times| (times.queue, times.run)).collect();
    let packaged = snapshot.packaged();
    if snapshot.edges.is_empty() {
        for mut jobs in packaged.into_values() {
            jobs.sort_by_key(|place| original[*place].0 + original[*place].1);
            for pair in jobs.windows(2) {
                let before = original[pair[0]];
                times[pair[1]].queue = (original[pair[1]].0 - before.0 - before.1).max(0);
            }
        }
        return;
    }
    let relations = snapshot.relations();
    for jobs in packaged.into_values() {
        let inside: HashSet<usize> = jobs.iter().copied().collect();
        let first = |place: &usize| !relations.parents[*place].iter().any(|parent| inside.contains(parent));
        let mut waiting: VecDeque<usize> = jobs.iter().copied().filter(first).collect();
        let mut reached: HashSet<usize> = waiting.iter().copied().collect();
        while let Some(parent) = waiting.pop_front() {
            for child in relations.children[parent].iter().filter(|child| inside.contains(child)) {
                if reached.insert(*child) {
                    let (queue, run) = original[parent];
                    times[*child].queue = (times[*child].queue - queue - run).max(0);
                    waiting.push_back(*child);
                }
            }
        }
    }
}

/// How long a row waited, without what it waited for others of its package: those of the same run and package that were
/// completed and began more than 20 s before it.
pub fn queue_in_package(row: &Try, completed: &BTreeMap<(i64, i64), Vec<&Try>>) -> i64 {
    let queue = span(row.submit, row.start);
    if row.rowtype <= 2 {
        return queue;
    }
    let others = completed.get(&(row.run_id.unwrap_or(0), row.rowtype)).map(Vec::as_slice).unwrap_or_default();
    let before = others.iter().filter(|other| other.job_name != row.job_name && other.start < row.start - 20);
    match before.map(|other| span(other.submit, other.start) + span(other.start, other.finish)).max() {
        // here also if nothing says when it was handed in
        Some(longest) => (row.start - row.submit - longest).max(0),
        None => queue,
    }
}

/// Rows that are in packages, by run and package.
pub fn by_package(rows: &[Try]) -> BTreeMap<(i64, i64), Vec<&Try>> {
    let mut packages: BTreeMap<(i64, i64), Vec<&Try>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.rowtype > 2 && row.status == "COMPLETED") {
        packages.entry((row.run_id.unwrap_or(0), row.rowtype)).or_default().push(row);
    }
    packages
}

/// Whether any job of the list is in a package.
pub fn any_packaged(jobs: &JobList, packages: &Packages) -> bool {
    jobs.jobs().iter().any(|job| packages.of_job(&job.name).is_some())
}
