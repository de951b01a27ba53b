//! How Autosubmit brings what a file says into its usual form, whoever wrote it.

use serde_json::{Map, Value};

use super::ConfigError;
use crate::yaml;

/// Bytes that loops may make of the sections of one file and those below it.
const MOST: usize = 128 << 20;

/// A dependency on one of these states is on that state, on another one it is on any with which a job ends.
const EXACT: [&str; 6] = ["READY", "DELAYED", "PREPARED", "SKIPPED", "FAILED", "COMPLETED"];

/// A mapping with all its keys in capitals, at every depth; but not in lists of lists.
pub(super) fn upper(value: Value) -> Value {
    let in_list = |value: Value| if value.is_object() { upper(value) } else { value };
    match value {
        Value::Object(map) => {
            Value::Object(map.into_iter().map(|(key, value)| (key.to_uppercase(), upper(value))).collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(in_list).collect()),
        other => other,
    }
}

/// Brings the known sections into their form. With `complete`, each job gets what it may not lack.
pub(super) fn sections(data: &mut Map<String, Value>, complete: bool) -> Result<(), ConfigError> {
    if let Some(Value::Object(defaults)) = data.get_mut("DEFAULT") {
        if let Some(Value::String(arch)) = defaults.get_mut("HPCARCH") {
            *arch = arch.to_uppercase();
        }
        match defaults.get_mut("CUSTOM_CONFIG") {
            Some(Value::Object(parts)) => parts.values_mut().for_each(join),
            Some(custom) => join(custom),
            None => {}
        }
    }
    if let Some(Value::Object(wrappers)) = data.get_mut("WRAPPERS") {
        for (name, wrapper) in wrappers.iter_mut() {
            if let Value::Object(wrapper) = wrapper {
                self::wrapper(name, wrapper, complete)?;
            }
        }
    }
    if let Some(Value::Object(jobs)) = data.get_mut("JOBS") {
        for job in jobs.values_mut() {
            if let Value::Object(job) = job {
                self::job(job, complete);
            }
        }
    }
    Ok(())
}

fn join(value: &mut Value) {
    if let Value::Array(list) = value {
        *value = Value::from(list.iter().map(super::python_text).collect::<Vec<_>>().join(","));
    }
}

/// Its type may be said in another file than its jobs.
fn wrapper(name: &str, wrapper: &mut Map<String, Value>, complete: bool) -> Result<(), ConfigError> {
    let jobs = match wrapper.get("JOBS_IN_WRAPPER") {
        Some(Value::String(text)) => split_jobs(text),
        Some(Value::Array(list)) => list.iter().map(super::python_text).collect(),
        _ => return Err(ConfigError::Wrapper(name.to_owned())),
    };
    if complete && (jobs.is_empty() || !wrapper.contains_key("TYPE")) {
        return Err(ConfigError::Wrapper(name.to_owned()));
    }
    let jobs = jobs.iter().map(|job| Value::from(job.trim().to_uppercase())).collect();
    wrapper.insert("JOBS_IN_WRAPPER".to_owned(), Value::Array(jobs));
    if let Some(kind) = wrapper.get_mut("TYPE") {
        *kind = Value::from(super::python_text(kind).to_lowercase());
    }
    Ok(())
}

fn split_jobs(text: &str) -> Vec<String> {
    // a list may be written in a text
    let text = if text.contains('[') {
        text.trim_matches(['[', ']']).replace([' ', '\''], "").replace(',', " ")
    } else {
        text.to_owned()
    };
    let owned = |parts: std::str::Split<'_, char>| parts.map(str::to_owned).collect();
    match (text.contains(','), text.contains('&')) {
        (true, _) => owned(text.split(',')),
        (false, true) => owned(text.split('&')),
        _ => text.split_whitespace().map(str::to_owned).collect(),
    }
}

fn job(job: &mut Map<String, Value>, complete: bool) {
    if let Some(given) = job.get_mut("DEPENDENCIES") {
        *given = dependencies(given.take());
    }
    files(job, complete);
    if let Some(Value::String(wallclock)) = job.get_mut("WALLCLOCK")
        && let Some(minutes) = minutes(wallclock)
    {
        wallclock.truncate(minutes);
    }
    // a list is kept as the text that Python makes of it
    if let Some(directives) = job.get_mut("CUSTOM_DIRECTIVES").filter(|directives| directives.is_array()) {
        *directives = Value::from(super::python_text(directives));
    }
    if let Some(notify) = job.get_mut("NOTIFY_ON") {
        let names: Option<Vec<String>> = match &*notify {
            Value::String(text) if !text.is_empty() => Some(if text.contains(',') {
                text.split(',').map(str::to_owned).collect()
            } else {
                text.split_whitespace().map(str::to_owned).collect()
            }),
            Value::Object(map) if !map.is_empty() => Some(map.keys().cloned().collect()),
            Value::Array(list) => Some(list.iter().map(super::python_text).collect()),
            _ => None,
        };
        if let Some(names) = names {
            *notify = Value::Array(names.iter().map(|name| Value::from(name.trim().to_uppercase())).collect());
        }
    }
    if complete {
        job.entry("DEPENDENCIES").or_insert_with(|| Value::Object(Map::new()));
    }
}

/// How long the part of `HH:MM:SS` is that Autosubmit looks at.
fn minutes(wallclock: &str) -> Option<usize> {
    let parts: Vec<&str> = wallclock.split(':').collect();
    let [hours, minutes, seconds] = parts[..] else { return None };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let right = matches!(hours.len(), 1 | 2) && minutes.len() == 2 && seconds.len() == 2;
    (right && parts.iter().all(|part| digits(part))).then_some(hours.len() + 3)
}

fn dependencies(value: Value) -> Value {
    let mut found = Map::new();
    match value {
        Value::String(text) => {
            for name in text.split(' ') {
                found.insert(name.to_uppercase(), Value::Object(Map::new()));
            }
        }
        Value::Object(map) => {
            for (name, condition) in map {
                found.insert(name.to_uppercase(), dependency(condition));
            }
        }
        _ => {}
    }
    Value::Object(found)
}

fn dependency(condition: Value) -> Value {
    let Value::Object(mut condition) = condition else { return condition };
    if let Some(Value::String(status)) = condition.get("STATUS").filter(|status| **status != "") {
        let mut status = status.to_uppercase();
        // what was normalised before has lost its `?`
        if condition.get("ANY_FINAL_STATUS_IS_VALID") != Some(&Value::Bool(true)) {
            let any = status.ends_with('?') || !EXACT.contains(&status.as_str());
            status.truncate(status.strip_suffix('?').unwrap_or(&status).len());
            condition.insert("ANY_FINAL_STATUS_IS_VALID".to_owned(), Value::Bool(any));
        }
        condition.insert("STATUS".to_owned(), Value::from(status));
    }
    Value::Object(condition)
}

/// The first of several files is the script, the others go with it.
fn files(job: &mut Map<String, Value>, complete: bool) {
    let parts: Vec<String> = match job.get("FILE") {
        Some(Value::String(text)) => {
            let separator = if text.contains(',') { ',' } else { ' ' };
            text.split(separator).map(|part| part.trim_matches(' ').to_owned()).collect()
        }
        Some(Value::Array(list)) => list.iter().map(super::python_text).collect(),
        _ => Vec::new(),
    };
    if parts.len() > 1 || matches!(job.get("FILE"), Some(Value::Array(_))) {
        let mut parts = parts.into_iter();
        job.insert("FILE".to_owned(), Value::from(parts.next().unwrap_or_default()));
        let others: Vec<Value> = parts.map(Value::from).collect();
        if !others.is_empty() {
            job.insert("ADDITIONAL_FILES".to_owned(), Value::Array(others));
        }
    }
    if complete {
        job.entry("FILE").or_insert_with(|| Value::from(""));
        job.entry("ADDITIONAL_FILES").or_insert_with(|| Value::Array(Vec::new()));
    }
}

/// Lays one tree over another: mappings are merged, everything else is replaced.
pub(super) fn lay_over(below: &mut Map<String, Value>, above: Map<String, Value>) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => lay_over(old, new),
            (_, value) => drop(below.insert(key, value)),
        }
    }
}

