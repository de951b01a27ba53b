//! YAML 1.2 as Autosubmit's reader (ruamel, round-trip) takes it: plain `yes`, `12:30` and `0777` are a text, a text and 777; a
//! tagged scalar is its text; what is no number to JSON becomes null; a structure that holds itself holds null in that place.
//!
//! JSON has no points in time. They are texts with a mark before them ([`point`]), since views show them in different ways.

use std::collections::HashMap;

use jiff::civil::{Date, Time};
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
    #[error("more than {MOST} values, or more than {} MiB of them", HEAVIEST >> 20)]
    Large,
    /// A reference to what is not there.
    #[error("a reference to nothing")]
    Reference,
    /// There is more than one document.
    #[error("more than one document")]
    Several,
}

const DEEPEST: usize = 100;
const MOST: usize = 1_000_000;
/// What all values of a document may take in memory, with those that references stand for.
const HEAVIEST: usize = 96 << 20;
/// What a value takes besides its text.
const VALUE: usize = 64;

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
    anchors: HashMap<usize, (Value, Size)>,
    size: Size,
    /// What the copies take that are kept for references.
    copies: usize,
}

/// How many values there are, and about how many bytes they take in memory.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    values: usize,
    bytes: usize,
}

impl Size {
    fn one(text: usize) -> Self {
        Self { values: 1, bytes: VALUE + text }
    }
}

