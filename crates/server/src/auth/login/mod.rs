//! Logins of people: by OpenID Connect, CAS and GitHub.
//!
//! The core is [`Logins::start`] and [`Logins::finish`]: where to send somebody, and who it is that came back. It knows no
//! cookies and is the same for every dialect. What a browser needs besides (what it keeps for us on the way, and its session)
//! is in `browser.rs`; the routes are in `routes.rs`.

mod browser;
mod cas;
mod cookie;
mod forgery;
mod github;
mod oidc;
mod page;
pub(crate) mod routes;
mod seal;
mod session;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::request::Parts;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use jobgate_engine::Outgoing;
use jobgate_model::{Error, ErrorKind, Role};
use serde::{Deserialize, Serialize};
use url::Url;

pub(super) use browser::Brought;
use browser::Cookies;
pub use cas::CasSettings;
pub use github::GithubSettings;
pub use oidc::{ClaimsFrom, OidcSettings, SecretMethod, Whereabouts};
pub(crate) use session::Session;

use super::Door;
use super::jwt::TrustError;
use super::jwt::issuer::check_url;
use super::keyfile;
use crate::accept::Peer;

/// A provider's tokens are not longer, in bytes.
const LONGEST_TOKEN: usize = 16 << 10;
/// A code or ticket is not longer, in bytes.
const LONGEST_CODE: usize = 4 << 10;
/// Names of providers that are ours to give.
const CAS: &str = "cas";
const GITHUB: &str = "github";

/// Who lets people log in, as it is configured.
#[derive(Debug, Clone)]
pub struct LoginSettings {
    /// The address under which browsers reach this gateway: scheme, host and port. `None`: what a browser on this machine
    /// calls us by.
    pub url: Option<String>,
    /// So long a session lasts.
    pub session: Duration,
    /// Where the key of the sessions is kept, and who has logged out.
    pub state_dir: PathBuf,
    /// Those who say who somebody is.
    pub providers: Vec<ProviderSettings>,
}

/// The secret that a provider has given us; never shown.
#[derive(Clone, PartialEq, Eq)]
pub enum ClientSecret {
    /// In a file that nobody else can read; it is read for each login.
    File(PathBuf),
    /// As it is.
    Text(String),
}

/// Somebody who says who somebody is, as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderSettings {
    /// An OpenID Connect provider.
    Oidc(OidcSettings),
    /// A CAS server.
    Cas(CasSettings),
    /// GitHub.
    Github(GithubSettings),
}

/// Logins of people.
#[derive(Debug)]
pub struct Logins {
    providers: BTreeMap<String, Provider>,
    cookies: Cookies,
}

/// Somebody who says who somebody is.
#[derive(Debug)]
enum Provider {
    Oidc(oidc::Oidc),
    Cas(cas::Cas),
    Github(github::Github),
}

/// What one login is recognised by when it comes back. Only we and the browser know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Challenge {
    /// Comes back in the URL.
    pub(super) state: String,
    /// Comes back in the ID token.
    pub(super) nonce: String,
    /// Proves to the provider that who has the code is who has asked for it (PKCE, RFC 7636).
    pub(super) verifier: String,
}

/// What comes back from a provider.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Return<'a> {
    /// The code, or CAS's ticket.
    pub(crate) code: &'a str,
    /// Exactly where it was sent back to (CAS's service).
    pub(crate) redirect_uri: &'a str,
    /// The `iss` that came with it.
    pub(crate) issuer: Option<&'a str>,
    /// That of the login, if it was us who began it.
    pub(crate) challenge: Option<&'a Challenge>,
}

/// Somebody who has proved to a provider who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// What the provider calls it.
    pub(crate) login: String,
    /// Its name here: with the provider's prefix.
    pub(crate) user: String,
    /// What the provider's claims make of it, if it is more than a user.
    pub(crate) role: Option<Role>,
}

