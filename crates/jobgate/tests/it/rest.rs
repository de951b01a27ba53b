//! The REST interface end to end, as the users of psik_api know it, and what it adds.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fixture::gateway::script;
use crate::fixture::http::{Address, Body};
use crate::fixture::{Client, Gateway, Home, Listener, SOON, home, program, skip, wait_for};

/// The steps of a run that went well.
fn went_well(ndx: i64) -> Vec<(i64, String)> {
    ["queued", "active", "completed"].map(|state| (ndx, state.to_owned())).to_vec()
}

fn steps(client: &mut Client, version: &str, jobid: &str) -> Vec<(i64, String)> {
    client.history(version, jobid).into_iter().map(|(ndx, state, _)| (ndx, state)).collect()
}

#[test]
fn a_job_goes_its_whole_way() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    for version in ["v1", "v2"] {
        let jobid = client.submit(version, &json!({"name": "way", "script": "echo out; echo err >&2; touch made"}));
        client.wait_step(version, &jobid, 1, &["completed"]);
        let mut expected = vec![(0, "new".to_owned())];
        expected.extend(went_well(1));
        assert_eq!(steps(&mut client, version, &jobid), expected);
        assert_eq!(home.steps(&jobid), expected, "the tree tells another story");
        assert_eq!(client.get(&format!("/{version}/jobs/{jobid}/state")).json(), "completed");
        let logs = client.get(&format!("/{version}/jobs/{jobid}/logs")).json();
        assert_eq!((&logs["stdout.1"], &logs["stderr.1"]), (&json!("out\n"), &json!("err\n")));
        assert!(client.get(&format!("/{version}/jobs/{jobid}/files")).json().get("made").is_some());
        let listed = client.get(&format!("/{version}/jobs?state=completed")).json();
        assert!(listed.as_array().unwrap().iter().any(|job| job["jobid"] == jobid.as_str() && job["name"] == "way"));
    }
}

/// The curl lines of psik_api's README, over TCP and over a Unix socket.
#[test]
fn the_curl_lines_of_the_readme() {
    if program("curl").is_none() {
        return skip("curl is not installed");
    }
    let home = Home::new();
    let socket = home.path("gate.sock");
    let gateway = Gateway::start_with(&home, &["--uds", socket.to_str().unwrap()]);
    let mode = fs::metadata(&socket).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o600);
    fs::write(home.path("data.txt"), "T = 298\n").unwrap();
    let unix = ["--unix-socket".to_owned(), socket.display().to_string()];
    for (options, base) in [(&[][..], gateway.url("")), (&unix[..], "http://localhost".to_owned())] {
        for version in ["v1", "v2"] {
            readme(&home, options, &format!("{base}/{version}"));
        }
    }
}

fn readme(home: &Home, options: &[String], base: &str) {
    let curl = |arguments: &[&str]| -> String {
        let mut command = home.program(&program("curl").unwrap());
        command.args(["-sS", "--fail-with-body", "--max-time", "30"]).args(options).args(arguments);
        let output = home::run(&mut command);
        assert_eq!(output.code, 0, "curl {arguments:?}: {output:?}");
        output.out
    };
    let accept = ["-H", "accept: application/json"];
    let json_in = ["-H", "Content-Type: application/json"];
    let info = json!({
        "name": "show system info",
        "script": "cat /proc/cpuinfo; cat /proc/meminfo; echo $nodes; $mpirun hostname; true",
        "resources": {"process_count": 8, "cpu_cores_per_process": 7, "duration": 2, "gpu_cores_per_process": 0},
    })
    .to_string();
    let post = |path: &str, body: &str| -> String {
        let url = format!("{base}{path}");
        let arguments = [&["-X", "POST", &url][..], &accept, &json_in, &["-d", body]].concat();
        serde_json::from_str(&curl(&arguments)).unwrap()
    };
    let jobid = post("/jobs", &info);
    let list = curl(&[&["-X", "GET", &format!("{base}/jobs")][..], &accept].concat());
    assert!(list.contains(&jobid), "{list}");
    home.wait_row(&jobid, 1, &["completed"]);
    let logs = curl(&[&["-X", "GET", &format!("{base}/jobs/{jobid}/logs")][..], &accept].concat());
    assert!(logs.contains("MemTotal"), "{logs:.300}");

    let jobid = post("/jobs/new", r#"{"script": "cat data.txt"}"#);
    let url = format!("{base}/jobs/{jobid}/files/");
    assert_eq!(curl(&[&["-X", "POST", &url][..], &accept, &["--upload-file", "data.txt"]].concat()).trim(), "null");
    assert_eq!(home.read(&jobid, "work/data.txt"), "T = 298\n");
    let start = format!("{base}/jobs/{jobid}/start");
    assert_eq!(curl(&[&["-X", "POST", &start][..], &accept].concat()).trim(), "null");
    home.wait_row(&jobid, 1, &["completed"]);
    assert_eq!(home.read(&jobid, "log/stdout.1"), "T = 298\n");
    // the form that works with the original
    let form = format!("{base}/jobs/{jobid}/files");
    assert_eq!(curl(&["-F", "files=@data.txt;filename=again.txt", &form]).trim(), "null");
    assert_eq!(home.read(&jobid, "work/again.txt"), "T = 298\n");
}

#[test]
fn documents_and_pages() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    for version in ["v1", "v2"] {
        let document = client.get(&format!("/{version}/openapi.json")).json();
        assert!(document["openapi"].as_str().unwrap().starts_with("3."));
        assert!(document["paths"].as_object().unwrap().len() >= 10);
        let page = client.get(&format!("/{version}/"));
        assert_eq!(page.status, 200);
        assert!(page.header("content-type").unwrap().starts_with("text/html"));
        assert!(!page.text().contains("https://"), "the page loads something from elsewhere");
        let moved = client.get(&format!("/{version}"));
        assert!(moved.status == 307 && moved.header("location").unwrap().ends_with(&format!("/{version}/")));
    }
    assert_eq!(client.get("/").status, 200);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(client.get(path).status, 200, "{path}");
    }
    assert!(client.get("/metrics").text().contains("# TYPE"));
}

