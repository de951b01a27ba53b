//! Refusals, in Slurm's form: a list of errors in a frame, or a line of text for what never reached an operation.

use axum::http::StatusCode;
use jobgate_model::{Error, ErrorKind};
use jobgate_slurm::cluster::Fault;
use jobgate_slurm::errno::Errno;
use jobgate_slurm::table::Problem;
use jobgate_slurm::version::Version;

/// Why an operation was not carried out.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    /// The status; `None`: the one that goes with the last error's number.
    pub(super) status: Option<StatusCode>,
    /// What went wrong.
    pub(super) problems: Vec<Problem>,
    /// So many seconds the caller should wait before asking again.
    pub(super) wait: Option<u64>,
}

impl Failure {
    /// One error. `source` is a function of Slurm's, or a path in the request.
    pub(super) fn new(errno: Errno, source: impl Into<String>, description: impl Into<String>) -> Self {
        let problem = Problem { description: description.into(), errno, source: source.into() };
        Self { status: None, problems: vec![problem], wait: None }
    }

    /// With this status.
    pub(super) fn with(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// A fault of the cluster's, under the function and the words that slurmrestd has for the operation. What the cluster
    /// says itself is added, as that is more than Slurm's number tells.
    pub(super) fn of(fault: &Fault, source: &str, words: &str) -> Self {
        let says_more = !fault.description.is_empty() && fault.description != fault.errno.text();
        let description = if says_more { format!("{words}: {}", fault.description) } else { words.to_owned() };
        let mut failure = Self::new(fault.errno, source, description);
        failure.wait = (fault.errno == Errno::CONTROLLER_CONNECT).then_some(1);
        failure
    }

    /// An error of the engine's.
    pub(super) fn of_engine(error: &Error, source: &str, words: &str) -> Self {
        let errno = error.number().map_or_else(|| errno_of(error.kind()), Errno);
        let mut failure = Self::new(errno, source, format!("{words}: {}", error.message()));
        failure.wait = error.wait_secs();
        match error.kind() {
            ErrorKind::Unavailable | ErrorKind::Timeout => failure.with(StatusCode::SERVICE_UNAVAILABLE),
            ErrorKind::TooLarge => failure.with(StatusCode::PAYLOAD_TOO_LARGE),
            // what the batch system refuses by its own number has that number's status
            ErrorKind::Exhausted if error.number().is_none() => failure.with(StatusCode::TOO_MANY_REQUESTS),
            ErrorKind::Internal => failure.with(StatusCode::INTERNAL_SERVER_ERROR),
            _ => failure,
        }
    }

    /// Whether this is what went wrong last.
    pub(super) fn is(&self, errno: Errno) -> bool {
        self.problems.last().is_some_and(|problem| problem.errno == errno)
    }

    /// The status of the answer, as this release has it.
    pub(super) fn status(&self, release: Followed) -> StatusCode {
        self.status.unwrap_or_else(|| {
            let errno = self.problems.last().map_or(Errno::GENERAL, |problem| problem.errno);
            status_of(errno, release)
        })
    }

    /// Adds what slurmrestd says after it could not read a request.
    pub(super) fn unread(mut self, source: &str, words: &str) -> Self {
        self.problems.extend(Self::new(Errno::REST_INVALID_QUERY, source, words).problems);
        self
    }
}

/// A number for errors of the engine that have none.
fn errno_of(kind: ErrorKind) -> Errno {
    match kind {
        ErrorKind::Invalid => Errno::INVALID_ARGUMENT,
        ErrorKind::Unauthenticated => Errno::AUTHENTICATION,
        ErrorKind::Forbidden => Errno::ACCESS_DENIED,
        ErrorKind::NotFound => Errno::INVALID_JOB_ID,
        ErrorKind::Conflict => Errno::NOT_ALTERABLE_NOW,
        _ => Errno::GENERAL,
    }
}

/// The release of Slurm whose behaviour an answer follows: year and month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Followed(u32, u32);

impl Followed {
    /// The first that says of an environment that it is missing, and that has text and status of its own for bodies.
    pub(super) const V25_05: Self = Self(25, 5);
    /// The first for which what is refused is the client's fault.
    pub(super) const V26_05: Self = Self(26, 5);

    /// That of a version: the newest one that serves it, but none newer than the cluster's own (`24.11.5`), if it has one.
    pub(super) fn of(version: Version, cluster: Option<&str>) -> Self {
        let newest = version.release();
        let newest = Self(newest.major.parse().unwrap_or(0), newest.minor.parse().unwrap_or(0));
        let mut parts = cluster.into_iter().flat_map(|release| release.split('.')).map(str::parse::<u32>);
        match (parts.next(), parts.next()) {
            (Some(Ok(year)), Some(Ok(month))) => newest.min(Self(year, month)),
            _ => newest,
        }
    }
}

/// The status that goes with a number. From release 26.05 on, what the controller or the database refuses is the client's
/// fault (422); before, it was the server's (500). What cannot be read is 500 in all releases.
pub(super) fn status_of(errno: Errno, release: Followed) -> StatusCode {
    match errno {
        Errno::AUTHENTICATION => StatusCode::NETWORK_AUTHENTICATION_REQUIRED,
        Errno::INVALID_JOB_ID => StatusCode::NOT_FOUND,
        Errno::DB_CONNECTION => StatusCode::BAD_GATEWAY,
        Errno::NO_CHANGE => StatusCode::NOT_MODIFIED,
        // nobody's fault who asks, or not known to be
        Errno::CONTROLLER_CONNECT | Errno::CONTROLLER_RECEIVE | Errno::GENERAL => StatusCode::INTERNAL_SERVER_ERROR,
        Errno::REST_INVALID_QUERY | Errno::DATA_PATH_NOT_FOUND => StatusCode::UNPROCESSABLE_ENTITY,
        Errno::DATA_CONVERSION | Errno::DATA_INVALID_FLAG | Errno::DATA_EXPECTED_LIST | Errno::DATA_EXPECTED_OBJECT => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        _ if release >= Followed::V26_05 => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_follows_the_newest_release_but_never_beyond_the_cluster() {
        let refused = |version: &str, cluster| {
            let version = Version::parse(version).unwrap();
            status_of(Errno::INVALID_PARTITION, Followed::of(version, cluster)).as_u16()
        };
        assert_eq!((refused("v0.0.42", None), refused("v0.0.41", None)), (422, 500));
        assert_eq!((refused("v0.0.42", Some("24.11.5")), refused("v0.0.42", Some("26.05.5"))), (500, 422));
        assert_eq!((refused("v0.0.44", Some("25.11.7")), refused("v0.0.40", Some("26.05.5"))), (500, 500));
        assert_eq!(refused("v0.0.45", Some("nonsense")), 422);
    }
}