impl Logins {
    /// Checks the settings and the files that they name. Nobody is asked anything yet.
    pub fn open(settings: LoginSettings, outside: &Arc<Outgoing>) -> Result<Self, TrustError> {
        let mut providers = BTreeMap::new();
        for one in settings.providers {
            let (name, provider) = Provider::open(one, outside)?;
            if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
                return Err(TrustError::new(
                    format!("auth.oidc.{name}"),
                    "a provider's name is letters, digits, - and _",
                ));
            }
            if providers.insert(name.clone(), provider).is_some() {
                return Err(TrustError::new(format!("auth.oidc.{name}"), "there is another provider of this name"));
            }
        }
        let url = settings.url.as_deref().map(public_url).transpose()?;
        let cookies = Cookies::open(url, settings.session, &settings.state_dir)
            .map_err(|why| TrustError::new("state_dir", why))?;
        Ok(Self { providers, cookies })
    }

    /// Where to send somebody who shall come back to `redirect_uri`.
    pub(crate) async fn start(&self, provider: &str, redirect_uri: &str, challenge: &Challenge) -> Result<Url, Error> {
        match self.provider(provider)? {
            Provider::Oidc(oidc) => oidc.start(redirect_uri, challenge).await,
            Provider::Cas(cas) => Ok(cas.start(redirect_uri)),
            Provider::Github(github) => github.start(redirect_uri, challenge),
        }
    }

    /// Who it is that came back, or why that one is not let in (`Unauthenticated`), or that nobody can say (`Unavailable`).
    /// `now`: unix seconds.
    pub(crate) async fn finish(&self, provider: &str, back: &Return<'_>, now: i64) -> Result<Arrival, Error> {
        if back.code.is_empty() || back.code.len() > LONGEST_CODE {
            return Err(refused("the provider's answer has no code", "none, or one that is too long"));
        }
        match self.provider(provider)? {
            Provider::Oidc(oidc) => oidc.finish(back, now).await,
            Provider::Cas(cas) => cas.finish(back).await,
            Provider::Github(github) => github.finish(back).await,
        }
    }

    /// The address by which browsers reach us, without anything after the port; what a request calls us counts on this machine only.
    pub(crate) fn address(&self, door: &Door, peer: &Peer, parts: &Parts) -> Result<String, Error> {
        self.cookies.base(door, peer, parts)
    }

    /// The first OpenID Connect provider, by name, for a dialect that knows one only.
    pub(crate) fn first_oidc(&self) -> Option<&str> {
        let mut all = self.providers.iter();
        all.find(|(_, provider)| matches!(provider, Provider::Oidc(_))).map(|(name, _)| name.as_str())
    }

    fn provider(&self, name: &str) -> Result<&Provider, Error> {
        let known = || self.providers.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        self.providers
            .get(name)
            .ok_or_else(|| Error::not_found(format!("there is no such login; there are: {}", known())))
    }
}

impl Provider {
    fn open(settings: ProviderSettings, outside: &Arc<Outgoing>) -> Result<(String, Self), TrustError> {
        match settings {
            ProviderSettings::Oidc(settings) => {
                let oidc = oidc::Oidc::open(settings, outside)?;
                Ok((oidc.name().to_owned(), Self::Oidc(oidc)))
            }
            ProviderSettings::Cas(settings) => Ok((CAS.into(), Self::Cas(cas::Cas::open(settings, outside)?))),
            ProviderSettings::Github(settings) => {
                Ok((GITHUB.into(), Self::Github(github::Github::open(settings, outside)?)))
            }
        }
    }

    /// Its kind, for a program that lists them.
    fn kind(&self) -> &'static str {
        match self {
            Self::Oidc(_) => "oidc",
            Self::Cas(_) => CAS,
            Self::Github(_) => GITHUB,
        }
    }
}

impl ClientSecret {
    /// The secret now.
    fn read(&self) -> Result<String, String> {
        let (text, place) = match self {
            Self::Text(text) => (text.clone(), "the secret".to_owned()),
            Self::File(path) => {
                let bytes = keyfile::secret(path)?;
                let text = String::from_utf8(bytes).map_err(|_| format!("{} is not text", path.display()))?;
                (text.trim_end().to_owned(), path.display().to_string())
            }
        };
        if text.is_empty() { Err(format!("{place} is empty")) } else { Ok(text) }
    }

    /// The secret for a login, which fails without it.
    fn needed(&self) -> Result<String, Error> {
        self.read().map_err(|why| Error::internal("the gateway's configuration does not allow logins", why))
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Text(_) => f.write_str("Text(..)"),
        }
    }
}

impl Challenge {
    /// One that nobody can guess.
    pub(crate) fn new() -> Result<Self, Error> {
        let word = || seal::random_word().map_err(|why| Error::internal("the gateway cannot begin a login", why));
        Ok(Self { state: word()?, nonce: word()?, verifier: word()? })
    }

    /// What the provider is told of the verifier (S256).
    pub(super) fn code_challenge(&self) -> String {
        BASE64.encode(digest(&SHA256, self.verifier.as_bytes()))
    }
}

impl Arrival {
    fn new(login: String, prefix: &str, role: Option<Role>) -> Self {
        Self { user: format!("{prefix}{login}"), login, role }
    }
}

/// The address under which browsers reach us, without anything after the port.
fn public_url(text: &str) -> Result<Url, TrustError> {
    let wrong = |why: String| TrustError::new("auth.url", why);
    let url = check_url(text).map_err(wrong)?;
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong(format!("{text:?} must be scheme, host and port only, for example https://gate.example")));
    }
    Ok(url)
}

/// Somebody is not let in. Why in detail is for the log.
fn refused(told: &'static str, why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Unauthenticated, told).because(why.to_string())
}

/// Nobody can say now who it is.
fn unavailable(why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Unavailable, "the login's provider cannot be asked now; try again").because(why.to_string())
}
