//! What is broken in the originals, by the numbers of the list of their defects, tried on us. What is tried elsewhere:
//! 2 and 11 (`rest`: signatures over the exact bytes, redirects), 10 (`hostile`: names that climb), 20 (`hostile`: memory),
//! 22 (`peers`: stores of psik 1; `rest`: its configuration). 26 and 27 are about Python.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fixture::gateway::script;
use crate::fixture::home::run;
use crate::fixture::http::{Address, Body};
use crate::fixture::{Client, Gateway, Home, Listener, SOON, alive, is_root, program, skip, stand_in, stays, wait_for};

/// A home whose jobs go to a stand-in for Slurm that notes its arguments.
fn slurm_home(settings: &str, sbatch: &str) -> Home {
    let home = Home::with_settings(&format!("[backends.default]\ntype = \"slurm\"\n{settings}"));
    let bin = home.path("bin");
    let note = format!("printf '%s\\n' \"$@\" > {}/args; cat > {0}/script", home.path("").display());
    stand_in(&bin, "sbatch", if sbatch.is_empty() { "echo no >&2; exit 1" } else { &note });
    if !sbatch.is_empty() {
        stand_in(&bin, "sbatch", &format!("{note}; {sbatch}"));
    }
    for name in ["squeue", "sacct", "scancel", "scontrol"] {
        stand_in(&bin, name, "");
    }
    home
}

fn with_bin(home: &Home, command: &mut Command) {
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", home.path("bin").display()));
}

fn slurm_gateway(home: &Home) -> Gateway {
    let mut command = home.command(&["serve", "--listen", "127.0.0.1:0"]);
    with_bin(home, &mut command);
    Gateway::spawn(home, &mut command)
}

#[test]
fn d01_secrets_are_what_the_user_gave() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    for version in ["v1", "v2"] {
        let jobid = gateway.client().create(version, &json!({"script": "x", "cb_secret": "real-one"}));
        assert!(home.read(&jobid, "spec.json").contains("real-one"));
        assert!(!home.read(&jobid, "spec.json").contains("****"));
    }
}

#[test]
fn d03_readers_cost_no_transition() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    for _ in 0..5 {
        let jobid = client.submit("v1", &script("sleep 0.05"));
        let readers: Vec<_> = (0..6)
            .map(|_| {
                let (mut client, path) = (gateway.client(), format!("/v1/jobs/{jobid}"));
                std::thread::spawn(move || {
                    wait_for("the end of the job", SOON, || {
                        let answer = client.get(&path);
                        assert_eq!(answer.status, 200, "{}", answer.text());
                        answer.text().contains("completed").then_some(())
                    });
                })
            })
            .collect();
        for reader in readers {
            reader.join().unwrap();
        }
        let states: Vec<String> = client.history("v1", &jobid).into_iter().map(|step| step.1).collect();
        assert_eq!(states, ["new", "queued", "active", "completed"]);
    }
}

#[test]
fn d04_concurrent_writers_lose_no_row() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let jobid = gateway.client().create("v2", &script("x"));
    let base = home.job(&jobid, "");
    let by_command: Vec<_> = (0..20)
        .map(|ndx| {
            home.command(&["reached", base.to_str().unwrap(), &ndx.to_string(), "active", "long info, with commas"])
                .spawn()
                .unwrap()
        })
        .collect();
    let by_rest: Vec<_> = (100..140)
        .map(|ndx| {
            let (mut client, body) =
                (gateway.client(), json!({"jobid": jobid, "jobndx": ndx, "state": "active", "info": 1}));
            std::thread::spawn(move || client.post("/v2/jobs/callback", &body).json())
        })
        .collect();
    for mut child in by_command {
        assert!(child.wait().unwrap().success());
    }
    for answer in by_rest {
        assert_eq!(answer.join().unwrap(), "OK");
    }
    let mut seen: Vec<i64> = home.rows(&jobid).iter().skip(1).map(|row| row.ndx).collect();
    assert_eq!(home.read(&jobid, "status.csv").lines().count(), 61);
    let times: Vec<f64> = home.rows(&jobid).iter().map(|row| row.time).collect();
    assert!(times.is_sorted(), "rows out of order: {}", home.read(&jobid, "status.csv"));
    seen.sort_unstable();
    assert_eq!(seen, (0..20).chain(100..140).collect::<Vec<i64>>());
    let mut client = gateway.client();
    wait_for("the index to have all of them", SOON, || (client.history("v2", &jobid).len() == 61).then_some(()));
}

