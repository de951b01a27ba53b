use std::fs;
use std::os::unix::fs::PermissionsExt;

use jobgate_model::JobId;

use super::*;

struct Site {
    dir: tempfile::TempDir,
    at: At,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = At::new("/opt/job gate/jobgate".into(), "/state".into()).with_programs_in(dir.path().to_owned());
        Self { dir, at }
    }

    fn program(&self, name: &str, body: &str) {
        let path = self.dir.path().join(name);
        fs::write(&path, format!("#!/bin/sh\ncd {}\n{body}\n", self.dir.path().display())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn submit(&self) -> Submission {
        self.at.submit(&RunRequest {
            base: Path::new("/p/it's/7.000"),
            jobid: &JobId::parse("7.000").unwrap(),
            jobndx: 2,
            spec: &JobSpec::new("x"),
            description: None,
            config: &BackendConfig::default(),
            owner: "alice",
            marker: "marker-1",
            environment: Some(&[("PATH".into(), "/usr/bin:/bin".into()), ("MINE".into(), "1".into())]),
            array: None,
            array_limit: None,
            report: None,
        })
    }
}

fn marked(marker: &str) -> RunRef {
    RunRef { marker: marker.to_owned(), ..run_ref("0") }
}

fn run_ref(native: &str) -> RunRef {
    RunRef {
        base: "/no/such/base".into(),
        jobid: JobId::parse("7.000").unwrap(),
        jobndx: 2,
        marker: "marker-1".into(),
        native: Some(NativeId(native.into())),
        owner: "alice".into(),
        since: 0.0,
        described: false,
        untold: None,
    }
}

#[test]
fn the_runner_is_handed_over() {
    let site = Site::new();
    site.program(
        "at",
        "cat > script; echo \"$MINE $*\" > args; echo 'warning: commands' >&2; echo 'job 17 at Sun Nov 22' >&2",
    );
    assert!(matches!(site.submit(), Submission::Accepted(NativeId(id)) if id == "17"));
    let read = |name: &str| fs::read_to_string(site.dir.path().join(name)).unwrap();
    assert_eq!(read("args"), "1 -M now\n");
    let expected = "# jobgate marker-1\nexec '/opt/job gate/jobgate' runner --base '/p/it'\\''s/7.000' --jobndx 2 \
                    --state-dir '/state' </dev/null >/dev/null 2>&1\n";
    assert_eq!(read("script"), expected);
    site.program("at", "echo 'You do not have permission to use at.' >&2; exit 1");
    assert!(matches!(site.submit(), Submission::Refused(error) if error.message().contains("permission")));
    site.program("at", "exit 0");
    assert!(matches!(site.submit(), Submission::Unknown(_)));
}

const ATQ: &str = "printf '17\\tSun Nov 22 05:00:00 2026 a root\\n18\\tSun Nov 22 05:01:00 2026 = root\\n'";

#[test]
fn jobs_are_listed_found_and_canceled() {
    let site = Site::new();
    site.program("atq", ATQ);
    let runs = [run_ref("17"), run_ref("18"), run_ref("19")];
    let phases: Vec<Phase> = site.at.observe(&runs).unwrap().into_iter().map(|sighting| sighting.phase).collect();
    assert_eq!(phases, [Phase::Waiting("queue a".into()), Phase::Running, Phase::Absent]);
    site.program("at", "[ $2 = 18 ] && echo '# jobgate marker-1'; exit 0");
    assert_eq!(site.at.find(&marked("marker-1")).unwrap(), Some(NativeId("18".into())));
    assert_eq!(site.at.find(&marked("marker")).unwrap(), None);
    site.program("atrm", "echo $1 > removed");
    assert_eq!(site.at.cancel(&run_ref("17")).unwrap(), Cancel::Removed);
    assert_eq!(fs::read_to_string(site.dir.path().join("removed")).unwrap(), "17\n");
    assert_eq!(site.at.cancel(&run_ref("18")).unwrap(), Cancel::HandedOver);
    assert_eq!(site.at.cancel(&run_ref("19")).unwrap(), Cancel::Absent);
    site.program("atq", "exit 1");
    assert!(site.at.find(&marked("marker-1")).is_err());
}

#[test]
fn a_runner_is_known_by_its_arguments() {
    let base = tempfile::tempdir().unwrap();
    assert!(!stop_runner(base.path(), 1));
    // `sh FILE` shows its arguments as the runner does.
    fs::write(base.path().join("runner"), "read line; :").unwrap();
    let mut runner = std::process::Command::new("/bin/sh")
        .current_dir(base.path())
        .stdin(std::process::Stdio::piped())
        .arg("runner")
        .arg("--base")
        .arg(base.path())
        .args(["--jobndx", "1"])
        .spawn()
        .unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !stop_runner(base.path(), 1) {
        assert!(std::time::Instant::now() < deadline);
    }
    runner.wait().unwrap();
    assert!(!stop_runner(base.path(), 1));
}
