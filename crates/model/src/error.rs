//! The one domain error. Each dialect renders it to its own envelope in the last step.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// What went wrong, as far as a caller can act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request itself is wrong; repeating it unchanged will not help.
    Invalid,
    /// Nobody knows who asks.
    Unauthenticated,
    /// It is known who asks, and that one may not.
    Forbidden,
    /// The thing named does not exist (or the caller may not know that it does).
    NotFound,
    /// The thing is not in a state that allows this.
    Conflict,
    /// The same key was used for a different request.
    KeyReused,
    /// A size limit was passed.
    TooLarge,
    /// A quota or rate limit was passed.
    Exhausted,
    /// Something needed is away for now; worth trying again.
    Unavailable,
    /// The batch system refused.
    Refused,
    /// An answer did not come in time; whether the action happened is not known.
    Timeout,
    /// Our own fault.
    Internal,
}

/// An error with a message that is safe to show to the caller and a private cause that is only logged.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: Cow<'static, str>,
    number: Option<i32>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of this kind with a public message: lower-case sentence, no final period, names the thing and the remedy.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), number: None, retry_after: None, source: None }
    }

    /// The request is wrong.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// The thing named does not exist.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// Our own fault; the cause goes to the log, the message to the caller.
    pub fn internal(
        message: impl Into<Cow<'static, str>>,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::new(ErrorKind::Internal, message).because(cause)
    }

    /// Adds the private cause.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// Adds the number by which the batch system's own users know this failure (Slurm's errno).
    #[must_use]
    pub fn numbered(mut self, number: i32) -> Self {
        self.number = Some(number);
        self
    }

    /// Adds when it is worth asking again. Without it, that is in a second for what is exhausted or away.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// So long the caller should wait before asking again, in whole seconds and never 0, as `Retry-After` has it; `None`:
    /// asking again will not help.
    pub fn wait_secs(&self) -> Option<u64> {
        let wait = match (self.retry_after, self.kind) {
            (Some(wait), _) => wait,
            (None, ErrorKind::Exhausted | ErrorKind::Unavailable) => Duration::from_secs(1),
            (None, _) => return None,
        };
        Some((wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1))
    }

    /// The batch system's own number for this failure, where it has one.
    pub fn number(&self) -> Option<i32> {
        self.number
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The text that may be shown to the caller.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The message and all causes, for a log or a terminal of the person who runs the process.
    pub fn chain(&self) -> String {
        let mut text = self.message.to_string();
        let mut next = std::error::Error::source(self);
        while let Some(cause) = next {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            next = cause.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_whole_seconds_rounded_up() {
        let wait = |millis| Error::invalid("x").retry_after(Duration::from_millis(millis)).wait_secs();
        assert_eq!([0, 1, 1000, 1001].map(wait), [Some(1), Some(1), Some(1), Some(2)]);
        assert_eq!(Error::new(ErrorKind::Exhausted, "x").wait_secs(), Some(1));
        assert_eq!(Error::invalid("x").wait_secs(), None);
    }

    #[test]
    fn the_cause_is_in_the_chain_but_not_in_the_message() {
        let error = Error::internal("cannot record the job", std::io::Error::other("disk full"));
        assert_eq!(error.to_string(), "cannot record the job");
        assert_eq!(error.chain(), "cannot record the job: disk full");
    }
}
