//! From a request to the one who asks: which credentials it brings, and which of them count.
//!
//! A token in a header wins over a cookie, that over a certificate, that over what the connection itself says: who brings
//! more than one means the one that was chosen for this very request.

use std::sync::Arc;

use axum::http::request::Parts;
use jobgate_model::{Error, ErrorKind, Established, Principal};
use jobgate_slurm::site::Token;

use super::biscuit::Verified;
use super::certificate::Subject;
use super::decide::Dialect;
use super::names::Vouching;
use super::token::{bearer, is_token};
use super::tokens::Refusal;
use super::{Audience, Clients, Door, Gatekeeper, certificate, local};
use crate::accept::Peer;

/// Who asks, with what is known besides the principal.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// The one who asks.
    pub(crate) principal: Principal,
    /// How psik_api calls the client in policies: `uid:alice`, `cn:alice`, `addr:192.0.2.1`, `local:psik_api`.
    pub(crate) client: String,
    /// The serial number of the client's certificate, in hexadecimal digits; empty without one.
    pub(crate) serial: String,
    /// The biscuit that it brought.
    pub(crate) token: Option<Arc<Verified>>,
    /// The token of Slurm's that it brought: a real cluster's controller knows it, too.
    pub(crate) slurm_token: Option<Token>,
    /// The administrator who asks, where the principal is somebody as whom that one acts.
    pub(crate) behind: Option<Principal>,
    /// Whose word it is that this is its name: a token that it is given says so, too.
    pub(crate) vouching: Vouching,
}

impl Identity {
    /// Somebody who brought no biscuit, and whom others call so. `client` may be empty: then it is the connection's address.
    pub(crate) fn new(principal: Principal, client: String) -> Self {
        Self {
            principal,
            client,
            serial: String::new(),
            token: None,
            slurm_token: None,
            behind: None,
            vouching: Vouching::Others,
        }
    }

    /// Who really asks: that one is recorded, and charged with what it costs.
    pub(crate) fn in_person(&self) -> &Principal {
        self.behind.as_ref().unwrap_or(&self.principal)
    }

    /// The same, who has come by this connection: a token alone does not say how psik_api calls its bearer.
    pub(super) fn by(mut self, door: &Door, peer: &Peer, parts: &Parts) -> Self {
        let subject = certificate::subject(door, parts);
        if self.client.is_empty() {
            self.client = subject.and_then(Subject::client).unwrap_or_else(|| client_of(peer));
        }
        self.serial = subject.map(|subject| subject.serial.clone()).unwrap_or_default();
        self
    }
}

/// What is known of who asks.
#[derive(Debug)]
pub(crate) enum Standing {
    /// It brings nothing that counts here.
    Nobody,
    /// What it brings is not accepted.
    Refused(Error),
    /// This one.
    Known(Identity),
}

/// Turns away whom we do not talk to at all.
pub(super) fn welcome(
    gate: &Gatekeeper,
    door: &Door,
    peer: &Peer,
    audience: Audience,
    parts: &Parts,
) -> Result<(), Error> {
    if door.clients == Clients::Local {
        local::admit_peer(peer, gate.uid, door.admits(Established::Socket))?;
        local::refuse_forwarded(peer, parts)?;
        local::refuse_rebound_names(peer, &gate.hosts, parts)?;
        // the other site from which somebody comes back is the one that we sent it to; its state proves that
        if audience != Audience::Arrival {
            local::refuse_web_sites(gate.origins(), parts)?;
        }
    }
    Ok(())
}

/// Who asks in a dialect that is not Slurm's.
pub(super) async fn identify(
    gate: &Gatekeeper,
    door: &Door,
    peer: &Peer,
    parts: &Parts,
    dialect: Dialect,
    now: i64,
) -> Standing {
    if let Some(text) = bearer(&parts.headers) {
        match gate.main.tokens.check(door, text, now, || gate.rates.may_fail(peer)).await {
            Ok(identity) => return Standing::Known(identity.by(door, peer, parts)),
            // In psik's local mode the header is ignored: clients carry tokens of other gateways in it.
            Err(Refusal::Foreign(_)) if door.admits(Established::Local) => {}
            Err(refusal) => {
                tracing::info!(%refusal, "a token is refused");
                return Standing::Refused(refused(text, refusal));
            }
        }
    }
    if let Some(outcome) = gate.by_cookie(door, parts, dialect, now) {
        return match outcome {
            Ok(principal) => Standing::Known(Identity::new(principal, client_of(peer))),
            Err(error) => Standing::Refused(error),
        };
    }
    match certificate::identify(gate, door, parts, now) {
        Some(Ok(identity)) => Standing::Known(identity.by(door, peer, parts)),
        Some(Err(error)) => Standing::Refused(error),
        None => by_connection(gate, door, peer),
    }
}

/// What the connection itself says.
fn by_connection(gate: &Gatekeeper, door: &Door, peer: &Peer) -> Standing {
    let vouching = Vouching::Ours;
    let known = |principal| Standing::Known(Identity { vouching, ..Identity::new(principal, client_of(peer)) });
    match peer {
        Peer::Tcp(address) if door.admits(Established::Local) && address.ip().to_canonical().is_loopback() => {
            known(Principal::local(Established::Local))
        }
        Peer::Unix { uid } if door.admits(Established::Local) && (*uid == gate.uid || *uid == 0) => {
            known(Principal::local(Established::Local))
        }
        Peer::Unix { uid } if door.admits(Established::Socket) => match gate.login_of(*uid) {
            Some(login) => match gate.names.principal(&login, Established::Socket, Vouching::Ours) {
                Ok(principal) => known(principal),
                Err(why) => Standing::Refused(Error::new(ErrorKind::Unauthenticated, why)),
            },
            None => Standing::Nobody,
        },
        Peer::Tcp(_) | Peer::Unix { .. } | Peer::Unknown => Standing::Nobody,
    }
}

/// How psik_api calls a client of which only the connection is known.
pub(super) fn client_of(peer: &Peer) -> String {
    match peer {
        Peer::Tcp(address) => format!("addr:{}", address.ip().to_canonical()),
        Peer::Unix { .. } => "addr:unix".into(),
        Peer::Unknown => "addr:stdin".into(),
    }
}

/// What the bearer of a token that does not count is told: psik_api's words where it has some, and never why a key, a
/// signature or a claim is not the right one.
fn refused(text: &str, refusal: Refusal) -> Error {
    let words = match refusal {
        Refusal::Expired => "the token has expired; get a new one",
        Refusal::Revoked => "the token was revoked",
        Refusal::Foreign(_) if !is_token(text) => {
            "Required header \"Biscuit: urlsafe-b64-encoded-value\" invalid format."
        }
        Refusal::Foreign(_) | Refusal::Wrong(_) => "the token is not accepted",
        Refusal::Exhausted(error) => return error,
        Refusal::Away(_) => {
            let words =
                "the cluster's controller, which alone knows whether the token counts, does not answer; try again";
            return Error::new(ErrorKind::Unavailable, words);
        }
    };
    Error::new(ErrorKind::Unauthenticated, words)
}
