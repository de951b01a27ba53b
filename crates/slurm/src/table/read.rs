//! Lenient reading, as Slurm's data parser does it: what is unknown is ignored with a warning, what has another type is
//! converted with a warning, and only what cannot mean anything is an error.

use serde_json::{Map, Value};

use super::{Field, Object};
use crate::errno::Errno;
use crate::version::Version;

/// Something in a request that cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What.
    pub description: String,
    /// Slurm's number for it.
    pub errno: Errno,
    /// Where: a function, or a path in the request such as `#/job/begin_time/`.
    pub source: String,
}

/// Something in a request that was understood only in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What.
    pub description: String,
    /// Where: a function, or a path in the request.
    pub source: String,
}

/// So many problems and warnings are told at most: a list of a million wrong items is not answered with a million of them.
const MOST_SAID: usize = 1000;

/// A request's body or query while it is read.
#[derive(Debug)]
pub struct Reader<'a> {
    version: Version,
    /// Now, unix seconds: what `now+1hour` is relative to.
    now: i64,
    path: String,
    /// What could not be.
    pub problems: Vec<Problem>,
    /// What was understood in part.
    pub warnings: Vec<Warning>,
    zone: &'a jiff::tz::TimeZone,
    query: bool,
}

impl<'a> Reader<'a> {
    /// For a request of this version at this time (unix seconds, and the zone that dates without one are in).
    pub fn new(version: Version, now: i64, zone: &'a jiff::tz::TimeZone) -> Self {
        Self { version, now, path: "#/".into(), problems: Vec::new(), warnings: Vec::new(), zone, query: false }
    }

    /// The version of the API.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Now, unix seconds.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// The zone of dates without one.
    pub fn zone(&self) -> &jiff::tz::TimeZone {
        self.zone
    }

    /// Where the reader is, for example `#/job/begin_time/`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// In a query everything is text.
    pub(super) fn is_query(&self) -> bool {
        self.query
    }

    /// Reads an object from a body.
    pub fn object<T: Object>(&mut self, body: Value) -> T {
        let mut object = T::default();
        match body {
            Value::Object(map) => self.fields(&mut object, "", map),
            Value::Null => {}
            other => self.problem(
                Errno::DATA_EXPECTED_OBJECT,
                format!("Rejecting {} when dictionary expected", slurm_type(&other)),
            ),
        }
        object
    }

    /// Reads an object from the parameters of a URL. A name that comes several times, or with `[]`, is a list.
    pub fn parameters<T: Object>(&mut self, pairs: impl IntoIterator<Item = (String, String)>) -> T {
        let mut map = Map::new();
        for (name, value) in pairs {
            let name = name.strip_suffix("[]").unwrap_or(&name).to_owned();
            let value = Value::String(value);
            match map.get_mut(&name) {
                None => drop(map.insert(name, value)),
                Some(Value::Array(list)) => list.push(value),
                Some(single) => *single = Value::Array(vec![single.take(), value]),
            }
        }
        self.query = true;
        let object = self.object(Value::Object(map));
        self.query = false;
        object
    }

    /// Reads what is in an object, or in an anonymous object within it.
    fn fields<T: Object>(&mut self, object: &mut T, folder: &str, map: Map<String, Value>) {
        let mut rest = Vec::with_capacity(map.len());
        let mut known = Vec::with_capacity(map.len());
        for (key, value) in map {
            let within =
                |field: &Field<T>| field.shown.has(self.version) && field.folder() == folder && field.name() == key;
            match T::FIELDS.iter().position(within) {
                Some(place) => known.push((place, key, value)),
                None => rest.push((key, value)),
            }
        }
        // as slurmrestd goes: field by field, and then what there is besides
        known.sort_by_key(|(place, ..)| *place);
        for (place, key, value) in known {
            let field = &T::FIELDS[place];
            // an unknown one, which is not one of nothing
            if !(field.nullable && value.is_null()) {
                self.enter(&key, |at| (field.read)(object, value, at));
            }
        }
        for (key, value) in rest {
            let inner = if folder.is_empty() { key.clone() } else { format!("{folder}/{key}") };
            let is_folder = T::FIELDS.iter().any(|field| {
                field.shown.has(self.version)
                    && field
                        .folder()
                        .strip_prefix(inner.as_str())
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            });
            self.enter(&key, |at| match value {
                Value::Object(map) if is_folder => at.fields(object, &inner, map),
                Value::Null if is_folder => {}
                other if is_folder => at.problem(
                    Errno::DATA_EXPECTED_OBJECT,
                    format!("Rejecting {} when dictionary expected", slurm_type(&other)),
                ),
                other => at.unknown(&key, other, &T::NAME.to_ascii_uppercase()),
            });
        }
    }

    /// Warns of what nobody knows; of a dictionary, of each thing in it.
    fn unknown(&mut self, key: &str, value: Value, table: &str) {
        match value {
            Value::Object(map) if !map.is_empty() => {
                for (key, value) in map {
                    self.enter(&key, |at| at.unknown(&key, value, table));
                }
            }
            other => self.warn(format!(
                "Ignoring unknown field \"{key}\" of type {} in DATA_PARSER_{table}",
                slurm_type(&other)
            )),
        }
    }

    /// Reads something that is further in.
    pub(super) fn enter<R>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> R) -> R {
        let length = self.path.len();
        self.path.push_str(key);
        self.path.push('/');
        let result = read(self);
        self.path.truncate(length);
        result
    }

    /// Reads an item of a list: its place is in brackets.
    pub(super) fn item<R>(&mut self, index: usize, read: impl FnOnce(&mut Self) -> R) -> R {
        let length = self.path.len();
        if self.path.len() > 2 {
            self.path.pop();
        }
        self.path.extend(["[", &index.to_string(), "]/"]);
        let result = read(self);
        self.path.truncate(length.saturating_sub(1));
        self.path.push('/');
        result
    }

    /// Notes an error here.
    pub fn problem(&mut self, errno: Errno, description: impl Into<String>) {
        if self.problems.len() < MOST_SAID {
            self.problems.push(Problem { description: description.into(), errno, source: self.path.clone() });
        }
    }

    /// Notes a warning here.
    pub fn warn(&mut self, description: impl Into<String>) {
        if self.warnings.len() < MOST_SAID {
            self.warnings.push(Warning { description: description.into(), source: self.path.clone() });
        }
    }

    /// Notes that something has another type than expected.
    pub(super) fn mismatch(&mut self, expected: &str, found: &Value) {
        let text = found.to_string();
        let shown: String =
            if text.chars().count() > 120 { text.chars().take(120).chain("...".chars()).collect() } else { text };
        // what it was is said from v0.0.41 on
        let shown = if self.version == Version::V40 { String::new() } else { format!(": {shown}") };
        self.warn(format!(
            "Expected OpenAPI type={expected} but got OpenAPI type={} (Slurm type={}){shown}",
            openapi_type(found),
            slurm_type(found)
        ));
    }
}

fn openapi_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// What Slurm calls a type.
pub(super) fn slurm_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "floating point number",
        Value::Number(_) => "64 bit integer",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "dictionary",
    }
}
