//! Experiments that the real Autosubmit (4.1.17.1) made and ran, with what the real Autosubmit API (4.2.0) answered about them.

#![expect(clippy::unwrap_used, reason = "a test says by panicking what is wrong")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::tz::Offset;
use jobgate_autosubmit::databases::{drawing, history};
use jobgate_autosubmit::expid::Expid;
use jobgate_autosubmit::rc::{Environment, Rc};
use jobgate_autosubmit::site::Site;
use jobgate_autosubmit::views::graph::{Grouping, Placement, graph};
use jobgate_autosubmit::views::{
    Moment, Snapshot, brief, eta, facts::Facts, performance, rundetail, runs, statistics, times, tree,
};
use serde_json::{Map, Value, json};

/// When the answers were recorded, roughly.
const NOW: i64 = 1_795_900_000;
const MOMENT: Moment = Moment::new(NOW, Offset::UTC);

struct Recorded {
    _folder: tempfile::TempDir,
    root: PathBuf,
    answers: BTreeMap<String, Value>,
    site: Site,
}

/// Lays the experiments out in a folder of their own, and reads the answers.
fn recorded() -> Recorded {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_owned();
    let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded");
    copy(&store.join("files"), &root);
    let texts: BTreeMap<String, String> = parsed(&store.join("texts.json"));
    for (name, content) in texts {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    // folders that were empty
    for expid in EXPERIMENTS {
        fs::create_dir_all(root.join(expid).join("tmp")).unwrap();
    }
    let at = root.display();
    let rc = format!(
        "[database]\npath = {at}\n[local]\npath = {at}\n[globallogs]\npath = {at}/logs\n[historicdb]\npath = {at}/metadata/data\n\
         [structures]\npath = {at}/metadata/structures\n[historiclog]\npath = {at}/metadata/logs\n"
    );
    fs::write(root.join(".autosubmitrc"), rc).unwrap();
    let answers = EXPERIMENTS.iter().flat_map(|expid| {
        let answers: BTreeMap<String, Value> = parsed(&store.join(format!("answers_{expid}.json")));
        answers
    });
    let answers = answers.collect();
    let variables = [("USER".to_owned(), "root".to_owned())].into();
    let environment = Environment { variables, working_directory: root.clone() };
    let rc = Rc::read(&root.join(".autosubmitrc"), &environment).unwrap();
    Recorded { site: Site::new(rc, environment, 64 << 20), _folder: folder, root, answers }
}

fn parsed<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

const EXPERIMENTS: [&str; 6] = ["a000", "a001", "a002", "o000", "n000", "m000"];

/// Lists whose order the original does not keep.
const UNORDERED: [&str; 6] = ["children_list", "parent_list", "packages", "edges", "groups", "JobStatistics"];

fn compare(path: &str, ours: &Value, theirs: &Value, ignored: &[&str], found: &mut Vec<String>) {
    let name = path.rsplit('.').next().unwrap_or_default();
    if ignored.contains(&name) {
        return;
    }
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for key in ours.keys().filter(|key| !theirs.contains_key(*key) && !ignored.contains(&key.as_str())) {
                found.push(format!("{path}.{key}: only ours"));
            }
            for (key, value) in theirs {
                match ours.get(key) {
                    Some(own) => compare(&format!("{path}.{key}"), own, value, ignored, found),
                    None if ignored.contains(&key.as_str()) => {}
                    None => found.push(format!("{path}.{key}: only theirs")),
                }
            }
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            let (mut ours, mut theirs) = (ours.clone(), theirs.clone());
            if UNORDERED.contains(&name) {
                let key = |value: &Value| value.get("id").or(value.get("name")).unwrap_or(value).to_string();
                ours.sort_by_key(key);
                theirs.sort_by_key(key);
            }
            for (place, (own, value)) in ours.iter().zip(&theirs).enumerate() {
                compare(&format!("{path}[{place}]"), own, value, ignored, found);
            }
        }
        (Value::Number(ours), Value::Number(theirs)) if ours.as_f64() == theirs.as_f64() => {}
        (ours, theirs) if ours != theirs => found.push(format!("{path}: ours {ours}, theirs {theirs}")),
        _ => {}
    }
}

impl Recorded {
    fn same(&self, path: &str, ours: &Value, ignored: &[&str]) -> Vec<String> {
        let theirs = self.answers.get(path).unwrap_or_else(|| panic!("{path} was not recorded"));
        let text = ours.to_string().replace(self.root.to_str().unwrap(), "/srv/autosubmit");
        let ours: Value = serde_json::from_str(&text).unwrap();
        let mut found = Vec::new();
        compare(path, &ours, theirs, ignored, &mut found);
        found
    }

