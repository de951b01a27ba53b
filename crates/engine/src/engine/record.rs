//! How facts become events: the only way in.
//!
//! A job's `status.csv` is the journal. Whoever reaches a transition appends a row; this module takes rows into the index,
//! each exactly once (its byte offset is its identity), in one transaction with the job's new state and the callbacks that
//! it causes. What we reach ourselves is appended and taken in under the file's exclusive lock, so that no other process
//! takes it for somebody else's.

use std::path::Path;

use jobgate_model::{Error, ErrorKind, Evidence, JobNdx, State, Transition};

use super::prefix::is_gone;
use super::{Engine, policy};
use crate::callbacks::Courier;
use crate::gateway::Bell;
use crate::process;
use crate::store::history::{self, Absorbed, Arrival, Look};
use crate::store::jobs::{self, JobRecord};
use crate::store::runs;
use crate::tree::{self, Journal, Row, Tail};
use crate::types::JobKey;

/// So often is a transition appended, if the index gets on meanwhile.
const TRIES: usize = 10;

/// What a transition may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Anything that psik allows.
    Any,
    /// Only if the run is not over; otherwise nothing is recorded.
    UnlessOver,
}

/// What came of appending a transition, and what is to be taken in.
enum Appended {
    /// The run is over: nothing was appended.
    Over(JobRecord, Tail),
    /// The row is the last one, at this offset of the history, which stays locked.
    Row(JobRecord, Tail, u64, Journal),
}

impl Engine {
    /// Appends a transition to the job's history and takes it in, with all that others appended before.
    /// Gives the event's number (`None` when the rule forbade it) and the job afterwards.
    pub(super) fn record(
        &self,
        record: &JobRecord,
        transition: &Transition,
        evidence: Evidence,
        rule: Rule,
    ) -> Result<(Option<i64>, JobRecord), Error> {
        for _ in 0..TRIES {
            match self.append(record, transition, rule)? {
                Appended::Over(record, tail) => {
                    let absorbed = self.take_in(&record, tail, Look::Tail(None))?;
                    return Ok((None, absorbed.map_or(record, |absorbed| absorbed.record)));
                }
                Appended::Row(record, tail, offset, journal) => {
                    let look = Look::Tail(Some((offset, evidence)));
                    let absorbed = self.take_in(&record, tail, look)?.ok_or_else(policy::missing)?;
                    if !absorbed.moved {
                        drop(journal);
                        return Ok((absorbed.events.last().copied(), absorbed.record));
                    }
                    // the run was queued meanwhile, which comes first
                    journal.cut(offset).map_err(|error| cannot_write(&record.job.base, error))?;
                }
            }
        }
        let text = format!("the history of job {} is changed all the time", record.job.jobid);
        Err(Error::new(ErrorKind::Unavailable, text))
    }

    /// Records a run as queued that its batch system keeps, whose job's history was not begun: the index has it first. Whether it
    /// was recorded, or the run is over already. It outlives this process; if a power failure takes it, the run is intended
    /// still, and is found by its marker before anything is submitted.
    pub(super) fn record_first(&self, key: JobKey, transition: Transition) -> Result<bool, Error> {
        let now = self.now();
        let absorbed =
            self.store.write_unsynced(move |connection| history::advance(connection, key, transition, now))?;
        if let Some(absorbed) = &absorbed {
            follow_up(&self.courier, &self.bell, absorbed);
        }
        Ok(absorbed.is_some())
    }

    /// Appends a transition to the job's history, and gives all that is to be taken in with it.
    fn append(&self, record: &JobRecord, transition: &Transition, rule: Rule) -> Result<Appended, Error> {
        let base = &record.job.base;
        let failed = |error: std::io::Error| cannot_write(base, error);
        let mut journal = match Journal::lock(base) {
            Ok(journal) => journal,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(self.lost_tree(record)),
            Err(error) => return Err(failed(error)),
        };
        let (key, jobndx) = (record.job.key, transition.jobndx);
        let (record, recorded) = self
            .store
            .read(|connection| Ok((jobs::by_key(connection, key)?, runs::state(connection, key, jobndx)?)))?;
        let mut record = record.ok_or_else(policy::missing)?;
        // what the index knows, and the tree does not (yet), comes first
        let is_short = journal.size().map_err(failed)? < record.offset;
        if is_short && !self.complete(&mut journal, &record)? {
            record = self.read_anew(&mut journal, &record)?;
        }
        let mut tail = journal.tail(record.offset).map_err(failed)?;
        if rule == Rule::UnlessOver && is_over(recorded, jobndx, &tail) {
            return Ok(Appended::Over(record, tail));
        }
        let row = journal.append(transition).map_err(failed)?;
        let offset = row.offset;
        tail.end = offset + row.transition.to_row().len() as u64;
        tail.rows.push(row);
        Ok(Appended::Row(record, tail, offset, journal))
    }

