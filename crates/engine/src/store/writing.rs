//! Writing the index: in groups, each of them one transaction, led by one of the threads that wait.
//!
//! Most writes are waited for until they are on the disk. Those for which it is enough that they outlive this process are synced
//! with the next group that has others, or a little later by a thread of their own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::Duration;

use jobgate_model::{Error, ErrorKind};
use rusqlite::Connection;

use super::{broken, lock, open};

/// A thread that leads does so for at most so many groups, one right after the other: to wake another takes time in which
/// nothing is written, and its own caller waits.
const ROUNDS: usize = 4;
/// So much time after it was committed everything is about to be on the disk (as with PostgreSQL's `wal_writer_delay`): to sync
/// keeps others waiting on some file systems.
const UNSYNCED: Duration = Duration::from_millis(200);

type Finish = Box<dyn FnOnce(Result<(), String>)>;
/// A write that waits: given the connection, and whether others are in its transaction, it runs and says how to answer; given a
/// reason it answers at once.
type Operation = Box<dyn FnOnce(Result<(&Connection, Company), &str>) -> Finish + Send>;
type Lead = Box<dyn Fn() + Send>;

/// A write that waits, and how to tell its thread to lead the next group.
struct Waiting {
    operation: Operation,
    lead: Lead,
    until: Until,
}

/// Until when a write is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// It is on the disk.
    Synced,
    /// It is committed.
    Committed,
}

/// Whether a write has a transaction to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Company {
    Alone,
    Others,
}

/// What a waiting thread is told.
enum Word<T> {
    /// Nobody has the connection: take it, and whoever waits by then along.
    Lead,
    /// Its write is done, or failed.
    Answer(Result<T, Error>),
}

/// The one connection that writes.
struct Sole {
    connection: Connection,
    /// What is committed is synced.
    syncs: bool,
}

/// The writes of this process.
pub(super) struct Writing {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    path: PathBuf,
    sole: Mutex<Sole>,
    /// All that was committed is on the disk, or about to be. Not in `sole`: whoever takes that must do the writes that wait.
    synced: AtomicBool,
    waiting: Mutex<Vec<Waiting>>,
    later: Mutex<Later>,
    told: Condvar,
}

/// What the thread that syncs is told.
#[derive(Default)]
struct Later {
    unsynced: bool,
    ends: bool,
}

impl Writing {
    /// By this connection, which syncs what it commits, to the index at `path`.
    pub(super) fn new(connection: Connection, path: &Path) -> Self {
        let shared = Shared {
            path: path.to_owned(),
            sole: Mutex::new(Sole { connection, syncs: true }),
            synced: AtomicBool::new(true),
            waiting: Mutex::default(),
            later: Mutex::default(),
            told: Condvar::new(),
        };
        Self { shared: Arc::new(shared), thread: Mutex::default() }
    }

    pub(super) fn write<T: Send + 'static>(
        &self,
        until: Until,
        operation: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (sender, receiver) = channel();
        // A thread that has its answer need not lead.
        let (lead, answer): (Sender<Word<T>>, _) = (sender.clone(), sender);
        let lead: Lead = Box::new(move || drop(lead.send(Word::Lead)));
        let operation = package(operation, move |result| drop(answer.send(Word::Answer(result))));
        lock(&self.shared.waiting).push(Waiting { operation, lead, until });
        // Whoever has the connection when this waits will see it, and have it led.
        match self.shared.sole.try_lock() {
            Ok(sole) => self.lead(sole),
            Err(TryLockError::Poisoned(poisoned)) => self.lead(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {}
        }
        loop {
            match receiver.recv() {
                Ok(Word::Answer(answer)) => return answer,
                Ok(Word::Lead) => self.lead(lock(&self.shared.sole)),
                Err(_) => return Err(Error::new(ErrorKind::Unavailable, "cannot write the index")),
            }
        }
    }

