//! Synthetic stores: the same files as jobs that the originals have run.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;

use crate::Bench;
use crate::fixture::peer::Peer;
use crate::fixture::{Gateway, Home};

/// Whose files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// psik 1, as psik_api 1.0.0 leaves them (with the scripts).
    Psik1,
    /// psik 3.
    Psik3,
    /// psik 3, without the files that no listing reads: for very large stores.
    Bare,
}

/// A store of `count` finished jobs, made unless it is there already.
pub(crate) fn store(bench: &Bench, shape: Shape, count: u64) -> PathBuf {
    let folder = bench.stores.join(format!("{shape:?}-{count}").to_lowercase());
    let done = folder.with_extension("done");
    if !done.is_file() {
        let begin = Instant::now();
        fs::create_dir_all(&folder).unwrap();
        for number in 0..count {
            make(&folder, shape, number);
        }
        fs::write(done, "").unwrap();
        eprintln!("made {count} jobs of shape {shape:?} in {:.1?}", begin.elapsed());
    }
    folder
}

/// The id of the job with this number.
pub(crate) fn jobid(number: u64) -> String {
    format!("{}.{:03}", 1_700_000_000 + number / 4, number % 4 * 250)
}

fn make(folder: &Path, shape: Shape, number: u64) {
    let jobid = jobid(number);
    let base = folder.join(&jobid);
    fs::create_dir(&base).unwrap();
    let time = 1_700_000_000.25 + number as f64 / 4.0;
    let work = if shape == Shape::Bare { folder.to_path_buf() } else { base.join("work") };
    let mut spec = json!({
        "name": format!("job {number}"), "directory": work, "script": "#!/bin/sh\necho hello; hostname\n",
        "environment": {}, "inherit_environment": true,
        "resources": {"duration": 10, "node_count": null, "process_count": null, "processes_per_node": null,
            "cpu_cores_per_process": 1, "gpu_cores_per_process": 0, "exclusive_node_use": true},
    });
    let map = spec.as_object_mut().unwrap();
    let mut rest = if shape == Shape::Psik1 {
        json!({"backend": {"type": "local", "queue_name": null, "project_name": null, "reservation_id": null,
            "attributes": {}}, "callback": null, "cb_secret": null, "client_secret": null})
    } else {
        json!({"backend": "default", "attributes": {}, "callback": null, "cb_headers": {}, "cb_secret": null})
    };
    map.append(rest.as_object_mut().unwrap());
    let mut text = Vec::new();
    let pretty = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut writer = serde_json::Serializer::with_formatter(&mut text, pretty);
    serde::Serialize::serialize(&spec, &mut writer).unwrap();
    text.push(b'\n');
    fs::write(base.join("spec.json"), text).unwrap();
    let pid = 20_000 + number % 10_000;
    let (new, run) =
        if shape == Shape::Psik1 { ("0".to_owned(), pid.to_string()) } else { ("{}".to_owned(), String::new()) };
    let (failed, outcome) = if number % 10 == 9 { ("failed", "3") } else { ("completed", "") };
    let outcome = if shape == Shape::Psik1 { run.as_str() } else { outcome };
    let rows = format!(
        "{time},0,new,{new}\n{:?},1,queued,{pid}\n{:?},1,active,{run}\n{:?},1,{failed},{outcome}\n",
        time + 0.01,
        time + 0.02,
        time + 0.04
    );
    fs::write(base.join("status.csv"), rows).unwrap();
    if shape == Shape::Bare {
        return;
    }
    fs::create_dir(base.join("work")).unwrap();
    fs::create_dir(base.join("log")).unwrap();
    let console = if shape == Shape::Psik1 { "messages" } else { "console" };
    for (name, content) in [(console, ""), ("stdout.1", "hello\nnode1\n"), ("stderr.1", "")] {
        fs::write(base.join("log").join(name), content).unwrap();
    }
    if shape == Shape::Psik1 {
        fs::create_dir(base.join("scripts")).unwrap();
        for name in ["submit", "job", "cancel", "run"] {
            fs::write(base.join("scripts").join(name), "#!/usr/bin/env rc\necho hello; hostname\n").unwrap();
        }
    }
}

/// Our server on a store, after it has taken in all of its jobs; says how long that took.
pub(crate) fn ours(home: &Home, store: &Path) -> (Gateway, String) {
    let begin = Instant::now();
    let mut index = home.command(&["reindex", "--config"]);
    let config = home.path("bench.toml");
    fs::write(&config, format!("prefix = \"{}\"\n", store.display())).unwrap();
    let output = crate::fixture::home::run(index.arg(&config));
    assert_eq!(output.code, 0, "{output:?}");
    let taken = format!("{:.2?}", begin.elapsed());
    let mut command = home.command(&["serve", "--listen", "127.0.0.1:0", "--config"]);
    (Gateway::spawn(home, command.arg(&config)), taken)
}

/// psik_api on a store.
pub(crate) fn theirs(home: &Home, peer: &Peer, store: &Path) -> Gateway {
    let gateway = peer.serve_api(home, store);
    let answer = gateway.client().get("/v1/backends");
    assert_eq!(answer.status, 200, "{}", answer.text());
    gateway
}
