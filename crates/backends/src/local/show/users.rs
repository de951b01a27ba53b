//! Whose a run is, in the operating system's terms: login, numbers, group.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use crate::accounts::{UserEntry, group_name, system_entry};

/// The numbers of those whom nobody knows: the system's `nobody`.
const NOBODY: u32 = 65534;
/// So long an answer of the system's user database is good.
const FRESH: Duration = Duration::from_secs(300);

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) login: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) group: String,
}

/// Who is who: the user of this process, those of the configuration, then those of the system.
#[derive(Debug)]
pub(super) struct Users {
    own: Arc<User>,
    configured: BTreeMap<String, UserEntry>,
    known: RwLock<HashMap<String, (Instant, Arc<User>)>>,
}

impl Users {
    /// `login`: the login of this process's own user.
    pub(super) fn new(login: &str, configured: BTreeMap<String, UserEntry>) -> Self {
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        let group = group_name(gid).unwrap_or_else(|| login.to_owned());
        let own = Arc::new(User { login: login.to_owned(), uid, gid, group });
        Self { own, configured, known: RwLock::default() }
    }

    /// The user of this process.
    pub(super) fn own(&self) -> &Arc<User> {
        &self.own
    }

    /// The user that a run's owner stands for: `local:...` is who runs this process, everybody else goes by the login.
    pub(super) fn of(&self, owner: &str) -> Arc<User> {
        if owner == self.own.login || owner.starts_with("local:") {
            return Arc::clone(&self.own);
        }
        if let Ok(known) = self.known.read()
            && let Some((at, user)) = known.get(owner)
            && at.elapsed() < FRESH
        {
            return Arc::clone(user);
        }
        let user = Arc::new(self.look_up(owner));
        if let Ok(mut known) = self.known.write() {
            known.insert(owner.to_owned(), (Instant::now(), Arc::clone(&user)));
        }
        user
    }

    /// Asks the system anew from now on.
    pub(super) fn forget(&self) {
        if let Ok(mut known) = self.known.write() {
            known.clear();
        }
    }

    fn look_up(&self, login: &str) -> User {
        let entry = self.configured.get(login).copied().or_else(|| system_entry(login));
        let UserEntry { uid, gid } = entry.unwrap_or(UserEntry { uid: NOBODY, gid: NOBODY });
        let group = match gid {
            NOBODY => "nogroup".into(),
            gid => group_name(gid).unwrap_or_else(|| gid.to_string()),
        };
        User { login: login.to_owned(), uid, gid, group }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_who() {
        let entry = UserEntry { uid: 7, gid: 4_000_008 };
        let users = Users::new("me", BTreeMap::from([("bob".to_owned(), entry)]));
        assert_eq!(users.of("local:psik_api").login, "me");
        assert_eq!(users.of("local:psik_api").uid, rustix::process::getuid().as_raw());
        assert_eq!((users.of("bob").uid, users.of("bob").group.as_str()), (7, "4000008"));
        assert_eq!((users.of("root").uid, users.of("root").gid), (0, 0));
        for stranger in ["no-such-user-here", "-x", "a:b", ""] {
            let user = users.of(stranger);
            assert_eq!((user.uid, user.group.as_str()), (NOBODY, "nogroup"), "{stranger}");
            assert_eq!(user.login, stranger);
        }
        users.forget();
        assert_eq!(users.of("bob").uid, 7);
    }
}
