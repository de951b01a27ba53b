//! Keys and secrets in files: read when they are needed, and again when they have changed.

use std::collections::HashSet;
use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use rustix::rand::GetRandomFlags;

/// No key or set of keys is larger, in bytes.
const LARGEST: u64 = 1 << 20;
/// A secret with fewer different bytes was typed, not drawn.
const VARIETY: usize = 8;

/// SHA-256 of secrets that everybody knows and that are long enough to pass: what Autosubmit API is compiled with, and the
/// examples of jwt.io.
const KNOWN: [&str; 3] = [
    "54cb6bdb20862b49d07825ef156ea2a789260dafa8c5f4a587e11e2f4b26c312",
    "465d9ad5d5528ebe287b5dce4fb51620833d09b290e49ddcc70ca6c4a0aea01b",
    "db6833593279d7373592ef70e51f3daf048c04475739f8ed024b0821fd9e7fde",
];

/// Which file it was, and in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: Option<SystemTime>,
    mode: u32,
}

/// What is made of some files, until one of them changes.
#[derive(Debug)]
pub(super) struct Watched<T> {
    files: Vec<PathBuf>,
    kept: Mutex<Option<Kept<T>>>,
}

#[derive(Debug)]
struct Kept<T> {
    stamps: Vec<Option<Stamp>>,
    generation: u64,
    made: Result<Arc<T>, String>,
}

impl<T> Watched<T> {
    /// Nothing is read yet. A file need not be there.
    pub(super) fn new(files: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { files: files.into_iter().collect(), kept: Mutex::default() }
    }

    /// What `read` makes of the files now, and the how-manieth version it is. It is asked only when a file has changed; what
    /// it refused stays refused until then.
    pub(super) fn get(&self, read: impl FnOnce() -> Result<T, String>) -> (u64, Result<Arc<T>, String>) {
        let stamps: Vec<_> = self.files.iter().map(|path| stamp(path)).collect();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept.as_ref().filter(|kept| kept.stamps == stamps) {
            return (kept.generation, kept.made.clone());
        }
        let generation = kept.as_ref().map_or(0, |kept| kept.generation + 1);
        let made = read().map(Arc::new);
        if let Err(why) = &made {
            tracing::error!(why, "a key or secret cannot be used; what it would prove is refused");
        }
        *kept = Some(Kept { stamps, generation, made: made.clone() });
        (generation, made)
    }
}

/// Reads a file that anybody may read.
pub(super) fn public(path: &Path) -> Result<Vec<u8>, String> {
    read(path, |_| Ok(()))
}

/// Reads a secret, which nobody else may be able to read. An error says what is wrong with it, and nothing of it.
pub(super) fn secret(path: &Path) -> Result<Vec<u8>, String> {
    read(path, |mode| match mode & 0o007 {
        0 => Ok(()),
        _ => Err(format!("{} can be read or written by others; run `chmod 600` on it", path.display())),
    })
}

/// Makes a key of so many random bytes that nobody else can read, and its directory. Of several that try at the same time one
/// succeeds, and the others find its key.
///
/// # Errors
///
/// When the directory or the file cannot be made.
pub fn make(path: &Path, length: usize) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    // of the kernel: the cryptographic library's own generator takes longer to start than a command may take
    let mut key = vec![0; length];
    if rustix::rand::getrandom(&mut key, GetRandomFlags::empty())? != length {
        return Err(io::Error::other("the system has no random bytes"));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = dir.join(format!(".{name}.{}", std::process::id()));
    // left behind by somebody who had our number and was killed
    drop(std::fs::remove_file(&draft));
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&draft)?;
    let linked = file.write_all(&key).and_then(|()| file.sync_all()).and_then(|()| std::fs::hard_link(&draft, path));
    std::fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        Ok(()) => File::open(dir)?.sync_all(),
    }
}

/// Refuses secrets that can be guessed: short ones, ones with few different bytes, and ones that everybody knows.
pub(super) fn check_strength(path: &Path, secret: &[u8], shortest: usize) -> Result<(), String> {
    let bad =
        |why: &str| Err(format!("{}: the secret {why}; make another with `openssl rand -hex 32`", path.display()));
    let different: HashSet<&u8> = secret.iter().collect();
    if secret.len() < shortest {
        return bad(&format!("has {} bytes, but at least {shortest} are needed", secret.len()));
    }
    if different.len() < VARIETY {
        return bad("has too few different characters");
    }
    if is_known(secret) {
        return bad("is one that everybody knows");
    }
    Ok(())
}

/// Whether everybody knows a secret.
pub(super) fn is_known(secret: &[u8]) -> bool {
    KNOWN.contains(&hex(digest(&SHA256, secret.trim_ascii_end()).as_ref()).as_str())
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("invariant: a String takes everything");
        text
    })
}

fn read(path: &Path, check: impl FnOnce(u32) -> Result<(), String>) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if !meta.is_file() {
        return Err(format!("{} is not a file", path.display()));
    }
    check(meta.mode())?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("{} is larger than {LARGEST} bytes", path.display()));
    }
    Ok(bytes)
}

fn stamp(path: &Path) -> Option<Stamp> {
    let meta = std::fs::metadata(path).ok()?;
    let modified = meta.modified().ok();
    Some(Stamp { device: meta.dev(), inode: meta.ino(), size: meta.len(), modified, mode: meta.mode() })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn secrets_are_read_only_if_nobody_else_can() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "abc").unwrap();
        for (mode, fine) in [(0o600, true), (0o640, true), (0o644, false), (0o602, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(secret(&path).is_ok(), fine, "{mode:o}");
        }
        assert!(public(&path).is_ok());
        assert!(secret(dir.path()).unwrap_err().ends_with("is not a file"));
        assert!(secret(Path::new("/nowhere")).is_err());
    }

    #[test]
    fn weak_secrets() {
        let check = |text: &str| check_strength(Path::new("/k"), text.as_bytes(), 32);
        assert!(check(&"0123456789abcdef".repeat(2)).is_ok());
        for (text, why) in [
            ("short".to_owned(), "5 bytes"),
            ("a".repeat(64), "too few"),
            ("a-string-secret-at-least-256-bits-long".to_owned(), "everybody knows"),
            ("a-string-secret-at-least-256-bits-long\n".to_owned(), "everybody knows"),
        ] {
            let error = check(&text).unwrap_err();
            assert!(error.contains(why) && !error.contains(&text), "{error}");
        }
    }

    #[test]
    fn files_are_read_again_when_they_change() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let watched = Watched::new([path.clone()]);
        let get = || watched.get(|| public(&path).map(|bytes| bytes.len()));
        assert!(get().1.is_err());
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(get(), (1, Ok(Arc::new(3))));
        assert_eq!(watched.get(|| panic!("nothing has changed")), (1, Ok(Arc::new(3))));
        std::fs::write(&path, "abcd").unwrap();
        assert_eq!(get(), (2, Ok(Arc::new(4))));
    }

    #[test]
    fn whoever_makes_the_key_first_wins() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/slurm_jwt.key");
        make(&path, 32).unwrap();
        let key = std::fs::read(&path).unwrap();
        assert_eq!((key.len(), path.metadata().unwrap().mode() & 0o777), (32, 0o600));
        make(&path, 32).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), key);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left lying around");
    }
}
