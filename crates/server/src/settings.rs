//! What a server needs to know.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::autosubmit::AutosubmitSettings;
use crate::slurm::{FurtherCluster, MOST_THREADS, SlurmSettings};
use crate::{AuditSettings, AuthSettings, Listener, Mode};

/// So many threads for what blocks there are by default (tokio's).
const BLOCKING: usize = 512;

/// Where to listen, whom to admit, and how much of anything is too much.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen.
    pub listeners: Vec<Listener>,
    /// Where tokens may be taken without TLS, on sockets that a service manager passes and of which no listener says more.
    pub clear_text: ClearText,
    /// Who is admitted where nothing else is said, and which dialects are spoken.
    pub mode: Mode,
    /// Host names (without port) by which clients may call, besides `localhost` and loopback addresses. A browser that
    /// was lured to another name which resolves to this machine is refused.
    pub hosts: Vec<String>,
    /// Limits.
    pub limits: Limits,
    /// Whom to trust with what.
    pub auth: AuthSettings,
    /// What is recorded of what happens, and where.
    pub audit: AuditSettings,
    /// Slurm's dialect, if it is served.
    pub slurm: Option<SlurmSettings>,
    /// Further clusters, each with Slurm's dialect at a base path of its own.
    pub clusters: Vec<FurtherCluster>,
    /// Autosubmit's dialect, if it is served.
    pub autosubmit: Option<AutosubmitSettings>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listeners: vec![Listener::tcp((Ipv4Addr::LOCALHOST, 8000).into(), Mode::Local)],
            clear_text: ClearText::Loopback,
            mode: Mode::Local,
            hosts: Vec::new(),
            limits: Limits::default(),
            auth: AuthSettings::default(),
            audit: AuditSettings::default(),
            slurm: None,
            clusters: Vec::new(),
            autosubmit: None,
        }
    }
}

impl Settings {
    /// How many threads the runtime needs for what blocks: as many as it has by itself, which suffices for one cluster and all else,
    /// and what further clusters may occupy. Threads that are not needed are not there.
    pub fn blocking_threads(&self) -> usize {
        BLOCKING + self.clusters.len() * MOST_THREADS
    }
}

/// Who may open a Unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketAccess {
    /// Who runs the server (mode 0600).
    Owner,
    /// Everybody on this machine (mode 0777), who then needs credentials.
    Everybody,
}

/// How far secrets may travel without encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClearText {
    /// Within this machine.
    Loopback,
    /// Anywhere.
    Anywhere,
}

/// How much of anything is too much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a JSON body.
    pub json_body: usize,
    /// Bytes of all JSON bodies together that have come and are not done with, not counting small ones.
    pub bodies: usize,
    /// Bytes of one upload request; `None`: any size.
    pub upload: Option<u64>,
    /// Open connections; more wait in the kernel's queue.
    pub connections: usize,
    /// Time to send a request's head, and time that a kept-alive connection may wait for the next one.
    pub header_timeout: Duration,
    /// A connection on which no byte moves for so long, either way, is closed.
    pub stall_timeout: Duration,
    /// Time to send a whole JSON body.
    pub body_timeout: Duration,
    /// Time for the requests under way to end when the server stops.
    pub drain: Duration,
    /// Bytes of rendered job listings that are kept.
    pub listing_cache: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            json_body: 16 << 20,
            bodies: 256 << 20,
            upload: None,
            connections: 512,
            header_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(120),
            body_timeout: Duration::from_secs(60),
            drain: Duration::from_secs(10),
            listing_cache: 64 << 20,
        }
    }
}
