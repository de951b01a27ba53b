//! All of the books at once: the calls `config`.

use super::{
    AccountsWanted, AssociationsWanted, Books, ClustersWanted, InstancesWanted, QosWanted, UsersWanted, WcKeysWanted,
};
use crate::cluster::Answer;
use crate::objects::DbdConfigResp;

impl Books {
    /// Everything that is there.
    pub fn dump(&self) -> DbdConfigResp {
        DbdConfigResp {
            clusters: Some(self.clusters(&ClustersWanted::default())),
            tres: Some(self.tres()),
            accounts: Some(self.accounts(&AccountsWanted::whole())),
            users: Some(self.users(&UsersWanted::whole())),
            qos: Some(self.qos(&QosWanted::default())),
            wckeys: Some(self.wckeys(&WcKeysWanted::default())),
            associations: Some(self.associations(&AssociationsWanted::default())),
            instances: Some(self.instances(&InstancesWanted::default())),
            ..DbdConfigResp::default()
        }
    }

    /// Makes and changes everything that is given, as [`Self::dump`] gives it: nothing is removed. Users come before the
    /// accounts that they coordinate, and accounts above others before those.
    pub fn load(&mut self, given: &DbdConfigResp) -> Answer<()> {
        given.clusters.iter().flatten().try_for_each(|one| self.put_cluster(one))?;
        for tres in given.tres.iter().flatten() {
            self.learn_tres([super::tres::full_name(tres).as_str()]);
        }
        given.qos.iter().flatten().try_for_each(|one| self.put_qos(&without_preempted(one)))?;
        given.qos.iter().flatten().try_for_each(|one| self.put_qos(one))?;
        let plain = |user: &crate::objects::User| crate::objects::User {
            associations: None,
            coordinators: None,
            default_account: None,
            ..user.clone()
        };
        for account in given.accounts.iter().flatten() {
            self.put_account(&crate::objects::Account { coordinators: None, ..account.clone() })?;
        }
        given.users.iter().flatten().try_for_each(|one| self.put_user(&plain(one)))?;
        given.accounts.iter().flatten().try_for_each(|one| self.put_account(one))?;
        given.wckeys.iter().flatten().try_for_each(|one| self.put_wckey(one).map(drop))?;
        given.associations.iter().flatten().try_for_each(|one| self.put_association(one))?;
        given.users.iter().flatten().try_for_each(|one| self.put_user(one))
    }
}

/// QOS may preempt each other: all are there before any names another.
fn without_preempted(qos: &crate::objects::Qos) -> crate::objects::Qos {
    crate::objects::Qos { preempt_list: None, ..qos.clone() }
}