#[test]
fn d05_d06_cancel_works_though_its_callback_cannot_be_reached() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    let spec = json!({"script": "sleep 600 & echo $!; wait", "callback": "http://127.0.0.1:9/none"});
    let jobid = client.submit("v1", &spec);
    let pid = wait_for("the script's child", SOON, || home.read(&jobid, "log/stdout.1").trim().parse().ok());
    client.delete(&format!("/v1/jobs/{jobid}"));
    wait_for("the child to be gone", SOON, || (!alive(pid)).then_some(()));
    client.wait_step("v1", &jobid, 0, &["canceled"]);
    assert!(home.steps(&jobid).contains(&(1, "canceled".into())));
}

#[test]
fn d07_no_signal_goes_to_a_recycled_pid() {
    let home = Home::new();
    let jobid = home.submit(&json!({"script": "sleep 600"}));
    let pid = home.wait_row(&jobid, 1, &["queued"]).info;
    home.wait_row(&jobid, 1, &["active"]);
    home.ok(&["cancel", &jobid]);
    let mut innocent = Command::new("sleep").arg("600").spawn().unwrap();
    let text =
        home.read(&jobid, "status.csv").replace(&format!(",queued,{pid}"), &format!(",queued,{}", innocent.id()));
    // without its end, as if it still ran
    let text: Vec<&str> = text.lines().filter(|line| !line.contains("canceled")).collect();
    fs::write(home.job(&jobid, "status.csv"), format!("{}\n", text.join("\n"))).unwrap();
    home.run(&["cancel", &jobid]);
    home.ok(&["reindex"]);
    home.run(&["cancel", &jobid]);
    stays("the innocent process lives", Duration::from_millis(500), || alive(innocent.id()));
    innocent.kill().unwrap();
    innocent.wait().unwrap();
}

/// Somebody tells us that a job is queued as process n: that is no leave to signal n, even if n is young enough.
#[test]
fn d07_what_callbacks_say_is_not_signalled() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    let jobid = client.create("v2", &script("x"));
    let mut innocent = Command::new("sleep").arg("600").spawn().unwrap();
    let body = json!({"jobid": jobid, "jobndx": 1, "state": "queued", "info": innocent.id()});
    assert_eq!(client.post("/v2/jobs/callback", &body).json(), "OK");
    assert_eq!(client.delete(&format!("/v2/jobs/{jobid}")).status, 200);
    home.run(&["cancel", &jobid]);
    stays("the innocent process lives", Duration::from_millis(500), || alive(innocent.id()));
    innocent.kill().unwrap();
    innocent.wait().unwrap();
}

#[test]
fn d08_no_header_is_missed() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    client.headers = vec![("host".into(), gateway.address.to_string())];
    let jobid = client.submit("v1", &script("true"));
    client.wait_step("v1", &jobid, 1, &["completed"]);
}

#[test]
fn d09_other_users_are_refused() {
    let (Some(setpriv), Some(curl)) = (program("setpriv"), program("curl")) else {
        return skip("needs setpriv and curl");
    };
    if !is_root() {
        return skip("only root can try as somebody else");
    }
    let home = Home::new();
    let socket = home.path("gate.sock");
    let _gateway = Gateway::start_with(&home, &["--uds", socket.to_str().unwrap()]);
    let open = |path: &Path| fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    open(&home.path(""));
    let ask = || {
        let mut command = home.program(&setpriv);
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&curl);
        command.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket"]).arg(&socket);
        run(command.arg("http://localhost/v2/jobs")).out
    };
    assert_eq!(ask(), "000", "the socket lets others connect");
    // and if its mode were opened: who asks is seen
    open(&socket);
    assert_eq!(ask(), "403");
    assert_eq!(Client::new(Address::Unix(socket)).get("/v2/jobs").status, 200);
}

