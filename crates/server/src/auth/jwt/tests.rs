use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use jobgate_engine::{Outgoing, Reach, Targets};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::*;
use crate::tests::elsewhere::Signer;

const NOW: i64 = 1_800_000_000;
const SECRET: &[u8] = b"the quick brown fox jumps over a lazy dog";
const SITE: &str = "https://idp.example/realms/hpc";

/// Anybody may guess.
#[expect(clippy::unnecessary_wraps, reason = "others may not")]
fn free() -> Result<(), Error> {
    Ok(())
}

fn outside() -> Arc<Outgoing> {
    let (timeout, targets) = (Duration::from_secs(5), Targets::Any);
    Arc::new(Outgoing::new(Reach { timeout, targets, setting: "-", roots: None, identity: None }))
}

fn settings(keys: KeySource, algorithms: &[Algorithm]) -> IssuerSettings {
    IssuerSettings {
        name: "site".into(),
        issuer: Some(SITE.into()),
        audience: vec!["jobgate".into(), "other".into()],
        algorithms: algorithms.to_vec(),
        keys,
        user_claim: vec!["preferred_username".into(), "sub".into()],
        user_prefix: "site-".into(),
        roles: vec![
            RoleClaim { claim: "realm_access.roles".into(), value: "admins".into(), role: Role::Administrator },
            RoleClaim { claim: "scope".into(), value: "watch".into(), role: Role::Monitor },
        ],
        leeway: Duration::from_secs(10),
        freshness: Freshness { refresh: Duration::from_secs(3600), pause: Duration::ZERO },
    }
}

/// Files of keys.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn jwks(&self, keys: &[Value]) -> PathBuf {
        self.write("jwks.json", json!({ "keys": keys }).to_string().as_bytes())
    }
}

fn issuers(slurm: SlurmKeys, settings: Vec<IssuerSettings>) -> Issuers {
    let open = |one| Arc::new(Issuer::open(one, &outside()).unwrap());
    Issuers::new(slurm, settings.into_iter().map(open).collect())
}

fn claims() -> Value {
    json!({"iss": SITE, "aud": "jobgate", "sub": "alice", "exp": NOW + 60, "iat": NOW - 1})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    if value == json!("absent") {
        claims.as_object_mut().unwrap().remove(name);
    } else {
        claims[name] = value;
    }
    claims
}

async fn user(issuers: &Issuers, token: &str) -> Result<String, String> {
    issuers.check(token, NOW, free).await.map(|vouched| vouched.user).map_err(|refusal| refusal.to_string())
}

/// A gate with one RSA key, `k1`, and a way to sign with it.
fn rsa_site(files: &Files) -> (Signer, Issuers) {
    let signer = Signer::rsa();
    let path = files.jwks(&[signer.jwk("k1")]);
    let all = [Algorithm::RS256, Algorithm::PS256];
    (signer, issuers(SlurmKeys::default(), vec![settings(KeySource::File(path), &all)]))
}

#[tokio::test]
async fn every_kind_of_key() {
    let files = Files::new();
    for (signer, alg, algorithm) in [
        (Signer::rsa(), "RS256", Algorithm::RS256),
        (Signer::rsa(), "RS512", Algorithm::RS512),
        (Signer::rsa(), "PS256", Algorithm::PS256),
        (Signer::p256(), "ES256", Algorithm::ES256),
        (Signer::p384(), "ES384", Algorithm::ES384),
        (Signer::ed25519(), "EdDSA", Algorithm::EdDSA),
    ] {
        let path = files.jwks(&[Signer::rsa().jwk("other"), signer.jwk("k1")]);
        let gate = issuers(SlurmKeys::default(), vec![settings(KeySource::File(path.clone()), &[algorithm])]);
        let token = signer.sign(&json!({"alg": alg, "kid": "k1"}), &claims());
        assert_eq!(user(&gate, &token).await, Ok("site-alice".into()), "{alg}");
        // pinned: another algorithm of the very key is refused
        let pinned = if algorithm == Algorithm::RS256 { Algorithm::PS256 } else { Algorithm::RS256 };
        let gate = issuers(SlurmKeys::default(), vec![settings(KeySource::File(path), &[pinned])]);
        assert!(user(&gate, &token).await.unwrap_err().contains("is not one of its issuer's"), "{alg}");
        // somebody else's key of this kind
        let files = Files::new();
        let path = files.jwks(&[
            Signer::p256().jwk("k1"),
            Signer::rsa().jwk("k1"),
            Signer::ed25519().jwk("k1"),
            Signer::p384().jwk("k1"),
        ]);
        let gate = issuers(SlurmKeys::default(), vec![settings(KeySource::File(path), &[algorithm])]);
        assert_eq!(user(&gate, &token).await.unwrap_err(), "the token's signature is wrong", "{alg}");
    }
    let key = files.write("key", SECRET);
    let gate = issuers(SlurmKeys::default(), vec![settings(KeySource::Secret(key), &[Algorithm::HS256])]);
    let token = Signer::Hmac(SECRET.to_vec()).sign(&json!({"alg": "HS256"}), &claims());
    assert_eq!(user(&gate, &token).await, Ok("site-alice".into()));
}

