//! The grammar of being Autosubmit API.

use std::path::PathBuf;

use clap::{Args, Subcommand, value_parser};

/// What the original's program does.
#[derive(Debug, Args)]
pub(crate) struct Autosubmit {
    #[command(subcommand)]
    pub(crate) action: Action,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Serve Autosubmit API's interface and nothing else, with the options of `autosubmit_api start` that make sense.
    Start(Start),
}

#[derive(Debug, Args)]
pub(crate) struct Start {
    /// Do all background tasks once at the start, and then from time to time.
    #[arg(long)]
    pub(crate) init_bg_tasks: bool,
    /// Do no background tasks; wins over --init-bg-tasks.
    #[arg(long)]
    pub(crate) disable_bg_tasks: bool,
    /// Where to listen: `HOST:PORT` or `unix:PATH`; several are possible.
    #[arg(short, long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    pub(crate) bind: Vec<String>,
    /// Threads that handle requests; one process serves them all.
    #[arg(short, long, value_name = "COUNT", value_parser = value_parser!(u16).range(1..=1024))]
    pub(crate) workers: Option<u16>,
    /// The server's certificate, for TLS.
    #[arg(long, value_name = "FILE", requires = "keyfile")]
    pub(crate) certfile: Option<PathBuf>,
    /// The certificate's key.
    #[arg(long, value_name = "FILE", requires = "certfile")]
    pub(crate) keyfile: Option<PathBuf>,
    /// Configuration file: Jobgate's. Autosubmit's is found where Autosubmit looks for it.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Log more; twice for even more.
    #[arg(short, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}
