//! One request and its answer.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::{Address, Error, Limits};
use crate::ledger::Put;
use crate::rpc::Credential;

/// The head of an answer is small: slurmrestd sends three headers.
const LONGEST_HEAD: usize = 16 << 10;
/// So much is read at once.
const PIECE: usize = 64 << 10;

/// What was answered.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    is_json: bool,
    pub(super) body: Vec<u8>,
}

impl Reply {
    /// There is nothing at this path: slurmrestd says so in plain text, while what is asked of an operation is answered in JSON.
    pub(super) fn is_no_such_path(&self) -> bool {
        self.status == 404 && !self.is_json
    }

    /// It is what an operation says.
    pub(super) fn is_answer(&self) -> bool {
        self.is_json || self.status == 304
    }

    /// What was said instead, in words.
    pub(super) fn refusal(&self, address: &Address) -> String {
        let text: String = String::from_utf8_lossy(&self.body).chars().filter(|c| !c.is_control()).take(200).collect();
        format!("slurmrestd at {address} refuses to answer ({}): {text}", self.status)
    }
}

/// The bytes of a request. They hold a secret.
pub(super) fn request(who: &Credential, put: &Put) -> Vec<u8> {
    let mut head = format!(
        "{} {} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nConnection: close\r\n",
        put.method.as_str(),
        clean(&put.target),
    );
    // without one, who asks is who is at the other end of the socket
    if let Some(token) = who.token() {
        head.extend(["X-SLURM-USER-TOKEN: ", &clean(token), "\r\n"]);
    }
    if let Some(user) = who.user() {
        head.extend(["X-SLURM-USER-NAME: ", &clean(user), "\r\n"]);
    }
    if let Some(body) = &put.body {
        head.extend(["Content-Type: application/json\r\nContent-Length: ", &body.len().to_string(), "\r\n"]);
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(put.body.as_deref().unwrap_or_default());
    bytes
}

/// Without what would end a line: nothing that is sent can become a header of its own.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && *c != ' ').collect()
}

/// Sends a request and reads the answer; `end` is when both must be done.
pub(super) fn exchange(address: &Address, limits: Limits, end: Instant, request: &[u8]) -> Result<Reply, Error> {
    let broken = |source: io::Error| match source.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Error::Late { address: address.clone(), within: limits.total },
        _ => Error::Broken { address: address.clone(), source },
    };
    let stream =
        open(address, limits, end).map_err(|source| Error::Unreachable { address: address.clone(), source })?;
    let mut timed = Timed { stream, end };
    timed.write_all(request).map_err(broken)?;
    receive(&mut timed, limits.answer, |what| Error::Malformed { address: address.clone(), what }, broken)?
        .ok_or_else(|| Error::Long { address: address.clone(), limit: limits.answer })
}