#[test]
fn d10_callbacks_cannot_name_another_job() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    let (one, other) =
        (client.create("v1", &script("x")), client.create("v1", &json!({"script": "x", "client_secret": "s"})));
    let body = json!({"jobid": format!("{one}/../{other}"), "jobndx": 1, "state": "completed"});
    assert_eq!(client.post("/v1/jobs/callback", &body).status, 400);
    assert_eq!(client.post("/v2/jobs/callback", &body).status, 422);
    assert_eq!((home.rows(&one).len(), home.rows(&other).len()), (1, 1));
}

#[test]
fn d12_nothing_reaches_a_shell_as_text() {
    let home = slurm_home("", "echo Submitted batch job 42");
    let gateway = slurm_gateway(&home);
    let mut client = gateway.client();
    let name = "x'; touch pwned; \"$(touch pwned)\"\n#SBATCH --uid=0";
    let spec = json!({"name": name, "script": "env", "environment": {"A": "b c"}, "attributes": {"--comment": "a; touch pwned"}});
    let jobid = client.submit("v2", &spec);
    let step = client.wait_step("v2", &jobid, 1, &["queued", "failed"]);
    assert_eq!((step.1.as_str(), step.2), ("queued", 42), "{}", home.read(&jobid, "log/console"));
    let arguments = fs::read_to_string(home.path("args")).unwrap();
    assert!(arguments.contains("touch pwned"), "the name is an argument of its own: {arguments}");
    assert!(!fs::read_to_string(home.path("script")).unwrap().contains("pwned"));
    assert!(!home.path("pwned").exists() && !home.job(&jobid, "work/pwned").exists());
}

#[test]
fn d13_commands_take_ids_and_not_paths() {
    let home = Home::new();
    let jobid = home.create(&json!({"script": "x"}));
    let victim = home.path("victim");
    fs::create_dir(&victim).unwrap();
    for bad in ["", ".", "..", "../victim", victim.to_str().unwrap(), &format!("{jobid}/work"), "1.2/../../victim"] {
        for command in ["rm", "start", "cancel", "status", "poll"] {
            let output = home.run(&[command, bad]);
            assert_ne!(output.code, 0, "{command} {bad:?}: {output:?}");
        }
    }
    assert_ne!(home.run(&["hot-start", "../esc", "1", "{\"script\":\"true\"}"]).code, 0);
    assert!(victim.is_dir() && home.prefix.join(&jobid).join("work").is_dir() && !home.path("esc").exists());
    let many: Vec<String> = std::iter::once("rm".to_owned()).chain((0..256).map(|n| format!("{n}.001"))).collect();
    assert_ne!(home.run(&many).code, 0, "256 failures are no success");
}

#[test]
fn d14_jobs_inherit_no_descriptor() {
    let home = Home::new();
    let mut gateway = Gateway::start(&home);
    let jobid = gateway.client().submit("v2", &script("ls -l /proc/self/fd; sleep 600"));
    let pid = home.wait_row(&jobid, 1, &["queued"]).info;
    home.wait_row(&jobid, 1, &["active"]);
    let listing =
        wait_for("the listing", SOON, || Some(home.read(&jobid, "log/stdout.1")).filter(|text| text.contains("0 ->")));
    assert!(!listing.contains("socket:"), "{listing}");
    let sockets = |pid: &str| -> Vec<_> {
        let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
        let targets = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
        targets.filter(|target| target.to_string_lossy().contains("socket:[")).collect()
    };
    let (of_server, of_runner) = (sockets(&gateway.child.id().to_string()), sockets(&pid));
    assert!(!of_server.is_empty());
    assert!(of_runner.iter().all(|socket| !of_server.contains(socket)), "{of_runner:?} of {of_server:?}");
    let address = gateway.address;
    gateway.kill();
    std::net::TcpListener::bind(address).expect("the port is free once the server is gone");
}

