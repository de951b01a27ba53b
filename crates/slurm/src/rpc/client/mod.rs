//! Asking a controller: one connection per request, with limits of time and size.

mod backoff;
pub(super) mod bodies;
pub(super) mod exchange;
mod jobs;
mod reads;
pub(super) mod reply;
pub(super) mod resolve;
mod writes;

pub use backoff::pause;
pub use jobs::Jobs;
pub use reads::{Fresh, Listing};
pub use reply::States;
pub use writes::Submitted;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::codec::{Reader, Text, Wire};
use super::error::Error;
use super::orders::Governors;
use super::{Credential, Kind, Protocol, Unsendable, frame};
use crate::errno::Errno;
use crate::turns::Turns;
use exchange::Exchange;
use reply::Reply;
use resolve::Addresses;

/// Where a controller listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    /// What the cluster calls it (`SlurmctldHost`); it is shown by this name.
    pub name: String,
    /// Its address, or a name that has one.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl Controller {
    /// The port of a controller whose configuration says nothing else (`SlurmctldPort`).
    pub const PORT: u16 = 6817;

    /// Reads `host`, `host:port`, `[address]:port`, or with a name before it as in `slurm.conf`: `name(address):port`. `None`
    /// for what is none of them.
    pub fn parse(text: &str) -> Option<Self> {
        Self::parse_at(text, Self::PORT)
    }

    /// The same; `usual` is the port where none is said.
    pub fn parse_at(text: &str, usual: u16) -> Option<Self> {
        let text = text.trim();
        let with_port = |rest: &str| if rest.is_empty() { Some(usual) } else { rest.strip_prefix(':')?.parse().ok() };
        let (name, host, port) =
            if let Some((host, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
                (host, host, with_port(rest)?)
            } else if let Some((name, (host, rest))) =
                text.split_once('(').and_then(|(name, rest)| Some((name, rest.split_once(')')?)))
            {
                (name, host, with_port(rest)?)
            } else {
                match text.rsplit_once(':') {
                    // an address of IPv6 without brackets has no port
                    Some((host, port)) if !host.contains(':') => (host, host, port.parse().ok()?),
                    _ => (text, text, usual),
                }
            };
        let is_said = !name.is_empty() && !host.is_empty();
        is_said.then(|| Self { name: name.to_owned(), host: host.to_owned(), port })
    }
}

impl std::fmt::Display for Controller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.host {
            host if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            host => write!(f, "{host}:{}", self.port),
        }
    }
}

/// What is asked for, in a version of the protocol.
type Packed = Result<Vec<u8>, Unsendable>;

/// How long is waited, and how much is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For a connection.
    pub connect: Duration,
    /// For an answer, the connection included.
    pub total: Duration,
    /// Bytes of an answer. A job is about 700 of them.
    pub reply: u32,
    /// Connections at the same time; the other requests wait for their turn, within the time for an answer.
    pub at_once: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), total: Duration::from_secs(60), reply: 512 << 20, at_once: 32 }
    }
}

/// The controllers of a cluster: the first, and those that step in for it. Asking blocks the thread.
#[derive(Debug)]
pub struct Client {
    controllers: Vec<Controller>,
    /// The version that is spoken: its place among all.
    protocol: AtomicUsize,
    /// Which one it is; `None`: the newest that the controller knows.
    wanted: Option<Protocol>,
    limits: Limits,
    /// Who answered last.
    preferred: AtomicUsize,
    addresses: Addresses,
    turns: Turns,
    /// Who may govern frequencies of CPUs, as [`Client::outline`] has told.
    governors: Mutex<Option<Governors>>,
}

impl Client {
    /// Asks these controllers, the first one first. Speaks this version of the protocol; if it is not said, the one that most
    /// understand until [`Client::outline`] tells the controller's release, and then the newest that this one knows. A controller that
    /// does not speak it, for its release has become too old or too new for that, is asked in one that it speaks.
    pub fn new(controllers: Vec<Controller>, wanted: Option<Protocol>, limits: Limits) -> Self {
        let (preferred, turns) = (AtomicUsize::new(0), Turns::new(limits.at_once));
        let protocol = AtomicUsize::new(wanted.unwrap_or(Protocol::V24_11) as usize);
        let (addresses, governors) = (Addresses::default(), Mutex::default());
        Self { controllers, protocol, wanted, limits, preferred, addresses, turns, governors }
    }

    /// Speaks the newest version that a controller of this release knows, unless another one is wanted.
    fn follow(&self, release: &str) {
        if let (None, Some(newest)) = (self.wanted, Protocol::newest_of(release)) {
            self.protocol.store(newest as usize, Ordering::Relaxed);
        }
    }

    /// The version that is spoken.
    pub fn protocol(&self) -> Protocol {
        Protocol::ALL[self.protocol.load(Ordering::Relaxed)]
    }

    /// The controllers, the first one first.
    pub fn controllers(&self) -> &[Controller] {
        &self.controllers
    }

