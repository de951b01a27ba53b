//! `/jobs`: submit, start, cancel, list, show.

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jobgate_engine::{Created, ListQuery, Need, NewJob, Start};
use jobgate_model::{Error, ErrorKind, parse_spec, query_bool};

use super::{done, download, json, json_text};
use crate::audit::Trail;
use crate::auth::Caller;
use crate::promise;
use crate::psik::body::Json;
use crate::psik::error::Fault;
use crate::psik::request::{Address, QueryValues, place_of};
use crate::psik::{Dialect, Psik, convert, listing};

/// `GET /jobs`
pub(crate) async fn list_jobs(
    State(psik): State<Psik>,
    Caller(who): Caller,
    query: QueryValues,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let mut wanted = convert::parse_list_query(&query).map_err(|wrong| Fault::Violations(psik.dialect, wrong))?;
    choose_backend(&psik, &query, &mut wanted)?;
    let listing = listing::list(&psik.app, who, wanted).await?;
    let same = headers.get(IF_NONE_MATCH).is_some_and(|tags| download::matches(tags, &listing.etag));
    let head = [(ETAG, listing.etag), (CACHE_CONTROL, "private, no-cache".parse().expect("invariant: plain words"))];
    Ok(if same {
        (StatusCode::NOT_MODIFIED, head).into_response()
    } else {
        (head, json_text(listing.body)).into_response()
    })
}

/// psik_api 1 has a store for each backend and shows the one that is named, or the default one. Where several backends
/// share a prefix, the name decides. psik_api 2 has one store; the name filters and need not exist.
fn choose_backend(psik: &Psik, query: &QueryValues, wanted: &mut ListQuery) -> Result<(), Error> {
    let name = query.get("backend");
    match psik.dialect {
        Dialect::V2 => wanted.backend = name.map(str::to_owned),
        Dialect::V1 => {
            let engine = &psik.app.engine;
            let place = place_of(engine, name, "Backend not found")?;
            let shared = engine.places().iter().filter(|other| other.prefix == place.prefix).count() > 1;
            wanted.prefix = Some(place.prefix.clone());
            wanted.backend = name.filter(|_| shared).map(str::to_owned);
        }
    }
    Ok(())
}

/// `POST /jobs`
pub(crate) async fn submit_job(State(psik): State<Psik>, request: Json) -> Result<Response, Fault> {
    let query = QueryValues::of(&request.parts.uri);
    let start = match (psik.dialect, query.get("submit")) {
        (Dialect::V2, Some(text)) => {
            query_bool("submit", text).map_err(|wrong| Fault::Violations(psik.dialect, vec![wrong]))?
        }
        _ => true,
    };
    let start = if start { Start::Yes } else { Start::No };
    create(&psik, &request, query.get("backend"), start).await
}

/// `POST /jobs/new`
pub(crate) async fn create_job(State(psik): State<Psik>, request: Json) -> Result<Response, Fault> {
    let query = QueryValues::of(&request.parts.uri);
    create(&psik, &request, query.get("machine"), Start::No).await
}

async fn create(psik: &Psik, request: &Json, backend: Option<&str>, start: Start) -> Result<Response, Fault> {
    let spec = request.parse(|value| parse_spec(value, psik.dialect.generation()))?;
    let engine = &psik.app.engine;
    let place = match psik.dialect {
        Dialect::V1 => place_of(engine, backend, "Backend not found")?,
        // the name that psik 2 fills in stands for whatever the default is called
        Dialect::V2 if spec.backend == "default" => place_of(engine, engine.place("default").map(|_| "default"), "")?,
        Dialect::V2 => place_of(engine, Some(&spec.backend), "Backend not found")?,
    };
    let idempotency = promise::of(&request.parts, &request.bytes)?;
    let generation = psik.dialect.generation();
    let new = NewJob { spec, place: Some(place.name.clone()), start, idempotency, environment: None, generation };
    let who = request.principal.clone();
    let Created { job, repeated } = psik.app.ask(move |engine| engine.create(&who, new)).await.map_err(creating)?;
    Trail::of(&request.parts.extensions).job(job.jobid.as_str());
    let answer = json(&job.jobid.as_str());
    // whoever sent it first has seen to its launch
    if start == Start::Yes && !repeated {
        psik.app.launch_later(job.key, job.jobid);
    }
    Ok(answer)
}

fn creating(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Invalid => Error::invalid(format!("Error creating job: {}", error.message())).because(error),
        _ => error,
    }
}

/// `POST /jobs/{jobid}/start`
pub(crate) async fn start_job(
    State(psik): State<Psik>,
    Caller(who): Caller,
    address: Address,
) -> Result<Response, Fault> {
    let started = psik.app.ask(move |engine| {
        let job = address.find(engine, &who, Need::Write)?;
        engine.start(&who, job.key, None)?;
        Ok(job)
    });
    let job = started.await?;
    psik.app.launch_later(job.key, job.jobid);
    Ok(done())
}

/// `DELETE /jobs/{jobid}`: cancels; nothing is deleted.
pub(crate) async fn cancel_job(
    State(psik): State<Psik>,
    Caller(who): Caller,
    address: Address,
) -> Result<Response, Fault> {
    let cancelled = psik.app.ask(move |engine| {
        let job = address.find(engine, &who, Need::Write)?;
        let cancelled = engine.cancel(&who, job.key)?;
        Ok((job, cancelled))
    });
    let (job, cancelled) = cancelled.await?;
    psik.app.settle_later(job.key, job.jobid, cancelled);
    Ok(done())
}

/// `GET /jobs/{jobid}`: all transitions.
pub(crate) async fn show_history(
    State(psik): State<Psik>,
    Caller(who): Caller,
    address: Address,
) -> Result<Response, Fault> {
    let history = psik.app.ask(move |engine| {
        let job = address.find(engine, &who, Need::Read)?;
        let rows = engine.history(&who, job.key)?;
        let steps: Vec<_> = rows.iter().map(|row| convert::step_of_history(&job, row)).collect();
        serde_json::to_vec(&steps).map_err(|error| Error::internal("Error reading job", error))
    });
    Ok(json_text(history.await?))
}

/// `GET /jobs/{jobid}/state`
pub(crate) async fn show_state(
    State(psik): State<Psik>,
    Caller(who): Caller,
    address: Address,
) -> Result<Response, Fault> {
    Ok(json(&psik.app.ask(move |engine| address.find(engine, &who, Need::Read)).await?.state))
}
