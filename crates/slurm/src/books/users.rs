//! Users.

use super::associations::short;
use super::inherit::Tree;
use super::kept::{Kept, complete};
use super::{Books, Level, Live, ROOT, check_name, passes, text};
use crate::cluster::{Answer, Fault};
use crate::errno::Errno;
use crate::objects::{Association, Coordinator, DbdUserQuery, DbdUsersQuery, User, WcKey};
use crate::table::Flags;

/// Which users are wanted, and what of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a parameter of the URL")]
pub struct UsersWanted {
    /// Only these; empty: all.
    pub names: Vec<String>,
    /// Only those who may do this.
    pub level: Option<Level>,
    /// Only those with one of these default accounts; empty: all.
    pub default_accounts: Vec<String>,
    /// Only those with one of these default workload keys; empty: all.
    pub default_wckeys: Vec<String>,
    /// With those that were removed.
    pub deleted: bool,
    /// With their associations, and their default account.
    pub associations: bool,
    /// With the accounts that they coordinate.
    pub coordinators: bool,
    /// With their workload keys, and the default one.
    pub wckeys: bool,
    /// Without their defaults.
    pub no_defaults: bool,
}

impl UsersWanted {
    /// What a query for one user asks for.
    pub fn one(name: &str, query: &DbdUserQuery) -> Self {
        Self {
            names: vec![name.to_owned()],
            deleted: query.with_deleted == Some(true),
            associations: query.with_assocs == Some(true),
            coordinators: query.with_coords == Some(true),
            wckeys: query.with_wckeys == Some(true),
            ..Self::default()
        }
    }

    /// What a query for users asks for.
    pub fn many(query: &DbdUsersQuery) -> Self {
        Self {
            names: Vec::new(),
            level: Level::of(query.admin_level.as_ref()),
            default_accounts: query.default_account.clone().unwrap_or_default().0,
            default_wckeys: query.default_wckey.clone().unwrap_or_default().0,
            deleted: query.with_deleted == Some(true),
            associations: query.with_assocs == Some(true),
            coordinators: query.with_coords == Some(true),
            wckeys: query.with_wckeys == Some(true),
            no_defaults: query.without_defaults == Some(true),
        }
    }

    /// All, with everything.
    pub(super) fn whole() -> Self {
        Self { associations: true, coordinators: true, wckeys: true, ..Self::default() }
    }
}

impl Books {
    /// The users that are wanted, by name.
    pub fn users(&self, wanted: &UsersWanted) -> Vec<User> {
        let tree = Tree::of(self);
        let shown = self.users.values().filter(|user| {
            let name = text(user.name.as_ref());
            (wanted.deleted || !user.is_deleted())
                && passes(&wanted.names, name)
                && wanted.level.is_none_or(|level| user.level() == level)
                && passes(&wanted.default_accounts, &self.default_account(&self.cluster, name).unwrap_or_default())
                && passes(&wanted.default_wckeys, text(user.default_wckey.as_ref()))
        });
        shown.map(|user| self.show_user(user, wanted, &tree)).collect()
    }

    fn show_user(&self, user: &User, wanted: &UsersWanted, tree: &Tree<'_>) -> User {
        let name = text(user.name.as_ref());
        let mut shown = user.clone();
        if !user.is_deleted() {
            shown.flags = Some(Flags::of(["NONE"]));
        }
        let account = (wanted.associations && !wanted.no_defaults).then(|| self.default_account(&self.cluster, name));
        shown.default_account = Some(account.flatten().unwrap_or_default());
        if !wanted.wckeys || wanted.no_defaults {
            shown.default_wckey = Some(String::new());
        }
        if wanted.no_defaults {
            shown.default_qos = Some(0);
        }
        if wanted.associations {
            let own = |one: &&Association| text(one.user.as_ref()) == name && (wanted.deleted || !one.is_deleted());
            let mut own: Vec<&Association> = self.associations.values().filter(own).collect();
            own.sort_by_cached_key(|one| (one.cluster.clone(), tree.lineage(one)));
            shown.associations = Some(own.into_iter().map(short).collect());
        }
        if wanted.coordinators && !user.is_deleted() {
            shown.coordinators = Some(self.coordinated(name));
        }
        if wanted.wckeys {
            let own = |one: &&WcKey| text(one.user.as_ref()) == name && (wanted.deleted || !one.is_deleted());
            shown.wckeys = Some(self.wckeys.values().filter(own).cloned().collect());
        }
        shown
    }

    /// The accounts that a user coordinates, by name; directly or by one above it.
    fn coordinated(&self, user: &str) -> Vec<Coordinator> {
        let accounts = self.accounts.values().filter(|account| !account.is_deleted());
        let of = |name: &String| {
            let direct = self.coordinates_directly(user, name);
            (direct || self.coordinates(user, name))
                .then(|| Coordinator { name: Some(name.clone()), direct: Some(direct) })
        };
        accounts.filter_map(|account| of(account.name.as_ref()?)).collect()
    }

    /// Makes a user who may do this.
    pub(super) fn add_user(&mut self, name: &str, level: Level) {
        let user = User { name: Some(name.to_owned()), administrator_level: Some(level.flags()), ..User::default() };
        self.users.insert(name.to_owned(), complete(&user));
    }

