//! Addresses in slurmrestd's forms.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, bail};

/// Where to listen.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// A host (empty: every address of this machine) and a port.
    Tcp(String, u16),
    /// A Unix socket.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let expected = "expected [HOST]:PORT or unix:/PATH";
        if let Some(path) = text.strip_prefix("unix:") {
            // also as a URL: unix:///path
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.starts_with('@') {
                bail!("cannot listen on {text:?}: {expected}");
            }
            return Ok(Self::Unix(std::path::absolute(path)?));
        }
        if text.starts_with("https://") {
            bail!("cannot listen on {text:?}: this gateway has no TLS; put a proxy that has in front of it");
        }
        let (host, port) = text.rsplit_once(':').with_context(|| format!("cannot listen on {text:?}: {expected}"))?;
        let port = port.parse().with_context(|| format!("cannot listen on {text:?}: {port:?} is no port number"))?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.contains('/') {
            bail!("cannot listen on {text:?}: {expected}");
        }
        Ok(Self::Tcp(host.to_owned(), port))
    }
}

/// All addresses that a host has. Of several, those that this machine cannot use (there may be no IPv6) are left out.
pub(super) fn resolve(host: &str, port: u16) -> anyhow::Result<Vec<SocketAddr>> {
    if host.is_empty() {
        let all = IpAddr::from(Ipv6Addr::UNSPECIFIED);
        let all = if usable(all) { all } else { Ipv4Addr::UNSPECIFIED.into() };
        return Ok(vec![(all, port).into()]);
    }
    let found = (host, port).to_socket_addrs().with_context(|| format!("cannot listen on {host:?}"))?;
    let mut found: Vec<SocketAddr> = found.collect();
    found.sort();
    found.dedup();
    if found.len() > 1 && found.iter().any(|address| usable(address.ip())) {
        found.retain(|address| usable(address.ip()));
    }
    if found.is_empty() {
        bail!("cannot listen on {host:?}: the name has no address");
    }
    Ok(found)
}

fn usable(ip: IpAddr) -> bool {
    TcpListener::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let tcp = |host: &str, port| Address::Tcp(host.into(), port);
        for (text, expected) in [
            ("127.0.0.1:6820", tcp("127.0.0.1", 6820)),
            ("localhost:0", tcp("localhost", 0)),
            (":6820", tcp("", 6820)),
            ("[::1]:80", tcp("::1", 80)),
            ("[localhost]:80", tcp("localhost", 80)),
            ("::1:80", tcp("::1", 80)),
            ("unix:/run/a.sock", Address::Unix("/run/a.sock".into())),
            ("unix:///run/a.sock", Address::Unix("/run/a.sock".into())),
        ] {
            assert_eq!(text.parse::<Address>().unwrap(), expected, "{text}");
        }
        for bad in ["", "6820", "host", "host:http", "host:70000", "unix:", "unix:@x", "https://h:1", "http://h:1"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }

    #[test]
    fn names() {
        let found = resolve("localhost", 5).unwrap();
        assert!(!found.is_empty() && found.iter().all(|address| address.ip().is_loopback() && address.port() == 5));
        assert!(resolve("", 5).unwrap()[0].ip().is_unspecified());
        assert!(resolve("no-such-host.invalid", 5).is_err());
    }
}
