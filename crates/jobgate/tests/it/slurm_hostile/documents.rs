//! Hostile documents for every operation that takes one, and hostile parameters for every one that has some, as our own
//! description says.

use std::time::Instant;

use serde_json::{Map, Value, json};

use super::making::Maker;
use super::{SOON, cluster};
use crate::fixture::http::Body;
use crate::fixture::slurm::Cluster;
use crate::fixture::{Answer, Client};

/// An operation of the description.
#[derive(Debug)]
struct Operation {
    method: String,
    /// With what it leaves open filled in.
    path: String,
    /// What it leaves open: where in the path.
    open: Option<std::ops::Range<usize>>,
    body: Option<Value>,
    parameters: Vec<String>,
}

fn operations(document: &Value, job: i64) -> Vec<Operation> {
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let open = path.find('{').map(|start| start..path.find('}').unwrap() + 1);
        let name = match open.clone().map(|open| &path[open]) {
            Some("{job_id}") => job.to_string(),
            Some("{node_name}") => "n1".into(),
            Some("{partition_name}") => "gpu".into(),
            _ => "some".into(),
        };
        let filled = open
            .clone()
            .map_or_else(|| path.clone(), |open| format!("{}{name}{}", &path[..open.start], &path[open.end..]));
        for (method, what) in methods.as_object().unwrap() {
            let parameters = what["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
            let named = parameters.iter().filter(|one| one["in"] == "query");
            found.push(Operation {
                method: method.to_uppercase(),
                path: filled.clone(),
                open: open.clone().map(|open| open.start..open.start + name.len()),
                body: what.pointer("/requestBody/content/application~1json/schema").cloned(),
                parameters: named.filter_map(|one| Some(one["name"].as_str()?.to_owned())).collect(),
            });
        }
    }
    found
}

/// A cluster with a held job, what it says of a version, and an administrator's client.
fn begin(version: &str) -> (Cluster, Vec<Operation>, Map<String, Value>, Client) {
    let (cluster, _) = cluster("");
    let mut root = cluster.client("root");
    let job = json!({ "job": {
        "name": "target", "hold": true, "current_working_directory": "/tmp", "environment": [""],
        "script": "#!/bin/sh\nexit 0\n", "standard_output": "/dev/null",
    } });
    let submitted = root.post("/slurm/v0.0.45/job/submit", &job).json();
    let document = root.get(&format!("/only-{version}/openapi/v3")).json();
    let operations = operations(&document, submitted["job_id"].as_i64().unwrap());
    let schemas = document["components"]["schemas"].as_object().unwrap().clone();
    (cluster, operations, schemas, root)
}

/// The operation that waits until its job starts is not asked with what could be a job.
fn waits(operation: &Operation) -> bool {
    operation.path.ends_with("/allocate")
}

#[track_caller]
fn send(root: &mut Client, operation: &Operation, path: &str, kind: &str, body: &[u8]) {
    let asked = Instant::now();
    let body = if operation.body.is_some() { Body::Bytes(body) } else { Body::None };
    let answer = root.request(&operation.method, path, &[("content-type", kind)], &body);
    let what = || match &body {
        Body::Bytes(bytes) => format!("{} {path:.300} {:.1500}", operation.method, String::from_utf8_lossy(bytes)),
        Body::None => format!("{} {path:.2000}", operation.method),
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => panic!("{}: {error}", what()),
    };
    assert!(asked.elapsed() < SOON, "{} took {:?}", what(), asked.elapsed());
    assert!(is_proper(&answer, path), "{}: {} {:.1000}", what(), answer.status, answer.text());
}

/// Not a failure of the server's own. What Slurm's data parser cannot read is answered with 500 and a number from 9200 on; up
/// to 25.11 so is, with other numbers, whatever the controller refuses.
fn is_proper(answer: &Answer, path: &str) -> bool {
    let least = if path.contains("/v0.0.40/") { 1 } else { 9000 };
    match answer.status {
        500 if answer.header("content-type") == Some("text/plain") => answer.text().contains("Content-Type"),
        500 => {
            let errors = answer.json()["errors"].take();
            let number = |error: &Value| error["error_number"].as_i64().is_some_and(|number| number >= least);
            errors.as_array().is_some_and(|errors| !errors.is_empty() && errors.iter().all(number))
        }
        status => status < 500,
    }
}

