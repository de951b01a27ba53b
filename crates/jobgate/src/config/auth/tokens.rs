//! `[auth.jwt.NAME]` and `[auth.secrets.NAME]`: whose tokens count, and which texts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use jobgate_model::Role;
use jobgate_server::{Algorithm, Freshness, IssuerSettings, KeySource, RoleClaim, SecretSettings};
use serde::Deserialize;

use crate::config::render::{list, path, quoted};
use crate::config::units::{Lasting, show_duration};

/// Clocks may differ so much when nothing is said.
pub(super) const LEEWAY: Duration = Duration::from_secs(30);

/// `[auth.jwt.NAME]` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Jwt {
    issuer: Option<String>,
    #[serde(default)]
    audience: Vec<String>,
    algorithms: Option<Vec<Algorithm>>,
    key: Option<PathBuf>,
    jwks: Option<PathBuf>,
    jwks_url: Option<String>,
    user_claim: Option<Vec<String>>,
    #[serde(default)]
    user_prefix: String,
    leeway: Option<Lasting>,
    refresh: Option<Lasting>,
    #[serde(default)]
    roles: Roles,
}

/// Claims that make more than a user.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Roles {
    administrator: Option<Claim>,
    monitor: Option<Claim>,
}

/// A claim, and what it must be or hold.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    claim: String,
    value: String,
}

/// `[auth.secrets.NAME]` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Secret {
    file: PathBuf,
    #[serde(default)]
    role: RoleName,
    user: Option<String>,
}

/// What the bearer of a secret is.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RoleName {
    #[default]
    Monitor,
    User,
    Administrator,
}

/// The issuers, each with a name of its own.
pub(super) fn issuers(
    tables: BTreeMap<String, Jwt>,
    resolve: &impl Fn(&Path) -> anyhow::Result<PathBuf>,
) -> anyhow::Result<Vec<IssuerSettings>> {
    let mut names = BTreeSet::new();
    let mut all = Vec::new();
    for (name, table) in tables {
        let settings = table.settings(name, resolve)?;
        if !names.insert(settings.issuer.clone()) {
            let name = &settings.name;
            match &settings.issuer {
                Some(issuer) => bail!("auth.jwt.{name}.issuer: {issuer:?} is another's, too"),
                None => bail!("auth.jwt.{name}.issuer is missing: only one issuer can be without"),
            }
        }
        all.push(settings);
    }
    Ok(all)
}

/// The secrets.
pub(super) fn secrets(
    tables: BTreeMap<String, Secret>,
    resolve: &impl Fn(&Path) -> anyhow::Result<PathBuf>,
) -> anyhow::Result<Vec<SecretSettings>> {
    let one = |(name, table): (String, Secret)| {
        let role = match table.role {
            RoleName::Monitor => Role::Monitor,
            RoleName::User => Role::User,
            RoleName::Administrator => Role::Administrator,
        };
        let user = table.user.unwrap_or_else(|| name.clone());
        Ok(SecretSettings { file: resolve(&table.file)?, user, role, name })
    };
    tables.into_iter().map(one).collect()
}

impl Jwt {
    fn settings(
        self,
        name: String,
        resolve: &impl Fn(&Path) -> anyhow::Result<PathBuf>,
    ) -> anyhow::Result<IssuerSettings> {
        let keys = match (&self.key, &self.jwks, self.jwks_url) {
            (Some(path), None, None) => KeySource::Secret(resolve(path)?),
            (None, Some(path), None) => KeySource::File(resolve(path)?),
            (None, None, Some(url)) => KeySource::Url(url),
            _ => bail!("auth.jwt.{name} needs exactly one of `key`, `jwks` and `jwks_url`"),
        };
        let usual = if matches!(keys, KeySource::Secret(_)) { Algorithm::HS256 } else { Algorithm::RS256 };
        let freshness = Freshness::default();
        Ok(IssuerSettings {
            issuer: self.issuer,
            audience: self.audience,
            algorithms: self.algorithms.unwrap_or_else(|| vec![usual]),
            keys,
            user_claim: self.user_claim.unwrap_or_else(|| vec!["sub".into()]),
            user_prefix: self.user_prefix,
            roles: self.roles.settings(),
            leeway: self.leeway.map_or(LEEWAY, |leeway| leeway.0),
            freshness: Freshness { refresh: self.refresh.map_or(freshness.refresh, |refresh| refresh.0), ..freshness },
            name,
        })
    }
}

impl Roles {
    pub(super) fn settings(self) -> Vec<RoleClaim> {
        let both = [(self.administrator, Role::Administrator), (self.monitor, Role::Monitor)];
        let rule =
            |(claim, role): (Option<Claim>, Role)| claim.map(|Claim { claim, value }| RoleClaim { claim, value, role });
        both.into_iter().filter_map(rule).collect()
    }
}

/// The tables, as text that reads back as the same.
pub(super) fn render(issuers: &[IssuerSettings], secrets: &[SecretSettings], text: &mut String) {
    let mut line = |args: fmt::Arguments<'_>| writeln!(text, "{args}").expect("invariant: a String takes everything");
    for one in issuers {
        line(format_args!("\n[auth.jwt.{}]", quoted(&one.name)));
        if let Some(issuer) = &one.issuer {
            line(format_args!("issuer = {}", quoted(issuer)));
        }
        line(format_args!("audience = {}", texts(&one.audience)));
        line(format_args!("algorithms = {}", algorithms(&one.algorithms)));
        match &one.keys {
            KeySource::Secret(file) => line(format_args!("key = {}", path(file))),
            KeySource::File(file) => line(format_args!("jwks = {}", path(file))),
            KeySource::Url(url) => line(format_args!("jwks_url = {}", quoted(url))),
        }
        line(format_args!("user_claim = {}", texts(&one.user_claim)));
        line(format_args!("user_prefix = {}", quoted(&one.user_prefix)));
        line(format_args!("leeway = {}", quoted(&show_duration(one.leeway))));
        line(format_args!("refresh = {}", quoted(&show_duration(one.freshness.refresh))));
        line(format_args!("{}", roles(&one.roles)));
    }
    for secret in secrets {
        line(format_args!("\n[auth.secrets.{}]", quoted(&secret.name)));
        line(format_args!("file = {}", path(&secret.file)));
        line(format_args!("role = {}", quoted(role_name(secret.role))));
        line(format_args!("user = {}", quoted(&secret.user)));
    }
}

/// Names of algorithms.
pub(super) fn algorithms(algorithms: &[Algorithm]) -> String {
    list(algorithms.iter().map(|algorithm| quoted(&format!("{algorithm:?}"))))
}

/// A list of texts.
pub(super) fn texts(texts: &[String]) -> String {
    list(texts.iter().map(|text| quoted(text)))
}

/// The line `roles = ...`.
pub(super) fn roles(roles: &[RoleClaim]) -> String {
    let one = |rule: &RoleClaim| {
        let (claim, value) = (quoted(&rule.claim), quoted(&rule.value));
        format!("{} = {{ claim = {claim}, value = {value} }}", role_name(rule.role))
    };
    format!("roles = {{ {} }}", roles.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Administrator => "administrator",
        Role::User => "user",
        Role::Monitor | Role::Stranger => "monitor",
    }
}
