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

    /// The status of the answer in this version.
    pub(super) fn status(&self, version: Version) -> StatusCode {
        self.status.unwrap_or_else(|| {
            let errno = self.problems.last().map_or(Errno::GENERAL, |problem| problem.errno);
            status_of(errno, version)
        })
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

/// The status that goes with a number. From release 26.05 on, what the controller or the database refuses is the client's
/// fault (422); before, it was the server's (500). What cannot be read is 500 in all releases.
pub(super) fn status_of(errno: Errno, version: Version) -> StatusCode {
    match errno {
        Errno::AUTHENTICATION => StatusCode::NETWORK_AUTHENTICATION_REQUIRED,
        Errno::INVALID_JOB_ID => StatusCode::NOT_FOUND,
        Errno::DB_CONNECTION => StatusCode::BAD_GATEWAY,
        Errno::NO_CHANGE => StatusCode::NOT_MODIFIED,
        // nobody's fault who asks
        Errno::CONTROLLER_CONNECT | Errno::CONTROLLER_RECEIVE => StatusCode::INTERNAL_SERVER_ERROR,
        Errno::REST_INVALID_QUERY | Errno::DATA_PATH_NOT_FOUND => StatusCode::UNPROCESSABLE_ENTITY,
        Errno::DATA_CONVERSION | Errno::DATA_INVALID_FLAG | Errno::DATA_EXPECTED_LIST | Errno::DATA_EXPECTED_OBJECT => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        _ if version.number() >= 42 => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
