//! So many at once, and the others in the order in which they came.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::Instant;

/// So many turns.
#[derive(Debug)]
pub(crate) struct Turns(Mutex<State>);

#[derive(Debug)]
struct State {
    free: usize,
    /// The number of who comes next.
    next: u64,
    /// Who waits, the first one first.
    waiting: VecDeque<(u64, Thread)>,
}

impl Turns {
    /// At least one.
    pub(crate) fn new(at_once: usize) -> Self {
        Self(Mutex::new(State { free: at_once.max(1), next: 0, waiting: VecDeque::new() }))
    }

    /// Waits for a turn, which lasts until it is dropped. `None`: there was none until `end`.
    pub(crate) fn take(&self, end: Instant) -> Option<Turn<'_>> {
        let mut state = self.lock();
        if state.free > 0 && state.waiting.is_empty() {
            state.free -= 1;
            return Some(Turn(self));
        }
        let mine = state.next;
        state.next += 1;
        state.waiting.push_back((mine, thread::current()));
        loop {
            if state.free > 0 && state.waiting.front().is_some_and(|(first, _)| *first == mine) {
                state.waiting.pop_front();
                state.free -= 1;
                state.call_first();
                return Some(Turn(self));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.waiting.retain(|(number, _)| *number != mine);
                state.call_first();
                return None;
            }
            drop(state);
            thread::park_timeout(left);
            state = self.lock();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Wakes who is the first to wait, if there is a turn.
    fn call_first(&self) {
        if self.free > 0
            && let Some((_, thread)) = self.waiting.front()
        {
            thread.unpark();
        }
    }
}

/// The right to do it now.
#[derive(Debug)]
pub(crate) struct Turn<'a>(&'a Turns);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.free += 1;
        state.call_first();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::time::Duration;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    #[test]
    fn who_came_first_is_next() {
        let turns = Turns::new(2);
        let (one, _two) = (turns.take(soon()).unwrap(), turns.take(soon()).unwrap());
        assert!(turns.take(Instant::now()).is_none(), "both are taken");
        let order = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for place in 0..5 {
                scope.spawn({
                    let (turns, order) = (&turns, &order);
                    move || {
                        let _turn = turns.take(soon()).unwrap();
                        order.lock().unwrap().push(place);
                    }
                });
                while turns.lock().waiting.len() <= place {
                    thread::yield_now();
                }
            }
            drop(one);
        });
        assert_eq!(order.into_inner().unwrap(), [0, 1, 2, 3, 4]);
        assert_eq!(turns.lock().free, 1);
    }

    #[test]
    fn who_has_waited_in_vain_is_in_nobodys_way() {
        let turns = Turns::new(1);
        let one = turns.take(soon()).unwrap();
        thread::scope(|scope| {
            let first = scope.spawn(|| turns.take(Instant::now() + Duration::from_millis(200)).is_some());
            while turns.lock().next < 1 {
                thread::yield_now();
            }
            let second = scope.spawn(|| turns.take(soon()).is_some());
            while turns.lock().next < 2 {
                thread::yield_now();
            }
            assert!(!first.join().unwrap());
            drop(one);
            assert!(second.join().unwrap());
        });
        let state = turns.lock();
        assert_eq!((state.free, state.waiting.len()), (1, 0));
    }
}
