//! The `#SBATCH` lines of a batch script as options with values.
//!
//! As sbatch does (sbatch(1); observed on 22.05): lines that start with `#SBATCH` count up to the first line that is neither
//! blank nor a comment. Words may be quoted with `'` or `"`, a backslash takes the next character as it is, and an unquoted `#`
//! starts a comment. Unlike the shell's, both kinds of quotes know the backslash.

mod options;
#[cfg(test)]
mod tests;
mod words;

use thiserror::Error;

pub use options::{OPTIONS, SbatchOption, Takes, by_long, by_short};

use crate::excerpt::excerpt;

/// One option of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// The long name without dashes, as in [`OPTIONS`]: `job-name` for `-J`, `--job-name` and `--job`.
    pub option: &'static str,
    /// The value, if the option takes one and has one. It may be empty (`--comment=`).
    pub value: Option<String>,
    /// The line of the script, from 1.
    pub line: usize,
}

/// Why a script's options cannot be read, with the line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("#SBATCH in line {line}: {fault}")]
pub struct DirectiveError {
    /// The line of the script, from 1.
    pub line: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong in a line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// sbatch has no such option.
    #[error("there is no option `{0}`; see sbatch(1)")]
    Unknown(String),
    /// A shortened name fits several options.
    #[error("`--{name}` may mean {candidates}; write the name in full")]
    Ambiguous {
        /// The shortened name.
        name: String,
        /// The options that it fits.
        candidates: String,
    },
    /// An option lacks its value.
    #[error("`--{0}` needs a value; write --{0}=VALUE")]
    NoValue(&'static str),
    /// An option has a value but takes none.
    #[error("`--{0}` takes no value")]
    Value(&'static str),
    /// A word is no option.
    #[error("`{0}` is no option; options start with a dash, and values with blanks need quotes")]
    Stray(String),
    /// A quote is not closed.
    #[error("the quote {0} is not closed")]
    Quote(char),
    /// The line ends as on Windows.
    #[error("the line ends with a carriage return; save the script with Unix line ends")]
    CarriageReturn,
    /// The line starts the next component of a heterogeneous job.
    #[error(
        "`{0}` separates the components of a heterogeneous job; submit each component's script and options by themselves"
    )]
    Component(String),
}

/// The options of a script, in their order. The first line is read like the others; whether it must be `#!` is the caller's rule.
pub fn directives(script: &str) -> Result<Vec<Directive>, DirectiveError> {
    let mut found = Vec::new();
    for (index, text) in script.split('\n').enumerate() {
        let line = index + 1;
        if let Some(options) = text.strip_prefix("#SBATCH") {
            read_line(options, line, &mut found).map_err(|fault| DirectiveError { line, fault })?;
        } else if !text.trim_start().is_empty() && !text.trim_start().starts_with('#') {
            break;
        }
    }
    Ok(found)
}

fn read_line(text: &str, line: usize, found: &mut Vec<Directive>) -> Result<(), Fault> {
    if text.ends_with('\r') {
        return Err(Fault::CarriageReturn);
    }
    let mut words = words::words(text)?.into_iter();
    while let Some(word) = words.next() {
        if let Some(long) = word.strip_prefix("--") {
            if long.is_empty() {
                return words.next().map_or(Ok(()), |stray| Err(Fault::Stray(excerpt(&stray))));
            }
            found.push(read_long(long, &mut words, line)?);
        } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            read_short(letters, &mut words, line, found)?;
        } else if word == "hetjob" || word == "packjob" {
            return Err(Fault::Component(word));
        } else {
            return Err(Fault::Stray(excerpt(&word)));
        }
    }
    Ok(())
}

fn read_long(text: &str, words: &mut impl Iterator<Item = String>, line: usize) -> Result<Directive, Fault> {
    let (name, attached) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value.to_owned())));
    let SbatchOption { long, takes, .. } = options::expand(name)?;
    let value = match (takes, attached) {
        (Takes::Nothing, Some(_)) => return Err(Fault::Value(long)),
        (Takes::Value, None) => Some(words.next().ok_or(Fault::NoValue(long))?),
        (_, attached) => attached,
    };
    Ok(Directive { option: long, value, line })
}

/// `-J name`, `-Jname`, `-Hs`: letters up to the first that takes a value, which is the rest of the word or the next word.
fn read_short(
    letters: &str,
    words: &mut impl Iterator<Item = String>,
    line: usize,
    found: &mut Vec<Directive>,
) -> Result<(), Fault> {
    for (at, letter) in letters.char_indices() {
        let option = by_short(letter).ok_or_else(|| Fault::Unknown(excerpt(&format!("-{letter}"))))?;
        let rest = &letters[at + letter.len_utf8()..];
        let value = match option.takes {
            Takes::Nothing => None,
            Takes::Value if rest.is_empty() => Some(words.next().ok_or(Fault::NoValue(option.long))?),
            Takes::MaybeValue if rest.is_empty() => None,
            Takes::Value | Takes::MaybeValue => Some(rest.to_owned()),
        };
        let ends = option.takes != Takes::Nothing;
        found.push(Directive { option: option.long, value, line });
        if ends {
            break;
        }
    }
    Ok(())
}
