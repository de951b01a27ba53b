//! What was read from files, kept as long as they are the same files with the same content, and within a bound of memory.
//!
//! A file is known by device, inode, size, modification and change time. A file that was changed less than [`UNSETTLED`] ago may
//! change again without showing it, since clocks of file systems are coarse; what was read from it is given out once and not
//! kept.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::basis;

/// For so long after a change a file is read each time.
pub const UNSETTLED: Duration = Duration::from_secs(2);

/// What says that a file is the same, or that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity(Option<Known>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    /// When it was read last, where that counts.
    accessed: Option<(i64, i64)>,
}

impl Identity {
    /// The identity of what is at a path now. What cannot be looked at counts as not there.
    pub fn of(path: &Path) -> Self {
        Self(fs::metadata(path).ok().map(|metadata| Known::of(&metadata)))
    }

    /// The same, of which it is a part when the file was read last.
    pub(crate) fn of_access(path: &Path) -> Self {
        let known = |metadata: Metadata| Known {
            accessed: Some((metadata.atime(), metadata.atime_nsec())),
            ..Known::of(&metadata)
        };
        Self(fs::metadata(path).ok().map(known))
    }

    /// Whether it is what is at a path now.
    fn is_at(self, path: &Path) -> bool {
        let access = self.0.is_some_and(|known| known.accessed.is_some());
        self == if access { Self::of_access(path) } else { Self::of(path) }
    }

    /// Which file it is, whatever it holds: the numbers of its file system and of itself.
    pub(crate) fn file(self) -> Option<(u64, u64)> {
        self.0.map(|known| (known.device, known.inode))
    }

    /// Whether there is something.
    pub fn exists(self) -> bool {
        self.0.is_some()
    }

    fn settled(self, now: SystemTime) -> bool {
        let Some(known) = self.0 else { return true };
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        // a modification time may be set to anything; the change time is the system's own
        let (seconds, nanoseconds) = known.changed;
        let then = Duration::new(u64::try_from(seconds).unwrap_or(0), u32::try_from(nanoseconds).unwrap_or(0));
        now.saturating_sub(then) > UNSETTLED
    }
}

impl Known {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            accessed: None,
        }
    }
}

/// The files that something was read from, as they were before it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources(Vec<(PathBuf, Identity)>);

impl Sources {
    /// Notes a file, or a folder whose list of names was read, before it is read. The first look counts.
    pub fn note(&mut self, path: &Path) -> Identity {
        if let Some((_, identity)) = self.0.iter().find(|(known, _)| known == path) {
            return *identity;
        }
        let identity = Identity::of(path);
        basis::note_as(path, identity);
        self.add(path, identity);
        identity
    }

    /// Adds a file that was looked at.
    pub(crate) fn add(&mut self, path: &Path, identity: Identity) {
        self.0.push((path.to_owned(), identity));
    }

    /// A database: its file and what may lie beside it.
    pub fn database(path: &Path) -> Self {
        let mut sources = Self::default();
        for path in parts_of_database(path) {
            sources.note(&path);
        }
        sources
    }

    /// A single file.
    pub fn file(path: &Path) -> Self {
        let mut sources = Self::default();
        sources.note(path);
        sources
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, Identity)> {
        self.0.iter().map(|(path, identity)| (path.as_path(), *identity))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all files are still what they were.
    pub fn unchanged(&self) -> bool {
        self.0.iter().all(|(path, identity)| identity.is_at(path))
    }

    /// About how many bytes it takes in memory.
    pub fn size(&self) -> usize {
        self.0.iter().map(|(path, _)| size_of::<(PathBuf, Identity)>() + path.as_os_str().len() + 16).sum()
    }

    pub(crate) fn settled(&self, now: SystemTime) -> bool {
        self.0.iter().all(|(_, identity)| identity.settled(now))
    }
}

/// A database's file and what may lie beside it.
pub(crate) fn parts_of_database(path: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-journal"].map(|suffix| {
        let mut part = path.as_os_str().to_owned();
        part.push(suffix);
        part.into()
    })
}

/// Things read from files, by the name of what they are.
#[derive(Debug)]
pub struct Kept<T> {
    inner: Mutex<Inner<T>>,
    /// Bytes that all may have together.
    room: usize,
}

#[derive(Debug)]
struct Inner<T> {
    /// By their names as they are written: paths that lead to the same may be names of different things.
    entries: HashMap<OsString, Entry<T>>,
    size: usize,
    clock: u64,
}

#[derive(Debug)]
struct Entry<T> {
    sources: Arc<Sources>,
    value: Arc<T>,
    size: usize,
    used: u64,
}

