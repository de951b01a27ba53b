//! What psik_api's clients see when something is wrong: `{"detail": ...}`, as FastAPI renders it.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jobgate_model::{Error, ErrorKind, Loc, Violation};
use serde_json::{Map, Value, json};

use super::Dialect;

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
    let status = match error.kind() {
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::Exhausted => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Refused => StatusCode::BAD_GATEWAY,
        ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    };
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
    let extra: Option<(HeaderName, &str)> = match error.kind() {
        ErrorKind::Unauthenticated => Some((WWW_AUTHENTICATE, "Bearer")),
        ErrorKind::Exhausted | ErrorKind::Unavailable => Some((RETRY_AFTER, "1")),
        _ => None,
    };
    if let Some((name, value)) = extra {
        response.headers_mut().insert(name, HeaderValue::from_str(value).expect("invariant: a plain word"));
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

/// The wrong value, without what is secret in it.
fn without_secrets(violation: &Violation) -> Value {
    const HIDDEN: &str = "**********";
    let is_secret = |key: &str| SECRET.contains(&key);
    if violation.loc.iter().any(|step| matches!(step, Loc::Key(key) if is_secret(key))) {
        return HIDDEN.into();
    }
    let mut input = violation.input.clone();
    if let Value::Object(fields) = &mut input {
        for (key, value) in fields {
            if is_secret(key) {
                *value = HIDDEN.into();
            }
        }
    }
    input
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
        let (_, body) = shown(missing(Dialect::V1).into_response()).await;
        assert!(body.contains(r#""url":"https://errors.pydantic.dev/2.11/v/missing""#), "{body}");
    }
}
