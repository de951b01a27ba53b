//! The index: SQLite in WAL mode, written in groups, read from a small pool.
//!
//! This module is the only one of the engine that speaks SQL. A write is a closure over the connection; writes that wait
//! at the same time share one transaction and one sync to disk. Several processes may have the index open.

pub(crate) mod board;
pub(crate) mod deliveries;
pub(crate) mod history;
pub(crate) mod jobs;
mod open;
pub(crate) mod runs;
pub(crate) mod shares;
pub(crate) mod usage;

pub use open::network_file_system;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};

use jobgate_model::{Error, ErrorKind};
use rusqlite::Connection;

/// How many connections read at the same time. Reads are short; more would only push each other out of the cache.
const READERS: usize = 8;

/// A thread that leads does so for at most so many groups, one right after the other: to wake another takes time in which
/// nothing is written, and its own caller waits.
const ROUNDS: usize = 4;

type Finish = Box<dyn FnOnce(Result<(), String>) + Send>;
/// A write that waits: given the connection it runs and says how to answer; given a reason it answers at once.
type Operation = Box<dyn FnOnce(Result<&Connection, &str>) -> Finish + Send>;

/// A write that waits, and how to tell its thread to lead the next group.
struct Waiting {
    operation: Operation,
    lead: Box<dyn Fn() + Send>,
}

/// What a waiting thread is told.
enum Word<T> {
    /// Nobody has the connection: take it, and whoever waits by then along.
    Lead,
    /// Its write is done, or failed.
    Answer(Result<T, Error>),
}

/// Connections for reading.
#[derive(Default)]
struct Pool {
    idle: Vec<Connection>,
    lent: usize,
}

/// The open index.
pub(crate) struct Store {
    path: PathBuf,
    writer: Mutex<Connection>,
    waiting: Mutex<Vec<Waiting>>,
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
            writer: Mutex::new(writer),
            waiting: Mutex::default(),
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
        let (sender, receiver) = channel();
        let lead = sender.clone();
        // A thread that has its answer need not lead.
        let lead = Box::new(move || drop(lead.send(Word::Lead)));
        lock(&self.waiting).push(Waiting { operation: package(operation, sender), lead });
        // Whoever has the connection when this waits will see it, and have it led.
        match self.writer.try_lock() {
            Ok(connection) => self.lead(connection),
            Err(TryLockError::Poisoned(poisoned)) => self.lead(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {}
        }
        loop {
            match receiver.recv() {
                Ok(Word::Answer(answer)) => return answer,
                Ok(Word::Lead) => self.lead(lock(&self.writer)),
                Err(_) => return Err(Error::new(ErrorKind::Unavailable, "cannot write the index")),
            }
        }
    }

    /// Does all writes that wait, in one transaction, then those that came meanwhile, and at last finds another leader.
    fn lead(&self, connection: MutexGuard<'_, Connection>) {
        for _ in 0..ROUNDS {
            let group = std::mem::take(&mut *lock(&self.waiting));
            if group.is_empty() {
                break;
            }
            commit(&connection, group.into_iter().map(|one| one.operation));
        }
        drop(connection);
        if let Some(next) = lock(&self.waiting).first() {
            (next.lead)();
        }
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

impl Drop for Store {
    /// A short process leaves its writes in the log, unless that has grown so that the next one would be long in reading it.
    fn drop(&mut self) {
        let connection = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner);
        open::trim_log(connection, &self.path);
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

fn package<T: Send + 'static>(
    operation: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    sender: Sender<Word<T>>,
) -> Operation {
    let unwritten =
        |reason: &str| Error::new(ErrorKind::Unavailable, "cannot write the index").because(reason.to_owned());
    Box::new(move |connection| match connection {
        Ok(connection) => {
            let result = in_savepoint(connection, operation);
            Box::new(move |committed| {
                let result = match committed {
                    Ok(()) => result,
                    Err(reason) => result.and_then(|_| Err(unwritten(&reason))),
                };
                drop(sender.send(Word::Answer(result)));
            })
        }
        Err(reason) => {
            drop(sender.send(Word::Answer(Err(unwritten(reason)))));
            Box::new(|_| ())
        }
    })
}

fn in_savepoint<T>(
    connection: &Connection,
    operation: impl FnOnce(&Connection) -> Result<T, Error>,
) -> Result<T, Error> {
    let sql = |text: &str| connection.execute_batch(text).map_err(|error| broken("write the index", error));
    sql("SAVEPOINT one")?;
    match operation(connection) {
        Ok(value) => sql("RELEASE one").map(|()| value),
        Err(error) => {
            if !connection.is_autocommit() {
                drop(sql("ROLLBACK TO one; RELEASE one"));
            }
            Err(error)
        }
    }
}

fn commit(connection: &Connection, mut group: impl Iterator<Item = Operation>) {
    let mut finish = Vec::new();
    let mut result = connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| error.to_string());
    while result.is_ok() {
        let Some(operation) = group.next() else { break };
        finish.push(operation(Ok(connection)));
        // SQLite ends the whole transaction by itself when the disk is full; what follows must not run outside of one.
        if connection.is_autocommit() {
            result = Err("the disk is full or failed".into());
        }
    }
    if result.is_ok() {
        result = connection.execute_batch("COMMIT").map_err(|error| error.to_string());
    }
    if result.is_err() && !connection.is_autocommit() {
        drop(connection.execute_batch("ROLLBACK"));
    }
    for one in finish {
        one(result.clone());
    }
    for operation in group {
        drop(operation(Err(result.as_ref().err().map_or("", String::as_str))));
    }
}
