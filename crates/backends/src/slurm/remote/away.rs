//! Whether a controller is there: who has just been kept waiting by it in vain does not ask it again at once, and nobody else
//! does.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jobgate_slurm::cluster::Fault;
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::ControllerPing;
use jobgate_slurm::rpc::{Error, pause};

/// After more failures in a row the pause does not grow any more: an order is refused for at most so long after the controller
/// has come back (about two seconds).
const GROWS: u32 = 4;

/// Whether the controller is there.
#[derive(Debug, Default)]
pub(super) struct Away(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// Until when it is not asked, and why.
    until: Option<(Instant, Fault)>,
    /// Since when it has answered whoever has asked.
    answers: Option<Instant>,
}

impl Away {
    /// Why it is not to be asked now, and for how long; `None`: it may be asked.
    pub(super) fn why(&self, now: Instant) -> Option<(Fault, Duration)> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, fault) = state.until.as_ref()?;
        let left = until.checked_duration_since(now).filter(|left| !left.is_zero())?;
        Some((fault.clone(), left))
    }

    /// It has not answered the last time.
    pub(super) fn is_suspect(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).failures > 0
    }

    /// Since when it has answered whoever has asked; `None`: it has not, the last time.
    pub(super) fn answers_since(&self) -> Option<Instant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).answers
    }

    /// Notes what came of asking it.
    pub(super) fn note<T>(&self, outcome: &Result<T, Error>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Err(error) if keeps_away(error) => {
                state.failures = state.failures.saturating_add(1);
                let wait = pause(state.failures.min(GROWS), noise());
                tracing::warn!(%error, failures = state.failures, ?wait, "Slurm's controller does not answer");
                state.until = Some((Instant::now() + wait, fault_of(error)));
                state.answers = None;
            }
            // who was not asked has shown nothing
            Err(error) if error.is_unasked() => {}
            _ => {
                if state.failures > 0 {
                    tracing::info!(failures = state.failures, "Slurm's controller answers again");
                }
                let answers = state.answers.or_else(|| Some(Instant::now()));
                *state = State { answers, ..State::default() };
            }
        }
    }
}

/// Nobody who asks now is likely to be answered.
fn keeps_away(error: &Error) -> bool {
    matches!(
        error,
        Error::NoController
            | Error::Unreachable { .. }
            | Error::Late { .. }
            | Error::Broken { .. }
            | Error::Closed { .. }
    )
}

/// An error as a fault, whose words are those of the error.
pub(super) fn fault_of(error: &Error) -> Fault {
    Fault::new(error.errno(), error.to_string())
}

/// A controller that does not answer.
pub(super) fn down(place: usize, name: &str) -> ControllerPing {
    ControllerPing {
        hostname: Some(name.to_owned()),
        responding: Some(false),
        latency: Some(0),
        primary: Some(place == 0),
        status: Some(Errno::CONTROLLER_CONNECT.text().to_owned()),
        pinged: Some("DOWN".to_owned()),
        mode: Some(if place == 0 { "primary".to_owned() } else { format!("backup{place}") }),
    }
}

/// From 0 to 1, and seldom the same.
fn noise() -> f64 {
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    f64::from(nanos % 1000) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Away {
        /// It has answered for so long.
        pub(in super::super) fn has_answered_for(&self, time: Duration) {
            self.0.lock().unwrap().answers = Instant::now().checked_sub(time);
        }
    }

    #[test]
    fn who_is_away_is_left_alone_for_a_moment() {
        let away = Away::default();
        let now = Instant::now();
        assert!(away.why(now).is_none());
        away.note::<()>(&Err(Error::NoController));
        let (fault, left) = away.why(now).unwrap();
        assert_eq!(fault.errno, Errno::CONTROLLER_CONNECT);
        assert!(left <= Duration::from_millis(300));
        assert!(away.why(now + Duration::from_secs(1)).is_none());
        for _ in 0..50 {
            away.note::<()>(&Err(Error::NoController));
        }
        assert!(away.why(Instant::now()).unwrap().1 <= Duration::from_secs(2));
    }

    #[test]
    fn it_answers_since_it_has_last_failed() {
        let away = Away::default();
        let refused = || Err(Error::Refused { errno: Errno::ACCESS_DENIED, words: None });
        assert_eq!(away.answers_since(), None);
        away.note(&Ok(()));
        let since = away.answers_since().unwrap();
        away.note::<()>(&refused());
        assert_eq!(away.answers_since(), Some(since));
        away.note::<()>(&Err(Error::NoController));
        assert_eq!(away.answers_since(), None);
        away.note(&Ok(()));
        assert!(away.answers_since().unwrap() > since);
    }

    #[test]
    fn who_was_not_asked_has_not_answered() {
        let away = Away::default();
        let busy = || Err(Error::Busy { who: "c".into(), within: Duration::ZERO });
        let unvouched = || Err(Error::NoCredential { source: std::io::ErrorKind::NotFound.into() });
        away.note::<()>(&busy());
        assert_eq!(away.answers_since(), None);
        away.note::<()>(&Err(Error::NoController));
        away.note::<()>(&busy());
        away.note::<()>(&unvouched());
        assert!(away.is_suspect() && away.why(Instant::now()).is_some());
    }

    #[test]
    fn a_refusal_is_an_answer() {
        let away = Away::default();
        away.note::<()>(&Err(Error::NoController));
        away.note::<()>(&Err(Error::Refused { errno: Errno::ACCESS_DENIED, words: None }));
        assert!(away.why(Instant::now()).is_none());
    }
}
