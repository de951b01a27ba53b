//! Slurm's tokens (auth/jwt): signing them as `scontrol token` does, and checking them as the controller does.
//!
//! Two kinds are accepted, each only if its key is there: HS256 with a shared key (`jwt_key`), and RS256 with the keys of a JWKS
//! file (`jwks`), chosen by the token's exact `kid`. `exp` is mandatory and has no leeway. The user is that of the first claim
//! present of `sun`, `username` and the configured `userclaimfield`. As in Slurm, nothing else is looked at: no audience, issuer,
//! `nbf` or user number.

mod keys;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

use std::str::FromStr;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header, encode};
use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

pub use keys::{KeyError, KeySet, MIN_KEY_LENGTH, SharedKey};

use crate::excerpt::excerpt;

/// The greatest length of a token in bytes.
pub const MAX_TOKEN_LENGTH: usize = 16 * 1024;

/// The keys whose tokens are accepted. Their secrets are never printed, not by `Debug` either.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    /// The shared key; without it HS256 is refused.
    pub hs256: Option<SharedKey>,
    /// The public keys of a JWKS file; without them RS256 is refused.
    pub jwks: Option<KeySet>,
    /// `userclaimfield`: the claim that names the user if neither `sun` nor `username` does.
    pub user_claim: Option<String>,
}

/// What an accepted token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The login name that the token is for.
    pub user: String,
    /// When it ceases to be valid, in unix seconds.
    pub expires: i64,
    /// When it was made, in unix seconds, if it says so.
    pub issued: Option<i64>,
    /// Which key has signed it.
    pub signed_by: SignedBy,
}

/// The key that has signed a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedBy {
    /// The shared key.
    SharedKey,
    /// The key of the JWKS file with this `kid`.
    KeySet(String),
}

/// Why a token is refused: for the log, not for the client. Never holds the token or a key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The token is not three parts of base64 with JSON objects in them.
    #[error("the token is malformed")]
    Malformed,
    /// The token is too long to be looked at.
    #[error("the token is longer than {MAX_TOKEN_LENGTH} bytes")]
    TooLong,
    /// The header is not understood; `alg` may be `none` or another that no key can have.
    #[error("the token's header is not understood, or its algorithm is none of RS256 and HS256")]
    Header,
    /// The header asks for extensions (`crit`).
    #[error("the token's header has critical extensions")]
    Critical,
    /// The algorithm is known but not one of Slurm's.
    #[error("the token's algorithm is {0}; only RS256 and HS256 are accepted")]
    Algorithm(String),
    /// There is no key for the algorithm.
    #[error("the token's algorithm is {0}, for which no key is configured")]
    NoKey(&'static str),
    /// An RS256 token does not say which key has signed it.
    #[error("the token's header has no kid")]
    NoKid,
    /// No usable key has the token's `kid`.
    #[error("no RS256 key has the token's kid `{0}`")]
    UnknownKid(String),
    /// The signature is not the key's.
    #[error("the token's signature is wrong")]
    Signature,
    /// `exp` is missing or no integer.
    #[error("the token has no exp, or one that is no integer")]
    NoExpiry,
    /// The token is too old.
    #[error("the token has expired at {0}")]
    Expired(i64),
    /// No claim names a user.
    #[error("the token names no user (claims sun, username or the configured one)")]
    NoUser,
    /// The claim that names the user is not the text of a login name.
    #[error("the token's claim {0} is no login name")]
    User(String),
}

/// How long a new token is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifespan {
    /// So many seconds.
    Seconds(u32),
    /// As long as 32 bits of seconds, 136 years: every token must expire.
    Infinite,
}

/// Why no token was made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MintError {
    /// The user's name cannot be one.
    #[error("`{0}` is no login name")]
    User(String),
    /// The signature could not be made.
    #[error("the token could not be signed")]
    Signing,
}

/// A text that is no lifespan.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("lifespan `{0}`: write a number of seconds from 1 to 4294967295, or infinite")]
pub struct LifespanError(String);

impl Keys {
    /// Checks a token at `now` (unix seconds).
    pub fn check(&self, token: &str, now: i64) -> Result<Claims, Refusal> {
        if token.len() > MAX_TOKEN_LENGTH {
            return Err(Refusal::TooLong);
        }
        let header = decode_header(token).map_err(|error| match error.kind() {
            ErrorKind::Json(_) => Refusal::Header,
            _ => Refusal::Malformed,
        })?;
        let (key, signed_by) = self.key(&header)?;
        let claims = verified_claims(token, key, header.alg)?;
        self.read(&claims, signed_by, now)
    }

    /// What a token says of itself, for whoever has somebody else check it: the signature is not looked at.
    pub fn unchecked(&self, token: &str, now: i64) -> Result<Claims, Refusal> {
        if token.len() > MAX_TOKEN_LENGTH {
            return Err(Refusal::TooLong);
        }
        let header = decode_header(token).map_err(|_| Refusal::Malformed)?;
        let signed_by = match header.alg {
            Algorithm::HS256 => SignedBy::SharedKey,
            Algorithm::RS256 => SignedBy::KeySet(header.kid.ok_or(Refusal::NoKid)?),
            other => return Err(Refusal::Algorithm(format!("{other:?}"))),
        };
        let claims: Map<String, Value> =
            jsonwebtoken::dangerous::insecure_decode_claims(token).map_err(|_| Refusal::Malformed)?;
        self.read(&claims, signed_by, now)
    }

