//! What is recorded.

use jiff::Timestamp;
use jobgate_model::{Access, Principal, Role};

/// Everything that can be recorded. It never holds a secret: tokens are named by their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A server began to serve.
    Started,
    /// A server ended.
    Stopped,
    /// A request: its dialect (`psik`, `slurm`), its method, and the route that it matched, never its path.
    Request {
        /// The dialect.
        dialect: &'static str,
        /// The method.
        method: String,
        /// The matched route.
        route: String,
    },
    /// A command of the command line, by its verb.
    Command(String),
    /// Somebody logged in at an identity provider.
    LoggedIn {
        /// Its name in the configuration.
        issuer: String,
    },
    /// A login did not succeed.
    LoginFailed {
        /// Its name in the configuration.
        issuer: String,
    },
    /// A session was ended by its user.
    LoggedOut,
    /// A token was made.
    Minted {
        /// Its kind: `biscuit`, `jwt`.
        kind: &'static str,
        /// For whom.
        user: String,
        /// By what it can be revoked; never the token.
        id: String,
    },
    /// A token was revoked.
    Revoked {
        /// Its revocation id.
        id: String,
    },
    /// A job was shared.
    Shared {
        /// With whom.
        with: String,
        /// What that one may do.
        access: Access,
    },
    /// A job is no longer shared.
    Unshared {
        /// With whom.
        with: String,
    },
    /// The site's policy was read anew.
    PolicyReloaded,
    /// A listener's certificates were read anew.
    CertificatesReloaded,
    /// Records were lost because the log could not be written for too long.
    Lost {
        /// So many.
        records: u64,
    },
    /// A new file begins; the chain goes on from an older one.
    Continued,
    /// The log was not as its last writer had left it.
    Mended {
        /// What was found.
        found: String,
        /// The SHA-256 of a line that was not written to its end and is closed off.
        torn: Option<String>,
    },
}

impl Event {
    /// Its name in the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Request { .. } => "request",
            Self::Command(_) => "command",
            Self::LoggedIn { .. } => "logged-in",
            Self::LoginFailed { .. } => "login-failed",
            Self::LoggedOut => "logged-out",
            Self::Minted { .. } => "minted",
            Self::Revoked { .. } => "revoked",
            Self::Shared { .. } => "shared",
            Self::Unshared { .. } => "unshared",
            Self::PolicyReloaded => "policy-reloaded",
            Self::CertificatesReloaded => "certificates-reloaded",
            Self::Lost { .. } => "lost",
            Self::Continued => "continued",
            Self::Mended { .. } => "mended",
        }
    }

    /// What more there is to say.
    pub(super) fn what(&self) -> String {
        match self {
            Self::Request { dialect, method, route } => format!("{dialect} {method} {route}"),
            Self::Command(verb) => format!("jobgate {verb}"),
            Self::LoggedIn { issuer } | Self::LoginFailed { issuer } => issuer.clone(),
            Self::Minted { kind, user, id } => format!("{kind} {id} for {user}"),
            Self::Revoked { id } => id.clone(),
            Self::Shared { with, access } => format!("{} with {with}", access.as_str()),
            Self::Unshared { with } => format!("with {with}"),
            Self::Lost { records } => format!("{records} records"),
            Self::Mended { found, .. } => found.clone(),
            Self::Started
            | Self::Stopped
            | Self::LoggedOut
            | Self::PolicyReloaded
            | Self::CertificatesReloaded
            | Self::Continued => String::new(),
        }
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Allowed,
    /// Whoever asked may not.
    Denied,
    /// It was not done for another reason.
    Failed,
}

impl Outcome {
    /// Its name in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

/// Who did it, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The principal's name; `-`: nobody knows.
    pub who: String,
    /// How that was established.
    pub established: &'static str,
    /// What it is to this gateway.
    pub role: &'static str,
    /// Its address: `192.0.2.1`, `uid:1000` on a Unix socket, `-`.
    pub client: String,
    /// The listener by which it came, or `process`.
    pub via: String,
}

impl Actor {
    /// A principal that came from `client` by `via`.
    pub fn new(principal: &Principal, client: impl Into<String>, via: impl Into<String>) -> Self {
        Self {
            who: principal.name.clone(),
            established: principal.established.as_str(),
            role: role(principal.role),
            client: client.into(),
            via: via.into(),
        }
    }

    /// Somebody of whom nothing is known but from where it came.
    pub fn unknown(client: impl Into<String>, via: impl Into<String>) -> Self {
        Self { who: "-".into(), established: "-", role: "-", client: client.into(), via: via.into() }
    }

    /// This process itself, run by the user with this login.
    pub fn process(login: &str) -> Self {
        Self {
            who: login.to_owned(),
            established: "process",
            role: role(Role::Administrator),
            client: "-".into(),
            via: "process".into(),
        }
    }
}

/// One record, before it has its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When it happened.
    pub time: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// What was done.
    pub event: Event,
    /// The job that it was done to, by its id.
    pub job: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// The answer's status code, if there was a request.
    pub status: Option<u16>,
    /// The request's id.
    pub request_id: Option<String>,
    /// So many like this one happened, if more than one.
    pub times: u64,
}

impl Entry {
    /// A record of something that was done, now.
    pub fn new(actor: Actor, event: Event) -> Self {
        Self {
            time: Timestamp::now(),
            actor,
            event,
            job: None,
            outcome: Outcome::Allowed,
            status: None,
            request_id: None,
            times: 1,
        }
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Stranger => "stranger",
        Role::Monitor => "monitor",
        Role::User => "user",
        Role::Administrator => "administrator",
    }
}
