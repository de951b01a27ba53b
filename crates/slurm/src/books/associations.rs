//! Showing associations.

use super::inherit::Tree;
use super::kept::Kept;
use super::{Books, passes, text};
use crate::objects::{Association, AssociationShort, DbdDeleteAssociationQuery};
use crate::table::Csv;

/// Which associations are wanted, and what of them. An empty list of anything means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a parameter of the URL")]
pub struct AssociationsWanted {
    /// Accounts.
    pub accounts: Vec<String>,
    /// Clusters.
    pub clusters: Vec<String>,
    /// Users.
    pub users: Vec<String>,
    /// Partitions.
    pub partitions: Vec<String>,
    /// Numbers.
    pub ids: Vec<String>,
    /// The accounts above.
    pub parents: Vec<String>,
    /// QOS that may be used, one of them.
    pub qos: Vec<String>,
    /// Default QOS.
    pub default_qos: Vec<String>,
    /// Only a user's default associations.
    pub only_defaults: bool,
    /// With those that were removed.
    pub deleted: bool,
    /// With all accounts below those that are named.
    pub sub_accounts: bool,
    /// Without the name of the account above.
    pub without_parents: bool,
    /// Only what is set itself, not what is inherited.
    pub without_inherited: bool,
    /// Only the QOS that are set themselves.
    pub own_qos: bool,
}

impl AssociationsWanted {
    /// What a query asks for. Its words were other ones up to v0.0.41.
    pub fn of(query: &DbdDeleteAssociationQuery) -> Self {
        let list = |csv: &Option<Csv>| csv.clone().unwrap_or_default().0;
        let either = |a: Option<bool>, b: Option<bool>| a == Some(true) || b == Some(true);
        Self {
            accounts: list(&query.account),
            clusters: list(&query.cluster),
            users: list(&query.user),
            partitions: list(&query.partition),
            ids: list(&query.id),
            parents: list(&query.parent_account),
            qos: list(&query.qos),
            default_qos: list(&query.default_qos),
            only_defaults: either(query.only_defaults, query.filter_to_only_defaults),
            deleted: either(query.with_deleted, query.include_deleted_associations),
            sub_accounts: either(query.with_sub_accts, query.include_sub_acct_information),
            without_parents: either(query.without_parent_info, query.exclude_parent_id_name),
            without_inherited: either(query.without_parent_limits, query.exclude_limits_from_parents),
            own_qos: either(query.with_raw_qos, query.include_the_raw_qos_or_delta_qos),
        }
    }

    /// Whether it says which: what is removed by it must be named.
    pub fn is_narrow(&self) -> bool {
        [&self.accounts, &self.users, &self.partitions, &self.ids, &self.parents, &self.qos, &self.default_qos]
            .iter()
            .any(|filter| !filter.is_empty())
    }
}

impl Books {
    /// The associations that are wanted, by cluster and lineage.
    pub fn associations(&self, wanted: &AssociationsWanted) -> Vec<Association> {
        let tree = Tree::of(self);
        let mut shown: Vec<Association> =
            self.matching(wanted, &tree).into_iter().map(|one| show(one, wanted, &tree)).collect();
        shown.sort_by(|a, b| (&a.cluster, &a.lineage, a.id).cmp(&(&b.cluster, &b.lineage, b.id)));
        shown
    }

    pub(super) fn matching<'a>(&'a self, wanted: &AssociationsWanted, tree: &Tree<'a>) -> Vec<&'a Association> {
        self.associations.values().filter(|one| self.is_wanted(one, wanted, tree)).collect()
    }

    fn is_wanted<'a>(&'a self, one: &'a Association, wanted: &AssociationsWanted, tree: &Tree<'a>) -> bool {
        let (cluster, account) = (text(one.cluster.as_ref()), text(one.account.as_ref()));
        let under = || {
            let chain = tree.chain(cluster, account);
            chain.iter().any(|above| passes(&wanted.accounts, text(above.account.as_ref())))
        };
        let plain = (wanted.deleted || !one.is_deleted())
            && passes(&wanted.clusters, cluster)
            && passes(&wanted.users, text(one.user.as_ref()))
            && passes(&wanted.partitions, text(one.partition.as_ref()))
            && passes(&wanted.parents, text(one.parent_account.as_ref()))
            && passes(&wanted.ids, &one.id.unwrap_or_default().to_string())
            && (!wanted.only_defaults || one.is_default == Some(true))
            && (passes(&wanted.accounts, account) || (wanted.sub_accounts && under()));
        if !plain || (wanted.qos.is_empty() && wanted.default_qos.is_empty()) {
            return plain;
        }
        let effective = tree.effective(one);
        let same = |asked: &[String], name: &str| asked.is_empty() || asked.iter().any(|one| self.is_qos(one, name));
        same(&wanted.default_qos, text(effective.default_qos.as_ref()))
            && (wanted.qos.is_empty() || effective.qos.iter().flatten().any(|name| same(&wanted.qos, name)))
    }
}

fn show<'a>(one: &'a Association, wanted: &AssociationsWanted, tree: &Tree<'a>) -> Association {
    let mut shown = if wanted.without_inherited { one.clone() } else { tree.effective(one) };
    if wanted.own_qos {
        shown.qos.clone_from(&one.qos);
    }
    if wanted.without_parents {
        shown.parent_account = Some(String::new());
    }
    shown.lineage = Some(tree.lineage(one));
    shown.id_old = Some(short(one));
    shown
}

/// An association in few words.
pub(super) fn short(one: &Association) -> AssociationShort {
    AssociationShort {
        account: one.account.clone(),
        cluster: one.cluster.clone(),
        partition: one.partition.clone(),
        user: one.user.clone(),
        id: one.id,
    }
}

/// An association as a line of text, as answers name what was added or removed.
pub(super) fn line(one: &Association) -> String {
    let (cluster, account) = (text(one.cluster.as_ref()), text(one.account.as_ref()));
    let mut line = format!("C = {cluster:<10} A = {account:<20}");
    for (letter, field) in [('U', &one.user), ('P', &one.partition)] {
        let name = text(field.as_ref());
        if !name.is_empty() {
            line = format!("{line} {letter} = {name:<9}");
        }
    }
    line
}
