use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::vectors::{
    MODULUS, OTHER_MODULUS, PS256, RS256, RS256_CLAIM, RS256_CRITICAL, RS256_NO_EXPIRY, RS256_NO_KID, RS256_OTHER_KEY,
    RS256_OTHER_KID, RS512,
};
use super::{Claims, KeyError, KeySet, Keys, Lifespan, MAX_TOKEN_LENGTH, MintError, Refusal, SharedKey, SignedBy};

const NOW: i64 = 1_800_000_000;
const SECRET: &[u8] = b"the quick brown fox jumps over a lazy dog\n";

fn key() -> SharedKey {
    SharedKey::new(SECRET).unwrap()
}

fn jwks(entries: &Value) -> Result<KeySet, KeyError> {
    KeySet::parse(json!({ "keys": entries }).to_string().as_bytes())
}

fn entry() -> Value {
    json!({ "kty": "RSA", "alg": "RS256", "kid": "key-1", "n": MODULUS, "e": "AQAB" })
}

/// `entry` with one member replaced, or removed if the value is null.
fn entry_with(member: &str, value: Value) -> Value {
    let mut entry = entry();
    if value.is_null() {
        entry.as_object_mut().unwrap().remove(member);
    } else {
        entry[member] = value;
    }
    entry
}

fn shared() -> Keys {
    Keys { hs256: Some(key()), ..Keys::default() }
}

fn public() -> Keys {
    Keys { jwks: Some(jwks(&json!([entry()])).unwrap()), ..Keys::default() }
}

fn both() -> Keys {
    Keys { user_claim: Some("preferred_username".into()), ..Keys { jwks: public().jwks, ..shared() } }
}

fn signed(algorithm: Algorithm, secret: &[u8], claims: &Value) -> String {
    encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret)).unwrap()
}

fn hs256(claims: &Value) -> String {
    signed(Algorithm::HS256, SECRET, claims)
}

#[test]
fn anybody_can_see_when_a_token_expires() {
    let token = key().mint("alice", Lifespan::Seconds(1800), NOW).unwrap();
    assert_eq!(super::expiry(&token), Some(NOW + 1800));
    assert_eq!(super::expiry(&hs256(&json!({ "exp": 7, "sun": 3 }))), Some(7));
    assert_eq!(super::expiry(&hs256(&json!({ "exp": "7" }))), None);
    assert_eq!([super::expiry("a.b.c"), super::expiry("")], [None, None]);
}

#[test]
fn minted_tokens_are_accepted_until_they_expire() {
    let token = key().mint("alice", Lifespan::Seconds(1800), NOW).unwrap();
    let claims =
        Claims { user: "alice".into(), expires: NOW + 1800, issued: Some(NOW), signed_by: SignedBy::SharedKey };
    for now in [NOW, NOW + 1799, 0, -1] {
        assert_eq!(shared().check(&token, now), Ok(claims.clone()));
    }
    for now in [NOW + 1800, NOW + 1801, i64::MAX] {
        assert_eq!(shared().check(&token, now), Err(Refusal::Expired(NOW + 1800)));
    }
    let endless = key().mint("alice", Lifespan::Infinite, NOW).unwrap();
    assert_eq!(shared().check(&endless, NOW + 100 * 365 * 86_400).unwrap().user, "alice");
    assert!(key().mint("alice", Lifespan::Infinite, i64::MAX).is_ok());
}

#[test]
fn minted_tokens_have_slurms_form() {
    let token = key().mint("alice", Lifespan::Seconds(600), NOW).unwrap();
    let expected = format!("{{\"exp\":{},\"iat\":{NOW},\"sun\":\"alice\"}}", NOW + 600);
    let header = jsonwebtoken::decode_header(&token).unwrap();
    assert_eq!((header.alg, header.typ.as_deref(), header.kid), (Algorithm::HS256, Some("JWT"), None));
    let claims: Value = jsonwebtoken::dangerous::insecure_decode_claims(&token).unwrap();
    assert_eq!(claims.to_string(), expected);
    for user in ["", "a b", "a\n", "a:b", "../x", &"x".repeat(256)] {
        assert!(matches!(key().mint(user, Lifespan::Infinite, NOW), Err(MintError::User(_))), "{user}");
    }
}

