//! What happened: the runs of an experiment, and each try of each job. All versions of the schema (`user_version` 17 to 21) are
//! read by looking for their columns.

use std::collections::HashMap;

use super::{Column, Database, DatabaseError, Parameter, Row, Source, integer, real, text};
use crate::calendar::ChunkLength;

/// One run of an experiment. Points in time are seconds since 1970; 0 is not known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "columns of the database")]
pub struct Run {
    pub run_id: i64,
    pub created: Option<String>,
    pub modified: Option<String>,
    pub start: i64,
    pub finish: i64,
    pub chunk_unit: Option<String>,
    pub chunk_size: Option<i64>,
    pub completed: i64,
    pub total: i64,
    pub failed: i64,
    pub queuing: i64,
    pub running: i64,
    pub submitted: i64,
    pub suspended: i64,
}

impl Run {
    /// How long its chunks are, if it says so.
    pub fn chunk_length(&self) -> Option<ChunkLength> {
        let unit = self.chunk_unit.clone().filter(|unit| !unit.is_empty())?;
        let size = self.chunk_size.filter(|size| *size != 0)?;
        Some(ChunkLength { size, unit })
    }

    /// About how many bytes it takes in memory.
    pub(crate) fn size(&self) -> usize {
        size_of::<Self>() + 100 + lengths([&self.created, &self.modified, &self.chunk_unit])
    }
}

/// One try of a job. Points in time are seconds since 1970; 0 is not known.
#[derive(Debug, Clone, PartialEq, Default)]
#[expect(missing_docs, reason = "columns of the database")]
pub struct Try {
    pub id: i64,
    pub counter: i64,
    pub job_name: String,
    pub created: Option<String>,
    pub submit: i64,
    pub start: i64,
    pub finish: i64,
    pub status: String,
    /// 2 for a job of its own, more for one in a wrapper
    pub rowtype: i64,
    pub ncpus: i64,
    pub wallclock: Option<String>,
    pub qos: Option<String>,
    /// Joules
    pub energy: f64,
    pub date: Option<String>,
    pub section: Option<String>,
    pub member: Option<String>,
    pub chunk: Option<i64>,
    pub last: bool,
    pub platform: Option<String>,
    pub job_id: Option<i64>,
    pub nnodes: Option<i64>,
    pub run_id: Option<i64>,
    pub out: Option<String>,
    pub err: Option<String>,
    pub workflow_commit: Option<String>,
    pub split: Option<i64>,
    pub splits: Option<i64>,
}

impl Try {
    fn size(&self) -> usize {
        let texts = lengths([&self.created, &self.wallclock, &self.qos, &self.date, &self.section, &self.member]);
        let more = lengths([&self.platform, &self.out, &self.err, &self.workflow_commit]);
        size_of::<Self>() + 100 + self.job_name.len() + self.status.len() + texts + more
    }
}

fn lengths<'a>(texts: impl IntoIterator<Item = &'a Option<String>>) -> usize {
    texts.into_iter().flatten().map(|text| text.len() + 16).sum()
}

/// What most views need of a history: the runs, and the last try of each job.
#[derive(Debug, Clone, Default)]
pub struct History {
    runs: Vec<Run>,
    last: HashMap<String, Try>,
}

const RUN: [Column; 14] = [
    Column::Needed("run_id"),
    Column::Optional("created"),
    Column::Optional("modified"),
    Column::Optional("start"),
    Column::Optional("finish"),
    Column::Optional("chunk_unit"),
    Column::Optional("chunk_size"),
    Column::Optional("completed"),
    Column::Optional("total"),
    Column::Optional("failed"),
    Column::Optional("queuing"),
    Column::Optional("running"),
    Column::Optional("submitted"),
    Column::Optional("suspended"),
];

const TRY: [Column; 27] = [
    Column::Needed("id"),
    Column::Needed("counter"),
    Column::Needed("job_name"),
    Column::Optional("created"),
    Column::Needed("submit"),
    Column::Needed("start"),
    Column::Needed("finish"),
    Column::Needed("status"),
    Column::Needed("rowtype"),
    Column::Optional("ncpus"),
    Column::Optional("wallclock"),
    Column::Optional("qos"),
    Column::Optional("energy"),
    Column::Optional("date"),
    Column::Optional("section"),
    Column::Optional("member"),
    Column::Optional("chunk"),
    Column::Needed("last"),
    Column::Optional("platform"),
    Column::Optional("job_id"),
    Column::Optional("nnodes"),
    Column::Optional("run_id"),
    Column::Optional("out"),
    Column::Optional("err"),
    Column::Optional("workflow_commit"),
    Column::Optional("split"),
    Column::Optional("splits"),
];

