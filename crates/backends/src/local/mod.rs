//! The embedded batch system: one machine, a real queue, real limits, no daemon.
//!
//! The queue is a SQLite file that the gateway, command lines and runners open at the same time. Whoever changes it also
//! decides, in the same transaction, what starts now, and starts it. A run is waiting, running (there is a runner, whose
//! identity is in the row) or ended; there is nothing in between that a crash could leave behind:
//!
//! * a runner waits on a pipe for `go`, which it gets after the commit and after the gateway has recorded the run as
//!   queued; if the pipe closes before that, it ends without having run anything;
//! * a runner appends `active` to the job's `status.csv` before it starts the script. So a dead runner without such a row
//!   never ran its script and the run is put back; with it and without a final row the run is lost, which is a failure.
//!
//! psik's default `exclusive_node_use` is not taken as a wish: a run gets the cores, memory, GPUs and licences it asks for.

mod attend;
mod books;
pub mod cluster;
mod constraint;
mod dependency;
mod gate;
mod inventory;
mod limits;
mod need;
mod orders;
mod pass;
mod queue;
mod request;
pub mod runner;
mod schedule;
mod settings;
pub mod show;
mod spawn;
mod variables;

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Child, ChildStdin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use jobgate_model::{
    Backend, BackendConfig, Cancel, Error, ErrorKind, JobSpec, NativeId, Phase as Seen, RunRef, RunRequest, Sighting,
    StringMap, Submission, Tell,
};
use rusqlite::Connection;
use rustix::fd::OwnedFd;
use rustix::process::Signal;

use crate::console::note;
use crate::process::{Identity, boot_id, descendants, now, stat};
use cluster::{NodeOrder, Reach};
use gate::{Gate, lock};
use inventory::{Inventory, Stock};
use pass::{Effects, Pass, Queued, Stopped};
use queue::{NewRun, Phase, QueueError, Run, blocked};
pub use settings::{Account, Bookkeeping, LocalSettings, NodeSettings, Oversize, Partition, Qos};
pub(crate) use variables::folded;
pub use variables::{Allocation, CLUSTER, Host};

/// The recorded start of a run that psik started itself and that of the process may be so many seconds apart.
const SAME_START: f64 = 10.0;
/// So many runs are looked at with one view of the queue.
const LOOKED_AT_ONCE: usize = 256;

/// The embedded batch system of one state directory.
#[derive(Debug)]
pub struct Local {
    settings: LocalSettings,
    stock: Stock,
    gate: Gate,
    /// For looking, once somebody has looked.
    reader: Mutex<Option<Connection>>,
    /// Runners that wait for the confirmation of their run, by marker.
    unconfirmed: Mutex<HashMap<String, (Identity, ChildStdin)>>,
    /// Runners that this process started and has to wait for.
    children: Mutex<Vec<Child>>,
    /// What the attending thread has to tell.
    untold: Mutex<Vec<(PathBuf, Option<Sighting>)>>,
    /// A runner could not be started; the attending thread tries again.
    retry: AtomicBool,
    /// There is an attending thread.
    attended: AtomicBool,
    /// It will see to what was left for the next pass.
    lingers: AtomicBool,
    /// Wakes the attending thread.
    wake: OwnedFd,
}

