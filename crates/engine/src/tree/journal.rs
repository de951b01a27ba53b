//! `status.csv` and `log/console`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jobgate_model::Transition;
use rustix::fs::{FlockOperation, flock};

/// A history longer than this is not read: no job reaches that, and a damaged file must not exhaust memory.
const LONGEST: u64 = 256 << 20;

/// No link is followed, and nothing that a job put in a file's place (a pipe) is waited for.
const UNLINKED: i32 = rustix::fs::OFlags::NOFOLLOW.union(rustix::fs::OFlags::NONBLOCK).bits() as i32;

/// The last row is looked for in so many bytes at the end of a history.
const LAST_ROW: u64 = 4096;

/// One row and the byte offset at which its line starts: the row's identity.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Where the line starts.
    pub offset: u64,
    /// What it says.
    pub transition: Transition,
}

/// The complete lines of a history from some offset on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tail {
    /// The readable rows, in file order.
    pub rows: Vec<Row>,
    /// Offset behind the last complete line: where the next look starts.
    pub end: u64,
}

/// An open history under its exclusive lock, which is held until this is dropped.
#[derive(Debug)]
pub struct Journal {
    file: File,
}

impl Journal {
    /// Opens a job's history (makes it if it is missing) and waits for the exclusive lock.
    pub fn lock(base: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o644)
            .custom_flags(UNLINKED)
            .open(base.join("status.csv"))?;
        regular(&file)?;
        flock(&file, FlockOperation::LockExclusive)?;
        Ok(Self { file })
    }

    /// Its size in bytes.
    pub fn size(&self) -> io::Result<u64> {
        self.file.metadata().map(|meta| meta.len())
    }

    /// Writes the first rows of a history that is empty, as they are, with a single write.
    pub fn begin(&mut self, rows: &[Transition]) -> io::Result<()> {
        let text: String = rows.iter().map(Transition::to_row).collect();
        self.write(0, &text)
    }

    /// Writes at the end, where `size` is; what could not be written as a whole is not there.
    fn write(&mut self, size: u64, text: &str) -> io::Result<()> {
        self.file.write_all(text.as_bytes()).inspect_err(|_| drop(self.file.set_len(size)))
    }

    /// Takes back what was appended under this lock, from `offset` on.
    pub fn cut(&self, offset: u64) -> io::Result<()> {
        self.file.set_len(offset)
    }

    /// The complete lines from `offset` on.
    pub fn tail(&mut self, offset: u64) -> io::Result<Tail> {
        read_tail(&mut self.file, offset)
    }

    /// Appends one row with a single write and gives it as it was written: its time is not before that of the row before
    /// it, so that the file is in order of time whatever the clocks of its writers say, and its info is on one line. A line
    /// that somebody left unfinished is ended first, so that it cannot swallow the row.
    pub fn append(&mut self, row: &Transition) -> io::Result<Row> {
        let size = self.file.seek(SeekFrom::End(0))?;
        let from = size.saturating_sub(LAST_ROW);
        self.file.seek(SeekFrom::Start(from))?;
        let mut end = Vec::new();
        (&self.file).take(LAST_ROW).read_to_end(&mut end)?;
        let before = parse_tail(&end, from).rows.pop().map_or(0.0, |row| row.transition.time);
        let transition =
            Transition { time: row.time.max(before), info: jobgate_model::clean_info(&row.info), ..row.clone() };
        let mut text = transition.to_row();
        let unfinished = end.last().is_some_and(|byte| *byte != b'\n');
        if unfinished {
            text.insert(0, '\n');
        }
        self.write(size, &text)?;
        Ok(Row { offset: size + u64::from(unfinished), transition })
    }
}

/// Appends one row to a job's history. The job directory must exist.
pub fn append(base: &Path, row: &Transition) -> io::Result<()> {
    Journal::lock(base)?.append(row).map(drop)
}

/// The complete lines of a job's history from `offset` on, read under a shared lock so that a writer that records what it
/// appends is not overtaken.
pub fn tail(base: &Path, offset: u64) -> io::Result<Tail> {
    let mut file = open(base)?;
    flock(&file, FlockOperation::LockShared)?;
    read_tail(&mut file, offset)
}

/// Size of a job's history in bytes; 0 when there is none.
pub fn size(base: &Path) -> io::Result<u64> {
    match std::fs::symlink_metadata(base.join("status.csv")) {
        Ok(meta) => Ok(meta.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// Lines of a job's history that are not rows. psik logs them at every read.
pub fn invalid_rows(base: &Path) -> io::Result<Vec<String>> {
    let mut text = Vec::new();
    open(base)?.take(LONGEST).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().filter(|line| Transition::from_row(line).is_none()).map(str::to_owned).collect())
}

/// Adds a line to `log/console`, psik's own messages about a job. What cannot be written is not worth failing for.
pub fn console(base: &Path, line: &str) {
    let open = || {
        OpenOptions::new().append(true).create(true).mode(0o644).custom_flags(UNLINKED).open(base.join("log/console"))
    };
    let file = open().or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => std::fs::create_dir(base.join("log")).and_then(|()| open()),
        _ => Err(error),
    });
    if let Ok(mut file) = file {
        drop(file.write_all(format!("{}\n", jobgate_model::clean_info(line)).as_bytes()));
    }
}

