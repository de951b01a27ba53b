//! Tokens as others make them, good and bad. (Those of the whole server are in `crate::tests::biscuits`.)

use biscuit_auth::builder::{Algorithm, BlockBuilder};
use biscuit_auth::{Biscuit, KeyPair, PrivateKey, UnverifiedBiscuit};
use jobgate_model::{Access, Established, Role};
use proptest::prelude::*;

use super::*;
use crate::auth::tokens::Refusal;

const NOW: i64 = 1_800_000_000;

/// A gateway's keys and lists.
struct Site {
    _dir: tempfile::TempDir,
    settings: BiscuitSettings,
    biscuits: Biscuits,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let settings = BiscuitSettings::below(dir.path());
        settings.keys.signing().unwrap();
        Self { biscuits: Biscuits::new(settings.clone()), settings, _dir: dir }
    }

    /// A token for a user, for an hour.
    fn mint(&self, user: &str) -> String {
        let vouching = crate::Vouching::Ours;
        self.biscuits.mint(&Grant { user, vouching, expires: NOW + 3600, backends: None }).unwrap()
    }

    /// A token that somebody with the key has made by other means.
    fn sign(&self, code: &str) -> Biscuit {
        Biscuit::builder().code(code).unwrap().build(&self.settings.keys.signing().unwrap()).unwrap()
    }

    fn check(&self, text: &str) -> Result<std::sync::Arc<Verified>, Refusal> {
        self.biscuits.check(text, NOW)
    }

    /// Whether a request may pass with a token, by psik_api's own policy.
    fn judge(&self, text: &str, question: &Question) -> Result<Allowed, Denied> {
        judge(&Policy::usual(), Some(&*self.check(text).unwrap()), question, &[])
    }
}

fn question(operation: &str, path: &str) -> Question {
    let access = if operation == "GET" { Access::Read } else { Access::Write };
    let established = Established::Biscuit;
    let about = Question::about("uid:nobody".into(), "addr:192.0.2.1".into(), operation, path).unwrap();
    Question { now: NOW, access, established, role: Role::User, ..about }
}

fn append(text: &str, code: &str) -> String {
    let token = UnverifiedBiscuit::from_base64(text).unwrap();
    token.append(BlockBuilder::new().code(code).unwrap()).unwrap().to_base64().unwrap()
}

#[test]
fn minted_as_psik_api_mints() {
    let site = Site::new();
    let text = site.mint("uid:alice");
    assert_eq!(text.len() % 4, 0, "with padding");
    assert_eq!(blocks(&text).unwrap(), ["user(\"uid:alice\");\ncheck if time($time), $time < 2027-01-15T09:00:00Z;\n"]);
    let token = site.check(&text).unwrap();
    assert_eq!((token.user(), token.name().0, token.expires()), ("uid:alice", "alice", Some(NOW + 3600)));
    assert!(std::sync::Arc::ptr_eq(&token, &site.check(&text).unwrap()), "verified once");
    // another process, or the same one after a restart
    assert_eq!(Biscuits::new(site.settings.clone()).check(&text, NOW).unwrap().user(), "uid:alice");
    assert!(matches!(site.biscuits.check(&text, NOW + 3600), Err(Refusal::Expired)));
    assert!(matches!(Site::new().check(&text), Err(Refusal::Foreign(_))), "another gateway's");
    for bad in ["uid:", "uid:a b", "uid:local:psik_api", "addr:127.0.0.1"] {
        let grant = Grant { user: bad, vouching: crate::Vouching::Ours, expires: NOW, backends: None };
        assert!(site.biscuits.mint(&grant).is_err(), "{bad}");
    }
}

