//! The few files that are written: those that the original API writes, in the same tables.
//!
//! A file is opened for writing only here. Each change is one immediate transaction, which waits up to [`super::PATIENCE`] for other
//! writers; the journal stays whatever the file's is, so that Autosubmit and the original find what they know.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::{DatabaseError, PATIENCE, failure};

/// A file that is open for writing.
#[derive(Debug)]
pub(crate) struct Writer {
    connection: Connection,
    path: PathBuf,
}

impl Writer {
    /// Opens a file and makes it if there is none. Its folder must be there.
    pub(crate) fn open(path: &Path) -> Result<Self, DatabaseError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(path, flags).and_then(|connection| {
            connection.busy_timeout(PATIENCE)?;
            connection.pragma_update(None, "trusted_schema", false)?;
            Ok(connection)
        });
        let connection = opened.map_err(|source| failure(path, source))?;
        Ok(Self { connection, path: path.to_owned() })
    }

    /// Makes a change, whole or not at all.
    pub(crate) fn change<T>(
        &mut self,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, DatabaseError> {
        let path = &self.path;
        let failed = |source| match failure(path, source) {
            // of one that is opened to be written it means that it may not be
            DatabaseError::Unfinished { path } => DatabaseError::ReadOnly { path },
            other => other,
        };
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let changed = change(&transaction).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok(changed)
    }
}

/// Makes a table if it is not there.
pub(crate) fn table_of(writer: &Writer, create: &str) -> Result<(), DatabaseError> {
    writer.connection.execute_batch(create).map_err(|source| match failure(&writer.path, source) {
        DatabaseError::Unfinished { path } => DatabaseError::ReadOnly { path },
        other => other,
    })
}
