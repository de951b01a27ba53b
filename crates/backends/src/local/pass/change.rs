//! Changing a run: what it asks for, and whether it goes on.

use jobgate_model::{BackendConfig, Error, ErrorKind, StringMap};
use jobgate_slurm::errno::Errno;

use super::submit::later;
use super::{Answer, Pass};
use crate::local::cluster::{Hold, HoldChange, RunChange, UNLIMITED};
use crate::local::dependency::Waiter;
use crate::local::queue::{self, Changed, Phase, Run, Stop, Wishes, blocked};
use crate::local::request::{Asked, Request, admit, effective_priority, forget_option, overlaid, read, when};

/// What can be changed of a run that has started: words.
const WORDS: [&str; 9] =
    ["comment", "admin-comment", "system-comment", "extra", "wckey", "mail-type", "mail-user", "priority", "nice"];
/// What asks for resources: they are given when a run starts.
const RESOURCES: [&str; 20] = [
    "nodes",
    "ntasks",
    "ntasks-per-node",
    "cpus-per-task",
    "mem",
    "mem-per-cpu",
    "mem-per-gpu",
    "gres",
    "gpus",
    "gpus-per-node",
    "gpus-per-task",
    "tres-per-job",
    "tres-per-task",
    "nodelist",
    "exclude",
    "constraint",
    "exclusive",
    "licenses",
    "licences",
    "array",
];

/// What says where it may run and on whose account.
const PLACES: [&str; 4] = ["partition", "qos", "account", "reservation"];
/// What says when.
const TIMES: [&str; 5] = ["begin", "deadline", "dependency", "time", "time-min"];

