//! What threads of this process are handing over right now, and what they could not finish.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jobgate_model::JobNdx;

use crate::types::JobKey;

type Run = (JobKey, JobNdx);

/// The runs that threads of this process are handing over right now.
#[derive(Debug, Clone, Default)]
pub(super) struct InHand(Arc<Mutex<Hands>>);

#[derive(Debug, Default)]
struct Hands {
    runs: HashSet<Run>,
    /// Jobs whose runs are handed over one after the other, and by how many threads.
    jobs: HashMap<JobKey, usize>,
    /// Runs that were sent, and of which the index does not know what became of them.
    sent: HashSet<Run>,
}

/// The right to hand a run over.
#[derive(Debug)]
pub(super) struct Turn {
    among: InHand,
    run: Run,
}

/// A thread hands over the runs of a job, one after the other.
#[derive(Debug)]
pub(super) struct Round {
    among: InHand,
    key: JobKey,
}

impl InHand {
    /// `None` while somebody has it.
    pub(super) fn turn(&self, key: JobKey, jobndx: JobNdx) -> Option<Turn> {
        let mut hands = self.lock();
        // Lazily: a turn that is not given must not be taken back, either.
        hands.runs.insert((key, jobndx)).then(|| Turn { among: self.clone(), run: (key, jobndx) })
    }

    pub(super) fn round(&self, key: JobKey) -> Round {
        *self.lock().jobs.entry(key).or_default() += 1;
        Round { among: self.clone(), key }
    }

    /// Whether a thread is about to hand over the intended runs of this job.
    pub(super) fn is_in_round(&self, key: JobKey) -> bool {
        self.lock().jobs.contains_key(&key)
    }

    /// The run is sent now.
    pub(super) fn note_sent(&self, key: JobKey, jobndx: JobNdx) {
        self.lock().sent.insert((key, jobndx));
    }

    /// The index knows what became of it, or that nobody knows.
    pub(super) fn note_told(&self, key: JobKey, jobndx: JobNdx) {
        self.lock().sent.remove(&(key, jobndx));
    }

    pub(super) fn is_sent(&self, key: JobKey, jobndx: JobNdx) -> bool {
        self.lock().sent.contains(&(key, jobndx))
    }

    fn lock(&self) -> MutexGuard<'_, Hands> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.among.lock().runs.remove(&self.run);
    }
}

impl Drop for Round {
    fn drop(&mut self) {
        let mut hands = self.among.lock();
        if let Some(threads) = hands.jobs.get_mut(&self.key) {
            *threads -= 1;
            if *threads == 0 {
                hands.jobs.remove(&self.key);
            }
        }
    }
}
