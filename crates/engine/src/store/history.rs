//! Taking rows of a job's `status.csv` into the index: the only place where events are made.

use jobgate_model::{Error, Evidence, JobNdx, Move, State, Transition};
use rusqlite::{Connection, OptionalExtension, params};

use super::jobs::{self, JobRecord};
use super::{broken, deliveries, usage};
use crate::tree::{Row, Tail};
use crate::types::{HistoryRow, JobKey};

/// How rows came to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// The tree of a job that was not known: its past is taken in, nobody is told of it.
    Import,
    /// New rows of a known job. The one at this offset, if any, is our own, with this evidence.
    Tail(Option<(u64, Evidence)>),
}

/// Rows to be taken in.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) key: JobKey,
    /// Where `tail` starts; it is not used if less than that was taken in before.
    pub(crate) from: u64,
    pub(crate) tail: Tail,
    pub(crate) look: Look,
    /// Runs whose runner sends their callbacks itself.
    pub(crate) reported: Vec<JobNdx>,
    pub(crate) now: f64,
}

/// What taking them in did.
#[derive(Debug, Clone)]
pub(crate) struct Absorbed {
    /// The job afterwards.
    pub(crate) record: JobRecord,
    /// Sequence numbers of the new events, in order.
    pub(crate) events: Vec<i64>,
    /// Whether a callback is to be sent.
    pub(crate) callbacks: bool,
    /// The index had got on since our own row was appended: it was not taken in.
    pub(crate) moved: bool,
    /// What the job's console should say: callbacks that wait behind one that failed.
    pub(crate) notes: Vec<String>,
}

/// One run while rows are applied to it.
struct RunRow {
    state: Option<State>,
    ours: bool,
}

/// Takes in the rows that are new. `Ok(None)`: the job is not in the index (any more).
pub(crate) fn absorb(connection: &Connection, arrival: &Arrival) -> Result<Option<Absorbed>, Error> {
    take_in(connection, arrival).map_err(|error| broken("record a transition", error))
}

/// Takes a history in from its start, in place of what was taken in of it before. `Ok(None)` as above.
pub(crate) fn replace(connection: &Connection, arrival: &Arrival) -> Result<Option<Absorbed>, Error> {
    jobs::reset(connection, arrival.key).map_err(|error| broken("record a transition", error))?;
    absorb(connection, arrival)
}

/// Takes in a row that is not in the job's history yet, and will be the next one there. `Ok(None)`: its run is over.
pub(crate) fn advance(
    connection: &Connection,
    key: JobKey,
    transition: Transition,
    now: f64,
) -> Result<Option<Absorbed>, Error> {
    let reading = |error| broken("read the index", error);
    let state = super::runs::state(connection, key, transition.jobndx).map_err(reading)?;
    let Some(record) = jobs::by_key(connection, key).map_err(reading)? else { return Ok(None) };
    if state.is_some_and(State::is_final) {
        return Ok(None);
    }
    let offset = record.offset;
    let end = offset + transition.to_row().len() as u64;
    let tail = Tail { rows: vec![Row { offset, transition }], end };
    let look = Look::Tail(Some((offset, Evidence::Gateway)));
    absorb(connection, &Arrival { key, from: offset, tail, look, reported: Vec::new(), now })
}

fn take_in(connection: &Connection, arrival: &Arrival) -> rusqlite::Result<Option<Absorbed>> {
    let Some(mut record) = jobs::by_key(connection, arrival.key)? else { return Ok(None) };
    let mut events = Vec::new();
    let moved = matches!(arrival.look, Look::Tail(Some((offset, _))) if offset < record.offset);
    if moved {
        return Ok(Some(Absorbed { record, events, callbacks: false, moved, notes: Vec::new() }));
    }
    let mut told = deliveries::Queue::open(connection, &record)?;
    if arrival.from <= record.offset && arrival.tail.end > record.offset {
        let known = record.offset;
        for row in arrival.tail.rows.iter().filter(|row| row.offset >= known) {
            let own = match arrival.look {
                Look::Tail(Some((offset, evidence))) if offset == row.offset => Some(evidence),
                _ => None,
            };
            let evidence = own.unwrap_or(Evidence::Tree);
            let seq = enter(connection, arrival.key, row.offset, &row.transition, evidence, arrival.now)?;
            let ours = apply(connection, &mut record, &row.transition, arrival.now)?;
            events.push(seq);
            let reported = own.is_none() && arrival.reported.contains(&row.transition.jobndx);
            if arrival.look != Look::Import
                && row.transition.state != State::New
                && (own.is_some() || ours)
                && !reported
            {
                told.push(connection, &record, seq, &row.transition, arrival.now)?;
            }
        }
        record.offset = arrival.tail.end;
        save(connection, &mut record)?;
        usage::changed(connection, arrival.key)?;
    }
    Ok(Some(Absorbed { callbacks: told.any(), moved, notes: told.notes(), record, events }))
}