    fn read(&self, claims: &Map<String, Value>, signed_by: SignedBy, now: i64) -> Result<Claims, Refusal> {
        let expires = claims.get("exp").and_then(integer).ok_or(Refusal::NoExpiry)?;
        if expires <= now {
            return Err(Refusal::Expired(expires));
        }
        let user = self.user(claims)?.to_owned();
        Ok(Claims { user, expires, issued: claims.get("iat").and_then(integer), signed_by })
    }

    /// The key that must have signed a token with this header.
    fn key(&self, header: &Header) -> Result<(&DecodingKey, SignedBy), Refusal> {
        if header.crit.is_some() {
            return Err(Refusal::Critical);
        }
        match header.alg {
            Algorithm::HS256 => {
                let key = self.hs256.as_ref().ok_or(Refusal::NoKey("HS256"))?;
                Ok((key.checking(), SignedBy::SharedKey))
            }
            Algorithm::RS256 => {
                let keys = self.jwks.as_ref().ok_or(Refusal::NoKey("RS256"))?;
                let kid = header.kid.as_deref().ok_or(Refusal::NoKid)?;
                let key = keys.find(kid).ok_or_else(|| Refusal::UnknownKid(excerpt(kid)))?;
                Ok((key, SignedBy::KeySet(kid.to_owned())))
            }
            other => Err(Refusal::Algorithm(format!("{other:?}"))),
        }
    }

    fn user<'a>(&self, claims: &'a Map<String, Value>) -> Result<&'a str, Refusal> {
        let names = ["sun", "username"].into_iter().chain(self.user_claim.as_deref());
        let (name, value) = names
            .filter_map(|name| claims.get(name).map(|value| (name, value)))
            .find(|(_, value)| !value.is_null())
            .ok_or(Refusal::NoUser)?;
        value.as_str().filter(|user| is_login(user)).ok_or_else(|| Refusal::User(excerpt(name)))
    }
}

impl SharedKey {
    /// Makes a token for `user` that is valid from `now` (unix seconds), with the claims of `scontrol token`: `exp`, `iat` and
    /// `sun`. Whether the user exists is not asked.
    pub fn mint(&self, user: &str, lifespan: Lifespan, now: i64) -> Result<String, MintError> {
        #[derive(Serialize)]
        struct Minted<'a> {
            exp: i64,
            iat: i64,
            sun: &'a str,
        }
        if !is_login(user) {
            return Err(MintError::User(excerpt(user)));
        }
        let seconds = match lifespan {
            Lifespan::Seconds(seconds) => seconds,
            Lifespan::Infinite => u32::MAX,
        };
        let claims = Minted { exp: now.saturating_add(i64::from(seconds)), iat: now, sun: user };
        encode(&Header::new(Algorithm::HS256), &claims, self.signing()).map_err(|_| MintError::Signing)
    }
}

/// When a token says that it ceases to be valid, in unix seconds; nothing else of it is looked at. `None`: it does not say so.
pub fn expiry(token: &str) -> Option<i64> {
    if token.len() > MAX_TOKEN_LENGTH {
        return None;
    }
    let claims: Map<String, Value> = jsonwebtoken::dangerous::insecure_decode_claims(token).ok()?;
    claims.get("exp").and_then(integer)
}

/// The claims of a token whose signature is that of `key` by `algorithm`.
fn verified_claims(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Result<Map<String, Value>, Refusal> {
    let mut rules = Validation::new(algorithm);
    // Only the signature is checked here: expiry is compared with the caller's clock, without leeway.
    rules.required_spec_claims.clear();
    rules.validate_exp = false;
    rules.validate_nbf = false;
    rules.validate_aud = false;
    rules.leeway = 0;
    decode(token, key, &rules).map(|decoded| decoded.claims).map_err(|error| match error.kind() {
        ErrorKind::Json(_) | ErrorKind::Base64(_) | ErrorKind::Utf8(_) | ErrorKind::InvalidToken => Refusal::Malformed,
        _ => Refusal::Signature,
    })
}

/// An integer; one above the greatest is the greatest.
fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_u64().map(|_| i64::MAX))
}

/// Whether a text can be a login name: 1 to 255 bytes, without control characters, blanks, colons and slashes.
fn is_login(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && !text.contains(|c: char| c.is_control() || c.is_whitespace() || matches!(c, ':' | '/'))
}

impl FromStr for Lifespan {
    type Err = LifespanError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("infinite") {
            return Ok(Self::Infinite);
        }
        let plain = text.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = text.parse().ok().filter(|seconds| plain && *seconds > 0);
        seconds.map(Self::Seconds).ok_or_else(|| LifespanError(excerpt(text)))
    }
}
