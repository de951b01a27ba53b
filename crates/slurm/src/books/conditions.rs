//! Adding many at once: accounts or users, on clusters, with associations of one kind.

use std::collections::BTreeSet;

use super::associations::line;
use super::kept::complete;
use super::{Books, Level, check_name, text};
use crate::cluster::{Answer, Fault};
use crate::errno::Errno;
use crate::objects::{
    Account, AccountsAddCond, AccountsAddCondResp, AssocRecSet, Association, UsersAddCond, UsersAddCondResp, WcKey,
};

/// What was added, for the answer's text.
#[derive(Debug, Default)]
struct Added {
    names: Vec<String>,
    settings: Vec<(&'static str, String)>,
    associations: Vec<String>,
    wckeys: Vec<String>,
}

impl Added {
    /// As slurmdbd says it; `None`: nothing was added.
    fn text(&self, what: &str) -> Option<String> {
        if self.names.is_empty() && self.associations.is_empty() && self.wckeys.is_empty() {
            return None;
        }
        let mut lines = Vec::new();
        if !self.names.is_empty() {
            lines.push(format!(" Adding {what}(s)"));
            lines.extend(self.names.iter().map(|name| format!("  {name}")));
            let settings: Vec<_> = self.settings.iter().filter(|(_, value)| !value.is_empty()).collect();
            lines.extend((!settings.is_empty()).then(|| " Settings".to_owned()));
            lines.extend(settings.iter().map(|(name, value)| format!("  {name:<15} = {value}")));
        }
        for (title, added) in [("Associations", &self.associations), ("WCKeys", &self.wckeys)] {
            lines.extend((!added.is_empty()).then(|| format!(" {title} =")));
            lines.extend(added.iter().map(|line| format!("  {line}")));
        }
        Some(lines.join("\n") + "\n")
    }
}

impl Books {
    /// Adds accounts with their associations, as `POST accounts_association` asks. Gives what was added in words; `None`:
    /// everything was there already.
    pub fn add_accounts(&mut self, asked: &AccountsAddCondResp) -> Answer<Option<String>> {
        let condition = asked.association_condition.clone().unwrap_or_default();
        let AccountsAddCond { accounts, association, clusters } = condition;
        let accounts = named("accounts", accounts)?;
        let settings = association.unwrap_or_default();
        let given = asked.account.clone().unwrap_or_default();
        let mut added = Added {
            settings: vec![
                ("Description", text(given.description.as_ref()).to_owned()),
                ("Organization", text(given.organization.as_ref()).to_owned()),
            ],
            ..Added::default()
        };
        for name in &accounts {
            check_name("account", name)?;
            if self.account(name).is_err() {
                let or_name =
                    |field: &Option<String>| field.clone().filter(|text| !text.is_empty()).or(Some(name.clone()));
                let account = Account {
                    name: Some(name.clone()),
                    description: or_name(&given.description),
                    organization: or_name(&given.organization),
                    ..Account::default()
                };
                self.put_account(&account)?;
                added.names.push(name.clone());
            }
        }
        for cluster in self.clusters_meant(clusters)? {
            for account in &accounts {
                if self.has_association(&cluster, account, "", "") {
                    continue;
                }
                let association = Association {
                    account: Some(account.clone()),
                    cluster: Some(cluster.clone()),
                    parent_account: settings.parent.clone(),
                    ..of_settings(&settings)
                };
                self.put_association(&association)?;
                added.associations.push(line(&complete(&association)));
            }
        }
        Ok(added.text("Account"))
    }

