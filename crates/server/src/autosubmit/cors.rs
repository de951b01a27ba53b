//! Pages of other web sites may read what this dialect says, as those of Autosubmit's graphical interface must.
//!
//! That is harmless because of what counts as proof of identity here: a token that the page itself has to send. What a browser
//! adds by itself counts only for pages of our own (see `auth/autosubmit.rs`). A listener that is for clients of this machine
//! only, whom it takes for its own user, does not answer other sites at all, but for those that are configured.

use axum::extract::Request;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD,
    COOKIE, HeaderValue, ORIGIN, VARY,
};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::auth::Clients;

const METHODS: &str = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT";

/// Answers a request by `next`, so that pages of other sites can read it; or what browsers ask before they send one for such a page.
pub(super) async fn cors<F>(app: &App, request: Request, next: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Response>,
{
    let (parts, body) = request.into_parts();
    let for_all = app.gatekeeper.door_of(&parts).clients == Clients::Anybody;
    let request = Request::from_parts(parts, body);
    let Some(origin) = request.headers().get(ORIGIN).filter(|_| for_all).cloned() else {
        return next(request).await;
    };
    let yes = HeaderValue::from_static("true");
    let asked_for = request.headers().get(ACCESS_CONTROL_REQUEST_METHOD);
    if let Some(method) = asked_for.filter(|_| request.method() == Method::OPTIONS) {
        let known = METHODS.split(", ").any(|known| known.as_bytes() == method.as_bytes());
        let said = if known { (StatusCode::OK, "OK") } else { (StatusCode::BAD_REQUEST, "Disallowed CORS method") };
        let wanted = request.headers().get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
        let mut response = said.into_response();
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        headers.insert(VARY, HeaderValue::from_static("Origin"));
        if let Some(wanted) = wanted {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted);
        }
        return response;
    }
    // browsers that send cookies want to read their own origin, though cookies count for nothing here
    let with_cookies = request.headers().contains_key(COOKIE);
    let mut response = next(request).await;
    let headers = response.headers_mut();
    if with_cookies {
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    let allowed = if with_cookies { origin } else { HeaderValue::from_static("*") };
    headers.entry(ACCESS_CONTROL_ALLOW_ORIGIN).or_insert(allowed);
    headers.entry(ACCESS_CONTROL_ALLOW_CREDENTIALS).or_insert(yes);
    response
}
