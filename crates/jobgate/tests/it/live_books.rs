//! Accounting of a real cluster: ours beside the slurmrestd that is asked for it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fixture::http::{Address, Body};
use crate::fixture::{Answer, Client, Cluster, Gateway, Home, SOON, wait_for};

/// What can be read, without its version.
const READS: [&str; 20] = [
    "accounts/",
    "accounts/?description=nothing",
    "account/physics",
    "account/nosuch",
    "associations/",
    "associations/?user=alice&account=physics",
    "association/?user=bob&account=chem",
    "clusters/",
    "qos/",
    "qos/normal",
    "qos/nosuch",
    "users/",
    "users/?with_assocs=true&with_coords=true",
    "user/alice?with_assocs=true",
    "user/nosuch",
    "tres/",
    "wckeys/",
    "instances/",
    "jobs/?skip_steps=true&start_time=1700000000",
    "jobs/?what=ever",
];
/// The versions that the cluster's slurmrestd has (24.11), and others.
const ITS_OWN: [&str; 3] = ["v0.0.40", "v0.0.41", "v0.0.42"];
const OTHERS: [&str; 3] = ["v0.0.43", "v0.0.44", "v0.0.45"];

/// A gateway in front of the cluster.
struct Site {
    gateway: Gateway,
    _home: Home,
}

impl Site {
    fn start(cluster: &Cluster, accounting: &str) -> Self {
        let toml = format!(
            "[server]\nauthz = \"tokens\"\n[slurm]\ndata_parsers = [\"v0.0.40\", \"v0.0.41\", \"v0.0.42\", \"v0.0.43\", \"v0.0.44\", \"v0.0.45\"]\n\
             [slurm.controller]\naddresses = [\"{}\"]\n[slurm.accounting]\n{accounting}\n",
            cluster.controller
        );
        let home = Home::with_settings(&toml);
        Self { gateway: Gateway::start(&home), _home: home }
    }

    fn client(&self, token: &str) -> Client {
        let mut client = self.gateway.client();
        client.headers = vec![("X-SLURM-USER-TOKEN".into(), token.into())];
        client
    }
}

fn restd(cluster: &Cluster) -> String {
    format!("slurmrestd = \"{}\"", cluster.slurmrestd)
}

/// The cluster's own server.
fn theirs(cluster: &Cluster, token: &str) -> Client {
    let mut client = Client::new(Address::Tcp(cluster.slurmrestd));
    client.headers = vec![("X-SLURM-USER-TOKEN".into(), token.into())];
    client
}

/// An answer without what says over which connection it came, and without addresses of memory.
fn said(answer: &Answer) -> Value {
    let mut said = answer.json();
    if let Some(meta) = said["meta"].as_object_mut() {
        meta.remove("client");
    }
    for list in ["errors", "warnings"] {
        for one in said[list].as_array_mut().into_iter().flatten() {
            let text = one["description"].as_str().unwrap_or_default().to_owned();
            if let Some((before, after)) = text.split_once("(0x")
                && let Some((_, after)) = after.split_once(')')
            {
                one["description"] = json!(format!("{before}(){after}"));
            }
        }
    }
    said
}

#[test]
fn versions_of_the_site_are_passed_on() {
    let Some(cluster) = Cluster::shared() else { return };
    let site = Site::start(&cluster, &restd(&cluster));
    let mut ours = site.client(&cluster.token("alice"));
    for version in ITS_OWN {
        // what it says is compared in live_differential
        let answer = ours.get(&format!("/slurmdb/{version}/users/"));
        assert_eq!(
            (answer.status, answer.header("jobgate-accounting")),
            (200, Some(&*format!("slurmrestd {version}")))
        );
    }
}

#[test]
fn other_versions_are_translated() {
    let Some(cluster) = Cluster::alone() else { return };
    let site = Site::start(&cluster, &restd(&cluster));
    let token = cluster.token("root");
    let (mut ours, mut theirs) = (site.client(&token), theirs(&cluster, &token));
    for path in READS {
        let beside = theirs.get(&format!("/slurmdb/v0.0.42/{path}"));
        let (status, beside) = (beside.status, said(&beside));
        for version in OTHERS {
            let answer = ours.get(&format!("/slurmdb/{version}/{path}"));
            let shown = said(&answer);
            assert_eq!(answer.status, status, "{version} {path}: {shown}");
            assert_eq!(answer.header("jobgate-accounting"), Some("slurmrestd v0.0.42"), "{path}");
            assert_eq!(shown["meta"]["plugin"]["data_parser"], format!("data_parser/{version}"), "{path}");
            assert_eq!((&shown["errors"], &shown["warnings"]), (&beside["errors"], &beside["warnings"]), "{path}");
            for (key, list) in beside.as_object().unwrap().iter().filter(|(_, value)| value.is_array()) {
                let names = |list: &Value| -> Vec<Value> {
                    list.as_array()
                        .into_iter()
                        .flatten()
                        .map(|one| json!([one["name"], one["user"], one["job_id"]]))
                        .collect()
                };
                assert_eq!(names(&shown[key]), names(list), "{version} {path} {key}");
            }
        }
    }
}

