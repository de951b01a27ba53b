//! Where a job's tasks go: counts of nodes, distributions of tasks, frequencies of CPUs. Each is a text that slurmrestd reads.

use super::super::Unsendable;
use crate::objects::JobDesc;
use crate::rpc::codec::{NO_VAL, NO_VAL16, runs_text};
use crate::table::Num;

/// A job has fewer nodes that is asked for by a list of counts (`MAX_JOB_SIZE_BITMAP`).
const MOST_LISTED: usize = 16_384;

/// How many nodes: `2`, `2-3`, `1k`; or counts of which one will do, `4,8` or `1-15:4`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Nodes {
    pub(super) least: u32,
    pub(super) most: u32,
    /// Those that will do, if not all between.
    pub(super) counts: Option<String>,
}

impl Nodes {
    pub(super) fn parse(range: &str) -> Result<Self, Unsendable> {
        let counts = if range.contains([',', ':']) { Self::listed(range) } else { Self::range(range) };
        counts.ok_or_else(|| Unsendable::Value { field: "nodes", value: range.to_owned() })
    }

    fn range(range: &str) -> Option<Self> {
        let (least, most) = range.split_once('-').unwrap_or((range, range));
        let (least, most) = (count(least)?, count(most)?);
        (least <= most).then_some(Self { least, most, counts: None })
    }

    fn listed(range: &str) -> Option<Self> {
        let mut wanted = vec![false; MOST_LISTED];
        let (ranges, step) = match range.split_once(':') {
            // every so many of one range
            Some((range, step)) if !range.contains(',') => (range, step.trim().parse().ok()?),
            Some(_) => return None,
            None => (range, 1),
        };
        for part in ranges.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            if step == 0 || first > last || last >= MOST_LISTED {
                return None;
            }
            (first..=last).step_by(step).for_each(|count| wanted[count] = true);
        }
        let counts: Vec<usize> = (0..MOST_LISTED).filter(|count| wanted[*count]).collect();
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for count in &counts {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == *count => *last = *count,
                _ => runs.push((*count, *count)),
            }
        }
        let end = |count: Option<&usize>| u32::try_from(*count?).ok();
        Some(Self { least: end(counts.first())?, most: end(counts.last())?, counts: Some(runs_text(&runs)) })
    }
}

/// A number; `k` and `m` are thousands and millions of 1024.
fn count(text: &str) -> Option<u32> {
    let text = text.trim();
    let (digits, unit) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1 << 10),
        None => text.strip_suffix(['m', 'M']).map_or((text, 1), |digits| (digits, 1 << 20)),
    };
    let count = digits.parse::<u32>().ok()?.checked_mul(unit)?;
    (count < NO_VAL).then_some(count)
}

/// How tasks are distributed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Distribution {
    /// Slurm's number of it.
    pub(super) number: u32,
    /// How many tasks go to a node at a time.
    pub(super) plane: Option<u16>,
    /// What jobs are told of it in `SLURM_DISTRIBUTION`.
    pub(super) name: String,
}

const ARBITRARY: u32 = 3;
const PLANE: u32 = 4;
/// Only flags are given.
const UNKNOWN: u32 = 0x2000;
const FLAGS: [(&str, u32); 2] = [("pack", 0x80_0000), ("nopack", 0x40_0000)];
/// Over nodes, over sockets, over cores: each as four bits.
const WORDS: [&str; 3] = ["cyclic", "block", "fcyclic"];

impl Distribution {
    pub(super) fn of(desc: &JobDesc) -> Result<Option<Self>, Unsendable> {
        let wrong = |value: &str| Unsendable::Value { field: "distribution", value: value.to_owned() };
        let named =
            desc.distribution.as_deref().map(|text| Self::parse(text).ok_or_else(|| wrong(text))).transpose()?;
        let old =
            desc.distribution_plane_size_old.map(|size| super::fit("distribution_plane_size", size)).transpose()?;
        let size = old.or(match desc.distribution_plane_size {
            Some(Num::Set(size)) => Some(size),
            Some(Num::Infinite) => return Err(wrong("infinite")),
            Some(Num::Unset) | None => None,
        });
        match (named, size) {
            (Some(named), Some(size)) if named.plane != Some(size) => Err(wrong(&format!("{} of {size}", named.name))),
            (Some(named), _) if named.is_arbitrary() && desc.required_nodes.is_none() => {
                Err(wrong("arbitrary without required_nodes"))
            }
            (None, Some(size)) => Ok(Some(Self::plane(size).ok_or_else(|| wrong(&size.to_string()))?)),
            (named, _) => Ok(named),
        }
    }

