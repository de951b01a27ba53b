//! The site's policy: a file of facts, rules, checks and policies in biscuit's language, asked about every request.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use biscuit_auth::builder::{self, AuthorizerBuilder, Check, CheckKind, Fact, Rule};
use biscuit_auth::error::Token;
use biscuit_auth::parser::parse_source;
use jobgate_model::{Access, Established, Role};
use thiserror::Error;

use super::blank::blanks;
use super::cost::Contents;
use super::judge::{Denied, judge};
use super::watch::Watched;
use super::{Question, show};

/// psik_api's default class: every user may do anything that its token does not forbid.
const RIGHT: &str = "right($u, $c, $p, $op) <- user($u), client($c), path($p), operation($op);";
const DEFAULT: &str = "allow if user($u), client($c), path($p), operation($op), right($u, $c, $p, $op);";
/// A policy's file may be so long, in bytes.
const LONGEST: u64 = 1 << 20;

/// What a site says about requests.
#[derive(Debug, Clone)]
pub struct Policy {
    pub(super) builder: AuthorizerBuilder,
    pub(super) contents: Contents,
    /// What is said of backends must be asked for each of them.
    pub(super) asks_for_backends: bool,
    /// Told from all other policies of this process by this.
    pub(super) number: u64,
    /// The policies as text, in their order.
    lines: Vec<String>,
    /// It says something besides psik_api's default.
    own: bool,
}

/// Why a policy cannot be used.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others can change it.
    #[error("{} can be written by others; run `chmod o-w` on it", .0.display())]
    Open(PathBuf),
    /// It is longer than any policy.
    #[error("{} is longer than 1 MiB", .0.display())]
    Long(PathBuf),
    /// It is not in biscuit's language.
    #[error("line {line}: {why}: {text}")]
    Syntax {
        /// From 1.
        line: usize,
        /// What is wrong.
        why: String,
        /// That line.
        text: String,
    },
    /// It can be read and makes no sense.
    #[error("{0}")]
    Sense(String),
    /// It takes too long to evaluate.
    #[error("it is too costly to be asked about every request: {0}")]
    Costly(String),
}

/// What holds where a site says nothing.
static USUAL: LazyLock<Arc<Policy>> = LazyLock::new(|| {
    let parsed = Policy::assemble("").expect("invariant: the built-in policy can be read");
    Arc::new(Policy { own: false, ..parsed })
});

impl Policy {
    /// What holds where a site says nothing: psik_api's default class.
    pub fn usual() -> Arc<Self> {
        Arc::clone(&USUAL)
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, PolicyError> {
        let failed = |source| PolicyError::Io { path: path.to_path_buf(), source };
        let meta = std::fs::metadata(path).map_err(failed)?;
        if meta.mode() & 0o002 != 0 {
            return Err(PolicyError::Open(path.to_path_buf()));
        }
        if meta.len() > LONGEST {
            return Err(PolicyError::Long(path.to_path_buf()));
        }
        Self::parse(&std::fs::read_to_string(path).map_err(failed)?)
    }

    /// Reads a policy, and tries it.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let policy = Self::assemble(text)?;
        match judge(&policy, None, &example(), &["default".into()]) {
            Err(Denied::Limit(why)) => Err(PolicyError::Costly(why)),
            _ => Ok(policy),
        }
    }

    fn assemble(text: &str) -> Result<Self, PolicyError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let sense = |error: &Token| PolicyError::Sense(show::explain(error));
        let mut lines = lines(text)?;
        lines.push(DEFAULT.trim_end_matches(';').to_owned());
        let builder = AuthorizerBuilder::new().code(text).map_err(|error| sense(&error))?;
        let builder = builder.code(RIGHT).and_then(|builder| builder.code(DEFAULT)).map_err(|error| sense(&error))?;
        let whole = builder.clone().build_unauthenticated().map_err(|error| sense(&error))?;
        let (facts, rules, checks, policies) = whole.dump();
        let queries = policies.iter().map(|policy| Check { queries: policy.queries.clone(), kind: CheckKind::One });
        let all: Vec<Check> = checks.into_iter().chain(queries).collect();
        let contents = Contents::new(&facts, rules, &all);
        Ok(Self {
            asks_for_backends: contents.mentions("backend"),
            builder,
            contents,
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            lines,
            own: true,
        })
    }

    /// Whether requests must be asked about although they bring no biscuit.
    pub(crate) fn is_own(&self) -> bool {
        self.own
    }

    /// A policy's text, by its number.
    pub(super) fn line(&self, index: usize) -> String {
        self.lines.get(index).cloned().unwrap_or_default()
    }

    pub(super) fn facts(&self) -> u64 {
        self.contents.facts()
    }
}

/// The site's policy as it is now.
#[derive(Debug)]
pub(crate) struct SitePolicy {
    file: Option<PathBuf>,
    watched: Watched<Policy>,
    /// A changed one is in effect, and nobody has been told yet.
    reloaded: AtomicBool,
}

impl SitePolicy {
    /// Without a file, psik_api's default holds.
    pub(crate) fn new(file: Option<PathBuf>) -> Self {
        Self { watched: Watched::new(file.iter().cloned().collect()), file, reloaded: AtomicBool::new(false) }
    }

