//! Answers: the frame around what an operation gives, and its way into JSON or YAML.

use axum::body::Body;
use axum::http::header::{AGE, CONNECTION, CONTENT_TYPE, ETAG, HeaderValue, RETRY_AFTER, VARY, WARNING};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use jobgate_slurm::objects::{ErrorEntry, Meta, WarningEntry};
use jobgate_slurm::operations::Plugin;
use jobgate_slurm::site::Age;
use jobgate_slurm::table::{Problem, Warning};
use jobgate_slurm::version::Version;

use super::Shown;
use super::listing::Part;

/// Says who has answered for a real cluster's accounting database, and in which version of the API it was asked:
/// `slurmrestd v0.0.42`, `sacct v0.0.45`.
const ACCOUNTING: HeaderName = HeaderName::from_static("jobgate-accounting");

/// What a handler gives.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    /// JSON; empty for 304.
    pub(super) body: Vec<Part>,
    /// It is compressed already, in this way.
    pub(super) encoding: Option<&'static str>,
    /// Its revision.
    pub(super) etag: Option<String>,
    /// So many seconds the caller should wait before asking again.
    pub(super) wait: Option<u64>,
    /// How old what it says is.
    pub(super) age: Option<Age>,
    /// Who has answered, if somebody else has.
    pub(super) by: Option<String>,
}

impl Reply {
    pub(super) fn json(status: StatusCode, body: Vec<u8>) -> Self {
        Self {
            status,
            body: vec![Bytes::from(body).into()],
            encoding: None,
            etag: None,
            wait: None,
            age: None,
            by: None,
        }
    }

    /// Nothing has changed: no body, as slurmrestd answers.
    pub(super) fn not_modified() -> Self {
        Self { body: Vec::new(), ..Self::json(StatusCode::NOT_MODIFIED, Vec::new()) }
    }
}

/// What clients take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Yaml,
}

/// Turns a reply into a response.
pub(super) fn respond(reply: Reply, format: Format) -> Response {
    let mut headers = HeaderMap::new();
    if reply.status != StatusCode::NOT_MODIFIED {
        let kind = match format {
            Format::Json => "application/json",
            Format::Yaml => "application/yaml",
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    if let Some(etag) = reply.etag.and_then(|etag| HeaderValue::from_str(&etag).ok()) {
        headers.insert(ETAG, etag);
        headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding, authorization, x-slurm-user-token"));
    }
    if let Some(wait) = reply.wait {
        headers.insert(RETRY_AFTER, wait.into());
    }
    if let Some(Age { age, stale }) = reply.age {
        headers.insert(AGE, age.as_secs().into());
        if stale.is_some() {
            headers.insert(WARNING, HeaderValue::from_static("110 jobgate \"Response is Stale\""));
        }
    }
    if let Some(by) = reply.by.and_then(|by| HeaderValue::from_str(&by).ok()) {
        headers.insert(ACCOUNTING, by);
    }
    if let Some(encoding) = reply.encoding {
        headers.insert(axum::http::header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    let body = match format {
        Format::Json => chunks(reply.body),
        Format::Yaml => Body::from(yaml(reply.body)),
    };
    finish(reply.status, headers, body)
}

/// A line of text, for what may work later.
pub(super) fn failure(status: StatusCode, why: &str, wait: u64) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(RETRY_AFTER, wait.into());
    finish(status, headers, Body::from(why.to_owned()))
}

/// A line of text, for what never reached an operation.
pub(super) fn text(status: StatusCode, text: &'static str) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    finish(status, headers, Body::from(text))
}

/// Connections are closed after an error, as slurmrestd does: its clients count on a fresh one.
fn finish(status: StatusCode, mut headers: HeaderMap, body: Body) -> Response {
    if status.is_client_error() || status.is_server_error() {
        headers.insert(CONNECTION, HeaderValue::from_static("Close"));
    }
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn chunks(mut parts: Vec<Part>) -> Body {
    match parts.len() {
        0 => Body::empty(),
        1 => Body::from(parts.remove(0).text()),
        _ => Body::new(Parts(parts.into())),
    }
}

/// A body in parts that are there already; it knows its length.
struct Parts(std::collections::VecDeque<Part>);

impl axum::body::HttpBody for Parts {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready(self.0.pop_front().map(|part| Ok(hyper::body::Frame::data(part.text()))))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.0.iter().map(|part| part.len() as u64).sum())
    }
}

/// JSON as YAML.
fn yaml(parts: Vec<Part>) -> String {
    let whole = parts.into_iter().map(Part::text).collect::<Vec<_>>().concat();
    let value: serde_json::Value = serde_json::from_slice(&whole).unwrap_or_default();
    yaml_serde::to_string(&value).unwrap_or_default()
}

/// What is said about an answer and who asked.
pub(super) fn meta(version: Version, plugin: Plugin, shown: &Shown, peer: &str, user: &str) -> Meta {
    let release = shown.release().unwrap_or_else(|| version.release().to_string());
    let mut parts = release.split('.').map(str::to_owned);
    let (major, minor, micro) = (parts.next(), parts.next(), parts.next());
    Meta {
        plugin_type: Some(format!("openapi/{}", plugin.name())),
        plugin_name: Some(format!("Slurm OpenAPI {}", plugin.name())),
        plugin_data_parser: Some(format!("data_parser/{version}")),
        plugin_accounting_storage: Some("accounting_storage/slurmdbd".into()),
        client_source: Some(peer.to_owned()),
        client_user: Some(user.to_owned()),
        client_group: Some(user.to_owned()),
        command: Some(Vec::new()),
        slurm_version_major: major,
        slurm_version_micro: micro,
        slurm_version_minor: minor,
        slurm_release: Some(release),
        slurm_cluster: Some(shown.name().to_owned()),
    }
}

/// Errors as entries.
pub(super) fn errors(problems: &[Problem]) -> Vec<ErrorEntry> {
    let entry = |problem: &Problem| ErrorEntry {
        description: Some(problem.description.clone()),
        error_number: Some(problem.errno.0),
        error: Some(problem.errno.text().to_owned()),
        source: Some(problem.source.clone()),
    };
    problems.iter().map(entry).collect()
}

/// Warnings as entries.
pub(super) fn warnings(warnings: &[Warning]) -> Vec<WarningEntry> {
    let entry = |warning: &Warning| WarningEntry {
        description: Some(warning.description.clone()),
        source: Some(warning.source.clone()),
    };
    warnings.iter().map(entry).collect()
}
