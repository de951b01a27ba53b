//! What there is: nodes, partitions, reservations, licences and qualities of service, as configured and as changed since.

mod build;
mod found;
mod records;
mod stock;
mod windows;

use std::collections::{BTreeMap, BTreeSet};

pub(super) use build::{NORMAL_QOS, THIS_MACHINE, hostlist};
pub(super) use records::{NodeRecord, PartitionRecord, ReservationRecord};
pub(super) use stock::Stock;
pub(super) use windows::{REPEATING, windows_of};

use super::cluster::PartitionState;
use super::limits::Limits;
use super::settings::{Account, Oversize, Qos};

/// The partition that is there when none is the configured default.
pub(super) const IMPLICIT_PARTITION: &str = "local";

/// All of it, at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Inventory {
    /// In their order.
    pub(super) nodes: Vec<Node>,
    /// Nodes are configured: the machine is not just one.
    pub(super) has_nodes: bool,
    /// By name.
    pub(super) partitions: BTreeMap<String, Partition>,
    /// Partitions are configured or were made: unknown names are refused.
    pub(super) has_partitions: bool,
    /// By name.
    pub(super) reservations: BTreeMap<String, Reservation>,
    pub(super) licences: BTreeMap<String, u64>,
    /// By name.
    pub(super) qos: BTreeMap<String, Qos>,
    /// Qualities of service are configured: unknown names are refused.
    pub(super) has_qos: bool,
    /// By name; if there are any, unknown names are refused.
    pub(super) accounts: BTreeMap<String, Account>,
    pub(super) oversize: Oversize,
    /// The login that owners such as `local:...` go by in the accounting books.
    pub(super) login: String,
    /// What the accounting books limit, if that is enforced.
    pub(super) limits: Limits,
}

/// A logical node.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) cores: u64,
    /// Bytes.
    pub(super) memory: u64,
    pub(super) gpus: u64,
    pub(super) gpu_type: Option<String>,
    pub(super) features: BTreeSet<String>,
    pub(super) weight: u64,
    /// Nothing may be on it.
    pub(super) down: bool,
    /// Nothing new may start on it.
    pub(super) drained: bool,
    /// Why, by whom, and since when (unix seconds).
    pub(super) reason: String,
    pub(super) reason_user: String,
    pub(super) reason_at: Option<f64>,
    /// It resumes by itself, unix seconds.
    pub(super) resume_at: Option<f64>,
    pub(super) comment: String,
    pub(super) extra: String,
}

impl Node {
    pub(super) fn takes_runs(&self) -> bool {
        !self.down && !self.drained
    }
}

/// A partition.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Partition {
    /// Its nodes, as indices in their order.
    pub(super) nodes: Vec<usize>,
    pub(super) default: bool,
    pub(super) state: PartitionState,
    /// The longest time limit.
    pub(super) minutes: Option<i64>,
    pub(super) default_minutes: Option<i64>,
    pub(super) priority: i64,
    pub(super) max_nodes: Option<u64>,
    /// Its runs use at most so many cores together.
    pub(super) cores: Option<u64>,
    pub(super) qos: Option<String>,
    pub(super) allow_accounts: Vec<String>,
    pub(super) allow_users: Vec<String>,
    pub(super) allow_qos: Vec<String>,
    pub(super) configured: bool,
    /// It is there because no other one is the default.
    pub(super) implicit: bool,
}

/// A reservation.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Reservation {
    /// When it holds, in order: the present time or the next, and for one that repeats some that follow (unix seconds).
    pub(super) windows: Vec<(f64, f64)>,
    /// Its nodes, as indices in their order.
    pub(super) nodes: Vec<usize>,
    pub(super) users: Vec<String>,
    pub(super) accounts: Vec<String>,
    pub(super) partition: Option<String>,
    pub(super) features: Option<String>,
    pub(super) licences: BTreeMap<String, u64>,
    pub(super) flags: BTreeSet<String>,
    pub(super) comment: String,
}

impl Reservation {
    pub(super) fn has(&self, flag: &str) -> bool {
        self.flags.contains(flag)
    }

