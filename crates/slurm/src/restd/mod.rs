//! A client of slurmrestd: HTTP/1.1 over a Unix socket or TCP, one connection per request, with limits of time, size and number.
//!
//! Nothing is ever sent twice, but for one case: a version of the API that the server does not have is refused before anything
//! is done, and the question is then put in the nearest version that it may have.

mod http;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::cluster::{Answer, Fault};
use crate::errno::Errno;
use crate::ledger::{Ledger, Put, Question, Told};
use crate::rpc::Credential;
use crate::turns::Turns;
use crate::version::Version;

/// Where a slurmrestd listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// On a Unix socket.
    Unix(PathBuf),
    /// At a host (an address, or a name that has one) and a port.
    Tcp(String, u16),
}

impl Address {
    /// Reads `unix:/run/slurmrestd.sock`, `host:port`, `[address]:port`, with `http://` before it or not. `None` for what is
    /// none of them; there is no TLS.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path.strip_prefix("//").unwrap_or(path));
            return path.is_absolute().then_some(Self::Unix(path));
        }
        let text = text.strip_prefix("http://").unwrap_or(text);
        let (host, port) = text.strip_suffix('/').unwrap_or(text).rsplit_once(':')?;
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = inner.unwrap_or(host);
        let is_host =
            !host.is_empty() && !host.contains(['/', '@', ' ', '?']) && (inner.is_some() || !host.contains(':'));
        is_host.then_some(Self::Tcp(host.to_owned(), port.parse().ok()?))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

/// How long is waited, and how much is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For a connection.
    pub connect: Duration,
    /// For an answer, the connection included.
    pub total: Duration,
    /// Bytes of an answer. A job's record is about 8,000 of them, its steps not counted.
    pub answer: usize,
    /// Requests at the same time; the others wait. slurmrestd serves 124 connections at once unless it is told otherwise.
    pub at_once: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), total: Duration::from_secs(60), answer: 256 << 20, at_once: 16 }
    }
}

/// Why there is no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// It cannot be reached.
    #[error("cannot reach slurmrestd at {address}: {source}")]
    Unreachable {
        /// Where it should be.
        address: Address,
        /// Why not.
        source: io::Error,
    },
    /// It did not answer in time.
    #[error("slurmrestd at {address} has not answered within {} s", within.as_secs_f32())]
    Late {
        /// Where it is.
        address: Address,
        /// How long it was waited for.
        within: Duration,
    },
    /// The connection ended too early.
    #[error("the connection to slurmrestd at {address} broke: {source}")]
    Broken {
        /// Where it is.
        address: Address,
        /// How.
        source: io::Error,
    },
    /// An answer is longer than what is taken.
    #[error(
        "the answer of slurmrestd at {address} is longer than {limit} bytes: ask for less, for example by time or by user"
    )]
    Long {
        /// Where it is.
        address: Address,
        /// How long it may be.
        limit: usize,
    },
    /// What came is no answer of HTTP.
    #[error("slurmrestd at {address} answers with {what}")]
    Malformed {
        /// Where it is.
        address: Address,
        /// What came instead.
        what: &'static str,
    },
    /// There are too many requests, and there was no turn in time.
    #[error("slurmrestd at {address} is asked too much: there was no turn within {} s", within.as_secs_f32())]
    Busy {
        /// Where it is.
        address: Address,
        /// How long it was waited for.
        within: Duration,
    },
}

impl Error {
    /// Whether what was asked for has certainly not been done.
    pub fn is_undone(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Busy { .. })
    }
}

/// A site's slurmrestd.
#[derive(Debug)]
pub struct Restd {
    address: Address,
    limits: Limits,
    /// When a version was found to be missing.
    missing: Mutex<[Option<Instant>; Version::ALL.len()]>,
    turns: Turns,
}

/// After so long a version that was missing is asked for again: another release may have been installed.
const MISSING_FOR: Duration = Duration::from_mins(5);

impl Restd {
    /// One at this address. Nothing is asked yet.
    pub fn new(address: Address, limits: Limits) -> Self {
        Self { address, limits, missing: Mutex::default(), turns: Turns::new(limits.at_once) }
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    fn exchange(&self, who: &Credential, put: &Put) -> Result<http::Reply, Error> {
        let end = Instant::now() + self.limits.total;
        let busy = || Error::Busy { address: self.address.clone(), within: self.limits.total };
        let _turn = self.turns.take(end).ok_or_else(busy)?;
        http::exchange(&self.address, self.limits, end, &http::request(who, put))
    }

    /// The versions in which a question may be put, the best first: its own, newer ones, older ones.
    fn candidates(&self, wanted: Version) -> Vec<Version> {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        let newer = Version::ALL.into_iter().filter(|version| *version >= wanted);
        let older = Version::ALL.into_iter().rev().filter(|version| *version < wanted);
        let is_there = |version: &Version| {
            let since = &mut missing[place(*version)];
            *since = since.filter(|since| since.elapsed() < MISSING_FOR);
            since.is_none()
        };
        newer.chain(older).filter(is_there).collect()
    }

    fn miss(&self, version: Version) {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner)[place(version)] = Some(Instant::now());
    }

    fn fault(error: &Error, question: &Question) -> Fault {
        let unknown = !question.is_read() && !error.is_undone();
        let outcome = if unknown { "; whether it was done is not known: look before you ask again" } else { "" };
        Fault::new(Errno::DB_CONNECTION, format!("{error}{outcome}"))
    }
}

impl Ledger for Restd {
    fn ask(&self, who: &Credential, question: &Question) -> Answer<Told> {
        let mut known = false;
        for version in self.candidates(question.version) {
            let Some(put) = question.put(version) else { continue };
            known = true;
            let put = put?;
            let reply = self.exchange(who, &put).map_err(|error| Self::fault(&error, question))?;
            if reply.is_no_such_path() {
                self.miss(version);
                continue;
            }
            if !reply.is_answer() {
                return Err(Fault::new(Errno::DB_CONNECTION, reply.refusal(&self.address)));
            }
            return put.told("slurmrestd", reply.status, reply.body);
        }
        let why = if known {
            "has no version of the API that is known here"
        } else {
            "has no such operation in its versions of the API"
        };
        Err(Fault::new(Errno::NOT_SUPPORTED, format!("slurmrestd at {} {why}", self.address)))
    }
}

fn place(version: Version) -> usize {
    usize::from(version.number() - Version::V40.number())
}

#[cfg(test)]
mod tests;
