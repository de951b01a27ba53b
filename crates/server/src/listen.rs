//! Sockets: TCP, Unix, and those that systemd passes.

use std::fmt;
use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode as FileMode};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::{PidfdFlags, PidfdGetfdFlags};
use thiserror::Error;

use crate::{Mode, Settings};

/// Why a socket could not be opened.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Nothing listens beyond loopback without authentication.
    #[error(
        "refusing to listen on {0}: authz \"local\" admits every client of a loopback address, and this one is not \
         loopback; listen on 127.0.0.1 and reach it through an ssh tunnel"
    )]
    Beyond(SocketAddr),
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}: {source}")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The socket cannot be made.
    #[error("cannot listen on the Unix socket {}: {source}", path.display())]
    Unix {
        /// The socket's path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process holds the socket.
    #[error("another server is listening on {}; stop it or choose another path", .0.display())]
    Taken(PathBuf),
    /// Something that is not a socket is in the way.
    #[error("{} exists and is not a socket; remove it or choose another path", .0.display())]
    NotASocket(PathBuf),
    /// systemd passed something unusable.
    #[error("cannot take the socket that the service manager passed as descriptor {descriptor}: {source}")]
    Passed {
        /// Its number.
        descriptor: i32,
        /// What the system said.
        source: io::Error,
    },
    /// Nowhere to listen.
    #[error("nowhere to listen: give at least one --listen HOST:PORT or --uds PATH")]
    Nowhere,
}

/// An address on which the server can be reached. Displays as `http://127.0.0.1:8000` or `unix:/path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A TCP address with its real port.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "http://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Open sockets, on which nothing is accepted yet. Dropping them removes the Unix socket's file.
#[derive(Debug)]
pub struct Sockets {
    pub(crate) tcp: Vec<TcpListener>,
    pub(crate) unix: Vec<UnixListener>,
    endpoints: Vec<Endpoint>,
    files: Vec<SocketFile>,
}

impl Sockets {
    /// Where the server can be reached, with the real ports.
    pub fn addresses(&self) -> &[Endpoint] {
        &self.endpoints
    }
}

/// Opens all sockets. Those that systemd passes (`LISTEN_FDS`) replace the configured ones.
pub fn bind(settings: &Settings) -> Result<Sockets, ListenError> {
    let mut sockets = Sockets { tcp: Vec::new(), unix: Vec::new(), endpoints: Vec::new(), files: Vec::new() };
    take_passed(&mut sockets)?;
    if sockets.endpoints.is_empty() {
        for address in &settings.listen {
            // judged before the socket exists: not even for a moment may anybody connect
            refuse_beyond(settings.mode, *address)?;
            let listener =
                TcpListener::bind(address).map_err(|source| ListenError::Tcp { address: *address, source })?;
            sockets.tcp.push(listener);
        }
        for path in &settings.uds {
            let (listener, file) = bind_unix(path)?;
            sockets.unix.push(listener);
            sockets.endpoints.push(Endpoint::Unix(path.clone()));
            sockets.files.push(file);
        }
    }
    for (at, listener) in sockets.tcp.iter().enumerate() {
        let unnamed = SocketAddr::from(([0, 0, 0, 0], 0));
        let address = listener.local_addr().map_err(|source| ListenError::Tcp { address: unnamed, source })?;
        refuse_beyond(settings.mode, address)?;
        listener.set_nonblocking(true).map_err(|source| ListenError::Tcp { address, source })?;
        sockets.endpoints.insert(at, Endpoint::Tcp(address));
    }
    for listener in &sockets.unix {
        let path = || listener.local_addr().ok().and_then(|a| a.as_pathname().map(Path::to_owned)).unwrap_or_default();
        let named = |source| ListenError::Unix { path: path(), source };
        listener.set_nonblocking(true).map_err(named)?;
    }
    if sockets.endpoints.is_empty() { Err(ListenError::Nowhere) } else { Ok(sockets) }
}

fn refuse_beyond(mode: Mode, address: SocketAddr) -> Result<(), ListenError> {
    if mode == Mode::Local && !address.ip().to_canonical().is_loopback() {
        return Err(ListenError::Beyond(address));
    }
    Ok(())
}

/// The socket's file and the lock beside it, for as long as we listen.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    inode: u64,
    _lock: File,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = std::fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode);
        if ours && let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the Unix socket");
        }
    }
}

