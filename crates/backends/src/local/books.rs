//! The accounting books of the embedded batch system: kept as one text in the queue's file, so that all processes share them,
//! and read again only when another process has changed them.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex};

use jobgate_slurm::books::{AccountsWanted, Books, BooksError, QosWanted};
use jobgate_slurm::cluster::{Answer, Fault};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{Account, Association, Qos, Tres, User};
use jobgate_slurm::table::Num;
use rusqlite::Connection;

use super::Local;
use super::gate::lock;
use super::limits::Limits;
use super::queue::{self, QueueError};
use super::settings::{self, LocalSettings};

/// The setting that holds the books.
const BODY: &str = "books";
/// The setting that says which these are: a count of changes and a sum of the content, so that a change that was taken back is
/// not taken for another one.
const REVISION: &str = "books_revision";
/// The setting that holds what they limit.
const LIMITS: &str = "books_limits";

/// What a cluster's books begin with, and what the configuration adds to them.
#[derive(Debug, Clone, Default)]
pub(super) struct Founding {
    /// The cluster's name.
    pub(super) cluster: String,
    /// Users that may do everything, besides root.
    pub(super) administrators: Vec<String>,
    /// Configured qualities of service, by name.
    pub(super) qos: BTreeMap<String, settings::Qos>,
    /// Configured accounts, by name.
    pub(super) accounts: BTreeMap<String, settings::Account>,
}

impl Founding {
    /// As the settings have it.
    pub(super) fn of(settings: &LocalSettings) -> Self {
        Self {
            cluster: settings.bookkeeping.cluster.clone(),
            administrators: vec![settings.bookkeeping.login.clone()],
            qos: settings.qos.clone(),
            accounts: settings.accounts.clone(),
        }
    }
}

/// The newest books that this process has read.
#[derive(Debug, Default)]
pub(super) struct Shelf(Mutex<Option<(String, Arc<Books>)>>);

/// Why there are no books.
#[derive(Debug, thiserror::Error)]
pub(super) enum ShelfError {
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    #[error("the local batch system's accounting cannot be read: {0}")]
    Damaged(#[from] BooksError),
    #[error("the configuration's accounting cannot be taken over: {0}")]
    Founding(Fault),
}

impl From<ShelfError> for Fault {
    fn from(error: ShelfError) -> Self {
        tracing::error!(%error, "the accounting books");
        match error {
            ShelfError::Sql(error) => {
                let error = jobgate_model::Error::from(QueueError::from(error));
                Self::new(Errno::DB_CONNECTION, error.message().to_owned())
            }
            ShelfError::Damaged(error) => Self::new(Errno::GENERAL, error.to_string()),
            ShelfError::Founding(fault) => fault,
        }
    }
}

impl Shelf {
    /// The books that were read, and which they are, if they are still the newest.
    fn current(&self, connection: &Connection) -> Result<Option<(String, Arc<Books>)>, ShelfError> {
        let revision = revision(connection)?;
        let cached = lock(&self.0);
        Ok(cached.as_ref().filter(|(known, _)| *known == revision).cloned())
    }

    /// The newest books, and which they are.
    pub(super) fn newest(
        &self,
        connection: &Connection,
        founding: &Founding,
    ) -> Result<(String, Arc<Books>), ShelfError> {
        if let Some(current) = self.current(connection)? {
            return Ok(current);
        }
        let revision = revision(connection)?;
        let text = queue::setting(connection, BODY)?;
        let books = Arc::new(found(text.as_deref(), founding)?);
        *lock(&self.0) = Some((revision.clone(), Arc::clone(&books)));
        Ok((revision, books))
    }
}

impl Local {
    /// The newest books, and which they are.
    pub(super) fn newest_books(&self, founding: &Founding) -> Answer<(String, Arc<Books>)> {
        let newest = self.look_with(|connection| Ok(self.stock.books.newest(connection, founding)));
        Ok(newest.map_err(|error| Fault::new(Errno::DB_CONNECTION, error.message().to_owned()))??)
    }