    fn snapshot(&self, expid: &str) -> Snapshot {
        Snapshot::read(&self.site, &Expid::parse(expid).unwrap()).unwrap()
    }

    fn each(&self, compared: impl Fn(&str, &Snapshot, &Facts<'_>) -> Vec<String>) {
        let mut found = Vec::new();
        for expid in EXPERIMENTS {
            let snapshot = self.snapshot(expid);
            let facts = Facts::of(&snapshot, MOMENT);
            found.extend(compared(expid, &snapshot, &facts));
        }
        found.truncate(40);
        assert!(found.is_empty(), "{found:#?}");
    }
}

fn envelope(value: &impl serde::Serialize) -> Value {
    let mut value = json!(value);
    value["error"] = json!(false);
    value["error_message"] = json!("");
    value
}

#[test]
fn trees() {
    let recorded = recorded();
    recorded.each(|expid, _, facts| {
        let titles = tree::titles(facts);
        recorded.same(&format!("/v3/tree/{expid}"), &envelope(&tree::tree(facts, &titles)), &["pkl_timestamp"])
    });
}

#[test]
fn what_changes() {
    let recorded = recorded();
    recorded.each(|expid, snapshot, facts| {
        let titles = tree::titles(facts);
        let places = 0..snapshot.jobs.len();
        let content: Vec<_> = places.map(|place| tree::changing_in_tree(facts, place, &titles[place])).collect();
        let path = format!("/v3/pkltreeinfo/{expid}/0");
        let theirs = json!({"pkl_content": content, "packages": snapshot.packages.all().into_iter().map(|(name, jobs)| (name.to_owned(), json!(jobs))).collect::<Map<_, _>>()});
        let rest = ["pkl_file_name", "error", "error_message", "has_changed", "pkl_timestamp", "source_tag", "target_tag", "sync_tag", "check_mark"];
        recorded.same(&path, &theirs, &rest)
    });
}

#[test]
fn graphs() {
    let recorded = recorded();
    recorded.each(|expid, snapshot, facts| {
        let theirs = &recorded.answers[&format!("/v3/graph/{expid}/standard/none")]["nodes"];
        let number = |node: &Value, name: &str| node[name].as_i64().unwrap();
        let place = |node: &Value| (node["id"].as_str().unwrap().to_owned(), (number(node, "x"), number(node, "y")));
        let given = Placement::Given(theirs.as_array().unwrap().iter().map(place).collect());
        assert!(drawing::read(&snapshot.places.graph).unwrap().is_empty());
        let mut found = Vec::new();
        let groupings = [(Grouping::None, "none"), (Grouping::Status, "status"), (Grouping::DateMember, "date-member")];
        for (grouping, name) in groupings {
            let mut drawn = envelope(&graph(facts, &given, grouping).unwrap());
            if grouping != Grouping::None {
                // these were recorded without what they share with the first
                drawn.as_object_mut().unwrap().retain(|key, _| key != "nodes" && key != "edges");
            }
            found.extend(recorded.same(
                &format!("/v3/graph/{expid}/standard/{name}"),
                &drawn,
                &["pkl_timestamp", "level"],
            ));
        }
        found
    });
}

#[test]
fn tries_of_jobs_are_seen_as_soon_as_their_file_is_there() {
    let recorded = recorded();
    let snapshot = recorded.snapshot("a000");
    let shown = || statistics::statistics(&snapshot, MOMENT, 0, None).unwrap().jobs.len();
    let file = |job: &str| snapshot.places.total_stats(job).unwrap();
    let job = snapshot.jobs.jobs().iter().find(|job| file(&job.name).exists()).unwrap();
    let (before, text) = (shown(), fs::read(file(&job.name)).unwrap());
    fs::remove_file(file(&job.name)).unwrap();
    assert_eq!(shown(), before - 1);
    fs::write(file("a000_no_job"), &text).unwrap();
    assert_eq!(shown(), before - 1, "it is no job's");
    fs::write(file(&job.name), &text).unwrap();
    assert_eq!(shown(), before);
    fs::remove_dir_all(&snapshot.places.tmp).unwrap();
    assert_eq!(shown(), 0);
}

#[test]
fn laplacians() {
    let recorded = recorded();
    let snapshot = recorded.snapshot("a000");
    let facts = Facts::of(&snapshot, MOMENT);
    let drawn = json!(graph(&facts, &Placement::Laplacian, Grouping::None).unwrap());
    let theirs = &recorded.answers["/v3/graph/a000/laplacian/none"]["nodes"];
    for axis in ["x", "y"] {
        let all = |nodes: &Value| {
            nodes.as_array().unwrap().iter().map(|node| node[axis].as_i64().unwrap()).collect::<Vec<_>>()
        };
        let (ours, theirs) = (all(&drawn["nodes"]), all(theirs));
        let mirrored: Vec<i64> = theirs.iter().map(|value| -value).collect();
        let near = |theirs: &[i64]| ours.iter().zip(theirs).all(|(ours, theirs)| (ours - theirs).abs() <= 1);
        assert!(near(&theirs) || near(&mirrored), "{axis}: {ours:?} {theirs:?}");
    }
}

#[test]
fn short_views() {
    let recorded = recorded();
    recorded.each(|expid, snapshot, facts| {
        let quick = brief::quick(&snapshot.jobs, &snapshot.packages, &snapshot.places);
        let mut found = recorded.same(&format!("/v3/quick/{expid}"), &envelope(&quick), &[]);
        let summary = brief::summary(&snapshot.jobs, &times::of_all(snapshot, MOMENT));
        found.extend(recorded.same(&format!("/v3/summary/{expid}"), &envelope(&summary), &[]));
        let performance = performance::performance(facts);
        found.extend(recorded.same(&format!("/v3/performance/{expid}"), &envelope(&performance), &[]));
        for section in ["SIM", "POST"] {
            let path = if section == "SIM" {
                format!("/v4/experiments/{expid}/eta")
            } else {
                format!("/v4/experiments/{expid}/eta?section=POST")
            };
            let ours = match eta::eta(&snapshot.jobs, &snapshot.history, expid, section) {
                Ok(eta) => json!(eta),
                Err(error) => json!({"error": true, "error_message": error.to_string()}),
            };
            found.extend(recorded.same(&path, &ours, &[]));
        }
        found
    });
}

#[test]
fn histories() {
    let recorded = recorded();
    recorded.each(|expid, snapshot, facts| {
        let completed = history::completed_tries(&snapshot.places.history).unwrap();
        let runs = json!({"error": false, "error_message": "", "runs": runs::runs(facts, &completed)});
        let mut found = recorded.same(&format!("/v3/runs/{expid}"), &runs, &[]);
        for job in snapshot.jobs.jobs() {
            let path = format!("/v3/history/{expid}/{}", job.name);
            if recorded.answers.contains_key(&path) {
                let tries = history::tries_of_job(&snapshot.places.history, &job.name).unwrap();
                let ours = runs::tries(&tries, &snapshot.history, &completed, MOMENT).unwrap();
                found.extend(recorded.same(
                    &path,
                    &json!({"history": ours, "error": false, "error_message": ""}),
                    &["path_to_logs"],
                ));
            }
        }
        found
    });
}

/// The original keeps no order in folders and rows of past runs.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(list) => {
            let mut list: Vec<Value> = list.into_iter().map(sorted).collect();
            list.sort_by_key(|value| value.get("refKey").or(value.get("id")).unwrap_or(value).to_string());
            Value::Array(list)
        }
        Value::Object(map) => Value::Object(map.into_iter().map(|(key, value)| (key, sorted(value))).collect()),
        other => other,
    }
}

