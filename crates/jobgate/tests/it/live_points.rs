//! SIGKILL before each call by which a submission to a real controller becomes durable, is sent, or is recorded: whoever got no
//! answer asks again with the same key, and there is one job for each key.

use std::collections::BTreeMap;

use serde_json::json;

use crate::fixture::http::Address;
use crate::fixture::{Client, Cluster, Home, SOON, wait_for};
use crate::live_jobs::{described, front, serve, submit, submit_once, user};
use crate::points::{possible, server_to_be_killed};

/// The commit of the intent, the way to the controller, what is sent to it, and the row that says that it has answered.
const CALLS: &str = "connect,sendto,fdatasync,flock";
/// A server makes about half as many of them before it serves.
const MOST: u32 = 36;

/// Servers that are killed at one point after the other, each while it is asked for one job with that number. Gives the users'
/// headers, and the numbers that were answered.
fn killed_while(
    cluster: &Cluster,
    home: &Home,
    ask: impl Fn(&mut Client, u32) -> std::io::Result<crate::fixture::Answer>,
) -> (Vec<(String, String)>, BTreeMap<u32, u64>) {
    let mut headers = Vec::new();
    let prefix = home.prefix.to_string_lossy().into_owned();
    let mut answered: BTreeMap<u32, u64> = BTreeMap::new();
    for number in 0..=MOST {
        if number == 0 {
            // a home that has seen others
            headers.clone_from(&user(cluster, &serve(home), "alice").headers);
            continue;
        }
        let (mut server, address) = server_to_be_killed(home, CALLS, number, &["serve", "--prefix", &prefix]);
        if let Some(address) = address {
            let mut client = Client::new(Address::Tcp(address));
            client.headers.clone_from(&headers);
            let answer = ask(&mut client, number);
            let number_of = answer.ok().filter(|answer| answer.status == 200).map(|answer| answer.json());
            answered.extend(number_of.and_then(|answer| Some((number, answer["job_id"].as_u64()?))));
        }
        home.kill_all();
        let _ = server.wait();
    }
    let before = answered.len();
    assert!(before > 0 && before < MOST as usize, "nothing was killed, or all: {before}");
    eprintln!("{MOST} submissions, {before} of them answered before the kill");
    (headers, answered)
}

#[test]
fn at_every_step_of_a_submission() {
    let Some(cluster) = Cluster::shared() else { return };
    if !possible() {
        return;
    }
    let home = front(&cluster, cluster.controller);
    let mut job = described(&cluster, "true");
    (job["hold"], job["name"]) = (json!(true), json!("points"));
    let ask = |client: &mut Client, number: u32| submit(client, &job, &format!("point-{number}"));
    let (headers, answered) = killed_while(&cluster, &home, ask);
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
}

/// Nobody can ask again, so nothing is sent again: what was answered is there, and what was not is there once or not at all.
#[test]
fn at_every_step_of_a_submission_without_a_key() {
    let Some(cluster) = Cluster::shared() else { return };
    if !possible() {
        return;
    }
    let home = front(&cluster, cluster.controller);
    let mut job = described(&cluster, "true");
    job["hold"] = json!(true);
    let ask = |client: &mut Client, number: u32| {
        let mut job = job.clone();
        job["name"] = json!(format!("once-{number}"));
        submit_once(client, &job)
    };
    let (headers, answered) = killed_while(&cluster, &home, ask);
    let gateway = serve(&home);
    let mut client = gateway.client();
    client.headers.clone_from(&headers);
    // until it is certain what became of each: the submission of the last could arrive for a while
    let shown = wait_for("all jobs to be queued or not", SOON * 3, || {
        let jobs = client.get("/v2/jobs").json();
        let jobs = jobs.as_array()?;
        let count = jobs.len();
        let jobs: Vec<(String, String, String)> = jobs
            .iter()
            .filter_map(|job| {
                let last = home.rows(job["jobid"].as_str()?).pop()?;
                Some((job["name"].as_str()?.to_owned(), last.state, last.info))
            })
            .collect();
        let is_settled = |(_, state, _): &(String, String, String)| state != "new";
        (jobs.len() == count && jobs.iter().all(is_settled)).then_some(jobs)
    });
    let queued = cluster.ok("root", &["squeue", "--noheader", "--states=all", "--format=%A %j"]);
    let queued: Vec<(&str, &str)> = queued
        .lines()
        .filter_map(|line| line.trim().split_once(' '))
        .filter(|(_, name)| name.starts_with("once-"))
        .collect();
    for (id, _) in &queued {
        cluster.ok("root", &["scancel", id]);
    }
    for (number, id) in &answered {
        let (name, id) = (format!("once-{number}"), id.to_string());
        assert!(queued.contains(&(id.as_str(), name.as_str())), "{name} was answered with {id}: {queued:?}");
        assert!(shown.contains(&(name.clone(), "queued".into(), id)), "{name} was answered: {shown:?}");
    }
    for number in 1..=MOST {
        let name = format!("once-{number}");
        let here: Vec<_> = shown.iter().filter(|(other, ..)| *other == name).collect();
        let there: Vec<_> = queued.iter().filter(|(_, other)| *other == name).collect();
        assert!(here.len() < 2 && there.len() < 2, "{here:?} {there:?}");
        // who was recorded had been answered by the controller
        if let Some((_, state, info)) = here.first() {
            let id = there.first().map(|(id, _)| *id);
            assert_eq!((state.as_str(), Some(info.as_str())), ("queued", id), "{name}");
        }
    }
}