#[test]
fn what_is_changed_is_changed_in_the_database() {
    let Some(cluster) = Cluster::alone() else { return };
    let site = Site::start(&cluster, &restd(&cluster));
    let (root, alice) = (cluster.token("root"), cluster.token("alice"));
    let (mut ours, mut theirs) = (site.client(&root), theirs(&cluster, &root));
    for version in ["v0.0.45", "v0.0.42"] {
        let at = |path: &str| format!("/slurmdb/{version}/{path}");
        let made = ours.post(
            &at("accounts/"),
            &json!({ "accounts": [{ "name": "books", "description": "of a test", "organization": "tests" }] }),
        );
        assert_eq!((made.status, &made.json()["errors"]), (200, &json!([])), "{}", made.text());
        let made = ours.post(
            &at("accounts_association/"),
            &json!({
                "association_condition": { "accounts": ["books"], "clusters": ["testcl"] },
                "account": { "description": "of a test", "organization": "tests" },
            }),
        );
        assert!(made.status < 400, "{}", made.text());
        let made = ours.post(
            &at("users_association/"),
            &json!({ "association_condition": { "users": ["carol"], "accounts": ["books"], "clusters": ["testcl"] }, "user": {} }),
        );
        assert_eq!(made.status, 200, "{}", made.text());
        let seen = theirs.get("/slurmdb/v0.0.42/account/books").json();
        assert_eq!(seen["accounts"][0]["description"], "of a test");
        // a change of one thing is no change of another: what is not in the request is not in theirs
        for qos in [
            json!({ "name": "books", "description": "of a test" }),
            json!({ "name": "books", "flags": ["DENY_LIMIT"] }),
        ] {
            let changed = ours.post(&at("qos/"), &json!({ "qos": [qos] }));
            assert!(changed.status < 400, "{}", changed.text());
        }
        let seen = theirs.get("/slurmdb/v0.0.42/qos/books").json();
        assert_eq!(
            (&seen["qos"][0]["description"], &seen["qos"][0]["flags"]),
            (&json!("of a test"), &json!(["DENY_LIMIT"])),
            "{seen}"
        );
        assert_eq!(ours.ask("DELETE", &at("qos/books"), &[], &Body::None).status, 200);
        // the database decides who may
        let refused = site.client(&alice).ask("DELETE", &at("account/books"), &[], &Body::None);
        let beside = self::theirs(&cluster, &alice).ask("DELETE", "/slurmdb/v0.0.42/account/books", &[], &Body::None);
        assert_eq!(refused.status, beside.status, "{}", refused.text());
        assert_eq!(said(&refused)["errors"], said(&beside)["errors"]);
        assert_eq!(theirs.get("/slurmdb/v0.0.42/account/books").json()["accounts"].as_array().unwrap().len(), 1);
        let gone = ours.ask("DELETE", &at("association/?account=books&user=carol"), &[], &Body::None);
        assert_eq!(gone.status, 200, "{}", gone.text());
        let gone = ours.ask("DELETE", &at("account/books"), &[], &Body::None);
        assert_eq!((gone.status, &gone.json()["removed_accounts"]), (200, &json!(["books"])), "{}", gone.text());
    }
    let missing = ours.post("/slurmdb/v0.0.45/job/1", &json!({ "comment": { "job": "x" } }));
    assert_eq!(missing.status, 501, "24.11 cannot change records: {}", missing.text());
    let nothing = ours.post("/slurmdb/v0.0.45/jobs/", &json!({}));
    assert_eq!(
        (nothing.status, &nothing.json()["errors"][0]["error_number"]),
        (422, &json!(9200)),
        "{}",
        nothing.text()
    );
}

#[test]
fn an_accounting_that_is_not_there_is_said_at_once() {
    let Some(cluster) = Cluster::shared() else { return };
    let site = Site::start(&cluster, "slurmrestd = \"unix:/no/such/socket\"");
    let began = Instant::now();
    let answer = site.client(&cluster.token("alice")).get("/slurmdb/v0.0.45/users/");
    assert_eq!((answer.status, &answer.json()["errors"][0]["error_number"]), (502, &json!(7000)), "{}", answer.text());
    assert!(answer.text().contains("/no/such/socket"), "{}", answer.text());
    assert!(began.elapsed() < Duration::from_secs(3));
    // a token that is refused does not get so far
    let answer = site.client("a.b.c").get("/slurmdb/v0.0.45/users/");
    assert_eq!((answer.status, &answer.json()["errors"][0]["error_number"]), (502, &json!(7000)));
    assert!(!answer.text().contains("/no/such/socket"), "{}", answer.text());
}

#[test]
fn programs_tell_what_they_know() {
    let Some(cluster) = Cluster::shared() else { return };
    let job: i64 = cluster
        .ok("alice", &["sbatch", "--parsable", "--output=/dev/null", "--wrap", "exit 3"])
        .trim()
        .parse()
        .unwrap();
    let site = Site::start(&cluster, &format!("programs = \"{}\"", cluster.programs().display()));
    let mut alice = site.client(&cluster.token("alice"));
    let users = alice.get("/slurmdb/v0.0.45/user/alice?with_assocs=true");
    assert_eq!(users.status, 200, "{}", users.text());
    assert_eq!(users.header("jobgate-accounting"), Some("sacctmgr v0.0.42"));
    assert_eq!(users.json()["users"][0]["associations"][0]["account"], "physics");
    wait_for("the record of the job", SOON, || {
        let answer = alice.get(&format!("/slurmdb/v0.0.45/job/{job}"));
        assert_eq!(
            (answer.status, answer.header("jobgate-accounting")),
            (200, Some("sacct v0.0.42")),
            "{}",
            answer.text()
        );
        (answer.json()["jobs"][0]["exit_code"]["return_code"]["number"] == 3).then_some(())
    });
    let refused = alice.post("/slurmdb/v0.0.45/users/", &json!({ "users": [{ "name": "x" }] }));
    assert_eq!(refused.status, 501, "{}", refused.text());
}
