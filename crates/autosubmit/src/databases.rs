//! Autosubmit's tables, read beside whoever writes them: in SQLite files, or in PostgreSQL.
//!
//! A file is opened with `mode=ro`: a writer's locks are respected, and waited for up to [`PATIENCE`]. Nothing is made beside it: one
//! that is written ahead (WAL), and at which nobody is, is read as it lies (`opened.rs`). Only ordinary tables and stored columns are read, so that a file cannot make us run a query of its own through a view, a virtual
//! table or a generated column. Columns that a version of Autosubmit does not have yet read as nothing.

pub mod catalogue;
pub mod drawing;
mod encryption;
pub mod history;
mod idle;
pub mod metrics;
mod opened;
pub mod packages;
pub(crate) mod posted;
pub mod postgres;
pub mod preferences;
pub mod processes;
pub mod structure;
pub(crate) mod write;
pub mod written;

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{ErrorCode, ToSql};
use thiserror::Error;

use crate::basis;
use crate::kept::Identity;
use opened::{Columns, Opened};

/// So long a writer's lock is waited for.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Rows that one reading may have.
const MOST_ROWS: usize = 4 << 20;
/// Bytes that the columns of all its rows may have.
const MOST_BYTES: usize = 512 << 20;

/// Why a database cannot be read. The texts name the file without its folder.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// There is no such file, or it may not be opened.
    #[error("unable to open database file {}", name(path))]
    Missing {
        /// Which file
        path: PathBuf,
    },
    /// Somebody writes, and did not stop within [`PATIENCE`].
    #[error("database {} is locked", name(path))]
    Busy {
        /// Which file
        path: PathBuf,
    },
    /// The file is damaged, cut off, or no database.
    #[error("{} is not a database, or is damaged", name(path))]
    Damaged {
        /// Which file
        path: PathBuf,
    },
    /// A writer died in the middle; only the next writer can bring the file in order.
    #[error(
        "database {} was left in the middle of a change; it is brought in order when Autosubmit opens it next",
        name(path)
    )]
    Unfinished {
        /// Which file
        path: PathBuf,
    },
    /// The file may not be written.
    #[error("database {} may not be written by this server", name(path))]
    ReadOnly {
        /// Which file
        path: PathBuf,
    },
    /// The table is not there.
    #[error("no such table: {table} in {}", name(path))]
    NoTable {
        /// Which file
        path: PathBuf,
        /// Which table
        table: &'static str,
    },
    /// A column is not there without which the table says nothing.
    #[error("no such column: {table}.{column} in {}", name(path))]
    NoColumn {
        /// Which file
        path: PathBuf,
        /// Which table
        table: &'static str,
        /// Which column
        column: &'static str,
    },
    /// There is more in it than can be.
    #[error("{} has more rows, or longer ones, than can be", name(path))]
    TooMuch {
        /// Which file
        path: PathBuf,
    },
    /// The PostgreSQL server says no, or cannot be reached.
    #[error("database server: {what}")]
    Server {
        /// What it says
        what: String,
    },
    /// Anything else that SQLite says.
    #[error("database {}: {source}", name(path))]
    Other {
        /// Which file
        path: PathBuf,
        /// What it says
        source: rusqlite::Error,
    },
}

fn name(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy()
}

/// Where tables are read from: a file, or a schema of a server.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// A SQLite file
    File(&'a Path),
    /// A schema in PostgreSQL: `public`, or an expid
    Schema(&'a postgres::Postgres, &'a str),
}

impl<'a> From<&'a Path> for Source<'a> {
    fn from(path: &'a Path) -> Self {
        Self::File(path)
    }
}

impl<'a> From<&'a PathBuf> for Source<'a> {
    fn from(path: &'a PathBuf) -> Self {
        Self::File(path)
    }
}

/// A database that is open for reading.
#[derive(Debug)]
pub(crate) struct Database<'a> {
    open: Open<'a>,
    /// The file; of a server the schema, in its place
    path: PathBuf,
    failed: Cell<bool>,
}

/// A file that could be read stays open for whoever asks next.
impl Drop for Database<'_> {
    fn drop(&mut self) {
        if let Open::File(file, identity) = &mut self.open
            && let Some(file) = file.take().filter(|file| !self.failed.get() && !file.lies_still())
            && file.end().is_ok()
        {
            idle::put(&self.path, *identity, file);
        }
    }
}

#[derive(Debug)]
enum Open<'a> {
    /// `None`: it was given back. With what was at the path before it was opened.
    File(Option<Box<Opened>>, Identity),
    Schema(Box<RefCell<postgres::Lease<'a>>>, &'a str),
}

