//! Reading fields from bytes.

use thiserror::Error;

use crate::rpc::Protocol;

/// Why bytes are not the message that they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Malformed {
    /// A field, or a text, goes beyond the end.
    #[error("it ends within a field: {wanted} bytes are wanted at byte {at}, {left} are left")]
    Truncated {
        /// Where the field begins.
        at: usize,
        /// How long it is.
        wanted: usize,
        /// How much is left.
        left: usize,
    },
    /// A list has more elements than can be in what is left.
    #[error("a list of {count} elements cannot be in the {left} bytes that are left at byte {at}")]
    TooMany {
        /// Where the list's elements would begin.
        at: usize,
        /// How many it is said to have.
        count: u32,
        /// How much is left.
        left: usize,
    },
    /// A text has no final NUL.
    #[error("the text at byte {at} has no end")]
    Endless {
        /// Where it begins.
        at: usize,
    },
    /// A mark has a value that no release packs there.
    #[error("the mark at byte {at} is {found}, which means nothing there")]
    Mark {
        /// Where it is.
        at: usize,
        /// What it is.
        found: u8,
    },
    /// A bitmap has more digits than its bits need.
    #[error("the bitmap at byte {at} has {digits} digits for {bits} bits")]
    Digits {
        /// Where it begins.
        at: usize,
        /// How many bits it is said to have.
        bits: u32,
        /// How many digits it has.
        digits: usize,
    },
    /// A bitmap has more bits than there can be things of its kind.
    #[error("the bitmap at byte {at} has {bits} bits, which are more than there can be")]
    Bits {
        /// Where it begins.
        at: usize,
        /// How many bits it is said to have.
        bits: u32,
    },
    /// There is more than the message.
    #[error("{left} bytes are left over")]
    Leftover {
        /// How many.
        left: usize,
    },
    /// Two lists that belong together have different lengths.
    #[error("lists that belong together have {one} and {other} elements")]
    Uneven {
        /// The length of one.
        one: usize,
        /// The length of the other.
        other: usize,
    },
}

/// What is read, how far, and in which version it is packed.
#[derive(Debug, Clone)]
pub(in crate::rpc) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    protocol: Protocol,
}

impl<'a> Reader<'a> {
    pub(in crate::rpc) fn new(bytes: &'a [u8], protocol: Protocol) -> Self {
        Self { bytes, at: 0, protocol }
    }

    pub(in crate::rpc) fn protocol(&self) -> Protocol {
        self.protocol
    }

    pub(in crate::rpc) fn at(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    pub(in crate::rpc) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `wanted` bytes.
    pub(in crate::rpc) fn take(&mut self, wanted: usize) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(wanted).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(Malformed::Truncated { at: self.at, wanted, left: self.left() })?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    pub(in crate::rpc) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(in crate::rpc) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_be_bytes)
    }

    pub(in crate::rpc) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    pub(in crate::rpc) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub(in crate::rpc) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    /// A number of elements, each of which needs at least `least` bytes of what is left.
    pub(in crate::rpc) fn count(&mut self, least: usize) -> Result<usize, Malformed> {
        let count = self.u32()?;
        self.fits(count, least)
    }

    /// Whether so many elements can be in what is left.
    pub(in crate::rpc) fn fits(&self, count: u32, least: usize) -> Result<usize, Malformed> {
        let wanted = (count as usize).checked_mul(least.max(1));
        match wanted {
            Some(wanted) if wanted <= self.left() => Ok(count as usize),
            _ => Err(Malformed::TooMany { at: self.at, count, left: self.left() }),
        }
    }

    /// That nothing is left.
    pub(in crate::rpc) fn end(&self) -> Result<(), Malformed> {
        match self.left() {
            0 => Ok(()),
            left => Err(Malformed::Leftover { left }),
        }
    }
}
