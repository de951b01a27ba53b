//! Around every request: an id, a log line, numbers, and a safety net.

use std::hash::{BuildHasher, RandomState};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use jobgate_model::{Error, ErrorKind};
use tracing::Instrument;

use crate::accept::Peer;
use crate::app::App;
use crate::asked::Asked;
use crate::audit::{Trail, records};
use crate::auth::{Admission, Door, Wire};
use crate::headers::{self, For};
use crate::psik::error::Fault;
use crate::{autosubmit, psik, slurm};

/// The route of what no route matches.
const UNMATCHED: &str = "unmatched";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Observes one request. What is logged of it is its method, the matched route, and the outcome: never the path's or the
/// query's values, which may be private.
pub(crate) async fn observe(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or(UNMATCHED, MatchedPath::as_str);
    let asked = match route {
        UNMATCHED if app.gatekeeper.speaks_slurm_only() => Asked::of_slurm(&method, request.uri().path()),
        UNMATCHED => Asked::of(&method, request.uri().path(), None),
        route => Asked::of(&method, request.uri().path(), Some(route)),
    };
    let (peer, trail) = (request.extensions().get::<Peer>().copied(), Trail::default());
    let wire = request.extensions().get::<Arc<Door>>().map_or(Wire::Clear, |door| door.wire);
    request.extensions_mut().insert(trail.clone());
    request.extensions_mut().insert(asked.clone());
    let id = request.headers().get(REQUEST_ID).filter(|id| is_sane(id)).cloned().unwrap_or_else(fresh_id);

    // what is logged on the way carries the request's id
    let span = tracing::info_span!("request", id = id.to_str().unwrap_or("-"));
    let answer = match app.audit.admit() {
        Err(error) if asked.changes() => Ok(refuse(&asked, &error)),
        _ => AssertUnwindSafe(next.run(request).instrument(span.clone())).catch_unwind().await,
    };
    // A panic is answered like any other fault of ours, and the connection goes on.
    let mut response = answer.unwrap_or_else(|panic| {
        let _entered = span.enter();
        let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
        tracing::error!(route, panic = text.unwrap_or("?"), "a handler panicked");
        let message = "the gateway stumbled over this request; its log says why";
        Fault::from(Error::new(ErrorKind::Internal, message)).into_response()
    });

    let (status, took) = (response.status(), began.elapsed());
    app.metrics.count(&method, route, status, took);
    tracing::info!(
        target: "jobgate_server::http",
        %method,
        route,
        status = status.as_u16(),
        ms = took.as_micros() as f64 / 1e3,
        principal = response.extensions().get::<Admission>().map_or("-", Admission::name),
        request_id = id.to_str().unwrap_or("-"),
        "request"
    );
    records(&app.audit, &app.damper, &asked, (peer, wire), &trail, status, id.to_str().unwrap_or("-"));
    let known = response.extensions().get::<Admission>().is_some_and(Admission::is_known);
    headers::protect(&mut response, if known { For::One } else { For::Anybody }, wire);
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// Nothing is done that cannot be recorded.
fn refuse(asked: &Asked, error: &Error) -> Response {
    match asked.dialect {
        "slurm" => slurm::away(error),
        "autosubmit" => autosubmit::refuse(error),
        _ => psik::error::render(error),
    }
}

/// A caller's request id is taken over if it is short and harmless in a log.
fn is_sane(id: &HeaderValue) -> bool {
    let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=64).contains(&id.len()) && id.as_bytes().iter().all(harmless)
}

fn fresh_id() -> HeaderValue {
    static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = SEED.hash_one(COUNT.fetch_add(1, Ordering::Relaxed));
    HeaderValue::from_str(&format!("{number:016x}")).expect("invariant: hexadecimal digits fit into a header")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids() {
        for ok in ["a", "0b6c-4f.e_1"] {
            assert!(is_sane(&HeaderValue::from_static(ok)), "{ok}");
        }
        for bad in ["", "a b", "a\"b", "{x}"] {
            assert!(!is_sane(&HeaderValue::from_static(bad)), "{bad}");
        }
        assert!(!is_sane(&HeaderValue::from_str(&"x".repeat(65)).unwrap()));
        let (a, b) = (fresh_id(), fresh_id());
        assert!(a != b && is_sane(&a));
    }
}
