//! What jobs consumed, from their files of tries.

use std::path::PathBuf;

use serde::{Serialize, Serializer};

use super::{Moment, Snapshot};
use crate::jobs::Job;
use crate::texts::{round, spaced};
use crate::totals::{self, Line};

/// What one job consumed; times are hours, consumption of processors is in processor hours.
#[derive(Debug, Clone, Serialize, Default)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "names of the answer")]
pub struct JobStatistics {
    pub name: String,
    pub processors: i64,
    pub wallclock: Hours,
    pub completed_queue_time: f64,
    pub completed_run_time: f64,
    pub failed_queue_time: f64,
    pub failed_run_time: f64,
    pub cpu_consumption: f64,
    pub failed_cpu_consumption: f64,
    pub expected_cpu_consumption: Hours,
    pub real_consumption: f64,
    pub failed_real_consumption: f64,
    pub expected_consumption: Hours,
    pub retrial_count: usize,
    pub submitted_count: usize,
    pub completed_count: usize,
    pub failed_count: usize,
}

/// Hours, or the whole number 0 where nothing says how many.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Hours(Option<f64>);

impl Serialize for Hours {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(hours) => serializer.serialize_f64(hours),
            None => serializer.serialize_i64(0),
        }
    }
}

/// What all of them consumed.
#[derive(Debug, Clone, Serialize, Default)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "names of the answer")]
pub struct Totals {
    pub cpu_consumption_percentage: f64,
    pub total_queue_time: f64,
    pub submitted_count: usize,
    pub run_count: usize,
    pub completed_count: usize,
    pub failed_count: usize,
    pub expected_consumption: f64,
    pub real_consumption: f64,
    pub failed_real_consumption: f64,
    pub expected_cpu_consumption: f64,
    pub cpu_consumption: f64,
    pub failed_cpu_consumption: f64,
}

/// The period that is looked at, as texts.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
#[expect(missing_docs, reason = "names of the answer")]
pub struct Period {
    #[serde(rename = "From")]
    pub from: String,
    #[serde(rename = "To")]
    pub to: String,
}

/// The statistics.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "names of the answer")]
pub struct Statistics {
    #[serde(rename = "Period")]
    pub period: Period,
    #[serde(rename = "JobStatistics")]
    pub jobs: Vec<JobStatistics>,
    #[serde(skip)]
    pub summary: Totals,
}

/// Looks at the jobs of a section, or of all with `None`, that began or ended within the last `hours`, or whenever with 0 and
/// below. Nothing found is an error with the original's text.
pub fn statistics(
    snapshot: &Snapshot,
    moment: Moment,
    hours: i64,
    section: Option<&str>,
) -> Result<Statistics, String> {
    let to = moment.minute();
    let from = (hours > 0).then(|| to.saturating_sub(hours.saturating_mul(3600)));
    // most jobs of a large experiment have no file yet: one look at their folder instead of one for each
    let listed = totals::listed(&snapshot.places.tmp);
    let may_be_there =
        |path: &PathBuf| listed.as_ref().is_none_or(|names| path.file_name().is_some_and(|name| names.contains(name)));
    let mut found: Vec<(&Job, Vec<Line>)> = Vec::new();
    for job in snapshot.jobs.jobs() {
        if section.is_some_and(|section| job.section.as_deref() != Some(section)) {
            continue;
        }
        let path = snapshot.places.total_stats(&job.name).filter(may_be_there);
        let lines = path.and_then(|path| totals::read(&path).ok()).unwrap_or_default();
        let within = |line: &Line| [1, 2].iter().any(|column| line.time(*column, moment.zone) > from);
        if from.is_none() || lines.iter().any(within) {
            found.push((job, lines));
        }
    }
    let period = Period {
        from: from.map_or_else(|| "None".to_owned(), |from| spaced(from, moment.zone).unwrap_or_default()),
        to: spaced(to, moment.zone).unwrap_or_default(),
    };
    if found.is_empty() {
        return Err(format!(
            "Autosubmit API couldn't find jobs that match your search critearia (Section: {}) in the period from {} to {}.",
            section.unwrap_or("Any"),
            period.from,
            period.to
        ));
    }
    // jobs without a date come last, in the order of the list
    let key = |job: &Job| {
        (job.member.clone().unwrap_or_default(), job.section.clone().unwrap_or_default(), job.chunk.unwrap_or(0))
    };
    found.sort_by(|(one, _), (other, _)| match (one.date, other.date) {
        (Some(first), Some(second)) => first.cmp(&second).then_with(|| key(one).cmp(&key(other))),
        (first, second) => first.is_none().cmp(&second.is_none()),
    });
    let jobs: Vec<JobStatistics> = found
        .iter()
        .filter(|(_, lines)| !lines.is_empty())
        .map(|(job, lines)| of_job(snapshot, moment, job, lines))
        .collect();
    let summary = total(&jobs);
    Ok(Statistics { period, jobs, summary })
}