/// A list or mapping that is not complete.
struct Open {
    content: Content,
    anchor: usize,
    /// What there was before it.
    before: Size,
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
                let (value, size) = (scalar(&text, style, tag.as_deref()), Size::one(text.len()));
                self.keep(anchor, &value, size)?;
                self.place(value, size)
            }
            Event::SequenceStart(anchor, _) => self.begin(Content::List(Vec::new()), anchor),
            Event::MappingStart(anchor, _) => self.begin(Content::Mapping(Map::new(), None), anchor),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(()) };
                let value = match open.content {
                    Content::List(list) => Value::Array(list),
                    Content::Mapping(map, _) => Value::Object(map),
                };
                let size = Size {
                    values: self.size.values - open.before.values + 1,
                    bytes: self.size.bytes - open.before.bytes + VALUE,
                };
                self.keep(open.anchor, &value, size)?;
                self.place(value, Size::one(0))
            }
            Event::Alias(anchor) if self.open.iter().any(|open| open.anchor == anchor) => {
                self.place(Value::Null, Size::one(0))
            }
            Event::Alias(anchor) => {
                let size = self.anchors.get(&anchor).ok_or(YamlError::Reference)?.1;
                self.fits(size)?;
                let value = self.anchors.get(&anchor).map(|(value, _)| value.clone()).unwrap_or_default();
                self.place(value, size)
            }
            _ => Ok(()),
        }
    }

    /// Keeps a value for those who refer to it.
    fn keep(&mut self, anchor: usize, value: &Value, size: Size) -> Result<(), YamlError> {
        if anchor > 0 {
            self.copies += size.bytes;
            self.fits(Size::default())?;
            self.anchors.insert(anchor, (value.clone(), size));
        }
        Ok(())
    }

    /// Whether there is room for so much more.
    fn fits(&self, more: Size) -> Result<(), YamlError> {
        let fits = self.size.values + more.values <= MOST && self.size.bytes + self.copies + more.bytes <= HEAVIEST;
        if fits { Ok(()) } else { Err(YamlError::Large) }
    }

    fn begin(&mut self, content: Content, anchor: usize) -> Result<(), YamlError> {
        if self.open.len() >= DEEPEST {
            return Err(YamlError::Deep);
        }
        self.open.push(Open { content, anchor, before: self.size });
        Ok(())
    }

    fn place(&mut self, value: Value, size: Size) -> Result<(), YamlError> {
        self.fits(size)?;
        self.size = Size { values: self.size.values + size.values, bytes: self.size.bytes + size.bytes };
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(value),
            Some(Content::List(list)) => list.push(value),
            Some(Content::Mapping(map, key)) => match key.take() {
                None => *key = Some(key_text(&value)),
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

/// About how many bytes a value takes in memory.
pub(crate) fn weight(value: &Value) -> usize {
    VALUE
        + match value {
            Value::String(text) => text.len(),
            Value::Array(list) => list.iter().map(weight).sum(),
            Value::Object(map) => map.iter().map(weight_of_pair).sum(),
            _ => 0,
        }
}

/// The same of a value under its name.
pub(crate) fn weight_of_pair((name, value): (&String, &Value)) -> usize {
    name.len() + VALUE + weight(value)
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
fn key_text(value: &Value) -> String {
    crate::config::python_text(value)
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    match tag {
        Some(tag) if tag.is_yaml_core_schema() => match tag.suffix.as_str() {
            "float" => text.parse().ok().and_then(Number::from_f64).map_or_else(|| plain(text), Value::Number),
            "int" | "bool" | "null" => plain(text),
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
        .or_else(|| read_point(text).map(|point| format!("{MARK}{point}").into()))
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
    if let Ok(value) = i64::from_str_radix(&format!("{sign}{digits}"), radix) {
        return Some(Value::from(value));
    }
    // one beyond 64 bits is as near as a float comes to it
    let digit = |value: f64, digit: char| value * f64::from(radix) + f64::from(digit.to_digit(radix).unwrap_or(0));
    let size = if radix == 10 { digits.parse().ok()? } else { digits.chars().fold(0.0, digit) };
    Some(Number::from_f64(if sign == "-" { -size } else { size }).map_or(Value::Null, Value::Number))
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

/// Stands before points in time. No text begins so that somebody writes into a configuration.
const MARK: &str = "\0point in time:";

/// The point in time that a value is, as Python's `str` shows it: a date, or a date with a time, with a blank or `T` in between.
pub fn point(value: &Value) -> Option<&str> {
    value.as_str()?.strip_prefix(MARK)
}

/// Shows points in time as nulls, at every depth.
pub fn without_points(value: &mut Value) {
    each(value, &|value| {
        if point(value).is_some() {
            *value = Value::Null;
        }
    });
}

/// Shows points in time as ISO 8601 writes them, at every depth.
pub fn with_written_points(value: &mut Value) {
    each(value, &|value| {
        if let Some(point) = point(value) {
            let text = point.replacen(' ', "T", 1);
            *value = Value::from(text.strip_suffix("+00:00").map_or(text.clone(), |time| format!("{time}Z")));
        }
    });
}

fn each(value: &mut Value, change: &impl Fn(&mut Value)) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|value| each(value, change)),
        Value::Object(map) => map.values_mut().for_each(|value| each(value, change)),
        other => change(other),
    }
}

/// A date, or a date with a time to the second, as Python's `str` shows it.
fn read_point(text: &str) -> Option<String> {
    let (year, rest) = text.split_at_checked(4).filter(|(year, _)| is_number(year))?;
    let (month, rest) = rest.strip_prefix('-')?.split_once('-')?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (day, rest) = rest.split_at(end);
    let date = Date::new(year.parse().ok()?, small(month)?, small(day)?).ok()?;
    if rest.is_empty() {
        // without a time it has as many digits as there are
        return (month.len() == 2 && day.len() == 2).then(|| date.to_string());
    }
    let time = rest.trim_start_matches([' ', '\t']);
    let (between, time) = match time.strip_prefix(['T', 't']).filter(|_| time.len() == rest.len()) {
        Some(time) => ('T', time),
        None => (' ', time),
    };
    if between == ' ' && time.len() == rest.len() {
        return None;
    }
    let end = time.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(time.len());
    let (clock, rest) = time.split_at(end);
    let parts: Vec<&str> = clock.split(':').collect();
    let [hour, minute, second] = parts[..] else { return None };
    if minute.len() != 2 || second.len() != 2 {
        return None;
    }
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())),
        None => ("", rest),
    };
    let micros = (format!("0.{fraction}").parse::<f64>().ok()? * 1e6).round() as i32;
    let time = Time::new(small(hour)?, small(minute)?, small(second)?, micros.min(999_999) * 1000).ok()?;
    let zone = zone(rest.trim_start_matches([' ', '\t']))?;
    let fraction = if micros > 0 { format!(".{micros:06}") } else { String::new() };
    Some(format!("{date}{between}{}{fraction}{zone}", time.strftime("%H:%M:%S")))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A number of one or two digits.
fn small(text: &str) -> Option<i8> {
    if is_number(text) && text.len() <= 2 { text.parse().ok() } else { None }
}

/// `Z` or `+H:MM` as `+HH:MM`; nothing where there is none.
fn zone(text: &str) -> Option<String> {
    match text {
        "" => return Some(String::new()),
        "Z" => return Some("+00:00".to_owned()),
        _ => {}
    }
    let sign = text.chars().next().filter(|sign| matches!(sign, '+' | '-'))?;
    let (hours, minutes) = text[1..].split_once(':').unwrap_or((&text[1..], "00"));
    let (hours, minutes) = (small(hours)?, small(minutes).filter(|_| minutes.len() == 2)?);
    let sign = if hours == 0 && minutes == 0 { '+' } else { sign };
    Some(format!("{sign}{hours:02}:{minutes:02}"))
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
            ("2000-1-1", json!("2000-1-1")),
            ("2000-13-01", json!("2000-13-01")),
            ("123456789012345678901234567890", json!(123_456_789_012_345_678_901_234_567_890.0)),
            ("!!float 7", json!(7.0)),
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

    /// What the original makes of the same texts: as `str` shows them, and as its answers write them.
    #[test]
    fn points_in_time_are_told_from_texts() {
        for (text, shown, written) in [
            ("2001-02-03", "2001-02-03", "2001-02-03"),
            ("2001-02-03T04:05:06", "2001-02-03T04:05:06", "2001-02-03T04:05:06"),
            ("2001-02-03t04:05:06Z", "2001-02-03T04:05:06+00:00", "2001-02-03T04:05:06Z"),
            ("2001-02-03 04:05:06.5", "2001-02-03 04:05:06.500000", "2001-02-03T04:05:06.500000"),
            ("2001-02-03 04:05:06.1234567", "2001-02-03 04:05:06.123457", "2001-02-03T04:05:06.123457"),
            ("2001-02-03 04:05:06 +01:00", "2001-02-03 04:05:06+01:00", "2001-02-03T04:05:06+01:00"),
            ("2001-02-03 04:05:06.25-3", "2001-02-03 04:05:06.250000-03:00", "2001-02-03T04:05:06.250000-03:00"),
            ("2001-2-3 4:05:06", "2001-02-03 04:05:06", "2001-02-03T04:05:06"),
        ] {
            let mut value = parse(text).unwrap();
            assert_eq!(point(&value), Some(shown), "{text}");
            assert_eq!(crate::config::python_text(&value), shown);
            with_written_points(&mut value);
            assert_eq!(value, json!(written));
        }
        for text in ["2001-02-03 04:05:06+0130", "2001-02-03x", "2001-02-03 04:05", "2001-02-03T", "2001-02-0304:05:06"]
        {
            assert_eq!(parse(text), Ok(json!(text)));
        }
        let mut list = parse("[2001-02-03, {a: 2001-02-03}, '2001-02-03']").unwrap();
        assert_eq!(
            crate::config::python_text(&list),
            "[datetime.date(2001, 2, 3), {'a': datetime.date(2001, 2, 3)}, '2001-02-03']"
        );
        without_points(&mut list);
        assert_eq!(list, json!([null, {"a": null}, "2001-02-03"]));
    }

    #[test]
    fn what_holds_itself_holds_nothing_there() {
        assert_eq!(parse("&x {y: *x, z: [*x, 1]}"), Ok(json!({"y": null, "z": [null, 1]})));
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
        let long = "l".repeat(1 << 20);
        assert_eq!(parse(&format!("a: &a {long}\nb: [{}]", "*a, ".repeat(1000))), Err(YamlError::Large));
        let nested = (0..99).map(|level| format!("&a{level} [")).collect::<Vec<_>>().concat();
        assert_eq!(parse(&format!("{nested}{}{long}{}", "x, ".repeat(50_000), "]".repeat(99))), Err(YamlError::Large));
    }
}
