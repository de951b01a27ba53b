//! The shapes of answers: their keys and types, but for the values.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::fixture::Answer;

/// What a value is made of.
#[derive(Debug, Clone, PartialEq)]
enum Shape {
    Null,
    Truth,
    Number,
    Text,
    /// What its items are made of; `None`: it has none.
    List(Option<Box<Shape>>),
    Object(BTreeMap<String, Shape>),
    Mixed(BTreeSet<&'static str>),
}

impl Shape {
    fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Truth,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::Text,
            Value::Array(items) => Self::List(items.iter().map(Self::of).reduce(Self::merge).map(Box::new)),
            Value::Object(map) => map
                .iter()
                .map(|(key, value)| Self::Object([(kind_of(key), Self::of(value))].into()))
                .fold(Self::Object(BTreeMap::new()), Self::merge),
        }
    }

    fn merge(self, other: Self) -> Self {
        match (self, other) {
            (Self::Null, shape) | (shape, Self::Null) => shape,
            (Self::List(a), Self::List(b)) => Self::List(match (a, b) {
                (Some(a), Some(b)) => Some(Box::new(a.merge(*b))),
                (a, b) => a.or(b),
            }),
            (Self::Object(mut a), Self::Object(b)) => {
                for (key, shape) in b {
                    let merged = match a.remove(&key) {
                        Some(before) => before.merge(shape),
                        None => shape,
                    };
                    a.insert(key, merged);
                }
                Self::Object(a)
            }
            (a, b) if a == b => a,
            (a, b) => Self::Mixed(a.names().into_iter().chain(b.names()).collect()),
        }
    }

    fn names(&self) -> BTreeSet<&'static str> {
        match self {
            Self::Null => ["null"].into(),
            Self::Truth => ["truth"].into(),
            Self::Number => ["number"].into(),
            Self::Text => ["text"].into(),
            Self::List(_) => ["list"].into(),
            Self::Object(_) => ["object"].into(),
            Self::Mixed(names) => names.clone(),
        }
    }
}

/// The key of an object, but for numbers: in v0.0.40 the sockets and cores of a node are keys.
fn kind_of(key: &str) -> String {
    if key.bytes().all(|byte| byte.is_ascii_digit()) { "NUMBER".to_owned() } else { key.to_owned() }
}

/// What of the shape of an answer differs from the recorded one. An empty list may have any items; `null` and an empty object
/// stand for a list or an object that has nothing to say.
pub(super) fn differences(theirs: &Value, ours: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(&Shape::of(theirs), &Shape::of(ours), "", &mut found);
    found
}

fn compare(theirs: &Shape, ours: &Shape, at: &str, found: &mut Vec<String>) {
    use Shape::{List, Null, Object};
    match (theirs, ours) {
        (List(Some(a)), List(Some(b))) => compare(a, b, &format!("{at}[]"), found),
        (Null, Null | Object(_) | List(_)) | (Object(_) | List(_), Null) | (List(_), List(_)) => {}
        // an empty object within an answer says that nothing is known
        (Object(a), Object(b)) if !at.is_empty() && (a.is_empty() || b.is_empty()) => {}
        (Object(a), Object(b)) => {
            for (key, shape) in a {
                match b.get(key) {
                    Some(other) => compare(shape, other, &format!("{at}/{key}"), found),
                    None => found.push(format!("{at}/{key} is missing")),
                }
            }
            let more = b.keys().filter(|key| !a.contains_key(*key));
            found.extend(more.map(|key| format!("{at}/{key} is too much")));
        }
        (a, b) if a == b => {}
        (a, b) => found.push(format!("{at} is {:?}, theirs {:?}", b.names(), a.names())),
    }
}

/// Whether the error numbers differ, or that there are warnings.
pub(super) fn numbers(theirs: &Value, ours: &Value) -> Option<String> {
    let numbers = |answer: &Value| -> BTreeSet<i64> {
        let errors = answer["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        errors.iter().filter_map(|error| error["error_number"].as_i64()).collect()
    };
    let warned = |answer: &Value| answer["warnings"].as_array().is_some_and(|warnings| !warnings.is_empty());
    let (theirs, ours) = ((numbers(theirs), warned(theirs)), (numbers(ours), warned(ours)));
    (theirs != ours).then(|| format!("errors and warned {ours:?}, theirs {theirs:?}"))
}

/// What of the headers differs: the type of the content, and whether the connection is closed.
pub(super) fn headers(recorded: &Value, answer: &Answer) -> Option<String> {
    let recorded = |name: &str| {
        let all = recorded.as_array().map(Vec::as_slice).unwrap_or_default();
        let found = all.iter().find(|header| header[0].as_str().is_some_and(|key| key.eq_ignore_ascii_case(name)));
        found.and_then(|header| header[1].as_str()).map(str::to_ascii_lowercase)
    };
    let ours = |name: &str| answer.header(name).map(str::to_ascii_lowercase);
    ["content-type", "connection"].into_iter().find_map(|name| {
        let (theirs, ours) = (recorded(name), ours(name));
        (theirs != ours).then(|| format!("{name} {ours:?}, theirs {theirs:?}"))
    })
}

/// The status of an answer as the table of statuses writes it.
pub(super) fn marks(answer: &Answer) -> String {
    let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let some = |key: &str| json[key].as_array().is_some_and(|entries| !entries.is_empty());
    let mark = match answer.status {
        200 if !json.is_object() => "T",
        200 if some("errors") => "+E",
        200 if some("warnings") => "+W",
        200 => "",
        _ if !json.is_object() && !answer.body.is_empty() => "T",
        _ => "",
    };
    format!("{}{mark}", answer.status)
}

/// An answer's document; `null` when it is none.
pub(super) fn body(answer: &Answer) -> Value {
    if answer.header("content-type").is_some_and(|kind| kind.contains("yaml")) {
        return yaml(&answer.text());
    }
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// A YAML document, with or without explicit types.
pub(super) fn yaml(text: &str) -> Value {
    let mut lines = String::new();
    for line in text.lines().filter(|line| !line.starts_with('%')) {
        // a text that looks like a number
        let line = match line.split_once(": !!str ") {
            Some((key, word)) if !word.starts_with(['"', '\'']) => format!("{key}: \"{word}\""),
            _ => line.to_owned(),
        };
        lines.extend([line.as_str(), "\n"]);
    }
    for kind in ["map", "seq", "str", "int", "bool", "float", "null"] {
        lines = lines.replace(&format!("!!{kind} "), "").replace(&format!("!!{kind}\n"), "\n");
    }
    yaml_serde::from_str(&lines).unwrap_or_else(|error| panic!("no YAML ({error}): {lines:.600}"))
}

#[test]
fn shapes_differ_by_keys_and_types() {
    use serde_json::json;
    let same = |a: Value, b: Value| differences(&a, &b).is_empty();
    assert!(same(json!({ "a": [], "b": null, "c": {} }), json!({ "a": [1], "b": { "x": 1 }, "c": { "y": 2 } })));
    assert!(same(json!({ "a": [{ "x": null }, { "x": [1] }] }), json!({ "a": [{ "x": [2] }] })));
    assert_eq!(differences(&json!({ "a": 1 }), &json!({ "b": 1 })), ["/a is missing", "/b is too much"]);
    assert!(!same(json!({ "a": 1 }), json!({ "a": "1" })) && !same(json!({ "a": null }), json!({ "a": "" })));
    assert!(!same(json!({ "a": [1, "x"] }), json!({ "a": [1] })));
    assert!(!same(json!({}), json!({ "a": 1 })));
}
