//! Queueing a run.

use jobgate_model::Error;
use jobgate_slurm::errno::Errno;

use super::{Answer, Pass, Queued};
use crate::local::cluster::UNLIMITED;
use crate::local::dependency::{self, Awaited, AwaitedCondition, Judgement, Met, Waiter};
use crate::local::queue::{self, NewRun, blocked};
use crate::local::request::{Dependency, Request, admit};
use crate::local::schedule::forbidden;

/// Native ids of runs that had to wait start here: above every process id, so that a signal sent to one reaches nobody.
const FIRST_NATIVE: i64 = 10_000_000;

/// What a dependency means for a run.
#[derive(Debug, Default)]
pub(super) struct Waits {
    pub(super) bits: i64,
    pub(super) begin: Option<f64>,
    pub(super) json: Option<String>,
    pub(super) text: String,
    targets: Vec<i64>,
}

impl Pass<'_> {
    /// Queues a run; the same marker is queued once. It may start in this very pass.
    pub(in crate::local) fn submit(&mut self, run: &NewRun) -> rusqlite::Result<Queued> {
        if let Some(known) = queue::by_marker(self.tx, &run.marker)? {
            return Ok(Queued::Known { native: known.native });
        }
        let mut run = run.clone();
        if let Err(error) = admit(&mut run.request, &run.owner, &self.inventory) {
            return Ok(Queued::Impossible(error));
        }
        if let Err(error) = self.admit_by_books(&mut run)? {
            return Ok(Queued::Impossible(error));
        }
        if let Some(error) = self.too_many(&run)? {
            return Ok(Queued::Impossible(error));
        }
        let waiter = Waiter {
            base: &run.base,
            owner: &run.owner,
            name: run.name.as_deref(),
            task: run.array.map(|(task, _)| task),
            strict: run.request.strict,
            id: None,
        };
        let waits = match self.waits(&waiter, run.request.dependency.as_ref())? {
            Ok(waits) => waits,
            Err(error) => return Ok(Queued::Impossible(error)),
        };
        let request = &mut run.request;
        let mut bits = blocked::UNCONFIRMED | waits.bits;
        request.begin = later(request.begin, waits.begin);
        if request.hold {
            bits |= blocked::HELD;
        }
        if request.begin.is_some_and(|begin| begin > self.now) {
            bits |= blocked::BEGIN;
        }
        if let Some(((_, first), limit)) = run.array.zip(run.array_limit)
            && queue::array_in_use(self.tx, &run.base, first)? >= limit
        {
            bits |= blocked::ARRAY;
        }
        let id = queue::insert(self.tx, &run, bits, waits.json.as_deref(), &waits.text, self.now)?;
        let native = (FIRST_NATIVE + id).to_string();
        queue::set_native(self.tx, id, &native)?;
        queue::await_all(self.tx, id, &waits.targets)?;
        queue::set_outlook(self.tx, id, self.forbids(&run.request), None)?;
        self.counters.submitted += 1;
        if bits == blocked::UNCONFIRMED {
            self.fresh.push(id);
            self.changed = true;
        }
        Ok(Queued::New { id, native })
    }

    /// Why no partition will start it as things are, whatever is free.
    pub(super) fn forbids(&self, request: &Request) -> Option<&'static str> {
        let default = [self.inventory.default_partition().to_owned()];
        let names = if request.partitions.is_empty() { &default[..] } else { &request.partitions[..] };
        let limit = if request.minutes >= UNLIMITED { f64::INFINITY } else { request.minutes as f64 * 60.0 };
        let mut why = None;
        for name in names {
            let obstacle = forbidden(&self.inventory, name, request.qos.as_deref(), &request.need, limit)?;
            why = why.or(Some(obstacle.text()));
        }
        why
    }

    fn too_many(&self, run: &NewRun) -> rusqlite::Result<Option<Error>> {
        let Some(qos) = &run.request.qos else { return Ok(None) };
        let Some(most) = self.inventory.qos.get(qos).and_then(|qos| qos.submit_per_user) else { return Ok(None) };
        if queue::submitted(self.tx, qos, &run.owner)? < most {
            return Ok(None);
        }
        let text = format!("qos {qos} lets user {} have {most} jobs waiting and running", run.owner);
        Ok(Some(Error::new(jobgate_model::ErrorKind::Exhausted, text).numbered(Errno::ACCOUNTING_POLICY.0)))
    }

    /// Resolves and judges a dependency.
    pub(super) fn waits(&self, waiter: &Waiter<'_>, dependency: Option<&Dependency>) -> Answer<Waits> {
        let Some(dependency) = dependency else { return Ok(Ok(Waits::default())) };
        let awaited = match dependency::resolve(self.tx, waiter, dependency)? {
            Ok(awaited) => awaited,
            Err(error) => return Ok(Err(error)),
        };
        let Judgement { met, text } = dependency::judge(self.tx, &awaited, self.now)?;
        let (bits, begin) = bits_of(met);
        let targets = awaited.conditions.iter().flat_map(AwaitedCondition::runs).copied().collect();
        let json = serde_json::to_string(&awaited).expect("invariant: no maps in it");
        Ok(Ok(Waits { bits, begin, json: Some(json), text, targets }))
    }

    /// Waits for these.
    pub(super) fn wait_for(&mut self, id: i64, waits: &Waits) -> rusqlite::Result<()> {
        queue::set_dependency(self.tx, id, waits.json.as_deref())?;
        queue::set_awaited(self.tx, id, &waits.text)?;
        queue::await_all(self.tx, id, &waits.targets)
    }

    /// A run has started or ended: looks at those that wait for it.
    pub(super) fn settle_awaiting(&mut self, target: i64) -> rusqlite::Result<()> {
        for (id, json) in queue::awaiting(self.tx, target)? {
            let Ok(awaited) = serde_json::from_str::<Awaited>(&json) else { continue };
            let Judgement { met, text } = dependency::judge(self.tx, &awaited, self.now)?;
            queue::set_awaited(self.tx, id, &text)?;
            match met {
                Met::Yes => self.unblock(id, blocked::DEPENDENCY | blocked::NEVER)?,
                Met::NotYet => {}
                Met::At(time) => {
                    let begin = later(queue::wishes(self.tx, id)?.begin, Some(time));
                    queue::set_begin(self.tx, id, begin)?;
                    queue::change_blocked(self.tx, id, blocked::BEGIN, blocked::DEPENDENCY, self.now)?;
                }
                Met::Never => drop(queue::change_blocked(self.tx, id, blocked::NEVER, 0, self.now)?),
            }
        }
        Ok(())
    }
}

fn bits_of(met: Met) -> (i64, Option<f64>) {
    match met {
        Met::Yes => (0, None),
        Met::NotYet => (blocked::DEPENDENCY, None),
        Met::At(time) => (0, Some(time)),
        Met::Never => (blocked::DEPENDENCY | blocked::NEVER, None),
    }
}

/// The later of two times.
pub(super) fn later(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    [one, other].into_iter().flatten().max_by(f64::total_cmp)
}
