//! Versions of the API, which Slurm calls data parsers.

use std::fmt;

/// A version of the API: `v0.0.40` to `v0.0.45`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u8);

impl Version {
    /// The oldest.
    pub const V40: Self = Self(40);
    /// The newest.
    pub const V45: Self = Self(45);
    /// All, oldest first.
    pub const ALL: [Self; 6] = [Self(40), Self(41), Self(42), Self(43), Self(44), Self(45)];

    /// Reads `v0.0.43`.
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.strip_prefix("v0.0.")?;
        Self::ALL.into_iter().find(|version| version.0.to_string() == number)
    }

    /// Its last number: 40 to 45.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The release whose behaviour is followed for this version: the newest one that serves it and was measured.
    pub fn release(self) -> Release {
        match self.0 {
            40 => Release { major: "24", minor: "11", micro: "5" },
            41 => Release { major: "25", minor: "11", micro: "7" },
            _ => Release { major: "26", minor: "05", micro: "5" },
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v0.0.{}", self.0)
    }
}

/// A release of Slurm, for example 26.05.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// Year.
    pub major: &'static str,
    /// Month.
    pub minor: &'static str,
    /// Patch level.
    pub micro: &'static str,
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.micro)
    }
}
