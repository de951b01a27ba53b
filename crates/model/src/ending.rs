//! What the final row of a run says: exit code, signal, time limit.

use crate::State;

/// psik records a run that was stopped at its time limit as failed with this info, which is also what `exit 9` leaves.
const TIMED_OUT: i32 = 9;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Its script ended with exit code 0.
    Completed,
    /// Its script ended with this exit code, 1 to 255.
    Exited(i32),
    /// This signal killed its script.
    Killed(i32),
    /// It was stopped at its time limit.
    TimedOut,
    /// It was stopped on request, or never started because of one.
    Canceled,
    /// It was running when its runner or its machine went away: nobody knows what became of it. Why, in words.
    Lost(String),
    /// It could not be run. Why, in words.
    NotRun(String),
}

impl Ending {
    /// Reads the final row of a run; `None` if the state is not a final one.
    ///
    /// | state | info | ending |
    /// |---|---|---|
    /// | completed | | `Completed` |
    /// | canceled | | `Canceled` |
    /// | failed | `9`, and the run lasted as long as it was allowed to | `TimedOut` |
    /// | failed | a number | `Exited`, or `Killed` by the signal -number if it is negative |
    /// | failed | `lost: ...` | `Lost` |
    /// | failed | other words, or none | `NotRun` |
    ///
    /// `ran`: seconds between its `active` and its final row, `None` if it was never active. `minutes`: its time limit, as it
    /// was at the end.
    pub fn of(state: State, info: &str, ran: Option<f64>, minutes: i64) -> Option<Self> {
        let info = info.trim();
        Some(match (state, info.parse::<i32>()) {
            (State::New | State::Queued | State::Active, _) => return None,
            (State::Completed, _) => Self::Completed,
            (State::Canceled, _) => Self::Canceled,
            (State::Failed, Ok(TIMED_OUT)) if ran.is_some_and(|ran| ran >= minutes.max(0) as f64 * 60.0) => {
                Self::TimedOut
            }
            (State::Failed, Ok(0)) => Self::NotRun(String::new()),
            (State::Failed, Ok(number)) if number < 0 => Self::Killed(number.saturating_neg()),
            (State::Failed, Ok(number)) => Self::Exited(number),
            (State::Failed, Err(_)) => match info.strip_prefix("lost:") {
                Some(why) => Self::Lost(why.trim_start().to_owned()),
                None => Self::NotRun(info.to_owned()),
            },
        })
    }

    /// The exit code, where the script had one; 1 for what was lost or could not be run, otherwise 0.
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Exited(code) => *code,
            Self::Lost(_) | Self::NotRun(_) => 1,
            Self::Completed | Self::Killed(_) | Self::TimedOut | Self::Canceled => 0,
        }
    }

    /// The signal that ended the script: the one that killed it, and SIGTERM (15) at the time limit and on request, which is
    /// what is sent first.
    pub fn signal(&self) -> Option<i32> {
        match self {
            Self::Killed(signal) => Some(*signal),
            Self::TimedOut | Self::Canceled => Some(15),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_rows() {
        let of = |state, info: &str| Ending::of(state, info, Some(30.0), 10).unwrap();
        assert_eq!(of(State::Completed, ""), Ending::Completed);
        assert_eq!(of(State::Canceled, ""), Ending::Canceled);
        assert_eq!(of(State::Failed, "3"), Ending::Exited(3));
        assert_eq!(of(State::Failed, "-11"), Ending::Killed(11));
        assert_eq!(
            of(State::Failed, "lost: the machine was restarted"),
            Ending::Lost("the machine was restarted".into())
        );
        assert_eq!(of(State::Failed, "no such directory"), Ending::NotRun("no such directory".into()));
        assert_eq!(Ending::of(State::Active, "", None, 1), None);
    }

    #[test]
    fn nine_is_the_time_limit_only_when_the_time_was_over() {
        let of = |ran| Ending::of(State::Failed, "9", ran, 1).unwrap();
        assert_eq!(of(Some(60.2)), Ending::TimedOut);
        assert_eq!(of(Some(59.0)), Ending::Exited(9));
        assert_eq!(of(None), Ending::Exited(9));
        assert_eq!(Ending::of(State::Failed, "9", Some(0.1), -3), Some(Ending::TimedOut));
    }

    #[test]
    fn codes_and_signals() {
        let of = |ending: Ending| (ending.exit_code(), ending.signal());
        assert_eq!(of(Ending::Completed), (0, None));
        assert_eq!(of(Ending::Exited(7)), (7, None));
        assert_eq!(of(Ending::Killed(9)), (0, Some(9)));
        assert_eq!(of(Ending::TimedOut), (0, Some(15)));
        assert_eq!(of(Ending::Lost(String::new())), (1, None));
    }
}