#[track_caller]
fn still_there(cluster: &Cluster, root: &mut Client) {
    for path in ["/slurm/v0.0.45/ping", "/slurm/v0.0.40/jobs", "/slurmdb/v0.0.45/config"] {
        let answer = root.get(path);
        assert!(answer.status == 200 && answer.json().is_object(), "{path}: {}", answer.text());
    }
    let log = cluster.gateway.log();
    let panicked = log.lines().find(|line| line.contains("panicked"));
    assert_eq!(panicked, None);
}

#[test]
fn documents_made_from_our_description_and_spoiled() {
    for version in ["v0.0.40", "v0.0.45"] {
        let (cluster, operations, schemas, mut root) = begin(version);
        let taking = operations.iter().filter(|operation| !waits(operation));
        for (operation, schema) in taking.filter_map(|one| one.body.as_ref().map(|schema| (one, schema))) {
            for seed in 0..24 {
                let mut maker = Maker::new(seed, version == "v0.0.40", seed % 3 == 0);
                let mut body = maker.of(schema, &schemas);
                if seed % 4 != 0 {
                    maker.spoil(&mut body);
                }
                hold(&mut body);
                send(&mut root, operation, &operation.path, "application/json", body.to_string().as_bytes());
                let yaml = yaml_serde::to_string(&body).unwrap();
                send(&mut root, operation, &operation.path, "application/yaml", yaml.as_bytes());
            }
        }
        still_there(&cluster, &mut root);
    }
}

/// Jobs that could run are held: nobody knows what they would do.
fn hold(body: &mut Value) {
    let hold = |job: &mut Value| {
        if let Some(job) = job.as_object_mut() {
            job.insert("hold".into(), true.into());
            job.insert("standard_output".into(), "/dev/null".into());
            job.insert("current_working_directory".into(), "/tmp".into());
        }
    };
    hold(&mut body["job"]);
    if let Some(jobs) = body["jobs"].as_array_mut() {
        jobs.iter_mut().for_each(hold);
    }
}

