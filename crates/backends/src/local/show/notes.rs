//! What was noted about runs in the accounting database after they were submitted. A note outlives its run's end: a run that
//! has ended is not changed any more, but what is said about it may be.

use std::collections::HashMap;

use jobgate_slurm::cluster::RecordChange;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::super::queue;

/// The settings that keep notes, before the run's number.
const KEY: &str = "note:";

/// A note about one run; `None` leaves what was submitted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Note {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) admin_comment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) system_comment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) extra: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) wckey: Option<String>,
    /// As wait(2) gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) derived_exit_code: Option<u32>,
    /// TRES that are to be shown besides what was allocated, as `name=count,...`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tres: Option<String>,
}

impl Note {
    /// This note with a change on top.
    pub(super) fn changed(&self, change: &RecordChange) -> Self {
        let top = |new: &Option<String>, old: &Option<String>| new.clone().or_else(|| old.clone());
        Self {
            comment: top(&change.comment, &self.comment),
            admin_comment: top(&change.admin_comment, &self.admin_comment),
            system_comment: top(&change.system_comment, &self.system_comment),
            extra: top(&change.extra, &self.extra),
            wckey: top(&change.wckey, &self.wckey),
            derived_exit_code: change.derived_exit_code.or(self.derived_exit_code),
            tres: top(&change.tres, &self.tres),
        }
    }

    /// This note without what a change of the run itself has said anew.
    pub(super) fn without(mut self, said: &RecordChange) -> Self {
        for (own, new) in [
            (&mut self.comment, &said.comment),
            (&mut self.admin_comment, &said.admin_comment),
            (&mut self.system_comment, &said.system_comment),
            (&mut self.extra, &said.extra),
            (&mut self.wckey, &said.wckey),
        ] {
            if new.is_some() {
                *own = None;
            }
        }
        self
    }
}

/// All notes, by the number of their run.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<HashMap<i64, Note>> {
    let mut statement = connection.prepare_cached("SELECT key, value FROM setting WHERE key >= ?1 AND key < ?2")?;
    let rows = statement.query_map([KEY, "note;"], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let mut notes = HashMap::new();
    for row in rows {
        let (key, value) = row?;
        let id = key.strip_prefix(KEY).and_then(|id| id.parse().ok());
        // A note that a newer version wrote in another form is left alone.
        if let (Some(id), Ok(note)) = (id, serde_json::from_str(&value)) {
            notes.insert(id, note);
        }
    }
    Ok(notes)
}

/// The note about one run.
pub(super) fn one(connection: &Connection, id: i64) -> rusqlite::Result<Note> {
    let text = queue::setting(connection, &format!("{KEY}{id}"))?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

/// Keeps a note, or removes one that says nothing; and those of runs that are forgotten.
pub(super) fn keep(connection: &Connection, id: i64, note: &Note) -> rusqlite::Result<()> {
    let text = (*note != Note::default()).then(|| serde_json::to_string(note).unwrap_or_default());
    queue::set_setting(connection, &format!("{KEY}{id}"), text.as_deref())?;
    connection.execute(
        "DELETE FROM setting WHERE key >= 'note:' AND key < 'note;' \
         AND CAST(substr(key, 6) AS INTEGER) NOT IN (SELECT id FROM run)",
        [],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_and_forgotten() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
                 CREATE TABLE run (id INTEGER PRIMARY KEY); INSERT INTO run VALUES (7), (8);
                 INSERT INTO setting VALUES ('drained', 'yes'), ('note:9', '{}')",
            )
            .unwrap();
        let first =
            RecordChange { comment: Some("c".into()), derived_exit_code: Some(1024), ..RecordChange::default() };
        let note = Note::default().changed(&first);
        keep(&connection, 7, &note).unwrap();
        assert_eq!(one(&connection, 7).unwrap(), note);
        let second = RecordChange { comment: Some(String::new()), extra: Some("e".into()), ..RecordChange::default() };
        let note = note.changed(&second);
        keep(&connection, 7, &note).unwrap();
        let expected = Note {
            comment: Some(String::new()),
            extra: Some("e".into()),
            derived_exit_code: Some(1024),
            ..Note::default()
        };
        assert_eq!(all(&connection).unwrap(), HashMap::from([(7, expected.clone())]));
        assert_eq!(expected.without(&second).comment, None);
        keep(&connection, 7, &Note::default()).unwrap();
        assert!(all(&connection).unwrap().is_empty());
        assert_eq!(queue::setting(&connection, "drained").unwrap().as_deref(), Some("yes"));
    }
}
