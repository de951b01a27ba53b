//! What a job of the embedded batch system sees while it runs: Slurm's variables, output files, `srun`, signals.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use serde_json::{Value, json};

use crate::fixture::{Gateway, Home, SOON, wait_for};

/// A job as the dialect of Slurm's makes them: its whole environment, its directory, and sbatch's options.
fn batch(home: &Home, script: &str, attributes: &Value) -> Value {
    let mut spec = json!({"name": "test", "script": format!("#!/bin/bash\n{script}"), "directory": home.path(""),
        "inherit_environment": false, "environment": {"PATH": "/usr/bin:/bin"}, "attributes": {"--output": ""}});
    for (name, value) in attributes.as_object().into_iter().flatten() {
        spec["attributes"][name] = value.clone();
    }
    spec
}

/// Runs it to its end, and gives its output.
fn output(home: &Home, script: &str) -> String {
    let jobid = home.submit(&batch(home, script, &json!({})));
    home.wait_row(&jobid, 1, &["completed", "failed"]);
    home.ok(&["logs", &jobid])
}

#[test]
fn a_job_knows_what_it_was_given() {
    let home = Home::with_settings("[local]\ncores = 4\nmemory = \"8G\"\n");
    let mut spec = batch(&home, "env", &json!({"--mem": "2000", "--cpus-per-task": "2", "--comment": "a b"}));
    spec["resources"] = json!({"process_count": 2, "cpu_cores_per_process": 2, "duration": 20});
    spec["environment"]["SLURM_JOB_ID"] = "from somewhere else".into();
    let jobid = home.submit(&spec);
    home.wait_row(&jobid, 1, &["completed"]);
    let text = home.read(&jobid, "log/stdout.1");
    let get = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let is = |name: &str, value: &str| assert_eq!(get(name), Some(value), "{name} in {text}");
    is("SLURM_JOB_ID", "1");
    is("SLURM_JOBID", "1");
    is("SLURM_JOB_NAME", "test");
    is("SLURM_CPUS_ON_NODE", "4");
    is("SLURM_JOB_CPUS_PER_NODE", "4");
    is("SLURM_CPUS_PER_TASK", "2");
    is("SLURM_MEM_PER_NODE", "2000");
    is("SLURM_JOB_NUM_NODES", "1");
    is("SLURM_PROCID", "0");
    is("SLURM_SUBMIT_DIR", &home.path("").display().to_string());
    is("base", home.job(&jobid, "").display().to_string().trim_end_matches('/'));
    assert_eq!(get("SLURM_JOB_NODELIST"), get("SLURMD_NODENAME"));
    let number = |name: &str| get(name).and_then(|value| value.parse::<i64>().ok());
    assert_eq!(number("SLURM_JOB_END_TIME").unwrap() - number("SLURM_JOB_START_TIME").unwrap(), 1200);
    assert_eq!(get("TMPDIR"), None);
    // The second job has the next number.
    assert_eq!(output(&home, "echo $SLURM_JOB_ID $((SLURM_TASK_PID == $$))"), "2 1\n");
}

/// Jobs as psik makes them find the variables, too, and may override them.
#[test]
fn jobs_of_psik_find_them_too() {
    let home = Home::new();
    let mut spec = json!({"script": "echo $SLURM_JOB_ID $SLURM_JOB_NAME $jobid"});
    let jobid = home.submit(&spec);
    home.wait_row(&jobid, 1, &["completed"]);
    let native = home.wait_row(&jobid, 1, &["queued"]).info;
    assert_eq!(home.read(&jobid, "log/stdout.1"), format!("1 sbatch {native}\n"));
    spec["environment"] = json!({"SLURM_JOB_ID": "mine"});
    let jobid = home.submit(&spec);
    home.wait_row(&jobid, 1, &["completed"]);
    assert!(home.read(&jobid, "log/stdout.1").starts_with("mine sbatch"));
}

