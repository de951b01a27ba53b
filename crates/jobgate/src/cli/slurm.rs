//! The grammar of what concerns Slurm's dialect: what of it is served, and being slurmrestd.

use std::path::PathBuf;

use clap::{Args, Parser, value_parser};

/// What of Slurm's dialect is served.
#[derive(Debug, Args)]
pub(crate) struct Dialect {
    /// Serve these versions of Slurm's dialect only, for example v0.0.45; `list` prints all.
    #[arg(long, short, value_name = "VERSION", value_delimiter = ',')]
    pub(crate) data_parser: Vec<String>,
    /// Serve these parts of Slurm's dialect only, for example openapi/slurmctld; `list` prints all.
    #[arg(long, short = 's', value_name = "PLUGIN", value_delimiter = ',')]
    pub(crate) plugins: Vec<String>,
    /// Print the OpenAPI document of these versions and parts instead of serving.
    #[arg(long)]
    pub(crate) generate_openapi_spec: bool,
}

/// Serves Slurm's REST interface over Jobgate's embedded batch system, with slurmrestd's options.
///
/// Without an address, one client is served on standard input and output, if these are a pipe or a socket (inetd mode).
/// docs/slurm.md says what differs from slurmrestd.
#[derive(Debug, Parser)]
#[command(name = "slurmrestd", disable_version_flag = true, max_term_width = 100)]
pub(crate) struct Slurmrestd {
    /// Where to listen: `[HOST]:PORT` or `unix:/PATH`; several are possible.
    #[arg(value_name = "ADDRESS")]
    pub(crate) addresses: Vec<String>,
    /// How clients may prove who they are: rest_auth/jwt, rest_auth/local, or `list`.
    #[arg(short, value_name = "PLUGIN", value_delimiter = ',')]
    pub(crate) auth: Vec<String>,
    #[command(flatten)]
    pub(crate) dialect: Dialect,
    /// Configuration file: Jobgate's (slurm.conf is not read).
    #[arg(short = 'f', value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// After binding, become this group (name or number); needs root.
    #[arg(short, value_name = "GROUP")]
    pub(crate) group: Option<String>,
    /// After binding, become this user (name or number); needs root.
    #[arg(short, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// Threads that handle requests.
    #[arg(short, value_name = "COUNT", value_parser = value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Connections at the same time; more wait.
    #[arg(long, value_name = "COUNT", value_parser = value_parser!(u32).range(1..))]
    pub(crate) max_connections: Option<u32>,
    /// Log more; twice for even more.
    #[arg(short, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Print the version.
    #[arg(short = 'V')]
    pub(crate) version: bool,
}
