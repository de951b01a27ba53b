//! Sockets: TCP, Unix, and those that systemd passes.

use std::fmt;
use std::fs::{File, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FileType, FlockOperation, Mode as FileMode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::{PidfdFlags, PidfdGetfdFlags};
use thiserror::Error;

use crate::Door;
use crate::listener::{Listener, Spot, warn_of_neighbours};
use crate::tls::{Credentials, TlsError};
use crate::{Settings, SocketAccess};

/// Why a socket could not be opened.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Nothing listens beyond loopback without authentication.
    #[error(
        "refusing to listen on {0}: `local` (authz \"local\") admits every client of a loopback address, and this one is not \
         loopback; listen on 127.0.0.1 and reach it through an ssh tunnel, or use TLS with certificates or tokens"
    )]
    Beyond(SocketAddr),
    /// Tokens do not cross a network for everybody to read.
    #[error(
        "refusing to listen on {0}: this is HTTP without TLS, so tokens could be read on the network; give it a certificate, \
         listen on 127.0.0.1 behind a proxy with TLS or an ssh tunnel, or accept it with clear_text = \"anywhere\" \
         (slurmrestd: SLURMRESTD_SECURITY=allow_plain_http)"
    )]
    ClearText(SocketAddr),
    /// Whoever comes by TLS is on no particular machine.
    #[error(
        "refusing to listen on {0}: `local` over TLS would take everybody on this machine for the gateway's own user, with or \
         without a certificate; take it out of `accept`"
    )]
    LocalOverTls(SocketAddr),
    /// What keeps web sites and proxies out is what `clients` is about.
    #[error(
        "refusing to listen on {0}: `local` with clients = \"anybody\" would let web sites and proxies act as the gateway's own \
         user; take one of them out"
    )]
    LocalForAnybody(SocketAddr),
    /// Nobody could be told from anybody else.
    #[error("the listener {0} accepts nothing; name at least one kind of identity in `accept`, or leave it out")]
    AcceptsNothing(Spot),
    /// What is accepted cannot be had there.
    #[error(
        "nobody can come in by the listener {0}: `socket` is for Unix sockets, and `certificate` for TLS with a client_ca"
    )]
    AcceptsNobody(Spot),
    /// The kernel's word is better.
    #[error("the listener {0} is a Unix socket, and TLS is for TCP addresses; take the certificate out")]
    TlsOnUnix(Spot),
    /// Certificates or keys are not what they should be.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Nothing says how a socket of the service manager's is to be used.
    #[error(
        "the service manager passed a socket for {0}, which is none of the configured listeners; give one of them this address"
    )]
    Unexpected(SocketAddr),
    /// Standard input and output are no client.
    #[error("cannot talk on standard input and output: {0}")]
    Inherited(io::Error),
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

