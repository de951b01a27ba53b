//! A gateway in front of the real Slurm cluster: it hands orders on, asks the
//! controller no more often than one client would, and says what it knows while the controller is away.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fixture::http::Address;
use crate::fixture::slurm::{Keys, Token};
use crate::fixture::{Client, Cluster, Gateway, Home, SOON, wait_for};
use crate::live_jobs;

/// A gateway in front of the cluster. `more`: further lines of `[slurm.controller]`.
pub(crate) fn gateway(cluster: &Cluster, more: &str) -> (Gateway, Home) {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let host = host.trim().split('.').next().unwrap().to_owned();
    let address = format!("{host}({}):{}", cluster.controller.ip(), cluster.controller.port());
    let users = "alice = { uid = 2001, gid = 2001 }\nbob = { uid = 2002, gid = 2002 }\n\
                 carol = { uid = 2003, gid = 2003 }\nmallory = { uid = 2004, gid = 2004 }\n\
                 slurm = { uid = 64030, gid = 64030 }";
    let home = Home::with_settings(&format!(
        "\n[slurm.users]\n{users}\n\n[slurm.controller]\naddresses = [\"{address}\"]\n{more}\n"
    ));
    let gateway = Gateway::start_with(&home, &[]);
    (gateway, home)
}

pub(crate) fn with_token(mut client: Client, token: &str) -> Client {
    client.headers.push(("x-slurm-user-token".into(), token.into()));
    client
}

fn slurmrestd(cluster: &Cluster, token: &str) -> Client {
    with_token(Client::new(Address::Tcp(cluster.slurmrestd)), token)
}

/// Jobs of all kinds; gives the numbers of one that runs (or soon does), and of one that is held.
pub(crate) fn fill(cluster: &Cluster) -> (u64, u64) {
    let work = cluster.work();
    let submit = |words: &[&str]| {
        let mut all = vec!["sbatch", "--parsable", "-o", "/dev/null", "-D", work.to_str().unwrap()];
        all.extend(words);
        cluster.ok("alice", &all).trim().parse::<u64>().unwrap()
    };
    let running = submit(&["-n2", "--comment=a comment", "-J", "runs", "--wrap", "sleep 300"]);
    submit(&["--array=1-5%2", "-J", "array", "--wrap", "sleep 300"]);
    let held = submit(&["-H", "-J", "held", "-t", "10", "--wrap", "true"]);
    submit(&["-d", &format!("afterok:{held}"), "-J", "dependent", "--wrap", "true"]);
    submit(&["-J", "fails", "--wrap", "exit 3"]);
    submit(&["-p", "gpu", "--gres=gpu:amd:2", "-L", "matlab:1", "-J", "gpu", "--wrap", "sleep 300"]);
    submit(&["--begin=now+1hour", "--mail-type=END", "--mail-user=a@example.org", "-J", "later", "--wrap", "true"]);
    (running, held)
}

pub(crate) fn clear(cluster: &Cluster) {
    cluster.ok("root", &["scancel", "-u", "alice"]);
}

#[test]
fn orders_go_to_the_controller_in_the_callers_name() {
    let Some(cluster) = Cluster::shared() else { return };
    let (gateway, _home) = gateway(&cluster, "");
    let mut alice = with_token(gateway.client(), &cluster.token("alice"));
    let mut bob = with_token(gateway.client(), &cluster.token("bob"));
    let job = json!({ "job": {
        "name": "ordered", "script": "#!/bin/sh\nsleep 300\n", "current_working_directory": cluster.work(),
        "environment": ["PATH=/usr/bin:/bin"], "hold": true, "time_limit": { "set": true, "number": 5 },
    } });
    let answer = alice.post("/slurm/v0.0.42/job/submit", &job);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let id = answer.json()["job_id"].as_u64().unwrap();
    let one = format!("/slurm/v0.0.42/job/{id}");
    // at once, although lists are only read again every two seconds
    let listed = alice.get("/slurm/v0.0.42/jobs").json();
    assert!(listed["jobs"].as_array().unwrap().iter().any(|job| job["job_id"] == id));
    let changed = alice.post(&one, &json!({ "comment": "changed" }));
    assert_eq!(changed.status, 200, "{}", changed.text());
    let shown = alice.get(&one).json();
    assert_eq!((&shown["jobs"][0]["comment"], &shown["jobs"][0]["user_name"]), (&json!("changed"), &json!("alice")));
    let refused = bob.post(&one, &json!({ "comment": "bob's" })).json();
    assert_eq!(refused["errors"][0]["error_number"], 2010, "{refused}");
    let refused = bob.delete(&one).json();
    assert_eq!(refused["status"][0]["error"]["code"], 2002, "{refused}");
    let drain = json!({ "state": ["DRAIN"], "reason": "no" });
    assert_eq!(alice.post("/slurm/v0.0.42/node/n1", &drain).json()["errors"][0]["error_number"], 2010);
    assert_eq!(alice.delete(&one).status, 200);
    assert_eq!(alice.get(&one).json()["jobs"][0]["job_state"], json!(["CANCELLED"]));
    // a token that the controller does not know, and none at all
    let mut stranger = with_token(gateway.client(), &format!("{}x", cluster.token("alice")));
    let refused = stranger.get("/slurm/v0.0.42/jobs");
    assert_eq!((refused.status, &refused.json()["errors"][0]["error_number"]), (511, &json!(1007)));
    assert_eq!(gateway.client().get("/slurm/v0.0.42/jobs").status, 401);
}

