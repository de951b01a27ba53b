//! An experiment's configuration, as Autosubmit resolves it from the files in its `conf` folder: INI files before Autosubmit 4,
//! YAML since.

mod load;
mod lookups;
mod normalise;
mod placeholders;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::ini::{Ini, IniError, Replacements};
use crate::kept::Sources;
use crate::yaml::{self, YamlError};

pub use load::{Origin, load};
pub use lookups::{Factor, PlatformFacts, Processing};

/// A configuration.
#[derive(Debug, Clone)]
pub enum Configuration {
    /// Autosubmit 3
    Ini(Box<IniFiles>),
    /// Autosubmit 4: the resolved tree
    Yaml(Map<String, Value>),
}

/// The five files of Autosubmit 3; those that are not there are empty.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "named for the files: conf is autosubmit_<expid>.conf")]
pub struct IniFiles {
    pub conf: Ini,
    pub exp: Ini,
    pub jobs: Ini,
    pub platforms: Ini,
    pub proj: Ini,
}

/// Why there is no configuration.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no such experiment.
    #[error("Experiment {0} does not exist")]
    NoExperiment(String),
    /// It has no folder of that name.
    #[error("Experiment {0} does not exist")]
    NoFolder(String),
    /// It has no such folder, which views need besides its configuration.
    #[error("Required folder {0} not found.")]
    NoTmp(String),
    /// A file cannot be read.
    #[error("cannot read {file}: {source}")]
    Read {
        /// The file's name
        file: String,
        /// Why
        source: std::io::Error,
    },
    /// A file is no INI file.
    #[error("{file}: {source}")]
    Ini {
        /// The file's name
        file: String,
        /// What is wrong
        source: IniError,
    },
    /// A file is no YAML.
    #[error("{file}: {source}. This file and the correctness of its content are necessary.")]
    Yaml {
        /// The file's name
        file: String,
        /// What is wrong
        source: YamlError,
    },
    /// A wrapper lacks its type or its jobs.
    #[error("wrapper {0} lacks TYPE or JOBS_IN_WRAPPER")]
    Wrapper(String),
    /// A list of a `FOR` is shorter than its names.
    #[error("the FOR of {0} has lists of different length")]
    Loop(String),
    /// Configurations that lead to more files than there can be.
    #[error("more than {0} configuration files")]
    TooMany(usize),
    /// What it repeats makes too much of it.
    #[error("the configuration becomes larger than a configuration can be")]
    Large,
    /// A section that is needed is not there.
    #[error("'{0}'")]
    Missing(String),
}

/// A configuration with the files that it came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What they say
    pub configuration: Configuration,
    /// What was read
    pub sources: Sources,
    /// About how many bytes it takes in memory
    pub size: usize,
}

impl Configuration {
    /// The whole of it, with `contains_nones`: whether it is empty or a value at its top is null. Points in time are marked.
    pub fn shown(&self) -> Map<String, Value> {
        let mut shown = match self {
            Self::Yaml(tree) => tree.clone(),
            Self::Ini(files) => [
                ("conf", &files.conf),
                ("exp", &files.exp),
                ("jobs", &files.jobs),
                ("platforms", &files.platforms),
                ("proj", &files.proj),
            ]
            .into_iter()
            .map(|(name, ini)| (name.to_owned(), Value::Object(sections(ini))))
            .collect(),
        };
        mark_nones(&mut shown);
        shown
    }
}

/// Adds `contains_nones` to a configuration that is shown.
pub fn mark_nones(shown: &mut Map<String, Value>) {
    let nones = shown.is_empty() || shown.values().any(Value::is_null);
    shown.insert("contains_nones".to_owned(), Value::Bool(nones));
}

/// The dotted keys under which a configuration differs from that of a run, and the keys above them. Only the keys of the first
/// are looked at; a number and the text of it are equal.
pub fn differences(now: &Map<String, Value>, run: &Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    for (key, value) in now {
        compare(key, value, run.get(key), &mut found);
    }
    found
}

fn compare(key: &str, now: &Value, run: Option<&Value>, found: &mut Vec<String>) -> bool {
    let differs = match (now, run) {
        (Value::Object(now), Some(Value::Object(run))) => {
            let mut any = false;
            for (name, value) in now {
                any |= compare(&format!("{key}.{name}"), value, run.get(name), found);
            }
            any
        }
        (now, Some(run)) => !equal(now, run),
        (now, None) => !now.is_null(),
    };
    if differs {
        found.push(key.to_owned());
    }
    differs
}

/// Whether Python takes two values for equal, or one is a text of the other, which is a number.
fn equal(one: &Value, other: &Value) -> bool {
    let number = |value: &Value| match value {
        Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
        other => other.as_f64(),
    };
    let whole = |value: &Value| value.is_i64() || value.is_u64() || value.is_boolean();
    match (one, other) {
        (Value::String(text), value) | (value, Value::String(text)) if whole(value) => *text == python_text(value),
        _ => one == other || number(one).is_some_and(|one| Some(one) == number(other)),
    }
}

/// A value as Python's `str` shows it.
pub fn python_text(value: &Value) -> String {
    match value {
        Value::String(text) => yaml::point(value).unwrap_or(text).to_owned(),
        other => representation(other),
    }
}

fn representation(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(_) if yaml::point(value).is_some() => date_call(&python_text(value)),
        Value::String(text) if text.contains('\'') && !text.contains('"') => format!("\"{text}\""),
        Value::String(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n")),
        Value::Array(list) => format!("[{}]", list.iter().map(representation).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let pairs = map.iter().map(|(key, value)| format!("'{key}': {}", representation(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A point in time in a list: how Python makes a date; one with a time is written as a text.
fn date_call(point: &str) -> String {
    let date: Option<jiff::civil::Date> = if point.len() == 10 { point.parse().ok() } else { None };
    date.map_or_else(
        || format!("'{point}'"),
        |date| format!("datetime.date({}, {}, {})", date.year(), date.month(), date.day()),
    )
}

fn sections(ini: &Ini) -> Map<String, Value> {
    let left = Replacements::default();
    let section = |name: &str| {
        ini.resolved(name, &left).into_iter().map(|(option, value)| (option, Value::from(value))).collect()
    };
    ini.sections().map(|name| (name.to_owned(), Value::Object(section(name)))).collect()
}
