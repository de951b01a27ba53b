//! Features that a run's nodes must have, in Slurm's form: `a&b`, `a|b`, `(a|b)&c`, and `[a|b]` when all of its nodes must have
//! the same one of them.

use std::collections::BTreeSet;

/// Deeper brackets are refused.
const DEEPEST: usize = 16;

/// A condition on each node's features.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Constraint {
    Has(String),
    All(Vec<Constraint>),
    Any(Vec<Constraint>),
    /// One of these, the same for all nodes of the run.
    OneOf(Vec<Constraint>),
}

impl Constraint {
    /// Reads it; `None` when it is not in the form.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parser = Parser { rest: text.trim() };
        let constraint = parser.any(0)?;
        parser.rest.is_empty().then_some(constraint)
    }

    /// Every feature that is named.
    pub(super) fn names(&self) -> Vec<&str> {
        match self {
            Self::Has(name) => vec![name],
            Self::All(parts) | Self::Any(parts) | Self::OneOf(parts) => parts.iter().flat_map(Self::names).collect(),
        }
    }

    /// The conditions of which one has to hold for all nodes.
    pub(super) fn alternatives(&self) -> Vec<Self> {
        match self {
            Self::OneOf(parts) => parts.iter().flat_map(Self::alternatives).collect(),
            Self::All(parts) => {
                let mut all = vec![Vec::new()];
                for part in parts {
                    let choices = part.alternatives();
                    all = all
                        .iter()
                        .flat_map(|chosen: &Vec<Self>| {
                            choices.iter().map(|choice| [chosen.as_slice(), std::slice::from_ref(choice)].concat())
                        })
                        .take(64)
                        .collect();
                }
                all.into_iter().map(Self::All).collect()
            }
            _ => vec![self.clone()],
        }
    }

    /// Whether a node with these features will do.
    pub(super) fn allows(&self, features: &BTreeSet<String>) -> bool {
        match self {
            Self::Has(name) => features.contains(name),
            Self::All(parts) => parts.iter().all(|part| part.allows(features)),
            Self::Any(parts) | Self::OneOf(parts) => parts.iter().any(|part| part.allows(features)),
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn any(&mut self, depth: usize) -> Option<Constraint> {
        let mut parts = vec![self.all(depth)?];
        while self.eat('|') {
            parts.push(self.all(depth)?);
        }
        Some(if parts.len() == 1 { parts.remove(0) } else { Constraint::Any(parts) })
    }

    fn all(&mut self, depth: usize) -> Option<Constraint> {
        let mut parts = vec![self.one(depth)?];
        while self.eat('&') || self.eat(',') {
            parts.push(self.one(depth)?);
        }
        Some(if parts.len() == 1 { parts.remove(0) } else { Constraint::All(parts) })
    }

    fn one(&mut self, depth: usize) -> Option<Constraint> {
        if depth > DEEPEST {
            return None;
        }
        if self.eat('(') {
            let inner = self.any(depth + 1)?;
            return self.eat(')').then_some(inner);
        }
        if self.eat('[') {
            let inner = match self.any(depth + 1)? {
                Constraint::Any(parts) => Constraint::OneOf(parts),
                other => other,
            };
            return self.eat(']').then_some(inner);
        }
        let end = self.rest.find(|c: char| "&|,()[]*".contains(c) || c.is_whitespace()).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        (!name.is_empty()).then(|| Constraint::Has(name.to_owned()))
    }

    fn eat(&mut self, wanted: char) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allows(text: &str, features: &[&str]) -> bool {
        Constraint::parse(text).unwrap().allows(&features.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn features_and_or() {
        assert!(allows("a", &["a", "b"]) && !allows("a", &["b"]));
        assert!(allows("a&b", &["a", "b"]) && !allows("a&b", &["a"]));
        assert!(allows("a,b", &["a", "b"]) && !allows("a,b", &["a"]));
        assert!(allows("a|b", &["b"]) && !allows("a|b", &["c"]));
        assert!(allows("a&b|c", &["c"]) && allows("(a|b)&c", &["b", "c"]) && !allows("(a|b)&c", &["b"]));
        for bad in ["", "a&", "|a", "(a", "a)", "a*2", "[a|b", "a b", "&"] {
            assert_eq!(Constraint::parse(bad), None, "{bad}");
        }
        assert_eq!(Constraint::parse(&"(".repeat(1000)), None);
        assert_eq!(Constraint::parse("(a|b)&c").unwrap().names(), ["a", "b", "c"]);
    }

    #[test]
    fn the_same_for_all_nodes() {
        let one = Constraint::parse("[a|b]&c").unwrap();
        let alternatives = one.alternatives();
        assert_eq!(alternatives.len(), 2);
        let features = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert!(alternatives[0].allows(&features(&["a", "c"])) && !alternatives[0].allows(&features(&["b", "c"])));
        assert_eq!(Constraint::parse("a|b").unwrap().alternatives().len(), 1);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-c&|,()\\[\\] *]{0,40}") {
            if let Some(constraint) = Constraint::parse(&text) {
                prop_assert!(!constraint.names().is_empty());
                prop_assert!(constraint.alternatives().len() <= 64 * 64);
            }
        }
    }
}
