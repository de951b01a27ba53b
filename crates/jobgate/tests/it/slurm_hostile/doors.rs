//! The ways in: TCP, a Unix socket, and standard input and output.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::fixture::{Home, SOON, wait_for};

/// A way in.
#[derive(Debug, Clone)]
pub(super) enum Door {
    Tcp(SocketAddr),
    Unix(PathBuf),
    /// The arguments of a server for one client.
    Inetd(Vec<String>),
}

/// A connection.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) stream: Stream,
    child: Option<Child>,
}

#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Door {
    /// A new connection.
    #[track_caller]
    pub(super) fn open(&self, home: &Home) -> Line {
        let mut child = None;
        let stream = match self {
            Self::Tcp(address) => Stream::Tcp(TcpStream::connect(address).unwrap()),
            Self::Unix(path) => Stream::Unix(UnixStream::connect(path).unwrap()),
            Self::Inetd(arguments) => {
                let (ours, theirs) = UnixStream::pair().unwrap();
                let also = theirs.try_clone().unwrap();
                let mut command = home.command(arguments);
                command.stdin(OwnedFd::from(theirs)).stdout(OwnedFd::from(also)).stderr(Stdio::piped());
                child = Some(command.spawn().unwrap());
                Stream::Unix(ours)
            }
        };
        stream.set_timeout(SOON);
        Line { stream, child }
    }
}

impl Line {
    /// Sends as much as the other side takes.
    pub(super) fn say(&mut self, bytes: &[u8]) {
        if let Err(error) = self.stream.write_all(bytes) {
            assert!(is_closed(&error), "{error}");
        }
    }

    /// Sends all of it, and then nothing more; gives what comes back until the connection is closed.
    #[track_caller]
    pub(super) fn exchange(mut self, bytes: &[u8]) -> Vec<u8> {
        self.say(bytes);
        self.stream.shut();
        self.rest()
    }

    /// Sends all of it; gives what comes back until the connection is closed, which must be soon.
    #[track_caller]
    pub(super) fn ask(mut self, bytes: &[u8]) -> Vec<u8> {
        self.say(bytes);
        self.rest()
    }

    #[track_caller]
    fn rest(mut self) -> Vec<u8> {
        let mut answer = Vec::new();
        if let Err(error) = self.stream.read_to_end(&mut answer) {
            assert!(is_closed(&error), "no answer and no close: {error}");
        }
        self.end();
        answer
    }

    /// A server for one client ends with its connection, and not by a crash.
    #[track_caller]
    fn end(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        self.stream.close();
        let status = wait_for("the server to end with its client", SOON, || child.try_wait().unwrap());
        let mut log = String::new();
        child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert!(status.code().is_some_and(|code| code != 101) && !log.contains("panicked"), "{status}: {log}");
    }

    /// Sends a head and then a body of so many bytes; gives what comes back.
    #[track_caller]
    pub(super) fn flood(&mut self, head: &[u8], chunked: bool, length: usize) -> Vec<u8> {
        self.say(head);
        let mut part = vec![b'a'; 1 << 20];
        if chunked {
            part.splice(0..0, format!("{:x}\r\n", 1 << 20).into_bytes());
            part.extend(b"\r\n");
        }
        for _ in 0..length >> 20 {
            if self.stream.write_all(&part).is_err() {
                break;
            }
        }
        if chunked {
            self.say(b"0\r\n\r\n");
        }
        let mut answer = Vec::new();
        // an early answer may be lost when the door closes while we still talk
        if let Err(error) = self.stream.read_to_end(&mut answer) {
            assert!(is_closed(&error), "no close: {error}, but {answer:?}");
        }
        self.end();
        answer
    }

    /// Sends a byte now and then until the connection is closed; gives what came back.
    pub(super) fn dribble(&mut self, until: Instant) -> Vec<u8> {
        self.stream.set_timeout(Duration::from_millis(100));
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        while Instant::now() < until {
            match self.stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(got) => answer.extend(&buffer[..got]),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    self.say(b"x");
                }
                Err(error) => {
                    assert!(is_closed(&error), "{error}");
                    break;
                }
            }
        }
        self.end();
        answer
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Stream {
    fn set_timeout(&self, time: Duration) {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(Some(time)).and(stream.set_write_timeout(Some(SOON))),
            Self::Unix(stream) => stream.set_read_timeout(Some(time)).and(stream.set_write_timeout(Some(SOON))),
        }
        .unwrap();
    }

    fn shut(&self) {
        // it may be closed already
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        };
    }

    fn close(&self) {
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// The statuses of the answers in a stream of bytes; what is no HTTP is given back.
pub(super) fn statuses(mut bytes: &[u8]) -> Result<Vec<u16>, String> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let wrong = || format!("no HTTP: {:.200}", String::from_utf8_lossy(bytes));
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(wrong)?;
        let head = std::str::from_utf8(&bytes[..end]).map_err(|_| wrong())?;
        let status = head.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok()).ok_or_else(wrong)?;
        let header = |name: &str| {
            let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name))?;
            line.split_once(':').map(|(_, value)| value.trim().to_ascii_lowercase())
        };
        let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        bytes = bytes.get(end + 4 + length..).ok_or_else(wrong)?;
        if status != 100 {
            found.push(status);
        }
    }
    Ok(found)
}

/// The most memory that a process has had so far, in bytes.
pub(super) fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}