impl Local {
    /// Opens the queue of a state directory, settles runs whose runner is gone, and starts what can start.
    pub fn open(settings: LocalSettings) -> Result<Arc<Self>, Error> {
        let connection = queue::open(&settings.state_dir)?;
        let wake =
            rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC | rustix::event::EventfdFlags::NONBLOCK)
                .map_err(|error| Error::internal("cannot make an eventfd", error))?;
        let idle = queue::is_idle(&connection).map_err(QueueError::from)?;
        let local = Self {
            stock: Stock::of(&settings)?,
            settings,
            gate: Gate::new(connection),
            reader: Mutex::default(),
            unconfirmed: Mutex::default(),
            children: Mutex::default(),
            untold: Mutex::default(),
            retry: AtomicBool::new(false),
            attended: AtomicBool::new(false),
            lingers: AtomicBool::new(false),
            wake,
        };
        if !idle {
            local.pass(|pass| {
                pass.changed = true;
                pass.confirm_recorded(pass.now)?;
                pass.look()
            })?;
        }
        Ok(Arc::new(local))
    }

    /// Ends the entry of a run whose final row is recorded and starts what can start now. For runners, when there is no
    /// gateway that would see them end.
    pub fn finish(&self, run: i64) -> Result<(), Error> {
        self.pass(move |pass| pass.finish(run)).map(drop)
    }

    /// Nothing new starts any more on any node, in any process that uses this queue; what runs goes on.
    pub fn drain(&self) -> Result<(), Error> {
        self.pass(|pass| pass.update_all_nodes(NodeOrder::Drain, Some("drained"), "")).and_then(|(answer, _)| answer)
    }

    /// Takes [`Local::drain`] back; nodes that are down are up again, too.
    pub fn resume(&self) -> Result<(), Error> {
        self.pass(|pass| pass.update_all_nodes(NodeOrder::Idle, None, "")).and_then(|(answer, _)| answer)
    }

    /// Whether nothing new starts, because all nodes are drained or down.
    pub fn is_drained(&self) -> Result<bool, Error> {
        Ok(!self.inventory()?.nodes.iter().any(inventory::Node::takes_runs))
    }

    /// All that there is now.
    fn inventory(&self) -> Result<Arc<Inventory>, Error> {
        self.look_with(|connection| self.stock.committed(connection, now()))
    }

    /// Reads without waiting for those who write.
    fn look_with<R>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<R>) -> Result<R, Error> {
        let mut reader = lock(&self.reader);
        let connection = match reader.take() {
            Some(connection) => connection,
            None => queue::open_for_reading(&self.settings.state_dir)?,
        };
        let connection = reader.insert(connection);
        // One view of everything, even if somebody changes it meanwhile.
        let view = connection.unchecked_transaction().map_err(QueueError::from)?;
        Ok(read(&view).map_err(QueueError::from)?)
    }

    fn pass<R: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Pass<'_>) -> rusqlite::Result<R> + Send + 'static,
    ) -> Result<(R, Arc<Effects>), Error> {
        let result = self.gate.pass(&self.settings, &self.stock, |effects| self.settle(effects), operation);
        lock(&self.children).retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        result
    }

    /// After a commit: confirmed runs go, the others wait for their confirmation; those who have new orders are told.
    fn settle(&self, effects: &mut Effects) {
        for (runner, suspend) in effects.suspended.drain(..) {
            orders::signal(&runner, if suspend { Signal::STOP } else { Signal::CONT }, Reach::All);
        }
        for runner in effects.ordered.drain(..) {
            runner.signal(Signal::URG);
        }
        if effects.spawned.is_empty() && effects.told.is_empty() && !effects.retry {
            return;
        }
        for spawned in effects.spawned.drain(..) {
            lock(&self.children).push(spawned.child);
            if spawned.fresh {
                lock(&self.unconfirmed).insert(spawned.marker, (spawned.identity, spawned.stdin));
            } else {
                spawn::go(spawned.stdin);
            }
        }
        lock(&self.untold).append(&mut effects.told);
        self.retry.fetch_or(effects.retry, Ordering::Relaxed);
        self.wake();
    }

    fn wake(&self) {
        // A full counter means that a wake-up is pending anyway.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    fn by_marker(&self, marker: &str) -> Result<Option<Run>, Error> {
        self.look_with(|connection| queue::by_marker(connection, marker))
    }

    /// What is known of runs, and whether the runner of one of them has died.
    fn look_at(&self, runs: &[RunRef]) -> Result<(Vec<Sighting>, bool), Error> {
        let (mut sightings, mut dead) = (Vec::with_capacity(runs.len()), false);
        let asked: Vec<&RunRef> = runs.iter().filter(|run| !run.marker.is_empty()).collect();
        // In parts, so that others come to look in between.
        for part in asked.chunks(LOOKED_AT_ONCE) {
            self.look_with(|connection| {
                let inventory = self.stock.committed(connection, now())?;
                let line = Line::of(connection, &inventory)?;
                for reference in part {
                    let run = queue::by_marker(connection, &reference.marker)?;
                    dead |= run.as_ref().is_some_and(|run| {
                        run.phase == Phase::Running && !run.runner.as_ref().is_some_and(Identity::is_alive)
                    });
                    let phase = run.map_or(Seen::Absent, |run| phase(run, &line));
                    sightings.push(Sighting { marker: reference.marker.clone(), phase, began: None });
                }
                Ok(())
            })?;
        }
        Ok((sightings, dead))
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        if self.gate.has_waiting()
            && let Err(error) = self.pass(|_| Ok(()))
        {
            tracing::error!(error = error.chain(), "what was left to be done in the local queue is not done");
        }
    }
}

/// What holds up runs that nothing else does.
#[derive(Debug, Clone, Copy)]
struct Line {
    /// The run that is the next to start.
    first: Option<i64>,
    /// Nothing new starts.
    drained: bool,
}

