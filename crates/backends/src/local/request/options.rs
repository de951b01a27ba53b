//! sbatch's options, as attributes of a job.

use jobgate_model::{Error, StringMap};

/// The options of a job. Long ones may be written with or without dashes; the last of several counts.
#[derive(Debug, Clone, Copy)]
pub(in crate::local) struct Options<'a>(pub(in crate::local) &'a StringMap);

impl<'a> Options<'a> {
    /// An option's value.
    pub(super) fn get(self, long: &str) -> Option<&'a str> {
        self.0.iter().filter(|(key, _)| key.trim_start_matches('-') == long).map(|(_, value)| value).last()
    }

    /// An option's value, which may also stand under its letter.
    pub(super) fn either(self, long: &str, short: &str) -> Option<&'a str> {
        self.get(long).or_else(|| self.0.get(short))
    }

    /// An option's value that says something.
    pub(super) fn said(self, long: &str) -> Option<&'a str> {
        self.get(long).map(str::trim).filter(|value| !value.is_empty())
    }

    /// An option without a value is set by being there; a value may take it back.
    pub(super) fn flag(self, long: &str, short: Option<&str>) -> bool {
        let value = short.map_or_else(|| self.get(long), |short| self.either(long, short));
        value.is_some_and(is_yes)
    }

    /// An integer.
    pub(super) fn integer(self, long: &str) -> Result<Option<i64>, Error> {
        let Some(text) = self.get(long) else { return Ok(None) };
        text.trim()
            .parse()
            .map(Some)
            .map_err(|_| Error::invalid(format!("cannot read {long} {text:?}: expected an integer")))
    }

    /// A number of things, at least one.
    pub(super) fn count(self, long: &str) -> Result<Option<u64>, Error> {
        let Some(text) = self.said(long) else { return Ok(None) };
        let count = number(text).filter(|count| *count > 0);
        let count =
            count.ok_or_else(|| Error::invalid(format!("cannot read {long} {text:?}: expected a number from 1 on")));
        Ok(Some(count?.cast_unsigned()))
    }

    /// A list with commas between.
    pub(super) fn list(text: &str) -> Vec<String> {
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }
}

fn is_yes(value: &str) -> bool {
    !matches!(value.to_ascii_lowercase().as_str(), "false" | "no" | "0")
}

/// A number as it may stand in an option.
pub(super) fn number(text: &str) -> Option<i64> {
    text.trim().parse().ok().filter(|number| (0..=4_000_000_000).contains(number))
}

/// The options with others over them; an empty value takes one away.
pub(in crate::local) fn overlaid(old: &StringMap, new: &StringMap) -> StringMap {
    let bare = |key: &str| key.trim_start_matches('-').to_owned();
    let mut pairs: Vec<(String, String)> = old.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    for (key, value) in new.iter() {
        let at = pairs.iter().position(|(known, _)| bare(known) == bare(key));
        match (at, value.is_empty()) {
            (Some(at), true) => drop(pairs.remove(at)),
            (Some(at), false) => value.clone_into(&mut pairs[at].1),
            (None, true) => {}
            (None, false) => pairs.push((format!("--{}", bare(key)), value.to_owned())),
        }
    }
    pairs.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> StringMap {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn newer_options_go_over_older_ones() {
        let old = map(&[("--nodes", "2"), ("comment", "x"), ("-H", "")]);
        let new = map(&[("nodes", "3"), ("--comment", ""), ("qos", "high"), ("account", "")]);
        assert_eq!(overlaid(&old, &new), map(&[("--nodes", "3"), ("-H", ""), ("--qos", "high")]));
    }
}
