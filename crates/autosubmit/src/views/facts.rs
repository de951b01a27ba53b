//! Everything that trees and graphs say about a job.

use std::collections::HashMap;

use serde::Serialize;

use super::times::{self, Times};
use super::{Moment, Relations, Snapshot};
use crate::calendar::{ChunkLength, spaced_date};
use crate::jobs::Job;
use crate::status::JobStatus;
use crate::texts::{instant, round};

/// What views share of all jobs.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// What was read
    pub snapshot: &'a Snapshot,
    /// When
    pub moment: Moment,
    /// The times of each job
    pub times: Vec<Times>,
    /// Who waits for whom
    pub relations: Relations,
    /// How long chunks are, by the configuration
    pub chunk_length: ChunkLength,
    /// How long a completed POST job waited and ran on average, seconds
    pub post: f64,
    /// What the configuration says of each section
    sections: HashMap<Option<&'a str>, SectionFacts>,
}

/// What the configuration says of a section. Whether its first job is wrapped decides about the queue of all of them.
#[derive(Debug, Clone)]
struct SectionFacts {
    platform: String,
    queue: String,
    processors: i64,
    wallclock: String,
}

/// What trees and graphs say of each job, with the names of the answer. Points in time are local; `minutes` are seconds.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "names of the answer")]
pub struct JobFacts<'a> {
    pub id: &'a str,
    pub internal_id: &'a str,
    pub label: &'a str,
    pub status: &'static str,
    pub status_code: i64,
    pub status_color: &'static str,
    pub platform_name: &'a str,
    pub chunk: Option<i64>,
    pub chunk_size: i64,
    pub chunk_unit: String,
    pub member: Option<&'a str>,
    pub date: Option<String>,
    pub date_plus: Option<String>,
    pub split: Option<i64>,
    pub splits: Option<i64>,
    #[serde(rename = "SYPD")]
    pub sypd: Option<f64>,
    #[serde(rename = "ASYPD")]
    pub asypd: Option<f64>,
    pub minutes_queue: i64,
    pub minutes: i64,
    pub submit: Option<String>,
    pub start: Option<String>,
    pub finish: Option<String>,
    pub section: Option<&'a str>,
    pub queue: &'a str,
    pub processors: i64,
    pub wallclock: &'a str,
    pub wrapper: Option<&'a str>,
    pub children: usize,
    pub children_list: Vec<&'a str>,
    pub parents: usize,
    pub parent_list: Vec<&'a str>,
    pub out: Option<String>,
    pub err: Option<String>,
    pub custom_directives: Option<&'a str>,
    pub rm_id: Option<i64>,
    pub workflow_commit: Option<&'a str>,
}

impl<'a> Facts<'a> {
    /// Gathers what is said of all jobs.
    pub fn of(snapshot: &'a Snapshot, moment: Moment) -> Self {
        let times = times::of_all(snapshot, moment);
        let chunk_length = snapshot.configuration.chunk_length();
        let post = post_average(snapshot.jobs.jobs(), &times);
        let mut sections = HashMap::new();
        for job in snapshot.jobs.jobs() {
            let section = job.section.as_deref();
            sections.entry(section).or_insert_with(|| {
                let (name, configuration) = (section.unwrap_or_default(), &snapshot.configuration);
                SectionFacts {
                    platform: configuration.platform(name),
                    queue: configuration.queue(name, snapshot.packages.of_job(&job.name).is_some()),
                    processors: configuration.processing(name).processors,
                    wallclock: configuration.wallclock(name),
                }
            });
        }
        Self { snapshot, moment, times, relations: snapshot.relations(), chunk_length, post, sections }
    }

    /// The length of a job's chunks: that of the run in which it ran last, else of the configuration.
    pub fn length(&self, job: &Job) -> ChunkLength {
        self.run_length(job).unwrap_or_else(|| self.chunk_length.clone())
    }

    /// The length of chunks in the run in which a job ran last.
    pub fn run_length(&self, job: &Job) -> Option<ChunkLength> {
        self.snapshot.history.last_run_of(&job.name)?.chunk_length()
    }

