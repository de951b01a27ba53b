//! What the books allow a job: which association, QOS and workload key it runs under, and within which limits.

use super::inherit::Tree;
use super::kept::Kept;
use super::limits::{Bound, PerJob, Scope};
use super::tres::full_name;
use super::{Books, qos, text};
use crate::cluster::{Answer, Fault};
use crate::errno::Errno;
use crate::objects::{Association, Qos, Tres as TresEntry};
use crate::table::Num;

/// What of the books is enforced (`AccountingStorageEnforce`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of the configuration")]
pub struct Enforce {
    /// Who has no association submits nothing.
    pub associations: bool,
    /// Limits of associations and QOS hold.
    pub limits: bool,
    /// A job's QOS must be one that its association may use.
    pub qos: bool,
    /// A job's workload key must be one of its user's.
    pub wckeys: bool,
}

impl Enforce {
    /// Reads Slurm's words; `limits`, `qos` and `wckeys` need associations. Unknown words are named in the error.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut enforce = Self::default();
        for word in words {
            match word.trim().to_ascii_lowercase().as_str() {
                "none" | "" => continue,
                "associations" => {}
                "limits" | "safe" => enforce.limits = true,
                "qos" => enforce.qos = true,
                "wckeys" => enforce.wckeys = true,
                "all" => enforce = Self { associations: true, limits: true, qos: true, wckeys: true },
                other => {
                    return Err(format!(
                        "cannot enforce {other:?}: expected associations, limits, qos, wckeys, all or none"
                    ));
                }
            }
            enforce.associations = true;
        }
        Ok(enforce)
    }

    /// Slurm's words for it.
    pub fn words(self) -> Vec<&'static str> {
        let all =
            [(self.associations, "associations"), (self.limits, "limits"), (self.qos, "qos"), (self.wckeys, "wckeys")];
        all.into_iter().filter(|(on, _)| *on).map(|(_, word)| word).collect()
    }
}

/// What a job asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked<'a> {
    /// Whose it is.
    pub user: &'a str,
    /// The account that it is charged to; `None`: the user's default one.
    pub account: Option<&'a str>,
    /// Where it runs.
    pub partition: &'a str,
    /// Its QOS; `None`: the default one of the association.
    pub qos: Option<&'a str>,
    /// Its workload key; `None`: the user's default one.
    pub wckey: Option<&'a str>,
}

/// What the books say of a job.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Admission {
    /// The account that it is charged to; empty: none.
    pub account: String,
    /// Its QOS; empty: none.
    pub qos: String,
    /// Its workload key; empty: none.
    pub wckey: String,
    /// The number of its association; 0: it has none.
    pub association: i32,
    /// The partition of its association; empty: it is for all partitions.
    pub partition: String,
    /// Its account and those above it, up to the root.
    pub accounts: Vec<String>,
    /// Added to its priority.
    pub priority: u32,
    /// What the job alone may have.
    pub job: PerJob,
    /// What it may have together with others.
    pub bounds: Vec<Bound>,
}

impl Books {
    /// Under what a job runs. Refused is what is enforced and not so; what is not enforced passes as it was asked for.
    pub fn admit(&self, asked: &Asked<'_>, enforce: Enforce) -> Answer<Admission> {
        let tree = Tree::of(self);
        let default = || self.default_account(&self.cluster, asked.user);
        let account = asked.account.filter(|name| !name.is_empty()).map(str::to_owned).or_else(default);
        let account = account.unwrap_or_default();
        let found = self.association_for(&account, asked.user, asked.partition);
        if found.is_none() && enforce.associations {
            return Err(Fault::new(Errno::INVALID_ACCOUNT, no_association(asked, &account)));
        }
        let effective = found.map(|one| tree.effective(one)).unwrap_or_default();
        let qos_name = self.qos_for(asked, &effective, enforce)?;
        let qos = self.qos_named(&qos_name);
        let mut admission = Admission {
            wckey: self.wckey_for(asked, enforce)?,
            association: found.and_then(|one| one.id).unwrap_or_default(),
            partition: text(effective.partition.as_ref()).to_owned(),
            priority: set(effective.priority)
                .unwrap_or(0)
                .saturating_add(qos.and_then(|qos| set(qos.priority)).unwrap_or(0)),
            account,
            qos: qos_name,
            ..Admission::default()
        };
        let Some(own) = found else { return Ok(admission) };
        let chain = tree.chain(text(own.cluster.as_ref()), text(own.account.as_ref()));
        admission.accounts = chain.iter().map(|one| text(one.account.as_ref()).to_owned()).collect();
        if enforce.limits {
            let overridden = qos.cloned().unwrap_or_default();
            admission.job = per_job(&effective, &overridden);
            admission.bounds = self.bounds(asked.user, &effective, own, &chain, &overridden);
        }
        Ok(admission)
    }

