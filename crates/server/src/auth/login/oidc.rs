//! OpenID Connect: discovery, the authorization code flow with PKCE, and the ID token that proves who it was.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jobgate_engine::{Answer, Outgoing};
use jobgate_model::Error;
use jsonwebtoken::Algorithm;
use serde_json::Value;
use url::Url;
use url::form_urlencoded::byte_serialize;

use super::{Arrival, Challenge, ClientSecret, Return, refused, unavailable};
use crate::auth::jwt::claims::{self, Claims, Rules};
use crate::auth::jwt::issuer::{check_url, verify_remotely};
use crate::auth::jwt::remote::Remote;
use crate::auth::jwt::{Freshness, RoleClaim, TrustError};
use crate::auth::tokens::Refusal;

/// What a provider says of itself is asked for again after this time.
const DISCOVERY_LASTS: Duration = Duration::from_secs(3600);
/// And not more often than this while it fails.
const DISCOVERY_PAUSE: Duration = Duration::from_secs(5);

/// A provider, as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcSettings {
    /// What the configuration calls it.
    pub name: String,
    /// Where it is.
    pub whereabouts: Whereabouts,
    /// What it calls us.
    pub client_id: String,
    /// The secret that it has given us; `None`: we have none (PKCE alone protects the code).
    pub client_secret: Option<ClientSecret>,
    /// How we show the secret.
    pub secret_method: SecretMethod,
    /// What we ask for, besides `openid`.
    pub scopes: Vec<String>,
    /// Where the user's claims are.
    pub claims_from: ClaimsFrom,
    /// The first of these claims that is there names the user.
    pub user_claim: Vec<String>,
    /// Put before the user's name, so that it cannot be taken for somebody else's.
    pub user_prefix: String,
    /// Claims of the ID token that make more than a user.
    pub roles: Vec<RoleClaim>,
    /// How far the clocks may differ.
    pub leeway: Duration,
}

/// Where a provider is, and by what its ID tokens are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    /// It says itself where everything is, and its ID tokens are signed.
    Discovered {
        /// Its URL: the exact `iss` of its tokens, below which its discovery document is.
        issuer: String,
        /// The only algorithms that its ID tokens may be signed with.
        algorithms: Vec<Algorithm>,
    },
    /// No more is known than what finishes a login. ID tokens are believed since they come from the token endpoint itself, over
    /// TLS (OpenID Connect Core 1.0, 3.1.3.7).
    Given {
        /// Its token endpoint.
        token: String,
        /// Its userinfo endpoint, if that is asked.
        userinfo: Option<String>,
    },
}

/// How a client shows its secret (RFC 6749, 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SecretMethod {
    /// In the header (`client_secret_basic`).
    #[default]
    Basic,
    /// In the form (`client_secret_post`).
    Post,
}

/// Where the claims are that name the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClaimsFrom {
    /// In the ID token.
    #[default]
    IdToken,
    /// Behind the userinfo endpoint.
    Userinfo,
}

/// A provider at work.
#[derive(Debug)]
pub(super) struct Oidc {
    settings: OidcSettings,
    rules: Rules,
    outside: Arc<Outgoing>,
    known: tokio::sync::Mutex<Known>,
}

/// What a provider has said of itself, or was said of it.
#[derive(Debug, Default)]
struct Known {
    endpoints: Option<Arc<Endpoints>>,
    fetched: Option<Instant>,
    attempted: Option<Instant>,
}

/// Where it is asked (OpenID Connect Discovery 1.0).
#[derive(Debug)]
struct Endpoints {
    authorization: Option<Url>,
    token: Url,
    userinfo: Option<Url>,
    /// What its ID tokens are verified with, and where that is.
    jwks: Option<(String, Remote)>,
    /// It says in its answers who it is (RFC 9207).
    names_itself: bool,
}

