//! From JSON to a [`JobSpec`], as leniently as pydantic 2 in its lax mode reads it, with errors in FastAPI's shape.

use serde_json::{Map, Value};

use crate::{BackendConfig, JobSpec, ResourceSpec, State, StringMap};

/// Which of psik's generations wrote, or will read, a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// psik 1 and psik_api 1: `backend` is an object, unknown keys are ignored.
    V1,
    /// psik 2 and psik_api 2: `backend` is a name, unknown keys are errors.
    V2,
    /// psik 3: as 2, without `client_secret`.
    V3,
}

impl Generation {
    /// 1, 2 or 3.
    pub fn number(self) -> i64 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }

    /// The generation with this number; what is not 1 or 2 is taken for the newest.
    pub fn from_number(number: i64) -> Self {
        match number {
            1 => Self::V1,
            2 => Self::V2,
            _ => Self::V3,
        }
    }
}

/// One step of the way to the wrong value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loc {
    /// A key of an object.
    Key(String),
    /// An index of a list.
    Index(usize),
}

impl From<&str> for Loc {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

/// One thing that is wrong with a document, in the terms of pydantic: `type`, `loc`, `msg`, `input`.
#[derive(Debug, Clone, PartialEq)]
pub struct Violation {
    /// pydantic's error type, for example `missing` or `int_parsing`.
    pub kind: &'static str,
    /// Where, below the document.
    pub loc: Vec<Loc>,
    /// What a person should read.
    pub msg: String,
    /// The wrong value.
    pub input: Value,
}

impl Violation {
    /// A violation at a place.
    pub fn new(kind: &'static str, loc: Vec<Loc>, msg: impl Into<String>, input: Value) -> Self {
        Self { kind, loc, msg: msg.into(), input }
    }

    /// `environment.A: Input should be a valid string`, for a terminal.
    pub fn line(&self) -> String {
        let path: Vec<String> = self
            .loc
            .iter()
            .map(|loc| match loc {
                Loc::Key(key) => key.clone(),
                Loc::Index(index) => index.to_string(),
            })
            .collect();
        if path.is_empty() { self.msg.clone() } else { format!("{}: {}", path.join("."), self.msg) }
    }
}

/// What is wrong with a value, before its place is known.
type Wrong = (&'static str, &'static str);

const NOT_TEXT: Wrong = ("string_type", "Input should be a valid string");
const NOT_INT: Wrong = ("int_type", "Input should be a valid integer");
const NOT_MAP: Wrong = ("dict_type", "Input should be a valid dictionary");

fn text(value: &Value) -> Result<String, Wrong> {
    value.as_str().map(str::to_owned).ok_or(NOT_TEXT)
}

/// An integer as pydantic's lax mode reads it: integers, integral floats, booleans, and strings of an integer with an
/// optional sign, surrounding blanks, single underscores between digits, or a zero fraction. Beyond 64 bits it is refused.
pub fn lax_int(value: &Value) -> Result<i64, (&'static str, &'static str)> {
    const PARSING: Wrong = ("int_parsing", "Input should be a valid integer, unable to parse string as an integer");
    const FRACTION: Wrong = ("int_from_float", "Input should be a valid integer, got a number with a fractional part");
    const SIZE: Wrong = ("int_parsing_size", "Unable to parse input string as an integer, exceeded maximum size");
    match value {
        Value::Bool(yes) => Ok(i64::from(*yes)),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(int), _) => Ok(int),
            (None, Some(float)) if float.fract() != 0.0 => Err(FRACTION),
            (None, Some(float)) if float.abs() < 9.0e18 => Ok(float as i64),
            _ => Err(SIZE),
        },
        Value::String(text) => {
            let trimmed = text.trim();
            let (sign, digits) = match trimmed.strip_prefix('-') {
                Some(rest) => ("-", rest),
                None => ("", trimmed.strip_prefix('+').unwrap_or(trimmed)),
            };
            let whole = match digits.split_once('.') {
                Some((whole, zeros)) if zeros.bytes().all(|b| b == b'0') => whole,
                Some(_) => return Err(PARSING),
                None => digits,
            };
            let underscores_ok = !whole.starts_with('_') && !whole.ends_with('_') && !whole.contains("__");
            if whole.is_empty() || !underscores_ok || !whole.bytes().all(|b| b.is_ascii_digit() || b == b'_') {
                return Err(PARSING);
            }
            format!("{sign}{}", whole.replace('_', "")).parse().map_err(|_| SIZE)
        }
        _ => Err(NOT_INT),
    }
}

