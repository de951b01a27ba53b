//! What a browser keeps for us: the login that it is on the way with, and then its session.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::http::HeaderValue;
use axum::http::request::Parts;
use jobgate_model::{Access, Error};
use serde::{Deserialize, Serialize};
use url::Url;

use super::cookie::Cookie;
use super::seal::{Purpose, Sealer, random_word};
use super::session::{Ended, PATIENCE, Rank, Session, Used};
use super::{Arrival, Challenge, Logins, Return, forgery, refused};
use crate::accept::Peer;
use crate::auth::{Door, Wire, local};

/// A login under way, as its browser keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Attempt {
    provider: String,
    challenge: Challenge,
    /// Where it comes back to; CAS and OAuth want the very same again.
    redirect_uri: String,
    /// Where the person wants to go then.
    next: String,
    /// When it is too late, in unix seconds.
    expires: i64,
}

/// Cookies, and what is known of them.
#[derive(Debug)]
pub(in crate::auth) struct Cookies {
    url: Option<Url>,
    lasting: i64,
    sealer: Sealer,
    ended: Arc<Ended>,
    used: Used,
}

/// What a request's cookies say of who asks.
#[derive(Debug)]
pub(in crate::auth) enum Brought {
    /// None is a session of ours.
    Nothing,
    /// A session that has ended.
    Ended,
    /// A session, in a request that a page of ours did not make.
    Forged(Error),
    /// A session.
    Session(Session),
}

/// Where to send a browser, and what it has to keep.
#[derive(Debug)]
pub(super) struct Departure {
    pub(super) url: Url,
    pub(super) cookie: HeaderValue,
}

/// Somebody has come in.
#[derive(Debug)]
pub(super) struct Entrance {
    pub(super) session: Session,
    pub(super) cookies: Vec<HeaderValue>,
    pub(super) next: String,
}

impl Cookies {
    pub(super) fn open(url: Option<Url>, lasting: Duration, state_dir: &Path) -> Result<Self, String> {
        let sealer = Sealer::open(state_dir)?;
        let now = jiff::Timestamp::now().as_second();
        let ended = Ended::open(state_dir, now).map_err(|error| format!("cannot read who has logged out: {error}"))?;
        let lasting = i64::try_from(lasting.as_secs()).unwrap_or(i64::MAX);
        Ok(Self { url, lasting, sealer, ended: Arc::new(ended), used: Used::default() })
    }

    /// Whether a browser that talks with us does so by TLS, be it that of a proxy.
    fn wire(&self, door: &Door) -> Wire {
        match &self.url {
            Some(url) if url.scheme() == "https" => Wire::Tls,
            Some(_) => Wire::Clear,
            None => door.wire,
        }
    }

    /// The address that a browser has of us: what the configuration says. Only on this machine, and by a name that means this
    /// machine, the browser is believed.
    pub(super) fn base(&self, door: &Door, peer: &Peer, parts: &Parts) -> Result<String, Error> {
        if let Some(url) = &self.url {
            return Ok(url.origin().ascii_serialization());
        }
        let scheme = if door.wire == Wire::Tls { "https" } else { "http" };
        match local::authority(parts) {
            Some(host) if matches!(peer, Peer::Tcp(_)) && local::is_here(peer) && local::is_ours(host, &[]) => {
                Ok(format!("{scheme}://{host}"))
            }
            _ => Err(Error::new(
                jobgate_model::ErrorKind::Forbidden,
                "logins from elsewhere need the address that browsers have of this gateway: [auth] url in its configuration",
            )),
        }
    }

    fn unsealed<'a, T: serde::de::DeserializeOwned + 'a>(
        &'a self,
        cookie: Cookie,
        purpose: Purpose,
        door: &Door,
        parts: &'a Parts,
    ) -> impl Iterator<Item = T> + 'a {
        let values = cookie.values(self.wire(door), &parts.headers);
        values.into_iter().filter_map(move |value| self.sealer.unseal(purpose, value))
    }

    fn seal(&self, purpose: Purpose, value: &impl Serialize) -> Result<String, Error> {
        self.sealer.seal(purpose, value).map_err(|why| Error::internal("the gateway cannot seal a cookie", why))
    }
}

impl Logins {
    /// What a request's cookies say of who asks. `access`: what the request does. `now`: unix seconds.
    pub(in crate::auth) fn brought(&self, door: &Door, parts: &Parts, access: Access, now: i64) -> Brought {
        let cookies = &self.cookies;
        let mut sessions = cookies.unsealed::<Session>(Cookie::Session, Purpose::Session, door, parts);
        let Some(session) = sessions.next() else { return Brought::Nothing };
        let known = self.providers.contains_key(&session.provider);
        if session.expires <= now || !known || cookies.ended.has(&session.id) {
            return Brought::Ended;
        }
        let ours = cookies.url.as_ref().map(|url| url.origin().ascii_serialization());
        match forgery::refuse(parts, access, ours.as_deref()) {
            Ok(()) => Brought::Session(session),
            Err(error) => Brought::Forged(error),
        }
    }

