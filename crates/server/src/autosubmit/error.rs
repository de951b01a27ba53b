//! Refusals, in Autosubmit API's form: `{"error": true, "error_message": TEXT}`.

use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use jobgate_autosubmit::databases::DatabaseError;
use jobgate_autosubmit::expid::Expid;
use jobgate_autosubmit::site::SiteError;
use jobgate_model::{Error, ErrorKind};
use serde_json::json;

use crate::status::status_of;

/// What is told where there is nothing better to tell.
pub(super) const UNEXPECTED: &str = "An unexpected error occurred.";

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// There is no such experiment.
    pub(super) fn unknown(expid: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("Experiment with expid '{expid}' not found."))
    }

    /// A value is not one that can be: pydantic's text, for the name of a field.
    pub(super) fn invalid(problems: &[(String, String)]) -> Self {
        let told = problems.iter().map(|(field, why)| format!("Invalid value for '{field}': {why}"));
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, told.collect::<Vec<_>>().join("; "))
    }

    /// The same failure in other words.
    pub(super) fn told(self, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..self }
    }
}

impl From<SiteError> for Failure {
    fn from(error: SiteError) -> Self {
        match error {
            SiteError::Unknown(expid) => Self::unknown(expid.as_str()),
            SiteError::Database(error) => error.into(),
            other => Self::new(StatusCode::INTERNAL_SERVER_ERROR, other.to_string()),
        }
    }
}

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        let status = match &error {
            DatabaseError::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
            DatabaseError::Other { .. } => {
                tracing::error!(%error, "a database of Autosubmit's cannot be read");
                return Self::new(StatusCode::INTERNAL_SERVER_ERROR, UNEXPECTED);
            }
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(status_of(error.kind()), error.message())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = json!({"error": true, "error_message": self.message}).to_string();
        let mut response = (self.status, [(CONTENT_TYPE, "application/json")], body).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Renders an error of the gate.
pub(super) fn render(error: &Error) -> Response {
    if matches!(error.kind(), ErrorKind::Internal) {
        tracing::error!(error = error.chain(), "a request failed");
    }
    let wait = error.wait_secs();
    let copy = Error::new(error.kind(), error.message().to_owned());
    let mut response = Failure::from(copy).into_response();
    if let Some(wait) = wait {
        response.headers_mut().insert(RETRY_AFTER, wait.into());
    }
    response
}

/// The experiment that a text names.
pub(super) fn expid(text: &str) -> Result<Expid, Failure> {
    Expid::parse(text).map_err(|_| Failure::unknown(text))
}