impl<T: Send + Sync + 'static> Kept<T> {
    /// Room for so many bytes.
    pub fn new(room: usize) -> Self {
        Self { inner: Mutex::new(Inner { entries: HashMap::new(), size: 0, clock: 0 }), room }
    }

    /// What is kept under this name if its files did not change, else what `read` makes of them. `read` returns what it read,
    /// about how many bytes that takes in memory, and what it was read from, noted **before** reading. Errors are not kept.
    pub fn get<E>(
        &self,
        name: impl AsRef<OsStr>,
        read: impl FnOnce() -> Result<(T, usize, Sources), E>,
    ) -> Result<Arc<T>, E> {
        let name = name.as_ref();
        let whose = std::ptr::from_ref(self).addr();
        if let Some(value) = basis::held(whose, name).or_else(|| self.current(name)) {
            return Ok(value);
        }
        let (value, size, sources) = read()?;
        let value = Arc::new(value);
        if sources.settled(SystemTime::now()) && sources.unchanged() {
            self.keep(name, Arc::new(sources), Arc::clone(&value), size);
        } else {
            self.forget(name);
            basis::hold(whose, name, Arc::clone(&value) as _);
        }
        Ok(value)
    }

    /// About how many bytes are kept.
    pub fn size(&self) -> usize {
        self.lock().size
    }

    fn current(&self, name: &OsStr) -> Option<Arc<T>> {
        // looking at the files may take long on a network, so not while others wait for the lock
        let sources = Arc::clone(&self.lock().entries.get(name)?.sources);
        // within one answer they are looked at once
        if !basis::has_noted(&sources) {
            if !sources.unchanged() {
                return None;
            }
            basis::note_all(&sources);
        }
        let mut inner = self.lock();
        inner.clock += 1;
        let now = inner.clock;
        let entry = inner.entries.get_mut(name).filter(|entry| Arc::ptr_eq(&entry.sources, &sources))?;
        entry.used = now;
        Some(Arc::clone(&entry.value))
    }

    fn keep(&self, name: &OsStr, sources: Arc<Sources>, value: Arc<T>, size: usize) {
        let mut inner = self.lock();
        inner.remove(name);
        if size > self.room {
            return;
        }
        while inner.size + size > self.room {
            let oldest = inner.entries.iter().min_by_key(|(_, entry)| entry.used).map(|(name, _)| name.clone());
            let Some(oldest) = oldest else { break };
            inner.remove(&oldest);
        }
        inner.clock += 1;
        inner.size += size;
        let used = inner.clock;
        inner.entries.insert(name.to_owned(), Entry { sources, value, size, used });
    }

    fn forget(&self, name: &OsStr) {
        self.lock().remove(name);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Inner<T> {
    fn remove(&mut self, name: &OsStr) {
        if let Some(entry) = self.entries.remove(name) {
            self.size -= entry.size;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn text(kept: &Kept<String>, path: &Path, reads: &mut usize) -> Arc<String> {
        kept.get(path, || {
            let sources = Sources::file(path);
            *reads += 1;
            let text = fs::read_to_string(path).unwrap_or_default();
            Ok::<_, Infallible>((text.clone(), text.len(), sources))
        })
        .unwrap()
    }

    #[test]
    fn a_file_that_just_changed_is_read_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let kept = Kept::new(100);
        let mut reads = 0;
        for content in ["one", "two", "six"] {
            fs::write(&path, content).unwrap();
            assert_eq!(*text(&kept, &path, &mut reads), content);
            assert_eq!(*text(&kept, &path, &mut reads), content);
        }
        assert_eq!((reads, kept.size()), (6, 0));
        let identity = Identity::of(&path);
        let now = SystemTime::now();
        assert!(!identity.settled(now) && identity.settled(now + UNSETTLED * 2));
        assert!(Identity::of(&folder.path().join("none")).settled(now));
    }

    #[test]
    fn what_did_not_change_is_not_read_again() {
        // any file of the system that is older than the test
        let path = std::env::current_exe().unwrap();
        let path = path.as_path();
        if !Identity::of(path).settled(SystemTime::now()) {
            return;
        }
        let kept = Kept::new(100);
        let mut reads = 0;
        let mut get = |name: &str, size: usize| {
            let value = kept.get(name, || {
                reads += 1;
                Ok::<_, Infallible>((reads, size, Sources::file(path)))
            });
            *value.unwrap()
        };
        assert_eq!((get("a", 60), get("a", 60)), (1, 1));
        assert_eq!((get("b", 40), get("a", 60), get("b", 40)), (2, 1, 2));
        // c needs the room of the one that was not used for longest
        assert_eq!((get("c", 50), get("b", 40), get("a", 60)), (3, 2, 4));
        assert_eq!((get("huge", 101), get("huge", 101)), (5, 6));
        assert!(kept.size() <= 100);
    }

    #[test]
    fn each_change_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "x").unwrap();
        let sources = Sources::file(&path);
        assert!(sources.unchanged());
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(5)).unwrap();
        assert!(!sources.unchanged());
        let sources = Sources::database(&path);
        fs::write(folder.path().join("a-wal"), "").unwrap();
        assert!(!sources.unchanged());
        let sources = Sources::file(&path);
        fs::remove_file(&path).unwrap();
        assert!(!sources.unchanged() && !Identity::of(&path).exists());
    }
}
