//! How much a job's directory takes.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags};

/// What a file takes is a multiple of this, and this at the least: many small files are not nothing.
pub(crate) const BLOCK: u64 = 4096;
/// The time is looked at after so many entries.
const OFTEN: usize = 32;

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::RDONLY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A walk through a directory, which can be interrupted. It follows no symbolic link, and passes over what it cannot open.
#[derive(Debug)]
pub(crate) struct Walk {
    base: OwnedFd,
    /// The directory that is being read, and its path from the base.
    current: Option<(Dir, PathBuf)>,
    pending: Vec<PathBuf>,
    bytes: u64,
}

impl Walk {
    /// Begins at a directory.
    pub(crate) fn begin(base: &Path) -> io::Result<Self> {
        let base = rustix::fs::openat(CWD, base, DIRECTORY, Mode::empty())?;
        Ok(Self { base, current: None, pending: vec![PathBuf::from(".")], bytes: 0 })
    }

    /// Walks on until that time. The bytes, once everything is counted: whole blocks for each file and directory.
    pub(crate) fn go_on(&mut self, until: Instant) -> Option<u64> {
        loop {
            let Some((dir, path)) = &mut self.current else {
                let Some(path) = self.pending.pop() else { return Some(self.bytes) };
                self.enter(path);
                continue;
            };
            let mut ended = false;
            for _ in 0..OFTEN {
                let Some(entry) = dir.next() else {
                    ended = true;
                    break;
                };
                let Ok(entry) = entry else { continue };
                let name = entry.file_name();
                if matches!(name.to_bytes(), b"." | b"..") {
                    continue;
                }
                let Ok(stat) = dir.fd().and_then(|fd| rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW)) else {
                    continue; // removed in the meantime
                };
                match FileType::from_raw_mode(stat.st_mode) {
                    FileType::Directory => {
                        self.pending.push(path.join(OsStr::from_bytes(name.to_bytes())));
                    }
                    FileType::RegularFile => self.bytes += blocks(stat.st_size as u64),
                    _ => self.bytes += BLOCK,
                }
            }
            if ended {
                self.current = None;
            }
            if Instant::now() >= until {
                return None;
            }
        }
    }

    /// Opens a directory that was found before, if it still is one.
    fn enter(&mut self, path: PathBuf) {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let opened = rustix::fs::openat2(&self.base, &path, DIRECTORY, Mode::empty(), resolve).and_then(Dir::new);
        if let Ok(dir) = opened {
            self.bytes += BLOCK;
            self.current = Some((dir, path));
        }
    }
}

/// A size in whole blocks, in bytes.
fn blocks(size: u64) -> u64 {
    size.max(1).div_ceil(BLOCK).saturating_mul(BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::time::Duration;

    fn whole(base: &Path) -> u64 {
        Walk::begin(base).unwrap().go_on(Instant::now() + Duration::from_secs(60)).unwrap()
    }

    #[test]
    fn files_count_in_blocks_and_links_lead_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("job");
        fs::create_dir_all(base.join("a/b")).unwrap();
        fs::write(dir.path().join("outside"), vec![0; 1 << 20]).unwrap();
        assert_eq!(whole(&base), 3 * BLOCK);
        fs::write(base.join("empty"), "").unwrap();
        fs::write(base.join("a/b/one"), vec![0; 4097]).unwrap();
        std::os::unix::fs::symlink("../outside", base.join("link")).unwrap();
        std::os::unix::fs::symlink("/", base.join("a/root")).unwrap();
        assert_eq!(whole(&base), (3 + 1 + 2 + 2) * BLOCK);
        assert!(Walk::begin(&base.join("link")).is_err() && Walk::begin(&base.join("none")).is_err());
    }

    #[test]
    fn a_walk_can_be_interrupted() {
        let dir = tempfile::tempdir().unwrap();
        for at in 0..10 {
            let inner = dir.path().join(at.to_string());
            fs::create_dir(&inner).unwrap();
            (0..100).for_each(|name| fs::write(inner.join(name.to_string()), "x").unwrap());
        }
        let mut walk = Walk::begin(dir.path()).unwrap();
        let mut steps = 0;
        let bytes = loop {
            steps += 1;
            if let Some(bytes) = walk.go_on(Instant::now()) {
                break bytes;
            }
        };
        assert_eq!(bytes, (1 + 10 + 1000) * BLOCK);
        assert!(steps > 20, "{steps}");
    }
}