    /// Leads, and sees to it that what was committed is synced.
    fn lead(&self, sole: MutexGuard<'_, Sole>) {
        if self.shared.lead(sole) {
            return;
        }
        let mut thread = lock(&self.thread);
        if thread.is_none() {
            let shared = Arc::clone(&self.shared);
            let begun = std::thread::Builder::new().name("jobgate-sync".into()).spawn(move || shared.attend());
            *thread = begun.ok();
        }
        let has_thread = thread.is_some();
        drop(thread);
        if has_thread {
            let mut later = lock(&self.shared.later);
            if !std::mem::replace(&mut later.unsynced, true) {
                self.shared.told.notify_one();
            }
        } else {
            self.shared.sync();
        }
    }
}

impl Drop for Writing {
    /// A short process leaves its writes in the log, unless that has grown so that the next one would be long
    /// in reading it.
    fn drop(&mut self) {
        lock(&self.shared.later).ends = true;
        self.shared.told.notify_one();
        if let Some(thread) = lock(&self.thread).take() {
            drop(thread.join());
        }
        open::trim_log(&lock(&self.shared.sole).connection, &self.shared.path);
    }
}

impl Shared {
    /// Does all writes that wait, in one transaction, then those that came meanwhile, and at last finds another leader. Whether
    /// all is synced that was committed.
    fn lead(&self, mut sole: MutexGuard<'_, Sole>) -> bool {
        for _ in 0..ROUNDS {
            let group = std::mem::take(&mut *lock(&self.waiting));
            if group.is_empty() {
                break;
            }
            sole.commit(group, &self.synced);
        }
        let synced = self.synced.load(Ordering::Acquire);
        drop(sole);
        if let Some(next) = lock(&self.waiting).first() {
            (next.lead)();
        }
        synced
    }

    /// The thread that syncs what nobody has synced for a while.
    fn attend(&self) {
        loop {
            let mut later = lock(&self.later);
            while !later.unsynced && !later.ends {
                later = self.told.wait(later).unwrap_or_else(PoisonError::into_inner);
            }
            if !later.ends {
                drop(later);
                std::thread::sleep(UNSYNCED);
                later = lock(&self.later);
            }
            let ends = later.ends;
            later.unsynced = false;
            drop(later);
            if !self.synced.load(Ordering::Acquire) {
                self.sync();
            }
            if ends {
                return;
            }
        }
    }

    /// Has the disk keep what was committed and not synced. Nobody who commits is kept waiting meanwhile.
    fn sync(&self) {
        // First: what is committed from now on may be missed.
        self.synced.store(true, Ordering::Release);
        if let Err(error) = File::open(open::log_of(&self.path)).and_then(|log| log.sync_data()) {
            tracing::warn!(%error, "cannot sync the index's log; the next write will");
        }
    }
}

impl Sole {
    /// Does a group of writes in one transaction. It is synced if somebody waits for that, and says so in `synced`.
    fn commit(&mut self, group: Vec<Waiting>, synced: &AtomicBool) {
        let syncs = group.iter().any(|one| one.until == Until::Synced);
        let outcome = self.sync_commits(syncs).and_then(|()| self.connection.execute_batch("BEGIN IMMEDIATE"));
        let company = if group.len() > 1 { Company::Others } else { Company::Alone };
        let mut group = group.into_iter().map(|one| one.operation);
        let mut finish = Vec::new();
        let mut result = outcome.map_err(|error| error.to_string());
        while result.is_ok() {
            let Some(operation) = group.next() else { break };
            finish.push(operation(Ok((&self.connection, company))));
            // SQLite ends the whole transaction by itself when the disk is full; what follows must not run outside of one. One that
            // was alone in it knows better what failed.
            if self.connection.is_autocommit() {
                result = Err("the disk is full or failed".into());
            }
        }
        if result.is_ok() {
            result = self.connection.execute_batch("COMMIT").map_err(|error| error.to_string());
        }
        if result.is_err() && !self.connection.is_autocommit() {
            drop(self.connection.execute_batch("ROLLBACK"));
        }
        if result.is_ok() {
            // all that is before it in the log is synced with it
            synced.store(syncs, Ordering::Release);
        }
        for one in finish {
            one(result.clone());
        }
        for operation in group {
            drop(operation(Err(result.as_ref().err().map_or("", String::as_str))));
        }
    }