fn open(base: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(UNLINKED).open(base.join("status.csv"))?;
    regular(&file)?;
    Ok(file)
}

/// What a job put in the place of a file is not waited for.
fn regular(file: &File) -> io::Result<()> {
    if file.metadata()?.is_file() { Ok(()) } else { Err(io::Error::other("it is not a regular file")) }
}

fn read_tail(file: &mut File, offset: u64) -> io::Result<Tail> {
    let size = file.metadata()?.len();
    if size <= offset || size > LONGEST {
        return Ok(Tail { rows: Vec::new(), end: offset });
    }
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::with_capacity((size - offset) as usize);
    file.take(size - offset).read_to_end(&mut bytes)?;
    Ok(parse_tail(&bytes, offset))
}

fn parse_tail(bytes: &[u8], offset: u64) -> Tail {
    let complete = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let mut rows = Vec::new();
    let mut at = offset;
    for line in bytes[..complete].split_inclusive(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(line);
        if let Some(transition) = Transition::from_row(text.trim_end_matches('\n')) {
            rows.push(Row { offset: at, transition });
        }
        at += line.len() as u64;
    }
    Tail { rows, end: at }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobgate_model::State;

    fn row(jobndx: i64, state: State) -> Transition {
        Transition { time: 1.5, jobndx, state, info: String::new() }
    }

    #[test]
    fn rows_are_identified_by_their_offset() {
        let dir = tempfile::tempdir().unwrap();
        append(dir.path(), &row(0, State::New)).unwrap();
        append(dir.path(), &row(1, State::Queued)).unwrap();
        let all = tail(dir.path(), 0).unwrap();
        assert_eq!(all.rows.iter().map(|r| r.offset).collect::<Vec<_>>(), [0, 11]);
        assert_eq!(all.end, size(dir.path()).unwrap());
        assert_eq!(tail(dir.path(), 11).unwrap().rows, all.rows[1..]);
        assert!(tail(dir.path(), all.end).unwrap().rows.is_empty());
    }

    #[test]
    fn garbage_and_unfinished_lines_swallow_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("status.csv");
        std::fs::write(&path, b"1.5,0,new,{}\n\xff\xfe,garbage\n\n1.5,1,que").unwrap();
        let before = tail(dir.path(), 0).unwrap();
        assert_eq!((before.rows.len(), before.end), (1, 25));
        append(dir.path(), &row(1, State::Active)).unwrap();
        let after = tail(dir.path(), before.end).unwrap();
        assert_eq!(after.rows.len(), 1);
        assert_eq!(after.rows[0].transition.state, State::Active);
        assert_eq!(invalid_rows(dir.path()).unwrap().len(), 3);
    }

    #[test]
    fn rows_are_in_order_of_time() {
        let dir = tempfile::tempdir().unwrap();
        for time in [5.0, 4.0, 6.0] {
            append(dir.path(), &Transition { time, ..row(1, State::Active) }).unwrap();
        }
        let times: Vec<f64> = tail(dir.path(), 0).unwrap().rows.iter().map(|row| row.transition.time).collect();
        assert_eq!(times, [5.0, 5.0, 6.0]);
    }

    #[test]
    fn a_symlink_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("elsewhere"), "").unwrap();
        std::os::unix::fs::symlink("elsewhere", dir.path().join("status.csv")).unwrap();
        assert!(append(dir.path(), &row(0, State::New)).is_err());
        assert!(tail(dir.path(), 0).is_err());
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("log")).unwrap();
        for name in ["status.csv", "log/console"] {
            let mode = rustix::fs::Mode::from_raw_mode(0o600);
            rustix::fs::mknodat(rustix::fs::CWD, dir.path().join(name), rustix::fs::FileType::Fifo, mode, 0).unwrap();
        }
        assert!(append(dir.path(), &row(0, State::New)).is_err());
        assert!(tail(dir.path(), 0).is_err());
        console(dir.path(), "nobody reads this");
    }

    #[test]
    fn parallel_writers_lose_nothing() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let base = dir.path();
                scope.spawn(move || (0..50).for_each(|n| append(base, &row(writer * 100 + n, State::Active)).unwrap()));
            }
        });
        assert_eq!(tail(dir.path(), 0).unwrap().rows.len(), 200);
    }
}
