//! Whether a prefix is the directory that it was. Where nothing is mounted there is an empty one, and no job was deleted.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use jobgate_model::{Error, ErrorKind};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::Engine;
use crate::store::{jobs, prefixes};

impl Engine {
    /// Whether this is the directory in which the jobs of the prefix were. Another one is accepted if it has as many of them as
    /// it lacks: then it was copied, or its file system numbers it anew.
    pub(super) fn is_known(&self, prefix: &Path, directory: &File) -> Result<bool, Error> {
        let inode = directory.metadata().map_err(|error| unreadable(prefix, error))?.ino();
        let before = self.store.read(|connection| prefixes::directory(connection, prefix))?;
        let is_known = if before == Some(inode) {
            true
        } else {
            let known = self.store.read(|connection| jobs::known(connection, prefix))?;
            let present = known.iter().filter(|(_, jobid, _)| !is_gone(directory, jobid.as_bytes())).count();
            // Of a prefix that was never looked at like this nobody knows how many were deleted.
            let is_enough = if before.is_some() { 2 * present >= known.len() } else { present > 0 || known.is_empty() };
            if is_enough {
                self.remember(prefix, inode)?;
            }
            is_enough
        };
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        if is_known {
            unknown.remove(prefix);
        } else if unknown.insert(prefix.to_owned()) {
            drop(unknown);
            tracing::error!(
                error = not_mounted(prefix).message(),
                "the jobs of a prefix are missing; none of them is forgotten"
            );
        }
        Ok(is_known)
    }

    /// Takes the directory for the one that it was, whatever is in it.
    pub(super) fn accept(&self, prefix: &Path) -> Result<(), Error> {
        let inode = std::fs::metadata(prefix).map_err(|error| unreadable(prefix, error))?.ino();
        self.remember(prefix, inode)
    }

    /// [`Engine::is_known`] as an error.
    pub(super) fn expect_known(&self, prefix: &Path) -> Result<File, Error> {
        // Who may not list a prefix may use its jobs all the same.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::open(prefix, flags, Mode::empty());
        let directory = File::from(opened.map_err(|error| unreadable(prefix, error.into()))?);
        if self.is_known(prefix, &directory)? { Ok(directory) } else { Err(not_mounted(prefix)) }
    }

    fn remember(&self, prefix: &Path, inode: u64) -> Result<(), Error> {
        let prefix = prefix.to_owned();
        self.store.update(move |connection| prefixes::set_directory(connection, &prefix, inode))
    }
}

/// Makes the prefix, with its parents, and resolves symbolic links in it, as psik does.
pub(super) fn open_prefix(path: &Path) -> Result<PathBuf, Error> {
    let failed = |error: io::Error| {
        Error::new(ErrorKind::Unavailable, format!("cannot use the prefix {}: {error}", path.display())).because(error)
    };
    std::fs::create_dir_all(path).map_err(failed)?;
    path.canonicalize().map_err(failed)
}

/// Whether a prefix has no directory of this name.
pub(super) fn is_gone(prefix: &File, jobid: &[u8]) -> bool {
    rustix::fs::statat(prefix, jobid, AtFlags::SYMLINK_NOFOLLOW).is_err_and(|error| error == Errno::NOENT)
}

pub(super) fn unreadable(prefix: &Path, error: io::Error) -> Error {
    Error::internal(format!("cannot read the prefix {}", prefix.display()), error)
}

fn not_mounted(prefix: &Path) -> Error {
    let text = format!(
        "the prefix {} is not the directory that it was, and its jobs are not in it; mount it, or run `jobgate reindex` if they were deleted",
        prefix.display()
    );
    Error::new(ErrorKind::Unavailable, text)
}
