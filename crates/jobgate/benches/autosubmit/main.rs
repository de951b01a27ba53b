//! Our figures beside those of autosubmit_api 4.2.0, in the same run and on the same experiments.
//!
//! `cargo bench -p jobgate --bench autosubmit`. Options, after `--`: `--data DIR` experiments that are there already (with their
//! `.autosubmitrc`), else they are made by `autosubmit_make_fixture.sh` beside the checkout; `--quick` fewer requests;
//! `--no-original` only ours.
//!
//! What is shown is the CPU time of the server and of the programs that it runs, per request, one after the other, with files that do
//! not change: that does not depend on what else the machine does. Figures say what was seen; nothing is asserted.
#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a program that prints figures")]

#[expect(dead_code, unused_imports, reason = "shared with the tests, which use all of it")]
#[path = "../../tests/it/fixture/mod.rs"]
mod fixture;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fixture::http::{Address, Client};
use fixture::peer::Peer;
use fixture::{Home, root, wait_for};

/// Linux counts CPU time in hundredths of a second, whatever its own clock does.
const TICKS: u64 = 100;
const START: Duration = Duration::from_secs(120);

/// What is asked for: a small experiment that ran, and one of 3,700 jobs.
const REQUESTS: [&str; 26] = [
    "/",
    "/v4/experiments?only_active=false",
    "/v3/search/a",
    "/v4/experiments/a001",
    "/v4/experiments/a001/jobs",
    "/v4/experiments/a001/jobs/a001_20000101_fc0_1_SIM",
    "/v4/experiments/a001/filesystem-config",
    "/v4/experiments/a001/runs",
    "/v3/expinfo/a001",
    "/v3/cconfig/a001",
    "/v3/tree/a001",
    "/v3/graph/a001/standard/none",
    "/v3/graph/a001/laplacian/none",
    "/v3/performance/a001",
    "/v3/pkltreeinfo/a001/0",
    "/v3/stats/a001/0/Any",
    "/v3/runs/a001",
    "/v3/rundetail/a001/1",
    "/v3/history/a001/a001_20000101_fc0_1_SIM",
    "/v3/exprun/a001",
    "/v4/experiments/a003/jobs?page_size=50",
    "/v3/expcount/a003",
    "/v3/quick/a003",
    "/v3/summary/a003",
    "/v3/tree/a003",
    "/v3/graph/a003/standard/none",
];

/// A server with all of its processes; killed when dropped.
struct Server {
    child: Child,
    address: std::net::SocketAddr,
    started: Duration,
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(home: &Home, data: &Path, mut command: Command, name: &str) -> Self {
        let log = home.path(&format!("{name}.log"));
        let file = fs::File::create(&log).unwrap();
        command.args(["start", "--disable-bg-tasks", "-b", "127.0.0.1:0"]).process_group(0);
        command.env("AUTOSUBMIT_CONFIGURATION", data.join(".autosubmitrc")).env("PROTECTION_LEVEL", "NONE");
        command
            .env("USER", "root")
            .env("LOGNAME", "root")
            .env("TZ", "UTC")
            .env("SECRET_KEY", "0123456789abcdef".repeat(3));
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let began = Instant::now();
        let child = command.spawn().unwrap();
        let address = wait_for("the server to listen", START, || {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let (_, rest) = text.split_once("http://127.0.0.1:")?;
            let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
            let address = format!("127.0.0.1:{port}").parse().ok()?;
            Client::new(Address::Tcp(address))
                .request("GET", "/", &[], &fixture::http::Body::None)
                .ok()
                .map(|_| address)
        });
        Self { child, address, started: began.elapsed() }
    }

    /// All processes of the server's group.
    fn processes(&self) -> Vec<u32> {
        let group = self.child.id();
        let of = |entry: fs::DirEntry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            (stat(pid)?.get(2)?.parse::<u32>().ok()? == group).then_some(pid)
        };
        fs::read_dir("/proc").unwrap().flatten().filter_map(of).collect()
    }

    /// CPU time of all of them and of their children that ended.
    fn cpu(&self) -> Duration {
        let ticks = |pid: u32| stat(pid).map_or(0, |stat| (11..15).filter_map(|at| stat[at].parse::<u64>().ok()).sum());
        let all: u64 = self.processes().into_iter().map(ticks).sum();
        Duration::from_millis(all * 1000 / TICKS)
    }

    /// Memory of all of them together, each shared page counted once, in MiB.
    fn memory(&self) -> u64 {
        let of = |pid: u32| {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with("Pss:"));
            line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0)
        };
        self.processes().into_iter().map(of).sum::<u64>() / 1024
    }

    /// CPU milliseconds per request, and bytes of the answer.
    fn measure(&self, path: &str, least: Duration, most: usize) -> (f64, usize) {
        let mut client = Client::new(Address::Tcp(self.address));
        let bytes = client.get(path).text().len();
        let (before, mut count) = (self.cpu(), 0);
        let began = Instant::now();
        while count == 0 || (count < most && began.elapsed() < least) {
            client.get(path);
            count += 1;
        }
        let used = self.cpu().saturating_sub(before);
        (used.as_secs_f64() * 1000.0 / count as f64, bytes)
    }
}

/// The fields of a process's status behind its name.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

fn make(home: &Home, peer: &Peer) -> PathBuf {
    let data = home.path("experiments");
    let script = root().join("../shared/tools/autosubmit_make_fixture.sh");
    let mut command = Command::new("bash");
    command
        .arg(script)
        .arg(&data)
        .arg(peer.bin().parent().unwrap())
        .env("BIG", "1")
        .env_remove("AUTOSUBMIT_CONFIGURATION");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    data
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let given = arguments.iter().position(|argument| argument == "--data").and_then(|at| arguments.get(at + 1));
    let Some(peer) = Peer::get("autosubmit") else { return };
    let home = Home::new();
    let data = given.map_or_else(|| make(&home, &peer), PathBuf::from);
    let time = Duration::from_secs(if has("--quick") { 1 } else { 3 });
    println!("load before: {}", fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    let ours = Server::start(&home, &data, home.command(&["autosubmit"]), "ours");
    let theirs =
        (!has("--no-original")).then(|| Server::start(&home, &data, peer.command(&home, "autosubmit_api"), "theirs"));
    let show = |ours: String, theirs: Option<String>, times: String| {
        println!("{ours:>12} {:>14} {times:>9}", theirs.unwrap_or_else(|| "-".into()));
    };
    print!("{:<52}", "CPU milliseconds per request");
    show("jobgate".into(), theirs.as_ref().map(|_| "autosubmit_api".into()), "times".into());
    for path in REQUESTS {
        print!("{path:<52}");
        let (we, _) = ours.measure(path, time, 2000);
        let they = theirs.as_ref().map(|server| server.measure(path, time, 30).0);
        let times = they.filter(|_| we > 0.0).map_or_else(|| "-".to_owned(), |they| format!("{:.0}", they / we));
        show(format!("{we:.3}"), they.map(|they| format!("{they:.1}")), times);
    }
    print!("{:<52}", "memory afterwards, MiB");
    show(ours.memory().to_string(), theirs.as_ref().map(|server| server.memory().to_string()), String::new());
    print!("{:<52}", "milliseconds until the first answer");
    let ms = |server: &Server| server.started.as_millis().to_string();
    show(ms(&ours), theirs.as_ref().map(ms), String::new());
}
