//! The files of a job, reached without ever leaving its directory.
//!
//! Every step below a job's directory is one `openat2(RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)`: the kernel itself refuses
//! `..`, absolute names and symlinks that lead out, at the moment of opening, so nothing can be exchanged in between. Only
//! regular files and directories are touched. All functions block.

mod stream;
mod upload;

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use jobgate_model::{Error, ErrorKind};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

pub(crate) use stream::{Pieces, TextMap, body_of};
pub(crate) use upload::{Upload, write_all};

/// Why a file cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// There is no such directory of the job; the text is psik_api's.
    #[error("{0} dir missing")]
    NoDirectory(&'static str),
    /// There is no such file.
    #[error("file {0} not found")]
    Missing(String),
    /// The directory that an upload names is not there.
    #[error("Invalid path: {0}")]
    NoParent(String),
    /// The name leads out of the directory, is no name, or names something that is neither file nor directory.
    #[error("invalid path")]
    Refused,
    /// The disk or the quota is full.
    #[error("no space left for {0}; nothing of it was kept")]
    Full(String),
    /// The upload is larger than allowed.
    #[error("the upload is larger than {0} bytes")]
    TooLarge(u64),
    /// Something else.
    #[error("cannot {action} {name}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        let kind = match &error {
            FileError::NoDirectory(_) | FileError::Missing(_) | FileError::NoParent(_) => ErrorKind::NotFound,
            FileError::Refused => ErrorKind::Forbidden,
            FileError::TooLarge(_) => ErrorKind::TooLarge,
            FileError::Full(_) | FileError::Io { .. } => ErrorKind::Internal,
        };
        let text = error.to_string();
        match error {
            FileError::Io { source, .. } => Self::new(kind, text).because(source),
            _ => Self::new(kind, text),
        }
    }
}

/// What a name leads to.
#[derive(Debug)]
pub(crate) enum Opened {
    /// A regular file.
    File(File, Stat),
    /// A directory.
    Directory(OwnedFd),
}

/// An entry of a directory, without following it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Bytes that are not UTF-8 are shown as replacement characters.
    pub(crate) name: String,
    pub(crate) size: u64,
    /// Unix seconds.
    pub(crate) atime: i64,
    /// Unix seconds.
    pub(crate) mtime: i64,
    pub(crate) directory: bool,
}

const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);
const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::RDONLY).union(OFlags::CLOEXEC);

/// Opens a job's work directory. One inside of the job's own directory is reached from there without symlinks, because
/// the job could have put one in its place; one that the job's owner named is opened as it was named.
pub(crate) fn open_work(base: &Path, directory: Option<&str>) -> Result<OwnedFd, FileError> {
    let work = base.join("work");
    let directory = directory.map_or(work.as_path(), Path::new);
    let real_base = base.canonicalize().ok();
    let inside = [Some(base), real_base.as_deref()].into_iter().flatten().find_map(|b| directory.strip_prefix(b).ok());
    match inside {
        Some(inside) => open_own(base, inside, "work"),
        None => match rustix::fs::openat(CWD, directory, DIRECTORY, Mode::empty()) {
            Ok(opened) => Ok(opened),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Err(FileError::NoDirectory("work")),
            Err(error) => Err(io_error("open", "the work directory", error)),
        },
    }
}

/// Opens a directory of the job itself (`log`, `scripts`), without following any symlink.
pub(crate) fn open_part(base: &Path, name: &'static str) -> Result<OwnedFd, FileError> {
    open_own(base, Path::new(name), name)
}

fn open_own(base: &Path, inside: &Path, what: &'static str) -> Result<OwnedFd, FileError> {
    let inside = if inside.as_os_str().is_empty() { Path::new(".") } else { inside };
    let opened = rustix::fs::openat(CWD, base, DIRECTORY, Mode::empty())
        .and_then(|base| open_beneath(&base, inside, DIRECTORY, BENEATH | ResolveFlags::NO_SYMLINKS));
    opened.map_err(|error| match error {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV => FileError::NoDirectory(what),
        error => io_error("open", what, error),
    })
}

/// Opens what `path` (relative, `/`-separated) names in a directory.
pub(crate) fn open(dir: &OwnedFd, path: &str) -> Result<Opened, FileError> {
    let shown = path.trim_end_matches('/');
    if !is_inside(shown) {
        return Err(FileError::Refused);
    }
    // NONBLOCK: opening a fifo must not wait for its writer
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = open_beneath(dir, Path::new(shown), flags, BENEATH).map_err(|error| match error {
        Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG => FileError::Missing(shown.to_owned()),
        Errno::XDEV | Errno::LOOP | Errno::ACCESS | Errno::PERM | Errno::NXIO | Errno::NODEV => FileError::Refused,
        error => io_error("open", shown, error),
    })?;
    let stat = rustix::fs::fstat(&opened).map_err(|error| io_error("look at", shown, error))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(Opened::File(File::from(opened), stat)),
        FileType::Directory => Ok(Opened::Directory(opened)),
        _ => Err(FileError::Refused),
    }
}

/// The entries of a directory by name. What cannot be looked at (a dangling symlink, one that leads out) is shown as
/// itself; uploads under way are not shown.
pub(crate) fn list(dir: &OwnedFd) -> Result<Vec<Entry>, FileError> {
    let failed = |error| io_error("list", "the directory", error);
    let mut entries = Vec::new();
    for found in rustix::fs::Dir::read_from(dir).map_err(failed)? {
        let found = found.map_err(failed)?;
        let name = found.file_name();
        if matches!(name.to_bytes(), b"." | b"..") || name.to_bytes().starts_with(upload::PREFIX.as_bytes()) {
            continue;
        }
        let itself = || rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW);
        let stat = match found.file_type() {
            FileType::Symlink => rustix::fs::openat2(dir, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), BENEATH)
                .and_then(rustix::fs::fstat)
                .or_else(|_| itself()),
            _ => itself(),
        };
        let Ok(stat) = stat else { continue }; // removed in the meantime
        entries.push(Entry {
            name: name.to_string_lossy().into_owned(),
            size: stat.st_size as u64,
            atime: stat.st_atime,
            mtime: stat.st_mtime,
            directory: FileType::from_raw_mode(stat.st_mode) == FileType::Directory,
        });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// A relative path of names: no empty ones, no `.` or `..`. The kernel would refuse what leads out; this refuses what only
/// looks as if it might.
fn is_inside(path: &str) -> bool {
    !path.contains('\0') && path.split('/').all(|name| !matches!(name, "" | "." | ".."))
}

/// `openat2`, tried again when the tree changed under it (the kernel then says `EAGAIN`).
fn open_beneath(dir: &OwnedFd, path: &Path, flags: OFlags, resolve: ResolveFlags) -> Result<OwnedFd, Errno> {
    for _ in 0..16 {
        match rustix::fs::openat2(dir, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            done => return done,
        }
    }
    Err(Errno::AGAIN)
}

fn io_error(action: &'static str, name: &str, error: Errno) -> FileError {
    match error {
        Errno::NOSPC | Errno::DQUOT => FileError::Full(name.to_owned()),
        _ => FileError::Io { action, name: name.to_owned(), source: error.into() },
    }
}

#[cfg(test)]
mod tests;