#[test]
fn output_is_where_it_was_asked_for_and_in_the_log() {
    let home = Home::new();
    let jobid = home.submit(&batch(&home, "echo out; echo err >&2", &json!({"--error": "%x-%5j.err"})));
    home.wait_row(&jobid, 1, &["completed"]);
    assert_eq!(fs::read_to_string(home.path("slurm-1.out")).unwrap(), "out\n");
    assert_eq!(fs::read_to_string(home.path("test-00001.err")).unwrap(), "err\n");
    assert_eq!(home.ok(&["logs", &jobid]), "out\n");
    assert_eq!(home.ok(&["logs", &jobid, "--err"]), "err\n");
    let gateway = Gateway::start(&home);
    let logs = gateway.client().get(&format!("/v2/jobs/{jobid}/logs"));
    assert!(logs.status == 200 && logs.text().contains("out\\n"), "{}", logs.text());
    // Removing the job leaves the user's files.
    home.ok(&["rm", &jobid]);
    assert_eq!(fs::read_to_string(home.path("slurm-1.out")).unwrap(), "out\n");
}

/// `/dev/shm` is another file system: no hard link leads there.
#[test]
fn output_on_another_file_system_is_copied_into_the_log() {
    let home = Home::new();
    let device = |path: &std::path::Path| fs::metadata(path).map(|meta| meta.dev()).ok();
    let shm = std::path::Path::new("/dev/shm");
    if device(shm).is_none() || device(shm) == device(&home.path("")) {
        return crate::fixture::skip("/dev/shm is not a file system of its own");
    }
    let dir = tempfile::tempdir_in(shm).unwrap();
    let script = format!("echo early; while [ ! -e {} ]; do sleep 0.05; done; echo late", home.path("go").display());
    let jobid = home.submit(&batch(&home, &script, &json!({"--output": dir.path().join("out.%u.%j")})));
    let early = || (home.read(&jobid, "log/stdout.1") == "early\n").then_some(());
    wait_for("the copy to follow", SOON, early);
    fs::write(home.path("go"), "").unwrap();
    home.wait_row(&jobid, 1, &["completed"]);
    assert_eq!(home.read(&jobid, "log/stdout.1"), "early\nlate\n");
    let own = fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap();
    assert_eq!(fs::read_to_string(own.path()).unwrap(), "early\nlate\n");
}

#[test]
fn what_cannot_be_run_fails_and_says_why() {
    let home = Home::new();
    let ends = |spec: &Value| {
        let jobid = home.submit(spec);
        let row = home.wait_row(&jobid, 1, &["completed", "failed"]);
        (row.state, row.info, home.read(&jobid, "log/console") + &home.read(&jobid, "log/stdout.1"))
    };
    let (state, info, text) = ends(&batch(&home, "true", &json!({"--output": "no/such/dir/out"})));
    assert!(state == "failed" && info.contains("no/such/dir/out") && text.contains("no/such/dir/out"), "{info} {text}");
    let mut spec = batch(&home, "", &json!({}));
    spec["script"] = "echo no interpreter".into();
    let (state, info, text) = ends(&spec);
    assert!((state.as_str(), info.as_str()) == ("failed", "8") && text.contains("#!/bin/bash"), "{info} {text}");
    spec["script"] = "#!/bin/bash\r\necho dos\r\n".into();
    let (_, info, text) = ends(&spec);
    assert!(info == "2" && text.contains("CR LF"), "{info} {text}");
}

#[test]
fn srun_starts_tasks_side_by_side() {
    let home = Home::new();
    assert_eq!(
        output(&home, "srun -n 3 sh -c 'echo $SLURM_PROCID of $SLURM_NTASKS in $SLURM_STEP_ID' | sort"),
        "0 of 3 in 0\n1 of 3 in 0\n2 of 3 in 0\n"
    );
    // Each waits for the other: they run at the same time.
    let meet = "srun -n 2 sh -c 'touch here.$SLURM_PROCID; until [ -e here.$((1 - SLURM_PROCID)) ]; do sleep 0.02; done; echo met'";
    assert_eq!(output(&home, meet), "met\nmet\n");
    // Steps are numbered, and the highest exit code counts.
    let steps =
        "srun true; srun -n 2 sh -c 'exit $((SLURM_PROCID * 3 + 4))'; echo $?; srun sh -c 'echo $SLURM_STEP_ID'";
    let said = output(&home, steps);
    assert!(said.ends_with("7\n2\n") && said.contains("task 1: Exited with exit code 7"), "{said}");
    // A task is what was named, with a number of its own.
    assert_eq!(
        output(&home, "srun --export=NONE,A=b -D /tmp bash -c 'echo $((SLURM_TASK_PID == $$)) $A $PWD'"),
        "1 b /tmp\n"
    );
}

