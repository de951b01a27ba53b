//! Logins, and what a token is worth.
//!
//! Who somebody is says a provider (`auth/login`); here is only what the graphical interface's way to it looks like: it is the
//! interface that sends people to the provider, and brings back what that has given them.

use axum::extract::{Request, State};
use axum::http::header::{LOCATION, REFERER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jobgate_model::{Error, ErrorKind, Role};
use serde_json::json;
use url::Url;

use crate::accept::Peer;
use crate::auth::Identity;
use crate::auth::login::{Challenge, Return};
use crate::autosubmit::AutosubmitApp;
use crate::autosubmit::answer::json_with;
use crate::autosubmit::call::Call;

const CAS: &str = "cas";
const GITHUB: &str = "github";
/// For any client.
const ANY: &str = "*";
const NO_CLIENT: &str = "Your client is not authorized for this operation. The API admin needs to add your URL to the list \
                         of allowed clients.";
const NO_SERVICE: &str = "Your service is not authorized for this operation. The API admin needs to add your URL to the \
                          list of allowed clients.";

/// `GET /v4/auth/verify-token`
pub(in crate::autosubmit) async fn verify_token(identity: Identity) -> Response {
    let user = user_of(&identity);
    let status = if user.is_some() { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
    json_with(status, &json!({"authenticated": user.is_some(), "user": user})).into_response()
}

/// `GET /v3/tokentest` and `POST /v3/tokentest`
pub(in crate::autosubmit) async fn test_token(identity: Identity) -> Response {
    let known = user_of(&identity).is_some();
    let (status, message) =
        if known { (StatusCode::OK, None) } else { (StatusCode::UNAUTHORIZED, Some("Unauthorized")) };
    json_with(status, &json!({"isValid": known, "message": message})).into_response()
}

/// The name of somebody who is known.
pub(super) fn user_of(identity: &Identity) -> Option<&str> {
    (identity.principal.role != Role::Stranger).then_some(identity.principal.name.as_str())
}

/// `GET /v4/auth/cas/v2/login`
pub(in crate::autosubmit) async fn cas(State(shared): State<AutosubmitApp>, call: Call, request: Request) -> Response {
    let clients = &shared.autosubmit.site.rc().clients;
    let service = match given(&call, "service") {
        None => match base(&shared, request) {
            Ok(base) => base,
            Err(refusal) => return *refusal,
        },
        Some(service) if clients.iter().any(|client| client == ANY || leads_to(service, client)) => service.to_owned(),
        Some(_) => return refused(NO_SERVICE),
    };
    by_cas(&shared, &call, &service, GENERATED).await
}

/// `GET /v3/login`
pub(in crate::autosubmit) async fn cas_of_old(
    State(shared): State<AutosubmitApp>,
    call: Call,
    headers: HeaderMap,
) -> Response {
    let referrer = headers.get(REFERER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let clients = &shared.autosubmit.site.rc().clients;
    let Some(client) = clients.iter().find(|client| leads_to(referrer, client)) else { return refused(NO_CLIENT) };
    let service = format!("{client}{}/login", call.query.get("env").unwrap_or_default());
    // what a client adds must not lead elsewhere
    if !leads_to(&service, client) {
        return refused(NO_CLIENT);
    }
    by_cas(&shared, &call, &service, "Token generated.").await
}

/// Sends somebody to CAS, or looks whose ticket it is that was brought from there.
async fn by_cas(shared: &AutosubmitApp, call: &Call, service: &str, told: &str) -> Response {
    if let Some(ticket) = given(call, "ticket") {
        return finish(shared, call, CAS, (ticket, service), told).await;
    }
    let Some(logins) = shared.app.gatekeeper.logins() else { return refused(NOT_CONFIGURED) };
    let url = match Challenge::new() {
        Ok(challenge) => logins.start(CAS, service, &challenge).await,
        Err(error) => Err(error),
    };
    match url.map(|url| HeaderValue::from_str(url.as_str())) {
        Ok(Ok(location)) => (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, location)]).into_response(),
        _ => refused(NOT_CONFIGURED),
    }
}

const NOT_CONFIGURED: &str = "This login is not configured at this server.";
/// What somebody is told who has logged in.
const GENERATED: &str = "Token generated";

/// A value of the query that says something.
fn given<'a>(call: &'a Call, name: &str) -> Option<&'a str> {
    call.query.get(name).filter(|text| !text.is_empty())
}

/// `GET /v4/auth/oauth2/github/login`
pub(in crate::autosubmit) async fn github(State(shared): State<AutosubmitApp>, call: Call) -> Response {
    match given(&call, "code") {
        Some(code) => by_code(&shared, &call, GITHUB, code).await,
        None => refused("Can't verify user"),
    }
}

