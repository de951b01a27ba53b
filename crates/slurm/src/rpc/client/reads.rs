//! What can be asked.

use std::sync::PoisonError;
use std::time::Instant;

use super::reply::Reply;
use super::{Client, Controller, Jobs, Packed, States};
use crate::errno::Errno;
use crate::objects::{
    ControllerPing, Diag, License, Node, NodeResourceLayout, Partition, Reservation, SharesRespMsg, SlurmConf,
    SlurmConfMeta,
};
use crate::rpc::codec::{Bits, Malformed, NO_VAL, Reader, Text, Wire, Writer};
use crate::rpc::error::Error;
use crate::rpc::orders::Governors;
use crate::rpc::records::{self, ListHead, StepId};
use crate::rpc::show::{self, Names, Outline};
use crate::rpc::{Credential, Kind, Protocol};

/// What is shown of a list: hidden things, too.
const ALL: u16 = 1 << 0;
/// All that is known of each.
const DETAIL: u16 = 1 << 1;
/// Nodes that have jobs on some of their CPUs are called mixed.
const MIXED: u16 = 1 << 3;
/// Only this cluster's, also where it is part of a federation.
const LOCAL: u16 = 1 << 4;
/// Counters are to be told, and not to be set back.
const TELL: u16 = 1;

/// An answer that is left out if nothing has changed.
#[derive(Debug)]
pub enum Fresh<T> {
    /// Nothing has changed since.
    Unchanged,
    /// This is so now.
    New(T),
}

/// Things of a kind.
#[derive(Debug)]
pub struct Listing<T> {
    /// When one of them changed last, unix seconds.
    pub last_update: u64,
    /// All of them, in the controller's order.
    pub items: Vec<T>,
}

impl Client {
    /// Whether each controller answers, in the order of the configuration, and how fast.
    pub fn ping(&self, credential: &Credential) -> Vec<ControllerPing> {
        let one = |(place, controller): (usize, &Controller)| {
            let begun = Instant::now();
            let outcome = self.ask_one(controller, credential, Kind::PING, &|_| Ok(Vec::new()), &mut || ());
            show::ping(place, &controller.name, begun.elapsed(), outcome.err().map(|error| error.errno()))
        };
        self.controllers().iter().enumerate().map(one).collect()
    }

    /// What has to be known of a cluster before it is asked for anything else. Everybody may know it. From now on the controller
    /// is spoken to as its release can best.
    pub fn outline(&self, credential: &Credential) -> Result<Outline, Error> {
        // whenever it changed: the number of the next job is in it
        let reply = self.ask(credential, Kind::CONFIG, |_| Ok(0_u64.to_be_bytes().into()))?;
        let record = reply.read(Kind::CONFIG, Kind::CONFIG_IS, records::Configuration::read)?;
        let outline = show::outline(&record);
        self.follow(&outline.release);
        let governors = Governors { allowed: record.cpu_freq_governors, usual: record.cpu_freq_def };
        *self.governors.lock().unwrap_or_else(PoisonError::into_inner) = Some(governors);
        Ok(outline)
    }

    /// How the controller is configured, or that it has not been configured anew since `since`.
    pub fn conf(
        &self,
        credential: &Credential,
        since: Option<u64>,
    ) -> Result<Fresh<(SlurmConf, SlurmConfMeta)>, Error> {
        let body = |_| Ok(since.unwrap_or(0).to_be_bytes().into());
        fresh(self.ask(credential, Kind::CONFIG, body))?.then(|reply| {
            let record = reply.read(Kind::CONFIG, Kind::CONFIG_IS, records::Configuration::read)?;
            Ok((show::config(&record, reply.protocol), show::config_meta(&record)))
        })
    }

    /// All jobs that the controller shows, or that none has changed since `since` (unix seconds).
    pub fn jobs(&self, credential: &Credential, since: Option<u64>) -> Result<Fresh<Jobs>, Error> {
        let body = packed(|body| {
            body.u64(since.unwrap_or(0));
            body.u16(ALL | DETAIL | LOCAL);
            body.u32(NO_VAL);
        });
        fresh(self.ask(credential, Kind::JOBS, body))?.then(|reply| Jobs::of(reply, Kind::JOBS))
    }

