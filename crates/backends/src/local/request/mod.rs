//! From a JobSpec to what the queue needs to know. Options are sbatch's, and mean here what they mean there.

mod array;
mod clamp;
mod dependency;
mod options;
mod resources;
mod times;

use jobgate_model::{BackendConfig, Error, JobSpec, StringMap};
use jobgate_slurm::errno::Errno;

pub(super) use array::{array, array_environment};
pub(super) use clamp::clamp;
pub(super) use dependency::{After, Condition, Dependency, Target};
pub(super) use options::overlaid;
pub(super) use resources::forget_option;

use options::Options;

use super::cluster::PartitionState;
use super::inventory::{Inventory, NORMAL_QOS};
use super::need::Need;
use super::schedule::fits_empty;
use super::settings::Oversize;

/// Who asks for one of these asks in Slurm's manner: what does not fit is refused.
const STRICT: [&str; 5] = ["nodes", "ntasks", "nodelist", "gres", "time"];

/// A request as the queue takes it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Request {
    pub(super) need: Need,
    /// What was taken off because there is less, in words.
    pub(super) clamped: Option<String>,
    /// In Slurm's manner: nothing is taken off.
    pub(super) strict: bool,
    pub(super) minutes: i64,
    /// The partitions that it may run in; none: the default one.
    pub(super) partitions: Vec<String>,
    pub(super) account: Option<String>,
    pub(super) qos: Option<String>,
    pub(super) reservations: Vec<String>,
    /// Its place in the order.
    pub(super) priority: i64,
    /// The priority that was asked for, and what is taken off it.
    pub(super) asked: i64,
    pub(super) nice: i64,
    pub(super) hold: bool,
    pub(super) requeue: bool,
    /// Unix seconds.
    pub(super) begin: Option<f64>,
    /// Unix seconds.
    pub(super) deadline: Option<f64>,
    pub(super) dependency: Option<Dependency>,
}

/// What a request is read from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) options: &'a StringMap,
    /// What it asks for besides its options, and the time limit.
    pub(super) need: &'a Need,
    pub(super) minutes: i64,
    /// It is known to be in Slurm's manner, whatever its options.
    pub(super) strict: bool,
    pub(super) config: &'a BackendConfig,
}

/// Reads a job's request; `Invalid` names the option, its value and the forms that are understood.
pub(super) fn parse(spec: &JobSpec, config: &BackendConfig, inventory: &Inventory, now: f64) -> Result<Request, Error> {
    let need = resources::of_spec(&spec.resources, inventory);
    let minutes = spec.resources.duration.max(0);
    // As the runner does: a job that brings its environment and says where its output goes is Slurm's.
    let strict = !spec.inherit_environment && Options(&spec.attributes).said("output").is_some();
    read(&Asked { options: &spec.attributes, need: &need, minutes, strict, config }, inventory, now)
}

/// Reads a request.
pub(super) fn read(asked: &Asked<'_>, inventory: &Inventory, now: f64) -> Result<Request, Error> {
    let options = Options(asked.options);
    let strict = asked.strict || STRICT.iter().any(|option| options.said(option).is_some());
    let mut need = asked.need.clone();
    need.lenient &= !strict;
    resources::apply(&mut need, options, inventory)?;
    let when = when(asked.options, asked.minutes, now)?;
    let nice = options.integer("nice")?.unwrap_or(0);
    let priority = options.integer("priority")?.unwrap_or(0);
    let mut request = Request {
        need,
        clamped: None,
        strict,
        minutes: when.minutes,
        partitions: partitions(options, asked.config, inventory)?,
        account: account(options, asked.config, inventory)?,
        qos: qos(options, inventory)?,
        reservations: reservations(options, asked.config, inventory)?,
        priority: 0,
        asked: priority,
        nice,
        hold: options.flag("hold", Some("-H")),
        // Slurm's jobs may be put back unless they say otherwise, psik's only if they say so.
        requeue: (asked.strict || options.flag("requeue", None)) && !options.flag("no-requeue", None),
        begin: when.begin,
        deadline: when.deadline,
        dependency: when.dependency,
    };
    request.priority = effective_priority(&request, inventory);
    fit(&mut request, inventory)?;
    Ok(request)
}

/// When a run may start, must be over, and how long it may take.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct When {
    pub(super) minutes: i64,
    /// Unix seconds.
    pub(super) begin: Option<f64>,
    /// Unix seconds.
    pub(super) deadline: Option<f64>,
    pub(super) dependency: Option<Dependency>,
}