    /// Makes a user, or changes what is given of one that is there; renames one that `old_name` names. Associations and
    /// workload keys that are given are made, too. A default account counts once there is an association with it.
    pub fn put_user(&mut self, given: &User) -> Answer<()> {
        let name = text(given.name.as_ref());
        check_name("user", name)?;
        if let Some(old) = given.old_name.as_deref().filter(|old| !old.is_empty() && *old != name) {
            self.rename_user(old, name)?;
        }
        if self.user(name).is_err() {
            self.add_user(name, Level::None);
        }
        if let Some(level) = Level::of(given.administrator_level.as_ref()) {
            self.change_user(name, |user| user.administrator_level = Some(level.flags()));
        }
        if let Some(id) = given.default_qos.filter(|id| *id != 0) {
            self.qos_numbered(id)?;
            self.change_user(name, |user| user.default_qos = Some(id));
        }
        for wckey in given.wckeys.iter().flatten() {
            self.put_wckey(&WcKey { user: Some(name.to_owned()), ..wckey.clone() })?;
        }
        if let Some(wckey) = given.default_wckey.as_deref().filter(|wckey| !wckey.is_empty()) {
            self.set_default_wckey(name, wckey)?;
        }
        for short in given.associations.iter().flatten() {
            let association = Association {
                account: short.account.clone(),
                cluster: short.cluster.clone(),
                partition: short.partition.clone(),
                user: Some(name.to_owned()),
                ..Association::default()
            };
            self.put_association(&association)?;
        }
        for coordinator in given.coordinators.iter().flatten() {
            self.add_coordinator(text(coordinator.name.as_ref()), name)?;
        }
        if let Some(account) = given.default_account.as_deref().filter(|account| !account.is_empty()) {
            self.set_default_account(name, account)?;
        }
        Ok(())
    }

    pub(super) fn change_user(&mut self, name: &str, change: impl FnOnce(&mut User)) {
        if let Some(user) = self.users.get_mut(name) {
            change(user);
        }
    }

    /// Sets the default account wherever the user has an association with it.
    pub(super) fn set_default_account(&mut self, user: &str, account: &str) -> Answer<()> {
        self.account(account)?;
        self.change_user(user, |user| user.default_account = Some(account.to_owned()));
        let clusters: Vec<String> = self.clusters.keys().cloned().collect();
        for cluster in clusters {
            self.settle_default(&cluster, user, Some(account));
        }
        Ok(())
    }

    fn add_coordinator(&mut self, account: &str, user: &str) -> Answer<()> {
        self.account(account)?;
        if let Some(account) = self.accounts.get_mut(account) {
            let list = account.coordinators.get_or_insert_default();
            if !list.iter().any(|one| text(one.name.as_ref()) == user) {
                list.push(Coordinator { name: Some(user.to_owned()), direct: Some(true) });
                list.sort_by(|a, b| a.name.cmp(&b.name));
            }
        }
        Ok(())
    }

    fn rename_user(&mut self, old: &str, new: &str) -> Answer<()> {
        self.user(old)?;
        if old == ROOT {
            return Err(Fault::new(Errno::ACCESS_DENIED, "the user root is part of every cluster: it keeps its name"));
        }
        if self.user(new).is_ok() {
            let description = format!("user {old:?} cannot be renamed to {new:?}: there is one of that name");
            return Err(Fault::new(Errno::INVALID_ARGUMENT, description));
        }
        // what was removed under the new name is not the same user's
        self.associations.retain(|_, one| text(one.user.as_ref()) != new);
        self.wckeys.retain(|_, one| text(one.user.as_ref()) != new);
        let Some(mut user) = self.users.remove(old) else { return Ok(()) };
        user.name = Some(new.to_owned());
        self.users.insert(new.to_owned(), user);
        let rename = |name: &mut Option<String>| {
            if text(name.as_ref()) == old {
                *name = Some(new.to_owned());
            }
        };
        self.associations.values_mut().for_each(|one| rename(&mut one.user));
        self.wckeys.values_mut().for_each(|one| rename(&mut one.user));
        for account in self.accounts.values_mut() {
            account.coordinators.iter_mut().flatten().for_each(|one| rename(&mut one.name));
        }
        Ok(())
    }

    /// Removes a user, with all associations, workload keys and coordinations. Gives the name, or nothing if there is no such
    /// user.
    pub fn delete_user(&mut self, name: &str, live: &Live) -> Answer<Vec<String>> {
        if self.user(name).is_err() {
            return Ok(Vec::new());
        }
        if name == ROOT {
            return Err(Fault::new(Errno::ACCESS_DENIED, "the user root is part of every cluster: it stays"));
        }
        let own = self.associations.iter().filter(|(_, one)| text(one.user.as_ref()) == name && !one.is_deleted());
        let own: Vec<i32> = own.map(|(id, _)| *id).collect();
        self.remove_associations(&own, live)?;
        for wckey in self.wckeys.values_mut().filter(|one| text(one.user.as_ref()) == name) {
            wckey.set_deleted(true);
        }
        for account in self.accounts.values_mut() {
            account.coordinators.get_or_insert_default().retain(|one| text(one.name.as_ref()) != name);
        }
        self.change_user(name, |user| {
            user.set_deleted(true);
            user.default_account = Some(String::new());
            user.default_wckey = Some(String::new());
        });
        Ok(vec![name.to_owned()])
    }
}
