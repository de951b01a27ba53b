//! Confinement, tried with everything that a job or a client could leave or send.

use std::os::unix::fs::{PermissionsExt, symlink};

use bytes::Bytes;

use super::*;

struct Tree {
    dir: tempfile::TempDir,
}

impl Tree {
    /// A job's directory with a work directory in it.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("job/work/a/b")).unwrap();
        std::fs::write(dir.path().join("outside"), "secret").unwrap();
        std::fs::write(dir.path().join("job/spec.json"), "{}").unwrap();
        std::fs::write(dir.path().join("job/work/f"), "0123456789").unwrap();
        std::fs::write(dir.path().join("job/work/a/b/c.txt"), "xy\n").unwrap();
        Self { dir }
    }

    fn base(&self) -> std::path::PathBuf {
        self.dir.path().join("job")
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.base().join("work").join(name)
    }

    fn work(&self) -> OwnedFd {
        open_work(&self.base(), None).unwrap()
    }

    fn upload(&self, name: &str, content: &'static [u8]) -> Result<(), FileError> {
        let (upload, file) = Upload::begin(std::sync::Arc::new(self.work()), name)?;
        write_all(&file, name, &[Bytes::from_static(content)])?;
        upload.commit()
    }

    fn names(&self) -> Vec<String> {
        list(&self.work()).unwrap().into_iter().map(|entry| entry.name).collect()
    }
}