impl Line {
    fn of(connection: &Connection, inventory: &Inventory) -> rusqlite::Result<Self> {
        let drained = !inventory.nodes.iter().any(inventory::Node::takes_runs);
        Ok(Self { first: queue::first_ready(connection)?, drained })
    }

    /// Why a run waits, in Slurm's words. `stored`: what the scheduler has said of it.
    fn reason<'a>(&self, id: i64, blocked: i64, stored: Option<&'a str>) -> &'a str {
        let is = |bit: i64| blocked & bit != 0;
        match stored {
            _ if is(blocked::HELD_BY_ADMIN) => "JobHeldAdmin",
            _ if is(blocked::HELD) => "JobHeldUser",
            _ if is(blocked::NEVER) => "DependencyNeverSatisfied",
            _ if is(blocked::DEPENDENCY) => "Dependency",
            _ if is(blocked::BEGIN) => "BeginTime",
            _ if is(blocked::ARRAY) => "JobArrayTaskLimit",
            Some(stored) => stored,
            None if self.drained => "ReqNodeNotAvail",
            None if self.first == Some(id) => "Resources",
            None => "Priority",
        }
    }
}

fn phase(run: Run, line: &Line) -> Seen {
    match run.phase {
        Phase::Waiting => Seen::Waiting(line.reason(run.id, run.blocked, run.reason.as_deref()).to_owned()),
        Phase::Running => Seen::Running,
        Phase::Ended => run.end.map_or(Seen::Absent, |(state, info)| Seen::Ended(state, info)),
    }
}

/// The process of a run that psik itself started: its native id is a process id, which counts only if that process started
/// when the run was queued and works for this job. (Anybody may tell us of a `queued` row with any number in it.)
fn foreign_process(run: &RunRef) -> Option<Identity> {
    let pid: i32 = run.native.as_ref()?.0.trim().parse().ok().filter(|pid| *pid > 1)?;
    let stat = stat(pid).ok().filter(|stat| !stat.is_dead())?;
    let started = now() - stat.age()?;
    let same = (started - run.since).abs() <= SAME_START && works_for(pid, &run.base);
    same.then(|| Identity { pid: stat.pid, start_ticks: stat.start_ticks, boot: boot_id().to_owned() })
}

/// Whether a process, or one that it started, has the job's directory as its `base` variable, as psik's scripts have.
fn works_for(pid: i32, base: &std::path::Path) -> bool {
    let wanted = [b"base=".as_slice(), base.as_os_str().as_encoded_bytes()].concat();
    let has = |pid: i32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted)
    };
    has(pid) || descendants(pid).iter().any(|process| has(process.pid))
}

