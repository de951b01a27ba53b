use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::*;

struct Place {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    Place { path: dir.path().join("audit.log"), _dir: dir }
}

fn entry(who: &str) -> Entry {
    let actor = Actor { who: who.into(), ..Actor::unknown("192.0.2.1", "tcp") };
    Entry::new(actor, Event::Command("cancel".into()))
}

impl Place {
    fn log(&self) -> Log {
        Log::open(&self.path, "gate").unwrap()
    }

    /// Writes so many records, one at a time.
    fn fill(&self, count: usize) -> &Self {
        let mut log = self.log();
        for number in 0..count {
            log.append(&[entry(&format!("user{number}"))]).unwrap();
        }
        self
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    fn verify(&self) -> Report {
        verify(std::slice::from_ref(&self.path)).unwrap()
    }

    /// The line and the reason at which the chain breaks.
    fn fault(&self) -> Option<(u64, Why)> {
        self.verify().fault.map(|fault| (fault.line, fault.why))
    }

    /// Changes the lines of the file.
    fn change(&self, change: impl FnOnce(&mut Vec<String>)) {
        let mut lines: Vec<String> = self.text().lines().map(str::to_owned).collect();
        change(&mut lines);
        // the same file, as an editor in place would leave it
        fs::write(&self.path, lines.join("\n") + "\n").unwrap();
    }

    fn read(&self) -> Vec<Line> {
        lines(&self.path).unwrap().collect()
    }
}

fn move_away(path: &Path, to: &str) -> PathBuf {
    let old = path.with_extension(to);
    fs::rename(path, &old).unwrap();
    old
}

#[test]
fn lines_hang_together_over_restarts() {
    let place = place();
    place.fill(2).fill(3);
    let report = place.verify();
    assert_eq!((report.lines, report.first, report.fault, report.end_known), (5, Some(1), None, true));
    assert_eq!(report.last.unwrap().0, 5);
    for name in ["audit.log", "audit.log.head"] {
        let mode = fs::metadata(place.path.with_file_name(name)).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let line = &place.read()[0];
    assert_eq!((line.seq, line.what.as_str(), line.outcome.as_str()), (1, "jobgate cancel", "allowed"));
    assert!(line.time.len() == 27 && line.time.ends_with('Z'), "{}", line.time);
}

#[test]
fn what_was_done_to_it_is_said() {
    let broken = |change: fn(&mut Vec<String>)| {
        let place = place();
        place.fill(5).change(change);
        place.fault()
    };
    assert_eq!(broken(|_| {}), None);
    assert_eq!(broken(|lines| lines[2] = lines[2].replace("user2", "root")), Some((3, Why::Changed)));
    assert_eq!(broken(|lines| lines[4] = lines[4].replace("user4", "root")), Some((5, Why::Changed)));
    assert_eq!(broken(|lines| lines[0] = lines[0].replace("user0", "root")), Some((1, Why::Changed)));
    assert_eq!(broken(|lines| lines[2] = "junk".into()), Some((3, Why::Changed)));
    assert_eq!(broken(|lines| lines.insert(2, "junk".into())), Some((3, Why::Changed)));
    assert_eq!(broken(|lines| drop(lines.remove(2))), Some((3, Why::Missing(3, 3))));
    assert_eq!(broken(|lines| drop(lines.drain(1..4))), Some((2, Why::Missing(2, 4))));
    assert_eq!(broken(|lines| lines.swap(1, 2)), Some((2, Why::Reordered)));
    assert_eq!(broken(|lines| lines.push(lines[1].clone())), Some((6, Why::Reordered)));
    assert_eq!(broken(|lines| lines.truncate(3)), Some((3, Why::Truncated(Some(5)))));
}

#[test]
fn a_chain_may_begin_in_an_older_file() {
    let place = place();
    place.fill(3);
    let mut log = place.log();
    log.append(&[entry("before")]).unwrap();
    let old = move_away(&place.path, "log.1");
    log.append(&[entry("after")]).unwrap();
    place.fill(1);
    let lines = place.read();
    assert_eq!(lines.iter().map(|line| line.event.as_str()).collect::<Vec<_>>(), ["continued", "command", "command"]);
    let both = [old.clone(), place.path.clone()];
    let report = verify(&both).unwrap();
    assert_eq!((report.lines, report.fault), (7, None));
    let report = place.verify();
    assert_eq!((report.first, report.fault), (Some(5), None), "the older file is said to be missing");
    let wrong = verify(&[place.path.clone(), old]).unwrap().fault.unwrap();
    assert_eq!((wrong.line, wrong.why), (1, Why::Reordered));
}

#[test]
fn a_log_that_was_copied_and_emptied_goes_on() {
    let place = place();
    let mut log = place.log();
    log.append(&[entry("a"), entry("b")]).unwrap();
    let old = place.path.with_extension("log.1");
    fs::copy(&place.path, &old).unwrap();
    fs::write(&place.path, "").unwrap();
    log.append(&[entry("c")]).unwrap();
    let report = verify(&[old, place.path.clone()]).unwrap();
    assert_eq!((report.lines, report.fault), (4, None));
}

#[test]
fn a_torn_line_is_closed_off_and_said() {
    let place = place();
    place.fill(2);
    let mut file = fs::File::options().append(true).open(&place.path).unwrap();
    file.write_all(br#"{"time":"2026-11-28T0"#).unwrap();
    assert_eq!(place.fault(), Some((3, Why::Truncated(None))));
    place.fill(1);
    let report = place.verify();
    assert_eq!((report.lines, report.torn, report.fault), (4, 1, None));
    assert_eq!(place.read()[2].what, "the last line was torn");
    // nobody can hide something behind such a record
    place.change(|lines| lines[2].push('x'));
    assert_eq!(place.fault(), Some((3, Why::Changed)));
}

#[test]
fn lines_whose_writer_was_killed_before_it_moved_the_head_belong_to_the_chain() {
    let place = place();
    place.fill(1);
    let head = place.path.with_file_name("audit.log.head");
    let before = fs::read(&head).unwrap();
    place.fill(2);
    fs::write(&head, before).unwrap();
    assert_eq!(place.fault(), None);
    place.fill(1);
    let report = place.verify();
    assert_eq!((report.lines, report.fault), (4, None));
}

#[test]
fn what_was_cut_off_stays_missing() {
    let place = place();
    place.fill(4).change(|lines| lines.truncate(2));
    place.fill(1);
    assert_eq!(place.read()[2].what, "the file is shorter than it was");
    assert_eq!(place.fault(), Some((3, Why::Missing(3, 4))));
}

#[test]
fn without_its_head_the_log_tells_where_it_ends() {
    let place = place();
    place.fill(3);
    let mut log = place.log();
    fs::remove_file(place.path.with_file_name("audit.log.head")).unwrap();
    assert!(!place.verify().end_known);
    // also for who has the old one open
    log.append(&[entry("a")]).unwrap();
    place.fill(1);
    assert_eq!(place.read()[3].what, "the head was missing");
    let report = place.verify();
    assert_eq!((report.lines, report.fault, report.end_known), (6, None, true));
}

#[test]
fn another_file_in_its_place_is_said() {
    let place = place();
    place.fill(2);
    fs::rename(&place.path, place.path.with_extension("kept")).unwrap();
    fs::write(&place.path, "something else\n").unwrap();
    place.fill(1);
    assert_eq!(place.read()[0].what, "it is another file");
    assert_eq!(place.fault(), Some((1, Why::Changed)));
}

#[test]
fn a_copy_that_was_put_in_its_place_is_as_good() {
    let place = place();
    place.fill(2);
    let copy = place.path.with_extension("copy");
    fs::copy(&place.path, &copy).unwrap();
    fs::rename(copy, &place.path).unwrap();
    place.fill(1);
    assert_eq!((place.read().len(), place.fault()), (3, None));
}

#[test]
fn many_write_at_the_same_time() {
    let place = place();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let place = &place;
            scope.spawn(move || {
                let mut log = place.log();
                for number in 0..100 {
                    log.append(&[entry(&format!("a{number}")), entry("b")]).unwrap();
                    if (writer, number) == (0, 50) {
                        move_away(&place.path, "log.1");
                    }
                }
            });
        }
    });
    let report = verify(&[place.path.with_extension("log.1"), place.path.clone()]).unwrap();
    assert!(report.fault.is_none() && report.lines == 801, "{report:?}");
}

