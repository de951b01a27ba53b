//! The six states and the table of legal moves.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// A job's state, exactly psik's six.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Created, never submitted.
    New,
    /// Handed to a batch system, which has given it a native id.
    Queued,
    /// The script is running.
    Active,
    /// The script ended with exit code 0.
    Completed,
    /// The script ended otherwise, or was lost.
    Failed,
    /// Stopped on request.
    Canceled,
}

/// What a transition means for the run that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// The run advances.
    Legal,
    /// The run already is in that state.
    Repeat,
    /// The run has ended, or the transition goes back in time: it stays in the history and changes no state.
    Late,
}

impl State {
    /// All states, in the order of a job's life.
    pub const ALL: [Self; 6] = [Self::New, Self::Queued, Self::Active, Self::Completed, Self::Failed, Self::Canceled];

    /// The state's name as psik writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Queued => "queued",
            Self::Active => "active",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }

    /// Whether a run in this state has ended. A final state stays final for its jobndx.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Canceled)
    }

    /// What a transition of one run to `next` means when the run is in `self` (`None`: nothing is known of the run).
    ///
    /// Predecessors may be missing (a hot-started job has no `queued`), so any first state is legal but nothing ever
    /// goes back: `new < queued < active < {completed, failed, canceled}`.
    pub fn advance(current: Option<Self>, next: Self) -> Move {
        use State::{Active, Canceled, Completed, Failed, New, Queued};
        let Some(current) = current else { return Move::Legal };
        match (current, next) {
            (a, b) if a == b => Move::Repeat,
            (New, _) | (Queued, Active) | (Queued | Active, Completed | Failed | Canceled) => Move::Legal,
            (Completed | Failed | Canceled, _) | (_, New) | (Queued, Queued) | (Active, Queued | Active) => Move::Late,
        }
    }

    /// The number under which the index stores the state.
    pub fn code(self) -> i64 {
        self as i64
    }

    /// The state of a stored number.
    pub fn from_code(code: i64) -> Option<Self> {
        usize::try_from(code).ok().and_then(|i| Self::ALL.get(i).copied())
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for State {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
            Error::invalid(format!(
                "unknown state {text:?}, expected one of new, queued, active, completed, failed, canceled"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_table_of_moves() {
        let letter = |m| match m {
            Move::Legal => 'L',
            Move::Repeat => '=',
            Move::Late => '-',
        };
        let rows: Vec<String> = State::ALL
            .iter()
            .map(|from| State::ALL.iter().map(|to| letter(State::advance(Some(*from), *to))).collect())
            .collect();
        //                 new queued active completed failed canceled
        assert_eq!(rows, ["=LLLLL", "-=LLLL", "--=LLL", "---=--", "----=-", "-----="]);
    }

    #[test]
    fn names_and_codes_round_trip() {
        for state in State::ALL {
            assert_eq!(state.as_str().parse::<State>().unwrap(), state);
            assert_eq!(State::from_code(state.code()), Some(state));
        }
        assert!("cancelled".parse::<State>().is_err());
        assert_eq!(State::from_code(6), None);
        assert_eq!(State::from_code(-1), None);
    }

    fn any_state() -> impl Strategy<Value = State> {
        proptest::sample::select(&State::ALL[..])
    }

    proptest! {
        /// Whatever arrives in whatever order, a run's state never goes back and never leaves a final state.
        #[test]
        fn a_run_never_goes_back(arrivals in proptest::collection::vec(any_state(), 0..30)) {
            let mut current: Option<State> = None;
            for next in arrivals {
                let before = current;
                if State::advance(current, next) == Move::Legal {
                    current = Some(next);
                }
                if let Some(before) = before {
                    prop_assert!(!before.is_final() || current == Some(before));
                    prop_assert!(current.unwrap() >= before);
                }
            }
        }
    }
}
