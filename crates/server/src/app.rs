//! What all handlers share.

use std::sync::Arc;
use std::time::Duration;

use jobgate_engine::{Cancelled, Engine, JobKey, OnRefusal};
use jobgate_model::{Error, JobId};
use tokio::sync::Semaphore;

use crate::auth::Policy;
use crate::metrics::Metrics;
use crate::psik::Listings;
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
    pub(crate) policy: Policy,
    pub(crate) limits: Limits,
    pub(crate) metrics: Metrics,
    pub(crate) listings: Listings,
    launches: Semaphore,
    settlers: Semaphore,
}

impl App {
    pub(crate) fn new(engine: Arc<Engine>, settings: &Settings) -> Self {
        Self {
            engine,
            policy: Policy::new(settings.mode, &settings.hosts),
            limits: settings.limits.clone(),
            metrics: Metrics::default(),
            listings: Listings::new(settings.limits.listing_cache),
            launches: Semaphore::new(LAUNCHES),
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
        tokio::spawn(async move {
            let _permit = app.launches.acquire().await;
            if let Err(error) = app.ask(move |engine| engine.launch(key, OnRefusal::Record)).await {
                tracing::error!(%jobid, error = error.chain(), "cannot hand the job to its batch system");
            }
        });
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

/// Runs something that blocks. A panic in it is our own fault and nobody else's problem.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|panic| Error::internal("the gateway stumbled over this request; its log says why", panic))
}
