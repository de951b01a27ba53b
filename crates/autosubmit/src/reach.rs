//! Files of users, opened so that none of them can hold us up or lead us elsewhere: no pipe is waited for, no device is read, nothing
//! is read beyond a bound, and what is shown is the experiment's own.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat, openat2, readlinkat};
use rustix::io::Errno;

use crate::basis;

/// NONBLOCK: opening a pipe must not wait for its writer.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);
const LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);
/// What root links to, is where root wants it to be.
const ROOT: u32 = 0;

/// Opens a regular file.
pub(crate) fn regular(path: &Path) -> io::Result<(File, Stat)> {
    checked(rustix::fs::open(path, READ, Mode::empty())?)
}

/// All of a regular file of at most so many bytes, however many it says that it has.
pub(crate) fn whole(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let (file, stat) = regular(path)?;
    let expected = u64::try_from(stat.st_size).unwrap_or(0).min(most);
    let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or(0) + 1);
    if file.take(most + 1).read_to_end(&mut bytes)? as u64 > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {} MiB", most >> 20)));
    }
    Ok(bytes)
}

/// Opens a regular file of an experiment, whose folder this is: one that is in it, or one in a folder elsewhere to which a link in it
/// leads, if both belong to whom the experiment does. `None`: it is another's, which nobody shows by linking to it.
pub(crate) fn of_experiment(folder: &Path, path: &Path) -> io::Result<Option<File>> {
    let Ok(inside) = path.strip_prefix(folder) else { return Ok(None) };
    let Some(experiment) = experiment(folder)? else { return Ok(None) };
    match again(|| openat2(&experiment, inside, READ, Mode::empty(), BENEATH)) {
        Ok(opened) => Ok(Some(checked(opened)?.0)),
        // it leads out; folders of logs may be on another file system
        Err(Errno::XDEV | Errno::NOSYS) => {
            basis::note(folder);
            let owner = fstat(&experiment)?.st_uid;
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
            let within = openat(CWD, parent, LOOK | OFlags::DIRECTORY, Mode::empty())?;
            let opened = match again(|| openat2(&within, name, READ, Mode::empty(), BENEATH)) {
                Err(Errno::XDEV) => return Ok(None),
                Err(Errno::NOSYS) => openat(&within, name, READ | OFlags::NOFOLLOW, Mode::empty()),
                opened => opened,
            };
            let (file, stat) = checked(opened?)?;
            let is_its = stat.st_uid == owner && fstat(&within)?.st_uid == owner;
            Ok(is_its.then_some(file))
        }
        Err(error) => Err(error.into()),
    }
}

/// The folder of an experiment. Where it is a link, that must be root's or of whom the folder is: others could put one in its place.
fn experiment(folder: &Path) -> io::Result<Option<OwnedFd>> {
    let entry = openat(CWD, folder, LOOK | OFlags::NOFOLLOW, Mode::empty())?;
    let stat = fstat(&entry)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        return Ok(Some(entry));
    }
    // the link that was looked at is followed, and not the path again
    let target = readlinkat(entry.as_fd(), "", Vec::new())?;
    let target = folder.parent().unwrap_or(folder).join(Path::new(std::ffi::OsStr::from_bytes(target.as_bytes())));
    let real = openat(CWD, &target, LOOK | OFlags::DIRECTORY, Mode::empty())?;
    let owner = fstat(&real)?.st_uid;
    Ok((stat.st_uid == ROOT || stat.st_uid == owner).then_some(real))
}

/// The kernel says `EAGAIN` when the tree changed under it.
fn again(open: impl Fn() -> Result<OwnedFd, Errno>) -> Result<OwnedFd, Errno> {
    for _ in 0..16 {
        match open() {
            Err(Errno::AGAIN | Errno::INTR) => {}
            done => return done,
        }
    }
    Err(Errno::AGAIN)
}

fn checked(opened: OwnedFd) -> io::Result<(File, Stat)> {
    let stat = fstat(&opened)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    Ok((File::from(opened), stat))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{chown, lchown, symlink};

    use super::*;

    fn said(folder: &Path, name: &str) -> Option<String> {
        let mut text = String::new();
        of_experiment(folder, &folder.join(name)).unwrap()?.read_to_string(&mut text).unwrap();
        Some(text)
    }

    #[test]
    fn links_show_nothing_of_others() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a000");
        fs::create_dir_all(folder.join("tmp/ASLOGS")).unwrap();
        fs::write(folder.join("tmp/ASLOGS/real"), "own").unwrap();
        let scratch = root.path().join("scratch");
        fs::create_dir(&scratch).unwrap();
        fs::write(scratch.join("log"), "own, elsewhere").unwrap();
        // root's own experiment may show what is root's
        if rustix::process::geteuid().is_root() {
            for path in [&folder, &scratch, &scratch.join("log")] {
                chown(path, Some(12_345), None).unwrap();
            }
        }
        symlink("real", folder.join("tmp/ASLOGS/near")).unwrap();
        symlink(&scratch, folder.join("tmp/LOG_a000")).unwrap();
        symlink("/etc/passwd", folder.join("tmp/ASLOGS/far")).unwrap();
        symlink("/etc", folder.join("tmp/etc")).unwrap();
        symlink(scratch.join("log"), folder.join("tmp/ASLOGS/one")).unwrap();
        symlink("/etc/passwd", scratch.join("far")).unwrap();
        symlink("/dev/zero", folder.join("tmp/endless")).unwrap();
        assert_eq!(said(&folder, "tmp/ASLOGS/near").as_deref(), Some("own"));
        assert_eq!(said(&folder, "tmp/LOG_a000/log").as_deref(), Some("own, elsewhere"));
        for name in ["tmp/ASLOGS/far", "tmp/ASLOGS/one", "tmp/etc/passwd", "tmp/LOG_a000/far"] {
            assert_eq!(said(&folder, name), None, "{name}");
        }
        assert_eq!(said(&folder, "tmp/endless"), None);
        assert!(of_experiment(&folder, Path::new("/etc/passwd")).unwrap().is_none());
        // an experiment that is a link to what is not its own
        let evil = root.path().join("evil");
        symlink("/etc", &evil).unwrap();
        if rustix::process::geteuid().is_root() {
            lchown(&evil, Some(12_345), None).unwrap();
        }
        assert_eq!(said(&evil, "passwd"), None);
        let moved = root.path().join("moved");
        symlink("a000", &moved).unwrap();
        assert_eq!(said(&moved, "tmp/ASLOGS/near").as_deref(), Some("own"));
    }

    #[test]
    fn pipes_and_devices_hold_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        symlink("/dev/zero", folder.path().join("zero")).unwrap();
        for path in [&pipe, &folder.path().join("zero"), folder.path()] {
            assert_eq!(whole(path, 10).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{}", path.display());
        }
        let file = folder.path().join("file");
        fs::write(&file, "0123456789").unwrap();
        assert_eq!(whole(&file, 10).unwrap(), b"0123456789");
        assert_eq!(whole(&file, 9).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
