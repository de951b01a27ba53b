//! What a run waits for: other runs, found once when it is queued, and judged whenever one of them starts or ends.

use std::path::Path;

use jobgate_model::{Error, State};
use jobgate_slurm::errno::Errno;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::queue::{self, Reached};
use super::request::{After, Condition, Dependency, Target};
use crate::journal;

/// What a run waits for, with ids resolved to rows of the queue.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Awaited {
    all: bool,
    pub(super) conditions: Vec<AwaitedCondition>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum AwaitedCondition {
    /// All these runs must have reached that.
    Runs(After, Vec<i64>),
    /// Known already.
    Fixed(bool),
    /// All these runs must have reached that, so many minutes ago; `shown` is what Slurm calls them.
    Named { after: After, runs: Vec<i64>, minutes: i64, shown: String },
    /// These runs of the same name must have ended.
    Singleton(Vec<i64>),
}

impl AwaitedCondition {
    /// The runs that it is about.
    pub(super) fn runs(&self) -> &[i64] {
        match self {
            Self::Runs(_, runs) | Self::Singleton(runs) | Self::Named { runs, .. } => runs,
            Self::Fixed(_) => &[],
        }
    }

    fn shown(&self) -> Option<String> {
        match self {
            Self::Runs(after, runs) => {
                let ids: Vec<String> = runs.iter().map(i64::to_string).collect();
                Some(format!("{}:{}", after.word(), ids.join(":")))
            }
            Self::Named { after, shown, .. } => Some(format!("{}:{shown}", after.word())),
            Self::Singleton(_) => Some("singleton".to_owned()),
            Self::Fixed(_) => None,
        }
    }
}

/// Whether a condition is met.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Met {
    Yes,
    NotYet,
    /// It will be at this time (unix seconds).
    At(f64),
    Never,
}

/// What was found of all conditions together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Judgement {
    pub(super) met: Met,
    /// What is still waited for, in Slurm's form.
    pub(super) text: String,
}

/// Who waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiter<'a> {
    /// The job's directory.
    pub(super) base: &'a Path,
    pub(super) owner: &'a str,
    pub(super) name: Option<&'a str>,
    /// The task of an array that it is.
    pub(super) task: Option<i64>,
    /// Numbers are runs' (Slurm's manner) rather than native ids.
    pub(super) strict: bool,
    /// The number of its own row, if it has one.
    pub(super) id: Option<i64>,
}

/// Finds the runs that a dependency names.
pub(super) fn resolve(
    tx: &Connection,
    waiter: &Waiter<'_>,
    dependency: &Dependency,
) -> rusqlite::Result<Result<Awaited, Error>> {
    let mut conditions = Vec::new();
    for condition in &dependency.conditions {
        match condition {
            Condition::Singleton => {
                let mut earlier = queue::same_name(tx, waiter.owner, waiter.name)?;
                earlier.retain(|run| waiter.id.is_none_or(|id| *run < id));
                conditions.push(AwaitedCondition::Singleton(earlier));
            }
            Condition::Reached(after, targets) => {
                for target in targets {
                    match resolve_one(tx, waiter, *after, target)? {
                        Ok(condition) => conditions.push(condition),
                        Err(error) => return Ok(Err(error)),
                    }
                }
            }
        }
    }
    Ok(Ok(Awaited { all: dependency.all, conditions }))
}

/// An id is a job's, which means all runs of its last start, or a run's number, or a native one. Jobs that the queue does not
/// know (any more) may have left their end in the same prefix.
fn resolve_one(
    tx: &Connection,
    waiter: &Waiter<'_>,
    after: After,
    target: &Target,
) -> rusqlite::Result<Result<AwaitedCondition, Error>> {
    let id = target.id.as_str();
    let named = |runs: Vec<i64>, shown: String| {
        let shown = if target.minutes > 0 { format!("{shown}+{}", target.minutes) } else { shown };
        AwaitedCondition::Named { after, runs, minutes: target.minutes, shown }
    };
    let prefix = waiter.base.parent();
    let mut runs = queue::of_job(tx, id)?;
    runs.retain(|(_, base, _)| base.parent() == prefix);
    if let Some(last) = runs.iter().map(|(_, _, start)| *start).max() {
        let targets: Vec<i64> = runs.iter().filter(|(_, _, start)| *start == last).map(|(id, _, _)| *id).collect();
        let shown = targets.iter().map(i64::to_string).collect::<Vec<_>>().join(":");
        return Ok(Ok(named(targets, shown)));
    }
    let native = || queue::by_native(tx, id);
    let by_native = |run: i64| named(vec![run], run.to_string());
    if !waiter.strict
        && let Some(run) = native()?
    {
        return Ok(Ok(by_native(run)));
    }
    if let Some((runs, shown)) = numbered(tx, waiter, after, id)? {
        return Ok(Ok(named(runs, shown)));
    }
    let last = prefix.and_then(|prefix| journal::last_row(&prefix.join(id)).ok().flatten());
    Ok(match last.filter(|row| row.state.is_final()) {
        Some(row) => {
            let reached = Reached { started: true, started_at: None, ended: Some(row.state) };
            Ok(AwaitedCondition::Fixed(met(after, 0, reached, 0.0) == Met::Yes))
        }
        None => Err(Error::invalid(format!(
            "dependency names job {id}, which is neither in the queue nor ended: start it first"
        ))
        .numbered(Errno::DEPENDENCY.0)),
    })
}

