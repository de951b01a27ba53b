//! Runs whose runner is gone, and runs that end.

use jobgate_model::{Phase as Seen, Sighting, State};
use rustix::process::Signal;

use super::Pass;
use crate::console::note;
use crate::execute::supervise::GRACE;
use crate::journal::{self, RunRows};
use crate::local::queue::{self, Run, Stop, blocked};
use crate::process::{Identity, boot_id, kill_session};

/// A run whose runner dies so often before the script starts is given up.
const MOST_ATTEMPTS: i64 = 5;

impl Pass<'_> {
    pub(super) fn settle_if_dead(&mut self, run: &Run) -> rusqlite::Result<()> {
        if run.runner.as_ref().is_some_and(Identity::is_alive) { Ok(()) } else { self.settle_dead(run) }
    }

    /// The runner is gone. What the job's history says of the run decides: it ended; or the script never started, and the run
    /// is put back; or it was stopped to be put back; or it is lost.
    pub(super) fn settle_dead(&mut self, run: &Run) -> rusqlite::Result<()> {
        let rows = match journal::read_run(&run.base, run.jobndx) {
            Ok(rows) => rows,
            // Only its job can have done that, and it must not keep its cores for ever.
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                if let Some(runner) = run.runner.as_ref().filter(|runner| runner.boot == boot_id()) {
                    kill_session(runner.pid);
                }
                return self.end_and_tell(run, State::Failed, "lost: the job's history is not a file any more");
            }
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
        if run.stop.is_some() {
            return self.settle_stopped(run, &rows);
        }
        if never_started && run.attempts < MOST_ATTEMPTS || !same_boot && run.requeue {
            let text = format!("put back into the queue: its runner (pid {pid}) is gone");
            return self.put_back(run, &rows, 0, !same_boot, &text);
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

    /// The run was stopped by the queue itself, and its runner has done what it had to.
    pub(super) fn settle_stopped(&mut self, run: &Run, rows: &RunRows) -> rusqlite::Result<()> {
        match &run.stop {
            Some(Stop::NodeDown(node)) if !run.requeue => {
                self.end_and_tell(run, State::Failed, &format!("lost: node {node} is down"))
            }
            Some(Stop::RequeueHeld) => {
                self.put_back(run, rows, blocked::HELD, true, "put back into the queue, held: it was requeued")
            }
            Some(Stop::NodeDown(node)) => {
                self.put_back(run, rows, 0, true, &format!("put back into the queue: node {node} is down"))
            }
            Some(Stop::Requeue) | None => self.put_back(run, rows, 0, true, "put back into the queue: it was requeued"),
        }
    }

    fn put_back(&mut self, run: &Run, rows: &RunRows, bits: i64, wanted: bool, text: &str) -> rusqlite::Result<()> {
        let unconfirmed = if rows.queued.is_some() { 0 } else { blocked::UNCONFIRMED };
        let mut bits = bits | unconfirmed;
        if let Some((first, limit)) = run.array
            && queue::array_in_use(self.tx, &run.base, first)? > limit
        {
            bits |= blocked::ARRAY;
        }
        queue::put_back(self.tx, run.id, bits, rows.actives, wanted)?;
        note(&run.base, run.jobndx, text);
        self.changed = true;
        self.touched.nodes = true;
        Ok(())
    }

    /// A runner that does not do what it is told, long after it was told, is killed.
    pub(super) fn insist(&mut self, run: &Run) {
        let Some((told, runner)) = run.stop_at.zip(run.runner.as_ref()) else { return };
        let patience = 4.0 * GRACE.as_secs_f64();
        if run.stop.is_some() && self.now - told > patience && runner.signal(Signal::KILL) {
            tracing::warn!(run = run.id, pid = runner.pid, "killed a runner that did not stop its run");
            self.effects.retry = true;
        }
    }

    pub(super) fn end_and_tell(&mut self, run: &Run, state: State, info: &str) -> rusqlite::Result<()> {
        let sighting = Sighting { marker: run.marker.clone(), phase: Seen::Ended(state, info.to_owned()), began: None };
        self.effects.told.push((run.base.clone(), Some(sighting)));
        self.end(run, state, info)
    }

    pub(super) fn end(&mut self, run: &Run, state: State, info: &str) -> rusqlite::Result<()> {
        queue::end(self.tx, run.id, state, info, self.now)?;
        self.changed = true;
        self.touched.nodes |= !run.allocation.is_empty();
        match state {
            State::Completed => self.counters.completed += 1,
            State::Canceled => self.counters.canceled += 1,
            _ => self.counters.failed += 1,
        }
        if let Some((first, limit)) = run.array {
            while queue::array_in_use(self.tx, &run.base, first)? < limit {
                let Some(next) = queue::array_next(self.tx, &run.base, first)? else { break };
                self.unblock(next, blocked::ARRAY)?;
            }
        }
        self.settle_awaiting(run.id)
    }

    /// Ends waiting runs that cannot end before their deadline any more.
    pub(super) fn end_late(&mut self) -> rusqlite::Result<()> {
        for (id, deadline, limit) in queue::with_deadline(self.tx)? {
            if self.now + limit > deadline
                && let Some(run) = queue::by_id(self.tx, id)?
            {
                note(&run.base, run.jobndx, "its deadline cannot be kept any more: it was taken out of the queue");
                queue::set_outlook(self.tx, id, Some("DeadLine"), None)?;
                self.end_and_tell(&run, State::Failed, "deadline: it can no longer end in time")?;
            }
        }
        Ok(())
    }
}
