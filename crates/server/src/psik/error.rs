//! What psik_api's clients see when something is wrong: `{"detail": ...}`, as FastAPI renders it.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jobgate_model::{Error, ErrorKind, Loc, Violation};
use serde_json::{Map, Value, json};

use super::Dialect;
use crate::status::status_of;

/// So many violations of one request are told; a document with more is told about these first.
const TOLD: usize = 100;
/// Fields whose values are not repeated in an answer.
const SECRET: [&str; 3] = ["cb_secret", "client_secret", "cb_headers"];

/// Everything that a handler can answer instead of a result.
#[derive(Debug)]
pub(crate) enum Fault {
    /// A domain error.
    Error(Error),
    /// The request's values are not what the dialect's schema says.
    Violations(Dialect, Vec<Violation>),
    /// The body is not JSON: where, and why.
    Syntax(usize, String),
    /// A condition of the transfer itself, for which the domain has no word: too slow, no space left.
    Transfer(StatusCode, String),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        match self {
            Self::Error(error) => render(&error),
            Self::Violations(dialect, violations) => {
                let told: Vec<Value> = violations.iter().take(TOLD).map(|v| violation(dialect, v)).collect();
                detail(StatusCode::UNPROCESSABLE_ENTITY, &told.into())
            }
            Self::Syntax(at, error) => detail(
                StatusCode::UNPROCESSABLE_ENTITY,
                &json!([{
                    "type": "json_invalid",
                    "loc": ["body", at],
                    "msg": "JSON decode error",
                    "input": {},
                    "ctx": {"error": error},
                }]),
            ),
            Self::Transfer(status, text) => detail(status, &text.into()),
        }
    }
}

