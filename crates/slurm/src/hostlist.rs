//! Lists of node names in Slurm's bracket form: `n[01-03,7],gpu[1-2]-ib[0-1]`.
//!
//! The rules are those of slurm.conf(5) and of `scontrol show hostnames|hostlist|hostlistsorted` (observed on 22.05): names are
//! separated by commas or blanks; a name may hold several brackets, the last of which ends it; zero padding is that of a range's
//! first number; order and repetitions are kept. Only a name's last number is folded when a list is printed.

mod parse;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

pub use parse::HostlistError;

/// So many names a list may hold, which is also Slurm's limit for one range.
pub const MAX_NAMES: usize = 65_536;

/// So many bytes a name may have (a DNS name has at most 253).
pub const MAX_NAME_LENGTH: usize = 255;

/// A number at a name's end is counted with up to so many digits; digits before these belong to the name's text.
const MAX_DIGITS: usize = 18;

/// An ordered list of node names; a name may stand in it more than once. Two lists are equal if they name the same nodes in the
/// same order, however they were written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hostlist {
    ranges: Vec<Range>,
    len: usize,
}

/// Consecutive names: a text and the numbers that follow it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Range {
    prefix: String,
    numbers: Option<Numbers>,
}

/// `first..=last`, each printed with at least `width` digits. The width is always that of the first number's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Numbers {
    first: u64,
    last: u64,
    width: usize,
}

impl Hostlist {
    /// Reads a list. Text without names is the empty list. Fails with what is wrong and where; never yields more than
    /// [`MAX_NAMES`] names.
    pub fn parse(text: &str) -> Result<Self, HostlistError> {
        let mut list = Self::default();
        parse::append(&mut list, text)?;
        Ok(list)
    }

    /// The list of several expressions, one after the other, each a name or a list of its own.
    pub fn of<T: AsRef<str>>(expressions: impl IntoIterator<Item = T>) -> Result<Self, HostlistError> {
        let mut list = Self::default();
        for expression in expressions {
            parse::append(&mut list, expression.as_ref())?;
        }
        Ok(list)
    }

    /// How many names there are, repetitions counted.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no name.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The names in their order.
    pub fn names(&self) -> impl Iterator<Item = String> + '_ {
        self.ranges.iter().flat_map(Range::names)
    }

    /// Whether `name`, a single name without brackets, is in the list. Padding counts: `n1` is not `n01`.
    pub fn contains(&self, name: &str) -> bool {
        let (prefix, digits) = split(name);
        let number = digits.parse().ok();
        self.ranges.iter().any(|range| {
            range.prefix == prefix
                && match (range.numbers, number) {
                    (None, None) => true,
                    (Some(numbers), Some(number)) => {
                        (numbers.first..=numbers.last).contains(&number) && numbers.text(number) == digits
                    }
                    _ => false,
                }
        })
    }

    /// Both lists' names, each once, in the order in which they first stand. Fails if there are too many.
    pub fn union(&self, other: &Self) -> Result<Self, HostlistError> {
        let mut seen = HashSet::new();
        let mut list = Self::default();
        for name in self.names().chain(other.names()) {
            if seen.insert(name.clone()) {
                list.push(&name)?;
            }
        }
        Ok(list)
    }

    /// The names that are not in `other`, in their order, repetitions kept.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let others: HashSet<String> = other.names().collect();
        self.only(|name| !others.contains(name))
    }

    /// The names that are also in `other`, in their order, repetitions kept.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let others: HashSet<String> = other.names().collect();
        self.only(|name| others.contains(name))
    }

    /// Each name once, at its first place.
    #[must_use]
    pub fn distinct(&self) -> Self {
        let mut seen = HashSet::new();
        self.only(|name| seen.insert(name.to_owned()))
    }

    /// The names in the order of `scontrol show hostlistsorted`: by text, numbers inside it by value; then by the padding of the
    /// range in which they stand, and by the number at the end.
    #[must_use]
    pub fn sorted(&self) -> Self {
        let mut ranges: Vec<(&str, usize, u64)> = Vec::with_capacity(self.len);
        for range in &self.ranges {
            match range.numbers {
                Some(numbers) => {
                    let each = numbers.first..=numbers.last;
                    ranges.extend(each.map(|number| (range.prefix.as_str(), numbers.width, number)));
                }
                None => ranges.push((&range.prefix, 0, 0)),
            }
        }
        ranges.sort_by(|left, right| natural(left.0, right.0).then_with(|| (left.1, left.2).cmp(&(right.1, right.2))));
        let mut list = Self::default();
        for (prefix, width, number) in ranges {
            let numbers =
                (width > 0).then(|| Numbers { first: number, last: number, width: digits_of(number).max(width) });
            list.add_range(prefix, numbers);
        }
        list
    }

    fn only(&self, mut keep: impl FnMut(&str) -> bool) -> Self {
        let mut list = Self::default();
        for name in self.names().filter(|name| keep(name)) {
            list.add(&name);
        }
        list
    }

    fn push(&mut self, name: &str) -> Result<(), HostlistError> {
        if self.len == MAX_NAMES {
            return Err(HostlistError::TooMany);
        }
        self.add(name);
        Ok(())
    }

    fn add(&mut self, name: &str) {
        let (prefix, digits) = split(name);
        let numbers = digits.parse().ok().map(|number| Numbers { first: number, last: number, width: digits.len() });
        self.add_range(prefix, numbers);
    }

    /// Adds consecutive names, joined with the last ones if they go on with them.
    fn add_range(&mut self, prefix: &str, numbers: Option<Numbers>) {
        self.len += numbers.map_or(1, Numbers::count);
        if let (Some(Range { prefix: before, numbers: Some(last) }), Some(next)) = (self.ranges.last_mut(), numbers)
            && before == prefix
            && last.last + 1 == next.first
            && last.text(next.first).len() == next.width
        {
            last.last = next.last;
            return;
        }
        self.ranges.push(Range { prefix: prefix.to_owned(), numbers });
    }
}

