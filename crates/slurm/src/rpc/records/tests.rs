//! Every record that is written is read again as it was, in each version; any bytes are read or refused.

use proptest::prelude::*;

use super::*;
use crate::rpc::Protocol;
use crate::rpc::codec::{Malformed, Reader, Wire, Writer};

fn read<'a, T: Wire<'a>>(bytes: &'a [u8], protocol: Protocol) -> Result<T, Malformed> {
    let mut from = Reader::new(bytes, protocol);
    let record = T::read(&mut from)?;
    from.end()?;
    Ok(record)
}

fn written<'a, T: Wire<'a>>(record: &T, protocol: Protocol) -> Vec<u8> {
    let mut to = Writer::new(protocol);
    record.write(&mut to);
    to.into_bytes()
}

/// What is read from arbitrary bytes, written; `None` where they are refused.
fn read_and_written<'a, T: Wire<'a>>(bytes: &'a [u8], protocol: Protocol) -> Option<Vec<u8>> {
    T::read(&mut Reader::new(bytes, protocol)).ok().map(|record| written(&record, protocol))
}

macro_rules! kinds {
    ($($kind:ident),*) => {
        fn all_settle(bytes: &[u8]) {
            for protocol in Protocol::ALL {
                $(if let Some(once) = read_and_written::<$kind<'_>>(bytes, protocol) {
                    let again = read_and_written::<$kind<'_>>(&once, protocol);
                    assert_eq!(again.as_ref(), Some(&once), "{}", stringify!($kind));
                })*
            }
        }

        #[test]
        fn nothing_set() {
            for protocol in Protocol::ALL {
                $(
                    let nothing = $kind::default();
                    let bytes = written(&nothing, protocol);
                    let again = read::<$kind<'_>>(&bytes, protocol).map(|record| written(&record, protocol));
                    assert_eq!(again.as_ref(), Ok(&bytes), "{}", stringify!($kind));
                    assert!(bytes.len() >= <$kind<'_> as Wire<'_>>::LEAST, "{}", stringify!($kind));
                )*
            }
        }
    };
}

kinds!(
    Job,
    Node,
    Partition,
    Reservation,
    License,
    Shares,
    Share,
    State,
    Stats,
    Configuration,
    Allocation,
    Details,
    Description,
    Kill,
    Requeue,
    Suspend,
    KillMany,
    Killed,
    Allocated,
    Submitted,
    Layout,
    Name,
    ReservationChange,
    PartitionChange,
    NodeChange
);

/// Mostly small numbers, so that lists and texts have lengths that fit.
fn plausible() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![8 => Just(0u8), 2 => 1u8..9, 1 => any::<u8>(), 1 => Just(0xff), 1 => Just(0xfe)];
    proptest::collection::vec(byte, 0..1500)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes: Vec<u8>) {
        all_settle(&bytes);
    }

    #[test]
    fn plausible_bytes(bytes in plausible()) {
        all_settle(&bytes);
    }
}
