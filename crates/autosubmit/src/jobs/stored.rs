//! Job lists in `job_list.db`, since Autosubmit 4.2.

use jiff::civil::DateTime;

use super::{Job, JobList, Logs};
use crate::databases::{Column, Database, DatabaseError, Source, integer, text};
use crate::status::JobStatus;

const COLUMNS: [Column; 15] = [
    Column::Needed("name"),
    Column::Optional("id"),
    Column::Needed("status"),
    Column::Optional("priority"),
    Column::Optional("section"),
    Column::Optional("date"),
    Column::Optional("member"),
    Column::Optional("chunk"),
    Column::Optional("split"),
    Column::Optional("splits"),
    Column::Optional("local_logs_out"),
    Column::Optional("local_logs_err"),
    Column::Optional("remote_logs_out"),
    Column::Optional("remote_logs_err"),
    Column::Optional("modified"),
];

/// Reads the job list of a database, in the order of its rows.
pub fn read<'a>(source: impl Into<Source<'a>>) -> Result<JobList, DatabaseError> {
    let jobs = Database::open(source)?.read("jobs", &COLUMNS, "ORDER BY rowid", &[], |row| {
        Some(Job {
            name: text(row, 0)?,
            id: integer(row, 1),
            status: text(row, 2).and_then(|name| JobStatus::from_name(&name)).unwrap_or(JobStatus::Unknown),
            priority: integer(row, 3),
            section: text(row, 4),
            date: text(row, 5).and_then(|date| point(&date)),
            member: text(row, 6),
            chunk: integer(row, 7),
            split: integer(row, 8),
            splits: integer(row, 9),
            local_logs: Logs { out: text(row, 10), err: text(row, 11) },
            remote_logs: Logs { out: text(row, 12), err: text(row, 13) },
        })
    })?;
    Ok(jobs.into_iter().flatten().collect())
}

/// When a job was last changed, as the database says it, which is without a zone: `YYYY-MM-DD HH:MM:SS`.
pub fn modified<'a>(source: impl Into<Source<'a>>) -> Result<Option<DateTime>, DatabaseError> {
    let rest = "WHERE modified IS NOT NULL ORDER BY modified DESC LIMIT 1";
    let rows = Database::open(source)?.read("jobs", &[Column::Needed("modified")], rest, &[], |row| text(row, 0))?;
    Ok(rows.into_iter().flatten().next().and_then(|modified| point(&modified)))
}

/// A point in time without a zone, a date alone, or one with a zone that is left out.
fn point(text: &str) -> Option<DateTime> {
    let text = text.trim();
    text.parse().ok().or_else(|| text.get(..19)?.parse().ok())
}
