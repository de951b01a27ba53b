//! A conversation with an accounting database: who asks is said once, then one question after the other is answered.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use super::books::{KeptNames, Named};
use super::records::Outcome;
use crate::errno::Errno;
use crate::rpc::client::exchange::Exchange;
use crate::rpc::client::reply::Reply;
use crate::rpc::codec::{Malformed, Reader, Text, Wire, Writer, layout};
use crate::rpc::error::Error;
use crate::rpc::{Credential, Kind, Protocol, frame};

/// What is before a frame's body: what it is about.
const HEAD: usize = 2;
/// The kind of a conversation that is for a database.
const OF_DATABASE: u16 = 1;

layout! {
    /// How a conversation begins.
    Greeting<'a> {
        version: u16;
        cluster: Text<'a>;
        kind: u16;
        port: u16;
    }

    /// That what was said so far is one thing: the database reads within a transaction, in which nothing changes.
    Ending {
        hangs_up: u16;
        commits: u16;
    }
}

/// A conversation.
pub(super) struct Talk<'a> {
    exchange: Exchange<'a>,
    stream: TcpStream,
    end: Instant,
    names: &'a KeptNames,
}

impl<'a> Talk<'a> {
    /// Begins one, which lasts until `end`. `cluster` is the one that is spoken of where no other is named.
    pub(super) fn begin(
        exchange: Exchange<'a>,
        names: &'a KeptNames,
        who: &Credential,
        cluster: &str,
        end: Instant,
    ) -> Result<Self, Error> {
        let protocol = exchange.protocol;
        let greeting = Greeting { version: protocol.number(), cluster: Text::of(cluster), kind: OF_DATABASE, port: 0 };
        let message = frame::greeting(protocol, Kind::GREETING, who, &packed(protocol, &greeting))
            .map_err(|source| Error::NoCredential { source })?;
        let stream = exchange.connect(end)?;
        let frame = exchange.on(&stream, &message, end, &mut || ())?;
        let talk = Self { exchange, stream, end, names };
        match talk.is_done(Kind::GREETING, frame) {
            Ok(()) => Ok(talk),
            Err(Error::Refused { errno: Errno::PROTOCOL_VERSION, .. }) => {
                Err(Error::Version { who: talk.exchange.who.to_owned(), asked: protocol, answered: None })
            }
            Err(error) => Err(error),
        }
    }

    /// Goes on with one that has paused.
    pub(super) fn resume(
        exchange: Exchange<'a>,
        names: &'a KeptNames,
        stream: TcpStream,
        end: Instant,
    ) -> Result<Self, Error> {
        let frame = exchange.hear(&stream, end)?;
        let talk = Self { exchange, stream, end, names };
        talk.is_done(Kind::DBD_END, frame).map(|()| talk)
    }

    /// Ends what was said so far, so that what is asked next is answered as it is then. Whoever goes on hears the answer.
    pub(super) fn pause(self) -> Option<TcpStream> {
        let message = frame::remark(self.protocol(), Kind::DBD_END, &packed(self.protocol(), &Ending::default()));
        self.exchange.say(&self.stream, &message, self.end).ok().map(|()| self.stream)
    }

    /// What numbers mean.
    pub(super) fn named(&self) -> Result<Arc<Named>, Error> {
        self.names.get(self)
    }

    /// The same as it is now.
    pub(super) fn named_anew(&self) -> Result<Arc<Named>, Error> {
        self.names.renew(self)
    }

    /// Shows what has come; twice, if it has numbers in it of which nobody knew.
    pub(super) fn show<T>(&self, show: &mut dyn FnMut(&Named) -> Result<T, Error>) -> Result<T, Error> {
        let came = Instant::now();
        let named = self.named()?;
        let shown = show(&named)?;
        if named.suffices(came) { Ok(shown) } else { show(&*self.named_anew()?) }
    }

    /// The version that is spoken.
    pub(super) fn protocol(&self) -> Protocol {
        self.exchange.protocol
    }

    /// Asks. What is refused is an error.
    pub(super) fn ask<'b>(&self, kind: Kind, wanted: &impl Wire<'b>) -> Result<Reply, Error> {
        let message = frame::remark(self.protocol(), kind, &packed(self.protocol(), wanted));
        self.answer(kind, self.exchange.on(&self.stream, &message, self.end, &mut || ())?)
    }

    /// That all is well is the answer.
    fn is_done(&self, asked: Kind, frame: Vec<u8>) -> Result<(), Error> {
        match self.answer(asked, frame)?.kind {
            Kind::DBD_RESULT => Ok(()),
            answered => Err(Error::Unexpected { kind: asked, answered }),
        }
    }

    fn answer(&self, asked: Kind, frame: Vec<u8>) -> Result<Reply, Error> {
        let protocol = self.protocol();
        let malformed = |source| Error::Malformed { kind: asked, source };
        let kind = Kind(Reader::new(&frame, protocol).u16().map_err(malformed)?);
        let reply = Reply { kind, body: HEAD..frame.len(), frame, protocol };
        if kind != Kind::DBD_RESULT {
            return Ok(reply);
        }
        let outcome = reply.read(asked, kind, Outcome::read)?;
        let errno = Errno(outcome.errno.cast_signed());
        if errno == Errno::NONE {
            return Ok(reply);
        }
        let words = outcome.words.string().filter(|words| !words.is_empty());
        Err(Error::Refused { errno, words })
    }
}

fn packed<'a>(protocol: Protocol, record: &impl Wire<'a>) -> Vec<u8> {
    let mut to = Writer::new(protocol);
    record.write(&mut to);
    to.into_bytes()
}

/// Calls `each` with every record of a list; nothing, where there is no list but a result.
pub(super) fn each<'a, T: Wire<'a>>(
    reply: &'a Reply,
    asked: Kind,
    wanted: Kind,
    each: &mut dyn FnMut(T),
) -> Result<(), Error> {
    if reply.kind == Kind::DBD_RESULT {
        return Ok(());
    }
    reply.read(asked, wanted, |from| {
        walk(from, each)?;
        // what there was to say besides; it was said as a result, if it was an error
        from.u32().map(drop)
    })
}

fn walk<'a, T: Wire<'a>>(from: &mut Reader<'a>, each: &mut dyn FnMut(T)) -> Result<(), Malformed> {
    let count = from.u32()?;
    if count == crate::rpc::codec::NO_VAL {
        return Ok(());
    }
    for _ in 0..from.fits(count, T::LEAST)? {
        each(T::read(from)?);
    }
    Ok(())
}
