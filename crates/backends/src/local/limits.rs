//! What the accounting books limit, in the scheduler's terms. It is kept beside the books, so that a pass over the queue need
//! not read those.

use std::collections::BTreeMap;

use jobgate_slurm::books::{AssociationsWanted, Books, QosWanted};
use jobgate_slurm::objects::{Association, Qos as QosEntry, Tres};
use jobgate_slurm::table::Num;
use serde::{Deserialize, Serialize};

use super::settings::Qos;

/// Limits by whom they are for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Limits {
    /// Qualities of service by name.
    pub(super) qos: BTreeMap<String, Qos>,
    /// So many runs of a user of an account run at the same time: by account, then by login.
    pub(super) users: BTreeMap<String, BTreeMap<String, u64>>,
    /// By account.
    pub(super) accounts: BTreeMap<String, AccountLimits>,
}

/// Limits of an account: of its runs and of those of all accounts below it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct AccountLimits {
    /// So many run at the same time.
    pub(super) runs: Option<u64>,
    /// They use at most so many cores together.
    pub(super) cores: Option<u64>,
    /// The accounts above it, the next one first.
    pub(super) above: Vec<String>,
}

impl Limits {
    /// Those of the cluster that the books are of. Limits of associations with a partition are looked at when runs are queued.
    pub(super) fn of(books: &Books) -> Self {
        let own = AssociationsWanted { clusters: vec![books.cluster().to_owned()], ..AssociationsWanted::default() };
        let mut limits = Self::default();
        for one in books.associations(&own) {
            let (account, user) = (one.account.clone().unwrap_or_default(), one.user.clone().unwrap_or_default());
            let runs = number(one.max_jobs_per_count);
            if user.is_empty() {
                let above = one.parent_account.clone().filter(|parent| !parent.is_empty()).into_iter().collect();
                let cores = cores(one.max_tres_total.as_ref());
                limits.accounts.insert(account, AccountLimits { runs, cores, above });
            } else if let Some(most) = at_once(&one).filter(|_| one.partition.as_deref().is_none_or(str::is_empty)) {
                limits.users.entry(account).or_default().insert(user, most);
            }
        }
        limits.climb();
        for qos in books.qos(&QosWanted::default()) {
            limits.qos.insert(qos.name.clone().unwrap_or_default(), quality(&qos));
        }
        limits
    }

    /// Names all accounts above each, and leaves out those that nothing limits.
    fn climb(&mut self) {
        let parents: BTreeMap<String, Option<String>> =
            self.accounts.iter().map(|(name, limits)| (name.clone(), limits.above.first().cloned())).collect();
        let parent = |name: &String| parents.get(name).cloned().flatten();
        for (name, limits) in &mut self.accounts {
            limits.above = std::iter::successors(parent(name), parent).take(parents.len()).collect();
        }
        let limited: Vec<String> = self
            .accounts
            .iter()
            .filter(|(_, limits)| limits.runs.is_some() || limits.cores.is_some())
            .map(|(name, _)| name.clone())
            .collect();
        self.accounts.retain(|name, limits| {
            limits.above.retain(|above| limited.contains(above));
            limited.contains(name) || !limits.above.is_empty()
        });
    }

    /// An account and those above it, as far as they are limited.
    pub(super) fn chain<'a>(&'a self, account: &'a str) -> impl Iterator<Item = &'a str> {
        let own = self.accounts.get_key_value(account);
        own.into_iter().flat_map(|(name, limits)| std::iter::once(name).chain(&limits.above)).map(String::as_str)
    }
}

/// So many runs of a user's association run at once.
fn at_once(one: &Association) -> Option<u64> {
    [one.max_jobs_active, one.max_jobs_per_count].into_iter().filter_map(number).min()
}

fn number(limit: Option<Num<u32>>) -> Option<u64> {
    limit.and_then(Num::number).map(u64::from)
}

fn cores(tres: Option<&Vec<Tres>>) -> Option<u64> {
    let cpu = tres?.iter().find(|one| one.kind.as_deref() == Some("cpu"))?;
    u64::try_from(cpu.count?).ok()
}

fn quality(qos: &QosEntry) -> Qos {
    Qos {
        description: qos.description.clone().unwrap_or_default(),
        priority: qos.priority.and_then(Num::number).map_or(0, i64::from),
        minutes: qos.limits_max_wall_clock_per_job.and_then(Num::number).map(i64::from),
        jobs_per_user: number(qos.limits_max_jobs_active_jobs_per_user),
        submit_per_user: number(qos.limits_max_jobs_per_user),
        cores_per_user: cores(qos.limits_max_tres_per_user.as_ref()),
        cores: cores(qos.limits_max_tres_total.as_ref()),
    }
}

#[cfg(test)]
mod tests {
    use jobgate_slurm::objects::{Account, User};

    use super::*;

    #[test]
    fn limits_are_those_of_the_books() {
        let mut books = Books::new("c", &[]);
        let name = |name: &str| Some(name.to_owned());
        for account in ["physics", "optics", "chem"] {
            books.put_account(&Account { name: name(account), ..Account::default() }).unwrap();
        }
        books.put_user(&User { name: name("alice"), ..User::default() }).unwrap();
        let of = |account: &str, user: &str| Association {
            account: name(account),
            user: name(user),
            ..Association::default()
        };
        let cpu = Tres { kind: name("cpu"), count: Some(8), ..Tres::default() };
        let set = |number| Some(Num::Set(number));
        for one in [
            Association { max_jobs_per_count: set(4), max_tres_total: Some(vec![cpu]), ..of("physics", "") },
            Association { parent_account: name("physics"), max_jobs_active: set(2), ..of("optics", "") },
            of("chem", ""),
            of("optics", "alice"),
            Association { partition: name("gpu"), max_jobs_active: set(1), ..of("chem", "alice") },
        ] {
            books.put_association(&one).unwrap();
        }
        let limits = Limits::of(&books);
        assert_eq!(limits.users, [("optics".to_owned(), [("alice".to_owned(), 2)].into())].into());
        let physics = AccountLimits { runs: Some(4), cores: Some(8), above: Vec::new() };
        assert_eq!(limits.accounts["physics"], physics);
        assert_eq!(
            limits.accounts["optics"],
            AccountLimits { above: vec!["physics".into()], ..AccountLimits::default() }
        );
        assert!(!limits.accounts.contains_key("chem"));
        assert_eq!(limits.chain("optics").collect::<Vec<_>>(), ["optics", "physics"]);
        assert_eq!(limits.chain("chem").count(), 0);
        assert_eq!(limits.qos["normal"].description, "Normal QOS default");
        let text = serde_json::to_string(&limits).unwrap();
        assert_eq!(serde_json::from_str::<Limits>(&text).unwrap(), limits);
    }
}
