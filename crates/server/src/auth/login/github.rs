//! GitHub (or an installation of its Enterprise Server): OAuth, and who is in which organization and team.

use std::sync::Arc;

use jobgate_engine::{Answer, Outgoing};
use jobgate_model::Error;
use serde_json::Value;
use url::Url;

use super::{Arrival, Challenge, ClientSecret, Return, refused, unavailable};
use crate::auth::jwt::TrustError;
use crate::auth::jwt::issuer::check_url;

/// GitHub, as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GithubSettings {
    /// What it calls us.
    pub client_id: String,
    /// The secret that it has given us.
    pub client_secret: ClientSecret,
    /// Only members of this organization may come.
    pub organization: Option<String>,
    /// Only members of this team of the organization may come (its slug).
    pub team: Option<String>,
    /// Without an organization, everybody with an account at GitHub is a user here; that has to be said.
    pub anybody: bool,
    /// Put before the user's name, so that it cannot be taken for somebody else's: people choose their names at GitHub.
    pub user_prefix: String,
    /// Where people log in, for example `https://github.com`.
    pub url: String,
    /// Where programs ask, for example `https://api.github.com`.
    pub api_url: String,
}

impl GithubSettings {
    /// Where people log in at GitHub itself.
    pub const URL: &str = "https://github.com";
    /// Where programs ask GitHub itself.
    pub const API_URL: &str = "https://api.github.com";
}

/// GitHub at work.
#[derive(Debug)]
pub(super) struct Github {
    settings: GithubSettings,
    url: Url,
    api: Url,
    outside: Arc<Outgoing>,
}

impl Github {
    pub(super) fn open(settings: GithubSettings, outside: &Arc<Outgoing>) -> Result<Self, TrustError> {
        let wrong = |key: &str, why: &str| TrustError::new(format!("auth.github.{key}"), why);
        let url = check_url(&settings.url).map_err(|why| wrong("url", &why))?;
        let api = check_url(&settings.api_url).map_err(|why| wrong("api_url", &why))?;
        settings.client_secret.read().map_err(|why| wrong("client_secret", &why))?;
        if settings.client_id.is_empty() {
            return Err(wrong("client_id", "there is none; GitHub gives one when this gateway is registered"));
        }
        if settings.team.is_some() && settings.organization.is_none() {
            return Err(wrong("team", "a team is one of an `organization`: name it"));
        }
        if settings.organization.is_none() && !settings.anybody {
            let why =
                "without it, everybody with an account at GitHub could have jobs here; if so, say `anybody = true`";
            return Err(wrong("organization", why));
        }
        Ok(Self { settings, url, api, outside: Arc::clone(outside) })
    }

    /// Where to send a browser.
    pub(super) fn start(&self, redirect_uri: &str, challenge: &Challenge) -> Result<Url, Error> {
        let mut url = below(&self.url, &["login", "oauth", "authorize"])?;
        url.query_pairs_mut()
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("scope", if self.settings.organization.is_some() { "read:org" } else { "" })
            .append_pair("state", &challenge.state)
            .append_pair("code_challenge", &challenge.code_challenge())
            .append_pair("code_challenge_method", "S256")
            .append_pair("allow_signup", "false");
        Ok(url)
    }

    /// Who it is that came back with a code, if that one may come.
    pub(super) async fn finish(&self, back: &Return<'_>) -> Result<Arrival, Error> {
        let token = self.exchange(back).await?;
        let user = self.ask(&token, &["user"]).await?;
        let said: Value =
            if user.status == 200 { serde_json::from_slice(&user.body).unwrap_or_default() } else { Value::Null };
        let login = said["login"].as_str().filter(|login| !login.is_empty());
        let login =
            login.ok_or_else(|| refused("GitHub does not say who you are", format!("status {}", user.status)))?;
        if !self.is_member(&token, login).await? {
            return Err(refused(
                "you are not a member of the organization or team whose members may log in here",
                login,
            ));
        }
        Ok(Arrival::new(login.to_owned(), &self.settings.user_prefix, None))
    }

    async fn exchange(&self, back: &Return<'_>) -> Result<String, Error> {
        let secret = self.settings.client_secret.needed()?;
        let mut form =
            vec![("client_id", self.settings.client_id.as_str()), ("client_secret", &secret), ("code", back.code)];
        if !back.redirect_uri.is_empty() {
            form.push(("redirect_uri", back.redirect_uri));
        }
        if let Some(challenge) = back.challenge {
            form.push(("code_verifier", &challenge.verifier));
        }
        let url = below(&self.url, &["login", "oauth", "access_token"])?;
        let headers = [("accept", "application/json")];
        let answer = self.outside.post_form(url.as_str(), &headers, &form).await.map_err(unavailable)?;
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let token = said["access_token"].as_str().filter(|token| !token.is_empty());
        token.map(str::to_owned).ok_or_else(|| {
            refused(
                "GitHub does not accept the code; log in again",
                format!("status {}, no access_token", answer.status),
            )
        })
    }

    async fn is_member(&self, token: &str, login: &str) -> Result<bool, Error> {
        match (self.settings.organization.as_deref(), self.settings.team.as_deref()) {
            (Some(organization), Some(team)) => {
                let path = ["orgs", organization, "teams", team, "memberships", login];
                let answer = self.ask(token, &path).await?;
                let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                Ok(answer.status == 200 && said["state"] == "active")
            }
            (Some(organization), None) => {
                Ok(self.ask(token, &["orgs", organization, "members", login]).await?.status == 204)
            }
            (None, _) => Ok(self.settings.anybody),
        }
    }

    async fn ask(&self, token: &str, path: &[&str]) -> Result<Answer, Error> {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("accept", "application/vnd.github+json"),
            ("authorization", bearer.as_str()),
            ("x-github-api-version", "2022-11-28"),
        ];
        let url = below(&self.api, path)?;
        let answer = self.outside.get(url.as_str(), &headers).await.map_err(unavailable)?;
        if answer.status >= 500 {
            Err(unavailable(format!("GitHub answered with status {}", answer.status)))
        } else {
            Ok(answer)
        }
    }
}

/// A path below a URL; no part of it can be more than one step.
fn below(base: &Url, path: &[&str]) -> Result<Url, Error> {
    let mut url = base.clone();
    url.path_segments_mut()
        .map_err(|()| unavailable("the URL has no path"))?
        .pop_if_empty()
        .extend(path.iter().filter(|step| !matches!(**step, "." | "..")));
    Ok(url)
}
