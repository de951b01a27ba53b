//! Where a script's output goes and where its input comes from.
//!
//! The log of the job shows the output in any case. With `--output` (or `--error`) the file that was asked for is the one that
//! is written, and `log/stdout.N` is a hard link to it: both show the same text at once, and either can be removed without
//! the other. Where there can be no link (another file system), the log is a copy that follows the file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jobgate_model::JobSpec;
use jobgate_slurm::filename;
use rustix::fs::{AtFlags, CWD, OFlags, fcntl_setfl, linkat};
use rustix::io::Errno;

use super::{Execution, Way, errno_text};
use crate::console::note;

/// A script's open files.
#[derive(Debug)]
pub(super) struct Streams {
    /// What `--input` names; `None`: nothing was said.
    pub(super) input: Option<File>,
    pub(super) output: File,
    pub(super) error: File,
    copies: Vec<Copy>,
    way: Way,
}

/// What is done with a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It is emptied.
    Truncate,
    /// It is added to.
    Append,
}

/// Opens a run's files, those with relative names below `directory`; in words what cannot be opened.
pub(super) fn open(run: &Execution<'_>, directory: Option<&Path>) -> Result<Streams, String> {
    let mode = match option(run.spec, "open-mode", None) {
        Some(mode) if mode.starts_with(['a', 'A']) => Mode::Append,
        _ => Mode::Truncate,
    };
    let mut copies = Vec::new();
    let wanted = |long: &str, short: &str| wanted(run, directory, long, short);
    let (output, error) = (wanted("output", "-o"), wanted("error", "-e"));
    let log = |name: &str| run.base.join(format!("log/{name}.{}", run.jobndx));
    let joined = output.is_some() && (error.is_none() || error == output);
    let output = sink(&log("stdout"), output.as_deref(), mode, &mut copies)?;
    let error = if joined {
        // The tree has both logs, as psik's.
        fresh(&log("stderr"))?;
        output.try_clone().map_err(|error| error.to_string())?
    } else {
        sink(&log("stderr"), error.as_deref(), mode, &mut copies)?
    };
    let input = wanted("input", "-i").map(|path| source(&path).map_err(|error| errno_text(&error, &path)));
    Ok(Streams { input: input.transpose()?, output, error, copies, way: run.way() })
}

impl Streams {
    /// Brings copies up to date. One that cannot be written any more is given up; the file itself has everything.
    pub(super) fn catch_up(&mut self, run: &Execution<'_>) {
        self.copies.retain_mut(|copy| match copy.catch_up() {
            Ok(()) => true,
            Err(error) => {
                note(run.base, run.jobndx, &format!("the log lacks output, which is in the job's own file: {error}"));
                false
            }
        });
    }

    /// Adds a line to the error output of a job that is run in Slurm's way; Slurm's users look for them there.
    pub(super) fn say(&mut self, run: &Execution<'_>, text: &str) {
        if self.way == Way::Slurm
            && let Err(error) = self.error.write_all(format!("jobgate: error: {text}\n").as_bytes())
        {
            note(run.base, run.jobndx, &format!("cannot write to the job's error output: {error}"));
        }
    }
}

/// The file that an option names; `None` when it names none, or one that has no place.
fn wanted(run: &Execution<'_>, directory: Option<&Path>, long: &str, short: &str) -> Option<PathBuf> {
    // Only the embedded batch system does what Slurm would; under Slurm itself it has done so.
    let batch = run.batch?;
    let pattern = match option(run.spec, long, Some(short))? {
        "" if long != "output" => return None,
        "" if batch.names.array.is_some() => filename::DEFAULT_ARRAY,
        "" => filename::DEFAULT,
        pattern => pattern,
    };
    let path = PathBuf::from(filename::expand(pattern, batch.names));
    match directory {
        _ if path.is_absolute() => Some(path),
        Some(directory) => Some(directory.join(path)),
        None => {
            let text = format!("{} would be in a directory that is not there: see the log", path.display());
            note(run.base, run.jobndx, &text);
            None
        }
    }
}

fn option<'a>(spec: &'a JobSpec, long: &str, short: Option<&str>) -> Option<&'a str> {
    spec.attribute(long).or_else(|| short.and_then(|short| spec.attributes.get(short)))
}

/// Opens where one stream goes, and makes its log.
fn sink(log: &Path, wanted: Option<&Path>, mode: Mode, copies: &mut Vec<Copy>) -> Result<File, String> {
    let Some(path) = wanted else { return fresh(log) };
    let said = |error: io::Error| errno_text(&error, path);
    let file = target(path, mode).map_err(said)?;
    remove(log)?;
    // This very file, whatever may be called so by now.
    let own = format!("/proc/self/fd/{}", file.as_raw_fd());
    if linkat(CWD, &own, CWD, log, AtFlags::SYMLINK_FOLLOW).is_err() {
        let to = fresh(log)?;
        let meta = file.metadata().map_err(said)?;
        // A device or a pipe has nothing to be copied.
        if let Ok(from) = File::open(&own)
            && meta.is_file()
        {
            copies.push(Copy { from, to, copied: meta.len() });
        }
    }
    Ok(file)
}

