//! A batch system that does what the test says.

use super::*;

/// What the batch system will say to the next submission.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Mood {
    #[default]
    Accept,
    Refuse,
    /// It takes the run and dies before answering.
    Vanish,
    /// It refuses what it was sent, after a while.
    Decline,
    /// It accepts so many runs and refuses the others.
    Fill(usize),
}

#[derive(Debug, Default)]
pub(crate) struct Scripted {
    pub(super) mood: Mutex<Mood>,
    pub(super) taken: Mutex<Vec<String>>,
    pub(super) confirmed: Mutex<Vec<String>>,
    /// What was said of runs that were looked for.
    pub(super) looked_for: Mutex<Vec<Option<Untold>>>,
    pub(super) canceled: Mutex<Vec<RunRef>>,
    pub(super) next: AtomicU32,
    /// The engine that is looked at while a run is sent, and how many jobs it listed then.
    pub(super) watched: Mutex<Weak<Engine>>,
    pub(super) listed: Mutex<Vec<usize>>,
    /// The job that is canceled while a run of it is sent.
    pub(super) unwanted: Mutex<Option<JobKey>>,
    /// It does not know yet whether it has what is looked for.
    pub(super) uncertain: AtomicBool,
    /// It cannot be told to stop anything.
    pub(super) deaf: AtomicBool,
}

impl Scripted {
    pub(super) fn taken(&self) -> usize {
        self.taken.lock().unwrap().len()
    }
}

impl Backend for Scripted {
    fn kind(&self) -> &'static str {
        "scripted"
    }

    fn check(&self, spec: &JobSpec, _: &BackendConfig) -> Result<(), Error> {
        if spec.attribute("never").is_some() { Err(Error::invalid("this can never run")) } else { Ok(()) }
    }

    fn array(&self, spec: &JobSpec) -> Result<Option<(Vec<i64>, Option<i64>)>, Error> {
        Ok(spec.attribute("array").map(|last| ((0..=last.parse().unwrap()).collect(), Some(2))))
    }

    fn submit(&self, run: &RunRequest<'_>) -> Submission {
        let mood = *self.mood.lock().unwrap();
        if let (Some(key), Some(engine)) = (*self.unwanted.lock().unwrap(), self.watched.lock().unwrap().upgrade()) {
            assert_eq!(engine.cancel(&me(), key).unwrap(), Cancelled::Stopping);
        }
        if matches!(mood, Mood::Refuse | Mood::Decline) || matches!(mood, Mood::Fill(most) if self.taken() >= most) {
            return Submission::Refused(Error::new(ErrorKind::Refused, "no"));
        }
        self.taken.lock().unwrap().push(run.marker.to_owned());
        if mood == Mood::Vanish {
            return Submission::Unknown(Error::new(ErrorKind::Timeout, "no answer"));
        }
        Submission::Accepted(NativeId((100 + self.next.fetch_add(1, Ordering::SeqCst)).to_string()))
    }

    fn submit_while(&self, run: &RunRequest<'_>, meanwhile: &mut dyn FnMut()) -> Submission {
        let outcome = self.submit(run);
        if *self.mood.lock().unwrap() != Mood::Refuse {
            meanwhile();
        }
        if let Some(engine) = self.watched.lock().unwrap().upgrade() {
            let mut listed = 0;
            engine.adopt().unwrap();
            engine.list(&me(), &ListQuery::default(), &mut |_| listed += 1).unwrap();
            self.listed.lock().unwrap().push(listed);
        }
        outcome
    }

    fn confirm(&self, marker: &str) {
        self.confirmed.lock().unwrap().push(marker.to_owned());
    }

    fn keeps_elsewhere(&self, spec: &JobSpec) -> bool {
        spec.attribute("elsewhere").is_some()
    }

    fn find(&self, run: &RunRef) -> Result<Option<NativeId>, Error> {
        self.looked_for.lock().unwrap().push(run.untold);
        if self.uncertain.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Timeout, "it may still arrive"));
        }
        Ok(self.taken.lock().unwrap().contains(&run.marker).then(|| NativeId("77".into())))
    }

    fn cancel(&self, run: &RunRef) -> Result<Cancel, Error> {
        if self.deaf.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, "no answer"));
        }
        self.canceled.lock().unwrap().push(run.clone());
        Ok(if self.confirmed.lock().unwrap().contains(&run.marker) { Cancel::Stopping } else { Cancel::Removed })
    }

    fn hold(&self, _: &RunRef) -> Result<(), Error> {
        Ok(())
    }

    fn release(&self, _: &RunRef) -> Result<(), Error> {
        Ok(())
    }

    fn observe(&self, runs: &[RunRef]) -> Result<Vec<Sighting>, Error> {
        let lost = Phase::Ended(State::Failed, "lost".into());
        Ok(runs.iter().map(|run| Sighting { marker: run.marker.clone(), phase: lost.clone(), began: None }).collect())
    }
}
