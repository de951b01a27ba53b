//! `/backends`: where jobs can run.

use axum::extract::{Path, State};
use axum::response::Response;
use jiff::Timestamp;
use jobgate_engine::Place;
use jobgate_model::Error;
use serde_json::{Map, Value};

use super::json;
use crate::psik::Psik;
use crate::psik::convert::status_of;
use crate::psik::error::Fault;
use crate::psik::request::QueryValues;

/// `GET /backends`
pub(crate) async fn list_backends(State(psik): State<Psik>, query: QueryValues) -> Result<Response, Fault> {
    let (places, now) = (psik.app.engine.places(), Timestamp::now());
    let shown = match query.get("name") {
        Some(name) => std::slice::from_ref(find(places, name)?),
        None => places,
    };
    let entry = |place: &Place| (place.name.clone(), serde_json::to_value(status_of(place, now)).unwrap_or_default());
    Ok(json(&Value::Object(shown.iter().map(entry).collect::<Map<_, _>>())))
}

/// `GET /backends/{name}`
pub(crate) async fn show_backend(
    State(psik): State<Psik>,
    name: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<Response, Fault> {
    let name = name.map(|Path(name)| name).unwrap_or_default();
    Ok(json(&status_of(find(psik.app.engine.places(), &name)?, Timestamp::now())))
}

fn find<'a>(places: &'a [Place], name: &str) -> Result<&'a Place, Error> {
    places.iter().find(|place| place.name == name).ok_or_else(|| Error::not_found("Item not found"))
}
