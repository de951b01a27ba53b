//! Slurm's dialect and what is not meant for it: malformed HTTP, hostile documents and parameters. An answer or a close, never
//! a crash, never a wait without end, and the server lives on.

mod documents;
mod doors;
mod garbage;
#[path = "../../../slurm/src/table/tests/making.rs"]
mod making;

use std::io::Read as _;
use std::time::{Duration, Instant};

use self::doors::{Door, Line};
use crate::fixture::slurm::{Cluster, RECORDED, Token};
use crate::fixture::{Home, SOON};

/// A cluster with a Unix socket, besides its TCP address.
fn cluster(more: &str) -> (Cluster, Vec<Door>) {
    let socket = tempfile::Builder::new().prefix("jobgate-it-").tempdir().unwrap().path().with_extension("sock");
    let cluster = Cluster::start(&format!("{RECORDED}\n{more}"), &["--uds", socket.to_str().unwrap()]);
    let doors = vec![Door::Tcp(cluster.gateway.address), Door::Unix(socket), Door::Inetd(inetd(&cluster.home))];
    (cluster, doors)
}

/// The command line of a server for one client on standard input and output.
fn inetd(home: &Home) -> Vec<String> {
    let prefix = home.prefix.to_str().unwrap().to_owned();
    ["serve", "--inetd", "--prefix"].map(str::to_owned).into_iter().chain([prefix]).collect()
}

/// The server lives, nothing in it has panicked, and it has so many jobs.
#[track_caller]
fn unharmed(cluster: &Cluster, jobs: usize) {
    let mut root = cluster.client("root");
    assert_eq!(root.get("/slurm/v0.0.45/ping").status, 200);
    let listed = root.get("/slurm/v0.0.45/jobs").json();
    assert_eq!(listed["jobs"].as_array().unwrap().len(), jobs);
    assert!(!cluster.gateway.log().contains("panicked"));
}

#[test]
fn malformed_requests_get_an_answer_or_a_close() {
    let (cluster, doors) = cluster("");
    let token = cluster.keys.token("alice", Token::Good);
    for door in &doors {
        for (what, bytes, may_succeed) in garbage::requests(&token) {
            let line = door.open(&cluster.home);
            let answer = if may_succeed { line.ask(&bytes) } else { line.exchange(&bytes) };
            let said = String::from_utf8_lossy(&answer);
            match doors::statuses(&answer).as_deref() {
                Ok([_]) if may_succeed => {}
                Ok(statuses) if !may_succeed => {
                    assert!(statuses.iter().all(|status| *status >= 400), "{door:?} {what}: {said:.300}");
                }
                other => panic!("{door:?} {what}: {other:?} {said:.300}"),
            }
        }
    }
    unharmed(&cluster, 0);
}

/// The start of each request, as if the client had died at that byte.
#[test]
fn requests_that_end_early_do_nothing() {
    let (cluster, doors) = cluster("");
    let token = cluster.keys.token("alice", Token::Good);
    let whole = garbage::submission(&token);
    for door in &doors {
        // a server is started for each of them: a few will do
        let step = if matches!(door, Door::Inetd(_)) { 97 } else { 13 };
        for length in (0..whole.len()).step_by(step) {
            let answer = door.open(&cluster.home).exchange(&whole[..length]);
            let status = doors::statuses(&answer);
            let refused = status.as_ref().is_ok_and(|all| all.iter().all(|status| *status >= 400));
            assert!(refused, "{door:?} {length} bytes: {}", String::from_utf8_lossy(&answer));
        }
    }
    unharmed(&cluster, 0);
}

#[test]
fn a_hundred_megabytes_are_refused() {
    let (cluster, doors) = cluster("");
    let token = cluster.keys.token("alice", Token::Good);
    let before = doors::memory(cluster.gateway.child.id());
    for door in &doors {
        for chunked in [false, true] {
            let mut line = door.open(&cluster.home);

            let answer = line.flood(&garbage::flood_head(&token, chunked), chunked, 100 << 20);
            let statuses = doors::statuses(&answer).unwrap_or_else(|_| panic!("{door:?}: {answer:?}"));
            assert!(statuses.iter().all(|status| *status == 413), "{door:?} {statuses:?}");
        }
    }
    let grown = doors::memory(cluster.gateway.child.id()).saturating_sub(before);
    assert!(grown < 64 << 20, "memory grew by {} MiB", grown >> 20);
    unharmed(&cluster, 0);
}

/// Clients that send a byte now and then are shown the door, and keep nobody else waiting.
#[test]
fn dawdlers_are_sent_away() {
    let (cluster, doors) = cluster("[server.limits]\nheader_timeout = \"1s\"\nbody_timeout = \"1s\"\n");
    let token = cluster.keys.token("alice", Token::Good);
    let whole = garbage::submission(&token);
    let in_head = &whole[..60];
    let in_body = &whole[..whole.len() - 20];
    for door in &doors {
        let mut slow: Vec<Line> = [in_head, in_body, in_head, in_body]
            .map(|part| {
                let mut line = door.open(&cluster.home);
                line.say(part);
                line
            })
            .into();
        let asked = Instant::now();
        unharmed(&cluster, 0);
        assert!(asked.elapsed() < Duration::from_secs(5), "{door:?} kept others waiting");
        let until = Instant::now() + SOON;
        for line in &mut slow {
            let answer = line.dribble(until);
            let statuses = doors::statuses(&answer);
            let sent_away = statuses.as_ref().is_ok_and(|all| all.iter().all(|status| *status >= 400));
            assert!(sent_away && Instant::now() < until, "{door:?}: {}", String::from_utf8_lossy(&answer));
        }
    }
    unharmed(&cluster, 0);
}

/// Many requests at once on one connection are answered in their order, until one of them is an error.
#[test]
fn pipelined_requests_are_answered_in_order() {
    let (cluster, doors) = cluster("");
    let token = cluster.keys.token("alice", Token::Good);
    for door in &doors {
        let good = garbage::get("/slurm/v0.0.45/ping", &token);
        let bad = garbage::get("/slurm/v0.0.45/nowhere", &token);
        let mut bytes = good.repeat(20);
        bytes.extend(bad);
        bytes.extend(good.repeat(5));
        let answer = door.open(&cluster.home).exchange(&bytes);
        let statuses = doors::statuses(&answer).unwrap();
        assert_eq!(statuses, [vec![200; 20], vec![404]].concat(), "{door:?}");
    }
    unharmed(&cluster, 0);
}

/// A client that hangs up while it is answered harms nobody.
#[test]
fn clients_that_hang_up_harm_nobody() {
    let (cluster, doors) = cluster("");
    let token = cluster.keys.token("alice", Token::Good);
    for door in &doors[..2] {
        for _ in 0..50 {
            let mut line = door.open(&cluster.home);
            line.say(&garbage::get("/openapi/v3", &token));
            let mut first = [0; 10];
            line.stream.read_exact(&mut first).unwrap();
            assert_eq!(&first, b"HTTP/1.1 2");
        }
    }
    unharmed(&cluster, 0);
}
