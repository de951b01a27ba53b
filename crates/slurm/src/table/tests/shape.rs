//! Values against schemas, and against each other.

use serde_json::{Map, Value};

/// Notes where a value is not of the type that its schema says, lacks what is required, or has what is not described.
/// An object of which nothing is known is `null`, or before v0.0.42 empty, as in Slurm.
pub(super) fn check(value: &Value, schema: &Value, all: &Map<String, Value>, at: &str, wrong: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        return check(value, &all[name.rsplit('/').next().unwrap()], all, at, wrong);
    }
    if value.is_null() || (schema["type"] == "object" && value.as_object().is_some_and(Map::is_empty)) {
        return;
    }
    let fits = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("string") => value.is_string(),
        _ => true,
    };
    if !fits {
        wrong.push(format!("{at}: {value:.80} is no {}", schema["type"]));
    }
    if let (Some(words), Value::String(word)) = (schema["enum"].as_array(), value)
        && !words.contains(value)
        && !word.is_empty()
    {
        wrong.push(format!("{at}: {word:?} is none of {words:?}"));
    }
    match value {
        Value::Array(items) => {
            for item in items {
                check(item, &schema["items"], all, &format!("{at}[]"), wrong);
            }
        }
        Value::Object(map) => {
            let Some(properties) = schema["properties"].as_object() else { return };
            let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
            for name in required.iter().filter_map(Value::as_str).filter(|name| find(map, name).is_none()) {
                wrong.push(format!("{at}: {name} is required"));
            }
            for (key, inner) in map {
                match properties.get(key) {
                    None => wrong.push(format!("{at}/{key} is not described")),
                    Some(property) => check(inner, property, all, &format!("{at}/{key}"), wrong),
                }
            }
        }
        _ => {}
    }
}

/// What is at a path with `/` between.
fn find<'a>(map: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let mut parts = path.split('/');
    let first = map.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}

/// Notes what of `before` is not in `after`.
pub(super) fn survives(before: &Value, after: &Value, at: &str, wrong: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (key, value) in before {
                survives(value, after.get(key).unwrap_or(&Value::Null), &format!("{at}/{key}"), wrong);
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (before, after) in before.iter().zip(after) {
                survives(before, after, &format!("{at}[]"), wrong);
            }
        }
        _ if before == after => {}
        _ => wrong.push(format!("{at}: {before:.80} became {after:.80}")),
    }
}
