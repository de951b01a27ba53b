//! One pass over the queue: everything that is decided happens here, inside one write transaction.
//!
//! A pass also starts runners, so that the process ids are part of the same commit: a runner does nothing before it is
//! told to go, which happens after the commit. If the commit fails, or this process dies before it, the runner's pipe
//! closes and it ends without having run anything.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use jobgate_model::{Error, Phase as Seen, Sighting, State};
use rusqlite::Connection;

use super::dependency::{self, Awaited, Met};
use super::queue::{self, NewRun, Phase, Run, blocked};
use super::request::Dependency;
use super::schedule::{Running, Snapshot, Waiting, schedule};
use super::settings::{LocalSettings, Machine};
use super::spawn::{self, Spawned};
use crate::console::note;
use crate::journal;
use crate::process::{Identity, boot_id, kill_session};

/// So many waiting runs are looked at in one pass. What comes later cannot start before these in order, and backfill finds
/// enough among them.
const WINDOW: usize = 256;
/// A run whose runner dies so often before the script starts is given up.
const MOST_ATTEMPTS: i64 = 5;
/// Native ids of runs that had to wait start here: above every process id, so that a signal sent to one reaches nobody.
const FIRST_NATIVE: i64 = 10_000_000;
/// A run that is not confirmed after so many seconds is looked up in its job's history.
const CONFIRMED_WITHIN: f64 = 5.0;
/// Ended runs are forgotten after so many seconds.
const KEEP_ENDED: f64 = 30.0 * 86_400.0;

/// A pass and what came of it.
pub(super) struct Pass<'a> {
    pub(super) tx: &'a Connection,
    pub(super) settings: &'a LocalSettings,
    pub(super) machine: &'a Machine,
    pub(super) now: f64,
    /// Something happened that may let a run start.
    pub(super) changed: bool,
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

impl<'a> Pass<'a> {
    pub(super) fn new(tx: &'a Connection, settings: &'a LocalSettings, machine: &'a Machine, now: f64) -> Self {
        Self { tx, settings, machine, now, changed: false, effects: Effects::default(), fresh: Vec::new() }
    }

