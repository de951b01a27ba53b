//! What a token's Datalog could cost at most, known before it is evaluated.
//!
//! The library looks at its limits between rounds only: one rule that multiplies a few dozen facts with themselves a few
//! times would fill the memory within the first round, and a check that does so would run for hours. So whoever attenuates a
//! token is held to what can be bounded by counting: facts by predicate, what rules can add to them, and how many combinations
//! each body can have. Tokens that people write cost a few hundred steps; the limit is far above them.

use std::collections::HashMap;

use biscuit_auth::builder::{Binary, Check, Fact, Op, Predicate, Rule, Term};
use thiserror::Error;

use super::pattern;

/// So many steps (a fact looked at, an operation carried out; 30 to 70 ns each) one decision may take.
const STEPS: u64 = 20_000;
/// So many predicates one rule or check may combine: the library descends once for each.
const BODY: usize = 16;
/// So many facts of one name a site's rules that feed themselves are thought to make.
const SITE: u64 = 1000;
/// What it costs to have a fact, a rule or a check in a token at all: each is translated for each decision.
const PRESENCE: u64 = 20;

/// So many bytes are copied in one step.
const COPY: u64 = 256;

/// Why a token is not evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Heavy {
    /// It has too many combinations.
    #[error("the token's facts, rules and checks have too many combinations")]
    Combinations,
    /// A rule uses its own conclusions.
    #[error("a rule of the token feeds itself")]
    Recursion,
    /// A body is too long.
    #[error("a rule or check of the token combines more than {BODY} predicates")]
    Body,
    /// What a regular expression costs cannot be seen.
    #[error("a regular expression in the token must be written where it is used, and without comments")]
    Pattern,
}

/// Datalog, whose ever.
#[derive(Debug, Clone, Default)]
pub(super) struct Contents {
    facts: HashMap<String, u64>,
    total: u64,
    rules: Vec<Rule>,
    checks: Vec<Rule>,
    /// The longest set, array or map in facts and conclusions.
    bound: u64,
    /// The same anywhere, and the longest text.
    largest: u64,
    longest: u64,
    /// All values, written out, in bytes: a text stands in a token once, however often it is used.
    written: u64,
}

impl Contents {
    /// Takes stock. `checks` may also be policies' queries.
    pub(super) fn new<'a>(facts: &[Fact], rules: Vec<Rule>, checks: impl IntoIterator<Item = &'a Check>) -> Self {
        let mut contents = Self { rules, ..Self::default() };
        contents.checks = checks.into_iter().flat_map(|check| check.queries.clone()).collect();
        for fact in facts {
            contents.total += 1;
            *contents.facts.entry(fact.predicate.name.clone()).or_default() += 1;
            fact.predicate.terms.iter().for_each(|term| measure(term, &mut contents.largest, &mut contents.longest));
            contents.written += fact.predicate.terms.iter().map(written).sum::<u64>();
        }
        let (mut largest, mut longest) = (contents.largest, contents.longest);
        contents.rules.iter().flat_map(|rule| &rule.head.terms).for_each(|t| measure(t, &mut largest, &mut longest));
        contents.bound = largest;
        for rule in contents.rules.iter().chain(&contents.checks) {
            let terms = rule.body.iter().flat_map(|predicate| &predicate.terms);
            terms.for_each(|term| measure(term, &mut largest, &mut longest));
            let ops = rule.expressions.iter().flat_map(|expression| &expression.ops);
            ops.for_each(|op| measure_op(op, &mut largest, &mut longest));
        }
        (contents.largest, contents.longest) = (largest, longest);
        contents.written += contents.rules.iter().chain(&contents.checks).map(|rule| length(rule).1).sum::<u64>();
        contents
    }

    /// Whether anything asks for a predicate of this name.
    pub(super) fn mentions(&self, name: &str) -> bool {
        self.rules.iter().chain(&self.checks).flat_map(|rule| &rule.body).any(|predicate| predicate.name == name)
    }

    /// How many facts there are.
    pub(super) fn facts(&self) -> u64 {
        self.total
    }
}

