//! Canceling, holding and releasing.

use std::time::{Duration, Instant};

use jobgate_model::{Backend, Cancel, Error, ErrorKind, Evidence, JobNdx, Principal, RunRef, State};

use super::Engine;
use super::record::{Rule, transition};
use super::recover::Fate;
use crate::store::jobs::{self, JobRecord};
use crate::store::runs::{self, OpenRun, Phase};
use crate::types::{Cancelled, JobKey, Need};

/// How often a run that was told to stop is looked at.
const GLANCE: Duration = Duration::from_millis(10);
/// Slurm's number for what has ended.
const ALREADY_DONE: i32 = 2021;
/// How often the batch system is asked whether a run that was told to stop is gone.
const ASK: Duration = Duration::from_millis(400);

impl Engine {
    /// Records durably that the job is to be canceled and tells the batch system. `Stopping` means that
    /// [`Engine::settle_cancel`] (or the gateway's background work) will see it through. A job that is over stays as it is.
    pub fn cancel(&self, who: &Principal, key: JobKey) -> Result<Cancelled, Error> {
        let record = self.admitted(who, Need::Write, key)?;
        let record = self.look(record)?;
        if record.job.state.is_final() && !record.job.live {
            return Ok(Cancelled::AlreadyFinal(record.job.state));
        }
        self.store.update(move |connection| jobs::set_cancel(connection, key))?;
        self.stop_runs(&record)
    }

    /// Stops one run of a job and leaves its others alone: one task of an array. Its end is recorded when it comes.
    pub fn cancel_run(&self, who: &Principal, key: JobKey, jobndx: JobNdx) -> Result<(), Error> {
        let record = self.look(self.admitted(who, Need::Write, key)?)?;
        let open = self.store.read(|connection| runs::of_job(connection, key))?;
        let Some(run) = open.iter().find(|run| run.jobndx == jobndx) else {
            let text = format!("run {jobndx} of job {} has ended", record.job.jobid);
            return Err(Error::new(ErrorKind::Conflict, text).numbered(ALREADY_DONE));
        };
        if run.phase == Phase::Intended {
            self.store.update(move |connection| runs::set_to_stop(connection, key, jobndx))?;
        }
        self.stop_run(&record, run).map(drop)
    }

    /// Waits at most `patience` for a canceled job's runs to end, then records `canceled` for the job.
    pub fn settle_cancel(&self, key: JobKey, patience: Duration) -> Result<Cancelled, Error> {
        let deadline = Instant::now() + patience;
        let mut ask = Instant::now() + ASK;
        loop {
            if Instant::now() >= ask {
                self.ask_after_stopped(key)?;
                ask = Instant::now() + ASK;
            }
            let record = self.look(self.by_key(key)?)?;
            if !record.cancel {
                return Ok(Cancelled::Done);
            }
            if !record.job.live {
                return self.canceled(&record);
            }
            if Instant::now() >= deadline {
                return Ok(Cancelled::Stopping);
            }
            self.bell.wait(GLANCE);
        }
    }

    /// Keeps the job's waiting runs from starting.
    pub fn hold(&self, who: &Principal, key: JobKey) -> Result<(), Error> {
        self.each_waiting(who, key, "hold", |backend, run| backend.hold(run))
    }

    /// Lets the job's held runs start.
    pub fn release(&self, who: &Principal, key: JobKey) -> Result<(), Error> {
        self.each_waiting(who, key, "release", |backend, run| backend.release(run))
    }

    /// Tells the batch system of every open run that it shall end.
    pub(super) fn stop_runs(&self, record: &JobRecord) -> Result<Cancelled, Error> {
        let key = record.job.key;
        let mut stopping = false;
        // The last first: what waits is taken out of the queue before what it waits for, and does not start in between.
        for run in self.store.read(|connection| runs::of_job(connection, key))?.into_iter().rev() {
            stopping |= self.stop_run(record, &run)?;
        }
        if stopping { Ok(Cancelled::Stopping) } else { self.canceled(&self.by_key(key)?) }
    }

