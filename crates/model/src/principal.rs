//! Who asks.

use std::collections::BTreeSet;

/// How it was established who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Established {
    /// The person who runs the command line on the index itself.
    Process,
    /// A client on the loopback address or on the gateway's own Unix socket, admitted by psik's local mode.
    Local,
    /// The kernel says which user is at the other end of a Unix socket.
    Socket,
    /// A client certificate of an authority that is trusted with naming users.
    Certificate,
    /// A biscuit, minted by this gateway.
    Biscuit,
    /// A JSON Web Token of an issuer that is trusted with naming users.
    Jwt,
    /// A cookie that was given after a login (OIDC, CAS, GitHub).
    Session,
    /// A secret from a file.
    Secret,
    /// Nothing but a network address is known.
    Address,
}

impl Established {
    /// Its name in the audit log and in policies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Local => "local",
            Self::Socket => "socket",
            Self::Certificate => "certificate",
            Self::Biscuit => "biscuit",
            Self::Jwt => "jwt",
            Self::Session => "session",
            Self::Secret => "secret",
            Self::Address => "address",
        }
    }
}

/// What a principal is to this gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Nobody who may have jobs: public pages only.
    Stranger,
    /// Sees how the gateway fares (`/metrics`, `/readyz`), and no jobs.
    Monitor,
    /// Has jobs, and sees those that were shared.
    User,
    /// Acts on everybody's jobs.
    Administrator,
}

/// What may be done with something that belongs to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Access {
    /// See it.
    Read,
    /// See and change it.
    Write,
}

impl Access {
    /// Its name on the command line and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// A principal: the one who asks, as every policy decision sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The owner name recorded with jobs, for example `alice` or `local:psik_api`.
    pub name: String,
    /// How it was established.
    pub established: Established,
    /// What it is to this gateway.
    pub role: Role,
    /// The only backends whose jobs it may see and submit to; `None`: all. An attenuated biscuit sets it.
    pub backends: Option<BTreeSet<String>>,
    /// When what established it ends, in unix seconds.
    pub expires: Option<i64>,
}

impl Principal {
    /// A principal without restrictions of its own.
    pub fn new(name: impl Into<String>, established: Established, role: Role) -> Self {
        Self { name: name.into(), established, role, backends: None, expires: None }
    }

    /// The owner of all jobs in psik's local mode, by the name that psik_api's README gives it. The command line, which
    /// works on the same index without a server, is the same owner. It may act on everybody's jobs: it can read their files.
    pub fn local(established: Established) -> Self {
        Self::new(LOCAL, established, Role::Administrator)
    }

    /// A client of whom only the network address is known (psik_api's insecure mode).
    pub fn address(address: &str) -> Self {
        Self::new(format!("addr:{address}"), Established::Address, Role::Stranger)
    }

    /// Whether this backend's jobs may be seen and submitted.
    pub fn may_use(&self, backend: &str) -> bool {
        self.backends.as_ref().is_none_or(|backends| backends.contains(backend))
    }
}

/// The longest name of a user, in bytes.
const LONGEST_NAME: usize = 128;

/// Whether a text can be a user's name: a word that can stand in a log and in a path, and that no name of ours
/// (`local:psik_api`, `addr:...`) can be taken for.
pub fn is_user_name(name: &str) -> bool {
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && !matches!(c, ':' | '"' | '\\' | '/' | ',');
    !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(plain)
}

/// The owner of jobs in psik's local mode.
pub const LOCAL: &str = "local:psik_api";