/// Reads the options about time; `minutes` is the time limit if they do not say one.
pub(super) fn when(options: &StringMap, minutes: i64, now: f64) -> Result<When, Error> {
    let options = Options(options);
    let minutes = options.said("time").map_or(Ok(minutes), |text| times::limit("time", text))?;
    let begin = options.either("begin", "-b").map(|text| times::point("begin", text, now)).transpose()?;
    let deadline = options.said("deadline").map(|text| times::point("deadline", text, now)).transpose()?;
    let dependency = options.either("dependency", "-d").map(Dependency::parse).transpose()?;
    if let Some(deadline) = deadline {
        let shortest = options.said("time-min").map_or(Ok(minutes), |text| times::limit("time-min", text))?;
        let starts = begin.unwrap_or(now).max(now);
        if starts + shortest as f64 * 60.0 > deadline {
            return Err(Error::invalid("deadline: the job cannot end before it, even if it starts as early as it may")
                .numbered(Errno::INVALID_TIME.0));
        }
    }
    Ok(When { minutes, begin, deadline, dependency })
}

/// The place in the order: what was asked for, minus nice, plus what partition and quality of service add.
pub(super) fn effective_priority(request: &Request, inventory: &Inventory) -> i64 {
    let partitions = request.partitions.iter().filter_map(|name| inventory.partitions.get(name));
    let of_partition = match partitions.map(|partition| partition.priority).max() {
        Some(priority) => priority,
        None => inventory.partitions.get(inventory.default_partition()).map_or(0, |partition| partition.priority),
    };
    let of_qos = request.qos.as_ref().and_then(|name| inventory.qos.get(name)).map_or(0, |qos| qos.priority);
    request.asked.saturating_sub(request.nice).saturating_add(of_partition).saturating_add(of_qos)
}

fn partitions(options: Options<'_>, config: &BackendConfig, inventory: &Inventory) -> Result<Vec<String>, Error> {
    // Without configured partitions the name says nothing, as with psik.
    if !inventory.has_partitions {
        return Ok(Vec::new());
    }
    let Some(text) = options.either("partition", "-p").or(config.queue_name.as_deref()) else { return Ok(Vec::new()) };
    let names = Options::list(text);
    for name in &names {
        let partition = inventory.partitions.get(name).ok_or_else(|| {
            let known: Vec<&str> = inventory.partitions.keys().map(String::as_str).collect();
            Error::invalid(format!("unknown partition {name:?}, expected one of {}", known.join(", ")))
                .numbered(Errno::INVALID_PARTITION.0)
        })?;
        if matches!(partition.state, PartitionState::Drain | PartitionState::Inactive) {
            return Err(Error::invalid(format!("partition {name} takes no jobs now: it is drained or inactive"))
                .numbered(Errno::PARTITION_NOT_AVAILABLE.0));
        }
    }
    Ok(names)
}

fn account(options: Options<'_>, config: &BackendConfig, inventory: &Inventory) -> Result<Option<String>, Error> {
    let name = options.said("account").or(config.project_name.as_deref()).map(str::to_owned);
    match &name {
        Some(name) if !inventory.accounts.is_empty() && !inventory.accounts.contains_key(name) => {
            let known: Vec<&str> = inventory.accounts.keys().map(String::as_str).collect();
            Err(Error::invalid(format!("unknown account {name:?}, expected one of {}", known.join(", ")))
                .numbered(Errno::INVALID_ACCOUNT.0))
        }
        _ => Ok(name),
    }
}

fn qos(options: Options<'_>, inventory: &Inventory) -> Result<Option<String>, Error> {
    let Some(name) = options.said("qos") else { return Ok(Some(NORMAL_QOS.to_owned())) };
    if inventory.has_qos && !inventory.qos.contains_key(name) {
        let known: Vec<&str> = inventory.qos.keys().map(String::as_str).collect();
        return Err(Error::invalid(format!("unknown qos {name:?}, expected one of {}", known.join(", ")))
            .numbered(Errno::INVALID_QOS.0));
    }
    Ok(Some(name.to_owned()))
}

fn reservations(options: Options<'_>, config: &BackendConfig, inventory: &Inventory) -> Result<Vec<String>, Error> {
    let said = options.said("reservation");
    let names = Options::list(said.or(config.reservation_id.as_deref()).unwrap_or_default());
    // As with partitions: where there are none, the name says nothing.
    if inventory.reservations.is_empty() && !inventory.has_nodes {
        return Ok(Vec::new());
    }
    if let Some(name) = names.iter().find(|name| !inventory.reservations.contains_key(*name)) {
        return Err(Error::invalid(format!("there is no reservation {name:?}")).numbered(Errno::INVALID_RESERVATION.0));
    }
    Ok(names)
}

