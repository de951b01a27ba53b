//! Who asks in Autosubmit's dialect, and how much of it is protected.
//!
//! Three kinds of bearer tokens count: the site's one static token, tokens signed with its `SECRET_KEY` (those of Autosubmit API
//! and ours are interchangeable), and whatever else counts on the listener. What a browser or a connection brings by itself
//! (cookies, certificates, the local user) counts only for pages of our own, so that answers can be readable for all pages.

use std::fmt;
use std::path::Path;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::http::request::Parts;
use jobgate_model::{Error, ErrorKind, Established, Principal, Role};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, encode};
use serde_json::json;

use super::decide::{self, Dialect};
use super::identify::{self, Identity, Standing};
use super::jwt::claims::{self, Rules};
use super::names::Vouching;
use super::token::bearer;
use super::tokens::Refusal;
use super::{Door, Gatekeeper, keyfile, local, stranger};
use crate::accept::Peer;
use crate::audit::Trail;

/// How long a token lasts, in seconds: five days of 84,000 seconds, as in the original.
const LASTS: i64 = 420_000;
/// The name of whoever has the static token.
const ANYBODY: &str = "User";
/// A key with fewer bytes can be guessed.
const SHORT: usize = 32;

/// How much is protected (`PROTECTION_LEVEL`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protection {
    /// Everything but logins and documents.
    #[default]
    All,
    /// What changes something. (In the original: nothing that does.)
    WriteOnly,
    /// Nothing; but what changes something is for clients on this machine.
    None,
}

impl Protection {
    /// Reads a level; any other text is `ALL`, as in the original.
    pub fn of(text: &str) -> Self {
        match text {
            "WRITEONLY" => Self::WriteOnly,
            "NONE" => Self::None,
            _ => Self::All,
        }
    }
}

/// A secret that signs tokens; never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey(Vec<u8>);

impl SigningKey {
    /// The bytes of a text. Texts that everybody knows are refused, first of all the one that the original is compiled with.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.is_empty() || keyfile::is_known(text.as_bytes()) {
            return Err("this secret is one that everybody knows; make another with `openssl rand -hex 32`".into());
        }
        Ok(Self(text.as_bytes().to_vec()))
    }

    /// The text of a file that nobody else can read, without the end of its last line.
    pub fn read(path: &Path) -> Result<Self, String> {
        let bytes = keyfile::secret(path)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| format!("{} is not text", path.display()))?;
        Self::new(text.trim_end()).map_err(|why| format!("{}: {why}", path.display()))
    }

    /// Whether it has fewer bytes than its algorithm deserves.
    pub fn is_short(&self) -> bool {
        self.0.len() < SHORT
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// What counts in Autosubmit's dialect besides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AutosubmitKeys {
    /// How much is protected.
    pub protection: Protection,
    /// What tokens are signed with (`SECRET_KEY`); without one there are none.
    pub secret_key: Option<SigningKey>,
    /// A token that everybody has who may ask (`AS_API_SECRET_TOKEN`).
    pub token: Option<SigningKey>,
}

/// For whom a route of the dialect is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Everybody.
    Open,
    /// Whoever may look.
    Reads,
    /// Whoever may change something.
    Writes,
    /// Only who is known, however little is protected.
    Known,
}

impl AutosubmitKeys {
    /// A token for a user, which the original accepts as well. Nothing without a key. `now`: unix seconds.
    pub(crate) fn issue(&self, user: &str, now: i64) -> Option<String> {
        let key = EncodingKey::from_secret(&self.secret_key.as_ref()?.0);
        let claims = json!({"user_id": user, "sub": user, "iat": now, "exp": now + LASTS});
        encode(&Header::new(Algorithm::HS256), &claims, &key).ok()
    }

    /// Who a token of the dialect's own is for; `Foreign`: it is none.
    fn check(&self, text: &str, now: i64) -> Result<(String, Option<i64>), Refusal> {
        let is_static = |token: &SigningKey| verify_slices_are_equal(&token.0, text.as_bytes()).is_ok();
        if self.token.as_ref().is_some_and(is_static) {
            return Ok((ANYBODY.to_owned(), None));
        }
        let foreign = || Refusal::Foreign("not signed with SECRET_KEY".into());
        let key = self.secret_key.as_ref().ok_or_else(foreign)?;
        let rules = Rules { issuer: None, audience: Vec::new(), algorithms: vec![Algorithm::HS256], leeway: 0 };
        let header = claims::header(text).map_err(|_| foreign())?;
        match rules.verify(text, header.alg, &DecodingKey::from_secret(&key.0), now) {
            Ok(claims) => match claims.text("user_id") {
                Some(user) => Ok((user.to_owned(), Some(claims.expires))),
                None => Err(Refusal::Wrong("the token has no user_id".into())),
            },
            Err(Refusal::Wrong(_)) => Err(foreign()),
            Err(refusal) => Err(refusal),
        }
    }
}

impl Protection {
    /// Whether a route is only for who is known.
    fn covers(self, guard: Guard) -> bool {
        match guard {
            Guard::Open => false,
            Guard::Known => true,
            Guard::Reads => self == Self::All,
            Guard::Writes => self != Self::None,
        }
    }
}

