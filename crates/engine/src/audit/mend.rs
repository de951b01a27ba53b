//! Where the chain goes on, whatever has become of the log since its last line was written.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

use super::event::Event;
use super::line::{Head, Line, ORIGIN, hash};
use super::log::mended;

/// More than the longest batch of one writer: more than that behind the head is not the log's.
const TAIL: u64 = 64 << 20;

/// The end of the chain.
#[derive(Debug)]
pub(super) struct Place {
    /// The number of the last line.
    pub(super) seq: u64,
    /// Its hash.
    pub(super) hash: String,
    /// What has to be said first.
    pub(super) first: Option<Event>,
    /// The file ends within a line.
    pub(super) close_off: bool,
}

/// The end of the chain. `head`: what the last writer said about it.
pub(super) fn place(file: &File, meta: &Metadata, head: Option<&Head>) -> io::Result<Place> {
    let Some(head) = head else { return without_head(file, meta) };
    let at_head = |first, close_off| Place { seq: head.seq, hash: head.hash.clone(), first, close_off };
    if (meta.ino(), meta.size()) == (head.inode, head.size) {
        return Ok(at_head(None, false));
    }
    if meta.size() == 0 {
        return Ok(at_head(Some(Event::Continued), false));
    }
    if meta.ino() == head.inode && meta.size() > head.size {
        return beyond(file, head, meta.size());
    }
    // A copy that ends where it should is as good as the file itself.
    let tail = read(file, meta.size().saturating_sub(1 << 16), meta.size())?;
    let whole = tail.ends_with(b"\n");
    if whole && tail.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().map(hash).as_ref() == Some(&head.hash) {
        return Ok(at_head(None, false));
    }
    let found = if meta.ino() == head.inode { "the file is shorter than it was" } else { "it is another file" };
    let torn = (!whole).then(|| tail.rsplit(|byte| *byte == b'\n').next()).flatten();
    Ok(at_head(Some(mended(found, torn)), !whole))
}

/// Lines behind the head: of a writer that was killed before it could say so. Those that continue the chain belong to it.
fn beyond(file: &File, head: &Head, size: u64) -> io::Result<Place> {
    let (mut seq, mut last) = (head.seq, head.hash.clone());
    let tail = read(file, head.size.max(size.saturating_sub(TAIL)), size)?;
    let mut rest: &[u8] = &tail;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = &rest[..end];
        if Line::parse(line).is_none_or(|line| line.seq != seq + 1 || line.prev != last) {
            let first = Some(mended("there are lines of somebody else's", None));
            return Ok(Place { seq, hash: last, first, close_off: !tail.ends_with(b"\n") });
        }
        (seq, last) = (seq + 1, hash(line));
        rest = &rest[end + 1..];
    }
    let torn = Some(rest).filter(|rest| !rest.is_empty());
    let first = torn.map(|torn| mended("the last line was torn", Some(torn)));
    Ok(Place { seq, hash: last, close_off: first.is_some(), first })
}

/// The head is lost, or there never was one: the log itself has to tell.
fn without_head(file: &File, meta: &Metadata) -> io::Result<Place> {
    let origin = Place { seq: 0, hash: ORIGIN.into(), first: None, close_off: false };
    if meta.size() == 0 {
        return Ok(origin);
    }
    let tail = read(file, meta.size().saturating_sub(1 << 20), meta.size())?;
    let torn = Some(tail.rsplit(|byte| *byte == b'\n').next().unwrap_or_default()).filter(|rest| !rest.is_empty());
    let mut whole = tail.split(|byte| *byte == b'\n').rev().skip(1);
    let last = whole.find_map(|line| Some((Line::parse(line)?.seq, hash(line))));
    let (seq, hash) = last.unwrap_or((origin.seq, origin.hash));
    Ok(Place { seq, hash, first: Some(mended("the head was missing", torn)), close_off: torn.is_some() })
}

fn read(file: &File, from: u64, to: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; to.saturating_sub(from) as usize];
    file.read_exact_at(&mut bytes, from)?;
    Ok(bytes)
}
