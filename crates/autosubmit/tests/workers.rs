//! What is done in the background, by several servers and over files that cannot be read.
#![expect(clippy::unwrap_used, reason = "a test says by panicking what is wrong")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::tz::Offset;
use jobgate_autosubmit::expid::Expid;
use jobgate_autosubmit::machine::{Call, Machine, MachineError, Said};
use jobgate_autosubmit::rc::{Environment, Rc};
use jobgate_autosubmit::site::Site;
use jobgate_autosubmit::views::Moment;
use jobgate_autosubmit::workers::{Task, WorkerError, Workers};
use rusqlite::Connection;

const NOW: i64 = 1_781_524_800;

/// A machine on which nothing can be run.
#[derive(Debug)]
struct Nothing;

impl Machine for Nothing {
    fn run(&self, call: &Call) -> Result<Said, MachineError> {
        Err(MachineError::Start { program: call.argv[0].clone(), why: "nothing is run in this test".into() })
    }
}

/// Two experiments, of Autosubmit 4.1 and 4.2, whose job lists have just been written.
struct Experiments(tempfile::TempDir);

impl Experiments {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("rc"), format!("[database]\npath = {0}\n[local]\npath = {0}\n", folder.path().display())).unwrap();
        let main = "CREATE TABLE experiment(id INTEGER PRIMARY KEY, name TEXT, description TEXT, autosubmit_version TEXT); \
                    INSERT INTO experiment VALUES(1, 'a000', '', '4.1.17'), (2, 'a001', '', '4.2.0'), (3, 'a002', '', '4.2.0');";
        Connection::open(at("autosubmit.db")).unwrap().execute_batch(main).unwrap();
        fs::create_dir_all(at("a000/pkl")).unwrap();
        fs::create_dir_all(at("a001/db")).unwrap();
        let pickle = fs::File::create(at("a000/pkl/job_list_a000.pkl")).unwrap();
        pickle.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(NOW as u64)).unwrap();
        let jobs = "CREATE TABLE jobs(name TEXT, status TEXT, modified TEXT); \
                    INSERT INTO jobs VALUES('a001_SIM', 'READY', '2026-06-15 12:00:00')";
        Connection::open(at("a001/db/job_list.db")).unwrap().execute_batch(jobs).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn site(&self) -> Site {
        let environment = Environment::default();
        Site::new(Rc::read(&self.path("rc"), &environment).unwrap(), environment, 1 << 20)
    }

    fn workers(&self) -> Workers {
        let workers = Workers::new(Arc::new(self.site()), Arc::new(Nothing));
        workers.prepare().unwrap();
        workers
    }

    fn states(&self) -> Vec<(String, String)> {
        let connection = Connection::open(self.path("as_times.db")).unwrap();
        let mut rows = connection.prepare("SELECT name, status FROM experiment_status ORDER BY exp_id").unwrap();
        rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    }
}

fn moment() -> Moment {
    Moment::new(NOW, Offset::UTC)
}

#[test]
fn what_cannot_be_read_is_not_said_to_have_ended() {
    let site = Experiments::new();
    let done = site.workers().run(Task::Status, moment()).unwrap();
    let states = [("a000", "RUNNING"), ("a001", "RUNNING"), ("a002", "NOT RUNNING")];
    let states = states.map(|(name, status)| (name.to_owned(), status.to_owned()));
    assert_eq!((done.written, done.left_out.len(), site.states()), (3, 0, states.to_vec()));
    // one is being written, and the folder of the other is away, as when a file system does not answer
    let writer = Connection::open(site.path("a001/db/job_list.db")).unwrap();
    writer.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    fs::rename(site.path("a000/pkl"), site.path("a000/away")).unwrap();
    std::os::unix::fs::symlink("pkl", site.path("a000/pkl")).unwrap();
    let done = site.workers().run(Task::Status, moment()).unwrap();
    assert_eq!((done.written, done.left_out.len(), site.states()), (0, 2, states.to_vec()));
    drop(writer);
    // what is deleted does not run
    fs::remove_file(site.path("a001/db/job_list.db")).unwrap();
    fs::remove_file(site.path("a000/pkl")).unwrap();
    assert_eq!(site.workers().run(Task::Status, moment()).unwrap().written, 2);
    assert!(site.states().iter().all(|(_, status)| status == "NOT RUNNING"));
}

#[test]
fn of_several_servers_one_does_a_task() {
    let site = Experiments::new();
    let interval = Duration::from_secs(300);
    let again = |workers: &Workers| workers.run_again(Task::Status, interval, moment()).map(drop);
    let (one, other) = (site.workers(), site.workers());
    again(&one).unwrap();
    for workers in [&one, &other] {
        assert!(matches!(again(workers), Err(WorkerError::Recent)));
    }
    // what somebody wants done at once is done
    other.run(Task::Status, moment()).unwrap();
    let lock = fs::File::options().append(true).open(site.path("jobgate_task_sttsupdtr.lock")).unwrap();
    lock.set_modified(SystemTime::now() - interval).unwrap();
    again(&other).unwrap();
    assert!(matches!(again(&one), Err(WorkerError::Recent)));
    // a file that an older Jobgate made says nothing
    lock.set_len(0).unwrap();
    again(&one).unwrap();
}

#[test]
fn each_description_has_its_own_configuration() {
    let site = Experiments::new();
    for expid in ["a000", "a001"] {
        fs::create_dir_all(site.path(expid).join("conf")).unwrap();
        fs::write(site.path(expid).join("conf/a.yml"), format!("DEFAULT: {{EXPID: {expid}, HPCARCH: local}}")).unwrap();
    }
    settle(&site.path(""));
    let (site_of, main) = (site.site(), Connection::open(site.path("autosubmit.db")).unwrap());
    let told = |expid: &str| {
        let configuration = site_of.configuration(&Expid::parse(expid).unwrap()).unwrap();
        let shown = configuration.shown();
        let said = |name: &str| shown["DEFAULT"][name].as_str().unwrap().to_owned();
        (said("EXPID"), said("DESCRIPTION"))
    };
    for description in ["/same", "a//b", "a/b", "a/./b", ".", "", "a"] {
        main.execute("UPDATE experiment SET description = ?1", [description]).unwrap();
        for expid in ["a000", "a001"] {
            assert_eq!(told(expid), (expid.to_owned(), description.to_owned()));
        }
    }
}

/// Waits until nothing below a folder counts as changed just now.
fn settle(folder: &Path) {
    assert!(folder.exists());
    std::thread::sleep(jobgate_autosubmit::kept::UNSETTLED + Duration::from_millis(100));
}