#[test]
fn past_runs() {
    let mut recorded = recorded();
    for answer in recorded.answers.values_mut() {
        *answer = sorted(answer.take());
    }
    recorded.each(|expid, snapshot, _| {
        let mut found = Vec::new();
        for run in snapshot.history.runs() {
            let rows = history::tries_of_run(&snapshot.places.history, run.run_id).unwrap();
            let ours = rundetail::run_tree(run, &rows, &snapshot.expid, &snapshot.places, MOMENT);
            let path = format!("/v3/rundetail/{expid}/{}", run.run_id);
            found.extend(recorded.same(&path, &sorted(envelope(&ours)), &["pkl_timestamp"]));
        }
        found
    });
}

#[test]
fn consumption() {
    let recorded = recorded();
    recorded.each(|expid, snapshot, _| {
        let mut found = Vec::new();
        for (name, section) in [("Any", None), ("SIM", Some("SIM"))] {
            let ours = match statistics::statistics(snapshot, MOMENT, 0, section) {
                Ok(ours) => json!({"error": false, "error_message": "", "summary": ours.summary, "Statistics": ours}),
                Err(error) => json!({"error": true, "error_message": error, "summary": null, "Statistics": null}),
            };
            found.extend(recorded.same(&format!("/v3/stats/{expid}/0/{name}"), &ours, &["Period", "error_message"]));
        }
        found
    });
}

#[test]
fn configurations() {
    let recorded = recorded();
    recorded.each(|expid, snapshot, _| {
        let ours = json!({"config": snapshot.configuration.shown()});
        recorded.same(&format!("/v4/experiments/{expid}/filesystem-config"), &ours, &[])
    });
    assert!(recorded.site.rc().database().starts_with(Path::new(&recorded.root)));
}
