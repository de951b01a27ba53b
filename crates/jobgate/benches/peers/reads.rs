//! Start-up, memory, listings, and single jobs.

use std::time::{Duration, Instant};

use crate::fixture::home::Home;
use crate::fixture::http::Body;
use crate::fixture::{Client, Gateway};
use crate::load::{load, memory_of, short};
use crate::store::{Shape, jobid, ours, store, theirs};
use crate::{Bench, row};

fn fine(client: &mut Client, path: &str) -> bool {
    client.request("GET", path, &[], &Body::None).is_ok_and(|answer| answer.status == 200)
}

/// From exec to the first 200, and the memory then.
pub(crate) fn start_up(bench: &Bench) {
    let home = Home::new();
    let times = |start: &dyn Fn() -> Gateway| {
        let mut times: Vec<(Duration, u64)> = (0..7)
            .map(|_| {
                let begin = Instant::now();
                let gateway = start();
                (begin.elapsed(), memory_of(gateway.child.id()).0)
            })
            .collect();
        times.sort_unstable();
        format!("median {} (best {}), {} MiB", short(times[3].0), short(times[0].0), times[3].1)
    };
    let we = times(&|| Gateway::start(&home));
    let they = bench.psik_api.as_ref().map(|peer| times(&|| peer.serve_api(&home, &home.prefix)));
    row("start to first answer, memory", &we, they.as_deref().unwrap_or("-"));
}

pub(crate) fn run(bench: &Bench) {
    for count in [10, 1_000, 10_000, 100_000] {
        let shape = if count > 10_000 { Shape::Psik3 } else { Shape::Psik1 };
        let folder = store(bench, shape, count);
        let home = Home::new();
        let (we, taken) = ours(&home, &folder);
        let limit = if bench.originals_10000 { 10_000 } else { 1_000 };
        let peer = bench.psik_api.as_ref().filter(|_| shape == Shape::Psik1 && count <= limit);
        let they = peer.map(|peer| theirs(&home, peer, &folder));
        println!("  -- {count} jobs (taken in from the tree in {taken})");
        let one = jobid(count / 2);
        for (name, path, users) in [
            ("list", "/v1/jobs".to_owned(), 1),
            ("list", "/v1/jobs".to_owned(), 8),
            ("page of 100", "/v1/jobs?limit=100".to_owned(), 1),
            ("page of 100 in the middle", format!("/v1/jobs?limit=100&index={}", count / 2), 1),
            ("failed ones, 100", "/v1/jobs?state=failed&limit=100".to_owned(), 1),
            ("read one", format!("/v1/jobs/{one}"), 1),
            ("read one", format!("/v1/jobs/{one}"), 8),
            ("state", format!("/v1/jobs/{one}/state"), 8),
        ] {
            let figures = load(&we, users, bench.time(), |client| fine(client, &path));
            // a listing of theirs takes seconds: once is enough
            let time = if path.contains("jobs?") || path.ends_with("jobs") { Duration::ZERO } else { bench.time() };
            let users_of_theirs = if time.is_zero() { 1 } else { users };
            let theirs =
                they.as_ref().map(|they| load(they, users_of_theirs, time, |client| fine(client, &path)).show());
            row(&format!("{name}, {users} users"), &figures.show(), theirs.as_deref().unwrap_or("-"));
        }
        changing_list(bench, &we);
        let memory = |gateway: &Gateway| {
            let (now, most) = memory_of(gateway.child.id());
            format!("{now} MiB (most {most})")
        };
        row("memory", &memory(&we), &they.as_ref().map_or("-".to_owned(), memory));
    }
    if bench.million {
        let folder = store(bench, Shape::Bare, 1_000_000);
        let home = Home::new();
        let (we, taken) = ours(&home, &folder);
        println!("  -- 1000000 jobs (taken in from the tree in {taken})");
        for path in ["/v1/jobs?limit=100", "/v1/jobs?limit=100&index=500000", "/v1/jobs?state=failed&limit=100"] {
            row(path, &load(&we, 1, bench.time(), |client| fine(client, path)).show(), "-");
        }
        row("memory", &format!("{} MiB", memory_of(we.child.id()).0), "-");
    }
}

/// The whole list when each request finds one more job: nothing rendered before can be used again.
fn changing_list(bench: &Bench, gateway: &Gateway) {
    let mut writer = gateway.client();
    let mut reader = gateway.client();
    let mut times: Vec<Duration> = Vec::new();
    let begin = Instant::now();
    while times.len() < 5 || (begin.elapsed() < bench.time() && times.len() < 200) {
        writer.create("v1", &serde_json::json!({"script": "true"}));
        let sent = Instant::now();
        assert!(fine(&mut reader, "/v1/jobs"));
        times.push(sent.elapsed());
    }
    times.sort_unstable();
    let at = |part: f64| short(times[((times.len() - 1) as f64 * part) as usize]);
    row("list, changed before each request", &format!("          p50 {} p99 {}", at(0.5), at(0.99)), "");
}
