//! The audit log of a server: what is recorded of requests, and the thread that writes it down.
//!
//! Handlers tell what they did through the [`Trail`] of their request; what is not a request's is told to
//! [`Audit::note`]. Records are on their way to the log before the answer is sent; nobody waits for the disk.

mod record;
mod trail;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use jobgate_engine::audit::{Actor, Entry, Event};
use jobgate_model::{Error, ErrorKind};
use prometheus_client::metrics::counter::Counter;

pub(crate) use record::records;
pub(crate) use trail::Trail;

/// So many records wait for the disk, and as many again while it cannot be written; more are lost, and their number is
/// recorded.
const WAITING: usize = 8192;
/// At the end, what waits gets so long to be written.
const LAST: Duration = Duration::from_secs(5);

/// What is recorded, and where.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditSettings {
    /// The log; `None`: nothing is recorded.
    pub file: Option<PathBuf>,
    /// Who only looks at jobs is recorded, too.
    pub reads: bool,
    /// What becomes of requests while the log cannot be written.
    pub on_failure: OnFailure,
    /// The login of the user that this process runs as.
    pub login: String,
}

/// What becomes of requests while the log cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// They are answered; what could not be recorded is counted.
    #[default]
    Continue,
    /// What would have to be recorded is not done (503).
    Refuse,
}

/// Numbers for `/metrics`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters {
    /// Records that were written.
    pub(crate) written: Counter,
    /// Records that were lost.
    pub(crate) lost: Counter,
    /// Attempts to write that failed.
    pub(crate) failures: Counter,
}

/// The audit log.
#[derive(Debug)]
pub(crate) struct Audit {
    settings: AuditSettings,
    queue: Option<SyncSender<Message>>,
    shared: Arc<Shared>,
}

/// What comes to the thread that writes.
#[derive(Debug)]
enum Message {
    Record(Box<Entry>),
    /// The file may have been moved.
    Reopen,
    /// Everything before this is to be written, and then it ends; whoever waits is told by the other end's absence.
    Close(std::sync::mpsc::Sender<()>),
}

#[derive(Debug, Default)]
struct Shared {
    /// The last attempt to write failed.
    failing: AtomicBool,
    /// Records that were lost and are not recorded yet.
    lost: AtomicU64,
    counters: Counters,
}

impl Audit {
    /// Starts to record.
    pub(crate) fn new(settings: &AuditSettings) -> Self {
        let shared = Arc::new(Shared::default());
        let queue = settings.file.clone().and_then(|path| {
            let (queue, messages) = sync_channel(WAITING);
            let (login, known) = (settings.login.clone(), Arc::clone(&shared));
            let thread = std::thread::Builder::new().name("audit".into());
            let started = thread.spawn(move || writer::run(&path, &login, &messages, &known));
            started.inspect_err(|error| tracing::error!(%error, "there is no audit log")).ok().map(|_| queue)
        });
        Self { settings: settings.clone(), queue, shared }
    }

    /// Numbers for `/metrics`.
    pub(crate) fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// Whether who only looks at jobs is recorded, too.
    fn records_reads(&self) -> bool {
        self.settings.reads
    }

    /// Records what is no request's, as done by this process.
    pub(crate) fn note(&self, event: Event) {
        if self.queue.is_some() {
            self.record(Entry::new(Actor::process(&self.settings.login), event));
        }
    }

    /// Records something.
    pub(crate) fn record(&self, entry: Entry) {
        let Some(queue) = &self.queue else { return };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            queue.try_send(Message::Record(Box::new(entry)))
        {
            self.shared.failing.store(true, Ordering::Release);
            self.shared.lose();
        }
    }

    /// Refuses what would have to be recorded, if it cannot be and that is wanted.
    pub(crate) fn admit(&self) -> Result<(), Error> {
        let wanted = self.settings.on_failure == OnFailure::Refuse && self.settings.file.is_some();
        if wanted && (self.queue.is_none() || self.shared.failing.load(Ordering::Acquire)) {
            let text = "the audit log cannot be written, and nothing is done that is not recorded; try again later";
            return Err(Error::new(ErrorKind::Unavailable, text).retry_after(Duration::from_secs(5)));
        }
        Ok(())
    }

    /// Goes on in the file that is at the log's path now.
    pub(crate) fn reopen(&self) {
        if let Some(queue) = &self.queue {
            // With a full queue a batch is about to be written, and each of them looks where the file is.
            drop(queue.try_send(Message::Reopen));
        }
    }

    /// Writes what waits, and ends. Blocks.
    pub(crate) fn close(&self) {
        let Some(queue) = &self.queue else { return };
        let (ended, end) = std::sync::mpsc::channel();
        if queue.send(Message::Close(ended)).is_ok() {
            // what is not written by then is lost
            let _ = end.recv_timeout(LAST);
        }
    }
}

impl Shared {
    fn lose(&self) {
        self.counters.lost.inc();
        if self.lost.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::error!("audit records are being lost");
        }
    }
}