    /// Changes the books. `change` is called again if another process was faster; what it refuses changes nothing.
    pub(super) fn change_books(
        &self,
        founding: &Founding,
        change: &mut dyn FnMut(&mut Books) -> Answer<()>,
    ) -> Answer<()> {
        loop {
            let (revision, newest) = self.newest_books(founding)?;
            let mut books = Books::clone(&newest);
            change(&mut books)?;
            if books == *newest {
                return Ok(());
            }
            let kept = self.pass(move |pass| {
                let kept = keep(pass.tx, &books, &revision)?;
                if kept {
                    pass.reload()?;
                }
                Ok(kept)
            });
            let (kept, _) = kept.map_err(|error| Fault::new(Errno::DB_CONNECTION, error.message().to_owned()))?;
            if kept {
                return Ok(());
            }
        }
    }
}

fn revision(connection: &Connection) -> rusqlite::Result<String> {
    Ok(queue::setting(connection, REVISION)?.unwrap_or_default())
}

/// Keeps changed books, unless others were kept since those of `revision` were read. Gives whether they were.
fn keep(connection: &Connection, books: &Books, revision: &str) -> rusqlite::Result<bool> {
    if self::revision(connection)? != revision {
        return Ok(false);
    }
    let text = books.to_json();
    let mut hasher = std::hash::DefaultHasher::new();
    text.hash(&mut hasher);
    let count = revision.split('-').next().and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
    let limits = serde_json::to_string(&Limits::of(books)).expect("invariant: only text keys");
    queue::set_setting(connection, BODY, Some(&text))?;
    queue::set_setting(connection, REVISION, Some(&format!("{}-{:x}", count + 1, hasher.finish())))?;
    queue::set_setting(connection, LIMITS, Some(&limits))?;
    queue::count_inventory(connection)?;
    Ok(true)
}

/// What the books that are kept limit.
pub(super) fn limits(connection: &Connection) -> rusqlite::Result<Limits> {
    let text = queue::setting(connection, LIMITS)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

/// The books of a text, or new ones, with what the configuration adds: what was once there, or was removed, stays as it is.
fn found(text: Option<&str>, founding: &Founding) -> Result<Books, ShelfError> {
    let administrators: Vec<&str> = founding.administrators.iter().map(String::as_str).collect();
    let mut books = match text {
        Some(text) => Books::from_json(text)?,
        None => Books::new(&founding.cluster, &administrators),
    };
    books.adopt(&founding.cluster);
    for (name, qos) in &founding.qos {
        let known = QosWanted { names: vec![name.clone()], deleted: true, ..QosWanted::default() };
        if books.qos(&known).is_empty() {
            books.put_qos(&quality(name, qos)).map_err(ShelfError::Founding)?;
        }
    }
    for (name, account) in &founding.accounts {
        let known = AccountsWanted { names: vec![name.clone()], deleted: true, ..AccountsWanted::default() };
        if books.accounts(&known).is_empty() {
            open_account(&mut books, name, account).map_err(ShelfError::Founding)?;
        }
    }
    Ok(books)
}

/// A configured account, and those who may use it.
fn open_account(books: &mut Books, name: &str, account: &settings::Account) -> Answer<()> {
    let name = Some(name.to_owned());
    books.put_account(&Account {
        name: name.clone(),
        description: Some(account.description.clone()),
        organization: Some(account.organization.clone()),
        ..Account::default()
    })?;
    books.put_association(&Association { account: name.clone(), ..Association::default() })?;
    for user in &account.users {
        let user = Some(user.clone());
        books.put_user(&User { name: user.clone(), ..User::default() })?;
        books.put_association(&Association { account: name.clone(), user, ..Association::default() })?;
    }
    Ok(())
}

/// A configured quality of service.
fn quality(name: &str, qos: &settings::Qos) -> Qos {
    let number = |limit: Option<u64>| limit.map(|limit| Num::Set(u32::try_from(limit).unwrap_or(u32::MAX)));
    let cores = |limit: Option<u64>| {
        let count = i64::try_from(limit?).unwrap_or(i64::MAX);
        Some(vec![Tres { kind: Some("cpu".into()), count: Some(count), ..Tres::default() }])
    };
    Qos {
        name: Some(name.to_owned()),
        description: Some(qos.description.clone()),
        // Slurm knows nothing below 0; see `Site::inventory`
        priority: Some(Num::Set(u32::try_from(qos.priority.max(0)).unwrap_or(u32::MAX))),
        limits_max_wall_clock_per_job: qos.minutes.map(|minutes| Num::Set(u32::try_from(minutes).unwrap_or(u32::MAX))),
        limits_max_jobs_active_jobs_per_user: number(qos.jobs_per_user),
        limits_max_jobs_per_user: number(qos.submit_per_user),
        limits_max_tres_per_user: cores(qos.cores_per_user),
        limits_max_tres_total: cores(qos.cores),
        ..Qos::default()
    }
}

#[cfg(test)]
mod tests {
    use jobgate_slurm::books::{AssociationsWanted, UsersWanted};

    use super::*;

    fn founding() -> Founding {
        let fast = settings::Qos {
            priority: 5,
            minutes: Some(60),
            submit_per_user: Some(3),
            cores_per_user: Some(2),
            ..settings::Qos::default()
        };
        let physics = settings::Account { users: vec!["alice".into()], ..settings::Account::default() };
        Founding {
            cluster: "c".into(),
            administrators: vec!["me".into()],
            qos: [("fast".to_owned(), fast)].into(),
            accounts: [("physics".to_owned(), physics)].into(),
        }
    }

    fn read(shelf: &Shelf, connection: &Connection) -> (String, Arc<Books>) {
        shelf.newest(connection, &founding()).unwrap()
    }

    #[test]
    fn books_begin_with_what_is_configured_and_are_shared() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (queue::open(dir.path()).unwrap(), queue::open(dir.path()).unwrap());
        let (ours, theirs) = (Shelf::default(), Shelf::default());
        let (revision, first) = read(&ours, &one);
        assert_eq!(revision, "");
        assert_eq!(read(&theirs, &other).1, first, "the same in every process, although nobody has kept them");
        let fast = &first.qos(&QosWanted::one("fast", false))[0];
        assert_eq!((fast.id, fast.limits_max_wall_clock_per_job), (Some(2), Some(Num::Set(60))));
        let alice = AssociationsWanted { users: vec!["alice".into()], ..AssociationsWanted::default() };
        assert_eq!(first.associations(&alice).len(), 1);
        let mut changed = Books::clone(&first);
        changed.delete_qos("fast").unwrap();
        assert!(keep(&one, &changed, &revision).unwrap());
        assert!(!keep(&other, &first, &revision).unwrap(), "who comes second looks again");
        let (revision, second) = read(&theirs, &other);
        assert!(revision.starts_with("1-"), "{revision}");
        assert_eq!(second.as_ref(), &changed);
        assert!(second.qos(&QosWanted::one("fast", false)).is_empty(), "what was removed stays away");
        assert!(Arc::ptr_eq(&second, &read(&theirs, &other).1), "it is read once");
        assert_eq!(second.users(&UsersWanted::default()).len(), 3);
        assert_eq!(limits(&other).unwrap(), Limits::of(&changed));
    }

    #[test]
    fn damage_is_named_and_nothing_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let connection = queue::open(dir.path()).unwrap();
        queue::set_setting(&connection, BODY, Some("nonsense")).unwrap();
        let error = Shelf::default().newest(&connection, &founding()).unwrap_err();
        assert!(matches!(error, ShelfError::Damaged(_)));
        assert!(Fault::from(error).description.contains("not JSON"));
        assert_eq!(queue::setting(&connection, BODY).unwrap().as_deref(), Some("nonsense"));
    }

    #[test]
    fn a_cluster_with_another_name_keeps_its_books() {
        let mut books = found(None, &founding()).unwrap();
        books.put_cluster(&jobgate_slurm::objects::Cluster { name: Some("far".into()), ..Default::default() }).unwrap();
        let renamed = found(Some(&books.to_json()), &Founding { cluster: "d".into(), ..founding() }).unwrap();
        assert_eq!(renamed.cluster(), "d");
        let alice = AssociationsWanted { users: vec!["alice".into()], ..AssociationsWanted::default() };
        assert_eq!(renamed.associations(&alice)[0].cluster.as_deref(), Some("d"));
    }
}
