//! Group commit: many threads, one transaction.
//!
//! Whoever wants something of the queue leaves it in the list and then takes the connection. The first to get it does
//! everything that is in the list, in one pass and one commit; the others find their part done when their turn comes.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jobgate_model::Error;
use rusqlite::{Connection, TransactionBehavior};

use super::pass::{Effects, Pass};
use super::queue::{self, QueueError};
use super::settings::{LocalSettings, Machine};

type Operation = Box<dyn FnOnce(&mut Pass<'_>) -> rusqlite::Result<()> + Send>;
/// Set once the operation's pass is over: what came of it, or why nothing did.
type Verdict = Arc<OnceLock<Result<Arc<Effects>, String>>>;

pub(super) struct Gate {
    waiting: Mutex<Vec<(Operation, Verdict)>>,
    connection: Mutex<Connection>,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gate")
    }
}

impl Gate {
    pub(super) fn new(connection: Connection) -> Self {
        Self { waiting: Mutex::default(), connection: Mutex::new(connection) }
    }

    /// The connection, for reading.
    pub(super) fn connection(&self) -> MutexGuard<'_, Connection> {
        lock(&self.connection)
    }

    /// Has `operation` done in a pass, together with those of other threads. `settle` is called once for each pass, after
    /// its commit, by the thread that did it. An error means that nothing of the operation was done.
    pub(super) fn pass<R: Send + 'static>(
        &self,
        settings: &LocalSettings,
        machine: &Machine,
        settle: impl Fn(&mut Effects),
        operation: impl FnOnce(&mut Pass<'_>) -> rusqlite::Result<R> + Send + 'static,
    ) -> Result<(R, Arc<Effects>), Error> {
        let result = Arc::new(Mutex::new(None));
        let verdict = Verdict::default();
        let slot = Arc::clone(&result);
        let boxed: Operation = Box::new(move |pass| {
            let value = operation(pass)?;
            *lock(&slot) = Some(value);
            Ok(())
        });
        lock(&self.waiting).push((boxed, Arc::clone(&verdict)));
        let mut connection = self.connection();
        if verdict.get().is_none() {
            let (operations, verdicts): (Vec<_>, Vec<_>) =
                std::mem::take(&mut *lock(&self.waiting)).into_iter().unzip();
            let outcome = run(&mut connection, settings, machine, operations).map(|mut effects| {
                settle(&mut effects);
                Arc::new(effects)
            });
            let outcome = outcome.map_err(|error| {
                tracing::error!(%error, "the local queue cannot be changed");
                error.to_string()
            });
            for verdict in verdicts {
                verdict.get_or_init(|| outcome.clone());
            }
        }
        drop(connection);
        let unavailable = |cause: String| Error::from(QueueError::Pass(cause));
        // Both are missing only if the thread that did the pass has panicked.
        let lost = || unavailable("the thread that changed it has failed".into());
        let effects = verdict.get().cloned().ok_or_else(lost)?.map_err(unavailable)?;
        let value = lock(&result).take().ok_or_else(lost)?;
        Ok((value, effects))
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
    machine: &Machine,
    operations: Vec<Operation>,
) -> rusqlite::Result<Effects> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut pass = Pass::new(&tx, settings, machine, crate::process::now());
    let decided = decide(&mut pass, operations);
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
