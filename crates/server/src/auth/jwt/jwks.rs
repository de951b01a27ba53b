//! Sets of public keys (RFC 7517), as identity providers publish them.

use std::fmt;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

/// The moduli that are accepted, in bytes: 2048 to 8192 bits.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;
/// No provider has more keys.
const MOST: usize = 64;

/// The keys of a set that can check signatures; all others (for encryption, shared secrets, of unknown kinds) are left out.
#[derive(Clone, Default)]
pub(in crate::auth) struct Jwks {
    keys: Vec<Entry>,
}

#[derive(Clone)]
struct Entry {
    kid: Option<String>,
    alg: Option<KeyAlgorithm>,
    kind: Kind,
    key: DecodingKey,
}

/// Which algorithms a key can be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// Why no key of a set may have signed a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::auth) enum NoKey {
    /// None has the token's `kid`, or (without one) none fits.
    Unknown,
    /// More than one could have: the token does not say which.
    Ambiguous,
}

impl Jwks {
    /// Reads a set. A key that cannot be used is left out, but a weak key, or two with the same name, spoil the set: somebody
    /// should look at it.
    pub(in crate::auth) fn parse(json: &[u8]) -> Result<Self, String> {
        let document: Value = serde_json::from_slice(json).map_err(|_| "the key set is not JSON".to_owned())?;
        let listed = document.get("keys").and_then(Value::as_array).ok_or("the key set has no list `keys`")?;
        if listed.len() > MOST {
            return Err(format!("the key set has more than {MOST} keys"));
        }
        let mut keys: Vec<Entry> = Vec::new();
        for (index, value) in listed.iter().enumerate() {
            let Ok(jwk) = serde_json::from_value::<Jwk>(value.clone()) else { continue };
            let Some(entry) = entry(&jwk).map_err(|why| format!("key {index} (from 0) of the key set: {why}"))? else {
                continue;
            };
            if keys.iter().any(|other| other.kid.is_some() && other.kid == entry.kid && other.kind == entry.kind) {
                return Err(format!("key {index} (from 0) of the key set has the same kid as another"));
            }
            keys.push(entry);
        }
        if keys.is_empty() {
            Err("the key set has no key that can check a signature".into())
        } else {
            Ok(Self { keys })
        }
    }

    /// The one key that must have signed a token with this `kid` by this algorithm.
    pub(in crate::auth) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<&DecodingKey, NoKey> {
        let fits = |entry: &&Entry| {
            entry.kind.is_for(algorithm) && entry.alg.is_none_or(|alg| alg == KeyAlgorithm::from(algorithm))
        };
        let named = |entry: &&Entry| kid.is_none() || entry.kid.as_deref() == kid;
        let mut found = self.keys.iter().filter(named).filter(fits);
        match (found.next(), found.next()) {
            (Some(entry), None) => Ok(&entry.key),
            (None, _) => Err(NoKey::Unknown),
            (Some(_), Some(_)) => Err(NoKey::Ambiguous),
        }
    }
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|entry| (&entry.kid, entry.kind))).finish()
    }
}

impl Kind {
    fn is_for(self, algorithm: Algorithm) -> bool {
        use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
        match self {
            Self::Rsa => matches!(algorithm, RS256 | RS384 | RS512 | PS256 | PS384 | PS512),
            Self::P256 => algorithm == ES256,
            Self::P384 => algorithm == ES384,
            Self::Ed25519 => algorithm == EdDSA,
        }
    }
}

/// A key of the set; `None`: it is not for checking signatures. `Err`: it is, and it is weak or broken.
fn entry(jwk: &Jwk) -> Result<Option<Entry>, String> {
    let about = &jwk.common;
    let signs = about.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
    let verifies = about.key_operations.as_ref().is_none_or(|list| list.contains(&KeyOperations::Verify));
    if !signs || !verifies {
        return Ok(None);
    }
    let length = |text: &str| text.trim_end_matches('=').len() * 3 / 4;
    let kind = match &jwk.algorithm {
        AlgorithmParameters::RSA(rsa) if !MODULUS.contains(&length(&rsa.n)) => {
            return Err(format!("a modulus of {} bits; 2048 to 8192 are accepted", length(&rsa.n) * 8));
        }
        AlgorithmParameters::RSA(rsa) if matches!(rsa.e.as_str(), "" | "AQ" | "AA") => {
            return Err("its exponent is too small".into());
        }
        AlgorithmParameters::RSA(_) => Kind::Rsa,
        AlgorithmParameters::EllipticCurve(ec) => match ec.curve {
            EllipticCurve::P256 if length(&ec.x) == 32 && length(&ec.y) == 32 => Kind::P256,
            EllipticCurve::P384 if length(&ec.x) == 48 && length(&ec.y) == 48 => Kind::P384,
            EllipticCurve::P256 | EllipticCurve::P384 => return Err("its point is not one of its curve".into()),
            _ => return Ok(None),
        },
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => Kind::Ed25519,
        // a shared secret in a public document is none
        _ => return Ok(None),
    };
    let key = DecodingKey::from_jwk(jwk).map_err(|_| "it is not base64".to_owned())?;
    Ok(Some(Entry { kid: about.key_id.clone(), alg: about.key_algorithm, kind, key }))
}
