//! From files to response bodies, piece by piece: memory does not grow with the file, and a slow client holds no thread.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use rustix::buffer::spare_capacity;
use rustix::fs::{FileType, OFlags, Stat};
use tokio::task::JoinHandle;

use super::{BENEATH, FileError, io_error, list, open_beneath};

/// Bytes read at once.
const PIECE: usize = 512 << 10;
/// U+FFFD, for what is not UTF-8.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Something that is sent in pieces. `None`: that was all.
pub(crate) trait Source: Send + 'static {
    fn next(&mut self) -> io::Result<Option<Bytes>>;
}

/// A body that is read from blocking threads, always one piece ahead of what is sent; `first` was read already. A failure
/// ends the connection early, so that the client sees that something is missing.
pub(crate) fn body_of(first: Option<Bytes>, source: impl Source) -> Body {
    let rest = stream::try_unfold(read_ahead(source), |reading| async {
        let read = reading.await.map_err(io::Error::other).flatten();
        let piece = read.inspect_err(|error| tracing::warn!(%error, "a download broke off"))?;
        Ok::<_, io::Error>(piece.map(|(piece, source)| (piece, read_ahead(source))))
    });
    Body::from_stream(stream::iter(first.map(Ok)).chain(rest))
}

type Reading<S> = JoinHandle<io::Result<Option<(Bytes, S)>>>;

fn read_ahead<S: Source>(mut source: S) -> Reading<S> {
    tokio::task::spawn_blocking(move || Ok(source.next()?.map(|piece| (piece, source))))
}

/// A part of a file.
#[derive(Debug)]
pub(crate) struct Pieces {
    file: File,
    offset: u64,
    left: u64,
}

impl Pieces {
    pub(crate) fn new(file: File, offset: u64, length: u64) -> Self {
        Self { file, offset, left: length }
    }

    /// All of it at once, if it is small.
    pub(crate) fn whole(&mut self) -> io::Result<Option<Bytes>> {
        if self.left > PIECE as u64 { Ok(None) } else { self.next().map(Option::unwrap_or_default).map(Some) }
    }
}

impl Source for Pieces {
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        if self.left == 0 {
            return Ok(None);
        }
        let mut piece = Vec::with_capacity(self.left.min(PIECE as u64) as usize);
        while piece.len() < piece.capacity() {
            let at = self.offset + piece.len() as u64;
            match rustix::io::pread(&self.file, spare_capacity(&mut piece), at) {
                Ok(0) => return Err(io::Error::other("the file became shorter while it was sent")),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.offset += piece.len() as u64;
        self.left -= piece.len() as u64;
        Ok(Some(piece.into()))
    }
}

/// A JSON object of texts: given ones that stand for missing files, then the regular files of a directory, name by name.
/// What is not UTF-8 is replaced; a file that grows is read up to the size it had when its turn came.
#[derive(Debug)]
pub(crate) struct TextMap {
    given: std::vec::IntoIter<(String, String)>,
    names: std::vec::IntoIter<String>,
    dir: Option<OwnedFd>,
    current: Option<Text>,
    place: Place,
}

#[derive(Debug, PartialEq, Eq)]
enum Place {
    Begin,
    Inside,
    End,
}

/// A file that is being read.
#[derive(Debug)]
struct Text {
    file: File,
    left: u64,
    /// The first bytes of a character whose last bytes are in the next piece.
    torn: Vec<u8>,
}

impl TextMap {
    pub(crate) fn new(mut given: Vec<(String, String)>, dir: Option<OwnedFd>) -> Result<Self, FileError> {
        let names: Vec<String> = match &dir {
            Some(dir) => list(dir)?.into_iter().filter(|entry| !entry.directory).map(|entry| entry.name).collect(),
            None => Vec::new(),
        };
        given.retain(|(name, _)| !names.contains(name));
        Ok(Self { given: given.into_iter(), names: names.into_iter(), dir, current: None, place: Place::Begin })
    }

