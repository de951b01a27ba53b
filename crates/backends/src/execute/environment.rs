//! The variables that a script finds.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::{Execution, Way};

/// What a script finds its programs with if nobody has said so (bash's own default).
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Variables of a surrounding job of Slurm or of this batch system, by their beginnings: they say nothing about this run.
const OF_A_JOB: [&str; 17] = [
    "SLURM_ARRAY_",
    "SLURM_JOB",
    "SLURM_STEP",
    "SLURM_GPUS",
    "SLURM_MEM_PER_",
    "SLURM_NTASKS",
    "SLURM_NPROCS",
    "SLURM_CPUS_",
    "SLURM_NNODES",
    "SLURM_NODE",
    "SLURM_TASK",
    "SLURM_PROCID",
    "SLURM_LOCALID",
    "SLURM_GTIDS",
    "SLURM_RESTART_COUNT",
    "SLURM_SUBMIT_",
    "SLURMD_NODENAME",
];

/// All variables of a run's script. Later layers override earlier ones:
///
/// 1. the environment of the submitter, if it is inherited, without what describes a surrounding job;
/// 2. `jobid`, what the batch system adds, `jobndx` and `base`;
/// 3. the job's own `environment`.
///
/// In Slurm's way what the batch system adds comes last: a client sends its whole environment, which may describe another job.
/// Where there is a directory of our programs, it comes first in `PATH`. A job in psik's way that inherits nothing gets what
/// psik gives it and no more.
pub(super) fn of(run: &Execution<'_>) -> BTreeMap<OsString, OsString> {
    let mut all: BTreeMap<OsString, OsString> = BTreeMap::new();
    if run.spec.inherit_environment {
        let describes =
            |name: &OsStr| OF_A_JOB.iter().any(|start| name.as_encoded_bytes().starts_with(start.as_bytes()));
        all.extend(std::env::vars_os().filter(|(name, _)| run.batch.is_none() || !describes(name)));
    }
    let bare = run.way() != Way::Slurm && !run.spec.inherit_environment;
    let batch = run.batch.filter(|_| !bare);
    let own = || run.spec.environment.iter().map(|(name, value)| (name.into(), value.into()));
    let added = || {
        let slurm = batch.iter().flat_map(|batch| batch.variables);
        run.environment.iter().chain(slurm).map(|(name, value)| (name.into(), value.into()))
    };
    if let Some(native) = run.native {
        all.insert("jobid".into(), native.into());
    }
    all.extend(added());
    all.insert("jobndx".into(), run.jobndx.to_string().into());
    all.insert("base".into(), run.base.into());
    all.extend(own());
    if run.way() == Way::Slurm {
        all.extend(added());
    }
    if let Some(programs) = batch.and_then(|batch| batch.programs) {
        let path = path_with(programs, all.get(OsStr::new("PATH")));
        all.insert("PATH".into(), path);
    }
    all
}

/// A search path with one directory before the others.
fn path_with(first: &Path, others: Option<&OsString>) -> OsString {
    let mut path = first.as_os_str().to_owned();
    path.push(":");
    path.push(others.map_or(OsStr::new(DEFAULT_PATH), OsString::as_os_str));
    path
}