#[tokio::test]
async fn claims_that_must_be_right() {
    let files = Files::new();
    let (signer, gate) = rsa_site(&files);
    let header = json!({"alg": "RS256", "kid": "k1"});
    for (name, value, refused) in [
        ("exp", json!("absent"), "the token has no exp"),
        ("exp", json!(NOW - 10), "expired"),
        ("exp", json!(NOW - 9), ""),
        ("exp", json!("1900000000"), "the token's exp is not a time"),
        ("exp", json!(1.9e9), ""),
        ("exp", json!(-1), "expired"),
        ("exp", json!(u64::MAX), ""),
        ("exp", json!([NOW + 60]), "the token is malformed"),
        ("nbf", json!(NOW + 10), ""),
        ("nbf", json!(NOW + 11), "the token's nbf is in the future"),
        ("iat", json!(NOW + 11), "the token's iat is in the future"),
        ("iat", json!("now"), "the token's iat is not a time"),
        ("aud", json!("absent"), "the token has no aud"),
        ("aud", json!("jobgate2"), "the token's aud is for somebody else"),
        ("aud", json!(["x", "other"]), ""),
        ("aud", json!([]), "the token's aud is for somebody else"),
        ("aud", json!([["jobgate"]]), "the token's aud is for somebody else"),
        ("aud", json!({"jobgate": 1}), "the token's aud is for somebody else"),
        ("sub", json!("absent"), "the token names no user (claims preferred_username, sub)"),
        ("sub", json!(7), "the token's claim sub is not a user's name"),
        ("sub", json!(["alice"]), "the token is malformed"),
        ("preferred_username", json!(""), "the token's claim preferred_username is not a user's name"),
        ("iss", json!(["https://idp.example/realms/hpc"]), "the token's iss is not text"),
    ] {
        let outcome = user(&gate, &signer.sign(&header, &with(name, value.clone()))).await;
        let refusal = outcome.err().unwrap_or_default();
        assert_eq!(refusal, refused, "{name} = {value}");
    }
    let named = with("preferred_username", json!("bob"));
    assert_eq!(user(&gate, &signer.sign(&header, &named)).await, Ok("site-bob".into()));
    // a text where claims should be
    assert!(user(&gate, &signer.sign(&header, &json!("alice"))).await.is_err());
}

#[tokio::test]
async fn other_issuers_tokens_are_foreign_and_their_names_do_not_mix() {
    let files = Files::new();
    let (signer, gate) = rsa_site(&files);
    let header = json!({"alg": "RS256", "kid": "k1"});
    for iss in ["https://idp.example/realms/hpc/", "https://IDP.example/realms/hpc", "", "https://evil.example"] {
        let outcome = gate.check(&signer.sign(&header, &with("iss", json!(iss))), NOW, free).await;
        assert!(matches!(outcome, Err(Refusal::Foreign(_))), "{iss}: {outcome:?}");
    }
    // without a name it is nobody's, though a configured issuer's key has signed it
    assert!(gate.check(&signer.sign(&header, &with("iss", json!("absent"))), NOW, free).await.is_err());
}