    fn association_for(&self, account: &str, user: &str, partition: &str) -> Option<&Association> {
        let of = |one: &&Association| {
            !one.is_deleted()
                && text(one.cluster.as_ref()) == self.cluster
                && text(one.account.as_ref()) == account
                && text(one.user.as_ref()) == user
        };
        let on = |place: &str| self.associations.values().filter(of).find(|one| text(one.partition.as_ref()) == place);
        if user.is_empty() {
            return None;
        }
        on(partition).or_else(|| on(""))
    }

    fn qos_for(&self, asked: &Asked<'_>, effective: &Association, enforce: Enforce) -> Answer<String> {
        let allowed = effective.qos.as_deref().unwrap_or_default();
        let Some(name) = asked.qos.filter(|name| !name.is_empty()) else {
            let default = text(effective.default_qos.as_ref());
            let of_user = || {
                let id = self.user(asked.user).ok()?.default_qos.filter(|id| *id != 0)?;
                self.qos_numbered(id).ok()?.name.clone()
            };
            if !default.is_empty() {
                return Ok(default.to_owned());
            }
            let usual = of_user().unwrap_or_else(|| qos::NORMAL.to_owned());
            let may = !enforce.qos || allowed.contains(&usual);
            let usual = Some(usual).filter(|name| may && self.qos_named(name).is_some());
            return Ok(usual.or_else(|| allowed.first().cloned()).unwrap_or_default());
        };
        if !enforce.qos {
            return Ok(name.to_owned());
        }
        let name = self.check_qos(name)?;
        if allowed.contains(&name) {
            return Ok(name);
        }
        let description = format!("QOS {name:?} is not among those of the association: {}", allowed.join(","));
        Err(Fault::new(Errno::INVALID_QOS, description))
    }

    fn wckey_for(&self, asked: &Asked<'_>, enforce: Enforce) -> Answer<String> {
        let default = || self.user(asked.user).ok().and_then(|user| user.default_wckey.clone());
        let name = asked.wckey.filter(|name| !name.is_empty()).map(str::to_owned).or_else(default);
        let name = name.unwrap_or_default();
        let wanted = super::WcKeysWanted {
            names: vec![name.clone()],
            users: vec![asked.user.to_owned()],
            clusters: vec![self.cluster.clone()],
            ..super::WcKeysWanted::default()
        };
        if enforce.wckeys && self.wckeys(&wanted).is_empty() {
            let description = match name.as_str() {
                "" => format!("user {:?} has no default wckey: name one", asked.user),
                name => format!("{name:?} is no wckey of user {:?}", asked.user),
            };
            return Err(Fault::new(Errno::INVALID_WCKEY, description));
        }
        Ok(name)
    }

