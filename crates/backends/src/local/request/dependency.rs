//! What a run is to wait for, as it is written.

use jobgate_model::Error;
use jobgate_slurm::errno::Errno;
use serde::{Deserialize, Serialize};

/// What must have happened to other jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::local) struct Dependency {
    pub(in crate::local) conditions: Vec<Condition>,
    /// All conditions (`,`) or any of them (`?`).
    pub(in crate::local) all: bool,
}

/// One condition on other jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::local) enum Condition {
    /// These jobs have reached something.
    Reached(After, Vec<Target>),
    /// All earlier runs of the same owner with the same name have ended.
    Singleton,
}

/// A job that is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::local) struct Target {
    /// A job's id, a run's number, with the task of an array (`12_3`, `12_*`) if wished.
    pub(in crate::local) id: String,
    /// So many minutes after its start (`after` only).
    pub(in crate::local) minutes: i64,
}

/// What a job must have reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::local) enum After {
    /// It has started, or ended without.
    Started,
    /// It has ended, however.
    Any,
    /// It has completed.
    Ok,
    /// It has ended otherwise.
    NotOk,
    /// Of an array: the task with the same number has completed.
    Corresponding,
}

impl After {
    /// In Slurm's words.
    pub(in crate::local) fn word(self) -> &'static str {
        match self {
            Self::Started => "after",
            Self::Any => "afterany",
            Self::Ok => "afterok",
            Self::NotOk => "afternotok",
            Self::Corresponding => "aftercorr",
        }
    }
}

impl Dependency {
    pub(in crate::local) fn parse(text: &str) -> Result<Self, Error> {
        let wrong = || {
            Error::invalid(format!(
                "cannot read dependency {text:?}: expected singleton, or after, afterany, afterok, afternotok or aftercorr \
                 with ids, for example afterok:1693992878.203, with , (all) or ? (any) between conditions"
            ))
            .numbered(Errno::DEPENDENCY.0)
        };
        let any = text.contains('?');
        if any && text.contains(',') {
            return Err(wrong());
        }
        let mut conditions = Vec::new();
        for part in text.split([',', '?']).map(str::trim) {
            if part == "singleton" {
                conditions.push(Condition::Singleton);
                continue;
            }
            let (kind, ids) = part.split_once(':').ok_or_else(wrong)?;
            let after = match kind {
                "after" => After::Started,
                // There are no burst buffers here, so nothing is left to be done when a job has ended.
                "afterany" | "afterburstbuffer" => After::Any,
                "afterok" => After::Ok,
                "afternotok" => After::NotOk,
                "aftercorr" => After::Corresponding,
                _ => return Err(wrong()),
            };
            let targets: Option<Vec<Target>> = ids.split(':').map(|id| target(id.trim(), after)).collect();
            conditions.push(Condition::Reached(after, targets.ok_or_else(wrong)?));
        }
        Ok(Self { conditions, all: !any })
    }
}

fn target(text: &str, after: After) -> Option<Target> {
    let (id, minutes) = match text.split_once('+') {
        Some((id, minutes)) if after == After::Started => {
            (id, minutes.parse().ok().filter(|minutes: &i64| (0..=1_000_000_000).contains(minutes))?)
        }
        Some(_) => return None,
        None => (text, 0),
    };
    let is_task = |task: &str| task == "*" || !task.is_empty() && task.bytes().all(|byte| byte.is_ascii_digit());
    let known = match id.split_once('_') {
        Some((job, task)) => !job.is_empty() && job.bytes().all(|byte| byte.is_ascii_digit()) && is_task(task),
        None => jobgate_model::JobId::parse(id).is_ok(),
    };
    known.then(|| Target { id: id.to_owned(), minutes })
}