fn bind_unix(path: &Path) -> Result<(UnixListener, SocketFile), ListenError> {
    let failed = |source: io::Error| ListenError::Unix { path: path.to_owned(), source };

    // The lock is held for as long as the socket: two servers that start together cannot remove each other's file.
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock = File::options().create(true).truncate(false).write(true).mode(0o600).open(&name).map_err(failed)?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Err(ListenError::Taken(path.to_owned())),
        Err(error) => return Err(failed(error.into())),
    }
    remove_stale(path)?;

    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .map_err(|error| failed(error.into()))?;
    // On Linux the file takes the mode of the unbound socket, so it is never open to others, not even for a moment.
    let listening = rustix::fs::fchmod(&socket, FileMode::RUSR | FileMode::WUSR)
        .and_then(|()| SocketAddrUnix::new(path))
        .and_then(|address| rustix::net::bind(&socket, &address))
        .and_then(|()| rustix::net::listen(&socket, 1024));
    listening.map_err(|error| failed(error.into()))?;
    let inode = std::fs::symlink_metadata(path).map_err(failed)?.ino();
    Ok((UnixListener::from(socket), SocketFile { path: path.to_owned(), inode, _lock: lock }))
}

/// Removes a socket file on which nobody answers.
fn remove_stale(path: &Path) -> Result<(), ListenError> {
    let failed = |source: io::Error| ListenError::Unix { path: path.to_owned(), source };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => return Err(ListenError::NotASocket(path.to_owned())),
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(ListenError::Taken(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path).map_err(failed),
        Err(error) => Err(failed(error)),
    }
}

/// Takes the sockets of systemd's socket activation.
fn take_passed(sockets: &mut Sockets) -> Result<(), ListenError> {
    let passed = sd_notify::listen_fds().map_err(|source| ListenError::Passed { descriptor: 3, source })?;
    for descriptor in passed {
        let failed = |source: io::Error| ListenError::Passed { descriptor, source };
        let socket = duplicate(descriptor).map_err(failed)?;
        if rustix::net::sockopt::socket_domain(&socket).map_err(|error| failed(error.into()))? == AddressFamily::UNIX {
            let listener = UnixListener::from(socket);
            let path = listener.local_addr().ok().and_then(|a| a.as_pathname().map(Path::to_owned));
            sockets.endpoints.push(Endpoint::Unix(path.unwrap_or_else(|| "(unnamed)".into())));
            sockets.unix.push(listener);
        } else {
            sockets.tcp.push(TcpListener::from(socket));
        }
    }
    Ok(())
}

/// Owns a descriptor that is known by its number only, without trusting the number: the kernel is asked for a duplicate
/// from our own table, so a wrong number is an error instead of undefined behaviour.
fn duplicate(descriptor: i32) -> io::Result<OwnedFd> {
    let ourselves = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())?;
    Ok(rustix::process::pidfd_getfd(ourselves, descriptor, PidfdGetfdFlags::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(listen: &[&str], uds: Vec<PathBuf>, mode: Mode) -> Settings {
        let listen = listen.iter().map(|a| a.parse().unwrap()).collect();
        Settings { listen, uds, mode, ..Settings::default() }
    }

    #[test]
    fn reports_the_real_port() {
        let sockets = bind(&settings(&["127.0.0.1:0"], Vec::new(), Mode::Local)).unwrap();
        let [Endpoint::Tcp(address)] = sockets.addresses() else { panic!("{sockets:?}") };
        assert_ne!(address.port(), 0);
        assert_eq!(sockets.addresses()[0].to_string(), format!("http://127.0.0.1:{}", address.port()));
    }

    #[test]
    fn nothing_beyond_loopback_in_local_mode() {
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
            let refused = bind(&settings(&[address], Vec::new(), Mode::Local)).unwrap_err();
            assert!(matches!(refused, ListenError::Beyond(_)), "{address}: {refused}");
        }
        assert!(matches!(bind(&settings(&[], Vec::new(), Mode::Local)), Err(ListenError::Nowhere)));
    }

    #[test]
    fn the_unix_socket_is_ours_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gate.sock");
        let here = settings(&[], vec![path.clone()], Mode::Local);
        let first = bind(&here).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(matches!(bind(&here), Err(ListenError::Taken(_))));
        drop(first);
        assert!(!path.exists(), "removed at the end");
        bind(&here).unwrap();
    }

    #[test]
    fn stale_sockets_are_replaced_and_other_files_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gate.sock");
        let here = settings(&[], vec![path.clone()], Mode::Local);
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "left behind by a server that was killed");
        drop(bind(&here).unwrap());

        let stranger = UnixListener::bind(&path).unwrap();
        assert!(matches!(bind(&here), Err(ListenError::Taken(_))), "somebody answers there");
        drop(stranger);
        std::fs::remove_file(&path).unwrap();

        std::fs::write(&path, "precious").unwrap();
        assert!(matches!(bind(&here), Err(ListenError::NotASocket(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn descriptors_are_taken_by_number() {
        use std::os::fd::AsRawFd;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let copy = TcpListener::from(duplicate(listener.as_raw_fd()).unwrap());
        assert_eq!(copy.local_addr().unwrap(), listener.local_addr().unwrap());
        assert!(duplicate(1_000_000).is_err());
    }
}
