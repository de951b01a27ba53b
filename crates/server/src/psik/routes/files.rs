//! A job's files: its work directory, its logs, its scripts.

use std::os::fd::OwnedFd;

use axum::body::Body;
use axum::extract::{FromRequestParts, RawPathParams, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use jobgate_engine::{Engine, Job, Need};
use jobgate_model::{Error, Principal};
use serde_json::{Map, Value};

use super::download::{Version, Wanted, decide, respond};
use super::json_text;
use crate::auth::{Caller, Wire};
use crate::files::{self, FileError, Opened, Pieces, TextMap};
use crate::psik::convert::{run_script, stat_of};
use crate::psik::error::Fault;
use crate::psik::request::Address;
use crate::psik::{Dialect, Psik};
use crate::router::redirect_without_slash;

impl From<FileError> for Fault {
    fn from(error: FileError) -> Self {
        match &error {
            FileError::Full(_) => Self::Transfer(StatusCode::INSUFFICIENT_STORAGE, error.to_string()),
            _ => Self::Error(error.into()),
        }
    }
}

/// The path below a job's work directory that a request names.
#[derive(Debug)]
pub(crate) struct FileName(pub(super) String);

impl FromRequestParts<Psik> for FileName {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, psik: &Psik) -> Result<Self, Fault> {
        let nothing = || Error::not_found("Not Found");
        let params = RawPathParams::from_request_parts(parts, psik).await;
        let params = params.map_err(|error| nothing().because(error))?;
        let name = params.iter().find(|(name, _)| *name == "fname").map(|(_, value)| value.to_owned());
        Ok(Self(name.ok_or_else(nothing)?))
    }
}

/// The open work directory of a job.
pub(super) fn work_of(engine: &Engine, who: &Principal, job: &Job) -> Result<OwnedFd, Error> {
    let spec = engine.spec(who, job.key)?;
    Ok(files::open_work(&job.base, spec.directory.as_deref())?)
}

/// `GET /jobs/{jobid}/files`
pub(crate) async fn list_files(
    State(psik): State<Psik>,
    Caller(who): Caller,
    address: Address,
) -> Result<Response, Fault> {
    let dialect = psik.dialect;
    let listing = psik.app.ask(move |engine| {
        let job = address.find(engine, &who, Need::Read)?;
        listing_of(&work_of(engine, &who, &job)?, dialect)
    });
    Ok(json_text(listing.await?))
}

fn listing_of(dir: &OwnedFd, dialect: Dialect) -> Result<String, Error> {
    let mut listing = Map::new();
    for entry in files::list(dir)? {
        let stat = serde_json::to_value(stat_of(&entry, dialect));
        listing.insert(entry.name, stat.map_err(|error| Error::internal("cannot render the listing", error))?);
    }
    Ok(Value::Object(listing).to_string())
}

/// What a file route answers with, before the head is made.
enum Content {
    Listing(String),
    File(Version, Wanted, Body),
}

/// `GET /jobs/{jobid}/files/{path}`: a file, or the listing of a directory.
pub(crate) async fn download_file(
    State(psik): State<Psik>,
    Caller(who): Caller,
    address: Address,
    FileName(name): FileName,
    wire: Wire,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let dialect = psik.dialect;
    if dialect == Dialect::V1 && name.ends_with('/') {
        return Ok(redirect_without_slash(wire, &uri, &headers));
    }
    let path = name.clone();
    let content = psik.app.ask(move |engine| {
        let job = address.find(engine, &who, Need::Read)?;
        let (file, stat) = match files::open(&work_of(engine, &who, &job)?, &path)? {
            Opened::Directory(dir) => return listing_of(&dir, dialect).map(Content::Listing),
            Opened::File(file, stat) => (file, stat),
        };
        let version = Version::of(&stat);
        let wanted = decide(&headers, &version);
        let (offset, length) = match wanted {
            Wanted::Whole => (0, version.size),
            Wanted::Part { offset, length } => (offset, length),
            Wanted::NotModified | Wanted::Unsatisfiable => (0, 0),
        };
        let mut pieces = Pieces::new(file, offset, length);
        let small = pieces.whole().map_err(|error| Error::internal(format!("cannot read {path}"), error))?;
        Ok(Content::File(version, wanted, small.map_or_else(|| files::body_of(None, pieces), Body::from)))
    });
    Ok(match content.await? {
        Content::Listing(listing) => json_text(listing),
        Content::File(version, wanted, body) => respond(&name, &version, &wanted, body),
    })
}

/// `GET /jobs/{jobid}/logs`: the content of every log file.
pub(crate) async fn list_logs(
    State(psik): State<Psik>,
    Caller(who): Caller,
    address: Address,
) -> Result<Response, Fault> {
    let texts = psik.app.ask(move |engine| {
        let job = address.find(engine, &who, Need::Read)?;
        texts_of(TextMap::new(Vec::new(), Some(files::open_part(&job.base, "log")?))?)
    });
    Ok(json_text(texts.await?))
}

/// `GET /jobs/{jobid}/scripts`. Jobs of psik 1 and 2 have a directory of scripts; for all others `run` is
/// made of what was submitted.
pub(crate) async fn list_scripts(
    State(psik): State<Psik>,
    Caller(who): Caller,
    address: Address,
) -> Result<Response, Fault> {
    let texts = psik.app.ask(move |engine| {
        let job = address.find(engine, &who, Need::Read)?;
        let run = ("run".to_owned(), run_script(&engine.spec(&who, job.key)?));
        texts_of(match files::open_part(&job.base, "scripts") {
            Ok(dir) => TextMap::new(vec![run], Some(dir))?,
            Err(FileError::NoDirectory(_)) => TextMap::new(vec![run], None)?,
            Err(error) => return Err(error.into()),
        })
    });
    Ok(json_text(texts.await?))
}

/// The body of a map of texts: at once if they are small.
fn texts_of(mut texts: TextMap) -> Result<Body, Error> {
    match texts.whole().map_err(|error| Error::internal("cannot read the texts", error))? {
        Ok(all) => Ok(all.into()),
        Err(first) => Ok(files::body_of(Some(first), texts)),
    }
}
