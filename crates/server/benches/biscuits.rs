//! What a biscuit costs each request: `cargo bench -p jobgate-server --bench biscuits`.
//!
//! Printed are the median and the 99th percentile in microseconds, of verifying (once for each token, and again from what is
//! kept) and of deciding about a request, without a policy and with one; and the most that a token can make a decision cost.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark's whole purpose is to print figures")]

use std::time::Instant;

use jobgate_server::Vouching;
use jobgate_server::biscuit::{
    BiscuitSettings, Biscuits, Grant, Policy, Question, Restriction, attenuate, judge, mint,
};

const NOW: i64 = 1_800_000_000;
const ROUNDS: usize = 20_000;

fn measure(what: &str, rounds: usize, mut work: impl FnMut()) {
    let mut times: Vec<f64> = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let started = Instant::now();
        work();
        times.push(started.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    println!("{what:<58} p50 {:>9.1}  p99 {:>9.1}  us", at(0.5), at(0.99));
}

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let settings = BiscuitSettings::below(dir.path());
    let plain =
        |user| mint(&settings, &Grant { user, vouching: Vouching::Ours, expires: NOW + 3600, backends: None }).unwrap();
    let restrict = |text: &str, restriction| attenuate(text, &restriction).unwrap();
    let alice = plain("uid:alice");
    let narrow = Restriction {
        read_only: true,
        jobs: vec!["1693992878.203".into()],
        path: Some("/v2/jobs".into()),
        expires: Some(NOW + 60),
        ..Restriction::default()
    };
    let narrow = restrict(&alice, narrow);
    let backend = restrict(&alice, Restriction { backends: vec!["default".into()], ..Restriction::default() });
    let mut question =
        Question::about("uid:alice".into(), "addr:192.0.2.1".into(), "GET", "/v2/jobs/1693992878.203").unwrap();
    question.now = NOW;
    let members = (0..100).map(|n| format!("member(\"uid:user{n}\", \"physics\");")).collect::<Vec<_>>().concat();
    let site =
        Policy::parse(&format!("{members} deny if user($u), member($u, \"nobody\"); deny if user(\"uid:mallory\");"));
    let (usual, site) = (Policy::usual(), site.unwrap());

    println!("GET /v2/jobs/1693992878.203");
    measure("mint", 2000, || drop(plain("uid:alice")));
    for (name, text) in [("a plain token", &alice), ("a token with one more block of four checks", &narrow)] {
        measure(&format!("verify {name}, unknown so far"), 2000, || {
            Biscuits::new(settings.clone()).verify(text, NOW).unwrap();
        });
        let biscuits = Biscuits::new(settings.clone());
        measure(&format!("verify {name}, again"), ROUNDS, || drop(biscuits.verify(text, NOW).unwrap()));
        let token = biscuits.verify(text, NOW).unwrap();
        measure(&format!("decide about {name}"), ROUNDS, || {
            judge(&usual, Some(&token), &question, &[]).unwrap();
        });
        measure("  the same, and a policy of 100 facts and 2 rules", ROUNDS / 4, || {
            judge(&site, Some(&token), &question, &[]).unwrap();
        });
    }
    let names: Vec<String> = (0..5).map(|n| format!("b{n}")).chain(["default".into()]).collect();
    let token = Biscuits::new(settings.clone()).verify(&backend, NOW).unwrap();
    measure("decide about a token for one backend of six", ROUNDS / 4, || {
        judge(&usual, Some(&token), &question, &names).unwrap();
    });
    measure("decide without a token, by that policy", ROUNDS / 4, || {
        judge(&site, None, &question, &[]).unwrap();
    });
    worst(&settings, &alice, &question);
}

/// The largest of each kind of bomb that is still evaluated.
fn worst(settings: &BiscuitSettings, alice: &str, question: &Question) {
    let facts = |count: usize| (0..count).map(|n| format!("n({n});")).collect::<Vec<_>>().concat();
    let list = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let kinds: [(&str, &dyn Fn(usize) -> String); 7] = [
        ("two facts of many combined in a check", &|n| format!("{} check if n($a), n($b), $a + $b == -1", facts(n))),
        ("three", &|n| format!("{} check if n($a), n($b), n($c), $a + $b + $c == -1", facts(n))),
        ("a rule that combines two of many", &|n| {
            format!("{} x($a, $b) <- n($a), n($b); check if x(-1, $a)", facts(n))
        }),
        ("nested closures over lists", &|n| {
            format!("check if [{0}].all($x -> [{0}].all($y -> $x + $y < 0 || true))", list(n))
        }),
        ("a regular expression", &|n| format!("check if path($p), $p.matches(\"{}\")", "\\\\w".repeat(n))),
        ("a regular expression that repeats", &|n| format!("check if path($p), $p.matches(\"(\\\\d{{{n}}}x){{3}}\")")),
        ("texts put together", &|n| {
            format!("check if \"\" == {}", vec![format!("\"{}\"", "x".repeat(100)); n].join(" + "))
        }),
    ];
    println!("the most that is not refused, by kind");
    for (what, code) in kinds {
        let biscuits = Biscuits::new(settings.clone());
        let usual = Policy::usual();
        let token = |size: usize| {
            let check = Restriction { checks: vec![code(size)], ..Restriction::default() };
            biscuits.verify(&attenuate(alice, &check).ok()?, NOW).ok()
        };
        let most = (1..400).take_while(|size| token(*size).is_some()).last();
        let Some((size, token)) = most.and_then(|size| Some((size, token(size)?))) else { continue };
        measure(&format!("{what}, {size}"), 200, || drop(judge(&usual, Some(&token), question, &[])));
    }
}