    /// Takes in what was appended to the job's history since the last look. A file that became shorter is mended or read anew.
    pub(super) fn look(&self, record: JobRecord) -> Result<JobRecord, Error> {
        let base = &record.job.base;
        let size = tree::size(base).map_err(|error| cannot_read(base, error))?;
        if size == record.offset {
            return if size == 0 && !exists(base) { Err(self.lost_tree(&record)) } else { Ok(record) };
        }
        if size < record.offset {
            return if exists(base) { self.mend(&record) } else { Err(self.lost_tree(&record)) };
        }
        let tail = tree::tail(base, record.offset).map_err(|error| cannot_read(base, error))?;
        let absorbed = self.take_in(&record, tail, Look::Tail(None))?;
        Ok(absorbed.ok_or_else(policy::missing)?.record)
    }

    /// Takes rows into the index and does what follows from them.
    pub(super) fn take_in(&self, record: &JobRecord, tail: Tail, look: Look) -> Result<Option<Absorbed>, Error> {
        let arrival = self.arrival(record, tail, look);
        let absorbed = self.store.write(move |connection| history::absorb(connection, &arrival))?;
        if let Some(absorbed) = &absorbed {
            follow_up(&self.courier, &self.bell, absorbed);
        }
        Ok(absorbed)
    }

    fn arrival(&self, record: &JobRecord, tail: Tail, look: Look) -> Arrival {
        let reported = tree::reported(&record.job.base, &tail);
        Arrival { key: record.job.key, from: record.offset, tail, look, reported, now: self.now() }
    }

    /// [`Engine::look`] at many jobs with one write.
    pub(super) fn look_at_all(&self, records: Vec<JobRecord>) -> Result<(), Error> {
        let mut arrivals = Vec::new();
        for record in records {
            let base = &record.job.base;
            match tree::size(base) {
                Ok(size) if size > record.offset => {
                    let Ok(tail) = tree::tail(base, record.offset) else { continue };
                    arrivals.push(self.arrival(&record, tail, Look::Tail(None)));
                }
                Ok(size) if size == record.offset && size > 0 => {}
                Ok(0) if self.is_filled_soon(&record.job.jobid) => {}
                _ => drop(self.look(record)),
            }
        }
        if arrivals.is_empty() {
            return Ok(());
        }
        let absorbed = self.store.write(move |connection| {
            arrivals.iter().map(|arrival| history::absorb(connection, arrival)).collect::<Result<Vec<_>, Error>>()
        })?;
        absorbed.iter().flatten().for_each(|absorbed| follow_up(&self.courier, &self.bell, absorbed));
        Ok(())
    }

    /// The job's row, or `Job not found`.
    pub(crate) fn by_key(&self, key: JobKey) -> Result<JobRecord, Error> {
        self.store.read(|connection| jobs::by_key(connection, key))?.ok_or_else(policy::missing)
    }

    /// The history is shorter than what was taken in. Rows that the index has and the file lost (a torn write, power gone)
    /// are written again; a file that says something else was rewritten by somebody and is read from the start.
    fn mend(&self, record: &JobRecord) -> Result<JobRecord, Error> {
        let base = &record.job.base;
        let failed = |error: std::io::Error| cannot_write(base, error);
        let mut journal = Journal::lock(base).map_err(failed)?;
        let record = self.by_key(record.job.key)?;
        if journal.tail(0).map_err(failed)?.end >= record.offset {
            drop(journal);
            return self.look(record);
        }
        if journal.size().map_err(failed)? == 0 && self.is_being_handed_over(record.job.key)? {
            // its history is not begun yet, and goes on in a moment
            return Ok(record);
        }
        if self.complete(&mut journal, &record)? {
            return Ok(record);
        }
        tracing::warn!(job = %record.job.jobid, "the job's history was rewritten; reading it anew");
        self.read_anew(&mut journal, &record)
    }

