//! Which job has to wait for which.

use super::{Column, Database, DatabaseError, Source, text};

/// The edges of an experiment's graph, from a job to one that waits for it, in the order of the database: of
/// `structure_<expid>.db`, or of `job_list.db` since Autosubmit 4.2. A file without the table has none.
pub fn read<'a>(source: impl Into<Source<'a>>) -> Result<Vec<(String, String)>, DatabaseError> {
    let database = Database::open(source)?;
    let columns = ["e_from", "e_to"].map(Column::Needed);
    let rows = database.read_if_there("experiment_structure", &columns, "ORDER BY rowid", &[], |row| {
        Some((text(row, 0)?, text(row, 1)?))
    })?;
    Ok(rows.into_iter().flatten().collect())
}
