//! The queue with a stand-in for the runner: a shell script that takes its ticket and its `go` as the runner does, notes
//! that it was started, and does what the job's file `do` says.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jobgate_model::{JobId, State};

use super::*;

mod books;
mod crash;

const RUNNER: &str = r#"#!/usr/bin/setsid /bin/sh
IFS= read -r ticket || exit 0
IFS= read -r go || exit 0
[ "$go" = go ] || exit 0
field() { printf '%s' "$ticket" | sed "s/.*\"$1\":\"\{0,1\}\([^\",]*\).*/\1/"; }
base=$(field base) jobndx=$(field jobndx) native=$(field native)
cd "$base"
[ -e dies_early ] && { echo early >> early; exit 1; }
echo "2.0,$jobndx,active," >> status.csv
echo "$native" >> started
echo + >> ../log
. ./do
echo - >> ../log
echo "3.0,$jobndx,${state:-completed},$info" >> status.csv
"#;

/// A state directory, a prefix and a stand-in for the runner.
pub(super) struct Site {
    dir: tempfile::TempDir,
    next: AtomicU64,
}

pub(super) struct Job {
    pub(super) base: PathBuf,
    pub(super) jobid: JobId,
    pub(super) spec: JobSpec,
    pub(super) array: Option<(i64, i64)>,
    pub(super) array_limit: Option<i64>,
}

impl Site {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let runner = dir.path().join("runner.sh");
        fs::write(&runner, RUNNER).unwrap();
        fs::set_permissions(&runner, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(dir.path().join("prefix")).unwrap();
        Self { dir, next: AtomicU64::new(1) }
    }

    pub(super) fn settings(&self, cores: u64) -> LocalSettings {
        let state_dir = self.dir.path().join("state");
        LocalSettings { cores: Some(cores), ..LocalSettings::new(state_dir, self.dir.path().join("runner.sh")) }
    }

    fn open(&self, cores: u64) -> Arc<Local> {
        Local::open(self.settings(cores)).unwrap()
    }

    pub(super) fn attended(&self, cores: u64) -> Arc<Local> {
        let local = self.open(cores);
        Arc::clone(&local).attend(Arc::new(|_, _| {})).unwrap();
        local
    }

    pub(super) fn job(&self, script: &str, attributes: &[(&str, &str)]) -> Job {
        let jobid = JobId::from_millis(self.next.fetch_add(1, Ordering::Relaxed));
        let base = self.dir.path().join("prefix").join(jobid.as_str());
        fs::create_dir_all(base.join("log")).unwrap();
        fs::write(base.join("do"), script).unwrap();
        let mut spec = JobSpec::new(script);
        for (key, value) in attributes {
            spec.attributes.insert(*key, *value);
        }
        Job { base, jobid, spec, array: None, array_limit: None }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("prefix/log")).unwrap_or_default()
    }
}

impl Job {
    pub(super) fn reference(&self) -> RunRef {
        let jobndx = self.array.map_or(1, |(task, first)| task + first);
        RunRef {
            base: self.base.clone(),
            jobid: self.jobid.clone(),
            jobndx,
            marker: format!("{}-{jobndx}", self.jobid),
            owner: "alice".into(),
            native: None,
            since: 0.0,
            described: false,
            untold: None,
        }
    }

    pub(super) fn submit_with(&self, local: &Local, environment: Option<&[(OsString, OsString)]>) -> Submission {
        let reference = self.reference();
        local.submit(&RunRequest {
            base: &self.base,
            jobid: &self.jobid,
            jobndx: reference.jobndx,
            spec: &self.spec,
            description: None,
            config: &BackendConfig::default(),
            owner: "alice",
            marker: &reference.marker,
            environment,
            array: self.array,
            array_limit: self.array_limit,
            report: None,
        })
    }

    fn submit(&self, local: &Local) -> String {
        match self.submit_with(local, None) {
            Submission::Accepted(native) => native.0,
            other => panic!("{other:?}"),
        }
    }

    /// What the engine does once it has a native id.
    fn confirm(&self, local: &Local, native: &str) {
        use std::io::Write;
        let row = format!("1.0,{},queued,{native}\n", self.reference().jobndx);
        let history = self.base.join("status.csv");
        fs::OpenOptions::new().append(true).create(true).open(history).unwrap().write_all(row.as_bytes()).unwrap();
        local.confirm(&self.reference().marker);
    }

