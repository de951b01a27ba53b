//! Group commit: many threads, one transaction.
//!
//! Whoever wants something of the queue leaves it in the list. If nobody has the connection it leads: it does everything that
//! is in the list, in one pass and one commit, and tells each what came of it; so it does with what came meanwhile, and after
//! some passes it has one of those lead that wait. What nobody has to wait for is left in the list for the next pass, whoever
//! makes it.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use jobgate_model::Error;
use rusqlite::{Connection, TransactionBehavior};

use super::inventory::Stock;
use super::pass::{Effects, Pass};
use super::queue::{self, QueueError};
use super::settings::LocalSettings;

/// A thread that leads does so for at most so many passes, one right after the other: to wake another takes time in which
/// nothing is done, and its own caller waits.
const ROUNDS: usize = 4;

type Operation = Box<dyn FnOnce(&mut Pass<'_>) -> rusqlite::Result<()> + Send>;
/// What came of a pass, or why nothing did.
type Verdict = Result<Arc<Effects>, String>;

/// What a waiting thread is told.
enum Word {
    /// Nobody has the connection: take it, and do what waits by then.
    Lead,
    /// The pass is over.
    Over(Verdict),
}

struct Waiting {
    operation: Operation,
    /// The thread that waits for it, if one does.
    thread: Option<Sender<Word>>,
}

/// The queue's connection, and who waits for it.
pub(super) struct Gate {
    waiting: Mutex<Vec<Waiting>>,
    connection: Mutex<Connection>,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gate")
    }
}

/// Has one of those lead that wait, when it is dropped: also if the pass panics.
struct Relay<'a>(&'a Gate);

impl Drop for Relay<'_> {
    fn drop(&mut self) {
        if let Some(next) = lock(&self.0.waiting).iter().find_map(|waiting| waiting.thread.as_ref()) {
            // A thread that has its answer need not lead.
            let _ = next.send(Word::Lead);
        }
    }
}

impl Gate {
    pub(super) fn new(connection: Connection) -> Self {
        Self { waiting: Mutex::default(), connection: Mutex::new(connection) }
    }

    /// The connection, for a test to do as it likes.
    #[cfg(test)]
    pub(super) fn connection(&self) -> MutexGuard<'_, Connection> {
        lock(&self.connection)
    }

    /// Has `operation` done in a pass, together with those of other threads. `settle` is called once for each pass, after
    /// its commit, by the thread that did it. An error means that nothing of the operation was done.
    pub(super) fn pass<R: Send + 'static>(
        &self,
        settings: &LocalSettings,
        stock: &Stock,
        settle: impl Fn(&mut Effects),
        operation: impl FnOnce(&mut Pass<'_>) -> rusqlite::Result<R> + Send + 'static,
    ) -> Result<(R, Arc<Effects>), Error> {
        let result = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&result);
        let operation: Operation = Box::new(move |pass| {
            let value = operation(pass)?;
            *lock(&slot) = Some(value);
            Ok(())
        });
        let (sender, receiver) = channel();
        lock(&self.waiting).push(Waiting { operation, thread: Some(sender) });
        let lead = |connection| self.lead(connection, settings, stock, &settle);
        // Whoever has the connection when this waits will see it, and have it led.
        match self.connection.try_lock() {
            Ok(connection) => lead(connection),
            Err(TryLockError::Poisoned(poisoned)) => lead(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {}
        }
        let unavailable = |cause: String| Error::from(QueueError::Pass(cause));
        // Neither comes only if the thread that did the pass has panicked.
        let lost = || unavailable("the thread that changed it has failed".into());
        let verdict = loop {
            match receiver.recv() {
                Ok(Word::Over(verdict)) => break verdict,
                Ok(Word::Lead) => lead(lock(&self.connection)),
                Err(_) => return Err(lost()),
            }
        };
        let effects = verdict.map_err(unavailable)?;
        let value = lock(&result).take().ok_or_else(lost)?;
        Ok((value, effects))
    }

    /// Leaves `operation` for the next pass, and does not wait for it.
    pub(super) fn leave(&self, operation: impl FnOnce(&mut Pass<'_>) -> rusqlite::Result<()> + Send + 'static) {
        lock(&self.waiting).push(Waiting { operation: Box::new(operation), thread: None });
    }

    /// Whether something waits for a pass.
    pub(super) fn has_waiting(&self) -> bool {
        !lock(&self.waiting).is_empty()
    }

    /// All that waits for a pass, if a thread waits, too.
    fn waited_for(&self) -> Option<Vec<Waiting>> {
        let mut waiting = lock(&self.waiting);
        let wanted = waiting.iter().any(|one| one.thread.is_some());
        wanted.then(|| std::mem::take(&mut *waiting))
    }

    /// Does all that waits, in one pass, then what came meanwhile.
    fn lead(
        &self,
        connection: MutexGuard<'_, Connection>,
        settings: &LocalSettings,
        stock: &Stock,
        settle: &impl Fn(&mut Effects),
    ) {
        // Dropped in the other order: the next finds the connection free.
        let _relay = Relay(self);
        let mut connection = connection;
        for _ in 0..ROUNDS {
            let Some(group) = self.waited_for() else { break };
            let (operations, threads): (Vec<_>, Vec<_>) =
                group.into_iter().map(|one| (one.operation, one.thread)).unzip();
            let verdict = run(&mut connection, settings, stock, operations);
            let verdict = verdict.map(|mut effects| {
                settle(&mut effects);
                Arc::new(effects)
            });
            let verdict = verdict.map_err(|error| {
                tracing::error!(%error, "the local queue cannot be changed");
                error.to_string()
            });
            for thread in threads.into_iter().flatten() {
                // It waits until it is told.
                let _ = thread.send(Word::Over(verdict.clone()));
            }
        }
    }
}

impl Drop for Gate {
    /// A short process leaves its writes in the log, unless that has grown so that the next one would be long in reading it.
    fn drop(&mut self) {
        let connection = self.connection.get_mut().unwrap_or_else(PoisonError::into_inner);
        queue::trim_log(connection);
    }
}

fn run(
    connection: &mut Connection,
    settings: &LocalSettings,
    stock: &Stock,
    operations: Vec<Operation>,
) -> rusqlite::Result<Effects> {
    let before = connection.total_changes();
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut pass = Pass::new(&tx, settings, stock, crate::process::now())?;
    let counted = pass.counters;
    let decided = decide(&mut pass, operations).and_then(|()| {
        // What was only looked at is not counted: nothing is written for it.
        if tx.total_changes() == before {
            return Ok(());
        }
        if pass.counters != counted {
            queue::set_counters(&tx, &pass.counters)?;
        }
        queue::count_change(&tx, pass.touched, pass.now)
    });
    let mut effects = std::mem::take(&mut pass.effects);
    match decided.and_then(|()| tx.commit()) {
        Ok(()) => Ok(effects),
        Err(error) => {
            // Nothing of it was recorded: runners that were started must not go, and end when their pipe closes.
            for mut spawned in effects.spawned.drain(..) {
                drop(spawned.stdin);
                drop(spawned.child.wait());
            }
            Err(error)
        }
    }
}

fn decide(pass: &mut Pass<'_>, operations: Vec<Operation>) -> rusqlite::Result<()> {
    for operation in operations {
        operation(pass)?;
    }
    if pass.changed { pass.start_what_fits() } else { Ok(()) }
}

/// A panic in another thread does not make the queue useless: what it had not committed is rolled back.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
