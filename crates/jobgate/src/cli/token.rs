//! The grammar of tokens, and of what the site's policy makes of them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use jobgate_slurm::jwt::Lifespan;

use super::Options;
use crate::config::units::parse_duration;

/// Without a subcommand: makes a token for Slurm's REST clients, as `scontrol token` does. The subcommands are about biscuits,
/// the tokens of the other interfaces; all of them count in Slurm's dialect, too.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_precedence_over_arg = true)]
pub(crate) struct Token {
    #[command(subcommand)]
    pub(crate) action: Option<TokenAction>,
    #[command(flatten)]
    pub(crate) slurm: SlurmToken,
}

#[derive(Debug, Args)]
pub(crate) struct SlurmToken {
    /// The login that the token is for; also `username=USER` and `lifespan=SECONDS`, as `scontrol token` takes them. A login
    /// that is called like a subcommand is given with --user.
    #[arg(value_name = "USER")]
    pub(crate) words: Vec<String>,
    /// The login that the token is for, instead of your own.
    #[arg(long, short, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// For so many seconds it is valid (1800 unless said otherwise), or `infinite`.
    #[arg(long, short, value_name = "SECONDS")]
    pub(crate) lifespan: Option<Lifespan>,
    /// The cluster that the token is for: one of `[slurm.clusters]`, with its key, instead of the main one.
    #[arg(long, value_name = "NAME")]
    pub(crate) cluster: Option<String>,
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenAction {
    /// Make a biscuit, signed with the gateway's key.
    Biscuit(Biscuit),
    /// Restrict a biscuit; no key is needed. The token is read from standard input.
    Attenuate(Attenuate),
    /// Show what is in a biscuit, and whether it counts here. The token is read from standard input.
    Inspect(Given),
    /// Take a biscuit back, and all that were made from it. The token is read from standard input unless ids are given.
    Revoke(Revoke),
    /// Print the public keys whose biscuits count, the signing one first.
    Keys(Options),
    /// Sign with a new key from now on; biscuits of the old one go on counting.
    Rotate(Options),
}

#[derive(Debug, Args)]
pub(crate) struct Biscuit {
    /// The login that the token is for; your own by default.
    #[arg(value_name = "USER")]
    pub(crate) user: Option<String>,
    /// For so long it is valid, for example 1h or 7d; as configured by default.
    #[arg(long, short, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) lifespan: Option<Duration>,
    #[command(flatten)]
    pub(crate) options: Options,
}

/// A token, which is a secret and so never an argument.
#[derive(Debug, Args)]
pub(crate) struct Given {
    /// Read the token from this file instead of standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Debug, Args)]
pub(crate) struct Attenuate {
    /// It may change nothing.
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Only for this job; may be repeated.
    #[arg(long, value_name = "STAMP")]
    pub(crate) job: Vec<String>,
    /// Only for this backend; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub(crate) backend: Vec<String>,
    /// Only for this path and what is below it, for example /v2/jobs.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) path: Option<String>,
    /// Only for so long from now, for example 1h.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) expires: Option<Duration>,
    /// A check in biscuit's language, for example 'check if operation("GET")'; may be repeated.
    #[arg(long, value_name = "DATALOG")]
    pub(crate) check: Vec<String>,
    #[command(flatten)]
    pub(crate) given: Given,
}

#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// Revocation ids, as `inspect` shows them.
    #[arg(value_name = "ID", conflicts_with = "file")]
    pub(crate) ids: Vec<String>,
    /// Also every other token that was made from the same one: everything that the gateway once gave out with it.
    #[arg(long, conflicts_with = "ids")]
    pub(crate) root: bool,
    #[command(flatten)]
    pub(crate) given: Given,
}

#[derive(Debug, Args)]
pub(crate) struct Policy {
    #[command(subcommand)]
    pub(crate) action: PolicyAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyAction {
    /// Say whether a request would be allowed, and why: exit code 0 for yes, 1 for no, 2 for a policy that cannot be read.
    Check(Box<PolicyCheck>),
}

#[derive(Debug, Args)]
pub(crate) struct PolicyCheck {
    /// The policy, instead of the configured one.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Who asks; your own login by default, or the token's user.
    #[arg(long, value_name = "USER", conflicts_with = "token")]
    pub(crate) user: Option<String>,
    /// How it was established: local, socket, certificate, jwt, session or secret.
    #[arg(long, value_name = "KIND", default_value = "socket", conflicts_with = "token")]
    pub(crate) established: String,
    /// The client, as `uid:alice`, `cn:alice` or `addr:192.0.2.1`.
    #[arg(long, value_name = "CLIENT", default_value = "addr:127.0.0.1")]
    pub(crate) client: String,
    /// The method.
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    pub(crate) method: String,
    /// The path.
    #[arg(long, value_name = "PATH", default_value = "/v2/jobs")]
    pub(crate) path: String,
    /// Ask about this backend; about each of the configured ones by default.
    #[arg(long, value_name = "NAME")]
    pub(crate) backend: Vec<String>,
    /// A biscuit that comes with the request, in a file; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) token: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) options: Options,
}
