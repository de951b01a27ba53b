//! A whole site in bad shape: hostile and cut pickles, locked and half-written databases, experiments that go away. What is asked
//! says so, and the rest of the site is as it was.
#![expect(clippy::unwrap_used, reason = "a test says by panicking what is wrong")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::tz::Offset;
use jobgate_autosubmit::databases::DatabaseError;
use jobgate_autosubmit::expid::Expid;
use jobgate_autosubmit::jobs::JobsError;
use jobgate_autosubmit::rc::{Environment, Rc};
use jobgate_autosubmit::site::{Site, SiteError};
use jobgate_autosubmit::views::facts::Facts;
use jobgate_autosubmit::views::{Moment, Snapshot, tree};
use proptest::prelude::*;
use rusqlite::Connection;

/// A copy of the recorded site, with a configuration for each experiment.
struct Copy {
    folder: tempfile::TempDir,
}

impl Copy {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/files");
        copy(&recorded, folder.path());
        let at = folder.path().display();
        let rc = format!(
            "[database]\npath = {at}\n[local]\npath = {at}\n[historicdb]\npath = {at}/metadata/data\n\
             [structures]\npath = {at}/metadata/structures\n"
        );
        fs::write(folder.path().join("rc"), rc).unwrap();
        let copy = Self { folder };
        for expid in ["a000", "a001"] {
            copy.configure(expid);
        }
        copy
    }

    fn configure(&self, expid: &str) {
        let conf = self.folder.path().join(expid).join("conf");
        fs::create_dir_all(&conf).unwrap();
        fs::create_dir_all(self.folder.path().join(expid).join("tmp")).unwrap();
        let yaml = format!(
            "CONFIG: {{AUTOSUBMIT_VERSION: '4.1.17'}}\nDEFAULT: {{EXPID: {expid}, HPCARCH: LOCAL}}\nJOBS: {{SIM: {{FILE: a.sh}}}}\n"
        );
        fs::write(conf.join("minimal.yml"), yaml).unwrap();
    }

    fn site(&self) -> Site {
        let environment = Environment::default();
        Site::new(Rc::read(&self.folder.path().join("rc"), &environment).unwrap(), environment, 1 << 24)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn expid(text: &str) -> Expid {
    Expid::parse(text).unwrap()
}

/// Reads everything that a tree needs, as a request does.
fn asked(site: &Site, of: &str) -> Result<usize, SiteError> {
    let snapshot = Snapshot::read(site, &expid(of))?;
    let facts = Facts::of(&snapshot, Moment::new(1_781_524_800, Offset::UTC));
    let titles = tree::titles(&facts);
    Ok(serde_json::to_string(&tree::tree(&facts, &titles)).unwrap().len())
}

#[test]
fn a_hostile_pickle_is_an_error_of_its_experiment() {
    let copy = Copy::new();
    let canary = copy.path("canary");
    let command = format!("touch {}", canary.display());
    let mut deep = vec![0x80, 2];
    deep.extend(std::iter::repeat_n(b']', 2_000_000));
    deep.extend(std::iter::repeat_n(b'a', 1_999_999));
    deep.push(b'.');
    // ten lists, each with ten times the one before
    let mut laughs = vec![0x80, 2];
    laughs.extend(b"]q\0");
    for level in 0..100_u8 {
        laughs.extend([b'0', b']', b'q', level + 1, b'(']);
        laughs.extend(std::iter::repeat_n([b'h', level], 10).flatten());
        laughs.push(b'e');
    }
    laughs.push(b'.');
    let mut huge = vec![0x80, 4, 0x8d];
    huge.extend((1_u64 << 60).to_le_bytes());
    let evil: [(&str, Vec<u8>); 7] = [
        ("system", format!("cos\nsystem\n(S'{command}'\ntR.").into_bytes()),
        ("eval", format!("cbuiltins\neval\n(S'__import__(\"os\").system(\"{command}\")'\ntR.").into_bytes()),
        ("in a list", format!("(lp0\n(cposix\nsystem\n(S'{command}'\ntRta.").into_bytes()),
        ("deep", deep),
        ("laughs", laughs),
        ("huge", huge),
        ("nothing", Vec::new()),
    ];
    for (name, bytes) in evil {
        fs::write(copy.path("a000/pkl/job_list_a000.pkl"), bytes).unwrap();
        let site = copy.site();
        let began = Instant::now();
        let error = asked(&site, "a000").unwrap_err();
        assert!(
            matches!(error, SiteError::Jobs(JobsError::Pickle { .. } | JobsError::Content { .. })),
            "{name}: {error}"
        );
        assert!(began.elapsed() < Duration::from_secs(20), "{name}");
        assert!(asked(&site, "a001").unwrap() > 1000, "{name}");
    }
    assert!(!canary.exists());
    let most = fs::read_to_string("/proc/self/status").unwrap();
    let most = most.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let most: u64 = most.split_whitespace().next().unwrap().parse().unwrap();
    assert!(most < 800 << 10, "{most} KiB of memory");
}

#[test]
fn a_pickle_that_is_half_written_is_never_taken_for_a_whole_one() {
    let copy = Copy::new();
    for name in ["a000", "a001", "n000", "o000"] {
        let path = copy.path(&format!("{name}/pkl/job_list_{name}.pkl"));
        let whole = fs::read(&path).unwrap();
        let jobs = copy.site().jobs(&expid(name)).unwrap().len();
        assert!(jobs > 0);
        for length in (0..whole.len()).step_by(whole.len() / 60 + 1) {
            fs::write(&path, &whole[..length]).unwrap();
            let error = copy.site().jobs(&expid(name)).unwrap_err().to_string();
            assert!(error.contains("job list"), "{name} {length}: {error}");
        }
        fs::write(&path, &whole).unwrap();
        assert_eq!(copy.site().jobs(&expid(name)).unwrap().len(), jobs);
    }
}

#[test]
fn an_experiment_may_be_deleted_while_it_is_read() {
    let copy_of = Copy::new();
    let spare = tempfile::tempdir().unwrap();
    copy(&copy_of.path("a000"), &spare.path().join("a000"));
    let site = copy_of.site();
    let over = AtomicBool::new(false);
    let (mut right, mut wrong) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..40 {
                fs::remove_dir_all(copy_of.path("a000")).unwrap();
                std::thread::sleep(Duration::from_millis(10));
                copy(&spare.path().join("a000"), &copy_of.path("a000"));
                std::thread::sleep(Duration::from_millis(20));
            }
            over.store(true, Ordering::Release);
        });
        while !over.load(Ordering::Acquire) {
            match asked(&site, "a000") {
                Ok(_) => right += 1,
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    wrong += 1;
                }
            }
            assert!(asked(&site, "a001").is_ok(), "the others are not concerned");
        }
    });
    assert!(right > 0 && wrong > 0, "{right} right, {wrong} wrong");
    assert!(asked(&site, "a000").is_ok());
    fs::remove_dir_all(copy_of.path("a000")).unwrap();
    assert!(asked(&site, "a000").is_err());
}

