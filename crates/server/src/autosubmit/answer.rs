//! From a function of `routes/` to a response.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jobgate_model::Error;
use serde::Serialize;

use super::call::{Call, Order};
use super::error::{self, Failure};
use crate::app::blocking;
use crate::auth::Caller;
use crate::psik::error::not_found;

/// What is told.
#[derive(Debug)]
pub(super) struct Reply {
    status: StatusCode,
    body: Vec<u8>,
}

/// An answer, or why there is none.
pub(super) type Answer = Result<Reply, Failure>;

/// An answer as JSON.
pub(super) fn json(value: &(impl Serialize + ?Sized)) -> Answer {
    json_with(StatusCode::OK, value)
}

/// An answer as JSON, with this status.
pub(super) fn json_with(status: StatusCode, value: &(impl Serialize + ?Sized)) -> Answer {
    match serde_json::to_vec(value) {
        Ok(body) => Ok(Reply { status, body }),
        Err(why) => {
            tracing::error!(%why, "an answer cannot be written");
            Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, error::UNEXPECTED))
        }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        (self.status, [(CONTENT_TYPE, "application/json")], self.body).into_response()
    }
}

/// Answers on a blocking thread.
pub(super) async fn answer(call: Call, with: fn(&Call) -> Answer) -> Response {
    if call.leads_elsewhere() {
        return not_found();
    }
    told(blocking(move || with(&call)).await)
}

/// Does what a body says, on a blocking thread.
pub(super) async fn obey(order: Order, with: fn(&Order) -> Answer) -> Response {
    if order.call.leads_elsewhere() {
        return not_found();
    }
    told(blocking(move || with(&order)).await)
}

fn told(outcome: Result<Answer, Error>) -> Response {
    match outcome {
        Ok(answer) => answer.into_response(),
        Err(error) => error::render(&error),
    }
}

/// Says no to whom the gate has not admitted.
pub(super) async fn guarded(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match Caller::of(&parts) {
        Ok(_) => next.run(Request::from_parts(parts, body)).await,
        Err(error) => error::render(&error),
    }
}

/// What is told about something that cannot be done for now, before it is looked at.
pub(crate) fn refuse(error: &Error) -> Response {
    error::render(error)
}
