//! What counts as proof of identity on one listener.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use jobgate_model::Established;

/// How clients are told apart where nothing else is said of a listener (psik_api's `authz`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// psik_api's `"authz": "local"`: everybody on the loopback address, and our own user on the Unix socket, is one and
    /// the same principal. Everybody else, and every page of another web site, is refused.
    Local,
    /// psik_api's default class: who brings no token and has no certificate sees public pages only.
    Insecure,
    /// slurmrestd's: there is no dialect but Slurm's, and whoever can connect may bring its credentials.
    Tokens,
    /// Autosubmit API's: there is no dialect but Autosubmit's, and whoever can connect may bring a token.
    Autosubmit,
}

/// One listener, as the gate sees it; an extension of every request that came in by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// The kinds of identity that count.
    pub admits: BTreeSet<Established>,
    /// Who is talked to at all.
    pub clients: Clients,
    /// Whether what is said can be read on the way.
    pub wire: Wire,
}

/// Who is talked to at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clients {
    /// Who is on this machine: others, and pages of other web sites, are turned away before anything else.
    Local,
    /// Everybody who can connect.
    Anybody,
}

/// Whether what is said can be read on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// It stays on this machine, or the site has said that it does not mind.
    Clear,
    /// TLS.
    Tls,
}

impl Door {
    /// What counts in a mode.
    pub fn of(mode: Mode) -> Self {
        use Established::{Biscuit, Certificate, Jwt, Local, Secret, Session, Socket};
        let (admits, clients) = match mode {
            Mode::Local => (vec![Local, Biscuit, Jwt, Secret, Session], Clients::Local),
            Mode::Insecure => (vec![Certificate, Biscuit, Jwt, Secret, Session], Clients::Anybody),
            Mode::Tokens => (vec![Socket, Jwt, Biscuit], Clients::Anybody),
            Mode::Autosubmit => (vec![Jwt, Secret, Biscuit], Clients::Anybody),
        };
        Self { admits: admits.into_iter().collect(), clients, wire: Wire::Clear }
    }

    /// What counts in a mode on a listener with TLS: nobody is taken for this machine's user, and whoever can connect may
    /// bring a certificate or a token. This is psik_api's default class under `certified serve`.
    pub fn over_tls(mode: Mode) -> Self {
        let admits = match mode {
            Mode::Local | Mode::Insecure | Mode::Autosubmit => Self::of(Mode::Insecure).admits,
            Mode::Tokens => [Established::Certificate, Established::Jwt].into(),
        };
        Self { admits, clients: Clients::Anybody, wire: Wire::Tls }
    }

    /// Whether this kind of identity counts.
    pub fn admits(&self, kind: Established) -> bool {
        self.admits.contains(&kind)
    }
}

/// Of the listener by which a request came in.
impl<S: Sync> FromRequestParts<S> for Wire {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Arc<Door>>().map_or(Self::Clear, |door| door.wire))
    }
}