#[test]
fn documents_that_nobody_would_send() {
    let deep = |open: &str, close: &str, times: usize| format!("{}1{}", open.repeat(times), close.repeat(times));
    let long = "x".repeat(1 << 20);
    let json: Vec<String> = vec![
        deep("[", "]", 100_000),
        deep("{\"job\":", "}", 100_000),
        format!("{{\"job\":{}}}", deep("[", "]", 120)),
        format!("{{\"job\":{{\"environment\":{}}}}}", deep("[", "]", 100)),
        format!("{{\"job\":{{\"comment\":{}}}}}", deep("{\"a\":", "}", 100)),
        format!("{{\"job\":{{\"priority\":1{}}}}}", "0".repeat(5000)),
        "{\"job\":{\"priority\":1e400,\"nice\":-1e400,\"tasks\":1e-400}}".into(),
        "{\"job\":{\"tasks\":18446744073709551616,\"nice\":-9223372036854775809}}".into(),
        "{\"job\":{\"begin_time\":{\"set\":true,\"number\":18446744073709551615}}}".into(),
        "{\"job\":{\"begin_time\":\"now+99999999999999999999days\",\"deadline\":\"-292277026597-01-01\"}}".into(),
        "{\"job\":{\"array\":\"0-4294967295\",\"tasks\":2147483647,\"minimum_nodes\":2147483647}}".into(),
        "{\"job\":{\"required_nodes\":\"n[1-99999999999]\",\"excluded_nodes\":[\"n[[[\",\"n[1-9][1-9][1-9][1-9][1-9]\"]}}".into(),
        "{\"name\":\"n[0-4294967295]\",\"hostlist\":\"n[0-4294967295]\",\"hostnames\":[\"\",\"]\",\"[\",\"n[1-\"]}".into(),
        "{\"node_conf\":\"NodeName=x[0-99999999] CPUs=-1 RealMemory=99999999999999999999 Gres=gpu:::\"}".into(),
        format!("{{\"job\":{{\"name\":\"{long}\",\"script\":\"{long}\"}},\"{long}\":\"{long}\"}}"),
        format!("{{\"jobs\":[{}1]}}", "1,".repeat(200_000)),
        format!("{{\"users\":[{}{{}}],\"accounts\":[{{}}],\"qos\":[{{}}]}}", "{},".repeat(20_000)),
        format!("{{{}\"a\":1}}", "\"a\":1,".repeat(50_000)),
        "{\"job\":{\"name\":\"\\ud800\",\"comment\":\"\\u0000\"}}".into(),
        "\u{feff}{}".into(),
        "{} {}".into(),
        "NaN".into(),
        "\"text\"".into(),
        "[]".into(),
        "null".into(),
        " ".into(),
    ];
    let yaml: Vec<String> = vec![
        "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b]\njob: [*c,*c,*c,*c,*c]\n".into(),
        "a: &a {x: 1}\njob:\n  <<: *a\n".into(),
        "job: &job\n  name: *job\n".into(),
        deep("[", "]", 5_000),
        format!("job: {}", deep("{a: ", "}", 5_000)),
        (0..3_000).map(|depth| " ".repeat(depth)).collect::<Vec<_>>().join("a:\n"),
        "- ".repeat(5_000),
        "!!python/object/apply:os.system [\"true\"]\n".into(),
        "job: !!binary \"////\"\n".into(),
        "? {a: 1}\n: 2\n".into(),
        "job:\n\tname: x\n".into(),
        "--- {}\n--- {}\n".into(),
        "job: {tasks: 0x7fffffffffffffffff, nice: .inf, priority: -.inf, begin_time: .nan}\n".into(),
        "\0\u{1}".into(),
        "%YAML 9.9\n---\n{}\n".into(),
    ];
    let form = [format!("job={long}"), "%".into(), "a&&&=b&%ff=%fe".into()];
    for version in ["v0.0.40", "v0.0.45"] {
        let (cluster, operations, _, mut root) = begin(version);
        for operation in operations.iter().filter(|operation| operation.body.is_some()) {
            let bodies = [
                ("application/json", &json[..]),
                ("application/yaml", &yaml),
                ("application/x-www-form-urlencoded", &form),
            ];
            for (kind, bodies) in bodies {
                for body in bodies {
                    send(&mut root, operation, &operation.path, kind, body.as_bytes());
                }
            }
        }
        still_there(&cluster, &mut root);
    }
}

#[test]
fn parameters_that_nobody_would_send() {
    let long = "x".repeat(10_000);
    let many = "1,".repeat(2_000);
    let values = [
        "",
        "abc",
        "-1",
        "0",
        "99999999999999999999",
        "1e400",
        "NaN",
        "now%2b99999999999999999999days",
        "%00",
        "%ff%fe",
        "%",
        "n%5b1-99999999999%5d",
        "1_%5b0-4294967295%5d",
        "%f0%9f%a6%80",
        &long,
        &many,
    ];
    for version in ["v0.0.40", "v0.0.45"] {
        let (cluster, operations, _, mut root) = begin(version);
        for operation in operations.iter().filter(|operation| operation.body.is_none()) {
            for parameter in &operation.parameters {
                for value in values {
                    let name = parameter.replace(' ', "%20");
                    let path = format!("{}?{name}={value}", operation.path);
                    send(&mut root, operation, &path, "application/json", b"");
                }
            }
            for value in values.iter().filter(|_| operation.open.is_some()) {
                let mut path = operation.path.clone();
                path.replace_range(operation.open.clone().unwrap(), value);
                send(&mut root, operation, &path, "application/json", b"");
            }
        }
        still_there(&cluster, &mut root);
    }
}
