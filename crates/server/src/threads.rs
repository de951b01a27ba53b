//! Threads on which answers are made, of which the one that was busy last is used first: there are never more in use than
//! answers are made at the same time, and what waits for one dialect's does not keep another's waiting. Each that is used keeps what its largest answer needed, tens of MiB perhaps, and has to
//! warm up; the runtime's own blocking threads take turns.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use jobgate_model::Error;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// So many answers are made at the same time. They may wait for disks and networks, so there may be more than processors.
const MOST: usize = 512;
/// A thread that has had nothing to do for so long ends.
const LONGEST: Duration = Duration::from_secs(10);

/// Does something, and returns what tells the outcome.
type Task = Box<dyn FnOnce() -> Tell + Send>;
type Tell = Box<dyn FnOnce()>;

/// Threads, none of which is there before it is needed.
#[derive(Debug)]
pub(crate) struct Threads(Arc<Mutex<Inner>>);

struct Inner {
    /// What they are called.
    name: &'static str,
    /// Those that have nothing to do, the one that was busy last at the end.
    idle: Vec<(usize, SyncSender<Task>)>,
    /// How many there are.
    count: usize,
    /// How many there have been, which is the name of the next.
    begun: usize,
    /// What there is no thread for.
    waiting: VecDeque<Task>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} threads, {} of them idle", self.count, self.idle.len())
    }
}

impl Threads {
    /// None yet, all of this name.
    pub(crate) fn named(name: &'static str) -> Self {
        let (idle, waiting) = (Vec::new(), VecDeque::new());
        Self(Arc::new(Mutex::new(Inner { name, idle, count: 0, begun: 0, waiting })))
    }

    /// Runs something that blocks. A panic in it is our own fault and nobody else's problem.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let (tell, told) = oneshot::channel();
        // what it leaves to the runtime goes to the one that asked for it
        let runtime = Handle::current();
        self.give(Box::new(move || {
            let _within = runtime.enter();
            let outcome = work();
            Box::new(move || drop(tell.send(outcome)))
        }));
        told.await.map_err(|gone| Error::internal("the gateway stumbled over this request; its log says why", gone))
    }

    fn give(&self, task: Task) {
        let mut inner = lock(&self.0);
        if let Some((_, idle)) = inner.idle.pop() {
            // it waits for exactly one
            drop(idle.send(task));
        } else if inner.count >= MOST {
            inner.waiting.push_back(task);
        } else {
            inner.count += 1;
            inner.begun += 1;
            let (number, shared) = (inner.begun, Arc::clone(&self.0));
            let begun = thread::Builder::new().name(inner.name.into()).spawn(move || work(&shared, number, task));
            if begun.is_err() {
                inner.count -= 1;
            }
        }
    }
}

/// What a thread does, from its first task on.
fn work(shared: &Mutex<Inner>, number: usize, first: Task) {
    let (sender, tasks) = sync_channel(1);
    let mut task = first;
    loop {
        // whoever waits for what panics is told by the channel that ends
        let done = catch_unwind(AssertUnwindSafe(task));
        let next = lock(shared).next((number, &sender));
        // only now: who asks again at once finds this thread
        if let Ok(tell) = done {
            tell();
        }
        task = match next.or_else(|| tasks.recv_timeout(LONGEST).ok()) {
            Some(next) => next,
            None if lock(shared).leave(number) => return,
            // it was given one in this moment
            None => match tasks.recv() {
                Ok(next) => next,
                Err(_) => return,
            },
        };
    }
}

impl Inner {
    /// What waits for a thread; if nothing does the thread has nothing to do.
    fn next(&mut self, (number, sender): (usize, &SyncSender<Task>)) -> Option<Task> {
        let next = self.waiting.pop_front();
        if next.is_none() {
            self.idle.push((number, sender.clone()));
        }
        next
    }

    /// Takes a thread out that has nothing to do. Not if it has.
    fn leave(&mut self, number: usize) -> bool {
        let place = self.idle.iter().position(|(idle, _)| *idle == number);
        if let Some(place) = place {
            self.idle.remove(place);
            self.count -= 1;
        }
        place.is_some()
    }
}

fn lock(shared: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_after_the_other_needs_one_thread() {
        let threads = Threads::named("test");
        let mut seen = std::collections::HashSet::new();
        for _ in 0..100 {
            seen.insert(threads.run(|| thread::current().id()).await.unwrap());
        }
        assert_eq!((seen.len(), lock(&threads.0).count), (1, 1));
    }

    #[tokio::test]
    async fn many_at_a_time_have_a_thread_each_and_the_rest_waits() {
        let threads = Arc::new(Threads::named("test"));
        let (barrier, more) = (Arc::new(std::sync::Barrier::new(MOST)), 10);
        let all = (0..MOST + more).map(|number| {
            let (threads, barrier) = (Arc::clone(&threads), Arc::clone(&barrier));
            tokio::spawn(async move {
                let work = move || {
                    if number < MOST {
                        barrier.wait();
                    }
                    number
                };
                threads.run(work).await.unwrap()
            })
        });
        let all: Vec<_> = all.collect();
        for (number, one) in all.into_iter().enumerate() {
            assert_eq!(one.await.unwrap(), number);
        }
        assert_eq!(lock(&threads.0).count, MOST);
    }

    #[tokio::test]
    async fn something_can_be_left_to_the_runtime() {
        let left = Threads::named("test").run(|| tokio::spawn(async { 1 })).await.unwrap();
        assert_eq!(left.await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_panic_harms_nobody_else() {
        let threads = Threads::named("test");
        assert!(threads.run(|| panic!("of a test")).await.is_err());
        assert_eq!(threads.run(|| 1).await.unwrap(), 1);
    }
}
