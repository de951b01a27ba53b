//! Making, restoring and deleting job directories.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use jobgate_model::{DESCRIBED, JobId, JobSpec, Transition};

use crate::process::random;

/// Makes `PREFIX/JOBID` with all its files. `AlreadyExists` means that somebody else has that id; nothing was changed.
/// After any other error nothing is left behind. `spec.directory` must be set; a `work/` is made when it names that.
pub fn create(base: &Path, spec: &JobSpec, history: &[Transition]) -> io::Result<()> {
    directory(base)?;
    fill(base, spec, history).inspect_err(|_| drop(fs::remove_dir_all(base)))
}

/// Makes `PREFIX/JOBID` and nothing in it: nobody else gets that id, and nobody takes it for a job before [`describe`].
/// `AlreadyExists` as above.
pub fn reserve(base: &Path) -> io::Result<()> {
    directory(base)
}

/// Writes a job's `spec.json`.
pub fn describe(base: &Path, spec: &JobSpec) -> io::Result<()> {
    let mode = if spec.has_secret() { 0o600 } else { 0o644 };
    // Under a name of its own first: it is there as a whole, or as it was.
    let unfinished = base.join(format!(".spec.json.{}-{:08x}", std::process::id(), random()));
    write(&unfinished, spec.to_spec_json().as_bytes(), mode)
        .and_then(|()| fs::rename(&unfinished, base.join("spec.json")))
        .inspect_err(|_| drop(fs::remove_file(&unfinished)))
}

/// Makes again what is missing or torn of a job's tree, from what the index knows.
pub fn restore(base: &Path, spec: &JobSpec, history: &[Transition]) -> io::Result<()> {
    match directory(base) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => fill(base, spec, history),
    }
}

/// Deletes a job's directory. It disappears under its name at once, then its content is removed.
pub fn remove(prefix: &Path, jobid: &JobId) -> io::Result<()> {
    let grave = prefix.join(format!(".removed-{jobid}-{}", std::process::id()));
    match fs::rename(prefix.join(jobid.as_str()), &grave) {
        Ok(()) => fs::remove_dir_all(&grave),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn fill(base: &Path, spec: &JobSpec, history: &[Transition]) -> io::Result<()> {
    let work = base.join("work");
    let wanted = [Some(base.join("log")), (spec.directory.as_deref().map(Path::new) == Some(&work)).then_some(work)];
    // what is described to its batch system runs elsewhere, and nothing is written here; `log` is made when it is
    for path in wanted.into_iter().flatten().filter(|_| spec.attribute(DESCRIBED).is_none()) {
        match directory(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    let rows: String = history.iter().map(Transition::to_row).collect();
    write(&base.join("status.csv"), rows.as_bytes(), 0o644)?;
    // Last, because psik ignores directories without it: nobody sees a half-made job.
    describe(base, spec)
}

fn directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o755).create(path)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
        .open(path)?
        .write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobgate_model::State;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    fn new_row() -> Transition {
        Transition { time: 5.25, jobndx: 0, state: State::New, info: "{}".into() }
    }

    #[test]
    fn a_tree_as_psik_makes_it() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("5.250");
        let mut spec = JobSpec::new("true");
        spec.directory = Some(base.join("work").to_str().unwrap().into());
        create(&base, &spec, &[new_row()]).unwrap();
        let mut names: Vec<_> = fs::read_dir(&base).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["log", "spec.json", "status.csv", "work"]);
        assert_eq!(fs::read_to_string(base.join("status.csv")).unwrap(), "5.25,0,new,{}\n");
        assert_eq!(create(&base, &spec, &[]).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(base.join("status.csv")).unwrap(), "5.25,0,new,{}\n", "nothing was changed");
    }

    #[test]
    fn secrets_are_not_world_readable() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("6.000");
        let mut spec = JobSpec::new("true");
        spec.directory = Some("/".into());
        spec.cb_secret = Some("s".into());
        create(&base, &spec, &[new_row()]).unwrap();
        assert_eq!(fs::metadata(base.join("spec.json")).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!base.join("work").exists());
    }

    #[test]
    fn what_runs_elsewhere_has_no_directories_until_something_is_said_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("9.000");
        let mut spec = JobSpec::new("true");
        spec.attributes.insert(DESCRIBED, "v0.0.42");
        create(&base, &spec, &[new_row()]).unwrap();
        assert!(!base.join("log").exists() && !base.join("work").exists());
        super::super::console(&base, "words");
        assert_eq!(fs::read_to_string(base.join("log/console")).unwrap(), "words\n");
    }

    #[test]
    fn a_failure_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("missing/7.000");
        assert!(create(&base, &JobSpec::new("x"), &[]).is_err());
        assert!(!base.exists());
    }

    #[test]
    fn a_spec_is_there_as_a_whole_or_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let (file, elsewhere) = (dir.path().join("spec.json"), dir.path().join("elsewhere"));
        fs::write(&elsewhere, "theirs").unwrap();
        std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
        describe(dir.path(), &JobSpec::new("true")).unwrap();
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "theirs", "it is not written through a link");
        let before = fs::metadata(&file).unwrap().ino();
        describe(dir.path(), &JobSpec::new("false")).unwrap();
        assert_ne!(fs::metadata(&file).unwrap().ino(), before, "whoever reads the old one reads all of it");
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        describe(dir.path(), &JobSpec::new("x")).unwrap_err();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left behind");
    }

    #[test]
    fn restored_from_the_index() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("8.000");
        fs::create_dir(&base).unwrap();
        fs::write(base.join("spec.json"), "").unwrap();
        let mut spec = JobSpec::new("true");
        spec.directory = Some(base.join("work").to_str().unwrap().into());
        restore(&base, &spec, &[new_row()]).unwrap();
        assert!(base.join("work").is_dir());
        assert_eq!(super::super::read_spec(&base).unwrap().unwrap().spec, spec);
    }
}
