//! The board sees what changed, and nothing twice.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use jobgate_model::Error;

use super::super::super::cluster::{RunFilter, Walked};
use super::super::board::{self, Board};
use super::*;

/// A queue of its own, with the walk that `Local::runs` promises.
#[derive(Default)]
struct Queue {
    runs: RefCell<BTreeMap<i64, RunView>>,
    number: Cell<u64>,
    /// How many runs were given out.
    given: Cell<usize>,
    /// Why the first in line waits.
    line: Cell<&'static str>,
}

impl Queue {
    fn put(&self, mut run: RunView) {
        self.number.set(self.number.get() + 1);
        run.revision = self.number.get();
        self.runs.borrow_mut().insert(run.id, run);
    }

    fn seen(&self, board: &Board, now: f64) -> Vec<i64> {
        board.runs(self.number.get(), now, self).unwrap().keys().copied().collect()
    }

    fn reasons(&self, board: &Board) -> Vec<String> {
        board.runs(self.number.get(), THEN, self).unwrap().values().map(|run| run.reason.clone()).collect()
    }
}

impl board::Queue for Queue {
    fn walk(&self, filter: &RunFilter, each: &mut dyn FnMut(RunView)) -> Result<Walked, Error> {
        let runs = self.runs.borrow();
        for run in runs.values() {
            let changed = filter.changed_since.is_none_or(|since| run.revision > since);
            let recent = filter.ended_since.is_none_or(|since| run.ended.is_none_or(|ended| ended >= since));
            if changed && recent {
                self.given.set(self.given.get() + 1);
                each(run.clone());
            }
        }
        Ok(Walked { number: self.number.get(), total: runs.len() as u64 })
    }

    /// As the queue does it: what is said of those in line is looked up, not kept.
    fn run(&self, id: i64) -> Result<Option<RunView>, Error> {
        let found = self.runs.borrow().get(&id).cloned();
        Ok(found.map(|run| match run.phase {
            RunPhase::Waiting => RunView { reason: self.line.get().into(), ..run },
            _ => run,
        }))
    }
}

fn ended(id: i64, at: f64) -> RunView {
    RunView {
        phase: RunPhase::Ended(jobgate_model::State::Completed, String::new()),
        ended: Some(at),
        ..running(id, "n1")
    }
}

#[test]
fn only_changes_are_read() {
    let (queue, board) = (Queue::default(), Board::new(300.0));
    for id in 1..=5 {
        queue.put(run(id));
    }
    assert_eq!(queue.seen(&board, THEN), [1, 2, 3, 4, 5]);
    queue.given.set(0);
    assert_eq!(queue.seen(&board, THEN), [1, 2, 3, 4, 5]);
    assert_eq!(queue.given.get(), 0);
    queue.put(ended(2, THEN));
    queue.put(run(6));
    assert_eq!(queue.seen(&board, THEN), [1, 2, 3, 4, 5, 6]);
    assert_eq!(queue.given.get(), 2);
}

#[test]
fn the_ended_go_after_a_while() {
    let (queue, board) = (Queue::default(), Board::new(300.0));
    queue.put(ended(1, THEN - 400.0));
    queue.put(ended(2, THEN - 200.0));
    queue.put(run(3));
    assert_eq!(queue.seen(&board, THEN), [2, 3]);
    assert_eq!(queue.seen(&board, THEN + 200.0), [3]);
    queue.put(ended(3, THEN - 500.0));
    assert_eq!(queue.seen(&board, THEN + 200.0), [0; 0]);
}

#[test]
fn forgotten_runs_are_noticed() {
    let (queue, board) = (Queue::default(), Board::new(300.0));
    for id in 1..=3 {
        queue.put(run(id));
    }
    assert_eq!(queue.seen(&board, THEN), [1, 2, 3]);
    queue.runs.borrow_mut().remove(&2);
    queue.put(run(4));
    assert_eq!(queue.seen(&board, THEN), [1, 3, 4]);
    board.forget();
    assert_eq!(queue.seen(&board, THEN), [1, 3, 4]);
}

#[test]
fn who_waits_for_what() {
    let (queue, board) = (Queue::default(), Board::new(300.0));
    queue.line.set("Resources");
    for id in 1..=3 {
        queue.put(run(id));
    }
    queue.put(RunView { reason: "Dependency".into(), ..run(4) });
    assert_eq!(queue.reasons(&board), ["Resources", "Priority", "Priority", "Dependency"]);
    // The first starts: the second has not changed, and is the first in line.
    queue.put(running(1, "n1"));
    assert_eq!(queue.reasons(&board), ["None", "Resources", "Priority", "Dependency"]);
    queue.put(RunView { priority: 9, ..run(3) });
    assert_eq!(queue.reasons(&board), ["None", "Priority", "Resources", "Dependency"]);
    queue.line.set("ReqNodeNotAvail");
    queue.put(running(5, "n2"));
    assert_eq!(queue.reasons(&board), ["None", "ReqNodeNotAvail", "ReqNodeNotAvail", "Dependency", "None"]);
}

#[test]
fn what_is_alike_is_kept_once() {
    let (queue, board) = (Queue::default(), Board::new(300.0));
    for id in 1..=3 {
        queue.put(run(id));
    }
    let runs = || board.runs(queue.number.get(), THEN, &queue).unwrap();
    let same = |a: i64, b: i64| {
        let runs = runs();
        (Arc::ptr_eq(&runs[&a].options, &runs[&b].options), Arc::ptr_eq(&runs[&a].request, &runs[&b].request))
    };
    assert_eq!((same(1, 2), same(1, 3)), ((true, true), (true, true)));
    queue.put(RunView { options: options(&[("--chdir", "/else")]).into(), ..run(2) });
    queue.put(run(4));
    assert_eq!((same(1, 2), same(1, 4)), ((false, true), (true, true)));
    assert_eq!(runs()[&2].options.get("--chdir"), Some("/else"));
}
