//! Autosubmit's dialect beside the original: autosubmit_api 4.2.0 and real experiments, both from PyPI, and a checker that asks
//! both servers the same hundreds of questions. The tools live beside the checkout, in `../shared/tools`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::fixture::peer::{Original, Peer};
use crate::fixture::{Gateway, Home, program, root, skip};

/// Where we differ on purpose: what a request begins with, and why. docs/autosubmit.md says the same to users.
const DIFFERENCES: [(&str, &str); 4] = [
    (
        "GET /v4/experiments/{unknown}/filesystem-config",
        "an unknown experiment is not found (404) and no error of ours (500)",
    ),
    ("GET /v4/experiments/{unknown}/runs", "the same"),
    ("GET /v4/experiments/{unknown}/runs/999999/user-metrics", "the same"),
    ("GET /v3/joblog/..", "a name that leads out of the experiments is refused before a path is made of it"),
];
/// Experiments that chance makes: one of each version, and each with something that no other has.
const SEEDS: [&str; 7] = ["28", "8", "23", "17", "11", "5", "34"];
/// Expids that the checker makes up.
const UNKNOWN: [&str; 2] = ["zzzz", "a_b"];
const SECRET: &str = "a secret that both servers know, and nobody else";

fn tool(name: &str) -> Option<PathBuf> {
    let path = root().join("../shared/tools").join(name);
    if !path.is_file() {
        skip(&format!("../shared/tools/{name} is not beside this checkout"));
        return None;
    }
    Some(path)
}

/// The variables that both servers read.
fn variables(data: &Path, level: &str) -> Vec<(&'static str, String)> {
    vec![
        ("AUTOSUBMIT_CONFIGURATION", data.join(".autosubmitrc").to_string_lossy().into_owned()),
        ("PROTECTION_LEVEL", level.to_owned()),
        ("SECRET_KEY", SECRET.to_owned()),
        ("USER", "root".into()),
        ("LOGNAME", "root".into()),
        ("TZ", "UTC".into()),
    ]
}

fn ours(home: &Home, data: &Path, level: &str) -> Gateway {
    let mut command = home.command(&["autosubmit", "start", "--disable-bg-tasks", "-b", "127.0.0.1:0"]);
    Gateway::spawn(home, command.envs(variables(data, level)))
}

/// Experiments of the real Autosubmit. Nothing where they cannot be had.
fn experiments(home: &Home, peer: &Peer, script: &Path) -> Option<PathBuf> {
    for name in ["sqlite3", "dot"] {
        if program(name).is_none() {
            skip(&format!("there is no {name}"));
            return None;
        }
    }
    let data = home.path("experiments");
    let log = home.path("fixture.log");
    let file = fs::File::create(&log).unwrap();
    let mut command = Command::new("bash");
    command.arg(script).arg(&data).arg(peer.bin().parent().unwrap()).env_remove("AUTOSUBMIT_CONFIGURATION");
    let status = command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file).status().unwrap();
    assert!(status.success(), "the experiments were not made: {}", fs::read_to_string(&log).unwrap());
    // and those that it does not make
    let mut command = peer.command(home, "python3");
    command.arg(root().join("tests/experiments")).arg(&data).arg(peer.bin().parent().unwrap()).args(SEEDS);
    let file = fs::File::create(&log).unwrap();
    let status = command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file).status().unwrap();
    assert!(status.success(), "the experiments were not made: {}", fs::read_to_string(&log).unwrap());
    Some(data)
}

/// Runs the checker; gives the requests in which the two differ, and how many agree.
fn compare(home: &Home, tools: &Peer, checker: &Path, arguments: &[&str]) -> (Vec<String>, String) {
    let log = home.path("checker.log");
    let file = fs::File::create(&log).unwrap();
    let mut command = tools.command(home, "python");
    command.arg(checker).args(arguments).stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
    command.status().unwrap();
    let text = fs::read_to_string(&log).unwrap();
    let failed = text.lines().filter_map(|line| line.strip_prefix("FAIL ")).map(str::to_owned).collect();
    (failed, text)
}

fn is_known(line: &str) -> bool {
    // the checker adds the kind of the credentials
    let line = line.split(" [").next().unwrap_or_default();
    DIFFERENCES.iter().any(|(begin, _)| {
        UNKNOWN.iter().any(|expid| {
            let begin = begin.replace("{unknown}", expid);
            line == begin || (begin.ends_with("..") && line.starts_with(&begin))
        })
    })
}

