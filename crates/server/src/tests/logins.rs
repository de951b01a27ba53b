//! People who log in, and those who try to be somebody else: in-process, with providers that answer as their documents say.

mod attacks;
mod others;

use std::collections::BTreeMap;
use std::sync::Mutex;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use jobgate_engine::{Outgoing, Reach, Targets};
use jobgate_model::Role;
use url::Url;

use super::elsewhere::{Asked, Elsewhere, Signer};
use super::*;
use crate::{
    Algorithm, AuthSettings, ClaimsFrom, ClientSecret, LoginSettings, Logins, OidcSettings, ProviderSettings,
    RoleClaim, SecretMethod, Whereabouts,
};

pub(super) fn outside() -> Arc<Outgoing> {
    let (timeout, targets) = (Duration::from_secs(5), Targets::Any);
    Arc::new(Outgoing::new(Reach { timeout, targets, setting: "-", roots: None, identity: None }))
}

pub(super) fn private_file(dir: &std::path::Path, name: &str, content: &str) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join(name);
    std::fs::write(&path, content).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// An OpenID provider that lets everybody in as whom the test says.
struct Idp {
    server: Elsewhere,
    signer: Arc<Signer>,
    /// The claims of the next ID token.
    claims: Arc<Mutex<Value>>,
    dir: tempfile::TempDir,
}

const CLIENT: &str = "gate way";
const CLIENT_SECRET: &str = "s3cr+t/of the client:";

impl Idp {
    fn new() -> Self {
        let (signer, claims) = (Arc::new(Signer::p256()), Arc::new(Mutex::new(Value::Null)));
        let server = Elsewhere::start(|_| (500, String::new()));
        let idp = Self { server, signer, claims, dir: tempfile::tempdir().unwrap() };
        let (url, signer, claims) = (idp.server.url.clone(), Arc::clone(&idp.signer), Arc::clone(&idp.claims));
        idp.server.answer(move |asked| match asked.path() {
            "/.well-known/openid-configuration" => {
                let at = |path: &str| format!("{url}{path}");
                let said = json!({"issuer": url, "authorization_endpoint": at("/authorize?tenant=a"),
                    "token_endpoint": at("/token"), "jwks_uri": at("/jwks"), "userinfo_endpoint": at("/me")});
                (200, said.to_string())
            }
            "/jwks" => (200, json!({"keys": [signer.jwk("k1")]}).to_string()),
            "/token" if asked.field("code").as_deref() == Some("good") => {
                let token = signer.sign(&json!({"alg": "ES256", "kid": "k1"}), &claims.lock().unwrap());
                (200, json!({"access_token": "at", "token_type": "Bearer", "id_token": token}).to_string())
            }
            "/token" => (400, json!({"error": "invalid_grant", "error_description": "code x"}).to_string()),
            "/me" => (200, json!({"sub": "4711", "nickname": "al"}).to_string()),
            _ => (404, String::new()),
        });
        idp
    }

    fn settings(&self) -> OidcSettings {
        OidcSettings {
            name: "site".into(),
            whereabouts: discovered(&self.server.url),
            client_id: CLIENT.into(),
            client_secret: Some(ClientSecret::File(private_file(
                self.dir.path(),
                "client",
                &format!("{CLIENT_SECRET}\n"),
            ))),
            secret_method: SecretMethod::Basic,
            scopes: vec!["profile".into()],
            claims_from: ClaimsFrom::IdToken,
            user_claim: vec!["preferred_username".into()],
            user_prefix: String::new(),
            roles: vec![RoleClaim { claim: "groups".into(), value: "admins".into(), role: Role::Administrator }],
            leeway: Duration::from_secs(10),
        }
    }

    /// What its ID token says if all is well.
    fn says(&self, nonce: &str) -> Value {
        let now = jiff::Timestamp::now().as_second();
        json!({"iss": self.server.url, "aud": CLIENT, "sub": "4711", "preferred_username": "alice", "nonce": nonce,
               "exp": now + 300, "iat": now})
    }

    fn logins(&self, url: Option<&str>, more: Vec<ProviderSettings>) -> Arc<Logins> {
        let providers = [ProviderSettings::Oidc(self.settings())].into_iter().chain(more).collect();
        logins(self.dir.path(), url, providers)
    }
}

/// A provider that signs with ES256 and says where it is asked.
fn discovered(issuer: &str) -> Whereabouts {
    Whereabouts::Discovered { issuer: issuer.to_owned(), algorithms: vec![Algorithm::ES256] }
}