/// As whom a request is admitted to a route of the dialect, or why it is not.
pub(super) async fn asker(
    gate: &Gatekeeper,
    door: &Door,
    peer: &Peer,
    parts: &Parts,
    guard: Guard,
    now: i64,
) -> Result<Identity, Error> {
    let needed = gate.autosubmit.protection.covers(guard);
    let nobody = || Ok(stranger(peer));
    match standing(gate, door, peer, parts, now).await {
        Standing::Known(mut identity) => {
            Trail::of(&parts.extensions).is(&identity.principal);
            match decide::allow(gate, &mut identity, parts, Dialect::Autosubmit, now) {
                Err(error) if guard == Guard::Open && error.kind() == ErrorKind::Forbidden => return nobody(),
                allowed => allowed?,
            }
            match identity.principal.role {
                Role::Monitor if guard != Guard::Open => {
                    Err(Error::new(ErrorKind::Forbidden, "this identity is for watching the gateway only"))
                }
                _ => Ok(identity),
            }
        }
        Standing::Refused(error) => {
            gate.rates.failure(peer)?;
            if needed { Err(error) } else { unknown(gate, peer, parts, guard) }
        }
        Standing::Nobody => {
            gate.rates.stranger(peer)?;
            if needed { Err(unauthorized()) } else { unknown(gate, peer, parts, guard) }
        }
    }
}

/// Somebody of whom nothing is known, where nothing has to be. Commands are taken only from this machine, and not from pages of
/// other web sites.
fn unknown(gate: &Gatekeeper, peer: &Peer, parts: &Parts, guard: Guard) -> Result<Identity, Error> {
    if guard == Guard::Writes {
        local::refuse_web_sites(&gate.origins, parts)?;
        local::refuse_forwarded(peer, parts)?;
        if !local::is_here(peer) {
            return Err(unauthorized());
        }
    }
    Ok(stranger(peer))
}

async fn standing(gate: &Gatekeeper, door: &Door, peer: &Peer, parts: &Parts, now: i64) -> Standing {
    if let Some(text) = bearer(&parts.headers).filter(|_| door.admits(Established::Jwt)) {
        match gate.autosubmit.check(text, now) {
            Ok((user, expires)) => return known(gate, &user, expires),
            Err(Refusal::Expired) => return Standing::Refused(Error::new(ErrorKind::Unauthenticated, "Expired token")),
            Err(_) => {}
        }
    }
    let by_itself = local::refuse_web_sites(&gate.origins, parts).is_ok();
    if bearer(&parts.headers).is_none() && !by_itself {
        return Standing::Nobody;
    }
    match identify::identify(gate, door, peer, parts, Dialect::Autosubmit, now).await {
        Standing::Refused(_) => Standing::Refused(unauthorized()),
        other => other,
    }
}

fn known(gate: &Gatekeeper, user: &str, expires: Option<i64>) -> Standing {
    let how = if expires.is_some() { Established::Jwt } else { Established::Secret };
    match gate.names.principal(user, how, Vouching::Others) {
        Ok(principal) => Standing::Known(Identity::new(Principal { expires, ..principal }, String::new())),
        Err(why) => {
            tracing::info!(why, "a token is refused");
            Standing::Refused(unauthorized())
        }
    }
}

fn unauthorized() -> Error {
    Error::new(ErrorKind::Unauthenticated, "Unauthorized")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(secret: &str) -> AutosubmitKeys {
        AutosubmitKeys { secret_key: Some(SigningKey::new(secret).unwrap()), ..AutosubmitKeys::default() }
    }

    #[test]
    fn tokens_are_those_of_the_key() {
        let ours = keys("a key");
        let token = ours.issue("alice", 1000).unwrap();
        assert_eq!(ours.check(&token, 1000).unwrap(), ("alice".into(), Some(1000 + LASTS)));
        assert!(matches!(ours.check(&token, 1000 + LASTS), Err(Refusal::Expired)));
        assert!(matches!(ours.check(&token, 999), Err(Refusal::Foreign(_))), "issued in the future");
        assert!(matches!(keys("another").check(&token, 1000), Err(Refusal::Foreign(_))));
        assert!(matches!(AutosubmitKeys::default().check(&token, 1000), Err(Refusal::Foreign(_))));
        let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJ1c2VyX2lkIjoiYSIsImV4cCI6OTk5OTk5OTk5OX0.";
        assert!(matches!(ours.check(none, 1000), Err(Refusal::Foreign(_))));
        assert!(!format!("{ours:?}").contains("a key"));
    }

    #[test]
    fn the_static_token_is_everybodys() {
        let keys = AutosubmitKeys { token: Some(SigningKey::new("word").unwrap()), ..AutosubmitKeys::default() };
        assert_eq!(keys.check("word", 0).unwrap(), ("User".into(), None));
        assert!(keys.check("words", 0).is_err() && keys.check("", 0).is_err());
        assert!(SigningKey::new("").is_err());
    }

    #[test]
    fn levels() {
        use Guard::{Known, Open, Reads, Writes};
        let covered = |level: &str| [Open, Reads, Writes, Known].map(|guard| Protection::of(level).covers(guard));
        assert_eq!(covered("ALL"), [false, true, true, true]);
        assert_eq!(covered("nonsense"), [false, true, true, true]);
        assert_eq!(covered("WRITEONLY"), [false, false, true, true]);
        assert_eq!(covered("NONE"), [false, false, false, true]);
    }
}
