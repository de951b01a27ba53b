//! The users and groups of this machine, as far as its own files know them.

use crate::config::env;

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    /// Login.
    pub(crate) login: String,
    /// Its number.
    pub(crate) uid: u32,
    /// The number of its own group.
    pub(crate) gid: u32,
}

/// The login of the user that this process runs as. Where only a directory service knows it, it is what the session says; and
/// the user's number where nobody does.
pub(crate) fn login() -> String {
    let uid = rustix::process::geteuid().as_raw();
    let said = || env::LOGNAME.get()?.into_string().ok();
    user(&uid.to_string()).map(|user| user.login).or_else(said).unwrap_or_else(|| uid.to_string())
}

/// A user by login or number.
pub(crate) fn user(named: &str) -> Option<User> {
    in_passwd(&std::fs::read_to_string("/etc/passwd").unwrap_or_default(), named)
}

/// A group's number, by name or number.
pub(crate) fn group(named: &str) -> Option<u32> {
    named.parse().ok().or_else(|| in_group(&std::fs::read_to_string("/etc/group").unwrap_or_default(), named))
}

/// A user in the text of passwd(5).
fn in_passwd(text: &str, named: &str) -> Option<User> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (login, uid, gid) = (fields.next()?, fields.nth(1)?, fields.next()?);
        let found = login == named || uid == named;
        if found {
            Some(User { login: login.to_owned(), uid: uid.parse().ok()?, gid: gid.parse().ok()? })
        } else {
            None
        }
    })
}

/// The number of a group in the text of group(5).
fn in_group(text: &str, named: &str) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? == named { fields.nth(1)?.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries() {
        let passwd = "root:x:0:0:root:/:/bin/sh\nbroken\nalice:x:2001:2002::/home/alice:/bin/bash\n";
        let alice = User { login: "alice".into(), uid: 2001, gid: 2002 };
        assert_eq!(in_passwd(passwd, "alice"), Some(alice.clone()));
        assert_eq!(in_passwd(passwd, "2001"), Some(alice));
        assert_eq!(in_passwd(passwd, "2002"), None);
        assert_eq!(in_passwd(passwd, "broken"), None);
        assert_eq!(in_group("root:x:0:\nphysics:x:2002:alice\n", "physics"), Some(2002));
        assert_eq!(group("77"), Some(77));
        assert!(!login().is_empty());
    }
}
