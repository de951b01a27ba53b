//! The logins that the original's environment variables describe.

use std::time::Duration;

use anyhow::{Context, bail};
use jobgate_autosubmit::rc::Environment;
use jobgate_server::{
    CasSettings, ClaimsFrom, ClientSecret, GithubSettings, OidcSettings, ProviderSettings, SecretMethod, Whereabouts,
};

use crate::config::env::{self, Variable};

/// How far a provider's clock may differ from ours.
const LEEWAY: Duration = Duration::from_secs(30);

/// What is described, by kind; users have the provider's names, as in the original's tokens.
pub(super) fn described(environment: &Environment) -> anyhow::Result<Vec<ProviderSettings>> {
    let all = [cas(environment), github(environment)?, oidc(environment)?];
    Ok(all.into_iter().flatten().collect())
}

fn cas(environment: &Environment) -> Option<ProviderSettings> {
    let (server, login, validate) = (
        said(environment, &env::CAS_SERVER_URL),
        said(environment, &env::CAS_LOGIN_URL),
        said(environment, &env::CAS_VERIFY_URL),
    );
    if server.is_none() && (login.is_none() || validate.is_none()) {
        return None;
    }
    let settings = CasSettings { login, validate, ..CasSettings::at(server.unwrap_or_default()) };
    Some(ProviderSettings::Cas(settings))
}

fn github(environment: &Environment) -> anyhow::Result<Option<ProviderSettings>> {
    let Some(client_id) = said(environment, &env::GITHUB_OAUTH_CLIENT_ID) else { return Ok(None) };
    let organization = said(environment, &env::GITHUB_OAUTH_WHITELIST_ORGANIZATION);
    let team = said(environment, &env::GITHUB_OAUTH_WHITELIST_TEAM);
    let (of_organization, of_team) =
        (env::GITHUB_OAUTH_WHITELIST_ORGANIZATION.name, env::GITHUB_OAUTH_WHITELIST_TEAM.name);
    if team.is_some() && organization.is_none() {
        bail!("{of_team} names a team of no organization, which would let everybody in: set {of_organization}, too");
    }
    if organization.is_none() {
        tracing::warn!("everybody with an account at GitHub may log in; {of_organization} names whose members may");
    }
    Ok(Some(ProviderSettings::Github(GithubSettings {
        client_id,
        client_secret: secret(environment, &env::GITHUB_OAUTH_CLIENT_ID, &env::GITHUB_OAUTH_CLIENT_SECRET)?,
        anybody: organization.is_none(),
        organization,
        team,
        user_prefix: String::new(),
        url: GithubSettings::URL.into(),
        api_url: GithubSettings::API_URL.into(),
    })))
}

fn oidc(environment: &Environment) -> anyhow::Result<Option<ProviderSettings>> {
    let Some(token) = said(environment, &env::OIDC_TOKEN_URL) else { return Ok(None) };
    let needed = |variable: &Variable| {
        said(environment, variable).with_context(|| format!("{} needs {}", env::OIDC_TOKEN_URL.name, variable.name))
    };
    let (claims_from, userinfo) = match said(environment, &env::OIDC_USERNAME_SOURCE).as_deref() {
        Some("userinfo") => (ClaimsFrom::Userinfo, Some(needed(&env::OIDC_USERINFO_URL)?)),
        _ => (ClaimsFrom::IdToken, None),
    };
    let claim = said(environment, &env::OIDC_USERNAME_CLAIM).unwrap_or_else(|| "sub".into());
    Ok(Some(ProviderSettings::Oidc(OidcSettings {
        name: "autosubmit".into(),
        whereabouts: Whereabouts::Given { token, userinfo },
        client_id: needed(&env::OIDC_CLIENT_ID)?,
        client_secret: Some(secret(environment, &env::OIDC_TOKEN_URL, &env::OIDC_CLIENT_SECRET)?),
        secret_method: SecretMethod::Post,
        scopes: Vec::new(),
        claims_from,
        user_claim: vec![claim],
        user_prefix: String::new(),
        roles: Vec::new(),
        leeway: LEEWAY,
    })))
}

