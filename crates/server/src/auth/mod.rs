//! Who may ask for what. This is the only place where that is decided, for every route of every dialect.
//!
//! A route belongs to an [`Audience`] (see `router.rs`); [`admit`] says as whom a request is admitted to it. The doors for
//! certificates and tokens are here: a mode that knows its clients adds a variant to [`Mode`] and a file beside `local.rs`.

mod local;
pub(crate) mod token;

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use jobgate_model::{Error, ErrorKind, Established, Principal};

use crate::accept::Peer;
use crate::app::App;
use crate::psik::error::Fault;

/// How clients are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// psik_api's `"authz": "local"`: everybody on the loopback address, and our own user on the Unix socket, is one and
    /// the same principal. Everybody else, and every page of another web site, is refused.
    Local,
    /// psik_api's default class over plain HTTP: nobody can be told apart, so nobody gets at jobs.
    Insecure,
}

/// The mode with what it needs to know.
#[derive(Debug)]
pub(crate) struct Policy {
    mode: Mode,
    hosts: Vec<String>,
    uid: u32,
}

impl Policy {
    pub(crate) fn new(mode: Mode, hosts: &[String]) -> Self {
        let hosts = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        Self { mode, hosts, uid: rustix::process::geteuid().as_raw() }
    }
}

/// Whom a route is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Everybody who can connect: whether we live.
    Anyone,
    /// Everybody the mode talks to: documents, names of backends, tokens.
    Public,
    /// Who runs this gateway: how we fare.
    Operator,
    /// Who may have jobs.
    Owner,
}

/// Says as whom a request is admitted to the routes of an audience. `Forbidden`: we do not talk to this client at all;
/// `Unauthenticated`: we would have to know who asks.
pub(crate) fn admit(policy: &Policy, audience: Audience, parts: &Parts) -> Result<Principal, Error> {
    let Some(peer) = parts.extensions.get::<Peer>() else {
        return Err(Error::new(ErrorKind::Forbidden, "the connection has no known origin"));
    };
    if audience == Audience::Anyone {
        return Ok(address_of(peer));
    }
    match policy.mode {
        Mode::Local => {
            local::admit_peer(peer, policy.uid)?;
            local::refuse_web_sites(peer, &policy.hosts, parts)?;
            Ok(Principal::local(Established::Local))
        }
        Mode::Insecure => match audience {
            Audience::Operator => local::admit_peer(peer, policy.uid).map(|()| address_of(peer)),
            Audience::Owner => Err(unauthenticated(peer, parts)),
            Audience::Public | Audience::Anyone => Ok(address_of(peer)),
        },
    }
}

fn address_of(peer: &Peer) -> Principal {
    match peer {
        Peer::Tcp(address) => Principal::address(&address.ip().to_canonical().to_string()),
        Peer::Unix { .. } => Principal::address("unix"),
    }
}

/// Why a client of whom nothing is known gets no jobs, in psik_api's words.
fn unauthenticated(peer: &Peer, parts: &Parts) -> Error {
    let text = match (token::bearer(&parts.headers), peer) {
        (Some(text), _) if token::parse(text).is_err() => {
            "Required header \"Biscuit: urlsafe-b64-encoded-value\" invalid format."
        }
        (_, Peer::Unix { .. }) => "Client identity is required.",
        (_, Peer::Tcp(_)) => "Required header \"Biscuit: urlsafe-b64-encoded-value\" not found.",
    };
    Error::new(ErrorKind::Unauthenticated, text)
}

/// The outcome of [`admit`], an extension of every request that is routed.
#[derive(Debug, Clone)]
pub(crate) struct Admission(Arc<Result<Principal, Error>>);

impl Admission {
    /// The name for the log line.
    pub(crate) fn name(&self) -> &str {
        self.0.as_ref().as_ref().map_or("-", |principal| &principal.name)
    }
}

/// The gate before the routes of one audience. Clients that we do not talk to are turned away here; who is merely unknown
/// is told so by the handler (through [`Caller`]), because psik_api complains about broken JSON first.
pub(crate) async fn gate(
    State((app, audience)): State<(Arc<App>, Audience)>,
    request: Request,
    next: Next,
) -> Result<Response, Fault> {
    let (mut parts, body) = request.into_parts();
    let outcome = admit(&app.policy, audience, &parts);
    if let Err(error) = &outcome
        && error.kind() == ErrorKind::Forbidden
    {
        return Err(Fault::from(Error::new(ErrorKind::Forbidden, error.message().to_owned())));
    }
    let admission = Admission(Arc::new(outcome));
    parts.extensions.insert(admission.clone());
    let mut response = next.run(Request::from_parts(parts, body)).await;
    response.extensions_mut().insert(admission);
    Ok(response)
}

/// The principal that a handler works for. There is none without [`gate`]: a route that lacks it is closed, not open.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) Principal);

impl Caller {
    /// Who asks, from a request that passed the gate.
    pub(crate) fn of(parts: &Parts) -> Result<Self, Error> {
        let admission = parts.extensions.get::<Admission>();
        match admission.map(|admission| admission.0.as_ref()) {
            Some(Ok(principal)) => Ok(Self(principal.clone())),
            Some(Err(error)) => Err(Error::new(error.kind(), error.message().to_owned())),
            None => Err(Error::new(ErrorKind::Forbidden, "this route is not open to anybody")),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        Ok(Self::of(parts)?)
    }
}
