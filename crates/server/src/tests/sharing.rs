//! Two users of one gateway, and what they let each other do.

use super::slurm::{gate, token};
use super::*;

/// Everything that a request can do to a job, by what it needs: the line, a body, and the status if it is admitted.
const CALLS: [(&str, &str, u16); 14] = [
    ("read", "GET /V/jobs/J", 200),
    ("read", "GET /V/jobs/J/state", 200),
    ("read", "GET /V/jobs/J/logs", 200),
    ("read", "GET /V/jobs/J/scripts", 200),
    ("read", "GET /V/jobs/J/files", 200),
    ("read", "GET /V/jobs/J/files/in.txt", 200),
    ("read", "GET /V/jobs/J/shares", 200),
    ("write", "POST /V/jobs/J/files", 200),
    ("write", "POST /V/jobs/J/files/new.txt", 200),
    ("write", "POST /V/jobs/callback", 200),
    ("write", "POST /V/jobs/J/start", 200),
    ("write", "DELETE /V/jobs/J", 200),
    ("own", "PUT /V/jobs/J/shares/zoe", 200),
    ("own", "DELETE /V/jobs/J/shares/zoe", 200),
];

const PART: &str = "--b\r\ncontent-disposition: form-data; name=\"files\"; filename=\"up.txt\"\r\n\r\nx\r\n--b--\r\n";

impl Gate {
    /// A request of a user, by a token of ours.
    async fn ask_as(&self, user: &str, line: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
        let bearer = format!("Bearer {}", token(user));
        let all: Vec<_> = headers.iter().copied().chain([("authorization", bearer.as_str())]).collect();
        self.ask_with(line, &all, body).await
    }

    async fn json_as(&self, user: &str, line: &str, body: Value) -> Reply {
        self.ask_as(user, line, &[("content-type", "application/json")], body.to_string()).await
    }

    /// One of [`CALLS`].
    async fn call_as(&self, user: &str, line: &str, dialect: &str, jobid: &str) -> Reply {
        let line = line.replace("/V", dialect).replace("/J", &format!("/{jobid}"));
        match line.rsplit('/').next() {
            Some("files") if line.starts_with("POST") => {
                self.ask_as(user, &line, &[("content-type", "multipart/form-data; boundary=b")], PART).await
            }
            Some("new.txt") => self.ask_as(user, &line, &[("user-agent", "curl/8")], "x").await,
            Some("callback") => {
                let callback = json!({"jobid": jobid, "jobndx": 7, "state": "active"});
                self.json_as(user, &line, callback).await
            }
            Some("zoe") if line.starts_with("PUT") => self.json_as(user, &line, json!("read")).await,
            _ => self.ask_as(user, &line, &[], "").await,
        }
    }

    async fn ids_as(&self, user: &str) -> Vec<String> {
        let listing = self.ask_as(user, "GET /v2/jobs", &[], "").await.ok().json();
        listing.as_array().unwrap().iter().map(|job| job["jobid"].as_str().unwrap().to_owned()).collect()
    }

    async fn job_as(&self, user: &str) -> String {
        let made = self.json_as(user, "POST /v2/jobs/new", json!({"script": "#!/bin/sh\ntrue\n"})).await.ok();
        let jobid = made.json().as_str().unwrap().to_owned();
        std::fs::write(self.base(&jobid).join("work/in.txt"), "in").unwrap();
        jobid
    }
}

