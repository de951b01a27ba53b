//! The list of differences that are meant.

use std::path::Path;

use super::Outcome;

/// Lines `PAIR CASE: reason`, with `*` for any text in the first two.
#[derive(Debug)]
pub(super) struct Differences(Vec<Line>);

#[derive(Debug)]
struct Line {
    number: usize,
    pair: String,
    case: String,
}

impl Differences {
    pub(super) fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap();
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        let line = |(index, line): (usize, &str)| {
            let (globs, reason) = line.split_once(": ").unwrap_or_else(|| panic!("line {}: no reason", index + 1));
            let (pair, case) = globs.split_once(' ').unwrap_or_else(|| panic!("line {}: PAIR CASE: reason", index + 1));
            assert!(reason.len() > 10, "line {}: that is no reason", index + 1);
            Line { number: index + 1, pair: pair.to_owned(), case: case.trim().to_owned() }
        };
        Self(lines.map(line).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn names(&self, pair: &str, case: &str) -> bool {
        self.0.iter().any(|line| fits(&line.pair, pair) && fits(&line.case, case))
    }

    /// Lines that name what agrees: line, pair, case.
    pub(super) fn outdated<'a>(&'a self, outcomes: &'a [Outcome]) -> Vec<(usize, &'a str, &'a str)> {
        let mut found = Vec::new();
        for line in &self.0 {
            for outcome in outcomes.iter().filter(|outcome| fits(&line.pair, outcome.pair)) {
                let agrees = |case: &&String| !outcome.disagreeing.iter().any(|(name, _)| name == *case);
                let named = outcome.cases.iter().filter(|case| fits(&line.case, case));
                found.extend(named.filter(agrees).map(|case| (line.number, outcome.pair, case.as_str())));
            }
        }
        found
    }
}

/// Whether a text is what a glob says; `*` is any text.
fn fits(glob: &str, text: &str) -> bool {
    match glob.split_once('*') {
        None => glob == text,
        Some((start, rest)) => text
            .strip_prefix(start)
            .is_some_and(|after| (0..=after.len()).any(|at| after.is_char_boundary(at) && fits(rest, &after[at..]))),
    }
}

#[test]
fn globs() {
    assert!(fits("26.05.5-*", "26.05.5-v0.0.45") && fits("*", "") && fits("a*c", "abc") && fits("a*", "a"));
    assert!(!fits("a*c", "abd") && !fits("a", "ab"));
}
