//! CAS and GitHub, as their documents say; keys at URLs; and secrets of programs.

use jobgate_model::Role;

use super::*;
use crate::{
    CasSettings, ClientSecret, Freshness, GithubSettings, Issuer, IssuerSettings, KeySource, Secret, SecretSettings,
    TrustError,
};

const CAS_OK: &str = "<cas:serviceResponse xmlns:cas='http://www.yale.edu/tp/cas'><cas:authenticationSuccess>\
                      <cas:user>carol</cas:user></cas:authenticationSuccess></cas:serviceResponse>";
const CAS_NO: &str = "<cas:serviceResponse xmlns:cas='http://www.yale.edu/tp/cas'>\
                      <cas:authenticationFailure code='INVALID_TICKET'>no</cas:authenticationFailure></cas:serviceResponse>";

#[tokio::test]
async fn a_person_logs_in_by_cas() {
    let server = Elsewhere::start(|asked| {
        let good = asked.path().contains("ticket=ST-1") && asked.path().starts_with("/cas/serviceValidate?service=");
        (200, if good { CAS_OK } else { CAS_NO }.to_owned())
    });
    let dir = tempfile::tempdir().unwrap();
    let cas = CasSettings::at(format!("{}/cas", server.url));
    let gate = gate(Mode::Insecure, logins(dir.path(), None, vec![ProviderSettings::Cas(cas)]));
    let mut browser = Browser::new(&gate);
    let url = browser.depart("/auth/login/cas").await;
    assert!(url.as_str().starts_with(&format!("{}/cas/login?service=", server.url)), "{url}");
    let service: Url = query(&url, "service").parse().unwrap();
    assert!(service.as_str().starts_with("http://localhost:8000/auth/callback/cas?state="), "{service}");
    let back = format!("{}?{}", service.path(), service.query().unwrap());
    browser.come_back(&format!("{back}&ticket=ST-1")).await.ok();
    assert_eq!(browser.who().await["name"], "carol");
    // the ticket was shown for exactly the service that it was made for
    let asked: Url = format!("{}{}", server.url, server.asked()[0].path()).parse().unwrap();
    assert_eq!(query(&asked, "service"), service.as_str());
    let mut browser = Browser::new(&gate);
    let service: Url = query(&browser.depart("/auth/login/cas").await, "service").parse().unwrap();
    let back = format!("{}?{}", service.path(), service.query().unwrap());
    let reply = browser.come_back(&format!("{back}&ticket=ST-2")).await;
    assert_eq!(reply.told(), "401 the CAS server does not accept the ticket");
}

fn github(server: &Elsewhere, dir: &std::path::Path) -> GithubSettings {
    GithubSettings {
        client_id: "Iv1.x".into(),
        client_secret: ClientSecret::File(private_file(dir, "github", "shh\n")),
        organization: Some("climate".into()),
        team: Some("ops".into()),
        anybody: false,
        user_prefix: "github-".into(),
        url: server.url.clone(),
        api_url: format!("{}/api/v3", server.url),
    }
}

#[tokio::test]
async fn a_person_logs_in_by_github() {
    let server = Elsewhere::start(|asked| match asked.path() {
        "/login/oauth/access_token" if asked.field("code").as_deref() == Some("good") => {
            (200, json!({"access_token": "gho_1", "scope": "read:org", "token_type": "bearer"}).to_string())
        }
        // GitHub says this with status 200
        "/login/oauth/access_token" => (200, json!({"error": "bad_verification_code"}).to_string()),
        "/api/v3/user" if asked.header("authorization") == "Bearer gho_1" => {
            (200, json!({"login": "dave"}).to_string())
        }
        "/api/v3/orgs/climate/teams/ops/memberships/dave" => (200, json!({"state": "active"}).to_string()),
        "/api/v3/orgs/climate/teams/new/memberships/dave" => (200, json!({"state": "pending"}).to_string()),
        "/api/v3/orgs/climate/members/dave" => (204, String::new()),
        "/api/v3/orgs/other/members/dave" => (302, String::new()),
        _ => (404, String::new()),
    });
    let dir = tempfile::tempdir().unwrap();
    let base = github(&server, dir.path());
    let team = |name: &str| GithubSettings { team: Some(name.into()), ..base.clone() };
    let organization = |name: &str| GithubSettings { organization: Some(name.into()), team: None, ..base.clone() };
    let anybody = GithubSettings { organization: None, team: None, anybody: true, ..base.clone() };
    for (settings, fine) in [
        (base.clone(), true),
        (team("new"), false),
        (team("none"), false),
        (team("../../members/dave?"), false),
        (organization("climate"), true),
        (organization("other"), false),
        (anybody, true),
    ] {
        let shown = format!("{:?} {:?}", settings.organization, settings.team);
        let gate = gate(Mode::Insecure, logins(dir.path(), None, vec![ProviderSettings::Github(settings)]));
        let mut browser = Browser::new(&gate);
        let url = browser.depart("/auth/login/github").await;
        assert_eq!(query(&url, "redirect_uri"), "http://localhost:8000/auth/callback/github");
        let reply = browser.come_back(&format!("/auth/callback/github?code=good&state={}", query(&url, "state"))).await;
        assert_eq!(reply.status.is_success(), fine, "{shown}");
        if fine {
            assert_eq!(browser.who().await["name"], "github-dave");
        } else {
            assert!(reply.told().contains("not a member"), "{shown}");
        }
        let url = browser.depart("/auth/login/github").await;
        let reply = browser.come_back(&format!("/auth/callback/github?code=bad&state={}", query(&url, "state"))).await;
        assert!(reply.told().contains("does not accept the code"));
    }
}