/// Enters the event of a row. Only with a job that begins with it does nothing follow from that.
pub(crate) fn enter(
    connection: &Connection,
    key: JobKey,
    offset: u64,
    transition: &Transition,
    evidence: Evidence,
    now: f64,
) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "INSERT INTO event (job, time, jobndx, state, info, evidence, recorded, offset) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .insert(params![
            key.0,
            transition.time,
            transition.jobndx,
            transition.state.code(),
            transition.info,
            evidence_code(evidence),
            now,
            offset as i64
        ])
}

/// Applies a row to its run and to what listings show; says whether the run is one of ours.
fn apply(connection: &Connection, record: &mut JobRecord, row: &Transition, now: f64) -> rusqlite::Result<bool> {
    if row.jobndx < 1 {
        show(record, row);
        return Ok(false);
    }
    let key = record.job.key.0;
    let run = connection
        .prepare_cached("SELECT state, marker FROM run WHERE job = ?1 AND jobndx = ?2")?
        .query_row(params![key, row.jobndx], |r| {
            Ok(RunRow {
                state: r.get::<_, Option<i64>>(0)?.map(jobs::state),
                ours: !r.get_ref(1)?.as_str()?.is_empty(),
            })
        })
        .optional()?;
    let ours = run.as_ref().is_some_and(|run| run.ours);
    let step = State::advance(run.as_ref().and_then(|run| run.state), row.state);
    if step == Move::Legal {
        let phase = if row.state.is_final() { 2 } else { 1 };
        let queued = row.state == State::Queued;
        connection
            .prepare_cached(
                "INSERT INTO run (job, jobndx, state, phase, marker, native, queued, seen) VALUES (?1, ?2, ?3, ?4, '', ?5, ?6, ?7)
                 ON CONFLICT (job, jobndx) DO UPDATE SET state = ?3, phase = max(phase, ?4), seen = ?7,
                     native = coalesce(?5, native), queued = max(queued, ?6), claim = NULL, environment = NULL, boot = NULL",
            )?
            .execute(params![
                key,
                row.jobndx,
                row.state.code(),
                phase,
                queued.then_some(&row.info),
                if queued { row.time } else { 0.0 },
                now
            ])?;
    }
    // A late or repeated row stays in the history and changes no state: final states stay final for their jobndx.
    match step {
        Move::Legal => show(record, row),
        Move::Late if row.state == State::Queued => {
            // psik writes a run's number when it has been started, and the run may be quicker: its number is known all the same
            connection
                .prepare_cached(
                    "UPDATE run SET native = ?3, queued = ?4 WHERE job = ?1 AND jobndx = ?2 AND native IS NULL AND phase < 2",
                )?
                .execute(params![key, row.jobndx, row.info, row.time])?;
        }
        _ => {}
    }
    Ok(ours)
}

fn show(record: &mut JobRecord, row: &Transition) {
    record.job.updated = row.time;
    record.job.jobndx = row.jobndx;
    record.job.state = row.state;
    record.job.info.clone_from(&row.info);
    if row.state == State::Canceled && row.jobndx == 0 {
        record.cancel = false;
    }
}

fn save(connection: &Connection, record: &mut JobRecord) -> rusqlite::Result<()> {
    let job = &mut record.job;
    let live: i64 = connection
        .prepare_cached(
            "UPDATE job SET updated = ?2, jobndx = ?3, state = ?4, info = ?5, offset = ?6, cancel = ?7,
                 live = (SELECT count(*) FROM run WHERE run.job = ?1 AND phase < 2),
                 next_ndx = max(next_ndx, 1 + coalesce((SELECT max(jobndx) FROM run WHERE run.job = ?1), 0))
             WHERE key = ?1 RETURNING live",
        )?
        .query_row(
            params![
                job.key.0,
                job.updated,
                job.jobndx,
                job.state.code(),
                job.info,
                record.offset as i64,
                record.cancel
            ],
            |row| row.get(0),
        )?;
    job.live = live > 0;
    Ok(())
}

/// The recorded history of a job, in the order of recording.
pub(crate) fn rows(connection: &Connection, key: JobKey) -> rusqlite::Result<Vec<HistoryRow>> {
    connection
        .prepare_cached(
            "SELECT seq, time, jobndx, state, info, evidence, recorded FROM event WHERE job = ?1 ORDER BY offset",
        )?
        .query_map([key.0], |row| {
            Ok(HistoryRow {
                seq: row.get(0)?,
                transition: Transition {
                    time: row.get(1)?,
                    jobndx: row.get::<_, JobNdx>(2)?,
                    state: jobs::state(row.get(3)?),
                    info: row.get(4)?,
                },
                evidence: evidence_of(row.get(5)?),
                recorded: row.get(6)?,
            })
        })?
        .collect()
}

const EVIDENCE: [Evidence; 4] = [Evidence::Gateway, Evidence::Tree, Evidence::Query, Evidence::Callback];

fn evidence_code(evidence: Evidence) -> i64 {
    EVIDENCE.iter().position(|e| *e == evidence).unwrap_or(1) as i64
}

fn evidence_of(code: i64) -> Evidence {
    usize::try_from(code).ok().and_then(|i| EVIDENCE.get(i).copied()).unwrap_or(Evidence::Tree)
}