impl Oidc {
    pub(super) fn open(settings: OidcSettings, outside: &Arc<Outgoing>) -> Result<Self, TrustError> {
        let wrong = |key: &str, why: String| TrustError::new(format!("auth.oidc.{}.{key}", settings.name), why);
        let (issuer, algorithms, endpoints) = match &settings.whereabouts {
            Whereabouts::Discovered { issuer, algorithms } => {
                check_url(issuer).map_err(|why| wrong("issuer", why))?;
                let secret = |one: &Algorithm| matches!(one, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512);
                if algorithms.iter().any(secret) {
                    return Err(wrong("algorithms", "ID tokens are accepted with public keys only".into()));
                }
                if algorithms.is_empty() {
                    return Err(wrong("algorithms", "there is none".into()));
                }
                (Some(issuer.clone()), algorithms.clone(), None)
            }
            Whereabouts::Given { token, userinfo } => {
                let userinfo = userinfo.as_deref().map(check_url).transpose();
                let endpoints = Endpoints {
                    authorization: None,
                    token: check_url(token).map_err(|why| wrong("token", why))?,
                    userinfo: userinfo.map_err(|why| wrong("userinfo", why))?,
                    jwks: None,
                    names_itself: false,
                };
                (None, Vec::new(), Some(Arc::new(endpoints)))
            }
        };
        if settings.client_id.is_empty() {
            return Err(wrong(
                "client_id",
                "there is none; the provider gives one when this gateway is registered".into(),
            ));
        }
        if settings.user_claim.is_empty() {
            return Err(wrong("user_claim", "there is none".into()));
        }
        if let Some(secret) = &settings.client_secret {
            secret.read().map_err(|why| wrong("client_secret", why))?;
        }
        let audience = vec![settings.client_id.clone()];
        let rules = Rules { issuer, audience, algorithms, leeway: settings.leeway.as_secs() as i64 };
        let known = Known { endpoints, ..Known::default() };
        Ok(Self { settings, rules, outside: Arc::clone(outside), known: known.into() })
    }

    pub(super) fn name(&self) -> &str {
        &self.settings.name
    }

    /// Where to send a browser.
    pub(super) async fn start(&self, redirect_uri: &str, challenge: &Challenge) -> Result<Url, Error> {
        let Some(mut url) = self.endpoints().await?.authorization.clone() else {
            return Err(unavailable("it is not known where people log in, only where codes are exchanged"));
        };
        let scopes = self.settings.scopes.iter().filter(|scope| *scope != "openid");
        let scope = scopes.fold("openid".to_owned(), |all, scope| format!("{all} {scope}"));
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("scope", &scope)
            .append_pair("state", &challenge.state)
            .append_pair("nonce", &challenge.nonce)
            .append_pair("code_challenge", &challenge.code_challenge())
            .append_pair("code_challenge_method", "S256");
        Ok(url)
    }

    /// Who it is that came back with a code.
    pub(super) async fn finish(&self, back: &Return<'_>, now: i64) -> Result<Arrival, Error> {
        let endpoints = self.endpoints().await?;
        match back.issuer {
            Some(issuer) if self.rules.issuer.as_deref().is_some_and(|ours| ours != issuer) => {
                return Err(refused("the answer is of another provider", "iss is not the issuer's"));
            }
            None if endpoints.names_itself && back.challenge.is_some() => {
                return Err(refused("the answer does not say of which provider it is", "no iss (RFC 9207)"));
            }
            _ => {}
        }
        let tokens = self.exchange(&endpoints, back).await?;
        let text = |name: &str| tokens.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let id = match text("id_token") {
            Some(token) => Some(self.id_token(&endpoints, token, back, now).await?),
            // that of a provider of OAuth alone, which says who it is behind its userinfo endpoint
            None if endpoints.jwks.is_none() && self.settings.claims_from == ClaimsFrom::Userinfo => None,
            None => return Err(refused(NOT_PROVEN, "there is no id_token")),
        };
        let userinfo = match self.settings.claims_from {
            ClaimsFrom::IdToken => None,
            ClaimsFrom::Userinfo => {
                let access = text("access_token").ok_or_else(|| refused(NOT_PROVEN, "there is no access_token"))?;
                Some(self.userinfo(&endpoints, access, id.as_ref()).await?)
            }
        };
        let user = userinfo.as_ref().or(id.as_ref()).map(|claims| claims.user(&self.settings.user_claim, ""));
        let user = user.ok_or_else(|| refused(NOT_PROVEN, "there are no claims"))?;
        let login = user.map_err(|refusal| refused("the provider does not say who you are", refusal))?;
        let role = id.and_then(|id| id.role(&self.settings.roles));
        Ok(Arrival::new(login, &self.settings.user_prefix, role))
    }

