//! The thread that writes the log.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use jobgate_engine::audit::{Actor, Entry, Event, Log};
use jobgate_model::Error;

use super::{Message, Shared, WAITING};

/// So many records are written at once.
const BATCH: usize = 1024;
/// After a power failure, at most what was recorded in this time is missing.
const SYNC: Duration = Duration::from_secs(1);
/// What could not be written is tried again after this time.
const RETRY: Duration = Duration::from_secs(1);

/// Writes until it is told to end or nobody is left who could tell.
pub(super) fn run(path: &Path, login: &str, messages: &Receiver<Message>, shared: &Shared) {
    let mut writer = Writer { path, login, shared, log: None, pending: Vec::new(), unsynced: None };
    let mut ends = None;
    let mut left = true;
    while left && ends.is_none() {
        let mut next = match writer.patience() {
            Some(patience) => messages.recv_timeout(patience),
            None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        loop {
            match next {
                Ok(Message::Record(entry)) => writer.take(*entry),
                Ok(Message::Reopen) => writer.reopen(),
                Ok(Message::Close(waits)) => ends = Some(waits),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => left = false,
            }
            if !left || ends.is_some() || writer.pending.len() >= BATCH {
                break;
            }
            next = messages.try_recv().map_err(|_| RecvTimeoutError::Timeout);
        }
        writer.write();
    }
    writer.sync();
}

struct Writer<'a> {
    path: &'a Path,
    login: &'a str,
    shared: &'a Shared,
    log: Option<Log>,
    pending: Vec<Entry>,
    /// Since when something is written that may not be on the disk.
    unsynced: Option<Instant>,
}

impl Writer<'_> {
    /// How long to wait for something new; `None`: as long as it takes.
    fn patience(&self) -> Option<Duration> {
        match (self.pending.is_empty(), self.unsynced) {
            (false, _) => Some(RETRY),
            (true, Some(since)) => Some(SYNC.saturating_sub(since.elapsed())),
            (true, None) => None,
        }
    }

    fn take(&mut self, entry: Entry) {
        if self.pending.len() < WAITING { self.pending.push(entry) } else { self.shared.lose() }
    }

    fn reopen(&mut self) {
        if let Some(log) = &mut self.log {
            log.reopen();
        }
    }

    fn write(&mut self) {
        if self.unsynced.is_some_and(|since| since.elapsed() >= SYNC) {
            self.sync();
        }
        if self.pending.is_empty() {
            return;
        }
        let lost = self.shared.lost.swap(0, Ordering::Relaxed);
        let own = (lost > 0).then(|| Entry::new(Actor::process(self.login), Event::Lost { records: lost }));
        self.pending.extend(own);
        match self.append() {
            Ok(()) => {
                if self.shared.failing.swap(false, Ordering::AcqRel) {
                    tracing::warn!(path = %self.path.display(), "the audit log is written again");
                }
                self.shared.counters.written.inc_by(self.pending.len() as u64);
                self.pending.clear();
                self.unsynced = self.unsynced.or_else(|| Some(Instant::now()));
            }
            Err(error) => {
                if lost > 0 {
                    self.pending.pop();
                    self.shared.lost.fetch_add(lost, Ordering::Relaxed);
                }
                self.shared.counters.failures.inc();
                if !self.shared.failing.swap(true, Ordering::AcqRel) {
                    tracing::error!(error = error.chain(), "what happens is not being recorded");
                }
            }
        }
    }

    fn append(&mut self) -> Result<(), Error> {
        let log = match &mut self.log {
            Some(log) => log,
            none => none.insert(Log::open(self.path, self.login)?),
        };
        log.append(&self.pending)
    }

    fn sync(&mut self) {
        self.unsynced = None;
        if let Some(Err(error)) = self.log.as_ref().map(Log::sync) {
            tracing::error!(error = error.chain(), "the disk does not keep the audit log");
        }
    }
}