/// Whether a token may be evaluated among the site's facts and rules (which are not held to anything themselves) and those of
/// a request, of which there is one by each name.
pub(super) fn weigh(token: &Contents, site: &Contents, request: &[&str]) -> Result<u64, Heavy> {
    let mut start: HashMap<&str, u64> = HashMap::new();
    let known = token.facts.iter().chain(&site.facts).map(|(name, count)| (name.as_str(), *count));
    for (name, count) in known.chain(request.iter().map(|name| (*name, 1))) {
        *start.entry(name).or_default() += count;
    }
    let (counts, rounds) = conclusions(&start, token, site)?;
    let total: u64 = counts.values().fold(0, |sum, count| sum.saturating_add(*count));
    // values are copied and compared as a whole
    let texts = token.longest / 256;
    let scale = Scale { counts: &counts, total, look: 1 + token.bound + texts, act: 1 + token.largest + texts, token };

    let present = token.total + (token.rules.len() + token.checks.len()) as u64;
    let mut steps = present.saturating_mul(PRESENCE).saturating_add(token.written / COPY);
    for rule in &token.rules {
        steps = steps.saturating_add(scale.body(rule)?.saturating_mul(rounds));
    }
    for check in &token.checks {
        steps = steps.saturating_add(scale.body(check)?);
    }
    if steps > STEPS { Err(Heavy::Combinations) } else { Ok(steps) }
}

/// How many facts there can be by each name in the end, and after how many rounds.
fn conclusions<'a>(
    start: &HashMap<&'a str, u64>,
    token: &'a Contents,
    site: &'a Contents,
) -> Result<(HashMap<&'a str, u64>, u64), Heavy> {
    // The site's rules see nothing of what others than the signer have added, and may feed themselves.
    let (mut sites, _, settled) = rounds(start, &site.rules);
    if !settled {
        for count in sites.values_mut() {
            *count = (*count).min(SITE);
        }
    }
    let (counts, rounds, settled) = rounds(&sites, &token.rules);
    if settled { Ok((counts, rounds)) } else { Err(Heavy::Recursion) }
}

/// The same for some rules, and whether there is an end to it.
fn rounds<'a>(start: &HashMap<&'a str, u64>, rules: &'a [Rule]) -> (HashMap<&'a str, u64>, u64, bool) {
    let mut counts = start.clone();
    let most = rules.len() as u64 + 2;
    for round in 1..=most {
        let mut next = start.clone();
        for rule in rules {
            let variable = rule.head.terms.iter().any(|term| matches!(term, Term::Variable(_)));
            let added = if variable { combinations(&rule.body, &counts) } else { 1 };
            let count = next.entry(rule.head.name.as_str()).or_default();
            *count = count.saturating_add(added);
        }
        if next == counts {
            return (counts, round, true);
        }
        counts = next;
    }
    (counts, most, false)
}

fn combinations(body: &[Predicate], counts: &HashMap<&str, u64>) -> u64 {
    let of = |predicate: &Predicate| counts.get(predicate.name.as_str()).copied().unwrap_or(0);
    body.iter().fold(1, |product, predicate| product.saturating_mul(of(predicate)))
}

struct Scale<'a> {
    counts: &'a HashMap<&'a str, u64>,
    total: u64,
    /// What it costs to look at a fact, and to carry out an operation.
    look: u64,
    act: u64,
    token: &'a Contents,
}