/// The changed options about time.
fn changed_times(change: &RunChange) -> StringMap {
    let about_time = change.options.iter().filter(|(key, value)| TIMES.contains(&bare(key)) && !value.is_empty());
    about_time.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The request of a run with those changes that need no reading.
fn as_it_is(run: &Run, change: &RunChange, wishes: &Wishes) -> Request {
    let names = |text: &str| text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    Request {
        need: run.need.clone(),
        strict: run.strict,
        minutes: change.minutes.map_or(run.minutes, |minutes| minutes.max(0)),
        partitions: names(&run.partitions),
        account: run.account.clone(),
        qos: run.qos.clone(),
        reservations: names(&wishes.reservations),
        requeue: change.requeue.unwrap_or(run.requeue),
        asked: change.priority.unwrap_or(wishes.asked),
        nice: change.nice.unwrap_or(wishes.nice),
        begin: wishes.begin,
        deadline: wishes.deadline,
        ..Request::default()
    }
}

fn refused(number: Errno, text: String) -> Error {
    Error::new(ErrorKind::Conflict, text).numbered(number.0)
}

fn unknown(id: i64) -> Error {
    Error::not_found(format!("there is no job {id}")).numbered(Errno::INVALID_JOB_ID.0)
}

fn over(id: i64) -> Error {
    refused(Errno::ALREADY_DONE, format!("job {id} has ended"))
}

fn bare(key: &str) -> &str {
    key.trim_start_matches('-')
}

impl Pass<'_> {
    /// Changes a run.
    pub(in crate::local) fn update_run(&mut self, id: i64, change: &RunChange) -> Answer<()> {
        let Some(run) = queue::by_id(self.tx, id)? else { return Ok(Err(unknown(id))) };
        match run.phase {
            Phase::Ended => Ok(Err(over(id))),
            Phase::Running => self.update_running(&run, change),
            Phase::Waiting => self.update_waiting(&run, change),
        }
    }

    fn update_running(&mut self, run: &Run, change: &RunChange) -> Answer<()> {
        for (key, value) in change.options.iter() {
            let key = bare(key);
            let same = run.options().iter().any(|(known, old)| bare(known) == key && old == value);
            if same || WORDS.contains(&key) || key == "time" {
                continue;
            }
            let (number, why) = if RESOURCES.contains(&key) {
                (Errno::NOT_SUPPORTED, "what it has was given to it when it started")
            } else {
                (Errno::JOB_NOT_PENDING, "it has started")
            };
            return Ok(Err(refused(number, format!("{key} of job {} cannot be changed: {why}", run.id))));
        }
        if change.hold == Some(HoldChange::Hold(Hold::User)) || change.hold == Some(HoldChange::Hold(Hold::Admin)) {
            return Ok(Err(refused(Errno::JOB_NOT_PENDING, format!("job {} cannot be held: it has started", run.id))));
        }
        let options = Self::new_options(run, change);
        let wishes = queue::wishes(self.tx, run.id)?;
        let mut request = as_it_is(run, change, &wishes);
        match when(&changed_times(change), request.minutes, self.now) {
            Ok(when) => request.minutes = when.minutes,
            Err(error) => return Ok(Err(error)),
        }
        let minutes = request.minutes;
        let texts = (run.partitions.as_str(), wishes.reservations.as_str());
        self.store(run, change, &options, &request, texts)?;
        if minutes != run.minutes {
            self.effects.ordered.extend(run.runner.clone());
            // Whoever waits for it may be expected at another time.
            self.changed = true;
        }
        Ok(Ok(()))
    }

    fn update_waiting(&mut self, run: &Run, change: &RunChange) -> Answer<()> {
        let held = run.blocked & (blocked::HELD | blocked::HELD_BY_ADMIN) != 0;
        if held && change.priority.is_some() && change.hold != Some(HoldChange::Release) {
            return Ok(Err(refused(Errno::HELD, format!("job {} is held: release it first", run.id))));
        }
        let wishes = queue::wishes(self.tx, run.id)?;
        let options = Self::new_options(run, change);
        let mut request = match self.new_request(run, change, &options, &wishes) {
            Ok(request) => request,
            Err(error) => return Ok(Err(error)),
        };
        if let Err(error) = admit(&mut request, &run.owner, &self.inventory) {
            return Ok(Err(error));
        }
        let says = |option: &str| change.options.iter().any(|(key, _)| bare(key) == option);
        let mut begin = if says("begin") { request.begin } else { wishes.begin };
        if !says("deadline") {
            request.deadline = wishes.deadline;
        }
        if says("dependency") {
            let waiter = Waiter {
                base: &run.base,
                owner: &run.owner,
                name: change.name.as_deref().or(run.name.as_deref()),
                task: run.array_task.map(|task| task.task),
                strict: request.strict,
                id: Some(run.id),
            };
            let waits = match self.waits(&waiter, request.dependency.as_ref())? {
                Ok(waits) => waits,
                Err(error) => return Ok(Err(error)),
            };
            begin = later(begin, waits.begin);
            self.wait_for(run.id, &waits)?;
            let all = blocked::DEPENDENCY | blocked::NEVER;
            queue::change_blocked(self.tx, run.id, waits.bits, all & !waits.bits, self.now)?;
        }
        let texts = (request.partitions.join(","), request.reservations.join(","));
        self.store(run, change, &options, &request, (&texts.0, &texts.1))?;
        queue::set_begin(self.tx, run.id, begin)?;
        let (set, clear) = match begin {
            Some(begin) if begin > self.now => (blocked::BEGIN, 0),
            _ => (0, blocked::BEGIN),
        };
        queue::change_blocked(self.tx, run.id, set, clear, self.now)?;
        match change.hold {
            Some(HoldChange::Hold(Hold::User)) => self.block(run.id, blocked::HELD)?,
            Some(HoldChange::Hold(Hold::Admin)) => self.block(run.id, blocked::HELD_BY_ADMIN)?,
            Some(HoldChange::Release) => self.unblock(run.id, blocked::HELD | blocked::HELD_BY_ADMIN)?,
            None => {}
        }
        queue::set_outlook(self.tx, run.id, self.forbids(&request), None)?;
        self.changed = true;
        Ok(Ok(()))
    }

    /// The options with the changes over them.
    fn new_options(run: &Run, change: &RunChange) -> StringMap {
        let mut options = overlaid(&run.options(), &change.options);
        let number = |value: Option<i64>| value.map(|value| value.to_string());
        let has_time = options.iter().any(|(key, _)| bare(key) == "time");
        let minutes = change.minutes.filter(|_| has_time).map(|minutes| minutes.clamp(0, UNLIMITED));
        let time =
            minutes.map(|minutes| if minutes == UNLIMITED { "UNLIMITED".to_owned() } else { minutes.to_string() });
        let said = [("priority", number(change.priority)), ("nice", number(change.nice)), ("time", time)];
        for (key, value) in said {
            if let Some(value) = value {
                let one = [(key.to_owned(), value)].into_iter().collect();
                options = overlaid(&options, &one);
            }
        }
        options
    }

    fn new_request(
        &self,
        run: &Run,
        change: &RunChange,
        options: &StringMap,
        wishes: &Wishes,
    ) -> Result<Request, Error> {
        let mut need = run.need.clone();
        let mut config = BackendConfig {
            queue_name: Some(run.partitions.clone()).filter(|names| !names.is_empty()),
            project_name: run.account.clone(),
            reservation_id: Some(wishes.reservations.clone()).filter(|names| !names.is_empty()),
            ..BackendConfig::default()
        };
        for (key, value) in change.options.iter() {
            let key = bare(key);
            if key == "array" {
                let text = format!("the tasks of array job {} cannot be changed", run.id);
                return Err(Error::invalid(text).numbered(Errno::NOT_SUPPORTED.0));
            }
            if value.is_empty() {
                forget_option(&mut need, key);
                match key {
                    "partition" => config.queue_name = None,
                    "account" => config.project_name = None,
                    "reservation" => config.reservation_id = None,
                    _ => {}
                }
            }
        }
        let mut request = as_it_is(run, change, wishes);
        // A time of the past, and runs that are gone, are not looked at again.
        let when = when(&changed_times(change), request.minutes, self.now)?;
        if change.options.iter().any(|(key, _)| PLACES.contains(&bare(key)) || RESOURCES.contains(&bare(key))) {
            let timeless: StringMap = options
                .iter()
                .filter(|(key, _)| !TIMES.contains(&bare(key)))
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect();
            let strict = run.strict;
            let asked = Asked { options: &timeless, need: &need, minutes: when.minutes, strict, config: &config };
            let read = read(&asked, &self.inventory, self.now)?;
            request = Request {
                need: read.need,
                strict: read.strict,
                partitions: read.partitions,
                account: read.account,
                qos: read.qos,
                reservations: read.reservations,
                ..request
            };
        }
        request.minutes = when.minutes;
        (request.begin, request.deadline, request.dependency) = (when.begin, when.deadline, when.dependency);
        request.priority = effective_priority(&request, &self.inventory);
        Ok(request)
    }

    fn store(
        &self,
        run: &Run,
        change: &RunChange,
        options: &StringMap,
        request: &Request,
        (partitions, reservations): (&str, &str),
    ) -> rusqlite::Result<()> {
        let options = serde_json::to_string(options).expect("invariant: text to text");
        let changed = Changed {
            name: change.name.as_deref().or(run.name.as_deref()),
            options: &options,
            need: &request.need,
            strict: request.strict,
            minutes: request.minutes,
            requeue: request.requeue,
            partitions,
            account: request.account.as_deref(),
            qos: request.qos.as_deref(),
            reservations,
            asked: request.asked,
            nice: request.nice,
            priority: request.priority,
            deadline: request.deadline,
        };
        queue::change(self.tx, run.id, &changed)
    }

    /// Has a running run stopped and put back, held if wished.
    pub(in crate::local) fn requeue_run(&mut self, id: i64, hold: bool) -> Answer<()> {
        let Some(run) = queue::by_id(self.tx, id)? else { return Ok(Err(unknown(id))) };
        match run.phase {
            Phase::Ended => Ok(Err(over(id))),
            Phase::Waiting if hold => self.block(id, blocked::HELD).map(Ok),
            Phase::Waiting => Ok(Err(refused(Errno::JOB_PENDING, format!("job {id} waits in the queue already")))),
            Phase::Running if !run.requeue => {
                let text = format!("job {id} may not be put back: it was submitted without requeue");
                Ok(Err(refused(Errno::DISABLED, text)))
            }
            Phase::Running => {
                self.stop(&run, &if hold { Stop::RequeueHeld } else { Stop::Requeue })?;
                Ok(Ok(()))
            }
        }
    }

    /// Has a running run stopped.
    pub(super) fn stop(&mut self, run: &Run, stop: &Stop) -> rusqlite::Result<()> {
        if run.cancel || run.stop.is_some() {
            return Ok(());
        }
        queue::set_stop(self.tx, run.id, stop, self.now)?;
        match &run.runner {
            Some(runner) if runner.is_alive() => self.effects.ordered.push(runner.clone()),
            _ => self.settle_dead(&Run { stop: Some(stop.clone()), ..run.clone() })?,
        }
        self.effects.retry = true;
        Ok(())
    }

    /// Suspends a running run, or lets it go on.
    pub(in crate::local) fn suspend_run(&mut self, id: i64, suspend: bool) -> Answer<()> {
        let Some(run) = queue::by_id(self.tx, id)? else { return Ok(Err(unknown(id))) };
        let refuse = |number, text: &str| Ok(Err(refused(number, format!("job {id} {text}"))));
        match (run.phase, run.suspended.is_some()) {
            (Phase::Ended, _) => return Ok(Err(over(id))),
            (Phase::Waiting, _) => return refuse(Errno::JOB_PENDING, "has not started"),
            (Phase::Running, true) if suspend => return refuse(Errno::JOB_SUSPENDED, "is suspended already"),
            (Phase::Running, false) if !suspend => return refuse(Errno::JOB_NOT_SUSPENDED, "is not suspended"),
            (Phase::Running, _) if suspend => queue::suspend(self.tx, id, self.now)?,
            (Phase::Running, _) => queue::go_on(self.tx, id, self.now)?,
        }
        self.effects.ordered.extend(run.runner.clone());
        self.effects.suspended.extend(run.runner.map(|runner| (runner, suspend)));
        // Its end, which others wait for, has moved.
        self.changed = true;
        Ok(Ok(()))
    }
}
