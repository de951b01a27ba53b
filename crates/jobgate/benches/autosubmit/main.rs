//! Our figures beside those of autosubmit_api 4.2.0, in the same run and on the same experiments.
//!
//! `cargo bench -p jobgate --bench autosubmit`. Options, after `--`: `--data DIR` experiments that are there already (with their
//! `.autosubmitrc`), else they are made by `autosubmit_make_fixture.sh` beside the checkout; `--quick` fewer requests;
//! `--no-original` only ours.
//!
//! What is shown is the CPU time of the server and of the programs that it runs, per request, one after the other: that depends little
//! on what else the machine does. First what the least server there can be costs (`floor.rs`), with files that do not change; then with
//! files that change before each request, so that both servers have to read them; then the listings of a site of 1,000 experiments.
//! Figures say what was seen; nothing is asserted.
#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a program that prints figures")]

#[expect(dead_code, unused_imports, reason = "shared with the tests, which use all of it")]
#[path = "../../tests/it/fixture/mod.rs"]
mod fixture;
mod floor;
mod server;
#[path = "../../../autosubmit/examples/large/site.rs"]
mod site;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use fixture::peer::Peer;
use fixture::{Home, root};
use server::Server;

/// What is asked for: all views of a small experiment that ran, and those of one with 3,700 jobs that cost something.
const REQUESTS: [&str; 45] = [
    "/",
    "/v4/experiments?only_active=false",
    "/v3/search/a",
    "/v3/running/",
    "/v4/experiments/a001",
    "/v4/experiments/a001/jobs",
    "/v4/experiments/a001/jobs/a001_20000101_fc0_1_SIM",
    "/v4/experiments/a001/jobs/a001_20000101_fc0_1_SIM/parents",
    "/v4/experiments/a001/jobs/a001_20000101_fc0_1_SIM/children",
    "/v4/experiments/a001/wrappers",
    "/v4/experiments/a001/filesystem-config",
    "/v4/experiments/a001/runs",
    "/v4/experiments/a001/runs/1/config",
    "/v4/experiments/a001/user-metrics-runs",
    "/v4/experiments/a001/eta?section=SIM",
    "/v3/expinfo/a001",
    "/v3/expcount/a001",
    "/v3/ifrun/a001",
    "/v3/cconfig/a001",
    "/v3/quick/a001",
    "/v3/summary/a001",
    "/v3/tree/a001",
    "/v3/graph/a001/standard/none",
    "/v3/graph/a001/laplacian/none",
    "/v3/performance/a001",
    "/v3/pklinfo/a001/0",
    "/v3/pkltreeinfo/a001/0",
    "/v3/stats/a001/0/Any",
    "/v3/runs/a001",
    "/v3/rundetail/a001/1",
    "/v3/history/a001/a001_20000101_fc0_1_SIM",
    "/v3/exprun/a001",
    "/v3/logrun/a001",
    "/v3/exp-recovery-logs/a001",
    "/v4/experiments/a003/jobs",
    "/v4/experiments/a003/jobs?page_size=50",
    "/v3/expinfo/a003",
    "/v3/expcount/a003",
    "/v3/quick/a003",
    "/v3/summary/a003",
    "/v3/performance/a003",
    "/v3/tree/a003",
    "/v3/pkltreeinfo/a003/0",
    "/v3/graph/a003/standard/none",
    "/v3/stats/a003/0/Any",
];

/// What is asked for when there are a thousand experiments.
const LISTINGS: [&str; 4] = ["/v3/search/a", "/v3/search/a0042", "/v3/running/", "/v4/experiments?only_active=false"];
const EXPERIMENTS: i64 = 1000;

/// Requests of one kind to a server that needs little for them.
const MOST: u32 = 3000;

/// Starts that are measured.
const STARTS: usize = 11;

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

/// All files of a site, or those of one experiment and of all together.
fn files_of(data: &Path, expid: Option<&str>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![data.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            let is_its = expid.is_none_or(|expid| path.to_string_lossy().contains(expid));
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && (folder == data || is_its) {
                found.push(path);
            }
        }
    }
    found
}

/// Makes files look as if they had been written just now.
fn touch(files: &[PathBuf]) {
    let now = SystemTime::now();
    for path in files {
        fs::File::open(path).and_then(|file| file.set_modified(now)).unwrap();
    }
}

/// Our server and theirs, on the same experiments.
struct Pair {
    ours: Server,
    theirs: Option<Server>,
    time: Duration,
}

