//! Job lists in pickles, of which there were four generations:
//!
//! | Autosubmit | what the pickle holds |
//! |---|---|
//! | 3.x | a list of tuples of 12: name, id, status, priority, section, date, member, chunk, logs here (2), logs there (2) |
//! | 4.0 | the same with 13: the type of the wrapper |
//! | 4.1.0 to 4.1.11 | a graph of networkx, whose nodes are named like the jobs and hold them as objects |
//! | 4.1.12 to 4.1.17 | a dictionary by name of dictionaries |

use std::io::{Read, Take};
use std::path::Path;

use super::{Job, JobList, JobsError, Logs, MOST_JOBS, file_name};
use crate::pickle::{Few, Limits, Node, Pair, Pickle, Value, read_few};
use crate::reach;
use crate::status::JobStatus;

/// Reads the job list of a pickle file.
pub fn read(path: &Path) -> Result<JobList, JobsError> {
    let limits = Limits::default();
    let reading = |source| JobsError::unreadable(path, source);
    let (file, stat) = reach::regular(path).map_err(reading)?;
    let mut bytes = Vec::with_capacity(usize::try_from(stat.st_size).unwrap_or(0).min(limits.bytes) + 1);
    // one byte more than may be, so that too large a file is refused and not cut
    Take::read_to_end(&mut file.take(limits.bytes as u64 + 1), &mut bytes).map_err(reading)?;
    of_bytes(&bytes, &file_name(path))
}

/// Reads the job list of a pickle, which errors call by this name.
pub fn of_bytes(bytes: &[u8], name: &str) -> Result<JobList, JobsError> {
    let file = name.to_owned();
    let pickle = match read_few(bytes, Limits::default(), FEW) {
        Ok(pickle) => pickle,
        Err(source) => return Err(JobsError::Pickle { file, source }),
    };
    let mut budget = Budget(bytes.len().saturating_mul(4).saturating_add(1 << 20));
    list(&pickle, &mut budget).map_err(|what| JobsError::Content { file, what })
}

/// Bytes of text that may still be copied out of the pickle. A text may be shared by many jobs, so that a small file could
/// otherwise become large.
struct Budget(usize);

const TOO_LARGE: &str = "its jobs share more text than a job list does";

