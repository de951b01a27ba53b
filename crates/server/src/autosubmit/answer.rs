//! From a function of `routes/` to a response.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use jiff::Timestamp;
use jobgate_autosubmit::basis::noting;
use jobgate_model::Error;
use serde::Serialize;

use super::call::{Call, Order};
use super::error::{self, Failure};
use crate::auth::Admission;
use crate::psik::error::not_found;

/// What is told.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    status: StatusCode,
    body: Bytes,
    /// Whether the time of the request is to be told at its end.
    dated: bool,
}

/// An answer, or why there is none.
pub(super) type Answer = Result<Reply, Failure>;

impl Reply {
    /// A text in JSON.
    pub(super) fn new(body: Bytes) -> Self {
        Self { status: StatusCode::OK, body, dated: false }
    }

    /// How many bytes it takes.
    pub(super) fn len(&self) -> usize {
        self.body.len()
    }

    /// What is sent to who asks now (seconds since 1970).
    fn response(self, now: i64) -> Response {
        let kind = [(CONTENT_TYPE, "application/json")];
        if self.dated {
            let end = format!(r#","pkl_timestamp":{now}}}"#);
            return (self.status, kind, Body::new(InTwo(Some(self.body), Some(end.into())))).into_response();
        }
        (self.status, kind, self.body).into_response()
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        self.response(Timestamp::now().as_second())
    }
}

/// An answer as JSON.
pub(super) fn json(value: &(impl Serialize + ?Sized)) -> Answer {
    json_with(StatusCode::OK, value)
}

/// An answer as JSON, with this status.
pub(super) fn json_with(status: StatusCode, value: &(impl Serialize + ?Sized)) -> Answer {
    match serde_json::to_vec(value) {
        Ok(body) => Ok(Reply { status, ..Reply::new(body.into()) }),
        Err(why) => {
            tracing::error!(%why, "an answer cannot be written");
            Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, error::UNEXPECTED))
        }
    }
}

/// An answer as JSON of an object, at whose end stands when it was asked for. Everything else of it is the same at any time.
pub(super) fn json_dated(value: &impl Serialize) -> Answer {
    let mut reply = json(value)?;
    reply.body.truncate(reply.body.len().saturating_sub(1));
    Ok(Reply { dated: true, ..reply })
}

/// Answers on a blocking thread; if the same was answered before and nothing has changed, at once.
pub(super) async fn answer(call: Call, with: fn(&Call) -> Answer) -> Response {
    if call.leads_elsewhere() {
        return not_found();
    }
    let now = call.moment.now();
    let kept = call.autosubmit().answers.get(call.asked());
    if let Some(reply) = kept.as_ref().filter(|kept| kept.at_once).and_then(|kept| kept.again(now)) {
        call.autosubmit().answers.again.inc();
        return reply.response(now);
    }
    let kept = kept.filter(|kept| !kept.at_once);
    let shared = Arc::clone(&call.shared.autosubmit);
    let answered = shared.threads.run(move || {
        let answers = &call.autosubmit().answers;
        if let Some(reply) = kept.and_then(|kept| kept.again(now)) {
            answers.again.inc();
            return Ok(reply);
        }
        let (answer, basis) = noting(|| with(&call));
        match (&answer, basis) {
            (Ok(reply), Some(basis)) if reply.status == StatusCode::OK => {
                answers.keep(call.asked(), basis, reply.clone());
            }
            _ => answers.forget(call.asked()),
        }
        answer
    });
    told(answered.await, now)
}

/// Answers on a blocking thread, each time anew.
pub(super) async fn answer_anew(call: Call, with: fn(&Call) -> Answer) -> Response {
    if call.leads_elsewhere() {
        return not_found();
    }
    let now = call.moment.now();
    let shared = Arc::clone(&call.shared.autosubmit);
    told(shared.threads.run(move || with(&call)).await, now)
}

/// Does what a body says, on a blocking thread.
pub(super) async fn obey(order: Order, with: fn(&Order) -> Answer) -> Response {
    if order.call.leads_elsewhere() {
        return not_found();
    }
    let now = order.call.moment.now();
    let shared = Arc::clone(&order.call.shared.autosubmit);
    told(shared.threads.run(move || with(&order)).await, now)
}

fn told(outcome: Result<Answer, Error>, now: i64) -> Response {
    match outcome {
        Ok(Ok(reply)) => reply.response(now),
        Ok(Err(failure)) => failure.into_response(),
        Err(error) => error::render(&error),
    }
}

/// Says no to whom the gate has not admitted.
pub(super) async fn guarded(request: Request, next: Next) -> Response {
    match Admission::admits(request.extensions()) {
        Ok(()) => next.run(request).await,
        Err(error) => error::render(&error),
    }
}

/// What is told about something that cannot be done for now, before it is looked at.
pub(crate) fn refuse(error: &Error) -> Response {
    error::render(error)
}

/// A body of two parts, neither of which is copied.
#[derive(Debug)]
struct InTwo(Option<Bytes>, Option<Bytes>);

impl hyper::body::Body for InTwo {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.0.take().or_else(|| self.1.take());
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.1.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let left = |part: &Option<Bytes>| part.as_ref().map_or(0, Bytes::len) as u64;
        SizeHint::with_exact(left(&self.0) + left(&self.1))
    }
}