#[tokio::test]
async fn attacks_with_headers() {
    let files = Files::new();
    let (signer, gate) = rsa_site(&files);
    let jwk = signer.jwk("k1");
    let modulus = BASE64.decode(jwk["n"].as_str().unwrap()).unwrap();
    let evil = Signer::rsa();
    let unsigned = |header: Value, tail: &str| {
        format!("{}.{}.{tail}", BASE64.encode(header.to_string()), BASE64.encode(claims().to_string()))
    };
    let good = signer.sign(&json!({"alg": "RS256", "kid": "k1"}), &claims());
    let tail = good.rsplit('.').next().unwrap();
    let mut bad = Vec::new();
    for none in ["none", "None", "NONE", "nOnE", "", "RS256 ", "rs256", "HS256\0"] {
        bad.push(unsigned(json!({"alg": none, "kid": "k1"}), ""));
        bad.push(unsigned(json!({"alg": none, "kid": "k1"}), tail));
    }
    bad.push(unsigned(json!({"kid": "k1"}), tail));
    bad.push(unsigned(json!({"alg": ["RS256"], "kid": "k1"}), tail));
    bad.push(unsigned(json!({"alg": "RS256", "kid": "k1"}), ""));
    bad.push(unsigned(json!({"alg": "RS256", "kid": "k1"}), "AAAA"));
    // the public key as a shared secret, in the forms in which it is published
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", jwk["n"].as_str().unwrap());
    for secret in [modulus, jwk["n"].as_str().unwrap().into(), jwk.to_string().into(), pem.into(), Vec::new()] {
        for kid in [json!("k1"), Value::Null] {
            bad.push(Signer::Hmac(secret.clone()).sign(&json!({"alg": "HS256", "kid": kid}), &claims()));
        }
    }
    // somebody's own key, and where to find it
    bad.push(evil.sign(&json!({"alg": "RS256", "kid": "k1", "jwk": evil.jwk("k1")}), &claims()));
    bad.push(evil.sign(&json!({"alg": "RS256", "kid": "k1", "jku": "https://evil.example/jwks.json"}), &claims()));
    bad.push(evil.sign(&json!({"alg": "RS256", "kid": "k1", "x5u": "https://evil.example/k.pem"}), &claims()));
    bad.push(evil.sign(&json!({"alg": "RS256", "kid": "k1", "x5c": ["AAAA"]}), &claims()));
    bad.push(evil.sign(&json!({"alg": "RS256"}), &claims()));
    // names of keys that are none
    let huge = "k".repeat(10_000);
    for kid in [
        "",
        "K1",
        "k1\0",
        "k1 ",
        "../../../../dev/null",
        "/etc/passwd",
        "k1' OR '1'='1",
        "https://evil.example/",
        huge.as_str(),
    ] {
        for signer in [&signer, &evil, &Signer::Hmac(Vec::new()), &Signer::Hmac(b"k1".to_vec())] {
            let alg = if matches!(signer, Signer::Rsa(_)) { "RS256" } else { "HS256" };
            bad.push(signer.sign(&json!({"alg": alg, "kid": kid}), &claims()));
        }
    }
    bad.push(signer.sign(&json!({"alg": "RS256", "kid": ["k1"]}), &claims()));
    // extensions, and tokens in tokens
    bad.push(signer.sign(&json!({"alg": "RS256", "kid": "k1", "crit": ["exp"]}), &claims()));
    bad.push(signer.sign(&json!({"alg": "RS256", "kid": "k1", "crit": ["b64"], "b64": false}), &claims()));
    bad.push(signer.sign(&json!({"alg": "RS256", "kid": "k1", "cty": "JWT"}), &json!(good)));
    bad.push(signer.sign(&json!({"alg": "RS256", "kid": "k1", "cty": "JWT"}), &claims()));
    bad.push(signer.sign(&json!({"alg": "RS256", "kid": "k1", "zip": "DEF"}), &claims()));
    // other forms
    bad.extend([
        format!("{good}."),
        format!(".{good}"),
        format!("{good}="),
        good.replace('.', ".."),
        "..".into(),
        "a.b.c".into(),
    ]);
    bad.push(good.trim_end_matches(|c| c != '.').into());
    for token in bad {
        let outcome = user(&gate, &token).await;
        assert!(outcome.is_err(), "{token:.200}");
        let told = outcome.unwrap_err();
        assert!(!told.contains(tail) && told.len() < 200, "{told}");
    }
    // what is merely no use is ignored
    for header in [
        json!({"alg": "RS256", "kid": "k1", "jku": "https://evil.example/", "x5u": "x", "jwk": evil.jwk("k1"), "typ": "JWT"}),
        json!({"alg": "RS256", "kid": "k1", "typ": "at+jwt"}),
        json!({"alg": "RS256"}),
    ] {
        assert_eq!(user(&gate, &signer.sign(&header, &claims())).await, Ok("site-alice".into()), "{header}");
    }
}