    /// Asks whoever answered last, and the others if that one cannot be reached or stands by. `body` packs what is asked for.
    ///
    /// Nobody is told to do what somebody else may already have done: another controller is only asked, and another version
    /// only spoken, if the first has certainly done nothing. But the next request goes to another one if this one was not
    /// answered: whoever hangs may have been stepped in for, and who stands by leads back.
    fn ask(&self, credential: &Credential, kind: Kind, body: impl Fn(Protocol) -> Packed) -> Result<Reply, Error> {
        self.ask_while(credential, kind, body, &mut || ())
    }

    /// The same; calls `meanwhile` whenever something was sent and its answer is to be waited for.
    fn ask_while(
        &self,
        credential: &Credential,
        kind: Kind,
        body: impl Fn(Protocol) -> Packed,
        meanwhile: &mut dyn FnMut(),
    ) -> Result<Reply, Error> {
        let first = self.preferred.load(Ordering::Relaxed);
        let mut outcome = Err(Error::NoController);
        for place in 0..self.controllers.len() {
            let place = (first + place) % self.controllers.len();
            outcome = self.ask_one(&self.controllers[place], credential, kind, &body, meanwhile);
            match &outcome {
                Err(error) if error.asks_for_another() => continue,
                Err(error) if error.is_unasked() => {}
                Err(error) if error.is_unanswered() => {
                    self.preferred.store((place + 1) % self.controllers.len(), Ordering::Relaxed);
                }
                _ => self.preferred.store(place, Ordering::Relaxed),
            }
            break;
        }
        outcome
    }

    /// Asks one controller, in the version that it understands. What it refuses is an error.
    fn ask_one(
        &self,
        controller: &Controller,
        credential: &Credential,
        kind: Kind,
        body: &impl Fn(Protocol) -> Packed,
        meanwhile: &mut dyn FnMut(),
    ) -> Result<Reply, Error> {
        let mut protocol = self.protocol();
        let mut spoken = vec![protocol];
        loop {
            let outcome = self.ask_in(protocol, controller, (credential, kind, &body(protocol)?), meanwhile);
            let other = match &outcome {
                Ok(_) | Err(Error::Refused { .. }) => {
                    // what was understood at once is no news, and may be older than what is known by now
                    if spoken.len() > 1 {
                        self.protocol.store(protocol as usize, Ordering::Relaxed);
                    }
                    None
                }
                Err(Error::Version { answered, .. }) => protocol.other(*answered),
                Err(_) => None,
            };
            let Some(other) = other.filter(|other| !spoken.contains(other)) else { return outcome };
            protocol = other;
            spoken.push(other);
        }
    }

    /// Asks one controller in this version. An answer in another one is an error.
    fn ask_in(
        &self,
        protocol: Protocol,
        controller: &Controller,
        (credential, kind, body): (&Credential, Kind, &[u8]),
        meanwhile: &mut dyn FnMut(),
    ) -> Result<Reply, Error> {
        let who = format!("the controller at {controller}");
        let end = Instant::now() + self.limits.total;
        let busy = || Error::Busy { who: who.clone(), within: self.limits.total };
        let _turn = self.turns.take(end).ok_or_else(busy)?;
        // each controller gets a credential of its own: one of MUNGE counts once
        let message =
            frame::message(protocol, kind, credential, body).map_err(|source| Error::NoCredential { source })?;
        let frame =
            Exchange { place: controller, who: &who, protocol, limits: self.limits, addresses: &self.addresses }
                .run(&message, end, meanwhile)?;
        let malformed = |source| Error::Malformed { kind, source };
        let answered = frame::answered(&frame).map_err(malformed)?;
        if answered.version != protocol.number() {
            let (asked, answered) = (protocol, Some(answered.version));
            return Err(Error::Version { who, asked, answered });
        }
        let reply = Reply { kind: answered.kind, body: answered.body, frame, protocol };
        match refusal(&reply).map_err(malformed)? {
            Some(refused) => Err(refused),
            None => Ok(reply),
        }
    }
}

/// What a plain result says, if it is one and not that all is well.
fn refusal(reply: &Reply) -> Result<Option<Error>, super::Malformed> {
    let mut from = reply.reader();
    let (number, words) = match reply.kind {
        Kind::RESULT => (from.u32()?, None),
        Kind::RESULT_WITH_WORDS => (from.u32()?, Text::read(&mut from)?.string()),
        _ => return Ok(None),
    };
    let errno = Errno(number.cast_signed());
    Ok((errno != Errno::NONE).then_some(Error::Refused { errno, words: words.filter(|words| !words.is_empty()) }))
}

impl Reply {
    fn reader(&self) -> Reader<'_> {
        Reader::new(&self.frame[self.body.clone()], self.protocol)
    }

    /// From this place of the body on.
    fn reader_at(&self, at: usize) -> Reader<'_> {
        Reader::new(&self.frame[self.body.clone()][at..], self.protocol)
    }
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