    /// Whether it may lie over another one.
    pub(super) fn overlaps_others(&self) -> bool {
        self.has("MAINT") || self.has("OVERLAP")
    }

    /// Whether this user, with this account, may use it. Names with `-` before them are shut out, and if there are no others
    /// everybody else may.
    pub(super) fn admits(&self, user: &str, account: Option<&str>) -> bool {
        let shut_out = |list: &[String], name: &str| list.iter().any(|entry| entry.strip_prefix('-') == Some(name));
        if shut_out(&self.users, user) || account.is_some_and(|account| shut_out(&self.accounts, account)) {
            return false;
        }
        let mut named = self.users.iter().chain(&self.accounts).filter(|entry| !entry.starts_with('-')).peekable();
        let nobody_is_named = named.peek().is_none();
        nobody_is_named
            || self.users.iter().any(|entry| entry == user)
            || account.is_some_and(|account| self.accounts.iter().any(|entry| entry == account))
    }

    /// Whether it holds at some time between these two.
    pub(super) fn meets(&self, from: f64, to: f64) -> bool {
        self.windows.iter().any(|(start, end)| *start < to && from < *end)
    }

    /// Whether it holds all the time between these two.
    pub(super) fn spans(&self, from: f64, to: f64) -> bool {
        self.windows.iter().any(|(start, end)| *start <= from && to <= *end)
    }
}

impl Inventory {
    /// The index of a node. One machine without configured nodes is meant by whatever name it had.
    pub(super) fn node(&self, name: &str) -> Option<usize> {
        if !self.has_nodes && self.nodes.len() == 1 {
            return Some(0);
        }
        self.nodes.iter().position(|node| node.name == name)
    }

    /// The partition of runs that name none.
    pub(super) fn default_partition(&self) -> &str {
        self.partitions.iter().find(|(_, partition)| partition.default).map_or(IMPLICIT_PARTITION, |(name, _)| name)
    }

    /// When something changes by itself after `now`: a reservation begins or ends, a node resumes. Unix seconds.
    pub(super) fn next_time(&self, now: f64) -> Option<f64> {
        let windows = self.reservations.values().flat_map(|reservation| &reservation.windows);
        let edges = windows.flat_map(|(start, end)| [*start, *end]).filter(|time| *time > now);
        let resumes = self.nodes.iter().filter_map(|node| node.resume_at);
        edges.chain(resumes).min_by(f64::total_cmp)
    }

    /// How much there is of something that is counted; `None`: no limit.
    pub(super) fn capacity(&self, counter: &Counter) -> Option<u64> {
        match counter {
            Counter::Licence(name) => Some(self.licences.get(name).copied().unwrap_or(0)),
            Counter::PartitionCores(name) => self.partitions.get(name)?.cores,
            Counter::QosCores(name) => self.qos.get(name)?.cores,
            Counter::QosUserRuns(name, _) => self.qos.get(name)?.jobs_per_user,
            Counter::QosUserCores(name, _) => self.qos.get(name)?.cores_per_user,
            Counter::AssociationRuns(account, user) => self.limits.users.get(account)?.get(user).copied(),
            Counter::AccountRuns(name) => self.limits.accounts.get(name)?.runs,
            Counter::AccountCores(name) => self.limits.accounts.get(name)?.cores,
        }
    }