/// Reads an answer; `None`: it is longer than `most`.
fn receive(
    from: &mut impl Read,
    most: usize,
    malformed: impl Fn(&'static str) -> Error,
    broken: impl Fn(io::Error) -> Error,
) -> Result<Option<Reply>, Error> {
    let mut bytes = Vec::with_capacity(PIECE);
    loop {
        match head(&bytes) {
            Head::Bad(what) => return Err(malformed(what)),
            Head::More if bytes.len() > LONGEST_HEAD => return Err(malformed("a head without an end")),
            Head::More => {
                if more(from, &mut bytes).map_err(&broken)? == 0 {
                    return Err(broken(ErrorKind::UnexpectedEof.into()));
                }
            }
            // 100 Continue and the like: what counts comes behind it
            Head::Whole { status: 100..=199, end, .. } => drop(bytes.drain(..end)),
            Head::Whole { status, is_json, length, end } => {
                bytes.drain(..end);
                let body = body(from, bytes, if status == 304 { Some(0) } else { length }, most).map_err(&broken)?;
                return Ok(body.map(|body| Reply { status, is_json, body }));
            }
        }
    }
}

enum Head {
    Bad(&'static str),
    More,
    Whole {
        status: u16,
        is_json: bool,
        /// `None`: the body ends with the connection.
        length: Option<usize>,
        end: usize,
    },
}

fn head(bytes: &[u8]) -> Head {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let end = match response.parse(bytes) {
        Ok(httparse::Status::Complete(end)) => end,
        Ok(httparse::Status::Partial) => return Head::More,
        Err(_) => return Head::Bad("something that is not HTTP"),
    };
    let (mut is_json, mut length) = (false, None);
    for header in response.headers.iter() {
        let value = std::str::from_utf8(header.value).unwrap_or_default().trim();
        if header.name.eq_ignore_ascii_case("content-type") {
            is_json = value.to_ascii_lowercase().starts_with("application/json");
        } else if header.name.eq_ignore_ascii_case("content-length") {
            match value.parse::<usize>() {
                Ok(number) if length.is_none_or(|other| other == number) => length = Some(number),
                _ => return Head::Bad("a length that is none"),
            }
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            // slurmrestd has no other way than the length
            return Head::Bad("a body in another encoding than slurmrestd's");
        }
    }
    Head::Whole { status: response.code.unwrap_or_default(), is_json, length, end }
}

/// The rest of a body. `None`: it is too long.
fn body(from: &mut impl Read, mut bytes: Vec<u8>, length: Option<usize>, most: usize) -> io::Result<Option<Vec<u8>>> {
    if length.is_some_and(|length| length > most) {
        return Ok(None);
    }
    // grows with what comes, not with what is announced
    while length.is_none_or(|length| bytes.len() < length) {
        if bytes.len() > most {
            return Ok(None);
        }
        match more(from, &mut bytes)? {
            0 if length.is_some() => return Err(ErrorKind::UnexpectedEof.into()),
            0 => break,
            _ => {}
        }
    }
    if let Some(length) = length {
        bytes.truncate(length);
    }
    Ok((bytes.len() <= most).then_some(bytes))
}

/// Reads what there is to the end of `bytes`; how much it was.
fn more(from: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let before = bytes.len();
    bytes.resize(before + PIECE, 0);
    let read = loop {
        match from.read(&mut bytes[before..]) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => break other,
        }
    };
    bytes.truncate(before + read.as_ref().map_or(0, |read| *read));
    read
}

enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

fn open(address: &Address, limits: Limits, end: Instant) -> io::Result<Stream> {
    let left = || left_until(end).map(|left| left.min(limits.connect));
    match address {
        Address::Unix(path) => {
            let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
            // a connection to a server that accepts nobody waits for so long, too
            set_socket_timeout(socket.as_fd(), Timeout::Send, Some(left()?))?;
            connect(&socket, &SocketAddrUnix::new(path)?)?;
            Ok(Stream::Unix(UnixStream::from(socket)))
        }
        Address::Tcp(host, port) => {
            let mut outcome = Err(io::Error::new(ErrorKind::NotFound, "the name has no address"));
            for address in (host.as_str(), *port).to_socket_addrs()? {
                outcome = TcpStream::connect_timeout(&address, left()?);
                if outcome.is_ok() {
                    break;
                }
            }
            let stream = outcome?;
            // a request is one piece; a failure only costs time
            let _ = stream.set_nodelay(true);
            Ok(Stream::Tcp(stream))
        }
    }
}

fn left_until(end: Instant) -> io::Result<Duration> {
    end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()).ok_or_else(|| ErrorKind::TimedOut.into())
}

/// A stream until a moment: however slowly the other side goes, it is not waited for longer.
struct Timed {
    stream: Stream,
    end: Instant,
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = Some(left_until(self.end)?);
        match &mut self.stream {
            Stream::Unix(stream) => {
                stream.set_read_timeout(left)?;
                stream.read(buffer)
            }
            Stream::Tcp(stream) => {
                stream.set_read_timeout(left)?;
                stream.read(buffer)
            }
        }
    }
}

impl Write for Timed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let left = Some(left_until(self.end)?);
        match &mut self.stream {
            Stream::Unix(stream) => {
                stream.set_write_timeout(left)?;
                stream.write(buffer)
            }
            Stream::Tcp(stream) => {
                stream.set_write_timeout(left)?;
                stream.write(buffer)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], most: usize) -> Result<Option<Reply>, Error> {
        let address = Address::Tcp("h".into(), 1);
        let malformed = |what| Error::Malformed { address: address.clone(), what };
        let broken = |source| Error::Broken { address: address.clone(), source };
        receive(&mut &*bytes, most, malformed, broken)
    }

    #[test]
    fn answers_are_read_and_bounded() {
        let reply = read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}extra", 10);
        let reply = reply.unwrap().unwrap();
        assert_eq!((reply.status, reply.is_answer(), reply.body.as_slice()), (200, true, b"{}".as_slice()));
        let missing = read(b"HTTP/1.1 404 NOT FOUND\r\nContent-Type: text/plain\r\n\r\nno", 10).unwrap().unwrap();
        assert!(missing.is_no_such_path() && !missing.is_answer());
        let after_continue = read(b"HTTP/1.1 100 CONTINUE\r\n\r\nHTTP/1.1 304 NOT MODIFIED\r\n\r\n", 10);
        assert_eq!(after_continue.unwrap().unwrap().status, 304);
        assert!(read(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", 10).unwrap().is_none());
        assert!(read(&[b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &[b'x'; 11]].concat(), 10).unwrap().is_none());
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        let error = |bytes: &[u8]| read(bytes, 1000).unwrap_err().to_string();
        assert!(error(b"SSH-2.0-OpenSSH\r\n").contains("not HTTP"));
        assert!(error(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}").contains("broke"));
        assert!(error(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n").contains("length"));
        assert!(error(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").contains("encoding"));
        let endless = [b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &[b'x'; 20_000]].concat();
        assert!(error(&endless).contains("without an end"));
    }
}