#[test]
fn lifespans_are_read() {
    assert_eq!("1800".parse(), Ok(Lifespan::Seconds(1800)));
    assert_eq!("INFINITE".parse(), Ok(Lifespan::Infinite));
    for text in ["", "0", "-1", "+1", "1h", "4294967296", "1.5", "infinite "] {
        assert!(text.parse::<Lifespan>().is_err(), "{text}");
    }
}

#[test]
fn the_user_is_in_one_of_three_claims() {
    let user = |keys: &Keys, mut claims: Value| {
        claims["exp"] = json!(NOW + 60);
        keys.check(&hs256(&claims), NOW).map(|claims| claims.user)
    };
    for (claims, expected) in [
        (json!({ "sun": "alice" }), "alice"),
        (json!({ "username": "bob" }), "bob"),
        (json!({ "preferred_username": "carol" }), "carol"),
        (json!({ "preferred_username": "carol", "username": "bob", "sun": "alice" }), "alice"),
        (json!({ "preferred_username": "carol", "username": "bob" }), "bob"),
        (json!({ "sun": null, "username": "bob" }), "bob"),
        (json!({ "sun": "alice", "sub": 42, "aud": ["a", "b"], "iss": "x", "nbf": NOW + 60 }), "alice"),
        (json!({ "sun": "alice", "uid": 0, "gid": 0, "id": { "name": "root" } }), "alice"),
    ] {
        assert_eq!(user(&both(), claims.clone()), Ok(expected.to_owned()), "{claims}");
    }
    assert_eq!(user(&shared(), json!({ "preferred_username": "carol" })), Err(Refusal::NoUser));
    assert_eq!(user(&both(), json!({ "sub": "alice" })), Err(Refusal::NoUser));
    for wrong in [json!(""), json!(0), json!(["root"]), json!("ro ot"), json!("root\n"), json!("a/b"), json!("a\0")] {
        let claims = json!({ "sun": wrong, "username": "bob" });
        assert_eq!(user(&both(), claims.clone()), Err(Refusal::User("sun".into())), "{claims}");
    }
}

#[test]
fn every_token_must_expire() {
    for exp in [json!(null), json!("1900000000"), json!(1.9e9), json!(true)] {
        let token = hs256(&json!({ "exp": exp, "sun": "alice" }));
        assert_eq!(shared().check(&token, NOW), Err(Refusal::NoExpiry), "{exp}");
    }
    assert_eq!(shared().check(&hs256(&json!({ "sun": "alice" })), NOW), Err(Refusal::NoExpiry));
    let nested = hs256(&json!({ "exp": [NOW + 60], "sun": "alice" }));
    assert!(matches!(shared().check(&nested, NOW), Err(Refusal::Malformed | Refusal::NoExpiry)));
    assert_eq!(shared().check(&hs256(&json!({ "exp": -5, "sun": "alice" })), NOW), Err(Refusal::Expired(-5)));
    let late = shared().check(&hs256(&json!({ "exp": u64::MAX, "sun": "alice" })), NOW).unwrap();
    assert_eq!(late.expires, i64::MAX);
}

