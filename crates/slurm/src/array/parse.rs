//! Reading task lists, with work and memory bounded by the array's greatest size.

use thiserror::Error;

use super::{ArraySpec, TaskSet};
use crate::excerpt::excerpt;

/// Why a text is no list of array tasks.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ArrayError {
    /// A part is no task id, range or range with a step.
    #[error(
        "job array: `{0}` is no task list; write ids and ranges such as 1,3,5-20:4, with %N at the end for at most N at once"
    )]
    Part(String),
    /// A range ends before it starts, or its step is 0.
    #[error("job array: the range `{0}` is empty; write the smaller number first and a step of at least 1")]
    Empty(String),
    /// A task id is not below the cluster's `MaxArraySize`.
    #[error("job array: task id {task} is too great; ids go from 0 to {greatest} here (MaxArraySize)")]
    TooGreat {
        /// The id that was asked for.
        task: u64,
        /// The greatest that is allowed.
        greatest: u32,
    },
    /// More tasks, or more separate ones, are listed than are allowed.
    #[error("job array: more than {0} tasks are listed; list fewer, each once")]
    TooMany(u32),
    /// What follows `%` is no number.
    #[error("job array: `%{0}` is no limit; write %N for at most N tasks at once")]
    Limit(String),
}

pub(super) fn spec(text: &str, max_array_size: u32) -> Result<ArraySpec, ArrayError> {
    let (list, limit) = match text.split_once('%') {
        Some((list, limit)) => {
            let limit = number(limit).and_then(|limit| u32::try_from(limit).ok());
            let limit =
                limit.ok_or_else(|| ArrayError::Limit(excerpt(text.split_once('%').map_or("", |split| split.1))))?;
            (list, Some(limit).filter(|limit| *limit > 0))
        }
        None => (text, None),
    };
    Ok(ArraySpec { tasks: tasks(list, max_array_size, max_array_size)?, limit })
}

/// Tasks that make at most `max_ranges` ranges, each task apart from its neighbours counted as one.
pub(super) fn tasks(text: &str, max_array_size: u32, max_ranges: u32) -> Result<TaskSet, ArrayError> {
    let mut listed = 0_u64;
    let mut separate = 0_u64;
    let mut ranges = Vec::new();
    for part in text.split(',') {
        let (first, last, step) = part_of(part).ok_or_else(|| ArrayError::Part(excerpt(part)))?;
        if first > last || step == 0 {
            return Err(ArrayError::Empty(excerpt(part)));
        }
        let id = |task: u64| {
            u32::try_from(task)
                .ok()
                .filter(|task| *task < max_array_size)
                .ok_or(ArrayError::TooGreat { task, greatest: max_array_size.saturating_sub(1) })
        };
        let (first, last) = (id(first)?, id(last)?);
        let step = u32::try_from(step).unwrap_or(u32::MAX);
        let count = u64::from((last - first) / step) + 1;
        listed += count;
        separate += if step == 1 { 1 } else { count };
        if listed > u64::from(max_array_size) {
            return Err(ArrayError::TooMany(max_array_size));
        }
        if separate > u64::from(max_ranges) {
            return Err(ArrayError::TooMany(max_ranges));
        }
        if step == 1 {
            ranges.push((first, last));
        } else {
            ranges.extend((first..=last).step_by(step as usize).map(|task| (task, task)));
        }
    }
    Ok(TaskSet::from_ranges(ranges))
}

/// First, last and step of `7`, `1-5` or `1-9:2`.
fn part_of(part: &str) -> Option<(u64, u64, u64)> {
    let part = part.trim();
    let Some((first, rest)) = part.split_once('-') else {
        let only = number(part)?;
        return Some((only, only, 1));
    };
    let (last, step) = match rest.split_once(':') {
        Some((last, step)) => (last, number(step)?),
        None => (rest, 1),
    };
    Some((number(first)?, number(last)?, step))
}

/// A decimal number of at most 18 digits, without a sign.
pub(super) fn number(text: &str) -> Option<u64> {
    let plain = (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}
