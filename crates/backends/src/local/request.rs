//! From a JobSpec to what the queue needs to know. Options are Slurm's, and mean here what they mean there.

use std::collections::BTreeMap;

use jiff::civil::{DateTime, Time};
use jiff::{SignedDuration, Timestamp, Zoned};
use jobgate_model::{BackendConfig, Error, JobSpec};
use serde::{Deserialize, Serialize};

use super::settings::{Machine, Oversize};

/// An array has at most so many tasks.
const MOST_TASKS: usize = 10_000;

/// What a run needs while it runs. A counter is a licence, or a partition's cores.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Need {
    /// Cores.
    pub(super) cores: u64,
    /// Bytes; 0: not accounted and not limited.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) memory: u64,
    /// GPUs.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) gpus: u64,
    /// What else is counted, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) counters: BTreeMap<String, u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A request as the queue takes it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Request {
    pub(super) need: Need,
    /// What was taken off because the machine is smaller, in words.
    pub(super) clamped: Option<String>,
    pub(super) minutes: i64,
    pub(super) priority: i64,
    pub(super) hold: bool,
    pub(super) requeue: bool,
    /// Unix seconds.
    pub(super) begin: Option<f64>,
    pub(super) dependency: Option<Dependency>,
}

/// What must have happened to other jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dependency {
    pub(super) conditions: Vec<Condition>,
    /// All conditions (`,`) or any of them (`?`).
    pub(super) all: bool,
}

/// One condition on other jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// These jobs have reached something.
    Reached(After, Vec<String>),
    /// All earlier runs of the same owner with the same name have ended.
    Singleton,
}

/// What a job must have reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum After {
    /// It has started, or ended without.
    Started,
    /// It has ended, however.
    Any,
    /// It has completed.
    Ok,
    /// It has ended otherwise.
    NotOk,
}

/// Reads a request; `Invalid` names the option, its value and the forms that are understood.
pub(super) fn parse(spec: &JobSpec, config: &BackendConfig, machine: &Machine, now: f64) -> Result<Request, Error> {
    let partition = partition(spec, config, machine)?;
    let minutes = spec.resources.duration.max(0);
    if let Some((name, partition)) = &partition
        && let Some(most) = partition.minutes
        && minutes > most
    {
        return Err(Error::invalid(format!(
            "duration of {minutes} minutes is longer than the {most} minutes that partition {name} allows"
        )));
    }
    let nice = integer(spec, "nice", None)?.unwrap_or(0);
    let priority = integer(spec, "priority", None)?.unwrap_or(0).saturating_sub(nice);
    let (need, clamped) = need(spec, partition.as_ref().map(|(name, _)| *name), machine)?;
    Ok(Request {
        need,
        clamped,
        minutes,
        priority: priority.saturating_add(partition.map_or(0, |(_, partition)| partition.priority)),
        hold: flag(spec, "hold", Some("H")),
        requeue: flag(spec, "requeue", None) && !flag(spec, "no-requeue", None),
        begin: option(spec, "begin", Some("b")).map(|text| begin(text, now)).transpose()?,
        dependency: option(spec, "dependency", Some("d")).map(dependency).transpose()?,
    })
}

/// The task numbers of an array, and how many of them may run at the same time.
pub(super) type Tasks = (Vec<i64>, Option<i64>);

/// The tasks of an array; `None`: not an array.
pub(super) fn array(spec: &JobSpec) -> Result<Option<Tasks>, Error> {
    let Some(text) = option(spec, "array", Some("a")) else { return Ok(None) };
    let wrong = || {
        Error::invalid(format!(
            "cannot read array {text:?}: expected task numbers such as 0-9, 1,3,5 or 0-20:4, with %LIMIT at the end \
             if not all may run at once, and at most {MOST_TASKS} tasks"
        ))
    };
    let (list, limit) = match text.trim().split_once('%') {
        Some((list, limit)) => (list, Some(number(limit).filter(|limit| *limit > 0).ok_or_else(wrong)?)),
        None => (text.trim(), None),
    };
    let mut tasks = std::collections::BTreeSet::new();
    for part in list.split(',') {
        let (range, step) = match part.split_once(':') {
            Some((range, step)) => (range, number(step).filter(|step| *step > 0).ok_or_else(wrong)?),
            None => (part, 1),
        };
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (number(first).ok_or_else(wrong)?, number(last).ok_or_else(wrong)?);
        if last < first || (last - first) / step >= MOST_TASKS as i64 {
            return Err(wrong());
        }
        tasks.extend((first..=last).step_by(usize::try_from(step).map_err(|_| wrong())?));
    }
    if tasks.len() > MOST_TASKS {
        return Err(wrong());
    }
    Ok(Some((tasks.into_iter().collect(), limit)))
}

