//! The real Slurm cluster that other tests use is one: jobs run in it, and its controller can be disturbed.

use std::time::Duration;

use crate::fixture::{Cluster, Home, SOON, stays, wait_for};

#[test]
fn jobs_run_and_our_binary_does_too() {
    let Some(cluster) = Cluster::shared() else { return };
    let home = Home::in_cluster(&cluster, "alice", "");
    assert!(home.ok(&["--version"]).starts_with("jobgate "), "our binary runs in the cluster");
    let note = home.path("note");
    let script = format!("id -un > {}", note.display());
    let answer = cluster.ok("alice", &["sbatch", "--output=/dev/null", "--parsable", "--wrap", &script]);
    assert!(answer.trim().parse::<u32>().is_ok(), "{answer}");
    wait_for("the job to run", SOON, || (std::fs::read_to_string(&note).ok()? == "alice\n").then_some(()));
    let token = cluster.token("bob");
    assert_eq!(token.split('.').count(), 3, "{token}");
    assert!(cluster.etc("jwt_hs256.key").is_file() && cluster.url("/").starts_with("http://127.0.0.1:"));
}

#[test]
fn the_controller_can_be_disturbed() {
    let Some(cluster) = Cluster::alone() else { return };
    let answers = || std::net::TcpStream::connect(cluster.controller).is_ok();
    assert!(answers());
    cluster.pause_controller();
    let mut asked = cluster.command("alice", "squeue").stdout(std::process::Stdio::null()).spawn().unwrap();
    stays("nobody answers", Duration::from_millis(500), || asked.try_wait().unwrap().is_none());
    cluster.continue_controller();
    assert!(asked.wait().unwrap().success());
    cluster.kill_controller();
    assert!(!answers());
    cluster.start_controller();
    assert!(answers());
}
