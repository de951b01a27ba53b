//! Who asks in Slurm's dialect: the credentials that slurmrestd takes, in the headers in which it takes them.
//!
//! slurmrestd does not look into tokens: it hands them on, and a bad one comes to light later, as status 511. Here they are
//! checked at once; [`Standing`] keeps the difference between "no credentials" (401) and "bad credentials" (511).

use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use jobgate_model::{Error, Established, Principal, Role};
use jobgate_slurm::site::{Caller, Proof};

use super::decide::Dialect;
use super::identify::{Identity, client_of};
use super::names::Vouching;
use super::tokens::Refusal;
use super::{Cluster, Door, Gatekeeper, Mode, RunsAs, certificate};
use crate::accept::Peer;

/// Which credentials count (slurmrestd's `-a`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Accepted {
    /// Tokens, and without one what the kernel says of a Unix socket's client.
    #[default]
    All,
    /// Tokens only (`rest_auth/jwt`).
    Tokens,
    /// What the kernel says of a Unix socket's client only (`rest_auth/local`).
    Sockets,
}

/// What is known of who asks.
#[derive(Debug, Clone)]
pub(crate) enum Standing {
    /// There are no credentials, or none of a kind that is understood.
    Nobody,
    /// The credentials are not accepted. Why is for the log only.
    Refused(String),
    /// Whether they are cannot be found out now: the controller does not answer.
    Away(String),
    /// This one, and it may not do this.
    Forbidden,
    /// Whoever it is has asked too often: what to say about it, and in how many seconds to ask again.
    Exhausted(String, u64),
    /// This one.
    Known(Asker),
}

impl Standing {
    /// Whoever it is has asked too often.
    #[expect(clippy::needless_pass_by_value, reason = "it is what a failure becomes")]
    pub(super) fn exhausted(error: Error) -> Self {
        Self::Exhausted(error.message().to_owned(), error.wait_secs().unwrap_or(1))
    }
}

/// Somebody with a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asker {
    /// The login as whom to act.
    pub(crate) login: String,
    /// It is that of an administrator of the whole system (root, SlurmUser, or who is configured).
    pub(crate) administrator: bool,
    /// For the engine.
    pub(crate) principal: Principal,
    /// With what a real cluster's controller is asked for it.
    pub(crate) proof: Proof,
}

impl Asker {
    /// Who asks a real cluster.
    pub(crate) fn caller(&self) -> Caller {
        Caller { login: self.login.clone(), proof: self.proof.clone() }
    }

    /// The same one, who acts as this user.
    pub(crate) fn caller_as(&self, login: &str) -> Caller {
        let proof = match &self.proof {
            proof if login == self.login => proof.clone(),
            Proof::Token(token) | Proof::Behalf(token) => Proof::Behalf(token.clone()),
            Proof::Ours => Proof::Ours,
        };
        Caller { login: login.to_owned(), proof }
    }
}

/// Who asks, or why nobody does.
#[derive(Debug)]
pub(super) enum Asking {
    Nobody,
    Refused(String),
    Away(String),
    Exhausted(Error),
    Known(Box<Identity>, Asker),
}

