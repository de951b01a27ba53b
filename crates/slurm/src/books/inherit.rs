//! The tree of accounts: what an association inherits from those above it.

use std::collections::BTreeMap;

use super::kept::Kept;
use super::{Books, text};
use crate::objects::{Association, Tres};
use crate::table::Num;

/// The associations of accounts, by cluster and account.
#[derive(Debug)]
pub(super) struct Tree<'a>(BTreeMap<(&'a str, &'a str), &'a Association>);

impl<'a> Tree<'a> {
    /// Those of some books. Of what was removed there is what is needed to show others that were.
    pub(super) fn of(books: &'a Books) -> Self {
        let mut map = BTreeMap::new();
        let mut accounts: Vec<&Association> =
            books.associations.values().filter(|one| text(one.user.as_ref()).is_empty()).collect();
        accounts.sort_by_key(|one| !one.is_deleted());
        for one in accounts {
            map.insert((text(one.cluster.as_ref()), text(one.account.as_ref())), one);
        }
        Self(map)
    }

    /// The associations of an account and of those above it, the account's own first.
    pub(super) fn chain(&self, cluster: &'a str, account: &'a str) -> Vec<&'a Association> {
        let mut chain: Vec<&'a Association> = Vec::new();
        let mut name = account;
        while let Some(one) = self.0.get(&(cluster, name)) {
            // no loop is ever made; one in a damaged file ends here
            if chain.len() > self.0.len() {
                break;
            }
            chain.push(one);
            name = text(one.parent_account.as_ref());
            if name.is_empty() {
                break;
            }
        }
        chain
    }

    /// Where an association is in the tree: `/physics/optics/0-alice/`, with the partition at the end. Sorting by it gives the
    /// order of Slurm's listings.
    pub(super) fn lineage(&self, association: &'a Association) -> String {
        let (cluster, account) = (text(association.cluster.as_ref()), text(association.account.as_ref()));
        let mut lineage = String::from("/");
        for above in self.chain(cluster, account).iter().rev() {
            if !text(above.parent_account.as_ref()).is_empty() {
                lineage.push_str(text(above.account.as_ref()));
                lineage.push('/');
            }
        }
        let (user, partition) = (text(association.user.as_ref()), text(association.partition.as_ref()));
        if !user.is_empty() {
            lineage.push_str("0-");
            lineage.push_str(user);
            lineage.push('/');
        }
        if !partition.is_empty() {
            lineage.push_str(partition);
            lineage.push('/');
        }
        lineage
    }

    /// The association with what it inherits: QOS, and limits of jobs and users. Limits of groups are those of each account
    /// alone.
    pub(super) fn effective(&self, association: &'a Association) -> Association {
        let mut effective = association.clone();
        let (cluster, account) = (text(association.cluster.as_ref()), text(association.account.as_ref()));
        let own = text(association.user.as_ref()).is_empty();
        for above in self.chain(cluster, account).into_iter().skip(usize::from(own)) {
            inherit(&mut effective, above);
        }
        effective
    }
}

pub(super) fn inherit(to: &mut Association, from: &Association) {
    if to.qos.as_ref().is_none_or(Vec::is_empty) {
        to.qos.clone_from(&from.qos);
    }
    if text(to.default_qos.as_ref()).is_empty() {
        to.default_qos.clone_from(&from.default_qos);
    }
    number(&mut to.max_jobs_active, from.max_jobs_active);
    number(&mut to.max_jobs_accruing, from.max_jobs_accruing);
    number(&mut to.max_jobs_total, from.max_jobs_total);
    number(&mut to.max_jobs_per_wall_clock, from.max_jobs_per_wall_clock);
    number(&mut to.min_priority_threshold, from.min_priority_threshold);
    number(&mut to.priority, from.priority);
    tres(&mut to.max_tres_minutes_total, from.max_tres_minutes_total.as_ref());
    tres(&mut to.max_tres_minutes_per_job, from.max_tres_minutes_per_job.as_ref());
    tres(&mut to.max_tres_per_job, from.max_tres_per_job.as_ref());
    tres(&mut to.max_tres_per_node, from.max_tres_per_node.as_ref());
}

fn number(to: &mut Option<Num<u32>>, from: Option<Num<u32>>) {
    if !matches!(to, Some(Num::Set(_))) {
        *to = from.or(*to);
    }
}

/// Each resource by itself.
fn tres(to: &mut Option<Vec<Tres>>, from: Option<&Vec<Tres>>) {
    let to = to.get_or_insert_default();
    for one in from.into_iter().flatten() {
        if !to.iter().any(|own| own.kind == one.kind && own.name == one.name) {
            to.push(one.clone());
        }
    }
}
