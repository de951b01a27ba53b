//! When two servers' answers about something that changes are the same.

use serde_json::{Map, Value};

/// What comes in an order that follows a set of Python's, in one order; without a graph's levels, which follow one as well; and all
/// numbers as such, whether they are written with a point or not.
pub(super) fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let kept = object.iter().filter(|(key, _)| *key != "level");
            kept.map(|(key, value)| (key.clone(), canonical(value))).collect()
        }
        Value::Array(list) => {
            let mut list: Vec<Value> = list.iter().map(canonical).collect();
            list.sort_by_key(name);
            Value::Array(list)
        }
        // no zero is less than another
        Value::Number(number) => (number.as_f64().unwrap_or(f64::NAN) + 0.0).into(),
        other => other.clone(),
    }
}

/// What tells a thing of a list from others, whatever happens to it.
fn name(value: &Value) -> String {
    let keys = ["refKey", "name", "job_name", "id", "run_id", "index"];
    let found = keys.iter().find_map(|key| value.get(key).filter(|name| !name.is_null()));
    found.unwrap_or(value).to_string()
}

/// Whether what was told is what we told before it or after it; and of what we told differently, whether it is in between.
pub(super) fn agree(told: &Value, before: &Value, after: &Value) -> Result<(), String> {
    part("", told, before, after)
}

fn part(path: &str, told: &Value, before: &Value, after: &Value) -> Result<(), String> {
    if told == before || told == after {
        return Ok(());
    }
    match (told, before, after) {
        (Value::Object(a), Value::Object(b), Value::Object(c)) if same_keys(a, b) && same_keys(a, c) => {
            a.iter().try_for_each(|(key, value)| part(&format!("{path}.{key}"), value, &b[key], &c[key]))
        }
        (Value::Array(a), Value::Array(b), Value::Array(c)) if a.len() == b.len() && a.len() == c.len() => {
            let mut all = a.iter().zip(b).zip(c);
            all.try_for_each(|((a, b), c)| part(&format!("{path}[]"), a, b, c))
        }
        (Value::Number(a), Value::Number(b), Value::Number(c)) if between(&a.as_f64(), &b.as_f64(), &c.as_f64()) => {
            Ok(())
        }
        // times and lengths of time have as many digits
        (Value::String(a), Value::String(b), Value::String(c)) if a.len() == b.len() && between(a, b, c) => Ok(()),
        _ => Err(format!("{path}: {told:.300} is neither {before:.300} nor {after:.300}")),
    }
}

fn same_keys(one: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    one.len() == other.len() && one.keys().all(|key| other.contains_key(key))
}

fn between<T: PartialOrd>(one: &T, first: &T, second: &T) -> bool {
    first != second && ((first <= one && one <= second) || (second <= one && one <= first))
}

#[test]
fn only_what_changes_may_differ() {
    use serde_json::json;
    let agree = |told: Value, before: Value, after: Value| {
        super::alike::agree(&canonical(&told), &canonical(&before), &canonical(&after)).is_ok()
    };
    assert!(agree(json!({"a": [1, 2]}), json!({"a": [2, 1]}), json!({"a": [2, 1]})));
    assert!(agree(json!({"t": 5}), json!({"t": 4}), json!({"t": 6})));
    assert!(!agree(json!({"t": 5}), json!({"t": 4}), json!({"t": 4})), "what did not change is as it is");
    assert!(!agree(json!({"t": 7}), json!({"t": 4}), json!({"t": 6})));
    assert!(agree(json!("0:00:05"), json!("0:00:04"), json!("0:00:06")));
    assert!(!agree(json!({"t": 5, "x": 1}), json!({"t": 4}), json!({"t": 6})));
    assert!(!agree(json!([{"name": "a", "s": 1}]), json!([{"name": "b", "s": 0}]), json!([{"name": "b", "s": 2}])));
}