    /// Simulated years per day of a completed job, alone and with its waiting and that of POST.
    pub fn sypd(&self, place: usize, length: Option<&ChunkLength>) -> (Option<f64>, Option<f64>) {
        let (job, times) = (&self.snapshot.jobs.jobs()[place], &self.times[place]);
        let Some(length) = length else { return (None, None) };
        if job.status != JobStatus::Completed || job.chunk.unwrap_or(0) <= 0 {
            return (None, None);
        }
        let splits = job.splits.filter(|splits| *splits > 1).unwrap_or(1) as f64;
        let whole = length.years() * 86_400.0;
        let actual = (times.queue + times.run) as f64 + self.post;
        let per = |seconds: f64| (seconds > 0.0).then(|| whole / splits / seconds);
        (per(times.run as f64), per(actual))
    }

    /// The package of a job.
    pub fn package(&self, place: usize) -> Option<&'a str> {
        self.snapshot.packages.of_job(&self.snapshot.jobs.jobs()[place].name)
    }

    /// The newest output and errors of a job that ended, as paths.
    pub fn logs(&self, place: usize) -> [Option<String>; 2] {
        let job = &self.snapshot.jobs.jobs()[place];
        if !matches!(job.status, JobStatus::Completed | JobStatus::Failed) {
            return [None, None];
        }
        let path = |name: &str| self.snapshot.places.logs.join(name).to_string_lossy().into_owned();
        self.snapshot.logs.of_job(&job.name).map(|name| name.map(path))
    }

    /// The points in time of a job that its state says are known.
    pub fn instants(&self, place: usize) -> [Option<String>; 3] {
        let (status, times) = (self.snapshot.jobs.jobs()[place].status, &self.times[place]);
        [times.shown_submit(status), times.shown_start(status), times.shown_finish(status)]
            .map(|time| instant(time, self.moment.zone))
    }

    /// What is said of one job.
    pub fn job(&'a self, place: usize) -> JobFacts<'a> {
        let snapshot = self.snapshot;
        let job = &snapshot.jobs.jobs()[place];
        let times = &self.times[place];
        let section = &self.sections[&job.section.as_deref()];
        let length = self.length(job);
        let (sypd, asypd) = self.sypd(place, Some(&length));
        let (date, date_plus) = dates(job, &length);
        let [submit, start, finish] = self.instants(place);
        let [out, err] = self.logs(place);
        let names = |places: &[usize]| {
            places.iter().map(|place| snapshot.jobs.jobs()[*place].name.as_str()).collect::<Vec<_>>()
        };
        let parents = names(&self.relations.parents[place]);
        let mut children = names(&self.relations.children[place]);
        children.extend(self.relations.unlisted(place));
        let wrapper = self.package(place);
        JobFacts {
            id: &job.name,
            internal_id: &job.name,
            label: &job.name,
            status: job.status.name(),
            status_code: job.status.code(),
            status_color: job.status.color(),
            platform_name: &section.platform,
            chunk: job.chunk,
            chunk_size: length.size,
            chunk_unit: length.unit,
            member: job.member.as_deref(),
            date,
            date_plus,
            split: job.split,
            splits: job.splits,
            sypd,
            asypd,
            minutes_queue: times.queue,
            minutes: times.run,
            submit,
            start,
            finish,
            section: job.section.as_deref(),
            queue: &section.queue,
            processors: section.processors,
            wallclock: &section.wallclock,
            wrapper,
            children: children.len(),
            children_list: children,
            parents: parents.len(),
            parent_list: parents,
            out,
            err,
            custom_directives: None,
            rm_id: job.id,
            workflow_commit: times.workflow_commit.as_deref(),
        }
    }
}

/// Begin and end of a job's chunk; its date twice if it has no chunk.
fn dates(job: &Job, length: &ChunkLength) -> (Option<String>, Option<String>) {
    let Some(date) = job.date else { return (None, None) };
    let chunk = job.chunk.filter(|chunk| *chunk > 0);
    let (from, to) = chunk.and_then(|chunk| length.dates(date, chunk)).unwrap_or((date, date));
    (Some(spaced_date(from)), Some(spaced_date(to)))
}

/// The mean of waiting and running of completed POST jobs, 4 digits.
pub(super) fn post_average(jobs: &[Job], times: &[Times]) -> f64 {
    let post = jobs
        .iter()
        .zip(times)
        .filter(|(job, _)| job.section.as_deref() == Some("POST") && job.status == JobStatus::Completed);
    let spans: Vec<f64> = post.map(|(_, times)| (times.queue + times.run) as f64).collect();
    if spans.is_empty() { 0.0 } else { round(spans.iter().sum::<f64>() / spans.len() as f64, 4) }
}

/// The short name of a package in badges: its third part.
pub fn package_code(package: &str) -> Option<&str> {
    package.split('_').nth(2)
}
