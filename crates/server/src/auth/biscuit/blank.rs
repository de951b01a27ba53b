//! Texts in biscuit's language may have blanks, `{name}`, for programs that fill them in. The library panics when one is left.

use biscuit_auth::builder::{MapKey, Op, Rule, Scope, Term};

/// Whether there are blanks in a rule or query.
pub(super) fn blanks(rule: &Rule) -> bool {
    let mut terms = rule.body.iter().chain([&rule.head]).flat_map(|predicate| &predicate.terms);
    terms.any(is_blank)
        || rule.expressions.iter().flat_map(|expression| &expression.ops).any(has_blank)
        || rule.scopes.iter().any(|scope| matches!(scope, Scope::Parameter(_)))
}

fn has_blank(op: &Op) -> bool {
    match op {
        Op::Value(term) => is_blank(term),
        Op::Closure(_, inner) => inner.iter().any(has_blank),
        Op::Unary(_) | Op::Binary(_) => false,
    }
}

fn is_blank(term: &Term) -> bool {
    match term {
        Term::Parameter(_) => true,
        Term::Set(terms) => terms.iter().any(is_blank),
        Term::Array(terms) => terms.iter().any(is_blank),
        Term::Map(terms) => terms.iter().any(|(key, term)| matches!(key, MapKey::Parameter(_)) || is_blank(term)),
        _ => false,
    }
}