#[test]
fn locked_and_half_written_databases_are_named_and_the_rest_goes_on() {
    let copy = Copy::new();
    let site = copy.site();
    let history = copy.path("metadata/data/job_data_a000.db");
    let writer = Connection::open(&history).unwrap();
    writer.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    std::thread::scope(|scope| {
        let locked = scope.spawn(|| asked(&site, "a000").unwrap_err());
        let began = Instant::now();
        assert!(asked(&site, "a001").is_ok());
        assert!(began.elapsed() < Duration::from_secs(3), "who waits for a lock keeps nobody waiting");
        let error = locked.join().unwrap();
        assert!(matches!(error, SiteError::Database(DatabaseError::Busy { .. })), "{error}");
        assert!(error.to_string().contains("job_data_a000.db is locked"));
    });
    drop(writer);
    assert!(asked(&site, "a000").is_ok());
    // cut in the middle
    let whole = fs::read(&history).unwrap();
    for length in [whole.len() / 4, whole.len() / 2] {
        fs::write(&history, &whole[..length]).unwrap();
        let error = asked(&copy.site(), "a000").unwrap_err();
        assert!(matches!(error, SiteError::Database(DatabaseError::Damaged { .. })), "{length}: {error}");
    }
    // whoever wrote died in the middle: its journal is there, and must be rolled back by somebody who may write
    fs::write(&history, &whole).unwrap();
    let journal = copy.path("metadata/data/job_data_a000.db-journal");
    let writer = Connection::open(&history).unwrap();
    writer
        .execute_batch("PRAGMA cache_size = 1; BEGIN; UPDATE job_data SET finish = 1; UPDATE job_data SET start = 1")
        .unwrap();
    let left = (fs::read(&history).unwrap(), fs::read(&journal).unwrap());
    drop(writer);
    fs::write(&history, &left.0).unwrap();
    fs::write(&journal, &left.1).unwrap();
    match asked(&copy.site(), "a000") {
        Err(SiteError::Database(DatabaseError::Unfinished { .. } | DatabaseError::Busy { .. })) => {}
        // nothing of the change had reached the file
        Ok(_) => assert_eq!(left.0, whole),
        Err(other) => panic!("{other}"),
    }
    assert_eq!(fs::read(&history).unwrap(), left.0, "reading mends nothing");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A real pickle in which some bytes are others.
    #[test]
    fn a_spoilt_pickle_is_read_or_refused(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), which in 0..3_usize) {
        let name = ["a001", "n000", "o000"][which];
        let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/files");
        let mut bytes = fs::read(recorded.join(format!("{name}/pkl/job_list_{name}.pkl"))).unwrap();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok(list) = jobgate_autosubmit::jobs::of_pickle(&bytes, name) {
            prop_assert!(list.len() < 1000);
        }
    }
}
