//! Uploads, streamed to the disk.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::http::Method;
use axum::http::header::{CONTENT_TYPE, USER_AGENT};
use axum::response::Response;
use futures_util::{Stream, StreamExt};
use jobgate_engine::{Need, Room};
use jobgate_model::{Error, Loc, Principal, Violation};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::done;
use super::files::{FileName, work_of};
use crate::app::blocking;
use crate::auth::Caller;
use crate::files::{FileError, Upload, write_all};
use crate::psik::Psik;
use crate::psik::error::{Fault, method_not_allowed};
use crate::psik::request::Address;

/// Bytes written at once.
const PIECE: usize = 512 << 10;
/// Files in one request.
const FILES: usize = 1000;

/// `POST /jobs/{jobid}/files`: the multipart parts called `files`, all of them or none.
pub(crate) async fn upload_files(
    State(psik): State<Psik>,
    Caller(who): Caller,
    address: Address,
    request: Request,
) -> Result<Response, Fault> {
    let wrong =
        |kind, loc: Vec<Loc>, msg| Fault::Violations(psik.dialect, vec![Violation::new(kind, loc, msg, Value::Null)]);
    let missing = || wrong("missing", vec!["body".into(), "files".into()], "Field required");

    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.to_ascii_lowercase().starts_with("multipart/form-data") {
        return Err(missing());
    }
    let (work, room) = open(&psik, who, address).await?;
    let parts = Multipart::from_request(request, &()).await;
    let mut parts = parts.map_err(|_| Error::invalid("Missing boundary in multipart."))?;
    let mut budget = Budget { limit: psik.app.limits.upload, spent: 0, room };
    let mut uploads = Vec::new();
    while let Some(part) = parts.next_field().await.map_err(unreadable)? {
        if part.name() != Some("files") {
            continue;
        }
        let Some(name) = part.file_name().map(str::to_owned) else {
            let loc = vec!["body".into(), "files".into(), Loc::Index(uploads.len())];
            return Err(wrong("value_error", loc, "Value error, expected a file: the part has no filename"));
        };
        if uploads.len() == FILES {
            return Err(Error::invalid(format!("Too many files. Maximum number of files is {FILES}.")).into());
        }
        let content = part.map(|piece| piece.map_err(unreadable));
        uploads.push(store(Arc::clone(&work), name, content, &mut budget).await?);
    }
    if uploads.is_empty() {
        return Err(missing());
    }
    commit(&psik, uploads, budget).await
}

/// `POST` or `PUT /jobs/{jobid}/files/{path}` with the content as the body: what curl makes of psik_api's README,
/// `curl -X POST URL/jobs/ID/files/ --upload-file data.txt`. To every other client this is no route, as in psik_api, so
/// that one which was written for it is told so and does not take a raw body for an upload by mistake.
pub(crate) async fn upload_raw(
    State(psik): State<Psik>,
    Caller(who): Caller,
    address: Address,
    FileName(name): FileName,
    request: Request,
) -> Result<Response, Fault> {
    let agent = request.headers().get(USER_AGENT).map_or(&b""[..], |agent| agent.as_bytes());
    if !agent.starts_with(b"curl/") || !matches!(*request.method(), Method::POST | Method::PUT) {
        return Ok(method_not_allowed());
    }
    let (work, room) = open(&psik, who, address).await?;
    let mut budget = Budget { limit: psik.app.limits.upload, spent: 0, room };
    let content = request.into_body().into_data_stream().map(|piece| piece.map_err(unreadable));
    let upload = store(work, name, content, &mut budget).await?;
    commit(&psik, vec![upload], budget).await
}

/// The work directory, and the room that there is for its job's owner.
async fn open(psik: &Psik, who: Principal, address: Address) -> Result<(Arc<OwnedFd>, Room), Error> {
    let opened = psik.app.ask(move |engine| {
        let job = address.find(engine, &who, Need::Write)?;
        Ok((Arc::new(work_of(engine, &who, &job)?), engine.room(&who, job.key)?))
    });
    opened.await
}

async fn commit(psik: &Psik, uploads: Vec<Upload>, budget: Budget) -> Result<Response, Fault> {
    let engine = Arc::clone(&psik.app.engine);
    let committed = blocking(move || -> Result<(), Fault> {
        uploads.into_iter().try_for_each(Upload::commit)?;
        Ok(engine.keep(budget.room)?)
    });
    committed.await??;
    Ok(done())
}

/// How many bytes of a request have come, and how many may.
struct Budget {
    limit: Option<u64>,
    spent: u64,
    room: Room,
}

impl Budget {
    fn spend(&mut self, bytes: usize) -> Result<(), Fault> {
        self.spent += bytes as u64;
        match self.limit {
            Some(limit) if self.spent > limit => Err(FileError::TooLarge(limit).into()),
            _ => Ok(self.room.take(bytes as u64)?),
        }
    }
}

/// Receives one file. While a piece is written the next one is received.
async fn store<S>(work: Arc<OwnedFd>, name: String, content: S, budget: &mut Budget) -> Result<Upload, Fault>
where
    S: Stream<Item = Result<Bytes, Fault>>,
{
    let (upload, file) = blocking(move || Upload::begin(work, &name)).await??;
    let file = Arc::new(file);
    let mut content = std::pin::pin!(content);
    let mut writing: Option<JoinHandle<Result<(), FileError>>> = None;
    let (mut pieces, mut size) = (Vec::new(), 0);
    loop {
        let piece = content.next().await.transpose()?;
        let ended = piece.is_none();
        if let Some(piece) = piece {
            budget.spend(piece.len())?;
            size += piece.len();
            pieces.push(piece);
        }
        if ended || size >= PIECE {
            finish(writing.take()).await?;
            let (file, name, pieces) = (Arc::clone(&file), upload.name().to_owned(), std::mem::take(&mut pieces));
            size = 0;
            writing = Some(tokio::task::spawn_blocking(move || write_all(&file, &name, &pieces)));
        }
        if ended {
            finish(writing.take()).await?;
            return Ok(upload);
        }
    }
}

async fn finish(writing: Option<JoinHandle<Result<(), FileError>>>) -> Result<(), Fault> {
    let Some(writing) = writing else { return Ok(()) };
    Ok(writing.await.map_err(|panic| Error::internal("the gateway stumbled over this upload", panic))??)
}

fn unreadable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Fault {
    Error::invalid("There was an error parsing the body").because(error).into()
}
