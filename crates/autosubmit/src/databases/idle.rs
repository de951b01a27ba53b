//! Files that stay open for a moment: opening one and reading its schema costs more than most questions that are asked of it.
//!
//! What is kept is the open file, the schema (which SQLite checks before each question) and compiled statements; never a lock,
//! and no content. A file that is written ahead is not kept, since the last one to close it tidies up.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::opened::Opened;
use crate::kept::{Identity, parts_of_database};

/// Files that are open at the same time without being read.
const MOST: usize = 16;
/// So long a file stays open; after that it may be moved, deleted or unmounted as if it had never been looked at.
const LONGEST: Duration = Duration::from_secs(2);

static SHELF: Mutex<Shelf> = Mutex::new(Shelf { idle: Vec::new(), swept: false });

struct Shelf {
    /// The one that was put down last at the end.
    idle: Vec<Idle>,
    /// Whether somebody closes them in time.
    swept: bool,
}

struct Idle {
    path: PathBuf,
    file: (u64, u64),
    open: Box<Opened>,
    since: Instant,
}

/// The open file that is at this path, if there is one. `identity`: of what is at the path now.
pub(super) fn take(path: &Path, identity: Identity) -> Option<Box<Opened>> {
    let file = identity.file()?;
    let mut shelf = shelf();
    let place = shelf.idle.iter().rposition(|one| one.file == file && one.path == path)?;
    Some(shelf.idle.remove(place).open)
}

/// Keeps a file open, or closes it. `identity`: of what was at the path before it was opened.
pub(super) fn put(path: &Path, identity: Identity, open: Box<Opened>) {
    let [_, ahead, _] = parts_of_database(path);
    let Some(file) = identity.file().filter(|_| !Identity::of(&ahead).exists()) else { return };
    // what was read may have changed when it is needed next
    if open.connection.release_memory().is_err() {
        return;
    }
    let mut shelf = shelf();
    let oldest = if shelf.idle.len() >= MOST { Some(shelf.idle.remove(0)) } else { None };
    shelf.idle.push(Idle { path: path.to_owned(), file, open, since: Instant::now() });
    if !shelf.swept {
        shelf.swept = std::thread::Builder::new().name("idle files".into()).spawn(sweep).is_ok();
        if !shelf.swept {
            shelf.idle.clear();
        }
    }
    drop(shelf);
    drop(oldest);
}

/// Closes what has been open for long enough, until there is nothing left.
fn sweep() {
    loop {
        std::thread::sleep(LONGEST / 2);
        let mut shelf = shelf();
        let old = shelf.idle.iter().take_while(|one| one.since.elapsed() >= LONGEST).count();
        let closed: Vec<Idle> = shelf.idle.drain(..old).collect();
        if shelf.idle.is_empty() {
            shelf.swept = false;
            return;
        }
        drop(shelf);
        drop(closed);
    }
}

fn shelf() -> MutexGuard<'static, Shelf> {
    SHELF.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    fn made(path: &Path, text: &str) -> Connection {
        drop(std::fs::remove_file(path));
        let connection = Connection::open(path).unwrap();
        connection.execute_batch(&format!("CREATE TABLE a(b TEXT); INSERT INTO a VALUES ('{text}')")).unwrap();
        connection
    }

    #[test]
    fn only_the_same_file_is_taken_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let connection = made(&path, "one");
        let identity = Identity::of(&path);
        put(&path, identity, Box::new(Opened::of(connection)));
        assert!(take(&folder.path().join("b.db"), identity).is_none());
        let open = take(&path, identity).unwrap();
        assert!(take(&path, identity).is_none(), "it is in use");
        put(&path, identity, open);
        drop(made(&path, "two"));
        assert!(take(&path, Identity::of(&path)).is_none(), "another file is at its place");
        let ahead = made(&path, "three");
        ahead.execute_batch("PRAGMA journal_mode = wal; INSERT INTO a VALUES ('more')").unwrap();
        put(&path, Identity::of(&path), Box::new(Opened::of(Connection::open(&path).unwrap())));
        assert!(take(&path, Identity::of(&path)).is_none(), "it is written ahead");
    }

    #[test]
    fn files_are_closed_soon() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("soon.db");
        let connection = made(&path, "one");
        put(&path, Identity::of(&path), Box::new(Opened::of(connection)));
        let is_open = || {
            let files = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
            files.filter_map(|file| std::fs::read_link(file.path()).ok()).any(|file| file == path)
        };
        assert!(is_open());
        let began = Instant::now();
        while is_open() {
            assert!(began.elapsed() < LONGEST * 10);
            std::thread::yield_now();
        }
    }
}