/// Renders a domain error. The cause of our own faults goes to the log, not to the client.
pub(crate) fn render(error: &Error) -> Response {
    let status = status_of(error.kind());
    if status.is_server_error() {
        tracing::error!(error = error.chain(), "a request failed");
    }
    let mut response = match error.kind() {
        // generated clients expect a list of violations under this status
        ErrorKind::KeyReused => {
            let loc = vec!["header".into(), "idempotency-key".into()];
            let reused = Violation::new("idempotency_key_reused", loc, error.message(), Value::Null);
            detail(status, &json!([violation(Dialect::V2, &reused)]))
        }
        _ => detail(status, &error.message().into()),
    };
    if error.kind() == ErrorKind::Unauthenticated {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(wait) = error.wait_secs() {
        response.headers_mut().insert(RETRY_AFTER, wait.into());
    }
    response
}

/// No such path.
pub(crate) fn not_found() -> Response {
    detail(StatusCode::NOT_FOUND, &"Not Found".into())
}

/// The path exists for other methods; the router adds their names.
pub(crate) fn method_not_allowed() -> Response {
    detail(StatusCode::METHOD_NOT_ALLOWED, &"Method Not Allowed".into())
}

fn detail(status: StatusCode, detail: &Value) -> Response {
    let body = json!({ "detail": detail }).to_string();
    (status, [(CONTENT_TYPE, "application/json")], body).into_response()
}

fn violation(dialect: Dialect, violation: &Violation) -> Value {
    let step = |step: &Loc| match step {
        Loc::Key(key) => Value::from(key.as_str()),
        Loc::Index(index) => Value::from(*index),
    };
    let loc: Vec<Value> = violation.loc.iter().map(step).collect();
    let mut shown = Map::new();
    shown.insert("type".into(), violation.kind.into());
    shown.insert("loc".into(), loc.into());
    shown.insert("msg".into(), violation.msg.as_str().into());
    shown.insert("input".into(), without_secrets(violation));
    if let Some(context) = context(violation) {
        shown.insert("ctx".into(), context);
    }
    if dialect == Dialect::V1 {
        let url = format!("https://errors.pydantic.dev/2.11/v/{}", violation.kind);
        shown.insert("url".into(), url.into());
    }
    shown.into()
}

/// What pydantic says besides the message, for programs.
fn context(violation: &Violation) -> Option<Value> {
    match violation.kind {
        "enum" => violation.msg.strip_prefix("Input should be ").map(|expected| json!({ "expected": expected })),
        "greater_than_equal" => {
            violation.msg.rsplit(' ').next()?.parse::<i64>().ok().map(|least| json!({ "ge": least }))
        }
        _ => None,
    }
}

/// What stands for a secret.
const HIDDEN: &str = "**********";

/// The wrong value, without what is secret in it.
fn without_secrets(violation: &Violation) -> Value {
    let is_secret = |step: &Loc| matches!(step, Loc::Key(key) if SECRET.contains(&key.as_str()));
    let mut input = if violation.loc.iter().any(is_secret) { HIDDEN.into() } else { violation.input.clone() };
    hide(&mut input);
    input
}

/// Hides what is secret, however deep it is; a text that speaks of it is hidden altogether.
fn hide(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if SECRET.contains(&key.as_str()) { *value = HIDDEN.into() } else { hide(value) }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(hide),
        Value::String(text) if SECRET.iter().any(|name| text.contains(name)) => HIDDEN.clone_into(text),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn shown(response: Response) -> (u16, String) {
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn every_kind_has_its_status() {
        let mut table = Vec::new();
        for kind in [
            ErrorKind::Invalid,
            ErrorKind::Unauthenticated,
            ErrorKind::Forbidden,
            ErrorKind::NotFound,
            ErrorKind::Conflict,
            ErrorKind::KeyReused,
            ErrorKind::TooLarge,
            ErrorKind::Exhausted,
            ErrorKind::Unavailable,
            ErrorKind::Refused,
            ErrorKind::Timeout,
            ErrorKind::Internal,
        ] {
            let (status, body) = shown(render(&Error::new(kind, "text").because("private"))).await;
            table.push(format!("{kind:?} {status} {body}"));
        }
        insta::assert_snapshot!(table.join("\n"), @r#"
        Invalid 400 {"detail":"text"}
        Unauthenticated 401 {"detail":"text"}
        Forbidden 403 {"detail":"text"}
        NotFound 404 {"detail":"text"}
        Conflict 409 {"detail":"text"}
        KeyReused 422 {"detail":[{"type":"idempotency_key_reused","loc":["header","idempotency-key"],"msg":"text","input":null}]}
        TooLarge 413 {"detail":"text"}
        Exhausted 429 {"detail":"text"}
        Unavailable 503 {"detail":"text"}
        Refused 502 {"detail":"text"}
        Timeout 504 {"detail":"text"}
        Internal 500 {"detail":"text"}
        "#);
    }

    #[test]
    fn who_asked_too_much_is_told_when_to_ask_again() {
        let after = |error: Error| {
            render(&error).headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap_or_default().to_owned())
        };
        let exhausted = || Error::new(ErrorKind::Exhausted, "text");
        assert_eq!(after(exhausted()).as_deref(), Some("1"));
        assert_eq!(after(exhausted().retry_after(std::time::Duration::from_millis(2100))).as_deref(), Some("3"));
        assert_eq!(after(Error::invalid("text")), None);
    }

    #[tokio::test]
    async fn violations_in_both_dialects_and_without_secrets() {
        let missing = |dialect| {
            let input = json!({"name": "n", "cb_secret": "topsecret"});
            let loc = vec!["body".into(), "script".into()];
            let secret = Violation::new("string_type", vec!["body".into(), "cb_secret".into()], "text", json!(["s3"]));
            Fault::Violations(dialect, vec![Violation::new("missing", loc, "Field required", input), secret])
        };
        let (status, body) = shown(missing(Dialect::V2).into_response()).await;
        assert_eq!(status, 422);
        insta::assert_snapshot!(body, @r#"{"detail":[{"type":"missing","loc":["body","script"],"msg":"Field required","input":{"name":"n","cb_secret":"**********"}},{"type":"string_type","loc":["body","cb_secret"],"msg":"text","input":"**********"}]}"#);
        let whole = |input: Value| {
            let violation = Violation::new("model_type", vec!["body".into()], "text", input);
            Fault::Violations(Dialect::V2, vec![violation]).into_response()
        };
        for input in
            [json!([{"a": {"cb_secret": "s3"}}]), json!("{\"cb_secret\": \"s3\"}"), json!([["client_secret=s3"]])]
        {
            let (_, body) = shown(whole(input)).await;
            assert!(!body.contains("s3") && body.contains(HIDDEN), "{body}");
        }
        let (_, body) = shown(missing(Dialect::V1).into_response()).await;
        assert!(body.contains(r#""url":"https://errors.pydantic.dev/2.11/v/missing""#), "{body}");
    }
}
