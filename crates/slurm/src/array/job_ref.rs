//! Job ids as they are written: with array tasks, heterogeneous components and steps.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::parse::{self, number};
use super::{ArrayError, GREATEST_MAX_ARRAY_SIZE, TaskSet};
use crate::excerpt::excerpt;

/// A list such as `13_[0-998:2]` may stand for so many ranges.
const MAX_RANGES: u32 = 65_536;

/// The greatest number that can be a job's: the two above mean "not set" and "infinite". Slurm itself gives none above 67108863.
pub const GREATEST_JOB_ID: u32 = u32::MAX - 2;

/// A job, or some of it: `13`, `13_4`, `13_[1-3]`, `13_*`, `13+1`, `13.batch`, `13_4.0`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JobRef {
    /// The number of the job, of the array or of the heterogeneous job; never 0.
    pub job: u32,
    /// Which part of it is meant.
    pub part: Part,
    /// Which step is meant, if one is.
    pub step: Option<Step>,
}

/// The part of a job that an id names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Part {
    /// Nothing is said: the job, or the whole array.
    Whole,
    /// `13_4`
    Task(u32),
    /// `13_[1-3,7]`
    Tasks(TaskSet),
    /// `13_*`: all tasks of the array.
    AllTasks,
    /// `13+1`: a component of a heterogeneous job.
    Component(u32),
}

/// A step of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// `.0`: what srun started.
    Number(u32),
    /// `.batch`: the script.
    Batch,
    /// `.extern`: what was adopted from outside.
    Extern,
    /// `.interactive`: an interactive allocation's shell.
    Interactive,
}

/// Why a text names no job.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JobRefError {
    /// The text has another form.
    #[error(
        "`{0}` is no job id; write 13, 13_4, 13_[1-3], 13+1 or 13.batch, with a number from 1 to {GREATEST_JOB_ID}"
    )]
    Form(String),
    /// The tasks in brackets are no task list.
    #[error("job id `{text}`: {error}")]
    Tasks {
        /// The text.
        text: String,
        /// What is wrong with its tasks.
        error: ArrayError,
    },
}

impl JobRef {
    /// Reads a job id.
    pub fn parse(text: &str) -> Result<Self, JobRefError> {
        let form = || JobRefError::Form(excerpt(text));
        let (id, step) = match text.split_once('.') {
            Some((id, step)) => (id, Some(Step::parse(step).ok_or_else(form)?)),
            None => (text, None),
        };
        let end = id.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(id.len());
        let (job, part) = id.split_at(end);
        let job = small(job).filter(|job| (1..=GREATEST_JOB_ID).contains(job)).ok_or_else(form)?;
        let part = match part.as_bytes() {
            [] => Part::Whole,
            b"_*" => Part::AllTasks,
            [b'_', b'[', .., b']'] => Part::Tasks(tasks(text, &part[2..part.len() - 1])?),
            [b'_', ..] => {
                Part::Task(small(&part[1..]).filter(|task| *task < GREATEST_MAX_ARRAY_SIZE).ok_or_else(form)?)
            }
            [b'+', ..] => Part::Component(small(&part[1..]).ok_or_else(form)?),
            _ => return Err(form()),
        };
        Ok(Self { job, part, step })
    }

    /// The job as a whole.
    pub fn whole(job: u32) -> Self {
        Self { job, part: Part::Whole, step: None }
    }

    /// One task of an array.
    pub fn task(job: u32, task: u32) -> Self {
        Self { job, part: Part::Task(task), step: None }
    }
}

impl Step {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "batch" => Some(Self::Batch),
            "extern" => Some(Self::Extern),
            "interactive" => Some(Self::Interactive),
            number => small(number).map(Self::Number),
        }
    }
}

fn tasks(text: &str, list: &str) -> Result<TaskSet, JobRefError> {
    parse::tasks(list, GREATEST_MAX_ARRAY_SIZE, MAX_RANGES)
        .map_err(|error| JobRefError::Tasks { text: excerpt(text), error })
}

fn small(text: &str) -> Option<u32> {
    u32::try_from(number(text)?).ok()
}

impl FromStr for JobRef {
    type Err = JobRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for JobRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.job)?;
        match &self.part {
            Part::Whole => Ok(()),
            Part::Task(task) => write!(f, "_{task}"),
            Part::Tasks(tasks) => write!(f, "_[{tasks}]"),
            Part::AllTasks => f.write_str("_*"),
            Part::Component(component) => write!(f, "+{component}"),
        }?;
        self.step.map_or(Ok(()), |step| write!(f, ".{step}"))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Batch => f.write_str("batch"),
            Self::Extern => f.write_str("extern"),
            Self::Interactive => f.write_str("interactive"),
        }
    }
}
