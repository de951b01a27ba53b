//! Uploads: written beside their target under another name, and renamed when all of the request has arrived. Nothing
//! half-written is ever seen, and a failed request changes nothing.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::{BENEATH, FileError, io_error, is_inside, open_beneath};

/// How the names of uploads under way begin; listings leave them out.
pub(super) const PREFIX: &str = ".jobgate-upload-";

/// A file under way. Dropping it without [`Upload::commit`] leaves nothing behind.
///
/// The content is not forced to the disk: like psik's, it survives whatever happens to this process, but not necessarily
/// a power failure within seconds.
///
/// Only the work directory is kept open, so that a request may bring many files; the file's own directory is reached
/// again (and again not beyond it) when it is needed.
#[derive(Debug)]
pub(crate) struct Upload {
    work: Arc<OwnedFd>,
    name: String,
    temporary: String,
    committed: bool,
}

impl Upload {
    /// Begins a file that will be called `name` (relative, `/`-separated) in the work directory.
    pub(crate) fn begin(work: Arc<OwnedFd>, name: &str) -> Result<(Self, File), FileError> {
        // a name that a terminal or a log would obey is nobody's honest wish
        if !is_inside(name) || name.chars().any(char::is_control) {
            return Err(FileError::Refused);
        }
        let (parent, leaf) = (open_parent(&work, name)?, leaf_of(name));
        let mode = mode_for(&parent, leaf)?;
        let temporary = format!("{PREFIX}{:016x}", RandomState::new().hash_one(name));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&parent, &temporary, flags, mode.unwrap_or(Mode::from_raw_mode(0o666)));
        let file = file.map_err(|error| match error {
            Errno::ACCESS | Errno::PERM | Errno::ROFS => FileError::Refused,
            error => io_error("write", name, error),
        })?;
        let upload = Self { work, name: name.to_owned(), temporary, committed: false };
        if let Some(mode) = mode {
            // the umask may have taken something away
            rustix::fs::fchmod(&file, mode).map_err(|error| io_error("write", name, error))?;
        }
        Ok((upload, file.into()))
    }

    /// The name it will have.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Gives the file its name, replacing what had it.
    pub(crate) fn commit(mut self) -> Result<(), FileError> {
        let parent = open_parent(&self.work, &self.name)?;
        let renamed = rustix::fs::renameat(&parent, &self.temporary, &parent, leaf_of(&self.name));
        self.committed = renamed.is_ok();
        renamed.map_err(|error| match error {
            Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST => FileError::Refused,
            error => io_error("write", &self.name, error),
        })
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.committed {
            return;
        }
        if let Ok(parent) = open_parent(&self.work, &self.name)
            && let Err(error) = rustix::fs::unlinkat(&parent, &self.temporary, AtFlags::empty())
        {
            tracing::warn!(%error, file = self.temporary, "cannot remove an unfinished upload");
        }
    }
}

fn leaf_of(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn open_parent(work: &OwnedFd, name: &str) -> Result<OwnedFd, FileError> {
    let parent = name.rsplit_once('/').map_or(".", |(parent, _)| parent);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    open_beneath(work, Path::new(parent), flags, BENEATH).map_err(|error| match error {
        Errno::NOENT | Errno::NOTDIR => FileError::NoParent(name.to_owned()),
        Errno::XDEV | Errno::LOOP | Errno::ACCESS | Errno::NAMETOOLONG => FileError::Refused,
        error => io_error("open the directory of", name, error),
    })
}

/// Writes pieces at the end of a file.
pub(crate) fn write_all(mut file: &File, name: &str, pieces: &[Bytes]) -> Result<(), FileError> {
    for piece in pieces {
        file.write_all(piece).map_err(|error| match Errno::from_io_error(&error) {
            Some(errno) => io_error("write", name, errno),
            None => FileError::Io { action: "write", name: name.to_owned(), source: error },
        })?;
    }
    Ok(())
}

/// A file that is replaced keeps its permissions. Refuses names that belong to something that is not a file, and such
/// that no file can have.
fn mode_for(parent: &OwnedFd, leaf: &str) -> Result<Option<Mode>, FileError> {
    match rustix::fs::statat(parent, leaf, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(Some(Mode::from_raw_mode(stat.st_mode & 0o777))),
            FileType::Symlink => Ok(None),
            _ => Err(FileError::Refused),
        },
        Err(Errno::NOENT) => Ok(None),
        Err(Errno::NAMETOOLONG | Errno::ACCESS) => Err(FileError::Refused),
        Err(error) => Err(io_error("write", leaf, error)),
    }
}