#[test]
fn both_servers_say_the_same() {
    let Some(peer) = Peer::get("autosubmit") else { return };
    let Some(tools) = Peer::get("tools") else { return };
    let (Some(script), Some(checker)) = (tool("autosubmit_make_fixture.sh"), tool("autosubmit_diff.py")) else {
        return;
    };
    let home = Home::new();
    let Some(data) = experiments(&home, &peer, &script) else { return };
    let folder = data.to_string_lossy().into_owned();
    {
        let original = Original::start(&home, &peer, &variables(&data, "NONE"));
        let gateway = ours(&home, &data, "NONE");
        let arguments = ["--data", &folder, "--ref", &original.url, "--cand", &gateway.url("")];
        let (failed, text) = compare(&home, &tools, &checker, &arguments);
        let wrong: Vec<&String> = failed.iter().filter(|line| !is_known(line)).collect();
        assert!(wrong.is_empty(), "{wrong:#?}\n{text}");
        let last = text.lines().last().unwrap_or_default();
        let passed: usize = last.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0);
        assert!(passed > 700, "only {last}");
    }
    // who may ask, with the same tokens
    let original = Original::start(&home, &peer, &variables(&data, "ALL"));
    let gateway = ours(&home, &data, "ALL");
    let (reference, candidate) = (original.url.clone(), gateway.url(""));
    let arguments = ["--data", &folder, "--ref", &reference, "--cand", &candidate, "--auth", "--secret", SECRET];
    let (failed, text) = compare(&home, &tools, &checker, &arguments);
    assert!(failed.iter().all(|line| is_known(line)), "{text}");
}

/// An experiment with a pickled list of one job, and what else a test says.
fn site(home: &Home) -> PathBuf {
    let data = home.path("site");
    for folder in
        ["a000/conf", "a000/pkl", "a000/tmp/LOG_a000", "a000/tmp/ASLOGS", "metadata/data", "metadata/structures"]
    {
        fs::create_dir_all(data.join(folder)).unwrap();
    }
    let path = data.display();
    let rc = format!(
        "[database]\npath = {path}\n[local]\npath = {path}\n[structures]\npath = {path}/metadata/structures\n\
         [historicdb]\npath = {path}/metadata/data\n"
    );
    fs::write(data.join(".autosubmitrc"), rc).unwrap();
    let main = rusqlite::Connection::open(data.join("autosubmit.db")).unwrap();
    main.execute_batch(
        "CREATE TABLE experiment (id INTEGER PRIMARY KEY, name TEXT, description TEXT, autosubmit_version TEXT);
         INSERT INTO experiment VALUES (1, 'a000', 'one', '4.1.17'), (2, 'a%', 'a wildcard', '4.1.17');
         CREATE TABLE details (exp_id INTEGER, user TEXT, created TEXT, model TEXT, branch TEXT, hpc TEXT);",
    )
    .unwrap();
    // [("a000_SIM", "7", 5, 0, "SIM", None, None, None, "", "", "", "")] as protocol 0 writes it
    let pickle = "(lp0\n(S'a000_SIM'\nS'7'\nI5\nI0\nS'SIM'\nNNNS''\nS''\nS''\nS''\ntp1\na.";
    fs::write(data.join("a000/pkl/job_list_a000.pkl"), pickle).unwrap();
    let conf =
        "CONFIG: {AUTOSUBMIT_VERSION: '4.1.17'}\nDEFAULT: {EXPID: a000, HPCARCH: LOCAL}\nJOBS: {SIM: {FILE: a.sh}}\n";
    fs::write(data.join("a000/conf/minimal.yml"), conf).unwrap();
    data
}

const VIEWS: [&str; 20] = [
    "/v4/experiments/E",
    "/v4/experiments/E/jobs",
    "/v4/experiments/E/jobs/a000_SIM",
    "/v4/experiments/E/wrappers",
    "/v4/experiments/E/filesystem-config",
    "/v4/experiments/E/runs",
    "/v4/experiments/E/eta",
    "/v3/expinfo/E",
    "/v3/expcount/E",
    "/v3/tree/E",
    "/v3/graph/E/standard/none",
    "/v3/graph/E/laplacian/none",
    "/v3/quick/E",
    "/v3/pkltreeinfo/E/0",
    "/v3/performance/E",
    "/v3/summary/E",
    "/v3/stats/E/0/Any",
    "/v3/runs/E",
    "/v3/cconfig/E",
    "/v3/exprun/E",
];

