//! Trackable resources: `cpu=4,mem=4000M,node=1,billing=4,gres/gpu=4,license/matlab=2`, generic resources and licences.

mod gres;
mod quantity;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

pub use gres::{Gres, License};
pub use quantity::{count, memory, memory_text};

use crate::excerpt::excerpt;

/// So many entries a text may hold.
pub const MAX_ENTRIES: usize = 4096;

/// Slurm's own resources in the order of their ids, which is the order in its texts. All others follow by name.
const ORDER: [&str; 8] = ["cpu", "mem", "energy", "node", "billing", "fs/disk", "vmem", "pages"];

/// How much of each resource. Memory and burst buffers (`mem`, `bb/...`) are in MiB, all others are plain counts. Names that this
/// crate does not know are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tres {
    counts: BTreeMap<Name, u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    rank: usize,
    text: String,
}

/// Why a text says no resources.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TresError {
    /// An entry has another form.
    #[error("resources: `{0}` is not NAME=COUNT; write for example cpu=4,mem=4000M,gres/gpu=2")]
    Entry(String),
    /// A name is empty, too long, or holds blanks, control characters or separators.
    #[error("resources: `{0}` is no resource name; write for example cpu, gres/gpu or license/matlab")]
    Name(String),
    /// An amount is no number or too large.
    #[error("resources: `{0}` is no amount; write a whole number, if need be with K, M, G, T or P")]
    Amount(String),
    /// A resource is named twice.
    #[error("resources: `{0}` is named twice; name it once")]
    Twice(String),
    /// A generic resource has another form.
    #[error("generic resources: `{0}` is not NAME[:TYPE][:COUNT]; write for example gpu:2 or gpu:a100:2")]
    Gres(String),
    /// A licence has another form.
    #[error("licences: `{0}` is not NAME[:COUNT]; write for example matlab:2, separated by commas")]
    License(String),
    /// The text has too many entries.
    #[error("resources: more than {MAX_ENTRIES} entries")]
    TooMany,
}

impl Tres {
    /// Reads `NAME=AMOUNT,...`. Empty text is no resources.
    pub fn parse(text: &str) -> Result<Self, TresError> {
        let mut tres = Self::default();
        for entry in entries(text)? {
            let (name, amount) = entry.split_once('=').ok_or_else(|| TresError::Entry(excerpt(entry)))?;
            let name = Name::parse(name)?;
            let amount = name.amount(amount)?;
            let text = excerpt(&name.text);
            if tres.counts.insert(name, amount).is_some() {
                return Err(TresError::Twice(text));
            }
        }
        Ok(tres)
    }

    /// Reads what a job asks for in `tres_per_job`, `_node`, `_socket` or `_task`: generic resources (`gpu:2`, `gres:gpu:amd:4`,
    /// `gres/gpu=2`), licences (`license/matlab:2`), and cpu, mem, node, billing and burst buffers (`cpu:2`, `mem=4G`). Amounts of
    /// the same resource add up; a generic resource with a type counts as `gres/NAME:TYPE` only.
    pub fn requested(text: &str) -> Result<Self, TresError> {
        let mut tres = Self::default();
        for entry in entries(text)? {
            let (name, amount) = gres::requested(entry)?;
            let total = tres.counts.entry(name).or_default();
            *total = total.saturating_add(amount);
        }
        Ok(tres)
    }

    /// The resources of these names and amounts.
    pub fn of<'a>(amounts: impl IntoIterator<Item = (&'a str, u64)>) -> Result<Self, TresError> {
        let mut tres = Self::default();
        for (name, amount) in amounts {
            tres.set(name, amount)?;
        }
        Ok(tres)
    }

    /// How much of a resource, if it is named.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.counts.get(&Name::parse(name).ok()?).copied()
    }

    /// Sets how much of a resource.
    pub fn set(&mut self, name: &str, amount: u64) -> Result<(), TresError> {
        self.counts.insert(Name::parse(name)?, amount);
        Ok(())
    }

    /// Adds other resources to these; sums stop at the greatest number.
    pub fn add(&mut self, other: &Self) {
        for (name, amount) in &other.counts {
            let total = self.counts.entry(name.clone()).or_default();
            *total = total.saturating_add(*amount);
        }
    }

    /// Takes other resources from these; nothing goes below zero, and names that are not here stay away.
    pub fn subtract(&mut self, other: &Self) {
        for (name, amount) in &other.counts {
            if let Some(total) = self.counts.get_mut(name) {
                *total = total.saturating_sub(*amount);
            }
        }
    }

    /// Names and amounts in Slurm's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.counts.iter().map(|(name, amount)| (name.text.as_str(), *amount))
    }

    /// Whether nothing is named.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}

impl Name {
    fn parse(text: &str) -> Result<Self, TresError> {
        let (class, rest) = text.split_once('/').map_or((text, None), |(class, rest)| (class, Some(rest)));
        let plain = |part: &str| {
            !part.is_empty()
                && !part.contains([',', '=', ';'])
                && !part.contains(|c: char| c.is_whitespace() || c.is_control())
        };
        if text.len() > 255 || !plain(class) || !rest.is_none_or(plain) {
            return Err(TresError::Name(excerpt(text)));
        }
        let class = class.to_ascii_lowercase();
        let text = rest.map_or_else(|| class.clone(), |rest| format!("{class}/{rest}"));
        let rank = ORDER.iter().position(|known| *known == text).unwrap_or(ORDER.len());
        Ok(Self { rank, text })
    }

    fn amount(&self, text: &str) -> Result<u64, TresError> {
        let amount = if self.in_mebibytes() { memory(text) } else { count(text) };
        amount.ok_or_else(|| TresError::Amount(excerpt(&format!("{}={text}", self.text))))
    }

    fn in_mebibytes(&self) -> bool {
        self.text == "mem" || self.text.starts_with("bb/")
    }
}

/// The parts between commas outside parentheses; none for blank text.
fn entries(text: &str) -> Result<Vec<&str>, TresError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut depth = 0_usize;
    let entries: Vec<&str> = text
        .split(|character| {
            match character {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            character == ',' && depth == 0
        })
        .take(MAX_ENTRIES + 1)
        .map(str::trim)
        .collect();
    if entries.len() > MAX_ENTRIES { Err(TresError::TooMany) } else { Ok(entries) }
}

impl FromStr for Tres {
    type Err = TresError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// Slurm's text: in the order of the resources' ids, memory with the greatest unit that keeps it whole.
impl fmt::Display for Tres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, amount)) in self.counts.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            if name.in_mebibytes() {
                write!(f, "{comma}{}={}", name.text, memory_text(*amount))?;
            } else {
                write!(f, "{comma}{}={amount}", name.text)?;
            }
        }
        Ok(())
    }
}
