//! Programs that are run for Autosubmit: itself, `ssh`, `dot`, `id` and the fixed scripts of its runners.

use std::process::Command;
use std::time::Duration;

use crate::command::{CommandError, run_within};

/// A program may write so much, in bytes, on each of its two streams.
const OUTPUT: u64 = 16 << 20;

/// Variables with secrets of a gateway, which programs that users start do not see.
const SECRETS: [&str; 6] = [
    "SECRET_KEY",
    "AS_API_SECRET_TOKEN",
    "GITHUB_OAUTH_CLIENT_SECRET",
    "OIDC_CLIENT_SECRET",
    "SLURM_JWT",
    "CREDENTIALS_DIRECTORY",
];

/// What a program said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Its exit code; `None` if a signal ended it
    pub code: Option<i32>,
    /// Its standard output
    pub out: String,
    /// Its errors
    pub err: String,
}

/// Why a program said nothing: it was not started, or killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It never ran, for this reason.
    Start(String),
    /// It was killed for this reason; whether it did anything is not known.
    Killed(String),
}

/// Runs a program to its end, with this process's environment but for its secrets, in a process group of its own.
pub fn run(argv: &[String], input: &[u8], time: Duration) -> Result<Said, Failure> {
    let (program, arguments) = argv.split_first().ok_or_else(|| Failure::Start("no program is named".into()))?;
    let mut command = Command::new(program);
    command.args(arguments);
    for secret in SECRETS {
        command.env_remove(secret);
    }
    match run_within(&mut command, input, time, OUTPUT) {
        Ok(output) => Ok(Said { code: output.status.code(), out: output.stdout, err: output.stderr }),
        Err(CommandError::Start { source, .. }) => Err(Failure::Start(source.to_string())),
        Err(CommandError::Killed { why, .. }) => Err(Failure::Killed(why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, time: Duration) -> Result<Said, Failure> {
        run(&["/bin/sh", "-c", script].map(str::to_owned), b"in", time)
    }

    #[test]
    fn what_a_program_says_is_kept() {
        let said = sh("cat; echo no >&2; exit 3", Duration::from_secs(10)).unwrap();
        assert_eq!(said, Said { code: Some(3), out: "in".into(), err: "no\n".into() });
        assert!(matches!(run(&["/no/such".to_owned()], b"", Duration::from_secs(1)), Err(Failure::Start(_))));
        assert!(matches!(run(&[], b"", Duration::from_secs(1)), Err(Failure::Start(_))));
        assert!(matches!(sh("sleep 60 & wait", Duration::from_millis(200)), Err(Failure::Killed(_))));
    }
}
