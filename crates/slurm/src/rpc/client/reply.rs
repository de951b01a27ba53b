//! Answers as they came: they are read when they are looked at, and are no larger than on the wire.

use std::ops::Range;
use std::sync::OnceLock;

use crate::cluster::JobState;
use crate::objects::{Job, NodeResourceLayout};
use crate::rpc::codec::{Malformed, Reader, Wire};
use crate::rpc::error::Error;
use crate::rpc::show::{self, Names};
use crate::rpc::{Kind, Protocol, records, words};

/// An answer.
#[derive(Debug)]
pub(in crate::rpc) struct Reply {
    pub(in crate::rpc) kind: Kind,
    pub(in crate::rpc) frame: Vec<u8>,
    pub(in crate::rpc) body: Range<usize>,
    pub(in crate::rpc) protocol: Protocol,
}

impl Reply {
    /// Reads all of it with `read`. `asked` is what it is an answer to, `wanted` what it has to be.
    pub(in crate::rpc) fn read<'a, T>(
        &'a self,
        asked: Kind,
        wanted: Kind,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, Malformed>,
    ) -> Result<T, Error> {
        if self.kind != wanted {
            return Err(Error::Unexpected { kind: asked, answered: self.kind });
        }
        let mut from = self.reader();
        let read = read(&mut from).and_then(|read| from.end().map(|()| read));
        read.map_err(|source| Error::Malformed { kind: asked, source })
    }
}

/// Jobs as the controller packed them.
#[derive(Debug)]
pub struct Jobs {
    reply: Reply,
    asked: Kind,
    head: records::JobsHead,
    places: OnceLock<Places>,
}

/// Where the records of jobs begin, in order of the numbers by which they are asked for: their own, and those of the array and
/// of the heterogeneous job that they are of.
type Places = Vec<(u32, u32)>;

impl Jobs {
    pub(super) fn of(reply: Reply, asked: Kind) -> Result<Self, Error> {
        if reply.kind != Kind::JOBS_ARE {
            return Err(Error::Unexpected { kind: asked, answered: reply.kind });
        }
        let head =
            records::JobsHead::read(&mut reply.reader()).map_err(|source| Error::Malformed { kind: asked, source })?;
        Ok(Self { reply, asked, head, places: OnceLock::new() })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.head.count as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.head.count == 0
    }

    /// When a job changed last, unix seconds.
    pub fn last_update(&self) -> u64 {
        self.head.last_update
    }

    /// When the backfill scheduler last looked at jobs, unix seconds; 0: never.
    pub fn last_backfill(&self) -> u64 {
        self.head.last_backfill
    }

    /// The version in which they came.
    pub(super) fn protocol(&self) -> Protocol {
        self.reply.protocol
    }

    /// How many bytes they are.
    pub fn size(&self) -> usize {
        self.reply.frame.len()
    }

    /// What the job with this number was given of each node, if it runs.
    pub(super) fn layout(&self, id: u32) -> Result<Option<Vec<NodeResourceLayout>>, Error> {
        self.reply.read(self.asked, Kind::JOBS_ARE, |from| {
            let head = records::JobsHead::read(from)?;
            let mut found = None;
            for _ in 0..head.count {
                let record = records::Job::read(from)?;
                if record.id() == id && words::is_running(record.state) {
                    found = show::layout_of(&record);
                }
            }
            Ok(found)
        })
    }

    /// Calls `each` with every job, in the controller's order.
    pub fn each(&self, names: Names<'_>, each: &mut dyn FnMut(Job)) -> Result<(), Error> {
        self.walk(&mut |record| each(show::job(record, self.head.last_backfill, names))).map(drop)
    }

    /// Calls `each` with the job of this number, the tasks of the array or the components of the heterogeneous job, in the
    /// controller's order. The others are not looked at, unless this is the first time that anything is.
    pub fn each_of(&self, id: u32, names: Names<'_>, each: &mut dyn FnMut(Job)) -> Result<(), Error> {
        let places = self.places.get().map_or_else(|| self.walk(&mut |_| ()), Ok)?;
        let from = places.partition_point(|(number, _)| *number < id);
        for (_, at) in places[from..].iter().take_while(|(number, _)| *number == id) {
            let record = records::Job::read(&mut self.reply.reader_at(*at as usize));
            let record = record.map_err(|source| Error::Malformed { kind: self.asked, source })?;
            each(show::job(&record, self.head.last_backfill, names));
        }
        Ok(())
    }

    /// Calls `each` with every record, and notes where they are.
    fn walk(&self, each: &mut dyn FnMut(&records::Job<'_>)) -> Result<&Places, Error> {
        let places = self.reply.read(self.asked, Kind::JOBS_ARE, |from| {
            let head = records::JobsHead::read(from)?;
            let mut places = Places::new();
            for _ in 0..head.count {
                // an answer is not longer than a length of 32 bits can say
                let at = from.at() as u32;
                let record = records::Job::read(from)?;
                for number in record.numbers() {
                    places.push((number, at));
                }
                each(&record);
            }
            Ok(places)
        })?;
        Ok(self.places.get_or_init(|| {
            let mut places = places;
            places.sort_unstable();
            places.dedup();
            places.shrink_to_fit();
            places
        }))
    }
}

/// States of jobs as the controller packed them.
#[derive(Debug)]
pub struct States {
    pub(super) reply: Reply,
}

impl States {
    /// Calls `each` with every state; tasks of an array that wait together come one by one.
    pub fn each(&self, each: &mut dyn FnMut(JobState)) -> Result<(), Error> {
        self.reply.read(Kind::STATES, Kind::STATES_ARE, |from| {
            for _ in 0..from.count(records::State::LEAST)? {
                show::states(&records::State::read(from)?, each);
            }
            Ok(())
        })
    }
}
