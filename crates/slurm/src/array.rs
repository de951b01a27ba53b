//! Job arrays: which tasks, how many at once, and job ids that name them.

mod job_ref;
mod parse;
#[cfg(test)]
mod tests;

use std::fmt;

pub use job_ref::{GREATEST_JOB_ID, JobRef, JobRefError, Part, Step};
pub use parse::ArrayError;

/// The greatest `MaxArraySize` that slurm.conf(5) allows; the greatest task id is one less.
pub const GREATEST_MAX_ARRAY_SIZE: u32 = 4_000_001;

/// A set of task ids, kept as ascending ranges that do not touch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct TaskSet {
    ranges: Vec<(u32, u32)>,
}

/// What `--array` asks for: `1,3,5-20:4%2`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ArraySpec {
    /// The tasks; at least one.
    pub tasks: TaskSet,
    /// How many of them may run at the same time (`%2`); `None` for all.
    pub limit: Option<u32>,
}

impl TaskSet {
    /// Reads ids, ranges and ranges with steps, separated by commas: `1,3,5-20:4`. Every id is below `max_array_size`, and not
    /// more than `max_array_size` ids are listed, repetitions counted.
    pub fn parse(text: &str, max_array_size: u32) -> Result<Self, ArrayError> {
        parse::tasks(text, max_array_size, max_array_size)
    }

    /// The smallest task id.
    pub fn first(&self) -> Option<u32> {
        self.ranges.first().map(|range| range.0)
    }

    /// The greatest task id.
    pub fn last(&self) -> Option<u32> {
        self.ranges.last().map(|range| range.1)
    }

    /// How many tasks there are.
    pub fn len(&self) -> usize {
        self.ranges.iter().map(|(first, last)| (last - first) as usize + 1).sum()
    }

    /// Whether there is no task.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether `task` is in the set.
    pub fn contains(&self, task: u32) -> bool {
        let after = self.ranges.partition_point(|range| range.0 <= task);
        after > 0 && task <= self.ranges[after - 1].1
    }

    /// The task ids, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.ranges.iter().flat_map(|(first, last)| *first..=*last)
    }

    /// The text that Slurm's REST API shows as `array_task_string`: like [`Display`](fmt::Display), but cut after 60 characters
    /// and ended with `...` if it has more than 61.
    pub fn short(&self) -> String {
        let text = self.to_string();
        if text.len() > 61 && self.step().is_none() { format!("{}...", &text[..60]) } else { text }
    }

    fn from_ranges(mut ranges: Vec<(u32, u32)>) -> Self {
        ranges.sort_unstable();
        let mut joined: Vec<(u32, u32)> = Vec::new();
        for (first, last) in ranges {
            match joined.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                _ => joined.push((first, last)),
            }
        }
        Self { ranges: joined }
    }

    /// The step, if Slurm prints the set as a range with one: more than five tasks at the same distance of more than one, over a
    /// span of more than ten.
    fn step(&self) -> Option<u32> {
        let (first, last) = (self.first()?, self.last()?);
        let step = self.ranges.get(1)?.0 - first;
        let regular = self.ranges.iter().all(|range| range.0 == range.1)
            && self.ranges.windows(2).all(|pair| pair[1].0 - pair[0].0 == step);
        (last - first > 10 && self.ranges.len() > 5 && regular).then_some(step)
    }
}

impl FromIterator<u32> for TaskSet {
    fn from_iter<T: IntoIterator<Item = u32>>(tasks: T) -> Self {
        Self::from_ranges(tasks.into_iter().map(|task| (task, task)).collect())
    }
}

/// Slurm's compact text: `1-2,6-8,11`, or `2-18:2` for longer sets of even distance.
impl fmt::Display for TaskSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(step), Some(first), Some(last)) = (self.step(), self.first(), self.last()) {
            return write!(f, "{first}-{last}:{step}");
        }
        for (index, (first, last)) in self.ranges.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{first}")?;
            if last > first {
                write!(f, "-{last}")?;
            }
        }
        Ok(())
    }
}

impl ArraySpec {
    /// Reads the value of `--array`. `max_array_size` is the cluster's `MaxArraySize` (Slurm's default is 1001): every id is
    /// below it. A limit of 0 means no limit.
    pub fn parse(text: &str, max_array_size: u32) -> Result<Self, ArrayError> {
        parse::spec(text, max_array_size)
    }

    /// The text that Slurm's REST API shows as `array_task_string`: the tasks, cut if they are long, and the limit.
    pub fn short(&self) -> String {
        match self.limit {
            Some(limit) => format!("{}%{limit}", self.tasks.short()),
            None => self.tasks.short(),
        }
    }
}

impl fmt::Display for ArraySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tasks.fmt(f)?;
        self.limit.map_or(Ok(()), |limit| write!(f, "%{limit}"))
    }
}
