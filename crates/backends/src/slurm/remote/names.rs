//! Who is behind the numbers of users and groups.

use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use jobgate_slurm::cluster::{Answer, Fault};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::JobDesc;
use jobgate_slurm::rpc::People;

use crate::accounts::{UserEntry, group_name, group_number, login_of, system_entry};

/// So long an answer of the system's user database is good.
const FRESH: Duration = Duration::from_secs(300);
/// What takes longer is a directory service that does not answer.
const SLOW: Duration = Duration::from_secs(1);
/// It is not asked for so long then.
const LEFT_ALONE: Duration = Duration::from_secs(60);
/// So many names are remembered; a cluster has fewer users.
const MOST: usize = 100_000;

/// Names of users and groups, each looked up once in a while.
#[derive(Debug)]
pub(super) struct NameBook {
    configured: BTreeMap<String, UserEntry>,
    users: Book,
    groups: Book,
}

#[derive(Debug, Default)]
struct Book(RwLock<Pages>);

#[derive(Debug, Default)]
struct Pages {
    known: HashMap<u32, (Instant, Option<String>)>,
    /// Nobody is asked before.
    slow_until: Option<Instant>,
}

impl NameBook {
    pub(super) fn new(configured: BTreeMap<String, UserEntry>) -> Self {
        Self { configured, users: Book::default(), groups: Book::default() }
    }

    /// The login of a user's number.
    pub(super) fn user(&self, uid: u32) -> Option<String> {
        let configured = self.configured.iter().find(|(_, entry)| entry.uid == uid);
        configured.map(|(login, _)| login.clone()).or_else(|| self.users.find(uid, login_of))
    }

    /// The number of a login. Seldom asked for, and not remembered.
    pub(super) fn number(&self, login: &str) -> Option<u32> {
        let configured = self.configured.get(login).copied();
        configured.or_else(|| system_entry(login)).map(|entry| entry.uid)
    }

    /// Makes numbers of the names of user and group that a description asks for, as slurmrestd does: a controller is told
    /// numbers.
    pub(super) fn settle(&self, desc: &mut JobDesc) -> Answer<()> {
        let number = |name: &str, known: &dyn Fn(&str) -> Option<u32>| {
            if name.is_empty() {
                Some(String::new())
            } else {
                name.parse().ok().or_else(|| known(name)).map(|id: u32| id.to_string())
            }
        };
        if let Some(name) = &mut desc.user_id {
            let unknown = || Fault::new(Errno::USER_ID_UNKNOWN, format!("Unable to resolve user: {name}"));
            *name = number(name, &|name| self.number(name)).ok_or_else(unknown)?;
        }
        if let Some(name) = &mut desc.group_id {
            let unknown = || Fault::new(Errno::GROUP_ID_UNKNOWN, format!("Unable to resolve group: {name}"));
            *name = number(name, &|name| self.group_number(name)).ok_or_else(unknown)?;
        }
        Ok(())
    }

    fn group_number(&self, name: &str) -> Option<u32> {
        let configured = || self.configured.get(name).map(|entry| entry.gid);
        group_number(name).or_else(configured)
    }

    /// The name of a group's number; the group of a configured user is called like the user.
    pub(super) fn group(&self, gid: u32) -> Option<String> {
        let configured = || self.configured.iter().find(|(_, entry)| entry.gid == gid).map(|(login, _)| login.clone());
        self.groups.find(gid, group_name).or_else(configured)
    }
}

impl People for NameBook {
    fn login(&self, number: u32) -> Option<String> {
        self.user(number)
    }

    fn group(&self, number: u32) -> Option<String> {
        self.group(number)
    }

    fn user_number(&self, login: &str) -> Option<u32> {
        self.number(login)
    }

    fn group_number(&self, name: &str) -> Option<u32> {
        self.group_number(name)
    }
}

impl Book {
    fn find(&self, number: u32, look_up: impl Fn(u32) -> Option<String>) -> Option<String> {
        let now = Instant::now();
        {
            let pages = self.0.read().unwrap_or_else(PoisonError::into_inner);
            let known = pages.known.get(&number);
            let waits = pages.slow_until.is_some_and(|until| now < until);
            match known {
                Some((at, name)) if waits || at.elapsed() < FRESH => return name.clone(),
                None if waits => return None,
                _ => {}
            }
        }
        let name = look_up(number);
        let mut pages = self.0.write().unwrap_or_else(PoisonError::into_inner);
        pages.slow_until = (now.elapsed() > SLOW).then(|| Instant::now() + LEFT_ALONE);
        if pages.known.len() >= MOST {
            pages.known.clear();
        }
        pages.known.insert(number, (Instant::now(), name.clone()));
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn each_is_looked_up_once() {
        let (book, asked) = (Book::default(), Cell::new(0));
        let look_up = |number: u32| {
            asked.set(asked.get() + 1);
            (number == 7).then(|| "seven".to_owned())
        };
        for _ in 0..3 {
            assert_eq!(book.find(7, look_up).as_deref(), Some("seven"));
            assert_eq!(book.find(8, look_up), None);
        }
        assert_eq!(asked.get(), 2);
    }

    #[test]
    fn a_slow_directory_is_left_alone() {
        let book = Book::default();
        book.0.write().unwrap().slow_until = Some(Instant::now() + LEFT_ALONE);
        assert_eq!(book.find(7, |_| unreachable!()), None);
    }

    #[test]
    fn configured_users_are_known() {
        let names = NameBook::new(BTreeMap::from([("alice".to_owned(), UserEntry { uid: 3_900_001, gid: 3_900_002 })]));
        assert_eq!(names.user(3_900_001).as_deref(), Some("alice"));
        assert_eq!(names.group(3_900_002).as_deref(), Some("alice"));
        assert_eq!((names.number("alice"), names.number("root")), (Some(3_900_001), Some(0)));
        let settled = |user: &str, group: &str| {
            let mut desc = JobDesc { user_id: Some(user.into()), group_id: Some(group.into()), ..JobDesc::default() };
            names
                .settle(&mut desc)
                .map(|()| (desc.user_id.unwrap(), desc.group_id.unwrap()))
                .map_err(|fault| fault.errno)
        };
        assert_eq!(settled("alice", "alice"), Ok(("3900001".into(), "3900002".into())));
        assert_eq!(settled("7", "root"), Ok(("7".into(), "0".into())));
        assert_eq!(settled("", ""), Ok((String::new(), String::new())));
        assert_eq!(settled("no-such-user", "root"), Err(Errno::USER_ID_UNKNOWN));
        assert_eq!(settled("root", "no-such-group"), Err(Errno::GROUP_ID_UNKNOWN));
        assert_eq!((names.user(0).as_deref(), names.group(0).as_deref()), (Some("root"), Some("root")));
    }
}