#[test]
fn an_idempotency_key_makes_a_retry_safe() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    let mut send = |path: &str, key: &str, body: &Value| {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        client.ask("POST", path, &headers, &Body::Bytes(body.to_string().as_bytes()))
    };
    let spec = json!({"script": "echo ran >> $base/work/ran"});
    let first = send("/v2/jobs", "k1", &spec);
    assert_eq!(first.status, 200, "{}", first.text());
    let jobid = first.json().as_str().unwrap().to_owned();
    for _ in 0..3 {
        assert_eq!(send("/v2/jobs", "k1", &spec).json(), first.json());
    }
    let other = send("/v2/jobs", "k1", &script("something else"));
    assert_eq!(other.status, 422, "{}", other.text());
    assert_ne!(send("/v2/jobs", "k2", &spec).json(), first.json());
    home.wait_row(&jobid, 1, &["completed"]);
    assert_eq!(home.read(&jobid, "work/ran"), "ran\n");
    drop(gateway);
    // the promise outlives the server
    let gateway = Gateway::start(&home);
    let headers = [("content-type", "application/json"), ("idempotency-key", "k1")];
    let body = spec.to_string();
    let again = gateway.client().ask("POST", "/v2/jobs", &headers, &Body::Bytes(body.as_bytes()));
    assert_eq!(again.json(), first.json());
    assert_eq!(home.read(&jobid, "work/ran"), "ran\n");
}

#[test]
fn ids_differ_in_the_same_millisecond() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let mut client = gateway.client();
            std::thread::spawn(move || (0..25).map(|_| client.create("v2", &script("x"))).collect::<Vec<_>>())
        })
        .collect();
    let mut ids: Vec<String> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    for id in &ids {
        let (seconds, millis) = id.split_once('.').unwrap();
        assert!(seconds.parse::<u64>().is_ok() && millis.len() == 3 && millis.parse::<u32>().is_ok(), "{id}");
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 200);
}