impl Scale<'_> {
    /// The steps of one rule or query.
    fn body(&self, rule: &Rule) -> Result<u64, Heavy> {
        if rule.body.len() > BODY {
            return Err(Heavy::Body);
        }
        // who fails is told what: the text is put together anew with each operation
        let (operations, written) = length(rule);
        let mut steps = 1 + operations.saturating_mul(written) / COPY;
        for upto in 0..rule.body.len() {
            // for each combination so far, all facts are looked at for the next predicate
            let tries = combinations(&rule.body[..upto], self.counts).saturating_mul(self.total);
            steps = steps.saturating_add(tries.saturating_mul(self.look));
        }
        let mut each: u64 = 0;
        for expression in &rule.expressions {
            each = each.saturating_add(self.ops(&expression.ops)?);
        }
        Ok(steps.saturating_add(combinations(&rule.body, self.counts).saturating_mul(each)))
    }

    /// The steps of operations, which stand in the order in which they are carried out.
    fn ops(&self, ops: &[Op]) -> Result<u64, Heavy> {
        let mut steps: u64 = 0;
        for (at, op) in ops.iter().enumerate() {
            steps = steps.saturating_add(match op {
                Op::Closure(_, inner) => {
                    // a closure is carried out once for each element, or once by `&&` and `||`
                    let once =
                        matches!(ops.get(at + 1), Some(Op::Binary(Binary::LazyAnd | Binary::LazyOr | Binary::TryOr)));
                    let times = if once { 1 } else { self.token.largest.max(1) };
                    self.ops(inner)?.saturating_mul(times)
                }
                Op::Binary(Binary::Regex) => match at.checked_sub(1).map(|before| &ops[before]) {
                    Some(Op::Value(Term::Str(pattern))) => pattern::steps(pattern).ok_or(Heavy::Pattern)?,
                    _ => return Err(Heavy::Pattern),
                },
                _ => self.act,
            });
        }
        Ok(steps)
    }
}

/// How many operations a rule or query has, and how long its values are, written out.
fn length(rule: &Rule) -> (u64, u64) {
    fn add(op: &Op, count: &mut u64, bytes: &mut u64) {
        *count += 1;
        match op {
            Op::Value(term) => *bytes += written(term),
            Op::Closure(_, inner) => inner.iter().for_each(|op| add(op, count, bytes)),
            Op::Unary(_) | Op::Binary(_) => *bytes += 4,
        }
    }
    let terms = rule.body.iter().chain([&rule.head]).flat_map(|predicate| &predicate.terms);
    let (mut count, mut bytes) = (0, terms.map(written).sum());
    let ops = rule.expressions.iter().flat_map(|expression| &expression.ops);
    ops.for_each(|op| add(op, &mut count, &mut bytes));
    (count, bytes)
}

/// How long a value is, written out.
fn written(term: &Term) -> u64 {
    match term {
        Term::Str(text) => text.len() as u64,
        Term::Bytes(bytes) => 2 * bytes.len() as u64,
        Term::Set(terms) => terms.iter().map(written).sum(),
        Term::Array(terms) => terms.iter().map(written).sum(),
        Term::Map(terms) => terms.values().map(|term| 20 + written(term)).sum(),
        _ => 20,
    }
}

fn measure_op(op: &Op, largest: &mut u64, longest: &mut u64) {
    match op {
        Op::Value(term) => measure(term, largest, longest),
        Op::Closure(_, inner) => inner.iter().for_each(|op| measure_op(op, largest, longest)),
        Op::Unary(_) | Op::Binary(_) => {}
    }
}

/// A collection counts with everything in it.
fn measure(term: &Term, largest: &mut u64, longest: &mut u64) {
    match term {
        Term::Str(text) => *longest = (*longest).max(text.len() as u64),
        Term::Bytes(bytes) => *longest = (*longest).max(bytes.len() as u64),
        Term::Set(_) | Term::Array(_) | Term::Map(_) => *largest = (*largest).max(elements(term, longest)),
        _ => {}
    }
}

