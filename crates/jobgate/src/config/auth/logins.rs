//! `[auth.oidc.NAME]`, `[auth.cas]` and `[auth.github]`: who lets people log in.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::bail;
use jobgate_server::{
    Algorithm, CasSettings, ClaimsFrom, ClientSecret, GithubSettings, OidcSettings, ProviderSettings, SecretMethod,
    Whereabouts,
};
use serde::Deserialize;

use super::tokens::{LEEWAY, Roles, algorithms, roles, texts};
use crate::config::render::{path, quoted};
use crate::config::units::{Lasting, show_duration};

/// `[auth.oidc.NAME]` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Oidc {
    issuer: String,
    client_id: String,
    client_secret: Option<PathBuf>,
    #[serde(default)]
    secret_method: Method,
    algorithms: Option<Vec<Algorithm>>,
    scopes: Option<Vec<String>>,
    #[serde(default)]
    claims_from: Place,
    user_claim: Option<Vec<String>>,
    #[serde(default)]
    user_prefix: String,
    leeway: Option<Lasting>,
    #[serde(default)]
    roles: Roles,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Method {
    #[default]
    Basic,
    Post,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    #[default]
    IdToken,
    Userinfo,
}

/// `[auth.cas]` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cas {
    server: String,
    #[serde(default)]
    user_prefix: String,
}

/// `[auth.github]` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Github {
    client_id: String,
    client_secret: PathBuf,
    organization: Option<String>,
    team: Option<String>,
    #[serde(default)]
    anybody: bool,
    user_prefix: Option<String>,
    url: Option<String>,
    api_url: Option<String>,
}

/// All providers.
pub(super) fn providers(
    oidc: BTreeMap<String, Oidc>,
    cas: Option<Cas>,
    github: Option<Github>,
    resolve: &impl Fn(&Path) -> anyhow::Result<PathBuf>,
) -> anyhow::Result<Vec<ProviderSettings>> {
    let mut all = Vec::new();
    for (name, table) in oidc {
        if name == "cas" || name == "github" {
            bail!("auth.oidc.{name}: this name is taken by the login of that kind; choose another");
        }
        all.push(ProviderSettings::Oidc(table.settings(name, resolve)?));
    }
    if let Some(Cas { server, user_prefix }) = cas {
        all.push(ProviderSettings::Cas(CasSettings { user_prefix, ..CasSettings::at(server) }));
    }
    if let Some(github) = github {
        all.push(ProviderSettings::Github(github.settings(resolve)?));
    }
    Ok(all)
}

impl Oidc {
    fn settings(
        self,
        name: String,
        resolve: &impl Fn(&Path) -> anyhow::Result<PathBuf>,
    ) -> anyhow::Result<OidcSettings> {
        Ok(OidcSettings {
            name,
            whereabouts: Whereabouts::Discovered {
                issuer: self.issuer,
                algorithms: self.algorithms.unwrap_or_else(|| vec![Algorithm::RS256]),
            },
            client_id: self.client_id,
            client_secret: self.client_secret.as_deref().map(resolve).transpose()?.map(ClientSecret::File),
            secret_method: match self.secret_method {
                Method::Basic => SecretMethod::Basic,
                Method::Post => SecretMethod::Post,
            },
            scopes: self.scopes.unwrap_or_else(|| vec!["openid".into(), "profile".into()]),
            claims_from: match self.claims_from {
                Place::IdToken => ClaimsFrom::IdToken,
                Place::Userinfo => ClaimsFrom::Userinfo,
            },
            user_claim: self.user_claim.unwrap_or_else(|| vec!["sub".into()]),
            user_prefix: self.user_prefix,
            roles: self.roles.settings(),
            leeway: self.leeway.map_or(LEEWAY, |leeway| leeway.0),
        })
    }
}

impl Github {
    fn settings(self, resolve: &impl Fn(&Path) -> anyhow::Result<PathBuf>) -> anyhow::Result<GithubSettings> {
        Ok(GithubSettings {
            client_id: self.client_id,
            client_secret: ClientSecret::File(resolve(&self.client_secret)?),
            organization: self.organization,
            team: self.team,
            anybody: self.anybody,
            user_prefix: self.user_prefix.unwrap_or_else(|| "github-".into()),
            url: self.url.unwrap_or_else(|| GithubSettings::URL.into()),
            api_url: self.api_url.unwrap_or_else(|| GithubSettings::API_URL.into()),
        })
    }
}

/// The tables, as text that reads back as the same.
pub(super) fn render(providers: &[ProviderSettings], text: &mut String) {
    for provider in providers {
        let mut line =
            |args: fmt::Arguments<'_>| writeln!(text, "{args}").expect("invariant: a String takes everything");
        match provider {
            ProviderSettings::Oidc(oidc) => render_oidc(oidc, &mut line),
            ProviderSettings::Cas(cas) => {
                line(format_args!("\n[auth.cas]\nserver = {}", quoted(&cas.server)));
                line(format_args!("user_prefix = {}", quoted(&cas.user_prefix)));
            }
            ProviderSettings::Github(github) => render_github(github, &mut line),
        }
    }
}

fn render_oidc(oidc: &OidcSettings, line: &mut dyn FnMut(fmt::Arguments<'_>)) {
    line(format_args!("\n[auth.oidc.{}]", quoted(&oidc.name)));
    // whatever comes from a file is of this kind
    if let Whereabouts::Discovered { issuer, algorithms: allowed } = &oidc.whereabouts {
        line(format_args!("issuer = {}", quoted(issuer)));
        line(format_args!("algorithms = {}", algorithms(allowed)));
    }
    line(format_args!("client_id = {}", quoted(&oidc.client_id)));
    if let Some(ClientSecret::File(secret)) = &oidc.client_secret {
        line(format_args!("client_secret = {}", path(secret)));
    }
    let method = match oidc.secret_method {
        SecretMethod::Basic => "basic",
        SecretMethod::Post => "post",
    };
    line(format_args!("secret_method = {}", quoted(method)));
    line(format_args!("scopes = {}", texts(&oidc.scopes)));
    let place = match oidc.claims_from {
        ClaimsFrom::IdToken => "id_token",
        ClaimsFrom::Userinfo => "userinfo",
    };
    line(format_args!("claims_from = {}", quoted(place)));
    line(format_args!("user_claim = {}", texts(&oidc.user_claim)));
    line(format_args!("user_prefix = {}", quoted(&oidc.user_prefix)));
    line(format_args!("leeway = {}", quoted(&show_duration(oidc.leeway))));
    line(format_args!("{}", roles(&oidc.roles)));
}

fn render_github(github: &GithubSettings, line: &mut dyn FnMut(fmt::Arguments<'_>)) {
    line(format_args!("\n[auth.github]\nclient_id = {}", quoted(&github.client_id)));
    if let ClientSecret::File(secret) = &github.client_secret {
        line(format_args!("client_secret = {}", path(secret)));
    }
    for (key, value) in [("organization", &github.organization), ("team", &github.team)] {
        if let Some(value) = value {
            line(format_args!("{key} = {}", quoted(value)));
        }
    }
    line(format_args!("anybody = {}", github.anybody));
    line(format_args!("user_prefix = {}", quoted(&github.user_prefix)));
    line(format_args!("url = {}", quoted(&github.url)));
    line(format_args!("api_url = {}", quoted(&github.api_url)));
}
