//! Who has logged in: sealed cookies, and the few that were taken back before their time.
//!
//! A session is in its cookie, not in a table: it survives a restart, and costs no write when it begins. What has to be kept is
//! only who has logged out before the session's end; that is one line in a file, until that end.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jobgate_model::Role;
use serde::{Deserialize, Serialize};

/// The file of those who have logged out, in the state directory: lines of a session's name and its end in unix seconds.
const FILE: &str = "sessions.ended";

/// A login that lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// Its name.
    pub(super) id: String,
    /// The user's name here.
    pub(in crate::auth) user: String,
    /// By which provider.
    pub(super) provider: String,
    /// What the provider's claims make of the user, if it is more than a user.
    pub(super) role: Option<Rank>,
    /// When it ends, in unix seconds.
    pub(in crate::auth) expires: i64,
}

/// What a claim can make of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Rank {
    Monitor,
    Administrator,
}

impl Session {
    /// What the provider's claims make of the user.
    pub(in crate::auth) fn role(&self) -> Option<Role> {
        self.role.map(|rank| match rank {
            Rank::Monitor => Role::Monitor,
            Rank::Administrator => Role::Administrator,
        })
    }
}

impl Rank {
    pub(super) fn of(role: Role) -> Option<Self> {
        match role {
            Role::Monitor => Some(Self::Monitor),
            Role::Administrator => Some(Self::Administrator),
            Role::User | Role::Stranger => None,
        }
    }
}

/// Sessions that were ended before their time.
#[derive(Debug)]
pub(super) struct Ended {
    path: PathBuf,
    known: Mutex<HashMap<String, i64>>,
}

impl Ended {
    /// Reads what is still of interest at `now`, and leaves out the rest. A last line that is torn was never answered for.
    pub(super) fn open(state_dir: &Path, now: i64) -> io::Result<Self> {
        let path = state_dir.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            other => other?,
        };
        let line = |line: &str| {
            let (id, expires) = line.split_once(' ')?;
            Some((id.to_owned(), expires.parse().ok()?))
        };
        let known: HashMap<String, i64> = text.lines().filter_map(line).filter(|(_, expires)| *expires > now).collect();
        let kept: Vec<String> = known.iter().map(|(id, expires)| format!("{id} {expires}\n")).collect();
        let kept = kept.concat();
        if kept.len() != text.len() {
            let draft = path.with_extension("new");
            let mut file = private(OpenOptions::new().write(true).create(true).truncate(true)).open(&draft)?;
            file.write_all(kept.as_bytes()).and_then(|()| file.sync_all())?;
            std::fs::rename(&draft, &path)?;
        }
        Ok(Self { path, known: Mutex::new(known) })
    }

    /// Whether a session was ended.
    pub(super) fn has(&self, id: &str) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).contains_key(id)
    }

    /// Ends a session, for good when this returns. Blocks.
    pub(super) fn end(&self, id: &str, expires: i64) -> io::Result<()> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains_key(id) {
            return Ok(());
        }
        // it counts at once, even if it cannot be written down
        known.insert(id.to_owned(), expires);
        let mut file = private(OpenOptions::new().append(true).create(true)).open(&self.path)?;
        // a line of its own, even after one that is torn
        file.write_all(format!("\n{id} {expires}\n").as_bytes())?;
        file.sync_data()
    }
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600)
}

/// States of logins that have come back. Each may come back once.
#[derive(Debug, Default)]
pub(super) struct Used(Mutex<HashMap<String, i64>>);

/// More logins than this do not come back while one lasts.
const MOST: usize = 10_000;

impl Used {
    /// Whether this is the first time that `state`, which ends at `expires`, comes back.
    pub(super) fn first_time(&self, state: &str, expires: i64, now: i64) -> bool {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= MOST {
            used.retain(|_, expires| *expires > now);
        }
        used.len() < MOST && used.insert(state.to_owned(), expires).is_none()
    }
}

/// For so long somebody may be on the way to log in.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_logged_out_stays_out_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let ended = Ended::open(dir.path(), 100).unwrap();
        ended.end("short", 150).unwrap();
        ended.end("long", 1000).unwrap();
        ended.end("long", 1000).unwrap();
        assert!(ended.has("short") && ended.has("long") && !ended.has("other"));
        let again = Ended::open(dir.path(), 200).unwrap();
        assert!(again.has("long") && !again.has("short"));
        assert_eq!(std::fs::read_to_string(dir.path().join(FILE)).unwrap(), "long 1000\n");
        // power failed in the middle of a line
        let mut file = OpenOptions::new().append(true).open(dir.path().join(FILE)).unwrap();
        file.write_all(b"torn 99").unwrap();
        let again = Ended::open(dir.path(), 200).unwrap();
        assert!(again.has("long") && !again.has("torn"));
        again.end("next", 1000).unwrap();
        assert!(Ended::open(dir.path(), 200).unwrap().has("next"));
    }

    #[test]
    fn a_state_comes_back_once() {
        let used = Used::default();
        assert!(used.first_time("a", 10, 0));
        assert!(!used.first_time("a", 10, 0));
        for n in 0..2 * MOST {
            used.first_time(&n.to_string(), 10, 0);
        }
        assert!(!used.first_time("late", 10, 0), "nobody can fill the memory");
        assert!(used.first_time("later", 30, 20));
    }
}