#[test]
fn the_user_is_the_authority_blocks() {
    let site = Site::new();
    let alice = site.mint("uid:alice");
    for code in [
        "user(\"uid:root\")",
        "user(\"uid:root\") <- user($u)",
        "user($u) <- client($u)",
        "user(\"uid:root\"); right(\"uid:root\", \"addr:192.0.2.1\", \"/v2/jobs\", \"DELETE\"); operation(\"GET\")",
    ] {
        assert_eq!(site.check(&append(&alice, code)).unwrap().user(), "uid:alice", "{code}");
    }
    for code in
        ["", "user(5)", "user(\"uid:alice\"); user(\"uid:root\")", "client(\"uid:alice\")", "user(\"a\", \"b\")"]
    {
        let text = site.sign(code).to_base64().unwrap();
        assert!(matches!(site.check(&text), Err(Refusal::Wrong(_))), "{code}");
    }
    // what somebody else says about who it is does not count, and neither does what a third party signs
    let other = KeyPair::new();
    let token = site.sign("user(\"uid:alice\")");
    let block = BlockBuilder::new().code("user(\"uid:root\")").unwrap();
    let block = token.third_party_request().unwrap().create_block(&other.private(), block).unwrap();
    let text = token.append_third_party(other.public(), block).unwrap().to_base64().unwrap();
    assert_eq!(site.check(&text).unwrap().user(), "uid:alice");
    assert!(site.judge(&text, &question("GET", "/v2/jobs")).is_ok());
}

#[test]
fn facts_of_blocks_prove_nothing_and_their_checks_hold() {
    let site = Site::new();
    let alice = site.mint("uid:alice");
    let read_only = attenuate(&alice, &Restriction { read_only: true, ..Restriction::default() }).unwrap();
    let (get, delete) = (question("GET", "/v1/jobs/1.001"), question("DELETE", "/v1/jobs/1.001"));
    assert!(site.judge(&read_only, &get).is_ok());
    assert!(matches!(site.judge(&read_only, &delete), Err(Denied::Checks(_))));
    // later blocks cannot satisfy an earlier one's check
    for code in ["access(\"read\")", "access(\"read\") <- operation($o)", "operation(\"GET\")"] {
        assert!(site.judge(&append(&read_only, code), &delete).is_err(), "{code}");
    }
    // psik_api's own facts, and the one that its README invented
    for (code, passes) in [
        ("check if operation(\"GET\")", true),
        ("check if client(\"addr:192.0.2.1\"), service(\"psik_api\"), client_serial(\"\")", true),
        ("check if client(\"uid:alice\")", false),
        ("check if path(\"/v1/jobs/1.001\")", true),
        ("check if path($p), $p.starts_with(\"/v2\")", false),
        ("check if mode(\"GET\")", false),
        ("check if job(\"1.001\"), dialect(\"psik\"), established(\"biscuit\"), role(\"user\")", true),
        ("check if right(\"uid:alice\", $c, $p, \"GET\")", true),
        ("reject if operation(\"GET\")", false),
    ] {
        assert_eq!(site.judge(&append(&alice, code), &get).is_ok(), passes, "{code}");
    }
}

