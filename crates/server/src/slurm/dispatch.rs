//! From a request to an operation, and back.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::header::{ACCEPT_ENCODING, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use jobgate_slurm::cluster::Answer;
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{Framed, JobInfoResp, Meta, Plain};
use jobgate_slurm::openapi::{Follows, Manner};
use jobgate_slurm::operations::{Call as Operation, Found, Plugin, find};
use jobgate_slurm::table::{Problem, Writer};
use jobgate_slurm::version::Version;
use serde_json::Value;

use super::answer::{self, Format, Reply, failure, respond, text};
use super::call::{Call, View};
use super::error::{Followed, status_of};
use super::{Shown, SlurmApp, body, routes, turns};
use crate::accept::Peer;
use crate::asked::operation;
use crate::audit::Trail;
use crate::auth::slurm::{Asker, Standing};
use crate::bodies::Collected;
use crate::promise;

const UNKNOWN: &str = "Unable to find requested URL endpoint. The '/openapi/v3' endpoint lists all that there are.";
const NOBODY: &str = "Authentication failure";
const BUSY: &str = "The cluster is being asked too much at once; try again";
const FORBIDDEN: &str = "These credentials do not allow this request";

/// `only-v0.0.45`: a prefix below which there is only that version. As in slurmrestd's `-d`, `+prefer_refs` may follow.
fn only(part: &str) -> Option<(Version, Manner)> {
    let part = part.strip_prefix("only-")?;
    let plain = part.strip_suffix("+prefer_refs");
    let manner = Manner { references: plain.is_some(), ..Manner::default() };
    Some((Version::parse(plain.unwrap_or(part))?, manner))
}

/// Answers any request of this dialect. Credentials come first: who has none learns nothing, not even what exists.
pub(crate) async fn handle(State(shared): State<SlurmApp>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let peer = parts.extensions.get::<Peer>().copied();
    let now = jiff::Timestamp::now().as_second();
    let trail = Trail::of(&parts.extensions);
    // There is none without the gate: a route that lacks it is closed, not open.
    let asker = match parts.extensions.get::<Standing>().cloned().unwrap_or(Standing::Nobody) {
        Standing::Nobody => return text(StatusCode::UNAUTHORIZED, NOBODY),
        Standing::Forbidden => return text(StatusCode::FORBIDDEN, FORBIDDEN),
        Standing::Exhausted(why, wait) => return exhausted(&shared, &parts, &why, wait),
        Standing::Refused(why) => Err((Errno::AUTHENTICATION, why)),
        Standing::Away(why) => Err((Errno::CONTROLLER_CONNECT, why)),
        Standing::Known(asker) => Ok(asker),
    };
    let format = match body::accepted(&parts.headers) {
        Ok(format) => format,
        Err((status, why)) => return text(status, why),
    };
    let (versions, manner, path) = scope(&shared, parts.uri.path());
    if is_document(&path) && parts.method == Method::GET {
        return match asker {
            Ok(asker) => document(&shared, &versions, manner, &asker, format).await,
            Err(_) => text(StatusCode::UNAUTHORIZED, NOBODY),
        };
    }
    let found = find(parts.method.as_str(), &path)
        .filter(|found| versions.contains(&found.version))
        .filter(|found| shared.slurm.plugins.contains(&found.operation.plugin()));
    let Some(found) = found else { return text(StatusCode::NOT_FOUND, UNKNOWN) };
    let asker = match asker {
        Ok(asker) => asker,
        Err((Errno::AUTHENTICATION, why)) => {
            tracing::info!(%why, "credentials are refused");
            trail.deny();
            return respond(stranger(&shared, &found, "The token is not accepted"), format);
        }
        Err((_, why)) => {
            tracing::info!(%why, "credentials cannot be checked");
            return respond(unanswered(&shared, &found), format);
        }
    };
    // unlike slurmrestd we take bodies in chunks
    let Collected { bytes, room } = match shared.app.bodies.collect(body, shared.app.limits.json_body).await {
        Ok(collected) => collected,
        Err(refused) => return body::refused(&refused),
    };
    let Ok(promise) = promise::of(&parts, &bytes) else {
        return text(StatusCode::BAD_REQUEST, "The Idempotency-Key must have 1 to 255 visible ASCII characters");
    };
    let value = match body::parse(&parts.headers, &bytes) {
        Ok(value) => value,
        // older ones have one answer to all that they cannot read
        Err((StatusCode::BAD_REQUEST | StatusCode::UNSUPPORTED_MEDIA_TYPE, _))
            if Followed::of(found.version, shared.slurm.shown.release().as_deref()) < Followed::V25_05
                && matches!(shared.slurm.shown, Shown::Real(_)) =>
        {
            return text(StatusCode::BAD_REQUEST, "Unable to parse query.");
        }
        Err((status, why)) => return text(status, why),
    };
    let slurm = Arc::clone(&shared.slurm);
    let Some(turn) = shared.slurm.turns.take(found.operation.call).await else {
        return respond(busy(&shared, &found), format);
    };
    let answered = move || {
        // as long as the thread is occupied, also if nobody waits for the answer any more
        let _kept = (turn, room);
        match view(&shared, &asker) {
            Ok(view) => carry_out(call(shared, found, asker, view, &parts, peer, value, promise, now)),
            Err(fault) => {
                tracing::info!(%fault, login = asker.login, "the controller cannot be asked");
                trail.deny();
                stranger(&shared, &found, &fault.description)
            }
        }
    };
    match slurm.threads.run(answered).await {
        Ok(reply) => respond(reply, format),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "Unspecified error"),
    }
}

