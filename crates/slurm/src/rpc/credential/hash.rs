//! `KangarooTwelve` (RFC 9861, `KT128`): with it Slurm ties a credential to the message that it is for.

use k12::{CustomRefKt128, ExtendableOutput as _, Update as _, XofReader as _};

/// 32 bytes of `message`, made for `purpose`.
pub(super) fn kangaroo_twelve(message: &[u8], purpose: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    CustomRefKt128::new_customized(purpose).chain(message).finalize_xof().read(&mut digest);
    digest
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02X}");
            text
        })
    }

    /// The pattern of the RFC's test vectors.
    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|place| (place % 251) as u8).collect()
    }

    #[test]
    fn vectors_of_the_rfc() {
        let of = |message: &[u8], purpose: &[u8]| hex(&kangaroo_twelve(message, purpose));
        assert_eq!(of(b"", b""), "1AC2D450FC3B4205D19DA7BFCA1B37513C0803577AC7167F06FE2CE1F0EF39E5");
        assert_eq!(of(&pattern(17), b""), "6BF75FA2239198DB4772E36478F8E19B0F371205F6A9A93A273F51DF37122888");
        assert_eq!(
            of(&pattern(17_usize.pow(2)), b""),
            "0C315EBCDEDBF61426DE7DCF8FB725D1E74675D7F5327A5067F367B108ECB67C"
        );
        assert_eq!(
            of(&pattern(17_usize.pow(3)), b""),
            "CB552E2EC77D9910701D578B457DDF772C12E322E4EE7FE417F92C758F0D59D0"
        );
        assert_eq!(
            of(&pattern(17_usize.pow(4)), b""),
            "8701045E22205345FF4DDA05555CBB5C3AF1A771C2B89BAEF37DB43D9998B9FE"
        );
    }
}