    /// Exchanges the code for tokens.
    async fn exchange(&self, endpoints: &Endpoints, back: &Return<'_>) -> Result<Value, Error> {
        let mut form = vec![("grant_type", "authorization_code"), ("code", back.code)];
        if !back.redirect_uri.is_empty() {
            form.push(("redirect_uri", back.redirect_uri));
        }
        if let Some(challenge) = back.challenge {
            form.push(("code_verifier", &challenge.verifier));
        }
        let secret = self.settings.client_secret.as_ref().map(ClientSecret::needed).transpose()?;
        let mut headers = vec![("accept", "application/json")];
        let basic;
        match (&secret, self.settings.secret_method) {
            (Some(secret), SecretMethod::Basic) => {
                let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
                let both = format!("{}:{}", encoded(&self.settings.client_id), encoded(secret));
                basic = format!("Basic {}", BASE64_STANDARD.encode(both));
                headers.push(("authorization", &basic));
            }
            (Some(secret), SecretMethod::Post) => {
                form.extend([("client_id", self.settings.client_id.as_str()), ("client_secret", secret)]);
            }
            (None, _) => form.push(("client_id", &self.settings.client_id)),
        }
        let answer = self.outside.post_form(endpoints.token.as_str(), &headers, &form).await.map_err(unavailable)?;
        if answer.status != 200 {
            return Err(refused("the provider does not accept the code; log in again", error_of(&answer)));
        }
        serde_json::from_slice(&answer.body).map_err(|_| unavailable("the token endpoint's answer is not JSON"))
    }

    /// The claims of an ID token that is for us and for this very login.
    async fn id_token(&self, endpoints: &Endpoints, token: &str, back: &Return<'_>, now: i64) -> Result<Claims, Error> {
        let wrong = |refusal: Refusal| refused(NOT_PROVEN, refusal);
        if token.len() > super::LONGEST_TOKEN {
            return Err(refused(NOT_PROVEN, "the ID token is too long"));
        }
        let id = match &endpoints.jwks {
            Some((_, jwks)) => {
                let header = claims::header(token).map_err(wrong)?;
                verify_remotely(jwks, &self.rules, token, &header, now).await.map_err(wrong)?.1
            }
            None => self.rules.believe(token, now).map_err(wrong)?,
        };
        if back.issuer.is_some_and(|issuer| id.text("iss") != Some(issuer)) {
            return Err(refused("the answer is of another provider", "iss is not the ID token's"));
        }
        if let Some(challenge) = back.challenge {
            let nonce = id.text("nonce").unwrap_or_default();
            if verify_slices_are_equal(nonce.as_bytes(), challenge.nonce.as_bytes()).is_err() {
                return Err(refused(NOT_PROVEN, "the ID token's nonce is that of another login"));
            }
        }
        let several = id.get("aud").and_then(Value::as_array).is_some_and(|list| list.len() > 1);
        match id.text("azp") {
            Some(party) if party != self.settings.client_id => {
                Err(refused(NOT_PROVEN, "the ID token was given to another client (azp)"))
            }
            None if several => Err(refused(NOT_PROVEN, "the ID token is for several and does not say for which (azp)")),
            _ => Ok(id),
        }
    }

