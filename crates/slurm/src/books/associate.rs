//! Making, changing and removing associations.

use std::collections::BTreeSet;

use super::associations::line;
use super::inherit::Tree;
use super::kept::{Kept, complete};
use super::{AssociationsWanted, Books, Live, ROOT, check_name, text};
use crate::cluster::{Answer, Fault};
use crate::errno::Errno;
use crate::objects::{Association, Tres};
use crate::table::{Num, Object};

/// An association that limits nothing.
fn fresh(cluster: &str, account: &str, user: &str, partition: &str) -> Association {
    let none = Some(Num::Infinite);
    let own = |text: &str| Some(text.to_owned());
    Association {
        cluster: own(cluster),
        account: own(account),
        user: own(user),
        partition: own(partition),
        parent_account: own(if user.is_empty() && account != ROOT { ROOT } else { "" }),
        shares_raw: Some(1),
        max_jobs_per_count: none,
        max_jobs_per_accruing: none,
        max_jobs_per_submitted: none,
        max_jobs_per_wall_clock: none,
        max_jobs_active: none,
        max_jobs_accruing: none,
        max_jobs_total: none,
        max_per_account_wall_clock: none,
        min_priority_threshold: none,
        priority: none,
        ..Association::default()
    }
}

impl Books {
    /// The number of the association of these, whether it was removed or not.
    fn association_of(&self, cluster: &str, account: &str, user: &str, partition: &str) -> Option<i32> {
        let is = |one: &Association| {
            text(one.account.as_ref()) == account
                && text(one.user.as_ref()) == user
                && text(one.partition.as_ref()) == partition
                && text(one.cluster.as_ref()) == cluster
        };
        self.associations.iter().find(|(_, one)| is(one)).map(|(id, _)| *id)
    }

    /// Whether there is an association of these.
    pub(super) fn has_association(&self, cluster: &str, account: &str, user: &str, partition: &str) -> bool {
        let id = self.association_of(cluster, account, user, partition);
        id.and_then(|id| self.associations.get(&id)).is_some_and(|one| !one.is_deleted())
    }

    /// Makes an association unless it is there, and that of its account; the names must be checked. Gives its number.
    pub(super) fn add_association(&mut self, cluster: &str, account: &str, user: &str, partition: &str) -> i32 {
        let known = self.association_of(cluster, account, user, partition);
        if let Some(id) = known.filter(|id| self.associations.get(id).is_some_and(|one| !one.is_deleted())) {
            return id;
        }
        let root = user.is_empty() && account == ROOT;
        if !root && !self.has_association(cluster, ROOT, "", "") {
            self.add_association(cluster, ROOT, "", "");
        }
        if !user.is_empty() && !self.has_association(cluster, account, "", "") {
            self.add_association(cluster, account, "", "");
        }
        let id = known.unwrap_or_else(|| {
            self.next.association += 1;
            self.next.association - 1
        });
        let mut association = Association { id: Some(id), ..fresh(cluster, account, user, partition) };
        if root {
            association.qos = Some(vec![super::qos::NORMAL.into()]);
        }
        self.associations.insert(id, complete(&association));
        if !user.is_empty() {
            self.settle_default(cluster, user, None);
        }
        id
    }

    /// Makes an association, or changes what is given of one that is there.
    pub fn put_association(&mut self, given: &Association) -> Answer<()> {
        let cluster = self.cluster_named(given.cluster.as_ref())?;
        let (account, user) = (text(given.account.as_ref()), text(given.user.as_ref()));
        let partition = text(given.partition.as_ref());
        self.account(account)?;
        if user.is_empty() {
            if !partition.is_empty() {
                let description = format!("an association with partition {partition:?} needs a user: name one");
                return Err(Fault::new(Errno::INVALID_ARGUMENT, description));
            }
        } else {
            self.user(user)?;
        }
        if !partition.is_empty() {
            check_name("partition", partition)?;
        }
        let qos = given.qos.as_ref().map(|list| self.check_qos_list(list)).transpose()?;
        let default_qos = given.default_qos.as_deref().map(|name| self.check_qos(name)).transpose()?;
        self.add_association(&cluster, account, user, partition);
        let Some(id) = self.association_of(&cluster, account, user, partition) else { return Ok(()) };
        if let Some(parent) = given.parent_account.as_deref().filter(|name| user.is_empty() && !name.is_empty()) {
            self.set_parent(&cluster, account, parent, id)?;
        }
        let changed = self.changed(id, given, qos, default_qos)?;
        self.associations.insert(id, complete(&changed));
        if given.is_default == Some(true) && !user.is_empty() {
            self.settle_default(&cluster, user, Some(account));
        }
        Ok(())
    }