fn told(result: Result<Opened, FileError>) -> String {
    match result {
        Ok(Opened::File(_, stat)) => format!("file of {}", stat.st_size),
        Ok(Opened::Directory(_)) => "directory".into(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn names_that_are_names() {
    let tree = Tree::new();
    let open = |path| told(open(&tree.work(), path));
    assert_eq!(open("f"), "file of 10");
    assert_eq!(open("a/b/c.txt"), "file of 3");
    assert_eq!(open("a"), "directory");
    assert_eq!(open("a/"), "directory");
    std::fs::write(tree.path("made\nby a job"), "").unwrap();
    assert_eq!(open("made\nby a job"), "file of 0");
    assert_eq!(open("nope"), "file nope not found");
    assert_eq!(open("f/below"), "file f/below not found");
    for bad in ["", ".", "..", "../spec.json", "a/../f", "/etc/passwd", "a//b", "./f", "a\0b", "/"] {
        assert_eq!(open(bad), "invalid path", "{bad:?}");
    }
    let long = "x".repeat(256);
    assert_eq!(open(&long), format!("file {long} not found"));
}

#[test]
fn symlinks_stay_inside() {
    let tree = Tree::new();
    for (name, target) in [
        ("inside", "a/b/c.txt"),
        ("up", "../spec.json"),
        ("far", "../../outside"),
        ("absolute", "/etc/hostname"),
        ("etc", "/etc"),
        ("itself", "itself"),
        ("dangling", "nonexistent"),
        ("magic", "/proc/self/root/etc/hostname"),
    ] {
        symlink(target, tree.path(name)).unwrap();
    }
    let open = |path| told(open(&tree.work(), path));
    assert_eq!(open("inside"), "file of 3");
    for out in ["up", "far", "absolute", "etc", "etc/hostname", "itself", "magic"] {
        assert_eq!(open(out), "invalid path", "{out}");
    }
    assert_eq!(open("dangling"), "file dangling not found");

    let entries = list(&tree.work()).unwrap();
    let entry = |name: &str| entries.iter().find(|entry| entry.name == name).unwrap();
    assert_eq!(entry("inside").size, 3);
    assert_eq!(entry("far").size, "../../outside".len() as u64, "the link itself, not its target");
    assert!(!entry("etc").directory && entry("a").directory);
    assert_eq!(entries.len(), 10);
}

#[test]
fn neither_fifos_nor_devices() {
    let tree = Tree::new();
    let work = tree.work();
    rustix::fs::mknodat(&work, "fifo", FileType::Fifo, Mode::RUSR, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(tree.path("socket")).unwrap();
    assert_eq!(told(open(&work, "fifo")), "invalid path");
    assert_eq!(told(open(&work, "socket")), "invalid path");
    assert!(matches!(tree.upload("fifo", b"x"), Err(FileError::Refused)));
}

#[test]
fn a_work_directory_that_was_replaced_is_not_followed() {
    let tree = Tree::new();
    let (work, base) = (tree.base().join("work"), tree.base());
    std::fs::remove_dir_all(&work).unwrap();
    symlink("/etc", &work).unwrap();
    for directory in [None, work.to_str(), work.canonicalize().unwrap().parent().and_then(|_| work.to_str())] {
        assert_eq!(open_work(&base, directory).unwrap_err().to_string(), "work dir missing");
    }
    // what the owner named explicitly is opened as named
    let named = tree.dir.path().join("named");
    symlink(tree.dir.path(), &named).unwrap();
    assert_eq!(told(open(&open_work(&base, named.to_str()).unwrap(), "outside")), "file of 6");
    assert!(matches!(open_work(&base, Some("/nonexistent/x")), Err(FileError::NoDirectory("work"))));
    // a prefix that is itself reached by a symlink changes nothing
    let alias = tree.dir.path().join("alias");
    symlink(&base, &alias).unwrap();
    assert!(matches!(open_work(&alias, work.to_str()), Err(FileError::NoDirectory("work"))));
    symlink("work", base.join("log")).unwrap();
    assert_eq!(open_part(&base, "log").unwrap_err().to_string(), "log dir missing");
    assert_eq!(open_part(&base, "scripts").unwrap_err().to_string(), "scripts dir missing");
}

#[test]
fn uploads_appear_whole_or_not_at_all() {
    let tree = Tree::new();
    tree.upload("new", b"one").unwrap();
    tree.upload("new", b"second").unwrap();
    tree.upload("a/b/d", b"nested").unwrap();
    assert_eq!(std::fs::read(tree.path("new")).unwrap(), b"second");
    assert_eq!(std::fs::read(tree.path("a/b/d")).unwrap(), b"nested");

    let (upload, file) = Upload::begin(std::sync::Arc::new(tree.work()), "half").unwrap();
    write_all(&file, "half", &[Bytes::from_static(b"x")]).unwrap();
    assert_eq!(tree.names(), ["a", "f", "new"], "not seen while it is under way");
    drop(upload);
    assert_eq!(std::fs::read_dir(tree.path("")).unwrap().count(), 3, "nothing left behind");
}

#[test]
fn upload_names() {
    let tree = Tree::new();
    let long = "x".repeat(256);
    for bad in
        ["", ".", "..", "../x", "a/../../x", "/tmp/x", "a/", "a//x", "./x", "a\0b", "a\nb", "a\rb", "a", long.as_str()]
    {
        assert!(matches!(tree.upload(bad, b"x"), Err(FileError::Refused)), "{bad:?}");
    }
    for missing in ["no/x", "f/x"] {
        assert_eq!(tree.upload(missing, b"x").unwrap_err().to_string(), format!("Invalid path: {missing}"));
    }
    for good in ["a b; é.txt", "\"quoted\"", "x".repeat(255).as_str(), "-rf", ".hidden", "%2e%2e"] {
        tree.upload(good, b"x").unwrap();
        assert!(tree.path(good).is_file(), "{good:?}");
    }
}

#[test]
fn uploads_replace_symlinks_and_keep_permissions() {
    let tree = Tree::new();
    symlink("../../outside", tree.path("link")).unwrap();
    tree.upload("link", b"mine").unwrap();
    assert_eq!(std::fs::read_to_string(tree.dir.path().join("outside")).unwrap(), "secret");
    assert!(!tree.path("link").is_symlink());
    symlink("/tmp", tree.path("tmp")).unwrap();
    assert!(matches!(tree.upload("tmp/x", b"x"), Err(FileError::Refused)));

    std::fs::set_permissions(tree.path("f"), std::fs::Permissions::from_mode(0o755)).unwrap();
    tree.upload("f", b"#!/bin/sh\n").unwrap();
    assert_eq!(std::fs::metadata(tree.path("f")).unwrap().permissions().mode() & 0o777, 0o755);
}