#[test]
fn d15_simultaneous_starts_are_distinct_runs() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let jobid = gateway.client().create("v2", &script("echo $jobndx"));
    let by_command: Vec<_> =
        (0..4).map(|_| home.command(&["start", &jobid]).stdout(std::process::Stdio::null()).spawn().unwrap()).collect();
    let by_rest: Vec<_> = (0..4)
        .map(|_| {
            let (mut client, path) = (gateway.client(), format!("/v2/jobs/{jobid}/start"));
            std::thread::spawn(move || client.post(&path, &Value::Null).status)
        })
        .collect();
    for mut child in by_command {
        assert!(child.wait().unwrap().success());
    }
    for answer in by_rest {
        assert_eq!(answer.join().unwrap(), 200);
    }
    for ndx in 1..=8 {
        home.wait_row(&jobid, ndx, &["completed"]);
        assert_eq!(home.read(&jobid, &format!("log/stdout.{ndx}")), format!("{ndx}\n"));
    }
    assert_eq!(home.rows(&jobid).len(), 1 + 8 * 3, "{:#?}", home.rows(&jobid));
}

#[test]
fn d16_a_terminated_runner_leaves_a_final_row() {
    let home = Home::new();
    for signal in ["-TERM", "-INT"] {
        let jobid = home.submit(&json!({"script": "sleep 600 & echo $!; wait"}));
        let pid = home.wait_row(&jobid, 1, &["queued"]).info;
        let child = wait_for("the script's child", SOON, || home.read(&jobid, "log/stdout.1").trim().parse().ok());
        run(Command::new("kill").args([signal, &pid]));
        home.wait_row(&jobid, 1, &["canceled", "failed"]);
        wait_for("the child to be gone", SOON, || (!alive(child)).then_some(()));
    }
}

#[test]
fn d17_a_hot_started_job_can_be_canceled() {
    let home = Home::new();
    assert_eq!(home.run(&["hot-start", "7.7", "1", "{\"script\":\"exit 4\"}"]).code, 4);
    home.ok(&["cancel", "7.7"]);
    home.ok(&["status", "7.7"]);
}

/// `scancel` tells a job's processes one after the other to stop: the script, which ends by itself then, may be the first.
#[test]
fn a_script_that_slurm_has_stopped_is_not_completed() {
    let home = Home::new();
    // as soon as it has ended
    let told = "(until read -r is < /proc/$$/stat; [[ $is == *') Z '* ]]; do :; done; kill -TERM $PPID) & exit 0";
    let slurm = Some(("SLURM_JOB_ID", "5"));
    for (jobid, script, variable, code) in
        [("7.1", told, slurm, 128 + 15), ("7.2", "exit 0", slurm, 0), ("7.3", told, None, 0)]
    {
        let spec = json!({ "script": script }).to_string();
        let mut command = home.command(&["hot-start", jobid, "1", &spec]);
        assert_eq!(run(command.envs(variable)).code, code, "{jobid}");
    }
}

#[test]
fn d18_one_odd_job_breaks_no_list() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    let good =
        client.submit("v1", &script("printf '\\377\\376bin'; mkdir \"$base/log/sub\"; ln -s /nonexistent dangling"));
    client.wait_step("v1", &good, 1, &["completed"]);
    let odd = client.create("v1", &script("x"));
    fs::write(home.job(&odd, "status.csv"), "").unwrap();
    fs::create_dir(home.prefix.join("no-number")).unwrap();
    for version in ["v1", "v2"] {
        let list = client.get(&format!("/{version}/jobs"));
        assert_eq!(list.status, 200);
        assert!(list.text().contains(&good));
        for part in ["", "/state", "/logs", "/files", "/files/dangling", "/scripts"] {
            for job in [&good, &odd] {
                let answer = client.get(&format!("/{version}/jobs/{job}{part}"));
                assert!(answer.status < 500, "{job}{part}: {} {}", answer.status, answer.text());
            }
        }
    }
    let told = client.create("v1", &json!({"script": "x", "callback": "http://127.0.0.1:9/none"}));
    let body = json!({"jobid": told, "jobndx": 1, "state": "active", "info": 1});
    assert_eq!(client.post("/v1/jobs/callback", &body).json(), "ERROR");
    assert_eq!(home.rows(&told).len(), 2);
}

