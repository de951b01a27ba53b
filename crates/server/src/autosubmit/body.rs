//! The fields of a request's body, read as pydantic reads them: everything that is wrong is told at once.

use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use super::error::Failure;
use super::query::one_of;

/// The fields of a body, or of an object in it.
#[derive(Debug)]
pub(super) struct Fields {
    values: Map<String, Value>,
    /// Its name in what is told, with a dot; empty for the body itself
    prefix: String,
    problems: Vec<(String, String)>,
}

const NO_OBJECT: &str = "Input should be a valid dictionary or object to extract fields from";

impl Fields {
    /// Reads a body.
    pub(super) fn of(headers: &HeaderMap, body: &Bytes) -> Result<Self, Failure> {
        let wrong = |field: &str, why: &str| Failure::invalid(&[(field.to_owned(), why.to_owned())]);
        if body.is_empty() {
            return Err(wrong("request", "Field required"));
        }
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().ends_with("json") {
            return Err(wrong("request", NO_OBJECT));
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(values)) => Ok(Self { values, prefix: String::new(), problems: Vec::new() }),
            Ok(Value::Null) => Err(wrong("request", "Field required")),
            Ok(_) => Err(wrong("request", NO_OBJECT)),
            Err(error) => Err(wrong(&place_of(&error, body).to_string(), "JSON decode error")),
        }
    }

    fn wrong(&mut self, field: &str, why: impl Into<String>) {
        self.problems.push((format!("{}{field}", self.prefix), why.into()));
    }

    /// A text that has to be there.
    pub(super) fn text(&mut self, name: &str) -> String {
        match self.values.get(name) {
            Some(Value::String(text)) => return text.clone(),
            Some(_) => self.wrong(name, "Input should be a valid string"),
            None => self.wrong(name, "Field required"),
        }
        String::new()
    }

    /// A text that has to be there and say something.
    pub(super) fn some_text(&mut self, name: &str, most: usize) -> String {
        let before = self.problems.len();
        let text = self.text(name);
        if text.is_empty() && self.problems.len() == before {
            self.wrong(name, "String should have at least 1 character");
        } else if text.chars().count() > most {
            self.wrong(name, format!("String should have at most {most} characters"));
        }
        text
    }

    /// A text that may be missing.
    pub(super) fn maybe_text(&mut self, name: &str) -> Option<String> {
        match self.values.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(_) => {
                self.wrong(name, "Input should be a valid string");
                None
            }
        }
    }

    /// Yes or no; no, if nothing is said. `null`: whether nothing may be said by null.
    pub(super) fn flag(&mut self, name: &str, null: bool) -> bool {
        match self.values.get(name) {
            None => false,
            Some(Value::Null) if null => false,
            Some(Value::Bool(flag)) => *flag,
            Some(Value::Number(number)) if number.as_f64() == Some(0.0) => false,
            Some(Value::Number(number)) if number.as_f64() == Some(1.0) => true,
            Some(Value::String(text)) => match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" | "t" | "y" => true,
                "false" | "0" | "no" | "off" | "f" | "n" => false,
                _ => {
                    self.wrong(name, "Input should be a valid boolean, unable to interpret input");
                    false
                }
            },
            Some(Value::Number(_)) => {
                self.wrong(name, "Input should be a valid boolean, unable to interpret input");
                false
            }
            Some(_) => {
                self.wrong(name, "Input should be a valid boolean");
                false
            }
        }
    }

    /// A list of texts that may be missing.
    pub(super) fn maybe_texts(&mut self, name: &str) -> Option<Vec<String>> {
        let list = match self.values.get(name) {
            None | Some(Value::Null) => return None,
            Some(Value::Array(list)) => list.clone(),
            Some(_) => {
                self.wrong(name, "Input should be a valid list");
                return None;
            }
        };
        let mut texts = Vec::with_capacity(list.len());
        for (place, value) in list.into_iter().enumerate() {
            match value {
                Value::String(text) => texts.push(text),
                _ => self.wrong(&format!("{name}.{place}"), "Input should be a valid string"),
            }
        }
        Some(texts)
    }

    /// An object of anything that may be missing.
    pub(super) fn maybe_object(&mut self, name: &str) -> Option<Map<String, Value>> {
        match self.values.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::Object(object)) => Some(object.clone()),
            Some(_) => {
                self.wrong(name, "Input should be a valid dictionary");
                None
            }
        }
    }

    /// A text or several that may be missing.
    pub(super) fn maybe_modules(&mut self, name: &str) -> Option<Value> {
        match self.values.get(name) {
            None | Some(Value::Null) => None,
            Some(value @ Value::String(_)) => Some(value.clone()),
            Some(Value::Array(list)) if list.iter().all(Value::is_string) => Some(Value::Array(list.clone())),
            Some(_) => {
                self.wrong(&format!("{name}.str"), "Input should be a valid string");
                self.wrong(&format!("{name}.list[str]"), "Input should be a valid list");
                None
            }
        }
    }

    /// One of several words.
    pub(super) fn word(&mut self, name: &str, words: &[&str]) -> String {
        match self.values.get(name) {
            Some(Value::String(text)) if words.contains(&text.as_str()) => return text.clone(),
            Some(_) => self.wrong(name, one_of(words)),
            None => self.wrong(name, "Field required"),
        }
        String::new()
    }

    /// Reads an object in the body that has to be there.
    pub(super) fn inner<T: Default>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        match self.values.get(name) {
            Some(Value::Object(values)) => {
                let prefix = format!("{}{name}.", self.prefix);
                let mut fields = Self { values: values.clone(), prefix, problems: Vec::new() };
                let found = read(&mut fields);
                self.problems.append(&mut fields.problems);
                return found;
            }
            Some(_) => self.wrong(name, NO_OBJECT),
            None => self.wrong(name, "Field required"),
        }
        T::default()
    }

    /// All of it, as it is.
    pub(super) fn all(self) -> Map<String, Value> {
        self.values
    }

    /// Whether everything could be read.
    pub(super) fn done(self) -> Result<(), Failure> {
        if self.problems.is_empty() { Ok(()) } else { Err(Failure::invalid(&self.problems)) }
    }
}

