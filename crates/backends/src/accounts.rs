//! What the system knows of users and groups: its files first, then whatever directory services it is set up with.

use std::process::Command;
use std::time::Duration;

use crate::command::run_within;

/// A directory service that does not answer within this time is not waited for.
const PATIENCE: Duration = Duration::from_secs(3);
/// An entry of the user database is not longer than this, in bytes.
const LONGEST: u64 = 64 << 10;

/// A user's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserEntry {
    /// The user's own.
    pub uid: u32,
    /// That of the user's own group.
    pub gid: u32,
}

/// What the system knows of a login: the file first, then whatever directory services it is set up with.
pub(crate) fn system_entry(login: &str) -> Option<UserEntry> {
    if !is_plain(login) {
        return None;
    }
    let file = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    passwd_entry(&file, login).or_else(|| passwd_entry(&getent("passwd", login)?, login))
}

pub(crate) fn group_name(gid: u32) -> Option<String> {
    let file = std::fs::read_to_string("/etc/group").unwrap_or_default();
    group_entry(&file, gid).or_else(|| group_entry(&getent("group", &gid.to_string())?, gid))
}

/// The number of a group's name.
pub(crate) fn group_number(name: &str) -> Option<u32> {
    if !is_plain(name) {
        return None;
    }
    let file = std::fs::read_to_string("/etc/group").unwrap_or_default();
    named_group(&file, name).or_else(|| named_group(&getent("group", name)?, name))
}

/// Whether a name can be one of a user or a group.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
    !name.is_empty() && !name.starts_with('-') && name.chars().all(plain)
}

fn getent(database: &str, key: &str) -> Option<String> {
    let output = run_within(Command::new("getent").args([database, "--", key]), b"", PATIENCE, LONGEST).ok()?;
    output.status.success().then_some(output.stdout)
}

/// User and group number of a login in the text of passwd(5).
fn passwd_entry(text: &str, login: &str) -> Option<UserEntry> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next()? == login;
        let (uid, gid) = (fields.nth(1)?, fields.next()?);
        if found { Some(UserEntry { uid: uid.parse().ok()?, gid: gid.parse().ok()? }) } else { None }
    })
}

/// The name of a group in the text of group(5).
fn group_entry(text: &str, gid: u32) -> Option<String> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(gid)).then(|| name.to_owned())
    })
}

/// The number of a group in the text of group(5).
fn named_group(text: &str, name: &str) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? == name { fields.nth(1)?.parse().ok() } else { None }
    })
}

/// The login of a user's number.
pub(crate) fn login_of(uid: u32) -> Option<String> {
    let file = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    login_entry(&file, uid).or_else(|| login_entry(&getent("passwd", &uid.to_string())?, uid))
}

/// The login of a user's number in the text of passwd(5).
fn login_entry(text: &str, uid: u32) -> Option<String> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_the_files() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\n# no entry\nalice:x:2001:2002::/home/alice:/bin/bash\nbad:x:a:b::\n";
        assert_eq!(passwd_entry(passwd, "alice"), Some(UserEntry { uid: 2001, gid: 2002 }));
        assert_eq!(passwd_entry(passwd, "ali"), None);
        assert_eq!(passwd_entry(passwd, "bad"), None);
        assert_eq!(login_entry(passwd, 2001).as_deref(), Some("alice"));
        assert_eq!(login_entry(passwd, 2002), None);
        let group = "root:x:0:\nphysics:x:2002:alice,bob\n";
        assert_eq!(group_entry(group, 2002).as_deref(), Some("physics"));
        assert_eq!(group_entry(group, 1), None);
    }
}
