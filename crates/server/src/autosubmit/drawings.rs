//! What Graphviz has drawn, kept: a layout depends on nothing but the jobs' names and who waits for whom.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{Context, SHA256};

/// Where the jobs stand.
pub(super) type Places = HashMap<String, (i64, i64)>;

/// So many layouts are kept, of at most a thousand jobs each, and so many that could not be drawn.
const KEPT: usize = 64;
/// What could not be drawn is not tried again for so long: it may have taken a minute to find out.
const AGAIN: Duration = Duration::from_secs(300);

type Key = [u8; 32];

/// Layouts.
#[derive(Default)]
pub(super) struct Drawings {
    inner: Mutex<Inner>,
    /// One has been drawn, or could not be.
    done: Condvar,
}

#[derive(Default)]
struct Inner {
    /// The one that was asked for last at the end.
    drawn: VecDeque<(Key, Places)>,
    /// What could not be drawn, when and why, the latest at the end.
    failed: VecDeque<(Key, Instant, String)>,
    /// Those that somebody draws.
    begun: HashSet<Key>,
}

impl Drawings {
    /// The layout of a graph in Graphviz's language; `draw` makes it where it is not known. Each is drawn once, however many ask.
    pub(super) fn of(&self, graph: &str, draw: impl FnOnce() -> Result<Places, String>) -> Result<Places, String> {
        let key = key(graph);
        let mut inner = self.lock();
        loop {
            if let Some(known) = inner.known(&key, Instant::now()) {
                return known;
            }
            if inner.begun.insert(key) {
                break;
            }
            inner = self.done.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        drop(inner);
        let begun = Begun { drawings: self, key };
        let drawn = draw();
        self.lock().note(key, &drawn);
        drop(begun);
        drawn
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn known(&mut self, key: &Key, now: Instant) -> Option<Result<Places, String>> {
        if let Some(known) = self.drawn.iter().position(|(known, _)| known == key).and_then(|at| self.drawn.remove(at))
        {
            let places = known.1.clone();
            self.drawn.push_back(known);
            return Some(Ok(places));
        }
        let failed = self.failed.iter().find(|(known, when, _)| known == key && now.duration_since(*when) < AGAIN);
        failed.map(|(_, _, why)| Err(why.clone()))
    }

    fn note(&mut self, key: Key, drawn: &Result<Places, String>) {
        match drawn {
            Ok(places) => {
                if self.drawn.len() >= KEPT {
                    self.drawn.pop_front();
                }
                self.drawn.push_back((key, places.clone()));
            }
            Err(why) => {
                self.failed.retain(|(known, _, _)| *known != key);
                if self.failed.len() >= KEPT {
                    self.failed.pop_front();
                }
                self.failed.push_back((key, Instant::now(), why.clone()));
            }
        }
    }
}

/// Somebody draws. Those who wait for it go on also when that one panics.
struct Begun<'a> {
    drawings: &'a Drawings,
    key: Key,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.drawings.lock().begun.remove(&self.key);
        self.drawings.done.notify_all();
    }
}

impl fmt::Debug for Drawings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Drawings")
    }
}

/// Nodes and edges without their colours, which change while jobs run.
fn key(graph: &str) -> Key {
    let mut context = Context::new(&SHA256);
    for line in graph.lines() {
        context.update(line.split(" fillcolor=").next().unwrap_or_default().as_bytes());
        context.update(b"\n");
    }
    context.finish().as_ref().try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_do_not_matter_and_edges_do() {
        let drawings = Drawings::default();
        let mut drawn = 0;
        let mut of = |graph: &str| {
            let places = drawings.of(graph, || {
                drawn += 1;
                Ok(Places::from([("a".into(), (drawn, 0))]))
            });
            places.unwrap()["a"].0
        };
        assert_eq!(of("\"a\" [shape=box fillcolor=\"red\"];"), 1);
        assert_eq!(of("\"a\" [shape=box fillcolor=\"green\"];"), 1);
        assert_eq!(of("\"a\" [shape=box fillcolor=\"red\"];\n\"a\" -> \"b\";"), 2);
        for number in 0..KEPT as i64 {
            assert_eq!(of(&number.to_string()), 3 + number);
        }
        assert_eq!(of("\"a\" [shape=box fillcolor=\"red\"];"), 3 + KEPT as i64, "it was the oldest");
    }

    #[test]
    fn what_cannot_be_drawn_is_tried_once_however_many_ask() {
        let drawings = Drawings::default();
        let tries = Mutex::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let drawn = drawings.of("a", || {
                        *tries.lock().unwrap() += 1;
                        std::thread::sleep(Duration::from_millis(50));
                        Err("it takes too long".into())
                    });
                    assert_eq!(drawn, Err("it takes too long".into()));
                });
            }
        });
        assert_eq!(*tries.lock().unwrap(), 1);
        let later = Instant::now() + AGAIN;
        assert_eq!(drawings.lock().known(&key("a"), later), None, "it is tried again");
        // others do not wait for ever for one that stumbles
        let stumbled =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drawings.of("b", || panic!("stumbles"))));
        assert!(stumbled.is_err());
        assert_eq!(drawings.of("b", || Ok(Places::new())), Ok(Places::new()));
    }
}
