//! The layout of an experiment's graph that a background task once calculated.

use std::collections::HashMap;

use super::{Column, Database, DatabaseError, Source, integer, text};

/// Coordinates by job, from `graph_data_<expid>.db`. No file, or one without the table, has none.
pub fn read<'a>(source: impl Into<Source<'a>>) -> Result<HashMap<String, (i64, i64)>, DatabaseError> {
    let database = match Database::open(source) {
        Err(DatabaseError::Missing { .. }) => return Ok(HashMap::new()),
        opened => opened?,
    };
    let columns = ["job_name", "x", "y"].map(Column::Needed);
    let rows = database.read_if_there("experiment_graph_draw", &columns, "ORDER BY rowid", &[], |row| {
        Some((text(row, 0)?, (integer(row, 1)?, integer(row, 2)?)))
    })?;
    Ok(rows.into_iter().flatten().collect())
}