/// How many characters of a body are right.
fn place_of(error: &serde_json::Error, body: &[u8]) -> usize {
    let before: usize =
        body.split_inclusive(|byte| *byte == b'\n').take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
    let right = before + error.column() - usize::from(!error.is_eof() && error.column() > 0);
    String::from_utf8_lossy(body.get(..right).unwrap_or(body)).chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Result<Fields, String> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, "application/json".parse().unwrap())]);
        Fields::of(&headers, &Bytes::from(text.to_owned())).map_err(|failure| failure.message)
    }

    #[test]
    fn what_is_no_object_has_no_fields() {
        for (body, told) in [
            ("", "Invalid value for 'request': Field required"),
            ("null", "Invalid value for 'request': Field required"),
            ("{", "Invalid value for '1': JSON decode error"),
            ("x", "Invalid value for '0': JSON decode error"),
            ("{\n\"é\": x}", "Invalid value for '7': JSON decode error"),
            ("[1]", "Invalid value for 'request': Input should be a valid dictionary or object to extract fields from"),
        ] {
            assert_eq!(fields(body).unwrap_err(), told);
        }
        assert!(Fields::of(&HeaderMap::new(), &Bytes::from("{}")).is_err(), "not said to be JSON");
    }

    #[test]
    fn what_is_wrong_is_told_at_once_and_by_its_name() {
        let body =
            r#"{"a": 5, "flag": null, "inner": {"flag": "maybe", "list": "x", "ok": [1]}, "modules": 5, "word": "x"}"#;
        let mut read = fields(body).unwrap();
        read.text("a");
        read.text("b");
        assert!(!read.flag("flag", true));
        read.inner("inner", |inner| {
            inner.flag("flag", false);
            inner.maybe_texts("list");
            inner.maybe_texts("ok")
        });
        read.maybe_modules("modules");
        read.word("word", &["LOCAL", "SSH"]);
        let told = read.done().unwrap_err().message;
        let told: Vec<&str> = told.split("; ").map(|one| one.trim_start_matches("Invalid value for ")).collect();
        assert_eq!(
            told,
            [
                "'a': Input should be a valid string",
                "'b': Field required",
                "'inner.flag': Input should be a valid boolean, unable to interpret input",
                "'inner.list': Input should be a valid list",
                "'inner.ok.0': Input should be a valid string",
                "'modules.str': Input should be a valid string",
                "'modules.list[str]': Input should be a valid list",
                "'word': Input should be 'LOCAL' or 'SSH'",
            ]
        );
    }
}
