//! The handlers: read the request, ask the engine, write the answer.

mod backends;
mod callback;
mod download;
mod files;
mod jobs;
mod shares;
mod token;
mod upload;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

pub(crate) use backends::{list_backends, show_backend};
pub(crate) use callback::reach_job;
pub(crate) use files::{download_file, list_files, list_logs, list_scripts};
pub(crate) use jobs::{cancel_job, create_job, list_jobs, show_history, show_state, start_job, submit_job};
pub(crate) use shares::{list_shares, share_job, unshare_job};
pub(crate) use token::{issue_token, show_token};
pub(crate) use upload::{upload_files, upload_raw};

const JSON: &str = "application/json";

/// A compact JSON answer.
fn json(value: &impl Serialize) -> Response {
    json_text(serde_json::to_vec(value).expect("invariant: wire types have only text keys"))
}

/// An answer that already is JSON.
fn json_text(body: impl IntoResponse) -> Response {
    ([(CONTENT_TYPE, JSON)], body).into_response()
}

/// `null`: done, and there is nothing to tell.
fn done() -> Response {
    json_text("null")
}
