//! Short answers: counts, the quick view, the summary.

use std::collections::VecDeque;

use serde::Serialize;

use super::facts::package_code;
use super::times::Times;
use crate::databases::packages::Packages;
use crate::expid::Places;
use crate::jobs::{Job, JobList};
use crate::status::JobStatus;
use crate::texts::timedelta;

/// The quick view.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "names of the answer")]
pub struct Quick {
    pub view_data: Vec<QuickJob>,
    pub tree_view: VecDeque<QuickLeaf>,
    pub total: usize,
    pub completed: usize,
    pub failed: usize,
    pub running: usize,
    pub queuing: usize,
}

/// A job of the quick view's table.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "names of the answer")]
pub struct QuickJob {
    pub name: String,
    pub path_log: String,
    pub out: String,
    pub err: String,
}

/// A job of the quick view's tree.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "names of the answer")]
pub struct QuickLeaf {
    pub title: String,
    #[serde(rename = "refKey")]
    pub ref_key: String,
    pub data: &'static str,
    pub children: [(); 0],
    pub status: &'static str,
}

/// All jobs with their states, those that are busy first.
pub fn quick(jobs: &JobList, packages: &Packages, places: &Places) -> Quick {
    let path_log = places.logs.to_string_lossy().into_owned();
    let mut view_data = Vec::with_capacity(jobs.len());
    let mut tree_view = VecDeque::with_capacity(jobs.len());
    for job in jobs.jobs() {
        let file = |name: &Option<String>| format!("/{}", name.as_deref().unwrap_or_default());
        view_data.push(QuickJob {
            name: job.name.clone(),
            path_log: path_log.clone(),
            out: file(&job.local_logs.out),
            err: file(&job.local_logs.err),
        });
        let leaf = quick_leaf(job, packages.of_job(&job.name));
        if matches!(job.status, JobStatus::Completed | JobStatus::Waiting | JobStatus::Ready) {
            tree_view.push_back(leaf);
        } else {
            tree_view.push_front(leaf);
        }
    }
    let count = |status: JobStatus| jobs.jobs().iter().filter(|job| job.status == status).count();
    Quick {
        view_data,
        tree_view,
        total: jobs.len(),
        completed: count(JobStatus::Completed),
        failed: count(JobStatus::Failed),
        running: count(JobStatus::Running),
        queuing: count(JobStatus::Queuing),
    }
}

fn quick_leaf(job: &Job, package: Option<&str>) -> QuickLeaf {
    let (color, status) = (job.status.color(), job.status.name());
    let mut title = format!("{} <span class='badge' style='background-color: {color}'>#{status}</span>", job.name);
    if let Some(package) = package {
        let code = package_code(package).unwrap_or(package);
        title.push_str(" <span class='badge' style='background-color:#94b8b8'>Wrapped ");
        title.push_str(code);
        title.push_str("</span>");
    }
    QuickLeaf { title, ref_key: job.name.clone(), data: "Empty", children: [], status }
}

/// The summary.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
#[expect(missing_docs, reason = "names of the answer")]
pub struct Summary {
    pub n_running: usize,
    pub n_suspended: usize,
    pub n_queuing: usize,
    pub n_failed: usize,
    pub n_submitted: usize,
    pub avg_queue_time: String,
    pub avg_run_time: String,
    pub n_sim: usize,
    pub avg_sim_queue_time: String,
    pub avg_sim_run_time: String,
    pub sim_queue_considered: usize,
    pub sim_run_considered: usize,
    pub failed_jobs: Vec<String>,
}

/// A sum of seconds and how many went into it.
#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    sum: i64,
    count: usize,
}

impl Mean {
    fn add(&mut self, value: i64) {
        self.sum += value;
        self.count += 1;
    }

    fn text(self) -> String {
        timedelta(i64::try_from(self.count).ok().filter(|count| *count > 0).map_or(0, |count| self.sum / count))
    }
}

/// How many jobs are in which state, and how long they waited and ran on average.
pub fn summary(jobs: &JobList, times: &[Times]) -> Summary {
    use JobStatus::{Completed, Failed, Queuing, Running, Submitted, Suspended};
    let [mut queue, mut run, mut sim_queue, mut sim_run] = [Mean::default(); 4];
    let is_sim = |job: &Job| job.name.split('_').any(|part| part == "SIM");
    // a job whose file of tries contradicts the list is in no state
    let sure = || jobs.jobs().iter().zip(times).filter(|(_, times)| !times.suspicious);
    for (job, times) in sure() {
        let sim = is_sim(job);
        if matches!(job.status, Failed | Running | Completed) {
            queue.add(times.queue);
            run.add(times.run);
            if sim {
                sim_queue.add(times.queue);
                sim_run.add(times.run);
            }
        } else if matches!(job.status, Submitted | Queuing) {
            queue.add(times.queue);
            if sim && job.status == Queuing {
                sim_queue.add(times.queue);
            }
        }
    }
    let count = |status: JobStatus| sure().filter(|(job, _)| job.status == status).count();
    Summary {
        n_running: count(Running),
        n_suspended: count(Suspended),
        n_queuing: count(Queuing),
        n_failed: count(Failed),
        n_submitted: count(Submitted),
        avg_queue_time: queue.text(),
        avg_run_time: run.text(),
        n_sim: jobs.jobs().iter().filter(|job| is_sim(job)).count(),
        avg_sim_queue_time: sim_queue.text(),
        avg_sim_run_time: sim_run.text(),
        sim_queue_considered: sim_queue.count,
        sim_run_considered: sim_run.count,
        failed_jobs: sure().filter(|(job, _)| job.status == Failed).map(|(job, _)| job.name.clone()).collect(),
    }
}
