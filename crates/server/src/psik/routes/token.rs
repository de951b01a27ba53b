//! `/token`: what a token says, and tokens for those who can have one.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use jobgate_model::{Error, ErrorKind};

use super::json;
use crate::auth::token;
use crate::psik::Psik;
use crate::psik::error::Fault;
use crate::psik::model::TokenText;

/// `GET /token`: an empty text, because neither mode of this gateway issues tokens.
pub(crate) async fn issue_token(State(_): State<Psik>) -> Response {
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], "").into_response()
}

/// `POST /token`: the blocks of the bearer token, unverified.
pub(crate) async fn show_token(headers: HeaderMap) -> Result<Response, Fault> {
    let Some(text) = token::bearer(&headers) else {
        return Err(Error::new(ErrorKind::Unauthenticated, "required header Authorization: bearer b64-token").into());
    };
    Ok(json(&match token::parse(text) {
        Ok(token) => TokenText::Blocks(token.blocks),
        Err(error) => TokenText::Unreadable(error.to_string()),
    }))
}