    /// The association with what is given of it.
    fn changed(
        &self,
        id: i32,
        given: &Association,
        qos: Option<Vec<QosChange>>,
        default_qos: Option<String>,
    ) -> Answer<Association> {
        let tree = Tree::of(self);
        let known = self.associations.get(&id).ok_or_else(|| Fault::new(Errno::GENERAL, "the association is gone"))?;
        let mut changed = known.clone();
        changed.take_given(&Association {
            // what says which one it is, is derived, or has rules of its own
            cluster: None,
            account: None,
            user: None,
            partition: None,
            parent_account: None,
            accounting: None,
            flags: None,
            id: None,
            id_old: None,
            is_default: None,
            lineage: None,
            qos: None,
            default_qos: None,
            shares_raw: given.shares_raw.filter(|shares| *shares > 0),
            ..given.clone()
        });
        for list in [
            &mut changed.max_tres_total,
            &mut changed.max_tres_group_minutes,
            &mut changed.max_tres_group_active,
            &mut changed.max_tres_minutes_total,
            &mut changed.max_tres_minutes_per_job,
            &mut changed.max_tres_per_job,
            &mut changed.max_tres_per_node,
        ] {
            *list = Some(self.resolve_tres(list.as_deref().unwrap_or(&[]) as &[Tres]));
        }
        let chosen = qos.is_some() || default_qos.is_some();
        if let Some(changes) = qos {
            changed.qos = Some(apply(&changes, tree.effective(known).qos.unwrap_or_default()));
        }
        if let Some(name) = default_qos {
            changed.default_qos = Some(name);
        }
        if chosen {
            let effective = effective(&changed, &tree);
            let (list, name) = (effective.qos.unwrap_or_default(), text(effective.default_qos.as_ref()));
            if !name.is_empty() && !list.iter().any(|one| one == name) {
                let description =
                    format!("the default QOS {name:?} is not among those that may be used: {}", list.join(","));
                return Err(Fault::new(Errno::INVALID_QOS, description));
            }
        }
        Ok(changed)
    }

    fn set_parent(&mut self, cluster: &str, account: &str, parent: &str, id: i32) -> Answer<()> {
        self.account(parent).map_err(|fault| Fault { errno: Errno::INVALID_PARENT_ACCOUNT, ..fault })?;
        if account == ROOT {
            let description = "the account root is above all others: it has no parent";
            return Err(Fault::new(Errno::INVALID_PARENT_ACCOUNT, description));
        }
        self.add_association(cluster, parent, "", "");
        let tree = Tree::of(self);
        if tree.chain(cluster, parent).iter().any(|above| text(above.account.as_ref()) == account) {
            let description = format!("account {parent:?} is account {account:?} or below it: name another parent");
            return Err(Fault::new(Errno::SAME_PARENT_ACCOUNT, description));
        }
        if let Some(association) = self.associations.get_mut(&id) {
            association.parent_account = Some(parent.to_owned());
        }
        Ok(())
    }

    /// The default account of a user on a cluster.
    pub(super) fn default_account(&self, cluster: &str, user: &str) -> Option<String> {
        self.of_user(cluster, user).find(|one| one.is_default == Some(true)).and_then(|one| one.account.clone())
    }

