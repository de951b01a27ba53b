//! A key set that its issuer publishes at a URL.
//!
//! It is kept while it is young, fetched again in the background when it is not, and at once when a token names a key that it
//! does not have: then at most once in a while, by one request, whoever asks. If the issuer cannot be reached, the keys that
//! were had last stay.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jobgate_engine::Outgoing;
use jobgate_model::Error;

use super::jwks::Jwks;
use crate::auth::keyfile::hex;

/// A key set has at most so many bytes.
const LARGEST: usize = 256 << 10;

/// How often a key set is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// Older than this, it is fetched again.
    pub refresh: Duration,
    /// It is not asked for more often than this, whatever tokens name.
    pub pause: Duration,
}

impl Default for Freshness {
    fn default() -> Self {
        Self { refresh: Duration::from_secs(900), pause: Duration::from_secs(30) }
    }
}

/// The keys at a URL.
#[derive(Debug, Clone)]
pub(in crate::auth) struct Remote(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    url: String,
    freshness: Freshness,
    outside: Arc<Outgoing>,
    state: Mutex<State>,
    /// Held by who fetches.
    flight: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    keys: Option<Arc<Jwks>>,
    /// Of the text that the keys were made of.
    digest: String,
    generation: u64,
    fetched: Option<Instant>,
    attempted: Option<Instant>,
    flying: bool,
}

impl Remote {
    /// Nothing is fetched yet.
    pub(in crate::auth) fn new(url: String, freshness: Freshness, outside: Arc<Outgoing>) -> Self {
        let (state, flight) = (Mutex::default(), tokio::sync::Mutex::default());
        Self(Arc::new(Inner { url, freshness, outside, state, flight }))
    }

    /// Which version of the keys is known. Old ones are fetched anew in the background.
    pub(in crate::auth) fn generation(&self) -> u64 {
        self.known().0
    }

    /// The keys. They are waited for only if none are known.
    pub(in crate::auth) async fn keys(&self) -> Result<(u64, Arc<Jwks>), String> {
        if let (generation, Some(keys)) = self.known() {
            return Ok((generation, keys));
        }
        self.newer_than(None).await
    }

    /// The keys, fetched again because a token names one that is not among those of `generation`. Who asks may go away: what
    /// it has set off goes on.
    pub(in crate::auth) async fn newer_than(&self, generation: Option<u64>) -> Result<(u64, Arc<Jwks>), String> {
        let remote = self.clone();
        let fetching = tokio::spawn(async move { remote.fetch_after(generation).await });
        fetching.await.unwrap_or_else(|_| Err("its keys cannot be had".into()))
    }

    async fn fetch_after(&self, generation: Option<u64>) -> Result<(u64, Arc<Jwks>), String> {
        let _flight = self.0.flight.lock().await;
        {
            let state = self.state();
            let others_did = generation.is_none_or(|old| state.generation > old);
            let too_soon = state.attempted.is_some_and(|then| then.elapsed() < self.0.freshness.pause);
            match &state.keys {
                Some(keys) if others_did || too_soon => return Ok((state.generation, Arc::clone(keys))),
                None if too_soon => return Err("its keys could not be had a moment ago".into()),
                _ => {}
            }
        }
        self.fetch().await;
        let state = self.state();
        let keys = state.keys.clone().ok_or("its keys cannot be had")?;
        Ok((state.generation, keys))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> (u64, Option<Arc<Jwks>>) {
        let mut state = self.state();
        let Freshness { refresh, pause } = self.0.freshness;
        let old = state.fetched.is_some_and(|then| then.elapsed() >= refresh);
        let lately = state.attempted.is_some_and(|then| then.elapsed() < pause.min(refresh));
        if old && !lately && !state.flying {
            state.flying = true;
            let remote = self.clone();
            tokio::spawn(async move {
                let _flight = remote.0.flight.lock().await;
                remote.fetch().await;
                remote.state().flying = false;
            });
        }
        (state.generation, state.keys.clone())
    }

    async fn fetch(&self) {
        self.state().attempted = Some(Instant::now());
        match self.ask().await {
            Ok((digest, keys)) => {
                let mut state = self.state();
                state.fetched = Some(Instant::now());
                if state.digest != digest {
                    state.generation += 1;
                    (state.digest, state.keys) = (digest, Some(Arc::new(keys)));
                    tracing::info!(url = self.0.url, keys = ?state.keys, "fetched a key set");
                }
            }
            Err(error) => {
                let known = self.state().keys.is_some();
                tracing::warn!(url = self.0.url, error, known, "cannot fetch a key set; keys that are known stay");
            }
        }
    }

    async fn ask(&self) -> Result<(String, Jwks), String> {
        let answer = self.0.outside.get(&self.0.url, &[]).await.map_err(|error| Error::chain(&error))?;
        if answer.status != 200 {
            return Err(format!("answered with status {}", answer.status));
        }
        if answer.body.len() > LARGEST {
            return Err(format!("the key set is larger than {LARGEST} bytes"));
        }
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &answer.body);
        Ok((hex(digest.as_ref()), Jwks::parse(&answer.body)?))
    }
}
