//! One pass over the queue: everything that is decided happens here, inside one write transaction.
//!
//! A pass also starts runners, so that the process ids are part of the same commit: a runner does nothing before it is
//! told to go, which happens after the commit. If the commit fails, or this process dies before it, the runner's pipe
//! closes and it ends without having run anything.

mod admit;
mod change;
mod divide;
mod order;
mod reserve;
mod settle;
mod start;
mod submit;

pub(super) use start::planned_nodes;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use jobgate_model::{Error, Sighting, State};
use rusqlite::Connection;

use super::cluster::Counters;
use super::inventory::{Inventory, Stock};
use super::queue::{self, Phase, Run, Touched, blocked};
use super::settings::LocalSettings;
use super::spawn::Spawned;
use crate::journal;
use crate::process::Identity;

/// A run that is not confirmed after so many seconds is looked up in its job's history.
const CONFIRMED_WITHIN: f64 = 5.0;

/// What an operation of a pass answers: nothing was changed when it is an error.
pub(super) type Answer<T> = rusqlite::Result<Result<T, Error>>;

/// A pass and what came of it.
pub(super) struct Pass<'a> {
    pub(super) tx: &'a Connection,
    pub(super) settings: &'a LocalSettings,
    /// All that there is; see [`Pass::reload`].
    pub(super) inventory: Arc<Inventory>,
    stock: &'a Stock,
    pub(super) now: f64,
    /// Something happened that may let a run start.
    pub(super) changed: bool,
    /// What there is has changed: also runs that wait for nothing are looked at again.
    pub(super) reconsider: bool,
    pub(super) touched: Touched,
    pub(super) counters: Counters,
    pub(super) effects: Effects,
    /// Runs queued in this pass that could start at once, although they are not confirmed.
    fresh: Vec<i64>,
}

/// What a pass did besides the rows.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Runners that wait for their `go`.
    pub(super) spawned: Vec<Spawned>,
    /// Native ids of runs that were queued and started in this pass.
    pub(super) started: HashMap<i64, String>,
    /// Runs that were queued in this pass and can never start, with the reason.
    pub(super) refused: HashMap<i64, String>,
    /// Directories that are worth a look.
    pub(super) told: Vec<(PathBuf, Option<Sighting>)>,
    /// A runner could not be started for want of processes or memory: try again soon.
    pub(super) retry: bool,
    /// Runners that have to ask what they are to do.
    pub(super) ordered: Vec<Identity>,
    /// Runs that were suspended (`true`) or go on: their runners.
    pub(super) suspended: Vec<(Identity, bool)>,
}

/// What came of queueing a run.
#[derive(Debug)]
pub(super) enum Queued {
    /// It was queued before.
    Known { native: String },
    /// It is in the queue now.
    New { id: i64, native: String },
    /// It can never run.
    Impossible(Error),
}

/// What came of stopping a run.
#[derive(Debug)]
pub(super) enum Stopped {
    /// It never started.
    Removed,
    /// This runner has to be told.
    Tell(Identity),
    /// It has ended, or is not known.
    Absent,
}

/// Whether a partition or a reservation may be called so.
fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || "_-.".contains(c);
    !name.is_empty() && name.len() <= 255 && !name.starts_with('-') && name.chars().all(allowed)
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        tx: &'a Connection,
        settings: &'a LocalSettings,
        stock: &'a Stock,
        now: f64,
    ) -> rusqlite::Result<Self> {
        Ok(Self {
            tx,
            settings,
            inventory: stock.committed(tx, now)?,
            stock,
            now,
            changed: false,
            reconsider: false,
            touched: Touched::default(),
            counters: queue::counters(tx)?,
            effects: Effects::default(),
            fresh: Vec::new(),
        })
    }
}

