//! The thread that watches: runners that end, times that come, and what other processes change in the queue.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use jobgate_model::{Error, Tell};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Local;
use super::gate::lock;
use super::queue::{self, Run};
use crate::process::{Identity, now};

/// How often it is looked at what other processes have changed.
const GLANCE: Duration = Duration::from_millis(500);
/// How often the queue is looked after even if nothing happens.
const PERIOD: Duration = Duration::from_secs(10);
/// How soon a runner that ended unseen is settled.
const SOON: Duration = Duration::from_millis(20);
/// How soon what could not be done is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// So long what was left for the next pass waits for one that is made anyway.
const LINGER: Duration = Duration::from_millis(5);
/// How often old entries are forgotten.
const FORGET: Duration = Duration::from_secs(3600);

/// Starts the thread. It ends when the last owner of `local` is gone.
pub(super) fn start(local: &Arc<Local>, tell: Tell) -> Result<(), Error> {
    let watched = Arc::downgrade(local);
    let wake = local.wake.try_clone().map_err(|error| Error::internal("cannot watch the local queue", error))?;
    std::thread::Builder::new()
        .name("local-attend".into())
        .spawn(move || attend(&watched, &wake, &tell))
        .map(drop)
        .map_err(|error| Error::internal("cannot start the thread that watches the local queue", error))
}

/// What the thread knows between two looks.
#[derive(Default)]
struct Watch {
    /// Runners by the number of their run.
    runners: HashMap<i64, OwnedFd>,
    /// When something that is known now will happen, unix seconds.
    next_time: Option<f64>,
    /// When to look again even if nothing happens.
    again: Option<Instant>,
    /// When to make a pass for what was left for the next one.
    left: Option<Instant>,
    forgot: Option<Instant>,
}

fn attend(local: &Weak<Local>, wake: &OwnedFd, tell: &Tell) {
    // What another process left to be started is started now.
    let mut watch = Watch { again: Some(Instant::now()), ..Watch::default() };
    let mut ended = false;
    while let Some(local) = local.upgrade() {
        if let Err(error) = look(&local, &mut watch, ended) {
            tracing::error!(error = error.chain(), "cannot watch the local queue");
            watch.look_within(RETRY);
        }
        for (base, sighting) in std::mem::take(&mut *lock(&local.untold)) {
            tell(&base, sighting);
        }
        // While it waits, the thread does not keep the queue open.
        drop(local);
        ended = wait(&watch, wake);
    }
}

/// Looks after the queue if something is due: a runner has `ended`, a time has come, something has to be tried again.
fn look(local: &Local, watch: &mut Watch, ended: bool) -> Result<(), Error> {
    let again = watch.again.take_if(|at| *at <= Instant::now()).is_some();
    let due = watch.next_time.is_some_and(|time| time <= now());
    if ended || again || due {
        local.pass(move |pass| {
            pass.changed |= again || due;
            pass.reconsider |= due;
            pass.look()
        })?;
    }
    if watch.has_lingered(local.lingers.load(Ordering::Acquire)) {
        // Before it is looked for what waits: what is left from now on asks for another round.
        local.lingers.store(false, Ordering::Release);
        if local.gate.has_waiting() {
            local.pass(|_| Ok(()))?;
        }
    }
    if local.retry.swap(false, Ordering::Relaxed) {
        watch.look_within(RETRY);
    }
    if watch.forgot.is_none_or(|forgot| forgot.elapsed() >= FORGET) {
        watch.forgot = Some(Instant::now());
        #[expect(
            clippy::redundant_closure_for_method_calls,
            reason = "the method is not general enough over lifetimes"
        )]
        local.pass(|pass| pass.forget_old())?;
    }
    let (running, next_time) = glance(local)?;
    watch.next_time = next_time;
    let gone = watch.follow(&running);
    watch.look_within(if gone { SOON } else { PERIOD });
    Ok(())
}

/// What other processes may have changed.
fn glance(local: &Local) -> Result<(Vec<Run>, Option<f64>), Error> {
    let now = now();
    local.look_with(|connection| {
        let of_inventory = local.stock.committed(connection, now)?.next_time(now);
        let next = [queue::next_time(connection)?, of_inventory].into_iter().flatten().min_by(f64::total_cmp);
        Ok((queue::running(connection)?, next))
    })
}

impl Watch {
    fn look_within(&mut self, time: Duration) {
        let at = Instant::now() + time;
        self.again = Some(self.again.map_or(at, |again| again.min(at)));
    }

    /// Whether it is time to make a pass for what was left for one, if something was.
    fn has_lingered(&mut self, is_left: bool) -> bool {
        if !is_left {
            return false;
        }
        let until = *self.left.get_or_insert_with(|| Instant::now() + LINGER);
        let is_over = until <= Instant::now();
        if is_over {
            self.left = None;
        }
        is_over
    }

    /// Watches exactly these; `true` when one of them is gone already.
    fn follow(&mut self, running: &[Run]) -> bool {
        self.runners.retain(|id, _| running.iter().any(|run| run.id == *id));
        let mut gone = false;
        for run in running {
            if let Entry::Vacant(entry) = self.runners.entry(run.id) {
                match run.runner.as_ref().and_then(Identity::open) {
                    Some(pidfd) => drop(entry.insert(pidfd)),
                    None => gone = true,
                }
            }
        }
        gone
    }
}

/// Waits for a runner's end, a wake-up or the time; `true` if a runner has ended.
fn wait(watch: &Watch, wake: &OwnedFd) -> bool {
    let next = watch.next_time.map(|time| Duration::try_from_secs_f64(time - now()).unwrap_or_default());
    let until = |at: Option<Instant>| at.map(|at| at.saturating_duration_since(Instant::now()));
    let timeout = [next, until(watch.again), until(watch.left)].into_iter().flatten().fold(GLANCE, Duration::min);
    let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) };
    let readable = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
    let mut polled: Vec<PollFd<'_>> = vec![readable(wake.as_fd())];
    polled.extend(watch.runners.values().map(|pidfd| readable(pidfd.as_fd())));
    // Interrupted, it looks at what other processes have changed a little early.
    if poll(&mut polled, Some(&timeout)).is_err() {
        return false;
    }
    let mut came = polled.iter().map(|fd| !fd.revents().is_empty());
    if came.next() == Some(true) {
        let _ = rustix::io::read(wake, &mut [0u8; 8]);
    }
    came.any(|ended| ended)
}
