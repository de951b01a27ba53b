//! Files that change while we serve: connections go on, new handshakes take what is new.

use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior};

use super::Credentials;

/// How often files are looked at.
const PERIOD: Duration = Duration::from_secs(2);
/// How often the end of a certificate is thought of.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A certificate that ends in less than this is worth a warning, in seconds.
const SOON: i64 = 14 * 24 * 60 * 60;

/// How eager a look is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Files that just change are left until the next look finds them at rest: certificate and key are two files.
    Patient,
    /// Somebody has said that they are ready.
    Eager,
}

/// What a look has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing new, or nothing that can be used.
    Nothing,
    /// Other certificates, which count from now on.
    New,
}

/// Takes up changed files until dropped: within seconds, and at once at SIGHUP. `taken_up` is called after each change.
pub(crate) async fn keep_fresh(all: Vec<Arc<Credentials>>, taken_up: impl Fn()) {
    if all.is_empty() {
        return;
    }
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        return tracing::error!("cannot handle SIGHUP; changed certificates are not taken up");
    };
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut thought = Instant::now();
    loop {
        let look = tokio::select! {
            _ = ticks.tick() => Look::Patient,
            _ = hangup.recv() => Look::Eager,
        };
        for one in &all {
            let one = Arc::clone(one);
            match tokio::task::spawn_blocking(move || one.refresh(look)).await {
                Ok(Found::New) => taken_up(),
                Ok(Found::Nothing) => {}
                Err(error) => tracing::error!(%error, "cannot look at certificates"),
            }
        }
        if thought.elapsed() >= DAY {
            thought = Instant::now();
            for one in &all {
                warn_of_end(&one.files.certificate, one.current().not_after);
            }
        }
    }
}

impl Credentials {
    /// Takes up the files if they have changed. What cannot be used is logged, and what was there before stays.
    pub(super) fn refresh(&self, look: Look) -> Found {
        let seen = self.files.look();
        {
            let mut watched = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let settled = watched.last == seen || look == Look::Eager;
            watched.last.clone_from(&seen);
            if !settled || watched.read == seen {
                return Found::Nothing;
            }
            watched.read = seen;
        }
        let path = self.files.certificate.display();
        match self.files.load() {
            Ok(loaded) => {
                let end = loaded.not_after;
                self.replace(loaded);
                tracing::info!(certificate = %path, "certificates were loaded anew");
                warn_of_end(&self.files.certificate, end);
                Found::New
            }
            Err(error) => {
                tracing::error!(%error, "changed certificates are not used; those from before stay");
                Found::Nothing
            }
        }
    }
}

/// Says that a certificate has ended or soon will. It is used nevertheless: clients say more about it than we can.
pub(super) fn warn_of_end(certificate: &Path, not_after: i64) {
    let left = not_after - jiff::Timestamp::now().as_second();
    let certificate = certificate.display();
    if left < 0 {
        tracing::warn!(%certificate, "the certificate has expired, clients will refuse it; replace it");
    } else if left < SOON {
        tracing::warn!(%certificate, days = left / (24 * 60 * 60), "the certificate expires soon; replace it");
    }
}
