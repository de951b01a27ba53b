//! The accounting database's objects and what can be done with them, without any storage: accounts, users, associations,
//! qualities of service (QOS), clusters, workload keys (wckeys) and trackable resources (TRES).
//!
//! Everything is a function from one state of the [`Books`] to the next, or to an answer. What is removed stays as a marked
//! entry (`DELETED` among its flags): job records go on naming it, and listings show it when they are asked to. What is made
//! again under the name of something removed takes over its number, but nothing else.
//!
//! Differences from slurmdbd, all of which turn a silent half-success into a whole one:
//! - an association of a user makes the association of the account on that cluster if it is missing;
//! - a user always has one default account per cluster where it has associations: if that one goes, the oldest one that is left
//!   takes its place (slurmdbd with `AllowNoDefAcct=Yes` leaves none);
//! - entries removed within a day of their making are marked, not forgotten.

mod accounts;
mod admit;
mod associate;
mod associations;
mod clusters;
mod conditions;
mod inherit;
mod kept;
mod limits;
mod qos;
mod rights;
mod shares;
mod text;
mod tres;
mod users;
mod wckeys;
mod whole;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use accounts::AccountsWanted;
pub use admit::{Admission, Asked, Enforce};
pub use associations::AssociationsWanted;
pub use clusters::{ClustersWanted, InstancesWanted};
pub use limits::{Bound, PerJob, Scope, Usage};
pub use qos::QosWanted;
pub use rights::Level;
pub use shares::Usages;
pub use text::BooksError;
pub use users::UsersWanted;
pub use wckeys::WcKeysWanted;

use crate::cluster::{Answer, Fault};
use crate::errno::Errno;
use crate::objects::{Account, Association, Cluster, Instance, Qos, Tres, User, WcKey};
use kept::{Kept, complete};

/// The account, and the user, that every cluster has.
const ROOT: &str = "root";

/// Accounts, users, associations, qualities of service and the rest.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Books {
    /// The cluster that these are the books of: what is meant where a request names none.
    cluster: String,
    accounts: BTreeMap<String, Account>,
    users: BTreeMap<String, User>,
    associations: BTreeMap<i32, Association>,
    qos: BTreeMap<i32, Qos>,
    clusters: BTreeMap<String, Cluster>,
    wckeys: BTreeMap<i32, WcKey>,
    tres: BTreeMap<i32, Tres>,
    instances: Vec<Instance>,
    next: Next,
}

/// The numbers that are given next: none is given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Next {
    association: i32,
    qos: i32,
    wckey: i32,
    tres: i32,
}

impl Default for Next {
    fn default() -> Self {
        // TRES that a site adds have numbers above 1000
        Self { association: 1, qos: 1, wckey: 1, tres: 1001 }
    }
}

/// Which accounts and users have jobs that wait or run: their associations cannot be removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live(BTreeSet<(String, String)>);

impl Live {
    /// Adds a job of this account and user.
    pub fn add(&mut self, account: &str, user: &str) {
        self.0.insert((account.to_owned(), user.to_owned()));
    }

    fn uses(&self, account: &str, user: &str) -> bool {
        self.0.contains(&(account.to_owned(), user.to_owned()))
    }
}

impl Books {
    /// The books of a new cluster: the account and the user `root`, with `administrators` as further users of its account that
    /// may do everything, the QOS `normal`, and Slurm's own TRES with those for GPUs.
    pub fn new(cluster: &str, administrators: &[&str]) -> Self {
        let mut books = Self { cluster: cluster.to_owned(), ..Self::default() };
        books.tres = tres::usual();
        books.next.tres = books.tres.keys().max().map_or(1001, |last| last + 1);
        books.add_qos(qos::normal());
        let root = Account {
            name: Some(ROOT.into()),
            description: Some("default root account".into()),
            organization: Some(ROOT.into()),
            ..Account::default()
        };
        books.accounts.insert(ROOT.into(), complete(&root));
        books.add_user(ROOT, Level::Administrator);
        books.add_cluster(cluster);
        for user in administrators.iter().filter(|user| **user != ROOT) {
            books.add_user(user, Level::Administrator);
            books.add_association(cluster, ROOT, user, "");
        }
        books
    }

    /// The cluster that these are the books of.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The account of this name, unless it was removed.
    fn account(&self, name: &str) -> Answer<&Account> {
        self.accounts
            .get(name)
            .filter(|account| !account.is_deleted())
            .ok_or_else(|| Fault::new(Errno::INVALID_ACCOUNT, format!("there is no account {name:?}: make it first")))
    }

    /// The user of this name, unless it was removed.
    fn user(&self, name: &str) -> Answer<&User> {
        self.users
            .get(name)
            .filter(|user| !user.is_deleted())
            .ok_or_else(|| Fault::new(Errno::USER_ID, format!("there is no user {name:?}: make it first")))
    }

    /// The name of a cluster that is there: what a request says, or our own if it says nothing.
    fn cluster_named(&self, given: Option<&String>) -> Answer<String> {
        let name = given.filter(|name| !name.is_empty()).unwrap_or(&self.cluster);
        match self.clusters.get(name).filter(|cluster| !cluster.is_deleted()) {
            Some(_) => Ok(name.clone()),
            None => Err(Fault::new(Errno::INVALID_ARGUMENT, format!("there is no cluster {name:?}: make it first"))),
        }
    }
}

/// Checks the name of something new. `kind` is for the message.
fn check_name(kind: &str, name: &str) -> Answer<()> {
    let bad = |why: &str| Err(Fault::new(Errno::BAD_NAME, format!("the name of the {kind}, {name:?}, {why}")));
    match name {
        "" => Err(Fault::new(Errno::BAD_NAME, format!("the {kind} has no name: give one"))),
        _ if name.len() > 255 => bad("is longer than 255 bytes"),
        _ if name.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | ',' | '\'' | '"')) => {
            bad("has blanks, slashes, commas or quotes in it")
        }
        _ => Ok(()),
    }
}

/// The text of a field; nothing is empty text.
fn text(field: Option<&String>) -> &str {
    field.map_or("", String::as_str)
}

/// Whether a filter of a query lets something pass: an empty one does.
fn passes(filter: &[String], value: &str) -> bool {
    filter.is_empty() || filter.iter().any(|one| one == value)
}
