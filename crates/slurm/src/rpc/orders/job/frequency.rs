//! Frequencies of CPUs, and who may govern them.

use super::super::Unsendable;
use crate::rpc::codec::NO_VAL;
use crate::rpc::words::conf;

/// Frequencies of CPUs (kHz, or words), and who governs them: `low-high:performance`, `2400000`, `ondemand`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frequency {
    pub(super) least: u32,
    pub(super) most: u32,
    pub(super) governor: u32,
}

const USERSPACE: u32 = 0x8080_0000;

impl Frequency {
    pub(super) fn parse(text: &str) -> Result<Self, Unsendable> {
        Self::of(text).ok_or_else(|| Unsendable::Value { field: "cpu_frequency", value: text.to_owned() })
    }

    fn of(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let (range, governor) = lower.split_once(':').map_or((lower.as_str(), None), |(a, b)| (a, Some(b)));
        if let Some(governor) = governor_of(range) {
            return (!lower.contains(':')).then_some(Self { least: NO_VAL, most: NO_VAL, governor });
        }
        let governor = governor.map_or(Some(None), |name| governor_of(name).map(Some))?;
        let Some((least, most)) = range.split_once('-') else {
            // one frequency is set by the job's own programs
            let fits = governor.is_none_or(|governor| governor == USERSPACE);
            return fits.then_some(Self { least: NO_VAL, most: frequency(range)?, governor: USERSPACE });
        };
        let (least, most, governor) = (frequency(least)?, frequency(most)?, governor?);
        (least <= most && governor != USERSPACE).then_some(Self { least, most, governor })
    }
}

/// Names of governors are known by their beginnings.
fn governor_of(text: &str) -> Option<u32> {
    const GOVERNORS: [(&str, u32); 6] = [
        ("co", 0x8800_0000),
        ("perf", 0x8200_0000),
        ("pow", 0x8100_0000),
        ("user", USERSPACE),
        ("onde", 0x8400_0000),
        ("sche", 0x8040_0000),
    ];
    GOVERNORS.iter().find(|(name, _)| text.starts_with(name)).map(|(_, number)| *number)
}

fn frequency(text: &str) -> Option<u32> {
    const WORDS: [(&str, u32); 5] = [
        ("lo", 0x8000_0001),
        ("him1", 0x8000_0004),
        ("highm1", 0x8000_0004),
        ("hi", 0x8000_0003),
        ("med", 0x8000_0002),
    ];
    let word = WORDS.iter().find(|(name, _)| text.starts_with(name)).map(|(_, number)| *number);
    word.or_else(|| text.parse().ok().filter(|number| (1..NO_VAL).contains(number)))
}

/// What a cluster says of who governs the frequencies of CPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rpc) struct Governors {
    /// Bits of those that a job may name (`CpuFreqGovernors`).
    pub(in crate::rpc) allowed: u32,
    /// Who does if a job names none and a range of frequencies (`CpuFreqDef`); `NO_VAL`: nobody.
    pub(in crate::rpc) usual: u32,
}

impl Governors {
    /// What a job asks for, with who governs if it does not say so. Slurm's programs look at the configuration for that; a controller
    /// believes what it gets.
    pub(in crate::rpc) fn settle(self, text: &str) -> Result<String, Unsendable> {
        let named = if text.contains('-') && !text.contains(':') && self.usual != NO_VAL {
            format!("{text}:{}", conf::frequency(self.usual))
        } else {
            text.to_owned()
        };
        let wrong = || Unsendable::Value { field: "cpu_frequency", value: text.to_owned() };
        let Frequency { governor, .. } = Frequency::of(&named).ok_or_else(wrong)?;
        if governor & self.allowed & !conf::RANGE == 0 { Err(wrong()) } else { Ok(named) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies() {
        let read = |text: &str| Frequency::of(text).map(|read| (read.least, read.most, read.governor));
        assert_eq!(read("low-high:performance"), Some((0x8000_0001, 0x8000_0003, 0x8200_0000)));
        assert_eq!(read("2000"), Some((NO_VAL, 2000, USERSPACE)));
        assert_eq!(read("HighM1:UserSpace"), Some((NO_VAL, 0x8000_0004, USERSPACE)));
        assert_eq!(read("OnDemand"), Some((NO_VAL, NO_VAL, 0x8400_0000)));
        for bad in
            ["", "x", "0", "low-high", "low-high:userspace", "3-2:powersave", "low:powersave", "ondemand:ondemand"]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_cluster_allows_some_governors() {
        let settled = |governors: Governors, text: &str| governors.settle(text).ok();
        let some = |text: &str| Some(text.to_owned());
        // as a configuration that says nothing of it
        let usual = Governors { allowed: 0x8680_0000, usual: NO_VAL };
        assert_eq!(settled(usual, "ondemand"), some("ondemand"));
        assert_eq!(settled(usual, "2000"), some("2000"));
        assert_eq!(settled(usual, "low-high:performance"), some("low-high:performance"));
        for refused in ["powersave", "conservative", "low-high:powersave", "low-high", "x"] {
            assert_eq!(settled(usual, refused), None, "{refused}");
        }
        let one = Governors { allowed: 0x8100_0000, usual: 0x8100_0000 };
        assert_eq!(settled(one, "Low-High"), some("Low-High:PowerSave"));
        assert_eq!(settled(one, "ondemand"), None);
        // one frequency is set by the job's own programs
        assert_eq!(settled(one, "2000"), None);
    }
}
