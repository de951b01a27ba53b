//! Answers of Autosubmit's dialect that are kept: each change of any file is seen by the next request.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use serde_json::Value;

use crate::fixture::http::Client;
use crate::fixture::{Gateway, Home, wait_for};

/// Far more than it takes until a file counts as old.
const SETTLED: Duration = Duration::from_secs(20);

/// What there is of an experiment. `E` stands for its expid.
const VIEWS: [&str; 24] = [
    "/v4/experiments/E",
    "/v4/experiments/E/jobs",
    "/v4/experiments/E/jobs/E_SIM",
    "/v4/experiments/E/jobs/E_SIM/children?include_status=true",
    "/v4/experiments/E/wrappers",
    "/v4/experiments/E/filesystem-config",
    "/v4/experiments/E/runs",
    "/v4/experiments/E/runs/1/config",
    "/v4/experiments/E/runs/1/user-metrics",
    "/v3/expinfo/E",
    "/v3/expcount/E",
    "/v3/search/E",
    "/v3/tree/E",
    "/v3/graph/E/laplacian/none",
    "/v3/quick/E",
    "/v3/pkltreeinfo/E/0",
    "/v3/performance/E",
    "/v3/summary/E",
    "/v3/runs/E",
    "/v3/rundetail/E/1",
    "/v3/history/E/E_SIM",
    "/v3/cconfig/E",
    "/v3/exprun/E",
    "/v3/joblog/E_SIM.1.out",
];