#[test]
fn nobody_can_write_a_line_of_its_own() {
    let place = place();
    let nasty = "x\",\"outcome\":\"allowed\"}\n{\"seq\":9}\r\u{1b}[2J\u{9b}1m\u{202e}\u{2028}\u{7f}\u{e0041}Ünal";
    let mut record = entry(nasty);
    record.job = Some(nasty.into());
    record.request_id = Some("x".repeat(5000));
    place.log().append(&[record]).unwrap();
    let text = place.text();
    assert_eq!(text.lines().count(), 1);
    let letters = |c: char| (' '..='~').contains(&c) || c == 'Ü';
    assert!(text.trim_end_matches('\n').chars().all(letters), "{text}");
    let line = &place.read()[0];
    assert_eq!((line.who.as_str(), line.job.as_deref()), (nasty, Some(nasty)), "nothing is lost by it");
    assert_eq!(line.request_id.as_deref().map(str::len), Some(303));
    assert_eq!(place.fault(), None);
}

#[test]
fn what_cannot_be_written_leaves_nothing_behind() {
    let place = place();
    fs::create_dir(&place.path).unwrap();
    let error = place.log().append(&[entry("a")]).unwrap_err();
    assert!(error.message().starts_with("cannot write the audit log ") && error.message().contains("audit.log: "));
    assert!(Log::open(&place.path.join("none/audit.log"), "gate").is_err());
}