#[test]
fn broken_experiments_and_names_with_tricks_are_told_clearly() {
    let home = Home::new();
    let data = site(&home);
    let gateway = ours(&home, &data, "NONE");
    let mut client = gateway.client();
    let mut ask = |path: &str| {
        let answer = client.get(path);
        let text = answer.text();
        assert!(
            !text.contains(data.to_str().unwrap()) || answer.status == 200,
            "{path} tells where things are: {text}"
        );
        assert!(!text.contains("panic") && !text.contains(".rs:"), "{path}: {text}");
        (answer.status, serde_json::from_str::<Value>(&text).unwrap_or_else(|_| panic!("{path}: {text}")))
    };
    assert_eq!(ask("/v4/experiments/a000/jobs").1["jobs"][0]["name"], json!("a000_SIM"));
    // names with tricks name nothing
    for expid in
        ["..", "%2e%2e", "..%2f..%2fetc", "a000%00", "a000%2f..", "%ff", "a000'--", "A".repeat(300).as_str(), "%25"]
    {
        for view in VIEWS {
            let (status, body) = ask(&view.replace("/E", &format!("/{expid}")));
            let told =
                body["error"] == json!(true) || body["detail"] == json!("Not Found") || body["found"] == json!(false);
            assert!(status < 500 && (told || status == 404), "{view} for {expid}: {status} {body}");
        }
    }
    // wildcards of SQL are wildcards where the original has them, and nothing more
    assert_eq!(ask("/v4/experiments?only_active=false&query=%25").1["pagination"]["total_items"], json!(2));
    assert_eq!(ask("/v4/experiments?only_active=false&query=%27%20OR%201=1%20--").1["experiments"], json!([]));
    assert_eq!(ask("/v4/experiments/a000/jobs?job_name=%25").1["jobs"], json!([]));
    // logs stay in their folder
    fs::write(data.join("a000/tmp/LOG_a000/a000_SIM.out"), "text\n").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", data.join("a000/tmp/LOG_a000/a000_LINK.out")).unwrap();
    assert_eq!(ask("/v3/joblog/a000_SIM.out").1["logcontent"][0]["content"], json!("text"));
    for name in ["a000_LINK.out", "a000_%2e%2e", "..%2f..%2fetc%2fpasswd", "a000_..%2f..%2fpkl", "a000", ".."] {
        let (status, body) = ask(&format!("/v3/joblog/{name}"));
        assert!(status == 404 || body["logcontent"] == json!([]), "{name}: {body}");
    }
    // files that are damaged, cut off, or something else
    let broken: [(&str, &[u8]); 6] = [
        ("a000/pkl/job_list_a000.pkl", b"cos\nsystem\n(S'touch owned'\ntR."),
        ("a000/pkl/job_packages_a000.db", b"SQLite format 3\0 and nothing"),
        ("metadata/structures/structure_a000.db", b"no database"),
        ("metadata/data/job_data_a000.db", b"SQLite format 3\0"),
        ("a000/conf/minimal.yml", b"JOBS: {SIM: [}\n"),
        ("as_times.db", b"\xff\xfe"),
    ];
    for (file, content) in broken {
        let path = data.join(file);
        let whole = fs::read(&path).ok();
        fs::write(&path, content).unwrap();
        for view in VIEWS {
            let (status, body) = ask(&view.replace("/E", "/a000"));
            let clear = status == 200 || body["error_message"].as_str().is_some_and(|text| !text.is_empty());
            assert!(clear, "{view} with a broken {file}: {status} {body}");
        }
        match whole {
            Some(whole) => fs::write(&path, whole).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
    }
    assert!(!data.join("owned").exists() && !home.path("owned").exists());
    // an experiment that goes away
    fs::remove_dir_all(data.join("a000")).unwrap();
    assert_eq!(ask("/v3/tree/a000").1["error"], json!(true));
    assert_eq!(ask("/v4/experiments/a000").0, 200);
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
}

#[test]
fn a_gateway_serves_experiments_beside_jobs() {
    let home = Home::new();
    let data = site(&home);
    let mut command = home.command(&["serve", "--listen", "127.0.0.1:0"]);
    let gateway = Gateway::spawn(&home, command.envs(variables(&data, "ALL")));
    let mut client = gateway.client();
    // who is on this machine is known
    assert_eq!(client.get("/v3/expcount/a000").json()["total"], json!(1));
    assert_eq!(client.get("/v1/jobs").status, 200);
    assert_eq!(client.get("/v4/experiments/zzzz").status, 404);
    assert!(!data.join("as_times.db").exists(), "a gateway writes nothing to a site unless it is told to");
}
