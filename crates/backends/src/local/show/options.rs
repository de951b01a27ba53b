//! sbatch's options as a run was submitted with them.

use std::str::FromStr;

use jobgate_model::StringMap;

/// The options of one run, by their long names.
#[derive(Debug, Clone)]
pub(super) struct Options<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Options<'a> {
    /// Options as they were written: `key`, `-key`, `--key`, or a letter.
    pub(super) fn of(map: &'a StringMap) -> Self {
        let long = |key: &'a str| {
            let bare = key.trim_start_matches('-');
            if bare.len() == 1 && bare.len() < key.len() { long(bare).unwrap_or(bare) } else { bare }
        };
        Self(map.iter().map(|(key, value)| (long(key), value)).collect())
    }

    /// The value of an option; the last one counts.
    pub(super) fn get(&self, long: &str) -> Option<&'a str> {
        self.0.iter().rev().find(|(key, _)| *key == long).map(|(_, value)| *value)
    }

    /// Its text, if there is any.
    pub(super) fn text(&self, long: &str) -> Option<String> {
        self.get(long).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// Its number, if it is one.
    pub(super) fn number<T: FromStr>(&self, long: &str) -> Option<T> {
        self.get(long)?.trim().parse().ok()
    }

    /// Whether an option without a value was given, and not taken back by a value.
    pub(super) fn flag(&self, long: &str) -> bool {
        self.get(long).is_some_and(|value| !matches!(value.to_ascii_lowercase().as_str(), "false" | "no" | "0"))
    }

    /// Whether one of these was given.
    pub(super) fn has_any(&self, long: &[&str]) -> bool {
        long.iter().any(|one| self.get(one).is_some())
    }
}

/// What the letters of sbatch(1) stand for.
fn long(letter: &str) -> Option<&'static str> {
    Some(match letter {
        "A" => "account",
        "a" => "array",
        "b" => "begin",
        "D" => "chdir",
        "C" => "constraint",
        "c" => "cpus-per-task",
        "d" => "dependency",
        "e" => "error",
        "x" => "exclude",
        "G" => "gpus",
        "H" => "hold",
        "i" => "input",
        "L" => "licenses",
        "w" => "nodelist",
        "N" => "nodes",
        "n" => "ntasks",
        "o" => "output",
        "p" => "partition",
        "q" => "qos",
        "t" => "time",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_written() {
        let map: StringMap = [("--output", "a"), ("-C", "fast"), ("comment", "c"), ("--exclusive", ""), ("-e", "")]
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let options = Options::of(&map);
        assert_eq!(options.get("output"), Some("a"));
        assert_eq!(options.get("constraint"), Some("fast"));
        assert_eq!(options.text("comment").as_deref(), Some("c"));
        assert_eq!((options.get("error"), options.text("error")), (Some(""), None));
        assert!(options.flag("exclusive") && !options.flag("hold"));
        assert!(options.has_any(&["mem", "output"]) && !options.has_any(&["mem"]));
    }
}
