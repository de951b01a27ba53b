//! What all processes share besides runs: changes of nodes and partitions, reservations, and how far all has changed.

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::to_json;

/// A table of records by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::local) enum Table {
    Node,
    Partition,
    Reservation,
}

impl Table {
    fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Partition => "partition",
            Self::Reservation => "reservation",
        }
    }
}

/// All records of a table. One that cannot be read counts as missing.
pub(in crate::local) fn records<T: DeserializeOwned>(
    tx: &Connection,
    table: Table,
) -> rusqlite::Result<Vec<(String, T)>> {
    let mut statement = tx.prepare_cached(&format!("SELECT name, record FROM {} ORDER BY name", table.name()))?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let mut records = Vec::new();
    for row in rows {
        let (name, text) = row?;
        match serde_json::from_str(&text) {
            Ok(record) => records.push((name, record)),
            Err(error) => tracing::error!(name, %error, "a record of the local queue cannot be read"),
        }
    }
    Ok(records)
}

/// Sets a record, or removes it. What there is has changed then.
pub(in crate::local) fn set_record<T: Serialize>(
    tx: &Connection,
    table: Table,
    name: &str,
    record: Option<&T>,
) -> rusqlite::Result<()> {
    match record {
        Some(record) => tx
            .prepare_cached(&format!("INSERT OR REPLACE INTO {} (name, record) VALUES (?, ?)", table.name()))?
            .execute([name, &to_json(record)])?,
        None => tx.prepare_cached(&format!("DELETE FROM {} WHERE name = ?", table.name()))?.execute([name])?,
    };
    count_inventory(tx)
}

/// What there is, or how it is limited, has changed.
pub(in crate::local) fn count_inventory(tx: &Connection) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE revision SET inventory = number + 1")?.execute([])?;
    Ok(())
}

/// How far all of it has changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::local) struct Changes {
    pub(in crate::local) number: i64,
    /// The number when nodes, partitions or reservations changed last.
    pub(in crate::local) inventory: i64,
    pub(in crate::local) runs: f64,
    pub(in crate::local) nodes: f64,
    pub(in crate::local) partitions: f64,
    pub(in crate::local) reservations: f64,
}

/// How far all of it has changed.
pub(in crate::local) fn changes(tx: &Connection) -> rusqlite::Result<Changes> {
    tx.prepare_cached("SELECT number, inventory, runs, nodes, partitions, reservations FROM revision")?.query_row(
        [],
        |row| {
            Ok(Changes {
                number: row.get(0)?,
                inventory: row.get(1)?,
                runs: row.get(2)?,
                nodes: row.get(3)?,
                partitions: row.get(4)?,
                reservations: row.get(5)?,
            })
        },
    )
}

/// What has changed in a transaction besides runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::local) struct Touched {
    pub(in crate::local) nodes: bool,
    pub(in crate::local) partitions: bool,
    pub(in crate::local) reservations: bool,
}

/// Counts a transaction that has changed something.
pub(in crate::local) fn count_change(tx: &Connection, touched: Touched, now: f64) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "UPDATE revision SET number = number + 1, runs = ?1, nodes = iif(?2, ?1, nodes), \
         partitions = iif(?3, ?1, partitions), reservations = iif(?4, ?1, reservations)",
    )?
    .execute(params![now, touched.nodes, touched.partitions, touched.reservations])?;
    Ok(())
}

/// What the scheduler has done, as it is stored.
pub(in crate::local) fn counters<T: DeserializeOwned + Default>(tx: &Connection) -> rusqlite::Result<T> {
    let text: Option<String> =
        tx.prepare_cached("SELECT record FROM counters")?.query_row([], |row| row.get(0)).optional()?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

/// Stores what the scheduler has done.
pub(in crate::local) fn set_counters<T: Serialize>(tx: &Connection, record: &T) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE counters SET record = ?")?.execute([to_json(record)])?;
    Ok(())
}

/// How many runs wait, run, and are known in all.
pub(in crate::local) fn population(tx: &Connection) -> rusqlite::Result<(u64, u64, u64)> {
    let count = |sql: &str| -> rusqlite::Result<u64> {
        Ok(tx.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0))?.cast_unsigned())
    };
    Ok((
        count("SELECT count(*) FROM run WHERE phase = 0")?,
        count("SELECT count(*) FROM run WHERE phase = 1")?,
        count("SELECT count(*) FROM run")?,
    ))
}

/// A setting that all processes share.
pub(in crate::local) fn setting(tx: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    tx.prepare_cached("SELECT value FROM setting WHERE key = ?")?.query_row([key], |row| row.get(0)).optional()
}

/// Sets a setting, or removes it.
pub(in crate::local) fn set_setting(tx: &Connection, key: &str, value: Option<&str>) -> rusqlite::Result<()> {
    match value {
        Some(value) => tx
            .prepare_cached("INSERT OR REPLACE INTO setting (key, value) VALUES (?, ?)")?
            .execute([key, value])
            .map(drop),
        None => tx.prepare_cached("DELETE FROM setting WHERE key = ?")?.execute([key]).map(drop),
    }
}