    fn sync_commits(&mut self, syncs: bool) -> rusqlite::Result<()> {
        if self.syncs != syncs {
            // what is not synced is still whole, or not there at all, after a power failure
            self.connection.execute_batch(if syncs { open::SYNCED } else { open::UNSYNCED })?;
            self.syncs = syncs;
        }
        Ok(())
    }
}

fn package<T: 'static>(
    operation: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    answer: impl FnOnce(Result<T, Error>) + Send + 'static,
) -> Operation {
    let unwritten =
        |reason: &str| Error::new(ErrorKind::Unavailable, "cannot write the index").because(reason.to_owned());
    Box::new(move |connection| match connection {
        Ok((connection, company)) => {
            let result = match company {
                Company::Alone => alone(connection, operation),
                Company::Others => in_savepoint(connection, operation),
            };
            Box::new(move |committed| {
                answer(match committed {
                    Ok(()) => result,
                    Err(reason) => result.and_then(|_| Err(unwritten(&reason))),
                });
            })
        }
        Err(reason) => {
            answer(Err(unwritten(reason)));
            Box::new(|_| ())
        }
    })
}

/// A write that has a transaction to itself, which ends if it fails: that costs less than a savepoint, for which SQLite copies each
/// page that is changed.
fn alone<T>(connection: &Connection, operation: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
    let result = operation(connection);
    if result.is_err() && !connection.is_autocommit() {
        drop(connection.execute_batch("ROLLBACK"));
    }
    result
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

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::*;

    fn open(dir: &Path) -> Store {
        Store::open(&dir.join("state/index.db")).unwrap()
    }

    fn note(key: &'static str) -> impl FnOnce(&Connection) -> Result<(), Error> + Send + 'static {
        move |connection| {
            let done = connection.execute("INSERT INTO meta VALUES (?1, 'x')", [key]);
            done.map(drop).map_err(|error| broken("write the index", error))
        }
    }

    fn has(store: &Store, key: &str) -> bool {
        let count = "SELECT count(*) FROM meta WHERE key = ?1";
        store.read(|connection| connection.query_row(count, [key], |row| row.get::<_, i64>(0))).unwrap() == 1
    }

    #[test]
    fn what_is_only_committed_is_there_and_synced_a_little_later() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        store.write_unsynced(note("a")).unwrap();
        assert!(has(&store, "a"));
        store.write_unsynced(note("a")).unwrap_err();
        let end = std::time::Instant::now() + Duration::from_secs(20);
        while !store.writing.shared.synced.load(Ordering::Acquire) {
            assert!(std::time::Instant::now() < end, "nobody has synced it");
            std::thread::yield_now();
        }
        store.write_unsynced(note("b")).unwrap();
        drop(store);
        assert!(has(&open(dir.path()), "b"));
    }

    #[test]
    fn commits_are_synced_if_somebody_waits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/index.db");
        let mut sole = Sole { connection: open::writer(&path).unwrap(), syncs: true };
        let synced = AtomicBool::new(true);
        let is_synced = || synced.load(Ordering::Acquire);
        let waiting = |key, until| Waiting { operation: package(note(key), drop), lead: Box::new(|| ()), until };
        let mode =
            |sole: &Sole| sole.connection.query_row("PRAGMA synchronous", [], |row| row.get::<_, i64>(0)).unwrap();
        sole.commit(vec![waiting("a", Until::Committed)], &synced);
        assert_eq!((is_synced(), mode(&sole)), (false, 1), "NORMAL");
        sole.commit(vec![waiting("b", Until::Committed), waiting("c", Until::Synced)], &synced);
        assert_eq!((is_synced(), mode(&sole)), (true, 2), "FULL");
    }

    /// Whoever takes the connection must do the writes that wait; the thread that syncs does not, so it takes nothing.
    #[test]
    fn what_is_committed_is_synced_whoever_has_the_connection() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        store.write_unsynced(note("a")).unwrap();
        let sole = lock(&store.writing.shared.sole);
        let end = std::time::Instant::now() + Duration::from_secs(20);
        while !store.writing.shared.synced.load(Ordering::Acquire) {
            assert!(std::time::Instant::now() < end, "it waits for the connection");
            std::thread::yield_now();
        }
        drop(sole);
    }
}
