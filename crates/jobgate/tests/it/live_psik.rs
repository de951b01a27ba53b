//! psik's jobs on a real Slurm cluster: `sbatch` hands them over, the runner on the compute node writes the job's tree.

use std::fs;
use std::process::Stdio;

use serde_json::json;

use crate::conformance::must_pass;
use crate::fixture::{Cluster, Gateway, Home, SOON, root, skip, wait_for};

/// A backend `default` of Slurm.
const SETTINGS: &str = "[backends.default]\ntype = \"slurm\"\n";

/// What psik's command line does with a backend of type `local`, and with that one only: what the checker says.
const ONLY_LOCAL: [&str; 6] = [
    // the settings of the default backend are not all at their defaults when it is Slurm
    "layout: first status row is <time>,0,new,{} for a default local backend",
    "layout: the new row carries the non-default backend settings as JSON",
    "ls: header, oldest first, fixed columns, None for no name",
    // Slurm's jobs have mpirun and nodes besides
    "run: environment jobndx, jobid, base; inherited and overridden variables",
    // the native id as a process id
    "run: the job is in its own session and process group, detached from psik",
    "H: SIGTERM to the running wrapper leaves a final state",
];

fn rest(version: &str) {
    let Some(cluster) = Cluster::shared() else { return };
    let home = Home::in_cluster(&cluster, "alice", SETTINGS);
    let gateway = Gateway::start(&home);
    let url = gateway.url(&format!("/{version}"));
    must_pass(&Home::new(), "psik_conformance.py", &["--hardened", "--retries", "0", &url], &[], 90);
}

#[test]
fn psik_api_v2_hardened() {
    rest("v2");
}

#[test]
fn psik_api_v1_hardened() {
    rest("v1");
}

/// The checker itself runs in the cluster, as alice. It writes configurations with a backend of type `local`, of which the
/// program that it calls makes one of Slurm.
fn command_line(dialect: &str) {
    let Some(cluster) = Cluster::shared() else { return };
    let checker = root().join("../shared/tools/psik_cli_conformance.py");
    if !checker.is_file() {
        return skip("../shared/tools/psik_cli_conformance.py is not beside this checkout");
    }
    let home = Home::in_cluster(&cluster, "alice", SETTINGS);
    fs::copy(&checker, home.path("checker.py")).unwrap();
    let program = format!(
        "[ ! -f \"$PSIK_CONFIG\" ] || sed -i 's/\"type\": \"local\"/\"type\": \"slurm\"/' \"$PSIK_CONFIG\"\n\
         JOBGATE_PSIK={dialect} exec {} \"$@\"",
        cluster.binary().display()
    );
    crate::fixture::stand_in(&home.path("bin"), "psik", &program);
    let mut command = home.program(std::path::Path::new("env"));
    command.arg(format!("TMPDIR={}", home.path("").display())).args(["python3", "-u"]).arg(home.path("checker.py"));
    command.args(["--hardened", "--dialect", dialect]).arg(home.path("bin/psik"));
    let log = home.path("checker.log");
    let file = fs::File::create(&log).unwrap();
    command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file).status().unwrap();
    let text = fs::read_to_string(&log).unwrap();
    eprintln!("{text}");
    let failed: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("FAIL: ")).collect();
    let unexpected: Vec<_> =
        failed.iter().filter(|line| !ONLY_LOCAL.iter().any(|name| line.starts_with(name))).collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    let passed: usize = text.lines().last().and_then(|line| line.split(' ').next()?.parse().ok()).unwrap_or(0);
    assert!(passed >= 60, "only {passed} checks ran");
}

#[test]
fn psik_3_1_command_line_hardened() {
    command_line("3.1");
}

#[test]
fn psik_3_0_command_line_hardened() {
    command_line("3.0");
}

/// `sbatch` hands the job over, and its answer never comes: the gateway is killed before. The next one finds it by its mark.
#[test]
fn adopted_after_a_crash_held_released_and_canceled() {
    let Some(cluster) = Cluster::shared() else { return };
    let home = Home::in_cluster(&cluster, "alice", &format!("poll_interval = \"1s\"\n{SETTINGS}"));
    crate::fixture::stand_in(&home.path("bin"), "sbatch", "/usr/bin/sbatch \"$@\" >/dev/null; exec sleep 600");
    let mut command = home.program(std::path::Path::new("env"));
    command.arg(format!("PATH={}:/usr/bin:/bin", home.path("bin").display())).arg(cluster.binary());
    command.args(["serve", "--listen", "127.0.0.1:0", "--prefix"]).arg(&home.prefix);
    let mut gateway = Gateway::spawn(&home, &mut command);
    let note = home.path("note");
    let script = format!("#!/bin/sh\necho $jobid $mpirun >> {}\nexec sleep 60\n", note.display());
    let spec = json!({ "script": script, "attributes": { "--hold": "", "--comment": "my words" } });
    let jobid = gateway.client().submit("v2", &spec);
    let queue = || cluster.ok("alice", &["squeue", "--me", "--noheader", "--format=%i|%r|%k"]);
    let mark = format!("my words jobgate-{jobid}-");
    let line =
        wait_for("Slurm to have it", SOON, || queue().lines().find(|line| line.contains(&mark)).map(str::to_owned));
    let number = line.split('|').next().unwrap().to_owned();
    assert_eq!(home.steps(&jobid), [(0, "new".to_owned())]);
    gateway.kill();
    let gateway = Gateway::start(&home);
    assert_eq!(home.wait_row(&jobid, 1, &["queued"]).info, number, "it is adopted");
    assert_eq!(home.run(&["release", &jobid]).code, 0);
    home.wait_row(&jobid, 1, &["active"]);
    wait_for("the script to run", SOON, || note.exists().then_some(()));
    assert_eq!(home.run(&["cancel", &jobid]).code, 0);
    let steps = ["new", "queued", "active", "canceled", "canceled"];
    wait_for("both rows of the end", SOON, || (home.rows(&jobid).len() == 5).then_some(()));
    assert_eq!(home.steps(&jobid), [0, 1, 1, 1, 0].into_iter().zip(steps.map(str::to_owned)).collect::<Vec<_>>());
    assert_eq!(fs::read_to_string(&note).unwrap(), format!("{number} srun\n"), "it ran once");
    drop(gateway);
}

/// What its runner cannot tell: the node kills it when its time is over, or somebody cancels it before it runs.
#[test]
fn ends_that_only_slurm_knows() {
    let Some(cluster) = Cluster::shared() else { return };
    let home = Home::in_cluster(&cluster, "alice", &format!("poll_interval = \"1s\"\n{SETTINGS}"));
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    let held = client.submit("v2", &json!({ "script": "true", "attributes": { "--hold": "" } }));
    let running = client.submit("v2", &json!({ "script": "#!/bin/sh\nexec sleep 60\n" }));
    let held_as = home.wait_row(&held, 1, &["queued"]).info;
    let running_as = home.wait_row(&running, 1, &["queued"]).info;
    home.wait_row(&running, 1, &["active"]);
    cluster.ok("alice", &["scancel", &held_as]);
    cluster.ok("root", &["scancel", "--full", "--signal=KILL", &running_as]);
    assert_eq!(home.wait_row(&held, 1, &["canceled"]).info, "");
    let end = home.wait_row(&running, 1, &["failed", "canceled"]);
    assert!(matches!(end.info.as_str(), "-9" | "9" | "137" | ""), "{end:?}");
}
