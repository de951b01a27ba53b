//! As whom slurmrestd works.

use anyhow::{Context, bail};
use rustix::process::{Gid, Uid};

use crate::accounts;
use crate::config::env;

/// As whom to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    uid: u32,
    gid: u32,
    /// Somebody asked for it.
    asked: bool,
}

impl Identity {
    /// Whom `-u` and `-g` name; this process's own user and group where they do not.
    pub(super) fn wanted(user: Option<&str>, group: Option<&str>) -> anyhow::Result<Self> {
        let (own_uid, own_gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let named_group = group
            .map(|name| {
                accounts::group(name).with_context(|| format!("-g {name}: there is no such group in /etc/group"))
            })
            .transpose()?;
        let Some(name) = user else {
            return Ok(Self { uid: own_uid, gid: named_group.unwrap_or(own_gid), asked: group.is_some() });
        };
        let (uid, gid) = match (accounts::user(name), name.parse(), named_group) {
            (Some(user), _, group) => (user.uid, group.unwrap_or(user.gid)),
            (None, Ok(uid), Some(group)) => (uid, group),
            (None, Ok(_), None) => bail!("-u {name}: /etc/passwd does not know it, so its group must be named with -g"),
            (None, Err(_), _) => bail!("-u {name}: there is no such user in /etc/passwd; give its number, and -g"),
        };
        Ok(Self { uid, gid, asked: true })
    }

    /// Refuses to work as root: what clients submit would run as root, whoever they are.
    pub(super) fn refuse_root(&self) -> anyhow::Result<()> {
        if self.uid != 0 && self.gid != 0 {
            return Ok(());
        }
        let what = if self.uid == 0 { "root" } else { "root's group" };
        bail!(
            "refusing to work as {what}, because jobs run as who runs this gateway; start it as another user (systemd: User=), \
             or name one with -u; SLURMRESTD_SECURITY=disable_user_check takes the risk"
        );
    }

    /// Becomes whom it names, for good. Supplementary groups are given up, as slurmrestd does.
    pub(super) fn assume(&self) -> anyhow::Result<()> {
        if !self.asked {
            return Ok(());
        }
        let own = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        if own == (self.uid, self.gid) && own.0 != 0 {
            return Ok(());
        }
        if own.0 != 0 {
            bail!("-u and -g need root; start slurmrestd as that user instead (systemd: User= and Group=)");
        }
        // The kernel knows only threads' users. All threads to come take over this one's.
        let threads = std::fs::read_dir("/proc/self/task").context("cannot count the threads")?.count();
        if threads != 1 {
            bail!("cannot become another user: {threads} threads run already");
        }
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        rustix::thread::set_thread_groups(&[])
            .and_then(|()| rustix::thread::set_thread_res_gid(gid, gid, gid))
            .and_then(|()| rustix::thread::set_thread_res_uid(uid, uid, uid))
            .with_context(|| format!("cannot become user {} and group {}", self.uid, self.gid))
    }

    /// Says in an error as whom it came about, if that was asked for.
    pub(super) fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        if !self.asked {
            return error;
        }
        let home = env::HOME.path().unwrap_or_default();
        error.context(format!(
            "as user {} and group {}, with HOME={} (set HOME to what is that user's, or name prefix and state_dir in a file \
             with -f)",
            self.uid,
            self.gid,
            home.display()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_options_name() {
        let own = Identity::wanted(None, None).unwrap();
        assert_eq!((own.uid, own.asked), (rustix::process::geteuid().as_raw(), false));
        own.assume().unwrap();
        let numbers = Identity { uid: 54321, gid: 4321, asked: true };
        assert_eq!(Identity::wanted(Some("54321"), Some("4321")).unwrap(), numbers);
        assert!(Identity::wanted(Some("54321"), None).unwrap_err().to_string().contains("-g"));
        assert!(Identity::wanted(Some("no-such-user"), None).is_err());
        assert!(Identity::wanted(None, Some("no-such-group")).is_err());
        numbers.refuse_root().unwrap();
        assert!(Identity { uid: 0, ..numbers }.refuse_root().is_err());
        assert!(Identity { gid: 0, ..numbers }.refuse_root().unwrap_err().to_string().contains("group"));
    }

    #[test]
    fn threads_keep_us_from_becoming_somebody_else() {
        // tests run in threads, and not always as root
        let error = Identity { uid: 54321, gid: 4321, asked: true }.assume().unwrap_err().to_string();
        assert!(error.contains("threads run already") || error.contains("need root"), "{error}");
    }
}
