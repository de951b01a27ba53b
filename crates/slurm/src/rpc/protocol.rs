//! Versions of the protocol.

use std::fmt;

/// A version of the protocol: that of a release, and spoken by it and by those of about eighteen months after it.
///
/// The number is the release's place in Slurm's history, times 256; a controller answers in the version it was asked in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Slurm 24.11's: understood by 24.11, 25.05, 25.11 and 26.05.
    V24_11,
    /// Slurm 25.11's: understood by 25.11 and 26.05, and by the releases of the following year.
    V25_11,
    /// Slurm 26.05's: understood by 26.05, and by the releases of the following eighteen months. It tells a little more.
    V26_05,
}

impl Protocol {
    /// All that are spoken, the most widely understood one first.
    pub const ALL: [Self; 3] = [Self::V24_11, Self::V25_11, Self::V26_05];

    /// As it is on the wire.
    pub const fn number(self) -> u16 {
        match self {
            Self::V24_11 => 0x2a00,
            Self::V25_11 => 0x2c00,
            Self::V26_05 => 0x2d00,
        }
    }

    /// Another version for a controller that does not speak this one, and `answered` in that version, or as releases do that do
    /// not know one because it is too old.
    pub(super) fn other(self, answered: Option<u16>) -> Option<Self> {
        match answered {
            None => Self::ALL.into_iter().find(|other| *other > self),
            Some(number) => Self::ALL.into_iter().rfind(|other| other.number() <= number && *other != self),
        }
    }

    /// The newest version that a controller of this release (`25.05.2`) knows; `None`: of those that are spoken, none.
    pub(super) fn newest_of(release: &str) -> Option<Self> {
        let of = |text: &str| {
            let mut parts = text.split('.').map(|part| part.parse::<u16>().ok());
            Some((parts.next()??, parts.next()??))
        };
        let release = of(release)?;
        Self::ALL.into_iter().rfind(|version| of(&version.to_string()).is_some_and(|version| version <= release))
    }

    /// The version with this number, if it is spoken.
    pub fn of_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.number() == number)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V24_11 => "24.11",
            Self::V25_11 => "25.11",
            Self::V26_05 => "26.05",
        })
    }
}

/// What a version's number says, also of versions that are not spoken: `24.11`, or the number.
pub(super) fn release_of(number: u16) -> String {
    // Slurm counts releases: 22.05 is 38, and there was one in each February or May and each November since
    const RELEASES: [&str; 8] = ["22.05", "23.02", "23.11", "24.05", "24.11", "25.05", "25.11", "26.05"];
    let known = (number >> 8).checked_sub(38).and_then(|place| RELEASES.get(usize::from(place)));
    known.map_or_else(|| format!("{number:#06x}"), |release| (*release).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_releases() {
        for version in Protocol::ALL {
            assert_eq!(release_of(version.number()), version.to_string());
            assert_eq!(Protocol::of_number(version.number()), Some(version));
        }
        assert!(Protocol::ALL.iter().enumerate().all(|(place, version)| *version as usize == place));
        assert_eq!(Protocol::of_number(0x2900), None);
        assert_eq!(release_of(0x2600), "22.05");
        assert_eq!(release_of(0x2d00), "26.05");
        assert_eq!(release_of(0x0100), "0x0100");
        assert_eq!(release_of(0xffff), "0xffff");
    }

    #[test]
    fn the_newest_version_that_a_release_knows() {
        use Protocol::{V24_11, V25_11, V26_05};
        let newest =
            |releases: &[&str]| releases.iter().map(|release| Protocol::newest_of(release)).collect::<Vec<_>>();
        assert_eq!(newest(&["24.11.5", "25.05.0-rc1", "25.05"]), [Some(V24_11); 3]);
        assert_eq!(newest(&["25.11.0", "26.05.3", "27.11.1"]), [Some(V25_11), Some(V26_05), Some(V26_05)]);
        assert_eq!(newest(&["24.05.8", "", "26", "master", "26.x"]), [None; 5]);
    }

    #[test]
    fn who_does_not_speak_a_version_is_asked_in_another() {
        use Protocol::{V24_11, V25_11, V26_05};
        let newer = [V24_11.other(None), V25_11.other(None), V26_05.other(None)];
        assert_eq!(newer, [Some(V25_11), Some(V26_05), None]);
        // a controller of 24.11, of 25.05, of one that is newer than all, and of one that is too old
        let by = |number| [V24_11.other(Some(number)), V26_05.other(Some(number))];
        assert_eq!(by(0x2a00), [None, Some(V24_11)]);
        assert_eq!(by(0x2b00), [None, Some(V24_11)]);
        assert_eq!(by(0x2e00), [Some(V26_05), Some(V25_11)]);
        assert_eq!(by(0x2600), [None, None]);
    }
}
