//! Files that are read again when they change: what another process writes there counts with the next request.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// What is in some files.
#[derive(Debug)]
pub(super) struct Watched<T> {
    files: Vec<PathBuf>,
    held: Mutex<Option<Held<T>>>,
}

#[derive(Debug)]
struct Held<T> {
    marks: Vec<Option<Mark>>,
    value: Arc<T>,
}

/// By what a file is known again: its contents cannot change without one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds of the last change of the contents, and of the file.
    times: [i64; 4],
}

impl<T> Watched<T> {
    pub(super) fn new(files: Vec<PathBuf>) -> Self {
        Self { files, held: Mutex::new(None) }
    }

    /// What is there now. `load` gets what was there before; it is called when a file has come, gone or changed.
    pub(super) fn get(&self, load: impl FnOnce(Option<&Arc<T>>) -> Arc<T>) -> Arc<T> {
        // before they are read: what is written meanwhile is seen the next time
        let marks: Vec<_> = self.files.iter().map(mark).collect();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = held.as_ref().filter(|held| held.marks == marks) {
            return Arc::clone(&held.value);
        }
        let value = load(held.as_ref().map(|held| &held.value));
        *held = Some(Held { marks, value: Arc::clone(&value) });
        value
    }
}

fn mark(path: &PathBuf) -> Option<Mark> {
    let meta = std::fs::metadata(path).ok()?;
    let times = [meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()];
    Some(Mark { device: meta.dev(), inode: meta.ino(), size: meta.len(), times })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_when_it_comes_changes_and_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let watched = Watched::new(vec![path.clone()]);
        let mut reads = 0;
        let mut get = || {
            watched.get(|_| {
                reads += 1;
                Arc::new(std::fs::read_to_string(&path).unwrap_or_default())
            })
        };
        assert_eq!([get(), get()].map(|text| text.to_string()), ["", ""]);
        std::fs::write(&path, "one").unwrap();
        assert_eq!([get(), get()].map(|text| text.to_string()), ["one", "one"]);
        // as editors and `rotate` do it: another file of the same size under the same name
        std::fs::write(dir.path().join("draft"), "two").unwrap();
        std::fs::rename(dir.path().join("draft"), &path).unwrap();
        assert_eq!(get().as_str(), "two");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(get().as_str(), "");
        assert_eq!(reads, 4);
    }
}
