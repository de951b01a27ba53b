//! Runners with a stand-in for Autosubmit: what is started, found again, stopped, and noticed when it dies.
#![expect(clippy::unwrap_used, reason = "a test says by panicking what is wrong")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::tz::Offset;
use jobgate_autosubmit::expid::Expid;
use jobgate_autosubmit::machine::{Call, Machine, MachineError, Said};
use jobgate_autosubmit::rc::{Environment, Rc};
use jobgate_autosubmit::runners::{
    Loader, NewExperiment, NewJobList, Runner, RunnerError, RunnerSettings, Runners, StatusChange,
};
use jobgate_autosubmit::store::Store;

/// Runs programs with these folders before the others in the PATH.
#[derive(Debug)]
struct Here(PathBuf);

impl Machine for Here {
    fn run(&self, call: &Call) -> Result<Said, MachineError> {
        let input = tempfile::NamedTempFile::new().unwrap();
        fs::write(input.path(), &call.input).unwrap();
        let path = format!("{}:{}", self.0.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(&call.argv[0]);
        command.args(&call.argv[1..]).env("PATH", path).env("XDG_STATE_HOME", self.0.join("far"));
        command.stdin(Stdio::from(fs::File::open(input.path()).unwrap()));
        let output = command
            .output()
            .map_err(|error| MachineError::Start { program: call.argv[0].clone(), why: error.to_string() })?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) })
    }
}

/// A site with a stand-in for Autosubmit, which notes its arguments one a line.
struct Site {
    folder: tempfile::TempDir,
    store: Arc<Store>,
}

impl Site {
    fn new(autosubmit: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("bin")).unwrap();
        fs::write(at("rc"), format!("[database]\npath = {0}\n[local]\npath = {0}\n", folder.path().display())).unwrap();
        let rc = Rc::read(&at("rc"), &Environment::default()).unwrap();
        let site = Self { store: Arc::new(Store::new(&rc)), folder };
        let noted = site.path("noted");
        let script = format!("#!/bin/bash\nprintf '%s\\n' \"$@\" >>{}\n{autosubmit}\n", noted.display());
        site.program("autosubmit", &script);
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// As another process would have them after a restart.
    fn runners(&self) -> Runners {
        let settings = RunnerSettings {
            folder: self.path("runs"),
            host: "here".into(),
            zone: Offset::UTC,
            ssh_options: Vec::new(),
            run_output: 1000,
            run_age: Duration::from_secs(86_400),
        };
        Runners::new(Arc::clone(&self.store), Arc::new(Here(self.path("bin"))), settings)
    }

    fn noted(&self) -> Vec<String> {
        fs::read_to_string(self.path("noted")).unwrap_or_default().lines().map(str::to_owned).collect()
    }
}

fn local() -> Runner {
    Runner::local(Loader::NoModule)
}

fn a000() -> Expid {
    Expid::parse("a000").unwrap()
}

fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn alive(pid: i64) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn a_run_goes_on_by_itself_and_its_end_is_noted() {
    for (script, expected) in [("echo done", "COMPLETED"), ("echo no >&2; exit 3", "TERMINATED")] {
        let site = Site::new(&format!("while [ ! -e {0}/go ]; do sleep 0.02; done; {script}", "${0%/*}"));
        let process = site.runners().run(&local(), &a000()).unwrap();
        assert_eq!((process.status.as_str(), process.runner.as_str()), ("ACTIVE", "LOCAL"));
        assert!(alive(process.pid));
        let again = site.runners().run(&local(), &a000());
        assert_eq!(again.unwrap_err(), RunnerError::Running("a000".into()));
        // whoever looks after a restart finds it
        assert_eq!(site.runners().settle().unwrap(), 0);
        site.program("go", "");
        wait_for("the end", || (site.runners().last(&a000()).unwrap().status == expected).then_some(()));
        assert_eq!(site.store_status(), "ACTIVE", "looking writes nothing");
        assert_eq!(site.runners().settle().unwrap(), 1);
        assert_eq!(site.store_status(), expected);
        assert_eq!(site.noted(), ["run", "a000"]);
        let run = fs::read_dir(site.path("runs")).unwrap().next().unwrap().unwrap().path();
        assert!(["done\n", "no\n"].contains(&fs::read_to_string(run.join("output")).unwrap().as_str()));
        assert_eq!(fs::metadata(&run).unwrap().permissions().mode() & 0o077, 0);
        // and it can run again
        assert_ne!(site.runners().run(&local(), &a000()).unwrap().id, process.id);
    }
}