#[test]
fn lists_are_paged_and_filtered() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    let mut made: Vec<String> =
        (0..7).map(|n| client.create("v2", &json!({"script": "x", "name": format!("n{n}")}))).collect();
    made.reverse();
    let mut ids = |query: &str| -> Vec<String> {
        let list = client.get(&format!("/v2/jobs{query}")).json();
        list.as_array().unwrap().iter().map(|job| job["jobid"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(""), made);
    assert_eq!(ids("/?index=2&limit=3"), made[2..5]);
    assert_eq!(ids("?state=new&index=6"), made[6..]);
    assert_eq!(ids("?state=active"), [""; 0]);
    assert_eq!(ids("?backend=nowhere"), [""; 0]);
    assert_eq!(ids("?limit=0"), [""; 0]);
}

#[test]
fn callbacks_are_signed_ordered_and_retried() {
    let home = Home::with_settings("[callbacks]\nschedule = [\"50ms\"]\n");
    let listener = Listener::start();
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    let spec = json!({"script": "exit 3", "callback": format!("{}/cb?x=1", listener.url), "cb_secret": "sekret"});
    let jobid = client.submit("v2", &spec);
    let calls = wait_for("three callbacks", SOON, || Some(listener.of(&jobid)).filter(|calls| calls.len() >= 3));
    let told: Vec<_> = calls.iter().map(crate::fixture::Call::step).collect();
    assert_eq!(told, [(1, "queued".into()), (1, "active".into()), (1, "failed".into())]);
    for call in &calls {
        assert_eq!(call.path, "/cb?x=1");
        assert_eq!(call.header("content-type"), Some("application/json"));
        assert_eq!(call.header("x-hub-signature-256"), Some(sign(&home, &call.body, "sekret").as_str()));
    }
    // a receiver that is away for a while gets each of them later, in order
    listener.answer(503);
    let spec = json!({"script": "true", "callback": format!("{}/cb", listener.url)});
    let jobid = client.submit("v2", &spec);
    client.wait_step("v2", &jobid, 1, &["completed"]);
    wait_for("two attempts in vain", SOON, || (listener.of(&jobid).len() >= 2).then_some(()));
    assert!(listener.of(&jobid).iter().all(|call| call.step() == (1, "queued".into())), "a later one overtook");
    listener.answer(200);
    let told = wait_for("the rest", SOON, || {
        let mut told = listener.steps(&jobid);
        told.dedup();
        (told.len() >= 3).then_some(told)
    });
    assert_eq!(told, went_well(1));
}

/// HMAC-SHA256 by another hand than ours.
fn sign(home: &Home, body: &[u8], secret: &str) -> String {
    let code = "import hmac,sys;print('sha256='+hmac.new(sys.argv[1].encode(),bytes.fromhex(sys.argv[2]),'sha256').hexdigest())";
    let hex = body.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let output = home::run(home.program(Path::new("python3")).args(["-c", code, secret, &hex]));
    output.out.trim().to_owned()
}

#[test]
fn callbacks_outlive_the_gateway() {
    let home = Home::with_settings("[callbacks]\nschedule = [\"50ms\"]\n");
    let listener = Listener::start();
    listener.answer(500);
    let mut gateway = Gateway::start(&home);
    let spec = json!({"script": "true", "callback": format!("{}/cb", listener.url)});
    let jobid = gateway.client().submit("v2", &spec);
    home.wait_row(&jobid, 1, &["completed"]);
    gateway.kill();
    listener.answer(200);
    let _gateway = Gateway::start(&home);
    let told = wait_for("all three callbacks", SOON, || {
        let mut told = listener.steps(&jobid);
        told.dedup();
        (told.len() >= 3).then_some(told)
    });
    assert_eq!(told, went_well(1));
}

#[test]
fn redirects_of_callbacks_are_not_followed() {
    let home = Home::with_settings("[callbacks]\nschedule = [\"50ms\"]\n");
    let listener = Listener::start();
    listener.answer(302);
    let gateway = Gateway::start(&home);
    let spec = json!({"script": "true", "callback": format!("{}/cb", listener.url)});
    let jobid = gateway.client().submit("v2", &spec);
    wait_for("three attempts", SOON, || (listener.of(&jobid).len() >= 3).then_some(()));
    assert!(listener.all().iter().all(|call| call.path == "/cb"), "{:?}", listener.all());
}

/// One receiver that never answers keeps nobody else waiting.
#[test]
fn a_dead_receiver_delays_nobody() {
    let home = Home::new();
    let listener = Listener::start();
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = format!("http://{}/cb", mute.local_addr().unwrap());
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    for _ in 0..20 {
        client.submit("v2", &json!({"script": "true", "callback": dead}));
    }
    let spec = json!({"script": "true", "callback": format!("{}/cb", listener.url)});
    let jobid = client.submit("v2", &spec);
    let quick = Duration::from_secs(14);
    wait_for("all callbacks of the last job", quick, || (listener.of(&jobid).len() == 3).then_some(()));
}

#[test]
fn received_callbacks_are_recorded_and_forwarded() {
    let home = Home::new();
    let listener = Listener::start();
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    let spec = json!({"script": "x", "callback": format!("{}/on", listener.url), "client_secret": "shared"});
    let jobid = client.create("v2", &spec);
    let body = json!({"jobid": jobid, "jobndx": 4, "state": "failed", "info": 9}).to_string();
    // blanks that a re-serialization would lose are part of what was signed
    let body = body.replace(':', ": ");
    let mut send = |signature: Option<&str>| {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(signature.map(|value| ("x-hub-signature-256", value)));
        client.ask("POST", "/v2/jobs/callback", &headers, &Body::Bytes(body.as_bytes()))
    };
    assert_eq!(send(None).status, 403);
    assert_eq!(send(Some("sha256=bad")).status, 403);
    assert_eq!(send(Some(&sign(&home, body.as_bytes(), "**********"))).status, 403);
    assert_eq!(home.rows(&jobid).len(), 1, "a refused callback was recorded");
    let good = sign(&home, body.as_bytes(), "shared");
    assert_eq!(send(Some(&good)).json(), "OK");
    let call = wait_for("the forwarded callback", SOON, || listener.of(&jobid).pop());
    assert_eq!((call.step(), &call.json["info"]), ((4, "failed".into()), &json!(9)));
    assert_eq!(home.rows(&jobid).last().unwrap().info, "9");
}

#[test]
fn cancel_and_start_again() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    let jobid = client.submit("v2", &script("[ $jobndx = 1 ] && exec sleep 600; echo second"));
    client.wait_step("v2", &jobid, 1, &["active"]);
    assert_eq!(client.delete(&format!("/v2/jobs/{jobid}")).json(), Value::Null);
    client.wait_step("v2", &jobid, 0, &["canceled"]);
    assert_eq!(client.get(&format!("/v2/jobs/{jobid}/state")).json(), "canceled");
    assert_eq!(client.post(&format!("/v2/jobs/{jobid}/start"), &Value::Null).json(), Value::Null);
    client.wait_step("v2", &jobid, 2, &["completed"]);
    assert_eq!(home.read(&jobid, "log/stdout.2"), "second\n");
}