/// Who asks about a cluster. `now`: unix seconds.
pub(super) async fn asking(
    gate: &Gatekeeper,
    cluster: Cluster,
    door: &Door,
    peer: &Peer,
    parts: &Parts,
    now: i64,
) -> Asking {
    let headers = &parts.headers;
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default().trim());
    let name = text("x-slurm-user-name").filter(|name| !name.is_empty());
    let token = text("x-slurm-user-token").filter(|token| !token.is_empty());
    let bearer = headers.get(AUTHORIZATION).map(|value| bearer(value.to_str().unwrap_or_default()));
    let token = match (token, bearer) {
        // both kinds at once, or another scheme
        (Some(_), Some(_)) | (None, Some(None)) => return Asking::Nobody,
        (Some(token), None) | (None, Some(Some(token))) => Some(token),
        (None, None) => None,
    };
    let identity = match token {
        Some(_) if gate.accepted == Accepted::Sockets => return Asking::Nobody,
        Some(token) => {
            match gate.of_cluster(cluster).tokens.check(door, token, now, || gate.rates.may_fail(peer)).await {
                Ok(identity) => identity,
                Err(Refusal::Away(why)) => return Asking::Away(why),
                Err(Refusal::Exhausted(error)) => return Asking::Exhausted(error),
                Err(refusal) => return Asking::Refused(refusal.to_string()),
            }
        }
        None if gate.accepted == Accepted::Tokens => return Asking::Nobody,
        None => match without_token(gate, cluster, door, peer, parts, now) {
            Some(Ok(identity)) => identity,
            Some(Err(error)) => return Asking::Refused(error.message().to_owned()),
            None => return Asking::Nobody,
        },
    };
    act_as(gate, identity.by(door, peer, parts), name)
}

/// Who has logged in with a browser, has a certificate, or is whom the kernel says; where only the kernel's word counts, that one.
fn without_token(
    gate: &Gatekeeper,
    cluster: Cluster,
    door: &Door,
    peer: &Peer,
    parts: &Parts,
    now: i64,
) -> Option<Result<Identity, Error>> {
    let identity = |principal| Identity::new(principal, client_of(peer));
    let by_cookie = || Some(gate.by_cookie(door, parts, Dialect::Slurm, now)?.map(identity));
    let by_browser = if gate.accepted == Accepted::Sockets { None } else { by_cookie() };
    let by_socket = || by_socket(gate, cluster, door, peer).map(Ok);
    by_browser.or_else(|| certificate::identify(gate, door, parts, now)).or_else(by_socket)
}

/// On a Unix socket the kernel says who it is: our own user, root, and others where the listener is for them, too. As slurmrestd we
/// have a socket that everybody can open; who has no more to show for itself than that must not have jobs that run as our user.
fn by_socket(gate: &Gatekeeper, cluster: Cluster, door: &Door, peer: &Peer) -> Option<Identity> {
    if !door.admits(Established::Local) && !door.admits(Established::Socket) {
        return None;
    }
    let as_us = gate.mode == Mode::Tokens && gate.of_cluster(cluster).runs_as == RunsAs::Gateway;
    let login = match peer {
        Peer::Unix { uid } if *uid == gate.uid => gate.names.login.clone(),
        Peer::Unix { uid: 0 } => "root".into(),
        Peer::Unix { uid } if door.admits(Established::Socket) && !as_us => gate.login_of(*uid)?,
        Peer::Unix { .. } | Peer::Tcp(_) | Peer::Unknown => return None,
    };
    let principal = gate.names.principal(&login, Established::Socket, Vouching::Ours).ok()?;
    Some(Identity { vouching: Vouching::Ours, ..Identity::new(principal, client_of(peer)) })
}

/// A token's user acts as itself; root and SlurmUser may name anybody.
fn act_as(gate: &Gatekeeper, mut identity: Identity, name: Option<&str>) -> Asking {
    let user = gate.names.login_name(&identity.principal).to_owned();
    let login = match name.filter(|name| *name != user) {
        None => user.clone(),
        Some(other) if identity.principal.role == Role::Administrator => {
            match gate.on_behalf(&identity.principal, other) {
                Ok(principal) => identity.behind = Some(std::mem::replace(&mut identity.principal, principal)),
                Err(why) => return Asking::Refused(why),
            }
            other.to_owned()
        }
        Some(other) => return Asking::Refused(format!("a token of {user} came with the name {other}")),
    };
    let proof = match identity.slurm_token.clone() {
        None => Proof::Ours,
        Some(token) if login == user => Proof::Token(token),
        Some(token) => Proof::Behalf(token),
    };
    let principal = identity.principal.clone();
    let asker = Asker { login, administrator: principal.role == Role::Administrator, principal, proof };
    Asking::Known(Box::new(identity), asker)
}

/// The token of an `Authorization` header; `None`: of another scheme.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}
