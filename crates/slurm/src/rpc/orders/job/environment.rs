//! What a description puts into a job's environment, as slurmrestd does it: limits of resources, and how tasks are distributed.

use super::layout::Distribution;
use crate::objects::JobDesc;
use crate::table::Num;

/// The job's environment, if the description adds something to it. To none nothing is added.
pub(super) fn environment(desc: &JobDesc, distribution: Option<&Distribution>) -> Option<Vec<String>> {
    let mut all = desc.environment.clone().filter(|all| !all.is_empty())?;
    let added: Vec<(&str, String)> =
        limits(desc).chain(distribution.into_iter().flat_map(|tasks| told(desc, tasks))).collect();
    for (name, value) in &added {
        let entry = format!("{name}={value}");
        let is_it = |one: &&mut String| one.split_once('=').is_some_and(|(known, _)| known == *name);
        match all.iter_mut().find(is_it) {
            Some(one) => *one = entry,
            None => all.push(entry),
        }
    }
    (!added.is_empty()).then_some(all)
}

/// Limits of a job's processes.
fn limits(desc: &JobDesc) -> impl Iterator<Item = (&'static str, String)> {
    let all = [
        ("SLURM_RLIMIT_CPU", desc.rlimits_cpu),
        ("SLURM_RLIMIT_FSIZE", desc.rlimits_fsize),
        ("SLURM_RLIMIT_DATA", desc.rlimits_data),
        ("SLURM_RLIMIT_STACK", desc.rlimits_stack),
        ("SLURM_RLIMIT_CORE", desc.rlimits_core),
        ("SLURM_RLIMIT_RSS", desc.rlimits_rss),
        ("SLURM_RLIMIT_NPROC", desc.rlimits_nproc),
        ("SLURM_RLIMIT_NOFILE", desc.rlimits_nofile),
        ("SLURM_RLIMIT_MEMLOCK", desc.rlimits_memlock),
        ("SLURM_RLIMIT_AS", desc.rlimits_as),
    ];
    all.into_iter().filter_map(|(name, limit)| match limit? {
        Num::Set(limit) => Some((name, limit.to_string())),
        Num::Infinite => Some((name, u64::MAX.to_string())),
        Num::Unset => None,
    })
}

fn told(desc: &JobDesc, tasks: &Distribution) -> Vec<(&'static str, String)> {
    let nodes = tasks.is_arbitrary().then(|| desc.required_nodes.as_ref().map(|nodes| nodes.join(","))).flatten();
    let mut told = Vec::new();
    told.extend(nodes.map(|nodes| ("SLURM_ARBITRARY_NODELIST", nodes)));
    told.push(("SLURM_DISTRIBUTION", tasks.name.clone()));
    told.extend(tasks.plane.map(|size| ("SLURM_DIST_PLANESIZE", size.to_string())));
    told
}
