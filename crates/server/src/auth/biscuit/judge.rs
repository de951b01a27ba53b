//! Whether a token and the site let a request pass.

use std::collections::BTreeSet;
use std::time::Duration;

use biscuit_auth::builder::{AuthorizerBuilder, string};
use biscuit_auth::error::{FailedCheck, Logic, MatchedPolicy, RunLimit, Token};
use biscuit_auth::{Authorizer, AuthorizerLimits};
use thiserror::Error;

use super::cost::Heavy;
use super::question::one;
use super::{Policy, Question, Verified};

/// One evaluation may take so long. What tokens cost is bounded before (`cost.rs`), so this is for what nobody thought of.
const TIME: Duration = Duration::from_millis(5);
/// A machine that does something else meanwhile must not make a decision fail.
pub(super) const ATTEMPTS: usize = 3;
/// Rules may draw conclusions from conclusions so many times.
const ROUNDS: u64 = 100;
/// Rules may add so many facts.
const CONCLUSIONS: u64 = 1000;

/// So many characters of a check are shown.
const SHOWN: usize = 400;

/// It may pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// The policy that says so.
    pub by: String,
    /// With which backends only; `None`: no matter which.
    pub backends: Option<BTreeSet<String>>,
}

/// Why it may not.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Denied {
    /// The site's policy says so.
    #[error("the policy says `{0}`")]
    Policy(String),
    /// No line of the policy allows it.
    #[error("nothing in the policy allows it")]
    Nothing,
    /// Checks failed: where they stand, and what they say.
    #[error("{}", .0.iter().map(|(place, check)| format!("{place} says `{check}`")).collect::<Vec<_>>().join(", and "))]
    Checks(Vec<(String, String)>),
    /// It would cost too much to find out.
    #[error("{0}")]
    Heavy(#[from] Heavy),
    /// It cost too much to find out.
    #[error("the evaluation was given up: {0}")]
    Limit(String),
    /// An expression has no value.
    #[error("an expression has no value: {0}")]
    Expression(String),
}

/// Decides. If the token or the policy asks about backends, the answer is for each of `backends` by itself, and the request
/// may pass for those that remain.
pub fn judge(
    policy: &Policy,
    token: Option<&Verified>,
    question: &Question,
    backends: &[String],
) -> Result<Allowed, Denied> {
    if let Some(token) = token {
        token.weigh(policy)?;
    }
    let asks = policy.asks_for_backends || token.is_some_and(|token| token.asks_for_backends);
    if !asks || backends.is_empty() {
        return one_answer(policy, token, question, None).map(|by| Allowed { by, backends: None });
    }
    let mut allowed: Option<String> = None;
    let mut denied = Denied::Nothing;
    let mut passing = BTreeSet::new();
    for backend in backends {
        match one_answer(policy, token, question, Some(backend)) {
            Ok(by) => {
                allowed.get_or_insert(by);
                passing.insert(backend.clone());
            }
            Err(why) => denied = why,
        }
    }
    let all = passing.len() == backends.len();
    allowed.map(|by| Allowed { by, backends: (!all).then_some(passing) }).ok_or(denied)
}

fn one_answer(
    policy: &Policy,
    token: Option<&Verified>,
    question: &Question,
    backend: Option<&str>,
) -> Result<String, Denied> {
    let mut facts = question.facts(token.is_none());
    facts.extend(backend.map(|name| one("backend", string(name))));
    let mut builder = policy.builder.clone().set_limits(limits(policy.facts() + token.map_or(0, Verified::facts)));
    for fact in facts {
        builder = builder.fact(fact).map_err(|error| explain(&error, policy))?;
    }
    let mut last = Denied::Nothing;
    for _ in 0..ATTEMPTS {
        match authorizer(builder.clone(), token).and_then(|mut authorizer| authorizer.authorize()) {
            Ok(index) => return Ok(policy.line(index)),
            Err(error @ Token::RunLimit(RunLimit::Timeout)) => last = explain(&error, policy),
            Err(error) => return Err(explain(&error, policy)),
        }
    }
    Err(last)
}

fn authorizer(builder: AuthorizerBuilder, token: Option<&Verified>) -> Result<Authorizer, Token> {
    match token {
        Some(token) => builder.build(token.biscuit()),
        None => builder.build_unauthenticated(),
    }
}

/// The limits of one evaluation over so many facts.
pub(super) fn limits(facts: u64) -> AuthorizerLimits {
    AuthorizerLimits {
        max_facts: facts + CONCLUSIONS,
        max_iterations: ROUNDS,
        // a site's own facts take their time
        max_time: TIME + Duration::from_micros(20) * u32::try_from(facts).unwrap_or(u32::MAX),
    }
}

fn explain(error: &Token, policy: &Policy) -> Denied {
    match error {
        Token::FailedLogic(Logic::Unauthorized { policy: MatchedPolicy::Deny(index), .. }) => {
            Denied::Policy(policy.line(*index))
        }
        Token::FailedLogic(Logic::Unauthorized { checks, .. } | Logic::NoMatchingPolicy { checks }) => {
            if checks.is_empty() { Denied::Nothing } else { Denied::Checks(checks.iter().map(failed).collect()) }
        }
        Token::RunLimit(limit) => Denied::Limit(limit.to_string()),
        Token::Execution(expression) => Denied::Expression(expression.to_string()),
        other => Denied::Limit(other.to_string()),
    }
}

/// Where a check stands, and as much of it as can stand in a line of a log.
fn failed(check: &FailedCheck) -> (String, String) {
    let plain = |text: &str| text.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    match check {
        FailedCheck::Block(block) => {
            let place =
                if block.block_id == 0 { "the token".into() } else { format!("block {} of the token", block.block_id) };
            (place, plain(&block.rule))
        }
        FailedCheck::Authorizer(authorizer) => ("the policy".into(), plain(&authorizer.rule)),
    }
}