fn list(pickle: &Pickle<'_>, budget: &mut Budget) -> Result<JobList, &'static str> {
    let root = pickle.root();
    if let Some(tuples) = pickle.sequence(root) {
        return collect(tuples.iter().map(|tuple| of_tuple(pickle, *tuple, budget)), tuples.len());
    }
    let mut names = Names::of(pickle);
    if matches!(pickle.node(root), Some(Node::Dict(_))) {
        let pairs = pickle.pairs(root).unwrap_or_default();
        let job = |pair: &Pair| of_dictionary(pickle, *pair, &mut names, budget);
        return collect(pairs.iter().map(job), pairs.len());
    }
    let graph = pickle.attributes(root).and_then(|attributes| pickle.get(attributes, "_node"));
    let nodes =
        graph.and_then(|nodes| pickle.pairs(nodes)).ok_or("it is neither a list, a dictionary nor a graph of jobs")?;
    let job = |pair: &Pair| of_graph(pickle, *pair, &mut names, budget);
    collect(nodes.iter().map(job), nodes.len())
}

fn collect(jobs: impl Iterator<Item = Result<Job, &'static str>>, count: usize) -> Result<JobList, &'static str> {
    if count > MOST_JOBS {
        return Err("it has more jobs than an experiment can have");
    }
    jobs.collect()
}

fn of_tuple(pickle: &Pickle<'_>, tuple: Value, budget: &mut Budget) -> Result<Job, &'static str> {
    let values = pickle.sequence(tuple).ok_or("a job is no tuple")?;
    let [name, id, status, priority, section, date, member, chunk, out, err, remote_out, remote_err, ..] = *values
    else {
        return Err("a job's tuple is shorter than 12");
    };
    Ok(Job {
        name: budget.text(pickle, name)?.ok_or("a job has no name")?,
        id: number_of(pickle, id)?,
        status: status_of(status),
        priority: integer(pickle, priority),
        section: budget.text(pickle, section)?,
        date: pickle.datetime(date),
        member: budget.text(pickle, member)?,
        chunk: integer(pickle, chunk),
        split: None,
        splits: None,
        local_logs: Logs { out: budget.text(pickle, out)?, err: budget.text(pickle, err)? },
        remote_logs: Logs { out: budget.text(pickle, remote_out)?, err: budget.text(pickle, remote_err)? },
    })
}

fn of_dictionary(
    pickle: &Pickle<'_>,
    [name, job]: Pair,
    names: &mut Names<'_>,
    budget: &mut Budget,
) -> Result<Job, &'static str> {
    let attributes = match pickle.pairs(job) {
        Some(pairs) => pairs,
        None => pickle.attributes(job).ok_or("a job is neither a dictionary nor an object")?,
    };
    of_attributes(pickle, name, names.find(attributes), budget)
}

fn of_graph(
    pickle: &Pickle<'_>,
    [name, node]: Pair,
    names: &mut Names<'_>,
    budget: &mut Budget,
) -> Result<Job, &'static str> {
    let job = pickle.pairs(node).and_then(|pairs| pickle.get(pairs, "job")).ok_or("a node of the graph has no job")?;
    let attributes = pickle.attributes(job).ok_or("a node's job is no object")?;
    let plain = |name: &str| pickle.get(attributes, name).and_then(positive);
    // the original looks for splits where these versions do not have them (they are `_split` and `_splits`), and shows none
    let (split, splits) = (plain("split"), plain("splits"));
    Ok(Job { split, splits, ..of_attributes(pickle, name, names.find(attributes), budget)? })
}

fn of_attributes(pickle: &Pickle<'_>, name: Value, found: Found, budget: &mut Budget) -> Result<Job, &'static str> {
    let [own_name, id, status, priority, section, date, member, chunk, split, splits, local, remote] = found;
    let name = budget.text(pickle, name)?.or(budget.text(pickle, own_name)?);
    Ok(Job {
        name: name.ok_or("a job has no name")?,
        id: number_of(pickle, id)?,
        status: status_of(status),
        priority: integer(pickle, priority),
        section: budget.text(pickle, section)?,
        date: pickle.datetime(date),
        member: budget.text(pickle, member)?,
        chunk: integer(pickle, chunk),
        split: positive(split),
        splits: positive(splits),
        local_logs: budget.logs(pickle, local)?,
        remote_logs: budget.logs(pickle, remote)?,
    })
}

/// Attributes that became properties are stored with a `_` before their name, in some versions.
const ATTRIBUTES: [&str; 12] = [
    "name",
    "id",
    "status",
    "priority",
    "section",
    "date",
    "member",
    "chunk",
    "split",
    "splits",
    "local_logs",
    "remote_logs",
];

/// What is read of a job: with its status and its priority all of its attributes are set.
const FEW: Few = Few { marks: ["status", "priority"], keys: &ATTRIBUTES };

/// The values of [`ATTRIBUTES`].
type Found = [Value; ATTRIBUTES.len()];

/// Which node is the name of which attribute. All jobs share the nodes of their attributes' names, so each is compared once.
struct Names<'a> {
    pickle: &'a Pickle<'a>,
    known: Vec<Name>,
}

/// What is known of a node.
#[derive(Clone, Copy)]
enum Name {
    Unknown,
    Other,
    Attribute(u8),
}

impl<'a> Names<'a> {
    fn of(pickle: &'a Pickle<'a>) -> Self {
        Self { pickle, known: vec![Name::Unknown; pickle.len()] }
    }

    /// The attributes' values; of several under one name the last.
    fn find(&mut self, attributes: &[Pair]) -> Found {
        let mut found = [Value::None; ATTRIBUTES.len()];
        for [key, value] in attributes {
            if let Name::Attribute(place) = self.name(*key) {
                found[usize::from(place)] = *value;
            }
        }
        found
    }

    fn name(&mut self, key: Value) -> Name {
        let Value::Node(node) = key else { return Name::Other };
        let Some(known) = self.known.get_mut(node.place()) else { return Name::Other };
        if matches!(known, Name::Unknown) {
            let text = self.pickle.text(key).map(|text| text.strip_prefix('_').unwrap_or(text));
            let place = text.and_then(|text| ATTRIBUTES.iter().position(|attribute| *attribute == text));
            *known = place.and_then(|place| u8::try_from(place).ok()).map_or(Name::Other, Name::Attribute);
        }
        *known
    }
}

impl Budget {
    fn text(&mut self, pickle: &Pickle<'_>, value: Value) -> Result<Option<String>, &'static str> {
        let text = match value {
            Value::Int(number) => Some(number.to_string()),
            _ => pickle.text(value).map(str::to_owned),
        };
        self.0 = self.0.checked_sub(text.as_ref().map_or(0, String::len)).ok_or(TOO_LARGE)?;
        Ok(text)
    }

    fn logs(&mut self, pickle: &Pickle<'_>, value: Value) -> Result<Logs, &'static str> {
        let pair = pickle.sequence(value).unwrap_or_default();
        let part = |place: usize| pair.get(place).copied().unwrap_or(Value::None);
        Ok(Logs { out: self.text(pickle, part(0))?, err: self.text(pickle, part(1))? })
    }
}

fn status_of(value: Value) -> JobStatus {
    match value {
        Value::Int(code) => JobStatus::from_code(code),
        _ => JobStatus::Unknown,
    }
}

/// A batch system's number: a number, or a text that is one. Another text makes the whole list unreadable, as in the original.
fn number_of(pickle: &Pickle<'_>, value: Value) -> Result<Option<i64>, &'static str> {
    match (value, pickle.text(value)) {
        (Value::Int(number), _) => Ok(Some(number)),
        (_, Some(text)) => text.trim().parse().map(Some).map_err(|_| "a job's id is no number"),
        _ => Ok(None),
    }
}

fn integer(pickle: &Pickle<'_>, value: Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(number),
        Value::Float(number) => Some(number as i64),
        _ => pickle.text(value)?.trim().parse().ok(),
    }
}

fn positive(value: Value) -> Option<i64> {
    match value {
        Value::Int(number) if number > 0 => Some(number),
        _ => None,
    }
}
