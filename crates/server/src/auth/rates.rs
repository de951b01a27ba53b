//! How often somebody may ask. Known ones have buckets of their own, of others there is one for each address.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jobgate_model::{Error, ErrorKind, Principal, Role};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::accept::Peer;
use crate::asked::{Asked, Effect};
use crate::buckets::{Buckets, Rate};

/// How often somebody may ask; `None`: as often as they like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateSettings {
    /// Requests of one principal, and of one address of which nobody is known.
    pub requests: Option<Rate>,
    /// Requests of one principal that make or start jobs.
    pub submissions: Option<Rate>,
    /// Credentials of one address, beyond loopback, that are not accepted.
    pub failures: Option<Rate>,
    /// Administrators, and the owner of psik's local mode, are held to it as well.
    pub administrators: bool,
}

impl Default for RateSettings {
    fn default() -> Self {
        let failures = Some(Rate { count: 20, per: Duration::from_secs(60) });
        Self { requests: None, submissions: None, failures, administrators: false }
    }
}

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Limit {
    Requests,
    Submissions,
    Failures,
}

impl Limit {
    fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Submissions => "submissions",
            Self::Failures => "failures",
        }
    }
}

/// A label in `/metrics`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Passed {
    limit: &'static str,
}

/// All buckets.
#[derive(Debug)]
pub(crate) struct Rates {
    settings: RateSettings,
    began: Instant,
    buckets: [Mutex<Buckets>; 3],
    /// Requests that were refused, by the limit that they passed.
    pub(crate) refused: Family<Passed, Counter>,
}

impl Rates {
    pub(super) fn new(settings: RateSettings) -> Self {
        Self { settings, began: Instant::now(), buckets: Default::default(), refused: Family::default() }
    }

    /// Whether somebody who is known may ask this now.
    pub(super) fn known(&self, who: &Principal, asked: Option<&Asked>) -> Result<(), Error> {
        if who.role == Role::Administrator && !self.settings.administrators {
            return Ok(());
        }
        self.take(Limit::Requests, || who.name.clone())?;
        match asked.map(|asked| asked.effect) {
            Some(Effect::Submits) => self.take(Limit::Submissions, || who.name.clone()),
            _ => Ok(()),
        }
    }

    /// Whether somebody of whom only the connection is known may ask now.
    pub(super) fn stranger(&self, peer: &Peer) -> Result<(), Error> {
        self.take(Limit::Requests, || whence(peer))
    }

    /// Whether credentials that are not accepted are answered as such. Good ones never come here, whatever their neighbours
    /// behind the same address do.
    pub(super) fn failure(&self, peer: &Peer) -> Result<(), Error> {
        self.stranger(peer)?;
        if may_be_anybodys(peer) { self.take(Limit::Failures, || whence(peer)) } else { Ok(()) }
    }

    /// Whether credentials may turn out not to be accepted, of which that is costly to find out.
    pub(super) fn may_fail(&self, peer: &Peer) -> Result<(), Error> {
        match self.settings.failures.filter(|_| may_be_anybodys(peer)) {
            Some(rate) => {
                let buckets = self.buckets[Limit::Failures as usize].lock().unwrap_or_else(PoisonError::into_inner);
                let left = buckets.look(rate, &whence(peer), self.began.elapsed());
                left.map_err(|wait| too_many(Limit::Failures, rate, wait))
            }
            None => Ok(()),
        }
    }

    fn take(&self, limit: Limit, whose: impl FnOnce() -> String) -> Result<(), Error> {
        self.take_at(limit, whose, self.began.elapsed())
    }

    fn take_at(&self, limit: Limit, whose: impl FnOnce() -> String, now: Duration) -> Result<(), Error> {
        let rate = match limit {
            Limit::Requests => self.settings.requests,
            Limit::Submissions => self.settings.submissions,
            Limit::Failures => self.settings.failures,
        };
        let Some(rate) = rate else { return Ok(()) };
        let mut buckets = self.buckets[limit as usize].lock().unwrap_or_else(PoisonError::into_inner);
        buckets.take(rate, &whose(), now).map_err(|wait| {
            self.refused.get_or_create(&Passed { limit: limit.as_str() }).inc();
            too_many(limit, rate, wait)
        })
    }
}

