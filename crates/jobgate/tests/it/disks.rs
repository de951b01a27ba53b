//! Prefixes that cannot be written, and disks that are full.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::fixture::gateway::script;
use crate::fixture::home::run;
use crate::fixture::{Gateway, Home, SOON, is_root, skip, wait_for};

/// A small file system of its own, if this machine lets us mount one.
struct Mount(std::path::PathBuf);

impl Mount {
    fn tmpfs(at: &Path, options: &str) -> Option<Self> {
        if !is_root() {
            skip("only root can mount a small file system");
            return None;
        }
        fs::create_dir_all(at).unwrap();
        let output = run(Command::new("mount").args(["-t", "tmpfs", "-o", options, "jobgate-test"]).arg(at));
        if output.code != 0 {
            skip(&format!("mount failed: {}", output.err.trim()));
            return None;
        }
        Some(Self(at.to_path_buf()))
    }

    fn remount(&self, options: &str) {
        let output = run(Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.0));
        assert_eq!(output.code, 0, "{output:?}");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        run(Command::new("umount").arg("-l").arg(&self.0));
    }
}

#[test]
fn an_unwritable_prefix_is_said_clearly() {
    let home = Home::new();
    let Some(mount) = Mount::tmpfs(&home.prefix, "size=4m") else { return };
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    let jobid = client.create("v2", &script("x"));
    mount.remount("ro");
    let answer = client.post("/v2/jobs", &script("true"));
    assert!(answer.status >= 400 && answer.json()["detail"].is_string(), "{} {}", answer.status, answer.text());
    assert_eq!(client.get("/readyz").status, 503);
    let output = home.run(&["submit", home.spec(&script("true")).to_str().unwrap()]);
    assert!(
        output.code == 1 && output.err.contains("prefix") | output.err.to_lowercase().contains("read-only"),
        "{output:?}"
    );
    mount.remount("rw");
    wait_for("readiness", SOON, || (client.get("/readyz").status == 200).then_some(()));
    assert_eq!(client.get("/v2/jobs").json().as_array().unwrap().len(), 1);
    client.post(&format!("/v2/jobs/{jobid}/start"), &Value::Null);
    client.wait_step("v2", &jobid, 1, &["completed", "failed"]);
    drop(gateway);
    home.kill_all();
}

#[test]
fn a_full_disk_loses_nothing() {
    let home = Home::new();
    let Some(_mount) = Mount::tmpfs(&home.prefix, "size=2m") else { return };
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    let jobid = client.create("v2", &script("echo ran"));
    let files = format!("/v2/jobs/{jobid}/files");
    assert_eq!(client.upload(&files, &[("keep", b"kept")]).status, 200);
    let answer = client.upload(&files, &[("keep", &vec![b'x'; 4 << 20])]);
    assert!([500, 507].contains(&answer.status), "{} {}", answer.status, answer.text());
    assert!(answer.json()["detail"].is_string());
    assert_eq!(client.get(&format!("{files}/keep")).text(), "kept", "a half-written file replaced a whole one");
    assert_eq!(fs::read_dir(home.job(&jobid, "work")).unwrap().count(), 1, "something was left behind");
    // now really full
    let ballast = home.prefix.join("ballast");
    let mut file = fs::File::create(&ballast).unwrap();
    while file.write(&[0; 4096]).is_ok_and(|written| written > 0) {}
    let answer = client.post("/v2/jobs", &script("echo x"));
    assert!(answer.status >= 400 && answer.json()["detail"].is_string(), "{} {}", answer.status, answer.text());
    assert_eq!(client.get("/v2/jobs").json().as_array().unwrap().len(), 1);
    // a start that is acknowledged now is carried out when there is room again
    let started = client.post(&format!("/v2/jobs/{jobid}/start"), &Value::Null).status == 200;
    drop(file);
    fs::remove_file(&ballast).unwrap();
    if !started {
        client.post(&format!("/v2/jobs/{jobid}/start"), &Value::Null);
    }
    client.wait_step("v2", &jobid, 1, &["completed", "failed"]);
    let again = client.submit("v2", &script("echo x"));
    client.wait_step("v2", &again, 1, &["completed"]);
    drop(gateway);
    home.kill_all();
}
