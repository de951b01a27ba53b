//! The kinds of fields.

use std::borrow::Cow;
use std::fmt;

use super::number::NO_VAL;
use super::{Malformed, Reader, Writer};

/// A kind of field.
pub(in crate::rpc) trait Wire<'a>: Sized + Default {
    /// It needs at least so many bytes, in every version.
    const LEAST: usize;

    fn read(from: &mut Reader<'a>) -> Result<Self, Malformed>;

    fn write(&self, to: &mut Writer);
}

macro_rules! numbers {
    ($($type:ident: $size:literal;)*) => {$(
        impl Wire<'_> for $type {
            const LEAST: usize = $size;

            fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
                from.$type()
            }

            fn write(&self, to: &mut Writer) {
                to.$type(*self);
            }
        }
    )*};
}

numbers! {
    u8: 1;
    u16: 2;
    u32: 4;
    u64: 8;
}

/// One byte; all but 0 is true.
impl Wire<'_> for bool {
    const LEAST: usize = 1;

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(from.u8()? != 0)
    }

    fn write(&self, to: &mut Writer) {
        to.u8(u8::from(*self));
    }
}

/// The millionfold of it.
impl Wire<'_> for f64 {
    const LEAST: usize = 8;

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self::from_bits(from.u64()?) / 1e6)
    }

    fn write(&self, to: &mut Writer) {
        to.u64((self * 1e6).to_bits());
    }
}

/// A text, or none. On the wire: its length with a final NUL, and its bytes; no text has the length 0.
///
/// Slurm's texts are bytes of C; they end at their first NUL, and need not be UTF-8.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::rpc) struct Text<'a>(Option<&'a [u8]>);

impl<'a> Text<'a> {
    pub(in crate::rpc) const NONE: Self = Self(None);

    /// This text. What is after a NUL is no part of it.
    pub(in crate::rpc) fn of(text: &'a str) -> Self {
        Self::of_bytes(text.as_bytes())
    }

    fn of_bytes(bytes: &'a [u8]) -> Self {
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        Self(Some(&bytes[..end]))
    }

    /// It, if there is one; bytes that are not UTF-8 are replaced.
    pub(in crate::rpc) fn get(self) -> Option<Cow<'a, str>> {
        self.0.map(String::from_utf8_lossy)
    }

    /// It, if there is one, as an own string.
    pub(in crate::rpc) fn string(self) -> Option<String> {
        self.get().map(Cow::into_owned)
    }

    /// How many bytes it has.
    pub(super) fn length(self) -> usize {
        self.0.map_or(0, <[u8]>::len)
    }

    /// Whether there is none, or an empty one.
    pub(in crate::rpc) fn is_empty(self) -> bool {
        self.0.is_none_or(<[u8]>::is_empty)
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl<'a> Wire<'a> for Text<'a> {
    const LEAST: usize = 4;

    fn read(from: &mut Reader<'a>) -> Result<Self, Malformed> {
        let length = from.u32()? as usize;
        if length == 0 {
            return Ok(Self::NONE);
        }
        let at = from.at();
        match from.take(length)?.split_last() {
            Some((0, bytes)) => Ok(Self::of_bytes(bytes)),
            _ => Err(Malformed::Endless { at }),
        }
    }

    fn write(&self, to: &mut Writer) {
        match self.0 {
            None => to.u32(0),
            Some(bytes) => {
                to.length(bytes.len() + 1);
                to.raw(bytes);
                to.u8(0);
            }
        }
    }
}

/// An array: how many, and each.
impl<'a, T: Wire<'a>> Wire<'a> for Vec<T> {
    const LEAST: usize = 4;

    fn read(from: &mut Reader<'a>) -> Result<Self, Malformed> {
        let count = from.count(T::LEAST)?;
        elements(from, count)
    }

    fn write(&self, to: &mut Writer) {
        to.length(self.len());
        for element in self {
            element.write(to);
        }
    }
}

/// A list: how many, and each; "not set" for none.
impl<'a, T: Wire<'a>> Wire<'a> for Option<Vec<T>> {
    const LEAST: usize = 4;

    fn read(from: &mut Reader<'a>) -> Result<Self, Malformed> {
        let count = from.u32()?;
        if count == NO_VAL {
            return Ok(None);
        }
        let count = from.fits(count, T::LEAST)?;
        elements(from, count).map(Some)
    }

    fn write(&self, to: &mut Writer) {
        match self {
            None => to.u32(NO_VAL),
            Some(elements) => elements.write(to),
        }
    }
}

fn elements<'a, T: Wire<'a>>(from: &mut Reader<'a>, count: usize) -> Result<Vec<T>, Malformed> {
    let mut elements = Vec::with_capacity(count);
    for _ in 0..count {
        elements.push(T::read(from)?);
    }
    Ok(elements)
}

/// Fields behind a truth value that says whether they are there.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::rpc) struct Flagged<T>(pub(in crate::rpc) Option<T>);

impl<'a, T: Wire<'a>> Wire<'a> for Flagged<T> {
    const LEAST: usize = 1;

    fn read(from: &mut Reader<'a>) -> Result<Self, Malformed> {
        let there = bool::read(from)?;
        there.then(|| T::read(from)).transpose().map(Self)
    }

    fn write(&self, to: &mut Writer) {
        self.0.is_some().write(to);
        if let Some(fields) = &self.0 {
            fields.write(to);
        }
    }
}

/// Fields behind a mark: 255 says that they are there, 0 that they are not.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::rpc) struct Marked<T>(pub(in crate::rpc) Option<T>);

const THERE: u8 = 0xff;

impl<'a, T: Wire<'a>> Wire<'a> for Marked<T> {
    const LEAST: usize = 1;

    fn read(from: &mut Reader<'a>) -> Result<Self, Malformed> {
        let at = from.at();
        match from.u8()? {
            0 => Ok(Self(None)),
            THERE => T::read(from).map(Some).map(Self),
            found => Err(Malformed::Mark { at, found }),
        }
    }

    fn write(&self, to: &mut Writer) {
        match &self.0 {
            None => to.u8(0),
            Some(fields) => {
                to.u8(THERE);
                fields.write(to);
            }
        }
    }
}