    /// Adds users with their associations and workload keys, as `POST users_association` asks. Gives what was added in words;
    /// `None`: everything was there already.
    pub fn add_users(&mut self, asked: &UsersAddCondResp) -> Answer<Option<String>> {
        let condition = asked.association_condition.clone().unwrap_or_default();
        let UsersAddCond { accounts, association, clusters, partitions, users, wckeys } = condition;
        let users = named("users", users)?;
        let settings = association.unwrap_or_default();
        let given = asked.user.clone().unwrap_or_default();
        let list = |names: Option<Vec<String>>| -> Vec<String> {
            names.into_iter().flatten().filter(|name| !name.is_empty()).collect()
        };
        let mut accounts: BTreeSet<String> = list(accounts).into_iter().collect();
        accounts.extend(given.defaultaccount.clone().filter(|name| !name.is_empty()));
        for account in &accounts {
            self.account(account)?;
        }
        let mut partitions = list(partitions);
        if partitions.is_empty() {
            partitions.push(String::new());
        }
        let level = Level::of(given.adminlevel.as_ref());
        let mut added = Added {
            settings: vec![
                ("Default Account", text(given.defaultaccount.as_ref()).to_owned()),
                ("Default WCKey", text(given.defaultwckey.as_ref()).to_owned()),
                ("Admin Level", level.map(|level| level.as_str().to_owned()).unwrap_or_default()),
            ],
            ..Added::default()
        };
        let clusters = self.clusters_meant(clusters)?;
        let mut wckeys: BTreeSet<String> = list(wckeys).into_iter().collect();
        wckeys.extend(given.defaultwckey.clone().filter(|name| !name.is_empty()));
        for user in &users {
            check_name("user", user)?;
            if self.user(user).is_err() {
                self.add_user(user, level.unwrap_or_default());
                if let Some(id) = given.defaultqos.filter(|id| *id != 0) {
                    self.qos_numbered(id)?;
                    self.change_user(user, |user| user.default_qos = Some(id));
                }
                added.names.push(user.clone());
            }
            for cluster in &clusters {
                for (account, partition) in accounts.iter().flat_map(|a| partitions.iter().map(move |p| (a, p))) {
                    if self.has_association(cluster, account, user, partition) {
                        continue;
                    }
                    let association = Association {
                        account: Some(account.clone()),
                        cluster: Some(cluster.clone()),
                        user: Some(user.clone()),
                        partition: Some(partition.clone()),
                        ..of_settings(&settings)
                    };
                    self.put_association(&association)?;
                    added.associations.push(line(&complete(&association)));
                }
                for wckey in &wckeys {
                    let key = WcKey {
                        name: Some(wckey.clone()),
                        user: Some(user.clone()),
                        cluster: Some(cluster.clone()),
                        ..WcKey::default()
                    };
                    if self.put_wckey(&key)? {
                        added.wckeys.push(format!("C = {cluster:<10} W = {wckey:<20} U = {user:<9}"));
                    }
                }
            }
            if let Some(account) = given.defaultaccount.as_deref().filter(|name| !name.is_empty()) {
                self.set_default_account(user, account)?;
            }
            if let Some(wckey) = given.defaultwckey.as_deref().filter(|name| !name.is_empty()) {
                self.set_default_wckey(user, wckey)?;
            }
        }
        Ok(added.text("User"))
    }

    /// The clusters that are named, or all of them.
    fn clusters_meant(&self, named: Option<Vec<String>>) -> Answer<Vec<String>> {
        let named: Vec<String> = named.into_iter().flatten().filter(|name| !name.is_empty()).collect();
        if named.is_empty() {
            let all = self.clusters(&super::ClustersWanted::default());
            return Ok(all.into_iter().filter_map(|cluster| cluster.name).collect());
        }
        named.iter().map(|name| self.cluster_named(Some(name))).collect()
    }
}

fn named(what: &str, names: Option<Vec<String>>) -> Answer<Vec<String>> {
    let names: BTreeSet<String> = names.into_iter().flatten().filter(|name| !name.is_empty()).collect();
    if names.is_empty() {
        let description = format!("association_condition.{what} is empty: name at least one");
        return Err(Fault::new(Errno::INVALID_ARGUMENT, description));
    }
    Ok(names.into_iter().collect())
}

/// An association with these settings.
fn of_settings(settings: &AssocRecSet) -> Association {
    let AssocRecSet {
        comment,
        defaultqos,
        grpjobs,
        grpjobsaccrue,
        grpsubmitjobs,
        grptres,
        grptresmins,
        grptresrunmins,
        grpwall,
        maxjobs,
        maxjobsaccrue,
        maxsubmitjobs,
        maxtresminsperjob,
        maxtresrunmins,
        maxtresperjob,
        maxtrespernode,
        maxwalldurationperjob,
        minpriothresh,
        parent: _,
        priority,
        qoslevel,
        fairshare,
    } = settings.clone();
    Association {
        comment,
        default_qos: defaultqos,
        max_jobs_per_count: grpjobs,
        max_jobs_per_accruing: grpjobsaccrue,
        max_jobs_per_submitted: grpsubmitjobs,
        max_tres_total: grptres,
        max_tres_group_minutes: grptresmins,
        max_tres_group_active: grptresrunmins,
        max_per_account_wall_clock: grpwall,
        max_jobs_active: maxjobs,
        max_jobs_accruing: maxjobsaccrue,
        max_jobs_total: maxsubmitjobs,
        max_tres_minutes_per_job: maxtresminsperjob,
        max_tres_minutes_total: maxtresrunmins,
        max_tres_per_job: maxtresperjob,
        max_tres_per_node: maxtrespernode,
        max_jobs_per_wall_clock: maxwalldurationperjob,
        min_priority_threshold: minpriothresh,
        priority,
        qos: qoslevel,
        shares_raw: fairshare,
        ..Association::default()
    }
}