    pub(super) fn launch(&self, local: &Local) -> String {
        let native = self.submit(local);
        self.confirm(local, &native);
        native
    }

    fn phase(&self, local: &Local) -> Seen {
        local.observe(&[self.reference()]).unwrap().remove(0).phase
    }

    pub(super) fn starts(&self) -> usize {
        fs::read_to_string(self.base.join("started")).unwrap_or_default().lines().count()
    }

    pub(super) fn ends(&self, local: &Local, state: State) {
        until(
            &format!("{} of {}", state, self.jobid),
            || matches!(self.phase(local), Seen::Ended(ended, _) if ended == state),
        );
    }
}

pub(super) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn is_gone(pid: i32) -> bool {
    stat(pid).map_or(true, |stat| stat.is_dead())
}

fn waiting(reason: &str) -> Seen {
    Seen::Waiting(reason.into())
}

fn completed() -> Seen {
    Seen::Ended(State::Completed, String::new())
}

#[test]
fn a_run_starts_when_it_is_confirmed() {
    let site = Site::new();
    let local = site.attended(1);
    let job = site.job("true", &[]);
    let native = job.submit(&local);
    let pid: i32 = native.parse().unwrap();
    assert!(!stat(pid).unwrap().is_dead(), "the native id is the runner's pid");
    assert_eq!(job.submit(&local), native, "the same marker is the same run");
    assert_eq!(local.find(&job.reference()).unwrap(), Some(NativeId(native.clone())));
    assert_eq!((job.phase(&local), job.starts()), (Seen::Running, 0));
    job.confirm(&local, &native);
    job.ends(&local, State::Completed);
    assert_eq!(fs::read_to_string(job.base.join("started")).unwrap().trim(), native);
    assert_eq!(local.find(&RunRef { marker: "nobody's".into(), ..job.reference() }).unwrap(), None);
    let mode = fs::metadata(site.dir.path().join("state/local.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_next_run_starts_when_one_ends() {
    let site = Site::new();
    let local = site.attended(1);
    let (first, second, third) = (site.job("state=failed info=3", &[]), site.job("true", &[]), site.job("true", &[]));
    first.launch(&local);
    let native: i64 = second.launch(&local).parse().unwrap();
    assert!(native > 10_000_000);
    third.submit(&local);
    until("all but the unconfirmed", || second.phase(&local) == completed());
    assert_eq!(first.phase(&local), Seen::Ended(State::Failed, "3".into()));
    assert_eq!(fs::read_to_string(second.base.join("started")).unwrap().trim(), native.to_string());
    assert_eq!(third.starts(), 0);
}

#[test]
fn a_runner_can_go_on_without_a_gateway() {
    let site = Site::new();
    let local = site.open(1);
    let (first, second) = (site.job("while [ ! -e go_on ]; do sleep 0.01; done", &[]), site.job("true", &[]));
    let pid: i32 = first.launch(&local).parse().unwrap();
    second.launch(&local);
    assert_eq!(second.phase(&local), waiting("Resources"));
    drop(local);
    let another = site.open(1);
    let run = another.by_marker(&first.reference().marker).unwrap().unwrap();
    another.finish(run.id).unwrap();
    assert_eq!(second.starts(), 0, "a run without a final row is not over");
    fs::write(first.base.join("go_on"), "").unwrap();
    until("the first", || is_gone(pid));
    another.finish(run.id).unwrap();
    second.ends(&another, State::Completed);
}

#[test]
fn waiting_runs_are_removed_and_running_ones_told_to_stop() {
    let site = Site::new();
    let local = site.attended(1);
    let (first, second) = (site.job("sleep 60 & wait", &[]), site.job("true", &[]));
    first.launch(&local);
    second.launch(&local);
    assert_eq!(local.cancel(&second.reference()).unwrap(), Cancel::Removed);
    assert_eq!(local.cancel(&second.reference()).unwrap(), Cancel::Removed, "asked again after a crash");
    until("the first", || first.starts() == 1);
    assert_eq!(local.cancel(&first.reference()).unwrap(), Cancel::Stopping);
    // The stand-in dies without a final row, which the real one does not; what it started dies with it.
    first.ends(&local, State::Canceled);
    assert_eq!(local.cancel(&first.reference()).unwrap(), Cancel::Absent);
    let unconfirmed = site.job("true", &[]);
    unconfirmed.submit(&local);
    assert_eq!(local.cancel(&unconfirmed.reference()).unwrap(), Cancel::Removed);
    let unknown = RunRef { marker: "nobody's".into(), ..first.reference() };
    assert_eq!(local.cancel(&unknown).unwrap(), Cancel::Absent);
    let last = site.job("true", &[]);
    last.launch(&local);
    last.ends(&local, State::Completed);
    assert_eq!((second.starts(), unconfirmed.starts()), (0, 0));
}

#[test]
fn hold_and_release() {
    let site = Site::new();
    let local = site.attended(2);
    let (held, later) = (site.job("true", &[("hold", "")]), site.job("sleep 60 & wait", &[]));
    held.launch(&local);
    later.launch(&local);
    until("the other", || later.starts() == 1);
    assert_eq!((held.phase(&local), held.starts()), (waiting("JobHeldUser"), 0));
    local.release(&held.reference()).unwrap();
    held.ends(&local, State::Completed);
    assert_eq!(local.hold(&later.reference()).unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(local.release(&held.reference()).unwrap_err().kind(), ErrorKind::Conflict);
    local.cancel(&later.reference()).unwrap();
}

#[test]
fn dependencies_are_waited_for() {
    let site = Site::new();
    let local = site.attended(4);
    let first = site.job("while [ ! -e go_on ]; do sleep 0.01; done", &[]);
    let native = first.launch(&local);
    let after = |kind: &str, id: &str| site.job("true", &[("dependency", &format!("{kind}:{id}"))]);
    let ok = after("afterok", first.jobid.as_str());
    let not_ok = after("afternotok", &native);
    let any = after("afterany", first.jobid.as_str());
    let started = after("after", first.jobid.as_str());
    let either = site.job("true", &[("dependency", &format!("afternotok:{0}?afterok:{0}", first.jobid))]);
    for job in [&ok, &not_ok, &any, &started, &either] {
        job.launch(&local);
    }
    started.ends(&local, State::Completed);
    for job in [&ok, &not_ok, &any, &either] {
        assert_eq!(job.phase(&local), waiting("Dependency"));
    }
    fs::write(first.base.join("go_on"), "").unwrap();
    for job in [&ok, &any, &either] {
        job.ends(&local, State::Completed);
    }
    assert_eq!(not_ok.phase(&local), waiting("DependencyNeverSatisfied"));
    assert!(matches!(after("afterok", "99.000").submit_with(&local, None), Submission::Refused(_)));
    let old = site.job("", &[]);
    fs::write(old.base.join("status.csv"), "1.0,1,failed,3\n").unwrap();
    let cleanup = after("afternotok", old.jobid.as_str());
    cleanup.launch(&local);
    cleanup.ends(&local, State::Completed);
}

#[test]
fn a_singleton_waits_for_its_namesakes() {
    let site = Site::new();
    let local = site.attended(4);
    let mut first = site.job("while [ ! -e go_on ]; do sleep 0.01; done", &[]);
    let mut second = site.job("true", &[("dependency", "singleton")]);
    (first.spec.name, second.spec.name) = (Some("model".into()), Some("model".into()));
    first.launch(&local);
    second.launch(&local);
    assert_eq!(second.phase(&local), waiting("Dependency"));
    fs::write(first.base.join("go_on"), "").unwrap();
    second.ends(&local, State::Completed);
}

#[test]
fn an_array_keeps_its_limit() {
    let site = Site::new();
    let local = site.attended(8);
    let mut tasks = Vec::new();
    let parent = site.job("", &[("array", "0-5%2")]);
    for task in 0..6 {
        let mut job = site.job("sleep 0.05", &[("array", "0-5%2")]);
        job.base.clone_from(&parent.base);
        job.jobid = parent.jobid.clone();
        job.array = Some((task, 1));
        job.array_limit = Some(2);
        tasks.push(job);
    }
    fs::write(parent.base.join("do"), "sleep 0.05").unwrap();
    for task in &tasks {
        task.launch(&local);
    }
    assert_eq!(tasks[5].phase(&local), waiting("JobArrayTaskLimit"));
    for task in &tasks {
        task.ends(&local, State::Completed);
    }
    assert!(most_at_once(&site.log()) <= 2, "{}", site.log());
    assert_eq!(parent.starts(), 6);
}

/// The most runs that the stand-ins' log shows at the same time.
fn most_at_once(log: &str) -> i32 {
    let mut now = 0;
    log.lines()
        .map(|line| {
            now += if line == "+" { 1 } else { -1 };
            now
        })
        .max()
        .unwrap_or(0)
}

#[test]
fn begin_times_are_kept() {
    let site = Site::new();
    let local = site.attended(1);
    let (tomorrow, soon) = (site.job("true", &[("begin", "now+1day")]), site.job("true", &[("begin", "now+1")]));
    tomorrow.launch(&local);
    soon.launch(&local);
    assert_eq!(soon.phase(&local), waiting("BeginTime"));
    soon.ends(&local, State::Completed);
    assert_eq!(tomorrow.phase(&local), waiting("BeginTime"));
}

#[test]
fn a_drained_machine_starts_nothing() {
    let site = Site::new();
    let local = site.attended(1);
    local.drain().unwrap();
    let job = site.job("true", &[]);
    job.launch(&site.open(1));
    assert_eq!(job.phase(&local), waiting("ReqNodeNotAvail"));
    assert!(site.open(1).is_drained().unwrap());
    local.resume().unwrap();
    assert!(!local.is_drained().unwrap());
    job.ends(&local, State::Completed);
}

#[test]
fn the_submitters_environment_is_inherited_and_stored_once() {
    let site = Site::new();
    let local = site.attended(2);
    let path = std::env::var_os("PATH").unwrap();
    let environment = [("PATH".into(), path), ("MINE".into(), OsString::from("a=b\nc"))];
    let jobs = [site.job("env > seen", &[]), site.job("env > seen", &[])];
    for job in &jobs {
        let Submission::Accepted(native) = job.submit_with(&local, Some(&environment)) else { panic!() };
        job.confirm(&local, &native.0);
        job.ends(&local, State::Completed);
        let seen = fs::read_to_string(job.base.join("seen")).unwrap();
        assert!(seen.contains("MINE=a=b\nc\n") && !seen.contains("CARGO"), "{seen}");
    }
    let stored: i64 =
        local.gate.connection().query_row("SELECT count(*) FROM environment", [], |row| row.get(0)).unwrap();
    assert_eq!(stored, 1);
}

#[test]
fn a_missing_runner_refuses_rather_than_waits() {
    let site = Site::new();
    let local = Local::open(LocalSettings { runner: "/no/such/program".into(), ..site.settings(1) }).unwrap();
    let job = site.job("true", &[]);
    assert!(
        matches!(job.submit_with(&local, None), Submission::Refused(error) if error.message().contains("/no/such/program"))
    );
    assert_eq!(local.find(&job.reference()).unwrap(), None);
}

#[test]
fn runs_that_psik_started_are_known_by_pid_and_start() {
    let site = Site::new();
    let local = site.open(1);
    let job = site.job("", &[]).reference();
    let mut stranger =
        std::process::Command::new("/bin/sh").args(["-c", "sleep 60 & wait"]).env("base", &job.base).spawn().unwrap();
    let since = now();
    let native = Some(NativeId(stranger.id().to_string()));
    let run = RunRef { marker: String::new(), native, since: since - 3600.0, ..job };
    let other = RunRef { base: run.base.join("other"), since, ..run.clone() };
    assert_eq!(local.cancel(&other).unwrap(), Cancel::Absent, "it works for another job");
    assert_eq!(local.cancel(&run).unwrap(), Cancel::Absent, "another process has that id now");
    let identity = Identity::of(stranger.id() as i32).unwrap();
    until("the child", || !descendants(identity.pid).is_empty());
    let children = descendants(identity.pid);
    assert_eq!(local.cancel(&RunRef { since, ..run }).unwrap(), Cancel::Stopping);
    stranger.wait().unwrap();
    until("the child's end", || !children[0].is_alive());
}

#[test]
fn a_newer_queue_is_left_alone() {
    let site = Site::new();
    drop(site.open(1));
    let conn = rusqlite::Connection::open(site.dir.path().join("state/local.db")).unwrap();
    conn.pragma_update(None, "user_version", 99).unwrap();
    assert!(Local::open(site.settings(1)).unwrap_err().chain().contains("newer version"));
}