    /// What holds now. A file that became wrong changes nothing; one that never was right forbids everything.
    pub(crate) fn current(&self) -> Arc<Policy> {
        self.watched.get(|before| {
            let Some(path) = &self.file else { return Policy::usual() };
            match (Policy::read(path), before) {
                (Ok(policy), before) => {
                    self.reloaded.store(before.is_some(), Ordering::Relaxed);
                    tracing::info!(path = %path.display(), "the policy is in effect");
                    Arc::new(policy)
                }
                (Err(error), Some(before)) => {
                    tracing::error!(path = %path.display(), %error, "the changed policy is wrong; the one before stays");
                    Arc::clone(before)
                }
                (Err(error), None) => {
                    tracing::error!(path = %path.display(), %error, "the policy is wrong; nobody may do anything");
                    Arc::new(Policy::assemble("deny if true;").expect("invariant: it can be read"))
                }
            }
        })
    }

    /// Whether another policy is in effect than the last time that this was asked.
    pub(crate) fn was_reloaded(&self) -> bool {
        self.reloaded.load(Ordering::Relaxed) && self.reloaded.swap(false, Ordering::Relaxed)
    }
}

/// The policies of a text, each with its line.
fn lines(text: &str) -> Result<Vec<String>, PolicyError> {
    let source = parse_source(text).map_err(|errors| {
        let (at, why) = show::first_error(text, &errors);
        let line = line_of(text, at);
        let there = text.lines().nth(line - 1).unwrap_or_default().trim().chars().take(80).collect();
        PolicyError::Syntax { line, why, text: there }
    })?;
    let rules = source.rules.iter().map(|(piece, rule)| (*piece, vec![Rule::from(rule.clone())]));
    let checks = source.checks.iter().map(|(piece, check)| (*piece, Check::from(check.clone()).queries));
    let policies =
        source.policies.iter().map(|(piece, policy)| (*piece, builder::Policy::from(policy.clone()).queries));
    let facts = source.facts.iter().map(|(piece, fact)| {
        let predicate = Fact::from(fact.clone()).predicate;
        (*piece, vec![Rule::new(predicate, Vec::new(), Vec::new(), Vec::new())])
    });
    let place = |piece: &str| line_of(text, (piece.as_ptr() as usize).saturating_sub(text.as_ptr() as usize));
    for (piece, queries) in facts.chain(rules).chain(checks).chain(policies) {
        if queries.iter().any(blanks) {
            let why = "nobody fills in what stands in braces".into();
            return Err(PolicyError::Syntax { line: place(piece), why, text: piece.trim().chars().take(80).collect() });
        }
    }
    let policies = source.policies.into_iter();
    Ok(policies.map(|(piece, policy)| format!("{} (line {})", builder::Policy::from(policy), place(piece))).collect())
}

/// The number of the line at a byte, from 1.
fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).map_or(1, |before| before.matches('\n').count() + 1)
}

/// Some request, to see whether a policy can be evaluated.
fn example() -> Question {
    Question {
        user: "uid:alice".into(),
        owner: "alice".into(),
        client: "addr:127.0.0.1".into(),
        serial: String::new(),
        path: "/v1/jobs/1693992878.203".into(),
        operation: "GET".into(),
        access: Access::Read,
        job: Some("1693992878.203".into()),
        dialect: "psik",
        established: Established::Socket,
        role: Role::User,
        now: 1_700_000_000,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_broken_policy_says_where_and_why() {
        for (text, line, there) in [
            ("deny if user(", 1, "deny if user("),
            ("// x\n\nallow if user($u\n;", 3, ""),
            ("member(\"a\");\nallow iff user($u);", 2, "iff"),
            ("deny if user($u);\nx($a) <- y($b);", 2, "x($a)"),
        ] {
            match Policy::parse(text) {
                Err(PolicyError::Syntax { line: at, text: told, .. }) => {
                    assert!(at == line && told.contains(there), "{text}: {at} {told}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
        for blank in [
            "allow if {blank};",
            "allow if user({blank});",
            "check if user($u), [1].any($x -> $x == {blank});",
            "check if user($u) trusting {blank};",
            "member({blank});",
            "member([{blank}]);",
            "member($u, {blank}) <- user($u);",
        ] {
            let error = Policy::parse(&format!("n(1);\n{blank}")).unwrap_err().to_string();
            assert!(error.contains("line 2"), "{blank}: {error}");
        }
    }

    #[test]
    fn a_policy_that_never_ends_is_refused() {
        let facts = (0..200).map(|n| format!("n({n});")).collect::<Vec<_>>().concat();
        let error = Policy::parse(&format!("{facts} x($a, $b) <- n($a), n($b);")).unwrap_err();
        assert!(matches!(error, PolicyError::Costly(_)), "{error}");
    }

    #[test]
    fn who_may_write_it_rules() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policy");
        std::fs::write(&path, "deny if user(\"uid:mallory\");").unwrap();
        assert!(Policy::read(&path).is_ok_and(|policy| policy.is_own()));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(Policy::read(&path).unwrap_err().to_string().contains("chmod o-w"));
        let site = SitePolicy::new(Some(path));
        let denied = judge(&site.current(), None, &example(), &[]).unwrap_err();
        assert_eq!(denied, Denied::Policy("deny if true (line 1)".into()), "what never was right forbids everything");
    }
}
