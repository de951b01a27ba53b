//! Callbacks: durable deliveries, in order per job, retried until they arrive or expire.
//!
//! A delivery is queued in the transaction that records its event. Here they are sent: by the gateway in the background, or
//! by a process that works without one. A lease in the index keeps two processes from sending the same one.

mod send;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use jobgate_model::{Error, Generation, JobId, JobSpec, Transition};
use tokio::sync::{Notify, Semaphore};

pub use send::sign;

use crate::engine::Engine;
use crate::outgoing::Outgoing;
use crate::store::deliveries::{self, Due, Outcome};
use crate::tree;
use crate::types::{CallbackPolicy, DeliveryStatus, Forwarded, JobKey};

/// How many deliveries are taken at a time.
const BATCH: u32 = 64;
/// How often somebody else's attempt is looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// What sending needs and is kept between attempts.
#[derive(Debug)]
pub(crate) struct Courier {
    policy: CallbackPolicy,
    notify: Notify,
    targets: Mutex<HashMap<String, Arc<Semaphore>>>,
    outgoing: Outgoing,
}

impl Courier {
    pub(crate) fn new(policy: CallbackPolicy) -> Self {
        let outgoing = Outgoing::new(policy.reach());
        Self { policy, notify: Notify::new(), targets: Mutex::default(), outgoing }
    }

    /// There may be something to send.
    pub(crate) fn wake(&self) {
        self.notify.notify_one();
    }

    /// The attempts that one host and port may get at the same time.
    fn target(&self, url: &str) -> Arc<Semaphore> {
        let name = url::Url::parse(url).map_or_else(|_| String::new(), |url| url.origin().ascii_serialization());
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        if targets.len() > 1000 {
            targets.retain(|_, semaphore| Arc::strong_count(semaphore) > 1);
        }
        targets.entry(name).or_insert_with(|| Arc::new(Semaphore::new(self.policy.per_target.max(1)))).clone()
    }

    /// The lease must outlive the attempt.
    fn lease(&self, now: f64) -> f64 {
        now + self.policy.timeout.as_secs_f64() + 5.0
    }

    /// When to try again, or that it is over.
    fn after_failure(&self, due: &Due, now: f64, why: String) -> Outcome {
        if now - due.created >= self.policy.expire_after.as_secs_f64() {
            return Outcome::Expired(why);
        }
        let schedule = &self.policy.schedule;
        let wait = schedule.get(due.attempts as usize).or(schedule.last()).copied().unwrap_or(Duration::from_secs(60));
        let jitter = 1.0 + 0.2 * f64::from(crate::process::random() >> 24) / 255.0;
        Outcome::Again(why, now + wait.as_secs_f64() * jitter)
    }
}

/// Sends what is due, for as long as the engine lives.
pub(crate) fn attend(engine: &Arc<Engine>) {
    let engine = Arc::downgrade(engine);
    tokio::spawn(async move {
        while let Some(engine) = alive(&engine) {
            let wait = match send_due(&engine).await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::error!(error = error.chain(), "cannot look for callbacks to send; it will be tried again");
                    Duration::from_secs(5)
                }
            };
            // Another process may queue deliveries without being able to wake us.
            let wait = wait.min(Duration::from_secs(2));
            drop(tokio::time::timeout(wait, engine.courier.notify.notified()).await);
        }
    });
}

fn alive(engine: &Weak<Engine>) -> Option<Arc<Engine>> {
    engine.upgrade().filter(|engine| !engine.is_closed())
}

/// Starts an attempt for everything that is due, and says how long to wait for the next.
async fn send_due(engine: &Arc<Engine>) -> Result<Duration, Error> {
    loop {
        let now = engine.now();
        let lease = engine.courier.lease(now);
        let engine_ = engine.clone();
        let due = blocking(move || {
            // Reading first: an idle gateway writes nothing.
            let next = engine_.store.read(deliveries::next_due)?;
            if next.is_none_or(|next| next > now) {
                return Ok((Vec::new(), next));
            }
            engine_
                .store
                .update(move |connection| deliveries::take_due(connection, now, lease, BATCH))
                .map(|due| (due, next))
        })
        .await?;
        if due.0.is_empty() {
            return Ok(due
                .1
                .map_or(Duration::from_secs(60), |next| Duration::from_secs_f64((next - now).clamp(0.02, 60.0))));
        }
        for due in due.0 {
            let engine = engine.clone();
            tokio::spawn(async move {
                if let Err(error) = attempt(&engine, due, false).await {
                    tracing::error!(error = error.chain(), "cannot record how a callback went; it will be sent again");
                }
            });
        }
    }
}