#[test]
fn bombs_are_refused_at_once() {
    let site = Site::new();
    let alice = site.mint("uid:alice");
    let many = (0..80).map(|n| format!("n({n});")).collect::<Vec<_>>().concat();
    let set = format!("[{}]", (0..500).map(|n| n.to_string()).collect::<Vec<_>>().join(","));
    for code in [
        format!("{many} x($a,$b,$c,$d,$e) <- n($a), n($b), n($c), n($d), n($e)"),
        format!("{many} check if n($a), n($b), n($c), n($d), n($e), n($f), $a + $b + $c + $d + $e + $f == -1"),
        format!("{many} x($a, $b) <- n($a), n($b); x($a, $c) <- x($a, $b), x($b, $c)"),
        format!("check if {set}.all($x -> {set}.all($y -> {set}.all($z -> {set}.any($w -> $w + $x + $y + $z < 0))))"),
        "check if \"x\".matches(\"(((\\\\w{99}){99}){99}){99}\")".into(),
        "check if path($p), \"x\".matches($p)".into(),
        format!("check if {}", vec!["user($u)"; 900].join(",")),
        // what it would take to say that it failed
        format!("check if note($n), {} == \"\"", vec![format!("\"{}\"", "x".repeat(4000)); 900].join(" + ")),
        // to translate it for each request
        (0..900).map(|n| format!("note({n}, \"{}\");", "x".repeat(4000))).collect::<Vec<_>>().concat(),
    ] {
        let text = append(&alice, &code);
        let refused = match site.check(&text) {
            Err(Refusal::Wrong(_)) => true,
            Err(other) => panic!("{other}"),
            Ok(token) => judge(&Policy::usual(), Some(&*token), &question("GET", "/v2/jobs"), &[]).is_err(),
        };
        assert!(refused, "{code:.100}");
    }
    // as deep as the format allows
    for depth in [10, 20, 30, 40] {
        let text = append(&alice, &format!("check if {}", vec!["true"; depth].join(" && ")));
        let _ = site.check(&text).map(|token| judge(&Policy::usual(), Some(&*token), &question("GET", "/"), &[]));
    }
    // few facts of the token, and many of the site's
    let site_says = (0..300).map(|n| format!("member(\"u{n}\", \"g\");")).collect::<Vec<_>>().concat();
    let policy = Policy::parse(&site_says).unwrap();
    let token =
        site.check(&append(&alice, "check if member($a, $g), member($b, $g), member($c, $g), $a == 1")).unwrap();
    let denied = judge(&policy, Some(&*token), &question("GET", "/v2/jobs"), &[]).unwrap_err();
    assert_eq!(denied, Denied::Heavy(Heavy::Combinations));
    let token = site.check(&append(&alice, "check if member(\"u7\", $g)")).unwrap();
    judge(&policy, Some(&*token), &question("GET", "/v2/jobs"), &[]).unwrap();
}

#[test]
fn too_much_of_anything() {
    let site = Site::new();
    let mut token = UnverifiedBiscuit::from_base64(site.mint("uid:alice")).unwrap();
    let mut blocks = 1;
    while blocks < 1000 {
        token = token.append(BlockBuilder::new()).unwrap();
        blocks += 1;
        // none of them holds anything
        if [30, 33, 60].contains(&blocks) || blocks == 1000 {
            let counts = site.check(&token.to_base64().unwrap());
            assert_eq!(counts.is_ok(), blocks <= 32, "{blocks}: {counts:?}");
            assert!(counts.is_ok() || matches!(counts, Err(Refusal::Wrong(_))));
        }
    }
    let long = append(&site.mint("uid:alice"), &format!("check if user(\"{}\")", "x".repeat(20_000)));
    assert!(matches!(site.check(&long), Err(Refusal::Wrong(_))));
    assert!(matches!(site.check(&"A".repeat(1 << 20)), Err(Refusal::Wrong(_))));
}

#[test]
fn what_is_kept_is_bounded() {
    let site = Site::new();
    let alice = site.check(&site.mint("uid:alice")).unwrap();
    for n in 0..5000_u32 {
        assert!(site.biscuits.keep_another(n, &alice, 10_000) <= 2 * (2 << 20) / 10_000);
    }
}

#[test]
fn revoked_parents_revoke_their_children() {
    let site = Site::new();
    let parent = site.mint("uid:alice");
    let child = append(&parent, "check if operation(\"GET\")");
    let (grandchild, sibling) = (append(&child, "check if true"), append(&parent, "check if operation(\"GET\")"));
    for text in [&parent, &child, &grandchild, &sibling] {
        site.check(text).unwrap();
    }
    let id = |text: &str, block: usize| inspect(text, &site.biscuits, NOW).unwrap().blocks[block].revocation_id.clone();
    revoke(&site.settings.revoked, &[id(&child, 1)], "").unwrap();
    for (text, counts) in [(&parent, true), (&child, false), (&grandchild, false), (&sibling, true)] {
        assert_eq!(site.check(text).is_ok(), counts);
    }
    revoke(&site.settings.revoked, &[id(&parent, 0)], "").unwrap();
    for text in [&parent, &child, &grandchild, &sibling] {
        assert!(matches!(site.check(text), Err(Refusal::Revoked)));
    }
    site.check(&site.mint("uid:alice")).unwrap();
    std::fs::write(&site.settings.revoked, "what?").unwrap();
    assert!(site.check(&site.mint("uid:alice")).is_err(), "nobody can tell which are revoked");
}

