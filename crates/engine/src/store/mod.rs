//! The index: SQLite in WAL mode, written in groups, read from a small pool.
//!
//! This module is the only one of the engine that speaks SQL. A write is a closure over the connection; writes that wait
//! at the same time share one transaction and one sync to disk. Several processes may have the index open.

pub(crate) mod board;
pub(crate) mod deliveries;
pub(crate) mod entry;
pub(crate) mod history;
pub(crate) mod jobs;
mod open;
pub(crate) mod prefixes;
pub(crate) mod runs;
pub(crate) mod shares;
pub(crate) mod usage;
mod writing;

pub use open::network_file_system;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use jobgate_model::{Error, ErrorKind};
use rusqlite::Connection;
use writing::{Until, Writing};

/// How many connections read at the same time. Reads are short; more would only push each other out of the cache.
const READERS: usize = 8;

/// Connections for reading.
#[derive(Default)]
struct Pool {
    idle: Vec<Connection>,
    lent: usize,
}

/// The open index.
pub(crate) struct Store {
    path: PathBuf,
    writing: Writing,
    readers: Mutex<Pool>,
    returned: Condvar,
    revision: Mutex<Connection>,
    seen: AtomicI64,
    last: AtomicI64,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the index, or makes it. Refuses an index that a newer Jobgate wrote, and a network file system.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let writer = open::writer(path)?;
        let revision = open::reader(path)?;
        Ok(Self {
            path: path.to_owned(),
            writing: Writing::new(writer, path),
            readers: Mutex::default(),
            returned: Condvar::new(),
            revision: Mutex::new(revision),
            seen: AtomicI64::new(-1),
            last: AtomicI64::new(0),
        })
    }

    /// Runs a write and returns when it is durable. Its changes are undone alone if it fails.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.writing.write(Until::Synced, operation)
    }

    /// The same; returns when the write outlives this process. In a power failure it may be lost for a moment longer.
    pub(crate) fn write_unsynced<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.writing.write(Until::Committed, operation)
    }

    /// [`Self::write`] for a write that fails with SQLite's errors only.
    pub(crate) fn update<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        self.write(move |connection| operation(connection).map_err(|error| broken("write the index", error)))
    }

    /// Runs a read on a connection of the pool; it sees one consistent state.
    pub(crate) fn read<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        let connection = self.borrow()?;
        let result = query(&connection).map_err(|error| broken("read the index", error));
        let mut pool = lock(&self.readers);
        pool.lent -= 1;
        if result.is_ok() {
            pool.idle.push(connection);
        }
        drop(pool);
        self.returned.notify_one();
        result
    }

    /// A connection for reading; waits for one if all are lent.
    fn borrow(&self) -> Result<Connection, Error> {
        let mut pool = lock(&self.readers);
        while pool.idle.is_empty() && pool.lent >= READERS {
            pool = self.returned.wait(pool).unwrap_or_else(PoisonError::into_inner);
        }
        pool.lent += 1;
        if let Some(connection) = pool.idle.pop() {
            return Ok(connection);
        }
        drop(pool);
        open::reader(&self.path).inspect_err(|_| {
            lock(&self.readers).lent -= 1;
            self.returned.notify_one();
        })
    }

    /// A number that changes whenever listings may have, by whichever process; cheap when nothing did.
    pub(crate) fn revision(&self) -> Result<u64, Error> {
        let connection = lock(&self.revision);
        let failed = |error| broken("read the index", error);
        let version: i64 = connection
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut s| s.query_row([], |r| r.get(0)))
            .map_err(failed)?;
        if self.seen.swap(version, Ordering::AcqRel) != version {
            let now = jobs::counters(&connection).map_err(failed)?;
            self.last.store(((now.removals + now.shares) << 40) + now.events, Ordering::Release);
        }
        Ok(self.last.load(Ordering::Acquire) as u64)
    }
}

/// The index could not be used for this.
pub(crate) fn broken(doing: &'static str, error: rusqlite::Error) -> Error {
    let full = matches!(&error, rusqlite::Error::SqliteFailure(code, _) if code.code == rusqlite::ErrorCode::DiskFull);
    if full {
        return Error::new(ErrorKind::Unavailable, "the disk that holds the index is full; nothing was changed")
            .because(error);
    }
    Error::internal(format!("cannot {doing}"), error)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