/// What happens to a file of an experiment.
enum Change {
    /// It holds something else.
    Text(&'static str, &'static str),
    /// It is there, with this in it.
    Made(&'static str, &'static str),
    /// It is gone.
    Gone(&'static str),
    /// Something else is at its place, of the same size and with the same time.
    Replaced(&'static str, &'static str),
    /// Its database says something else.
    Sql(&'static str, &'static str),
    /// The same, by a writer that is still at it and writes ahead.
    Ahead(&'static str, &'static str),
}

const PICKLE: &str = "E/pkl/job_list_E.pkl";
const HISTORY: &str = "metadata/data/job_data_E.db";
const CONF: &str = "E/conf/minimal.yml";

/// Each happens to an experiment of its own.
const CHANGES: [Change; 17] = [
    // [("E_SIM", "7", 5, ...), ("E_POST", ...)] as protocol 0 writes it
    Change::Text(PICKLE, "(lp0\n(S'E_SIM'\nS'7'\nI8\nI0\nS'SIM'\nNNNS''\nS''\nS''\nS''\ntp1\na."),
    Change::Replaced(PICKLE, "(lp0\n(S'E_SAM'\nS'7'\nI5\nI0\nS'SIM'\nNNNS''\nS''\nS''\nS''\ntp1\na."),
    Change::Gone(PICKLE),
    Change::Sql("E/pkl/job_packages_E.db", "INSERT INTO job_package VALUES ('E', 'E_wrap', 'E_SIM')"),
    Change::Sql("metadata/structures/structure_E.db", "INSERT INTO experiment_structure VALUES ('E_SIM', 'E_POST')"),
    Change::Sql(HISTORY, "UPDATE job_data SET finish = finish + 100"),
    Change::Ahead(HISTORY, "UPDATE experiment_run SET total = 7"),
    Change::Gone(HISTORY),
    Change::Sql("E/tmp/metrics_E.db", "INSERT INTO user_metrics VALUES (1, 'E_SIM', 'speed', '7', '')"),
    Change::Text(CONF, "DEFAULT: {EXPID: E, HPCARCH: MN5}\nJOBS: {SIM: {FILE: a.sh, PROCESSORS: 9}}\n"),
    Change::Made("E/conf/more.yml", "MORE: true\n"),
    Change::Text("custom/E.yml", "CUSTOM: 2\n"),
    Change::Gone("E/tmp/ASLOGS/20260101_000000_run.log"),
    Change::Made("E/tmp/ASLOGS/20260102_000000_run.log", "newer\n"),
    Change::Text("E/tmp/LOG_E/E_SIM.1.out", "other\n"),
    Change::Made("E/tmp/LOG_E/E_SIM.2.out", "second\n"),
    Change::Gone("E"),
];

fn expid(number: usize) -> String {
    format!("a{number:03}")
}

fn make(data: &Path, path: &str, text: &str) {
    let path = data.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn sql(path: PathBuf, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    Connection::open(path).unwrap().execute_batch(text).unwrap();
}

fn experiment(data: &Path, name: &str) {
    let make = |path: &str, text: &str| make(data, &path.replace('E', name), &text.replace('E', name));
    make(PICKLE, "(lp0\n(S'E_SIM'\nS'7'\nI5\nI0\nS'SIM'\nNNNS''\nS''\nS''\nS''\ntp1\na.");
    let custom = data.join(format!("custom/{name}.yml"));
    let conf = format!(
        "CONFIG: {{AUTOSUBMIT_VERSION: '4.1.17'}}\nDEFAULT: {{EXPID: {name}, HPCARCH: LOCAL, CUSTOM_CONFIG: {}}}\nJOBS: {{SIM: {{FILE: a.sh}}}}\n",
        custom.display()
    );
    fs::create_dir_all(data.join(name).join("conf")).unwrap();
    fs::write(data.join(CONF.replace('E', name)), conf).unwrap();
    make("custom/E.yml", "CUSTOM: 1\n");
    make("E/tmp/ASLOGS/20260101_000000_run.log", "a line\n");
    make("E/tmp/LOG_E/E_SIM.1.out", "text!\n");
    let sql =
        |path: &str, text: &str| sql(data.join(path.replace('E', name)), &text.replace("E_", &format!("{name}_")));
    sql("E/pkl/job_packages_E.db", "CREATE TABLE job_package (exp_id TEXT, package_name TEXT, job_name TEXT)");
    sql("metadata/structures/structure_E.db", "CREATE TABLE experiment_structure (e_from TEXT, e_to TEXT)");
    sql(
        "E/tmp/metrics_E.db",
        "CREATE TABLE user_metrics (run_id INTEGER, job_name TEXT, metric_name TEXT, metric_value TEXT, modified TEXT)",
    );
    sql(
        HISTORY,
        "CREATE TABLE experiment_run (run_id INTEGER PRIMARY KEY, created TEXT, start INTEGER, finish INTEGER, total INTEGER, metadata TEXT);
         INSERT INTO experiment_run VALUES (1, '2026-01-01', 1767225600, 0, 1, '{\"conf\": {\"a\": 1}}');
         CREATE TABLE job_data (id INTEGER PRIMARY KEY, counter INTEGER, job_name TEXT, submit INTEGER, start INTEGER, finish INTEGER,
         status TEXT, rowtype INTEGER, last INTEGER, section TEXT, run_id INTEGER);
         INSERT INTO job_data VALUES (1, 1, 'E_SIM', 1767225600, 1767225610, 1767225700, 'COMPLETED', 2, 1, 'SIM', 1)",
    );
}

fn site(home: &Home) -> PathBuf {
    let data = home.path("site");
    let at = data.display();
    let rc = format!(
        "[database]\npath = {at}\n[local]\npath = {at}\n[structures]\npath = {at}/metadata/structures\n\
         [historicdb]\npath = {at}/metadata/data\n"
    );
    make(&data, ".autosubmitrc", &rc);
    let main = Connection::open(data.join("autosubmit.db")).unwrap();
    main.execute_batch(
        "CREATE TABLE experiment (id INTEGER PRIMARY KEY, name TEXT, description TEXT, autosubmit_version TEXT);
         CREATE TABLE details (exp_id INTEGER, user TEXT, created TEXT, model TEXT, branch TEXT, hpc TEXT);",
    )
    .unwrap();
    for number in 0..=CHANGES.len() {
        let name = expid(number);
        main.execute("INSERT INTO experiment VALUES (?1, ?2, 'one', '4.1.17')", rusqlite::params![number as i64, name])
            .unwrap();
        experiment(&data, &name);
    }
    data
}

fn gateway(home: &Home, data: &Path) -> Gateway {
    let mut command = home.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("AUTOSUBMIT_CONFIGURATION", data.join(".autosubmitrc")).env("USER", "root");
    Gateway::spawn(home, &mut command)
}

/// What is said of an experiment, but for what is the time of the request: a tree's, and a list's that is not there.
fn told(client: &mut Client, data: &Path, name: &str) -> Vec<(&'static str, String)> {
    let listed = data.join(PICKLE.replace('E', name)).exists();
    let tell = |view: &'static str| {
        let text = client.get(&view.replace('E', name)).text();
        let is_now = view.starts_with("/v3/tree") || (view.starts_with("/v3/expinfo") && !listed);
        let stamp = text.find(r#""pkl_timestamp":"#).filter(|_| is_now).map(|at| at + r#""pkl_timestamp":"#.len());
        let (before, after) = stamp.map_or((text.as_str(), ""), |at| text.split_at(at));
        (view, format!("{before}{}", after.trim_start_matches(|c: char| c.is_ascii_digit())))
    };
    VIEWS.into_iter().map(tell).collect()
}

/// How many answers were given again.
fn again(client: &mut Client) -> usize {
    let page = client.get("/metrics").text();
    let line = page.lines().find_map(|line| line.strip_prefix("jobgate_autosubmit_answers_again_total "));
    line.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{page}"))
}

impl Change {
    /// Makes the change. What is returned has to live on for it.
    fn make(&self, data: &Path, name: &str) -> Option<Connection> {
        let at = |path: &str| data.join(path.replace('E', name));
        match self {
            Self::Text(path, text) | Self::Made(path, text) => make(
                data,
                &path.replace('E', name),
                &text.replace("E_", &format!("{name}_")).replace(" E,", &format!(" {name},")),
            ),
            Self::Gone(path) if at(path).is_dir() => fs::remove_dir_all(at(path)).unwrap(),
            Self::Gone(path) => fs::remove_file(at(path)).unwrap(),
            Self::Replaced(path, text) => {
                let (path, text) = (at(path), text.replace("E_", &format!("{name}_")));
                let before = fs::metadata(&path).unwrap();
                assert_eq!(before.len(), text.len() as u64);
                let beside = path.with_extension("new");
                fs::write(&beside, text).unwrap();
                fs::File::open(&beside).unwrap().set_modified(before.modified().unwrap()).unwrap();
                fs::rename(beside, path).unwrap();
            }
            Self::Sql(path, text) => sql(at(path), &text.replace("E_", &format!("{name}_"))),
            Self::Ahead(path, text) => {
                let writer = Connection::open(at(path)).unwrap();
                writer.execute_batch(&format!("PRAGMA journal_mode = wal; {text}")).unwrap();
                return Some(writer);
            }
        }
        None
    }
}

#[test]
fn each_change_of_a_file_is_seen_by_the_next_request() {
    let home = Home::new();
    let data = site(&home);
    let server = gateway(&home, &data);
    let mut client = server.client();
    let names: Vec<String> = (0..=CHANGES.len()).map(expid).collect();
    // all is kept when asking for all of it gives every answer again
    let before = wait_for("all answers to be kept", SETTLED, || {
        let known = again(&mut client);
        let before: Vec<_> = names.iter().map(|name| told(&mut client, &data, name)).collect();
        (again(&mut client) - known == names.len() * VIEWS.len()).then_some(before)
    });
    let mut writers = Vec::new();
    let mut after = Vec::new();
    for (change, name) in CHANGES.iter().zip(&names) {
        writers.push(change.make(&data, name));
        after.push(told(&mut client, &data, name));
    }
    // who has never seen it otherwise
    let other = gateway(&home, &data);
    let mut fresh = other.client();
    for ((place, name), after) in names.iter().enumerate().zip(&after) {
        for ((view, ours), (_, fresh)) in after.iter().zip(told(&mut fresh, &data, name)) {
            assert_eq!(*ours, fresh, "{view} after change {place}");
        }
        assert_ne!(before[place], *after, "change {place} changes nothing that is shown");
    }
    // what is everybody's
    let last = names.last().unwrap();
    let known = again(&mut client);
    assert_eq!(told(&mut client, &data, last), *before.last().unwrap());
    assert_eq!(again(&mut client) - known, VIEWS.len(), "nothing of this experiment has changed");
    let ask = |client: &mut Client, path: &str| -> Value { client.get(&path.replace('E', last)).json() };
    assert_eq!(ask(&mut client, "/v3/ifrun/E")["running"], false);
    sql(data.join("autosubmit.db"), "UPDATE experiment SET description = 'another'");
    assert_eq!(ask(&mut client, "/v4/experiments/E")["description"], "another");
    assert_eq!(ask(&mut client, "/v3/expinfo/E")["description"], "another");
    let number = CHANGES.len();
    let times =
        "CREATE TABLE experiment_status (exp_id INTEGER, name TEXT, status TEXT, seconds_diff INTEGER, modified TEXT)";
    sql(
        data.join("as_times.db"),
        &format!("{times}; INSERT INTO experiment_status VALUES ({number}, '{last}', 'RUNNING', 0, '')"),
    );
    assert_eq!(ask(&mut client, "/v3/ifrun/E")["running"], true);
    assert_eq!(ask(&mut client, "/v3/expinfo/E")["running"], true);
    drop(writers);
}

#[test]
fn time_goes_on_in_answers_that_are_kept() {
    let home = Home::new();
    let data = site(&home);
    let server = gateway(&home, &data);
    let mut client = server.client();
    wait_for("the tree to be kept", SETTLED, || {
        let known = again(&mut client);
        client.get("/v3/tree/a000");
        (again(&mut client) > known).then_some(())
    });
    let mut stamp = |path: &str, name: &str| client.get(path).json()[name].as_i64().unwrap();
    let asked = stamp("/v3/tree/a000", "pkl_timestamp");
    assert!((jiff::Timestamp::now().as_second() - asked).abs() <= 2);
    let age = stamp("/v3/logrun/a000", "timediff");
    wait_for("a second to pass", SETTLED, || {
        let (later, older) = (stamp("/v3/tree/a000", "pkl_timestamp"), stamp("/v3/logrun/a000", "timediff"));
        (later > asked && older > age).then_some(())
    });
}