fn too_many(limit: Limit, rate: Rate, wait: Duration) -> Error {
    let what = match limit {
        Limit::Requests => "requests",
        Limit::Submissions => "submissions of jobs",
        Limit::Failures => "credentials that are not accepted",
    };
    let text = format!("too many {what}: {rate} are allowed; ask again when the time in Retry-After is over");
    Error::new(ErrorKind::Exhausted, text).retry_after(wait)
}

/// Whether somebody beyond this machine is at the other end.
fn may_be_anybodys(peer: &Peer) -> bool {
    matches!(peer, Peer::Tcp(address) if !address.ip().to_canonical().is_loopback())
}

/// One client as far as addresses tell them apart: whoever has one address of IPv6 has all of its network.
fn whence(peer: &Peer) -> String {
    match peer {
        Peer::Tcp(address) => match address.ip().to_canonical() {
            IpAddr::V4(address) => format!("addr:{address}"),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                format!("addr:{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
        },
        Peer::Unix { uid } => format!("uid:{uid}"),
        Peer::Unknown => "stdin".into(),
    }
}

#[cfg(test)]
mod tests {
    use jobgate_model::Established;

    use super::*;

    fn rates(settings: RateSettings) -> Rates {
        Rates::new(settings)
    }

    fn tcp(address: &str) -> Peer {
        Peer::Tcp(address.parse().unwrap())
    }

    fn hourly(count: u32) -> Rate {
        Rate { count, per: Duration::from_secs(3600) }
    }

    #[test]
    fn everybody_has_a_bucket() {
        let rates =
            rates(RateSettings { requests: Some(hourly(2)), submissions: Some(hourly(1)), ..RateSettings::default() });
        let user = |name: &str| Principal::new(name, Established::Jwt, Role::User);
        let submission = Asked::of(&axum::http::Method::POST, "/v2/jobs", Some("/v2/jobs"));
        rates.known(&user("alice"), Some(&submission)).unwrap();
        let refused = rates.known(&user("alice"), Some(&submission)).unwrap_err();
        assert_eq!((refused.kind(), refused.wait_secs()), (ErrorKind::Exhausted, Some(3600)));
        assert!(refused.message().starts_with("too many submissions of jobs: 1/h are allowed"), "{refused}");
        let refused = rates.known(&user("alice"), None).unwrap_err();
        assert!(refused.message().starts_with("too many requests: 2/h"), "{refused}");
        rates.known(&user("bob"), Some(&submission)).unwrap();
        let local = Principal::local(Established::Local);
        assert!((0..9).all(|_| rates.known(&local, Some(&submission)).is_ok()));
        assert_eq!(rates.refused.get_or_create(&Passed { limit: "submissions" }).get(), 1);
    }

    #[test]
    fn administrators_if_they_should() {
        let rates = rates(RateSettings { requests: Some(hourly(1)), administrators: true, ..RateSettings::default() });
        let local = Principal::local(Established::Local);
        assert!(rates.known(&local, None).is_ok() && rates.known(&local, None).is_err());
    }

    #[test]
    fn failures_count_by_address_and_not_on_this_machine() {
        let rates = rates(RateSettings { failures: Some(hourly(1)), ..RateSettings::default() });
        let near = tcp("192.0.2.1:5");
        assert!(rates.failure(&near).is_ok() && rates.failure(&near).is_err() && rates.stranger(&near).is_ok());
        assert!(rates.may_fail(&near).is_err() && (0..9).all(|_| rates.may_fail(&tcp("192.0.2.2:5")).is_ok()));
        assert!(rates.failure(&tcp("192.0.2.2:5")).is_ok());
        assert!(
            rates.failure(&tcp("[2001:db8:0:1::5]:5")).is_ok() && rates.failure(&tcp("[2001:db8:0:1::6]:5")).is_err()
        );
        assert!((0..9).all(|_| rates.failure(&tcp("127.0.0.1:5")).is_ok()));
        assert!((0..9).all(|_| rates.failure(&Peer::Unix { uid: 7 }).is_ok()));
    }

    #[test]
    fn time_fills_buckets() {
        let rates = rates(RateSettings { requests: Some(hourly(1)), ..RateSettings::default() });
        let at = |secs| rates.take_at(Limit::Requests, || "alice".into(), Duration::from_secs(secs)).is_ok();
        assert!(at(0) && !at(3599) && at(3600) && !at(3601));
    }
}