impl History {
    /// Reads the runs and the last tries.
    pub fn read<'a>(source: impl Into<Source<'a>>) -> Result<Self, DatabaseError> {
        let database = Database::open(source)?;
        // tries count also where nothing is known of runs
        let runs = match runs_of(&database) {
            Err(DatabaseError::NoTable { .. }) => Vec::new(),
            runs => runs?,
        };
        let rest = "WHERE last = 1 AND rowtype >= 2 ORDER BY counter, id";
        let tries = database.read("job_data", &TRY, rest, &[], attempt)?;
        let last = tries.into_iter().map(|attempt| (attempt.job_name.clone(), attempt)).collect();
        Ok(Self { runs, last })
    }

    /// All runs, in the order of their numbers.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The newest run, if it has jobs.
    pub fn last_run(&self) -> Option<&Run> {
        self.runs.last().filter(|run| run.total > 0)
    }

    /// A run by its number.
    pub fn run(&self, run_id: i64) -> Option<&Run> {
        self.runs.binary_search_by_key(&run_id, |run| run.run_id).ok().map(|place| &self.runs[place])
    }

    /// The last try of a job, in whatever run.
    pub fn last_try(&self, job: &str) -> Option<&Try> {
        self.last.get(job)
    }

    /// The run in which a job was tried last.
    pub fn last_run_of(&self, job: &str) -> Option<&Run> {
        self.run(self.last_try(job)?.run_id?)
    }

    /// About how many bytes it takes in memory.
    pub fn size(&self) -> usize {
        let tries = self.last.iter().map(|(job, last)| job.len() + 64 + last.size());
        self.runs.iter().map(Run::size).chain(tries).sum()
    }
}

/// Only the runs, by number. For files whose tries are not asked for.
pub fn runs<'a>(source: impl Into<Source<'a>>) -> Result<Vec<Run>, DatabaseError> {
    runs_of(&Database::open(source)?)
}

/// The configuration that a run, or the newest one, was started with: a text of JSON.
pub fn configuration<'a>(source: impl Into<Source<'a>>, run: Option<i64>) -> Result<Option<String>, DatabaseError> {
    let database = Database::open(source)?;
    let columns = [Column::Optional("metadata")];
    let rest = "WHERE ?1 IS NULL OR run_id = ?1 ORDER BY run_id DESC LIMIT 1";
    let rows = database.read("experiment_run", &columns, rest, &[Parameter::Integer(run)], |row| text(row, 0))?;
    Ok(rows.into_iter().flatten().next())
}

/// All tries of a job, newest first.
pub fn tries_of_job<'a>(source: impl Into<Source<'a>>, job: &str) -> Result<Vec<Try>, DatabaseError> {
    Database::open(source)?.read(
        "job_data",
        &TRY,
        "WHERE job_name = ?1 ORDER BY counter DESC, id DESC",
        &[job.into()],
        attempt,
    )
}

/// The tries of a run, latest row first.
pub fn tries_of_run<'a>(source: impl Into<Source<'a>>, run: i64) -> Result<Vec<Try>, DatabaseError> {
    Database::open(source)?.read(
        "job_data",
        &TRY,
        "WHERE run_id = ?1 AND rowtype >= 2 ORDER BY id DESC",
        &[Parameter::Integer(Some(run))],
        attempt,
    )
}

/// All tries that were completed, in the order of their rows; also those whose type is none that is in use.
pub fn completed_tries<'a>(source: impl Into<Source<'a>>) -> Result<Vec<Try>, DatabaseError> {
    let rest = "WHERE status = 'COMPLETED' ORDER BY id";
    Database::open(source)?.read("job_data", &TRY, rest, &[], attempt)
}

fn runs_of(database: &Database<'_>) -> Result<Vec<Run>, DatabaseError> {
    database.read("experiment_run", &RUN, "ORDER BY run_id", &[], |row| {
        let number = |column| integer(row, column).unwrap_or(0);
        Run {
            run_id: number(0),
            created: text(row, 1),
            modified: text(row, 2),
            start: number(3),
            finish: number(4),
            chunk_unit: text(row, 5),
            chunk_size: integer(row, 6),
            completed: number(7),
            total: number(8),
            failed: number(9),
            queuing: number(10),
            running: number(11),
            submitted: number(12),
            suspended: number(13),
        }
    })
}

fn attempt(row: &Row<'_>) -> Try {
    let number = |column| integer(row, column).unwrap_or(0);
    Try {
        id: number(0),
        counter: number(1),
        job_name: text(row, 2).unwrap_or_default(),
        created: text(row, 3),
        submit: number(4),
        start: number(5),
        finish: number(6),
        status: text(row, 7).unwrap_or_default(),
        rowtype: number(8),
        ncpus: number(9),
        wallclock: text(row, 10),
        qos: text(row, 11),
        energy: real(row, 12).unwrap_or(0.0),
        date: text(row, 13),
        section: text(row, 14),
        member: text(row, 15),
        chunk: integer(row, 16),
        last: number(17) == 1,
        platform: text(row, 18),
        job_id: integer(row, 19),
        nnodes: integer(row, 20),
        run_id: integer(row, 21),
        out: text(row, 22),
        err: text(row, 23),
        workflow_commit: text(row, 24),
        split: integer(row, 25),
        splits: integer(row, 26),
    }
}
