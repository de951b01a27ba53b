//! Who may do what by the accounting database.

use super::inherit::Tree;
use super::kept::Kept;
use super::{Books, text};
use crate::objects::{User, words};
use crate::table::Flags;

/// What a user may do (`administrator_level`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// Nothing special.
    #[default]
    None,
    /// Look after jobs and accounts.
    Operator,
    /// Everything.
    Administrator,
}

impl Level {
    /// As Slurm writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Operator => "Operator",
            Self::Administrator => "Administrator",
        }
    }

    /// The highest that is named; `None`: none is (`Not Set`).
    pub(super) fn of(flags: Option<&Flags<words::AdminLvl>>) -> Option<Self> {
        let flags = flags?;
        [Self::Administrator, Self::Operator, Self::None].into_iter().find(|level| flags.has(level.as_str()))
    }

    pub(super) fn flags(self) -> Flags<words::AdminLvl> {
        Flags::of([self.as_str()])
    }
}

impl User {
    /// What the user may do.
    pub fn level(&self) -> Level {
        Level::of(self.administrator_level.as_ref()).unwrap_or_default()
    }
}

impl Books {
    /// What a user may do; somebody who is not in the books: nothing special.
    pub fn level_of(&self, user: &str) -> Level {
        self.user(user).map(User::level).unwrap_or_default()
    }

    /// Whether a user coordinates an account: named in it, or in one of those above it.
    pub fn coordinates(&self, user: &str, account: &str) -> bool {
        let tree = Tree::of(self);
        let above = tree.chain(&self.cluster, account);
        let names = above.iter().map(|association| text(association.account.as_ref()));
        std::iter::once(account).chain(names).any(|name| self.coordinates_directly(user, name))
    }

    /// Whether a user is named as coordinator of an account.
    pub(super) fn coordinates_directly(&self, user: &str, account: &str) -> bool {
        let named = self.accounts.get(account).filter(|account| !account.is_deleted());
        let mut coordinators = named.into_iter().flat_map(|account| account.coordinators.iter().flatten());
        coordinators.any(|coordinator| text(coordinator.name.as_ref()) == user)
    }
}
