//! JSON bodies, read as FastAPI reads them: first the syntax, then who asks, then the values.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use jobgate_model::{Error, ErrorKind, Principal, Violation};
use serde_json::Value;

use super::error::Fault;
use super::{Dialect, Psik};
use crate::auth::Caller;
use crate::bodies::{self, Collected, Refused, Room};

/// So much of a body is read for somebody who is not admitted, in order to complain about its syntax first. Strangers take nothing of
/// what all bodies share.
const STRANGERS: usize = bodies::FREE;

/// A request with a JSON body whose syntax is right, of somebody who is admitted.
#[derive(Debug)]
pub(crate) struct Json {
    /// Who asks.
    pub(super) principal: Principal,
    /// The request without its body.
    pub(super) parts: Parts,
    /// The body exactly as received.
    pub(super) bytes: Bytes,
    /// What it takes of the memory for bodies.
    _room: Room,
    dialect: Dialect,
    value: Option<Value>,
}

impl Json {
    /// Turns the document into something better with `parse`, whose violations are reported below `body`.
    pub(super) fn parse<T>(&self, parse: impl FnOnce(&Value) -> Result<T, Vec<Violation>>) -> Result<T, Fault> {
        let violations = match &self.value {
            Some(value) => match parse(value) {
                Ok(parsed) => return Ok(parsed),
                Err(violations) => violations,
            },
            None => vec![Violation::new("missing", Vec::new(), "Field required", Value::Null)],
        };
        let in_body = |mut violation: Violation| {
            violation.loc.insert(0, "body".into());
            violation
        };
        Err(Fault::Violations(self.dialect, violations.into_iter().map(in_body).collect()))
    }
}

impl FromRequest<Psik> for Json {
    type Rejection = Fault;

    async fn from_request(request: Request, psik: &Psik) -> Result<Self, Fault> {
        let limits = &psik.app.limits;
        let (parts, body) = request.into_parts();
        let caller = Caller::of(&parts);
        let limit = if caller.is_ok() { limits.json_body } else { limits.json_body.min(STRANGERS) };
        let Collected { bytes, room } = match psik.app.bodies.collect(body, limit).await {
            Ok(collected) => collected,
            Err(Refused::TooLarge) => {
                caller?; // whoever is not admitted learns that, not our limits
                return Err(Error::new(ErrorKind::TooLarge, format!("the body is larger than {limit} bytes")).into());
            }
            Err(Refused::NoRoom) => {
                let text = "the gateway has too much to read at once; try again";
                return Err(Error::new(ErrorKind::Unavailable, text).retry_after(bodies::AGAIN).into());
            }
            Err(Refused::Late) => {
                let text = "the body did not arrive in time";
                return Err(Fault::Transfer(StatusCode::REQUEST_TIMEOUT, text.into()));
            }
            Err(Refused::Broken(error)) => {
                return Err(Error::invalid("There was an error parsing the body").because(error).into());
            }
        };
        let value = syntax(&parts, &bytes)?;
        let Caller(principal) = caller?;
        Ok(Self { principal, parts, bytes, _room: room, dialect: psik.dialect, value })
    }
}

/// `None`: there is no document (an empty body or `null`). A body that does not claim to be JSON is taken for a text,
/// which then is of the wrong type.
fn syntax(parts: &Parts, bytes: &Bytes) -> Result<Option<Value>, Fault> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let content_type = parts.headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or("?"));
    let text = std::str::from_utf8(bytes);
    if !content_type.is_none_or(is_json) {
        return Ok(Some(Value::String(text.unwrap_or("(binary)").to_owned())));
    }
    let text = text.map_err(|error| Error::invalid("There was an error parsing the body").because(error))?;
    match serde_json::from_str(text) {
        Ok(Value::Null) => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(error) => {
            let at = position(text, error.line(), error.column());
            Err(Fault::Syntax(at, error.to_string()))
        }
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let subtype = essence.strip_prefix("application/");
    subtype.is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
}

/// The offset of a place that is given as line and column, both from 1.
fn position(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    before + column.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read_syntax(content_type: Option<&str>, bytes: &'static [u8]) -> Result<Option<Value>, String> {
        let mut request = Request::new(());
        if let Some(content_type) = content_type {
            request.headers_mut().insert(CONTENT_TYPE, content_type.parse().unwrap());
        }
        let (parts, ()) = request.into_parts();
        syntax(&parts, &Bytes::from_static(bytes)).map_err(|fault| match fault {
            Fault::Violations(_, v) => format!("{} {:?}", v[0].kind, v[0].loc),
            Fault::Error(error) => format!("{:?} {error}", error.kind()),
            Fault::Syntax(at, error) => format!("{at} {error}"),
            Fault::Transfer(status, text) => format!("{status} {text}"),
        })
    }

    #[test]
    fn as_fastapi_reads_bodies() {
        let json = Some("application/json");
        assert_eq!(read_syntax(json, b""), Ok(None));
        assert_eq!(read_syntax(json, b"null"), Ok(None));
        assert_eq!(read_syntax(None, b"[1]"), Ok(Some(json!([1]))));
        assert_eq!(read_syntax(Some("application/vnd.psik+json; charset=utf-8"), b"{}"), Ok(Some(json!({}))));
        assert_eq!(read_syntax(Some("text/plain"), b"{}"), Ok(Some(json!("{}"))));
        assert_eq!(read_syntax(json, b"{\"a\": 1, \"a\": 2}"), Ok(Some(json!({"a": 2}))));
        assert_eq!(read_syntax(json, b"{\n\"a\":}").unwrap_err(), "6 expected value at line 2 column 5");
        assert_eq!(read_syntax(json, b"\xff").unwrap_err(), "Invalid There was an error parsing the body");
    }

    #[test]
    fn deep_documents_are_refused() {
        let deep: &'static [u8] = "[".repeat(100_000).leak().as_bytes();
        assert!(read_syntax(None, deep).unwrap_err().contains("recursion limit exceeded"));
    }
}
