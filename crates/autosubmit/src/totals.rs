//! `<job>_TOTAL_STATS`: one line for each try of a job, `submit start finish STATUS`, with times as `YYYYMMDDHHMMSS` in local time.
//! A try that waits or runs has one or two columns, and its line may lack its end.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::basis;
use crate::reach;
use crate::texts::seconds;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    columns: Vec<String>,
}

/// Bytes that the file may have: some ten thousand tries.
const LARGEST: u64 = 1 << 20;

/// The names of what is in the folder of such files; nothing if it cannot be listed.
pub fn listed(folder: &Path) -> Option<HashSet<OsString>> {
    basis::note(folder);
    let entries = fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
    entries.inspect_err(basis::note_error).ok()
}

/// Reads the tries of a job, oldest first. No file, or one that is too large to be one, is an error.
pub fn read(path: &Path) -> io::Result<Vec<Line>> {
    basis::note(path);
    let text = reach::whole(path, LARGEST).inspect_err(basis::note_error)?;
    let text = String::from_utf8_lossy(&text);
    let lines = text.lines().map(|line| Line { columns: line.split_whitespace().map(str::to_owned).collect() });
    Ok(lines.filter(|line| !line.columns.is_empty()).collect())
}

impl Line {
    /// How many columns it has.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// A column as a point in time, in seconds since 1970.
    pub fn time(&self, column: usize, zone: Offset) -> Option<i64> {
        seconds(point(self.columns.get(column)?)?, zone)
    }

    /// The fourth column, if it is no point in time.
    pub fn status(&self) -> Option<&str> {
        self.columns.get(3).map(String::as_str).filter(|text| text.len() != 14)
    }

    /// Whether the try was completed.
    pub fn is_completed(&self) -> bool {
        self.columns.len() == 4 && self.columns[3] == "COMPLETED"
    }
}

/// 4 to 14 digits, from the year to the second.
fn point(text: &str) -> Option<DateTime> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) || !matches!(text.len(), 4 | 6 | 8 | 10 | 12 | 14) {
        return None;
    }
    let part = |from: usize, usual: i8| text.get(from..from + 2).map_or(Some(usual), |digits| digits.parse().ok());
    let year = text.get(..4)?.parse().ok()?;
    DateTime::new(year, part(4, 1)?, part(6, 1)?, part(8, 0)?, part(10, 0)?, part(12, 0)?, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_in_all_their_states_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a000_SIM_TOTAL_STATS");
        fs::write(&path, "20240101000000 20240101000010 20240101000110 FAILED\n\n20240101000200 20240101\n2024010100")
            .unwrap();
        let lines = read(&path).unwrap();
        let start = 1_704_067_200;
        assert_eq!(lines.iter().map(Line::len).collect::<Vec<_>>(), [4, 2, 1]);
        assert_eq!(
            [0, 1, 2].map(|column| lines[0].time(column, Offset::UTC)),
            [Some(start), Some(start + 10), Some(start + 70)]
        );
        assert_eq!(
            (lines[0].status(), lines[0].is_completed(), lines[0].time(3, Offset::UTC)),
            (Some("FAILED"), false, None)
        );
        assert_eq!((lines[1].time(1, Offset::UTC), lines[1].time(2, Offset::UTC)), (Some(start), None));
        assert_eq!(lines[2].time(0, Offset::UTC), Some(start));
        fs::write(&path, "20249901000000 x 202 COMPLETED").unwrap();
        let odd = &read(&path).unwrap()[0];
        assert_eq!([0, 1, 2].map(|column| odd.time(column, Offset::UTC)), [None; 3]);
        assert!(odd.is_completed() && !odd.is_empty());
        assert!(read(&folder.path().join("none")).is_err());
    }
}