fn hours_of(seconds: i64) -> f64 {
    (seconds.div_euclid(86_400) * 24) as f64 + seconds.rem_euclid(86_400) as f64 / 3600.0
}

/// The last completed try of a job with the failed ones before it.
fn of_job(snapshot: &Snapshot, moment: Moment, job: &Job, lines: &[Line]) -> JobStatistics {
    let section = job.section.as_deref().unwrap_or_default();
    let processors = snapshot.configuration.processing(section).elements();
    // seconds of waiting and of running
    let (mut completed, mut failed) = ([0_i64; 2], [0_i64; 2]);
    let (mut count, mut completed_count) = (0, 0);
    for line in lines.iter().rev() {
        if line.is_completed() && completed_count > 0 {
            break;
        }
        count += 1;
        completed_count += usize::from(line.is_completed());
        let [submit, start, finish] = [0, 1, 2].map(|column| line.time(column, moment.zone));
        let sums = if line.is_completed() { &mut completed } else { &mut failed };
        for (sum, pair) in sums.iter_mut().zip([(submit, start), (start, finish)]) {
            if let (Some(from), Some(to)) = pair {
                *sum += (to - from).max(0);
            }
        }
    }
    let wallclock = wallclock_hours(&snapshot.configuration.wallclock(section));
    let cpu = |seconds: i64| hours_of(seconds.saturating_mul(processors));
    let (cpu_consumption, failed_cpu_consumption) = (cpu(completed[1] + failed[1]), cpu(failed[1]));
    let [completed_queue_time, completed_run_time] = completed.map(hours_of);
    let [failed_queue_time, failed_run_time] = failed.map(hours_of);
    let real = completed_run_time + failed_run_time;
    JobStatistics {
        name: job.name.clone(),
        processors,
        wallclock,
        completed_queue_time,
        completed_run_time,
        failed_queue_time,
        failed_run_time,
        cpu_consumption,
        failed_cpu_consumption,
        expected_cpu_consumption: Hours(wallclock.0.map(|hours| hours * processors as f64)),
        real_consumption: real,
        failed_real_consumption: failed_run_time,
        expected_consumption: wallclock,
        retrial_count: count,
        submitted_count: count,
        completed_count,
        failed_count: count - completed_count,
    }
}

/// `HH:MM` as hours; nothing for what is not written so.
fn wallclock_hours(text: &str) -> Hours {
    let mut parts = text.split(':').map(|part| part.trim().parse::<f64>().ok());
    let mut next = || parts.next().flatten();
    Hours(next().zip(next()).map(|(hours, minutes)| hours + minutes / 60.0))
}

fn total(jobs: &[JobStatistics]) -> Totals {
    // a sum of nothing is -0
    let sum = |part: fn(&JobStatistics) -> f64| jobs.iter().map(part).sum::<f64>() + 0.0;
    let count = |part: fn(&JobStatistics) -> usize| jobs.iter().map(part).sum::<usize>();
    let (consumed, expected) =
        (sum(|job| job.cpu_consumption), sum(|job| job.expected_cpu_consumption.0.unwrap_or(0.0)));
    Totals {
        cpu_consumption_percentage: if expected > 0.0 { round(consumed / expected * 100.0, 2) } else { 0.0 },
        total_queue_time: round(sum(|job| job.completed_queue_time + job.failed_queue_time), 2),
        submitted_count: count(|job| job.submitted_count),
        run_count: count(|job| job.submitted_count),
        completed_count: count(|job| job.completed_count),
        failed_count: count(|job| job.failed_count),
        expected_consumption: round(sum(|job| job.expected_consumption.0.unwrap_or(0.0)), 4),
        real_consumption: round(sum(|job| job.real_consumption), 4),
        failed_real_consumption: round(sum(|job| job.failed_real_consumption), 4),
        expected_cpu_consumption: round(expected, 4),
        cpu_consumption: round(consumed, 4),
        failed_cpu_consumption: round(sum(|job| job.failed_cpu_consumption), 4),
    }
}
