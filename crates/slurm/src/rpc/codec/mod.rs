//! Fields: how numbers, texts, lists and bitmaps are packed.
//!
//! Reading never copies a text and never allocates more than a small multiple of the bytes that are there: a list's length is
//! compared with what is left before anything is made for it.

mod bits;
mod layout;
mod number;
mod reader;
mod wire;
mod writer;

pub(super) use bits::{Bits, FewBits, Places, runs_text};
pub(super) use layout::layout;
pub(super) use number::{NO_VAL, NO_VAL8, NO_VAL16, NO_VAL64, num16, num32, num64, real};
pub use reader::Malformed;
pub(super) use reader::Reader;
pub(super) use wire::{Flagged, Marked, Text, Wire};
pub(super) use writer::Writer;

#[cfg(test)]
mod tests;
