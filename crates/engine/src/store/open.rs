//! Opening the index and bringing its schema up to date.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jobgate_model::{Error, ErrorKind};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::broken;

/// The schema's history; the index's `user_version` counts how many of them it has.
const MIGRATIONS: [&str; 6] = [
    include_str!("migrations/0001_index.sql"),
    include_str!("migrations/0002_shares.sql"),
    include_str!("migrations/0003_usage.sql"),
    include_str!("migrations/0004_handed.sql"),
    include_str!("migrations/0005_sent.sql"),
    include_str!("migrations/0006_stop.sql"),
];

/// What a connection that writes, and one of those that read, keep of the index in memory, in KiB. There are several readers,
/// and what they do not keep the system does.
const KEPT: i64 = 8000;
const KEPT_BY_READER: i64 = 1000;

/// What is committed is on the disk.
pub(super) const SYNCED: &str = "PRAGMA synchronous = FULL";
/// What is committed is on the disk a little later, in the same order; until then a power failure undoes it.
pub(super) const UNSYNCED: &str = "PRAGMA synchronous = NORMAL";

/// How long another process may keep the index to itself.
const BUSY: Duration = Duration::from_secs(20);

/// File systems on which SQLite's shared memory does not work between machines: `statfs` magic and name.
const NETWORK: [(u64, &str); 9] = [
    (0x6969, "NFS"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0x00C3_6400, "CephFS"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB"),
    (0x5346_414F, "AFS"),
    (0x0102_1997, "9P"),
];

/// The name of the network file system that a directory is on, if it is on one.
pub fn network_file_system(path: &Path) -> Option<&'static str> {
    let magic = rustix::fs::statfs(path).ok()?.f_type as u64 & 0xFFFF_FFFF;
    NETWORK.iter().find(|(number, _)| *number == magic).map(|(_, name)| *name)
}

pub(super) fn writer(path: &Path) -> Result<Connection, Error> {
    if let Some(parent) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(|e| {
            Error::new(ErrorKind::Internal, format!("cannot make the state directory {}", parent.display())).because(e)
        })?;
        // Whoever made it first may have been less careful. What is not ours to change is not ours to judge either.
        drop(std::fs::set_permissions(parent, std::fs::Permissions::from_mode(0o700)));
        if let Some(name) = network_file_system(parent) {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "the state directory {} is on {name}; name one on a local disk (state_dir, or XDG_STATE_HOME)",
                    parent.display()
                ),
            ));
        }
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open(path, flags, KEPT)?;
    let opening = |error| broken("open the index", error);
    // What undoes one of several writes of a transaction is small, and not worth a file each time. Putting the log (16 MiB) into
    // the database keeps whoever commits waiting, and costs less when more of its pages are written over in the meantime.
    connection.execute_batch("PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 4000").map_err(opening)?;
    write_ahead(&connection).map_err(opening)?;
    connection.execute_batch(SYNCED).map_err(opening)?;
    let version: usize = connection
        .query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))
        .map_err(opening)?
        .try_into()
        .unwrap_or(0);
    if version > MIGRATIONS.len() {
        return Err(Error::new(
            ErrorKind::Invalid,
            format!(
                "the index {} was written by a newer jobgate (schema {version}, this one knows {})",
                path.display(),
                MIGRATIONS.len()
            ),
        ));
    }
    if version < MIGRATIONS.len() {
        migrate(&connection).map_err(opening)?;
        // Secrets are in it.
        drop(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)));
    }
    Ok(connection)
}

pub(super) fn reader(path: &Path) -> Result<Connection, Error> {
    open(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX, KEPT_BY_READER)
}

fn open(path: &Path, flags: OpenFlags, kept: i64) -> Result<Connection, Error> {
    let connection = Connection::open_with_flags(path, flags).map_err(|e| {
        Error::new(ErrorKind::Unavailable, format!("cannot open the index {}", path.display())).because(e)
    })?;
    connection.busy_timeout(BUSY).map_err(|e| broken("open the index", e))?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "cache_size", -kept).map_err(|e| broken("open the index", e))?;
    for setting in [
        // A command line that ends need not wait for a checkpoint; see `trim_log`.
        DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE,
        // Where there are partial indices, a statement is otherwise compiled anew for every value that is bound.
        DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG,
    ] {
        connection.set_db_config(setting, true).map_err(|e| broken("open the index", e))?;
    }
    Ok(connection)
}