/// A variable's value. An empty one says nothing.
fn said(environment: &Environment, variable: &Variable) -> Option<String> {
    environment.get(variable.name).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn secret(environment: &Environment, cause: &Variable, variable: &Variable) -> anyhow::Result<ClientSecret> {
    let text = said(environment, variable);
    Ok(ClientSecret::Text(text.with_context(|| format!("{} needs {}", cause.name, variable.name))?))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn of(text: &str) -> Result<Vec<ProviderSettings>, String> {
        let pairs = text.split_whitespace().map(|pair| pair.split_once('=').unwrap());
        let variables = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let environment = Environment { variables, working_directory: PathBuf::from("/") };
        described(&environment).map_err(|error| error.to_string())
    }

    #[test]
    fn cas_has_one_url_or_two() {
        let cas = |text: &str| match of(text).unwrap().as_slice() {
            [ProviderSettings::Cas(cas)] => Some((cas.server.clone(), cas.login.clone(), cas.validate.clone())),
            _ => None,
        };
        assert_eq!(cas("CAS_SERVER_URL=https://c/ CAS_LOGIN_URL="), Some(("https://c/".into(), None, None)));
        let both = Some((String::new(), Some("https://c/l".into()), Some("https://c/v".into())));
        assert_eq!(cas("CAS_LOGIN_URL=https://c/l CAS_VERIFY_URL=https://c/v"), both);
        assert_eq!((cas("CAS_LOGIN_URL=https://c/l"), cas("")), (None, None));
    }

    #[test]
    fn github_is_for_members_if_it_is_said_of_what() {
        let github = |text: &str| {
            let text = format!("GITHUB_OAUTH_CLIENT_ID=i GITHUB_OAUTH_CLIENT_SECRET=shh {text}");
            match of(&text)?.remove(0) {
                ProviderSettings::Github(github) => Ok(github),
                other => Err(format!("{other:?}")),
            }
        };
        let open = github("").unwrap();
        assert!(open.anybody && open.user_prefix.is_empty() && open.url == "https://github.com");
        let closed = github("GITHUB_OAUTH_WHITELIST_ORGANIZATION=o GITHUB_OAUTH_WHITELIST_TEAM=t").unwrap();
        assert_eq!((closed.organization.as_deref(), closed.team.as_deref()), (Some("o"), Some("t")));
        assert!(!closed.anybody && !format!("{closed:?}").contains("shh"), "{closed:?}");
        let why = github("GITHUB_OAUTH_WHITELIST_TEAM=t").unwrap_err();
        assert!(why.contains("set GITHUB_OAUTH_WHITELIST_ORGANIZATION"), "{why}");
        let why = of("GITHUB_OAUTH_CLIENT_ID=i").unwrap_err();
        assert_eq!(why, "GITHUB_OAUTH_CLIENT_ID needs GITHUB_OAUTH_CLIENT_SECRET");
    }

    #[test]
    fn openid_users_are_named_by_the_token_or_by_userinfo() {
        let oidc = |text: &str| {
            let text = format!("OIDC_TOKEN_URL=https://p/token OIDC_CLIENT_ID=i OIDC_CLIENT_SECRET=shh {text}");
            match of(&text)?.remove(0) {
                ProviderSettings::Oidc(oidc) => Ok((oidc.whereabouts, oidc.claims_from, oidc.user_claim)),
                other => Err(format!("{other:?}")),
            }
        };
        let token = || "https://p/token".to_owned();
        let plain = Whereabouts::Given { token: token(), userinfo: None };
        assert_eq!(oidc("").unwrap(), (plain, ClaimsFrom::IdToken, vec!["sub".into()]));
        let asked = Whereabouts::Given { token: token(), userinfo: Some("https://p/me".into()) };
        assert_eq!(
            oidc("OIDC_USERNAME_SOURCE=userinfo OIDC_USERINFO_URL=https://p/me OIDC_USERNAME_CLAIM=nick").unwrap(),
            (asked, ClaimsFrom::Userinfo, vec!["nick".into()])
        );
        let why = oidc("OIDC_USERNAME_SOURCE=userinfo").unwrap_err();
        assert_eq!(why, "OIDC_TOKEN_URL needs OIDC_USERINFO_URL");
        assert_eq!(of("OIDC_TOKEN_URL=https://p/token").unwrap_err(), "OIDC_TOKEN_URL needs OIDC_CLIENT_ID");
    }
}
