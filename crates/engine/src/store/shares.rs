//! With whom jobs are shared.

use std::collections::{BTreeSet, HashMap, HashSet};

use jobgate_model::Access;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::types::{JobKey, Share};

/// Which jobs a principal may see.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Visible<'a> {
    /// Only this user's, and those that are shared with it; `None`: everybody's.
    pub(crate) user: Option<&'a str>,
    /// Only those of these backends; `None`: of all.
    pub(crate) backends: Option<&'a BTreeSet<String>>,
}

/// The jobs that are shared with each user, by their keys.
pub(crate) type SharedJobs = HashMap<Box<str>, HashSet<i64>>;

/// What a user may do with a job of somebody else.
pub(crate) fn access(connection: &Connection, key: JobKey, user: &str) -> rusqlite::Result<Option<Access>> {
    connection
        .prepare_cached("SELECT access FROM share WHERE job = ?1 AND user = ?2")?
        .query_row(params![key.0, user], |row| row.get(0).map(access_of))
        .optional()
}

/// Shares a job, or changes how it is shared. `false`: there is no such job (any more).
pub(crate) fn share(connection: &Connection, key: JobKey, share: &Share) -> rusqlite::Result<bool> {
    let changed = connection
        .prepare_cached(
            "INSERT INTO share (job, user, access, by, created) SELECT key, ?2, ?3, ?4, ?5 FROM job WHERE key = ?1
             ON CONFLICT (job, user) DO UPDATE SET access = ?3, by = ?4, created = ?5",
        )?
        .execute(params![key.0, share.user, code(share.access), share.by, share.created])?;
    count_change(connection)?;
    Ok(changed > 0)
}

/// Ends the sharing of a job with a user. `false`: it was not shared with that one.
pub(crate) fn unshare(connection: &Connection, key: JobKey, user: &str) -> rusqlite::Result<bool> {
    let changed =
        connection.prepare_cached("DELETE FROM share WHERE job = ?1 AND user = ?2")?.execute(params![key.0, user])?;
    count_change(connection)?;
    Ok(changed > 0)
}

/// With whom a job is shared, by name.
pub(crate) fn of_job(connection: &Connection, key: JobKey) -> rusqlite::Result<Vec<Share>> {
    connection
        .prepare_cached("SELECT user, access, by, created FROM share WHERE job = ?1 ORDER BY user")?
        .query_map([key.0], |row: &Row<'_>| {
            Ok(Share { user: row.get(0)?, access: access_of(row.get(1)?), by: row.get(2)?, created: row.get(3)? })
        })?
        .collect()
}

/// Whether any job is shared with this user.
pub(crate) fn has_any(connection: &Connection, user: &str) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM share WHERE user = ?1")?.exists([user])
}

/// Everything that is shared.
pub(crate) fn all(connection: &Connection) -> rusqlite::Result<SharedJobs> {
    let mut all = SharedJobs::new();
    let mut statement = connection.prepare_cached("SELECT user, job FROM share")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let user = row.get_ref(0)?.as_str()?;
        if !all.contains_key(user) {
            all.insert(user.into(), HashSet::new());
        }
        if let Some(jobs) = all.get_mut(user) {
            jobs.insert(row.get(1)?);
        }
    }
    Ok(all)
}

fn count_change(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'shares'")?
        .execute([])
        .map(drop)
}

fn code(access: Access) -> i64 {
    match access {
        Access::Read => 1,
        Access::Write => 2,
    }
}

fn access_of(code: i64) -> Access {
    if code == 2 { Access::Write } else { Access::Read }
}