/// A column to read: its name, and whether the table is nothing without it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Column {
    Needed(&'static str),
    Optional(&'static str),
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Self::Needed(name) | Self::Optional(name) => name,
        }
    }
}

/// What stands for `?1` and so on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Parameter<'a> {
    Text(&'a str),
    Integer(Option<i64>),
}

impl<'a> From<&'a str> for Parameter<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl Parameter<'_> {
    fn as_text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some((*text).to_owned()),
            Self::Integer(number) => number.map(|number| number.to_string()),
        }
    }

    fn in_postgres(self, place: usize) -> String {
        match self {
            Self::Text(_) => format!("${place}::text"),
            Self::Integer(_) => format!("(${place}::text)::bigint"),
        }
    }
}

impl ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Text(text) => text.to_sql(),
            Self::Integer(number) => number.to_sql(),
        }
    }
}

/// A row of whichever database.
pub(crate) enum Row<'a> {
    File(&'a rusqlite::Row<'a>),
    Postgres(&'a ::postgres::Row),
}

impl<'a> Database<'a> {
    pub(crate) fn open(source: impl Into<Source<'a>>) -> Result<Self, DatabaseError> {
        let path = match source.into() {
            Source::File(path) => path,
            Source::Schema(server, schema) => {
                let open = Open::Schema(Box::new(RefCell::new(server.lease()?)), schema);
                return Ok(Self { open, path: schema.into(), failed: Cell::default() });
            }
        };
        let identity = Identity::of(path);
        // SQLite calls a folder, a missing file and one that may not be read by the same name
        basis::note_database(path);
        if !path.is_file() {
            return Err(DatabaseError::Missing { path: path.to_owned() });
        }
        let file = match idle::take(path, identity) {
            Some(file) => file,
            None => Box::new(Opened::open(path, identity)?),
        };
        file.begin().map_err(|source| failure(path, source))?;
        let open = Open::File(Some(file), identity);
        Ok(Self { open, path: path.to_owned(), failed: Cell::default() })
    }

    /// What is open.
    fn opened(&self) -> Either<'_, 'a> {
        match &self.open {
            Open::File(file, _) => Either::File(file.as_ref().expect("invariant: it is given back last")),
            Open::Schema(lease, schema) => Either::Schema(lease, schema),
        }
    }

