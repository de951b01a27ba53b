//! What a server needs to know.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::Mode;

/// Where to listen, whom to admit, and how much of anything is too much.
#[derive(Debug, Clone)]
pub struct Settings {
    /// TCP addresses; port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// Paths of Unix sockets; they are made with mode 0600.
    pub uds: Vec<PathBuf>,
    /// Who is admitted.
    pub mode: Mode,
    /// Host names (without port) by which clients may call, besides `localhost` and loopback addresses. A browser that
    /// was lured to another name which resolves to this machine is refused.
    pub hosts: Vec<String>,
    /// Limits.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: vec![(Ipv4Addr::LOCALHOST, 8000).into()],
            uds: Vec::new(),
            mode: Mode::Local,
            hosts: Vec::new(),
            limits: Limits::default(),
        }
    }
}

/// How much of anything is too much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a JSON body.
    pub json_body: usize,
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
