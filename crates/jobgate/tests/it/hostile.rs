//! Bad input, bad senders and bad disks: refused clearly, nothing changed, and the server goes on.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fixture::gateway::script;
use crate::fixture::home::run;
use crate::fixture::http::{Body, MULTIPART_END, MULTIPART_TYPE, multipart_head};
use crate::fixture::{Client, Gateway, Home, SOON, program, skip, wait_for};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

/// The server still works, and has no more jobs than before.
#[track_caller]
fn unharmed(client: &mut Client, jobs: usize) {
    assert_eq!(client.get("/healthz").status, 200);
    assert_eq!(client.get("/v2/jobs").json().as_array().unwrap().len(), jobs);
}

#[test]
fn malformed_bodies_are_refused() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    let deep = format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000));
    let deep_spec = format!("{{\"script\":\"x\",\"name\":{deep}}}");
    for version in ["v1", "v2"] {
        for (body, status) in [
            (&b""[..], 422),
            (b"null", 422),
            (b"[]", 422),
            (b"{", 422),
            (b"{\"script\":\"x\",}", 422),
            (b"{\"script\":\"x\"} trailing", 422),
            (b"{\"script\":\"\xff\xfe\"}", 400),
            (b"{\"script\":5}", 422),
            (b"{\"script\":null}", 422),
            (b"{}", 422),
            (b"{\"script\":\"x\",\"resources\":[]}", 422),
            (b"{\"script\":\"x\",\"resources\":{\"duration\":{}}}", 422),
            (b"{\"script\":\"x\",\"environment\":[]}", 422),
            (b"{\"script\":\"x\",\"directory\":\"/no/such/place\"}", 400),
            (deep.as_bytes(), 422),
            (deep_spec.as_bytes(), 422),
        ] {
            let answer = client.ask("POST", &format!("/{version}/jobs"), JSON, &Body::Bytes(body));
            assert_eq!(answer.status, status, "{:.80}: {}", String::from_utf8_lossy(body), answer.text());
            assert!(!answer.json()["detail"].is_null());
        }
    }
    for unknown in [
        json!({"script": "x", "bogus": 1}),
        json!({"script": "x", "backend": "nowhere"}),
        json!({"script": "x", "backend": {}}),
    ] {
        assert_eq!(client.post("/v2/jobs", &unknown).status / 100, 4, "{unknown}");
    }
    unharmed(&mut client, 0);
    assert_eq!(fs::read_dir(&home.prefix).map_or(0, Iterator::count), 0, "something was left behind");
}

#[test]
fn names_and_ids_cannot_escape() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    let jobid = client.create("v2", &script("x"));
    for bad in [
        "abc",
        "123",
        "1.2x",
        "..",
        "%2e%2e",
        "1.2%2f..",
        "../1.2",
        "1.2%00",
        "%00",
        "1.2%0a",
        "-1.2",
        "1.2.3",
        "١.٢",
        &"1".repeat(5000),
    ] {
        for part in ["", "/state", "/logs", "/files", "/files/x"] {
            let answer = client.get(&format!("/v2/jobs/{bad}{part}"));
            assert!([400, 404, 414].contains(&answer.status), "{bad}{part}: {} {}", answer.status, answer.text());
        }
    }
    let files = format!("/v2/jobs/{jobid}/files");
    for bad in ["../x", "a/../../x", "/etc/x", "..", ".", "", "a\0b", "sub/", "./..", &"n".repeat(300)] {
        let answer = client.upload(&files, &[(bad, b"x")]);
        assert_eq!(answer.status / 100, 4, "{bad:?}: {} {}", answer.status, answer.text());
    }
    for bad in [
        "..",
        "%2e%2e",
        "..%2fspec.json",
        "%2e%2e%2fspec.json",
        "a/../../spec.json",
        "%2fetc%2fhostname",
        "//etc/hostname",
        "x%00y",
        "./../status.csv",
    ] {
        let answer = client.get(&format!("{files}/{bad}"));
        assert_eq!(answer.status / 100, 4, "{bad}: {}", answer.text());
        assert!(!answer.text().contains("script"), "{bad} gave {}", answer.text());
    }
    assert_eq!(fs::read_dir(home.job(&jobid, "work")).unwrap().count(), 0);
    assert!(!home.prefix.join("x").exists() && !home.job(&jobid, "x").exists());
    unharmed(&mut client, 1);
}