/// The controller judges a token, or the gateway does, with the cluster's keys: the answer is slurmrestd's.
#[test]
fn tokens_are_worth_what_they_are_to_slurmrestd() {
    let Some(cluster) = Cluster::shared() else { return };
    let keys = Keys::of(&cluster);
    let (asking, _home) = gateway(&cluster, "");
    let home = live_jobs::front(&cluster, cluster.controller);
    let judging = live_jobs::serve(&home);
    let kinds = [
        Token::Good,
        Token::UserName,
        Token::Rs256,
        Token::Expired,
        Token::WrongKey,
        Token::NoAlgorithm,
        Token::NoExpiry,
        Token::NoClaim,
        Token::Rs256NoKid,
        Token::Rs256BadKid,
    ];
    let mut wrong = Vec::new();
    for kind in kinds {
        let token = keys.token("alice", kind);
        let told = |mut client: Client| {
            ["jobs", "nodes"].map(|path| {
                let answer = client.get(&format!("/slurm/v0.0.42/{path}"));
                let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                (answer.status, body["errors"][0]["error_number"].clone())
            })
        };
        let theirs = told(slurmrestd(&cluster, &token));
        assert_eq!(
            theirs[0].0 == 200,
            matches!(kind, Token::Good | Token::UserName | Token::Rs256),
            "{kind:?}: {theirs:?}"
        );
        for (gateway, whose) in [(&asking, "the controller judges"), (&judging, "the gateway judges")] {
            let ours = told(with_token(gateway.client(), &token));
            if ours != theirs {
                wrong.push(format!("{kind:?}, {whose}: {ours:?}, slurmrestd: {theirs:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// How often the controller was asked for something that a client may want, by its own count.
fn questions(cluster: &Cluster) -> u64 {
    let answer = slurmrestd(cluster, &cluster.token("root")).get("/slurm/v0.0.42/diag").json();
    let kinds = answer["statistics"]["rpcs_by_message_type"].as_array().unwrap().clone();
    let of_clients = |kind: &&Value| {
        let name = kind["message_type"].as_str().unwrap();
        name.starts_with("REQUEST_") && name.contains("INFO") && name != "REQUEST_STATS_INFO"
            || name == "REQUEST_JOB_STATE"
    };
    kinds.iter().filter(of_clients).map(|kind| kind["count"].as_u64().unwrap()).sum()
}

#[test]
fn a_hundred_clients_are_no_more_to_the_controller_than_one() {
    let Some(cluster) = Cluster::alone() else { return };
    let (gateway, _home) = gateway(&cluster, "freshness = \"1h\"");
    let token = cluster.token("alice");
    // the class is known afterwards
    with_token(gateway.client(), &token).get("/slurm/v0.0.42/ping");
    let before = questions(&cluster);
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                let mut client = with_token(gateway.client(), &token);
                for path in ["jobs", "nodes", "partitions", "reservations", "licenses", "jobs/state", "jobs"] {
                    let answer = client.get(&format!("/slurm/v0.0.42/{path}"));
                    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
                }
            });
        }
    });
    let asked = questions(&cluster) - before;
    // six kinds of things, nodes with their partitions, and the configuration that may be looked at meanwhile
    assert!((6..=10).contains(&asked), "the controller was asked {asked} times");
}

#[test]
fn what_was_known_is_shown_while_the_controller_is_away() {
    let Some(cluster) = Cluster::alone() else { return };
    let (gateway, _home) = gateway(&cluster, "freshness = \"0s\"\ntimeout = \"3s\"");
    let (_, held) = fill(&cluster);
    let (token, unknown) = (cluster.token("alice"), cluster.token("bob"));
    let mut alice = with_token(gateway.client(), &token);
    let jobs = "/slurm/v0.0.42/jobs";
    let known = alice.get(jobs);
    assert_eq!((known.status, known.header("warning")), (200, None));
    let shows = |answer: &Value| answer["jobs"].as_array().unwrap().iter().any(|job| job["job_id"] == held);
    assert!(shows(&known.json()));
    for disturb in [Cluster::pause_controller, Cluster::kill_controller] {
        disturb(&cluster);
        let old = alice.get(jobs);
        assert_eq!((old.status, old.header("warning")), (200, Some("110 jobgate \"Response is Stale\"")));
        assert!(old.header("age").is_some());
        let old = old.json();
        assert!(shows(&old));
        assert!(
            old["warnings"][0]["description"].as_str().unwrap().contains("ceased to answer"),
            "{}",
            old["warnings"]
        );
        assert_eq!(alice.get("/slurm/v0.0.42/ping").json()["pings"][0]["responding"], false);
        assert_eq!(alice.get(&format!("/slurm/v0.0.42/job/{held}")).status, 200);
        wait_for("the gateway to know that the controller is away", SOON, || {
            let begun = Instant::now();
            let refused = alice.delete(&format!("/slurm/v0.0.42/job/{held}"));
            assert_eq!(refused.status, 500, "{}", refused.text());
            (begun.elapsed() < Duration::from_secs(2)).then_some(())
        });
        // whose token nobody here can check
        let stranger = with_token(gateway.client(), &unknown).get(jobs);
        assert_eq!((stranger.status, stranger.header("retry-after")), (500, Some("1")), "{}", stranger.text());
        // a stopped one is killed next
        if TcpStream::connect(cluster.controller).is_ok() {
            cluster.continue_controller();
        } else {
            cluster.start_controller();
        }
        wait_for("fresh answers", SOON, || alice.get(jobs).header("warning").is_none().then_some(()));
    }
    // and started without anything that it knew
    cluster.kill_controller();
    cluster.ok("root", &["slurmctld", "-c"]);
    cluster.wait_controller();
    wait_for("an empty list", SOON, || {
        let answer = alice.get(jobs);
        (answer.header("warning").is_none() && answer.json()["jobs"] == json!([])).then_some(())
    });
}