#[tokio::test]
async fn keys_are_told_apart_by_their_names() {
    let files = Files::new();
    let (one, two) = (Signer::rsa(), Signer::rsa());
    let site = |keys: &[Value]| {
        issuers(SlurmKeys::default(), vec![settings(KeySource::File(files.jwks(keys)), &[Algorithm::RS256])])
    };
    let gate = site(&[one.jwk("k1"), two.jwk("k2")]);
    let token = |signer: &Signer, kid: Value| signer.sign(&json!({"alg": "RS256", "kid": kid}), &claims());
    assert!(user(&gate, &token(&one, json!("k1"))).await.is_ok());
    assert!(user(&gate, &token(&two, json!("k2"))).await.is_ok());
    assert_eq!(user(&gate, &token(&one, json!("k2"))).await.unwrap_err(), "the token's signature is wrong");
    assert!(user(&gate, &token(&one, Value::Null)).await.unwrap_err().contains("has no kid"));
    assert!(user(&gate, &token(&one, json!("k3"))).await.unwrap_err().contains("no key of its issuer"));
    // a key says what it is for
    let mut for_others = one.jwk("k1");
    for_others["alg"] = "PS256".into();
    assert!(user(&site(&[for_others, two.jwk("k2")]), &token(&one, json!("k1"))).await.is_err());
    let mut encrypting = one.jwk("k1");
    encrypting["use"] = "enc".into();
    assert!(user(&site(&[encrypting, two.jwk("k2")]), &token(&one, json!("k1"))).await.is_err());
    // sets that somebody should look at
    let refused = |keys: &[Value]| {
        let settings = settings(KeySource::File(files.jwks(keys)), &[Algorithm::RS256]);
        Issuer::open(settings, &outside()).unwrap_err().to_string()
    };
    assert!(refused(&[one.jwk("k1"), two.jwk("k1")]).contains("the same kid as another"));
    assert!(refused(&[Signer::Hmac(SECRET.to_vec()).jwk("k1")]).contains("no key that can check"));
    let mut weak = one.jwk("k1");
    weak["n"] = weak["n"].as_str().unwrap()[..171].into();
    assert!(refused(&[weak]).contains("1024 bits"));
    let mut small = one.jwk("k1");
    small["e"] = "AQ".into();
    assert!(refused(&[small]).contains("exponent"));
}

#[tokio::test]
async fn roles_and_names() {
    let files = Files::new();
    let (signer, gate) = rsa_site(&files);
    let role = async |name: &str, value: Value| {
        let token = signer.sign(&json!({"alg": "RS256", "kid": "k1"}), &with(name, value));
        let vouched = gate.check(&token, NOW, free).await.unwrap();
        assert_eq!(vouched.vouching, Vouching::Others);
        vouched.role
    };
    assert_eq!(role("realm_access", json!({"roles": ["users", "admins"]})).await, Some(Role::Administrator));
    assert_eq!(role("realm_access", json!({"roles": "admins"})).await, Some(Role::Administrator));
    assert_eq!(role("realm_access.roles", json!(["admins"])).await, Some(Role::Administrator));
    assert_eq!(role("scope", json!("openid watch")).await, Some(Role::Monitor));
    for (name, value) in [
        ("realm_access", json!({"roles": ["xadmins", ["admins"], {"admins": true}]})),
        ("realm_access", json!(["admins"])),
        ("roles", json!(["admins"])),
        ("scope", json!("watcher")),
        ("scope", json!(true)),
    ] {
        assert_eq!(role(name, value.clone()).await, None, "{name} {value}");
    }
    // an address counts only if it was verified
    let mut by_mail = settings(KeySource::File(files.jwks(&[signer.jwk("k1")])), &[Algorithm::RS256]);
    by_mail.user_claim = vec!["email".into()];
    let gate = issuers(SlurmKeys::default(), vec![by_mail]);
    for (verified, fine) in [(json!(true), true), (json!(false), false), (json!("true"), false), (Value::Null, false)] {
        let mut claims = with("email", json!("a@example.org"));
        claims["email_verified"] = verified.clone();
        let token = signer.sign(&json!({"alg": "RS256", "kid": "k1"}), &claims);
        assert_eq!(user(&gate, &token).await.is_ok(), fine, "{verified}");
    }
}

