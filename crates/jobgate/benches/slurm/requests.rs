//! What is asked.

use serde_json::{Value, json};

use crate::fixture::Client;
use crate::fixture::http::Body;

/// The version in which both are asked.
pub(crate) const BASE: &str = "/slurm/v0.0.42";

/// One kind of request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Request {
    Get(&'static str),
    /// The client takes gzip.
    Compressed(&'static str),
    /// A job in the middle of those that there are.
    OneJob,
    /// A held job.
    Submit,
}

impl Request {
    /// Sends it; whether the answer was what it should be.
    pub(crate) fn send(self, client: &mut Client, job: i64) -> bool {
        let got = match self {
            Self::Get(path) => client.request("GET", &format!("{BASE}{path}"), &[], &Body::None),
            Self::Compressed(path) => {
                client.request("GET", &format!("{BASE}{path}"), &[("accept-encoding", "gzip")], &Body::None)
            }
            Self::OneJob => client.request("GET", &format!("{BASE}/job/{job}"), &[], &Body::None),
            Self::Submit => return submit(client).is_some(),
        };
        got.is_ok_and(|answer| answer.status == 200)
    }
}

/// Submits a held job; gives its id.
pub(crate) fn submit(client: &mut Client) -> Option<i64> {
    let body = json!({ "job": {
        "name": "held", "hold": true, "current_working_directory": "/tmp", "environment": ["PATH=/usr/bin:/bin"],
        "script": "#!/bin/sh\nsleep 300\n",
    } })
    .to_string();
    let kind = [("content-type", "application/json")];
    let answer = client.request("POST", &format!("{BASE}/job/submit"), &kind, &Body::Bytes(body.as_bytes())).ok()?;
    let answer: Value = serde_json::from_slice(&answer.body).ok()?;
    answer["job_id"].as_i64().filter(|id| *id > 0)
}
