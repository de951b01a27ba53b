//! The runs of an experiment, and the tries of a job.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use thiserror::Error;

use super::Moment;
use super::facts::Facts;
use super::performance::without_outliers;
use super::times::{by_package, queue_in_package, span};
use crate::databases::history::{History, Run, Try};
use crate::texts::{instant, round, timedelta};

/// A run.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "names of the answer")]
pub struct RunView {
    pub run_id: i64,
    pub created: Option<String>,
    pub finish: Option<String>,
    pub chunk_unit: Option<String>,
    pub chunk_size: Option<i64>,
    pub submitted: i64,
    pub queuing: i64,
    pub running: i64,
    pub completed: i64,
    pub failed: i64,
    pub total: i64,
    pub suspended: i64,
    #[serde(rename = "Parallelization")]
    pub parallelization: i64,
    #[serde(rename = "SYPD")]
    pub sypd: Option<f64>,
    #[serde(rename = "ASYPD")]
    pub asypd: Option<f64>,
    #[serde(rename = "CHSY")]
    pub chsy: Option<f64>,
}

/// All runs, newest first. `completed` are all tries that were completed ([`crate::databases::history::completed_tries`]).
pub fn runs(facts: &Facts<'_>, completed: &[Try]) -> Vec<RunView> {
    let runs = facts.snapshot.history.runs();
    let parallelization = facts.snapshot.configuration.processing("SIM").elements();
    let packages = by_package(completed);
    let of_run = |run: &Run, section: &str| -> Vec<Try> {
        let mut rows: Vec<Try> =
            completed.iter().filter(|row| row.run_id == Some(run.run_id) && is_of(row, section)).cloned().collect();
        // what a row does not say, the list of jobs may
        rows.iter_mut().filter(|row| row.finish == 0).for_each(|row| row.finish = listed_finish(facts, row));
        rows
    };
    let view = |run: &Run| {
        let (sims, posts) = (of_run(run, "SIM"), of_run(run, "POST"));
        let [sypd, asypd, chsy] = speeds(run, &sims, &posts, &packages);
        RunView {
            run_id: run.run_id,
            created: run.created.clone(),
            finish: instant(run.finish, facts.moment.zone),
            chunk_unit: run.chunk_unit.clone(),
            chunk_size: run.chunk_size,
            submitted: run.submitted,
            queuing: run.queuing,
            running: run.running,
            completed: run.completed,
            failed: run.failed,
            total: run.total,
            suspended: run.suspended,
            parallelization,
            sypd,
            asypd,
            chsy,
        }
    };
    runs.iter().rev().map(view).collect()
}

/// Early files have section and member in each other's column.
fn is_of(row: &Try, section: &str) -> bool {
    row.section.as_deref() == Some(section) || row.member.as_deref() == Some(section)
}

fn listed_finish(facts: &Facts<'_>, row: &Try) -> i64 {
    facts.snapshot.jobs.place(&row.job_name).map_or(0, |place| facts.times[place].finish)
}

/// SYPD, ASYPD and CHSY of a run.
fn speeds(run: &Run, sims: &[Try], posts: &[Try], packages: &BTreeMap<(i64, i64), Vec<&Try>>) -> [Option<f64>; 3] {
    let years = run.chunk_length().map_or(0.0, |length| length.years());
    let span = |row: &Try| span(row.start, row.finish) as f64;
    let waited = |row: &Try| queue_in_package(row, packages) as f64;
    let spans: Vec<f64> = sims.iter().map(span).collect();
    let kept: Vec<&Try> =
        sims.iter().zip(without_outliers(&spans)).filter(|(_, kept)| *kept).map(|(row, _)| row).collect();
    let ran: f64 = kept.iter().map(|row| span(row)).sum();
    if kept.is_empty() || ran <= 0.0 {
        return [None; 3];
    }
    let count = kept.len() as f64;
    let simulated = count * years * 86_400.0;
    let hours = kept.iter().map(|row| row.ncpus as f64 * span(row)).sum::<f64>() / count;
    let asypd = (!posts.is_empty()).then(|| {
        let post = posts.iter().map(|row| waited(row) + span(row)).sum::<f64>() / posts.len() as f64;
        round(simulated / (ran + kept.iter().map(|row| waited(row)).sum::<f64>() + round(post, 2)), 2)
    });
    let chsy = (years > 0.0).then(|| round(hours / (years * 3600.0), 2));
    [Some(round(simulated / ran, 2)), asypd, chsy]
}

