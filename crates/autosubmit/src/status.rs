//! The states of Autosubmit's jobs: codes, names and the colours that its views give them.

use serde::{Serialize, Serializer};

/// The state of a job. Codes that Autosubmit does not know count as [`JobStatus::Unknown`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are Autosubmit's, and say it")]
pub enum JobStatus {
    Suspended,
    Unknown,
    Failed,
    Waiting,
    Ready,
    Submitted,
    Queuing,
    Running,
    Completed,
    Held,
    Prepared,
    Skipped,
    Delayed,
}

impl JobStatus {
    /// All states, by code.
    pub const ALL: [Self; 13] = [
        Self::Suspended,
        Self::Unknown,
        Self::Failed,
        Self::Waiting,
        Self::Ready,
        Self::Submitted,
        Self::Queuing,
        Self::Running,
        Self::Completed,
        Self::Held,
        Self::Prepared,
        Self::Skipped,
        Self::Delayed,
    ];

    /// The number that stands for it in pickles: -3 for SUSPENDED to 9 for DELAYED.
    pub fn code(self) -> i64 {
        self.place() as i64 - 3
    }

    /// The state with this number.
    pub fn from_code(code: i64) -> Self {
        let place = code.checked_add(3).and_then(|place| usize::try_from(place).ok());
        place.and_then(|place| Self::ALL.get(place)).copied().unwrap_or(Self::Unknown)
    }

    /// The state with this name, in capitals.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Its name in capitals.
    pub fn name(self) -> &'static str {
        NAMES[self.place()].0
    }

    /// The colour, as HTML names it, in trees and graphs.
    pub fn color(self) -> &'static str {
        NAMES[self.place()].1
    }

    /// The colour of text upon [`JobStatus::color`].
    pub fn text_color(self) -> &'static str {
        match self {
            Self::Running | Self::Failed | Self::Held => "#fff",
            _ => "#000",
        }
    }

    fn place(self) -> usize {
        self as usize
    }
}

impl Serialize for JobStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

const NAMES: [(&str, &str); 13] = [
    ("SUSPENDED", "orange"),
    ("UNKNOWN", "white"),
    ("FAILED", "red"),
    ("WAITING", "#aaaaaa"),
    ("READY", "lightblue"),
    ("SUBMITTED", "cyan"),
    ("QUEUING", "lightpink"),
    ("RUNNING", "green"),
    ("COMPLETED", "yellow"),
    ("HELD", "salmon"),
    ("PREPARED", "lightsalmon"),
    ("SKIPPED", "lightyellow"),
    ("DELAYED", "lightcyan"),
];

#[cfg(test)]
mod tests {
    use super::JobStatus;

    #[test]
    fn codes_and_names_lead_back() {
        for status in JobStatus::ALL {
            assert_eq!(JobStatus::from_code(status.code()), status);
            assert_eq!(JobStatus::from_name(status.name()), Some(status));
        }
        assert_eq!((JobStatus::Failed.code(), JobStatus::Completed.code(), JobStatus::Delayed.code()), (-1, 5, 9));
        for wrong in [-4, 10, i64::MIN, i64::MAX] {
            assert_eq!(JobStatus::from_code(wrong), JobStatus::Unknown);
        }
        assert_eq!(JobStatus::from_name("completed"), None);
    }
}
