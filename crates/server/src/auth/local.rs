//! Local mode: the machine itself is the proof of identity.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::{HOST, HeaderName, HeaderValue, ORIGIN};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use jobgate_model::{Error, ErrorKind};

use crate::accept::Peer;
use crate::cors::{self, Origin};

/// Admits the loopback address and, on the Unix socket, our own user and root; others there if `sockets` says so.
pub(super) fn admit_peer(peer: &Peer, our_uid: u32, sockets: bool) -> Result<(), Error> {
    let admitted = match peer {
        Peer::Tcp(address) => address.ip().to_canonical().is_loopback(),
        Peer::Unix { uid } => *uid == our_uid || *uid == 0 || sockets,
        Peer::Unknown => {
            return Err(forbidden("nobody can say who is at the other end of a pipe; call this gateway by a socket"));
        }
    };
    if admitted {
        return Ok(());
    }
    Err(forbidden("this gateway serves local clients only (loopback, or the Unix socket of its own user)"))
}

/// Whether a client is on this machine.
pub(super) fn is_here(peer: &Peer) -> bool {
    match peer {
        Peer::Tcp(address) => address.ip().to_canonical().is_loopback(),
        Peer::Unix { .. } => true,
        Peer::Unknown => false,
    }
}

/// Refuses what a proxy on this machine forwards for a client elsewhere: it is not this machine's user who asks. (Nobody gains
/// anything by sending such a header, and a proxy that sends none is the site's own doing.)
pub(super) fn refuse_forwarded(peer: &Peer, parts: &Parts) -> Result<(), Error> {
    let names = ["forwarded", "x-forwarded-for", "x-real-ip"];
    let elsewhere = names.iter().flat_map(|name| parts.headers.get_all(*name)).any(|value| !is_here_said(value));
    if matches!(peer, Peer::Tcp(_)) && elsewhere {
        return Err(forbidden(
            "a proxy forwards this request for a client elsewhere, and this listener is for local clients; let the proxy \
             reach a listener that asks for tokens or certificates",
        ));
    }
    Ok(())
}

/// Whether all clients that a forwarding header names are on this machine.
fn is_here_said(value: &HeaderValue) -> bool {
    let Ok(text) = value.to_str() else { return false };
    text.split([',', ';']).map(str::trim).filter(|part| !part.is_empty()).all(|part| {
        let (key, said) = part.split_once('=').map_or(("for", part), |(key, said)| (key.trim(), said.trim()));
        if !key.eq_ignore_ascii_case("for") {
            return true; // by=, host= and proto= name no client
        }
        let said = said.trim_matches('"');
        let address = said.parse::<SocketAddr>().map(|address| address.ip());
        let address = address.or_else(|_| said.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>());
        address.is_ok_and(|address| address.to_canonical().is_loopback())
    })
}

/// Refuses names that are made to resolve to loopback (DNS rebinding): the `Host` must be ours. A Unix socket is out of a
/// web site's reach by name.
pub(super) fn refuse_rebound_names(peer: &Peer, hosts: &[String], parts: &Parts) -> Result<(), Error> {
    match authority(parts) {
        Some(authority) if matches!(peer, Peer::Tcp(_)) && !is_ours(authority, hosts) => {
            Err(forbidden("the Host header names another machine; call this gateway as localhost"))
        }
        _ => Ok(()),
    }
}

/// Refuses requests that a browser makes on behalf of some other web site: it has the connection, the certificate or the
/// cookie of its user, but it is not that user who asks. Recognised by the headers that browsers add. Pages of `origins` may.
pub(super) fn refuse_web_sites(origins: &[Origin], parts: &Parts) -> Result<(), Error> {
    if cors::allowed(origins, &parts.headers).is_some() {
        return Ok(());
    }
    if let Some(origin) = header(parts, &ORIGIN)
        && origin.split_once("://").map(|(_, rest)| rest) != authority(parts)
    {
        return Err(forbidden("a page of another web site may not use this gateway"));
    }
    if header(parts, &HeaderName::from_static("sec-fetch-site")) == Some("cross-site") {
        return Err(forbidden("another web site may not lead to this gateway; type its address instead"));
    }
    Ok(())
}

fn header<'a>(parts: &'a Parts, name: &HeaderName) -> Option<&'a str> {
    parts.headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

/// What the client calls us, with the port.
pub(super) fn authority(parts: &Parts) -> Option<&str> {
    parts.uri.authority().map(Authority::as_str).or_else(|| header(parts, &HOST))
}

/// Whether a name (with or without a port) is one of this machine for itself, or one of `hosts`.
pub(super) fn is_ours(authority: &str, hosts: &[String]) -> bool {
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
        let tcp = |address: &str| admit_peer(&Peer::Tcp(address.parse().unwrap()), 1000, false).is_ok();
        assert!(tcp("127.0.0.1:5") && tcp("127.8.9.1:5") && tcp("[::1]:5") && tcp("[::ffff:127.0.0.1]:5"));
        assert!(!tcp("10.0.0.1:5") && !tcp("[::ffff:8.8.8.8]:5") && !tcp("[fe80::1]:5") && !tcp("0.0.0.0:5"));
        let unix = |uid| admit_peer(&Peer::Unix { uid }, 1000, false).is_ok();
        assert!(unix(1000) && unix(0) && !unix(1001));
        assert!(admit_peer(&Peer::Unix { uid: 1001 }, 1000, true).is_ok());
        assert!(admit_peer(&Peer::Unknown, 1000, true).is_err());
    }

    #[test]
    fn forwarded() {
        for here in
            ["127.0.0.1", "127.0.0.1, ::1", "for=127.0.0.1;proto=https", "for=\"[::1]:80\";by=10.0.0.1", "127.0.0.1:5"]
        {
            assert!(is_here_said(&HeaderValue::from_static(here)), "{here}");
        }
        for elsewhere in ["10.0.0.1", "127.0.0.1, 10.0.0.1", "for=_hidden", "for=192.0.2.1", "unknown", "localhost"] {
            assert!(!is_here_said(&HeaderValue::from_static(elsewhere)), "{elsewhere}");
        }
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
