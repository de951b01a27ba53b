//! Whether the one who asks may do what it asks for.

use std::collections::BTreeSet;

use axum::http::request::Parts;
use jobgate_model::{Error, ErrorKind, Principal, Role};

use super::about;
use super::biscuit::judge;
use super::identify::{Identity, Standing};
use super::token::{bearer, is_token};
use super::{Audience, Door, Gatekeeper, local, stranger};
use crate::accept::Peer;
use crate::asked::Asked;

/// In whose manner a request is made: what its method means depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Psik,
    Slurm,
    Autosubmit,
}

/// Whether its token, and the site, let this one do this now. What they say about backends becomes part of the principal.
pub(super) fn allow(
    gate: &Gatekeeper,
    identity: &mut Identity,
    parts: &Parts,
    dialect: Dialect,
    now: i64,
) -> Result<(), Error> {
    // first, because it costs least
    gate.rates.known(identity.in_person(), parts.extensions.get::<Asked>())?;
    let policy = gate.policy.current();
    if identity.token.is_none() && !policy.is_own() {
        return Ok(());
    }
    // psik_api's words
    let forbidden = || Error::new(ErrorKind::Forbidden, "Forbidden");
    let question = about::question(identity, parts, dialect, now).ok_or_else(forbidden)?;
    match judge(&policy, identity.token.as_deref(), &question, &gate.backends) {
        Ok(allowed) => narrow(&mut identity.principal, allowed.backends),
        Err(why) => {
            tracing::info!(who = identity.principal.name, operation = question.operation, %why, "forbidden");
            return Err(forbidden());
        }
    }
    Ok(())
}

/// Whether this one may use all of these backends: Slurm's listings show a queue as a whole.
pub(super) fn may_use_all(principal: &Principal, backends: &[String]) -> Result<(), Error> {
    if backends.iter().all(|name| principal.may_use(name)) {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::Forbidden, "Forbidden"))
    }
}

/// Leaves a principal the backends that it had and that are among these.
fn narrow(principal: &mut Principal, to: Option<BTreeSet<String>>) {
    if let Some(to) = to {
        principal.backends = Some(match &principal.backends {
            Some(had) => had.intersection(&to).cloned().collect(),
            None => to,
        });
    }
}

/// Whether this one belongs to an audience. `Unauthenticated`: we would have to know who asks.
pub(super) fn belongs(
    audience: Audience,
    standing: Standing,
    door: &Door,
    peer: &Peer,
    parts: &Parts,
) -> Result<Identity, Error> {
    let forbidden = |text: &'static str| Err(Error::new(ErrorKind::Forbidden, text));
    match (audience, standing) {
        (
            Audience::Anyone | Audience::Public | Audience::Arrival | Audience::Slurm(_) | Audience::Autosubmit(_),
            Standing::Known(identity),
        ) => Ok(identity),
        (
            Audience::Anyone | Audience::Public | Audience::Arrival | Audience::Slurm(_) | Audience::Autosubmit(_),
            Standing::Nobody | Standing::Refused(_),
        ) => Ok(stranger(peer)),
        (Audience::Owner, Standing::Known(identity)) => match identity.principal.role {
            Role::User | Role::Administrator => Ok(identity),
            Role::Monitor | Role::Stranger => forbidden("this identity may not have jobs"),
        },
        (Audience::Operator, Standing::Known(identity)) => match identity.principal.role {
            Role::Monitor | Role::Administrator => Ok(identity),
            Role::User | Role::Stranger => forbidden("only administrators and monitors may see how the gateway fares"),
        },
        // Who sits on this machine may see how we fare, but for whom somebody else speaks through a proxy.
        (Audience::Operator, Standing::Nobody) if local::is_here(peer) && door.wire == super::Wire::Clear => {
            local::refuse_forwarded(peer, parts).map(|()| stranger(peer))
        }
        (Audience::Owner | Audience::Operator, Standing::Nobody) => Err(unauthenticated(peer, parts)),
        (Audience::Owner | Audience::Operator, Standing::Refused(error)) => Err(error),
    }
}

/// Why a client of whom nothing is known gets no jobs, in psik_api's words.
fn unauthenticated(peer: &Peer, parts: &Parts) -> Error {
    let text = match (bearer(&parts.headers), peer) {
        (Some(text), _) if !is_token(text) => "Required header \"Biscuit: urlsafe-b64-encoded-value\" invalid format.",
        (_, Peer::Unix { .. } | Peer::Unknown) => "Client identity is required.",
        (_, Peer::Tcp(_)) => "Required header \"Biscuit: urlsafe-b64-encoded-value\" not found.",
    };
    Error::new(ErrorKind::Unauthenticated, text)
}
