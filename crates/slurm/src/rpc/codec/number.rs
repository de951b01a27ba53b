//! "Not set" and "infinite": the greatest numbers of each width.

use crate::table::Num;

/// "Not set" of 8 bits.
pub(in crate::rpc) const NO_VAL8: u8 = 0xfe;
/// "Not set" of 16 bits.
pub(in crate::rpc) const NO_VAL16: u16 = 0xfffe;
/// "Not set" of 32 bits.
pub(in crate::rpc) const NO_VAL: u32 = 0xffff_fffe;
/// "Not set" of 64 bits.
pub(in crate::rpc) const NO_VAL64: u64 = 0xffff_ffff_ffff_fffe;

macro_rules! numbers {
    ($($name:ident: $type:ident, $unset:ident;)*) => {$(
        /// What a number of this width means.
        pub(in crate::rpc) fn $name(number: $type) -> Num<$type> {
            match number {
                $unset => Num::Unset,
                $type::MAX => Num::Infinite,
                number => Num::Set(number),
            }
        }
    )*};
}

numbers! {
    num16: u16, NO_VAL16;
    num32: u32, NO_VAL;
    num64: u64, NO_VAL64;
}

/// What a real number means: it is "not set" or "infinite" as a whole number of 32 bits would be.
pub(in crate::rpc) fn real(number: f64) -> Num<f64> {
    let is = |sentinel: u32| (0.0..1.0).contains(&(number - f64::from(sentinel)));
    if number.is_nan() || is(NO_VAL) {
        Num::Unset
    } else if number.is_infinite() || is(u32::MAX) {
        Num::Infinite
    } else {
        Num::Set(number)
    }
}
