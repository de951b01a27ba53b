//! What an answer rests on: the files that were looked at while it was made, and until when what it says of the time holds. As
//! long as both hold, the same question has the same answer.
//!
//! What makes an answer runs within [`noting`]. Everything of this crate that looks at a file calls [`note`] **before** it looks;
//! whoever asks what time it is goes through [`crate::views::Moment`]; and whatever cannot be told from files alone (a database
//! server, a lock, an error of the system) calls [`unfounded`], after which there is no basis.

use std::any::Any;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::kept::{Identity, Sources, parts_of_database};

thread_local! {
    /// What is noted on this thread, if anything is.
    static NOTES: RefCell<Option<Notes>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct Notes {
    sources: Sources,
    seen: HashSet<PathBuf>,
    /// Of what was kept.
    shared: HashMap<*const Sources, Arc<Sources>>,
    /// What was read and cannot be kept beyond this answer, by whose it is and its name.
    held: HashMap<(usize, OsString), Arc<dyn Any + Send + Sync>>,
    /// From when until when, in seconds since 1970.
    span: Option<(i64, i64)>,
    unfounded: bool,
}

/// What an answer rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basis {
    sources: Sources,
    span: Option<(i64, i64)>,
}

impl Basis {
    /// Whether the same question has the same answer at this time, in seconds since 1970. Looks at every file.
    pub fn holds(&self, now: i64) -> bool {
        self.span.is_none_or(|(from, until)| (from..until).contains(&now)) && self.sources.unchanged()
    }

    /// The files.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// About how many bytes it takes in memory.
    pub fn size(&self) -> usize {
        self.sources.size()
    }
}

/// Puts back what was noted before, also when something panics.
struct Restore(Option<Notes>);

impl Drop for Restore {
    fn drop(&mut self) {
        let before = self.0.take();
        NOTES.with(|notes| *notes.borrow_mut() = before);
    }
}

/// Does something that makes an answer, on this thread alone. Says what it rests on, if it can be kept: everything can be told
/// from files that are still as they were, and that did not change just now.
pub fn noting<T>(work: impl FnOnce() -> T) -> (T, Option<Basis>) {
    let restore = Restore(NOTES.with(|notes| notes.borrow_mut().replace(Notes::default())));
    let done = work();
    let notes = NOTES.with(|notes| notes.borrow_mut().take());
    drop(restore);
    (done, notes.and_then(Notes::basis))
}

impl Notes {
    fn basis(mut self) -> Option<Basis> {
        if self.unfounded {
            return None;
        }
        for shared in std::mem::take(&mut self.shared).into_values() {
            for (path, identity) in shared.iter() {
                self.add(path, identity);
            }
        }
        let basis = Basis { sources: self.sources, span: self.span };
        let sound = !self.unfounded && basis.sources.settled(SystemTime::now()) && basis.sources.unchanged();
        sound.then_some(basis)
    }

    /// The first look at a file counts: if it changes in between, it is not what it was at the end.
    fn add(&mut self, path: &Path, identity: Identity) {
        if !self.seen.contains(path) {
            self.seen.insert(path.to_owned());
            self.sources.add(path, identity);
        }
    }
}

fn with(what: impl FnOnce(&mut Notes)) {
    NOTES.with(|notes| {
        if let Some(notes) = notes.borrow_mut().as_mut() {
            what(notes);
        }
    });
}

/// Notes a file, or a folder whose list of names is read, before it is looked at.
pub fn note(path: &Path) {
    with(|notes| {
        if !notes.seen.contains(path) {
            notes.add(path, Identity::of(path));
        }
    });
}

/// The same for a database: its file and what may lie beside it.
pub(crate) fn note_database(path: &Path) {
    with(|notes| {
        if !notes.seen.contains(path) {
            for path in parts_of_database(path) {
                notes.add(&path, Identity::of(&path));
            }
        }
    });
}

/// The same for a file of which it is also told when it was read last.
pub fn note_access(path: &Path) {
    with(|notes| {
        let identity = Identity::of_access(path);
        notes.seen.insert(path.to_owned());
        notes.sources.add(path, identity);
    });
}

/// Notes a file that has been looked at just now.
pub(crate) fn note_as(path: &Path, identity: Identity) {
    with(|notes| notes.add(path, identity));
}

/// Notes what something that was kept rests on.
pub(crate) fn note_all(sources: &Arc<Sources>) {
    with(|notes| drop(notes.shared.insert(Arc::as_ptr(sources), Arc::clone(sources))));
}

/// Whether these were noted for the answer that is being made.
pub(crate) fn has_noted(sources: &Arc<Sources>) -> bool {
    NOTES.with(|notes| notes.borrow().as_ref().is_some_and(|notes| notes.shared.contains_key(&Arc::as_ptr(sources))))
}

/// Holds something until the answer is made, which is then made of one state of things, each read once. `whose`: a number that
/// nothing else has which is held under the same name.
pub(crate) fn hold(whose: usize, name: &OsStr, value: Arc<dyn Any + Send + Sync>) {
    with(|notes| drop(notes.held.insert((whose, name.to_owned()), value)));
}

/// What is held.
pub(crate) fn held<T: Send + Sync + 'static>(whose: usize, name: &OsStr) -> Option<Arc<T>> {
    let found = |notes: &Notes| {
        if notes.held.is_empty() {
            return None;
        }
        notes.held.get(&(whose, name.to_owned())).cloned()
    };
    NOTES.with(|notes| notes.borrow().as_ref().and_then(found))?.downcast().ok()
}

/// Notes that the answer is the same from one second until before another.
pub(crate) fn note_span(from: i64, until: i64) {
    with(|notes| {
        let (known_from, known_until) = notes.span.unwrap_or((i64::MIN, i64::MAX));
        notes.span = Some((known_from.max(from), known_until.min(until)));
    });
}

/// Notes that the answer does not rest on files alone.
pub fn unfounded() {
    with(|notes| notes.unfounded = true);
}

/// Notes an error of reading: a file that is not there is a fact, everything else may be over soon.
pub(crate) fn note_error(error: &std::io::Error) {
    if !is_absent(error) {
        unfounded();
    }
}

/// Whether an error says that there is no such file.
pub(crate) fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}
