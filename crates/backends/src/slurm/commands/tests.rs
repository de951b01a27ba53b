use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use jobgate_model::JobId;

use super::*;

/// Stand-ins for Slurm's programs; each notes its arguments in a file of its name.
struct Site {
    dir: tempfile::TempDir,
    slurm: Slurm,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("job/log")).unwrap();
        let slurm = Slurm::new("/opt/job gate/jobgate".into(), "/state".into()).with_programs_in(dir.path().to_owned());
        Self { dir, slurm }
    }

    fn program(&self, name: &str, body: &str) {
        let path = self.dir.path().join(name);
        let noted = self.dir.path().join(format!("{name}.args"));
        fs::write(&path, format!("#!/bin/sh\nprintf '%s\\n' \"$@\" > {}\n{body}\n", noted.display())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn noted(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.dir.path().join(format!("{name}.args"))).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn base(&self) -> PathBuf {
        self.dir.path().join("job")
    }

    fn submit(&self, spec: &JobSpec, config: &BackendConfig) -> Submission {
        let request = RunRequest {
            base: &self.base(),
            jobid: &JobId::parse("7.000").unwrap(),
            jobndx: 2,
            spec,
            description: None,
            config,
            owner: "alice",
            marker: "jobgate-7.000-2",
            environment: None,
            array: None,
            array_limit: None,
            report: None,
        };
        self.slurm.submit(&request)
    }
}

fn run_ref(native: Option<&str>) -> RunRef {
    RunRef {
        base: Path::new("/p/7.000").to_owned(),
        jobid: JobId::parse("7.000").unwrap(),
        jobndx: 2,
        marker: format!("m-{}", native.unwrap_or_default()),
        native: native.map(|native| NativeId(native.to_owned())),
        owner: "alice".into(),
        since: 0.0,
        described: false,
        untold: None,
    }
}

#[test]
fn arguments_come_in_psiks_order() {
    let mut spec = JobSpec::new("srun hostname");
    assert_eq!(
        arguments(&spec, &BackendConfig::default(), "m"),
        ["--time", "10", "--cpus-per-task", "1", "--exclusive"]
    );
    spec.name = Some("my job".into());
    spec.resources.duration = 30;
    spec.resources.node_count = Some(2);
    spec.resources.process_count = Some(8);
    spec.resources.processes_per_node = Some(4);
    spec.resources.cpu_cores_per_process = 7;
    spec.resources.gpu_cores_per_process = 1;
    for (key, value) in
        [("--gpu-bind", "closest"), ("constraint", "a b"), ("hold", ""), ("C", "x"), ("psik_python", "/p")]
    {
        spec.attributes.insert(key, value);
    }
    let config = BackendConfig {
        queue_name: Some("batch".into()),
        project_name: Some("prj".into()),
        reservation_id: Some("res".into()),
        ..BackendConfig::default()
    };
    let expected = "--job-name|my job|--time|30|--nodes|2|--ntasks|8|--ntasks-per-node|4|--gpus-per-task|1|--cpus-per-task|7|\
                    --exclusive|--partition|batch|--account|prj|--reservation|res|--gpu-bind|closest|--constraint|a b|--hold|\
                    -C|x";
    assert_eq!(arguments(&spec, &config, "m").join("|"), expected);
}

#[test]
fn the_mark_goes_behind_the_jobs_comment() {
    let of = |key: &str, value: &str| {
        let mut spec = JobSpec::new("x");
        spec.attributes.insert(key, value);
        spec.attributes.insert("hold", "");
        arguments(&spec, &BackendConfig::default(), "m").split_off(5).join("|")
    };
    assert_eq!(of("comment", "two words"), "--comment|two words m|--hold");
    assert_eq!(of("--comment", "x"), "--comment|x m|--hold");
    assert_eq!(of("--comment=x", ""), "--comment|x m|--hold");
    assert_eq!(of("comm", "x"), "--comment|x m|--hold", "as sbatch understands it");
    for key in ["comment", "--comment", "--comment="] {
        assert_eq!(of(key, ""), "--hold", "the script's counts");
    }
    assert_eq!(of("constraint", "x"), "--constraint|x|--hold");
    assert_eq!(of("--container=x", ""), "--container=x|--hold");
}

#[test]
fn a_comment_is_one_line() {
    let site = Site::new();
    let check = |key: &str, value: &str| {
        let mut spec = JobSpec::new("x");
        spec.attributes.insert(key, value);
        site.slurm.check(&spec, &BackendConfig::default())
    };
    for (key, value) in [("comment", "a\nb"), ("--comment=a\u{85}", ""), ("comm", "\x1b")] {
        assert!(check(key, value).unwrap_err().message().contains("comment"), "{key}");
    }
    assert!(check("comment", "a|b ü").is_ok() && check("wckey", "a\nb").is_ok());
}

#[test]
fn a_submission_is_accepted_refused_or_unknown() {
    let site = Site::new();
    let submit = || site.submit(&JobSpec::new("x"), &BackendConfig::default());
    assert!(matches!(submit(), Submission::Refused(error) if error.message().contains("sbatch")));
    site.program("sbatch", &format!("cat > {}/script; echo Submitted batch job 4711", site.dir.path().display()));
    assert!(matches!(submit(), Submission::Accepted(NativeId(id)) if id == "4711"));
    let script = fs::read_to_string(site.dir.path().join("script")).unwrap();
    let base = site.base().display().to_string();
    let expected = format!(
        "#!/bin/sh\n#SBATCH -e {base}/log/console\n#SBATCH -o {base}/log/console\n#SBATCH --open-mode=append\n\
         #SBATCH --comment=jobgate-7.000-2\nexec '/opt/job gate/jobgate' runner --base '{base}' --jobndx 2 \
         --native \"${{SLURM_JOB_ID:--1}}\" --nodes \"${{SLURM_JOB_NUM_NODES:-1}}\" --mpirun srun --state-dir '/state'\n"
    );
    assert_eq!(script, expected);
    site.program("sbatch", "echo 'sbatch: error: invalid partition' >&2; exit 1");
    assert!(matches!(submit(), Submission::Refused(error) if error.message() == "sbatch: error: invalid partition"));
    assert!(fs::read_to_string(site.base().join("log/console")).unwrap().contains("invalid partition"));
    site.program("sbatch", "echo 'sbatch: error: Socket timed out on send/recv operation' >&2; exit 1");
    assert!(matches!(submit(), Submission::Unknown(_)));
    for words in [
        "Unable to contact slurm controller (receive failure)",
        "Unable to contact slurm controller (send failure)",
        "Unable to contact slurm controller (shutdown failure)",
        "Zero Bytes were transmitted or received",
        "Message receive failure",
        "Connection reset by peer",
        "Unexpected message received",
    ] {
        site.program("sbatch", &format!("echo 'sbatch: error: Batch job submission failed: {words}' >&2; exit 1"));
        assert!(matches!(submit(), Submission::Unknown(_)), "{words}");
    }
    for words in ["Unable to contact slurm controller (connect failure)", "Connection refused"] {
        site.program("sbatch", &format!("echo 'sbatch: error: Batch job submission failed: {words}' >&2; exit 1"));
        assert!(matches!(submit(), Submission::Refused(_)), "{words}");
    }
    site.program("sbatch", "kill -9 $$");
    assert!(matches!(submit(), Submission::Unknown(_)));
    site.program("sbatch", "exit 0");
    assert!(matches!(submit(), Submission::Unknown(_)));
}

#[test]
fn all_runs_are_observed_with_one_query() {
    let site = Site::new();
    site.program(
        "squeue",
        "echo '1|RUNNING|None'; echo '2|PENDING|Resources'; echo '3_[2-9]|PENDING|x'; echo '3_1|RUNNING|None'",
    );
    let runs: Vec<RunRef> = ["1", "2", "3", "4", "5"].map(|id| run_ref(Some(id))).to_vec();
    let phases = |site: &Site| -> Vec<Phase> {
        site.slurm.observe(&runs).unwrap().into_iter().map(|sighting| sighting.phase).collect()
    };
    let known = [Phase::Running, Phase::Waiting("Resources".into()), Phase::Running];
    assert_eq!(phases(&site)[..3], known);
    assert_eq!(phases(&site)[3..], [Phase::Absent, Phase::Absent]);
    site.program("sacct", "echo '4|FAILED|3:0'; echo '5|CANCELLED by 0|0:0'");
    let ended = [Phase::Ended(State::Failed, "3".into()), Phase::Ended(State::Canceled, String::new())];
    assert_eq!(phases(&site)[3..], ended);
    assert!(site.noted("sacct").contains(&"--jobs=4,5".to_owned()));
    site.program("squeue", "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1");
    assert_eq!(site.slurm.observe(&runs).unwrap_err().kind(), ErrorKind::Unavailable);
}

/// Tasks leave the queue one by one.
#[test]
fn an_array_ends_as_its_worst_task_also_if_that_is_forgotten() {
    let site = Site::new();
    let phase = || site.slurm.observe(&[run_ref(Some("3"))]).unwrap().remove(0).phase;
    site.program("sacct", "echo '3_1|FAILED|3:0'; echo '3_2|COMPLETED|0:0'; echo '3_3|RUNNING|0:0'");
    site.program("squeue", "echo '3_2|COMPLETED|None'; echo '3_3|RUNNING|None'");
    assert_eq!(phase(), Phase::Running);
    assert!(!site.dir.path().join("sacct.args").exists(), "it is asked when it can matter");
    site.program("squeue", "echo '3_2|COMPLETED|None'; echo '3_3|COMPLETED|None'");
    assert_eq!(phase(), Phase::Ended(State::Failed, "3".into()));
    site.program("sacct", "exit 1");
    assert_eq!(phase(), Phase::Ended(State::Completed, String::new()));
    site.program("squeue", "");
    site.program("sacct", "echo '3_1|COMPLETED|0:0'; echo '3_3|RUNNING|0:0'");
    assert_eq!(phase(), Phase::Absent, "its end may have been lost on the way");
}

#[test]
fn runs_are_found_by_their_marker() {
    let site = Site::new();
    let base = site.dir.path().join("job");
    let find = |marker: &str| site.slurm.find(&RunRef { marker: marker.into(), base: base.clone(), ..run_ref(None) });
    site.program(
        "squeue",
        "echo '11|other'; echo '12|mine'; echo '14|words of theirs too'; echo '15_[1-2]|a|b or c piped '",
    );
    assert_eq!(find("mine").unwrap(), None, "it was never sent");
    note_attempt(&base, 2).unwrap();
    assert_eq!(find("mine").unwrap(), Some(NativeId("12".into())));
    assert_eq!(find("too").unwrap(), Some(NativeId("14".into())));
    assert_eq!(find("piped").unwrap(), Some(NativeId("15".into())));
    assert_eq!(find("nobody's").unwrap_err().kind(), ErrorKind::Timeout, "it may still arrive");
    site.program("sacct", "echo '13|old'");
    assert_eq!(find("old").unwrap(), Some(NativeId("13".into())));
    let sent = std::time::SystemTime::now().checked_sub(STRAY + Duration::from_secs(1)).unwrap();
    fs::File::options().write(true).open(base.join(".submitted.2")).unwrap().set_modified(sent).unwrap();
    assert_eq!(find("nobody's").unwrap(), None);
    site.program("squeue", "exit 1");
    assert!(find("mine").is_err());
}

#[test]
fn cancel_hold_and_release() {
    let site = Site::new();
    site.program("scancel", "");
    assert_eq!(site.slurm.cancel(&run_ref(Some("4711"))).unwrap(), Cancel::HandedOver);
    site.program("squeue", "echo '4711|COMPLETING|None'");
    assert_eq!(site.slurm.cancel(&run_ref(Some("4711"))).unwrap(), Cancel::Stopping);
    assert_eq!(site.noted("scancel"), ["4711"]);
    site.program("scancel", "echo 'scancel: error: Kill job error on job id 1: Invalid job id specified' >&2; exit 1");
    assert_eq!(site.slurm.cancel(&run_ref(Some("1"))).unwrap(), Cancel::Absent);
    site.program("scontrol", "");
    site.slurm.hold(&run_ref(Some("5"))).unwrap();
    assert_eq!(site.noted("scontrol"), ["hold", "5"]);
    site.slurm.release(&run_ref(Some("5"))).unwrap();
    assert_eq!(site.noted("scontrol"), ["release", "5"]);
}

#[test]
fn states_of_slurm() {
    assert_eq!(phase("COMPLETING", ""), Phase::Running);
    assert_eq!(phase("FAILED", "0:9"), Phase::Ended(State::Failed, "-9".into()));
    assert_eq!(phase("TIMEOUT", "0:0"), Phase::Ended(State::Failed, "slurm: TIMEOUT".into()));
    assert_eq!(phase("CANCELLED+", "0:0"), Phase::Ended(State::Canceled, String::new()));
}