    /// A job; all that is left of an array, by its number; the components of a heterogeneous job.
    pub fn job(&self, credential: &Credential, id: u32) -> Result<Jobs, Error> {
        let body = packed(|body| {
            if body.protocol() < Protocol::V25_11 {
                body.u32(id);
            } else {
                StepId::job(id).write(body);
            }
            body.u16(ALL | DETAIL);
        });
        Jobs::of(self.ask(credential, Kind::JOB, body)?, Kind::JOB)
    }

    /// What a running job was given of each node.
    pub fn resources(&self, credential: &Credential, id: u32) -> Result<Vec<NodeResourceLayout>, Error> {
        let not_running = || Error::Refused { errno: Errno::JOB_NOT_RUNNING, words: None };
        if self.protocol() < Protocol::V25_11 {
            let jobs = self.job(credential, id)?;
            if jobs.protocol() < Protocol::V25_11 {
                return jobs.layout(id)?.ok_or_else(not_running);
            }
        }
        let body = packed(|body| {
            StepId::job(id).write(body);
            body.u16(0);
        });
        let reply = self.ask(credential, Kind::LAYOUT, body)?;
        reply.read(Kind::LAYOUT, Kind::LAYOUT_IS, |from| {
            let nodes: Option<Vec<records::Layout<'_>>> = Wire::read(from)?;
            Ok(nodes.iter().flatten().map(show::layout).collect())
        })
    }

    /// The states of these jobs, or of all if none is named. Cheap.
    pub fn states(&self, credential: &Credential, ids: &[u32]) -> Result<States, Error> {
        let body = packed(|body| {
            body.length(ids.len());
            for id in ids {
                body.u32(*id);
                // neither a task nor a component
                body.u32(NO_VAL);
                body.u32(NO_VAL);
            }
        });
        Ok(States { reply: self.ask(credential, Kind::STATES, body)? })
    }

    /// All nodes, or that none has changed since `since`. Which partitions a node is in is asked for, too.
    pub fn nodes(
        &self,
        credential: &Credential,
        since: Option<u64>,
        names: Names<'_>,
    ) -> Result<Fresh<Listing<Node>>, Error> {
        fresh(self.ask(credential, Kind::NODES, changed(since, ALL | DETAIL | MIXED)))?.then(|reply| {
            let partitions = self.ask(credential, Kind::PARTITIONS, changed(None, ALL))?;
            let partitions = partitions.read(Kind::PARTITIONS, Kind::PARTITIONS_ARE, read_partitions)?;
            reply.read(Kind::NODES, Kind::NODES_ARE, |from| read_nodes(from, &partitions, names))
        })
    }

    /// All partitions, or that none has changed since `since`.
    pub fn partitions(&self, credential: &Credential, since: Option<u64>) -> Result<Fresh<Listing<Partition>>, Error> {
        self.listing(credential, (Kind::PARTITIONS, Kind::PARTITIONS_ARE), changed(since, ALL), |from| {
            Ok(show::partition(&records::Partition::read(from)?, from.protocol()))
        })
    }

    /// All reservations, or that none has changed since `since`.
    pub fn reservations(
        &self,
        credential: &Credential,
        since: Option<u64>,
    ) -> Result<Fresh<Listing<Reservation>>, Error> {
        let kinds = (Kind::RESERVATIONS, Kind::RESERVATIONS_ARE);
        self.listing(credential, kinds, packed(|body| body.u64(since.unwrap_or(0))), |from| {
            Ok(show::reservation(&records::Reservation::read(from)?))
        })
    }

    /// All licences, or that none has changed since `since`.
    pub fn licenses(&self, credential: &Credential, since: Option<u64>) -> Result<Fresh<Listing<License>>, Error> {
        self.listing(credential, (Kind::LICENSES, Kind::LICENSES_ARE), changed(since, 0), |from| {
            Ok(show::license(&records::License::read(from)?))
        })
    }

