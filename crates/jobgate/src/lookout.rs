//! Looking after jobs while a command waits for them and no gateway does: times that come, runners that die, the queue that
//! has to go on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use jobgate_engine::{Job, Need};
use jobgate_model::{Error, ErrorKind, JobId};

use crate::gateway;
use crate::wiring::{LOCAL, Session};

/// How often the batch system of this machine is asked.
const GLANCE: Duration = Duration::from_secs(1);
/// So long one round of asking may take at the most, however many jobs are waited for; the next goes on where it ended.
const ROUND: Duration = Duration::from_millis(100);

/// What a waiting command knows between two looks.
#[derive(Debug)]
pub(crate) struct Lookout<'a> {
    session: &'a Session,
    /// When the batch system of this machine was last asked.
    glanced: Instant,
    /// When all batch systems were last asked.
    asked: Instant,
    /// Where the next round begins.
    next: usize,
    /// Directories of jobs of which the local batch system has news, once it is attended to.
    news: Option<Receiver<PathBuf>>,
}

impl<'a> Lookout<'a> {
    pub(crate) fn new(session: &'a Session) -> Self {
        let now = Instant::now();
        // Short jobs end before anybody has to be asked about them.
        Self { session, glanced: now, asked: now, next: 0, news: None }
    }

    /// Looks at those `jobs` that are not `over`, if it is time to, and gives all jobs whose state that has changed.
    pub(crate) fn look(&mut self, jobs: &mut [Job], over: fn(&Job) -> bool) -> Result<Vec<Job>, Error> {
        let mut changed = Vec::new();
        if self.asked.elapsed() >= self.session.config.poll_interval {
            self.asked = Instant::now();
            for job in jobs.iter_mut().filter(|job| !over(job)) {
                changed.extend(ask(self.session, job)?);
            }
        }
        if self.glanced.elapsed() < GLANCE {
            return Ok(changed);
        }
        self.glanced = Instant::now();
        let here = |job: &Job| !over(job) && self.session.is_local(job);
        if !jobs.iter().any(here) || gateway::listens(&self.session.config.state_dir) {
            return Ok(changed);
        }
        self.attend()?;
        for base in self.news.iter().flat_map(Receiver::try_iter) {
            changed.extend(told(self.session, &base)?);
        }
        // What another process noticed and did not live to record is found by asking only.
        for step in 0..jobs.len() {
            let at = (self.next + step) % jobs.len();
            if self.glanced.elapsed() >= ROUND {
                self.next = at;
                break;
            }
            if here(&jobs[at]) {
                changed.extend(ask(self.session, &mut jobs[at])?);
            }
        }
        Ok(changed)
    }

    /// Attends to the local batch system: it looks after its queue in a thread of its own, and tells.
    fn attend(&mut self) -> Result<(), Error> {
        let local = self.session.engine.places().iter().find(|place| place.backend.kind() == LOCAL);
        if let (None, Some(place)) = (&self.news, local) {
            let (sender, news) = channel();
            Arc::clone(&place.backend).attend(Arc::new(move |base, _| drop(sender.send(base.to_owned()))))?;
            self.news = Some(news);
        }
        Ok(())
    }
}

/// Asks about one job; gives it if its state has changed.
fn ask(session: &Session, job: &mut Job) -> Result<Option<Job>, Error> {
    let now = session.engine.poll(&session.who, job.key)?;
    let before = std::mem::replace(job, now);
    Ok((before.state != job.state || before.jobndx != job.jobndx).then(|| job.clone()))
}

/// Takes in what became of a job that somebody may or may not wait for.
fn told(session: &Session, base: &Path) -> Result<Option<Job>, Error> {
    let ours = |prefix: &&Path| session.engine.places().iter().any(|place| place.prefix == *prefix);
    let jobid = base.file_name().and_then(|name| JobId::parse(name.to_str()?).ok());
    let (Some(prefix), Some(jobid)) = (base.parent().filter(ours), jobid) else { return Ok(None) };
    let found = session.engine.find(&session.who, Need::Read, Some(prefix), &jobid);
    match found.and_then(|job| session.engine.poll(&session.who, job.key)) {
        Ok(job) => Ok(Some(job)),
        // Deleted meanwhile, or its place is not configured any more.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict) => Ok(None),
        Err(error) => Err(error),
    }
}
