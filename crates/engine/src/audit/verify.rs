//! Reading: whether the chain holds, and what it says.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use jobgate_model::{Error, ErrorKind};
use rustix::fs::{FlockOperation, flock};

use super::line::{Head, Line, ORIGIN, hash};
use super::log::{head_path, read_head};

/// What a look at the log has found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Lines in the chain.
    pub lines: u64,
    /// The number of the first one; more than 1: older files were not given.
    pub first: Option<u64>,
    /// The number and the hash of the last one.
    pub last: Option<(u64, String)>,
    /// Lines that were torn, and closed off by the next writer.
    pub torn: u64,
    /// The end was compared with the head beside the log.
    pub end_known: bool,
    /// Where the chain breaks first.
    pub fault: Option<Fault>,
}

/// Where the chain breaks, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub file: PathBuf,
    /// The line in it, from 1.
    pub line: u64,
    /// Why.
    pub why: Why,
}

/// Why a chain breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// This line is not the one that was written.
    Changed,
    /// Lines before this one are missing: the first and the last number.
    Missing(u64, u64),
    /// This line does not stand where it was written.
    Reordered,
    /// Lines after this one are missing, up to this number; none: the line itself ends too soon.
    Truncated(Option<u64>),
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Changed => f.write_str("changed: this line is not the one that was written"),
            Self::Missing(first, last) if first == last => write!(f, "missing: before this line, number {first}"),
            Self::Missing(first, last) => write!(f, "missing: before this line, numbers {first} to {last}"),
            Self::Reordered => f.write_str("reordered: this line does not stand where it was written"),
            Self::Truncated(Some(last)) => write!(f, "truncated: after this line there were more, up to number {last}"),
            Self::Truncated(None) => f.write_str("truncated: this line was not written to its end"),
        }
    }
}

/// Checks the chain over files, the oldest first. The end is compared with the head beside the last one, if there is one.
pub fn verify(files: &[PathBuf]) -> Result<Report, Error> {
    let mut chain = Chain::default();
    let mut report = Report::default();
    let mut head = None;
    for (at, path) in files.iter().enumerate() {
        let Snapshot { file, size, head: found } = snapshot(path).map_err(|error| unreadable(path, error))?;
        head = found.filter(|_| at + 1 == files.len());
        if let Err(fault) =
            chain.file(path, BufReader::new(file.take(size))).map_err(|error| unreadable(path, error))?
        {
            report.fault = Some(fault);
            break;
        }
    }
    if report.fault.is_none() {
        report.fault = chain.end(head.as_ref());
    }
    // lines that seem to be missing may stand further down
    if let Some(Fault { why: why @ Why::Missing(..), .. }) = &mut report.fault
        && let Why::Missing(missing, _) = *why
        && holds(files, missing).unwrap_or_default()
    {
        *why = Why::Reordered;
    }
    let Chain { lines, first, last, torn, .. } = chain;
    report.end_known = head.is_some();
    report.last = last.map(|last| (last.seq, last.hash));
    Ok(Report { lines, first, torn, ..report })
}

/// The lines of a file that can be read, in its order.
pub fn lines(path: &Path) -> Result<impl Iterator<Item = Line>, Error> {
    let file = File::open(path).map_err(|error| unreadable(path, error))?;
    let lines = BufReader::new(file).split(b'\n').map_while(Result::ok);
    Ok(lines.filter_map(|line| Line::parse(&line)))
}

/// The file, as long as it was at a moment at which nobody wrote, and the head at that moment.
struct Snapshot {
    file: File,
    size: u64,
    head: Option<Head>,
}

fn snapshot(path: &Path) -> io::Result<Snapshot> {
    let lock = File::open(head_path(path)).ok();
    if let Some(lock) = &lock {
        flock(lock, FlockOperation::LockShared)?;
    }
    let file = File::open(path)?;
    let meta = file.metadata()?;
    let size = if meta.is_file() { meta.len() } else { u64::MAX };
    let head = lock.as_ref().map(read_head).transpose()?.flatten();
    Ok(Snapshot { file, size, head })
}

/// A line that has its place.
#[derive(Debug)]
struct Placed {
    seq: u64,
    hash: String,
    file: PathBuf,
    line: u64,
}

/// The chain as far as it was read.
#[derive(Debug, Default)]
struct Chain {
    lines: u64,
    first: Option<u64>,
    last: Option<Placed>,
    torn: u64,
    /// A line that nobody can read: its hash and its place. The next one must explain it.
    unexplained: Option<(String, PathBuf, u64)>,
}

impl Chain {
    fn file(&mut self, path: &Path, mut reader: impl BufRead) -> io::Result<Result<(), Fault>> {
        let mut bytes = Vec::new();
        let mut number = 0;
        loop {
            bytes.clear();
            if reader.read_until(b'\n', &mut bytes)? == 0 {
                return Ok(Ok(()));
            }
            number += 1;
            if bytes.last() != Some(&b'\n') {
                return Ok(Err(Fault { file: path.to_owned(), line: number, why: Why::Truncated(None) }));
            }
            bytes.pop();
            if let Err(fault) = self.line(path, number, &bytes) {
                return Ok(Err(fault));
            }
        }
    }

    fn line(&mut self, path: &Path, number: u64, bytes: &[u8]) -> Result<(), Fault> {
        let here = |why| Fault { file: path.to_owned(), line: number, why };
        let Some(line) = Line::parse(bytes) else {
            return match self.unexplained.replace((hash(bytes), path.to_owned(), number)) {
                None => Ok(()),
                Some((_, file, line)) => Err(Fault { file, line, why: Why::Changed }),
            };
        };
        if let Some((torn, file, number)) = self.unexplained.take() {
            if line.torn.as_ref() != Some(&torn) {
                return Err(Fault { file, line: number, why: Why::Changed });
            }
            self.torn += 1;
        }
        match &self.last {
            None if line.seq == 1 && line.prev != ORIGIN => return Err(here(Why::Changed)),
            None => {}
            Some(last) if line.seq == last.seq + 1 && line.prev == last.hash => {}
            Some(last) if line.seq == last.seq + 1 => {
                return Err(Fault { file: last.file.clone(), line: last.line, why: Why::Changed });
            }
            Some(last) if line.seq > last.seq => return Err(here(Why::Missing(last.seq + 1, line.seq - 1))),
            Some(_) => return Err(here(Why::Reordered)),
        }
        self.lines += 1;
        self.first = self.first.or(Some(line.seq));
        self.last = Some(Placed { seq: line.seq, hash: hash(bytes), file: path.to_owned(), line: number });
        Ok(())
    }

    /// What is wrong with the end.
    fn end(&mut self, head: Option<&Head>) -> Option<Fault> {
        if let Some((_, file, line)) = self.unexplained.take() {
            return Some(Fault { file, line, why: Why::Changed });
        }
        let (head, last) = (head?, self.last.as_ref()?);
        let why = match head.seq.cmp(&last.seq) {
            std::cmp::Ordering::Greater => Why::Truncated(Some(head.seq)),
            std::cmp::Ordering::Equal if head.hash != last.hash => Why::Changed,
            _ => return None,
        };
        Some(Fault { file: last.file.clone(), line: last.line, why })
    }
}

/// Whether a line of this number is anywhere.
fn holds(files: &[PathBuf], seq: u64) -> Result<bool, Error> {
    for path in files {
        if lines(path)?.any(|line| line.seq == seq) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    let text = format!("cannot read the audit log {}: {error}", path.display());
    Error::new(ErrorKind::NotFound, text).because(error)
}
