//! Workload characterisation keys.

use super::kept::{Kept, complete};
use super::{Books, check_name, passes, text};
use crate::cluster::Answer;
use crate::objects::{DbdWckeysQuery, WcKey};
use crate::table::Csv;

/// Which workload keys are wanted. An empty list of anything means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WcKeysWanted {
    /// Names.
    pub names: Vec<String>,
    /// Users.
    pub users: Vec<String>,
    /// Clusters.
    pub clusters: Vec<String>,
    /// Numbers.
    pub ids: Vec<String>,
    /// Only those that are their users' default ones.
    pub only_defaults: bool,
    /// With those that were removed.
    pub deleted: bool,
}

impl WcKeysWanted {
    /// What a query for workload keys asks for.
    pub fn of(query: &DbdWckeysQuery) -> Self {
        let list = |csv: &Option<Csv>| csv.clone().unwrap_or_default().0;
        Self {
            names: list(&query.name),
            users: list(&query.user),
            clusters: list(&query.cluster),
            ids: list(&query.id),
            only_defaults: query.only_defaults == Some(true),
            deleted: query.with_deleted == Some(true),
        }
    }
}

impl Books {
    /// The workload keys that are wanted, in the order of their numbers.
    pub fn wckeys(&self, wanted: &WcKeysWanted) -> Vec<WcKey> {
        let shown = self.wckeys.values().filter(|one| {
            let is_default = || {
                let user = self.users.get(text(one.user.as_ref()));
                user.is_some_and(|user| user.default_wckey == one.name)
            };
            (wanted.deleted || !one.is_deleted())
                && passes(&wanted.names, text(one.name.as_ref()))
                && passes(&wanted.users, text(one.user.as_ref()))
                && passes(&wanted.clusters, text(one.cluster.as_ref()))
                && passes(&wanted.ids, &one.id.unwrap_or_default().to_string())
                && (!wanted.only_defaults || is_default())
        });
        shown.cloned().collect()
    }

    /// Those that a path means: a name, or else a number.
    pub fn wckey(&self, asked: &str) -> Vec<WcKey> {
        let named = self.wckeys(&WcKeysWanted { names: vec![asked.to_owned()], ..WcKeysWanted::default() });
        if !named.is_empty() {
            return named;
        }
        self.wckeys(&WcKeysWanted { ids: vec![asked.to_owned()], ..WcKeysWanted::default() })
    }

    /// Makes a workload key of a user on a cluster, unless it is there. A user's first one is the default. Gives whether it is
    /// new.
    pub fn put_wckey(&mut self, given: &WcKey) -> Answer<bool> {
        let cluster = self.cluster_named(given.cluster.as_ref())?;
        let (name, user) = (text(given.name.as_ref()), text(given.user.as_ref()));
        check_name("wckey", name)?;
        self.user(user)?;
        let is = |one: &WcKey| {
            text(one.name.as_ref()) == name && text(one.user.as_ref()) == user && text(one.cluster.as_ref()) == cluster
        };
        let known = self.wckeys.iter().find(|(_, one)| is(one)).map(|(id, one)| (*id, one.is_deleted()));
        let id = match known {
            Some((_, false)) => return Ok(false),
            Some((id, true)) => id,
            None => {
                self.next.wckey += 1;
                self.next.wckey - 1
            }
        };
        let wckey = WcKey {
            id: Some(id),
            name: Some(name.to_owned()),
            user: Some(user.to_owned()),
            cluster: Some(cluster),
            ..WcKey::default()
        };
        self.wckeys.insert(id, complete(&wckey));
        self.change_user(user, |user| {
            if text(user.default_wckey.as_ref()).is_empty() {
                user.default_wckey = Some(name.to_owned());
            }
        });
        Ok(true)
    }

    /// Sets a user's default workload key, which is made on our cluster if the user has none of that name.
    pub(super) fn set_default_wckey(&mut self, user: &str, name: &str) -> Answer<()> {
        let own =
            WcKeysWanted { names: vec![name.to_owned()], users: vec![user.to_owned()], ..WcKeysWanted::default() };
        if self.wckeys(&own).is_empty() {
            let wckey = WcKey { name: Some(name.to_owned()), user: Some(user.to_owned()), ..WcKey::default() };
            self.put_wckey(&wckey)?;
        }
        self.change_user(user, |user| user.default_wckey = Some(name.to_owned()));
        Ok(())
    }

    /// Removes the workload keys that a path means, of all users. Gives them as lines of text.
    pub fn delete_wckey(&mut self, asked: &str) -> Answer<Vec<String>> {
        let gone = self.wckey(asked);
        for one in &gone {
            if let Some(wckey) = one.id.and_then(|id| self.wckeys.get_mut(&id)) {
                wckey.set_deleted(true);
            }
            self.settle_default_wckey(text(one.user.as_ref()), text(one.name.as_ref()));
        }
        let line = |one: &WcKey| {
            let (cluster, name) = (text(one.cluster.as_ref()), text(one.name.as_ref()));
            format!("C = {cluster:<10} W = {name:<20} U = {:<9}", text(one.user.as_ref()))
        };
        Ok(gone.iter().map(line).collect())
    }

    /// A user's default key is gone: the oldest of the others takes its place.
    fn settle_default_wckey(&mut self, user: &str, gone: &str) {
        let mut own = self.wckeys(&WcKeysWanted { users: vec![user.to_owned()], ..WcKeysWanted::default() });
        if own.iter().any(|one| text(one.name.as_ref()) == gone) {
            return;
        }
        let first = if own.is_empty() { None } else { own.swap_remove(0).name };
        self.change_user(user, |user| {
            if text(user.default_wckey.as_ref()) == gone {
                user.default_wckey = Some(first.unwrap_or_default());
            }
        });
    }
}