#[test]
fn tokens_of_a_key_set_are_accepted() {
    let claims = public().check(RS256, NOW).unwrap();
    assert_eq!((claims.user.as_str(), claims.expires, claims.issued), ("alice", 2_000_000_000, Some(1_700_000_000)));
    assert_eq!(claims.signed_by, SignedBy::KeySet("key-1".into()));
    assert_eq!(both().check(RS256_CLAIM, NOW).unwrap().user, "carol");
    assert_eq!(public().check(RS256_CLAIM, NOW), Err(Refusal::NoUser));
    assert_eq!(public().check(RS256, 2_000_000_000), Err(Refusal::Expired(2_000_000_000)));
    for (token, refusal) in [
        (RS256_NO_KID, Refusal::NoKid),
        (RS256_OTHER_KID, Refusal::UnknownKid("key-2".into())),
        (RS256_OTHER_KEY, Refusal::Signature),
        (RS256_NO_EXPIRY, Refusal::NoExpiry),
        (RS256_CRITICAL, Refusal::Critical),
        (RS512, Refusal::Algorithm("RS512".into())),
        (PS256, Refusal::Algorithm("PS256".into())),
    ] {
        assert_eq!(both().check(token, NOW), Err(refusal));
    }
}

#[test]
fn only_keys_for_rs256_are_used() {
    let other = |alg: Value| entry_with("alg", alg);
    for alg in [json!("RS512"), json!("HS256"), json!("rs256"), Value::Null, json!(256)] {
        assert_eq!(jwks(&json!([other(alg)])).err(), Some(KeyError::Empty));
    }
    let mixed =
        jwks(&json!([other(json!("RS512")), other(Value::Null), { "kty": "EC", "kid": "key-1" }, entry()])).unwrap();
    assert_eq!(mixed.kids().collect::<Vec<_>>(), ["key-1"]);
    let keys = Keys { jwks: Some(mixed), ..Keys::default() };
    assert_eq!(keys.check(RS256, NOW).unwrap().user, "alice");
    let renamed = jwks(&json!([entry_with("kid", json!("KEY-1")), entry_with("kid", json!("key-11"))])).unwrap();
    let keys = Keys { jwks: Some(renamed), ..Keys::default() };
    assert_eq!(keys.check(RS256, NOW), Err(Refusal::UnknownKid("key-1".into())));
}

#[test]
fn bad_key_files_are_refused_by_member() {
    for member in ["kid", "n", "e"] {
        for value in [Value::Null, json!(""), json!(1)] {
            let result = jwks(&json!([entry_with("alg", json!("ES256")), entry_with(member, value)]));
            assert_eq!(result.err(), Some(KeyError::Member { index: 1, member }));
        }
    }
    assert_eq!(
        jwks(&json!([entry_with("kty", json!("EC"))])).err(),
        Some(KeyError::Member { index: 0, member: "kty" })
    );
    let garbage = "*".repeat(342);
    assert_eq!(jwks(&json!([entry_with("n", json!(garbage))])).err(), Some(KeyError::Member { index: 0, member: "n" }));
    let weak = jwks(&json!([entry_with("n", json!(MODULUS[..171]))]));
    assert_eq!(weak.err(), Some(KeyError::Modulus { index: 0, bits: 1024 }));
    let twice = jwks(&json!([entry(), entry_with("n", json!(OTHER_MODULUS))]));
    assert_eq!(twice.err(), Some(KeyError::Twice("key-1".into())));
    for text in ["", "null", "{}", "[]", "{\"keys\":{}}", "{\"keys\":[1]}", "{\"keys\":"] {
        assert_eq!(KeySet::parse(text.as_bytes()).err(), Some(KeyError::NoJwks), "{text}");
    }
    assert_eq!(KeySet::parse(b"\xff").err(), Some(KeyError::NoJwks));
    assert_eq!(SharedKey::new(&[7; 31]).err(), Some(KeyError::TooShort(31)));
    assert!(SharedKey::new(&[7; 32]).is_ok());
}

