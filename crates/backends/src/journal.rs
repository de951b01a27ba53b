//! What a job's `status.csv` says about one run. Only complete lines count: a writer may be in the middle of one.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jobgate_model::{JobNdx, State, Transition};
use rustix::fs::OFlags;

/// A history longer than this is not read: no job reaches that, and a damaged file must not exhaust memory.
const LONGEST: u64 = 256 << 20;

/// The rows of one run.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct RunRows {
    /// Its native id, when it was recorded as queued.
    pub(crate) queued: Option<String>,
    /// How often it became active.
    pub(crate) actives: u64,
    /// Its final row.
    pub(crate) ended: Option<(State, String)>,
}

/// Reads the rows of one run; none when there is no history.
pub(crate) fn read_run(base: &Path, jobndx: JobNdx) -> io::Result<RunRows> {
    let mut rows = RunRows::default();
    for row in read_from(base, 0)?.0.into_iter().filter(|row| row.jobndx == jobndx) {
        match row.state {
            State::New => {}
            State::Queued => rows.queued = Some(row.info),
            State::Active => rows.actives += 1,
            State::Completed | State::Failed | State::Canceled => {
                rows.ended.get_or_insert((row.state, row.info));
            }
        }
    }
    Ok(rows)
}

/// The last row of a job; `None` when there is no history.
pub(crate) fn last_row(base: &Path) -> io::Result<Option<Transition>> {
    Ok(read_from(base, 0)?.0.pop())
}

/// The complete rows from a byte offset on, and the offset behind them.
fn read_from(base: &Path, offset: u64) -> io::Result<(Vec<Transition>, u64)> {
    let mut file = match open(base) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        Err(error) => return Err(error),
    };
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes)?;
    let complete = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let text = String::from_utf8_lossy(&bytes[..complete]);
    Ok((text.lines().filter_map(Transition::from_row).collect(), offset + complete as u64))
}

/// Opens a history. No link is followed, and what a job put in its place (a pipe) is not waited for; that is `InvalidData`.
fn open(base: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let none = || io::Error::new(io::ErrorKind::InvalidData, "it is not a file, or too long for a history");
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(base.join("status.csv"));
    let file = opened.map_err(|error| match error.raw_os_error() {
        Some(number) if number == rustix::io::Errno::LOOP.raw_os_error() => none(),
        _ => error,
    })?;
    let meta = file.metadata()?;
    if meta.is_file() && meta.len() <= LONGEST { Ok(file) } else { Err(none()) }
}

/// Watches a history for a `canceled` row that somebody else appends for a run, or for its whole job.
#[derive(Debug)]
pub(crate) struct CancelWatch {
    base: PathBuf,
    jobndx: JobNdx,
    seen: u64,
}

impl CancelWatch {
    /// Starts to watch; `true` when a row that came after the run was queued cancels it already. Without a `queued` row
    /// (hot-start) only later rows count: the job may have been canceled and started again.
    pub(crate) fn start(base: &Path, jobndx: JobNdx) -> io::Result<(Self, bool)> {
        let (rows, seen) = read_from(base, 0)?;
        let watch = Self { base: base.to_owned(), jobndx, seen };
        let queued = rows.iter().rposition(|row| row.jobndx == jobndx && row.state == State::Queued);
        let canceled = queued.is_some_and(|queued| rows[queued..].iter().any(|row| watch.cancels(row)));
        Ok((watch, canceled))
    }

    /// Whether such a row came since the last look. Costs one `stat` when nothing did; a file that cannot be read now
    /// is looked at again next time.
    pub(crate) fn look(&mut self) -> bool {
        let Ok(meta) = std::fs::symlink_metadata(self.base.join("status.csv")) else { return false };
        if meta.len() < self.seen {
            // Somebody rewrote the file; what it says now was said before.
            self.seen = meta.len();
        }
        if meta.len() == self.seen {
            return false;
        }
        let Ok((rows, seen)) = read_from(&self.base, self.seen) else { return false };
        self.seen = seen;
        rows.iter().any(|row| self.cancels(row))
    }

    fn cancels(&self, row: &Transition) -> bool {
        row.state == State::Canceled && (row.jobndx == 0 || row.jobndx == self.jobndx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn history(text: &str) -> tempfile::TempDir {
        let base = tempfile::tempdir().unwrap();
        std::fs::write(base.path().join("status.csv"), text).unwrap();
        base
    }

    fn append(base: &Path, text: &str) {
        let mut file = std::fs::OpenOptions::new().append(true).open(base.join("status.csv")).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn one_run_among_others() {
        let base = history(
            "1.0,0,new,{}\ngarbage\n2.0,1,queued,77\n3.0,2,queued,78\n4.0,1,active,\n5.0,1,failed,3\n6.0,2,act",
        );
        let rows = read_run(base.path(), 1).unwrap();
        assert_eq!(rows, RunRows { queued: Some("77".into()), actives: 1, ended: Some((State::Failed, "3".into())) });
        assert_eq!(read_run(base.path(), 2).unwrap().actives, 0, "an unfinished line is not a row");
        assert_eq!(read_run(&base.path().join("none"), 1).unwrap(), RunRows::default());
        assert_eq!(last_row(base.path()).unwrap().unwrap().state, State::Failed);
    }

    /// `rm status.csv; mkfifo status.csv` in a job.
    #[test]
    fn what_a_job_put_in_its_place_is_an_error() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("status.csv");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let is_none = |error: io::Error| error.kind() == io::ErrorKind::InvalidData;
        assert!(read_run(base.path(), 1).is_err_and(is_none));
        std::fs::remove_file(&path).unwrap();
        std::fs::write(base.path().join("elsewhere"), "1.0,1,queued,77\n").unwrap();
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        assert!(read_run(base.path(), 1).is_err_and(is_none));
        std::fs::remove_file(&path).unwrap();
        File::create(&path).unwrap().set_len(LONGEST + 1).unwrap();
        assert!(last_row(base.path()).is_err_and(is_none));
    }

    #[test]
    fn only_rows_after_the_start_cancel() {
        let base = history("1.0,0,new,{}\n2.0,1,queued,1\n3.0,0,canceled,\n4.0,2,queued,2\n");
        let (mut watch, canceled) = CancelWatch::start(base.path(), 2).unwrap();
        assert!(!canceled && !watch.look());
        append(base.path(), "5.0,1,canceled,\n5.0,2,active,\n");
        assert!(!watch.look());
        append(base.path(), "6.0,0,canc");
        assert!(!watch.look());
        append(base.path(), "eled,\n");
        assert!(watch.look());
        assert!(!watch.look());
        std::fs::write(base.path().join("status.csv"), "1.0,0,canceled,\n").unwrap();
        assert!(!watch.look(), "a rewritten file is not news");
        append(base.path(), "7.0,2,canceled,\n");
        assert!(watch.look());
    }

    #[test]
    fn a_run_canceled_while_it_waited() {
        let base = history("1.0,0,new,{}\n2.0,1,queued,1\n3.0,0,canceled,\n");
        assert!(CancelWatch::start(base.path(), 1).unwrap().1);
        assert!(!CancelWatch::start(base.path(), 2).unwrap().1, "no queued row: hot-start after a cancel");
    }
}
