//! `/jobs/{jobid}/shares`: with whom a job is shared. psik_api has nothing like it.

use axum::extract::{FromRequestParts, RawPathParams, State};
use axum::http::request::Parts;
use axum::response::Response;
use jobgate_engine::Need;
use jobgate_engine::audit::Event;
use jobgate_model::Error;
use serde_json::{Map, Value};

use super::{done, json};
use crate::audit::Trail;
use crate::auth::Caller;
use crate::psik::Psik;
use crate::psik::body::Json;
use crate::psik::convert::parse_access;
use crate::psik::error::Fault;
use crate::psik::request::Address;

/// The user that a path names.
#[derive(Debug)]
pub(crate) struct UserName(String);

impl FromRequestParts<Psik> for UserName {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, psik: &Psik) -> Result<Self, Fault> {
        let nothing = || Error::not_found("Not Found");
        let params = RawPathParams::from_request_parts(parts, psik).await;
        let params = params.map_err(|error| nothing().because(error))?;
        let name = params.iter().find(|(name, _)| *name == "user").map(|(_, value)| value.to_owned());
        Ok(Self(name.ok_or_else(nothing)?))
    }
}

/// `GET /jobs/{jobid}/shares`: `{"alice": "read"}`
pub(crate) async fn list_shares(
    State(psik): State<Psik>,
    Caller(who): Caller,
    address: Address,
) -> Result<Response, Fault> {
    let shares = psik.app.ask(move |engine| {
        let job = address.find(engine, &who, Need::Read)?;
        engine.shares(&who, job.key)
    });
    let shown = shares.await?.into_iter().map(|share| (share.user, Value::from(share.access.as_str())));
    Ok(json(&shown.collect::<Map<_, _>>()))
}

/// `PUT /jobs/{jobid}/shares/{user}` with `"read"` or `"write"`
pub(crate) async fn share_job(
    State(psik): State<Psik>,
    address: Address,
    UserName(user): UserName,
    trail: Trail,
    request: Json,
) -> Result<Response, Fault> {
    let access = request.parse(parse_access)?;
    let who = request.principal;
    let with = user.clone();
    let shared = psik.app.ask(move |engine| {
        let job = address.find(engine, &who, Need::Own)?;
        engine.share(&who, job.key, &user, access)
    });
    shared.await?;
    trail.note(Event::Shared { with, access });
    Ok(done())
}

/// `DELETE /jobs/{jobid}/shares/{user}`
pub(crate) async fn unshare_job(
    State(psik): State<Psik>,
    Caller(who): Caller,
    address: Address,
    UserName(user): UserName,
    trail: Trail,
) -> Result<Response, Fault> {
    let with = user.clone();
    let unshared = psik.app.ask(move |engine| {
        // the engine knows that users may leave by themselves
        let job = address.find(engine, &who, Need::Read)?;
        engine.unshare(&who, job.key, &user)
    });
    unshared.await?;
    trail.note(Event::Unshared { with });
    Ok(done())
}
