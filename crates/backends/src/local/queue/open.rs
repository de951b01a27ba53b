//! Opens the queue's file, makes it if it is missing, and brings an old one up to date.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::migrate;

/// The version of the schema.
pub(super) const VERSION: i64 = 2;
/// How long another process may keep the queue to itself.
const BUSY: Duration = Duration::from_secs(30);

/// What can go wrong with the queue.
#[derive(Debug, thiserror::Error)]
pub(in crate::local) enum QueueError {
    #[error("cannot open {path}: {source}")]
    Open { path: PathBuf, source: io::Error },
    #[error("{path} was written by a newer version (its format is {found}, this program knows {VERSION})")]
    Newer { path: PathBuf, found: i64 },
    #[error("the local queue cannot be changed: {0}")]
    Pass(String),
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
}

impl From<QueueError> for jobgate_model::Error {
    fn from(error: QueueError) -> Self {
        Self::new(jobgate_model::ErrorKind::Unavailable, "the local queue cannot be used now, see the log")
            .because(error)
    }
}

/// Opens the queue, for the owner's eyes only, and makes it if it is missing.
pub(in crate::local) fn open(state_dir: &Path) -> Result<Connection, QueueError> {
    let path = state_dir.join("local.db");
    let failed = |source| QueueError::Open { path: path.clone(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(state_dir).map_err(failed)?;
    OpenOptions::new().append(true).create(true).mode(0o600).open(&path).map_err(failed)?;
    let mut conn = Connection::open(&path)?;
    conn.busy_timeout(BUSY)?;
    write_ahead(&conn)?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    // A command line that closes the queue should not wait for a checkpoint; see `trim_log`.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // Where there are partial indices, a statement is otherwise compiled anew for every value that is bound.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.set_prepared_statement_cache_capacity(96);
    if version(&conn)? < VERSION {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have been faster.
        match version(&tx)? {
            0 => {
                tx.execute_batch(include_str!("schema.sql"))?;
                tx.execute_batch(include_str!("cluster.sql"))?;
            }
            1 => migrate::from_1(&tx)?,
            _ => {}
        }
        if version(&tx)? < VERSION {
            tx.pragma_update(None, "user_version", VERSION)?;
        }
        tx.commit()?;
    }
    match version(&conn)? {
        VERSION => Ok(conn),
        found => Err(QueueError::Newer { path, found }),
    }
}

/// A second connection to an open queue, for looking only: it never waits for writers.
pub(in crate::local) fn open_for_reading(state_dir: &Path) -> Result<Connection, QueueError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(state_dir.join("local.db"), flags)?;
    conn.busy_timeout(BUSY)?;
    conn.pragma_update(None, "query_only", true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(conn)
}

fn version(conn: &Connection) -> rusqlite::Result<i64> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Switches to the write-ahead log. SQLite does not wait for another process that does the same, so we do.
fn write_ahead(conn: &Connection) -> rusqlite::Result<()> {
    let until = std::time::Instant::now() + BUSY;
    loop {
        match conn.pragma_update(None, "journal_mode", "WAL") {
            Err(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
                    && std::time::Instant::now() < until =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            result => return result,
        }
    }
}

/// Puts the log's content into the database if it is long and nobody else is using it right now.
pub(in crate::local) fn trim_log(conn: &Connection) {
    const LONG: u64 = 256 << 10;
    let Some(path) = conn.path() else { return };
    if fs::metadata(format!("{path}-wal")).is_ok_and(|meta| meta.len() > LONG) {
        // Whoever fails here leaves it to the next.
        drop(conn.busy_timeout(Duration::ZERO));
        drop(conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
    }
}
