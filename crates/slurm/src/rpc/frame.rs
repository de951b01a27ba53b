//! What is around a message: the length of all, a header, a credential.

use std::io;

use super::codec::{Malformed, Reader, Text, Wire, Writer, layout};
use super::{Credential, Kind, Protocol, credential};

/// The flag of an answer without a credential.
const NO_CREDENTIAL: u16 = 1 << 6;
/// The flags of who speaks to an accounting database.
const TO_DATABASE: u16 = 0b11;
/// Kinds of addresses.
const INET: u16 = 2;
const INET6: u16 = 10;

layout! {
    /// What comes first. Whom a message was forwarded to, or by, is never said between a client and a controller.
    Header {
        version: u16;
        flags: u16;
        kind: u16;
        body: u32;
        forwards: u16;
        returns: u16;
        origin: u16;
    }
}

/// A message that is to be sent: all of its bytes, its own length first. Fails where nobody gives a credential for it.
pub(super) fn message(protocol: Protocol, kind: Kind, credential: &Credential, body: &[u8]) -> io::Result<Vec<u8>> {
    let mut inside = Writer::new(protocol);
    put(&mut inside, kind, 0, credential, body)?;
    Ok(measured(protocol, &inside.into_bytes()))
}

/// The message that a conversation with an accounting database begins with: what it is about is said before the header, too.
pub(super) fn greeting(protocol: Protocol, kind: Kind, credential: &Credential, body: &[u8]) -> io::Result<Vec<u8>> {
    let mut inside = Writer::new(protocol);
    inside.u16(kind.0);
    put(&mut inside, kind, TO_DATABASE, credential, body)?;
    Ok(measured(protocol, &inside.into_bytes()))
}

/// A message within such a conversation: both know who speaks, and in which version.
pub(super) fn remark(protocol: Protocol, kind: Kind, body: &[u8]) -> Vec<u8> {
    let mut inside = Writer::new(protocol);
    inside.u16(kind.0);
    inside.raw(body);
    measured(protocol, &inside.into_bytes())
}

fn put(to: &mut Writer, kind: Kind, flags: u16, credential: &Credential, body: &[u8]) -> io::Result<()> {
    let header = Header {
        version: to.protocol().number(),
        flags,
        kind: kind.0,
        body: u32::try_from(body.len()).unwrap_or(u32::MAX),
        ..Header::default()
    };
    header.write(to);
    credential.write(to, kind, body)?;
    to.raw(body);
    Ok(())
}

/// Bytes behind their length.
fn measured(protocol: Protocol, bytes: &[u8]) -> Vec<u8> {
    let mut all = Writer::new(protocol);
    all.length(bytes.len());
    all.raw(bytes);
    all.into_bytes()
}

/// What was answered: in which version, what it is about, and where it is in the frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) version: u16,
    pub(super) kind: Kind,
    pub(super) body: std::ops::Range<usize>,
}

/// Reads what is around the message of a frame (without the frame's length). The header is the same in all versions.
pub(super) fn answered(frame: &[u8]) -> Result<Answered, Malformed> {
    let mut from = Reader::new(frame, Protocol::V24_11);
    let header = Header::read(&mut from)?;
    match header.origin {
        INET => drop(from.take(4 + 2)?),
        INET6 => {
            let length = from.count(1)?;
            from.take(length + 2)?;
        }
        _ => {}
    }
    if header.flags & NO_CREDENTIAL == 0 {
        // whoever can answer at the controller's address is believed: an own credential of it says no more
        let of = from.u32()?;
        Text::read(&mut from)?;
        if of != credential::MUNGE {
            Text::read(&mut from)?;
        }
    }
    let length = header.body as usize;
    match from.left() {
        left if left < length => Err(Malformed::Truncated { at: from.at(), wanted: length, left }),
        left if left > length => Err(Malformed::Leftover { left: left - length }),
        _ => {
            let body = from.at()..frame.len();
            Ok(Answered { version: header.version, kind: Kind(header.kind), body })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn credential() -> Credential {
        Credential::jwt("a.b.c").unwrap()
    }

    #[test]
    fn a_ping_byte_by_byte() {
        let expected: &[u8] = b"\0\0\0\x22\x2a\0\0\0\x03\xf0\0\0\0\0\0\0\0\0\0\0\0\0\0\x66\0\0\0\x06a.b.c\0\0\0\0\0";
        assert_eq!(message(Protocol::V24_11, Kind::PING, &credential(), b"").unwrap(), expected);
    }

    #[test]
    fn answers_with_and_without_credential_and_origin() {
        let result = b"\0\0\x03\xef";
        let flagless = [
            b"\x2c\0\0\0\x1f\x41\0\0\0\x04\0\0\0\0\0\x02\x7f\0\0\x01\0\0\0\0\0\x66\0\0\0\0\0\0\0\0".as_slice(),
            result,
        ];
        let flagged = [b"\x2c\0\0\x44\x1f\x41\0\0\0\x04\0\0\0\0\0\0".as_slice(), result];
        let six = [&b"\x2c\0\0\x44\x1f\x41\0\0\0\x04\0\0\0\0\0\x0a\0\0\0\x10"[..], &[0; 18], result];
        for frame in [flagless.concat(), flagged.concat(), six.concat()] {
            let answered = answered(&frame).unwrap();
            assert_eq!((answered.version, answered.kind, &frame[answered.body]), (0x2c00, Kind::RESULT, &result[..]));
        }
    }

    #[test]
    fn a_wrong_length_of_the_body_is_an_error() {
        let frame = |length: u8| [&b"\x2c\0\0\x44\x1f\x41\0\0\0"[..], &[length], b"\0\0\0\0\0\0", b"1234"].concat();
        assert!(answered(&frame(4)).is_ok());
        assert_eq!(answered(&frame(3)), Err(Malformed::Leftover { left: 1 }));
        assert_eq!(answered(&frame(5)), Err(Malformed::Truncated { at: 16, wanted: 5, left: 4 }));
    }

    proptest! {
        #[test]
        fn what_is_sent_is_read(kind: u16, body: Vec<u8>) {
            let sent = message(Protocol::V25_11, Kind(kind), &credential(), &body).unwrap();
            let (length, frame) = sent.split_at(4);
            prop_assert_eq!(u32::from_be_bytes(length.try_into().unwrap()) as usize, frame.len());
            let answered = answered(frame).unwrap();
            prop_assert_eq!((answered.version, answered.kind, &frame[answered.body]), (0x2c00, Kind(kind), &body[..]));
        }

        #[test]
        fn any_bytes(frame: Vec<u8>) {
            let _ = answered(&frame);
        }
    }
}
