//! The command line as whole processes.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::fixture::home::Home;
use crate::load::{cpu_of_children, short};
use crate::store::{Shape, jobid, store};
use crate::{Bench, row};

pub(crate) fn run(bench: &Bench) {
    let home = Home::new();
    let file = home.spec(&json!({"script": "true"}));
    let file = file.to_str().unwrap();
    for (name, ours, theirs, times) in [
        ("version", vec!["version"], vec!["version"], 5),
        ("submit", vec!["submit", "--newdir", file], vec!["run", "--newdir", file], 5),
        (
            "submit --no-submit",
            vec!["submit", "--newdir", "--no-submit", file],
            vec!["run", "--newdir", "--no-submit", file],
            5,
        ),
    ] {
        compare(bench, &home, name, &ours, &theirs, times);
    }
    for count in [10, 1_000, 10_000] {
        let folder = store(bench, Shape::Psik3, count);
        let home = on(&folder);
        let limit = if bench.originals_10000 { 10_000 } else { 1_000 };
        let times = if count > limit { 0 } else { 2 };
        compare(bench, &home, &format!("ls, {count} jobs"), &["ls"], &["ls"], times);
        let one = jobid(count / 2);
        compare(bench, &home, &format!("status, {count} jobs"), &["status", &one], &["status", &one], times.min(3));
    }
}

/// A home whose prefix is this store.
fn on(folder: &std::path::Path) -> Home {
    let mut home = Home::new();
    folder.clone_into(&mut home.prefix);
    let config = format!("prefix = \"{}\"\n", folder.display());
    std::fs::write(home.path("config/jobgate/jobgate.toml"), config).unwrap();
    let psik = json!({"prefix": folder, "backends": {"default": {"type": "local"}}});
    std::fs::write(home.path("psik.json"), psik.to_string()).unwrap();
    home
}

fn compare(bench: &Bench, home: &Home, name: &str, ours: &[&str], theirs: &[&str], times: u32) {
    let we = measure(if bench.quick { 10 } else { 40 }, || home.command(ours));
    let they = bench.psik.as_ref().filter(|_| times > 0).map(|peer| {
        measure(times, || {
            let mut command = peer.command(home, "psik");
            command.args(theirs);
            command
        })
    });
    row(name, &we, they.as_deref().unwrap_or("-"));
}

/// Median and best wall time of a process, and its mean CPU time. The first one, which may have more to do, is not counted.
fn measure(times: u32, command: impl Fn() -> Command) -> String {
    let once = || {
        let begin = Instant::now();
        let status = command().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        assert!(status.success(), "{:?}: {status}", command());
        begin.elapsed()
    };
    once();
    let cpu = cpu_of_children();
    let mut all: Vec<Duration> = (0..times).map(|_| once()).collect();
    let cpu = cpu_of_children().saturating_sub(cpu) / times;
    all.sort_unstable();
    format!("median {} best {} cpu {}", short(all[all.len() / 2]), short(all[0]), short(cpu))
}