    /// Tells the batch system of one run that it shall end; `true`: it will, and has not yet. That an intended one shall is
    /// recorded already.
    pub(super) fn stop_run(&self, record: &JobRecord, run: &OpenRun) -> Result<bool, Error> {
        if run.phase != Phase::Intended {
            return self.stop_handed(record, run);
        }
        // It may have been sent. So nothing is said of it before its batch system was asked: whoever hands it over right now stops
        // it, and what nobody has in hand is looked for.
        match self.take_over(run) {
            Ok(Fate::Over) => return Ok(false),
            Ok(Fate::Queued(_) | Fate::Stopping) => return Ok(true),
            Ok(Fate::Elsewhere) => {}
            Err(error) if error.kind() == ErrorKind::Timeout => return Ok(true),
            Err(error) => return Err(error),
        }
        match self.store.read(|connection| runs::one(connection, run.key, run.jobndx))? {
            Some((run, _)) if run.phase == Phase::Handed => self.stop_handed(record, &run),
            still => Ok(still.is_some()),
        }
    }

    /// The same for a run that its batch system has.
    pub(super) fn stop_handed(&self, record: &JobRecord, run: &OpenRun) -> Result<bool, Error> {
        let (key, jobndx) = (record.job.key, run.jobndx);
        let ended = |info: &str| transition(self.now(), jobndx, State::Canceled, info);
        let prefix = record.job.base.parent().unwrap_or(&record.job.base);
        let Some(place) = self.place_of(&run.backend, prefix) else {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "the job's backend {:?} is not configured (any more); add it to the configuration",
                    run.backend
                ),
            ));
        };
        let told = place.backend.cancel(&run.to_ref())?;
        if run.cancel && matches!(told, Cancel::Stopping | Cancel::HandedOver) {
            self.store.update(move |connection| runs::set_told(connection, key, jobndx))?;
        }
        match told {
            Cancel::Removed => {
                self.record(record, &ended(""), Evidence::Gateway, Rule::UnlessOver)?;
            }
            Cancel::Stopping => return Ok(true),
            Cancel::HandedOver => {}
            Cancel::Absent => {
                // Its last row may just not have been looked at; otherwise nobody knows how it ended.
                let record = self.look(self.by_key(key)?)?;
                self.record(
                    &record,
                    &ended("the batch system does not know the run"),
                    Evidence::Query,
                    Rule::UnlessOver,
                )?;
            }
        }
        Ok(false)
    }

    /// Asks after runs that do not end by themselves: a runner that was stopped before it began, or killed, records nothing,
    /// and neither does psik's own. Once their process is gone, we do.
    fn ask_after_stopped(&self, key: JobKey) -> Result<(), Error> {
        let open = self.store.read(|connection| runs::of_job(connection, key))?;
        for run in open.iter().filter(|run| run.cancel && run.phase == Phase::Intended) {
            if let Err(error) = self.recover(run) {
                tracing::debug!(job = %run.jobid, jobndx = run.jobndx, error = error.chain(), "a run that is to be stopped is looked for later");
            }
        }
        let is_unmarked = open.iter().any(|run| run.marker.is_empty() && run.phase == Phase::Handed);
        self.observe(open);
        if is_unmarked {
            let record = self.by_key(key)?;
            if record.cancel {
                self.stop_runs(&record)?;
            }
        }
        Ok(())
    }

    /// Records `canceled` for the job itself, once.
    fn canceled(&self, record: &JobRecord) -> Result<Cancelled, Error> {
        if record.cancel {
            self.record(record, &transition(self.now(), 0, State::Canceled, ""), Evidence::Gateway, Rule::Any)?;
        }
        Ok(Cancelled::Done)
    }

    fn each_waiting(
        &self,
        who: &Principal,
        key: JobKey,
        verb: &str,
        act: impl Fn(&dyn Backend, &RunRef) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let record = self.admitted(who, Need::Write, key)?;
        let record = self.look(record)?;
        let ready = self.ready_job(record)?;
        let open = self.store.read(|connection| runs::of_job(connection, key))?;
        let waiting: Vec<_> = open.iter().filter(|run| run.state == Some(State::Queued)).collect();
        if waiting.is_empty() {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "cannot {verb} job {}: no run of it is waiting (it is {})",
                    ready.record.job.jobid, ready.record.job.state
                ),
            ));
        }
        waiting.into_iter().try_for_each(|run| act(ready.place.backend.as_ref(), &run.to_ref()))
    }
}