#[tokio::test]
async fn slurms_keys_and_issuers_without_a_name() {
    let files = Files::new();
    let slurms = files.write("slurm", b"slurm's own key is as long as others\n");
    let other = files.write("other", SECRET);
    let nameless = IssuerSettings {
        issuer: None,
        audience: Vec::new(),
        ..settings(KeySource::Secret(other), &[Algorithm::HS256])
    };
    let slurm = SlurmKeys { hs256: Some(slurms), ..SlurmKeys::default() };
    let gate = issuers(slurm, vec![nameless]);
    let sign = |key: &[u8], claims: Value| Signer::Hmac(key.to_vec()).sign(&json!({"alg": "HS256"}), &claims);
    let slurm_key = b"slurm's own key is as long as others\n";
    let vouched = gate.check(&sign(slurm_key, json!({"sun": "alice", "exp": NOW + 5})), NOW, free).await.unwrap();
    assert_eq!((vouched.user.as_str(), vouched.vouching, vouched.expires), ("alice", Vouching::Ours, NOW + 5));
    // Slurm looks at no issuer
    let vouched =
        gate.check(&sign(slurm_key, json!({"sun": "alice", "iss": "x", "exp": NOW + 5})), NOW, free).await.unwrap();
    assert_eq!(vouched.vouching, Vouching::Ours);
    let vouched = gate.check(&sign(SECRET, json!({"sub": "alice", "exp": NOW + 5})), NOW, free).await.unwrap();
    assert_eq!((vouched.user.as_str(), vouched.vouching), ("site-alice", Vouching::Others));
    assert!(gate.check(&sign(SECRET, json!({"sub": "alice", "iss": "x", "exp": NOW + 5})), NOW, free).await.is_err());
    // root by the other key is nobody special, and Slurm's claims do not make it Slurm's
    let vouched =
        gate.check(&sign(SECRET, json!({"sun": "root", "sub": "root", "exp": NOW + 5})), NOW, free).await.unwrap();
    assert_eq!((vouched.user.as_str(), vouched.vouching), ("site-root", Vouching::Others));
    let expired = gate.check(&sign(slurm_key, json!({"sun": "alice", "exp": NOW})), NOW, free).await;
    assert!(matches!(expired, Err(Refusal::Expired)), "{expired:?}");
}

#[tokio::test]
async fn what_was_checked_is_remembered_until_it_ends_or_the_key_goes() {
    let files = Files::new();
    let (signer, gate) = rsa_site(&files);
    let token = signer.sign(&json!({"alg": "RS256", "kid": "k1"}), &claims());
    for now in [NOW, NOW + 1, NOW + 69] {
        assert!(gate.check(&token, now, free).await.is_ok());
    }
    assert!(matches!(gate.check(&token, NOW + 70, free).await, Err(Refusal::Expired)));
    assert!(gate.check(&token, NOW, free).await.is_ok());
    let text = files.jwks(&[Signer::rsa().jwk("k1")]);
    assert_eq!(user(&gate, &token).await.unwrap_err(), "the token's signature is wrong");
    std::fs::remove_file(text).unwrap();
    assert!(user(&gate, &token).await.is_err(), "without a key nothing counts");
    files.jwks(&[signer.jwk("k1")]);
    assert!(user(&gate, &token).await.is_ok());
}

#[test]
fn what_cannot_be_trusted_as_configured() {
    let files = Files::new();
    let good = files.jwks(&[Signer::p256().jwk("k")]);
    let key = files.write("key", SECRET);
    let short = files.write("short", b"too short");
    let known = files.write("known", b"a-string-secret-at-least-256-bits-long\n");
    let refused = |change: &dyn Fn(&mut IssuerSettings), wanted: &str| {
        let mut settings = settings(KeySource::File(good.clone()), &[Algorithm::ES256]);
        change(&mut settings);
        let error = Issuer::open(settings, &outside()).unwrap_err().to_string();
        assert!(error.starts_with("auth.jwt.site.") && error.contains(wanted), "{error}");
    };
    refused(&|s| s.algorithms.clear(), "there is none");
    refused(&|s| s.algorithms = vec![Algorithm::HS256], "does not go with these keys");
    refused(&|s| s.algorithms = vec![Algorithm::HS512], "only HS256");
    refused(&|s| s.keys = KeySource::Secret(key.clone()), "does not go with these keys");
    refused(&|s| s.audience.clear(), "for whom a token is");
    refused(&|s| s.user_claim.clear(), "there is none");
    refused(&|s| s.leeway = Duration::from_secs(3600), "must be set");
    refused(&|s| s.keys = KeySource::File("/nowhere/jwks.json".into()), "/nowhere/jwks.json");
    for url in [
        "http://idp.example/keys",
        "ftp://idp.example",
        "https://u:p@idp.example/",
        "idp.example",
        "http://127.0.0.1.evil.example/",
    ] {
        refused(&|s| s.keys = KeySource::Url(url.into()), "jwks_url");
    }
    for path in [short, known] {
        refused(&|s| (s.keys, s.algorithms) = (KeySource::Secret(path.clone()), vec![Algorithm::HS256]), "the secret");
    }
}