/// Switches to the write-ahead log. SQLite does not wait for another process that does the same, so we do.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let until = std::time::Instant::now() + BUSY;
    loop {
        match connection.execute_batch("PRAGMA journal_mode = WAL") {
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

/// The write-ahead log of an index.
pub(super) fn log_of(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

/// Puts the log's content into the database if it is long and nobody else is using it right now.
pub(super) fn trim_log(connection: &Connection, path: &Path) {
    const LONG: u64 = 256 << 10;
    if std::fs::metadata(log_of(path)).is_ok_and(|meta| meta.len() > LONG) {
        // Whoever fails here leaves it to the next.
        drop(connection.busy_timeout(Duration::ZERO));
        drop(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
    }
}

/// Each step in a transaction of its own; two processes that start at once take turns.
fn migrate(connection: &Connection) -> rusqlite::Result<()> {
    for (number, step) in MIGRATIONS.iter().enumerate() {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version == number as i64 {
            connection.execute_batch(step)?;
            connection.execute_batch(&format!("PRAGMA user_version = {}", number + 1))?;
        }
        connection.execute_batch("COMMIT")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_index_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/index.db");
        drop(writer(&path).unwrap());
        let future = Connection::open(&path).unwrap();
        future.execute_batch("PRAGMA user_version = 99").unwrap();
        drop(future);
        let error = writer(&path).unwrap_err();
        assert!(error.message().contains("newer jobgate"), "{error}");
    }

    /// What an index of an older schema has, table by table.
    fn content(connection: &Connection, tables: &[String]) -> Vec<(String, Vec<String>)> {
        let rows = |table: &String| {
            let columns = connection.prepare(&format!("SELECT * FROM {table}")).unwrap().column_count();
            let mut statement = connection.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2")).unwrap();
            let text = |row: &rusqlite::Row<'_>| {
                let value = |at| row.get::<_, rusqlite::types::Value>(at).map(|value| format!("{value:?}"));
                (0..columns).map(value).collect::<rusqlite::Result<Vec<_>>>().map(|values| values.join("|"))
            };
            statement.query_map([], text).unwrap().collect::<rusqlite::Result<Vec<_>>>().unwrap()
        };
        tables.iter().map(|table| (table.clone(), rows(table))).collect()
    }

    #[test]
    fn an_index_of_an_older_schema_is_migrated_and_keeps_everything() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/index.db");
        std::fs::create_dir(dir.path().join("state")).unwrap();
        let old = Connection::open(&path).unwrap();
        old.execute_batch(include_str!("fixtures/schema_1.sql")).unwrap();
        let mut tables = old.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").unwrap();
        let names: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
        drop(tables);
        let before = content(&old, &names);
        assert!(before.iter().any(|(table, rows)| table == "event" && rows.len() == 5), "{before:?}");
        drop(old);

        let migrated = writer(&path).unwrap();
        let version: usize =
            migrated.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)).unwrap() as usize;
        assert_eq!(version, MIGRATIONS.len());
        let after = content(&migrated, &names);
        for ((table, before), (_, after)) in before.iter().zip(&after) {
            if table == "meta" {
                assert!(before.iter().all(|row| after.contains(row)), "{before:?} {after:?}");
            } else {
                // what was added since comes last
                let same = |(before, after): (&String, &String)| after.starts_with(before);
                assert_eq!(before.len(), after.len(), "{table}");
                assert!(before.iter().zip(after).all(same), "{table}: {before:?} {after:?}");
            }
        }
        let jobs: Vec<_> =
            (1..=2).map(|key| super::super::jobs::by_key(&migrated, crate::JobKey(key)).unwrap()).collect();
        assert!(jobs.iter().all(Option::is_some));
        // A new one has the same schema.
        let fresh = writer(&dir.path().join("fresh/index.db")).unwrap();
        let schema = |connection: &Connection| -> Vec<(String, Option<String>)> {
            let mut all = connection.prepare("SELECT name, sql FROM sqlite_master ORDER BY name").unwrap();
            all.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap()
        };
        assert_eq!(schema(&fresh), schema(&migrated));
    }

    #[test]
    fn the_index_is_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/index.db");
        drop(writer(&path).unwrap());
        let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }

    #[test]
    fn two_processes_may_make_it_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index.db");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| writer(&path).unwrap());
            }
        });
    }
}
