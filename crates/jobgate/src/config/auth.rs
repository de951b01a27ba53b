//! `[auth]`: who is trusted with saying who asks, and who may do everything.

pub(crate) mod biscuit;
mod logins;
mod tokens;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jobgate_server::{IssuerSettings, ProviderSettings, SecretSettings};
use serde::Deserialize;

use super::certificate::{self, CertificateConfig};
use super::outgoing::{self, OutgoingConfig};
use super::render::{list, path, quoted};
use super::units::{Lasting, show_duration};
use biscuit::BiscuitConfig;

/// A login lasts so long when nothing is said.
const SESSION: Duration = Duration::from_secs(12 * 3600);

/// Whom a server trusts with what.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AuthConfig {
    /// Names of users that may do everything, besides root and the gateway's own.
    pub(crate) administrators: Vec<String>,
    /// The site's policy.
    pub(crate) policy: Option<PathBuf>,
    /// This gateway's own tokens.
    pub(crate) biscuit: BiscuitConfig,
    /// How those who say who asks are asked themselves.
    pub(crate) outgoing: OutgoingConfig,
    /// What of a client certificate names its user.
    pub(crate) certificate: CertificateConfig,
    /// Whose JSON Web Tokens count, besides Slurm's.
    pub(crate) issuers: Vec<IssuerSettings>,
    /// Secrets of programs.
    pub(crate) secrets: Vec<SecretSettings>,
    /// Who lets people log in.
    pub(crate) providers: Vec<ProviderSettings>,
    /// The address under which browsers reach the gateway.
    pub(crate) url: Option<String>,
    /// So long a login lasts.
    pub(crate) session: Duration,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            administrators: Vec::new(),
            policy: None,
            biscuit: BiscuitConfig::default(),
            outgoing: OutgoingConfig::default(),
            certificate: CertificateConfig::default(),
            issuers: Vec::new(),
            secrets: Vec::new(),
            providers: Vec::new(),
            url: None,
            session: SESSION,
        }
    }
}

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Table {
    administrators: Vec<String>,
    policy: Option<PathBuf>,
    biscuit: biscuit::Table,
    outgoing: outgoing::Table,
    certificate: certificate::Table,
    url: Option<String>,
    session: Option<Lasting>,
    jwt: BTreeMap<String, tokens::Jwt>,
    secrets: BTreeMap<String, tokens::Secret>,
    oidc: BTreeMap<String, logins::Oidc>,
    cas: Option<logins::Cas>,
    github: Option<logins::Github>,
}

impl Table {
    pub(super) fn settings(self, resolve: impl Fn(&Path) -> anyhow::Result<PathBuf>) -> anyhow::Result<AuthConfig> {
        Ok(AuthConfig {
            administrators: self.administrators,
            certificate: self.certificate.settings()?,
            policy: self.policy.as_deref().map(&resolve).transpose()?,
            biscuit: self.biscuit.settings(&resolve)?,
            outgoing: self.outgoing.settings(&resolve)?,
            issuers: tokens::issuers(self.jwt, &resolve)?,
            secrets: tokens::secrets(self.secrets, &resolve)?,
            providers: logins::providers(self.oidc, self.cas, self.github, &resolve)?,
            url: self.url,
            session: self.session.map_or(SESSION, |session| session.0),
        })
    }
}

impl AuthConfig {
    /// The table, as text that reads back as the same.
    pub(super) fn render(&self, text: &mut String) {
        let administrators = list(self.administrators.iter().map(|name| quoted(name)));
        let policy = self.policy.as_ref().map(|file| format!("policy = {}\n", path(file))).unwrap_or_default();
        let url = self.url.as_ref().map(|url| format!("url = {}\n", quoted(url))).unwrap_or_default();
        let session = quoted(&show_duration(self.session));
        write!(text, "\n[auth]\nadministrators = {administrators}\n{policy}{url}session = {session}\n")
            .expect("invariant: a String takes everything");
        self.biscuit.render(text);
        self.outgoing.render(text);
        self.certificate.render(text);
        tokens::render(&self.issuers, &self.secrets, text);
        logins::render(&self.providers, text);
    }
}