/// Opens a file for output with the rights of this process, which are the job's own. A named pipe must have a reader, and
/// a symbolic link must not be somebody else's trap.
pub(crate) fn target(path: &Path, mode: Mode) -> io::Result<File> {
    if mode == Mode::Truncate {
        set_aside(path);
    }
    let open = |flags: OFlags| {
        let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY;
        let mut options = OpenOptions::new();
        match mode {
            Mode::Append => options.append(true),
            Mode::Truncate => options.write(true).truncate(true),
        };
        options.create(true).custom_flags(flags.bits() as i32).open(path)
    };
    let file = match open(OFlags::NOFOLLOW) {
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            let owner = fs::symlink_metadata(path)?.uid();
            if owner != 0 && owner != rustix::process::geteuid().as_raw() {
                return Err(error);
            }
            open(OFlags::empty())
        }
        opened => opened,
    }?;
    let append = if mode == Mode::Append { OFlags::APPEND } else { OFlags::empty() };
    fcntl_setfl(&file, append)?;
    Ok(file)
}

/// A file with several names may be the log of an earlier run: that keeps its text, and this name gets a new file.
fn set_aside(path: &Path) {
    let user = rustix::process::geteuid().as_raw();
    if fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file() && meta.nlink() > 1 && meta.uid() == user) {
        // If the directory allows no change, the file is written where it is.
        drop(fs::remove_file(path));
    }
}

/// Opens a file for input. A named pipe without a writer is at its end.
pub(crate) fn source(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)?;
    fcntl_setfl(&file, OFlags::empty())?;
    Ok(file)
}

/// A log of this run's own: an earlier attempt's may be a link to a file of the user's.
fn fresh(log: &Path) -> Result<File, String> {
    remove(log)?;
    File::create_new(log).map_err(|error| errno_text(&error, log))
}

fn remove(log: &Path) -> Result<(), String> {
    match fs::remove_file(log) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(errno_text(&error, log)),
        _ => Ok(()),
    }
}

/// A log that follows a file.
#[derive(Debug)]
struct Copy {
    from: File,
    to: File,
    copied: u64,
}

impl Copy {
    fn catch_up(&mut self) -> io::Result<()> {
        let size = self.from.metadata()?.len();
        if size < self.copied {
            // The job has begun the file anew.
            self.to.set_len(0)?;
            self.to.rewind()?;
            self.copied = 0;
        }
        self.from.seek(SeekFrom::Start(self.copied))?;
        self.copied += io::copy(&mut (&self.from).take(size - self.copied), &mut self.to)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn text(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_log_is_a_link_and_an_earlier_one_keeps_its_text() {
        let dir = tempfile::tempdir().unwrap();
        let (out, first, second) = (dir.path().join("out"), dir.path().join("log.1"), dir.path().join("log.2"));
        let mut copies = Vec::new();
        sink(&first, Some(&out), Mode::Truncate, &mut copies).unwrap().write_all(b"one").unwrap();
        assert_eq!((text(&out), text(&first)), ("one".into(), "one".into()));
        sink(&second, Some(&out), Mode::Truncate, &mut copies).unwrap().write_all(b"two").unwrap();
        assert_eq!((text(&out), text(&first), text(&second)), ("two".into(), "one".into(), "two".into()));
        sink(&second, Some(&out), Mode::Append, &mut copies).unwrap().write_all(b"!").unwrap();
        assert_eq!((text(&out), text(&second)), ("two!".into(), "two!".into()));
        assert!(copies.is_empty());
        // The run once more, now without a file of its own: the user's is left alone.
        fresh(&second).unwrap();
        assert_eq!((text(&out), text(&second)), ("two!".into(), String::new()));
    }

    #[test]
    fn a_copy_follows_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::write(&from, "before").unwrap();
        let mut copy = Copy { from: File::open(&from).unwrap(), to: File::create_new(&to).unwrap(), copied: 6 };
        fs::write(&from, "before, after").unwrap();
        copy.catch_up().unwrap();
        assert_eq!(text(&to), ", after");
        fs::write(&from, "anew").unwrap();
        copy.catch_up().unwrap();
        assert_eq!(text(&to), "anew");
    }

    #[test]
    fn links_devices_and_pipes() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let mut copies = Vec::new();
        symlink(path("real"), path("link")).unwrap();
        sink(&path("log"), Some(&path("link")), Mode::Truncate, &mut copies).unwrap().write_all(b"x").unwrap();
        assert_eq!((text(&path("real")), text(&path("log"))), ("x".into(), "x".into()));
        sink(&path("log"), Some(Path::new("/dev/null")), Mode::Truncate, &mut copies).unwrap();
        assert_eq!((text(&path("log")), copies.len()), (String::new(), 0));
        rustix::fs::mknodat(CWD, path("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let error = sink(&path("log"), Some(&path("pipe")), Mode::Truncate, &mut copies).unwrap_err();
        assert!(error.contains("[Errno 6]") && error.contains("pipe"), "{error}");
        for bad in [dir.path().to_owned(), path("none/out")] {
            let error = sink(&path("log"), Some(&bad), Mode::Truncate, &mut copies).unwrap_err();
            assert!(error.contains(bad.to_str().unwrap()), "{error}");
        }
    }

    #[test]
    fn a_link_of_somebody_else_is_not_followed() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let (link, victim) = (dir.path().join("link"), dir.path().join("victim"));
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, &link).unwrap();
        std::os::unix::fs::lchown(&link, Some(4242), None).unwrap();
        assert!(target(&link, Mode::Truncate).is_err());
        assert_eq!(text(&victim), "precious");
    }
}
