//! The background: what the original's master process does from time to time, and how runs that were started here end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use jiff::Timestamp;
use jobgate_autosubmit::views::Moment;
use jobgate_autosubmit::workers::{Schedule, Task, WorkerError, Workers};

use super::Autosubmit;
use crate::app::blocking;

/// Between two looks at the runs.
const LOOK: Duration = Duration::from_secs(60);

/// Does what is due until the server ends. What was begun is finished.
pub(crate) async fn attend(autosubmit: Arc<Autosubmit>) {
    let runs = async {
        loop {
            let runners = Arc::clone(&autosubmit.runners);
            match blocking(move || runners.settle().and_then(|_| runners.tidy())).await {
                Ok(Err(error)) => tracing::warn!(%error, "cannot look at the runs of experiments"),
                Err(error) => tracing::error!(error = error.chain(), "cannot look at the runs of experiments"),
                Ok(Ok(())) => {}
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::join!(runs, work(&autosubmit));
}

async fn work(autosubmit: &Arc<Autosubmit>) {
    let (schedule, workers) = (&autosubmit.schedule, &autosubmit.workers);
    if schedule.tasks.is_empty() {
        return;
    }
    let prepared = Arc::clone(workers);
    if let Ok(Err(error)) = blocking(move || prepared.prepare()).await {
        tracing::warn!(%error, "the tables that Autosubmit API makes at its start cannot be made");
    }
    // which graphs are drawn is told by the states; drawing may take hours, for which nothing else waits
    for (task, _) in schedule.tasks.iter().filter(|(task, _)| schedule.at_start && *task != Task::Graph) {
        run(autosubmit, *task, When::Now).await;
    }
    join_all(schedule.tasks.iter().map(|(task, interval)| repeat(autosubmit, *task, *interval))).await;
}

/// Does a task each time its interval has passed.
async fn repeat(autosubmit: &Arc<Autosubmit>, task: Task, interval: Duration) {
    let mut began = Instant::now();
    if autosubmit.schedule.at_start && task == Task::Graph {
        run(autosubmit, task, When::Now).await;
    }
    loop {
        tokio::time::sleep(interval.saturating_sub(began.elapsed())).await;
        began = Instant::now();
        run(autosubmit, task, When::Again(interval)).await;
    }
}

#[derive(Debug, Clone, Copy)]
enum When {
    /// Whoever has done it before
    Now,
    /// Unless another server has done it within such a time
    Again(Duration),
}

async fn run(autosubmit: &Arc<Autosubmit>, task: Task, when: When) {
    let (workers, zone) = (Arc::clone(&autosubmit.workers), autosubmit.zone);
    let began = Instant::now();
    let done = blocking(move || {
        let moment = Moment::new(Timestamp::now().as_second(), zone);
        match when {
            When::Now => workers.run(task, moment),
            When::Again(interval) => workers.run_again(task, interval, moment),
        }
    });
    let done = done.await;
    let (task, ms) = (task.id(), began.elapsed().as_millis());
    match done {
        Ok(Ok(done)) => {
            tracing::info!(task, written = done.written, left_out = done.left_out.len(), ms, "done in the background");
        }
        // another process is at it, or was
        Ok(Err(WorkerError::Taken | WorkerError::Recent)) => {}
        Ok(Err(error)) => tracing::warn!(task, %error, "failed in the background"),
        Err(error) => tracing::error!(task, error = error.chain(), "failed in the background"),
    }
}

/// What the background needs.
#[derive(Debug, Clone)]
pub struct Background {
    /// Who does it
    pub workers: Arc<Workers>,
    /// What is due when
    pub schedule: Schedule,
}