#[test]
fn srun_reads_and_writes_where_it_is_told() {
    let home = Home::new();
    assert_eq!(output(&home, "echo text | srun -n 2 cat; echo alone | srun cat"), "text\ntext\nalone\n");
    let labelled = "srun -n 2 -l sh -c 'echo a; echo b >&2' 2>&1 | sort";
    assert_eq!(output(&home, labelled), "0: a\n0: b\n1: a\n1: b\n");
    let files = "srun -n 2 -o out.%t sh -c 'echo $SLURM_PROCID; echo err >&2'; cat out.0 out.1; srun -n 2 -o all -e none sh -c 'echo x; echo y >&2'; cat all";
    assert_eq!(output(&home, files), "0\nerr\n1\nerr\nx\nx\n");
}

#[test]
fn srun_says_what_is_wrong() {
    let home = Home::new();
    for (line, words) in [
        ("srun --multi-prog x", "--multi-prog"),
        ("srun -N 2 true", "2 nodes were asked for, and the job has 1"),
        ("srun -n 0 true", "0 tasks"),
        ("srun no-such-program", "cannot find the program no-such-program"),
        ("srun -o no/such/dir true", "no/such/dir"),
        ("env -u SLURM_JOB_ID srun true", "not inside a job"),
    ] {
        let said = output(&home, &format!("{line}; echo $?"));
        assert!(said.contains(words) && said.starts_with("srun: ") && said.ends_with("\n1\n"), "{line}: {said}");
    }
    // Outside of any job, by the same name.
    let srun = home.state().join("bin/srun");
    let outside = crate::fixture::home::run(home.program(&srun).arg("true"));
    assert!(outside.code == 1 && outside.err.contains("not inside a job"), "{outside:?}");
}

#[test]
fn a_failing_task_ends_the_others_if_that_is_wished() {
    let home = Home::new();
    let said = output(&home, "srun -K -n 2 sh -c '[ $SLURM_PROCID = 1 ] && exit 5; exec sleep 600'; echo $?");
    assert!(said.contains("Killed by SIGTERM") && said.ends_with("143\n"), "{said}");
}

/// Signals for `srun` reach its tasks, and no task outlives it or the job.
#[test]
fn tasks_end_with_their_srun_and_their_job() {
    let home = Home::new();
    let said = output(
        &home,
        "srun sh -c 'trap \"echo told; exit 6\" USR1; touch ready; while :; do sleep 0.02; done' &\n\
         until [ -e ready ]; do sleep 0.02; done; kill -USR1 $!; wait $!; echo $?",
    );
    assert!(said.starts_with("told\n") && said.ends_with("6\n"), "{said}");
    let tasks = "srun -n 2 sh -c 'echo $$ > task.$SLURM_PROCID; exec sleep 600'";
    let jobid = home.submit(&batch(&home, tasks, &json!({})));
    let pid = |rank: u32| {
        wait_for("a task", SOON, || {
            fs::read_to_string(home.path(&format!("task.{rank}"))).ok()?.trim().parse::<u32>().ok()
        })
    };
    let pids = [pid(0), pid(1)];
    home.ok(&["cancel", &jobid]);
    home.wait_row(&jobid, 1, &["canceled"]);
    for pid in pids {
        wait_for("the end of a task", SOON, || (!crate::fixture::alive(pid)).then_some(()));
    }
    assert!(!home.job(&jobid, ".steps.1").exists());
    let said = home.read(&jobid, "log/stdout.1");
    assert!(said.contains("*** JOB 2 ON ") && said.contains(" CANCELLED AT "), "{said}");
}

#[test]
fn the_time_limit_can_be_told_from_an_exit_code() {
    let home = Home::new();
    let mut spec = batch(&home, "sleep 600", &json!({}));
    spec["resources"] = json!({"duration": 0});
    let jobid = home.submit(&spec);
    let row = home.wait_row(&jobid, 1, &["failed"]);
    assert_eq!(row.info, "9");
    assert!(home.read(&jobid, "log/stdout.1").contains("DUE TO TIME LIMIT"));
}