impl Range {
    fn names(&self) -> impl Iterator<Item = String> + '_ {
        let numbers = self.numbers.map_or(0..1, |numbers| numbers.first..numbers.last + 1);
        numbers.map(|number| match self.numbers {
            Some(numbers) => format!("{}{}", self.prefix, numbers.text(number)),
            None => self.prefix.clone(),
        })
    }
}

impl Numbers {
    fn text(self, number: u64) -> String {
        format!("{number:0width$}", width = self.width)
    }

    /// How many numbers there are; `usize::MAX` for more than that.
    fn count(self) -> usize {
        usize::try_from(self.last - self.first).unwrap_or(usize::MAX).saturating_add(1)
    }
}

/// Slurm's bracket form, in the list's order: `n[3,1-2],m2`.
impl fmt::Display for Hostlist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, group) in
            self.ranges.chunk_by(|left, right| left.prefix == right.prefix && both_numbered(left, right)).enumerate()
        {
            if index > 0 {
                f.write_str(",")?;
            }
            f.write_str(&group[0].prefix)?;
            match group {
                [Range { numbers: None, .. }] => {}
                [Range { numbers: Some(one), .. }] if one.first == one.last => f.write_str(&one.text(one.first))?,
                several => {
                    for (index, numbers) in several.iter().filter_map(|range| range.numbers).enumerate() {
                        f.write_str(if index == 0 { "[" } else { "," })?;
                        f.write_str(&numbers.text(numbers.first))?;
                        if numbers.first != numbers.last {
                            write!(f, "-{}", numbers.text(numbers.last))?;
                        }
                    }
                    f.write_str("]")?;
                }
            }
        }
        Ok(())
    }
}

impl FromStr for Hostlist {
    type Err = HostlistError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

fn both_numbered(left: &Range, right: &Range) -> bool {
    left.numbers.is_some() && right.numbers.is_some()
}

/// A name's text and the digits at its end (at most [`MAX_DIGITS`]).
fn split(name: &str) -> (&str, &str) {
    let digits = name.bytes().rev().take(MAX_DIGITS).take_while(u8::is_ascii_digit).count();
    name.split_at(name.len() - digits)
}

/// Texts in order, with the numbers inside them compared by value, `r2-` before `r10-`, unless one is padded: `r02-`, `r1-`.
fn natural(left: &str, right: &str) -> Ordering {
    let (mut left_rest, mut right_rest) = (left.as_bytes(), right.as_bytes());
    loop {
        let (left_digits, right_digits) = (digits(left_rest), digits(right_rest));
        let order = if left_digits.is_empty() || right_digits.is_empty() {
            match (left_rest.split_first(), right_rest.split_first()) {
                (Some((left_byte, left_tail)), Some((right_byte, right_tail))) => {
                    (left_rest, right_rest) = (left_tail, right_tail);
                    left_byte.cmp(right_byte)
                }
                _ => return left_rest.len().cmp(&right_rest.len()).then_with(|| left.cmp(right)),
            }
        } else {
            (left_rest, right_rest) = (&left_rest[left_digits.len()..], &right_rest[right_digits.len()..]);
            if left_digits[0] == b'0' || right_digits[0] == b'0' {
                left_digits.cmp(right_digits)
            } else {
                left_digits.len().cmp(&right_digits.len()).then_with(|| left_digits.cmp(right_digits))
            }
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn digits(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    &text[..end]
}

fn digits_of(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}