    /// Takes the whole history in once more, in place of what the index has of it.
    pub(super) fn read_anew(&self, journal: &mut Journal, record: &JobRecord) -> Result<JobRecord, Error> {
        let tail = journal.tail(0).map_err(|error| cannot_read(&record.job.base, error))?;
        let arrival = self.arrival(&JobRecord { offset: 0, ..record.clone() }, tail, Look::Import);
        // With one write: nobody sees it without its past, and takes that for news.
        let absorbed = self.store.write(move |connection| history::replace(connection, &arrival))?;
        let absorbed = absorbed.ok_or_else(policy::missing)?;
        follow_up(&self.courier, &self.bell, &absorbed);
        Ok(absorbed.record)
    }

    /// Whether a living process has a run of the job in its hands.
    fn is_being_handed_over(&self, key: JobKey) -> Result<bool, Error> {
        let in_hand = |run: &runs::OpenRun| {
            run.phase == runs::Phase::Intended && run.claim.as_deref().is_some_and(process::alive)
        };
        Ok(self.store.read(|connection| runs::of_job(connection, key))?.iter().any(in_hand))
    }

    /// Writes rows that the index has and the history has not; whether it has all of them then, and nothing else. Where there are
    /// none, the directory is one that was only reserved, and the job's other files are made, too.
    pub(super) fn complete(&self, journal: &mut Journal, record: &JobRecord) -> Result<bool, Error> {
        let failed = |error: std::io::Error| cannot_write(&record.job.base, error);
        let size = journal.size().map_err(failed)?;
        if size >= record.offset {
            return Ok(size == record.offset);
        }
        let known = self.store.read(|connection| jobs::transitions(connection, record.job.key))?;
        if size == 0 {
            journal.begin(&known).map_err(failed)?;
            // last: nobody takes a directory without it for a job
            self.describe(record.job.key, &record.job.base)?;
            return Ok(journal.size().map_err(failed)? == record.offset);
        }
        let found = journal.tail(0).map_err(failed)?.rows;
        let is_same = |(a, b): (&Transition, &Row)| *a == b.transition;
        if found.len() > known.len() || !known.iter().zip(&found).all(is_same) {
            return Ok(false);
        }
        tracing::warn!(job = %record.job.jobid, "the job's history lost rows; writing them again");
        for row in &known[found.len()..] {
            journal.append(row).map_err(failed)?;
        }
        Ok(journal.size().map_err(failed)? == record.offset)
    }

    /// Writes the job's `spec.json` if it cannot be read.
    pub(super) fn describe(&self, key: JobKey, base: &Path) -> Result<(), Error> {
        if matches!(tree::read_spec(base), Ok(Some(_))) {
            return Ok(());
        }
        tree::describe(base, &self.stored_spec(key)?).map_err(|error| cannot_write(base, error))
    }

    /// The job's directory is gone: somebody (psik's `rm`) deleted it, so it is dropped from the index; unless it is the
    /// prefix that is not there.
    fn lost_tree(&self, record: &JobRecord) -> Error {
        let (key, base) = (record.job.key, &record.job.base);
        let lost = self.expect_known(base.parent().unwrap_or(base)).and_then(|prefix| {
            if is_gone(&prefix, record.job.jobid.as_str().as_bytes()) {
                self.store.update(move |connection| jobs::forget(connection, key))
            } else {
                Err(Error::new(ErrorKind::Unavailable, format!("the directory {} was away", base.display())))
            }
        });
        lost.err().unwrap_or_else(policy::missing)
    }
}

/// Does what follows from rows that were taken in.
fn follow_up(courier: &Courier, bell: &Bell, absorbed: &Absorbed) {
    for note in &absorbed.notes {
        tree::console(&absorbed.record.job.base, note);
    }
    if absorbed.callbacks {
        courier.wake();
    }
    bell.ring_all();
}

/// Whether a run has ended, by its `recorded` state and by rows that are not recorded yet.
fn is_over(recorded: Option<State>, jobndx: JobNdx, tail: &Tail) -> bool {
    let ended = |row: &Row| row.transition.jobndx == jobndx && row.transition.state.is_final();
    recorded.is_some_and(State::is_final) || tail.rows.iter().any(ended)
}

/// A transition of now.
pub(super) fn transition(now: f64, jobndx: JobNdx, state: State, info: impl Into<String>) -> Transition {
    Transition { time: now, jobndx, state, info: info.into() }
}

pub(super) fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

pub(super) fn cannot_write(base: &Path, error: std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorKind::Unavailable,
        _ => ErrorKind::Internal,
    };
    Error::new(kind, format!("cannot write the job's files in {}: {error}", base.display())).because(error)
}

fn cannot_read(base: &Path, error: std::io::Error) -> Error {
    Error::internal(format!("cannot read the job's files in {}", base.display()), error)
}
