//! Where a controller is: its name is looked up within the time that there is, and what was found out last counts while nobody
//! can be asked.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So long an address is good without asking again.
const FRESH: Duration = Duration::from_secs(60);

/// Addresses that were looked up.
#[derive(Debug, Default)]
pub(in crate::rpc) struct Addresses(Mutex<HashMap<Place, Found>>);

/// A host and a port.
type Place = (String, u16);
/// When, and what.
type Found = (Instant, Vec<SocketAddr>);

impl Addresses {
    /// The addresses of a host, looked up within `time`.
    pub(super) fn of(&self, host: &str, port: u16, time: Duration) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let key = (host.to_owned(), port);
        let earlier = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some((at, addresses)) = &earlier
            && at.elapsed() < FRESH
        {
            return Ok(addresses.clone());
        }
        match look_up(key.clone(), time) {
            Ok(addresses) => {
                let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                known.insert(key, (Instant::now(), addresses.clone()));
                Ok(addresses)
            }
            Err(error) => earlier.map(|(_, addresses)| addresses).ok_or(error),
        }
    }
}

/// Asks the system, which may take as long as it wants: in a thread of its own.
fn look_up(key: Place, time: Duration) -> io::Result<Vec<SocketAddr>> {
    let (done, found) = mpsc::channel();
    std::thread::spawn(move || {
        let found = (key.0.as_str(), key.1).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        // whether anybody still waits for it does not matter
        drop(done.send(found));
    });
    match found.recv_timeout(time) {
        Ok(found) => found,
        Err(RecvTimeoutError::Timeout) => {
            Err(io::Error::new(ErrorKind::TimedOut, "its name was not looked up in time"))
        }
        Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("its name cannot be looked up")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_need_no_look_up() {
        let addresses = Addresses::default();
        assert_eq!(addresses.of("127.0.0.1", 7, Duration::ZERO).unwrap(), ["127.0.0.1:7".parse().unwrap()]);
        assert_eq!(addresses.of("::1", 7, Duration::ZERO).unwrap(), ["[::1]:7".parse().unwrap()]);
        assert!(addresses.0.lock().unwrap().is_empty());
    }

    #[test]
    fn what_was_found_last_counts_while_nobody_answers() {
        let addresses = Addresses::default();
        let old = Instant::now().checked_sub(2 * FRESH).unwrap_or_else(Instant::now);
        let known: SocketAddr = "192.0.2.7:7".parse().unwrap();
        addresses.0.lock().unwrap().insert(("no-such-host.invalid".into(), 7), (old, vec![known]));
        assert_eq!(addresses.of("no-such-host.invalid", 7, Duration::ZERO).unwrap(), [known]);
        assert!(addresses.of("another.invalid", 7, Duration::from_secs(20)).is_err());
    }
}
