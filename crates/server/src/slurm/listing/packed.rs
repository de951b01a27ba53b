//! Text as it is kept. One job looks much like the next: packed, a list takes a tenth of its memory, and is unpacked faster than it
//! can be sent.

use bytes::Bytes;
use lz4_flex::block::{compress_into, decompress, get_maximum_output_size};

/// Packed text.
#[derive(Debug)]
pub(super) struct Packed {
    length: usize,
    packed: Box<[u8]>,
}

impl Packed {
    /// Packs this. `room` is memory that is used meanwhile.
    pub(super) fn of(text: &[u8], room: &mut Vec<u8>) -> Self {
        room.resize(get_maximum_output_size(text.len()).max(room.len()), 0);
        let packed = compress_into(text, room).expect("invariant: there is room for the longest that it can become");
        Self { length: text.len(), packed: room[..packed].into() }
    }

    /// How long the text is, in bytes.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// What it takes, in bytes.
    pub(super) fn kept(&self) -> usize {
        self.packed.len()
    }

    /// The text.
    pub(super) fn text(&self) -> Bytes {
        decompress(&self.packed, self.length).expect("invariant: it was packed by this process").into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_much_alike_takes_little() {
        let one = |id| format!(",{{\"job_id\":{id},\"comment\":\"{}\"}}", "x".repeat(150));
        let text = (0..300).map(one).collect::<Vec<_>>().concat();
        let packed = Packed::of(text.as_bytes(), &mut Vec::new());
        assert_eq!((packed.len(), &packed.text()[..]), (text.len(), text.as_bytes()));
        assert!(packed.kept() * 8 < text.len(), "{} of {}", packed.kept(), text.len());
    }

    proptest! {
        #[test]
        fn whatever_it_is(texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..5)) {
            let mut room = Vec::new();
            for text in &texts {
                prop_assert_eq!(&Packed::of(text, &mut room).text()[..], &text[..]);
            }
        }
    }
}
