//! Who may share what was read: all callers where jobs are nobody's secret, and otherwise each its own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jobgate_slurm::objects::{ControllerPing, Diag, License, Node, Partition, Reservation, SlurmConf, SlurmConfMeta};
use jobgate_slurm::rpc::{Jobs, Listing, States};

use super::kept::Kept;

/// What nobody has asked for in this time is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(300);
/// So many callers have copies of their own; more of them would take too much memory.
const MOST: usize = 64;
/// So many single jobs are asked for in a freshness interval; then all are.
const SINGLE: usize = 16;

/// The copies of all classes.
#[derive(Debug, Default)]
pub(super) struct Classes {
    /// All callers see the same.
    shared: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: HashMap<String, (Instant, Arc<Class>)>,
    /// When callers last ordered something.
    ordered: HashMap<String, Instant>,
    /// When somebody last changed the cluster itself.
    changed: Option<Instant>,
}

/// What was read for those who see the same.
#[derive(Debug, Default)]
pub(super) struct Class {
    /// Whose it is; empty: everybody's.
    pub(super) name: String,
    pub(super) jobs: Arc<Kept<Jobs>>,
    pub(super) states: Arc<Kept<States>>,
    pub(super) nodes: Arc<Kept<Listing<Node>>>,
    pub(super) partitions: Arc<Kept<Listing<Partition>>>,
    pub(super) reservations: Arc<Kept<Listing<Reservation>>>,
    pub(super) licenses: Arc<Kept<Listing<License>>>,
    pub(super) diag: Arc<Kept<Diag>>,
    pub(super) conf: Arc<Kept<(SlurmConf, SlurmConfMeta)>>,
    pub(super) pings: Arc<Kept<Vec<ControllerPing>>>,
    single: Mutex<Singles>,
}

/// Single jobs, and when each was wanted last.
type Singles = HashMap<u32, (Instant, Arc<Kept<Jobs>>)>;

impl Classes {
    /// Says whether all callers see the same.
    pub(super) fn share(&self, shared: bool) {
        self.shared.store(shared, Ordering::Relaxed);
    }

    /// The class of a caller.
    pub(super) fn of(&self, login: &str) -> Arc<Class> {
        let name = if self.shared.load(Ordering::Relaxed) { "" } else { login };
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((used, class)) = state.known.get_mut(name) {
            *used = now;
            return Arc::clone(class);
        }
        state.known.retain(|_, (used, _)| used.elapsed() < FORGOTTEN);
        if state.known.len() >= MOST
            && let Some(oldest) = state.known.iter().min_by_key(|(_, (used, _))| *used).map(|(name, _)| name.clone())
        {
            state.known.remove(&oldest);
        }
        let class = Arc::new(Class { name: name.to_owned(), ..Class::default() });
        state.known.insert(name.to_owned(), (now, Arc::clone(&class)));
        class
    }

    /// Somebody has ordered something.
    pub(super) fn ordered_by(&self, login: &str, at: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.ordered.contains_key(login) {
            state.ordered.retain(|_, ordered| ordered.elapsed() < FORGOTTEN);
        }
        state.ordered.insert(login.to_owned(), at);
    }

    /// Somebody has changed the cluster itself: its nodes, for example, which is rare, and is everybody's concern.
    pub(super) fn changed(&self, at: Instant) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).changed = Some(at);
    }

    /// What somebody reads must be newer than this.
    pub(super) fn last_order(&self, login: &str) -> Option<Instant> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.ordered.get(login).copied().max(state.changed)
    }
}

impl Class {
    /// One of its own, that shares nothing: `number` is nobody else's.
    pub(super) fn apart(number: u64) -> Self {
        // no login has a blank
        Self { name: format!("apart {number}"), ..Self::default() }
    }

    /// The place of a single job; `None`: so many are asked for that all are to be.
    pub(super) fn single(&self, id: u32, within: Duration) -> Option<Arc<Kept<Jobs>>> {
        let now = Instant::now();
        let mut single = self.single.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((used, kept)) = single.get_mut(&id) {
            *used = now;
            return Some(Arc::clone(kept));
        }
        if single.len() >= SINGLE {
            single.retain(|_, (used, _)| used.elapsed() < within);
        }
        if single.len() >= SINGLE {
            return None;
        }
        let kept = Arc::<Kept<Jobs>>::default();
        single.insert(id, (now, Arc::clone(&kept)));
        Some(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_share_when_they_see_the_same() {
        let classes = Classes::default();
        assert!(!Arc::ptr_eq(&classes.of("alice"), &classes.of("bob")));
        assert!(Arc::ptr_eq(&classes.of("alice"), &classes.of("alice")));
        classes.share(true);
        assert!(Arc::ptr_eq(&classes.of("alice"), &classes.of("bob")));
        classes.share(false);
        assert_eq!(classes.of("bob").name, "bob");
    }

    #[test]
    fn there_is_an_end_to_what_is_kept() {
        let classes = Classes::default();
        for n in 0..3 * MOST {
            classes.of(&format!("user{n}"));
        }
        assert!(classes.state.lock().unwrap().known.len() <= MOST);
        let class = classes.of("a");
        let hour = Duration::from_secs(3600);
        let asked = (0..100).filter(|id| class.single(*id, hour).is_some()).count();
        assert_eq!(asked, SINGLE);
        assert!(class.single(99, Duration::ZERO).is_some());
    }
}