#[test]
fn what_runs_say_and_leave_is_bounded() {
    let site = Site::new(
        "[ $1 = run ] || exit 1; echo first; while [ ! -e ${0%/*}/more ]; do sleep 0.02; done; seq 1000; echo last; sleep 600",
    );
    site.runners().tidy().unwrap();
    assert!(!site.path("runs").exists(), "there is nothing to look at");
    let process = site.runners().run(&local(), &a000()).unwrap();
    let run = fs::read_dir(site.path("runs")).unwrap().next().unwrap().unwrap().path();
    let said = |name: &str| fs::read_to_string(run.join(name)).unwrap_or_default();
    wait_for("the first word", || (said("output") == "first\n").then_some(()));
    site.runners().tidy().unwrap();
    assert_eq!((said("output").as_str(), run.join("output.before").exists()), ("first\n", false));
    site.program("more", "");
    wait_for("all words", || said("output").ends_with("last\n").then_some(()));
    // a run that goes on is old as well, and what it says next comes to the begun file
    let old = [("a001-1-1", Some("code")), ("a002-1-1", Some("pid")), ("a003-1-1", None), ("other", Some("code"))];
    for (name, file) in old {
        let folder = site.path("runs").join(name);
        fs::create_dir(&folder).unwrap();
        if let Some(file) = file {
            fs::write(folder.join(file), "1 1 x\n").unwrap();
        }
    }
    fs::create_dir(site.path("runs/a004-1-1")).unwrap();
    fs::write(site.path("kept"), "").unwrap();
    std::os::unix::fs::symlink(site.folder.path(), site.path("runs/a005-1-1")).unwrap();
    for folder in old.iter().map(|(name, _)| site.path("runs").join(name)).chain([run.clone(), site.path("")]) {
        let then = std::time::SystemTime::now() - Duration::from_secs(2 * 86_400);
        fs::File::open(folder).unwrap().set_modified(then).unwrap();
    }
    site.runners().tidy().unwrap();
    assert_eq!((said("output").as_str(), said("output.before").len()), ("", 500));
    assert!(said("output.before").ends_with("1000\nlast\n") && alive(process.pid));
    let mut left: Vec<_> = fs::read_dir(site.path("runs")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    let name = run.file_name().unwrap();
    let mut expected = vec![name.to_owned(), "a004-1-1".into(), "a005-1-1".into(), "other".into()];
    expected.sort();
    assert_eq!(left, expected);
    assert!(site.path("kept").exists());
    site.runners().stop(&a000(), true).unwrap();
}

impl Site {
    fn store_status(&self) -> String {
        let connection = rusqlite::Connection::open(self.path("api_runners.db")).unwrap();
        connection.query_row("SELECT status FROM runner_processes ORDER BY id DESC", [], |row| row.get(0)).unwrap()
    }
}

#[test]
fn a_run_that_is_killed_is_noticed() {
    let site = Site::new("[ $1 = run ] && exec sleep 600");
    let process = site.runners().run(&local(), &a000()).unwrap();
    let kill = |signal: &str, whom: String| {
        assert!(Command::new("kill").args([signal, "--", &whom]).status().unwrap().success());
    };
    kill("-KILL", format!("-{}", process.pid));
    wait_for("the death", || (site.runners().last(&a000()).unwrap().status == "TERMINATED").then_some(()));
    // it does not stand in the way of the next, even before anybody noted its end
    let next = site.runners().run(&local(), &a000()).unwrap();
    assert_ne!(next.id, process.id);
    kill("-KILL", format!("-{}", next.pid));
}

#[test]
fn a_run_is_stopped_gently_if_it_can_be() {
    // what `autosubmit stop` does: it interrupts the process that is called so
    let stop = r#"case $1 in
run) trap 'sleep 0.2; exit 0' INT; echo $$ >"${0%/*}/pid"; while :; do sleep 0.05; done;;
stop) read answer; [ "$answer" = y ] && kill -INT "$(cat "${0%/*}/pid")";;
esac"#;
    let site = Site::new(stop);
    assert_eq!(site.runners().stop(&a000(), false), Err(RunnerError::NoProcess("a000".into())));
    let process = site.runners().run(&local(), &a000()).unwrap();
    wait_for("the run", || site.path("bin/pid").exists().then_some(()));
    site.runners().stop(&a000(), false).unwrap();
    assert!(!alive(process.pid));
    assert_eq!(site.store_status(), "TERMINATED");
    assert_eq!(site.noted(), ["run", "a000", "stop", "a000"]);
    assert_eq!(site.runners().stop(&a000(), false), Err(RunnerError::NotRunning("a000".into())));
}

#[test]
fn a_run_that_will_not_stop_is_killed_with_its_children() {
    let site = Site::new(
        "[ $1 = run ] || exit 1; trap '' INT TERM; sleep 600 & echo $! >\"${0%/*}/child\"; while :; do sleep 0.1; done",
    );
    let process = site.runners().run(&local(), &a000()).unwrap();
    let child = wait_for("its child", || fs::read_to_string(site.path("bin/child")).ok()?.trim().parse().ok());
    assert!(alive(child));
    site.runners().stop(&a000(), true).unwrap();
    wait_for("the end of all", || (!alive(process.pid) && !alive(child)).then_some(()));
    assert_eq!(site.noted()[2..], ["stop", "--force", "a000"]);
}

#[test]
fn texts_of_users_are_executed_nowhere() {
    let site = Site::new("echo 'Experiment t0ab created'");
    let canary = site.path("canary");
    let evil = [
        format!("x\"; touch {0}; echo \"", canary.display()),
        format!("$(touch {0})`touch {0}`", canary.display()),
        format!("'; touch {0}; '", canary.display()),
        "--help\nnewline\\".to_owned(),
    ];
    fs::create_dir_all(site.path("venv/bin")).unwrap();
    fs::copy(site.path("bin/autosubmit"), site.path("venv/bin/autosubmit")).unwrap();
    site.program("conda", "#!/bin/bash\nshift 3; exec \"$@\"\n");
    site.program("ssh", "#!/bin/sh\nfor last; do :; done\nexec /bin/sh -c \"$last\"\n");
    let venv = Loader::Venv(site.path("venv").to_str().unwrap().to_owned());
    let modules = "module() { [ \"$*\" = 'load a/1 b' ]; }; export -f module";
    site.program("bash", &format!("#!/bin/sh\n. {}\n", site.path("bin/rc").display()));
    fs::write(site.path("bin/rc"), "exec /bin/bash \"$@\"").unwrap();
    site.program("profile", modules);
    site.program("bash", "#!/bin/sh\nBASH_ENV=${0%/*}/profile exec /bin/bash \"$@\"\n");
    for loader in [Loader::NoModule, venv, Loader::Conda("as".into()), Loader::Lmod(vec!["a/1".into(), "b".into()])] {
        for runner in [Runner::local(loader.clone()), Runner::ssh(loader.clone(), "far", Some("me"), None).unwrap()] {
            let runners = site.runners();
            for text in &evil {
                fs::remove_file(site.path("noted")).ok();
                let new =
                    NewExperiment { description: Some(text.clone()), hpc: Some(text.clone()), ..Default::default() };
                assert_eq!(runners.create_experiment(&runner, &new).as_deref(), Ok("t0ab"), "{runner:?}");
                let noted = fs::read_to_string(site.path("noted")).unwrap();
                assert_eq!(noted, format!("expid\n--description={text}\n--HPC={text}\n"), "{runner:?}");
                runners.describe(&runner, &a000(), text).unwrap();
                let change = StatusChange { job_names_list: Some(vec![text.clone()]), ..Default::default() };
                runners.set_status(&runner, &a000(), &change).unwrap();
                let noted = fs::read_to_string(site.path("noted")).unwrap();
                // only what begins as an option is said to be none
                let end = if text.starts_with('-') { "--\n" } else { "" };
                let described =
                    format!("updatedescrip\n{end}a000\n{text}\nsetstatus\na000\n-np\n-nt\n-s\n--list={text}\n");
                assert!(noted.ends_with(&described), "{runner:?} {noted}");
            }
            fs::remove_file(site.path("noted")).ok();
            let how = NewJobList { force: true, ..Default::default() };
            runners.create_job_list(&runner, &a000(), how).unwrap();
            assert_eq!(site.noted(), ["create", "-np", "--force", "a000"]);
        }
    }
    assert!(!canary.exists());
}

#[test]
fn runs_on_other_machines_are_kept_there() {
    let site = Site::new("while [ ! -e \"${0%/*}/go\" ]; do sleep 0.02; done; echo far done");
    let ssh = "#!/bin/sh\nprintf '%s\\n' \"$@\" >\"${0%/*}/asked\"\nfor last; do :; done\nexec /bin/sh -c \"$last\"\n";
    site.program("ssh", ssh);
    let runner = Runner::ssh(Loader::NoModule, "hub.example.org", Some("me"), Some(2222)).unwrap();
    let process = site.runners().run(&runner, &a000()).unwrap();
    assert_eq!((process.status.as_str(), process.runner.as_str()), ("ACTIVE", "SSH"));
    let extra: serde_json::Value = serde_json::from_str(process.runner_extra_params.as_deref().unwrap()).unwrap();
    assert_eq!((&extra["ssh_host"], &extra["ssh_user"]), (&"hub.example.org".into(), &"me".into()));
    let asked = fs::read_to_string(site.path("bin/asked")).unwrap();
    assert!(asked.contains("BatchMode=yes") && asked.contains("StrictHostKeyChecking=yes"));
    assert!(asked.contains("\n-p\n2222\n-l\nme\n--\nhub.example.org\n"));
    // the other side cannot be reached: nothing is concluded from that
    site.program("ssh", "#!/bin/sh\nexit 255\n");
    assert_eq!((site.runners().settle().unwrap(), site.store_status().as_str()), (0, "ACTIVE"));
    site.program("ssh", ssh);
    site.program("go", "");
    wait_for("the end", || (site.runners().settle().unwrap() == 1).then_some(()));
    assert_eq!(site.store_status(), "COMPLETED");
    let far = fs::read_dir(site.path("bin/far/jobgate/autosubmit")).unwrap().next().unwrap().unwrap().path();
    assert_eq!(fs::read_to_string(far.join("output")).unwrap(), "far done\n");
}

/// One name leads to several machines with the same folders; `uname` says which one it is.
#[test]
fn a_run_on_another_machine_of_the_same_name_is_left_alone() {
    let site = Site::new("[ $1 = run ] || exit 1; exec sleep 600");
    site.program("ssh", "#!/bin/sh\nfor last; do :; done\nexec /bin/sh -c \"$last\"\n");
    let machine = |name: &str| site.program("uname", &format!("#!/bin/sh\necho {name}\n"));
    machine("login1");
    let runner = Runner::ssh(Loader::NoModule, "login", None, None).unwrap();
    let process = site.runners().run(&runner, &a000()).unwrap();
    let run = fs::read_dir(site.path("bin/far/jobgate/autosubmit")).unwrap().next().unwrap().unwrap().path();
    let pid = fs::read_to_string(run.join("pid")).unwrap();
    assert!(pid.ends_with(" login1\n"), "{pid}");
    // as it looks from the other one, where the boot is another one and there may be no such process
    let words: Vec<&str> = pid.split_whitespace().collect();
    fs::write(run.join("pid"), format!("{} {} other-boot login1\n", words[0], words[1])).unwrap();
    machine("login2");
    let old = || {
        let then = std::time::SystemTime::now() - Duration::from_secs(2 * 86_400);
        fs::File::open(&run).unwrap().set_modified(then).unwrap();
    };
    old();
    assert_eq!((site.runners().settle().unwrap(), site.store_status().as_str()), (0, "ACTIVE"));
    let stopped = site.runners().stop(&a000(), true);
    assert_eq!(stopped, Err(RunnerError::Elsewhere { expid: "a000".into(), host: "login1".into() }));
    site.runners().tidy().unwrap();
    assert!(run.exists() && alive(process.pid));
    // on its own machine another boot means that it is gone
    machine("login1");
    assert_eq!((site.runners().settle().unwrap(), site.store_status().as_str()), (1, "TERMINATED"));
    Command::new("kill").args(["-KILL", "--", &format!("-{}", process.pid)]).status().unwrap();
    // of what the original began there, nobody knows on which of them
    let connection = rusqlite::Connection::open(site.path("api_runners.db")).unwrap();
    let foreign = "UPDATE runner_processes SET status = 'ACTIVE', pid = 4194305, runner_extra_params = '{\"ssh_host\": \"login\"}'";
    connection.execute(foreign, []).unwrap();
    assert_eq!((site.runners().settle().unwrap(), site.store_status().as_str()), (0, "ACTIVE"));
    assert!(matches!(site.runners().stop(&a000(), true), Err(RunnerError::Elsewhere { .. })));
    site.program("autosubmit", "#!/bin/sh\nexit 0\n");
    site.runners().stop(&a000(), true).unwrap();
    assert_eq!(site.store_status(), "TERMINATED");
}

#[test]
fn the_watcher_is_not_taken_for_autosubmit() {
    let site = Site::new("[ $1 = run ] && exec sleep 600");
    let process = site.runners().run(&local(), &a000()).unwrap();
    let line = fs::read_to_string(format!("/proc/{}/cmdline", process.pid)).unwrap();
    let words: Vec<&str> = line.split('\0').collect();
    for argument in ["run", "a000"] {
        assert!(!words.contains(&argument), "{words:?}");
    }
    assert!(!words.iter().any(|word| Path::new(word).file_name().is_some_and(|name| name == "autosubmit")));
    site.runners().stop(&a000(), true).unwrap();
}

#[test]
fn rows_of_the_original_are_understood() {
    let site = Site::new("");
    // what was started as the original does: a shell that runs `autosubmit run`
    let mut shell = Command::new("/bin/bash");
    let mut child = shell.args(["-c", "read; : autosubmit run a000"]).stdin(Stdio::piped()).spawn().unwrap();
    let connection = rusqlite::Connection::open(site.path("api_runners.db")).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE runner_processes (id INTEGER NOT NULL, expid TEXT NOT NULL, pid INTEGER NOT NULL, \
             status VARCHAR(50) NOT NULL, runner VARCHAR(50) NOT NULL, module_loader VARCHAR(50) NOT NULL, \
             modules TEXT NOT NULL, created TEXT NOT NULL, modified TEXT NOT NULL, runner_extra_params TEXT, PRIMARY KEY (id))",
        )
        .unwrap();
    let insert = "INSERT INTO runner_processes (expid, pid, status, runner, module_loader, modules, created, modified) \
                  VALUES ('a000', ?1, 'ACTIVE', 'LOCAL', 'NO_MODULE', '', '2026-01-01T00:00:00+00:00', '2026-01-01T00:00:00+00:00')";
    connection.execute(insert, [child.id()]).unwrap();
    assert_eq!(site.runners().last(&a000()).unwrap().status, "ACTIVE");
    assert_eq!(site.runners().run(&local(), &a000()), Err(RunnerError::Running("a000".into())));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(site.runners().settle().unwrap(), 1);
    assert_eq!(site.store_status(), "TERMINATED");
    // one of another machine cannot be looked at from here
    let elsewhere = "UPDATE runner_processes SET status = 'ACTIVE', runner_extra_params = \
                     '{\"jobgate_host\": \"other\", \"jobgate_run\": \"/x\"}'";
    connection.execute(elsewhere, []).unwrap();
    assert_eq!(site.runners().settle().unwrap(), 0);
    assert!(matches!(site.runners().stop(&a000(), false), Err(RunnerError::Elsewhere { .. })));
}

#[test]
fn two_servers_start_an_experiment_once() {
    let site = Site::new("[ $1 = run ] && exec sleep 600");
    let started: usize = std::thread::scope(|scope| {
        let start = || site.runners().run(&local(), &a000()).is_ok();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
        threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
    });
    assert_eq!((started, fs::read_dir(site.path("runs")).unwrap().count()), (1, 1));
    site.runners().stop(&a000(), true).unwrap();
}