    /// Reads columns of a table, those that are not there as NULL. `rest` is what follows `FROM table` in SQL.
    pub(crate) fn read<T>(
        &self,
        table: &'static str,
        columns: &[Column],
        rest: &str,
        parameters: &[Parameter<'_>],
        mut each: impl FnMut(&Row<'_>) -> T,
    ) -> Result<Vec<T>, DatabaseError> {
        let columns = self.known(table, columns)?;
        let file = match self.opened() {
            Either::File(file) => file,
            Either::Schema(lease, schema) => {
                return lease.borrow_mut().read((schema, table), &columns, rest, parameters, each);
            }
        };
        let select = |(column, there): &(Column, bool)| match there {
            true => format!("\"{}\"", column.name()),
            false => "NULL".to_owned(),
        };
        let selected: Vec<String> = columns.iter().map(select).collect();
        let query = format!("SELECT {} FROM \"{table}\" {rest}", selected.join(", "));
        let failed = |source| self.failure(source);
        let mut statement = file.connection.prepare_cached(&query).map_err(failed)?;
        let mut rows = statement.query(rusqlite::params_from_iter(parameters)).map_err(failed)?;
        let mut found = Vec::new();
        let mut bytes = 0;
        while let Some(row) = rows.next().map_err(failed)? {
            bytes += (0..columns.len()).map(|column| length(row, column)).sum::<usize>();
            if found.len() >= MOST_ROWS || bytes > MOST_BYTES {
                return Err(DatabaseError::TooMuch { path: self.path.clone() });
            }
            found.push(each(&Row::File(row)));
        }
        if let Open::File(_, identity) = &self.open
            && file.has_changed(&self.path, *identity)
        {
            self.failed.set(true);
            basis::unfounded();
            return Err(DatabaseError::Busy { path: self.path.clone() });
        }
        Ok(found)
    }

    /// The same of a table that need not be there.
    pub(crate) fn read_if_there<T>(
        &self,
        table: &'static str,
        columns: &[Column],
        rest: &str,
        parameters: &[Parameter<'_>],
        each: impl FnMut(&Row<'_>) -> T,
    ) -> Result<Vec<T>, DatabaseError> {
        match self.read(table, columns, rest, parameters, each) {
            Err(DatabaseError::NoTable { .. }) => Ok(Vec::new()),
            Err(DatabaseError::Missing { .. }) if matches!(self.open, Open::Schema(..)) => Ok(Vec::new()),
            read => read,
        }
    }

    #[cfg(test)]
    fn file(&self) -> &Opened {
        match self.opened() {
            Either::File(file) => file,
            Either::Schema(..) => panic!("this is no file"),
        }
    }

    /// Which columns there are.
    fn known(&self, table: &'static str, columns: &[Column]) -> Result<Vec<(Column, bool)>, DatabaseError> {
        let known = match self.opened() {
            Either::File(file) => file.columns(table).map_err(|source| self.failure(source))?,
            Either::Schema(lease, schema) => {
                let mut lease = lease.borrow_mut();
                if lease.has_table(schema, table)? { lease.columns(schema, table)?.into() } else { Columns::default() }
            }
        };
        if known.is_empty() {
            // in a schema a table that is not there is what a file is that is not there
            return Err(match self.open {
                Open::File(..) => DatabaseError::NoTable { path: self.path.clone(), table },
                Open::Schema(..) => DatabaseError::Missing { path: self.path.join(table) },
            });
        }
        let has = |column: &str| known.iter().any(|name| name.eq_ignore_ascii_case(column));
        let check = |column: &Column| match *column {
            Column::Needed(column) if !has(column) => {
                Err(DatabaseError::NoColumn { path: self.path.clone(), table, column })
            }
            column => Ok((column, has(column.name()))),
        };
        columns.iter().map(check).collect()
    }

    fn failure(&self, source: rusqlite::Error) -> DatabaseError {
        self.failed.set(true);
        failure(&self.path, source)
    }
}

/// What is open, to be asked.
enum Either<'b, 'a> {
    File(&'b Opened),
    Schema(&'b RefCell<postgres::Lease<'a>>, &'a str),
}

fn failure(path: &Path, source: rusqlite::Error) -> DatabaseError {
    // a lock ends without a trace in the file
    basis::unfounded();
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => DatabaseError::Busy { path },
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => DatabaseError::Damaged { path },
        Some(ErrorCode::CannotOpen) => DatabaseError::Missing { path },
        Some(ErrorCode::ReadOnly) => DatabaseError::Unfinished { path },
        Some(ErrorCode::TooBig) => DatabaseError::TooMuch { path },
        _ => DatabaseError::Other { path, source },
    }
}

/// Bytes of a column that is a text.
fn length(row: &rusqlite::Row<'_>, column: usize) -> usize {
    match row.get_ref(column) {
        Ok(ValueRef::Text(bytes) | ValueRef::Blob(bytes)) => bytes.len(),
        _ => 0,
    }
}

/// A number, also one that was stored as text or with a fraction.
pub(crate) fn integer(row: &Row<'_>, column: usize) -> Option<i64> {
    let of_text = |text: &str| {
        let text = text.trim();
        text.parse().ok().or_else(|| text.parse::<f64>().ok().map(|value| value as i64))
    };
    match row {
        Row::Postgres(row) => of_text(row.try_get::<_, Option<&str>>(column).ok()??),
        Row::File(row) => match row.get_ref(column).ok()? {
            ValueRef::Integer(value) => Some(value),
            ValueRef::Real(value) => Some(value as i64),
            ValueRef::Text(text) => of_text(std::str::from_utf8(text).ok()?),
            ValueRef::Null | ValueRef::Blob(_) => None,
        },
    }
}

/// A number with a fraction.
pub(crate) fn real(row: &Row<'_>, column: usize) -> Option<f64> {
    match row {
        Row::Postgres(row) => row.try_get::<_, Option<&str>>(column).ok()??.trim().parse().ok(),
        Row::File(file) => match file.get_ref(column).ok()? {
            ValueRef::Real(value) => Some(value),
            _ => integer(row, column).map(|value| value as f64),
        },
    }
}

/// A text, also of a number.
pub(crate) fn text(row: &Row<'_>, column: usize) -> Option<String> {
    match row {
        Row::Postgres(row) => row.try_get(column).ok()?,
        Row::File(row) => match row.get_ref(column).ok()? {
            ValueRef::Integer(value) => Some(value.to_string()),
            ValueRef::Real(value) => Some(value.to_string()),
            ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Null | ValueRef::Blob(_) => None,
        },
    }
}

#[cfg(test)]
mod tests;
