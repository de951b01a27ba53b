//! Where the index lives when nothing says so: under the home directory, or beside it if that is on a network file system.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use jobgate_engine::network_file_system;

use super::{below_home, env};

/// On the local disk of every machine, and kept over restarts.
const LOCAL_DISK: &str = "/var/tmp";

/// The directory of the index when nothing else is configured.
pub(crate) fn default_state_dir() -> anyhow::Result<PathBuf> {
    let usual = below_home(&env::XDG_STATE_HOME, ".local/state", "jobgate")?;
    // What somebody said is not for us to change; if it cannot be, the index says so.
    if env::XDG_STATE_HOME.path().is_some_and(|dir| dir.is_absolute()) || on_network(&usual).is_none() {
        return Ok(usual);
    }
    let ours = ours_on(Path::new(LOCAL_DISK));
    secure(&ours, rustix::process::geteuid().as_raw())?;
    Ok(ours)
}

/// Why `state_dir` is not under the home directory, if it was put elsewhere for us.
pub(crate) fn why_elsewhere(state_dir: &Path) -> Option<String> {
    let usual = below_home(&env::XDG_STATE_HOME, ".local/state", "jobgate").ok()?;
    let name = on_network(&usual).filter(|_| state_dir == ours_on(Path::new(LOCAL_DISK)))?;
    Some(format!(
        "the index is in {}, because {} is on {name}; state_dir or XDG_STATE_HOME name another place",
        state_dir.display(),
        usual.display()
    ))
}

fn ours_on(disk: &Path) -> PathBuf {
    disk.join(format!("jobgate-{}", rustix::process::geteuid().as_raw()))
}

/// The name of the network file system that a directory, or what is there of its parents, is on.
fn on_network(dir: &Path) -> Option<&'static str> {
    dir.ancestors().find(|dir| dir.exists()).and_then(network_file_system)
}

/// Makes a directory that nobody else can use, in one that everybody can write to; refuses what somebody else put there.
fn secure(dir: &Path, uid: u32) -> anyhow::Result<()> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => {
            // The mask of this process may have taken our own rights away.
            return std::fs::set_permissions(dir, Permissions::from_mode(0o700))
                .with_context(|| format!("cannot use {} for the index", dir.display()));
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).with_context(|| format!("cannot make {} for the index", dir.display())),
    }
    // Not what a symbolic link leads to.
    let found = dir.symlink_metadata().with_context(|| format!("cannot look at {}", dir.display()))?;
    if !found.is_dir() || found.uid() != uid || found.mode() & 0o077 != 0 {
        bail!(
            "{} is not a directory that is ours alone (mode 0700), so the index cannot be there; remove it, or name another \
             place on a local disk (state_dir, or XDG_STATE_HOME)",
            dir.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_of_our_own_where_everybody_writes() {
        let disk = tempfile::tempdir().unwrap();
        let uid = rustix::process::geteuid().as_raw();
        let dir = ours_on(disk.path());
        for _ in 0..2 {
            secure(&dir, uid).unwrap();
            assert_eq!(dir.metadata().unwrap().mode() & 0o777, 0o700);
        }
        assert!(secure(&dir, uid + 1).is_err(), "somebody else's");
        std::fs::set_permissions(&dir, Permissions::from_mode(0o750)).unwrap();
        assert!(secure(&dir, uid).unwrap_err().to_string().contains("ours alone"));
        let link = disk.path().join("link");
        std::fs::set_permissions(&dir, Permissions::from_mode(0o700)).unwrap();
        std::os::unix::fs::symlink(&dir, &link).unwrap();
        assert!(secure(&link, uid).is_err(), "a link");
        let file = disk.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(secure(&file, uid).is_err(), "a file");
        assert!(secure(&disk.path().join("no/such"), uid).is_err());
    }

    #[test]
    fn what_is_not_there_yet_is_judged_by_its_parents() {
        let disk = tempfile::tempdir().unwrap();
        assert_eq!(on_network(&disk.path().join("a/b/c")), network_file_system(disk.path()));
        // Mounted on every Linux machine, and certainly not from the network.
        assert_eq!(on_network(Path::new("/proc/self/nosuch")), None);
    }
}
