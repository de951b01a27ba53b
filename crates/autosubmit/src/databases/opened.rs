//! A file that is open for reading, with the columns of its tables, which are asked for once for each version of its schema.
//!
//! Of a file that is written ahead (WAL) SQLite makes two more beside it when it reads, which then are ours, and whose own writers may
//! be locked out by them. So such a file is not opened in the usual way unless its writers are at it and both are there. Whether it is
//! written ahead its header says; this process must not read that by itself, since closing a file of which SQLite holds a lock would
//! end the lock. SQLite is asked without locks, and once for each file.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{DatabaseError, PATIENCE, failure};
use crate::basis;
use crate::kept::{Identity, parts_of_database};

/// Bytes that a text may have.
const LONGEST: i32 = 32 << 20;

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
    /// Whether it is read as it lies.
    still: bool,
}

impl Opened {
    /// Opens a file. `identity`: of what is at the path.
    pub(super) fn open(path: &Path, identity: Identity) -> Result<Self, DatabaseError> {
        let failed = |source| failure(path, source);
        let [_, ahead, _] = parts_of_database(path);
        let ahead = fs::metadata(&ahead).ok();
        if ahead.is_some()
            && let Some(file) = identity.file()
        {
            usual().remove(&file);
        }
        if ahead.is_some_and(|ahead| ahead.len() > 0) {
            // without the other file nobody is at it, and what is ahead has to be brought in order by somebody who may write
            if fs::metadata(beside(path, "-shm")).is_ok() {
                return Self::connect(path, "").map_err(failed);
            }
            // somebody may be at it soon, which the other two do not show
            basis::unfounded();
            return Err(DatabaseError::Unfinished { path: path.to_owned() });
        }
        if !is_written_ahead(path, identity).map_err(failed)? {
            return Self::connect(path, "").map_err(failed);
        }
        let still = Self::connect(path, "&immutable=1").map_err(failed)?;
        Ok(Self { still: true, ..still })
    }

    fn connect(path: &Path, more: &str) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(uri(path) + more, flags)?;
        connection.busy_timeout(PATIENCE)?;
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LONGEST)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        Ok(Self::of(connection))
    }

    /// Whether it is read as it lies, without locks, so that it must not be kept open.
    pub(super) fn lies_still(&self) -> bool {
        self.still
    }

    /// Whether what was read as it lies was written to meanwhile.
    pub(super) fn has_changed(&self, path: &Path, identity: Identity) -> bool {
        self.still && Identity::of(path) != identity
    }

    /// A file that is open.
    pub(super) fn of(connection: Connection) -> Self {
        let (tables, version, current) = (RefCell::default(), Cell::default(), Cell::default());
        Self { connection, tables, version, current, still: false }
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

/// So many files are known not to be written ahead.
const KNOWN: usize = 1 << 16;

/// Files that were seen not to be written ahead. A file rarely changes in that, and if it does, what is beside it shows it.
static USUAL: Mutex<BTreeSet<(u64, u64)>> = Mutex::new(BTreeSet::new());

fn usual() -> MutexGuard<'static, BTreeSet<(u64, u64)>> {
    USUAL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a file is written ahead, beside which nothing is ahead.
fn is_written_ahead(path: &Path, identity: Identity) -> rusqlite::Result<bool> {
    let Some(file) = identity.file() else { return Ok(false) };
    if usual().contains(&file) {
        return Ok(false);
    }
    let asked = Opened::connect(path, "&nolock=1")?;
    let version = asked.connection.query_row("PRAGMA schema_version", [], |_| Ok(()));
    // this is how a file is refused that cannot be read without locks; what else is wrong with it shows when it is read
    if matches!(&version, Err(error) if error.sqlite_error_code() == Some(ErrorCode::CannotOpen)) {
        return Ok(true);
    }
    let mut usual = usual();
    if usual.len() >= KNOWN {
        usual.clear();
    }
    usual.insert(file);
    Ok(false)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut part = path.as_os_str().to_owned();
    part.push(suffix);
    part.into()
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
