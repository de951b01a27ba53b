//! Logs: the output of jobs, and those of Autosubmit's commands.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::basis;
use crate::expid::Places;
use crate::reach;

/// The newest output and errors of each job, as names of files in the folder of logs.
#[derive(Debug, Clone, Default)]
pub struct JobLogs {
    names: Vec<String>,
    newest: HashMap<String, [Option<String>; 2]>,
}

/// Kinds of files, with their endings.
const KINDS: [&str; 2] = [".out", ".err"];
/// Endings of files that were packed.
const PACKED: [&str; 3] = ["", ".xz", ".gz"];

impl JobLogs {
    /// Lists the folder of an experiment's logs; a folder that is not there has none.
    pub fn list(folder: &Path) -> Self {
        let mut names: Vec<String> = entries(folder).filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        let mut newest: HashMap<String, [Option<String>; 2]> = HashMap::new();
        for name in &names {
            let Some((job, _)) = name.split_once('.') else { continue };
            if let Some(kind) = KINDS.iter().position(|kind| name.ends_with(kind)) {
                newest.entry(job.to_owned()).or_default()[kind] = Some(name.clone());
            }
        }
        Self { names, newest }
    }

    /// The names of a job's newest output and errors that are not packed.
    pub fn of_job(&self, job: &str) -> [Option<&str>; 2] {
        self.newest.get(job).map_or([None, None], |pair| [0, 1].map(|kind| pair[kind].as_deref()))
    }

    /// The last names, in the order of the alphabet, that begin with a text and end as output and errors do, packed or not.
    pub fn beginning_with(&self, job: &str) -> [Option<&str>; 2] {
        let from = self.names.partition_point(|name| name.as_str() < job);
        let beginning = self.names[from..].iter().take_while(|name| name.starts_with(job));
        let mut found = [None, None];
        for name in beginning {
            for (kind, ending) in KINDS.iter().enumerate() {
                if PACKED.iter().any(|packed| name.strip_suffix(packed).is_some_and(|name| name.ends_with(ending))) {
                    found[kind] = Some(name.as_str());
                }
            }
        }
        found
    }

    /// About how many bytes it takes in memory.
    pub fn size(&self) -> usize {
        self.names.iter().map(|name| 400 + 3 * name.len()).sum()
    }
}

/// A file of a folder with its modification time, in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// Where it is
    pub path: PathBuf,
    /// Its name
    pub name: String,
    /// When it was changed last
    pub modified: i64,
}

/// The newest log of `autosubmit run`: a file whose name holds `run.log`, of the folder of command logs, else of `tmp`.
pub fn newest_run_log(command_logs: &Path, tmp: &Path) -> Option<LogFile> {
    [command_logs, tmp]
        .into_iter()
        .find_map(|folder| files(folder, |name| name.contains("run.log")).into_iter().max_by(newer))
}

/// The newest log of a run by which it is told whether it goes on: beside the logs of commands, in old versions in `tmp` first.
pub fn run_log(places: &Places, version: Option<&str>) -> Option<LogFile> {
    let old = version.is_some_and(|version| ["3.9", "3.11", "3.12"].iter().any(|old| version.starts_with(old)));
    let mut folders = [&places.command_logs, &places.tmp];
    if old {
        folders.reverse();
    }
    folders.into_iter().find_map(|folder| files(folder, |name| name.contains("_run.log")).into_iter().max_by(newer))
}

/// The newest log of the recovery of logs from each platform, with the platform's name, by platform.
pub fn recovery_logs(command_logs: &Path) -> io::Result<Vec<(String, LogFile)>> {
    // a folder that cannot be read is an error here, as in the original
    basis::note(command_logs);
    drop(fs::read_dir(command_logs).inspect_err(basis::note_error)?);
    let mut newest: HashMap<String, LogFile> = HashMap::new();
    for file in files(command_logs, |name| recovery_platform(name).is_some()) {
        let Some(platform) = recovery_platform(&file.name).map(str::to_owned) else { continue };
        let known = newest.get(&platform);
        if known.is_none_or(|known| known.name < file.name) {
            newest.insert(platform, file);
        }
    }
    let mut all: Vec<_> = newest.into_iter().collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(all)
}