/// Answers below a prefix such as `/only-v0.0.45`, where there is only that version: what generators of clients want.
pub(crate) async fn handle_one_version(state: State<SlurmApp>, request: Request) -> Response {
    let path = below(&state.0, request.uri().path());
    let first = path.split('/').find(|part| !part.is_empty()).unwrap_or_default();
    if only(first).is_some() { handle(state, request).await } else { text(StatusCode::NOT_FOUND, UNKNOWN) }
}

/// The versions that are served below the path's prefix, how they are described, and the path without it.
fn scope(shared: &SlurmApp, path: &str) -> (Vec<Version>, Manner, String) {
    let mut parts = below(shared, path).split('/').filter(|part| !part.is_empty()).peekable();
    let one = parts.peek().and_then(|first| only(first));
    if one.is_some() {
        parts.next();
    }
    let served = shared.slurm.versions.iter().copied().filter(|version| one.is_none_or(|(one, _)| one == *version));
    let manner = one.map(|(_, manner)| manner).unwrap_or_default();
    (served.collect(), manner, format!("/{}", parts.collect::<Vec<_>>().join("/")))
}

/// The path below the base of this cluster's.
fn below<'a>(shared: &SlurmApp, path: &'a str) -> &'a str {
    path.strip_prefix(&shared.slurm.base).unwrap_or(path)
}

fn is_document(path: &str) -> bool {
    matches!(path, "/openapi" | "/openapi.json" | "/openapi.yaml" | "/openapi/v3")
}

/// Releases describe a version differently: in front of a real cluster it is described as that one's release does.
async fn document(shared: &SlurmApp, versions: &[Version], manner: Manner, asker: &Asker, format: Format) -> Response {
    let Some(turn) = shared.slurm.turns.take(Operation::GetPing).await else {
        return failure(StatusCode::SERVICE_UNAVAILABLE, BUSY, turns::PATIENCE.as_secs());
    };
    let (shared, slurm) = (shared.clone(), Arc::clone(&shared.slurm));
    let (versions, asker) = (versions.to_vec(), asker.clone());
    let make = move || {
        let _turn = turn;
        // whoever looks at a cluster first learns its release
        drop(view(&shared, &asker));
        let release = shared.slurm.shown.release().and_then(|release| Follows::parse(&release));
        shared.slurm.documents.of(&versions, &shared.slurm.plugins, Manner { release, ..manner })
    };
    match slurm.threads.run(make).await {
        Ok(bytes) => respond(Reply { body: vec![bytes.into()], ..Reply::json(StatusCode::OK, Vec::new()) }, format),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "Unspecified error"),
    }
}

#[expect(clippy::too_many_arguments, reason = "everything that is known of a request, put together in one place")]
fn call(
    shared: SlurmApp,
    found: Found,
    asker: Asker,
    view: View,
    parts: &Parts,
    peer: Option<Peer>,
    body: Value,
    promise: Option<jobgate_engine::Idempotency>,
    now: i64,
) -> Call {
    let header = |name| parts.headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    let query = parts.uri.query().unwrap_or_default();
    let gzip = header(ACCEPT_ENCODING).is_some_and(takes_gzip);
    Call {
        operation: found.operation,
        version: found.version,
        name: found.name,
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        body,
        asker,
        view,
        peer: match peer {
            Some(Peer::Tcp(address)) => address.to_string(),
            Some(Peer::Unix { .. }) => "unix".into(),
            Some(Peer::Unknown) | None => "stdin".into(),
        },
        etag: header(IF_NONE_MATCH).map(str::to_owned),
        gzip,
        promise,
        trail: Trail::of(&parts.extensions),
        now,
        problems: Vec::new(),
        warnings: Vec::new(),
        by: None,
        shared,
    }
}

