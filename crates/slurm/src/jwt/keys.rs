//! The keys of tokens, made from what the caller has read from files.

use std::collections::BTreeMap;
use std::fmt;

use jsonwebtoken::{DecodingKey, EncodingKey};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::excerpt::excerpt;

/// A shared key has at least so many bytes: HS256 is not stronger than its key (RFC 7518, 3.2).
pub const MIN_KEY_LENGTH: usize = 32;

/// The moduli that are accepted, in bytes: 2048 to 8192 bits.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;

/// Why bytes are no key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The shared key is too short.
    #[error("the key has {0} bytes, but HS256 needs at least {MIN_KEY_LENGTH}; make one with `openssl rand 32`")]
    TooShort(usize),
    /// The JWKS text is not JSON with a list `keys`.
    #[error("the JWKS is not a JSON object with a list `keys` of objects")]
    NoJwks,
    /// A key lacks a member, or the member is not what it should be.
    #[error("the JWKS key {index} (from 0) has no usable `{member}`: an RS256 key needs kty RSA, kid, n and e")]
    Member {
        /// Which key of the list, from 0.
        index: usize,
        /// The member.
        member: &'static str,
    },
    /// A modulus is too small to be secure, or too large.
    #[error("the JWKS key {index} (from 0) has a modulus of {bits} bits; 2048 to 8192 are accepted")]
    Modulus {
        /// Which key of the list, from 0.
        index: usize,
        /// The length of its modulus.
        bits: usize,
    },
    /// Two keys have the same `kid`.
    #[error("the JWKS has two RS256 keys with the kid `{0}`")]
    Twice(String),
    /// No key can ever match.
    #[error("the JWKS has no key with `alg` RS256; other keys are never used")]
    Empty,
}

/// A shared secret for HS256. Its `Debug` shows nothing of it.
#[derive(Clone)]
pub struct SharedKey {
    signing: EncodingKey,
    checking: DecodingKey,
}

impl SharedKey {
    /// The raw bytes of a key file, all of them: a line end at the end belongs to the key, as in Slurm.
    pub fn new(bytes: &[u8]) -> Result<Self, KeyError> {
        if bytes.len() < MIN_KEY_LENGTH {
            return Err(KeyError::TooShort(bytes.len()));
        }
        Ok(Self { signing: EncodingKey::from_secret(bytes), checking: DecodingKey::from_secret(bytes) })
    }

    pub(super) fn signing(&self) -> &EncodingKey {
        &self.signing
    }

    pub(super) fn checking(&self) -> &DecodingKey {
        &self.checking
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedKey(..)")
    }
}

/// The RS256 keys of a JWKS file.
#[derive(Clone)]
pub struct KeySet {
    keys: BTreeMap<String, DecodingKey>,
}

impl KeySet {
    /// Reads a JWKS file. Keys whose `alg` is missing or not RS256 are left out: Slurm never uses them.
    pub fn parse(json: &[u8]) -> Result<Self, KeyError> {
        let document: Value = serde_json::from_slice(json).map_err(|_| KeyError::NoJwks)?;
        let entries = document.get("keys").and_then(Value::as_array).ok_or(KeyError::NoJwks)?;
        let mut keys = BTreeMap::new();
        for (index, entry) in entries.iter().enumerate() {
            let entry = entry.as_object().ok_or(KeyError::NoJwks)?;
            if entry.get("alg").and_then(Value::as_str) != Some("RS256") {
                continue;
            }
            let (kid, key) = rsa_key(index, entry)?;
            if keys.insert(kid.to_owned(), key).is_some() {
                return Err(KeyError::Twice(excerpt(kid)));
            }
        }
        if keys.is_empty() { Err(KeyError::Empty) } else { Ok(Self { keys }) }
    }

    /// The names of the keys.
    pub fn kids(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    pub(super) fn find(&self, kid: &str) -> Option<&DecodingKey> {
        self.keys.get(kid)
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.kids()).finish()
    }
}

fn rsa_key(index: usize, entry: &Map<String, Value>) -> Result<(&str, DecodingKey), KeyError> {
    let unusable = |member| KeyError::Member { index, member };
    let member = |name| entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).ok_or(unusable(name));
    if entry.get("kty").is_some_and(|kind| kind != "RSA") {
        return Err(unusable("kty"));
    }
    let (kid, modulus, exponent) = (member("kid")?, member("n")?, member("e")?);
    // base64: three bytes for four characters
    let bytes = modulus.trim_end_matches('=').len() * 3 / 4;
    if !MODULUS.contains(&bytes) {
        return Err(KeyError::Modulus { index, bits: bytes * 8 });
    }
    let key = DecodingKey::from_rsa_components(modulus, exponent).map_err(|_| unusable("n"))?;
    Ok((kid, key))
}