/// An address on which the server can be reached. Displays as `http://127.0.0.1:8000`, `https://...` or `unix:/path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A TCP address with its real port.
    Tcp(SocketAddr),
    /// The same, with TLS.
    Tls(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "http://{address}"),
            Self::Tls(address) => write!(f, "https://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Open sockets, on which nothing is accepted yet. Dropping them removes the Unix socket's file.
#[derive(Debug)]
pub struct Sockets {
    pub(crate) tcp: Vec<(TcpListener, Entrance)>,
    pub(crate) unix: Vec<(UnixListener, Entrance)>,
    endpoints: Vec<Endpoint>,
    files: Vec<SocketFile>,
}

/// What everybody passes who comes by one socket.
#[derive(Debug, Clone)]
pub(crate) struct Entrance {
    /// Who counts.
    pub(crate) door: Arc<Door>,
    /// TLS.
    pub(crate) tls: Option<Arc<Credentials>>,
}

impl Entrance {
    fn of(listener: &Listener) -> Result<Self, ListenError> {
        let tls = listener.tls.clone().map(Credentials::load).transpose()?;
        Ok(Self { door: Arc::new(listener.door.clone()), tls: tls.map(Arc::new) })
    }
}

impl Sockets {
    /// Where the server can be reached, with the real ports.
    pub fn addresses(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// The certificates that are shown on some of them.
    pub(crate) fn credentials(&self) -> Vec<Arc<Credentials>> {
        self.tcp.iter().filter_map(|(_, entrance)| entrance.tls.clone()).collect()
    }

    fn add_tcp(&mut self, socket: TcpListener, listener: &Listener) -> Result<(), ListenError> {
        let unnamed = SocketAddr::from(([0, 0, 0, 0], 0));
        let address = socket.local_addr().map_err(|source| ListenError::Tcp { address: unnamed, source })?;
        listener.judge(Some(address))?;
        socket.set_nonblocking(true).map_err(|source| ListenError::Tcp { address, source })?;
        let entrance = Entrance::of(listener)?;
        let endpoint = if entrance.tls.is_some() { Endpoint::Tls(address) } else { Endpoint::Tcp(address) };
        self.tcp.push((socket, entrance));
        self.endpoints.push(endpoint);
        Ok(())
    }

    fn add_unix(&mut self, socket: UnixListener, path: PathBuf, listener: &Listener) -> Result<(), ListenError> {
        socket.set_nonblocking(true).map_err(|source| ListenError::Unix { path: path.clone(), source })?;
        self.unix.push((socket, Entrance::of(listener)?));
        self.endpoints.push(Endpoint::Unix(path));
        Ok(())
    }
}

/// Opens all sockets. Those that systemd passes (`LISTEN_FDS`) replace the configured ones.
pub fn bind(settings: &Settings) -> Result<Sockets, ListenError> {
    let mut sockets = Sockets { tcp: Vec::new(), unix: Vec::new(), endpoints: Vec::new(), files: Vec::new() };
    take_passed(settings, &mut sockets)?;
    if sockets.endpoints.is_empty() {
        for listener in &settings.listeners {
            // judged before the socket exists: not even for a moment may anybody connect
            listener.judge(None)?;
            match &listener.spot {
                Spot::Tcp(address) => {
                    let failed = |source| ListenError::Tcp { address: *address, source };
                    sockets.add_tcp(TcpListener::bind(address).map_err(failed)?, listener)?;
                }
                Spot::Unix { path, access } => {
                    let (socket, file) = bind_unix(path, *access)?;
                    sockets.files.push(file);
                    sockets.add_unix(socket, path.clone(), listener)?;
                }
            }
        }
    }
    warn_of_neighbours(&settings.listeners);
    if sockets.endpoints.is_empty() { Err(ListenError::Nowhere) } else { Ok(sockets) }
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

fn bind_unix(path: &Path, access: SocketAccess) -> Result<(UnixListener, SocketFile), ListenError> {
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
    if access == SocketAccess::Everybody {
        open_to_everybody(path).map_err(failed)?;
    }
    Ok((UnixListener::from(socket), SocketFile { path: path.to_owned(), inode, _lock: lock }))
}

/// Lets everybody connect. The file is held while it is changed, so that nothing else can take its place.
fn open_to_everybody(path: &Path) -> io::Result<()> {
    let held = rustix::fs::open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, FileMode::empty())?;
    if FileType::from_raw_mode(rustix::fs::fstat(&held)?.st_mode) != FileType::Socket {
        return Err(io::Error::other("somebody has put another file in its place"));
    }
    let held = format!("/proc/self/fd/{}", held.as_raw_fd());
    std::fs::set_permissions(held, Permissions::from_mode(0o777))
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

/// Takes the sockets of systemd's socket activation. Each is used as the configured listener of its address.
fn take_passed(settings: &Settings, sockets: &mut Sockets) -> Result<(), ListenError> {
    let passed = sd_notify::listen_fds().map_err(|source| ListenError::Passed { descriptor: 3, source })?;
    for descriptor in passed {
        let failed = |source: io::Error| ListenError::Passed { descriptor, source };
        let socket = duplicate(descriptor).map_err(failed)?;
        if rustix::net::sockopt::socket_domain(&socket).map_err(|error| failed(error.into()))? == AddressFamily::UNIX {
            let socket = UnixListener::from(socket);
            let path = socket.local_addr().ok().and_then(|a| a.as_pathname().map(Path::to_owned));
            let path = path.unwrap_or_else(|| "(unnamed)".into());
            sockets.add_unix(socket, path.clone(), &for_path(settings, path))?;
        } else {
            let socket = TcpListener::from(socket);
            let address = socket.local_addr().map_err(failed)?;
            sockets.add_tcp(socket, &for_address(settings, address)?)?;
        }
    }
    Ok(())
}

/// What is said of an address: by its own listener, else by any if all are alike. Where they differ, a guess could open one's
/// door with another's key.
fn for_address(settings: &Settings, address: SocketAddr) -> Result<Listener, ListenError> {
    let tcp: Vec<&Listener> = settings.listeners.iter().filter(|one| matches!(one.spot, Spot::Tcp(_))).collect();
    match (tcp.iter().find(|one| one.spot == Spot::Tcp(address)), tcp.as_slice()) {
        (Some(own), _) => Ok((*own).clone()),
        (None, [one, others @ ..]) if others.iter().all(|other| other.protects_as(one)) => Ok((*one).clone()),
        (None, []) => Ok(Listener { clear_text: settings.clear_text, ..Listener::tcp(address, settings.mode) }),
        (None, _) => Err(ListenError::Unexpected(address)),
    }
}

/// What is said of a path, by its own listener.
fn for_path(settings: &Settings, wanted: PathBuf) -> Listener {
    let own = settings.listeners.iter().find(|one| matches!(&one.spot, Spot::Unix { path, .. } if *path == wanted));
    own.cloned().unwrap_or_else(|| Listener::unix(wanted, SocketAccess::Owner, settings.mode))
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
    use crate::{ClearText, Mode};

    fn settings(listen: &[&str], uds: Vec<PathBuf>, mode: Mode) -> Settings {
        let tcp = listen.iter().map(|address| Listener::tcp(address.parse().unwrap(), mode));
        let unix = uds.into_iter().map(|path| Listener::unix(path, SocketAccess::Owner, mode));
        Settings { listeners: tcp.chain(unix).collect(), mode, ..Settings::default() }
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
    fn tokens_stay_on_this_machine_unless_told() {
        let mut here = settings(&["0.0.0.0:0"], Vec::new(), Mode::Tokens);
        assert!(matches!(bind(&here), Err(ListenError::ClearText(_))));
        here.listeners[0].clear_text = ClearText::Anywhere;
        bind(&here).unwrap();
        bind(&settings(&["127.0.0.1:0"], Vec::new(), Mode::Tokens)).unwrap();
    }

    #[test]
    fn a_unix_socket_for_everybody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gate.sock");
        let listener = Listener::unix(path.clone(), SocketAccess::Everybody, Mode::Tokens);
        let here = Settings { listeners: vec![listener], mode: Mode::Tokens, ..Settings::default() };
        let _sockets = bind(&here).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o777);
        assert!(open_to_everybody(dir.path()).is_err(), "no socket");
        std::os::unix::fs::symlink(&path, dir.path().join("link")).unwrap();
        assert!(open_to_everybody(&dir.path().join("link")).is_err(), "a link");
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
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let copy = TcpListener::from(duplicate(listener.as_raw_fd()).unwrap());
        assert_eq!(copy.local_addr().unwrap(), listener.local_addr().unwrap());
        assert!(duplicate(1_000_000).is_err());
    }
}