impl Pass<'_> {
    /// The gateway has recorded the run as queued. Called for runs whose runner does not wait in this process: they wait in
    /// the queue, or the process that started the runner is gone.
    pub(super) fn confirm(&mut self, marker: &str) -> rusqlite::Result<()> {
        let Some(run) = queue::by_marker(self.tx, marker)? else { return Ok(()) };
        match run.phase {
            Phase::Waiting => self.unblock(run.id, blocked::UNCONFIRMED),
            Phase::Running => self.settle_if_dead(&run),
            Phase::Ended => Ok(()),
        }
    }

    /// Keeps a waiting run from starting; `false` when it does not wait.
    pub(super) fn hold(&mut self, marker: &str) -> rusqlite::Result<bool> {
        let Some(run) = queue::by_marker(self.tx, marker)? else { return Ok(false) };
        self.block(run.id, blocked::HELD)?;
        Ok(run.phase == Phase::Waiting)
    }

    /// Lets a held run start; `false` when it does not wait.
    pub(super) fn release(&mut self, marker: &str) -> rusqlite::Result<bool> {
        let Some(run) = queue::by_marker(self.tx, marker)? else { return Ok(false) };
        self.unblock(run.id, blocked::HELD | blocked::HELD_BY_ADMIN)?;
        Ok(run.phase == Phase::Waiting)
    }

    /// Stops a run. `dismissed`: a runner that was never told to go and never will be.
    pub(super) fn cancel(&mut self, marker: &str, dismissed: Option<&Identity>) -> rusqlite::Result<Stopped> {
        let Some(run) = queue::by_marker(self.tx, marker)? else { return Ok(Stopped::Absent) };
        match (run.phase, &run.runner) {
            (Phase::Running, Some(runner)) if dismissed != Some(runner) => {
                // Recorded before the signal: a run that dies of it before its script starts must not be put back.
                queue::set_cancel(self.tx, run.id)?;
                if runner.is_alive() {
                    return Ok(Stopped::Tell(runner.clone()));
                }
                self.settle_dead(&Run { cancel: true, ..run.clone() })?;
            }
            (Phase::Waiting | Phase::Running, _) => {
                queue::set_never_started(self.tx, run.id)?;
                self.end(&run, State::Canceled, "")?;
            }
            (Phase::Ended, _) => {}
        }
        // Asked again after a crash, the answer is the same.
        let run = queue::by_marker(self.tx, marker)?;
        let removed =
            run.is_some_and(|run| run.started.is_none() && run.end.is_some_and(|(state, _)| state == State::Canceled));
        Ok(if removed { Stopped::Removed } else { Stopped::Absent })
    }

    /// A runner says that its run is over, or goes back into the queue. No gateway is there to look after the others.
    pub(super) fn finish(&mut self, id: i64) -> rusqlite::Result<()> {
        self.confirm_recorded(self.now)?;
        let Some(run) = queue::by_id(self.tx, id)?.filter(|run| run.phase == Phase::Running) else { return Ok(()) };
        match journal::read_run(&run.base, run.jobndx) {
            Ok(rows) => match rows.ended {
                Some((state, info)) => self.end(&run, state, &info),
                None if run.stop.is_some() => self.settle_stopped(&run, &rows),
                None => Ok(()),
            },
            Err(error) => {
                tracing::warn!(base = %run.base.display(), %error, "cannot read status.csv");
                Ok(())
            }
        }
    }

    /// Settles runs whose runner is gone, and lets runs go whose time has come.
    pub(super) fn look(&mut self) -> rusqlite::Result<()> {
        for run in queue::running(self.tx)? {
            self.insist(&run);
            self.settle_if_dead(&run)?;
        }
        if queue::unblock_begun(self.tx, self.now)? > 0 {
            self.changed = true;
        }
        self.end_late()?;
        self.resume_nodes()?;
        self.forget_reservations()?;
        self.confirm_recorded(self.now - CONFIRMED_WITHIN)
    }

    /// Confirms runs queued before then that their history says are queued: whoever recorded that may have been killed before
    /// it could say so here.
    pub(super) fn confirm_recorded(&mut self, before: f64) -> rusqlite::Result<()> {
        for (id, base, jobndx) in queue::unconfirmed(self.tx, before)? {
            if journal::read_run(&base, jobndx).is_ok_and(|rows| rows.queued.is_some()) {
                self.unblock(id, blocked::UNCONFIRMED)?;
            }
        }
        Ok(())
    }

    /// Forgets runs that ended long ago and that the job's history knows: whoever asks for their marker again must not
    /// be told that they never were.
    pub(super) fn forget_old(&mut self) -> rusqlite::Result<()> {
        let before = self.now - self.settings.keep_ended as f64;
        for run in queue::ended_before(self.tx, before, 1000)? {
            let recorded = journal::read_run(&run.base, run.jobndx).is_ok_and(|rows| rows.queued.is_some());
            if recorded || !run.base.exists() {
                queue::delete(self.tx, run.id)?;
            }
        }
        queue::forget_environments(self.tx)
    }

    fn unblock(&mut self, id: i64, bits: i64) -> rusqlite::Result<()> {
        self.changed |= queue::change_blocked(self.tx, id, 0, bits, self.now)?;
        Ok(())
    }

    fn block(&mut self, id: i64, bits: i64) -> rusqlite::Result<()> {
        queue::change_blocked(self.tx, id, bits, 0, self.now)?;
        // Something else may be the first in line now.
        self.changed = true;
        Ok(())
    }

    /// What there is has changed in this transaction.
    pub(super) fn reload(&mut self) -> rusqlite::Result<()> {
        self.inventory = self.stock.uncommitted(self.tx, self.now)?;
        self.changed = true;
        self.reconsider = true;
        Ok(())
    }
}