#[test]
fn providers_that_cannot_be_trusted_as_configured() {
    let server = Elsewhere::start(|_| (404, String::new()));
    let dir = tempfile::tempdir().unwrap();
    let refused = |providers: Vec<ProviderSettings>, url: Option<&str>, wanted: &str| {
        let url = url.map(str::to_owned);
        let state_dir = dir.path().to_path_buf();
        let settings = LoginSettings { url, session: Duration::from_secs(60), state_dir, providers };
        let error: TrustError = Logins::open(settings, &outside()).unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
    };
    let base = github(&server, dir.path());
    let open = GithubSettings { organization: None, team: None, ..base.clone() };
    refused(vec![ProviderSettings::Github(open)], None, "anybody = true");
    let team = GithubSettings { organization: None, ..base.clone() };
    refused(vec![ProviderSettings::Github(team)], None, "auth.github.team");
    let clear = GithubSettings { url: "http://github.example".into(), ..base.clone() };
    refused(vec![ProviderSettings::Github(clear)], None, "only https");
    let cas = |server: &str| ProviderSettings::Cas(CasSettings::at(server));
    refused(vec![cas("http://cas.example/cas")], None, "auth.cas.server");
    refused(vec![cas("https://a.example"), cas("https://b.example")], None, "another provider of this name");
    for url in ["http://gate.example", "https://gate.example/jobs", "gate.example", "https://a:b@gate.example"] {
        refused(vec![cas("https://cas.example")], Some(url), "auth.url");
    }
}

#[tokio::test]
async fn keys_at_a_url_are_fetched_when_they_are_needed() {
    let (one, two) = (Signer::p256(), Signer::p256());
    let server = Elsewhere::start(|_| (500, String::new()));
    let site = |freshness: Freshness| {
        let settings = IssuerSettings {
            name: "site".into(),
            issuer: Some("https://idp.example".into()),
            audience: vec!["jobgate".into()],
            algorithms: vec![Algorithm::ES256],
            keys: KeySource::Url(format!("{}/jwks", server.url)),
            user_claim: vec!["sub".into()],
            user_prefix: String::new(),
            roles: Vec::new(),
            leeway: Duration::ZERO,
            freshness,
        };
        let issuers = vec![Arc::new(Issuer::open(settings, &outside()).unwrap())];
        Gate::with(&Settings {
            auth: AuthSettings { issuers, ..AuthSettings::default() },
            ..self::settings(Mode::Insecure)
        })
    };
    let token = |signer: &Signer, kid: &str, sub: &str| {
        let claims = json!({"iss": "https://idp.example", "aud": "jobgate", "sub": sub,
                            "exp": jiff::Timestamp::now().as_second() + 60});
        format!("Bearer {}", signer.sign(&json!({"alg": "ES256", "kid": kid}), &claims))
    };
    let ask = async |gate: &Gate, token: &str| {
        gate.ask_with("GET /v2/jobs", &[("authorization", token)], "").await.status.as_u16()
    };
    let (hour, now) = (Duration::from_secs(3600), Duration::ZERO);
    let gate = site(Freshness { refresh: hour, pause: now });
    let first = token(&one, "k1", "alice");
    assert_eq!(ask(&gate, &first).await, 401, "nobody can be asked");
    let keys = |list: Vec<Value>| move |_: &Asked| (200, json!({ "keys": list }).to_string());
    server.answer(keys(vec![one.jwk("k1")]));
    for _ in 0..3 {
        assert_eq!(ask(&gate, &first).await, 200);
    }
    assert_eq!(server.asked().len(), 2, "what is known is not asked for again");
    // a new key is asked for once; the old one stays if the provider is away then
    server.answer(keys(vec![one.jwk("k1"), two.jwk("k2")]));
    assert_eq!(ask(&gate, &token(&two, "k2", "alice")).await, 200);
    assert_eq!(server.asked().len(), 3);
    server.answer(|_| (200, "x".repeat(300 << 10)));
    assert_eq!(ask(&gate, &token(&one, "k3", "alice")).await, 401);
    assert_eq!(server.asked().len(), 4);
    assert_eq!(ask(&gate, &token(&one, "k1", "bob")).await, 200);

    // unknown names do not make us ask all the time, and many at once are one question
    server.answer(keys(vec![one.jwk("k1")]));
    let patient = site(Freshness { refresh: hour, pause: hour });
    let before = server.asked().len();
    let mut many = tokio::task::JoinSet::new();
    let patient = Arc::new(patient);
    for n in 0..20 {
        let (patient, token) = (Arc::clone(&patient), token(&one, "k1", &format!("user{n}")));
        many.spawn(
            async move { patient.ask_with("GET /v2/jobs", &[("authorization", &token)], "").await.status.as_u16() },
        );
    }
    assert!(many.join_all().await.iter().all(|status| *status == 200));
    for n in 0..20 {
        assert_eq!(ask(&patient, &token(&two, &format!("x{n}"), "alice")).await, 401);
    }
    assert_eq!(server.asked().len() - before, 1);

    // a key that is withdrawn ceases to count, for tokens that were checked before, too
    let quick = site(Freshness { refresh: now, pause: now });
    assert_eq!(ask(&quick, &first).await, 200);
    server.answer(keys(vec![two.jwk("k2")]));
    eventually("the key is withdrawn", async || ask(&quick, &first).await == 401).await;
}

