//! How long it will take until all chunks of a section are done.

use std::collections::BTreeMap;

use serde::Serialize;
use thiserror::Error;

use crate::databases::history::History;
use crate::jobs::{Job, JobList};
use crate::status::JobStatus;

/// The estimate. A chunk is one number over all dates and members.
#[derive(Debug, Clone, Copy, Serialize, PartialEq)]
#[expect(missing_docs, reason = "names of the answer")]
pub struct Eta {
    /// Nothing if no chunk is done from which it could be told
    pub eta_seconds: Option<f64>,
    pub chunks_total: usize,
    pub chunks_remaining: usize,
    pub avg_runtime_per_chunk_seconds: Option<f64>,
}

/// Why there is no estimate.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EtaError {
    /// No job is of the section.
    #[error("No jobs found for section '{section}' in experiment '{expid}'")]
    NoJobs {
        /// Which section
        section: String,
        /// Which experiment
        expid: String,
    },
    /// None of its jobs has a chunk.
    #[error("Section '{section}' in experiment '{expid}' has no chunked jobs")]
    NoChunks {
        /// Which section
        section: String,
        /// Which experiment
        expid: String,
    },
}

/// Estimates from the mean time that chunks took which are done.
pub fn eta(jobs: &JobList, history: &History, expid: &str, section: &str) -> Result<Eta, EtaError> {
    let names = || (section.to_owned(), expid.to_owned());
    let mut of_section = jobs.jobs().iter().filter(|job| job.section.as_deref() == Some(section)).peekable();
    if of_section.peek().is_none() {
        let (section, expid) = names();
        return Err(EtaError::NoJobs { section, expid });
    }
    let mut chunks: BTreeMap<i64, Vec<&Job>> = BTreeMap::new();
    for job in of_section {
        if let Some(chunk) = job.chunk {
            chunks.entry(chunk).or_default().push(job);
        }
    }
    if chunks.is_empty() {
        let (section, expid) = names();
        return Err(EtaError::NoChunks { section, expid });
    }
    let done = |jobs: &&Vec<&Job>| jobs.iter().all(|job| job.status == JobStatus::Completed);
    let remaining = chunks.values().filter(|jobs| !done(jobs)).count();
    let spans: Vec<i64> = chunks.values().filter(done).filter_map(|jobs| span(jobs, history)).collect();
    let average = (!spans.is_empty()).then(|| spans.iter().sum::<i64>() as f64 / spans.len() as f64);
    let eta_seconds = if remaining == 0 { Some(0.0) } else { average.map(|average| average * remaining as f64) };
    Ok(Eta {
        eta_seconds,
        chunks_total: chunks.len(),
        chunks_remaining: remaining,
        avg_runtime_per_chunk_seconds: average,
    })
}

/// From the first start to the last finish of a chunk's jobs, in seconds.
fn span(jobs: &[&Job], history: &History) -> Option<i64> {
    let rows = || jobs.iter().filter_map(|job| history.last_try(&job.name));
    let start = rows().map(|row| row.start).filter(|start| *start > 0).min()?;
    let finish = rows().map(|row| row.finish).filter(|finish| *finish > 0).max()?;
    (finish >= start).then_some(finish - start)
}