/// The variables that Slurm gives a task of an array. The array's id is the job's.
pub(super) fn array_environment(spec: &JobSpec, jobid: &str, task: i64) -> Vec<(String, String)> {
    let tasks = array(spec).ok().flatten().map_or_else(|| vec![task], |(tasks, _)| tasks);
    let step = tasks.windows(2).map(|pair| pair[1] - pair[0]).next().unwrap_or(1);
    [
        ("JOB_ID", jobid.to_owned()),
        ("TASK_ID", task.to_string()),
        ("TASK_COUNT", tasks.len().to_string()),
        ("TASK_MIN", tasks.first().unwrap_or(&task).to_string()),
        ("TASK_MAX", tasks.last().unwrap_or(&task).to_string()),
        ("TASK_STEP", step.to_string()),
    ]
    .map(|(key, value)| (format!("SLURM_ARRAY_{key}"), value))
    .to_vec()
}

fn option<'a>(spec: &'a JobSpec, long: &str, short: Option<&str>) -> Option<&'a str> {
    spec.attribute(long).or_else(|| short.and_then(|short| spec.attributes.get(&format!("-{short}"))))
}

/// An option without a value is set by being there; a value may take it back.
fn flag(spec: &JobSpec, long: &str, short: Option<&str>) -> bool {
    option(spec, long, short).is_some_and(|value| !matches!(value.to_ascii_lowercase().as_str(), "false" | "no" | "0"))
}

fn number(text: &str) -> Option<i64> {
    text.trim().parse().ok().filter(|number| (0..=4_000_000_000).contains(number))
}

fn integer(spec: &JobSpec, long: &str, short: Option<&str>) -> Result<Option<i64>, Error> {
    let Some(text) = option(spec, long, short) else { return Ok(None) };
    text.trim()
        .parse()
        .map(Some)
        .map_err(|_| Error::invalid(format!("cannot read {long} {text:?}: expected an integer")))
}

fn partition<'a>(
    spec: &'a JobSpec,
    config: &'a BackendConfig,
    machine: &'a Machine,
) -> Result<Option<(&'a str, &'a super::settings::Partition)>, Error> {
    // Without configured partitions the name says nothing, as with psik.
    if machine.partitions.is_empty() {
        return Ok(None);
    }
    let Some(name) = option(spec, "partition", Some("p")).or(config.queue_name.as_deref()) else { return Ok(None) };
    let partition = machine.partitions.get(name).ok_or_else(|| {
        let known: Vec<&str> = machine.partitions.keys().map(String::as_str).collect();
        Error::invalid(format!("unknown partition {name:?}, expected one of {}", known.join(", ")))
    })?;
    Ok(Some((name, partition)))
}

fn need(spec: &JobSpec, partition: Option<&str>, machine: &Machine) -> Result<(Need, Option<String>), Error> {
    let cores = spec.resources.cores().max(1) as u64;
    let gpus = spec.resources.gpus().max(0) as u64;
    let memory = match (option(spec, "mem", None), option(spec, "mem-per-cpu", None)) {
        (Some(text), _) => match bytes("mem", text)? {
            // Slurm: all of it.
            0 => machine.total.memory,
            bytes => bytes,
        },
        (None, Some(text)) => bytes("mem-per-cpu", text)?.saturating_mul(cores.min(machine.total.cores)),
        (None, None) => 0,
    };
    let mut need = Need { cores, memory, gpus, counters: licences(spec, machine)? };
    let mut clamped = Vec::new();
    for (what, asked, total) in [
        ("cores", &mut need.cores, machine.total.cores),
        ("bytes of memory", &mut need.memory, machine.total.memory),
        ("GPUs", &mut need.gpus, machine.total.gpus),
    ] {
        if *asked > total {
            clamped.push(format!("{asked} {what} were asked for, this machine has {total}"));
            *asked = total;
        }
    }
    if let Some(name) = partition
        && let Some(most) = machine.total.counters.get(&partition_counter(name))
    {
        if need.cores > *most {
            clamped.push(format!("{} cores were asked for, partition {name} has {most}", need.cores));
            need.cores = *most;
        }
        need.counters.insert(partition_counter(name), need.cores);
    }
    if clamped.is_empty() {
        return Ok((need, None));
    }
    let text = clamped.join("; ");
    match machine.oversize {
        Oversize::Clamp => Ok((need, Some(format!("{text}: the run gets all of it")))),
        Oversize::Refuse => Err(Error::invalid(format!("{text}; ask for less, or set oversize = \"clamp\""))),
    }
}