    /// What a run of this user with so many cores counts for.
    pub(super) fn counted(&self, run: &Countable<'_>, cores: u64) -> Vec<(Counter, u64)> {
        let mut counted: Vec<(Counter, u64)> =
            run.licences.iter().map(|(name, count)| (Counter::Licence(name.clone()), *count)).collect();
        counted.push((Counter::PartitionCores(run.partition.to_owned()), cores));
        let of_partition = self.partitions.get(run.partition).and_then(|partition| partition.qos.as_deref());
        let mut qos: Vec<&str> = run.qos.into_iter().chain(of_partition).collect();
        qos.dedup();
        for name in qos {
            let (name, user) = (name.to_owned(), run.user.to_owned());
            counted.push((Counter::QosCores(name.clone()), cores));
            counted.push((Counter::QosUserRuns(name.clone(), user.clone()), 1));
            counted.push((Counter::QosUserCores(name, user), cores));
        }
        if let Some(account) = run.account {
            let user = if run.user.starts_with("local:") { self.login.as_str() } else { run.user };
            counted.push((Counter::AssociationRuns(account.to_owned(), user.to_owned()), 1));
            for name in self.limits.chain(account) {
                counted.push((Counter::AccountRuns(name.to_owned()), 1));
                counted.push((Counter::AccountCores(name.to_owned()), cores));
            }
        }
        counted.retain(|(counter, _)| self.capacity(counter).is_some());
        counted
    }
}

/// Something that is counted besides what nodes have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Counter {
    Licence(String),
    PartitionCores(String),
    QosCores(String),
    /// Of a quality of service, for a user.
    QosUserRuns(String, String),
    QosUserCores(String, String),
    /// Of an account, for a user.
    AssociationRuns(String, String),
    AccountRuns(String),
    AccountCores(String),
}

/// What decides for which counters a run counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Countable<'a> {
    pub(super) licences: &'a BTreeMap<String, u64>,
    pub(super) partition: &'a str,
    pub(super) qos: Option<&'a str>,
    pub(super) account: Option<&'a str>,
    pub(super) user: &'a str,
}

/// GPUs as they are written: `gpu`, `gpu:4`, `gpu:amd:4`; nothing means none. `None`: not in this form.
pub(super) fn parse_gres(text: &str) -> Option<(Option<String>, u64)> {
    let text = text.trim();
    if text.is_empty() || text == "(null)" {
        return Some((None, 0));
    }
    let text = text.strip_prefix("gres/").or_else(|| text.strip_prefix("gres:")).unwrap_or(text);
    let rest = match text.strip_prefix("gpu")? {
        "" => return Some((None, 1)),
        rest => rest.strip_prefix([':', '='])?,
    };
    let (kind, count) = rest.rsplit_once([':', '=']).map_or((None, rest), |(kind, count)| (Some(kind), count));
    match (kind, count.parse::<u32>()) {
        (kind, Ok(count)) => Some((kind.map(str::to_owned), u64::from(count))),
        // A type alone means one of them.
        (None, Err(_)) if !count.is_empty() => Some((Some(count.to_owned()), 1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpus_as_they_are_written() {
        let typed = |kind: &str, count| Some((Some(kind.to_owned()), count));
        assert_eq!(parse_gres(""), Some((None, 0)));
        assert_eq!(parse_gres("gpu"), Some((None, 1)));
        assert_eq!(parse_gres("gpu:4"), Some((None, 4)));
        assert_eq!(parse_gres("gpu:amd:4"), typed("amd", 4));
        assert_eq!(parse_gres("gres:gpu:amd:4"), typed("amd", 4));
        assert_eq!(parse_gres("gres/gpu=2"), Some((None, 2)));
        assert_eq!(parse_gres("gpu:amd"), typed("amd", 1));
        for bad in ["cpu:1", "gpux", "gpu:", "gpu:a:b", "gpu:amd:", "gpu:1:2x"] {
            assert_eq!(parse_gres(bad), None, "{bad}");
        }
    }

    #[test]
    fn who_may_use_a_reservation() {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let of = |users: &[&str], accounts: &[&str]| Reservation {
            users: list(users),
            accounts: list(accounts),
            ..Reservation::default()
        };
        assert!(of(&["alice"], &[]).admits("alice", None) && !of(&["alice"], &[]).admits("bob", None));
        assert!(of(&[], &["physics"]).admits("bob", Some("physics")) && !of(&[], &["physics"]).admits("bob", None));
        assert!(of(&["-bob"], &[]).admits("alice", None) && !of(&["-bob"], &[]).admits("bob", None));
        assert!(!of(&["-bob"], &["physics"]).admits("bob", Some("physics")));
    }
}
