//! Records as the objects of the API: sentinels as unset and infinite numbers, bits as words, places as ranges.
//!
//! Shown is what the newest release shows, for all versions of the API at once: a field that only some versions have is filled
//! for those.

mod config;
mod job;
mod killed;
mod layout;
mod license;
mod node;
mod partition;
mod ping;
mod reservation;
mod resources;
mod shares;
mod state;
mod stats;

pub use config::{Outline, Private};
pub(super) use config::{config, config_meta, outline};
pub(super) use job::{evaluated, exit_code, is_of_last_round, job, lacks_login, memory_of, sluid, step_name, step_of};
pub(super) use killed::killed;
pub(super) use layout::{layout, layout_of};
pub(super) use license::license;
pub(super) use node::{memberships, node};
pub(super) use partition::partition;
pub(super) use ping::ping;
pub(super) use reservation::reservation;
pub(super) use shares::shares;
pub(super) use state::states;
pub(super) use stats::stats;

use std::fmt;

use super::codec::{NO_VAL, Text, num64};
use crate::table::Time;

/// Who is behind the numbers of users and groups: the wire names few of them.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    /// The login of a user's number.
    pub user: &'a dyn Fn(u32) -> Option<String>,
    /// The name of a group's number.
    pub group: &'a dyn Fn(u32) -> Option<String>,
}

impl fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}

impl Names<'static> {
    /// Nobody is known.
    pub const NONE: Self = Self { user: &|_| None, group: &|_| None };
}

impl Names<'_> {
    pub(super) fn user(&self, number: u32) -> String {
        if number == NO_VAL { String::new() } else { (self.user)(number).unwrap_or_default() }
    }

    pub(super) fn group(&self, number: u32) -> String {
        (self.group)(number).unwrap_or_default()
    }
}

/// A number as the API's tables have it; one that is too great for them is their greatest.
#[expect(clippy::unnecessary_wraps, reason = "as the tables have it")]
pub(super) fn int(number: impl TryInto<i32>) -> Option<i32> {
    Some(number.try_into().unwrap_or(i32::MAX))
}

/// The same with 64 bits.
#[expect(clippy::unnecessary_wraps, reason = "as the tables have it")]
pub(super) fn wide(number: u64) -> Option<i64> {
    Some(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A point in time.
#[expect(clippy::unnecessary_wraps, reason = "as the tables have it")]
pub(super) fn time(seconds: u64) -> Option<Time> {
    Some(Time(num64(seconds)))
}

/// The parts of a text with commas between.
#[expect(clippy::unnecessary_wraps, reason = "as the tables have it")]
fn csv(text: Text<'_>) -> Option<Vec<String>> {
    let text = text.get().unwrap_or_default();
    Some(text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect())
}

#[cfg(test)]
mod recorded;
