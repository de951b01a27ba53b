//! Writing: one process at a time, always behind the line that is the last one now.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jobgate_model::{Error, ErrorKind};
use rustix::fs::{FlockOperation, flock};

use super::event::{Actor, Entry, Event};
use super::line::{Head, Line, hash};
use super::mend::{self, Place};

/// The audit log of one path, as one process writes it.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    /// In whose name the log says something about itself.
    own: Actor,
    /// Locked while somebody writes.
    head: File,
    file: Option<File>,
}

impl Log {
    /// Opens the log at `path`, which need not be there yet; its directory must. `login`: of the user that runs this process.
    pub fn open(path: &Path, login: &str) -> Result<Self, Error> {
        let head = open_head(path).map_err(|error| unavailable(path, error))?;
        Ok(Self { path: path.to_owned(), own: Actor::process(login), head, file: None })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends records, all of them or none. What is found wrong with the end of the log is said in it first.
    pub fn append(&mut self, entries: &[Entry]) -> Result<(), Error> {
        self.write(entries).map_err(|error| unavailable(&self.path, error))
    }

    /// Appends nothing, but makes sure that it could: the file is there and its end is in order.
    pub fn check(&mut self) -> Result<(), Error> {
        self.append(&[])
    }

    /// Has the disk keep what was written.
    pub fn sync(&self) -> Result<(), Error> {
        let synced = self.file.as_ref().map_or(Ok(()), File::sync_data);
        synced.map_err(|error| unavailable(&self.path, error))
    }

    /// Forgets the open file: the next record goes to what is at the path then. (A file that was moved away is noticed
    /// without this.)
    pub fn reopen(&mut self) {
        self.file = None;
    }

    fn write(&mut self, entries: &[Entry]) -> io::Result<()> {
        self.lock()?;
        let written = self.write_locked(entries);
        // a lock that cannot be given back ends with this process
        let _ = flock(&self.head, FlockOperation::Unlock);
        written
    }

    /// Locks the head that is at its place: another one would keep out nobody.
    fn lock(&mut self) -> io::Result<()> {
        loop {
            flock(&self.head, FlockOperation::LockExclusive)?;
            let there = std::fs::metadata(head_path(&self.path)).ok().map(|meta| (meta.dev(), meta.ino()));
            let locked = self.head.metadata()?;
            if there == Some((locked.dev(), locked.ino())) {
                return Ok(());
            }
            self.head = open_head(&self.path)?;
        }
    }

    fn write_locked(&mut self, entries: &[Entry]) -> io::Result<()> {
        let head = read_head(&self.head)?;
        let own = self.own.clone();
        let mut file = self.current()?;
        let meta = file.metadata()?;
        let Place { mut seq, hash: mut last, first, close_off } = mend::place(file, &meta, head.as_ref())?;
        let mut text = String::with_capacity(512 * (entries.len() + 1));
        if close_off {
            text.push('\n');
        }
        let own = first.map(|event| Entry::new(own, event));
        for entry in own.iter().chain(entries) {
            seq += 1;
            let line = Line::new(entry, seq, &last).render();
            last = hash(line.as_bytes());
            text.push_str(&line);
            text.push('\n');
        }
        if text.is_empty() && head.is_some() {
            return Ok(());
        }
        if let Err(error) = file.write_all(text.as_bytes()) {
            // Half of a line would have to be mended by the next writer. If it cannot be taken back, it will be.
            drop(file.set_len(meta.size()));
            return Err(error);
        }
        let head = Head { seq, hash: last, inode: meta.ino(), size: meta.size() + text.len() as u64 };
        self.head.write_all_at(head.render().as_bytes(), 0)
    }

    /// The file that is at the path now; a new one if there is none.
    fn current(&mut self) -> io::Result<&File> {
        let there = std::fs::metadata(&self.path).ok().map(|meta| (meta.dev(), meta.ino()));
        let open = self.file.as_ref().and_then(|file| file.metadata().ok()).map(|meta| (meta.dev(), meta.ino()));
        if there.is_none() || there != open {
            self.file = None;
        }
        match &mut self.file {
            Some(file) => Ok(file),
            none => {
                let file = File::options().read(true).append(true).create(true).mode(0o600).open(&self.path)?;
                Ok(none.insert(file))
            }
        }
    }
}

fn open_head(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(head_path(path))
}

/// Where the head of a log is.
pub(super) fn head_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".head");
    name.into()
}

/// What the head says; `None`: nothing that could be read.
pub(super) fn read_head(mut file: &File) -> io::Result<Option<Head>> {
    let mut bytes = Vec::with_capacity(Head::LENGTH);
    io::Seek::rewind(&mut file)?;
    file.take(2 * Head::LENGTH as u64).read_to_end(&mut bytes)?;
    Ok(Head::parse(&bytes))
}

pub(super) fn unavailable(path: &Path, error: io::Error) -> Error {
    let text = format!("cannot write the audit log {}: {error}", path.display());
    Error::new(ErrorKind::Unavailable, text).because(error)
}

/// A record of the log about itself.
pub(super) fn mended(found: impl Into<String>, torn: Option<&[u8]>) -> Event {
    Event::Mended { found: found.into(), torn: torn.map(hash) }
}
