//! What exit codes mean.

use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Ok,
    /// Something that was asked for failed.
    Failed,
    /// What is needed cannot be reached.
    Unreachable,
    /// The waiting time is over.
    TimedOut,
    /// The exit code of a script, or a number of failures.
    Code(u8),
}

impl Exit {
    /// psik's `rm` exits with the number of failures; 256 of them must not look like success.
    pub(crate) fn failures(count: usize) -> Self {
        match (count, (count % 256) as u8) {
            (0, _) => Self::Ok,
            (_, 0) => Self::Code(255),
            (_, code) => Self::Code(code),
        }
    }

    /// `Ok` when nothing failed.
    pub(crate) fn unless(failed: bool) -> Self {
        if failed { Self::Failed } else { Self::Ok }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Ok => 0,
            Exit::Failed => 1,
            // 2 is a usage error, which clap reports.
            Exit::Unreachable => 3,
            Exit::TimedOut => 5,
            Exit::Code(code) => code,
        }
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_never_look_like_success() {
        assert_eq!(Exit::failures(0), Exit::Ok);
        assert_eq!(Exit::failures(2), Exit::Code(2));
        assert_eq!(Exit::failures(256), Exit::Code(255));
        assert_eq!(Exit::failures(257), Exit::Code(1));
    }
}
