//! The grammar of the command line: types only, no logic. Help, completions and man pages are made from it.

pub(crate) mod audit;
pub(crate) mod autosubmit;
pub(crate) mod certs;
pub(crate) mod share;
pub(crate) mod slurm;
pub(crate) mod srun;
pub(crate) mod token;

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use jobgate_model::{JobNdx, State};

use crate::config::units::parse_duration;

/// Submits jobs to any batch system, and serves one secure HTTP API in front of it.
///
/// Without any configuration, jobs run on this machine, in an embedded batch system. All commands work on the jobs
/// themselves; no server needs to run. A STAMP is a job's id such as 1693992878.203; `last` means the newest job and `all` all
/// jobs that the command can apply to.
#[derive(Debug, Parser)]
#[command(version, subcommand_required = true, arg_required_else_help = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a job from a jobspec file and submit it.
    #[command(visible_alias = "run")]
    Submit(Submit),
    /// Submit jobs (again): each start is a new run with the next index.
    Start(Stamps),
    /// Ask the batch system about jobs, then show their status.
    Poll(Stamps),
    /// Cancel jobs; their processes are stopped.
    Cancel(Stamps),
    /// List all jobs, or show the status of some.
    Ls(Ls),
    /// Show the history of jobs.
    Status(ShownStamps),
    /// Record a transition of a job (called from where a job runs).
    Reached(Reached),
    /// Delete jobs and their directories.
    Rm(Rm),
    /// Create a job under a given id if needed, and run it here, in the foreground.
    HotStart(HotStart),
    /// Print psik's version that this command line follows, and our own.
    Version,

    /// Show everything known about jobs.
    Show(ShownStamps),
    /// Print a job's output.
    Logs(Logs),
    /// Wait until jobs have ended.
    Wait(Wait),
    /// Share a job with another user, or no more.
    Share(share::Share),
    /// Keep waiting jobs from starting.
    Hold(Stamps),
    /// Let held jobs start.
    Release(Stamps),
    /// Let nothing new start on this machine; what runs goes on.
    Drain(Options),
    /// Let jobs start again after `drain`.
    Resume(Options),
    /// List deliveries of callbacks, or retry one.
    Deliveries(Deliveries),
    /// Rebuild the index from the job directories.
    Reindex(Options),
    /// Delete jobs that ended long ago.
    Prune(Prune),

    /// Serve the HTTP API.
    Serve(Serve),
    /// Serve the experiments of the workflow manager Autosubmit, as Autosubmit API does.
    Autosubmit(autosubmit::Autosubmit),
    /// Check or show the audit log.
    Audit(audit::Audit),
    /// Make certificates for TLS: a small authority for a team.
    Certs(certs::Certs),
    /// Make a token for Slurm's REST clients, as `scontrol token` does, or for the other interfaces.
    Token(token::Token),
    /// See what the site's policy makes of requests.
    Policy(token::Policy),
    /// Print the configuration in effect.
    Config(ConfigArgs),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write man pages into a directory.
    Man {
        /// The directory; it must exist.
        dir: PathBuf,
    },
}

/// Options of every command that works on jobs.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Configuration file: our TOML, or one of psik's JSON files.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Say more on stderr; twice for even more.
    #[arg(short, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// The form of what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Output {
    /// As psik prints it.
    #[default]
    Text,
    /// JSON.
    Json,
}

