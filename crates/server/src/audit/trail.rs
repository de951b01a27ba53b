//! What becomes known of a request while it is handled.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::Extensions;
use axum::http::request::Parts;
use jobgate_engine::audit::{Actor, Event};
use jobgate_model::Principal;

use crate::accept::Peer;
use crate::auth::Wire;

/// What becomes known of a request while it is handled; an extension of every request.
///
/// A handler that does more than its route says (it mints a token, shares a job) tells so with [`Trail::note`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Trail(Arc<Mutex<Known>>);

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Who asks; `None`: nobody came through the gate.
    pub(super) asker: Option<Principal>,
    /// As whom, if that is somebody else.
    pub(super) acts_as: Option<String>,
    /// The job that the answer names.
    pub(super) job: Option<String>,
    /// What was done besides.
    pub(super) events: Vec<Event>,
    /// Whoever asks may not, whatever the status says.
    pub(super) denied: bool,
}

impl Trail {
    /// The trail of a request. Without one, what is told is forgotten.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_default()
    }

    /// Says who asks.
    pub(crate) fn is(&self, principal: &Principal) {
        self.lock().asker = Some(principal.clone());
    }

    /// Says that who asks acts as somebody else.
    pub(crate) fn acts_as(&self, principal: &Principal) {
        self.lock().acts_as = Some(principal.name.clone());
    }

    /// Says which job was made.
    pub(crate) fn job(&self, id: impl Into<String>) {
        self.lock().job = Some(id.into());
    }

    /// Says what was done, by whoever asks.
    pub(crate) fn note(&self, event: Event) {
        self.lock().events.push(event);
    }

    /// Says that whoever asks may not.
    pub(crate) fn deny(&self) {
        self.lock().denied = true;
    }

    pub(super) fn take(&self) -> Known {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Sync> FromRequestParts<S> for Trail {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions))
    }
}

/// Who it was, as the log has it.
pub(super) fn actor(asker: Option<&Principal>, peer: Option<Peer>, wire: Wire) -> Actor {
    let client = match peer {
        Some(Peer::Tcp(address)) => address.ip().to_canonical().to_string(),
        Some(Peer::Unix { uid }) => format!("uid:{uid}"),
        Some(Peer::Unknown) | None => "-".into(),
    };
    let via = match (peer, wire) {
        (Some(Peer::Tcp(_)), Wire::Tls) => "tls",
        (Some(Peer::Tcp(_)), Wire::Clear) => "tcp",
        (Some(Peer::Unix { .. }), _) => "unix",
        (Some(Peer::Unknown) | None, _) => "pipe",
    };
    match asker {
        Some(principal) => Actor::new(principal, client, via),
        None => Actor::unknown(client, via),
    }
}
