//! The routes of logins: `/auth/...`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, LOCATION, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jobgate_engine::audit::Event;
use jobgate_model::{Access, Error, ErrorKind, Principal, Role};
use serde::Deserialize;
use serde_json::{Value, json};

use super::browser::{Brought, Said};
use super::{Logins, page};
use crate::accept::Peer;
use crate::app::{App, blocking};
use crate::audit::Trail;
use crate::auth::Caller;
use crate::psik::error::{Fault, render};

/// What answers hold is for this caller and this moment.
const NOT_KEPT: (axum::http::HeaderName, HeaderValue) = (CACHE_CONTROL, HeaderValue::from_static("no-store"));

/// Where to go after a login.
#[derive(Debug, Deserialize)]
pub(crate) struct Wish {
    next: Option<String>,
}

/// `GET /auth/login`: by whom one can log in; a page for people, JSON for programs.
pub(crate) async fn list_logins(State(app): State<Arc<App>>, Query(wish): Query<Wish>, parts: Parts) -> Response {
    let next =
        wish.next.as_deref().map(|next| url::form_urlencoded::byte_serialize(next.as_bytes()).collect::<String>());
    let suffix = next.map(|next| format!("?next={next}")).unwrap_or_default();
    let logins = app.gatekeeper.logins();
    let providers: Vec<_> = logins.iter().flat_map(|logins| &logins.providers).collect();
    let path = |name: &str| format!("/auth/login/{name}{suffix}");
    if is_for_people(&parts.headers) {
        let door = app.gatekeeper.door_of(&parts);
        let who = logins.and_then(|logins| match logins.brought(&door, &parts, Access::Read, now()) {
            Brought::Session(session) => Some(session.user),
            _ => None,
        });
        let list: Vec<_> = providers.iter().map(|(name, _)| ((*name).clone(), path(name))).collect();
        return page::choose(who.as_deref(), &list);
    }
    let list: Vec<Value> = providers
        .iter()
        .map(|(name, provider)| json!({"name": name, "kind": provider.kind(), "login": path(name)}))
        .collect();
    ([NOT_KEPT], Json(json!({ "providers": list }))).into_response()
}

/// `GET /auth/login/{provider}`: leads to the provider.
pub(crate) async fn begin_login(
    State(app): State<Arc<App>>,
    Path(provider): Path<String>,
    Query(wish): Query<Wish>,
    parts: Parts,
) -> Response {
    let outcome = async {
        let (logins, door, peer) = (logins(&app)?, app.gatekeeper.door_of(&parts), peer_of(&parts)?);
        logins.depart(&provider, wish.next.as_deref(), (&door, &peer, &parts), now()).await
    };
    match outcome.await {
        Ok(departure) => {
            let Ok(location) = HeaderValue::from_str(departure.url.as_str()) else {
                return told(&Error::internal("the login's provider has no usable address", "not a header"), &parts);
            };
            let headers = [(LOCATION, location), (SET_COOKIE, departure.cookie), NOT_KEPT];
            (StatusCode::SEE_OTHER, headers).into_response()
        }
        Err(error) => told(&error, &parts),
    }
}

/// `GET /auth/callback/{provider}`: the way back from the provider.
pub(crate) async fn finish_login(
    State(app): State<Arc<App>>,
    Path(provider): Path<String>,
    Query(said): Query<Said>,
    parts: Parts,
) -> Response {
    let (door, trail) = (app.gatekeeper.door_of(&parts), Trail::of(&parts.extensions));
    let outcome = async {
        let entrance = logins(&app)?.arrive(&provider, &said, &door, &parts, now()).await?;
        let principal = app.gatekeeper.principal_of(&entrance.session)?;
        Ok::<_, Error>((entrance, principal))
    };
    match outcome.await {
        Ok((entrance, principal)) => {
            trail.is(&principal);
            trail.note(Event::LoggedIn { issuer: provider.clone() });
            tracing::info!(provider, principal = principal.name, role = ?principal.role, "somebody has logged in");
            let mut response = if is_for_people(&parts.headers) {
                page::welcome(&principal.name, &entrance.next)
            } else {
                ([NOT_KEPT], Json(describe(&principal))).into_response()
            };
            for cookie in entrance.cookies {
                response.headers_mut().append(SET_COOKIE, cookie);
            }
            response
        }
        Err(error) => {
            // what is no provider of ours is a text of anybody's
            let known = app.gatekeeper.logins().is_some_and(|logins| logins.provider(&provider).is_ok());
            if known && error.kind() == ErrorKind::Unauthenticated {
                trail.note(Event::LoginFailed { issuer: provider.clone() });
            }
            tracing::warn!(provider, error = Error::chain(&error), "a login is refused");
            told(&error, &parts)
        }
    }
}

/// `POST /auth/logout`: ends the session, here and for everybody who has its cookie.
pub(crate) async fn log_out(State(app): State<Arc<App>>, parts: Parts) -> Result<Response, Fault> {
    let logins = logins(&app)?;
    let door = app.gatekeeper.door_of(&parts);
    match logins.brought(&door, &parts, Access::Write, now()) {
        Brought::Session(session) => {
            Trail::of(&parts.extensions).note(Event::LoggedOut);
            tracing::info!(principal = session.user, "somebody has logged out");
            let ending = blocking(logins.end(session)).await?;
            ending.map_err(|error| Error::internal("the session has ended, but a restart may revive it", error))?;
        }
        Brought::Forged(error) => return Err(error.into()),
        Brought::Nothing | Brought::Ended => {}
    }
    let mut response = if is_for_people(&parts.headers) {
        (StatusCode::SEE_OTHER, [(LOCATION, HeaderValue::from_static("/auth/login"))]).into_response()
    } else {
        StatusCode::NO_CONTENT.into_response()
    };
    if let Some(cookie) = logins.farewell(&door) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// `GET /auth/whoami`: as whom one asks, and how that is known.
pub(crate) async fn whoami(Caller(principal): Caller) -> Response {
    ([NOT_KEPT], Json(describe(&principal))).into_response()
}

fn describe(principal: &Principal) -> Value {
    json!({
        "name": principal.name,
        "established": principal.established.as_str(),
        "role": match principal.role {
            Role::Stranger => "stranger",
            Role::Monitor => "monitor",
            Role::User => "user",
            Role::Administrator => "administrator",
        },
        "backends": principal.backends,
        "expires": principal.expires,
    })
}

fn logins(app: &App) -> Result<&Logins, Error> {
    app.gatekeeper
        .logins()
        .ok_or_else(|| Error::new(ErrorKind::NotFound, "nobody can log in here: no provider is configured"))
}

fn peer_of(parts: &Parts) -> Result<Peer, Error> {
    let peer = parts.extensions.get::<Peer>().copied();
    peer.ok_or_else(|| Error::new(ErrorKind::Forbidden, "the connection has no known origin"))
}

/// An error, as a page or as JSON.
fn told(error: &Error, parts: &Parts) -> Response {
    let response = render(error);
    if is_for_people(&parts.headers) { page::turned_away(response.status(), error.message()) } else { response }
}

fn is_for_people(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains("text/html"))
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
