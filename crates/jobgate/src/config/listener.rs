//! `[[server.listener]]`: places to listen of which more is to be said than an address.

use std::fmt::Write;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use jobgate_model::Established;
use jobgate_server::{
    ClearText, ClientAuthority, Clients, Demand, Door, Listener, Mode, SocketAccess, Spot, TlsFiles, Wire,
};
use serde::{Deserialize, Deserializer};

use super::render::{list, path, quoted};

/// The kinds of identity that a listener can accept.
const KINDS: [Established; 7] = [
    Established::Local,
    Established::Socket,
    Established::Certificate,
    Established::Biscuit,
    Established::Jwt,
    Established::Session,
    Established::Secret,
];

/// One place to listen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ListenerConfig {
    /// Where.
    pub(crate) at: At,
    /// The kinds of identity that count; `None`: as the mode says.
    pub(crate) accept: Option<Vec<Established>>,
    /// Who is talked to at all; `None`: who is on this machine if that counts as an identity, otherwise everybody.
    pub(crate) clients: Option<Clients>,
    /// Where tokens may be taken without TLS.
    pub(crate) clear_text: ClearText,
    /// TLS.
    pub(crate) tls: Option<TlsFiles>,
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum At {
    /// `HOST:PORT`.
    Address(String),
    /// A Unix socket.
    Uds(PathBuf, SocketAccess),
}

impl ListenerConfig {
    /// A place of which nothing but itself is said.
    pub(crate) fn plain(at: At) -> Self {
        Self { at, accept: None, clients: None, clear_text: ClearText::Loopback, tls: None }
    }

    /// For the server.
    pub(crate) fn settings(&self, mode: Mode) -> anyhow::Result<Listener> {
        let spot = match &self.at {
            At::Address(text) => Spot::Tcp(address(text)?),
            At::Uds(path, access) => Spot::Unix { path: path.clone(), access: *access },
        };
        let (usual, wire) = match &self.tls {
            None => (Door::of(mode), Wire::Clear),
            Some(_) => (Door::over_tls(mode), Wire::Tls),
        };
        let admits = self.accept.as_ref().map_or(usual.admits, |kinds| kinds.iter().copied().collect());
        let local = admits.contains(&Established::Local);
        let clients = match (self.clients, &self.accept) {
            (Some(said), _) => said,
            (None, None) => usual.clients,
            (None, Some(_)) if local => Clients::Local,
            (None, Some(_)) => Clients::Anybody,
        };
        let door = Door { admits, clients, wire };
        Ok(Listener { spot, door, clear_text: self.clear_text, tls: self.tls.clone() })
    }

    /// The table, as text that reads back as the same.
    pub(super) fn render(&self, text: &mut String) {
        let mut line = |key: &str, value: String| {
            writeln!(text, "{key} = {value}").expect("invariant: a String takes everything");
        };
        match &self.at {
            At::Address(address) => line("address", quoted(address)),
            At::Uds(socket, access) => {
                line("uds", path(socket));
                line("access", quoted(if *access == SocketAccess::Owner { "owner" } else { "everybody" }));
            }
        }
        if let Some(kinds) = &self.accept {
            line("accept", list(kinds.iter().map(|kind| quoted(kind.as_str()))));
        }
        if let Some(clients) = self.clients {
            line("clients", quoted(if clients == Clients::Local { "local" } else { "anybody" }));
        }
        if self.clear_text == ClearText::Anywhere {
            line("clear_text", quoted("anywhere"));
        }
        let Some(tls) = &self.tls else { return };
        line("certificate", path(&tls.certificate));
        line("key", path(&tls.key));
        let Some(clients) = &tls.clients else { return };
        line("client_ca", path(&clients.ca));
        if let Some(crl) = &clients.crl {
            line("client_crl", path(crl));
        }
        line("client_certificates", quoted(if clients.demand == Demand::Optional { "optional" } else { "required" }));
    }
}

/// The tables, as text that reads back as the same.
pub(super) fn render(listeners: &[ListenerConfig], text: &mut String) {
    for listener in listeners {
        text.push_str("\n[[server.listener]]\n");
        listener.render(text);
    }
}

