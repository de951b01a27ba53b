//! What a job waits for: `--dependency=afterok:12:13_2,singleton`, and the text that shows it with the state of each part.
//!
//! Rules of sbatch(1) and of the job records' `dependency` field: `,` means that all must hold, `?` that one is enough; one text
//! uses only one of the two. Several jobs after one kind are several conditions.

mod parse;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

pub use parse::DependencyError;

/// So many conditions a text may hold, array tasks counted one by one.
pub const MAX_CONDITIONS: usize = 65_536;

/// All that one job waits for. Without conditions it waits for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dependency {
    /// How many of the conditions must hold.
    pub join: Join,
    /// The conditions, in the order of the text.
    pub conditions: Vec<Condition>,
}

/// How many of the conditions must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Join {
    /// All (`,`).
    #[default]
    All,
    /// One (`?`).
    Any,
}

/// One thing to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What must have happened.
    pub kind: Kind,
    /// The state that the text told, in a job's record; a request tells none, which is unfulfilled.
    pub state: State,
}

/// What must have happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `after`: the job has started or was cancelled, so many minutes ago.
    After(Target, u32),
    /// `afterany`: the job has ended.
    AfterAny(Target),
    /// `afterok`: the job has ended with success.
    AfterOk(Target),
    /// `afternotok`: the job has failed.
    AfterNotOk(Target),
    /// `aftercorr`: the array task with the same id has ended with success.
    AfterCorr(Target),
    /// `afterburstbuffer`: the job has ended and its burst buffer is staged out.
    AfterBurstBuffer(Target),
    /// No other job of that user with the same name is active.
    Singleton,
    /// A kind that this crate does not know, with what follows its colon.
    Other(String, String),
}

/// The job to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Target {
    /// The number of the job or array; never 0.
    pub job: u32,
    /// Which tasks of an array.
    pub tasks: TargetTasks,
}

/// The tasks to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TargetTasks {
    /// Nothing is said: the job, or for an array all of it.
    Unsaid,
    /// One task: `12_3`.
    One(u32),
    /// All tasks: `12_*`. Slurm shows an array so.
    All,
}

/// What has become of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum State {
    /// It does not hold yet.
    #[default]
    Unfulfilled,
    /// It holds.
    Fulfilled,
    /// It can never hold.
    Failed,
}

impl Dependency {
    /// Reads a request or the text of a job's record. `max_array_size` bounds the task ids. Empty text waits for nothing.
    pub fn parse(text: &str, max_array_size: u32) -> Result<Self, DependencyError> {
        parse::dependency(text, max_array_size)
    }

    /// The text of a job's record: every condition that does not hold yet, with its state: `afterany:12_*(unfulfilled)`.
    pub fn shown(&self) -> String {
        let unmet = self.conditions.iter().filter(|condition| condition.state != State::Fulfilled);
        let texts: Vec<String> = unmet.map(|condition| format!("{}({})", condition.kind, condition.state)).collect();
        texts.join(self.join.separator())
    }
}

impl Join {
    fn separator(self) -> &'static str {
        match self {
            Self::All => ",",
            Self::Any => "?",
        }
    }
}

impl Kind {
    /// The word before the colon.
    pub fn word(&self) -> &str {
        match self {
            Self::After(..) => "after",
            Self::AfterAny(_) => "afterany",
            Self::AfterOk(_) => "afterok",
            Self::AfterNotOk(_) => "afternotok",
            Self::AfterCorr(_) => "aftercorr",
            Self::AfterBurstBuffer(_) => "afterburstbuffer",
            Self::Singleton => "singleton",
            Self::Other(word, _) => word,
        }
    }

    /// The job that is waited for, if the kind names one.
    pub fn target(&self) -> Option<Target> {
        match self {
            Self::After(target, _)
            | Self::AfterAny(target)
            | Self::AfterOk(target)
            | Self::AfterNotOk(target)
            | Self::AfterCorr(target)
            | Self::AfterBurstBuffer(target) => Some(*target),
            Self::Singleton | Self::Other(..) => None,
        }
    }
}

impl State {
    /// The word that Slurm prints in parentheses.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unfulfilled => "unfulfilled",
            Self::Fulfilled => "fulfilled",
            Self::Failed => "failed",
        }
    }
}

impl FromStr for Dependency {
    type Err = DependencyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text, crate::array::GREATEST_MAX_ARRAY_SIZE)
    }
}

/// The text of a request, one condition after the other, without states: `afterok:12,afterok:13`.
impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, condition) in self.conditions.iter().enumerate() {
            let separator = if index == 0 { "" } else { self.join.separator() };
            write!(f, "{separator}{}", condition.kind)?;
        }
        Ok(())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            Self::After(target, 0) => write!(f, ":{target}"),
            Self::After(target, minutes) => write!(f, ":{target}+{minutes}"),
            Self::Other(_, rest) => write!(f, ":{rest}"),
            kind => kind.target().map_or(Ok(()), |target| write!(f, ":{target}")),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.job)?;
        match self.tasks {
            TargetTasks::Unsaid => Ok(()),
            TargetTasks::One(task) => write!(f, "_{task}"),
            TargetTasks::All => f.write_str("_*"),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
