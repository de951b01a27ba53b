//! `%A.B%` in texts, also `%^A.B%`: what is known under that path, in capitals with `^^` after it and in small letters with `,,`. What is
//! not known stays as it is, since most of it is only known when a job runs.
//!
//! Autosubmit replaces those with `^^` or `,,` only where a text names the same path more than once; alone they are left for scripts.

use serde_json::{Map, Value};

use super::ConfigError;
use crate::yaml;

/// How often the whole tree is gone through: values may name values that name values.
const ROUNDS: usize = 10;
/// How long a text may become; what would be longer stays as it is.
const LONGEST: usize = 64 << 10;
/// Bytes that a tree may have with all that stands for its placeholders.
pub(super) const MOST: usize = 128 << 20;

/// Replaces what is known in all texts of a tree.
pub(super) fn replace(data: &mut Map<String, Value>) -> Result<(), ConfigError> {
    let mut left: Option<usize> = None;
    for _ in 0..ROUNDS {
        if !data.values().any(may_name) {
            return Ok(());
        }
        // what is there counts, since one more file is laid over it each time
        let mut room = match left {
            None => MOST.checked_sub(data.iter().map(yaml::weight_of_pair).sum()),
            left => left,
        };
        let known = data.clone();
        let mut changed = false;
        for value in data.values_mut() {
            in_value(value, &known, &mut changed, &mut room);
        }
        left = Some(room.ok_or(ConfigError::Large)?);
        if !changed {
            return Ok(());
        }
    }
    Ok(())
}

/// Whether any text in it may have a placeholder.
fn may_name(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('%'),
        Value::Array(list) => list.iter().any(may_name),
        Value::Object(map) => map.values().any(may_name),
        _ => false,
    }
}

fn in_value(value: &mut Value, known: &Map<String, Value>, changed: &mut bool, room: &mut Option<usize>) {
    match value {
        Value::String(text) => {
            if let Some(new) = in_text(text, known, room).filter(|new| new != text && new.len() <= LONGEST) {
                *text = new;
                *changed = true;
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| in_value(value, known, changed, room)),
        Value::Object(map) => map.values_mut().for_each(|value| in_value(value, known, changed, room)),
        _ => {}
    }
}

/// A text with its placeholders replaced, if it has any that is known. `room`: the bytes that may still be put in their places; none
/// when they did not suffice.
pub(super) fn in_text(text: &str, known: &Map<String, Value>, room: &mut Option<usize>) -> Option<String> {
    if room.is_none() || !text.contains('%') {
        return None;
    }
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        result.push_str(before);
        let name = after.split_once('%').map(|(name, _)| name).filter(|name| !name.is_empty() && is_name(name));
        // `%%A%%` is none
        let escaped = result.ends_with('%');
        if let Some((name, found)) =
            name.filter(|_| !escaped).and_then(|name| Some((name, look_up(name, text, known)?)))
        {
            *room = room.and_then(|room| room.checked_sub(found.len()));
            (*room)?;
            result.push_str(&found);
            rest = &after[name.len() + 1..];
        } else {
            result.push('%');
            rest = after;
        }
        if result.len() > LONGEST {
            return None;
        }
    }
    result.push_str(rest);
    Some(result)
}

fn is_name(name: &str) -> bool {
    name.chars().all(|c| c.is_alphanumeric() || "_.-^,".contains(c))
}

/// What is there but says nothing does not stand for its name.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// What stands for a name in a text.
fn look_up(name: &str, text: &str, known: &Map<String, Value>) -> Option<String> {
    let name = name.strip_prefix('^').unwrap_or(name);
    let (path, change): (&str, fn(&str) -> String) = match (name.strip_suffix("^^"), name.strip_suffix(",,")) {
        (Some(path), _) => (path, str::to_uppercase),
        (_, Some(path)) => (path, str::to_lowercase),
        _ => (name, str::to_owned),
    };
    if path != name && text.matches(path).count() < 2 {
        return None;
    }
    let upper = path.to_uppercase();
    let mut parts = upper.split('.');
    let mut value = known.get(parts.next()?)?;
    for part in parts {
        value = value.get(part)?;
    }
    let text = Some(value).filter(|value| !is_empty(value)).map(super::python_text)?;
    // what names itself would grow with each round
    let own = format!("%{upper}%");
    (!text.to_uppercase().contains(&own)).then(|| change(&text))
}