/// `YYYYMMDD_HHMMSS_<platform>_log_recovery.log`, packed or not.
fn recovery_platform(name: &str) -> Option<&str> {
    let (time, rest) = (name.get(..16)?, name.get(16..)?);
    let right = time.bytes().enumerate().all(|(place, byte)| match place {
        8 | 15 => byte == b'_',
        _ => byte.is_ascii_digit(),
    });
    let name = PACKED.iter().rev().find_map(|packed| rest.strip_suffix(packed)?.strip_suffix("_log_recovery.log"))?;
    right.then_some(name)
}

fn newer(one: &LogFile, other: &LogFile) -> std::cmp::Ordering {
    (one.modified, &one.name).cmp(&(other.modified, &other.name))
}

/// What is in a folder; nothing where there is none.
pub(crate) fn entries(folder: &Path) -> impl Iterator<Item = fs::DirEntry> {
    let listed = fs::read_dir(folder).inspect_err(basis::note_error);
    listed.into_iter().flatten().filter_map(|entry| entry.inspect_err(basis::note_error).ok())
}

fn files(folder: &Path, wanted: impl Fn(&str) -> bool) -> Vec<LogFile> {
    basis::note(folder);
    let file = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok().filter(|name| wanted(name))?;
        LogFile::at(&entry.path()).map(|file| LogFile { name, ..file })
    };
    entries(folder).filter_map(file).collect()
}

impl LogFile {
    /// The file at a path, if there is one.
    pub fn at(path: &Path) -> Option<Self> {
        basis::note(path);
        let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_secs() as i64;
        Some(Self { path: path.to_owned(), name: path.file_name()?.to_string_lossy().into_owned(), modified })
    }

    /// Opens it, as a file of the experiment of these places. `None`: a link to what is not that experiment's.
    pub fn open(&self, places: &Places) -> io::Result<Option<File>> {
        reach::of_experiment(&places.folder, &self.path)
    }
}

/// How a file is packed, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not at all
    Plain,
    /// gzip
    Gzip,
    /// xz
    Xz,
}

/// Looks how a file is packed.
pub fn packing(file: &File) -> io::Result<Packing> {
    let mut head = [0; 6];
    let read = file.read_at(&mut head, 0)?;
    Ok(match &head[..read] {
        [0x1f, 0x8b, ..] => Packing::Gzip,
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Packing::Xz,
        _ => Packing::Plain,
    })
}

/// Bytes from the end of a file that are looked through for its last lines.
const TAIL: u64 = 4 << 20;

/// The last lines of a file that is not packed, without their ends. Only the last 4 MiB are looked at. As in the original a line is
/// what `tail` takes for one, and is then split where Python splits lines: a progress bar with carriage returns makes several.
pub fn last_lines(mut file: &File, count: usize) -> io::Result<Vec<String>> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let whole = text.strip_suffix('\n').unwrap_or(&text);
    let from = whole.rmatch_indices('\n').nth(count.saturating_sub(1)).map_or(0, |(at, _)| at + 1);
    Ok(python_lines(&text[from..]))
}

/// Where `str.splitlines` ends lines, besides `\r\n`.
const ENDS: [char; 10] = ['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];

fn python_lines(text: &str) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    let joined = text.replace("\r\n", "\n");
    joined.strip_suffix(ENDS).unwrap_or(&joined).split(ENDS).map(str::to_owned).collect()
}

