//! The runs that the controller shows, kept in memory: a listing reads only what has changed since the last one.

use std::collections::{BTreeMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use jobgate_model::{Error, StringMap};

use super::super::Local;
use super::super::cluster::{Requested, RunFilter, RunPhase, RunView, Walked};

/// Runs by number.
pub(super) type Runs = BTreeMap<i64, Arc<RunView>>;

/// The runs that have not ended, or ended not long ago.
#[derive(Debug)]
pub(super) struct Board {
    /// Runs that ended earlier than so many seconds ago are not shown.
    age: f64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    runs: Arc<Runs>,
    alike: Alike,
    /// The revision that was looked at; `None`: nothing was.
    number: Option<u64>,
    /// How many runs there were in all.
    total: u64,
    /// The greatest number of a run that was seen, shown or not.
    greatest: i64,
    /// When the runs that ended too long ago were taken out last, unix seconds.
    swept: f64,
    /// How many runs were taken out so far.
    swept_out: u64,
}

/// What many runs were given and ask for alike: kept once, however many there are.
#[derive(Debug, Default)]
struct Alike {
    options: HashSet<Arc<StringMap>>,
    requests: HashSet<Arc<Requested>>,
}

impl Alike {
    /// The run, sharing what another one has, too.
    fn shared(&mut self, mut run: RunView) -> Arc<RunView> {
        share(&mut self.options, &mut run.options);
        share(&mut self.requests, &mut run.request);
        Arc::new(run)
    }

    /// Forgets what no run has any more.
    fn forget_unused(&mut self) {
        self.options.retain(|options| Arc::strong_count(options) > 1);
        self.requests.retain(|request| Arc::strong_count(request) > 1);
    }
}

fn share<T: Hash + Eq>(known: &mut HashSet<Arc<T>>, one: &mut Arc<T>) {
    match known.get(one) {
        Some(same) => *one = Arc::clone(same),
        None => drop(known.insert(Arc::clone(one))),
    }
}

/// Where runs come from.
pub(super) trait Queue {
    /// Calls `each` with every run that the filter lets pass, in the order of their numbers.
    fn walk(&self, filter: &RunFilter, each: &mut dyn FnMut(RunView)) -> Result<Walked, Error>;

    /// The run with this number.
    fn run(&self, id: i64) -> Result<Option<RunView>, Error>;
}

impl Queue for Local {
    fn walk(&self, filter: &RunFilter, each: &mut dyn FnMut(RunView)) -> Result<Walked, Error> {
        self.runs(filter, each)
    }

    fn run(&self, id: i64) -> Result<Option<RunView>, Error> {
        Local::run(self, id)
    }
}

/// Why a run waits that nothing but the others holds up. It changes without any change of the run: when the first in line
/// starts, the second is the first, and when all nodes are drained, all wait for that.
const IN_LINE: [&str; 3] = ["Resources", "Priority", "ReqNodeNotAvail"];

impl Board {
    pub(super) fn new(age: f64) -> Self {
        Self { age, state: Mutex::default() }
    }

    /// The runs as of revision `number`, at the time `now` (unix seconds).
    pub(super) fn runs(&self, number: u64, now: f64, queue: &impl Queue) -> Result<Arc<Runs>, Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let horizon = now - self.age;
        if state.number != Some(number) {
            let advanced = match state.number {
                Some(known) => state.advance(known, horizon, queue)?,
                None => false,
            };
            if !advanced {
                state.start_over(horizon, queue)?;
            }
            state.line_up(queue)?;
        }
        state.sweep_now_and_then(now, horizon);
        Ok(Arc::clone(&state.runs))
    }

    /// How many runs were taken out, as of the time `now` (unix seconds), because they ended too long ago. A listing that was
    /// made before shows them still.
    pub(super) fn swept_out(&self, now: f64) -> u64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.sweep_now_and_then(now, now - self.age);
        state.swept_out
    }

    /// Reads everything anew the next time.
    pub(super) fn forget(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // what is counted must not begin anew
        *state = State { swept_out: state.swept_out + 1, ..State::default() };
    }
}

impl State {
    /// Takes in what has changed since a revision; `false`: runs were forgotten, nobody says which.
    fn advance(&mut self, known: u64, horizon: f64, queue: &impl Queue) -> Result<bool, Error> {
        let mut changed = Vec::new();
        let filter = RunFilter { changed_since: Some(known), ..RunFilter::default() };
        let walked = queue.walk(&filter, &mut |run| changed.push(run))?;
        let new = changed.iter().filter(|run| run.id > self.greatest).count() as u64;
        if walked.total != self.total + new {
            return Ok(false);
        }
        if !changed.is_empty() {
            let runs = Arc::make_mut(&mut self.runs);
            for run in changed {
                self.greatest = self.greatest.max(run.id);
                if is_shown(&run, horizon) {
                    runs.insert(run.id, self.alike.shared(run));
                } else {
                    runs.remove(&run.id);
                }
            }
        }
        self.number = Some(walked.number);
        self.total = walked.total;
        Ok(true)
    }

    fn start_over(&mut self, horizon: f64, queue: &impl Queue) -> Result<(), Error> {
        let (mut runs, mut alike) = (Runs::new(), Alike::default());
        let mut greatest = self.greatest;
        let filter = RunFilter { ended_since: Some(horizon), ..RunFilter::default() };
        let walked = queue.walk(&filter, &mut |run| {
            greatest = greatest.max(run.id);
            runs.insert(run.id, alike.shared(run));
        })?;
        *self = Self {
            runs: Arc::new(runs),
            alike,
            number: Some(walked.number),
            total: walked.total,
            greatest,
            swept: self.swept,
            swept_out: self.swept_out,
        };
        Ok(())
    }

    fn sweep_now_and_then(&mut self, now: f64, horizon: f64) {
        if now - self.swept >= 1.0 || now < self.swept {
            let before = self.runs.len();
            self.sweep(horizon);
            self.swept = now;
            self.swept_out += (before - self.runs.len()) as u64;
        }
    }

    /// Tells those in line anew why they wait.
    fn line_up(&mut self, queue: &impl Queue) -> Result<(), Error> {
        let is_in_line = |run: &RunView| run.phase == RunPhase::Waiting && IN_LINE.contains(&run.reason.as_str());
        let waiting = self.runs.values().filter(|run| is_in_line(run));
        let Some(first) = waiting.max_by_key(|run| (run.priority, std::cmp::Reverse(run.id))).map(|run| run.id) else {
            return Ok(());
        };
        let Some(now) = queue.run(first)?.filter(is_in_line) else { return Ok(()) };
        let others = if now.reason == "Resources" { "Priority" } else { now.reason.as_str() };
        let reason = |id: i64| if id == first { now.reason.as_str() } else { others };
        let wrong = |run: &RunView| is_in_line(run) && run.reason != reason(run.id);
        if self.runs.values().any(|run| wrong(run)) {
            for (id, run) in Arc::make_mut(&mut self.runs) {
                if wrong(run) {
                    reason(*id).clone_into(&mut Arc::make_mut(run).reason);
                }
            }
        }
        Ok(())
    }

    fn sweep(&mut self, horizon: f64) {
        if self.runs.values().any(|run| !is_shown(run, horizon)) {
            Arc::make_mut(&mut self.runs).retain(|_, run| is_shown(run, horizon));
            self.alike.forget_unused();
        }
    }
}

fn is_shown(run: &RunView, horizon: f64) -> bool {
    run.ended.is_none_or(|ended| ended >= horizon)
}
