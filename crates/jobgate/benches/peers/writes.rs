//! Durable creations, and jobs run to their end.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::fixture::gateway::script;
use crate::fixture::home::{Home, rows_of};
use crate::fixture::http::Body;
use crate::fixture::{Client, Gateway, wait_for};
use crate::load::{cpu_of, load, short};
use crate::{Bench, row};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

fn post(client: &mut Client, path: &str) -> bool {
    let body = br#"{"name":"bench","script":"true"}"#;
    client.request("POST", path, JSON, &Body::Bytes(body)).is_ok_and(|answer| answer.status == 200)
}

pub(crate) fn run(bench: &Bench) {
    for users in [1, 8, 64] {
        let home = Home::new();
        let we = load(&Gateway::start(&home), users, bench.time(), |client| post(client, "/v1/jobs/new"));
        let they = bench.psik_api.as_ref().filter(|_| users < 64).map(|peer| {
            let gateway = peer.serve_api(&home, &home.path("theirs"));
            load(&gateway, users, bench.time(), |client| post(client, "/v1/jobs/new")).show()
        });
        row(&format!("create (durable), {users} users"), &we.show(), they.as_deref().unwrap_or("-"));
    }
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let jobs = if bench.quick { 200 } else { 1500 };
    let we = through(&gateway, &home.prefix, jobs, 16, "true");
    let they = bench.psik_api.as_ref().map(|peer| {
        let store = home.path("theirs");
        through(&peer.serve_api(&home, &store), &store, 10, 1, "#!/bin/sh\ntrue\n")
    });
    row(&format!("`true` jobs run to their end ({jobs}; 10)"), &we, they.as_deref().unwrap_or("-"));
    if let Some(library) = library(bench) {
        row("  the same, psik as a library in one process", "", &library);
    }
}

/// Submits jobs as fast as some users can, and waits until all have ended.
fn through(gateway: &Gateway, prefix: &Path, jobs: usize, users: usize, text: &str) -> String {
    let (begin, cpu) = (Instant::now(), cpu_of(gateway.child.id()));
    let ids: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..users)
            .map(|user| {
                let mut client = gateway.client();
                let mine = jobs / users + usize::from(user < jobs % users);
                scope.spawn(move || (0..mine).map(|_| client.submit("v1", &script(text))).collect::<Vec<_>>())
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let accepted = begin.elapsed();
    for jobid in &ids {
        // by the files: asking the original makes it lose transitions
        let status = prefix.join(jobid).join("status.csv");
        wait_for("the end of a job", Duration::from_mins(5), || {
            rows_of(&status).iter().any(|row| row.ndx == 1 && row.state == "completed").then_some(())
        });
    }
    let elapsed = begin.elapsed();
    let cpu = (cpu_of(gateway.child.id()).saturating_sub(cpu)) / jobs as u32;
    let rate = jobs as f64 / elapsed.as_secs_f64();
    format!("{rate:>7.1}/s (accepted after {}) cpu {}", short(accepted), short(cpu))
}

const LIBRARY: &str = r#"
import asyncio, sys, time, os
from psik import Config, JobManager, JobSpec
async def main(prefix, n):
    os.makedirs(prefix, exist_ok=True)
    m = JobManager(Config(prefix=prefix))
    t = time.time(); jobs = []
    for _ in range(n):
        j = await m.create(JobSpec(script="true")); await j.submit(); jobs.append(j)
    submitted = time.time() - t
    left = {str(j.base) for j in jobs}
    while left:
        left = {b for b in left if ",completed," not in open(b + "/status.csv").read()}
    print(f"{n / (time.time() - t):7.1f}/s (submitted after {submitted:.2f}s)")
asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"#;

fn library(bench: &Bench) -> Option<String> {
    let peer = bench.psik.as_ref()?;
    let home = Home::new();
    let file = home.path("lib.py");
    fs::write(&file, LIBRARY).unwrap();
    let out = home.path("lib.out");
    let mut command = peer.command(&home, "python");
    command.arg(&file).arg(home.path("theirs")).arg("50");
    // jobs keep the caller's output open: not a pipe
    command.stdout(fs::File::create(&out).unwrap()).stderr(fs::File::create(home.path("lib.err")).unwrap());
    let status = command.status().unwrap();
    let text = fs::read_to_string(&out).unwrap();
    if !status.success() {
        return Some(format!("failed: {}", fs::read_to_string(home.path("lib.err")).unwrap_or_default()));
    }
    Some(text.trim_end().to_owned())
}
