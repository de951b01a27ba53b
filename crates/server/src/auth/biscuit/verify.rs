//! From a text to a token of ours. What that costs is paid once: verified tokens are kept, known by a digest of their text.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use biscuit_auth::builder::{AuthorizerBuilder, Binary, Check, Op, Term};
use biscuit_auth::{Biscuit, UnverifiedBiscuit};

use super::cost::{Contents, Heavy, weigh};
use super::keys::Keys;
use super::revoked::{self, RevocationId};
use super::watch::Watched;
use super::{BiscuitSettings, Grant, MintError, Policy, Question, judge, mint, show};
use crate::auth::names::Vouching;
use crate::auth::tokens::Refusal;

/// A token's text may be so long, in bytes.
pub(super) const LONGEST: usize = 16 << 10;
/// A token may have so many blocks, the authority block included.
pub(super) const MOST_BLOCKS: usize = 32;
/// So much of verified tokens is kept, in bytes of their texts: twice.
const KEPT: usize = 2 << 20;

/// Verifies biscuits.
#[derive(Debug)]
pub struct Biscuits {
    settings: BiscuitSettings,
    keys: Watched<Result<Keys, String>>,
    revoked: Watched<Result<HashSet<RevocationId>, String>>,
    kept: Mutex<Kept>,
}

/// A token that was signed by an accepted key.
pub struct Verified {
    token: Biscuit,
    user: String,
    vouching: Vouching,
    ids: Vec<RevocationId>,
    expires: Option<i64>,
    contents: Contents,
    pub(super) asks_for_backends: bool,
    /// What evaluating it costs beside the policy of this number.
    weighed: Mutex<Option<(u64, Result<(), Heavy>)>>,
}

/// Verified tokens, in two generations: when the young one is full, the old one is forgotten.
#[derive(Debug, Default)]
struct Kept {
    /// They were verified with these keys.
    keys: Option<Arc<Result<Keys, String>>>,
    young: HashMap<[u8; 32], Arc<Verified>>,
    old: HashMap<[u8; 32], Arc<Verified>>,
    /// Bytes of the young ones' texts.
    size: usize,
}

impl Biscuits {
    /// With the keys and the list of revoked tokens of a gateway.
    pub fn new(settings: BiscuitSettings) -> Self {
        Self {
            keys: Watched::new(settings.keys.all()),
            revoked: Watched::new(vec![settings.revoked.clone()]),
            kept: Mutex::default(),
            settings,
        }
    }

    /// Makes a token.
    pub(crate) fn mint(&self, grant: &Grant<'_>) -> Result<String, MintError> {
        mint(&self.settings, grant)
    }

    /// For so long tokens are made, in seconds.
    pub(crate) fn lifespan(&self) -> i64 {
        i64::try_from(self.settings.lifespan.as_secs()).unwrap_or(i64::MAX)
    }

    /// The token that a text is, if one of our keys signed it, it is not over, and nobody has taken it back. `now`: unix
    /// seconds. The checks in it are for [`judge`].
    pub(crate) fn check(&self, text: &str, now: i64) -> Result<Arc<Verified>, Refusal> {
        if text.len() > LONGEST {
            return Err(Refusal::Wrong(format!("a token of more than {LONGEST} bytes")));
        }
        let keys = self.keys.get(|_| Arc::new(self.settings.keys.load().map_err(|error| error.to_string())));
        let token = match self.recall(&keys, text) {
            Ok(token) => token,
            Err(known_as) => {
                let token = Arc::new(verify(keys.as_ref().as_ref().map_err(wrong)?, text)?);
                self.keep(known_as, &token, text.len());
                token
            }
        };
        let list = self.revoked.get(|_| {
            let list = revoked::load(&self.settings.revoked);
            Arc::new(list.map_err(|error| {
                tracing::error!(%error, "no biscuit counts as long as nobody can tell which are revoked");
                error.to_string()
            }))
        });
        let list = list.as_ref().as_ref().map_err(wrong)?;
        if token.ids.iter().any(|id| list.contains(id)) {
            return Err(Refusal::Revoked);
        }
        if token.expires.is_some_and(|end| end <= now) {
            return Err(Refusal::Expired);
        }
        Ok(token)
    }

    /// The same for who only wants to know; the error is for people.
    pub fn verify(&self, text: &str, now: i64) -> Result<Arc<Verified>, String> {
        self.check(text, now).map_err(|refusal| refusal.to_string())
    }

    /// A token that was verified before, or by what it is to be known.
    fn recall(&self, keys: &Arc<Result<Keys, String>>, text: &str) -> Result<Arc<Verified>, [u8; 32]> {
        let mut known_as = [0; 32];
        known_as.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.keys.as_ref().is_some_and(|held| Arc::ptr_eq(held, keys)) {
            *kept = Kept { keys: Some(Arc::clone(keys)), ..Kept::default() };
        }
        if let Some(token) = kept.young.get(&known_as) {
            return Ok(Arc::clone(token));
        }
        let Some(token) = kept.old.remove(&known_as) else { return Err(known_as) };
        kept.add(known_as, &token, text.len());
        Ok(token)
    }

    /// Keeps a token under another name; gives how many are kept.
    #[cfg(test)]
    pub(super) fn keep_another(&self, number: u32, token: &Arc<Verified>, size: usize) -> usize {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known_as = [0; 32];
        known_as[..4].copy_from_slice(&number.to_be_bytes());
        kept.add(known_as, token, size);
        kept.young.len() + kept.old.len()
    }

    fn keep(&self, known_as: [u8; 32], token: &Arc<Verified>, size: usize) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).add(known_as, token, size);
    }
}

