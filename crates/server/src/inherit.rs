//! One client on standard input and output: a connection that inetd, systemd or a pipe hands over.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FileType, OFlags, fcntl_getfl, fcntl_setfl, fstat};
use rustix::net::{AddressFamily, SocketAddrAny, SocketAddrUnix, SocketType, sockopt};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::ListenError;
use crate::accept::Peer;

/// The client that this process was started for.
#[derive(Debug)]
pub struct Inherited {
    input: File,
    output: File,
    pub(crate) peer: Peer,
}

impl Inherited {
    /// Takes the client on this process's standard input and output; what is printed from then on would reach it.
    pub fn take() -> Result<Self, ListenError> {
        Self::over(&io::stdin().as_fd(), &io::stdout().as_fd()).map_err(ListenError::Inherited)
    }

    fn over(input: &impl AsFd, output: &impl AsFd) -> io::Result<Self> {
        let peer = peer_of(input)?;
        Ok(Self { input: blocking(input)?, output: blocking(output)?, peer })
    }

    /// Whether standard error goes to the client as well, as with inetd: what is written there would spoil the answers.
    pub fn hears_errors(&self) -> bool {
        let identity = |status: rustix::fs::Stat| (status.st_dev, status.st_ino);
        match (fstat(&self.output), fstat(io::stderr())) {
            (Ok(output), Ok(errors)) => identity(output) == identity(errors),
            _ => false,
        }
    }

    /// The two directions as one stream. They are read and written on threads of their own, so that whatever they are (pipes,
    /// sockets, files) is left in the state that those who share them expect.
    pub(crate) fn into_stream(self) -> impl AsyncRead + AsyncWrite + Send + Unpin + 'static {
        tokio::io::join(tokio::fs::File::from_std(self.input), tokio::fs::File::from_std(self.output))
    }
}

/// Whether standard input is what a client can be at the other end of: a pipe or a socket.
pub fn is_inherited() -> bool {
    let input = io::stdin();
    kind(&input).is_ok_and(|kind| matches!(kind, FileType::Fifo | FileType::Socket))
}

fn kind(descriptor: &impl AsFd) -> io::Result<FileType> {
    Ok(FileType::from_raw_mode(fstat(descriptor)?.st_mode))
}

fn blocking(descriptor: &impl AsFd) -> io::Result<File> {
    let own: OwnedFd = descriptor.as_fd().try_clone_to_owned()?;
    let flags = fcntl_getfl(&own)?;
    if flags.contains(OFlags::NONBLOCK) {
        fcntl_setfl(&own, flags - OFlags::NONBLOCK)?;
    }
    Ok(File::from(own))
}

/// Who is at the other end. A Unix socket that was accepted from one with a name knows who connected; a nameless one is half
/// of a pair, which only knows who made it.
fn peer_of(input: &impl AsFd) -> io::Result<Peer> {
    if kind(input)? != FileType::Socket {
        return Ok(Peer::Unknown);
    }
    if sockopt::socket_type(input)? != SocketType::STREAM {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a stream socket"));
    }
    // Fails for a socket that listens: it is no client.
    let other = rustix::net::getpeername(input)?;
    if sockopt::socket_domain(input)? == AddressFamily::UNIX {
        let credentials = sockopt::socket_peercred(input)?;
        let uid = credentials.uid.as_raw();
        return Ok(if has_name(&rustix::net::getsockname(input)?) { Peer::Unix { uid } } else { Peer::Unknown });
    }
    let address = other.and_then(|address| SocketAddr::try_from(address).ok());
    Ok(address.map_or(Peer::Unknown, Peer::Tcp))
}

fn has_name(address: &SocketAddrAny) -> bool {
    let address = SocketAddrUnix::try_from(address.clone()).ok();
    address.is_some_and(|address| address.path().is_some() || address.abstract_name().is_some_and(|n| !n.is_empty()))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    fn who_is_at_the_other_end() {
        let (read, _write) = io::pipe().unwrap();
        assert_eq!(peer_of(&read).unwrap(), Peer::Unknown);
        let (ours, _theirs) = UnixStream::pair().unwrap();
        assert_eq!(peer_of(&ours).unwrap(), Peer::Unknown, "a pair knows who made it, not who has its other end");

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gate.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let _client = UnixStream::connect(&path).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert_eq!(peer_of(&accepted).unwrap(), Peer::Unix { uid: rustix::process::geteuid().as_raw() });
        assert!(peer_of(&listener).is_err(), "it listens");

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert_eq!(peer_of(&accepted).unwrap(), Peer::Tcp(client.local_addr().unwrap()));
    }

    #[test]
    fn waiting_is_switched_on() {
        let (read, write) = io::pipe().unwrap();
        fcntl_setfl(&read, fcntl_getfl(&read).unwrap() | OFlags::NONBLOCK).unwrap();
        let client = Inherited::over(&read, &write).unwrap();
        assert!(!fcntl_getfl(&client.input).unwrap().contains(OFlags::NONBLOCK));
    }
}
