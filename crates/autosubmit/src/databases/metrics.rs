//! Metrics that jobs reported about themselves, and the cached layout of the graph.

use super::{Column, Database, DatabaseError, Parameter, Source, integer, text};

/// A metric of a job in one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    /// The job's name
    pub job_name: Option<String>,
    /// The metric's name
    pub metric_name: Option<String>,
    /// Its value as the job wrote it
    pub metric_value: Option<String>,
    /// When, as it was written
    pub modified: Option<String>,
}

/// The metrics of one run, in the order of the database.
pub fn of_run<'a>(source: impl Into<Source<'a>>, run: i64) -> Result<Vec<Metric>, DatabaseError> {
    let database = Database::open(source)?;
    let columns = ["job_name", "metric_name", "metric_value", "modified"].map(Column::Optional);
    database.read(
        "user_metrics",
        &columns,
        "WHERE run_id = ?1 ORDER BY rowid",
        &[Parameter::Integer(Some(run))],
        |row| {
            let [job_name, metric_name, metric_value, modified] = [0, 1, 2, 3].map(|column| text(row, column));
            Metric { job_name, metric_name, metric_value, modified }
        },
    )
}

/// The runs of which there are metrics, newest first. None if there is no database, or nothing in it.
pub fn runs<'a>(source: impl Into<Source<'a>>) -> Result<Vec<i64>, DatabaseError> {
    let columns = [Column::Needed("run_id")];
    let read = |database: Database<'_>| {
        database.read("user_metrics", &columns, "GROUP BY run_id ORDER BY run_id DESC", &[], |row| integer(row, 0))
    };
    match Database::open(source).and_then(read) {
        Err(DatabaseError::Missing { .. } | DatabaseError::NoTable { .. }) => Ok(Vec::new()),
        rows => Ok(rows?.into_iter().flatten().collect()),
    }
}
