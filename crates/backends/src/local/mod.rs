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
mod dependency;
mod gate;
mod pass;
mod queue;
mod request;
pub mod runner;
mod schedule;
mod settings;
mod spawn;

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Child, ChildStdin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use jobgate_model::{
    Backend, BackendConfig, Cancel, Error, ErrorKind, JobSpec, NativeId, Phase as Seen, RunRef, RunRequest, Sighting,
    Submission, Tell,
};
use rustix::fd::OwnedFd;
use rustix::process::Signal;

use crate::console::note;
use crate::process::{Identity, boot_id, descendants, now, stat};
use gate::{Gate, lock};
use pass::{DRAINED, Effects, Pass, Queued, Stopped};
use queue::{NewRun, Phase, QueueError, Run, blocked};
use settings::Machine;
pub use settings::{LocalSettings, Oversize, Partition};

/// The recorded start of a run that psik started itself and that of the process may be so many seconds apart.
const SAME_START: f64 = 10.0;

/// The embedded batch system of one state directory.
#[derive(Debug)]
pub struct Local {
    settings: LocalSettings,
    machine: Machine,
    gate: Gate,
    /// Runners that wait for the confirmation of their run, by marker.
    unconfirmed: Mutex<HashMap<String, (Identity, ChildStdin)>>,
    /// Runners that this process started and has to wait for.
    children: Mutex<Vec<Child>>,
    /// What the attending thread has to tell.
    untold: Mutex<Vec<(PathBuf, Option<Sighting>)>>,
    /// A runner could not be started; the attending thread tries again.
    retry: AtomicBool,
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
        let local = Self {
            machine: Machine::of(&settings),
            settings,
            gate: Gate::new(connection),
            unconfirmed: Mutex::default(),
            children: Mutex::default(),
            untold: Mutex::default(),
            retry: AtomicBool::new(false),
            wake,
        };
        let idle = queue::is_idle(&local.gate.connection()).map_err(QueueError::from)?;
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

    /// Nothing new starts any more, in any process that uses this queue; what runs goes on.
    pub fn drain(&self) -> Result<(), Error> {
        self.pass(|pass| queue::set_setting(pass.tx, DRAINED, Some("yes"))).map(drop)
    }

    /// Takes [`Local::drain`] back.
    pub fn resume(&self) -> Result<(), Error> {
        self.pass(|pass| {
            pass.changed = true;
            queue::set_setting(pass.tx, DRAINED, None)
        })
        .map(drop)
    }

    /// Whether nothing new starts, because of [`Local::drain`].
    pub fn is_drained(&self) -> Result<bool, Error> {
        Ok(queue::setting(&self.gate.connection(), DRAINED).map_err(QueueError::from)?.is_some())
    }

    fn pass<R: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Pass<'_>) -> rusqlite::Result<R> + Send + 'static,
    ) -> Result<(R, Arc<Effects>), Error> {
        let result = self.gate.pass(&self.settings, &self.machine, |effects| self.settle(effects), operation);
        lock(&self.children).retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        result
    }

    /// After a commit: confirmed runs go, the others wait for their confirmation.
    fn settle(&self, effects: &mut Effects) {
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
        Ok(queue::by_marker(&self.gate.connection(), marker).map_err(QueueError::from)?)
    }

    /// What is known of runs, and whether the runner of one of them has died.
    fn look_at(&self, runs: &[RunRef]) -> Result<(Vec<Sighting>, bool), Error> {
        let connection = self.gate.connection();
        let line = Line {
            first: queue::ready(&connection, 1).map_err(QueueError::from)?.first().map(|(_, run)| run.id),
            drained: queue::setting(&connection, DRAINED).map_err(QueueError::from)?.is_some(),
        };
        let mut dead = false;
        let mut sightings = Vec::with_capacity(runs.len());
        for reference in runs.iter().filter(|run| !run.marker.is_empty()) {
            let run = queue::by_marker(&connection, &reference.marker).map_err(QueueError::from)?;
            dead |= run
                .as_ref()
                .is_some_and(|run| run.phase == Phase::Running && !run.runner.as_ref().is_some_and(Identity::is_alive));
            let phase = run.map_or(Seen::Absent, |run| phase(run, &line));
            sightings.push(Sighting { marker: reference.marker.clone(), phase });
        }
        Ok((sightings, dead))
    }
}