/// SIGTERM: requests under way are answered, jobs go on.
#[test]
fn a_graceful_stop_leaves_the_jobs_alone() {
    let home = Home::new();
    let mut gateway = Gateway::start(&home);
    let mut client = gateway.client();
    let jobid = client.submit("v2", &script("while [ ! -e go ]; do sleep 0.05; done; echo done"));
    client.wait_step("v2", &jobid, 1, &["active"]);
    let status = gateway.stop();
    assert!(status.success(), "{status}");
    fs::write(home.job(&jobid, "work/go"), "").unwrap();
    home.wait_row(&jobid, 1, &["completed"]);
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    client.wait_step("v2", &jobid, 1, &["completed"]);
    assert_eq!(home.read(&jobid, "log/stdout.1"), "done\n");
}

#[test]
fn downloads_know_ranges_and_conditions() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    let jobid = client.create("v2", &script("x"));
    let path = format!("/v2/jobs/{jobid}/files");
    assert_eq!(client.upload(&path, &[("d.bin", b"0123456789"), ("e", b"")]).json(), Value::Null);
    let file = format!("{path}/d.bin");
    let whole = client.get(&file);
    let etag = whole.header("etag").unwrap().to_owned();
    assert_eq!(whole.text(), "0123456789");
    let mut with = |headers: &[(&str, &str)]| client.ask("GET", &file, headers, &Body::None);
    assert_eq!(with(&[("range", "bytes=2-4")]).text(), "234");
    assert_eq!(with(&[("range", "bytes=-3")]).text(), "789");
    assert_eq!(with(&[("range", "bytes=7-")]).header("content-range"), Some("bytes 7-9/10"));
    assert_eq!(with(&[("range", "bytes=20-")]).status, 416);
    assert_eq!(with(&[("if-none-match", &etag)]).status, 304);
    assert_eq!(client.ask("HEAD", &file, &[], &Body::None).header("content-length"), Some("10"));
}

/// A web page that somebody looks at must not be able to drive the gateway on the same machine.
#[test]
fn foreign_pages_are_refused() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    let mut list = |headers: &[(&str, &str)]| client.ask("GET", "/v2/jobs", headers, &Body::None).status;
    assert_eq!(list(&[]), 200);
    assert_eq!(list(&[("host", "evil.example:80")]), 403);
    assert_eq!(list(&[("origin", "http://evil.example")]), 403);
    assert_eq!(list(&[("sec-fetch-site", "cross-site")]), 403);
    assert_eq!(list(&[("host", "localhost")]), 200);
}

#[test]
fn nothing_listens_beyond_loopback_without_authentication() {
    let home = Home::new();
    let output = home.run(&["serve", "--listen", "0.0.0.0:0"]);
    assert_ne!(output.code, 0);
    assert!(output.err.contains("loopback"), "{output:?}");
}

