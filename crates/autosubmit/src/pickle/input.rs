//! The bytes of a pickle, taken from the front.

use super::Why;

/// The part of the file that is not read yet.
pub(super) struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes have been read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Why> {
        let end = self.at.checked_add(count).ok_or(Why::Truncated)?;
        let taken = self.bytes.get(self.at..end).ok_or(Why::Truncated)?;
        self.at = end;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Why> {
        self.take(N)?.try_into().map_err(|_| Why::Truncated)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Why> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn length4(&mut self) -> Result<usize, Why> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    /// A length or number of eight bytes. What does not fit is more than the file has.
    pub(super) fn length8(&mut self) -> Result<usize, Why> {
        usize::try_from(u64::from_le_bytes(self.array()?)).map_err(|_| Why::Truncated)
    }

    /// A length of four bytes that Python 2 wrote with a sign.
    pub(super) fn signed_length(&mut self) -> Result<usize, Why> {
        usize::try_from(i32::from_le_bytes(self.array()?)).map_err(|_| Why::Literal("a length"))
    }

    pub(super) fn line(&mut self) -> Result<&'a [u8], Why> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| *byte == b'\n').ok_or(Why::Truncated)?;
        self.at += length + 1;
        Ok(&rest[..length])
    }
}
