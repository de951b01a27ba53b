//! A file that is open for reading, with the columns of its tables, which are asked for once for each version of its schema.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags};

use super::PATIENCE;

/// The names of a table's columns.
pub(super) type Columns = Arc<[String]>;

/// A file that is open for reading.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) connection: Connection,
    tables: RefCell<HashMap<&'static str, Columns>>,
    /// The version of the schema that `tables` are of.
    version: Cell<Option<i64>>,
    /// Whether that is the version of the transaction under way.
    current: Cell<bool>,
}

impl Opened {
    /// Opens a file.
    pub(super) fn open(path: &Path) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(uri(path), flags)?;
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        Ok(Self::of(connection))
    }

    /// A file that is open.
    pub(super) fn of(connection: Connection) -> Self {
        Self { connection, tables: RefCell::default(), version: Cell::default(), current: Cell::default() }
    }

    /// Begins: all that is asked from now on is answered from the same state of the file.
    pub(super) fn begin(&self) -> rusqlite::Result<()> {
        self.current.set(false);
        self.run("BEGIN")
    }

    /// Ends what was begun.
    pub(super) fn end(&self) -> rusqlite::Result<()> {
        self.run("COMMIT")
    }

    fn run(&self, command: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(command)?.execute([]).map(drop)
    }

    /// The stored columns of an ordinary table; none if there is no such table.
    pub(super) fn columns(&self, table: &'static str) -> rusqlite::Result<Columns> {
        if !self.current.get() {
            let version = self.connection.prepare_cached("PRAGMA schema_version")?.query_row([], |row| row.get(0))?;
            if self.version.replace(Some(version)) != Some(version) {
                self.tables.borrow_mut().clear();
            }
            self.current.set(true);
        }
        if let Some(columns) = self.tables.borrow().get(table) {
            return Ok(Arc::clone(columns));
        }
        // table_info leaves generated columns out
        let query = "SELECT info.name FROM sqlite_master AS master, pragma_table_info(?1) AS info \
                     WHERE master.type = 'table' AND master.name = ?1 AND master.sql NOT LIKE 'CREATE VIRTUAL%'";
        let mut statement = self.connection.prepare_cached(query)?;
        let names = statement.query_map([table], |row| row.get::<_, String>(0))?;
        let columns: Columns = names.collect::<Result<_, _>>()?;
        self.tables.borrow_mut().insert(table, Arc::clone(&columns));
        Ok(columns)
    }
}

/// A path as a URI, in which `?`, `#` and `%` mean something else.
fn uri(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => uri.push(char::from(*byte)),
            _ => uri.extend(format!("%{byte:02X}").chars()),
        }
    }
    uri + "?mode=ro"
}