    async fn userinfo(&self, endpoints: &Endpoints, access: &str, id: Option<&Claims>) -> Result<Claims, Error> {
        let url = endpoints.userinfo.as_ref().ok_or_else(|| unavailable("the provider has no userinfo endpoint"))?;
        let bearer = format!("Bearer {access}");
        let headers = [("accept", "application/json"), ("authorization", bearer.as_str())];
        let answer = self.outside.get(url.as_str(), &headers).await.map_err(unavailable)?;
        if answer.status != 200 {
            return Err(refused("the provider does not say who you are", error_of(&answer)));
        }
        let values = serde_json::from_slice(&answer.body)
            .map_err(|_| unavailable("the userinfo endpoint's answer is not a JSON object"))?;
        let claims = Claims::trusted(values, id.map_or(i64::MAX, |id| id.expires));
        // OpenID Connect Core 5.3.2: it could be somebody else's
        if id.is_some_and(|id| claims.text("sub").is_none() || claims.text("sub") != id.text("sub")) {
            return Err(refused(NOT_PROVEN, "the userinfo's sub is not the ID token's"));
        }
        Ok(claims)
    }

    /// What the provider says of itself; what it said last, if it cannot be asked now.
    async fn endpoints(&self) -> Result<Arc<Endpoints>, Error> {
        let mut known = self.known.lock().await;
        if let (Whereabouts::Given { .. }, Some(endpoints)) = (&self.settings.whereabouts, &known.endpoints) {
            return Ok(Arc::clone(endpoints));
        }
        let young = known.fetched.is_some_and(|then| then.elapsed() < DISCOVERY_LASTS);
        let lately = known.attempted.is_some_and(|then| then.elapsed() < DISCOVERY_PAUSE);
        if let Some(endpoints) = known.endpoints.as_ref().filter(|_| young || lately) {
            return Ok(Arc::clone(endpoints));
        }
        if lately {
            return Err(unavailable("the provider could not be asked a moment ago"));
        }
        known.attempted = Some(Instant::now());
        match (self.discover(known.endpoints.as_deref()).await, &known.endpoints) {
            (Ok(endpoints), _) => {
                known.fetched = Some(Instant::now());
                Ok(Arc::clone(known.endpoints.insert(Arc::new(endpoints))))
            }
            (Err(why), Some(old)) => {
                tracing::warn!(
                    provider = self.name(),
                    why,
                    "cannot ask the provider for its endpoints; the known ones stay"
                );
                Ok(Arc::clone(old))
            }
            (Err(why), None) => Err(unavailable(why)),
        }
    }

    async fn discover(&self, old: Option<&Endpoints>) -> Result<Endpoints, String> {
        let issuer = self.rules.issuer.as_deref().unwrap_or_default();
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let answer = self.outside.get(&url, &[]).await.map_err(|error| error.chain())?;
        if answer.status != 200 {
            return Err(format!("its discovery document has status {}", answer.status));
        }
        let said: Value =
            serde_json::from_slice(&answer.body).map_err(|_| "its discovery document is not JSON".to_owned())?;
        if said["issuer"] != issuer {
            return Err("its discovery document is of another issuer".into());
        }
        let url = |name: &str| {
            let text = said[name].as_str().ok_or_else(|| format!("its discovery document has no {name}"))?;
            check_url(text).map_err(|why| format!("{name}: {why}"))
        };
        let jwks_url = url("jwks_uri")?.to_string();
        let jwks = match old.and_then(|old| old.jwks.as_ref()).filter(|(url, _)| *url == jwks_url) {
            Some((_, jwks)) => jwks.clone(),
            None => Remote::new(jwks_url.clone(), Freshness::default(), Arc::clone(&self.outside)),
        };
        Ok(Endpoints {
            authorization: Some(url("authorization_endpoint")?),
            token: url("token_endpoint")?,
            userinfo: said.get("userinfo_endpoint").map(|_| url("userinfo_endpoint")).transpose()?,
            jwks: Some((jwks_url, jwks)),
            names_itself: said["authorization_response_iss_parameter_supported"] == true,
        })
    }
}

/// What a person is told of an ID token that proves nothing; why is in the log.
const NOT_PROVEN: &str = "the provider's answer does not prove who you are";

/// The error code of an OAuth answer, for the log. Its description may hold what was sent.
fn error_of(answer: &Answer) -> String {
    let said: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let code = said.as_ref().and_then(|said| said["error"].as_str()).unwrap_or("-");
    let plain: String = code.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(60).collect();
    format!("status {}, error {plain}", answer.status)
}