/// A try of a job, as the history view shows it.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "names of the answer")]
pub struct TryView {
    pub counter: i64,
    pub created: Option<String>,
    pub submit: Option<String>,
    pub start: Option<String>,
    pub finish: Option<String>,
    pub queue_time: String,
    pub run_time: String,
    pub ncpus: i64,
    pub wallclock: Option<String>,
    pub qos: Option<String>,
    pub platform: Option<String>,
    pub job_id: Option<i64>,
    pub nodes: Option<i64>,
    pub energy: Value,
    pub status: String,
    #[serde(rename = "ASYPD")]
    pub asypd: Value,
    #[serde(rename = "SYPD")]
    pub sypd: Value,
    pub run_id: Option<i64>,
    pub run_created: Option<String>,
    pub out: Option<String>,
    pub err: Option<String>,
}

/// The tries of a job, newest first, as [`crate::databases::history::tries_of_job`] gives them. `completed` are all tries that
/// were completed.
pub fn tries(tries: &[Try], history: &History, completed: &[Try], moment: Moment) -> Result<Vec<TryView>, NoRun> {
    let packages = by_package(completed);
    let missing = tries.iter().filter_map(|row| row.run_id).find(|run| history.run(*run).is_none());
    match missing {
        Some(run) => Err(NoRun(run)),
        None => Ok(tries.iter().map(|row| one_try(row, history, completed, &packages, moment)).collect()),
    }
}

/// A try is of a run that the history does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("Run with id {0} not found")]
pub struct NoRun(pub i64);

fn one_try(
    row: &Try,
    history: &History,
    completed: &[Try],
    packages: &BTreeMap<(i64, i64), Vec<&Try>>,
    moment: Moment,
) -> TryView {
    let queue = queue_in_package(row, packages);
    let finish = if row.status == "RUNNING" && row.last { moment.now() } else { row.finish };
    let run_time = span(row.start, finish);
    let run = row.run_id.and_then(|run_id| history.run(run_id));
    let (sypd, asypd) = match run {
        None => (json!("NA"), json!("NA")),
        Some(run) => {
            let posts = completed.iter().filter(|post| post.run_id == row.run_id && is_of(post, "POST"));
            let (sypd, asypd) = of_try(row, run, queue, run_time, &posts.collect::<Vec<_>>(), packages);
            (json!(sypd), json!(asypd))
        }
    };
    TryView {
        counter: row.counter,
        created: row.created.clone(),
        submit: instant(row.submit, moment.zone),
        start: instant(row.start, moment.zone),
        finish: instant(finish, moment.zone),
        queue_time: timedelta(queue),
        run_time: timedelta(run_time),
        ncpus: row.ncpus,
        wallclock: row.wallclock.clone(),
        qos: Some(or(row.qos.as_deref(), "debug")),
        platform: Some(or(row.platform.as_deref(), "NA")),
        job_id: Some(row.job_id.unwrap_or(0)),
        nodes: row.nnodes,
        energy: if row.energy.fract() == 0.0 { json!(row.energy as i64) } else { json!(round(row.energy, 2)) },
        status: row.status.clone(),
        asypd,
        sypd,
        run_id: row.run_id,
        run_created: run.map_or_else(|| Some("NA".to_owned()), |run| run.created.clone()),
        out: row.out.clone(),
        err: row.err.clone(),
    }
}

/// A text, or what stands for one that is empty.
fn or(text: Option<&str>, usual: &str) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or(usual).to_owned()
}

fn of_try(
    row: &Try,
    run: &Run,
    queue: i64,
    ran: i64,
    posts: &[&Try],
    packages: &BTreeMap<(i64, i64), Vec<&Try>>,
) -> (Option<f64>, Option<f64>) {
    let years = run.chunk_length().map_or(0.0, |length| length.years());
    if row.status != "COMPLETED" || row.chunk.unwrap_or(0) <= 0 {
        return (None, None);
    }
    // one in a wrapper counts only for its waiting
    let of_post = |post: &Try| if post.rowtype > 2 { 0 } else { span(post.start, post.finish) };
    let spans = posts.iter().map(|post| (queue_in_package(post, packages) + of_post(post)) as f64);
    let post = if posts.is_empty() { 0.0 } else { spans.sum::<f64>() / posts.len() as f64 };
    let per = |seconds: f64| (seconds > 0.0).then(|| years * 86_400.0 / seconds);
    (per(ran as f64), per((queue + ran) as f64 + post))
}