#[test]
fn each_key_signs_only_its_algorithm() {
    let claims = json!({ "exp": NOW + 60, "sun": "root" });
    let hs256_token = hs256(&claims);
    assert_eq!(public().check(&hs256_token, NOW), Err(Refusal::NoKey("HS256")));
    assert_eq!(shared().check(RS256, NOW), Err(Refusal::NoKey("RS256")));
    assert_eq!(Keys::default().check(RS256, NOW), Err(Refusal::NoKey("RS256")));
    // the public key taken for a shared one
    let confused = signed(Algorithm::HS256, MODULUS.as_bytes(), &claims);
    assert_eq!(both().check(&confused, NOW), Err(Refusal::Signature));
    assert_eq!(public().check(&confused, NOW), Err(Refusal::NoKey("HS256")));
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        let refusal = Refusal::Algorithm(format!("{algorithm:?}"));
        assert_eq!(both().check(&signed(algorithm, SECRET, &claims), NOW), Err(refusal));
    }
    // the line end belongs to the key
    let trimmed = signed(Algorithm::HS256, SECRET.trim_ascii_end(), &claims);
    assert_eq!(shared().check(&trimmed, NOW), Err(Refusal::Signature));
}

#[test]
fn unsigned_and_malformed_tokens_are_refused() {
    // {"alg":"none","typ":"JWT"}, {"exp":1900000000,"sun":"root"}
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJleHAiOjE5MDAwMDAwMDAsInN1biI6InJvb3QifQ.";
    assert_eq!(both().check(none, NOW), Err(Refusal::Header));
    let token = hs256(&json!({ "exp": NOW + 60, "sun": "alice" }));
    let (body, _) = token.rsplit_once('.').unwrap();
    assert_eq!(both().check(&format!("{body}."), NOW), Err(Refusal::Signature));
    assert_eq!(both().check(body, NOW), Err(Refusal::Malformed));
    for text in ["", ".", "..", "...", "a.b.c", "garbage", "eyJ9.e30.", "Bearer x", "é.é.é", "\0"] {
        assert!(matches!(both().check(text, NOW), Err(Refusal::Malformed | Refusal::Header)), "{text}");
    }
    for claims in [json!([]), json!("alice"), json!(1), json!(null)] {
        assert_eq!(both().check(&hs256(&claims), NOW), Err(Refusal::Malformed), "{claims}");
    }
    assert_eq!(both().check(&"x".repeat(MAX_TOKEN_LENGTH + 1), NOW), Err(Refusal::TooLong));
}

#[test]
fn no_secret_is_printed() {
    let token = hs256(&json!({ "exp": 5, "sun": "alice" }));
    let shown = format!("{:?} {:?} {}", both(), key(), both().check(&token, NOW).unwrap_err());
    assert!(!shown.contains("quick") && !shown.contains("116, 104, 101") && !shown.contains(&token), "{shown}");
    assert_eq!(format!("{:?}", shared().hs256), "Some(SharedKey(..))");
    assert_eq!(format!("{:?}", public().jwks), "Some({\"key-1\"})");
}

proptest! {
    #[test]
    fn any_text_is_refused(text in ".{0,200}", dotted in "[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,60}") {
        prop_assert!(both().check(&text, NOW).is_err());
        prop_assert!(both().check(&dotted, NOW).is_err());
    }

    #[test]
    fn a_changed_token_is_refused(at in any::<prop::sample::Index>(), new in "[A-Za-z0-9_-]") {
        for token in [key().mint("alice", Lifespan::Seconds(600), NOW).unwrap(), RS256.to_owned()] {
            let at = at.index(token.len());
            let mut changed = token.clone();
            changed.replace_range(at..=at, &new);
            prop_assert!(changed == token || both().check(&changed, NOW).is_err());
        }
    }

    #[test]
    fn every_login_comes_back(user in "[a-z_][a-z0-9_.@$-]{0,30}", lifespan in 1_u32.., now in 0_i64..4_000_000_000) {
        let token = key().mint(&user, Lifespan::Seconds(lifespan), now).unwrap();
        let claims = both().check(&token, now).unwrap();
        prop_assert_eq!((claims.user, claims.expires), (user, now + i64::from(lifespan)));
    }
}
