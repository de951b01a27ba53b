//! One place to listen: an address or a path, whom it is for, and how it is protected.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use jobgate_model::Established;

use crate::listen::ListenError;
use crate::{ClearText, Clients, Door, Mode, SocketAccess, TlsFiles};

/// One place to listen.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Where.
    pub spot: Spot,
    /// Who counts there.
    pub door: Door,
    /// Where tokens may be taken without TLS.
    pub clear_text: ClearText,
    /// TLS; on TCP only.
    pub tls: Option<TlsFiles>,
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spot {
    /// A TCP address; port 0 takes a free one.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix {
        /// Its path.
        path: PathBuf,
        /// Who may open it.
        access: SocketAccess,
    },
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix { path, .. } => write!(f, "{}", path.display()),
        }
    }
}

impl Listener {
    /// A TCP address without TLS, for whom the mode says.
    pub fn tcp(address: SocketAddr, mode: Mode) -> Self {
        Self { spot: Spot::Tcp(address), door: Door::of(mode), clear_text: ClearText::Loopback, tls: None }
    }

    /// A TCP address with TLS, for whom the mode says.
    pub fn tls(address: SocketAddr, mode: Mode, files: TlsFiles) -> Self {
        Self { door: Door::over_tls(mode), tls: Some(files), ..Self::tcp(address, mode) }
    }

    /// A Unix socket, for whom the mode says.
    pub fn unix(path: PathBuf, access: SocketAccess, mode: Mode) -> Self {
        let spot = Spot::Unix { path, access };
        Self { spot, door: Door::of(mode), clear_text: ClearText::Loopback, tls: None }
    }

    /// Refuses what would be open to people for whom it is not meant. `actual`: the address that is listened on, where that
    /// is known already.
    pub(crate) fn judge(&self, actual: Option<SocketAddr>) -> Result<(), ListenError> {
        if self.door.admits.is_empty() {
            return Err(ListenError::AcceptsNothing(self.spot.clone()));
        }
        if !self.door.admits.iter().any(|kind| self.can_tell(*kind)) {
            return Err(ListenError::AcceptsNobody(self.spot.clone()));
        }
        let Spot::Tcp(address) = self.spot else {
            return if self.tls.is_some() { Err(ListenError::TlsOnUnix(self.spot.clone())) } else { Ok(()) };
        };
        let address = actual.unwrap_or(address);
        let here = address.ip().to_canonical().is_loopback();
        match (self.door.admits(Established::Local), &self.tls) {
            (true, Some(_)) => Err(ListenError::LocalOverTls(address)),
            (true, None) if !here => Err(ListenError::Beyond(address)),
            (true, None) if self.door.clients == Clients::Anybody => Err(ListenError::LocalForAnybody(address)),
            (false, None) if !here && self.clear_text == ClearText::Loopback => Err(ListenError::ClearText(address)),
            _ => Ok(()),
        }
    }

    /// Whether another listener differs in its address only.
    pub(crate) fn protects_as(&self, other: &Self) -> bool {
        (&self.door, self.clear_text, &self.tls) == (&other.door, other.clear_text, &other.tls)
    }

    /// Whether this kind of identity can come in here at all.
    fn can_tell(&self, kind: Established) -> bool {
        let tcp = matches!(self.spot, Spot::Tcp(_));
        match kind {
            Established::Socket => !tcp,
            Established::Certificate => self.tls.as_ref().is_some_and(|files| files.clients.is_some()),
            Established::Local
            | Established::Biscuit
            | Established::Jwt
            | Established::Session
            | Established::Secret => true,
            Established::Process | Established::Address => false,
        }
    }
}

/// Says where the word of one listener makes that of another worthless.
pub(crate) fn warn_of_neighbours(listeners: &[Listener]) {
    let open = listeners.iter().find(|one| matches!(one.spot, Spot::Tcp(_)) && one.door.admits(Established::Local));
    let shared = listeners.iter().find(|one| {
        matches!(one.spot, Spot::Unix { access: SocketAccess::Everybody, .. }) && one.door.admits(Established::Socket)
    });
    if let (Some(open), Some(shared)) = (open, shared) {
        tracing::warn!(
            "{} is for several users of this machine, and {} takes every one of them for the gateway's own user, because \
             nobody can tell users of a loopback address apart; take `local` out of its `accept`, or do without it",
            shared.spot,
            open.spot
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClientAuthority, Demand};

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn accepting(kinds: &[Established], listener: Listener) -> Listener {
        Listener { door: Door { admits: kinds.iter().copied().collect(), ..listener.door.clone() }, ..listener }
    }

    fn files(clients: bool) -> TlsFiles {
        let ca = ClientAuthority { ca: "ca.crt".into(), crl: None, demand: Demand::Optional };
        TlsFiles { certificate: "a.crt".into(), key: "a.key".into(), clients: clients.then_some(ca) }
    }

    #[test]
    fn what_is_refused() {
        use Established::{Biscuit, Certificate, Jwt, Local, Socket};
        let here = || Listener::tcp(address("127.0.0.1:0"), Mode::Local);
        let out = |mode| Listener::tcp(address("192.0.2.1:1"), mode);
        let tls = |clients| Listener::tls(address("0.0.0.0:1"), Mode::Local, files(clients));
        let unix = || Listener::unix("/x".into(), SocketAccess::Everybody, Mode::Local);
        let anywhere = |listener| Listener { clear_text: ClearText::Anywhere, ..listener };
        let anybody = |listener: Listener| Listener {
            door: Door { clients: Clients::Anybody, ..listener.door.clone() },
            ..listener
        };
        for (name, listener, expected) in [
            ("local, here", here(), None),
            ("no kind", accepting(&[], here()), Some("accepts nothing")),
            ("local, elsewhere", out(Mode::Local), Some("not loopback")),
            ("local, elsewhere, and clear text may be read", anywhere(out(Mode::Local)), Some("not loopback")),
            ("tokens, elsewhere", accepting(&[Biscuit, Jwt], out(Mode::Local)), Some("without TLS")),
            ("insecure, elsewhere", out(Mode::Insecure), Some("without TLS")),
            ("tokens, elsewhere, and the site does not mind", anywhere(accepting(&[Jwt], out(Mode::Local))), None),
            ("tls", tls(false), None),
            ("tls with client certificates", tls(true), None),
            ("tls and local", accepting(&[Local, Jwt], tls(true)), Some("`local` over TLS")),
            ("certificates without an authority", accepting(&[Certificate], tls(false)), Some("nobody can come in")),
            ("certificates without tls", accepting(&[Certificate], here()), Some("nobody can come in")),
            ("sockets on tcp", accepting(&[Socket], here()), Some("nobody can come in")),
            ("local, for anybody", anybody(here()), Some("clients = \"anybody\"")),
            ("sockets", accepting(&[Socket], unix()), None),
            ("tls on a socket", Listener { tls: Some(files(false)), ..unix() }, Some("TLS is for TCP")),
        ] {
            let told = listener.judge(None).err().map(|error| error.to_string());
            match (&told, expected) {
                (None, None) => {}
                (Some(told), Some(expected)) if told.contains(expected) => {}
                _ => panic!("{name}: {told:?}, expected {expected:?}"),
            }
        }
        let passed = Listener::tcp(address("127.0.0.1:0"), Mode::Local).judge(Some(address("[::]:80")));
        assert!(passed.is_err(), "what counts is where it listens");
    }
}
