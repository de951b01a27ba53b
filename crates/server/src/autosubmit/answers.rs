//! Answers that were given before, kept as bytes for as long as the same question has the same answer: nothing that they were
//! made from has changed ([`Basis`]), and they say nothing of the time that is no longer so.
//!
//! This lies around the functions of `routes/`, which know nothing of it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jobgate_autosubmit::basis::Basis;
use prometheus_client::metrics::counter::Counter;

use super::answer::Reply;

/// What rests on more files than this is looked after on a blocking thread.
const FEW: usize = 64;
/// Bytes that an answer takes besides its own.
const OVERHEAD: usize = 300;

/// File systems that answer from this machine's memory or disk: `statfs` magics of ext2 to ext4, XFS, Btrfs, tmpfs, overlayfs,
/// ZFS, F2FS, bcachefs and squashfs. Anything else may be a network, and keep whoever asks waiting.
const LOCAL: [u64; 9] =
    [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630, 0x2FC1_2FC1, 0xF2F5_2010, 0xCA45_1A4E, 0x7371_7368];

/// Answers by what was asked for, within a bound of memory.
#[derive(Debug)]
pub(crate) struct Answers {
    inner: Mutex<Inner>,
    room: usize,
    /// Answers that were given again.
    pub(crate) again: Counter,
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<Box<str>, Entry>,
    size: usize,
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    answer: Arc<Kept>,
    size: usize,
    used: u64,
}

/// An answer that was given.
#[derive(Debug)]
pub(super) struct Kept {
    basis: Basis,
    reply: Reply,
    /// Whether looking at its files keeps nobody waiting.
    pub(super) at_once: bool,
}

impl Kept {
    /// The answer, if it would be the same now (seconds since 1970). Looks at files.
    pub(super) fn again(&self, now: i64) -> Option<Reply> {
        self.basis.holds(now).then(|| self.reply.clone())
    }
}

impl Answers {
    /// Room for about so many bytes.
    pub(super) fn new(room: usize) -> Self {
        Self { inner: Mutex::default(), room, again: Counter::default() }
    }

    /// What was answered to this before, which may no longer be so.
    pub(super) fn get(&self, asked: &str) -> Option<Arc<Kept>> {
        let mut inner = self.lock();
        inner.clock += 1;
        let now = inner.clock;
        let entry = inner.entries.get_mut(asked)?;
        entry.used = now;
        Some(Arc::clone(&entry.answer))
    }

    /// Keeps an answer in the place of an earlier one. Looks at files.
    pub(super) fn keep(&self, asked: &str, basis: Basis, reply: Reply) {
        let size = OVERHEAD + asked.len() + basis.size() + reply.len();
        let at_once = basis.sources().len() <= FEW && basis.sources().iter().all(|(path, _)| is_local(path));
        let answer = Arc::new(Kept { basis, reply, at_once });
        let mut inner = self.lock();
        inner.forget(asked);
        if size > self.room {
            return;
        }
        if inner.size + size > self.room {
            inner.shrink(self.room - size);
        }
        inner.clock += 1;
        inner.size += size;
        let used = inner.clock;
        inner.entries.insert(asked.into(), Entry { answer, size, used });
    }

    /// Forgets what was answered to this.
    pub(super) fn forget(&self, asked: &str) {
        self.lock().forget(asked);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn forget(&mut self, asked: &str) {
        if let Some(entry) = self.entries.remove(asked) {
            self.size -= entry.size;
        }
    }

    /// Leaves the answers that were asked for last: three quarters of them, so that this is not done for each new one, or less
    /// if these take more than `room`.
    fn shrink(&mut self, room: usize) {
        let mut all: Vec<(u64, usize)> = self.entries.values().map(|entry| (entry.used, entry.size)).collect();
        all.sort_unstable_by_key(|(used, _)| std::cmp::Reverse(*used));
        all.truncate(all.len() * 3 / 4);
        let mut size = 0;
        let fits = |(_, entry): &&(u64, usize)| {
            size += entry;
            size <= room
        };
        let oldest = all.iter().take_while(fits).last().map(|(used, _)| *used);
        self.entries.retain(|_, entry| oldest.is_some_and(|oldest| entry.used >= oldest));
        self.size = self.entries.values().map(|entry| entry.size).sum();
    }
}

/// Whether looking at a file keeps nobody waiting.
fn is_local(path: &Path) -> bool {
    let found = path.ancestors().find_map(|path| rustix::fs::statfs(path).ok());
    found.is_some_and(|found| LOCAL.contains(&(found.f_type as u64 & 0xFFFF_FFFF)))
}

#[cfg(test)]
mod tests {
    use jobgate_autosubmit::basis::noting;

    use super::*;

    fn reply(size: usize) -> Reply {
        Reply::new(vec![b' '; size].into())
    }

    fn basis() -> Basis {
        noting(|| ()).1.unwrap()
    }

    #[test]
    fn the_room_is_for_those_that_were_asked_for_last() {
        let answers = Answers::new(10_000);
        for number in 0..4 {
            answers.keep(&format!("/{number}"), basis(), reply(2000));
        }
        assert!(answers.get("/0").is_some());
        answers.keep("/4", basis(), reply(2000));
        let kept = ["/0", "/1", "/2", "/3", "/4"].map(|asked| answers.get(asked).is_some());
        assert_eq!(kept, [true, false, true, true, true]);
        answers.keep("/5", basis(), reply(9000));
        assert!(answers.get("/4").is_none() && answers.get("/5").is_some());
        answers.keep("/5", basis(), reply(10_000));
        assert!(answers.get("/5").is_none(), "it is larger than all the room");
        assert_eq!(answers.lock().size, 0);
    }

    #[test]
    fn an_answer_of_a_second_is_not_given_in_the_next() {
        let zone = jiff::tz::Offset::UTC;
        let (now, basis) = noting(|| jobgate_autosubmit::views::Moment::new(1000, zone).now());
        let answers = Answers::new(10_000);
        answers.keep("/", basis.unwrap(), reply(1));
        let kept = answers.get("/").unwrap();
        assert!(kept.at_once && kept.again(now).is_some());
        assert!(kept.again(now + 1).is_none() && kept.again(now - 1).is_none());
    }

    #[test]
    fn what_is_only_in_memory_is_local() {
        assert!(!is_local(Path::new("/proc/self/none")));
        assert!(!is_local(Path::new("relative/to/nothing")));
    }
}
