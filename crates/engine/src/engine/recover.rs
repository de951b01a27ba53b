//! Finishing what was intended and not recorded: the batch system is asked for the run's marker before anything is sent.

use jobgate_model::{Error, ErrorKind, Evidence, NativeId, State};

use super::launch::NotHanded;
use super::record::{Rule, transition};
use super::{Engine, policy};
use crate::process;
use crate::store::runs::{self, OpenRun, Phase};
use crate::types::OnRefusal;

/// A run that this process intended so long ago (in seconds) and that no thread has in hand was left behind by one: whoever
/// asked for it went away, or what became of it could not be written.
const LEFT: f64 = 5.0;

/// What became of an intended run.
#[derive(Debug, PartialEq)]
pub(super) enum Fate {
    /// Somebody else has it.
    Elsewhere,
    /// The batch system has it.
    Queued(NativeId),
    /// It was to be stopped: its batch system was told so, or will be, and it has not ended.
    Stopping,
    /// It is over, or nobody else will tell of its end.
    Over,
}

impl Engine {
    /// Takes over runs that a process intended and did not live to hand over, or left to others. The batch system is asked
    /// first whether it has them: nothing is submitted twice.
    pub(super) fn recover(&self, run: &OpenRun) -> Result<Fate, Error> {
        let is_left = match run.claim.as_deref() {
            None => true,
            Some(claim) if claim == process::identity() => {
                self.in_hand.is_sent(run.key, run.jobndx)
                    || (self.now() - run.intended).abs() > LEFT && !self.in_hand.is_in_round(run.key)
            }
            Some(claim) => !process::alive(claim),
        };
        if is_left { self.take_over(run) } else { Ok(Fate::Elsewhere) }
    }

    /// [`Engine::recover`] for a run that is in nobody's hands, whoever intended it in this process and when.
    pub(super) fn take_over(&self, run: &OpenRun) -> Result<Fate, Error> {
        let is_others = |claim: &str| claim != process::identity() && process::alive(claim);
        if run.phase != Phase::Intended || run.claim.as_deref().is_some_and(is_others) {
            return Ok(Fate::Elsewhere);
        }
        let Some(_turn) = self.in_hand.turn(run.key, run.jobndx) else { return Ok(Fate::Elsewhere) };
        // What it wrote before it died counts, whether that got into the index or not.
        let record = self.look(self.by_key(run.key)?)?;
        let ready = self.ready_job(record)?;
        let (key, jobndx, old) = (run.key, run.jobndx, run.claim.clone());
        let mine = self
            .store
            .update(move |connection| runs::claim(connection, key, jobndx, old.as_deref(), process::identity()))?;
        if !mine {
            return Ok(Fate::Elsewhere);
        }
        let current = self.store.read(|connection| runs::one(connection, key, jobndx))?;
        let (run, environment) = current.ok_or_else(policy::missing)?;
        tracing::info!(job = %run.jobid, jobndx, "finishing a submission that was interrupted");
        match ready.place.backend.find(&run.to_ref()) {
            Ok(Some(native)) => {
                let queued = self.queued(&ready, &run, native, self.now());
                queued.inspect(|_| self.in_hand.note_told(key, jobndx)).inspect_err(|_| self.leave_to_others(&run))
            }
            Ok(None) if run.cancel || run.once => {
                let (state, text) = if run.cancel {
                    (State::Canceled, "")
                } else {
                    // an older version sent it before it was recorded, and did not live to say so
                    (
                        State::Failed,
                        "not submitted: Jobgate ended before the batch system had the run, and whoever asked for it got no answer",
                    )
                };
                self.record(
                    &ready.record,
                    &transition(self.now(), jobndx, state, text),
                    Evidence::Query,
                    Rule::UnlessOver,
                )?;
                self.in_hand.note_told(key, jobndx);
                Ok(Fate::Over)
            }
            Ok(None) => match self.hand_over(&ready, &run, environment.as_deref()) {
                Ok((fate, _)) => Ok(fate),
                // Nobody waits for an answer, so there is time.
                Err(NotHanded::Refused(error)) if error.kind() == ErrorKind::Unavailable => {
                    self.release_claim(&run)?;
                    Err(error)
                }
                Err(NotHanded::Refused(error)) => {
                    self.refused(&ready, &run, error, OnRefusal::Record).map(|()| Fate::Over)
                }
                // it was said, and is looked for again
                Err(NotHanded::Unknown(_)) => Ok(Fate::Elsewhere),
            },
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let row = transition(self.now(), jobndx, State::Failed, error.message().to_owned());
                self.record(&ready.record, &row, Evidence::Query, Rule::UnlessOver)?;
                self.in_hand.note_told(key, jobndx);
                Ok(Fate::Over)
            }
            Err(error) => {
                self.leave_to_others(&run);
                Err(error)
            }
        }
    }

    pub(super) fn release_claim(&self, run: &OpenRun) -> Result<(), Error> {
        let (key, jobndx) = (run.key, run.jobndx);
        self.store.update(move |connection| runs::unclaim(connection, key, &[jobndx], process::identity()))
    }

    /// Lets whoever comes next look for the run. If that cannot be written, it is this process that will.
    pub(super) fn leave_to_others(&self, run: &OpenRun) {
        match self.release_claim(run) {
            Ok(()) => self.in_hand.note_told(run.key, run.jobndx),
            Err(error) => {
                tracing::warn!(job = %run.jobid, jobndx = run.jobndx, error = error.chain(), "cannot note that a run is to be looked for; this process will look for it");
            }
        }
    }
}
