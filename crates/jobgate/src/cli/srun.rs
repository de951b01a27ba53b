//! The grammar of `srun` inside a job. Slurm has many more options; those that cannot mean anything on one machine, or only
//! say which part of the job's resources a step may use, are accepted and ignored, so that scripts written for a cluster run.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;

/// Starts tasks inside a job of Jobgate's embedded batch system, side by side on this machine, and waits for all of them.
///
/// Exits with the highest exit code of the tasks (128 plus the signal for a task that was killed).
#[derive(Debug, Parser)]
#[command(name = "srun", version, max_term_width = 100)]
pub(crate) struct Srun {
    /// So many tasks; otherwise as many as the job has.
    #[arg(long, short = 'n', value_name = "COUNT")]
    pub(crate) ntasks: Option<u64>,
    /// On so many of the job's nodes; otherwise on all (MIN-MAX: the larger).
    #[arg(long, short = 'N', value_name = "COUNT", value_parser = most_nodes)]
    pub(crate) nodes: Option<u64>,
    /// So many tasks on each node.
    #[arg(long, value_name = "COUNT")]
    pub(crate) ntasks_per_node: Option<u64>,
    /// So many cores for each task: told to the tasks as SLURM_CPUS_PER_TASK.
    #[arg(long, short = 'c', value_name = "COUNT")]
    pub(crate) cpus_per_task: Option<u64>,
    /// Begin each line of output with the number of its task.
    #[arg(long, short = 'l')]
    pub(crate) label: bool,
    /// Write output to a file; %t is the task's number, `none` is nowhere.
    #[arg(long, short = 'o', value_name = "FILE")]
    pub(crate) output: Option<String>,
    /// Write error output to a file, otherwise where the output goes.
    #[arg(long, short = 'e', value_name = "FILE")]
    pub(crate) error: Option<String>,
    /// Read input from a file, otherwise each task reads all of ours.
    #[arg(long, short = 'i', value_name = "FILE")]
    pub(crate) input: Option<String>,
    /// Whether files are begun anew or added to.
    #[arg(long, value_name = "truncate|append", value_parser = ["truncate", "append", "t", "a"])]
    pub(crate) open_mode: Option<String>,
    /// The environment of the tasks: ALL, NONE, or NAME,NAME=VALUE,...
    #[arg(long, value_name = "LIST")]
    pub(crate) export: Option<String>,
    /// Run in this directory.
    #[arg(long, short = 'D', value_name = "DIR")]
    pub(crate) chdir: Option<PathBuf>,
    /// End all tasks when one fails.
    #[arg(long, short = 'K', value_name = "0|1", num_args = 0..=1, require_equals = true, default_missing_value = "1",
          value_parser = ["0", "1"])]
    pub(crate) kill_on_bad_exit: Option<String>,
    /// Say nothing of tasks that fail.
    #[arg(long, short = 'Q')]
    pub(crate) quiet: bool,
    /// The program and its arguments.
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
    #[command(flatten)]
    pub(crate) ignored: Ignored,
}

/// Accepted and ignored: output is never held back (-u); steps always share the job's resources (--overlap and the like, -O, -s);
/// all nodes are this machine (-w, -x, -m); tasks are not bound to cores (--cpu-bind, --hint); there is no Slurm for MPI libraries
/// to talk to (--mpi): use the library's own mpirun; what the job has is the job's (memory, GPUs, time, account).
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Accepted and ignored: all nodes are this machine, and steps share what the job has")]
#[expect(clippy::struct_excessive_bools, reason = "they are switches of a command line")]
pub(crate) struct Ignored {
    #[arg(long, short = 'u')]
    unbuffered: bool,
    #[arg(long)]
    overlap: bool,
    #[arg(long)]
    exact: bool,
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "")]
    exclusive: Option<String>,
    #[arg(long, short = 'O')]
    overcommit: bool,
    #[arg(long, short = 's')]
    oversubscribe: bool,
    #[arg(long, short = 'v', action = clap::ArgAction::Count)]
    verbose: u8,
    #[arg(long, short = 'w')]
    nodelist: Option<String>,
    #[arg(long, short = 'x')]
    exclude: Option<String>,
    #[arg(long)]
    mpi: Option<String>,
    #[arg(long)]
    cpu_bind: Option<String>,
    #[arg(long)]
    gpu_bind: Option<String>,
    #[arg(long)]
    hint: Option<String>,
    #[arg(long, short = 'm')]
    distribution: Option<String>,
    #[arg(long)]
    mem: Option<String>,
    #[arg(long)]
    mem_per_cpu: Option<String>,
    #[arg(long)]
    gres: Option<String>,
    #[arg(long, short = 'G')]
    gpus: Option<String>,
    #[arg(long)]
    gpus_per_node: Option<String>,
    #[arg(long)]
    gpus_per_task: Option<String>,
    #[arg(long, short = 't')]
    time: Option<String>,
    #[arg(long, short = 'J')]
    job_name: Option<String>,
    #[arg(long, short = 'p')]
    partition: Option<String>,
    #[arg(long, short = 'A')]
    account: Option<String>,
    #[arg(long, short = 'W')]
    wait: Option<String>,
    #[arg(long)]
    threads_per_core: Option<String>,
}

fn most_nodes(text: &str) -> Result<u64, std::num::ParseIntError> {
    text.rsplit('-').next().unwrap_or(text).parse()
}
