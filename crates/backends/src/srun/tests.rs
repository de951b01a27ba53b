use super::*;

fn environment(path: &str) -> BTreeMap<OsString, OsString> {
    [(OsString::from("PATH"), OsString::from(path))].into_iter().collect()
}

#[test]
fn programs_are_found_as_a_shell_finds_them() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("program");
    std::fs::write(&program, "#!/bin/sh\n").unwrap();
    let path = environment(&format!("/no/such:{}", dir.path().display()));
    let of = |name: &str, directory: Option<&Path>| find(OsStr::new(name), &path, directory).ok();
    assert_eq!(of("program", None), None, "it cannot be executed");
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    assert_eq!(of("program", None), Some(program.clone()));
    assert_eq!(of("./program", Some(dir.path())), Some(dir.path().join("./program")));
    assert_eq!(of(program.to_str().unwrap(), None), Some(program));
    for missing in ["nothing", "./nothing", "/", ""] {
        assert_eq!(of(missing, None), None, "{missing}");
    }
}

#[test]
fn steps_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let counter = dir.path().join("steps").into_os_string();
    let numbers: Vec<u32> = (0..12).map(|_| step_number(Some(&counter))).collect();
    assert_eq!(numbers, (0..12).collect::<Vec<_>>());
    assert_eq!(step_number(Some(&"/no/such/steps".into())), 0);
    assert_eq!(step_number(None), 0);
}

#[test]
fn outside_a_job() {
    let step = Step { command: vec!["true".into()], ..Step::default() };
    let error = run(&step, &environment("/bin"), &mut |_| ()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "this is not inside a job (SLURM_JOB_ID is not set): put it into the script of a job"
    );
}

#[test]
fn only_srun_is_srun() {
    assert!(!is_srun(std::process::id() as i32));
    let mut child = std::os::unix::process::CommandExt::arg0(&mut std::process::Command::new("sleep"), "/opt/srun")
        .arg("60")
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_srun(child.id() as i32) {
        assert!(Instant::now() < deadline);
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