/// The files of a directory that `certified` has made: its identity, and the authorities whose clients it knows.
pub(crate) fn certified(dir: &Path) -> TlsFiles {
    TlsFiles {
        certificate: dir.join("id.crt"),
        key: dir.join("id.key"),
        clients: Some(ClientAuthority { ca: dir.join("known_clients"), crl: None, demand: Demand::Required }),
    }
}

/// The first address of `HOST:PORT`.
pub(crate) fn address(text: &str) -> anyhow::Result<SocketAddr> {
    let resolved = text.to_socket_addrs().with_context(|| format!("cannot listen on {text:?}: expected HOST:PORT"))?;
    resolved.into_iter().next().with_context(|| format!("cannot listen on {text:?}: the name has no address"))
}

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Table {
    address: Option<String>,
    uds: Option<PathBuf>,
    access: Option<Access>,
    accept: Option<Vec<Kind>>,
    clients: Option<Who>,
    clear_text: Option<Far>,
    certified: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    client_ca: Option<PathBuf>,
    client_crl: Option<PathBuf>,
    client_certificates: Option<Asked>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Access {
    Owner,
    Everybody,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Who {
    Local,
    Anybody,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Far {
    Loopback,
    Anywhere,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Asked {
    None,
    Optional,
    Required,
}

#[derive(Debug, Clone, Copy)]
struct Kind(Established);

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        KINDS.into_iter().find(|kind| kind.as_str() == text).map(Self).ok_or_else(|| {
            let names = KINDS.map(Established::as_str).join(", ");
            serde::de::Error::custom(format!("unknown kind of identity {text:?}, expected one of {names}"))
        })
    }
}

impl Table {
    /// Reads a table; `resolve` makes paths absolute.
    pub(super) fn settings(self, resolve: impl Fn(&Path) -> anyhow::Result<PathBuf>) -> anyhow::Result<ListenerConfig> {
        let at = match (&self.address, &self.uds) {
            (Some(address), None) => {
                ensure!(self.access.is_none(), "`access` is for Unix sockets, and {address} is none");
                At::Address(address.clone())
            }
            (None, Some(path)) => {
                ensure!(self.clear_text.is_none(), "`clear_text` is for TCP addresses, and a Unix socket is none");
                let access = match self.access {
                    None | Some(Access::Owner) => SocketAccess::Owner,
                    Some(Access::Everybody) => SocketAccess::Everybody,
                };
                At::Uds(resolve(path)?, access)
            }
            _ => bail!("a [[server.listener]] needs either `address` or `uds`"),
        };
        let accept = self.accept.as_ref().map(|kinds| kinds.iter().map(|kind| kind.0).collect());
        let clients = self.clients.map(|who| match who {
            Who::Local => Clients::Local,
            Who::Anybody => Clients::Anybody,
        });
        let clear_text = match self.clear_text {
            None | Some(Far::Loopback) => ClearText::Loopback,
            Some(Far::Anywhere) => ClearText::Anywhere,
        };
        let name = match &at {
            At::Address(address) => address.clone(),
            At::Uds(path, _) => path.display().to_string(),
        };
        let tls = self.tls(resolve).with_context(|| format!("the listener {name}"))?;
        Ok(ListenerConfig { at, accept, clients, clear_text, tls })
    }

    fn tls(&self, resolve: impl Fn(&Path) -> anyhow::Result<PathBuf>) -> anyhow::Result<Option<TlsFiles>> {
        let resolved = |path: &Option<PathBuf>| path.as_deref().map(&resolve).transpose();
        let [certified_dir, certificate, key, ca, crl] =
            [&self.certified, &self.certificate, &self.key, &self.client_ca, &self.client_crl].map(resolved);
        let (certificate, key, ca, crl) = (certificate?, key?, ca?, crl?);
        let from_certified = certified_dir?.map(|dir| certified(&dir));
        let mut files = match (from_certified, certificate, key) {
            (Some(files), None, None) => files,
            (Some(_), _, _) => bail!("`certified` names certificate and key; take `certificate` and `key` out"),
            (None, Some(certificate), Some(key)) => TlsFiles { certificate, key, clients: None },
            (None, None, None) => {
                ensure!(
                    ca.is_none() && crl.is_none() && matches!(self.client_certificates, None | Some(Asked::None)),
                    "client certificates need TLS: give `certificate` and `key`"
                );
                return Ok(None);
            }
            (None, _, _) => bail!("`certificate` and `key` belong together"),
        };
        let known = ca.or_else(|| files.clients.take().map(|clients| clients.ca));
        files.clients = match (known, self.client_certificates) {
            (_, Some(Asked::None)) => None,
            (Some(ca), Some(Asked::Optional)) => Some(ClientAuthority { ca, crl, demand: Demand::Optional }),
            (Some(ca), None | Some(Asked::Required)) => Some(ClientAuthority { ca, crl, demand: Demand::Required }),
            (None, None) => {
                ensure!(crl.is_none(), "`client_crl` needs `client_ca`");
                None
            }
            (None, Some(_)) => bail!("`client_certificates` needs `client_ca`, whose certificates count"),
        };
        Ok(Some(files))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> anyhow::Result<ListenerConfig> {
        let table: Table = ::toml::from_str(text)?;
        table.settings(|path| Ok(Path::new("/etc/jobgate").join(path)))
    }

    #[test]
    fn tables_read_back_as_the_same() {
        for text in [
            "address = '127.0.0.1:0'",
            "uds = 'a.sock'",
            "uds = '/run/a.sock'\naccess = 'everybody'\naccept = ['socket', 'jwt']",
            "address = '[::]:443'\ncertificate = 'a.crt'\nkey = 'a.key'\naccept = ['biscuit']\nclients = 'anybody'",
            "address = 'a:1'\ncertificate = 'a.crt'\nkey = 'a.key'\nclient_ca = 'ca'\nclient_crl = 'crl'",
            "address = 'a:1'\ncertified = 'etc/certified'\nclient_certificates = 'optional'",
            "address = 'a:1'\nclear_text = 'anywhere'\nclients = 'local'",
        ] {
            let first = read(text).unwrap();
            let mut again = String::new();
            first.render(&mut again);
            assert_eq!(read(&again).unwrap(), first, "{text}\n{again}");
        }
    }

    #[test]
    fn what_does_not_fit_together() {
        for (text, expected) in [
            ("", "either `address` or `uds`"),
            ("address = 'a:1'\nuds = 'x'", "either `address` or `uds`"),
            ("address = 'a:1'\naccess = 'owner'", "`access` is for Unix sockets"),
            ("uds = 'x'\nclear_text = 'anywhere'", "`clear_text` is for TCP"),
            ("address = 'a:1'\nkey = 'x'", "belong together"),
            ("address = 'a:1'\nclient_ca = 'x'", "need TLS"),
            ("address = 'a:1'\nclient_certificates = 'required'", "need TLS"),
            ("address = 'a:1'\nkey = 'x'\ncertificate = 'y'\nclient_certificates = 'required'", "needs `client_ca`"),
            ("address = 'a:1'\nkey = 'x'\ncertificate = 'y'\nclient_crl = 'z'", "needs `client_ca`"),
            ("address = 'a:1'\nkey = 'x'\ncertificate = 'y'\ncertified = 'z'", "take `certificate` and `key` out"),
            ("address = 'a:1'\naccept = ['process']", "expected one of local, socket, certificate"),
        ] {
            let error = format!("{:#}", read(text).unwrap_err());
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn doors() {
        let door = |text: &str, mode| read(text).unwrap().settings(mode).unwrap().door;
        let tls = "address = '127.0.0.1:1'\ncertificate = 'a.crt'\nkey = 'a.key'\nclient_ca = 'ca'";
        assert_eq!(door("address = '127.0.0.1:1'", Mode::Local), Door::of(Mode::Local));
        assert_eq!(door(tls, Mode::Local), Door::over_tls(Mode::Local));
        let only = door(&format!("{tls}\naccept = ['certificate']"), Mode::Local);
        assert_eq!((only.admits, only.clients), ([Established::Certificate].into(), Clients::Anybody));
        let shared = door("uds = 'x'\naccess = 'everybody'\naccept = ['socket', 'local']", Mode::Insecure);
        assert_eq!(shared.clients, Clients::Local);
    }

    #[test]
    fn addresses() {
        assert_eq!(address("127.0.0.1:0").unwrap(), "127.0.0.1:0".parse().unwrap());
        assert_eq!(address("[::1]:8000").unwrap().port(), 8000);
        assert!(address("localhost:80").unwrap().ip().is_loopback());
        for bad in ["", "8000", "127.0.0.1", "127.0.0.1:70000"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
