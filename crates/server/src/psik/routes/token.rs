//! `/token`: what a token says, and tokens for those who can have one.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use jobgate_engine::audit::Event;
use jobgate_model::{Error, ErrorKind};

use super::json;
use crate::app::blocking;
use crate::audit::Trail;
use crate::auth::{self, Identity, token};
use crate::psik::Psik;
use crate::psik::error::Fault;
use crate::psik::model::TokenText;

/// `GET /token`: a biscuit for who is known by something else than a biscuit; otherwise an empty text.
pub(crate) async fn issue_token(State(psik): State<Psik>, identity: Identity, trail: Trail) -> Result<Response, Fault> {
    let now = jiff::Timestamp::now().as_second();
    // the key is in a file
    let issued = blocking(move || auth::issue(&psik.app.gatekeeper, &identity, now)).await??;
    let headers = [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    let text = issued.map(|issued| {
        trail.note(Event::Minted { kind: "biscuit", user: issued.user, id: issued.id });
        issued.token
    });
    Ok((headers, text.unwrap_or_default()).into_response())
}

/// `POST /token`: the blocks of the bearer token, unverified.
pub(crate) async fn show_token(headers: HeaderMap) -> Result<Response, Fault> {
    let Some(text) = token::bearer(&headers) else {
        return Err(Error::new(ErrorKind::Unauthenticated, "required header Authorization: bearer b64-token").into());
    };
    Ok(json(&match token::parse(text) {
        Ok(blocks) => TokenText::Blocks(blocks),
        Err(error) => TokenText::Unreadable(error),
    }))
}
