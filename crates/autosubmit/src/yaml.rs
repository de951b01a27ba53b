//! YAML 1.2 as Autosubmit's reader (ruamel, round-trip) takes it: plain `yes`, `12:30` and `0777` are a text, a text and 777; a
//! tagged scalar is its text; points in time, and numbers that JSON cannot hold, become null.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Number, Value};
use thiserror::Error;

/// Why a file is no YAML document.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum YamlError {
    /// It is not written as YAML is.
    #[error("{0}")]
    Syntax(String),
    /// A key stands twice in the same mapping.
    #[error("found duplicate key \"{0}\"")]
    Duplicate(String),
    /// It is nested too deeply.
    #[error("nested deeper than {DEEPEST}")]
    Deep,
    /// Its references make too much of it.
    #[error("more than {MOST} values")]
    Large,
    /// A reference to what is not there, or to what it stands in.
    #[error("a reference to nothing")]
    Reference,
    /// There is more than one document.
    #[error("more than one document")]
    Several,
}

const DEEPEST: usize = 100;
const MOST: usize = 1_000_000;

/// Reads the single document of a text. An empty one is null.
pub fn parse(text: &str) -> Result<Value, YamlError> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, _) = event.map_err(|error| YamlError::Syntax(error.to_string()))?;
        builder.take(event)?;
    }
    Ok(builder.root.unwrap_or(Value::Null))
}

#[derive(Default)]
struct Builder {
    root: Option<Value>,
    open: Vec<Open>,
    anchors: HashMap<usize, (Value, usize)>,
    values: usize,
}

/// A list or mapping that is not complete.
struct Open {
    content: Content,
    anchor: usize,
    /// How many values there were before it.
    before: usize,
}

enum Content {
    List(Vec<Value>),
    Mapping(Map<String, Value>, Option<String>),
}

impl Builder {
    fn take(&mut self, event: Event<'_>) -> Result<(), YamlError> {
        match event {
            Event::DocumentStart(_) if self.root.is_some() => Err(YamlError::Several),
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(&text, style, tag.as_deref());
                self.anchors.extend((anchor > 0).then(|| (anchor, (value.clone(), 1))));
                self.place(value, 1)
            }
            Event::SequenceStart(anchor, _) => self.begin(Content::List(Vec::new()), anchor),
            Event::MappingStart(anchor, _) => self.begin(Content::Mapping(Map::new(), None), anchor),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(()) };
                let value = match open.content {
                    Content::List(list) => Value::Array(list),
                    Content::Mapping(map, _) => Value::Object(map),
                };
                let size = self.values - open.before + 1;
                self.anchors.extend((open.anchor > 0).then(|| (open.anchor, (value.clone(), size))));
                self.place(value, 1)
            }
            Event::Alias(anchor) => {
                let size = self.anchors.get(&anchor).ok_or(YamlError::Reference)?.1;
                if self.values + size > MOST {
                    return Err(YamlError::Large);
                }
                let value = self.anchors.get(&anchor).map(|(value, _)| value.clone()).unwrap_or_default();
                self.place(value, size)
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, content: Content, anchor: usize) -> Result<(), YamlError> {
        if self.open.len() >= DEEPEST {
            return Err(YamlError::Deep);
        }
        self.open.push(Open { content, anchor, before: self.values });
        Ok(())
    }

    fn place(&mut self, value: Value, size: usize) -> Result<(), YamlError> {
        self.values += size;
        if self.values > MOST {
            return Err(YamlError::Large);
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(value),
            Some(Content::List(list)) => list.push(value),
            Some(Content::Mapping(map, key)) => match key.take() {
                None => *key = Some(key_text(value)),
                Some(name) if name == "<<" => merge(map, value),
                Some(name) if map.contains_key(&name) => return Err(YamlError::Duplicate(name)),
                Some(name) => {
                    map.insert(name, value);
                }
            },
        }
        Ok(())
    }
}

/// `<<` adds what is not there yet.
fn merge(map: &mut Map<String, Value>, value: Value) {
    match value {
        Value::Object(other) => {
            for (key, value) in other {
                map.entry(key).or_insert(value);
            }
        }
        Value::Array(list) => list.into_iter().for_each(|value| merge(map, value)),
        _ => {}
    }
}

/// A key as Python's `str` shows it.
fn key_text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => crate::config::python_text(&other),
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    match tag {
        Some(tag) if tag.is_yaml_core_schema() => match tag.suffix.as_str() {
            "int" | "float" | "bool" | "null" => plain(text),
            _ => Value::from(text),
        },
        None if style == ScalarStyle::Plain => plain(text),
        _ => Value::from(text),
    }
}