/// A job's name and script may hold anything; its files stay what they are, and no shell ever sees them.
#[test]
fn names_of_any_kind_are_only_names() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    for name in
        ["a\nb", "x,y\"z", "$(touch /tmp/jobgate-pwned)", "`id`", "'; touch pwned; '", "\u{202e}rtl", "é\t", "", "-rf"]
    {
        let jobid = client.submit("v2", &json!({"script": "echo ok", "name": name}));
        client.wait_step("v2", &jobid, 1, &["completed"]);
        let shown = client.get(&format!("/v2/jobs/{jobid}")).json();
        assert_eq!(shown[0]["name"], name);
        assert_eq!(home.steps(&jobid).len(), 4, "{name:?} broke status.csv");
        assert_eq!(fs::read_dir(home.job(&jobid, "work")).unwrap().count(), 0);
    }
    let with_nul = client.post("/v2/jobs", &json!({"script": "echo a\0b; echo after", "name": "n\0n"}));
    assert!(with_nul.status == 200 || with_nul.status == 422, "{}", with_nul.text());
    let environment = client
        .post("/v2/jobs", &json!({"script": "env", "environment": {"A\0B": "x", "C": "y\0z", "": "e", "E=F": "g"}}));
    assert_eq!(environment.status / 100, 4, "an environment that no process can have: {}", environment.text());
    // one name to a line, also in the table of the command line
    let table = home.ok(&["ls"]);
    let jobs = client.get("/v2/jobs").json().as_array().unwrap().len();
    assert_eq!(table.lines().count(), jobs + 1, "{table}");
}

#[test]
fn a_hundred_megabytes_of_json_are_refused() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    let before = memory(&gateway);
    let length = 100 << 20;
    let body = (&b"{\"script\":\""[..]).chain(std::io::repeat(b'a').take(length - 13)).chain(&b"\"}"[..]);
    let answer = client.send_stream("POST", "/v2/jobs", JSON, length - 1, body);
    // refused from its length alone: the answer may be lost when the door closes while we still talk
    if let Ok(answer) = answer {
        assert_eq!(answer.status, 413, "{}", answer.text());
    }
    let mut client = gateway.client();
    unharmed(&mut client, 0);
    assert!(memory(&gateway) < before + (48 << 20), "it took {} MiB into memory", (memory(&gateway) - before) >> 20);
}

/// The most memory that a server has had so far, in bytes.
fn memory(gateway: &Gateway) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

/// Files of any size go through with constant memory, both ways, and so do logs.
#[test]
fn big_files_take_no_memory() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    let jobid = client.create("v2", &script("head -c 120000000 /dev/zero"));
    let before = memory(&gateway);
    let size: u64 = 120 << 20;
    let head = multipart_head("big.bin");
    let tail = format!("\r\n{MULTIPART_END}");
    let length = head.len() as u64 + size + tail.len() as u64;
    // letters that occur in the boundary: the slow case of the original
    let body = head.as_bytes().chain(std::io::repeat(b'a').take(size)).chain(tail.as_bytes());
    let path = format!("/v2/jobs/{jobid}/files");
    let answer = client.send_stream("POST", &path, &[("content-type", MULTIPART_TYPE)], length, body).unwrap();
    assert_eq!((answer.status, answer.json()), (200, Value::Null));
    assert_eq!(client.get_discard(&format!("{path}/big.bin")).unwrap(), (200, size));
    client.post(&format!("/v2/jobs/{jobid}/start"), &Value::Null);
    home.wait_row(&jobid, 1, &["completed"]);
    let (status, bytes) = client.get_discard(&format!("/v2/jobs/{jobid}/logs")).unwrap();
    assert!(status == 200 && bytes >= 120_000_000, "{status} {bytes}");
    let grown = memory(&gateway).saturating_sub(before);
    assert!(grown < 40 << 20, "memory grew by {} MiB", grown >> 20);
}

