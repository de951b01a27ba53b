//! A cluster's accounting database (slurmdbd), asked in its own protocol: a connection begins with a greeting, which says who
//! asks and which cluster is meant, and then has questions and answers without headers. The database decides itself what
//! whoever asks may see. It is only read.

mod books;
mod condition;
mod inquiry;
mod listed;
mod lists;
mod names;
mod pauses;
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
use books::KeptNames;
use pauses::{Between, Paused, Pauses};
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
    pauses: Pauses,
    names: KeptNames,
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
            pauses: Pauses::default(),
            names: KeptNames::default(),
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

    /// Something was changed that numbers may stand for.
    pub fn changed(&self) {
        self.names.forget();
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
            let host = (first + place) % self.hosts.len();
            let at = format!("the accounting database at {}", self.hosts[host]);
            let busy = || Error::Busy { who: at.clone(), within: self.limits.total };
            let _turn = self.turns.take(end).ok_or_else(busy)?;
            outcome = self.talk_to(Between { who: who.clone(), host, cluster: cluster.to_owned() }, &at, end, with);
            if !matches!(outcome, Err(Error::Unreachable { .. })) {
                self.preferred.store(host, Ordering::Relaxed);
                break;
            }
        }
        outcome
    }

    /// Goes on with a conversation that has paused, or begins one.
    fn talk_to<T>(
        &self,
        between: Between,
        at: &str,
        end: Instant,
        with: &mut dyn FnMut(&Talk<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        while let Some(Paused { protocol, stream, begun, .. }) = self.pauses.take(&between) {
            let exchange = self.exchange(between.host, at, protocol);
            let Ok(talk) = Talk::resume(exchange, &self.names, stream, end) else { continue };
            match with(&talk) {
                // the other side had ended it
                Err(Error::Closed { .. } | Error::Broken { .. }) => {}
                outcome => return self.ended(between, talk, begun, outcome),
            }
        }
        let begun = Instant::now();
        let talk = self.begin(&between, at, end)?;
        let outcome = with(&talk);
        self.ended(between, talk, begun, outcome)
    }

    /// Somebody has said all for now. After an error, nobody goes on.
    fn ended<T>(
        &self,
        between: Between,
        talk: Talk<'_>,
        begun: Instant,
        outcome: Result<T, Error>,
    ) -> Result<T, Error> {
        let protocol = talk.protocol();
        if outcome.is_ok()
            && let Some(stream) = talk.pause()
        {
            self.pauses.put(Paused::new(between, protocol, stream, begun));
        }
        outcome
    }

    /// Begins a conversation in the version that was understood last, or else in the newest that is.
    fn begin<'a>(&'a self, between: &Between, at: &'a str, end: Instant) -> Result<Talk<'a>, Error> {
        let last = Protocol::ALL[self.protocol.load(Ordering::Relaxed)];
        let others = Protocol::ALL.into_iter().rev().filter(|other| *other != last);
        let mut outcome = Err(Error::NoController);
        for protocol in std::iter::once(last).chain(others) {
            let exchange = self.exchange(between.host, at, protocol);
            outcome = Talk::begin(exchange, &self.names, &between.who, &between.cluster, end);
            if !matches!(outcome, Err(Error::Version { .. })) {
                self.protocol.store(protocol as usize, Ordering::Relaxed);
                break;
            }
        }
        outcome
    }

    fn exchange<'a>(&'a self, host: usize, who: &'a str, protocol: Protocol) -> Exchange<'a> {
        Exchange { place: &self.hosts[host], who, protocol, limits: self.limits, addresses: &self.addresses }
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