/// The counter of the cores that a partition's runs use.
pub(super) fn partition_counter(name: &str) -> String {
    format!("partition:{name}")
}

/// The counter of a licence.
pub(super) fn licence_counter(name: &str) -> String {
    format!("licence:{name}")
}

fn licences(spec: &JobSpec, machine: &Machine) -> Result<BTreeMap<String, u64>, Error> {
    let mut counters = BTreeMap::new();
    let Some(text) = option(spec, "licenses", Some("L")).or_else(|| option(spec, "licences", None)) else {
        return Ok(counters);
    };
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, count) = part.split_once([':', '=']).unwrap_or((part, "1"));
        let count = number(count).filter(|count| *count > 0).ok_or_else(|| {
            Error::invalid(format!("cannot read licenses {text:?}: expected NAME:COUNT, several with commas between"))
        })? as u64;
        let counter = licence_counter(name);
        let wanted = counters.entry(counter.clone()).or_insert(0);
        *wanted += count;
        match machine.total.counters.get(&counter) {
            Some(total) if *wanted <= *total => {}
            Some(total) => {
                return Err(Error::invalid(format!("{wanted} licences {name} were asked for, there are {total}")));
            }
            None => return Err(Error::invalid(format!("unknown licence {name:?}: none of that name is configured"))),
        }
    }
    Ok(counters)
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

fn dependency(text: &str) -> Result<Dependency, Error> {
    let wrong = || {
        Error::invalid(format!(
            "cannot read dependency {text:?}: expected singleton, or after, afterany, afterok or afternotok with ids, \
             for example afterok:1693992878.203, with , (all) or ? (any) between conditions"
        ))
    };
    let any = text.contains('?');
    if any && text.contains(',') {
        return Err(wrong());
    }
    let mut conditions = Vec::new();
    for part in text.split([',', '?']).map(str::trim) {
        if part == "singleton" {
            conditions.push(Condition::Singleton);
            continue;
        }
        let (kind, ids) = part.split_once(':').ok_or_else(wrong)?;
        let after = match kind {
            "after" => After::Started,
            "afterany" => After::Any,
            "afterok" => After::Ok,
            "afternotok" => After::NotOk,
            _ => return Err(wrong()),
        };
        let ids: Vec<String> = ids.split(':').map(|id| id.trim().to_owned()).collect();
        if ids.iter().any(|id| jobgate_model::JobId::parse(id).is_err()) {
            return Err(wrong());
        }
        conditions.push(Condition::Reached(after, ids));
    }
    Ok(Dependency { conditions, all: !any })
}

/// When a run may start at the earliest, in unix seconds.
fn begin(text: &str, now: f64) -> Result<f64, Error> {
    let wrong = || {
        Error::invalid(format!(
            "cannot read begin {text:?}: expected now+COUNT[seconds|minutes|hours|days|weeks], HH:MM, \
             or a date such as 2026-11-22T10:00 (local time, or with an offset)"
        ))
    };
    let text = text.trim();
    if let Some(rest) = text.strip_prefix("now") {
        let Some(rest) = rest.trim().strip_prefix('+') else {
            return if rest.is_empty() { Ok(now) } else { Err(wrong()) };
        };
        let rest = rest.trim_start();
        let unit = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let count = number(&rest[..rest.len() - unit.len()]).ok_or_else(wrong)?;
        let seconds = match unit.trim() {
            "" | "second" | "seconds" => 1,
            "minute" | "minutes" => 60,
            "hour" | "hours" => 3600,
            "day" | "days" => 86_400,
            "week" | "weeks" => 604_800,
            _ => return Err(wrong()),
        };
        return Ok(now + (count * seconds) as f64);
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant.as_second() as f64);
    }
    let zone = jiff::tz::TimeZone::system();
    let local = |at: DateTime| {
        at.to_zoned(zone.clone()).map(|at: Zoned| at.timestamp().as_second() as f64).map_err(|_| wrong())
    };
    // A date alone is a date and time at midnight.
    if let Ok(date) = text.parse::<DateTime>() {
        return local(date);
    }
    let time: Time = text.parse().map_err(|_| wrong())?;
    let today =
        Timestamp::from_second(now as i64).map_err(|_| wrong())?.to_zoned(zone.clone()).date().to_datetime(time);
    let at = local(today)?;
    // A time that has passed means tomorrow's.
    if at >= now { Ok(at) } else { local(today + SignedDuration::from_hours(24)) }
}

#[cfg(test)]
mod tests;