#[test]
fn signatures_that_others_could_change_do_not_count() {
    // with P-256, everybody can make a second valid signature of one that was revoked
    let site = Site::new();
    let root = site.settings.keys.signing().unwrap();
    let next = KeyPair::new_with_algorithm(Algorithm::Secp256r1);
    let token = Biscuit::builder().code("user(\"uid:alice\")").unwrap();
    let token = token.build_with_key_pair(&root, biscuit_auth::datalog::SymbolTable::new(), &next).unwrap();
    let token = token.append(BlockBuilder::new()).unwrap();
    if let Ok(text) = token.to_base64() {
        assert!(site.check(&text).is_err());
    }
}

#[test]
fn tokens_of_earlier_and_of_other_keys() {
    let mut site = Site::new();
    let old = site.mint("uid:alice");
    site.check(&old).unwrap();
    site.settings.keys.rotate().unwrap();
    let new = site.mint("uid:alice");
    assert!(site.check(&old).is_ok() && site.check(&new).is_ok(), "as soon as it is there");
    std::fs::remove_file(site.settings.keys.earlier()).unwrap();
    assert!(site.check(&old).is_err() && site.check(&new).is_ok(), "and no longer than it is there");
    // a sister's, which says nothing about its key
    let sister = KeyPair::new();
    let text = Biscuit::builder().code("user(\"uid:bob\")").unwrap().build(&sister).unwrap().to_base64().unwrap();
    assert!(matches!(site.check(&text), Err(Refusal::Foreign(_))));
    site.settings.keys.accept = vec![Accept::Key(sister.public().to_string())];
    assert_eq!(Biscuits::new(site.settings.clone()).check(&text, NOW).unwrap().user(), "uid:bob");
    // sealed ones count, and cannot be restricted
    let sealed = UnverifiedBiscuit::from_base64(&new).unwrap().seal().unwrap().to_base64().unwrap();
    site.check(&sealed).unwrap();
    let refused = attenuate(&sealed, &Restriction { read_only: true, ..Restriction::default() });
    assert!(matches!(refused, Err(MintError::Sealed)), "{refused:?}");
}

#[test]
fn secrets_are_not_shown_to_who_debugs() {
    let site = Site::new();
    let text = std::fs::read_to_string(&site.settings.keys.signing).unwrap();
    let secret: PrivateKey = text.trim().parse().unwrap();
    let told = format!("{:?} {:?}", site.settings, site.biscuits);
    assert!(!told.contains(&secret.to_bytes_hex()));
    let token = site.mint("uid:alice");
    let (told, token) = (format!("{:?} {:?}", site.check(&token).unwrap(), site.biscuits), token);
    assert!(
        told.contains("uid:alice") && !told.contains("ecret") && !told.contains("ignature") && !told.contains(&token)
    );
}

fn site() -> &'static (Site, String) {
    static SITE: std::sync::LazyLock<(Site, String)> = std::sync::LazyLock::new(|| {
        let site = Site::new();
        let text = append(&site.mint("uid:alice"), "check if operation(\"GET\"); x(1)");
        (site, text)
    });
    &SITE
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn random_texts_are_no_tokens(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "\\PC{0,200}") {
        let (site, _) = site();
        prop_assert!(site.check(&text).is_err());
        let encoded = base64(&bytes);
        prop_assert!(site.check(&encoded).is_err());
        let _ = (blocks(&text), blocks(&encoded));
    }

    #[test]
    fn changed_tokens_say_nothing_else(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let (site, text) = site();
        let mut bytes = UnverifiedBiscuit::from_base64(text).unwrap().to_vec().unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let changed = base64(&bytes);
        let _ = blocks(&changed);
        if site.check(&changed).is_ok() {
            // the same in other words
            prop_assert_eq!(blocks(&changed), blocks(text));
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let index = (word >> (18 - 6 * place) & 63) as usize;
            text.push(if place <= chunk.len() { ALPHABET[index] as char } else { '=' });
        }
    }
    text
}
