//! The grammar of `jobgate share`.

use clap::{Args, ValueEnum};
use jobgate_model::Access;

use super::Options;

#[derive(Debug, Args)]
pub(crate) struct Share {
    /// The job: an id, or `last`.
    #[arg(value_name = "STAMP")]
    pub(crate) stamp: String,
    /// With whom: the name by which the gateway knows that user.
    #[arg(required_unless_present = "remove")]
    pub(crate) user: Option<String>,
    /// What for.
    #[arg(value_enum, default_value_t)]
    pub(crate) access: AccessName,
    /// Share it no more with this user.
    #[arg(long, value_name = "USER", conflicts_with_all = ["user", "access"])]
    pub(crate) remove: Option<String>,
    #[command(flatten)]
    pub(crate) options: Options,
}

/// What a job is shared for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum AccessName {
    /// To see it, its files and its logs.
    #[default]
    Read,
    /// To start, cancel, hold and release it, and to upload files, too.
    Write,
}

impl From<AccessName> for Access {
    fn from(name: AccessName) -> Self {
        match name {
            AccessName::Read => Self::Read,
            AccessName::Write => Self::Write,
        }
    }
}
