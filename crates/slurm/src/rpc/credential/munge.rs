//! Credentials of MUNGE, which the daemon of this host gives to whoever asks through its socket: they say which user asked.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Where the daemon listens if nobody says otherwise.
pub(super) const SOCKET: &str = "/run/munge/munge.socket.2";
/// It is on this host, and answers at once.
const PATIENCE: Duration = Duration::from_secs(3);
/// No credential is longer.
const LONGEST: u32 = 1 << 20;

const MAGIC: u32 = 0x0060_6d4b;
const VERSION: u8 = 4;
const ENCODE: u8 = 2;
const ENCODED: u8 = 3;
/// The daemon's own choice, of a cipher, a digest and a compression.
const CHOOSE: u8 = 1;
/// It is good for as long as the daemon thinks fit.
pub(super) const USUAL: u32 = 0;
/// Anybody may look into it.
const ANYBODY: u32 = u32::MAX;

/// A credential that carries `payload`; only the user with the number `reader` can look into it, if one is given. It is good for
/// so many seconds; 0: as long as the daemon thinks fit.
pub(super) fn encode(socket: &Path, payload: &[u8], reader: Option<u32>, seconds: u32) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(&request(payload, reader, seconds))?;
    let mut head = [0; 11];
    stream.read_exact(&mut head)?;
    let length = answered(&head)?;
    let mut body = Vec::new();
    stream.take(length.into()).read_to_end(&mut body)?;
    if body.len() < length as usize {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    credential(&body)
}

fn request(payload: &[u8], reader: Option<u32>, seconds: u32) -> Vec<u8> {
    let number = |number: u32| number.to_be_bytes();
    let length = |bytes: &[u8]| number(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    let realm = [0];
    let lifetime = number(seconds);
    let body = [
        &[CHOOSE, CHOOSE, CHOOSE][..],
        &realm,
        &lifetime,
        &number(reader.unwrap_or(ANYBODY)),
        &number(ANYBODY),
        &length(payload),
        payload,
    ]
    .concat();
    let retries = 0;
    [&number(MAGIC)[..], &[VERSION, ENCODE, retries], &length(&body), &body].concat()
}

fn strange(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

/// How long the rest of an answer is.
fn answered(head: &[u8; 11]) -> io::Result<u32> {
    let number = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    if (number(0), head[4], head[5]) != (MAGIC, VERSION, ENCODED) {
        return Err(strange("it does not answer as munged does"));
    }
    match number(7) {
        length if length <= LONGEST => Ok(length),
        _ => Err(strange("its answer is too long")),
    }
}

/// An error's number and words, and a text.
fn credential(body: &[u8]) -> io::Result<String> {
    let short = || strange("its answer is too short");
    let (&[errno, length], rest) = body.split_first_chunk().ok_or_else(short)?;
    let (words, rest) = rest.split_at_checked(length.into()).ok_or_else(short)?;
    if errno != 0 {
        let words = String::from_utf8_lossy(words).trim_end_matches('\0').to_owned();
        return Err(io::Error::other(if words.is_empty() { format!("munged's error {errno}") } else { words }));
    }
    let (length, text) = rest.split_first_chunk().ok_or_else(short)?;
    if u32::from_be_bytes(*length) as usize != text.len() {
        return Err(strange("its answer has another length than it says"));
    }
    let text = text.strip_suffix(&[0]).unwrap_or(text);
    match std::str::from_utf8(text) {
        Ok(text) if !text.is_empty() && !text.contains('\0') => Ok(text.to_owned()),
        _ => Err(strange("what it gives is no text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;
    use std::thread;

    /// What is asked of a daemon that answers so, and what comes of it.
    fn asked(answer: Vec<u8>) -> (Vec<u8>, io::Result<String>) {
        let folder = std::env::temp_dir().join(format!("munge-{}-{:?}", std::process::id(), thread::current().id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{}", answer.len()));
        let listener = UnixListener::bind(&path).unwrap();
        let daemon = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 11];
            stream.read_exact(&mut head).unwrap();
            let mut body = vec![0; u32::from_be_bytes(head[7..].try_into().unwrap()) as usize];
            stream.read_exact(&mut body).unwrap();
            stream.write_all(&answer).unwrap();
            [&head[..], &body].concat()
        });
        let outcome = encode(&path, b"ab", Some(7), 20);
        let asked = daemon.join().unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        (asked, outcome)
    }

    fn answer(body: &[u8]) -> Vec<u8> {
        [b"\0\x60\x6d\x4b\x04\x03\0", &u32::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat()
    }

    #[test]
    fn byte_by_byte() {
        let (asked, outcome) = asked(answer(b"\0\0\0\0\0\x08MUNGE:a\0"));
        let expected: &[u8] = b"\0\x60\x6d\x4b\x04\x02\0\0\0\0\x16\
            \x01\x01\x01\0\0\0\0\x14\0\0\0\x07\xff\xff\xff\xff\0\0\0\x02ab";
        assert_eq!(asked, expected);
        assert_eq!(outcome.unwrap(), "MUNGE:a");
    }

    #[test]
    fn what_is_wrong_is_an_error() {
        let error = |answer: Vec<u8>| asked(answer).1.unwrap_err().to_string();
        assert_eq!(error(answer(b"\x06\x04why\0\0\0\0\0")), "why");
        assert_eq!(error(answer(b"\x06\0\0\0\0\0")), "munged's error 6");
        assert!(error(answer(b"\0")).contains("too short"));
        assert!(error(answer(b"\0\x09why")).contains("too short"));
        assert!(error(answer(b"\0\0\0\0\0\x09MUNGE:a")).contains("another length"));
        assert!(error(answer(b"\0\0\0\0\0\0")).contains("no text"));
        assert!(error(b"\0\x60\x6d\x4b\x04\x03\0\xff\xff\xff\xff".to_vec()).contains("too long"));
        assert!(error(b"\0\x60\x6d\x4b\x05\x03\0\0\0\0\x01".to_vec()).contains("does not answer"));
        let whole = answer(b"\0\0\0\0\0\x08MUNGE:a\0");
        for end in 0..whole.len() {
            assert!(asked(whole[..end].to_vec()).1.is_err(), "{end}");
        }
    }
}