/// The last lines of what was unpacked, as the original shows them: without blanks at their ends.
pub fn last_of(bytes: &[u8], count: usize) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    let whole = text.strip_suffix(['\n', '\r']).unwrap_or(&text);
    if text.is_empty() {
        return Vec::new();
    }
    let mut lines: Vec<String> =
        whole.rsplit(['\n', '\r']).take(count).map(|line| line.trim_end().to_owned()).collect();
    lines.reverse();
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            fs::write(folder.path().join(name), name).unwrap();
        }
        folder
    }

    #[test]
    fn the_newest_logs_of_jobs_are_found() {
        let folder = folder(&[
            "a_1.20240101.out",
            "a_1.20240102.out",
            "a_1.20240101.err",
            "a_1.20240103.out_attempt_1",
            "a_1_SIM.1.out",
            "a_1_SIM.2.err.gz",
            "x",
        ]);
        let logs = JobLogs::list(folder.path());
        assert_eq!(logs.of_job("a_1"), [Some("a_1.20240102.out"), Some("a_1.20240101.err")]);
        assert_eq!(logs.beginning_with("a_1"), [Some("a_1_SIM.1.out"), Some("a_1_SIM.2.err.gz")]);
        assert_eq!((logs.of_job("none"), logs.beginning_with("none")), ([None, None], [None, None]));
        assert_eq!(JobLogs::list(Path::new("/does/not/exist")).of_job("a_1"), [None, None]);
    }

    #[test]
    fn the_logs_of_commands_are_told_apart() {
        let names = ["20240101_000000_run.log", "20240102_000000_run.log", "20240103_000000_create.log"];
        let recovery = [
            "20240101_000000_mn5_log_recovery.log",
            "20240102_000000_mn5_log_recovery.log.xz",
            "2024_x_log_recovery.log",
        ];
        let folder = folder(&[names.as_slice(), &recovery].concat());
        let run = newest_run_log(folder.path(), Path::new("/does/not/exist")).unwrap();
        assert_eq!(run.name, "20240102_000000_run.log");
        let all = recovery_logs(folder.path()).unwrap();
        assert_eq!(
            all.iter().map(|(platform, file)| (platform.as_str(), file.name.as_str())).collect::<Vec<_>>(),
            [("mn5", recovery[1])]
        );
        assert!(recovery_logs(Path::new("/does/not/exist")).is_err());
    }

    #[test]
    fn ends_of_files_are_read() {
        let folder = folder(&["a"]);
        let path = folder.path().join("a");
        let last_lines = |path: &Path, count| last_lines(&File::open(path).unwrap(), count);
        let packing = |path: &Path| packing(&File::open(path).unwrap());
        fs::write(&path, "1\n2\n\n3").unwrap();
        assert_eq!(last_lines(&path, 2).unwrap(), ["", "3"]);
        assert_eq!(last_lines(&path, 9).unwrap().len(), 4);
        fs::write(&path, "0\n10%\r20%\r\nend\u{c}of page \n\n").unwrap();
        assert_eq!(last_lines(&path, 3).unwrap(), ["10%", "20%", "end", "of page ", ""]);
        assert_eq!(last_lines(&path, 9).unwrap().len(), 6);
        assert_eq!(last_of(&fs::read(&path).unwrap(), 3), ["20%", "end\u{c}of page", ""]);
        fs::write(&path, "").unwrap();
        assert_eq!((last_lines(&path, 3).unwrap().len(), last_of(b"", 3).len()), (0, 0));
        fs::write(&path, "\n").unwrap();
        assert_eq!((last_lines(&path, 3).unwrap(), last_of(b"\n", 3)), (vec![String::new()], vec![String::new()]));
        assert_eq!(packing(&path).unwrap(), Packing::Plain);
        fs::write(&path, [0x1f, 0x8b, 8]).unwrap();
        assert_eq!(packing(&path).unwrap(), Packing::Gzip);
        fs::write(&path, b"\xfd7zXZ\0").unwrap();
        assert_eq!(packing(&path).unwrap(), Packing::Xz);
    }
}
