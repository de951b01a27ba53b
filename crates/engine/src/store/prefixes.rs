//! Prefixes: their numbers, and which directories they are.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

/// The number of a prefix, which is entered if it is new.
pub(super) fn id(connection: &Connection, path: &Path) -> rusqlite::Result<i64> {
    let text = path.to_string_lossy();
    let found = connection
        .prepare_cached("SELECT id FROM prefix WHERE path = ?1")?
        .query_row([&text], |row| row.get(0))
        .optional()?;
    if let Some(id) = found {
        return Ok(id);
    }
    connection.prepare_cached("INSERT INTO prefix (path) VALUES (?1)")?.insert([&text])
}

/// The inode of the directory that a prefix was, as far as that is known.
pub(crate) fn directory(connection: &Connection, prefix: &Path) -> rusqlite::Result<Option<u64>> {
    let found: Option<Option<i64>> = connection
        .prepare_cached("SELECT inode FROM prefix WHERE path = ?1")?
        .query_row([prefix.to_string_lossy()], |row| row.get(0))
        .optional()?;
    Ok(found.flatten().map(i64::cast_unsigned))
}

/// Remembers which directory a prefix is.
pub(crate) fn set_directory(connection: &Connection, prefix: &Path, inode: u64) -> rusqlite::Result<()> {
    let id = id(connection, prefix)?;
    connection
        .prepare_cached("UPDATE prefix SET inode = ?2 WHERE id = ?1")?
        .execute(params![id, inode.cast_signed()])?;
    Ok(())
}