/// Adds what is not there, at every depth.
pub(super) fn fill_in(above: &mut Map<String, Value>, below: &Map<String, Value>) {
    for (key, value) in below {
        match (above.get_mut(key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => fill_in(old, new),
            (Some(_), _) => {}
            (None, value) => drop(above.insert(key.clone(), value.clone())),
        }
    }
}

/// Expands sections with a `FOR` into one for each of its names. Lists that are shorter than that of the names are an error.
pub(super) fn loops(data: &mut Map<String, Value>) -> Result<(), ConfigError> {
    let mut left = MOST;
    expand(data, &mut left)
}

/// `left`: bytes that may still be made.
fn expand(data: &mut Map<String, Value>, left: &mut usize) -> Result<(), ConfigError> {
    for value in data.values_mut() {
        if let Value::Object(map) = value {
            expand(map, left)?;
        }
    }
    let looping = |value: &Value| value.get("FOR").is_some_and(|names| names.get("NAME").is_some_and(Value::is_array));
    if !data.values().any(looping) {
        return Ok(());
    }
    let mut expanded = Map::new();
    for (base, value) in std::mem::take(data) {
        let Value::Object(mut section) = value else {
            expanded.insert(base, value);
            continue;
        };
        if !section.get("FOR").is_some_and(|names| names.get("NAME").is_some_and(Value::is_array)) {
            expanded.insert(base, Value::Object(section));
            continue;
        }
        let Some(Value::Object(columns)) = section.remove("FOR") else { continue };
        let count = columns.get("NAME").and_then(Value::as_array).map_or(0, Vec::len);
        let each: usize = section.iter().map(yaml::weight_of_pair).sum();
        *left = left.checked_sub(each.saturating_mul(count)).ok_or(ConfigError::Large)?;
        for row in 0..count {
            let mut one = section.clone();
            for (key, values) in &columns {
                let value = values.get(row).ok_or_else(|| ConfigError::Loop(base.clone()))?;
                let value = if value.is_object() { value.clone() } else { Value::from(super::python_text(value)) };
                one.insert(key.clone(), value);
            }
            let name = one.get("NAME").and_then(Value::as_str).unwrap_or_default().to_owned();
            named(&mut one, &name, left)?;
            expanded.insert(format!("{base}_{}", name.to_uppercase()), Value::Object(one));
        }
    }
    *data = expanded;
    Ok(())
}

/// Replaces `%NAME%` in the texts of a section.
fn named(section: &mut Map<String, Value>, name: &str, left: &mut usize) -> Result<(), ConfigError> {
    for value in section.values_mut() {
        if let Value::String(text) = value {
            let longer = text.matches("%NAME%").count().saturating_mul(name.len());
            *left = left.checked_sub(longer).ok_or(ConfigError::Large)?;
            *text = text.replace("%NAME%", name);
        }
    }
    Ok(())
}
