//! A cluster's accounting database (slurmdbd), asked in its own protocol: a connection begins with a greeting, which says who
//! asks and which cluster is meant, and then has questions and answers without headers. The database decides itself what
//! whoever asks may see. It is only read.

mod books;
mod condition;
mod inquiry;
mod listed;
mod lists;
mod names;
mod records;
mod show;
mod show_lists;
mod talk;
mod wanted;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

pub use condition::{Moment, RecordsOf, Unanswered};
pub use inquiry::{Heard, Inquiry};
pub use listed::Listed;
pub use names::People;

use super::client::exchange::Exchange;
use super::client::resolve::Addresses;
use super::error::Error;
use super::{Controller, Credential, Limits, Protocol};
use crate::cluster::Fault;
use crate::errno::Errno;
use crate::turns::Turns;
use talk::Talk;

/// An accounting database: its host, and those that step in for it. Inquiry blocks the thread.
#[derive(Debug)]
pub struct Database {
    hosts: Vec<Controller>,
    limits: Limits,
    /// The version that was understood last: its place among all.
    protocol: AtomicUsize,
    /// Who answered last.
    preferred: AtomicUsize,
    addresses: Addresses,
    turns: Turns,
}

impl Database {
    /// The port of one whose configuration says nothing else (`DbdPort`).
    pub const PORT: u16 = 6819;

    /// Asks these hosts, the first one first. The newest version of the protocol is spoken that it understands.
    pub fn new(hosts: Vec<Controller>, limits: Limits) -> Self {
        Self {
            hosts,
            limits,
            protocol: AtomicUsize::new(Protocol::ALL.len() - 1),
            preferred: AtomicUsize::new(0),
            addresses: Addresses::default(),
            turns: Turns::new(limits.at_once),
        }
    }

    /// Where it is, the first host first.
    pub fn hosts(&self) -> &[Controller] {
        &self.hosts
    }

    /// Somebody's questions.
    pub fn asked_by(self: &Arc<Self>, who: Credential, cluster: &str, people: Arc<dyn People>) -> Inquiry {
        Inquiry::new(Arc::clone(self), who, cluster.to_owned(), people)
    }

    /// Speaks to whoever answered last, or to another host if that one cannot be reached. Nothing is changed, so nothing is done
    /// twice by asking twice.
    fn talk<T>(
        &self,
        who: &Credential,
        cluster: &str,
        with: &mut dyn FnMut(&Talk<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let end = Instant::now() + self.limits.total;
        let first = self.preferred.load(Ordering::Relaxed);
        let mut outcome = Err(Error::NoController);
        for place in 0..self.hosts.len() {
            let place = (first + place) % self.hosts.len();
            let at = format!("the accounting database at {}", self.hosts[place]);
            let busy = || Error::Busy { who: at.clone(), within: self.limits.total };
            let _turn = self.turns.take(end).ok_or_else(busy)?;
            outcome = self.talk_to(&self.hosts[place], &at, who, cluster, end).and_then(|talk| with(&talk));
            if !matches!(outcome, Err(Error::Unreachable { .. })) {
                self.preferred.store(place, Ordering::Relaxed);
                break;
            }
        }
        outcome
    }

    /// Begins a conversation in the version that was understood last, or else in the newest that is.
    fn talk_to<'a>(
        &'a self,
        host: &'a Controller,
        at: &'a str,
        who: &Credential,
        cluster: &str,
        end: Instant,
    ) -> Result<Talk<'a>, Error> {
        let last = Protocol::ALL[self.protocol.load(Ordering::Relaxed)];
        let others = Protocol::ALL.into_iter().rev().filter(|other| *other != last);
        let mut outcome = Err(Error::NoController);
        for protocol in std::iter::once(last).chain(others) {
            let exchange = Exchange { place: host, who: at, protocol, limits: self.limits, addresses: &self.addresses };
            outcome = Talk::begin(exchange, who, cluster, end);
            if !matches!(outcome, Err(Error::Version { .. })) {
                self.protocol.store(protocol as usize, Ordering::Relaxed);
                break;
            }
        }
        outcome
    }
}

/// An error as the API tells it: what the database refuses has its number, all else is that it cannot be asked.
fn fault(error: Error) -> Fault {
    match error {
        Error::Refused { .. } => error.into(),
        Error::NoController => Fault::new(Errno::DB_CONNECTION, "no accounting database is configured"),
        error => Fault::new(Errno::DB_CONNECTION, error.to_string()),
    }
}

#[cfg(test)]
mod tests;
