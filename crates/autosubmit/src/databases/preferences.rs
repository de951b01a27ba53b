//! What users prefer, as the original keeps it: `user_preferences` in `autosubmit_api.db`.

use std::path::{Path, PathBuf};

use rusqlite::params;
use serde::Serialize;

use super::write::{Writer, table_of};
use super::{Column, Database, DatabaseError, Source, text};

/// A user's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preference {
    /// Who
    pub user_id: String,
    /// Which name on the machines
    pub preferred_username: String,
    /// When it was first said, `YYYY-MM-DD-HH:MM:SS+HH:MM`
    pub created: String,
    /// When it was said last
    pub modified: String,
}

const TABLE: &str = "CREATE TABLE IF NOT EXISTS user_preferences (user_id TEXT NOT NULL, preferred_username TEXT NOT NULL, \
created TEXT NOT NULL, modified TEXT NOT NULL, PRIMARY KEY (user_id))";

/// Where the table lies beside the main database.
pub fn beside(database_folder: &Path) -> PathBuf {
    database_folder.join("autosubmit_api.db")
}

/// A user's row, if there is one.
pub fn read<'a>(source: impl Into<Source<'a>>, user: &str) -> Result<Option<Preference>, DatabaseError> {
    let database = match Database::open(source) {
        Err(DatabaseError::Missing { .. }) => return Ok(None),
        opened => opened?,
    };
    let columns = ["user_id", "preferred_username", "created", "modified"].map(Column::Needed);
    let rows = database.read_if_there("user_preferences", &columns, "WHERE user_id = ?1", &[user.into()], |row| {
        Some(Preference {
            user_id: text(row, 0)?,
            preferred_username: text(row, 1)?,
            created: text(row, 2)?,
            modified: text(row, 3)?,
        })
    })?;
    Ok(rows.into_iter().flatten().next())
}

/// Notes what a user prefers; `now` as [`Preference::created`].
pub fn write(path: &Path, user: &str, preferred: &str, now: &str) -> Result<(), DatabaseError> {
    let mut writer = Writer::open(path)?;
    table_of(&writer, TABLE)?;
    writer.change(|transaction| {
        let change = "UPDATE user_preferences SET preferred_username = ?2, modified = ?3 WHERE user_id = ?1";
        if transaction.execute(change, params![user, preferred, now])? == 0 {
            transaction
                .execute("INSERT INTO user_preferences VALUES (?1, ?2, ?3, ?3)", params![user, preferred, now])?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preference_is_replaced_and_keeps_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = beside(folder.path());
        assert_eq!(read(&path, "ann").unwrap(), None);
        write(&path, "ann", "a1", "2026-01-01-00:00:00+00:00").unwrap();
        write(&path, "bob", "b1", "2026-01-01-00:00:00+00:00").unwrap();
        write(&path, "ann", "a2", "2026-01-02-00:00:00+00:00").unwrap();
        let ann = read(&path, "ann").unwrap().unwrap();
        assert_eq!((ann.preferred_username.as_str(), ann.created.as_str()), ("a2", "2026-01-01-00:00:00+00:00"));
        assert_eq!(ann.modified, "2026-01-02-00:00:00+00:00");
        assert_eq!(read(&path, "bob").unwrap().unwrap().preferred_username, "b1");
    }
}