#[test]
fn d19_a_refused_submission_is_seen() {
    let home = slurm_home("", "");
    let gateway = slurm_gateway(&home);
    let mut client = gateway.client();
    let jobid = client.submit("v2", &script("true"));
    client.wait_step("v2", &jobid, 1, &["failed"]);
    assert_eq!(client.get(&format!("/v2/jobs/{jobid}/state")).json(), "failed");
    assert!(home.rows(&jobid).last().unwrap().info.contains("no") || home.read(&jobid, "log/console").contains("no"));
}

#[test]
fn d21_reached_writes_only_into_jobs() {
    let home = Home::new();
    fs::create_dir_all(home.path("stray/log")).unwrap();
    let stray = home.path("stray");
    assert_eq!(home.run(&["reached", stray.to_str().unwrap(), "1", "active"]).code, 1);
    assert!(!home.path("stray/status.csv").exists());
    let jobid = home.create(&json!({"script": "x"}));
    home.ok(&["reached", home.job(&jobid, "").to_str().unwrap(), "1", "active", "a\nb\r\nc"]);
    assert!(home.read(&jobid, "status.csv").lines().all(|line| line.split(',').count() >= 4));
    assert_eq!(home.rows(&jobid).len(), 2);
}

#[test]
fn d23_what_has_ended_stays_ended() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    let jobid = client.submit("v2", &script("true"));
    client.wait_step("v2", &jobid, 1, &["completed"]);
    assert_eq!(client.delete(&format!("/v2/jobs/{jobid}")).json(), Value::Null);
    home.ok(&["cancel", &jobid]);
    stays("it is completed", Duration::from_millis(300), || {
        client.get(&format!("/v2/jobs/{jobid}/state")).json() == "completed"
    });
    assert_eq!(home.rows(&jobid).len(), 4);
}

#[test]
fn d24_headers_and_reservations_arrive() {
    let home = slurm_home("reservation_id = \"maint\"\n", "echo Submitted batch job 42");
    let listener = Listener::start();
    let gateway = slurm_gateway(&home);
    let mut client = gateway.client();
    let spec =
        json!({"script": "true", "callback": format!("{}/cb", listener.url), "attributes": {"psik_python": "/x/py"}});
    let jobid = client.submit("v2", &spec);
    wait_for("the callback", SOON, || (!listener.of(&jobid).is_empty()).then_some(()));
    let arguments = fs::read_to_string(home.path("args")).unwrap();
    assert!(arguments.contains("--reservation\nmaint\n") || arguments.contains("--reservation=maint"), "{arguments}");
    assert!(!arguments.contains("psik_python"), "{arguments}");
    let local = Home::new();
    let spec = json!({"script": "true", "callback": format!("{}/cb", listener.url), "cb_headers": {"X-Tok": "abc"}});
    let jobid = local.submit(&spec);
    let call = wait_for("the callback", SOON, || listener.of(&jobid).pop());
    assert_eq!(call.header("x-tok"), Some("abc"));
}

#[test]
fn d25_environment_duration_and_exit_code_count() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    let spec = json!({"script": "env; exit 7", "environment": {"FOO": "bar"}, "inherit_environment": false});
    let jobid = client.submit("v1", &spec);
    assert_eq!(client.wait_step("v1", &jobid, 1, &["failed"]).2, 7);
    let out = home.read(&jobid, "log/stdout.1");
    assert!(out.contains("FOO=bar\n") && !out.contains("XDG_STATE_HOME"), "{out}");
    let jobid = client.submit("v1", &json!({"script": "sleep 600", "resources": {"duration": 0}}));
    assert_eq!(client.wait_step("v1", &jobid, 1, &["failed"]).2, 9);
    assert!(home.read(&jobid, "log/console").contains("timed out"));
    let bare = client.ask("GET", "/v1/jobs", &[], &Body::None);
    assert_eq!(bare.status, 200);
}