impl Pair {
    fn title(&self, what: &str) {
        println!();
        show(what, "jobgate", self.theirs.as_ref().map(|_| "autosubmit_api"), "times");
    }

    /// Ours first and then theirs, whose server writes to the site now and then.
    fn compare(&self, paths: &[&str], before: impl Fn(&str)) {
        let measure = |server: &Server, most: u32| -> Vec<f64> {
            paths.iter().map(|path| server.measure(path, (self.time, most), || before(path))).collect()
        };
        let ours = measure(&self.ours, MOST);
        let theirs = self.theirs.as_ref().map(|server| measure(server, 30));
        for (place, path) in paths.iter().enumerate() {
            let (ours, theirs) = (ours[place], theirs.as_ref().map(|theirs| theirs[place]));
            let times =
                theirs.filter(|_| ours > 0.0).map_or_else(|| "-".to_owned(), |theirs| format!("{:.0}", theirs / ours));
            show(path, &format!("{ours:.4}"), theirs.map(|ms| format!("{ms:.2}")).as_deref(), &times);
        }
    }

    fn memory(&self, what: &str) {
        let theirs = self.theirs.as_ref().map(|server| server.memory().to_string());
        show(what, &self.ours.memory().to_string(), theirs.as_deref(), "");
    }
}

fn show(what: &str, ours: &str, theirs: Option<&str>, times: &str) {
    println!("{what:<54}{ours:>12} {:>14} {times:>9}", theirs.unwrap_or("-"));
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == floor::WORD) {
        return floor::serve();
    }
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let given = arguments.iter().position(|argument| argument == "--data").and_then(|at| arguments.get(at + 1));
    let Some(peer) = Peer::get("autosubmit") else { return };
    let home = Home::new();
    let data = given.map_or_else(|| make(&home, &peer), PathBuf::from);
    let time = Duration::from_secs(if has("--quick") { 1 } else { 3 });
    let both = |data: &Path, name: &str| Pair {
        ours: Server::start(&home, data, home.command(&["autosubmit"]), &format!("ours-{name}")),
        theirs: (!has("--no-original"))
            .then(|| Server::start(&home, data, peer.command(&home, "autosubmit_api"), &format!("theirs-{name}"))),
        time,
    };
    println!("load before: {}", fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());

    let pair = both(&data, "small");
    pair.memory("memory after the start, MiB");
    pair.title("CPU ms per request, files that do not change");
    pair.ours.settle("/");
    let least = floor::start(&home, &data).measure("/", (time, MOST), || ());
    show("the least that any server costs here", &format!("{least:.4}"), None, "");
    pair.compare(&REQUESTS, |_| ());
    pair.memory("memory afterwards, MiB");
    pair.title("CPU ms per request, files that changed just before");
    let [all, small, large] = [None, Some("a001"), Some("a003")].map(|expid| files_of(&data, expid));
    pair.compare(&REQUESTS[1..], |path| match path {
        path if path.contains("a001") => touch(&small),
        path if path.contains("a003") => touch(&large),
        _ => touch(&all),
    });
    pair.memory("memory afterwards, MiB");
    drop(pair);

    let many = home.path("many");
    fs::create_dir(&many).unwrap();
    site::make(&many, EXPERIMENTS - 1, (10, 20));
    let pair = both(&many, "many");
    pair.title(&format!("CPU ms per request, {EXPERIMENTS} experiments that do not change"));
    pair.ours.settle("/");
    pair.compare(&LISTINGS, |_| ());
    pair.title(&format!("CPU ms per request, {EXPERIMENTS} experiments that changed just before"));
    let all = files_of(&many, None);
    pair.compare(&LISTINGS, |_| touch(&all));
    pair.memory("memory afterwards, MiB");
    drop(pair);

    let starts = |command: &dyn Fn() -> Command| {
        let mut all: Vec<_> = (0..STARTS).map(|_| Server::start(&home, &data, command(), "start").started).collect();
        all.sort();
        let ms = |time: Duration| format!("{:.0}", time.as_secs_f64() * 1000.0);
        format!("{} ({})", ms(all[STARTS / 2]), ms(all[0]))
    };
    let ours = starts(&|| home.command(&["autosubmit"]));
    let theirs = (!has("--no-original")).then(|| starts(&|| peer.command(&home, "autosubmit_api")));
    println!();
    show("milliseconds until the first answer: median (least)", &ours, theirs.as_deref(), "");
}
