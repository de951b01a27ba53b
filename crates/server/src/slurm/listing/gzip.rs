//! A gzip stream of pieces that are compressed one by one, so that those that stay need not be compressed again.

use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress};

/// The header: deflate, no name, no time, an unknown system.
const HEADER: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// A last block with nothing in it.
const END: [u8; 2] = [3, 0];

/// A piece: it refers to nothing before it but what it was told, and ends with a whole byte.
#[derive(Debug)]
pub(super) struct Piece {
    bytes: Bytes,
    sum: Crc,
}

impl Piece {
    /// Compresses this, right before which `before` will be.
    pub(super) fn of(before: &[u8], text: &[u8]) -> Self {
        let mut deflate = Compress::new(Compression::fast(), false);
        if !before.is_empty() {
            deflate.set_dictionary(before).expect("invariant: nothing has been compressed yet");
        }
        let mut bytes = Vec::with_capacity(text.len() / 8 + 64);
        let taken = |deflate: &Compress| usize::try_from(deflate.total_in()).unwrap_or(usize::MAX);
        loop {
            deflate
                .compress_vec(&text[taken(&deflate)..], &mut bytes, FlushCompress::Sync)
                .expect("invariant: nothing that is compressed is invalid");
            // where there is room left, all has been written
            if taken(&deflate) == text.len() && bytes.len() < bytes.capacity() {
                break;
            }
            bytes.reserve(bytes.len().max(64));
        }
        let mut sum = Crc::new();
        sum.update(text);
        Self { bytes: Bytes::copy_from_slice(&bytes), sum }
    }

    /// How long it is, in bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// The stream of these pieces.
pub(super) fn stream<'a>(pieces: impl IntoIterator<Item = &'a Piece>) -> Bytes {
    let (mut parts, mut sum) = (vec![HEADER], Crc::new());
    for piece in pieces {
        sum.combine(&piece.sum);
        parts.push(&piece.bytes);
    }
    let (sum, length) = (sum.sum().to_le_bytes(), sum.amount().to_le_bytes());
    parts.extend([&END[..], &sum, &length]);
    parts.concat().into()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use proptest::prelude::*;

    use super::*;

    fn read(stream: &Bytes) -> Vec<u8> {
        let mut text = Vec::new();
        // one member and nothing behind it: not all clients read several
        let mut decoder = GzDecoder::new(&stream[..]);
        decoder.read_to_end(&mut text).unwrap();
        assert!(decoder.into_inner().is_empty());
        text
    }

    #[test]
    fn pieces_are_one_stream() {
        let texts = ["", "[", &"{\"a\":1},".repeat(20_000), "", "]"];
        let pieces: Vec<Piece> = texts.iter().map(|text| Piece::of(b"", text.as_bytes())).collect();
        assert_eq!(read(&stream(&pieces)), texts.concat().as_bytes());
        assert_eq!(read(&stream(&[])), b"");
        assert!(pieces[2].bytes.len() < 2_000);
    }

    #[test]
    fn what_comes_before_need_not_be_said_again() {
        let text: Vec<u8> = (0..4000_u32).flat_map(|number| (number * number).to_le_bytes()).collect();
        let (first, alone, behind) =
            (Piece::of(b"", &text), Piece::of(b"", &text), Piece::of(&text[8000..], &text[8000..]));
        assert!(behind.bytes.len() * 10 < alone.bytes.len(), "{} {}", behind.bytes.len(), alone.bytes.len());
        assert_eq!(read(&stream([&first, &behind])), [&text[..], &text[8000..]].concat());
    }

    proptest! {
        #[test]
        fn whatever_is_in_them(
            texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..5), known in 0..4000_usize,
        ) {
            let mut before = Vec::new();
            let mut pieces = Vec::new();
            for text in &texts {
                pieces.push(Piece::of(&before[before.len().saturating_sub(known)..], text));
                before.extend(text);
            }
            prop_assert_eq!(read(&stream(&pieces)), before);
        }
    }
}