    pub(super) fn is_arbitrary(&self) -> bool {
        self.number & 0xffff == ARBITRARY
    }

    fn plane(size: u16) -> Option<Self> {
        let fits = (1..NO_VAL16).contains(&size);
        fits.then(|| Self { number: PLANE, plane: Some(size), name: "plane".to_owned() })
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        if let Some(size) = text.strip_prefix("plane") {
            return Self::plane(size.strip_prefix('=')?.parse().ok()?);
        }
        let flag = |word: &str| FLAGS.iter().find(|(name, _)| *name == word).map(|(_, flag)| *flag);
        if let Some(flag) = flag(&text) {
            return Some(Self { number: UNKNOWN | flag, plane: None, name: text });
        }
        let (base, after) = text.split_once(',').map_or((text.as_str(), None), |(base, after)| (base, Some(after)));
        let (mut number, mut name) = Self::base(base)?;
        if let Some(after) = after.filter(|after| !after.is_empty()) {
            number |= flag(after)?;
            name = format!("{name},{after}");
        }
        Some(Self { number, plane: None, name })
    }

    /// `block:cyclic`; a star is the default: blocks over nodes, cyclic over sockets, and over cores as over sockets.
    fn base(text: &str) -> Option<(u32, String)> {
        if matches!(text, "arbitrary" | "hostfile") {
            return Some((ARBITRARY, "arbitrary".to_owned()));
        }
        let mut chosen: Vec<&str> = Vec::new();
        for word in text.split(':') {
            let default = ["block", "cyclic", chosen.get(1).copied().unwrap_or_default()];
            chosen.push(if word == "*" { default.get(chosen.len())? } else { word });
        }
        let mut number = 0;
        for (level, word) in chosen.iter().enumerate() {
            let place = WORDS.iter().position(|known| known == word).filter(|place| level > 0 || *place < 2)?;
            number |= u32::try_from(place + 1).ok()? << (4 * level);
        }
        (chosen.len() <= 3).then(|| (number, chosen.join(":")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_nodes() {
        let read = |text: &str| Nodes::parse(text).ok().map(|nodes| (nodes.least, nodes.most, nodes.counts));
        let list = |text: &str| Some(text.to_owned());
        assert_eq!(read("2"), Some((2, 2, None)));
        assert_eq!(read("2-1k"), Some((2, 1024, None)));
        assert_eq!(read("1-15:4"), Some((1, 13, list("1,5,9,13"))));
        assert_eq!(read("4,8-9,2"), Some((2, 9, list("2,4,8-9"))));
        for bad in ["", "x", "-1", "3-2", "2-", "4,", "1-5:2,7", "1-5:0", "1-5:x", "5-1:1", "1,16384", "5000m"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn distributions() {
        let read = |text: &str| Distribution::parse(text).map(|read| (read.number, read.plane, read.name));
        let of = |number, name: &str| Some((number, None, name.to_owned()));
        assert_eq!(read("block:cyclic"), of(0x12, "block:cyclic"));
        assert_eq!(read("Cyclic"), of(1, "cyclic"));
        assert_eq!(read("*:*:fcyclic,pack"), of(0x80_0312, "block:cyclic:fcyclic,pack"));
        assert_eq!(read("cyclic:block:*"), of(0x221, "cyclic:block:block"));
        assert_eq!(read("nopack"), of(0x40_2000, "nopack"));
        assert_eq!(read("hostfile"), of(3, "arbitrary"));
        assert_eq!(read("plane=4"), Some((4, Some(4), "plane".to_owned())));
        for bad in [
            "",
            "bogus",
            "fcyclic",
            "block:",
            "block:x",
            "a:b:c:d",
            "block:block:block:block",
            "plane",
            "plane=0",
            "block,x",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