/// What a text without quotes means.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
        return Value::from(text);
    }
    integer(text)
        .or_else(|| float(text))
        .or_else(|| is_point(text).then_some(Value::Null))
        .unwrap_or_else(|| text.into())
}

fn integer(text: &str) -> Option<Value> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", text),
    };
    let (radix, digits) = match digits.get(..2) {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        _ => (10, digits),
    };
    let digits = digits.replace('_', "");
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let value = i64::from_str_radix(&format!("{sign}{digits}"), radix);
    // a number that no machine has is one nevertheless, as far as a text can say
    Some(value.map_or_else(|_| Value::from(format!("{sign}{digits}")), Value::from))
}

fn float(text: &str) -> Option<Value> {
    let bare = text.trim_start_matches(['+', '-']);
    if text.len() - bare.len() > 1 {
        return None;
    }
    if matches!(bare, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return Some(Value::Null);
    }
    let shape = bare.chars().all(|c| c.is_ascii_digit() || "._eE+-".contains(c)) && bare.contains(['.', 'e', 'E']);
    let number =
        text.replace('_', "").parse::<f64>().ok().filter(|_| shape && bare.contains(|c: char| c.is_ascii_digit()))?;
    Some(Number::from_f64(number).map_or(Value::Null, Value::Number))
}

/// Whether a text is a date, or a date with a time to the second.
fn is_point(text: &str) -> bool {
    let bytes = text.as_bytes();
    let date = bytes.len() >= 10
        && bytes[..10].iter().enumerate().all(|(place, byte)| match place {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    let time = bytes.get(10..).unwrap_or_default();
    date && (time.is_empty()
        || (time.len() >= 9
            && matches!(time[0], b'T' | b't' | b' ')
            && time[3] == b':'
            && time[6] == b':'
            && [1, 2, 4, 5, 7, 8].iter().all(|place| time[*place].is_ascii_digit())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_texts_mean_what_they_mean_to_autosubmit() {
        let table = [
            ("12", json!(12)),
            ("0777", json!(777)),
            ("0o17", json!(15)),
            ("0x1F", json!(31)),
            ("1_000", json!(1000)),
            ("000", json!(0)),
            ("-5", json!(-5)),
            ("+5", json!(5)),
            ("1.50", json!(1.5)),
            ("1e3", json!(1000.0)),
            (".5", json!(0.5)),
            ("true", json!(true)),
            ("True", json!(true)),
            ("yes", json!("yes")),
            ("On", json!("On")),
            ("~", json!(null)),
            ("2000-01-01", json!(null)),
            ("2000-01-01T00:00:00", json!(null)),
            ("2000-01-01 12:00", json!("2000-01-01 12:00")),
            ("12:30", json!("12:30")),
            ("00:05", json!("00:05")),
            ("190:20:30", json!("190:20:30")),
            ("4.1.17.1", json!("4.1.17.1")),
            ("!foo bar", json!("bar")),
            ("!!str 12", json!("12")),
            ("!!int \"7\"", json!(7)),
            ("\"12\"", json!("12")),
            (".inf", json!(null)),
            ("-", json!([null])),
            ("fc0", json!("fc0")),
            ("1-2", json!("1-2")),
            ("1e", json!("1e")),
            ("20000101", json!(20_000_101)),
            ("", json!(null)),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn collections_and_references() {
        let text = "a: &x {k: 1}\nb: *x\nc: {<<: *x, z: [1, {q: r}]}\n1: one\n? [1]\n: odd\n";
        let expected =
            json!({"a": {"k": 1}, "b": {"k": 1}, "c": {"k": 1, "z": [1, {"q": "r"}]}, "1": "one", "[1]": "odd"});
        assert_eq!(parse(text), Ok(expected));
    }

    #[test]
    fn what_is_wrong_or_too_much_is_refused() {
        assert_eq!(parse("a: 1\na: 2"), Err(YamlError::Duplicate("a".into())));
        assert_eq!(parse("--- 1\n--- 2"), Err(YamlError::Several));
        assert!(matches!(parse("a: [1"), Err(YamlError::Syntax(_))));
        assert!(matches!(parse("a: *x"), Err(YamlError::Syntax(_) | YamlError::Reference)));
        assert_eq!(parse(&"[".repeat(200)), Err(YamlError::Deep));
        let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let line = format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 10].join(", "));
            laughs.push_str(&line);
        }
        assert_eq!(parse(&laughs), Err(YamlError::Large));
    }
}