    fn of_user<'a>(&'a self, cluster: &'a str, user: &'a str) -> impl Iterator<Item = &'a Association> {
        self.associations.values().filter(move |one| {
            !one.is_deleted() && text(one.user.as_ref()) == user && text(one.cluster.as_ref()) == cluster
        })
    }

    /// Takes care that a user has one default account on a cluster: the preferred one, or else the one that is, the one that was
    /// wished for, or the oldest.
    pub(super) fn settle_default(&mut self, cluster: &str, user: &str, preferred: Option<&str>) {
        let has = |account: &str| self.of_user(cluster, user).any(|one| text(one.account.as_ref()) == account);
        let wished = self.users.get(user).and_then(|user| user.default_account.clone()).filter(|name| has(name));
        let chosen = preferred.filter(|name| has(name)).map(str::to_owned).or_else(|| {
            let oldest = || self.of_user(cluster, user).next().and_then(|one| one.account.clone());
            self.default_account(cluster, user).or(wished).or_else(oldest)
        });
        let own = |one: &&mut Association| text(one.user.as_ref()) == user && text(one.cluster.as_ref()) == cluster;
        for one in self.associations.values_mut().filter(own) {
            one.is_default = Some(!one.is_deleted() && one.account == chosen);
        }
    }

    /// The associations of an account, of the accounts below it, and of all of their users.
    pub(super) fn below(&self, cluster: &str, account: &str) -> Vec<i32> {
        let tree = Tree::of(self);
        let is_below = |one: &Association| {
            text(one.cluster.as_ref()) == cluster
                && !one.is_deleted()
                && tree
                    .chain(text(one.cluster.as_ref()), text(one.account.as_ref()))
                    .iter()
                    .any(|above| text(above.account.as_ref()) == account)
        };
        self.associations.iter().filter(|(_, one)| is_below(one)).map(|(id, _)| *id).collect()
    }

    /// Removes the associations that are wanted; with that of an account go all that are below it. Gives them as lines of text.
    pub fn delete_associations(&mut self, wanted: &AssociationsWanted, live: &Live) -> Answer<Vec<String>> {
        if !wanted.is_narrow() {
            let description = "name the account, user, partition, parent, QOS or id of what is to be removed";
            return Err(Fault::new(Errno::INVALID_ARGUMENT, description));
        }
        let wanted = AssociationsWanted { deleted: false, ..wanted.clone() };
        let tree = Tree::of(self);
        let matching = self.matching(&wanted, &tree);
        let mut gone: BTreeSet<i32> = BTreeSet::new();
        for one in matching {
            let (cluster, account) = (text(one.cluster.as_ref()), text(one.account.as_ref()));
            if text(one.user.as_ref()).is_empty() {
                if account == ROOT {
                    let description = "the association of the account root is part of every cluster: it stays";
                    return Err(Fault::new(Errno::ACCESS_DENIED, description));
                }
                gone.extend(self.below(cluster, account));
            }
            gone.extend(one.id);
        }
        let gone: Vec<i32> = gone.into_iter().collect();
        self.remove_associations(&gone, live)
    }

    /// Removes these associations, unless one of them has jobs that wait or run. Gives them as lines of text.
    pub(super) fn remove_associations(&mut self, ids: &[i32], live: &Live) -> Answer<Vec<String>> {
        let there = ids.iter().filter_map(|id| self.associations.get(id)).filter(|one| !one.is_deleted());
        let used = there.clone().find(|one| {
            text(one.cluster.as_ref()) == self.cluster && live.uses(text(one.account.as_ref()), text(one.user.as_ref()))
        });
        if let Some(used) = used {
            let description = format!("jobs of {} wait or run: cancel them first", line(used).trim_end());
            return Err(Fault::new(Errno::JOBS_RUNNING_ON_ASSOC, description));
        }
        let lines: Vec<String> = there.map(line).collect();
        let mut users: BTreeSet<(String, String)> = BTreeSet::new();
        for id in ids {
            let Some(one) = self.associations.get_mut(id) else { continue };
            one.set_deleted(true);
            one.is_default = Some(false);
            users.insert((text(one.cluster.as_ref()).to_owned(), text(one.user.as_ref()).to_owned()));
        }
        for (cluster, user) in users.into_iter().filter(|(_, user)| !user.is_empty()) {
            self.settle_default(&cluster, &user, None);
        }
        Ok(lines)
    }
}

fn effective(association: &Association, tree: &Tree<'_>) -> Association {
    let mut effective = association.clone();
    let (cluster, account) = (text(association.cluster.as_ref()), text(association.account.as_ref()));
    let above = tree.chain(cluster, account);
    let own = text(association.user.as_ref()).is_empty();
    for one in above.into_iter().skip(usize::from(own)) {
        super::inherit::inherit(&mut effective, one);
    }
    effective
}

/// What a request's item of a list of QOS means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum QosChange {
    /// `name`: it is one of those that may be used.
    Set(String),
    /// `+name`: that one, too.
    Add(String),
    /// `-name`: not that one.
    Remove(String),
}

/// The QOS that may be used, after a request. If it only adds and removes, it starts from those that are inherited.
fn apply(changes: &[QosChange], inherited: Vec<String>) -> Vec<String> {
    let relative = !changes.is_empty() && !changes.iter().any(|change| matches!(change, QosChange::Set(_)));
    let mut list = if relative { inherited } else { Vec::new() };
    for change in changes {
        match change {
            QosChange::Set(name) | QosChange::Add(name) => {
                if !list.contains(name) {
                    list.push(name.clone());
                }
            }
            QosChange::Remove(name) => list.retain(|one| one != name),
        }
    }
    list
}
