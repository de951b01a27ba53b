//! Reading dependencies.

use thiserror::Error;

use super::{Condition, Dependency, Join, Kind, MAX_CONDITIONS, State, Target, TargetTasks};
use crate::array::{JobRef, Part};
use crate::excerpt::excerpt;

/// Why a text is no dependency.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DependencyError {
    /// A part has no kind, or no jobs.
    #[error("dependency `{0}`: write KIND:JOBID[:JOBID...], for example afterok:12 or afterany:12_3:13, or singleton")]
    Form(String),
    /// What should be a job's number is not.
    #[error("dependency: `{0}` is no job; write its number, 12, or for array tasks 12_3, 12_[1-4] or 12_*")]
    Job(String),
    /// What follows `+` is no number of minutes.
    #[error("dependency `{0}`: only `after` takes a delay, in whole minutes: after:12+5")]
    Delay(String),
    /// A state in parentheses is not known.
    #[error("dependency: `{0}` is no state; a job's record says unfulfilled, fulfilled or failed")]
    State(String),
    /// Both `,` and `?` stand in the text.
    #[error("dependency `{0}`: use either `,` (all must hold) or `?` (one is enough), not both")]
    Mixed(String),
    /// The text holds too many conditions.
    #[error("dependency: more than {MAX_CONDITIONS} conditions; depend on whole arrays or on fewer jobs")]
    TooMany,
}

pub(super) fn dependency(text: &str, max_array_size: u32) -> Result<Dependency, DependencyError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Dependency::default());
    }
    let parts = split(text);
    let join = match (parts.iter().any(|part| part.1 == Some(',')), parts.iter().any(|part| part.1 == Some('?'))) {
        (true, true) => return Err(DependencyError::Mixed(excerpt(text))),
        (false, true) => Join::Any,
        _ => Join::All,
    };
    let mut conditions = Vec::new();
    for (part, _) in parts {
        append(&mut conditions, part.trim(), max_array_size)?;
    }
    Ok(Dependency { join, conditions })
}

/// The parts between `,` and `?`, each with the separator that follows it. Commas in brackets separate tasks, not parts.
fn split(text: &str) -> Vec<(&str, Option<char>)> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut inside = false;
    for (at, character) in text.char_indices() {
        match character {
            '[' => inside = true,
            ']' => inside = false,
            ',' | '?' if !inside => {
                parts.push((&text[start..at], Some(character)));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push((&text[start..], None));
    parts
}

fn append(conditions: &mut Vec<Condition>, part: &str, max_array_size: u32) -> Result<(), DependencyError> {
    let (word, jobs) = match part.split_once(':') {
        Some((word, jobs)) => (word, jobs),
        // A job's number alone is the oldest form, and means afterany.
        None if part.starts_with(|first: char| first.is_ascii_digit()) => ("afterany", part),
        None => return singleton(conditions, part),
    };
    let word = word.to_ascii_lowercase();
    if jobs.is_empty() || word.is_empty() || !word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(DependencyError::Form(excerpt(part)));
    }
    let of = match word.as_str() {
        "after" => None,
        "afterany" => Some(Kind::AfterAny as fn(Target) -> Kind),
        "afterok" => Some(Kind::AfterOk as _),
        "afternotok" => Some(Kind::AfterNotOk as _),
        "aftercorr" => Some(Kind::AfterCorr as _),
        "afterburstbuffer" => Some(Kind::AfterBurstBuffer as _),
        "singleton" => return Err(DependencyError::Form(excerpt(part))),
        _ => {
            let (rest, state) = state(jobs)?;
            return push(conditions, Kind::Other(word, rest.to_owned()), state);
        }
    };
    for job in jobs.split(':') {
        let (job, state) = state(job)?;
        let (job, minutes) = match job.split_once('+') {
            Some((job, minutes)) if of.is_none() => (job, delay(job, minutes)?),
            Some(_) => return Err(DependencyError::Delay(excerpt(part))),
            None => (job, 0),
        };
        each_target(job, max_array_size, |target| {
            push(conditions, of.map_or(Kind::After(target, minutes), |of| of(target)), state)
        })?;
    }
    Ok(())
}

fn singleton(conditions: &mut Vec<Condition>, part: &str) -> Result<(), DependencyError> {
    let (word, state) = state(part)?;
    if !word.eq_ignore_ascii_case("singleton") {
        return Err(DependencyError::Form(excerpt(part)));
    }
    push(conditions, Kind::Singleton, state)
}

fn push(conditions: &mut Vec<Condition>, kind: Kind, state: State) -> Result<(), DependencyError> {
    if conditions.len() == MAX_CONDITIONS {
        return Err(DependencyError::TooMany);
    }
    conditions.push(Condition { kind, state });
    Ok(())
}

/// Takes a state in parentheses off a text's end: `12_*(unfulfilled)`.
fn state(text: &str) -> Result<(&str, State), DependencyError> {
    let Some((rest, word)) = text.strip_suffix(')').and_then(|text| text.rsplit_once('(')) else {
        return Ok((text, State::Unfulfilled));
    };
    let known = [State::Unfulfilled, State::Fulfilled, State::Failed].into_iter();
    let state = known.into_iter().find(|state| state.word().eq_ignore_ascii_case(word));
    state.map(|state| (rest, state)).ok_or_else(|| DependencyError::State(excerpt(word)))
}

fn delay(job: &str, minutes: &str) -> Result<u32, DependencyError> {
    let plain = !minutes.is_empty() && minutes.bytes().all(|byte| byte.is_ascii_digit());
    // Slurm keeps the delay as 32 bits of seconds.
    let minutes = plain.then(|| minutes.parse().ok()).flatten().filter(|minutes| *minutes <= u32::MAX / 60);
    minutes.ok_or_else(|| DependencyError::Delay(excerpt(&format!("after:{job}+..."))))
}

fn each_target(
    job: &str,
    max_array_size: u32,
    mut push: impl FnMut(Target) -> Result<(), DependencyError>,
) -> Result<(), DependencyError> {
    let refused = || DependencyError::Job(excerpt(job));
    let JobRef { job: number, part, step: None } = JobRef::parse(job).map_err(|_| refused())? else {
        return Err(refused());
    };
    let mut target = |tasks| push(Target { job: number, tasks });
    let mut one = |task| if task < max_array_size { target(TargetTasks::One(task)) } else { Err(refused()) };
    match part {
        Part::Task(task) => one(task),
        Part::Tasks(tasks) => tasks.iter().try_for_each(one),
        Part::Whole => target(TargetTasks::Unsaid),
        Part::AllTasks => target(TargetTasks::All),
        Part::Component(_) => Err(refused()),
    }
}