#[tokio::test]
async fn every_route_asks_for_what_it_needs() {
    for dialect in ["/v1", "/v2"] {
        for (access, admitted) in [("", ""), ("read", "read"), ("write", "read write")] {
            let (gate, _dir) = gate();
            let jobid = gate.job_as("alice").await;
            if !access.is_empty() {
                gate.json_as("alice", &format!("PUT {dialect}/jobs/{jobid}/shares/bob"), json!(access)).await.ok();
            }
            for (need, line, good) in CALLS {
                let reply = gate.call_as("bob", line, dialect, &jobid).await;
                let expected = match need {
                    need if admitted.split(' ').any(|one| one == need) => good,
                    _ if access.is_empty() => 404,
                    _ => 403,
                };
                assert_eq!(reply.status.as_u16(), expected, "{dialect} {line} with {access:?}: {:?}", reply.body);
                assert_eq!(gate.call_as("carol", line, dialect, &jobid).await.status, StatusCode::NOT_FOUND, "{line}");
            }
            assert_eq!(gate.ids_as("bob").await.len(), usize::from(!access.is_empty()));
        }
    }
}

#[tokio::test]
async fn the_owner_and_an_administrator_may_do_everything() {
    for user in ["alice", "slurm", "root"] {
        let (gate, _dir) = gate();
        let jobid = gate.job_as("alice").await;
        for (_, line, good) in CALLS {
            assert_eq!(gate.call_as(user, line, "/v2", &jobid).await.status.as_u16(), good, "{line} by {user}");
        }
    }
}

#[tokio::test]
async fn shares_are_told_and_ended() {
    let (gate, _dir) = gate();
    let jobid = gate.job_as("alice").await;
    let shares = format!("/v2/jobs/{jobid}/shares");
    assert_eq!(gate.json_as("alice", &format!("PUT {shares}/bob"), json!("write")).await.ok().json(), Value::Null);
    gate.json_as("alice", &format!("PUT {shares}/d%40x.org"), json!("read")).await.ok();
    let told = |user: &'static str| {
        let (gate, line) = (&gate, format!("GET {shares}"));
        async move { gate.ask_as(user, &line, &[], "").await.ok().json() }
    };
    assert_eq!(told("alice").await, json!({"bob": "write", "d@x.org": "read"}));
    assert_eq!(told("bob").await, json!({"bob": "write"}));
    for (line, body, expected) in [
        (format!("PUT {shares}/bob"), json!("all"), "422 enum body"),
        (format!("PUT {shares}/bob"), json!({"access": "read"}), "422 enum body"),
        (format!("PUT {shares}/bob"), Value::Null, "422 missing body"),
        (
            format!("PUT {shares}/a%20b"),
            json!("read"),
            "400 \"a b\" is no user's name: it is empty, too long, or has a space or one of : / , \" \\",
        ),
        (
            format!("PUT {shares}/a%2Fb"),
            json!("read"),
            "400 \"a/b\" is no user's name: it is empty, too long, or has a space or one of : / , \" \\",
        ),
        (format!("DELETE {shares}/nobody"), Value::Null, "404 job J is not shared with \"nobody\""),
    ] {
        assert_eq!(gate.json_as("alice", &line, body).await.told().replace(&jobid, "J"), expected, "{line}");
    }
    assert_eq!(gate.ids_as("bob").await, [jobid.as_str()]);
    gate.ask_as("alice", &format!("DELETE {shares}/bob"), &[], "").await.ok();
    assert_eq!(gate.ids_as("bob").await, Vec::<String>::new(), "the rendered listing is not the old one");
    gate.ask_as("d@x.org", &format!("DELETE {shares}/d@x.org"), &[], "").await.ok();
    assert_eq!(told("alice").await, json!({}));
}

#[tokio::test]
async fn listings_are_each_users_own() {
    let (gate, _dir) = gate();
    let (one, two) = (gate.job_as("alice").await, gate.job_as("bob").await);
    assert_eq!((gate.ids_as("alice").await, gate.ids_as("bob").await), (vec![one.clone()], vec![two.clone()]));
    gate.json_as("alice", &format!("PUT /v2/jobs/{one}/shares/bob"), json!("read")).await.ok();
    assert_eq!(gate.ids_as("bob").await, [two.clone(), one.clone()]);
    assert_eq!(gate.ids_as("alice").await, [one]);
    assert_eq!(gate.ids_as("slurm").await.len(), 2);
}