/// Senders that dawdle are shown the door and keep nobody else waiting.
#[test]
fn slow_senders_keep_nobody_waiting() {
    let home = Home::with_settings("[server.limits]\nheader_timeout = \"1s\"\nbody_timeout = \"1s\"\n");
    let gateway = Gateway::start(&home);
    let slow: Vec<TcpStream> = (0..50)
        .map(|number| {
            let mut stream = TcpStream::connect(gateway.address).unwrap();
            let part: &[u8] = if number % 2 == 0 {
                b"POST /v2/jobs HTTP/1.1\r\nhost: 127"
            } else {
                b"POST /v2/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{"
            };
            stream.write_all(part).unwrap();
            stream
        })
        .collect();
    let asked = Instant::now();
    unharmed(&mut gateway.client(), 0);
    assert!(asked.elapsed() < Duration::from_secs(5));
    for mut stream in slow {
        stream.set_read_timeout(Some(SOON)).unwrap();
        let mut answer = Vec::new();
        // closed by the server, with or without a word
        if let Err(error) = stream.read_to_end(&mut answer) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
        }
        assert!(!String::from_utf8_lossy(&answer).contains(" 200 "));
    }
    unharmed(&mut gateway.client(), 0);
}

/// More connections than there may be: they wait or are turned away; nobody who is in is harmed.
#[test]
fn connections_are_limited() {
    let home = Home::with_settings("[server.limits]\nconnections = 8\nheader_timeout = \"1s\"\n");
    let gateway = Gateway::start(&home);
    let mut early = gateway.client();
    unharmed(&mut early, 0);
    let idle: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(gateway.address).unwrap()).collect();
    unharmed(&mut early, 0);
    // who says nothing has to leave, and then there is room again
    unharmed(&mut gateway.client(), 0);
    drop(idle);
    unharmed(&mut gateway.client(), 0);
}

/// Heads without end, and far too many headers.
#[test]
fn oversized_heads_are_refused() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let long = "x".repeat(2 << 20);
    let many: Vec<(String, String)> = (0..5000).map(|number| (format!("x-{number}"), "y".to_owned())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    for (path, headers) in [
        (format!("/v2/jobs?{long}"), &[][..]),
        ("/v2/jobs".into(), &[("x", long.as_str())]),
        ("/v2/jobs".into(), &many),
    ] {
        // the door may close before all was said
        if let Ok(answer) = gateway.client().request("GET", &path, headers, &Body::None) {
            assert_eq!(answer.status / 100, 4, "{}", answer.status);
        }
        unharmed(&mut gateway.client(), 0);
    }
}

#[test]
fn garbage_instead_of_http() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"POST /v2/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-length: -5\r\n\r\n",
        b"POST /v2/jobs HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"POST /v2/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{}{}{}",
    ] {
        let mut stream = TcpStream::connect(gateway.address).unwrap();
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.contains(" 200 ") && !answer.contains(" 500 "), "{bytes:?}: {answer}");
    }
    unharmed(&mut gateway.client(), 0);
}

/// Work directories that a user has turned into something else lead nowhere.
#[test]
fn symlinks_lead_nowhere() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    let outside = home.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "treasure").unwrap();
    let jobid = client.create("v2", &script("x"));
    let work = home.job(&jobid, "work");
    symlink(outside.join("secret"), work.join("file")).unwrap();
    symlink(&outside, work.join("folder")).unwrap();
    symlink("/nonexistent", work.join("dangling")).unwrap();
    run(Command::new("mkfifo").arg(work.join("fifo")));
    let files = format!("/v2/jobs/{jobid}/files");
    for name in ["file", "folder", "folder/secret", "fifo", "dangling"] {
        let answer = client.get(&format!("{files}/{name}"));
        assert!([403, 404].contains(&answer.status), "{name}: {} {}", answer.status, answer.text());
    }
    assert_eq!(client.get(&files).status, 200);
    let answer = client.upload(&files, &[("folder/new", b"x")]);
    assert_eq!(answer.status / 100, 4, "{}", answer.text());
    assert!(!outside.join("new").exists());
    // an upload onto a link replaces the link, or is refused; what it led to is not touched
    client.upload(&files, &[("file", b"overwritten")]);
    assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), "treasure");
    // the whole work directory is a link now, and so are the logs
    for (part, path) in [("work", &files), ("log", &format!("/v2/jobs/{jobid}/logs"))] {
        fs::remove_dir_all(home.job(&jobid, part)).unwrap();
        symlink(&outside, home.job(&jobid, part)).unwrap();
        let answer = client.get(path);
        assert!(!answer.text().contains("secret") && !answer.text().contains("treasure"), "{part}: {}", answer.text());
        assert!(answer.status < 500, "{}", answer.text());
    }
    assert_ne!(client.get(&format!("{files}/secret")).text(), "treasure");
    assert_ne!(client.upload(&files, &[("planted", b"x")]).status, 200);
    assert!(!outside.join("planted").exists());
    unharmed(&mut client, 1);
}

