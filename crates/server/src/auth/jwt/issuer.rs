//! Issuers whose tokens the site accepts, besides Slurm's.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jobgate_engine::Outgoing;
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use thiserror::Error;
use url::{Host, Url};

use super::Vouched;
use super::claims::{Claims, RoleClaim, Rules};
use super::jwks::{Jwks, NoKey};
use super::remote::{Freshness, Remote};
use crate::auth::keyfile::{self, Watched};
use crate::auth::names::Vouching;
use crate::auth::tokens::Refusal;

/// HS256 is not stronger than its key, in bytes (RFC 7518, 3.2).
const SHORTEST_KEY: usize = 32;
/// Clocks may not differ more, in seconds.
const GREATEST_LEEWAY: u64 = 600;

/// An issuer, as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerSettings {
    /// What the configuration calls it.
    pub name: String,
    /// The exact `iss` of its tokens; `None`: they have none.
    pub issuer: Option<String>,
    /// One of these must be in `aud`; empty: it is not looked at.
    pub audience: Vec<String>,
    /// The only algorithms that its tokens may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// Where its keys are.
    pub keys: KeySource,
    /// The first of these claims that is there names the user.
    pub user_claim: Vec<String>,
    /// Put before the user's name, so that it cannot be taken for somebody else's.
    pub user_prefix: String,
    /// Claims that make more than a user.
    pub roles: Vec<RoleClaim>,
    /// How far the clocks may differ.
    pub leeway: Duration,
    /// How often keys at a URL are fetched.
    pub freshness: Freshness,
}

/// Where the keys of an issuer are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A secret in a file, for HS256.
    Secret(PathBuf),
    /// A set of public keys (JWKS) in a file.
    File(PathBuf),
    /// A set of public keys (JWKS) at a URL.
    Url(String),
}

/// Why who says who asks cannot be trusted with it as it is configured.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{setting}: {why}")]
pub struct TrustError {
    /// The table or key of the configuration.
    pub setting: String,
    /// What is wrong with it, and what to do.
    pub why: String,
}

impl TrustError {
    /// An error about a setting.
    pub(in crate::auth) fn new(setting: impl Into<String>, why: impl Into<String>) -> Self {
        Self { setting: setting.into(), why: why.into() }
    }
}

/// An issuer at work.
#[derive(Debug)]
pub struct Issuer {
    name: String,
    rules: Rules,
    keys: Source,
    user_claim: Vec<String>,
    user_prefix: String,
    roles: Vec<RoleClaim>,
}

#[derive(Debug)]
enum Source {
    Secret(PathBuf, Watched<DecodingKey>),
    File(PathBuf, Watched<Jwks>),
    Url(Remote),
}

impl Issuer {
    /// Checks the settings, and the files that they name. Nothing is fetched yet.
    pub fn open(settings: IssuerSettings, outside: &Arc<Outgoing>) -> Result<Self, TrustError> {
        let table = format!("auth.jwt.{}", settings.name);
        let wrong = |key: &str, why: String| TrustError::new(format!("{table}.{key}"), why);
        settings.check().map_err(|(key, why)| wrong(key, why))?;
        let keys = match settings.keys {
            KeySource::Secret(path) => {
                hmac_key(&path).map_err(|why| wrong("key", why))?;
                Source::Secret(path.clone(), Watched::new([path]))
            }
            KeySource::File(path) => {
                key_set(&path).map_err(|why| wrong("jwks", why))?;
                Source::File(path.clone(), Watched::new([path]))
            }
            KeySource::Url(url) => {
                check_url(&url).map_err(|why| wrong("jwks_url", why))?;
                Source::Url(Remote::new(url, settings.freshness, Arc::clone(outside)))
            }
        };
        let rules = Rules {
            issuer: settings.issuer,
            audience: settings.audience,
            algorithms: settings.algorithms,
            leeway: settings.leeway.as_secs() as i64,
        };
        let (user_claim, user_prefix, roles) = (settings.user_claim, settings.user_prefix, settings.roles);
        Ok(Self { name: settings.name, rules, keys, user_claim, user_prefix, roles })
    }

    /// What the configuration calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The `iss` of its tokens.
    pub(super) fn issuer(&self) -> Option<&str> {
        self.rules.issuer.as_deref()
    }

    /// Which version of its keys counts now.
    pub(super) fn generation(&self) -> u64 {
        match &self.keys {
            Source::Secret(path, watched) => watched.get(|| hmac_key(path)).0,
            Source::File(path, watched) => watched.get(|| key_set(path)).0,
            Source::Url(remote) => remote.generation(),
        }
    }