impl Kept {
    fn add(&mut self, known_as: [u8; 32], token: &Arc<Verified>, size: usize) {
        if self.size + size > KEPT {
            self.old = std::mem::take(&mut self.young);
            self.size = 0;
        }
        if self.young.insert(known_as, Arc::clone(token)).is_none() {
            self.size += size;
        }
    }
}

impl fmt::Debug for Verified {
    /// A token is a secret, with everything that it is made of.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, vouching, expires, .. } = self;
        let mut shown = f.debug_struct("Verified");
        shown.field("user", user).field("vouching", vouching).field("expires", expires).finish_non_exhaustive()
    }
}

impl Verified {
    /// Whose it is, as it stands in the authority block: `uid:alice`.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Its user's name without psik's prefix, and whose word that is. What a certificate calls somebody is never ours.
    pub(crate) fn name(&self) -> (&str, Vouching) {
        match (self.user.strip_prefix("uid:"), self.user.strip_prefix("cn:")) {
            (Some(name), _) => (name, self.vouching),
            (None, Some(name)) => (name, Vouching::Others),
            (None, None) => (&self.user, self.vouching),
        }
    }

    /// When it ends, as far as its checks say so plainly, in unix seconds.
    pub fn expires(&self) -> Option<i64> {
        self.expires
    }

    pub(super) fn biscuit(&self) -> &Biscuit {
        &self.token
    }

    pub(super) fn facts(&self) -> u64 {
        self.contents.facts()
    }

    /// Whether it may be evaluated beside a policy.
    pub(super) fn weigh(&self, policy: &Policy) -> Result<(), Heavy> {
        let mut weighed = self.weighed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, outcome)) = weighed.filter(|(number, _)| *number == policy.number) {
            return outcome;
        }
        let names: Vec<&str> = Question::NAMES.iter().copied().chain(["backend"]).collect();
        let outcome = weigh(&self.contents, &policy.contents, &names).map(|_| ());
        *weighed = Some((policy.number, outcome));
        outcome
    }
}

fn wrong(why: impl AsRef<str>) -> Refusal {
    Refusal::Wrong(why.as_ref().to_owned())
}

/// Everything about a token that does not depend on the request.
fn verify(keys: &Keys, text: &str) -> Result<Verified, Refusal> {
    if keys.are_none() {
        return Err(Refusal::Foreign("there is no key of biscuits yet".into()));
    }
    let unverified = UnverifiedBiscuit::from_base64(text).map_err(|error| Refusal::Foreign(show::explain(&error)))?;
    // before anything is computed for each of them
    if unverified.block_count() > MOST_BLOCKS {
        return Err(Refusal::Wrong(show::too_many_blocks()));
    }
    let id = unverified.root_key_id();
    let signed = |key| unverified.clone().verify(key).ok();
    let Some(token) = keys.candidates(id).into_iter().find_map(signed) else {
        let why = "none of the accepted keys signed it".to_owned();
        return Err(if keys.knows(id) { Refusal::Wrong(why) } else { Refusal::Foreign(why) });
    };
    // Signatures of other algorithms can be changed by anybody without becoming invalid, and so could slip a revocation.
    let ids: Option<Vec<RevocationId>> =
        token.revocation_identifiers().into_iter().map(|id| RevocationId::try_from(id).ok()).collect();
    let ids = ids.ok_or_else(|| Refusal::Wrong("a block of the token is not signed with Ed25519".into()))?;

    let explained = |error| Refusal::Wrong(show::explain(&error));
    let (facts, rules, checks, _) = token.authorizer().map_err(explained)?.dump();
    let vouching = match token.context().first() {
        Some(Some(said)) if said == mint::OTHERS => Vouching::Others,
        _ => Vouching::Ours,
    };
    let expires = checks.iter().filter_map(end).min();
    let contents = Contents::new(&facts, rules, &checks);
    let asks_for_backends = contents.mentions("backend");
    let (user, weighed) = (String::new(), Mutex::default());
    let mut verified = Verified { token, user, vouching, ids, expires, contents, asks_for_backends, weighed };
    verified.weigh(&Policy::usual()).map_err(|heavy| Refusal::Wrong(heavy.to_string()))?;
    verified.user = user_of(&verified)?;
    Ok(verified)
}

/// The one user of the authority block: what others have added to the token is not looked at.
fn user_of(token: &Verified) -> Result<String, Refusal> {
    let builder = AuthorizerBuilder::new().set_limits(judge::limits(token.facts()));
    let mut found = Err(Refusal::Wrong("the token cannot be evaluated".into()));
    for _ in 0..judge::ATTEMPTS {
        let users = builder
            .clone()
            .build(&token.token)
            .and_then(|mut authorizer| authorizer.query::<_, (String,), _>("user($user) <- user($user)"));
        found = match users.as_deref() {
            Ok([(user,)]) => return Ok(user.clone()),
            Ok(_) => Err(Refusal::Wrong("the token names no user, or several".into())),
            Err(error) => Err(Refusal::Wrong(show::explain(error))),
        };
    }
    found
}

/// The date in `check if time($t), $t < DATE`.
fn end(check: &Check) -> Option<i64> {
    let [query] = check.queries.as_slice() else { return None };
    let ([time], [expression]) = (query.body.as_slice(), query.expressions.as_slice()) else { return None };
    let [Op::Value(Term::Variable(name)), Op::Value(Term::Date(date)), Op::Binary(Binary::LessThan)] =
        expression.ops.as_slice()
    else {
        return None;
    };
    let bound = matches!(time.terms.as_slice(), [Term::Variable(variable)] if variable == name);
    let plain = check.kind != biscuit_auth::builder::CheckKind::Reject && query.scopes.is_empty();
    (time.name == "time" && bound && plain).then(|| i64::try_from(*date).unwrap_or(i64::MAX))
}