fn elements(term: &Term, longest: &mut u64) -> u64 {
    let mut inner = |terms: Vec<&Term>| terms.into_iter().map(|term| 1 + elements(term, longest)).sum();
    match term {
        Term::Set(terms) => inner(terms.iter().collect()),
        Term::Array(terms) => inner(terms.iter().collect()),
        Term::Map(terms) => inner(terms.values().collect()),
        Term::Str(text) => {
            *longest = (*longest).max(text.len() as u64);
            0
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use biscuit_auth::builder::AuthorizerBuilder;

    use super::*;

    fn contents(code: &str) -> Contents {
        let authorizer = AuthorizerBuilder::new().code(code).unwrap().build_unauthenticated().unwrap();
        let (facts, rules, checks, _) = authorizer.dump();
        Contents::new(&facts, rules, &checks)
    }

    fn cost(code: &str) -> Result<u64, Heavy> {
        weigh(&contents(code), &contents(""), &["time", "client", "path", "operation", "user", "access", "job"])
    }

    #[test]
    fn what_people_write_is_cheap() {
        for code in [
            "user(\"uid:alice\"); check if time($t), $t < 2030-01-01T00:00:00Z",
            "check if access(\"read\")",
            "check if job($j), [\"1.001\", \"1.002\"].contains($j)",
            "check if path($p), $p.starts_with(\"/v1/jobs\"); check if operation(\"GET\") or operation(\"HEAD\")",
            "check if path($p), $p.matches(\"^/v[12]/jobs/[0-9.]{3,20}$\")",
            "read($o) <- operation($o), [\"GET\", \"HEAD\"].contains($o); check if read($o)",
            "check if user($u), client($c), path($p), operation($o), time($t)",
            "operation(\"read\") <- operation(\"GET\"); check if operation(\"read\")",
        ] {
            assert!(cost(code).is_ok_and(|steps| steps < STEPS / 4), "{code}: {:?}", cost(code));
        }
    }

    #[test]
    fn bombs_are_seen_without_lighting_them() {
        let facts = (0..60).map(|n| format!("n({n}); ")).collect::<Vec<_>>().concat();
        let set = format!("[{}]", (0..400).map(|n| n.to_string()).collect::<Vec<_>>().join(", "));
        for (code, why) in [
            (format!("{facts} x($a, $b, $c, $d) <- n($a), n($b), n($c), n($d)"), Heavy::Combinations),
            (
                format!("{facts} check if n($a), n($b), n($c), n($d), n($e), $a + $b + $c + $d + $e == -1"),
                Heavy::Combinations,
            ),
            (format!("{facts} x($a, $b) <- n($a), n($b); y($a, $b, $c) <- x($a, $b), x($b, $c)"), Heavy::Combinations),
            ("n(0); n($b) <- n($a), m($b); m($a) <- n($a); m(1)".into(), Heavy::Recursion),
            (
                format!("check if {set}.all($x -> {set}.all($y -> {set}.all($z -> $x + $y + $z >= 0)))"),
                Heavy::Combinations,
            ),
            ("check if path($p), $p.matches(\"((a{99}){99}){99}\")".into(), Heavy::Combinations),
            ("check if path($p), \"x\".matches($p)".into(), Heavy::Pattern),
            (format!("check if {}", vec!["user($u)"; 40].join(", ")), Heavy::Body),
            (
                format!("check if {set}{}.length() > 0", format!(".union({set})").repeat(9).repeat(9)),
                Heavy::Combinations,
            ),
        ] {
            assert_eq!(cost(&code), Err(why), "{code:.200}");
        }
    }

    #[test]
    fn a_token_is_weighed_among_what_the_site_says() {
        let site = (0..500).map(|n| format!("member(\"user{n}\", \"group\"); ")).collect::<Vec<_>>().concat();
        let site = contents(&site);
        let weigh = |code| weigh(&contents(code), &site, &["user"]);
        assert!(weigh("check if member($u, \"group\")").is_ok());
        assert_eq!(weigh("check if member($a, $g), member($b, $g), $a == $b + \"x\""), Err(Heavy::Combinations));
    }
}