    /// All of it at once, if it is small; otherwise its beginning.
    pub(crate) fn whole(&mut self) -> io::Result<Result<Bytes, Bytes>> {
        let first = self.next()?.unwrap_or_default();
        Ok(if self.place == Place::End { Ok(first) } else { Err(first) })
    }

    fn key(&mut self, out: &mut Vec<u8>, name: &str) {
        out.push(if self.place == Place::Begin { b'{' } else { b',' });
        self.place = Place::Inside;
        out.push(b'"');
        escape(out, name.as_bytes());
        out.extend_from_slice(b"\":\"");
    }
}

impl Source for TextMap {
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        if self.place == Place::End {
            return Ok(None);
        }
        let mut out = Vec::with_capacity(4096);
        while out.len() < PIECE {
            if let Some(text) = &mut self.current {
                if !text.read_into(&mut out)? {
                    out.push(b'"');
                    self.current = None;
                }
            } else if let Some((name, text)) = self.given.next() {
                self.key(&mut out, &name);
                escape(&mut out, text.as_bytes());
                out.push(b'"');
            } else if let Some(name) = self.names.next() {
                let Some(text) = self.dir.as_ref().and_then(|dir| Text::open(dir, &name)) else { continue };
                self.key(&mut out, &name);
                self.current = Some(text);
            } else {
                out.extend_from_slice(if self.place == Place::Begin { b"{}" } else { b"}" });
                self.place = Place::End;
                break;
            }
        }
        Ok(Some(out.into()))
    }
}

impl Text {
    /// `None`: it is gone, or it is not a regular file.
    fn open(dir: &OwnedFd, name: &str) -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = open_beneath(dir, Path::new(name), flags, BENEATH);
        let stated = opened.and_then(|file| rustix::fs::fstat(&file).map(|stat: Stat| (file, stat)));
        let (file, stat) = stated.map_err(|error| io_error("open", name, error)).ok()?;
        let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        regular.then(|| Self { file: file.into(), left: stat.st_size as u64, torn: Vec::new() })
    }

    /// Appends the next piece; `false` at the end.
    fn read_into(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        let wanted = self.left.min(PIECE as u64) as usize;
        let mut piece = std::mem::take(&mut self.torn);
        piece.reserve_exact(wanted);
        let read = if wanted == 0 { 0 } else { rustix::io::retry_on_intr(|| read_some(&self.file, &mut piece))? };
        self.left -= (read as u64).min(self.left);
        if read == 0 {
            if !piece.is_empty() {
                escape(out, REPLACEMENT);
            }
            return Ok(false);
        }
        out.reserve(piece.len() + piece.len() / 8);
        let mut rest = &piece[..];
        while let Err(broken) = std::str::from_utf8(rest) {
            escape(out, &rest[..broken.valid_up_to()]);
            rest = &rest[broken.valid_up_to()..];
            let Some(length) = broken.error_len() else {
                self.torn = rest.to_vec();
                return Ok(true);
            };
            escape(out, REPLACEMENT);
            rest = &rest[length..];
        }
        escape(out, rest);
        Ok(true)
    }
}

fn read_some(file: &File, piece: &mut Vec<u8>) -> rustix::io::Result<usize> {
    rustix::io::read(file, spare_capacity(piece))
}

/// Appends a text (UTF-8) as the inside of a JSON string. Runs that need no escape are copied as they are.
fn escape(out: &mut Vec<u8>, mut text: &[u8]) {
    while let Some(at) = next_special(text) {
        out.extend_from_slice(&text[..at]);
        match text[at] {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => out.extend_from_slice(format!("\\u{control:04x}").as_bytes()),
        }
        text = &text[at + 1..];
    }
    out.extend_from_slice(text);
}

