//! Fields, one kind at a time.

use proptest::prelude::*;

use super::*;
use crate::rpc::Protocol;

const BASE: Protocol = Protocol::V24_11;

fn written<'a, T: Wire<'a>>(value: &T) -> Vec<u8> {
    let mut to = Writer::new(BASE);
    value.write(&mut to);
    to.into_bytes()
}

fn read<'a, T: Wire<'a>>(bytes: &'a [u8]) -> Result<T, Malformed> {
    let mut from = Reader::new(bytes, BASE);
    let value = T::read(&mut from)?;
    from.end()?;
    Ok(value)
}

#[test]
fn texts_have_a_final_nul() {
    assert_eq!(written(&Text::of("ab")), b"\0\0\0\x03ab\0");
    assert_eq!(written(&Text::of("")), b"\0\0\0\x01\0");
    assert_eq!(written(&Text::NONE), b"\0\0\0\0");
    assert_eq!(written(&Text::of("a\0b")), b"\0\0\0\x02a\0");
    assert_eq!(read(b"\0\0\0\x01\0"), Ok(Text::of("")));
    assert_eq!(read(b"\0\0\0\0"), Ok(Text::NONE));
    assert_eq!(read::<Text<'_>>(b"\0\0\0\x02ab"), Err(Malformed::Endless { at: 4 }));
    assert_eq!(read::<Text<'_>>(b"\0\0\0\x09a\0"), Err(Malformed::Truncated { at: 4, wanted: 9, left: 2 }));
    assert_eq!(read::<Text<'_>>(b"\0\0\0\x03\xff\xfe\0").unwrap().string().unwrap(), "\u{fffd}\u{fffd}");
}

#[test]
fn lists_are_compared_with_what_is_left_before_anything_is_made() {
    let huge = b"\xff\xff\xff\xfd\0\0\0\0";
    assert_eq!(read::<Vec<u32>>(huge), Err(Malformed::TooMany { at: 4, count: 0xffff_fffd, left: 4 }));
    assert_eq!(read::<Option<Vec<u64>>>(huge), Err(Malformed::TooMany { at: 4, count: 0xffff_fffd, left: 4 }));
    assert_eq!(read::<Option<Vec<u64>>>(b"\xff\xff\xff\xfe"), Ok(None));
    assert_eq!(read::<Vec<u16>>(b"\0\0\0\x02\0\x01\0\x02"), Ok(vec![1, 2]));
}

#[test]
fn marks() {
    assert_eq!(read::<Marked<u16>>(b"\xff\0\x07"), Ok(Marked(Some(7))));
    assert_eq!(read::<Marked<u16>>(b"\0"), Ok(Marked(None)));
    assert_eq!(read::<Marked<u16>>(b"\x07\0\x07"), Err(Malformed::Mark { at: 0, found: 7 }));
    assert_eq!(read::<Flagged<u16>>(b"\x01\0\x07"), Ok(Flagged(Some(7))));
    assert_eq!(read::<bool>(b"\0\0"), Err(Malformed::Leftover { left: 1 }));
}

#[test]
fn bitmaps_count_from_their_last_digit() {
    let bits: Bits<'_> = read(b"\0\0\0\x08\0\0\0\x05\x30xA1\0").unwrap();
    assert_eq!(bits.places().iter().collect::<Vec<_>>(), [0, 5, 7]);
    assert_eq!(Bits(None).places(), Places::default());
    for (hex, text) in [("0x0", ""), ("0x6", "1-2"), ("0x1F", "0-4"), ("0x80F", "0-3,11"), ("0xzz", ""), ("", "")] {
        assert_eq!(runs_text(&Places::of_hex(Text::of(hex)).runs()), text, "{hex}");
    }
}

#[test]
fn bitmaps_have_no_more_digits_than_bits() {
    let packed = |bits: u32, hex: &str| [&bits.to_be_bytes()[..], &written(&Text::of(hex))].concat();
    let padded = format!("0x{}", "0".repeat(16));
    assert!(read::<Bits<'_>>(&packed(3, &padded)).is_ok(), "filled up to a word");
    let long = format!("0x1{}", "0".repeat(16));
    assert_eq!(read::<Bits<'_>>(&packed(64, &long)), Err(Malformed::Digits { at: 4, bits: 64, digits: 19 }));
    assert!(read::<Bits<'_>>(&packed(65, &long)).is_ok());
    let few = |bits: u32| read::<FewBits<'_>>(&packed(bits, "0x6")).map(|few| few.places().unwrap().runs());
    assert_eq!(few(4_000_001), Ok(vec![(1, 2)]));
    assert_eq!(few(4_000_002), Err(Malformed::Bits { at: 0, bits: 4_000_002 }));
    assert_eq!(read::<FewBits<'_>>(b"\xff\xff\xff\xfe").unwrap().places(), None);
}

#[test]
fn the_greatest_numbers_mean_unset_and_infinite() {
    use crate::table::Num;
    assert_eq!((num16(0xfffe), num16(0xffff), num16(7)), (Num::Unset, Num::Infinite, Num::Set(7)));
    assert_eq!((num32(NO_VAL), num32(u32::MAX), num32(0)), (Num::Unset, Num::Infinite, Num::Set(0)));
    assert_eq!((num64(u64::MAX - 1), num64(u64::MAX), num64(9)), (Num::Unset, Num::Infinite, Num::Set(9)));
    assert_eq!((real(f64::from(NO_VAL)), real(f64::INFINITY), real(0.5)), (Num::Unset, Num::Infinite, Num::Set(0.5)));
    assert_eq!(real(f64::NAN), Num::Unset);
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        numbers: (u8, u16, u32, u64, bool),
        list: Vec<u16>,
        text in proptest::option::of("[^\0]{0,40}"),
        real in -1e9..1e9f64,
    ) {
        let text = text.as_deref().map_or(Text::NONE, Text::of);
        let mut to = Writer::new(BASE);
        numbers.0.write(&mut to);
        numbers.1.write(&mut to);
        numbers.2.write(&mut to);
        numbers.3.write(&mut to);
        numbers.4.write(&mut to);
        list.write(&mut to);
        text.write(&mut to);
        real.write(&mut to);
        let bytes = to.into_bytes();
        let mut from = Reader::new(&bytes, BASE);
        let again = (from.u8()?, from.u16()?, from.u32()?, from.u64()?, bool::read(&mut from)?);
        prop_assert_eq!(again, numbers);
        prop_assert_eq!(Vec::<u16>::read(&mut from)?, list);
        prop_assert_eq!(Text::read(&mut from)?, text);
        prop_assert!((f64::read(&mut from)? - real).abs() < 1e-6);
        prop_assert_eq!(from.end(), Ok(()));
    }

    #[test]
    fn any_bytes(bytes: Vec<u8>) {
        let _ = read::<Vec<Text<'_>>>(&bytes);
        let _ = read::<Option<Vec<Bits<'_>>>>(&bytes);
        let _ = read::<Marked<Text<'_>>>(&bytes);
    }
}
