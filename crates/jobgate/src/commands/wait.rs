//! `jobgate wait STAMP...`

use std::time::{Duration, Instant};

use jobgate_engine::{Job, tree};
use jobgate_model::State;

use crate::cli::Wait;
use crate::exit::Exit;
use crate::lookout::Lookout;
use crate::printer::Printer;
use crate::selector::{self, Scope};
use crate::table::shown;
use crate::wiring::Session;

/// How often the size of a job's history is looked at: often at first, because many jobs are short.
const GLANCE: std::ops::RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_millis(500);

pub(crate) fn run(args: &Wait, printer: &mut Printer) -> anyhow::Result<Exit> {
    let session = Session::open(&args.options)?;
    let jobs = selector::resolve(&session, &args.stamps, Scope::Live)?
        .into_iter()
        .map(|named| named.job)
        .collect::<Result<Vec<Job>, _>>()?;
    until_ended(&session, printer, jobs, args.timeout)
}

/// Waits until every job has ended: `Ok` if all of them completed.
pub(crate) fn until_ended(
    session: &Session,
    printer: &mut Printer,
    jobs: Vec<Job>,
    timeout: Option<Duration>,
) -> anyhow::Result<Exit> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut watched = Watched::new(session, jobs)?;
    let mut lookout = Lookout::new(session);
    let mut pause = *GLANCE.start();
    loop {
        watched.read(session)?;
        for job in lookout.look(&mut watched.jobs, over)? {
            super::deliver(session, printer, &job);
        }
        let (ended, all) = (watched.jobs.iter().filter(|job| over(job)).count(), watched.jobs.len());
        if ended == all {
            printer.end_progress();
            return Ok(verdict(&watched.jobs, printer));
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            printer.error(format_args!("{} of {all} jobs have not ended yet", all - ended));
            return Ok(Exit::TimedOut);
        }
        printer.progress(&format!("waiting: {ended} of {all} jobs ended{}", watched.states()));
        let left = deadline.map_or(pause, |deadline| deadline.saturating_duration_since(Instant::now()));
        std::thread::sleep(pause.min(left));
        pause = (pause * 5 / 4).min(*GLANCE.end());
    }
}

/// Whether nothing more will happen to the job by itself. One that was never started counts, or nobody could end the wait.
pub(crate) fn over(job: &Job) -> bool {
    !job.live && (job.state.is_final() || job.state == State::New)
}

fn verdict(jobs: &[Job], printer: &mut Printer) -> Exit {
    let mut failed = false;
    for job in jobs.iter().filter(|job| job.state != State::Completed) {
        failed = true;
        match job.state {
            State::New => printer.error(format_args!("{} was never started", job.jobid)),
            state if job.info.is_empty() => printer.note(format_args!("{} {state}", job.jobid)),
            state => printer.note(format_args!("{} {state}: {}", job.jobid, shown(&job.info))),
        }
    }
    Exit::unless(failed)
}

/// Jobs that are waited for.
struct Watched {
    jobs: Vec<Job>,
    /// Size of each job's history when it was last read.
    sizes: Vec<u64>,
}

impl Watched {
    fn new(session: &Session, jobs: Vec<Job>) -> anyhow::Result<Self> {
        let sizes = vec![u64::MAX; jobs.len()];
        let mut watched = Self { jobs, sizes };
        watched.read(session)?;
        Ok(watched)
    }

    /// Takes in what was written to the jobs' histories.
    fn read(&mut self, session: &Session) -> anyhow::Result<()> {
        for (job, known) in self.jobs.iter_mut().zip(&mut self.sizes).filter(|(job, _)| !over(job)) {
            let size = tree::size(&job.base)?;
            if size != *known || job.state.is_final() {
                *job = session.engine.job(&session.who, job.key)?;
                *known = size;
            }
        }
        Ok(())
    }

    /// ` (2 queued, 1 active)`
    fn states(&self) -> String {
        let count = |state| self.jobs.iter().filter(|job| !over(job) && job.state == state).count();
        let counts: Vec<String> = State::ALL
            .into_iter()
            .map(|state| (state, count(state)))
            .filter(|(_, count)| *count > 0)
            .map(|(state, count)| format!("{count} {state}"))
            .collect();
        if counts.is_empty() { String::new() } else { format!(" ({})", counts.join(", ")) }
    }
}
