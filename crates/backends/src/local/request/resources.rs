//! What a run asks for of nodes: psik's ResourceSpec, and sbatch's options over it.

use std::collections::BTreeMap;

use jobgate_model::{Error, ResourceSpec};
use jobgate_slurm::errno::Errno;

use super::options::{Options, number};
use crate::local::constraint::Constraint;
use crate::local::inventory::{Inventory, hostlist, parse_gres};
use crate::local::need::{Gpus, Memory, Need};

/// What psik's ResourceSpec asks for.
pub(super) fn of_spec(resources: &ResourceSpec, inventory: &Inventory) -> Need {
    let count = |number: i64| number.max(1).cast_unsigned();
    let gpus = resources.gpus().max(0).cast_unsigned();
    // On one machine it does not matter how many nodes were imagined.
    let nodes = resources.node_count.filter(|_| inventory.has_nodes);
    Need {
        tasks: count(resources.processes()),
        cores_per_task: count(resources.cpu_cores_per_process),
        min_nodes: nodes.map_or(1, count),
        tasks_per_node: nodes.and(resources.processes_per_node).map(count),
        gpus: if gpus > 0 { Gpus::PerRun(gpus) } else { Gpus::None },
        lenient: true,
        ..Need::default()
    }
}

/// Puts sbatch's options over a need.
pub(super) fn apply(need: &mut Need, options: Options<'_>, inventory: &Inventory) -> Result<(), Error> {
    if let Some(text) = options.said("nodes") {
        (need.min_nodes, need.max_nodes) = nodes(text)?;
    }
    if let Some(count) = options.count("ntasks-per-node")? {
        need.tasks_per_node = Some(count);
    }
    if let Some(count) = options.count("cpus-per-task")? {
        need.cores_per_task = count;
    }
    if let Some(count) = options.count("ntasks")? {
        need.tasks = count;
    } else if options.said("nodes").is_some() || options.said("ntasks-per-node").is_some() {
        need.tasks = need.tasks.max(need.min_nodes.saturating_mul(need.tasks_per_node.unwrap_or(1)));
    }
    memory(need, options)?;
    gpus(need, options)?;
    if let Some(value) = options.get("exclusive") {
        need.exclusive = !matches!(value.to_ascii_lowercase().as_str(), "no" | "false" | "0");
    }
    select(need, options, inventory)?;
    if let Some(text) = options.either("licenses", "-L").or_else(|| options.get("licences")) {
        need.licences = licences(text, inventory)?;
    }
    Ok(())
}

/// `2`, `2-4`, or Slurm's list of numbers of which the smallest and the largest count.
fn nodes(text: &str) -> Result<(u64, Option<u64>), Error> {
    let wrong = || Error::invalid(format!("cannot read nodes {text:?}: expected a number from 1 on, or MIN-MAX"));
    let count = |text: &str| number(text).filter(|count| *count > 0).map(i64::cast_unsigned).ok_or_else(wrong);
    let (min, max) = match text.split_once('-') {
        Some((min, max)) => (count(min)?, count(max)?),
        None => (count(text)?, count(text)?),
    };
    if min <= max { Ok((min, Some(max))) } else { Err(wrong()) }
}

fn memory(need: &mut Need, options: Options<'_>) -> Result<(), Error> {
    if let Some(text) = options.get("mem") {
        need.memory = match bytes("mem", text)? {
            // Slurm: all of it.
            0 => Memory::AllOfNode,
            bytes => Memory::PerNode(bytes),
        };
    } else if let Some(text) = options.get("mem-per-cpu") {
        need.memory = match bytes("mem-per-cpu", text)? {
            0 => Memory::Unsaid,
            bytes => Memory::PerCore(bytes),
        };
    } else if let Some(text) = options.said("mem-per-gpu") {
        let per_gpu = bytes("mem-per-gpu", text)?;
        let on_node = need.gpus().div_ceil(need.min_nodes.max(1)).max(1);
        need.memory = Memory::PerNode(per_gpu.saturating_mul(on_node));
    }
    Ok(())
}

fn gpus(need: &mut Need, options: Options<'_>) -> Result<(), Error> {
    type Kind = fn(u64) -> Gpus;
    let kinds: [(&str, Kind); 6] = [
        ("gpus", Gpus::PerRun),
        ("gpus-per-node", Gpus::PerNode),
        ("gpus-per-task", Gpus::PerTask),
        ("gres", Gpus::PerNode),
        ("tres-per-job", Gpus::PerRun),
        ("tres-per-task", Gpus::PerTask),
    ];
    for (option, kind) in kinds {
        let Some(text) = options.said(option) else { continue };
        let is_short = option.starts_with("gpus");
        let written = if is_short { format!("gpu:{text}") } else { text.to_owned() };
        let (gpu_type, count) = parse_gres(&written).ok_or_else(|| {
            let form = if is_short { "COUNT or TYPE:COUNT" } else { "gpu:COUNT or gpu:TYPE:COUNT" };
            Error::invalid(format!("cannot read {option} {text:?}: expected {form}; there is nothing else than GPUs"))
                .numbered(Errno::INVALID_GRES.0)
        })?;
        need.gpus = if count > 0 { kind(count) } else { Gpus::None };
        need.gpu_type = gpu_type;
    }
    Ok(())
}

