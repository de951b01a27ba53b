//! Measuring what jobs store: in the background, never for long at a time, and only where there is a quota.

use std::collections::VecDeque;
use std::sync::Weak;
use std::time::{Duration, Instant};

use jobgate_model::Error;

use super::Engine;
use super::reconcile::pause;
use crate::store::usage::{self, Measured, Wanted};
use crate::tree::Walk;

/// It is measured for so long at a time.
const TURN: Duration = Duration::from_millis(50);
/// Between two turns it rests so many times as long.
const REST: u32 = 9;
/// When there is nothing to measure, it is looked for again after so long.
const IDLE: Duration = Duration::from_secs(1);
/// A job that runs is measured again after so long (in seconds).
const RUNNING: f64 = 60.0;
/// So many jobs are looked up at a time.
const AT_ONCE: usize = 64;

/// How far it is.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Jobs up to this key are known to be measured, or to be waiting for it.
    enlisted: i64,
    queue: VecDeque<Wanted>,
    walk: Option<(Wanted, Walk)>,
}

impl Engine {
    /// One turn. `false`: there was nothing to do.
    pub(super) fn measure(&self, survey: &mut Survey) -> Result<bool, Error> {
        if survey.walk.is_none() && survey.queue.is_empty() {
            self.look_for_work(survey)?;
        }
        let until = Instant::now() + TURN;
        let mut measured = Vec::new();
        while let Some((wanted, mut walk)) = survey.walk.take().or_else(|| next(survey, &mut measured)) {
            match walk.go_on(until) {
                Some(bytes) => measured.push(result(&wanted, Some(bytes))),
                None => survey.walk = Some((wanted, walk)),
            }
            if Instant::now() >= until {
                break;
            }
        }
        if measured.is_empty() {
            return Ok(survey.walk.is_some());
        }
        let now = self.now();
        self.store.update(move |connection| usage::settle(connection, &measured, now)).map(|()| true)
    }

    fn look_for_work(&self, survey: &mut Survey) -> Result<(), Error> {
        let after = survey.enlisted;
        if self.store.read(|connection| usage::any_after(connection, after))? {
            let last = self.store.update(move |connection| usage::enlist(connection, after, AT_ONCE))?;
            survey.enlisted = last.unwrap_or(after);
        }
        let before = self.now() - RUNNING;
        survey.queue = self.store.read(|connection| usage::wanted(connection, before, AT_ONCE))?.into();
        Ok(())
    }
}

/// Begins the next walk. A directory that is gone takes nothing; of one that cannot be read, what was known stays.
fn next(survey: &mut Survey, measured: &mut Vec<Measured>) -> Option<(Wanted, Walk)> {
    while let Some(wanted) = survey.queue.pop_front() {
        match Walk::begin(&wanted.record.job.base) {
            Ok(walk) => return Some((wanted, walk)),
            Err(error) => {
                let gone = error.kind() == std::io::ErrorKind::NotFound;
                measured.push(result(&wanted, gone.then_some(0)));
            }
        }
    }
    None
}

fn result(wanted: &Wanted, bytes: Option<u64>) -> Measured {
    Measured { key: wanted.record.job.key, bytes, changes: wanted.changes }
}

/// Measures for as long as the engine lives.
pub(super) fn keep_measuring(engine: &Weak<Engine>) {
    let mut survey = Survey::default();
    while let Some(engine) = engine.upgrade().filter(|engine| !engine.is_closed()) {
        let began = Instant::now();
        let busy = engine.measure(&mut survey).unwrap_or_else(|error| {
            tracing::error!(error = error.chain(), "cannot measure what jobs store; it will be tried again");
            false
        });
        pause(&engine, if busy { began.elapsed() * REST } else { IDLE });
    }
}
