//! The grammar of `jobgate audit`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::{Format, Options};
use crate::config::units::parse_duration;

#[derive(Debug, Args)]
pub(crate) struct Audit {
    #[command(subcommand)]
    pub(crate) action: Action,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Check that no line of the audit log was changed, taken out or moved.
    Verify(Verify),
    /// Show what was recorded.
    Show(Show),
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Files of the log, the oldest first; only the current one unless any is given.
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Files of the log; only the current one unless any is given.
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Only what this user did.
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Only what was done to this job.
    #[arg(long, value_name = "STAMP")]
    pub(crate) job: Option<String>,
    /// Only what was done in this time until now, for example 90s, 10m, 2h, 3d.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) since: Option<Duration>,
    #[command(flatten)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) options: Options,
}