#[test]
fn garbage_in_status_csv_hides_nothing() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    let jobid = client.submit("v2", &script("true"));
    client.wait_step("v2", &jobid, 1, &["completed"]);
    let mut file = fs::OpenOptions::new().append(true).open(home.job(&jobid, "status.csv")).unwrap();
    file.write_all(b"garbage\n\xff\xfe,1,new,\n1,2\n,,,\nnan,1,active,\n1e400,1,active,\n\n1795313532.5,7,failed,3\n")
        .unwrap();
    file.write_all(b"1795313532.9,8,act").unwrap();
    drop(file);
    wait_for("the one good row to be seen", SOON, || {
        let history = client.history("v2", &jobid);
        history.iter().any(|step| *step == (7, "failed".into(), 3)).then_some(())
    });
    assert_eq!(client.history("v2", &jobid).len(), 5);
    assert!(home.ok(&["status", &jobid]).contains("failed"));
    // empty and strange neighbours do not stand in the way of the others
    fs::create_dir(home.prefix.join("not-a-job")).unwrap();
    fs::create_dir(home.prefix.join("77.7")).unwrap();
    fs::create_dir(home.prefix.join("78.8")).unwrap();
    fs::write(home.prefix.join("78.8/spec.json"), "{").unwrap();
    fs::write(home.prefix.join("78.8/status.csv"), "").unwrap();
    assert_eq!(client.get("/v2/jobs").json().as_array().unwrap().len(), 1);
    let next = client.submit("v2", &script("true"));
    client.wait_step("v2", &next, 1, &["completed"]);
}

/// The clock goes back an hour between two jobs: ids stay unique, order stays the order of recording.
#[test]
fn the_clock_steps_back() {
    if program("faketime").is_none() {
        return skip("faketime is not installed");
    }
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let first = gateway.client().submit("v2", &script("true"));
    gateway.client().wait_step("v2", &first, 1, &["completed"]);
    drop(gateway);
    let mut command = home.program(&program("faketime").unwrap());
    command.args(["-f", "-1h"]).arg(crate::fixture::binary()).args(["serve", "--listen", "127.0.0.1:0"]);
    let gateway = Gateway::spawn(&home, &mut command);
    let mut client = gateway.client();
    let second = client.submit("v2", &script("true"));
    client.wait_step("v2", &second, 1, &["completed"]);
    assert_ne!(first, second);
    let listed = client.get("/v2/jobs").json();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert!(listed.as_array().unwrap().iter().all(|job| job["state"] == "completed"), "{listed}");
}

/// Two servers on one state directory are two doors to the same jobs: both work, and nothing is done twice.
#[test]
fn two_servers_on_one_state_directory() {
    let home = Home::with_settings("[callbacks]\nschedule = [\"50ms\"]\n");
    let listener = crate::fixture::Listener::start();
    let servers = [Gateway::start(&home), Gateway::start(&home)];
    let spec = json!({"script": "echo once >> \"$base/work/ran\"", "callback": format!("{}/cb", listener.url)});
    let mut clients = servers.each_ref().map(Gateway::client);
    let jobs: Vec<String> = (0..20).map(|number| clients[number % 2].submit("v2", &spec)).collect();
    for jobid in &jobs {
        for client in &mut clients {
            client.wait_step("v2", jobid, 1, &["completed"]);
        }
        assert_eq!(home.read(jobid, "work/ran"), "once\n");
        assert_eq!(home.rows(jobid).len(), 4, "{:?}", home.rows(jobid));
        let told: Vec<String> = wait_for("the callbacks", SOON, || {
            let told: Vec<String> = listener.steps(jobid).into_iter().map(|step| step.1).collect();
            (told.len() >= 3).then_some(told)
        });
        assert_eq!(told, ["queued", "active", "completed"]);
    }
    assert_eq!(clients[0].get("/v2/jobs").json(), clients[1].get("/v2/jobs").json());
    // one of them leaves; the other takes over what it did
    let [first, second] = servers;
    drop(first);
    let jobid = second.client().submit("v2", &spec);
    second.client().wait_step("v2", &jobid, 1, &["completed"]);
}