/// `GET /v4/auth/oidc/login`
pub(in crate::autosubmit) async fn oidc(State(shared): State<AutosubmitApp>, call: Call) -> Response {
    let Some(code) = given(&call, "code") else { return refused("Can't verify user, missing code") };
    let provider = shared.app.gatekeeper.logins().and_then(|logins| logins.first_oidc());
    match provider {
        Some(name) => by_code(&shared, &call, name, code).await,
        None => refused(NOT_CONFIGURED),
    }
}

async fn by_code(shared: &AutosubmitApp, call: &Call, provider: &str, code: &str) -> Response {
    let redirect_uri = given(call, "redirect_uri").unwrap_or_default();
    finish(shared, call, provider, (code, redirect_uri), GENERATED).await
}

/// Asks a provider who it is that brings this, and makes a token for that one.
async fn finish(
    shared: &AutosubmitApp,
    call: &Call,
    provider: &str,
    (code, redirect_uri): (&str, &str),
    told: &str,
) -> Response {
    let gate = &shared.app.gatekeeper;
    let Some(logins) = gate.logins() else { return refused(NOT_CONFIGURED) };
    let back = Return { code, redirect_uri, issuer: call.query.get("iss"), challenge: None };
    let arrival = match logins.finish(provider, &back, call.moment.now()).await {
        Ok(arrival) => arrival,
        Err(error) => return failed(&error),
    };
    let Some(token) = gate.autosubmit().issue(&arrival.user, call.moment.now()) else {
        return refused("This server has no SECRET_KEY, so that it can give no tokens.");
    };
    tracing::info!(user = arrival.user, provider, "somebody has logged in");
    let body = json!({
        "authenticated": true,
        "user": arrival.user,
        "token": format!("Bearer {token}"),
        "message": told,
    });
    json_with(StatusCode::OK, &body).into_response()
}

/// Why somebody is not let in. What goes wrong between us and the provider is not that one's fault.
fn failed(error: &Error) -> Response {
    match error.kind() {
        ErrorKind::NotFound => return refused(NOT_CONFIGURED),
        ErrorKind::Unauthenticated => tracing::info!(error = error.chain(), "a login is refused"),
        _ => tracing::error!(error = error.chain(), "a login failed"),
    }
    refused(&format!("Can't verify user: {}", error.message()))
}

fn refused(message: &str) -> Response {
    let body = json!({"authenticated": false, "user": null, "token": null, "message": message});
    json_with(StatusCode::UNAUTHORIZED, &body).into_response()
}

/// Our own address. What the request calls us is not enough: a ticket for another page of the same CAS would count here.
fn base(shared: &AutosubmitApp, request: Request) -> Result<String, Box<Response>> {
    let gate = &shared.app.gatekeeper;
    let (parts, _) = request.into_parts();
    let logins = gate.logins().ok_or_else(|| Box::new(refused(NOT_CONFIGURED)))?;
    let peer = parts.extensions.get::<Peer>().copied().ok_or_else(|| Box::new(refused(NOT_CONFIGURED)))?;
    match logins.address(&gate.door_of(&parts), &peer, &parts) {
        Ok(address) => Ok(format!("{address}/")),
        Err(error) => Err(Box::new(refused(error.message()))),
    }
}

/// Whether a URL is one of a client's: the same scheme, host and port, below its path. (The original looks for the client's text
/// anywhere in the URL, so that `https://evil.example/?https://gui.example` passes.)
fn leads_to(url: &str, client: &str) -> bool {
    let (Ok(url), Ok(client)) = (Url::parse(url), Url::parse(client)) else { return false };
    let plain = url.username().is_empty() && url.password().is_none();
    let below = client.path().trim_end_matches('/');
    let inside = url.path().strip_prefix(below).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    plain && matches!(url.scheme(), "http" | "https") && url.origin() == client.origin() && inside
}

#[cfg(test)]
mod tests {
    use super::leads_to;

    #[test]
    fn only_a_clients_own_urls_lead_to_it() {
        let client = "https://gui.example.org";
        for good in ["https://gui.example.org", "https://gui.example.org/", "https://gui.example.org/a/login?x=y"] {
            assert!(leads_to(good, client), "{good}");
        }
        for bad in [
            "https://evil.example/?https://gui.example.org",
            "https://gui.example.org.evil.example/",
            "https://gui.example.org@evil.example/",
            "https://u@gui.example.org/",
            "http://gui.example.org/",
            "https://gui.example.org:444/",
            "//gui.example.org/",
            "javascript:alert(1)",
            "",
        ] {
            assert!(!leads_to(bad, client), "{bad}");
        }
        assert!(leads_to("https://gui/app/login", "https://gui/app/"));
        assert!(!leads_to("https://gui/application", "https://gui/app"));
        assert!(!leads_to("https://gui/app/../other", "https://gui/app"));
    }
}
