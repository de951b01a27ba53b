//! Time limits (`1-12:30`) and points in time (`now+1hour`), as Slurm's commands take and print them.
//!
//! There is no clock here: what is relative is relative to a `now` that the caller gives.

mod point;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

pub use point::{PointError, parse_point, point_text};

use crate::excerpt::excerpt;

/// The greatest limit in minutes: Slurm keeps minutes in 32 bits, and the two numbers above mean "not set" and "infinite".
pub const GREATEST_MINUTES: u32 = u32::MAX - 2;

/// How long something may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimeLimit {
    /// So many seconds, at most [`GREATEST_MINUTES`] minutes.
    Seconds(u64),
    /// No limit.
    Unlimited,
}

/// A text that is no time limit.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "time limit `{0}`: write MINUTES, MM:SS, HH:MM:SS, D-HH, D-HH:MM, D-HH:MM:SS or UNLIMITED, up to {GREATEST_MINUTES} minutes"
)]
pub struct LimitError(String);

impl TimeLimit {
    /// Reads `90`, `90:00`, `1:30:00`, `1-12`, `1-12:30`, `1-12:30:00`, `UNLIMITED`, `INFINITE` or `-1`. Zero is zero here;
    /// sbatch takes a limit of zero for none ([`TimeLimit::or_unlimited`]).
    pub fn parse(text: &str) -> Result<Self, LimitError> {
        limit(text).ok_or_else(|| LimitError(excerpt(text)))
    }

    /// A limit of whole minutes; the 32-bit number for "infinite" is no limit.
    pub fn from_minutes(minutes: u32) -> Self {
        if minutes > GREATEST_MINUTES { Self::Unlimited } else { Self::Seconds(u64::from(minutes) * 60) }
    }

    /// Seconds; `None` without a limit.
    pub fn seconds(self) -> Option<u64> {
        match self {
            Self::Seconds(seconds) => Some(seconds),
            Self::Unlimited => None,
        }
    }

    /// Minutes, rounded up as Slurm does; `None` without a limit.
    pub fn minutes(self) -> Option<u32> {
        self.seconds().map(|seconds| u32::try_from(seconds.div_ceil(60)).unwrap_or(GREATEST_MINUTES))
    }

    /// The limit with sbatch's rule for `--time`: zero is no limit.
    #[must_use]
    pub fn or_unlimited(self) -> Self {
        if self == Self::Seconds(0) { Self::Unlimited } else { self }
    }
}

fn limit(text: &str) -> Option<TimeLimit> {
    if ["UNLIMITED", "INFINITE", "-1"].iter().any(|word| word.eq_ignore_ascii_case(text)) {
        return Some(TimeLimit::Unlimited);
    }
    let seconds = match text.split_once('-') {
        // `1-` is one day; after a dash come hours first
        Some((days, "")) => number(days)?.checked_mul(86_400)?,
        Some((days, clock)) => number(days)?.checked_mul(86_400)?.checked_add(match *fields(clock)?.as_slice() {
            [hours] => clock_seconds(hours, 0, 0)?,
            [hours, minutes] => clock_seconds(hours, minutes, 0)?,
            [hours, minutes, seconds] => clock_seconds(hours, minutes, seconds)?,
            _ => return None,
        })?,
        None => match *fields(text)?.as_slice() {
            // the number that stands for "infinite" in 32 bits
            [minutes] if minutes == u64::from(u32::MAX) => return Some(TimeLimit::Unlimited),
            [minutes] => clock_seconds(0, minutes, 0)?,
            [minutes, seconds] => clock_seconds(0, minutes, seconds)?,
            [hours, minutes, seconds] => clock_seconds(hours, minutes, seconds)?,
            _ => return None,
        },
    };
    (seconds.div_ceil(60) <= u64::from(GREATEST_MINUTES)).then_some(TimeLimit::Seconds(seconds))
}

/// One to three numbers between colons.
fn fields(text: &str) -> Option<Vec<u64>> {
    text.splitn(4, ':').map(number).collect()
}

fn clock_seconds(hours: u64, minutes: u64, seconds: u64) -> Option<u64> {
    hours.checked_mul(60)?.checked_add(minutes)?.checked_mul(60)?.checked_add(seconds)
}

fn number(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

impl FromStr for TimeLimit {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// The text of `scontrol show job`: `01:30:00`, `1-12:30:00`, `UNLIMITED`.
impl fmt::Display for TimeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Seconds(seconds) = self else {
            return f.write_str("UNLIMITED");
        };
        let (days, rest) = (seconds / 86_400, seconds % 86_400);
        if days > 0 {
            write!(f, "{days}-")?;
        }
        write!(f, "{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
    }
}