/// One attempt. With `wait` it waits for its turn at the target, otherwise it is put off when the target is busy.
async fn attempt(engine: &Arc<Engine>, mut due: Due, wait: bool) -> Result<bool, Error> {
    let (key, worker) = (due.key, engine.clone());
    let spec = blocking(move || worker.stored_spec(key)).await?;
    let worker = engine.clone();
    let record = blocking(move || worker.by_key(key)).await?;
    let target = engine.courier.target(spec.callback.as_deref().unwrap_or_default());
    let mut turn = target.clone().try_acquire_owned().ok();
    if turn.is_none() && wait {
        // Not until the lease is over; what is left of it may be too short for the attempt.
        turn =
            tokio::time::timeout(engine.courier.policy.timeout, target.acquire_owned()).await.ok().and_then(Result::ok);
        if turn.is_some() {
            let (worker, taken, lease) = (engine.clone(), due.clone(), engine.courier.lease(engine.now()));
            let keep = move || worker.store.update(move |connection| deliveries::keep(connection, &taken, lease));
            if !blocking(keep).await? {
                return Ok(false);
            }
            due.lease = lease;
        }
    }
    if turn.is_none() {
        let until = engine.now() + 1.0 + f64::from((due.id % 16) as u8) / 8.0;
        let engine = engine.clone();
        return blocking(move || engine.store.update(move |connection| deliveries::put_off(connection, &due, until)))
            .await
            .map(|()| false);
    }
    let result = post(engine, &spec, &due).await;
    drop(turn);
    let now = engine.now();
    let outcome = match result {
        Ok(status) => Outcome::Delivered(status),
        Err(why) => engine.courier.after_failure(&due, now, why),
    };
    let delivered = matches!(outcome, Outcome::Delivered(_));
    let worker = engine.clone();
    let base = record.job.base.clone();
    let jobid = record.job.jobid;
    let notes = blocking(move || {
        worker.store.update(move |connection| deliveries::settle(connection, &due, &jobid, &outcome, now))
    })
    .await?;
    for note in notes {
        tree::console(&base, &note);
    }
    engine.courier.wake();
    engine.bell.ring_all();
    Ok(delivered)
}

async fn post(engine: &Engine, spec: &JobSpec, due: &Due) -> Result<String, String> {
    let Some(url) = &spec.callback else { return Err("the job has no callback any more".into()) };
    send::post(&engine.courier.outgoing, url, &spec.cb_headers, spec.cb_secret.as_deref(), &due.body).await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(Error::internal("a background step failed", error)))
}

/// Sends callbacks without an index: for a runner on a machine where there is none.
#[derive(Debug)]
pub struct Messenger {
    outgoing: Outgoing,
}

impl Messenger {
    /// One that keeps to the policy's timeout and targets; its other rules need an index.
    pub fn new(policy: &CallbackPolicy) -> Self {
        Self { outgoing: Outgoing::new(policy.reach()) }
    }

    /// One attempt to tell a transition, as a job of this generation tells it. The error says what went wrong.
    pub async fn tell(
        &self,
        spec: &JobSpec,
        jobid: &JobId,
        generation: Generation,
        row: &Transition,
    ) -> Result<(), String> {
        let Some(url) = &spec.callback else { return Ok(()) };
        let body = deliveries::body(jobid, row, generation);
        send::post(&self.outgoing, url, &spec.cb_headers, spec.cb_secret.as_deref(), &body).await.map(drop)
    }
}

impl Engine {
    /// Tries the job's pending deliveries now, up to and including the one of event `seq`, and says how that one went.
    /// Must be called from a tokio runtime.
    pub async fn forward(self: &Arc<Self>, key: JobKey, seq: i64) -> Result<Forwarded, Error> {
        let deadline = Instant::now() + self.setup.callbacks.timeout + Duration::from_secs(1);
        while Instant::now() < deadline {
            let engine = self.clone();
            let (status, head) = blocking(move || {
                let status = engine.store.read(|connection| deliveries::of_event(connection, seq))?;
                let now = engine.now();
                let lease = engine.courier.lease(now);
                let pending = matches!(status, Some((DeliveryStatus::Pending, _)));
                let head = if pending {
                    engine.store.update(move |connection| deliveries::take_head(connection, key, true, now, lease))?
                } else {
                    None
                };
                Ok((status, head))
            })
            .await?;
            match (status, head) {
                (None | Some((DeliveryStatus::Delivered, _)), _) => return Ok(Forwarded::Ok),
                (Some((DeliveryStatus::Expired, _)), _) => return Ok(Forwarded::Failed),
                // One that failed before it, or it itself: nothing behind it is sent.
                (_, Some(head)) => {
                    if !attempt(self, head, true).await? {
                        return Ok(Forwarded::Failed);
                    }
                }
                // Somebody else is sending.
                (Some((_, attempts)), None) => {
                    if attempts > 0 {
                        return Ok(Forwarded::Failed);
                    }
                    tokio::time::sleep(GLANCE).await;
                }
            }
        }
        Ok(Forwarded::Failed)
    }

    /// Sends the job's deliveries as they come due, until none will be within `patience` from now. For processes that work
    /// without a gateway. Must be called from a tokio runtime.
    pub async fn deliver_job(self: &Arc<Self>, key: JobKey, patience: Duration) -> Result<(), Error> {
        let end = self.now() + patience.as_secs_f64();
        loop {
            let engine = self.clone();
            let (head, more) = blocking(move || {
                let now = engine.now();
                let lease = engine.courier.lease(now);
                let head =
                    engine.store.update(move |connection| deliveries::take_head(connection, key, false, now, lease))?;
                let more = engine.store.read(|connection| deliveries::pending_before(connection, key, end))?;
                Ok((head, more))
            })
            .await?;
            match head {
                Some(head) => drop(attempt(self, head, true).await?),
                None if more && self.now() < end => tokio::time::sleep(GLANCE).await,
                None => return Ok(()),
            }
        }
    }
}
