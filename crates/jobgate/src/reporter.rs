//! How a run that is executed here tells the world about its transitions.
//!
//! Each one is a row in `status.csv` first, and that is what counts. Then the gateway is told. Where none listens, this process
//! does a gateway's work for its one job on a thread beside: it takes the row into the index and delivers callbacks. Where there
//! is no index either (a compute node), and no gateway will send the callbacks, that thread sends them itself, as psik does.
//! The run itself never waits for any of that.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use jobgate_backends::note;
use jobgate_engine::{Clock, Engine, Messenger, Need, tree};
use jobgate_model::{Established, Generation, JobId, JobNdx, Principal, State, Transition};

use crate::{config, gateway, wiring};

/// So long this process stays after the run has ended, for a receiver of callbacks that is slow to answer.
const LINGER: Duration = Duration::from_secs(10);
/// So long it waits for a callback's turn: another process may be sending the one before.
const TURN: Duration = Duration::from_millis(300);
/// The waits before each attempt of a callback that this process sends itself.
const REPORT_WAITS: [Duration; 3] = [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(3)];
/// How often callbacks that did not get through are tried again while the run goes on. Those that are left at its end are tried
/// by the next process that has to do with the job, or by the next gateway.
const RETRY: Duration = Duration::from_secs(30);

/// A run, as far as its reports need it.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// Where the index and the gateway's socket are.
    pub(crate) state_dir: PathBuf,
    /// The job's directory (absolute).
    pub(crate) base: PathBuf,
    /// The job.
    pub(crate) jobid: JobId,
    /// The run.
    pub(crate) jobndx: JobNdx,
    /// The configuration file of whoever started the run, if that is known.
    pub(crate) config: Option<PathBuf>,
    /// The job's backend.
    pub(crate) backend: String,
    /// Whether the job has a callback.
    pub(crate) callback: bool,
    /// If the index is not on this machine, this process sends the callbacks itself, in this generation's manner.
    pub(crate) report: Option<Generation>,
}

/// Reports one run's transitions.
#[derive(Debug)]
pub(crate) struct Reporter {
    run: Run,
    /// The gateway heard the last report.
    heard: bool,
    aside: Option<Aside>,
}

/// The thread that stands in for the gateway.
#[derive(Debug)]
struct Aside {
    news: Sender<News>,
    done: Receiver<()>,
}

#[derive(Debug, Clone, PartialEq)]
enum News {
    Row(Transition),
    End,
}

impl Reporter {
    /// A reporter that has told nothing yet.
    pub(crate) fn new(mut run: Run) -> Self {
        // Before the first row, so that nobody who sees that takes the callbacks for his.
        run.report = run.report.filter(|_| !index_knows(&run) && tree::announce_reports(&run.base, run.jobndx).is_ok());
        Self { run, heard: false, aside: None }
    }

    /// Records a transition durably and lets it be known.
    pub(crate) fn record(&mut self, state: State, info: &str) -> io::Result<()> {
        let row = Transition { time: Clock::system().now(), jobndx: self.run.jobndx, state, info: info.to_owned() };
        tree::append(&self.run.base, &row)?;
        self.heard = gateway::tell(&self.run.state_dir, &self.run.base);
        // Without a callback there is nothing that could not wait for the end.
        if (!self.heard || self.run.report.is_some()) && self.run.callback {
            self.aside(News::Row(row));
        }
        Ok(())
    }

    /// The run is over. `finish` is what is left to do when no gateway does it.
    pub(crate) fn close(mut self, finish: impl FnOnce()) {
        if !self.heard {
            self.aside(News::End);
            finish();
        } else if self.aside.is_some() {
            self.aside(News::End);
        }
        if let Some(aside) = self.aside {
            // What is not delivered by then is in the index, and the next process that looks there delivers it.
            let _ = aside.done.recv_timeout(LINGER);
        }
    }

    fn aside(&mut self, news: News) {
        let aside = self.aside.get_or_insert_with(|| {
            let ((news, receiver), (sender, done)) = (channel(), channel());
            let run = self.run.clone();
            std::thread::spawn(move || {
                let result = match run.report {
                    Some(generation) => report(&run, generation, &receiver),
                    None => stand_in(&run, &receiver),
                };
                if let Err(error) = result {
                    note(&run.base, run.jobndx, &format!("this run's news are not in the index yet: {error:#}"));
                }
                drop(sender);
            });
            Aside { news, done }
        });
        // A thread that ended with an error has told so.
        let _ = aside.news.send(news);
    }
}

/// Whether the index on this machine, if there is one, has the job.
fn index_knows(run: &Run) -> bool {
    run.state_dir.join("index.db").is_file() && engine(run).is_ok_and(|engine| engine.knows(&run.base).unwrap_or(false))
}

/// The index on this machine, for this run's job.
fn engine(run: &Run) -> anyhow::Result<Arc<Engine>> {
    wiring::engine_at(&run.state_dir, &run.base, &run.backend, config::callbacks(run.config.as_deref()))
}

/// Sends the run's callbacks itself, in order; each is tried a few times.
fn report(run: &Run, generation: Generation, news: &Receiver<News>) -> anyhow::Result<()> {
    let Some(spec) = tree::read_spec(&run.base)?.map(|stored| stored.spec) else { return Ok(()) };
    let runtime = wiring::runtime()?;
    let messenger = Messenger::new(&config::callbacks(run.config.as_deref()));
    while let Ok(News::Row(row)) = news.recv() {
        let mut result = Ok(());
        for wait in REPORT_WAITS {
            std::thread::sleep(wait);
            result = runtime.block_on(messenger.tell(&spec, &run.jobid, generation, &row));
            if result.is_ok() {
                break;
            }
        }
        if let Err(why) = result {
            tree::console(&run.base, &format!("{}: Error sending callback: {why}", run.jobid));
        }
    }
    Ok(())
}

/// Does a gateway's work for one job.
fn stand_in(run: &Run, news: &Receiver<News>) -> anyhow::Result<()> {
    if !run.state_dir.is_dir() {
        // Another machine's job: the index is where the gateway is, and the row is seen from there.
        return Ok(());
    }
    let engine = engine(run)?;
    let who = Principal::local(Established::Process);
    let runtime = run.callback.then(wiring::runtime).transpose()?;
    loop {
        let mut end = false;
        match news.recv_timeout(RETRY) {
            Ok(first) => end = first == News::End || news.try_iter().any(|next| next == News::End),
            Err(RecvTimeoutError::Timeout) if runtime.is_none() => continue,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        let key = engine.find(&who, Need::Write, run.base.parent(), &run.jobid)?.key;
        if let Some(runtime) = &runtime {
            runtime.block_on(engine.deliver_job(key, TURN))?;
        }
        if end {
            return Ok(());
        }
    }
}