fn logins(state_dir: &std::path::Path, url: Option<&str>, providers: Vec<ProviderSettings>) -> Arc<Logins> {
    let url = url.map(str::to_owned);
    let settings =
        LoginSettings { url, session: Duration::from_secs(3600), state_dir: state_dir.to_path_buf(), providers };
    Arc::new(Logins::open(settings, &outside()).unwrap())
}

fn gate(mode: Mode, logins: Arc<Logins>) -> Gate {
    let auth = AuthSettings { logins: Some(logins), ..AuthSettings::default() };
    Gate::with(&Settings { auth, ..settings(mode) })
}

/// A person's browser.
struct Browser<'a> {
    gate: &'a Gate,
    peer: Peer,
    host: &'static str,
    cookies: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    fn new(gate: &'a Gate) -> Self {
        Self { gate, peer: loopback(), host: "localhost:8000", cookies: BTreeMap::new() }
    }

    async fn ask(&mut self, line: &str, headers: &[(&str, &str)]) -> Reply {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let mut all = vec![("host", self.host), ("cookie", cookies.as_str())];
        all.extend(headers);
        let reply = self.gate.send(self.peer, request(line, &all, "")).await;
        for cookie in reply.headers.get_all("set-cookie") {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        reply
    }

    /// Begins a login; gives where the browser is sent.
    async fn depart(&mut self, path: &str) -> Url {
        let reply = self.ask(&format!("GET {path}"), &[]).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", String::from_utf8_lossy(&reply.body));
        reply.header("location").parse().unwrap()
    }

    /// Comes back from another site, as browsers do.
    async fn come_back(&mut self, path_and_query: &str) -> Reply {
        self.ask(&format!("GET {path_and_query}"), &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")])
            .await
    }

    /// The whole way by the provider `site`.
    async fn log_in(&mut self, idp: &Idp) -> Reply {
        let url = self.depart("/auth/login/site").await;
        *idp.claims.lock().unwrap() = idp.says(&query(&url, "nonce"));
        self.come_back(&format!("/auth/callback/site?code=good&state={}", query(&url, "state"))).await
    }

    async fn who(&mut self) -> Value {
        self.ask("GET /auth/whoami", &[]).await.ok().json()
    }
}

fn query(url: &Url, name: &str) -> String {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

#[tokio::test]
async fn a_person_logs_in_by_openid_works_and_logs_out() {
    let idp = Idp::new();
    let gate = gate(Mode::Insecure, idp.logins(None, Vec::new()));
    let mut browser = Browser::new(&gate);
    assert_eq!(browser.who().await["role"], "stranger");
    assert_eq!(browser.ask("GET /v2/jobs", &[]).await.status, StatusCode::UNAUTHORIZED);
    let list = browser.ask("GET /auth/login?next=/v2/", &[]).await.ok().json();
    assert_eq!(list["providers"], json!([{"name": "site", "kind": "oidc", "login": "/auth/login/site?next=%2Fv2%2F"}]));

    let url = browser.depart("/auth/login/site?next=/v2/").await;
    assert!(url.as_str().starts_with(&format!("{}/authorize?tenant=a&", idp.server.url)), "{url}");
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", "http://localhost:8000/auth/callback/site"),
        ("scope", "openid profile"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(query(&url, name), value);
    }
    let mut claims = idp.says(&query(&url, "nonce"));
    claims["groups"] = json!(["users", "admins"]);
    *idp.claims.lock().unwrap() = claims;
    let back = format!("/auth/callback/site?code=good&state={}", query(&url, "state"));
    let headers = [("accept", "text/html"), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
    let page = browser.ask(&format!("GET {back}"), &headers).await.ok();
    let text = String::from_utf8_lossy(&page.body).into_owned();
    assert!(text.contains("<strong>alice</strong>") && text.contains("content=\"0;url=/v2/\""), "{text}");
    assert_eq!(page.header("referrer-policy"), "same-origin", "so that the form for logging out has an origin");
    assert!(browser.cookies.keys().eq(["jobgate"]), "the attempt's cookie is gone: {:?}", browser.cookies.keys());

    // the code was exchanged with our secret and with the verifier of the challenge
    let asked = idp.server.asked().into_iter().find(|asked| asked.path() == "/token").unwrap();
    let verifier = asked.field("code_verifier").unwrap();
    assert_eq!(BASE64.encode(digest(&SHA256, verifier.as_bytes())), query(&url, "code_challenge"));
    let basic =
        format!("gate+way:{}", url::form_urlencoded::byte_serialize(CLIENT_SECRET.as_bytes()).collect::<String>());
    let basic = base64::prelude::BASE64_STANDARD.encode(basic);
    assert_eq!(asked.header("authorization"), format!("Basic {basic}"));
    assert_eq!(asked.field("client_secret"), None);

    let who = browser.who().await;
    assert_eq!((&who["name"], &who["established"]), (&json!("alice"), &json!("session")));
    assert_eq!(who["role"], "administrator");
    let left = who["expires"].as_i64().unwrap() - jiff::Timestamp::now().as_second();
    assert!((3500..=3600).contains(&left), "{left}");
    browser.ask("GET /v2/jobs", &[]).await.ok();
    let ours = [("origin", "http://localhost:8000"), ("sec-fetch-site", "same-origin")];
    let stolen = browser.cookies.clone();
    assert_eq!(browser.ask("POST /auth/logout", &ours).await.status, StatusCode::NO_CONTENT);
    assert!(browser.cookies.is_empty());

    // who has kept the cookie is out, too
    browser.cookies = stolen;
    let reply = browser.ask("GET /v2/jobs", &[]).await;
    assert_eq!(reply.told(), "401 the session has ended; log in again at /auth/login");
    // also after a restart; others stay
    let restarted = self::gate(Mode::Insecure, idp.logins(None, Vec::new()));
    let mut again = Browser { cookies: browser.cookies.clone(), ..Browser::new(&restarted) };
    assert_eq!(again.ask("GET /v2/jobs", &[]).await.status, StatusCode::UNAUTHORIZED);
    let mut other = Browser::new(&gate);
    other.log_in(&idp).await.ok();
    let mut other = Browser { cookies: other.cookies, ..Browser::new(&restarted) };
    other.ask("GET /v2/jobs", &[]).await.ok();
}

#[tokio::test]
async fn claims_may_be_asked_for() {
    let idp = Idp::new();
    let settings = OidcSettings {
        claims_from: ClaimsFrom::Userinfo,
        user_claim: vec!["nickname".into()],
        user_prefix: "idp-".into(),
        secret_method: SecretMethod::Post,
        ..idp.settings()
    };
    let gate = gate(Mode::Insecure, logins(idp.dir.path(), None, vec![ProviderSettings::Oidc(settings)]));
    let mut browser = Browser::new(&gate);
    browser.log_in(&idp).await.ok();
    assert_eq!(browser.who().await["name"], "idp-al");
    let asked = idp.server.asked();
    let of = |path: &str| asked.iter().find(|asked| asked.path() == path).unwrap().clone();
    assert_eq!(of("/me").header("authorization"), "Bearer at");
    assert_eq!(of("/token").field("client_secret").as_deref(), Some(CLIENT_SECRET));
    assert_eq!(of("/token").header("authorization"), "");
    // somebody else's userinfo
    let mut browser = Browser::new(&gate);
    let url = browser.depart("/auth/login/site").await;
    let mut claims = idp.says(&query(&url, "nonce"));
    claims["sub"] = "4712".into();
    *idp.claims.lock().unwrap() = claims;
    let back = format!("/auth/callback/site?code=good&state={}", query(&url, "state"));
    assert_eq!(browser.come_back(&back).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn in_local_mode_a_session_is_somebody_in_particular() {
    let idp = Idp::new();
    let gate = gate(Mode::Local, idp.logins(None, Vec::new()));
    let mut browser = Browser::new(&gate);
    assert_eq!(browser.who().await["name"], "local:psik_api");
    browser.log_in(&idp).await.ok();
    let who = browser.who().await;
    assert_eq!((&who["name"], &who["role"]), (&json!("alice"), &json!("user")));
    // the way back is open to another site's link, and nothing else is
    for line in ["GET /auth/whoami", "GET /auth/login/site", "GET /v2/jobs"] {
        let reply = browser.ask(line, &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{line}");
    }
    // a cookie of another gateway on this machine is none of ours
    browser.cookies.insert("jobgate".into(), "AAAA".into());
    assert_eq!(browser.who().await["name"], "local:psik_api");
    let far = Peer::Tcp("8.8.8.8:5".parse().unwrap());
    let mut stranger = Browser { peer: far, ..Browser::new(&gate) };
    assert_eq!(stranger.come_back("/auth/callback/site?code=good&state=x").await.status, StatusCode::FORBIDDEN);
}