fn lax_bool(value: &Value) -> Result<bool, Wrong> {
    const PARSING: Wrong = ("bool_parsing", "Input should be a valid boolean, unable to interpret input");
    match value {
        Value::Bool(yes) => Ok(*yes),
        Value::Number(number) if number.as_f64() == Some(0.0) => Ok(false),
        Value::Number(number) if number.as_f64() == Some(1.0) => Ok(true),
        Value::Number(_) => Err(PARSING),
        Value::String(word) => match word.to_ascii_lowercase().as_str() {
            "1" | "t" | "y" | "yes" | "true" | "on" => Ok(true),
            "0" | "f" | "n" | "no" | "false" | "off" => Ok(false),
            _ => Err(PARSING),
        },
        _ => Err(("bool_type", "Input should be a valid boolean")),
    }
}

/// A query parameter that must be an integer (FastAPI reads it as pydantic reads a string).
pub fn query_int(name: &str, text: &str) -> Result<i64, Violation> {
    let value = Value::String(text.to_owned());
    lax_int(&value).map_err(|(kind, msg)| Violation::new(kind, vec!["query".into(), name.into()], msg, value))
}

/// A query parameter that must be a boolean.
pub fn query_bool(name: &str, text: &str) -> Result<bool, Violation> {
    let value = Value::String(text.to_owned());
    lax_bool(&value).map_err(|(kind, msg)| Violation::new(kind, vec!["query".into(), name.into()], msg, value))
}

/// A state by its exact name, with pydantic's `enum` violation otherwise.
pub fn parse_state_name(value: &Value, loc: Vec<Loc>) -> Result<State, Violation> {
    value.as_str().and_then(|name| name.parse().ok()).ok_or_else(|| {
        Violation::new(
            "enum",
            loc,
            "Input should be 'new', 'queued', 'active', 'completed', 'failed' or 'canceled'",
            value.clone(),
        )
    })
}

/// More variables, options or headers than this no process and no batch system takes.
const MOST_PAIRS: usize = 10_000;

/// Collects values and violations of one object.
struct Fields<'a> {
    object: &'a Map<String, Value>,
    at: Vec<Loc>,
    wrong: Vec<Violation>,
}

impl<'a> Fields<'a> {
    fn open(value: &'a Value, at: Vec<Loc>) -> Result<Self, Vec<Violation>> {
        match value.as_object() {
            Some(object) => Ok(Self { object, at, wrong: Vec::new() }),
            None => Err(vec![Violation::new(
                "model_attributes_type",
                at,
                "Input should be a valid dictionary or object to extract fields from",
                value.clone(),
            )]),
        }
    }

    fn loc(&self, key: &str) -> Vec<Loc> {
        let mut loc = self.at.clone();
        loc.push(key.into());
        loc
    }

    fn note(&mut self, loc: Vec<Loc>, (kind, msg): Wrong, input: &Value) {
        self.wrong.push(Violation::new(kind, loc, msg, input.clone()));
    }

    /// A field that may be absent but, when present, must be readable (null included).
    fn read<T>(&mut self, key: &str, default: T, parse: fn(&Value) -> Result<T, Wrong>) -> T {
        let Some(value) = self.object.get(key) else { return default };
        match parse(value) {
            Ok(parsed) => parsed,
            Err(wrong) => {
                self.note(self.loc(key), wrong, value);
                default
            }
        }
    }

    /// A field that may be absent or null.
    fn optional<T>(&mut self, key: &str, parse: fn(&Value) -> Result<T, Wrong>) -> Option<T> {
        let value = self.object.get(key).filter(|value| !value.is_null())?;
        match parse(value) {
            Ok(parsed) => Some(parsed),
            Err(wrong) => {
                self.note(self.loc(key), wrong, value);
                None
            }
        }
    }

    fn map(&mut self, key: &str) -> StringMap {
        let Some(value) = self.object.get(key) else { return StringMap::default() };
        let Some(object) = value.as_object() else {
            self.note(self.loc(key), NOT_MAP, value);
            return StringMap::default();
        };
        if object.len() > MOST_PAIRS {
            self.note(self.loc(key), ("too_long", "Dictionary should have at most 10000 items"), &Value::Null);
            return StringMap::default();
        }
        let mut map = StringMap::default();
        for (name, value) in object {
            match text(value) {
                Ok(text) => map.insert(name, text),
                Err(wrong) => {
                    let mut loc = self.loc(key);
                    loc.push(name.as_str().into());
                    self.note(loc, wrong, value);
                }
            }
        }
        map
    }