    /// Begins a login at a provider, after which the person goes to `next`.
    pub(super) async fn depart(
        &self,
        provider: &str,
        next: Option<&str>,
        (door, peer, parts): (&Door, &Peer, &Parts),
        now: i64,
    ) -> Result<Departure, Error> {
        self.provider(provider)?;
        let next = next.unwrap_or("/");
        if !forgery::is_local_path(next) {
            return Err(Error::invalid("`next` must be a path of this gateway, for example /v2/"));
        }
        let cookies = &self.cookies;
        let challenge = Challenge::new()?;
        let callback = format!("{}/auth/callback/{provider}", cookies.base(door, peer, parts)?);
        let redirect_uri = match self.provider(provider)? {
            // CAS has no state of its own: it comes back in the service's URL
            super::Provider::Cas(_) => format!("{callback}?state={}", challenge.state),
            super::Provider::Oidc(_) | super::Provider::Github(_) => callback,
        };
        let url = self.start(provider, &redirect_uri, &challenge).await?;
        let patience = PATIENCE.as_secs() as i64;
        let attempt =
            Attempt { provider: provider.into(), challenge, redirect_uri, next: next.into(), expires: now + patience };
        let sealed = cookies.seal(Purpose::Attempt, &attempt)?;
        let cookie = Cookie::Attempt.set(cookies.wire(door), &sealed, patience);
        let cookie = cookie.ok_or_else(|| Error::internal("the gateway cannot make a cookie", "not a header"))?;
        Ok(Departure { url, cookie })
    }

    /// Lets somebody in who has come back from a provider to the browser from which it was sent.
    pub(super) async fn arrive(
        &self,
        provider: &str,
        said: &Said,
        door: &Door,
        parts: &Parts,
        now: i64,
    ) -> Result<Entrance, Error> {
        let cookies = &self.cookies;
        let state = said.state.as_deref().unwrap_or_default();
        let ours = |attempt: &Attempt| {
            attempt.provider == provider
                && verify_slices_are_equal(attempt.challenge.state.as_bytes(), state.as_bytes()).is_ok()
        };
        let attempt = cookies.unsealed::<Attempt>(Cookie::Attempt, Purpose::Attempt, door, parts).find(ours);
        let attempt = attempt.ok_or_else(|| refused(NOT_BEGUN_HERE, "no cookie of this state"))?;
        if attempt.expires <= now {
            return Err(refused("the login took too long; log in again", "the attempt has expired"));
        }
        if !cookies.used.first_time(state, attempt.expires, now) {
            return Err(refused("this login is over; log in again", "the state was used"));
        }
        if let Some(error) = said.error.as_deref() {
            let plain: String = error.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(60).collect();
            return Err(refused("the provider has not let you in", plain));
        }
        let back = Return {
            code: said.code.as_deref().or(said.ticket.as_deref()).unwrap_or_default(),
            redirect_uri: &attempt.redirect_uri,
            issuer: said.iss.as_deref(),
            challenge: Some(&attempt.challenge),
        };
        let arrival = self.finish(provider, &back, now).await?;
        self.enter(arrival, attempt, door, now)
    }

    fn enter(&self, arrival: Arrival, attempt: Attempt, door: &Door, now: i64) -> Result<Entrance, Error> {
        let cookies = &self.cookies;
        let id = random_word().map_err(|why| Error::internal("the gateway cannot begin a session", why))?;
        let session = Session {
            id,
            user: arrival.user,
            provider: attempt.provider,
            role: arrival.role.and_then(Rank::of),
            expires: now.saturating_add(cookies.lasting),
        };
        let sealed = cookies.seal(Purpose::Session, &session)?;
        let wire = cookies.wire(door);
        let set = [Cookie::Session.set(wire, &sealed, cookies.lasting), Cookie::Attempt.clear(wire)];
        Ok(Entrance { session, cookies: set.into_iter().flatten().collect(), next: attempt.next })
    }

    /// The header that makes a browser forget its session.
    pub(super) fn farewell(&self, door: &Door) -> Option<HeaderValue> {
        Cookie::Session.clear(self.cookies.wire(door))
    }

    /// Ends a session for good. What this gives blocks.
    pub(super) fn end(&self, session: Session) -> impl FnOnce() -> std::io::Result<()> + Send + 'static {
        let ended = Arc::clone(&self.cookies.ended);
        move || ended.end(&session.id, session.expires)
    }
}

/// What a provider sends back in the URL.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Said {
    state: Option<String>,
    code: Option<String>,
    ticket: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

const NOT_BEGUN_HERE: &str =
    "this login was not begun in this browser, or it has begun another one since; log in again";
