//! Reading bracket expressions, with work and memory bounded by [`MAX_NAMES`] and [`MAX_NAME_LENGTH`].

use thiserror::Error;

use super::{Hostlist, MAX_DIGITS, MAX_NAME_LENGTH, MAX_NAMES, Numbers};
use crate::excerpt::excerpt;

/// Why a text is no list of node names.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HostlistError {
    /// A bracket has no partner, or brackets are nested.
    #[error("node list `{0}`: brackets do not match; write for example n[1-3,7]")]
    Brackets(String),
    /// What stands between brackets is no number and no range of numbers.
    #[error("node list: `{0}` is not a range; write 7 or 1-3, the smaller number first, with at most 18 digits")]
    Range(String),
    /// Text follows a name's last bracket.
    #[error(
        "node list `{0}`: text after the last bracket; a name with ranges ends with one, list such names one by one"
    )]
    Suffix(String),
    /// The list names too many nodes.
    #[error("node list: more than {MAX_NAMES} names; ask for fewer nodes at once")]
    TooMany,
    /// A name is too long.
    #[error("node list: the name `{0}` is longer than {MAX_NAME_LENGTH} bytes")]
    NameTooLong(String),
    /// A name holds a control character.
    #[error("node list `{0}`: control characters are not allowed in names")]
    Control(String),
}

/// Appends the names of `text` to `list`.
pub(super) fn append(list: &mut Hostlist, text: &str) -> Result<(), HostlistError> {
    for element in (Elements { rest: text }) {
        append_element(list, element?)?;
    }
    Ok(())
}

/// The parts of a list: separated by commas and white space outside brackets. Empty ones are skipped.
struct Elements<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<&'a str, HostlistError>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.rest.trim_start_matches(separates);
        if text.is_empty() {
            return None;
        }
        let mut inside = false;
        let mut end = text.len();
        for (at, byte) in text.bytes().enumerate() {
            match byte {
                b'[' if !inside => inside = true,
                b']' if inside => inside = false,
                b'[' | b']' => return Some(self.fail(HostlistError::Brackets(excerpt(text)))),
                byte if !inside && separates(char::from(byte)) => {
                    end = at;
                    break;
                }
                byte if byte.is_ascii_control() => return Some(self.fail(HostlistError::Control(excerpt(text)))),
                _ => {}
            }
        }
        if inside {
            return Some(self.fail(HostlistError::Brackets(excerpt(text))));
        }
        let (element, rest) = text.split_at(end);
        self.rest = rest;
        Some(Ok(element))
    }
}

impl<'a> Elements<'a> {
    fn fail(&mut self, error: HostlistError) -> Result<&'a str, HostlistError> {
        self.rest = "";
        Err(error)
    }
}

fn separates(character: char) -> bool {
    matches!(character, ',' | ' ' | '\t' | '\n' | '\r')
}

/// One name, or one name with ranges: `rack[1-2]-n[01-16]`.
fn append_element(list: &mut Hostlist, element: &str) -> Result<(), HostlistError> {
    let Some((body, "")) = element.rsplit_once(']') else {
        if element.contains('[') {
            return Err(HostlistError::Suffix(excerpt(element)));
        }
        check_length(element)?;
        return list.push(element);
    };
    // `a[1-2]b[3` falls into pieces `a`, `1-2`, `b`, `3` at the brackets, whose balance was checked before.
    let mut pieces: Vec<&str> = body.split(['[', ']']).collect();
    let last = pieces.pop().map(ranges).transpose()?.unwrap_or_default();
    let mut prefixes = vec![String::new()];
    for (index, piece) in pieces.iter().enumerate() {
        let numbers = if index % 2 == 0 { Vec::new() } else { ranges(piece)? };
        prefixes = if index % 2 == 0 { with_text(prefixes, piece)? } else { with_numbers(&prefixes, &numbers)? };
    }
    let ends: usize = last.iter().copied().map(Numbers::count).sum();
    if prefixes.len().saturating_mul(ends).saturating_add(list.len()) > MAX_NAMES {
        return Err(HostlistError::TooMany);
    }
    for prefix in &prefixes {
        for numbers in &last {
            append_range(list, prefix, *numbers)?;
        }
    }
    Ok(())
}

fn append_range(list: &mut Hostlist, prefix: &str, numbers: Numbers) -> Result<(), HostlistError> {
    check_length(&format!("{prefix}{}", numbers.text(numbers.last)))?;
    // Digits before the bracket belong to the name's number: `n1[3-4]` names n13 and n14.
    if prefix.ends_with(|character: char| character.is_ascii_digit()) {
        return (numbers.first..=numbers.last)
            .try_for_each(|number| list.push(&format!("{prefix}{}", numbers.text(number))));
    }
    list.add_range(prefix, Some(numbers));
    Ok(())
}

fn with_text(mut prefixes: Vec<String>, text: &str) -> Result<Vec<String>, HostlistError> {
    for prefix in &mut prefixes {
        if prefix.len() + text.len() > MAX_NAME_LENGTH {
            return Err(HostlistError::NameTooLong(excerpt(&format!("{prefix}{text}"))));
        }
        prefix.push_str(text);
    }
    Ok(prefixes)
}

fn with_numbers(prefixes: &[String], ranges: &[Numbers]) -> Result<Vec<String>, HostlistError> {
    let count: usize = ranges.iter().copied().map(Numbers::count).sum();
    if prefixes.len().saturating_mul(count) > MAX_NAMES {
        return Err(HostlistError::TooMany);
    }
    let mut names = Vec::with_capacity(prefixes.len() * count);
    for prefix in prefixes {
        for numbers in ranges {
            for number in numbers.first..=numbers.last {
                let name = format!("{prefix}{}", numbers.text(number));
                check_length(&name)?;
                names.push(name);
            }
        }
    }
    Ok(names)
}

/// The ranges of one pair of brackets, together not more than [`MAX_NAMES`] numbers.
fn ranges(text: &str) -> Result<Vec<Numbers>, HostlistError> {
    let mut count = 0_usize;
    let mut ranges = Vec::new();
    for part in text.split(',') {
        let numbers = range(part).ok_or_else(|| HostlistError::Range(excerpt(part)))?;
        count = count.saturating_add(numbers.count());
        if count > MAX_NAMES {
            return Err(HostlistError::TooMany);
        }
        ranges.push(numbers);
    }
    Ok(ranges)
}

fn range(text: &str) -> Option<Numbers> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let numbers = Numbers { first: number(first)?, last: number(last)?, width: first.len() };
    (numbers.first <= numbers.last).then_some(numbers)
}

fn number(digits: &str) -> Option<u64> {
    (digits.len() <= MAX_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

fn check_length(name: &str) -> Result<(), HostlistError> {
    if name.len() > MAX_NAME_LENGTH {
        return Err(HostlistError::NameTooLong(excerpt(name)));
    }
    Ok(())
}
