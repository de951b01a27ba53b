//! Local mode: the machine itself is the proof of identity.

use std::net::IpAddr;

use axum::http::header::{HOST, HeaderName, ORIGIN};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use jobgate_model::{Error, ErrorKind};

use crate::accept::Peer;

/// Admits the loopback address, and on the Unix socket our own user and root.
pub(super) fn admit_peer(peer: &Peer, our_uid: u32) -> Result<(), Error> {
    let admitted = match peer {
        Peer::Tcp(address) => address.ip().to_canonical().is_loopback(),
        Peer::Unix { uid } => *uid == our_uid || *uid == 0,
    };
    if admitted {
        return Ok(());
    }
    Err(forbidden("this gateway serves local clients only (loopback, or the Unix socket of its own user)"))
}

/// Refuses requests that a browser makes on behalf of some web site: it sits on this machine, but it is not its user who
/// asks. Recognised by the headers that browsers add and, against names that are made to resolve to loopback (DNS
/// rebinding), by a `Host` that is not ours. A Unix socket is out of a web site's reach by name.
pub(super) fn refuse_web_sites(peer: &Peer, hosts: &[String], parts: &Parts) -> Result<(), Error> {
    let header = |name: HeaderName| parts.headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let authority = match (parts.uri.authority(), header(HOST)) {
        (Some(authority), _) => Some(authority.as_str()),
        (None, host) => host,
    };
    if let (Peer::Tcp(_), Some(authority)) = (peer, authority)
        && !is_ours(authority, hosts)
    {
        return Err(forbidden("the Host header names another machine; call this gateway as localhost"));
    }
    if let Some(origin) = header(ORIGIN)
        && origin.split_once("://").map(|(_, rest)| rest) != authority
    {
        return Err(forbidden("a page of another web site may not use this gateway"));
    }
    if header(HeaderName::from_static("sec-fetch-site")) == Some("cross-site") {
        return Err(forbidden("another web site may not lead to this gateway; type its address instead"));
    }
    Ok(())
}

fn is_ours(authority: &str, hosts: &[String]) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    let host = authority.host().to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    let address = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    address.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
        || host == "localhost"
        || host.ends_with(".localhost")
        || hosts.iter().any(|ours| ours == host)
}

fn forbidden(text: &'static str) -> Error {
    Error::new(ErrorKind::Forbidden, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers() {
        let tcp = |address: &str| admit_peer(&Peer::Tcp(address.parse().unwrap()), 1000).is_ok();
        assert!(tcp("127.0.0.1:5") && tcp("127.8.9.1:5") && tcp("[::1]:5") && tcp("[::ffff:127.0.0.1]:5"));
        assert!(!tcp("10.0.0.1:5") && !tcp("[::ffff:8.8.8.8]:5") && !tcp("[fe80::1]:5") && !tcp("0.0.0.0:5"));
        let unix = |uid| admit_peer(&Peer::Unix { uid }, 1000).is_ok();
        assert!(unix(1000) && unix(0) && !unix(1001));
    }

    #[test]
    fn hosts() {
        let ours = ["gate.example".to_owned()];
        for host in [
            "localhost",
            "LOCALHOST:8000",
            "localhost.",
            "a.localhost",
            "127.0.0.1:80",
            "[::1]:8000",
            "gate.example:1",
            "Gate.Example",
        ] {
            assert!(is_ours(host, &ours), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "10.0.0.1", "127.0.0.1.evil.example", "", "a b", "?"] {
            assert!(!is_ours(host, &ours), "{host}");
        }
    }
}
