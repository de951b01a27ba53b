//! Answers as they came: they are read when they are looked at, and are no larger than on the wire.

use std::ops::Range;

use crate::cluster::JobState;
use crate::rpc::codec::{Malformed, Reader, Wire};
use crate::rpc::error::Error;
use crate::rpc::{Kind, Protocol, records, show};

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