    /// Who a token is for, and the version of the keys that said so.
    pub(super) async fn check(&self, token: &str, header: &Header, now: i64) -> Result<(u64, Vouched), Refusal> {
        self.rules.check_algorithm(header.alg)?;
        let unusable = |why: String| Refusal::Wrong(format!("issuer {}: {why}", self.name));
        let (generation, claims) = match &self.keys {
            Source::Secret(path, watched) => {
                let (generation, key) = watched.get(|| hmac_key(path));
                (generation, self.rules.verify(token, header.alg, &*key.map_err(unusable)?, now)?)
            }
            Source::File(path, watched) => {
                let (generation, keys) = watched.get(|| key_set(path));
                let keys = keys.map_err(unusable)?;
                let key = keys.find(header.kid.as_deref(), header.alg).map_err(no_key)?;
                (generation, self.rules.verify(token, header.alg, key, now)?)
            }
            Source::Url(remote) => verify_remotely(remote, &self.rules, token, header, now).await?,
        };
        let vouched = Vouched {
            slurm: false,
            user: claims.user(&self.user_claim, &self.user_prefix)?,
            vouching: Vouching::Others,
            role: claims.role(&self.roles),
            expires: claims.expires,
        };
        Ok((generation, vouched))
    }
}

/// The claims of a token that a key at a URL has signed, and the version of the keys. A key that is not known is asked for.
pub(in crate::auth) async fn verify_remotely(
    remote: &Remote,
    rules: &Rules,
    token: &str,
    header: &Header,
    now: i64,
) -> Result<(u64, Claims), Refusal> {
    rules.check_algorithm(header.alg)?;
    let kid = header.kid.as_deref();
    let (mut generation, mut keys) = remote.keys().await.map_err(Refusal::Wrong)?;
    if matches!(keys.find(kid, header.alg), Err(NoKey::Unknown)) {
        (generation, keys) = remote.newer_than(Some(generation)).await.map_err(Refusal::Wrong)?;
    }
    let key = keys.find(kid, header.alg).map_err(no_key)?;
    Ok((generation, rules.verify(token, header.alg, key, now)?))
}

fn no_key(why: NoKey) -> Refusal {
    Refusal::Wrong(match why {
        NoKey::Unknown => "no key of its issuer has the token's kid and algorithm".into(),
        NoKey::Ambiguous => "the token has no kid, and its issuer has several keys".into(),
    })
}

fn hmac_key(path: &Path) -> Result<DecodingKey, String> {
    let bytes = keyfile::secret(path)?;
    // A text editor's line end is none of a text's. (Slurm's own keys are another matter: see `slurm.rs`.)
    let is_text = |bytes: &[u8]| bytes.iter().all(|byte| (b' '..=b'~').contains(byte));
    let key = bytes.strip_suffix(b"\n").filter(|text| is_text(text)).unwrap_or(&bytes);
    keyfile::check_strength(path, key, SHORTEST_KEY)?;
    Ok(DecodingKey::from_secret(key))
}

fn key_set(path: &Path) -> Result<Jwks, String> {
    Jwks::parse(&keyfile::public(path)?).map_err(|why| format!("{}: {why}", path.display()))
}

/// Whether what a URL answers can be believed: nobody on the way can change it.
pub(in crate::auth) fn check_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{text:?} is not a URL: {error}"))?;
    let loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => return Err(format!("{text:?} names no host")),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a URL must not hold a password".into());
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback => Ok(url),
        _ => Err(format!("{text:?}: only https can be trusted, or http on this machine's loopback address")),
    }
}

impl IssuerSettings {
    /// The key that is wrong, and why.
    fn check(&self) -> Result<(), (&'static str, String)> {
        let secret = matches!(self.keys, KeySource::Secret(_));
        if self.algorithms.is_empty() {
            return Err(("algorithms", "there is none".into()));
        }
        for algorithm in &self.algorithms {
            let fits = match algorithm {
                Algorithm::HS256 => secret,
                Algorithm::HS384 | Algorithm::HS512 => {
                    return Err(("algorithms", "of the HS kind only HS256 is offered".into()));
                }
                _ => !secret,
            };
            if !fits {
                return Err((
                    "algorithms",
                    format!(
                        "{algorithm:?} does not go with these keys: HS256 needs `key`, all others `jwks` or `jwks_url`"
                    ),
                ));
            }
        }
        let is_url = self.issuer.as_deref().is_some_and(|issuer| issuer.contains("://"));
        if self.audience.is_empty() && (is_url || matches!(self.keys, KeySource::Url(_))) {
            let why = "an issuer that serves others, too, says for whom a token is: name what it calls this gateway";
            return Err(("audience", why.into()));
        }
        if self.audience.iter().chain(&self.issuer).chain(&self.user_claim).any(String::is_empty) {
            return Err(("issuer", "`issuer`, `audience` and `user_claim` must not be empty".into()));
        }
        if self.user_claim.is_empty() {
            return Err(("user_claim", "there is none".into()));
        }
        if self.leeway.as_secs() > GREATEST_LEEWAY {
            return Err(("leeway", format!("clocks that differ by more than {GREATEST_LEEWAY} seconds must be set")));
        }
        Ok(())
    }
}
