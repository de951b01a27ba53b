//! psik's zip string: a zip archive in base64, unpacked so that nothing leaves the target directory.

use std::io::{self, Cursor};
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::fs::{Mode, OFlags, mkdirat, open as open_dir, openat};
use zip::ZipArchive;

/// An archive in memory.
pub(super) type Archive = ZipArchive<Cursor<Vec<u8>>>;

/// Reads the archive; nothing is written yet.
pub(super) fn open(text: &str) -> anyhow::Result<Archive> {
    let text: String = text.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(text).context("the files are not base64")?;
    ZipArchive::new(Cursor::new(bytes)).context("the files are not a zip archive")
}

/// Writes all members below `target`. Of a member's name, `/` at the start and `..` are left out; no symbolic link is made
/// or followed.
pub(super) fn into(mut archive: Archive, target: &Path) -> anyhow::Result<()> {
    let top = open_dir(target, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    for index in 0..archive.len() {
        let mut member = archive.by_index(index)?;
        let name = member.name()?.into_owned();
        let parts: Vec<&Path> = Path::new(&name)
            .components()
            .filter_map(|part| match part {
                Component::Normal(part) => Some(Path::new(part)),
                _ => None,
            })
            .collect();
        let Some((file, parents)) = parts.split_last().filter(|_| !member.is_symlink()) else { continue };
        let written = if member.is_dir() {
            directory(&top, &parts).map(drop)
        } else {
            let mode = member.unix_mode().map_or(0o644, |mode| mode & 0o777 | 0o600);
            directory(&top, parents).and_then(|parent| {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let fd = openat(parent.as_ref().unwrap_or(&top), *file, flags, Mode::from_raw_mode(mode))?;
                io::copy(&mut member, &mut std::fs::File::from(fd)).map(drop)
            })
        };
        written.with_context(|| format!("cannot write {name:?}"))?;
    }
    Ok(())
}

/// Opens (and makes) a directory below `top`, step by step; `None` is `top` itself.
fn directory(top: &OwnedFd, parts: &[&Path]) -> io::Result<Option<OwnedFd>> {
    let mut here: Option<OwnedFd> = None;
    for part in parts {
        let at = here.as_ref().unwrap_or(top);
        match mkdirat(at, *part, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        here = Some(openat(at, *part, flags, Mode::empty())?);
    }
    Ok(here)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    fn archive(files: &[(&str, &str)]) -> String {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in files {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(text.as_bytes()).unwrap();
        }
        STANDARD.encode(writer.finish().unwrap().into_inner())
    }

    #[test]
    fn files_stay_inside() {
        let dir = tempfile::tempdir().unwrap();
        let work = dir.path().join("work");
        std::fs::create_dir(&work).unwrap();
        let text = archive(&[("data.txt", "T"), ("sub/deep/x", "X"), ("../../evil", "e"), ("/abs/y", "y"), ("..", "")]);
        into(open(&text).unwrap(), &work).unwrap();
        for (path, content) in [("data.txt", "T"), ("sub/deep/x", "X"), ("evil", "e"), ("abs/y", "y")] {
            assert_eq!(std::fs::read_to_string(work.join(path)).unwrap(), content, "{path}");
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (work, outside) = (dir.path().join("work"), dir.path().join("outside"));
        std::fs::create_dir(&work).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, work.join("link")).unwrap();
        assert!(into(open(&archive(&[("link/x", "X")])).unwrap(), &work).is_err());
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        assert!(open("***").is_err());
        assert!(open("aGVsbG8=").is_err());
    }
}