    fn bounds<'a>(
        &'a self,
        user: &str,
        effective: &Association,
        own: &'a Association,
        chain: &[&'a Association],
        qos: &Qos,
    ) -> Vec<Bound> {
        let (account, partition) = (text(own.account.as_ref()), text(own.partition.as_ref()));
        let mut bounds = vec![Bound {
            scope: Scope::Association(account.to_owned(), user.to_owned(), partition.to_owned()),
            running: set(effective.max_jobs_active),
            submitted: set(effective.max_jobs_total),
            tres: Vec::new(),
            reason: "Assoc",
        }];
        let group = |one: &Association, scope: Scope| Bound {
            scope,
            running: set(one.max_jobs_per_count),
            submitted: set(one.max_jobs_per_submitted),
            tres: amounts(one.max_tres_total.as_ref()),
            reason: "AssocGrp",
        };
        bounds.push(group(own, bounds[0].scope.clone()));
        for above in chain {
            let bound = group(above, Scope::Accounts(Vec::new()));
            if bound.limits() {
                let accounts = self.accounts_below(text(above.account.as_ref()));
                bounds.push(Bound { scope: Scope::Accounts(accounts), ..bound });
            }
        }
        let name = || text(qos.name.as_ref()).to_owned();
        bounds.push(Bound {
            scope: Scope::Qos(name()),
            running: set(qos.limits_max_active_jobs_count),
            submitted: set(qos.limits_max_jobs_count),
            tres: amounts(qos.limits_max_tres_total.as_ref()),
            reason: "QOSGrp",
        });
        bounds.push(Bound {
            scope: Scope::QosUser(name(), user.to_owned()),
            running: set(qos.limits_max_jobs_active_jobs_per_user),
            submitted: set(qos.limits_max_jobs_per_user),
            tres: amounts(qos.limits_max_tres_per_user.as_ref()),
            reason: "QOSMax",
        });
        bounds.push(Bound {
            scope: Scope::QosAccount(name(), account.to_owned()),
            running: set(qos.limits_max_jobs_active_jobs_per_account),
            submitted: set(qos.limits_max_jobs_per_account),
            tres: amounts(qos.limits_max_tres_per_account.as_ref()),
            reason: "QOSMax",
        });
        bounds.retain(Bound::limits);
        bounds
    }

    /// An account of our cluster, and all accounts below it.
    fn accounts_below(&self, account: &str) -> Vec<String> {
        let below = self.below(&self.cluster, account);
        let of = |id: &i32| self.associations.get(id).filter(|one| text(one.user.as_ref()).is_empty());
        let names = below.iter().filter_map(of).map(|one| text(one.account.as_ref()).to_owned());
        std::iter::once(account.to_owned()).chain(names.filter(|name| name != account)).collect()
    }
}

fn no_association(asked: &Asked<'_>, account: &str) -> String {
    if account.is_empty() {
        return format!(
            "user {:?} has no default account: name an account that the user has an association with",
            asked.user
        );
    }
    format!("user {:?} has no association with account {account:?} in partition {:?}", asked.user, asked.partition)
}

fn set(number: Option<Num<u32>>) -> Option<u32> {
    number.and_then(Num::number)
}

fn amounts(list: Option<&Vec<TresEntry>>) -> Vec<(String, u64)> {
    let amount = |one: &TresEntry| Some((canonical(one), u64::try_from(one.count?).ok()?));
    list.into_iter().flatten().filter_map(amount).collect()
}

/// Some say `memory`.
fn canonical(one: &TresEntry) -> String {
    let name = full_name(one);
    if name == "memory" { "mem".to_owned() } else { name }
}

/// A QOS's limits of one job stand before those of the association, resource by resource.
fn per_job(association: &Association, qos: &Qos) -> PerJob {
    let first = |qos: Option<&Vec<TresEntry>>, association: Option<&Vec<TresEntry>>| {
        let mut amounts_of = amounts(qos);
        for (name, count) in amounts(association) {
            if !amounts_of.iter().any(|(known, _)| *known == name) {
                amounts_of.push((name, count));
            }
        }
        amounts_of
    };
    PerJob {
        minutes: set(qos.limits_max_wall_clock_per_job).or(set(association.max_jobs_per_wall_clock)),
        tres: first(qos.limits_max_tres_per_job.as_ref(), association.max_tres_per_job.as_ref()),
        tres_per_node: first(qos.limits_max_tres_per_node.as_ref(), association.max_tres_per_node.as_ref()),
        tres_minutes: first(
            qos.limits_max_tres_minutes_per_job.as_ref(),
            association.max_tres_minutes_per_job.as_ref(),
        ),
        least: amounts(qos.limits_min_tres_per_job.as_ref()),
    }
}