    fn nested<T: Default>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&Value, Vec<Loc>) -> Result<T, Vec<Violation>>,
    ) -> Option<T> {
        let value = self.object.get(key)?;
        match parse(value, self.loc(key)) {
            Ok(parsed) => Some(parsed),
            Err(mut wrong) => {
                self.wrong.append(&mut wrong);
                None
            }
        }
    }

    /// Variables that no process can have: an empty name, `=` in a name, NUL anywhere.
    fn forbid_unusable(&mut self, key: &str, variables: &StringMap) {
        for (name, value) in variables.iter() {
            let wrong = if name.is_empty() || name.contains(['=', '\0']) {
                "Value error, a variable's name must not be empty nor contain '=' or NUL"
            } else if value.contains('\0') {
                "Value error, a variable's value must not contain NUL"
            } else {
                continue;
            };
            let mut loc = self.loc(key);
            loc.push(name.into());
            self.note(loc, ("value_error", wrong), &Value::from(value));
        }
    }

    fn forbid_others(&mut self, known: &[&str]) {
        for (key, value) in self.object {
            if !known.contains(&key.as_str()) {
                self.note(self.loc(key), ("extra_forbidden", "Extra inputs are not permitted"), value);
            }
        }
    }

    fn close<T>(self, parsed: T) -> Result<T, Vec<Violation>> {
        if self.wrong.is_empty() { Ok(parsed) } else { Err(self.wrong) }
    }
}

fn resources(value: &Value, at: Vec<Loc>) -> Result<ResourceSpec, Vec<Violation>> {
    let mut fields = Fields::open(value, at)?;
    let default = ResourceSpec::default();
    let parsed = ResourceSpec {
        duration: fields.read("duration", default.duration, lax_int),
        node_count: fields.optional("node_count", lax_int),
        process_count: fields.optional("process_count", lax_int),
        processes_per_node: fields.optional("processes_per_node", lax_int),
        cpu_cores_per_process: fields.read("cpu_cores_per_process", default.cpu_cores_per_process, lax_int),
        gpu_cores_per_process: fields.read("gpu_cores_per_process", default.gpu_cores_per_process, lax_int),
        exclusive_node_use: fields.read("exclusive_node_use", default.exclusive_node_use, lax_bool),
    };
    fields.close(parsed)
}

fn backend_config(value: &Value, at: Vec<Loc>, generation: Generation) -> Result<BackendConfig, Vec<Violation>> {
    let mut fields = Fields::open(value, at)?;
    let parsed = BackendConfig {
        kind: fields.read("type", "local".to_owned(), text),
        queue_name: fields.optional("queue_name", text),
        project_name: fields.optional("project_name", text),
        reservation_id: fields.optional("reservation_id", text),
        attributes: fields.map("attributes"),
    };
    if generation != Generation::V1 {
        fields.forbid_others(&["type", "queue_name", "project_name", "reservation_id", "attributes"]);
    }
    fields.close(parsed)
}

/// Reads a BackendConfig. psik 1 ignores unknown keys, psik 2 and 3 reject them.
pub fn parse_backend_config(value: &Value, generation: Generation) -> Result<BackendConfig, Vec<Violation>> {
    backend_config(value, Vec::new(), generation)
}

/// Reads a JobSpec of the given generation. All violations are found, not only the first.
///
/// `cb_headers`, which only psik 3 has, is read in every generation: it is how a REST client asks for headers.
pub fn parse_spec(value: &Value, generation: Generation) -> Result<JobSpec, Vec<Violation>> {
    let mut fields = Fields::open(value, Vec::new())?;
    let mut spec = JobSpec::new("");
    spec.name = fields.optional("name", text);
    spec.directory = fields.optional("directory", text);
    match fields.object.get("script").map(text) {
        Some(Ok(script)) => spec.script = script,
        Some(Err(wrong)) => fields.note(fields.loc("script"), wrong, &fields.object["script"]),
        None => {
            let input = Value::Object(fields.object.clone());
            fields.note(fields.loc("script"), ("missing", "Field required"), &input);
        }
    }
    spec.environment = fields.map("environment");
    fields.forbid_unusable("environment", &spec.environment);
    spec.inherit_environment = fields.read("inherit_environment", true, lax_bool);
    spec.resources = fields.nested("resources", resources).unwrap_or_default();
    if generation == Generation::V1 {
        spec.backend_settings = fields.nested("backend", |value, at| backend_config(value, at, generation));
    } else {
        spec.backend = fields.read("backend", spec.backend, text);
        spec.attributes = fields.map("attributes");
    }
    spec.callback = fields.optional("callback", text);
    spec.cb_headers = fields.map("cb_headers");
    spec.cb_secret = fields.optional("cb_secret", text);
    if generation != Generation::V3 {
        spec.client_secret = fields.optional("client_secret", text);
    }
    if generation != Generation::V1 {
        let known = [
            "name",
            "directory",
            "script",
            "environment",
            "inherit_environment",
            "resources",
            "backend",
            "attributes",
            "callback",
            "cb_headers",
            "cb_secret",
            "client_secret",
        ];
        fields.forbid_others(if generation == Generation::V2 { &known } else { &known[..known.len() - 1] });
    }
    fields.close(spec)
}

#[cfg(test)]
mod tests;