    /// Queues a run; the same marker is queued once. It may start in this very pass.
    pub(super) fn submit(
        &mut self,
        run: &NewRun,
        hold: bool,
        dependency: Option<&Dependency>,
    ) -> rusqlite::Result<Queued> {
        if let Some(known) = queue::by_marker(self.tx, &run.marker)? {
            return Ok(Queued::Known { native: known.native });
        }
        let mut bits = blocked::UNCONFIRMED;
        let mut awaited = None;
        if let Some(dependency) = dependency {
            let resolved = match dependency::resolve(self.tx, run, dependency)? {
                Ok(resolved) => resolved,
                Err(error) => return Ok(Queued::Impossible(error)),
            };
            bits |= match dependency::judge(self.tx, &resolved)? {
                Met::Yes => 0,
                Met::NotYet => blocked::DEPENDENCY,
                Met::Never => blocked::DEPENDENCY | blocked::NEVER,
            };
            awaited = Some(resolved);
        }
        if hold {
            bits |= blocked::HELD;
        }
        if run.begin.is_some_and(|begin| begin > self.now) {
            bits |= blocked::BEGIN;
        }
        if let Some((first, limit)) = run.array_first.zip(run.array_limit)
            && queue::array_in_use(self.tx, &run.base, first)? >= limit
        {
            bits |= blocked::ARRAY;
        }
        let json = awaited.as_ref().map(|awaited| serde_json::to_string(awaited).expect("invariant: no maps in it"));
        let id = queue::insert(self.tx, run, bits, json.as_deref(), self.now)?;
        let native = (FIRST_NATIVE + id).to_string();
        queue::set_native(self.tx, id, &native)?;
        for condition in awaited.iter().flat_map(|awaited| &awaited.conditions) {
            if let dependency::AwaitedCondition::Runs(_, targets) = condition {
                queue::await_all(self.tx, id, targets)?;
            }
        }
        if bits == blocked::UNCONFIRMED {
            self.fresh.push(id);
            self.changed = true;
        }
        Ok(Queued::New { id, native })
    }

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
        queue::change_blocked(self.tx, run.id, blocked::HELD, 0)?;
        // Something else may be the first in line now.
        self.changed = true;
        Ok(run.phase == Phase::Waiting)
    }

    /// Lets a held run start; `false` when it does not wait.
    pub(super) fn release(&mut self, marker: &str) -> rusqlite::Result<bool> {
        let Some(run) = queue::by_marker(self.tx, marker)? else { return Ok(false) };
        self.unblock(run.id, blocked::HELD)?;
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

    /// A runner says that its run is over. No gateway is there to look after the others.
    pub(super) fn finish(&mut self, id: i64) -> rusqlite::Result<()> {
        self.confirm_recorded(self.now)?;
        let Some(run) = queue::by_id(self.tx, id)?.filter(|run| run.phase == Phase::Running) else { return Ok(()) };
        match journal::read_run(&run.base, run.jobndx) {
            Ok(rows) => match rows.ended {
                Some((state, info)) => self.end(&run, state, &info),
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
            self.settle_if_dead(&run)?;
        }
        if queue::unblock_begun(self.tx, self.now)? > 0 {
            self.changed = true;
        }
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
        for run in queue::ended_before(self.tx, self.now - KEEP_ENDED, 1000)? {
            let recorded = journal::read_run(&run.base, run.jobndx).is_ok_and(|rows| rows.queued.is_some());
            if recorded || !run.base.exists() {
                queue::delete(self.tx, run.id)?;
            }
        }
        queue::forget_environments(self.tx)
    }

    /// Starts what can start now.
    pub(super) fn start_what_fits(&mut self) -> rusqlite::Result<()> {
        if queue::setting(self.tx, DRAINED)?.is_some() {
            return Ok(());
        }
        let running: Vec<Running> = queue::running(self.tx)?.into_iter().map(as_running).collect();
        let used: u64 = running.iter().map(|run| run.need.cores).sum();
        if used >= self.machine.total.cores {
            return Ok(());
        }
        let mut waiting = queue::ready(self.tx, WINDOW)?;
        for id in &self.fresh {
            waiting.extend(queue::waiting(self.tx, *id)?);
        }
        waiting.sort_by_key(|(priority, run)| (std::cmp::Reverse(*priority), run.id));
        let waiting: Vec<Waiting> = waiting.into_iter().map(|(_, run)| self.within_machine(run)).collect();
        let snapshot = Snapshot { now: self.now, total: &self.machine.total, running, waiting };
        for decision in schedule(&snapshot) {
            self.start(decision.id, decision.gpus)?;
        }
        Ok(())
    }

    /// The machine may have become smaller since the run was accepted.
    fn within_machine(&self, mut run: Waiting) -> Waiting {
        let total = &self.machine.total;
        run.need.cores = run.need.cores.min(total.cores);
        run.need.memory = run.need.memory.min(total.memory);
        run.need.gpus = run.need.gpus.min(total.gpus);
        run
    }

    fn start(&mut self, id: i64, gpus: Vec<u32>) -> rusqlite::Result<()> {
        let Some(mut run) = queue::by_id(self.tx, id)? else { return Ok(()) };
        let fresh = self.fresh.contains(&id);
        run.gpus = gpus;
        let environment = queue::environment(self.tx, run.environment)?;
        match spawn::runner(self.settings, &run, &environment, fresh) {
            Ok(spawned) => {
                queue::start(self.tx, id, &spawned.identity, &run.gpus, self.now)?;
                if fresh {
                    queue::set_native(self.tx, id, &spawned.native)?;
                    self.effects.started.insert(id, spawned.native.clone());
                }
                self.effects.spawned.push(spawned);
                self.settle_awaiting(id)
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory) => {
                tracing::warn!(%error, "cannot start a runner now");
                self.effects.retry = true;
                Ok(())
            }
            Err(error) => {
                let reason = format!("cannot start {}: {error}", self.settings.runner.display());
                if fresh {
                    self.effects.refused.insert(id, reason);
                    queue::delete(self.tx, id)
                } else {
                    self.end_and_tell(&run, State::Failed, &reason)
                }
            }
        }
    }

    fn settle_if_dead(&mut self, run: &Run) -> rusqlite::Result<()> {
        if run.runner.as_ref().is_some_and(Identity::is_alive) { Ok(()) } else { self.settle_dead(run) }
    }

    /// The runner is gone. What the job's history says of the run decides: it ended; or the script never started, and the run
    /// is put back; or it is lost.
    fn settle_dead(&mut self, run: &Run) -> rusqlite::Result<()> {
        let rows = match journal::read_run(&run.base, run.jobndx) {
            Ok(rows) => rows,
            Err(error) => {
                // Nothing is decided without having read it; the next look tries again.
                tracing::warn!(base = %run.base.display(), %error, "cannot read status.csv");
                self.effects.retry = true;
                return Ok(());
            }
        };
        let (pid, same_boot) = run.runner.as_ref().map_or((0, true), |runner| (runner.pid, runner.boot == boot_id()));
        if let Some((state, info)) = rows.ended {
            self.end(run, state, &info)?;
            self.effects.told.push((run.base.clone(), None));
            return Ok(());
        }
        // After a restart of the machine a missing row proves nothing: the file system may have lost it.
        let never_started = same_boot && rows.actives <= run.actives;
        if !never_started && same_boot {
            kill_session(pid);
        }
        if run.cancel {
            if never_started {
                queue::set_never_started(self.tx, run.id)?;
            }
            return self.end_and_tell(run, State::Canceled, "");
        }
        if !run.base.exists() {
            return self.end_and_tell(run, State::Failed, "lost: the job's directory is gone");
        }
        if never_started && run.attempts < MOST_ATTEMPTS || !same_boot && run.requeue {
            let unconfirmed = if rows.queued.is_some() { 0 } else { blocked::UNCONFIRMED };
            queue::put_back(self.tx, run.id, unconfirmed, rows.actives)?;
            note(&run.base, run.jobndx, &format!("put back into the queue: its runner (pid {pid}) is gone"));
            self.changed = true;
            return Ok(());
        }
        let why = if never_started {
            format!("its runner ended {} times before the script started", run.attempts + 1)
        } else if same_boot {
            format!("its runner (pid {pid}) was killed")
        } else {
            "the machine was restarted while it ran".to_owned()
        };
        self.end_and_tell(run, State::Failed, &format!("lost: {why}"))
    }

    fn end_and_tell(&mut self, run: &Run, state: State, info: &str) -> rusqlite::Result<()> {
        let sighting = Sighting { marker: run.marker.clone(), phase: Seen::Ended(state, info.to_owned()) };
        self.effects.told.push((run.base.clone(), Some(sighting)));
        self.end(run, state, info)
    }

    fn end(&mut self, run: &Run, state: State, info: &str) -> rusqlite::Result<()> {
        queue::end(self.tx, run.id, state, info, self.now)?;
        self.changed = true;
        if let Some((first, limit)) = run.array {
            while queue::array_in_use(self.tx, &run.base, first)? < limit {
                let Some(next) = queue::array_next(self.tx, &run.base, first)? else { break };
                self.unblock(next, blocked::ARRAY)?;
            }
        }
        self.settle_awaiting(run.id)
    }

    fn unblock(&mut self, id: i64, bits: i64) -> rusqlite::Result<()> {
        self.changed |= queue::change_blocked(self.tx, id, 0, bits)?;
        Ok(())
    }

    /// A run has started or ended: looks at those that wait for it.
    fn settle_awaiting(&mut self, target: i64) -> rusqlite::Result<()> {
        for (id, json) in queue::awaiting(self.tx, target)? {
            let Ok(awaited) = serde_json::from_str::<Awaited>(&json) else { continue };
            match dependency::judge(self.tx, &awaited)? {
                Met::Yes => self.unblock(id, blocked::DEPENDENCY | blocked::NEVER)?,
                Met::NotYet => {}
                Met::Never => drop(queue::change_blocked(self.tx, id, blocked::NEVER, 0)?),
            }
        }
        Ok(())
    }
}

/// The setting under which it is noted that nothing new is to start.
pub(super) const DRAINED: &str = "drained";

fn as_running(run: Run) -> Running {
    let ends = run.started.unwrap_or_default() + run.minutes as f64 * 60.0;
    Running { need: run.need, ends, gpus: run.gpus }
}
