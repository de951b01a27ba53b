//! Conversations that pause: who asks again soon goes on with one.
//!
//! A database knows who asks since the greeting, so nobody else ever goes on with it. What that one may see it decides anew at
//! each question.

use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crate::rpc::{Credential, Protocol};

/// Who does not go on within this time begins anew.
const PAUSE: Duration = Duration::from_secs(3);
/// So long after its greeting no conversation is gone on with: a token may have been withdrawn since.
const LONGEST: Duration = Duration::from_secs(30);
/// So many pause at the same time. Each keeps one of a hundred threads of the database's.
const MOST: usize = 8;

/// Those that pause.
#[derive(Debug, Default)]
pub(super) struct Pauses(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Who paused last is the last.
    all: Vec<Paused>,
    /// Somebody sees to it that each is ended in time.
    is_watched: bool,
}

/// Whom somebody speaks to, and about which cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Between {
    pub(super) who: Credential,
    /// The host's place among all.
    pub(super) host: usize,
    pub(super) cluster: String,
}

/// A conversation that pauses.
#[derive(Debug)]
pub(super) struct Paused {
    pub(super) between: Between,
    pub(super) protocol: Protocol,
    pub(super) stream: TcpStream,
    /// When the greeting was sent.
    pub(super) begun: Instant,
    /// When it is ended.
    until: Instant,
}

impl Paused {
    pub(super) fn new(between: Between, protocol: Protocol, stream: TcpStream, begun: Instant) -> Self {
        let until = (Instant::now() + PAUSE).min(begun + LONGEST);
        Self { between, protocol, stream, begun, until }
    }
}

impl Pauses {
    /// The last one of these that has paused, to go on with.
    pub(super) fn take(&self, between: &Between) -> Option<Paused> {
        let now = Instant::now();
        let mut state = lock(&self.0);
        let at = state.all.iter().rposition(|one| one.between == *between && one.until > now)?;
        Some(state.all.remove(at))
    }

    /// Keeps one for a moment; the one that has paused for longest makes room.
    pub(super) fn put(&self, paused: Paused) {
        let mut state = lock(&self.0);
        if state.all.len() >= MOST {
            state.all.remove(0);
        }
        state.all.push(paused);
        if !state.is_watched {
            state.is_watched = true;
            let all = Arc::downgrade(&self.0);
            thread::spawn(move || watch(&all));
        }
    }
}

/// Ends those that nobody has gone on with, until there are none.
fn watch(all: &Weak<Mutex<State>>) {
    let mut pause = PAUSE;
    loop {
        thread::sleep(pause);
        let Some(state) = all.upgrade() else { return };
        let mut state = lock(&state);
        let now = Instant::now();
        state.all.retain(|one| one.until > now);
        let Some(next) = state.all.iter().map(|one| one.until).min() else {
            state.is_watched = false;
            return;
        };
        pause = next - now;
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
