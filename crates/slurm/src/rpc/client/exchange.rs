//! One connection: messages are sent, and frames come back.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::resolve::Addresses;
use super::{Controller, Limits};
use crate::rpc::Protocol;
use crate::rpc::error::Error;

/// So much is made room for before anything is there.
const AT_ONCE: usize = 64 << 10;
/// What comes after so much goes to pages of its own.
const LARGE: usize = 1 << 20;
/// For so much, allocators ask the system for pages, and give them back when it is freed: glibc's threshold for that rises with what
/// is freed, but not above 32 MiB (mallopt(3)). Below it, each thread's arena would keep the memory of the lists that it has read.
/// What is not written to takes no memory.
const OWN_PAGES: usize = (32 << 20) + 1;
/// Releases that do not know a version, and can serve HTTP on the same port, answer so.
const HTTP: [u8; 4] = *b"HTTP";

pub(in crate::rpc) struct Exchange<'a> {
    pub(in crate::rpc) place: &'a Controller,
    /// Who is there, for errors.
    pub(in crate::rpc) who: &'a str,
    pub(in crate::rpc) protocol: Protocol,
    pub(in crate::rpc) limits: Limits,
    pub(in crate::rpc) addresses: &'a Addresses,
}

impl Exchange<'_> {
    /// Sends `message`, and calls `meanwhile`; gives the frame that comes back until `end`, without its length.
    pub(super) fn run(&self, message: &[u8], end: Instant, meanwhile: &mut dyn FnMut()) -> Result<Vec<u8>, Error> {
        self.on(&self.connect(end)?, message, end, meanwhile)
    }

    /// The same on a connection that is there.
    pub(in crate::rpc) fn on(
        &self,
        stream: &TcpStream,
        message: &[u8],
        end: Instant,
        meanwhile: &mut dyn FnMut(),
    ) -> Result<Vec<u8>, Error> {
        self.say(stream, message, end)?;
        meanwhile();
        self.hear(stream, end)
    }

    /// Sends `message`.
    pub(in crate::rpc) fn say(&self, stream: &TcpStream, message: &[u8], end: Instant) -> Result<(), Error> {
        Timed { stream, end }.write_all(message).map_err(|source| self.broken(source))
    }

    pub(in crate::rpc) fn connect(&self, end: Instant) -> Result<TcpStream, Error> {
        let unreachable = |source| Error::Unreachable { who: self.who.to_owned(), source };
        let time = left_until(end).unwrap_or_default().min(self.limits.connect);
        let addresses = self.addresses.of(&self.place.host, self.place.port, time).map_err(unreachable)?;
        let mut outcome = Err(io::Error::new(ErrorKind::NotFound, "the name has no address"));
        for address in addresses {
            let Some(left) = left_until(end) else { break };
            outcome = TcpStream::connect_timeout(&address, left.min(self.limits.connect));
            if outcome.is_ok() {
                break;
            }
        }
        let stream = outcome.map_err(unreachable)?;
        // a request is one piece; a failure only costs time
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    /// The frame that comes until `end`, without its length.
    pub(in crate::rpc) fn hear(&self, stream: &TcpStream, end: Instant) -> Result<Vec<u8>, Error> {
        let mut timed = Timed { stream, end };
        let mut length = [0; 4];
        match read_all(&mut timed, &mut length).map_err(|source| self.broken(source))? {
            4 => {}
            0 => return Err(Error::Closed { who: self.who.to_owned(), asked: self.protocol }),
            _ => return Err(self.broken(ErrorKind::UnexpectedEof.into())),
        }
        if length == HTTP {
            let (who, asked) = (self.who.to_owned(), self.protocol);
            return Err(Error::Version { who, asked, answered: None });
        }
        let length = u32::from_be_bytes(length);
        if length > self.limits.reply {
            return Err(Error::Long { who: self.who.to_owned(), length, limit: self.limits.reply });
        }
        // grows with what comes, not with what is announced
        let mut frame = Vec::with_capacity(AT_ONCE.min(length as usize));
        let mut rest = timed.take(length.into());
        rest.by_ref().take(LARGE as u64).read_to_end(&mut frame).map_err(|source| self.broken(source))?;
        if rest.limit() > 0 && frame.len() == LARGE {
            frame.reserve_exact(OWN_PAGES - LARGE);
            rest.read_to_end(&mut frame).map_err(|source| self.broken(source))?;
        }
        if frame.len() < length as usize {
            return Err(self.broken(ErrorKind::UnexpectedEof.into()));
        }
        Ok(frame)
    }

    fn broken(&self, source: io::Error) -> Error {
        let who = self.who.to_owned();
        match source.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Error::Late { who, within: self.limits.total },
            _ => Error::Broken { who, source },
        }
    }
}

/// Reads until `buffer` is full or the other side has closed; how much came. A connection that is reset before the first byte
/// was closed by somebody who did not read all that was sent.
fn read_all(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut at = 0;
    while at < buffer.len() {
        match from.read(&mut buffer[at..]) {
            Ok(0) => break,
            Ok(more) => at += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if at == 0 && error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => return Err(error),
        }
    }
    Ok(at)
}

fn left_until(end: Instant) -> Option<Duration> {
    end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
}

/// A stream until a moment: however slowly the other side goes, it is not waited for longer.
struct Timed<'a> {
    stream: &'a TcpStream,
    end: Instant,
}

impl Timed<'_> {
    fn left(&self) -> io::Result<Duration> {
        left_until(self.end).ok_or_else(|| ErrorKind::TimedOut.into())
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buffer)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
