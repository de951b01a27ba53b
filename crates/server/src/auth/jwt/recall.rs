//! Tokens that were checked a moment ago: a signature is checked once, however often the token comes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::Vouched;

/// So many are remembered in each of two halves; the older half is forgotten when the newer one is full.
const HALF: usize = 4096;

/// What is remembered of tokens, by the SHA-256 of their text.
#[derive(Debug, Default)]
pub(super) struct Recall(Mutex<Halves>);

#[derive(Debug, Default)]
struct Halves {
    newer: HashMap<[u8; 32], Checked>,
    older: HashMap<[u8; 32], Checked>,
}

/// A token that was accepted.
#[derive(Debug, Clone)]
pub(super) struct Checked {
    /// Who had vouched for it, by its place among the issuers.
    pub(super) source: usize,
    /// The version of that one's keys.
    pub(super) generation: u64,
    pub(super) vouched: Vouched,
    /// It is good until then, in unix seconds; afterwards it is checked again.
    pub(super) until: i64,
}

impl Recall {
    pub(super) fn find(&self, digest: &[u8; 32]) -> Option<Checked> {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = halves.newer.get(digest) {
            return Some(found.clone());
        }
        let found = halves.older.remove(digest)?;
        halves.insert(*digest, found.clone());
        Some(found)
    }

    pub(super) fn remember(&self, digest: [u8; 32], checked: Checked) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(digest, checked);
    }

    pub(super) fn forget(&self, digest: &[u8; 32]) {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        halves.newer.remove(digest);
        halves.older.remove(digest);
    }
}

impl Halves {
    fn insert(&mut self, digest: [u8; 32], checked: Checked) {
        if self.newer.len() >= HALF {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(digest, checked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::names::Vouching;

    #[test]
    fn it_has_an_end() {
        let recall = Recall::default();
        let vouched = Vouched { user: "a".into(), vouching: Vouching::Others, role: None, expires: 9, slurm: false };
        let checked = Checked { source: 0, generation: 0, vouched, until: 9 };
        let key = |n: usize| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&n.to_le_bytes());
            key
        };
        for n in 0..5 * HALF {
            recall.remember(key(n), checked.clone());
            assert!(recall.find(&key(n)).is_some());
            // what is asked for stays
            assert!(recall.find(&key(0)).is_some());
        }
        let halves = recall.0.lock().unwrap();
        assert!(halves.newer.len() + halves.older.len() <= 2 * HALF);
    }
}