/// The runs that `12`, `12_3` or `12_*` means. The number of an array is its first task's.
fn numbered(
    tx: &Connection,
    waiter: &Waiter<'_>,
    after: After,
    id: &str,
) -> rusqlite::Result<Option<(Vec<i64>, String)>> {
    let (job, task) = id.split_once('_').map_or((id, None), |(job, task)| (job, Some(task)));
    let Ok(job) = job.parse::<i64>() else { return Ok(None) };
    let tasks = queue::tasks_of(tx, job)?;
    let only = |task: i64| {
        let runs: Vec<i64> = tasks.iter().filter(|(_, of)| *of == task).map(|(id, _)| *id).collect();
        (!runs.is_empty()).then(|| (runs, format!("{job}_{task}")))
    };
    if tasks.is_empty() {
        let known = task.is_none() && queue::reached(tx, job)?.is_some();
        return Ok(known.then(|| (vec![job], job.to_string())));
    }
    Ok(match (task, waiter.task) {
        (Some(task), _) if task != "*" => task.parse().ok().and_then(only),
        (_, Some(own)) if after == After::Corresponding => only(own),
        _ => Some((tasks.iter().map(|(id, _)| *id).collect(), format!("{job}_*"))),
    })
}

/// Looks whether what a run waits for has happened.
pub(super) fn judge(tx: &Connection, awaited: &Awaited, now: f64) -> rusqlite::Result<Judgement> {
    let mut verdicts = Vec::with_capacity(awaited.conditions.len());
    let mut texts = Vec::new();
    for condition in &awaited.conditions {
        let verdict = judge_one(tx, condition, now)?;
        let state = match verdict {
            Met::Yes => None,
            Met::NotYet | Met::At(_) => Some("unfulfilled"),
            Met::Never => Some("failed"),
        };
        if let Some((state, shown)) = state.zip(condition.shown()) {
            texts.push(format!("{shown}({state})"));
        }
        verdicts.push(verdict);
    }
    let earliest = || {
        let times = verdicts.iter().filter_map(|met| if let Met::At(time) = met { Some(*time) } else { None });
        times.min_by(f64::total_cmp)
    };
    let met = match awaited.all {
        true => all_of(&verdicts),
        false if verdicts.contains(&Met::Yes) => Met::Yes,
        false if verdicts.iter().all(|met| *met == Met::Never) => Met::Never,
        false => earliest().map_or(Met::NotYet, Met::At),
    };
    let text = if met == Met::Yes { String::new() } else { texts.join(if awaited.all { "," } else { "?" }) };
    Ok(Judgement { met, text })
}

fn judge_one(tx: &Connection, condition: &AwaitedCondition, now: f64) -> rusqlite::Result<Met> {
    let (after, minutes) = match condition {
        AwaitedCondition::Fixed(true) => return Ok(Met::Yes),
        AwaitedCondition::Fixed(false) => return Ok(Met::Never),
        AwaitedCondition::Runs(after, _) => (*after, 0),
        AwaitedCondition::Named { after, minutes, .. } => (*after, *minutes),
        AwaitedCondition::Singleton(_) => (After::Any, 0),
    };
    let mut each = Vec::with_capacity(condition.runs().len());
    for target in condition.runs() {
        // A row that is gone ended long ago, nobody knows how.
        let gone = Reached { started: true, started_at: None, ended: Some(State::New) };
        each.push(met(after, minutes, queue::reached(tx, *target)?.unwrap_or(gone), now));
    }
    Ok(all_of(&each))
}

fn met(after: After, minutes: i64, reached: Reached, now: f64) -> Met {
    match (after, reached.ended) {
        (After::Started, _) if reached.started => {
            // One that was canceled without having started has no such time.
            let due = reached.started_at.map_or(now, |started| started + minutes as f64 * 60.0);
            if minutes == 0 || due <= now { Met::Yes } else { Met::At(due) }
        }
        (_, None) => Met::NotYet,
        (After::Started | After::Any, Some(_))
        | (After::Ok | After::Corresponding, Some(State::Completed))
        | (After::NotOk, Some(State::Failed | State::Canceled)) => Met::Yes,
        (After::Ok | After::NotOk | After::Corresponding, Some(_)) => Met::Never,
    }
}

fn all_of(each: &[Met]) -> Met {
    if each.contains(&Met::Never) {
        return Met::Never;
    }
    if each.contains(&Met::NotYet) {
        return Met::NotYet;
    }
    let times = each.iter().filter_map(|met| if let Met::At(time) = met { Some(*time) } else { None });
    times.max_by(f64::total_cmp).map_or(Met::Yes, Met::At)
}
