//! Pages for people, and documents for programs.

use std::sync::{Arc, LazyLock};

use axum::extract::State;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use jobgate_engine::Engine;

use crate::app::App;
use crate::metrics::CONTENT_TYPE as OPEN_METRICS;
use crate::psik::Dialect;
use crate::psik::error::Fault;
use crate::psik::openapi::document;

const HTML: &str = "text/html; charset=utf-8";

/// Everything a page needs comes from this server, and no page of ours is shown inside of another one.
const POLICY: [(HeaderName, &str); 5] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-cache"),
];

/// `GET /`, with an example for the address under which it was asked for.
pub(crate) async fn front(headers: HeaderMap) -> Response {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).filter(|host| is_plain(host));
    let text = include_str!("pages/front.html").replace("HOST", host.unwrap_or("127.0.0.1:8000"));
    page(HTML, text)
}

/// Whether a host and port can stand in HTML and in a shell's line as they are.
fn is_plain(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:-[]".contains(&byte))
}

/// The interactive page of an API version. It reads `openapi.json` beside it.
pub(crate) async fn api() -> Response {
    page(HTML, include_str!("pages/api.html"))
}

pub(crate) async fn api_script() -> Response {
    page("text/javascript; charset=utf-8", include_str!("pages/api.js"))
}

pub(crate) async fn style() -> Response {
    page("text/css; charset=utf-8", include_str!("pages/style.css"))
}

fn page(content_type: &'static str, text: impl IntoResponse) -> Response {
    (POLICY, [(CONTENT_TYPE, content_type)], text).into_response()
}

/// The OpenAPI document of a dialect.
pub(crate) fn openapi(dialect: Dialect) -> Response {
    static DOCUMENTS: LazyLock<[Bytes; 2]> = LazyLock::new(|| Dialect::ALL.map(|d| document(d).to_string().into()));
    let document = match dialect {
        Dialect::V1 => &DOCUMENTS[0],
        Dialect::V2 => &DOCUMENTS[1],
    };
    ([(CONTENT_TYPE, "application/json")], document.clone()).into_response()
}

/// `GET /healthz`: requests are served.
pub(crate) async fn health() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the index answers and every prefix can be written.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Fault> {
    let ready = app.ask(Engine::ready).await;
    // whatever is wrong, it is not the request, and asking again later is right
    ready.map_err(|error| jobgate_model::Error::new(jobgate_model::ErrorKind::Unavailable, error.chain()))?;
    Ok("ready\n")
}

/// `GET /metrics`
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Fault> {
    let counts = app.ask(Engine::counts).await?;
    Ok((StatusCode::OK, [(CONTENT_TYPE, OPEN_METRICS)], app.metrics.render(&counts)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_can_be_shown() {
        for plain in ["localhost", "127.0.0.1:8000", "[::1]:80", "gate-1.example.org"] {
            assert!(is_plain(plain), "{plain}");
        }
        for other in ["", "a b", "x'y", "<b>", "a&b", "$(id)", "a/b"] {
            assert!(!is_plain(other), "{other}");
        }
        assert_eq!(include_str!("pages/front.html").matches("HOST").count(), 1);
    }
}
