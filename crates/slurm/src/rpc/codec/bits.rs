//! Bitmaps: how many bits, and a hexadecimal number whose last digit has the first four.

use super::number::NO_VAL;
use super::{Malformed, Reader, Text, Wire, Writer};
use crate::array::GREATEST_MAX_ARRAY_SIZE;

/// A digit stands for so many bits.
const OF_DIGIT: usize = 4;
/// Bitmaps may be filled up to whole words of so many bits.
const WORD: usize = 64;
/// No array has a task, and nothing else that is counted one by one a number, behind this one.
const MOST: u32 = GREATEST_MAX_ARRAY_SIZE;

/// A bitmap, or none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::rpc) struct Bits<'a>(pub(in crate::rpc) Option<(u32, Text<'a>)>);

impl<'a> Wire<'a> for Bits<'a> {
    const LEAST: usize = 4;

    fn read(from: &mut Reader<'a>) -> Result<Self, Malformed> {
        match from.u32()? {
            NO_VAL => Ok(Self(None)),
            bits => {
                let at = from.at();
                let hex = Text::read(from)?;
                let digits = hex.length();
                // what has no bit is not expanded
                let most = (bits as usize).div_ceil(WORD) * WORD / OF_DIGIT + "0x".len();
                if digits > most {
                    return Err(Malformed::Digits { at, bits, digits });
                }
                Ok(Self(Some((bits, hex))))
            }
        }
    }

    fn write(&self, to: &mut Writer) {
        match self.0 {
            None => to.u32(NO_VAL),
            Some((count, hex)) => {
                to.u32(count);
                hex.write(to);
            }
        }
    }
}

impl Bits<'_> {
    /// Where its bits are.
    pub(in crate::rpc) fn places(self) -> Places {
        self.0.map(|(_, hex)| Places::of_hex(hex)).unwrap_or_default()
    }
}

/// A bitmap whose places are shown one by one, or as ranges: tasks of an array, sizes, devices. One that is longer than Slurm's
/// limits allow is refused, as it stands for much more than it is itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::rpc) struct FewBits<'a>(Bits<'a>);

impl<'a> Wire<'a> for FewBits<'a> {
    const LEAST: usize = Bits::LEAST;

    fn read(from: &mut Reader<'a>) -> Result<Self, Malformed> {
        let at = from.at();
        let bits = Bits::read(from)?;
        match bits.0 {
            Some((bits, _)) if bits > MOST => Err(Malformed::Bits { at, bits }),
            _ => Ok(Self(bits)),
        }
    }

    fn write(&self, to: &mut Writer) {
        self.0.write(to);
    }
}

impl FewBits<'_> {
    /// Where its bits are; `None`: there is no bitmap.
    pub(in crate::rpc) fn places(self) -> Option<Places> {
        self.0.0.map(|(_, hex)| Places::of_hex(hex))
    }
}

/// The places of a bitmap's bits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::rpc) struct Places(Vec<u8>);

impl Places {
    /// Those of a hexadecimal number, with or without `0x`; no bits where it is none.
    pub(in crate::rpc) fn of_hex(hex: Text<'_>) -> Self {
        let text = hex.get().unwrap_or_default();
        let digits = text.strip_prefix("0x").unwrap_or(&text);
        let nibbles: Option<Vec<u8>> =
            digits.chars().rev().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
        Self(nibbles.unwrap_or_default())
    }

    /// How many places there are, set or not: a bitmap is written with all of its digits.
    pub(in crate::rpc) fn room(&self) -> usize {
        self.0.len() * OF_DIGIT
    }

    /// Whether the bit at `place` is set.
    pub(in crate::rpc) fn has(&self, place: usize) -> bool {
        self.0.get(place / 4).is_some_and(|nibble| nibble >> (place % 4) & 1 == 1)
    }

    /// The places that are set, in order.
    pub(in crate::rpc) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.room()).filter(|place| self.has(*place))
    }

    /// Runs of neighbours: first and last of each.
    pub(in crate::rpc) fn runs(&self) -> Vec<(usize, usize)> {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for place in self.iter() {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == place => *last = place,
                _ => runs.push((place, place)),
            }
        }
        runs
    }
}

/// Runs as Slurm writes them: `0-5,42`.
pub(in crate::rpc) fn runs_text(runs: &[(usize, usize)]) -> String {
    let part = |(first, last): &(usize, usize)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    runs.iter().map(part).collect::<Vec<_>>().join(",")
}