fn takes_gzip(header: &str) -> bool {
    header.split(',').any(|part| {
        let (kind, rest) = part.split_once(';').unwrap_or((part, ""));
        let refused = rest.trim().strip_prefix("q=").is_some_and(|q| q.trim().parse() == Ok(0.0));
        kind.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

/// The cluster, as the caller sees it.
fn view(shared: &SlurmApp, asker: &Asker) -> Answer<View> {
    Ok(match &shared.slurm.shown {
        Shown::Embedded(cluster) => View::Embedded(Arc::clone(cluster)),
        Shown::Real(site) => View::Real(site.seen_by(&asker.caller())?),
    })
}

fn carry_out(mut call: Call) -> Reply {
    let started = Instant::now();
    let (slurm, operation) = (call.shared.slurm.clone(), call.operation.call);
    let reply = match routes::run(&mut call) {
        Ok(reply) => reply,
        Err(failure) => call.refuse(failure),
    };
    slurm.tally.add(operation, &call.asker.login, started.elapsed());
    Reply { age: call.age(), ..reply }
}

/// What somebody is told who has asked too often.
fn exhausted(shared: &SlurmApp, parts: &Parts, why: &str, wait: u64) -> Response {
    let format = body::accepted(&parts.headers).unwrap_or(Format::Json);
    let Some(found) = operation(&parts.method, parts.uri.path()) else {
        return failure(StatusCode::TOO_MANY_REQUESTS, why, wait);
    };
    let problem = Problem { description: why.to_owned(), errno: Errno::GENERAL, source: "rate limit".into() };
    respond(later(shared, &found, &problem, StatusCode::TOO_MANY_REQUESTS, wait), format)
}

/// What somebody is told for whom there was no turn.
fn busy(shared: &SlurmApp, found: &Found) -> Reply {
    let problem = Problem { description: BUSY.into(), errno: Errno::BUSY, source: "jobgate".into() };
    later(shared, found, &problem, StatusCode::SERVICE_UNAVAILABLE, turns::PATIENCE.as_secs())
}

/// Says of a request that was not looked at that it may be repeated in so many seconds.
fn later(shared: &SlurmApp, found: &Found, problem: &Problem, status: StatusCode, wait: u64) -> Reply {
    let meta = answer::meta(found.version, found.operation.plugin(), &shared.slurm.shown, "", "");
    let mut out = Writer::new(found.version);
    framed(Plain::default(), meta, problem, &mut out);
    Reply { wait: Some(wait), ..Reply::json(status, out.into_bytes()) }
}

/// What somebody with bad credentials is told: what slurmrestd says once its controller has refused them. (Its ping says 200
/// and that the controller is down, which is not true.)
fn stranger(shared: &SlurmApp, found: &Found, why: &str) -> Reply {
    let plugin = found.operation.plugin();
    let (status, errno, description, source) = match plugin {
        Plugin::Slurmdbd => (
            StatusCode::BAD_GATEWAY,
            Errno::DB_CONNECTION,
            "Failed to open slurmdbd connection, authentication error",
            "openapi_get_db_conn",
        ),
        Plugin::Slurmctld | Plugin::Util => {
            let status = StatusCode::NETWORK_AUTHENTICATION_REQUIRED;
            (status, Errno::AUTHENTICATION, why, "auth/jwt")
        }
    };
    let problem = Problem { description: description.into(), errno, source: source.into() };
    let meta = answer::meta(found.version, plugin, &shared.slurm.shown, "", "");
    let mut out = Writer::new(found.version);
    match found.operation.call {
        // as a list of none
        Operation::GetJobs => framed(JobInfoResp::default(), meta, &problem, &mut out),
        _ => framed(Plain::default(), meta, &problem, &mut out),
    }
    Reply::json(status, out.into_bytes())
}

/// What somebody is told whose credentials only the controller knows, while that does not answer.
fn unanswered(shared: &SlurmApp, found: &Found) -> Reply {
    let errno = Errno::CONTROLLER_CONNECT;
    let description = "The controller, which alone knows whether the token counts, does not answer; try again";
    let problem = Problem { description: description.into(), errno, source: "jobgate".into() };
    let release = Followed::of(found.version, shared.slurm.shown.release().as_deref());
    later(shared, found, &problem, status_of(errno, release), 1)
}

fn framed<T: Framed>(mut answer: T, meta: Meta, problem: &Problem, out: &mut Writer) {
    answer.frame(meta, answer::errors(std::slice::from_ref(problem)), Vec::new());
    out.object(&answer);
}
