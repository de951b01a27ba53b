//! Who is behind numbers, and the other way round: an accounting database stores numbers of users and groups.

use std::fmt::Debug;

/// Who knows users and groups.
pub trait People: Send + Sync + Debug {
    /// The login of a user's number.
    fn login(&self, number: u32) -> Option<String>;

    /// The name of a group's number.
    fn group(&self, number: u32) -> Option<String>;

    /// The number of a login.
    fn user_number(&self, login: &str) -> Option<u32>;

    /// The number of a group's name.
    fn group_number(&self, name: &str) -> Option<u32>;
}