impl Backend for Local {
    fn kind(&self) -> &'static str {
        "local"
    }

    fn check(&self, spec: &JobSpec, config: &BackendConfig) -> Result<(), Error> {
        let inventory = self.inventory()?;
        request::parse(spec, config, &inventory, now())?;
        request::array(spec).map(drop)
    }

    fn array(&self, spec: &JobSpec) -> Result<Option<(Vec<i64>, Option<i64>)>, Error> {
        request::array(spec)
    }

    fn submit(&self, run: &RunRequest<'_>) -> Submission {
        let parsed = self.inventory().map(|inventory| request::parse(run.spec, run.config, &inventory, now()));
        let request = match parsed {
            Ok(Ok(request)) => request,
            Ok(Err(error)) => return Submission::Refused(error),
            Err(error) => return Submission::Unknown(error),
        };
        let environment = match run.environment {
            Some(environment) => spawn::encode(environment.iter().cloned()),
            None => spawn::encode(std::env::vars_os()),
        };
        let additions = run
            .array
            .map(|(task, _)| request::array_environment(run.spec, run.jobid.as_str(), task))
            .unwrap_or_default();
        let count = additions.iter().find(|(key, _)| key == "SLURM_ARRAY_TASK_COUNT");
        let new = NewRun {
            marker: run.marker.to_owned(),
            base: run.base.to_owned(),
            jobid: run.jobid.to_string(),
            jobndx: run.jobndx,
            owner: run.owner.to_owned(),
            name: run.spec.name.clone(),
            options: serde_json::to_string(&shown_options(run.spec)).expect("invariant: text to text"),
            array: run.array,
            array_limit: run.array_limit,
            array_count: count.and_then(|(_, count)| count.parse().ok()),
            additions,
            environment,
            request,
        };
        let clamped = new.request.clamped.clone();
        let submitted = self.pass(move |pass| pass.submit(&new));
        let (queued, effects) = match submitted {
            Ok(submitted) => submitted,
            Err(error) => return Submission::Unknown(error),
        };
        match queued {
            Queued::Impossible(error) => Submission::Refused(error),
            Queued::Known { native } => Submission::Accepted(NativeId(native)),
            Queued::New { id, native } => {
                if let Some(reason) = effects.refused.get(&id) {
                    return Submission::Refused(Error::new(ErrorKind::Refused, reason.clone()));
                }
                if let Some(text) = clamped {
                    note(run.base, run.jobndx, &text);
                }
                Submission::Accepted(NativeId(effects.started.get(&id).cloned().unwrap_or(native)))
            }
        }
    }

    fn confirm(&self, marker: &str) {
        let waiting = lock(&self.unconfirmed).remove(marker);
        if let Some((runner, stdin)) = waiting
            && spawn::go(stdin)
        {
            if !self.attended.load(Ordering::Acquire) {
                // This process is about to end, and its terminal perhaps, too.
                spawn::wait_for_session(&runner);
            }
            return;
        }
        let owned = marker.to_owned();
        if self.attended.load(Ordering::Acquire) {
            // It is in the queue for good, and recorded as such: nobody has to wait until that is noted. If this process dies
            // before, whoever looks next sees it in the job's history (`Pass::confirm_recorded`).
            self.gate.leave(move |pass| pass.confirm(&owned));
            if !self.lingers.swap(true, Ordering::AcqRel) {
                self.wake();
            }
        } else if let Err(error) = self.pass(move |pass| pass.confirm(&owned)) {
            tracing::error!(marker, error = error.chain(), "cannot confirm a run");
        }
    }

    fn find(&self, run: &RunRef) -> Result<Option<NativeId>, Error> {
        Ok(self.by_marker(&run.marker)?.map(|run| NativeId(run.native)))
    }

    fn cancel(&self, run: &RunRef) -> Result<Cancel, Error> {
        if run.marker.is_empty() {
            let Some(process) = foreign_process(run) else { return Ok(Cancel::Absent) };
            // psik 3 passes the signal on to its script; psik 1 and 2 do not.
            let descendants = descendants(process.pid);
            process.signal(Signal::TERM);
            for descendant in descendants {
                descendant.signal(Signal::TERM);
            }
            return Ok(Cancel::Stopping);
        }
        // Without its pipe the runner ends, and never runs anything.
        let dismissed = lock(&self.unconfirmed).remove(&run.marker).map(|(runner, _)| runner);
        let marker = run.marker.clone();
        match self.pass(move |pass| pass.cancel(&marker, dismissed.as_ref()))?.0 {
            Stopped::Removed => Ok(Cancel::Removed),
            Stopped::Absent => Ok(Cancel::Absent),
            Stopped::Tell(runner) => {
                runner.signal(Signal::TERM);
                Ok(Cancel::Stopping)
            }
        }
    }

    fn hold(&self, run: &RunRef) -> Result<(), Error> {
        let marker = run.marker.clone();
        if self.pass(move |pass| pass.hold(&marker))?.0 { Ok(()) } else { Err(not_waiting(run)) }
    }

    fn release(&self, run: &RunRef) -> Result<(), Error> {
        let marker = run.marker.clone();
        if self.pass(move |pass| pass.release(&marker))?.0 { Ok(()) } else { Err(not_waiting(run)) }
    }

    fn observe(&self, runs: &[RunRef]) -> Result<Vec<Sighting>, Error> {
        let (mut sightings, dead) = self.look_at(runs)?;
        if dead {
            #[expect(
                clippy::redundant_closure_for_method_calls,
                reason = "the method is not general enough over lifetimes"
            )]
            self.pass(|pass| pass.look())?;
            sightings = self.look_at(runs)?.0;
        }
        Ok(sightings)
    }

    fn attend(self: Arc<Self>, tell: Tell) -> Result<(), Error> {
        attend::start(&self, tell)?;
        self.attended.store(true, Ordering::Release);
        Ok(())
    }
}

/// The options that are kept with a run to be shown: those that were given, and where it works.
fn shown_options(spec: &JobSpec) -> StringMap {
    let mut options = spec.attributes.clone();
    if let (None, Some(directory)) = (spec.attribute("chdir"), &spec.directory) {
        options.insert("--chdir", directory.as_str());
    }
    options
}

fn not_waiting(run: &RunRef) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!(
            "run {} of job {} does not wait in the queue: it runs, has ended or was never queued",
            run.jobndx, run.jobid
        ),
    )
}

#[cfg(test)]
mod tests;