/// Where the next byte is that JSON escapes: a control, a quote, a backslash. Looks at eight bytes at once.
fn next_special(text: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    // The high bit of each byte below `limit` is set. Bytes after the first such one may be wrong; only the first counts.
    let below = |bytes: u64, limit: u64| bytes.wrapping_sub(ONES * limit) & !bytes & (ONES * 128);
    let equal = |bytes: u64, byte: u8| below(bytes ^ (ONES * u64::from(byte)), 1);
    let (eights, rest) = text.as_chunks::<8>();
    for (index, eight) in eights.iter().enumerate() {
        let bytes = u64::from_le_bytes(*eight);
        let found = below(bytes, 0x20) | equal(bytes, b'"') | equal(bytes, b'\\');
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let special = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    rest.iter().position(special).map(|at| eights.len() * 8 + at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn all(mut source: impl Source) -> Vec<u8> {
        let mut out = Vec::new();
        while let Some(piece) = source.next().unwrap() {
            out.extend_from_slice(&piece);
        }
        out
    }

    fn text_map(given: &[(&str, &str)], dir: &tempfile::TempDir) -> serde_json::Value {
        let given = given.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let dir = super::super::open_work(dir.path(), dir.path().to_str()).unwrap();
        serde_json::from_slice(&all(TextMap::new(given, Some(dir)).unwrap())).unwrap()
    }

    #[test]
    fn texts_of_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("stdout.1"), "out \"é\"\t\u{1}\n").unwrap();
        std::fs::write(dir.path().join("binary"), b"\xff\xfebin\xe2\x82").unwrap();
        std::fs::write(dir.path().join("run"), "from the directory").unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("out")).unwrap();
        let shown = text_map(&[("run", "given"), ("job", "given")], &dir);
        let expected = serde_json::json!({
            "job": "given", "run": "from the directory", "binary": "\u{fffd}\u{fffd}bin\u{fffd}", "stdout.1": "out \"é\"\t\u{1}\n",
        });
        assert_eq!(shown, expected);
        assert_eq!(all(TextMap::new(Vec::new(), None).unwrap()), b"{}");
    }

    #[test]
    fn large_texts_are_the_same_in_pieces() {
        let dir = tempfile::tempdir().unwrap();
        let line = "x\u{20ac}\u{1f980}\\\n";
        let text = line.repeat(3 * PIECE / line.len() + 7);
        std::fs::write(dir.path().join("big"), &text).unwrap();
        assert_eq!(text_map(&[], &dir)["big"], text);
    }

    #[test]
    fn parts_of_a_file() {
        let mut file = tempfile::tempfile().unwrap();
        let content: Vec<u8> = (0..PIECE * 2 + 100).map(|i| i as u8).collect();
        file.write_all(&content).unwrap();
        let part = |offset, length| all(Pieces::new(file.try_clone().unwrap(), offset, length));
        assert_eq!(part(0, content.len() as u64), content);
        assert_eq!(part(5, 10), content[5..15]);
        assert!(part(0, 0).is_empty());
        let mut beyond = Pieces::new(file, 0, content.len() as u64 + 1);
        while let Ok(Some(_)) = beyond.next() {}
        assert!(beyond.next().is_err(), "a file that became shorter is not passed off as whole");
    }

    proptest! {
        #[test]
        fn escapes_are_what_json_readers_expect(text in "[\\x00-\\x7f]{0,80}|\\PC{0,40}") {
            let mut json = vec![b'"'];
            escape(&mut json, text.as_bytes());
            json.push(b'"');
            prop_assert_eq!(serde_json::from_slice::<String>(&json).unwrap(), text);
        }

        /// Whatever a log holds, and wherever a piece ends, the answer is what a lossy reading of the whole gives.
        #[test]
        fn any_bytes_in_any_pieces(content in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..200) {
            let cut = cut.min(content.len());
            let mut out = Vec::new();
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&content).unwrap();
            std::io::Seek::rewind(&mut file).unwrap();
            // the file is shown in two pieces: first as long as `cut`, then all of it
            let mut text = Text { file, left: cut as u64, torn: Vec::new() };
            if cut > 0 {
                text.read_into(&mut out).unwrap();
            }
            text.left = (content.len() - cut) as u64;
            while text.read_into(&mut out).unwrap() {}
            let mut expected = Vec::new();
            escape(&mut expected, String::from_utf8_lossy(&content).as_bytes());
            prop_assert_eq!(out, expected);
        }
    }
}
