//! The engine's door.
#![allow(unused_variables, clippy::todo)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jobgate_model::{Error, Evidence, JobId, JobNdx, JobSpec, Principal, State};

use crate::types::*;

/// The product's actions over one index and its places.
#[derive(Debug)]
pub struct Engine {
    setup: Setup,
}

impl Engine {
    /// Opens (or makes) the index under `state_dir` and the prefixes of all places.
    pub fn open(setup: Setup) -> Result<Self, Error> {
        todo!()
    }

    /// Places in the order of the configuration.
    pub fn places(&self) -> &[Place] {
        &self.setup.places
    }

    /// The place with this name.
    pub fn place(&self, name: &str) -> Option<&Place> {
        todo!()
    }

    /// The place called `default`, otherwise the first.
    pub fn default_place(&self) -> &Place {
        todo!()
    }

    /// Creates a job: directory tree, row, event `new` and, if it is to be started, the intent to submit, durably.
    /// Refuses with `Invalid` what could never run, an unknown place or a directory that does not exist (nothing is left
    /// behind), with `KeyReused` an idempotency key that came with another request.
    pub fn create(&self, who: &Principal, new: NewJob) -> Result<Created, Error> {
        todo!()
    }

    /// Records the intent to start one more run (or the runs of an array); [`Engine::launch`] carries it out.
    pub fn start(
        &self,
        who: &Principal,
        key: JobKey,
        environment: Option<Vec<(std::ffi::OsString, std::ffi::OsString)>>,
    ) -> Result<Vec<JobNdx>, Error> {
        todo!()
    }

    /// Hands the intended runs of a job to its batch system and records them as queued.
    pub fn launch(&self, key: JobKey, on_refusal: OnRefusal) -> Result<Vec<Launched>, Error> {
        todo!()
    }

    /// Records durably that the job is to be canceled and tells the batch system. `Stopping` means that
    /// [`Engine::settle_cancel`] (or the gateway's background work) will see it through.
    pub fn cancel(&self, who: &Principal, key: JobKey) -> Result<Cancelled, Error> {
        todo!()
    }

    /// Waits at most `patience` for a canceled job's runs to end, then records `canceled` for the job.
    pub fn settle_cancel(&self, key: JobKey, patience: Duration) -> Result<Cancelled, Error> {
        todo!()
    }

    /// Keeps the job's waiting runs from starting.
    pub fn hold(&self, who: &Principal, key: JobKey) -> Result<(), Error> {
        todo!()
    }

    /// Lets the job's held runs start.
    pub fn release(&self, who: &Principal, key: JobKey) -> Result<(), Error> {
        todo!()
    }

    /// Finds a job by its id, in one prefix or (None) in the first place's prefix that has it. What others wrote into its
    /// `status.csv` since the last look is taken in first.
    pub fn find(&self, who: &Principal, prefix: Option<&Path>, jobid: &JobId) -> Result<Job, Error> {
        todo!()
    }

    /// The job as it is now.
    pub fn job(&self, who: &Principal, key: JobKey) -> Result<Job, Error> {
        todo!()
    }

    /// What the job's owner asked for (secrets included; do not show them).
    pub fn spec(&self, who: &Principal, key: JobKey) -> Result<JobSpec, Error> {
        todo!()
    }

    /// All transitions in the order in which they were recorded.
    pub fn history(&self, who: &Principal, key: JobKey) -> Result<Vec<HistoryRow>, Error> {
        todo!()
    }

    /// Calls `row` for every job of the listing, in order, without touching the directory tree.
    pub fn list(&self, who: &Principal, query: &ListQuery, row: &mut dyn FnMut(JobRow<'_>)) -> Result<(), Error> {
        todo!()
    }

    /// A number that grows with every change of what listings show, by this process or another.
    pub fn revision(&self) -> Result<u64, Error> {
        todo!()
    }

    /// Looks at the prefixes now: jobs made, changed or removed by others (psik) are taken in or dropped.
    pub fn adopt(&self) -> Result<Tally, Error> {
        todo!()
    }

    /// Asks the job's batch system about its live runs now, and takes in what was written to its tree.
    pub fn poll(&self, who: &Principal, key: JobKey) -> Result<Job, Error> {
        todo!()
    }

    /// Records a transition that somebody told us of. What psik allows is allowed: any state, any jobndx.
    pub fn reached(
        &self,
        who: &Principal,
        key: JobKey,
        jobndx: JobNdx,
        state: State,
        info: &str,
        evidence: Evidence,
    ) -> Result<i64, Error> {
        todo!()
    }

    /// Tries the job's pending deliveries now, up to and including the one of event `seq`, and says how that one went.
    /// Must be called from a tokio runtime.
    pub async fn forward(&self, key: JobKey, seq: i64) -> Result<Forwarded, Error> {
        todo!()
    }

    /// Sends due deliveries until none of this job is pending and due, at most for `patience`. For processes that work
    /// without a gateway. Must be called from a tokio runtime.
    pub async fn deliver_job(&self, key: JobKey, patience: Duration) -> Result<(), Error> {
        todo!()
    }

    /// Deletes a job: its tree and its rows. Refuses (`Conflict`) while a run is under way.
    pub fn remove(&self, who: &Principal, key: JobKey) -> Result<(), Error> {
        todo!()
    }

    /// Deliveries, newest first.
    pub fn deliveries(&self, who: &Principal, key: Option<JobKey>, limit: u64) -> Result<Vec<Delivery>, Error> {
        todo!()
    }

    /// Makes a delivery due at once, also one that was given up.
    pub fn retry_delivery(&self, who: &Principal, id: i64) -> Result<(), Error> {
        todo!()
    }

    /// Rebuilds the index from the trees: what only the index knows (owners, deliveries, secrets of callers) is kept for
    /// jobs that it still has, and lost for others.
    pub fn reindex(&self) -> Result<Tally, Error> {
        todo!()
    }

    /// Removes old jobs.
    pub fn prune(&self, who: &Principal, retention: &Retention<'_>) -> Result<Tally, Error> {
        todo!()
    }

    /// Numbers for `/metrics`.
    pub fn counts(&self) -> Result<Counts, Error> {
        todo!()
    }

    /// Whether the index answers and every prefix can be written; for `/readyz`.
    pub fn ready(&self) -> Result<(), Error> {
        todo!()
    }

    /// Starts the gateway's background work: finishing what was intended, watching live jobs, adopting foreign ones,
    /// sending callbacks. Must be called from a tokio runtime; ends when the engine is dropped or [`Engine::close`]d.
    pub fn attend(self: &Arc<Self>) -> Result<(), Error> {
        todo!()
    }

    /// Ends the background work.
    pub fn close(&self) {
        todo!()
    }
}