/// Where output may be had as JSON.
#[derive(Debug, Args)]
pub(crate) struct Format {
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t, value_name = "FORM")]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    clippy::struct_field_names,
    reason = "they are flags, named as psik names them"
)]
pub(crate) struct Submit {
    /// The jobspec: JSON, or YAML if the name ends in .yaml or .yml; `-` reads JSON from standard input.
    pub(crate) jobspec: PathBuf,
    /// Submit the job (the default).
    #[arg(long, overrides_with = "no_submit")]
    pub(crate) submit: bool,
    /// Only create the job.
    #[arg(long)]
    pub(crate) no_submit: bool,
    /// Run in a new work/ directory unless the jobspec names one (psik 3.0).
    #[arg(long, overrides_with_all = ["no_newdir", "here", "no_here"])]
    pub(crate) newdir: bool,
    /// Run in the caller's directory unless the jobspec names one (psik 3.0).
    #[arg(long, overrides_with_all = ["newdir", "here", "no_here"])]
    pub(crate) no_newdir: bool,
    /// The same as --no-newdir (psik 3.1).
    #[arg(long, overrides_with_all = ["newdir", "no_newdir", "no_here"])]
    pub(crate) here: bool,
    /// The same as --newdir (psik 3.1).
    #[arg(long, overrides_with_all = ["newdir", "no_newdir", "here"])]
    pub(crate) no_here: bool,
    /// Print only the id.
    #[arg(long, conflicts_with = "output")]
    pub(crate) parsable: bool,
    /// Wait until the job has ended; the exit code is that of `wait`.
    #[arg(long, conflicts_with = "no_submit")]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Debug, Args)]
pub(crate) struct Stamps {
    /// Ids of jobs, `last`, or `all`.
    #[arg(required = true, value_name = "STAMP")]
    pub(crate) stamps: Vec<String>,
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Debug, Args)]
pub(crate) struct ShownStamps {
    /// Ids of jobs, `last`, or `all`.
    #[arg(required = true, value_name = "STAMP")]
    pub(crate) stamps: Vec<String>,
    #[command(flatten)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Ids of jobs, `last`, or `all`: show their status instead of the list.
    #[arg(value_name = "STAMP")]
    pub(crate) stamps: Vec<String>,
    /// Only jobs in this state.
    #[arg(long, conflicts_with = "stamps", value_parser = states())]
    pub(crate) state: Option<State>,
    /// Only jobs of this backend.
    #[arg(long, value_name = "NAME", conflicts_with = "stamps")]
    pub(crate) backend: Option<String>,
    /// Only the newest so many jobs.
    #[arg(long, short = 'n', value_name = "COUNT", conflicts_with = "stamps")]
    pub(crate) limit: Option<u64>,
    #[command(flatten)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Debug, Args)]
pub(crate) struct Reached {
    /// The job's directory.
    pub(crate) base: PathBuf,
    /// The index of the run; write `--` before a negative one.
    pub(crate) jobndx: JobNdx,
    /// The state that was reached.
    #[arg(value_parser = states())]
    pub(crate) state: State,
    /// What else is to be recorded: native id, exit code, reason.
    #[arg(default_value = "")]
    pub(crate) info: String,
    /// Say more on stderr; twice for even more.
    #[arg(short, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// Ids of jobs, `last`, or `all` (with --yes).
    #[arg(required = true, value_name = "STAMP")]
    pub(crate) stamps: Vec<String>,
    /// Confirms that `all` is meant.
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Debug, Args)]
pub(crate) struct HotStart {
    /// The job's id.
    pub(crate) stamp: String,
    /// The index of the run.
    pub(crate) jobndx: JobNdx,
    /// The jobspec as JSON; ignored if the job exists.
    pub(crate) jobspec: String,
    /// Files for the work directory: a zip archive in base64.
    pub(crate) zip: Option<String>,
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The job's id, or `last`.
    pub(crate) stamp: String,
    /// Go on printing until the run has ended.
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// The error output instead of the standard output.
    #[arg(long)]
    pub(crate) err: bool,
    /// The messages about the job instead of its output.
    #[arg(long, conflicts_with_all = ["err", "run"])]
    pub(crate) console: bool,
    /// The index of the run; the last one by default.
    #[arg(long, value_name = "JOBNDX")]
    pub(crate) run: Option<JobNdx>,
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// Ids of jobs, `last`, or `all`.
    #[arg(required = true, value_name = "STAMP")]
    pub(crate) stamps: Vec<String>,
    /// Give up (exit code 5) after so long, for example 90s, 10m, 2h.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Deliveries {
    #[command(subcommand)]
    pub(crate) action: Option<DeliveryAction>,
    /// Only those of this job: an id, or `last`.
    #[arg(value_name = "STAMP")]
    pub(crate) stamp: Option<String>,
    /// At most so many.
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 100)]
    pub(crate) limit: u64,
    #[command(flatten)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeliveryAction {
    /// Try a delivery again now, also one that was given up.
    Retry {
        /// Its number.
        id: i64,
        #[command(flatten)]
        options: Options,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Prune {
    /// Delete jobs whose last transition is older than this, for example 30d.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) older_than: Duration,
    /// Only say how many there are.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Listen on this TCP address (port 0: any free one) instead of what is configured; may be repeated.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listen: Vec<String>,
    /// Listen on this Unix socket instead of what is configured; may be repeated.
    #[arg(long, value_name = "PATH")]
    pub(crate) uds: Vec<PathBuf>,
    /// Where jobs live, instead of the configured place.
    #[arg(long, value_name = "DIR")]
    pub(crate) prefix: Option<PathBuf>,
    /// Serve one client on standard input and output, instead of listening.
    #[arg(long, conflicts_with_all = ["listen", "uds", "certificate", "client_ca", "certified"])]
    pub(crate) inetd: bool,
    #[command(flatten)]
    pub(crate) tls: certs::Tls,
    #[command(flatten)]
    pub(crate) dialect: slurm::Dialect,
    /// Configuration file: our TOML, or one of psik's or psik_api's JSON files.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Log more; twice for even more.
    #[arg(short, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// Print the commented default file, which is the reference, instead.
    #[arg(long, conflicts_with_all = ["config", "serve"])]
    pub(crate) default: bool,
    /// What `serve` would read.
    #[arg(long)]
    pub(crate) serve: bool,
    #[command(flatten)]
    pub(crate) options: Options,
}

/// A state by its name; completions know them.
fn states() -> impl TypedValueParser<Value = State> {
    PossibleValuesParser::new(State::ALL.map(State::as_str)).try_map(|name| name.parse::<State>())
}