/// Which nodes: by name and by feature. What is not configured is not looked at.
fn select(need: &mut Need, options: Options<'_>, inventory: &Inventory) -> Result<(), Error> {
    let named = |option: &str| -> Result<Option<Vec<String>>, Error> {
        let Some(text) = options.get(option) else { return Ok(None) };
        let unknown =
            |why: String| Error::invalid(format!("{option} {text:?}: {why}")).numbered(Errno::INVALID_NODE_NAME.0);
        let names = hostlist(text).map_err(unknown)?;
        if let Some(name) = names.iter().find(|name| inventory.has_nodes && inventory.node(name).is_none()) {
            return Err(unknown(format!("there is no node {name}")));
        }
        // One machine is meant by every name.
        Ok(Some(if inventory.has_nodes { names } else { Vec::new() }))
    };
    if let Some(names) = named("nodelist")? {
        need.min_nodes = need.min_nodes.max(names.len() as u64);
        need.nodelist = names;
    }
    if let Some(names) = named("exclude")? {
        need.exclude = names;
    }
    if let Some(text) = options.get("constraint").filter(|_| inventory.has_nodes) {
        need.constraint = if text.trim().is_empty() { None } else { Some(constraint(text, inventory)?) };
    }
    Ok(())
}

fn constraint(text: &str, inventory: &Inventory) -> Result<String, Error> {
    let invalid =
        |why: String| Error::invalid(format!("constraint {text:?}: {why}")).numbered(Errno::INVALID_FEATURE.0);
    let parsed = Constraint::parse(text)
        .ok_or_else(|| invalid("expected features with & (and) or | (or) between, and brackets".into()))?;
    for name in parsed.names() {
        if !inventory.nodes.iter().any(|node| node.features.contains(name)) {
            return Err(invalid(format!("no node has the feature {name}")));
        }
    }
    Ok(text.trim().to_owned())
}

fn licences(text: &str, inventory: &Inventory) -> Result<BTreeMap<String, u64>, Error> {
    let invalid = |why: String| Error::invalid(why).numbered(Errno::INVALID_LICENSES.0);
    let mut licences = BTreeMap::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, count) = part.split_once([':', '=']).unwrap_or((part, "1"));
        let count = number(count).filter(|count| *count > 0).ok_or_else(|| {
            invalid(format!("cannot read licenses {text:?}: expected NAME:COUNT, several with commas between"))
        })?;
        let wanted = licences.entry(name.to_owned()).or_insert(0);
        *wanted += count.cast_unsigned();
        match inventory.licences.get(name) {
            Some(total) if *wanted <= *total => {}
            Some(total) => return Err(invalid(format!("{wanted} licences {name} were asked for, there are {total}"))),
            None => return Err(invalid(format!("unknown licence {name:?}: none of that name is configured"))),
        }
    }
    Ok(licences)
}

/// A size as Slurm writes it: megabytes, or with K, M, G or T.
fn bytes(option: &str, text: &str) -> Result<u64, Error> {
    let wrong =
        || Error::invalid(format!("cannot read {option} {text:?}: expected megabytes, or a number with K, M, G or T"));
    let trimmed = text.trim();
    let trimmed = trimmed.strip_suffix(['b', 'B']).unwrap_or(trimmed);
    let (digits, shift) = match trimmed.char_indices().last() {
        Some((at, 'k' | 'K')) => (&trimmed[..at], 10),
        Some((at, 'm' | 'M')) => (&trimmed[..at], 20),
        Some((at, 'g' | 'G')) => (&trimmed[..at], 30),
        Some((at, 't' | 'T')) => (&trimmed[..at], 40),
        _ => (trimmed, 20),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).filter(|bytes| i64::try_from(*bytes).is_ok()).ok_or_else(wrong)
}

/// What an option asked for is not asked for any more.
pub(in crate::local) fn forget_option(need: &mut Need, option: &str) {
    let default = Need::default();
    match option {
        "nodes" => (need.min_nodes, need.max_nodes) = (default.min_nodes, default.max_nodes),
        "ntasks-per-node" => need.tasks_per_node = None,
        "cpus-per-task" => need.cores_per_task = default.cores_per_task,
        "ntasks" => need.tasks = default.tasks,
        "mem" | "mem-per-cpu" | "mem-per-gpu" => need.memory = default.memory,
        "gpus" | "gpus-per-node" | "gpus-per-task" | "gres" | "tres-per-job" | "tres-per-task" => {
            (need.gpus, need.gpu_type) = (default.gpus, None);
        }
        "exclusive" => need.exclusive = false,
        "nodelist" => need.nodelist.clear(),
        "exclude" => need.exclude.clear(),
        "constraint" => need.constraint = None,
        "licenses" | "licences" => need.licences.clear(),
        _ => {}
    }
}
