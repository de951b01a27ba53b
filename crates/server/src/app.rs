//! What all handlers share.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jobgate_engine::{Cancelled, Engine, JobKey, OnRefusal, Place};
use jobgate_model::{Error, JobId};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::audit::Audit;
use crate::auth::{Behind, Gatekeeper, RunsAs, SlurmKeys};
use crate::autosubmit::Autosubmit;
use crate::bodies::Bodies;
use crate::buckets::Damper;
use crate::metrics::Metrics;
use crate::psik::Listings;
use crate::slurm::{Shown, Slurm, SlurmSettings};
use crate::{Limits, Settings};

/// So many hand-overs to batch systems run at the same time.
const LAUNCHES: usize = 32;
/// So many canceled jobs are waited for at the same time; the engine's background work keeps after all others.
const SETTLERS: usize = 16;
/// For so long a canceled job is waited for.
const SETTLE: Duration = Duration::from_secs(15);

/// What all handlers share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) engine: Arc<Engine>,
    pub(crate) gatekeeper: Gatekeeper,
    pub(crate) audit: Audit,
    pub(crate) damper: Damper,
    pub(crate) limits: Limits,
    pub(crate) bodies: Bodies,
    pub(crate) metrics: Metrics,
    pub(crate) listings: Listings,
    pub(crate) slurm: Option<Arc<Slurm>>,
    /// Slurm's dialect for further clusters.
    pub(crate) clusters: Vec<Arc<Slurm>>,
    pub(crate) autosubmit: Option<Arc<Autosubmit>>,
    launches: Semaphore,
    launching: Mutex<JoinSet<()>>,
    settlers: Semaphore,
}

impl App {
    pub(crate) fn new(engine: Arc<Engine>, settings: &Settings) -> Self {
        let backends = engine.places().iter().map(|place| place.name.clone()).collect();
        let main = behind(&engine, &settings.auth.slurm_keys, settings.slurm.as_ref());
        let clusters = settings.clusters.iter().map(|one| behind(&engine, &one.keys, Some(&one.shown))).collect();
        let gatekeeper = Gatekeeper::new(settings.mode, &settings.hosts, &settings.auth, backends, main, clusters);
        let audit = Audit::new(&settings.audit);
        let autosubmit = settings.autosubmit.clone().map(|settings| Arc::new(Autosubmit::new(settings)));
        let answers = autosubmit.as_ref().map(|autosubmit| &autosubmit.answers.again);
        Self {
            engine,
            metrics: Metrics::new(audit.counters(), &gatekeeper.rates.refused, answers),
            gatekeeper,
            audit,
            damper: Damper::default(),
            limits: settings.limits.clone(),
            bodies: Bodies::new(settings.limits.bodies.max(settings.limits.json_body), settings.limits.body_timeout),
            listings: Listings::new(settings.limits.listing_cache),
            slurm: settings.slurm.clone().map(|slurm| Arc::new(Slurm::new(slurm))),
            clusters: settings.clusters.iter().cloned().map(|one| Arc::new(Slurm::further(one))).collect(),
            autosubmit,
            launches: Semaphore::new(LAUNCHES),
            launching: Mutex::default(),
            settlers: Semaphore::new(SETTLERS),
        }
    }

    /// Asks the engine from a blocking thread.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Engine) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let engine = Arc::clone(&self.engine);
        blocking(move || question(&engine)).await?
    }

    /// Hands a job's intended runs to its batch system after the caller has been answered. The intent is durable: what
    /// does not happen here is made up for by the engine's background work.
    pub(crate) fn launch_later(self: &Arc<Self>, key: JobKey, jobid: JobId) {
        let app = Arc::clone(self);
        let mut launching = self.launching.lock().unwrap_or_else(PoisonError::into_inner);
        while launching.try_join_next().is_some() {}
        launching.spawn(async move {
            let _permit = app.launches.acquire().await;
            if let Err(error) = app.ask(move |engine| engine.launch(key, OnRefusal::Record)).await {
                tracing::error!(%jobid, error = error.chain(), "cannot hand the job to its batch system");
            }
        });
    }

    /// Waits until what was to be launched later has been.
    pub(crate) async fn launched(&self) {
        let mut launching = std::mem::take(&mut *self.launching.lock().unwrap_or_else(PoisonError::into_inner));
        while launching.join_next().await.is_some() {}
    }

    /// Sees a cancellation through after the caller has been answered.
    pub(crate) fn settle_later(self: &Arc<Self>, key: JobKey, jobid: JobId, cancelled: Cancelled) {
        if cancelled != Cancelled::Stopping {
            return;
        }
        let app = Arc::clone(self);
        tokio::spawn(async move {
            // each one occupies a thread while it waits
            let Ok(_permit) = app.settlers.try_acquire() else { return };
            if let Err(error) = app.ask(move |engine| engine.settle_cancel(key, SETTLE)).await {
                tracing::error!(%jobid, error = error.chain(), "cannot see the cancellation through");
            }
        });
    }
}

/// What the gate has to know of a cluster of Slurm's.
fn behind(engine: &Engine, keys: &SlurmKeys, cluster: Option<&SlurmSettings>) -> Behind {
    Behind {
        keys: keys.clone(),
        backends: cluster.map(|one| in_queue(engine, &one.backend)).unwrap_or_default(),
        runs_as: match cluster.map(|one| &one.cluster) {
            Some(Shown::Real(_)) => RunsAs::Owner,
            Some(Shown::Embedded(_)) | None => RunsAs::Gateway,
        },
    }
}

/// The names of all backends that share the queue of this one.
fn in_queue(engine: &Engine, backend: &str) -> Vec<String> {
    let place = engine.place(backend);
    let same = |one: &&Place| place.is_some_and(|place| Arc::ptr_eq(&place.backend, &one.backend));
    engine.places().iter().filter(same).map(|place| place.name.clone()).collect()
}

/// Runs something that blocks. A panic in it is our own fault and nobody else's problem.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|panic| Error::internal("the gateway stumbled over this request; its log says why", panic))
}