/// Refuses, or cuts, what is larger than what there is.
fn fit(request: &mut Request, inventory: &Inventory) -> Result<(), Error> {
    let names: Vec<&str> = match request.partitions.as_slice() {
        [] => vec![inventory.default_partition()],
        names => names.iter().map(String::as_str).collect(),
    };
    let partitions: Vec<_> = names.iter().filter_map(|name| Some((*name, inventory.partitions.get(*name)?))).collect();
    if request.need.lenient {
        let longest = |(_, partition): &(&str, &super::inventory::Partition)| partition.minutes;
        if let Some((name, most)) = partitions.iter().find_map(|named| Some((named.0, longest(named)?)))
            && request.minutes > most
        {
            return Err(Error::invalid(format!(
                "duration of {} minutes is longer than the {most} minutes that partition {name} allows",
                request.minutes
            ))
            .numbered(Errno::INVALID_TIME_LIMIT.0));
        }
        let cut = partitions.first().and_then(|(name, partition)| clamp(&mut request.need, name, partition, inventory));
        request.clamped = match (cut, inventory.oversize) {
            (None, _) => None,
            (Some(text), Oversize::Clamp) => Some(format!("{text}: the run gets all of it")),
            (Some(text), Oversize::Refuse) => {
                let text = format!("{text}; ask for less, or set oversize = \"clamp\"");
                return Err(Error::invalid(text).numbered(Errno::NODE_CONFIGURATION.0));
            }
        };
    }
    let need = &request.need;
    let without_limit =
        |partition: &super::inventory::Partition| super::inventory::Partition { max_nodes: None, ..partition.clone() };
    if partitions.iter().any(|(_, partition)| fits_empty(inventory, &without_limit(partition), need)) {
        return Ok(());
    }
    let outside = |partition: &super::inventory::Partition| {
        need.nodelist.iter().any(|name| inventory.node(name).is_none_or(|index| !partition.nodes.contains(&index)))
    };
    if !need.nodelist.is_empty() && partitions.iter().all(|(_, partition)| outside(partition)) {
        let text = format!("nodelist: not all of these nodes are in partition {}", names.join(","));
        return Err(Error::invalid(text).numbered(Errno::NODES_NOT_IN_PARTITION.0));
    }
    Err(Error::invalid(format!(
        "{} nodes with {} tasks of {} cores, and what else was asked for, are more than partition {} has",
        need.min_nodes,
        need.tasks,
        need.cores_per_task,
        names.join(",")
    ))
    .numbered(Errno::NODE_CONFIGURATION.0))
}

/// What is said for an option.
pub(super) fn said<'a>(options: &'a StringMap, long: &str) -> Option<&'a str> {
    Options(options).said(long)
}

/// What depends on who asks: accounts, partitions and qualities of service may be for some only.
pub(super) fn admit(request: &mut Request, owner: &str, inventory: &Inventory) -> Result<(), Error> {
    if !inventory.accounts.is_empty() {
        let may = |name: &String| {
            inventory
                .accounts
                .get(name)
                .is_some_and(|account| account.users.is_empty() || account.users.iter().any(|user| user == owner))
        };
        let refused = |text: String| Error::invalid(text).numbered(Errno::INVALID_ACCOUNT.0);
        match &request.account {
            Some(name) if may(name) => {}
            Some(name) => return Err(refused(format!("user {owner} may not use account {name}"))),
            None => {
                let first = inventory.accounts.keys().find(|name| may(name));
                request.account = Some(first.cloned().ok_or_else(|| refused(format!("user {owner} has no account")))?);
            }
        }
    }
    let names: Vec<&str> = match request.partitions.as_slice() {
        [] => vec![inventory.default_partition()],
        names => names.iter().map(String::as_str).collect(),
    };
    for name in names {
        let Some(partition) = inventory.partitions.get(name) else { continue };
        let outside = |list: &[String], value: Option<&str>| {
            !list.is_empty() && !value.is_some_and(|value| list.iter().any(|entry| entry == value))
        };
        if outside(&partition.allow_users, Some(owner)) {
            let text = format!("user {owner} may not use partition {name}");
            return Err(Error::invalid(text).numbered(Errno::PARTITION_GROUP.0));
        }
        if outside(&partition.allow_accounts, request.account.as_deref()) {
            let text = format!("partition {name} is for accounts {}", partition.allow_accounts.join(", "));
            return Err(Error::invalid(text).numbered(Errno::INVALID_ACCOUNT.0));
        }
        if outside(&partition.allow_qos, request.qos.as_deref()) {
            let text = format!("partition {name} is for qos {}", partition.allow_qos.join(", "));
            return Err(Error::invalid(text).numbered(Errno::INVALID_QOS.0));
        }
    }
    for name in &request.reservations {
        let Some(reservation) = inventory.reservations.get(name) else { continue };
        if !reservation.admits(owner, request.account.as_deref()) {
            return Err(Error::invalid(format!("user {owner} may not use reservation {name}"))
                .numbered(Errno::RESERVATION_ACCESS.0));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