#[tokio::test]
async fn secrets_from_files() {
    let dir = tempfile::tempdir().unwrap();
    let secret = "0123456789abcdef0123456789abcdef";
    let file = private_file(dir.path(), "secret", &format!("{secret}\n"));
    let open = |role: Role, file: std::path::PathBuf| {
        Secret::open(SecretSettings { name: "m".into(), file, user: "prometheus".into(), role })
    };
    let gate = |role: Role| {
        let secrets = vec![Arc::new(open(role, file.clone()).unwrap())];
        Gate::with(&Settings { auth: AuthSettings { secrets, ..AuthSettings::default() }, ..settings(Mode::Insecure) })
    };
    let far = Peer::Tcp("192.0.2.7:5".parse().unwrap());
    let ask = async |gate: &Gate, line: &str, secret: &str| {
        let value = format!("Bearer {secret}");
        gate.send(far, request(line, &[("authorization", &value)], "")).await.status.as_u16()
    };
    let monitor = gate(Role::Monitor);
    assert_eq!(ask(&monitor, "GET /metrics", secret).await, 200);
    assert_eq!(ask(&monitor, "GET /readyz", secret).await, 200);
    assert_eq!(ask(&monitor, "GET /v2/jobs", secret).await, 403);
    for wrong in
        ["", "x", &secret[1..], &format!("{secret}x"), &secret.to_uppercase(), "0123456789abcdef0123456789abcdeg"]
    {
        assert_eq!(ask(&monitor, "GET /metrics", wrong).await, 401, "{wrong}");
    }
    assert_eq!(ask(&gate(Role::User), "GET /v2/jobs", secret).await, 200);
    assert_eq!(ask(&gate(Role::User), "GET /metrics", secret).await, 403);
    assert_eq!(ask(&gate(Role::Administrator), "GET /metrics", secret).await, 200);
    // another one, without a restart; and none
    let new = "fedcba9876543210fedcba9876543210";
    std::fs::write(&file, new).unwrap();
    assert_eq!((ask(&monitor, "GET /metrics", secret).await, ask(&monitor, "GET /metrics", new).await), (401, 200));
    std::fs::write(&file, "").unwrap();
    assert_eq!((ask(&monitor, "GET /metrics", new).await, ask(&monitor, "GET /metrics", "").await), (401, 401));
    for weak in ["", "short", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "two words 0123456789abcdef0123456789abcdef"] {
        let error = open(Role::Monitor, private_file(dir.path(), "weak", weak)).unwrap_err().to_string();
        assert!(error.starts_with("auth.secrets.m.file: ") && (weak.is_empty() || !error.contains(weak)), "{error}");
    }
}
