//! What a run waits for: other runs, found once when it is queued, and judged whenever one of them starts or ends.

use std::path::Path;

use jobgate_model::{Error, State};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::queue::{self, NewRun};
use super::request::{After, Condition, Dependency};
use crate::journal;

/// What a run waits for, with ids resolved to rows of the queue.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Awaited {
    all: bool,
    pub(super) conditions: Vec<AwaitedCondition>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum AwaitedCondition {
    /// All these runs must have reached that.
    Runs(After, Vec<i64>),
    /// Known already.
    Fixed(bool),
}

/// Whether a condition is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Met {
    Yes,
    NotYet,
    Never,
}

/// Finds the runs that a dependency names.
pub(super) fn resolve(
    tx: &Connection,
    run: &NewRun,
    dependency: &Dependency,
) -> rusqlite::Result<Result<Awaited, Error>> {
    let mut conditions = Vec::new();
    for condition in &dependency.conditions {
        match condition {
            Condition::Singleton => {
                let earlier = queue::same_name(tx, &run.owner, run.name.as_deref())?;
                conditions.push(AwaitedCondition::Runs(After::Any, earlier));
            }
            Condition::Reached(after, ids) => {
                for id in ids {
                    match resolve_one(tx, &run.base, *after, id)? {
                        Ok(condition) => conditions.push(condition),
                        Err(error) => return Ok(Err(error)),
                    }
                }
            }
        }
    }
    Ok(Ok(Awaited { all: dependency.all, conditions }))
}

/// An id is a job's, which means all runs of its last start, or a native one. Jobs that the queue does not know (any more)
/// may have left their end in the same prefix.
fn resolve_one(
    tx: &Connection,
    base: &Path,
    after: After,
    id: &str,
) -> rusqlite::Result<Result<AwaitedCondition, Error>> {
    let prefix = base.parent();
    let mut runs = queue::of_job(tx, id)?;
    runs.retain(|(_, base, _)| base.parent() == prefix);
    if let Some(last) = runs.iter().map(|(_, _, start)| *start).max() {
        let targets = runs.iter().filter(|(_, _, start)| *start == last).map(|(id, _, _)| *id).collect();
        return Ok(Ok(AwaitedCondition::Runs(after, targets)));
    }
    if let Some(run) = queue::by_native(tx, id)? {
        return Ok(Ok(AwaitedCondition::Runs(after, vec![run])));
    }
    let last = prefix.and_then(|prefix| journal::last_row(&prefix.join(id)).ok().flatten());
    Ok(match last.filter(|row| row.state.is_final()) {
        Some(row) => Ok(AwaitedCondition::Fixed(met(after, true, Some(row.state)) == Met::Yes)),
        None => Err(Error::invalid(format!(
            "dependency names job {id}, which is neither in the queue nor ended: start it first"
        ))),
    })
}

pub(super) fn judge(tx: &Connection, awaited: &Awaited) -> rusqlite::Result<Met> {
    let mut verdicts = Vec::with_capacity(awaited.conditions.len());
    for condition in &awaited.conditions {
        verdicts.push(match condition {
            AwaitedCondition::Fixed(true) => Met::Yes,
            AwaitedCondition::Fixed(false) => Met::Never,
            AwaitedCondition::Runs(after, targets) => {
                let mut each = Vec::with_capacity(targets.len());
                for target in targets {
                    // A row that is gone ended long ago, nobody knows how.
                    let (started, state) = queue::reached(tx, *target)?.unwrap_or((true, Some(State::New)));
                    each.push(met(*after, started, state));
                }
                all_of(&each)
            }
        });
    }
    let any_met = || verdicts.contains(&Met::Yes);
    let none_can = || verdicts.iter().all(|met| *met == Met::Never);
    Ok(match awaited.all {
        true => all_of(&verdicts),
        false if any_met() => Met::Yes,
        false if none_can() => Met::Never,
        false => Met::NotYet,
    })
}

fn met(after: After, started: bool, ended: Option<State>) -> Met {
    match (after, ended) {
        (After::Started, _) if started => Met::Yes,
        (_, None) => Met::NotYet,
        (After::Started | After::Any, Some(_))
        | (After::Ok, Some(State::Completed))
        | (After::NotOk, Some(State::Failed | State::Canceled)) => Met::Yes,
        (After::Ok | After::NotOk, Some(_)) => Met::Never,
    }
}

fn all_of(each: &[Met]) -> Met {
    if each.contains(&Met::Never) {
        Met::Never
    } else if each.contains(&Met::NotYet) {
        Met::NotYet
    } else {
        Met::Yes
    }
}
