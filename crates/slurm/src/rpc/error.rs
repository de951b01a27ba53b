//! Why there is no answer.

use std::io;
use std::time::Duration;

use thiserror::Error;

use super::protocol::release_of;
use super::{Kind, Malformed, Protocol};
use crate::cluster::Fault;
use crate::errno::Errno;

/// Why there is no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// Nobody is known who could be asked.
    #[error("no controller is configured")]
    NoController,
    /// `munged` does not say who asks.
    #[error("munged gives no credential: {source}")]
    NoCredential {
        /// Why not.
        source: io::Error,
    },
    /// There are too many requests, and there was no turn in time.
    #[error("{who} is asked too much: there was no turn within {} s", within.as_secs_f32())]
    Busy {
        /// Who it is, and where.
        who: String,
        /// How long it was waited for.
        within: Duration,
    },
    /// A controller cannot be reached.
    #[error("cannot reach {who}: {source}")]
    Unreachable {
        /// Who it is, and where it should be.
        who: String,
        /// Why not.
        source: io::Error,
    },
    /// It did not answer in time. Whether it has done what it was asked for is not known.
    #[error("{who} has not answered within {} s", within.as_secs_f32())]
    Late {
        /// Who it is, and where.
        who: String,
        /// How long it was waited for.
        within: Duration,
    },
    /// The connection ended too early. Whether the controller has done what it was asked for is not known.
    #[error("the connection to {who} broke: {source}")]
    Broken {
        /// Who it is, and where.
        who: String,
        /// How.
        source: io::Error,
    },
    /// The connection was closed without an answer: a release that is too old does that, and any that cannot read a request.
    #[error("{who} closed the connection without an answer, as those do that are older than Slurm {asked}")]
    Closed {
        /// Who it is, and where.
        who: String,
        /// In which version it was asked.
        asked: Protocol,
    },
    /// The controller speaks other versions of the protocol.
    #[error("{who} does not speak the protocol of Slurm {asked}{}", speaks(*answered))]
    Version {
        /// Who it is, and where.
        who: String,
        /// In which version it was asked.
        asked: Protocol,
        /// In which version it answered; `None`: by other means, as newer releases do.
        answered: Option<u16>,
    },
    /// An answer is longer than what is taken.
    #[error("the answer of {who} has {length} bytes; {limit} are taken")]
    Long {
        /// Who it is, and where.
        who: String,
        /// How long it is.
        length: u32,
        /// How long it may be.
        limit: u32,
    },
    /// An answer cannot be read.
    #[error("the answer to {kind} cannot be read: {source}")]
    Malformed {
        /// What it is an answer to.
        kind: Kind,
        /// What is wrong.
        source: Malformed,
    },
    /// An answer is about something else.
    #[error("{kind} was answered with {answered}")]
    Unexpected {
        /// What was asked.
        kind: Kind,
        /// What came.
        answered: Kind,
    },
    /// What is asked for is not sent.
    #[error(transparent)]
    Unsendable(#[from] super::Unsendable),
    /// The controller refuses.
    #[error("{}", words.as_deref().unwrap_or(errno.text()))]
    Refused {
        /// Slurm's number.
        errno: Errno,
        /// Its words, where it sent any.
        words: Option<String>,
    },
}

fn speaks(answered: Option<u16>) -> String {
    match answered {
        Some(number) => format!(": it answered in that of {}", release_of(number)),
        None => ": it is newer".to_owned(),
    }
}

impl Error {
    /// Slurm's number that is nearest to it.
    pub fn errno(&self) -> Errno {
        match self {
            // who is not asked has refused nobody
            Self::NoController | Self::NoCredential { .. } | Self::Unreachable { .. } | Self::Busy { .. } => {
                Errno::CONTROLLER_CONNECT
            }
            Self::Late { .. } | Self::Broken { .. } | Self::Closed { .. } | Self::Long { .. } => {
                Errno::CONTROLLER_RECEIVE
            }
            Self::Version { .. } => Errno::PROTOCOL_VERSION,
            Self::Malformed { .. } | Self::Unexpected { .. } => Errno::UNEXPECTED_MESSAGE,
            Self::Unsendable(_) => Errno::NOT_SUPPORTED,
            Self::Refused { errno, .. } => *errno,
        }
    }

    /// The credential was refused: expired, of another cluster, or of nobody that the controller knows.
    pub fn is_authentication(&self) -> bool {
        self.errno() == Errno::AUTHENTICATION
    }

    /// The controller has certainly not done what it was asked for: nothing was sent, or it said so.
    pub fn is_undone(&self) -> bool {
        match self {
            Self::NoController
            | Self::NoCredential { .. }
            | Self::Unreachable { .. }
            | Self::Busy { .. }
            | Self::Refused { .. }
            | Self::Version { .. }
            | Self::Unsendable(_) => true,
            // what cannot be read was written by somebody who has read the request
            Self::Late { .. }
            | Self::Broken { .. }
            | Self::Closed { .. }
            | Self::Long { .. }
            | Self::Malformed { .. }
            | Self::Unexpected { .. } => false,
        }
    }

    /// Nothing was sent, and nobody was tried: it says nothing about the controller.
    pub fn is_unasked(&self) -> bool {
        matches!(self, Self::NoController | Self::NoCredential { .. } | Self::Busy { .. } | Self::Unsendable(_))
    }

    /// What was sent was not answered: whoever it was sent to may hang.
    pub(super) fn is_unanswered(&self) -> bool {
        matches!(self, Self::Late { .. } | Self::Broken { .. } | Self::Closed { .. })
    }

    /// Another controller of the cluster may answer.
    pub(super) fn asks_for_another(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { errno, .. } => matches!(*errno, Errno::STANDBY | Errno::STANDBY_OTHER),
            _ => false,
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::new(error.errno(), error.to_string())
    }
}