/// psik_api's configuration, both shapes, as it is.
#[test]
fn psik_api_configurations_are_accepted() {
    let home = Home::new();
    let nested = json!({"backends": {"default": {"prefix": home.path("p1"), "psik_path": "/x/psik", "rc_path": "/x/rc",
        "backend": {"type": "local"}}}, "authz": "local", "database_url": "sqlite://"});
    let flat = json!({"prefix": home.path("p2"), "backends": {"default": {"type": "local"}}, "authz": "local"});
    for (name, config) in [("p1", nested), ("p2", flat)] {
        let file = home.path(&format!("{name}.json"));
        fs::write(&file, config.to_string()).unwrap();
        let mut command: Command = home.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.env("PSIK_API_CONFIG", &file);
        let gateway = Gateway::spawn(&home, &mut command);
        let mut client = gateway.client();
        let jobid = client.submit("v1", &script("true"));
        client.wait_step("v1", &jobid, 1, &["completed"]);
        assert!(home.path(name).join(&jobid).join("spec.json").is_file());
    }
}

#[test]
fn a_unix_socket_alone_will_do() {
    let home = Home::new();
    let socket = home.path("only.sock");
    let _gateway = Gateway::start_with(&home, &["--uds", socket.to_str().unwrap()]);
    let mut client = Client::new(Address::Unix(socket));
    let jobid = client.submit("v2", &script("true"));
    client.wait_step("v2", &jobid, 1, &["completed"]);
}

/// systemd hands over a socket that is already open.
#[test]
fn sockets_passed_by_systemd() {
    let home = Home::new();
    let code = "import os,socket,sys\ns=socket.socket(); s.bind(('127.0.0.1',0)); s.listen()\nos.dup2(s.fileno(),3); \
                os.set_inheritable(3,True)\nos.environ.update(LISTEN_PID=str(os.getpid()),LISTEN_FDS='1')\n\
                print('passed',s.getsockname()[1],flush=True)\nos.execv(sys.argv[1],sys.argv[1:])";
    let mut command = home.program(Path::new("python3"));
    command.args(["-c", code]).arg(crate::fixture::binary()).arg("serve");
    let gateway = Gateway::spawn(&home, &mut command);
    assert!(gateway.log().contains(&format!("passed {}\n", gateway.address.port())), "{}", gateway.log());
    let jobid = gateway.client().submit("v2", &script("true"));
    gateway.client().wait_step("v2", &jobid, 1, &["completed"]);
}

#[test]
fn requests_have_ids_and_logs_have_no_secrets() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    let own = client.ask("GET", "/v2/jobs?limit=1&note=hush-query", &[("x-request-id", "from-a-proxy")], &Body::None);
    assert_eq!(own.header("x-request-id"), Some("from-a-proxy"));
    let given = client.get("/v2/jobs");
    assert!(given.header("x-request-id").is_some_and(|id| !id.is_empty()));
    let spec = json!({"script": "true", "cb_secret": "hush-one", "client_secret": "hush-two"}).to_string();
    let headers = [
        ("content-type", "application/json"),
        ("authorization", "Bearer hush-three"),
        ("idempotency-key", "hush-four"),
        ("x-request-id", "evil\tid with \"quotes\""),
    ];
    let answer = client.ask("POST", "/v2/jobs", &headers, &Body::Bytes(spec.as_bytes()));
    assert_eq!(answer.status, 200, "{}", answer.text());
    client.post("/v2/jobs", &json!({"script": 5, "cb_secret": "hush-five"}));
    let jobid = answer.json().as_str().unwrap().to_owned();
    client.wait_step("v2", &jobid, 1, &["completed"]);
    let log = gateway.log();
    assert!(log.contains("from-a-proxy") && log.contains("/v2/jobs"), "{log}");
    assert!(!log.contains("hush"), "{log}");
    for path in ["/metrics", "/v2/jobs", &format!("/v2/jobs/{jobid}"), &format!("/v2/jobs/{jobid}/scripts")] {
        assert!(!client.get(path).text().contains("hush"), "{path}");
    }
}

/// curl asks for permission (`Expect: 100-continue`) before it sends a large body.
#[test]
fn curl_uploads_something_large() {
    let Some(curl) = program("curl") else { return skip("curl is not installed") };
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let jobid = gateway.client().create("v2", &script("x"));
    let content: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(home.path("large"), &content).unwrap();
    let url = gateway.url(&format!("/v2/jobs/{jobid}/files"));
    let mut command = home.program(&curl);
    command.args(["-sS", "--fail-with-body", "-H", "Expect: 100-continue", "-F", "files=@large", &url]);
    assert_eq!(home::run(&mut command).out.trim(), "null");
    assert!(fs::read(home.job(&jobid, "work/large")).unwrap() == content, "it arrived changed");
}
