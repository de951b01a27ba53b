//! The background: what the original's master process does from time to time, and how runs that were started here end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jobgate_autosubmit::views::Moment;
use jobgate_autosubmit::workers::{Schedule, Task, WorkerError, Workers, due};

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
    if schedule.at_start {
        for (task, _) in &schedule.tasks {
            run(autosubmit, *task).await;
        }
    }
    let began = Instant::now();
    let mut last: HashMap<Task, Instant> = HashMap::new();
    while let Some((task, left)) = due(schedule, |task| last.get(&task).unwrap_or(&began).elapsed()) {
        tokio::time::sleep(left).await;
        last.insert(task, Instant::now());
        run(autosubmit, task).await;
    }
}

async fn run(autosubmit: &Arc<Autosubmit>, task: Task) {
    let (workers, zone) = (Arc::clone(&autosubmit.workers), autosubmit.zone);
    let began = Instant::now();
    let done = blocking(move || workers.run(task, Moment::new(Timestamp::now().as_second(), zone))).await;
    let (task, ms) = (task.id(), began.elapsed().as_millis());
    match done {
        Ok(Ok(done)) => {
            tracing::info!(task, written = done.written, left_out = done.left_out.len(), ms, "done in the background");
        }
        // another process is at it
        Ok(Err(WorkerError::Taken)) => {}
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