    /// The fair shares of these accounts and users; an empty list of either means all.
    pub fn shares(
        &self,
        credential: &Credential,
        accounts: &[String],
        users: &[String],
    ) -> Result<SharesRespMsg, Error> {
        let body = packed(|body| {
            for names in [accounts, users] {
                let names: Option<Vec<Text<'_>>> =
                    (!names.is_empty()).then(|| names.iter().map(|name| Text::of(name)).collect());
                names.write(body);
            }
        });
        let reply = self.ask(credential, Kind::SHARES, body)?;
        Ok(show::shares(&reply.read(Kind::SHARES, Kind::SHARES_ARE, records::Shares::read)?))
    }

    /// Counters.
    pub fn diag(&self, credential: &Credential, names: Names<'_>) -> Result<Diag, Error> {
        let reply = self.ask(credential, Kind::STATS, |_| Ok(TELL.to_be_bytes().into()))?;
        let stats = reply.read(Kind::STATS, Kind::STATS_ARE, records::Stats::read)?;
        Ok(show::stats(&stats, reply.protocol, names))
    }

    /// A list whose records are read and shown by `one`.
    fn listing<T>(
        &self,
        credential: &Credential,
        (asked, wanted): (Kind, Kind),
        body: impl Fn(Protocol) -> Packed,
        one: impl Fn(&mut Reader<'_>) -> Result<T, Malformed>,
    ) -> Result<Fresh<Listing<T>>, Error> {
        fresh(self.ask(credential, asked, body))?.then(|reply| {
            reply.read(asked, wanted, |from| {
                let head = ListHead::read(from)?;
                let mut items = Vec::new();
                for _ in 0..head.count {
                    items.push(one(from)?);
                }
                Ok(Listing { last_update: head.last_update, items })
            })
        })
    }
}

fn packed(write: impl Fn(&mut Writer)) -> impl Fn(Protocol) -> Packed {
    move |protocol| {
        let mut body = Writer::new(protocol);
        write(&mut body);
        Ok(body.into_bytes())
    }
}

/// The body of most requests: since when, and what is to be shown.
fn changed(since: Option<u64>, show: u16) -> impl Fn(Protocol) -> Packed {
    packed(move |body| {
        body.u64(since.unwrap_or(0));
        body.u16(show);
    })
}

impl<T> Fresh<T> {
    fn then<U>(self, with: impl FnOnce(T) -> Result<U, Error>) -> Result<Fresh<U>, Error> {
        match self {
            Self::Unchanged => Ok(Fresh::Unchanged),
            Self::New(new) => with(new).map(Fresh::New),
        }
    }
}

/// "Nothing has changed" is no error.
fn fresh(outcome: Result<Reply, Error>) -> Result<Fresh<Reply>, Error> {
    match outcome {
        Ok(reply) => Ok(Fresh::New(reply)),
        Err(Error::Refused { errno: Errno::NO_CHANGE, .. }) => Ok(Fresh::Unchanged),
        Err(error) => Err(error),
    }
}

fn read_partitions<'a>(from: &mut Reader<'a>) -> Result<Vec<records::Partition<'a>>, Malformed> {
    let head = ListHead::read(from)?;
    let mut partitions = Vec::new();
    for _ in 0..head.count {
        partitions.push(records::Partition::read(from)?);
    }
    Ok(partitions)
}

/// Nodes that the caller may not see have a place in the table, but no record.
fn read_nodes(
    from: &mut Reader<'_>,
    partitions: &[records::Partition<'_>],
    names: Names<'_>,
) -> Result<Listing<Node>, Malformed> {
    let head = ListHead::read(from)?;
    let hidden = Bits::read(from)?.places();
    // one more than there can be is missed when it is read
    let most = from.left() / records::Node::LEAST + 1;
    let seen: Vec<usize> = (0..head.count as usize).filter(|place| !hidden.has(*place)).take(most).collect();
    let mut items = Vec::new();
    for partitions in show::memberships(partitions, &seen) {
        let record = records::Node::read(from)?;
        items.push(show::node(&record, from.protocol(), partitions, names));
    }
    Ok(Listing { last_update: head.last_update, items })
}
