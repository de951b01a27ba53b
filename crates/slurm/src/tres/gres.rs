//! Generic resources (`gpu:amd:4`) and licences (`matlab:2`).

use std::fmt;

use super::{Name, TresError, count, entries};
use crate::excerpt::excerpt;

/// A number of generic resources, as a job asks for them or a node has them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Gres {
    /// For example `gpu`.
    pub name: String,
    /// For example `amd`; `None` for any.
    pub kind: Option<String>,
    /// How many; 1 if nothing is said.
    pub count: u64,
    /// What Slurm adds in parentheses: `IDX:0-3`, `S:0-1`.
    pub detail: Option<String>,
}

/// A number of licences.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct License {
    /// The licence's name, with `@server` if it has one.
    pub name: String,
    /// How many; 1 if nothing is said.
    pub count: u64,
}

impl Gres {
    /// Reads a list: `gpu:amd:4,shard:2`, each with or without `gres:` or `gres/` before it. Blank text, `none` and `(null)` are
    /// the empty list.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, TresError> {
        if matches!(text.trim().to_ascii_lowercase().as_str(), "none" | "(null)") {
            return Ok(Vec::new());
        }
        entries(text)?.into_iter().map(Self::parse).collect()
    }

    /// Reads one resource: `gpu`, `gpu:2`, `gpu:amd`, `gpu:amd:4`, `gres/gpu:amd=4`, `gpu:amd:4(IDX:0-3)`.
    pub fn parse(text: &str) -> Result<Self, TresError> {
        let refused = || TresError::Gres(excerpt(text));
        let (body, detail) = match text.strip_suffix(')') {
            Some(open) => {
                open.split_once('(').map(|(body, detail)| (body, Some(detail.to_owned()))).ok_or_else(refused)?
            }
            None => (text, None),
        };
        let body = body.strip_prefix("gres:").or_else(|| body.strip_prefix("gres/")).unwrap_or(body);
        let parts: Vec<&str> = body.splitn(4, [':', '=']).collect();
        let (name, kind, amount) = match parts.as_slice() {
            [name] => (*name, None, 1),
            [name, last] => match count(last) {
                Some(amount) => (*name, None, amount),
                None => (*name, Some(*last), 1),
            },
            [name, kind, last] => (*name, Some(*kind), count(last).ok_or_else(refused)?),
            _ => return Err(refused()),
        };
        // In `gpu=amd` the part after `=` is an amount that is none.
        let word = |text: &str| word(text) && !text.contains('/');
        if !word(name) || !kind.is_none_or(word) || (parts.len() == 2 && kind.is_some() && body.contains('=')) {
            return Err(refused());
        }
        Ok(Self { name: name.to_owned(), kind: kind.map(str::to_owned), count: amount, detail })
    }

    /// The name that the resource has among the trackable ones: `gres/gpu:amd`.
    pub fn tres_name(&self) -> String {
        match &self.kind {
            Some(kind) => format!("gres/{}:{kind}", self.name),
            None => format!("gres/{}", self.name),
        }
    }
}

impl License {
    /// Reads a list: `matlab:2,ansys`. Blank text is the empty list.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, TresError> {
        entries(text)?.into_iter().map(Self::parse).collect()
    }

    /// Reads one licence: `matlab`, `matlab:2`, `matlab@server:2`, `matlab=2`.
    pub fn parse(text: &str) -> Result<Self, TresError> {
        let (name, amount) = match text.split_once([':', '=']) {
            Some((name, amount)) => (name, count(amount)),
            None => (text, Some(1)),
        };
        match amount {
            Some(count) if word(name) => Ok(Self { name: name.to_owned(), count }),
            _ => Err(TresError::License(excerpt(text))),
        }
    }
}

/// One entry of what a job asks for, as a trackable resource and its amount.
pub(super) fn requested(entry: &str) -> Result<(Name, u64), TresError> {
    let (word, rest) = entry.split_at(entry.find([':', '=', '/']).unwrap_or(entry.len()));
    match word.to_ascii_lowercase().as_str() {
        "cpu" | "mem" | "node" | "billing" | "bb" => {
            let at = rest.rfind([':', '=']).ok_or_else(|| TresError::Entry(excerpt(entry)))?;
            let name = Name::parse(&entry[..word.len() + at])?;
            let amount = name.amount(&rest[at + 1..])?;
            Ok((name, amount))
        }
        "license" if rest.starts_with(['/', ':']) => {
            let License { name, count } = License::parse(&rest[1..])?;
            Ok((Name::parse(&format!("license/{name}"))?, count))
        }
        _ => {
            let gres = Gres::parse(entry)?;
            Ok((Name::parse(&gres.tres_name())?, gres.count))
        }
    }
}

/// A name that can stand in every list: not empty, without separators, blanks and control characters.
fn word(text: &str) -> bool {
    (1..=200).contains(&text.len())
        && !text.contains(|c: char| c.is_whitespace() || c.is_control() || ",;:=|()".contains(c))
}

impl fmt::Display for Gres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(kind) = &self.kind {
            write!(f, ":{kind}")?;
        }
        write!(f, ":{}", self.count)?;
        self.detail.as_ref().map_or(Ok(()), |detail| write!(f, "({detail})"))
    }
}

impl fmt::Display for License {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.count)
    }
}
