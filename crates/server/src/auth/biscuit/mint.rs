//! Making tokens, and restricting them. Restricting needs no key: whoever has a token can do it, with any biscuit library.

use std::collections::{BTreeSet, HashMap};

use biscuit_auth::builder::{BlockBuilder, Rule, Term, string};
use biscuit_auth::error::Token;
use biscuit_auth::parser::parse_block_source;
use biscuit_auth::{Biscuit, KeyPair};
use jobgate_model::Established;
use thiserror::Error;

use super::blank::blanks;
use super::keys::key_id;
use super::show::{self, explain};
use super::{BiscuitSettings, KeyError};
use crate::auth::names::{Names, Vouching};

/// In the context of the authority block: that somebody else said whose it is.
pub(super) const OTHERS: &str = "vouched for by others";

/// What a token is to say.
#[derive(Debug, Clone)]
pub struct Grant<'a> {
    /// Whose it is, as psik_api names users: `uid:alice`, or `cn:alice` for the name in a certificate.
    pub user: &'a str,
    /// Whose word that is.
    pub vouching: Vouching,
    /// When it ends, in unix seconds.
    pub expires: i64,
    /// The only backends that it is for; `None`: all.
    pub backends: Option<&'a BTreeSet<String>>,
}

/// How a token is to be restricted: everything that is said here must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restriction {
    /// It changes nothing.
    pub read_only: bool,
    /// For one of these jobs only; none: all.
    pub jobs: Vec<String>,
    /// For these backends only; none: all.
    pub backends: Vec<String>,
    /// For this path and what is below it.
    pub path: Option<String>,
    /// Until then, in unix seconds.
    pub expires: Option<i64>,
    /// Checks in biscuit's language, `check if ...`.
    pub checks: Vec<String>,
}

/// Why there is no token.
#[derive(Debug, Error)]
pub enum MintError {
    /// No user can be called so.
    #[error("{0}")]
    Name(String),
    /// There is no key to sign with.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The token that is to be restricted cannot be read.
    #[error("not a biscuit: {0}")]
    Unreadable(String),
    /// It is sealed.
    #[error("the token is sealed, so that nobody can restrict it further")]
    Sealed,
    /// There is nothing to restrict.
    #[error("nothing is to be restricted; say what, for example --read-only")]
    Nothing,
    /// A check is not in biscuit's language.
    #[error("not a check: {text}: {why}; expected for example: check if operation(\"GET\")")]
    Check {
        /// What was given.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// The library refuses.
    #[error("cannot make the token: {0}")]
    Library(String),
}

/// Makes a token as psik_api does: URL-safe base64 with padding.
pub fn mint(settings: &BiscuitSettings, grant: &Grant<'_>) -> Result<String, MintError> {
    let name = grant.user.strip_prefix("uid:").or_else(|| grant.user.strip_prefix("cn:")).unwrap_or(grant.user);
    Names::default().principal(name, Established::Biscuit, grant.vouching).map_err(MintError::Name)?;
    sign(&settings.keys.signing()?, grant).map_err(|error| MintError::Library(explain(&error)))
}

fn sign(key: &KeyPair, grant: &Grant<'_>) -> Result<String, Token> {
    let terms = HashMap::from([
        ("user".to_owned(), string(grant.user)),
        ("expiry".to_owned(), Term::Date(grant.expires.max(0).unsigned_abs())),
    ]);
    let text = "user({user}); check if time($time), $time < {expiry};";
    let mut builder = Biscuit::builder().code_with_params(text, terms, HashMap::new())?;
    if let Some(backends) = grant.backends {
        let code = "check if backend($backend), {names}.contains($backend)";
        builder = builder.code_with_params(code, one_of(backends), HashMap::new())?;
    }
    if grant.vouching == Vouching::Others {
        builder = builder.context(OTHERS.into());
    }
    builder.root_key_id(key_id(&key.public())).build(key)?.to_base64()
}

/// Adds a block to a token.
pub fn attenuate(text: &str, restriction: &Restriction) -> Result<String, MintError> {
    let token = show::read(text.trim()).map_err(MintError::Unreadable)?;
    let block = block(restriction)?;
    if block.checks.is_empty() && block.facts.is_empty() && block.rules.is_empty() {
        return Err(MintError::Nothing);
    }
    match token.append(block).and_then(|token| token.to_base64()) {
        Ok(text) => Ok(text),
        Err(Token::AppendOnSealed | Token::AlreadySealed) => Err(MintError::Sealed),
        Err(error) => Err(MintError::Library(explain(&error))),
    }
}

fn block(restriction: &Restriction) -> Result<BlockBuilder, MintError> {
    let Restriction { read_only, jobs, backends, path, expires, checks } = restriction;
    let mut block = BlockBuilder::new();
    let mut add = |code: &str, terms: HashMap<String, Term>| {
        let added = std::mem::take(&mut block).code_with_params(code, terms, HashMap::new());
        added.map(|with| block = with).map_err(|error| MintError::Library(explain(&error)))
    };
    if *read_only {
        add("check if access(\"read\")", HashMap::new())?;
    }
    if !jobs.is_empty() {
        add("check if job($job), {names}.contains($job)", one_of(jobs))?;
    }
    if !backends.is_empty() {
        add("check if backend($backend), {names}.contains($backend)", one_of(backends))?;
    }
    if let Some(path) = path {
        let path = path.trim_end_matches('/');
        let terms =
            HashMap::from([("path".to_owned(), string(path)), ("below".to_owned(), string(&format!("{path}/")))]);
        add("check if path($path), $path == {path} || $path.starts_with({below})", terms)?;
    }
    if let Some(expires) = expires {
        let terms = HashMap::from([("expiry".to_owned(), Term::Date((*expires).max(0).unsigned_abs()))]);
        add("check if time($time), $time < {expiry}", terms)?;
    }
    for text in checks {
        let wrong = |why| MintError::Check { text: text.clone(), why };
        if let Err(errors) = parse_block_source(text) {
            return Err(wrong(show::first_error(text, &errors).1));
        }
        let blank = || wrong("nobody fills in what stands in braces".into());
        // it can be read, so all that the library can miss is what blanks stand for
        let given = std::mem::take(&mut block).code(text).map_err(|_| blank())?;
        if given.checks.is_empty() {
            return Err(wrong("there is no check in it".into()));
        }
        let facts = given.facts.iter().map(|fact| Rule::new(fact.predicate.clone(), vec![], vec![], vec![]));
        let queries = given.checks.iter().flat_map(|check| check.queries.clone());
        if given.rules.iter().cloned().chain(facts).chain(queries).any(|rule| blanks(&rule)) {
            return Err(blank());
        }
        block = given;
    }
    Ok(block)
}

/// The parameter `names`.
fn one_of<'a>(names: impl IntoIterator<Item = &'a String>) -> HashMap<String, Term> {
    HashMap::from([("names".to_owned(), Term::Set(names.into_iter().map(|name| string(name)).collect()))])
}