/// What holds up runs that nothing else does.
struct Line {
    /// The run that is the next to start.
    first: Option<i64>,
    /// Nothing new starts.
    drained: bool,
}

fn phase(run: Run, line: &Line) -> Seen {
    match run.phase {
        Phase::Waiting => Seen::Waiting(reason(&run, line).to_owned()),
        Phase::Running => Seen::Running,
        Phase::Ended => run.end.map_or(Seen::Absent, |(state, info)| Seen::Ended(state, info)),
    }
}

/// Why a run waits, in Slurm's words.
fn reason(run: &Run, line: &Line) -> &'static str {
    let is = |bit: i64| run.blocked & bit != 0;
    match () {
        () if is(blocked::HELD) => "JobHeldUser",
        () if is(blocked::NEVER) => "DependencyNeverSatisfied",
        () if is(blocked::DEPENDENCY) => "Dependency",
        () if is(blocked::BEGIN) => "BeginTime",
        () if is(blocked::ARRAY) => "JobArrayTaskLimit",
        () if line.drained => "ReqNodeNotAvail",
        () if line.first == Some(run.id) => "Resources",
        () => "Priority",
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
        request::parse(spec, config, &self.machine, now())?;
        request::array(spec).map(drop)
    }

    fn array(&self, spec: &JobSpec) -> Result<Option<(Vec<i64>, Option<i64>)>, Error> {
        request::array(spec)
    }

    fn submit(&self, run: &RunRequest<'_>) -> Submission {
        let request = match request::parse(run.spec, run.config, &self.machine, now()) {
            Ok(request) => request,
            Err(error) => return Submission::Refused(error),
        };
        let environment = match run.environment {
            Some(environment) => spawn::encode(environment.iter().cloned()),
            None => spawn::encode(std::env::vars_os()),
        };
        let new = NewRun {
            marker: run.marker.to_owned(),
            base: run.base.to_owned(),
            jobid: run.jobid.to_string(),
            jobndx: run.jobndx,
            owner: run.owner.to_owned(),
            name: run.spec.name.clone(),
            priority: request.priority,
            need: request.need,
            minutes: request.minutes,
            begin: request.begin,
            requeue: request.requeue,
            array_first: run.array.map(|(_, first)| first),
            array_limit: run.array_limit,
            additions: run
                .array
                .map(|(task, _)| request::array_environment(run.spec, run.jobid.as_str(), task))
                .unwrap_or_default(),
            environment,
        };
        let (hold, dependency) = (request.hold, request.dependency);
        let submitted = self.pass(move |pass| pass.submit(&new, hold, dependency.as_ref()));
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
                if let Some(text) = request.clamped {
                    note(run.base, run.jobndx, &text);
                }
                Submission::Accepted(NativeId(effects.started.get(&id).cloned().unwrap_or(native)))
            }
        }
    }

    fn confirm(&self, marker: &str) {
        let waiting = lock(&self.unconfirmed).remove(marker);
        if waiting.is_some_and(|(_, stdin)| spawn::go(stdin)) {
            return;
        }
        let owned = marker.to_owned();
        if let Err(error) = self.pass(move |pass| pass.confirm(&owned)) {
            tracing::error!(marker, error = error.chain(), "cannot confirm a run");
        }
    }

    fn find(&self, marker: &str) -> Result<Option<NativeId>, Error> {
        Ok(self.by_marker(marker)?.map(|run| NativeId(run.native)))
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
        attend::start(&self, tell)
    }
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
