//! SIGKILL before each call by which a submission to a real controller becomes durable, is sent, or is recorded: whoever got no
//! answer asks again with the same key, and there is one job for each key.

use std::collections::BTreeMap;

use serde_json::json;

use crate::fixture::http::Address;
use crate::fixture::{Client, Cluster, SOON, wait_for};
use crate::live_jobs::{described, front, serve, submit, user};
use crate::points::{possible, server_to_be_killed};

/// The commit of the intent, the way to the controller, what is sent to it, and the row that says that it has answered.
const CALLS: &str = "connect,sendto,fdatasync,flock";
/// A server makes about half as many of them before it serves.
const MOST: u32 = 36;

#[test]
fn at_every_step_of_a_submission() {
    let Some(cluster) = Cluster::shared() else { return };
    if !possible() {
        return;
    }
    let home = front(&cluster, cluster.controller);
    let mut headers = Vec::new();
    let mut job = described(&cluster, "true");
    (job["hold"], job["name"]) = (json!(true), json!("points"));
    let prefix = home.prefix.to_string_lossy().into_owned();
    let mut answered: BTreeMap<u32, u64> = BTreeMap::new();
    for number in 0..=MOST {
        if number == 0 {
            // a home that has seen others
            headers.clone_from(&user(&cluster, &serve(&home), "alice").headers);
            continue;
        }
        let (mut server, address) = server_to_be_killed(&home, CALLS, number, &["serve", "--prefix", &prefix]);
        if let Some(address) = address {
            let mut client = Client::new(Address::Tcp(address));
            client.headers.clone_from(&headers);
            let answer = submit(&mut client, &job, &format!("point-{number}"));
            let number_of = answer.ok().filter(|answer| answer.status == 200).map(|answer| answer.json());
            answered.extend(number_of.and_then(|answer| Some((number, answer["job_id"].as_u64()?))));
        }
        home.kill_all();
        let _ = server.wait();
    }
    let before = answered.len();
    assert!(before > 0 && before < MOST as usize, "nothing was killed, or all: {before}");
    let gateway = serve(&home);
    let mut numbers = Vec::new();
    for number in 1..=MOST {
        let id = wait_for("an answer to a repeated submission", SOON * 2, || {
            let mut client = gateway.client();
            client.headers.clone_from(&headers);
            let answer = submit(&mut client, &job, &format!("point-{number}")).ok()?;
            answer.json()["job_id"].as_u64().filter(|_| answer.status == 200)
        });
        assert_eq!(
            answered.get(&number).copied().unwrap_or(id),
            id,
            "point-{number} was promised another number before"
        );
        numbers.push(id);
    }
    numbers.sort_unstable();
    let queued = cluster.ok("root", &["squeue", "--noheader", "--name=points", "--format=%A"]);
    cluster.ok("root", &["scancel", "--name=points"]);
    let mut queued: Vec<u64> = queued.lines().map(|line| line.trim().parse().unwrap()).collect();
    queued.sort_unstable();
    assert_eq!(queued, numbers, "one job in the cluster for each key");
    eprintln!("{MOST} submissions, {before} of them answered before the kill");
}
