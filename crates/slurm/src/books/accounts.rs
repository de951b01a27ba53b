//! Accounts.

use super::associations::short;
use super::inherit::Tree;
use super::kept::{Kept, complete};
use super::{Books, Live, ROOT, check_name, passes, text};
use crate::cluster::{Answer, Fault};
use crate::errno::Errno;
use crate::objects::{Account, Association, Coordinator, DbdAccountQuery, DbdAccountsQuery};
use crate::table::Flags;

/// Which accounts are wanted, and what of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountsWanted {
    /// Only these; empty: all.
    pub names: Vec<String>,
    /// Only those with one of these descriptions; empty: all.
    pub descriptions: Vec<String>,
    /// With those that were removed.
    pub deleted: bool,
    /// With their associations.
    pub associations: bool,
    /// With their coordinators.
    pub coordinators: bool,
    /// Only those whose users are all coordinators (`true`), or are not (`false`).
    pub users_are_coordinators: Option<bool>,
}

impl AccountsWanted {
    /// What a query for one account asks for.
    pub fn one(name: &str, query: &DbdAccountQuery) -> Self {
        Self {
            names: vec![name.to_owned()],
            deleted: query.with_deleted == Some(true),
            associations: query.with_assocs == Some(true),
            coordinators: query.with_coords == Some(true),
            ..Self::default()
        }
    }

    /// What a query for accounts asks for.
    pub fn many(query: &DbdAccountsQuery) -> Self {
        let either = |a: Option<bool>, b: Option<bool>| a == Some(true) || b == Some(true);
        Self {
            names: Vec::new(),
            descriptions: query.description.clone().unwrap_or_default().0,
            deleted: either(query.with_deleted, query.deleted),
            associations: either(query.with_assocs, query.with_associations),
            coordinators: either(query.with_coords, query.with_coordinators),
            users_are_coordinators: match (query.users_are_coords, query.no_users_are_coords) {
                (Some(true), _) => Some(true),
                (_, Some(true)) => Some(false),
                _ => None,
            },
        }
    }

    /// All, with everything.
    pub(super) fn whole() -> Self {
        Self { associations: true, coordinators: true, ..Self::default() }
    }
}

impl Books {
    /// The accounts that are wanted, by name.
    pub fn accounts(&self, wanted: &AccountsWanted) -> Vec<Account> {
        let tree = Tree::of(self);
        let shown = self.accounts.values().filter(|account| {
            let users_are_coordinators = account.flags.as_ref().is_some_and(|flags| flags.has("UsersAreCoords"));
            (wanted.deleted || !account.is_deleted())
                && passes(&wanted.names, text(account.name.as_ref()))
                && passes(&wanted.descriptions, text(account.description.as_ref()))
                && wanted.users_are_coordinators.is_none_or(|wanted| wanted == users_are_coordinators)
        });
        shown
            .map(|account| {
                let mut account = account.clone();
                if !wanted.coordinators {
                    account.coordinators = Some(Vec::new());
                }
                if wanted.associations {
                    let name = text(account.name.as_ref());
                    let own = |one: &&Association| {
                        text(one.account.as_ref()) == name && (wanted.deleted || !one.is_deleted())
                    };
                    let mut own: Vec<&Association> = self.associations.values().filter(own).collect();
                    own.sort_by_cached_key(|one| (one.cluster.clone(), tree.lineage(one)));
                    account.associations = Some(own.into_iter().map(short).collect());
                }
                account
            })
            .collect()
    }

    /// Makes an account, or changes what is given of one that is there. An empty list of coordinators clears it; their
    /// associations are made by themselves.
    pub fn put_account(&mut self, given: &Account) -> Answer<()> {
        let name = text(given.name.as_ref());
        check_name("account", name)?;
        let coordinators = self.check_coordinators(given.coordinators.as_deref())?;
        let known = self.accounts.get(name).filter(|account| !account.is_deleted());
        let mut account =
            known.cloned().unwrap_or_else(|| Account { name: Some(name.to_owned()), ..Account::default() });
        let kept = |text: &&String| !text.is_empty();
        let texts = [(&mut account.description, &given.description), (&mut account.organization, &given.organization)];
        for (to, from) in texts {
            if let Some(from) = from.as_ref().filter(kept) {
                *to = Some(from.clone());
            }
        }
        if let Some(coordinators) = coordinators {
            account.coordinators = Some(coordinators);
        }
        for word in ["UsersAreCoords", "NoUsersAreCoords"] {
            if given.flags.as_ref().is_some_and(|flags| flags.has(word)) {
                account.flags = Some(Flags::of((word == "UsersAreCoords").then_some(word)));
            }
        }
        self.accounts.insert(name.to_owned(), complete(&account));
        Ok(())
    }

    fn check_coordinators(&self, given: Option<&[Coordinator]>) -> Answer<Option<Vec<Coordinator>>> {
        let Some(given) = given else { return Ok(None) };
        let mut checked: Vec<Coordinator> = Vec::with_capacity(given.len());
        for coordinator in given {
            let name = text(coordinator.name.as_ref());
            self.user(name)?;
            if !checked.iter().any(|one| text(one.name.as_ref()) == name) {
                checked.push(Coordinator { name: Some(name.to_owned()), direct: Some(true) });
            }
        }
        checked.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Some(checked))
    }

    /// Removes an account, with its associations and those of the accounts below it. Gives its name, or nothing if there is no
    /// such account.
    pub fn delete_account(&mut self, name: &str, live: &Live) -> Answer<Vec<String>> {
        if self.account(name).is_err() {
            return Ok(Vec::new());
        }
        if name == ROOT {
            return Err(Fault::new(Errno::ACCESS_DENIED, "the account root is part of every cluster: it stays"));
        }
        let clusters: Vec<String> = self.clusters.keys().cloned().collect();
        let mut gone = Vec::new();
        for cluster in &clusters {
            gone.extend(self.below(cluster, name));
        }
        self.remove_associations(&gone, live)?;
        if let Some(account) = self.accounts.get_mut(name) {
            account.set_deleted(true);
            account.coordinators = Some(Vec::new());
        }
        Ok(vec![name.to_owned()])
    }
}
