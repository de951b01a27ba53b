//! Questions in other versions, and answers that real servers gave.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Question, UTC};
use crate::operations::{Call, find};
use crate::table::{Reader, Writer};
use crate::version::Version;

fn version(number: u8) -> Version {
    Version::ALL.into_iter().find(|version| version.number() == number).unwrap()
}

fn asked(call: Call, in_version: u8) -> Question {
    Question::new(call, version(in_version))
}

fn body(bytes: Option<&Vec<u8>>) -> Value {
    serde_json::from_slice(bytes.unwrap()).unwrap()
}

#[test]
fn a_question_in_its_own_version_is_passed_on() {
    let mut question = asked(Call::DbdGetUser, 42);
    question.name = "alice%20b".into();
    question.query = vec![("with_assocs".into(), "true".into()), ("what ever".into(), "a&b".into())];
    let put = question.put(version(42)).unwrap().unwrap();
    assert_eq!(put.target, "/slurmdb/v0.0.42/user/alice%20b?with_assocs=true&what%20ever=a%26b");
    assert_eq!(put.body, None);
    question.call = Call::DbdPostUsers;
    question.body = json!({ "users": [{ "name": "x", "nonsense": 1 }] });
    assert_eq!(body(question.put(version(42)).unwrap().unwrap().body.as_ref()), question.body);
}

#[test]
fn parameters_are_called_as_the_version_calls_them() {
    let target = |call, from: u8, to: u8, name: &str| {
        let mut question = asked(call, from);
        question.query = vec![(name.into(), "1".into())];
        question.put(version(to)).unwrap().unwrap().target
    };
    assert!(target(Call::DbdGetAccounts, 40, 42, "with_assocs").ends_with("?WithAssociations=1"));
    assert!(target(Call::DbdGetAccounts, 45, 40, "DELETED").ends_with("?with_deleted=1"));
    assert!(target(Call::DbdGetAssociations, 41, 42, "with_deleted").ends_with("?Include%20deleted%20associations=1"));
    assert!(target(Call::DbdGetQos, 44, 41, "Include deleted QOS").ends_with("?with_deleted=1"));
    assert!(target(Call::DbdGetUsers, 44, 41, "with_assocs").ends_with("?with_assocs=1"));
}

#[test]
fn what_a_version_does_not_know_is_said() {
    let mut question = asked(Call::DbdPostUsers, 45);
    question.query = vec![];
    question.body = json!({ "users": [{ "name": "x", "default": { "account": "a", "qos": 3 } }] });
    let put = question.put(version(42)).unwrap().unwrap();
    // only what was given is in it: an empty text would be a change
    assert_eq!(body(put.body.as_ref()), json!({ "users": [{ "default": { "account": "a" }, "name": "x" }] }));
    let told = put.told(
        "slurmrestd",
        200,
        br#"{"meta":{"plugin":{"data_parser":"data_parser/v0.0.42"}},"errors":[]}"#.to_vec(),
    );
    let told = told.unwrap();
    let said: Value = serde_json::from_slice(&told.body).unwrap();
    assert_eq!(said["meta"]["plugin"]["data_parser"], "data_parser/v0.0.45");
    let warning = said["warnings"][0]["description"].as_str().unwrap();
    assert!(warning.contains("default/qos") && warning.contains("v0.0.42"), "{warning}");
    assert_eq!(told.way.to_string(), "slurmrestd v0.0.42");

    let mut question = asked(Call::DbdGetJobs, 44);
    question.query = vec![("job_altered".into(), "1".into()), ("users".into(), "alice".into())];
    assert!(question.put(version(42)).unwrap().unwrap().target.ends_with("/jobs/?users=alice"));
    assert!(asked(Call::DbdPostJob, 45).put(version(42)).is_none());
}

#[test]
fn what_cannot_be_read_is_a_fault_that_says_where() {
    let mut question = asked(Call::DbdPostQos, 45);
    question.body = json!({ "qos": [{ "name": "x", "flags": ["NONSENSE"] }] });
    let fault = question.put(version(42)).unwrap().unwrap_err();
    assert!(fault.description.contains("#/qos[0]/flags"), "{fault}");
}

#[test]
fn numbers_of_associations_change_their_shape() {
    let put = asked(Call::DbdGetAssociations, 40).put(version(42)).unwrap().unwrap();
    let answer = json!({ "associations": [{ "account": "a", "user": "u", "cluster": "c", "partition": "", "id": 7 }] });
    let told = put.told("slurmrestd", 200, answer.to_string().into_bytes()).unwrap();
    let said: Value = serde_json::from_slice(&told.body).unwrap();
    assert_eq!(
        said["associations"][0]["id"],
        json!({ "account": "a", "cluster": "c", "partition": "", "user": "u", "id": 7 })
    );
    let put = asked(Call::DbdGetAssociations, 45).put(version(40)).unwrap().unwrap();
    let answer = json!({ "associations": [{ "id": { "id": 7 } }] });
    let told = put.told("slurmrestd", 200, answer.to_string().into_bytes()).unwrap();
    let said: Value = serde_json::from_slice(&told.body).unwrap();
    assert_eq!(said["associations"][0]["id"], 7);
}

#[test]
fn an_error_says_no_more_than_it_did() {
    let put = asked(Call::DbdGetUsers, 45).put(version(42)).unwrap().unwrap();
    let answer = json!({ "errors": [{ "description": "no", "error_number": 7000, "error": "e", "source": "s" }] });
    let told = put.told("slurmrestd", 502, answer.to_string().into_bytes()).unwrap();
    let said: Value = serde_json::from_slice(&told.body).unwrap();
    assert_eq!(said["errors"], answer["errors"]);
    assert!(said.get("users").is_none(), "{said}");
}

/// What a real server said of its accounting: read and written again it is the same.
#[test]
fn recorded_answers_survive() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden/slurm");
    let Ok(releases) = std::fs::read_dir(&folder) else {
        let line = "SKIPPED jobgate-slurm ledger: there are no recorded answers of slurmrestd beside the checkout\n";
        return drop(std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()));
    };
    let (mut differences, mut compared) = (Vec::new(), 0);
    for release in releases.flatten() {
        for file in std::fs::read_dir(release.path()).into_iter().flatten().flatten() {
            compared += usize::from(survives(&file.path(), &mut differences));
        }
    }
    assert!(compared > 200, "{compared}");
    assert!(differences.is_empty(), "{} differences: {differences:#?}", differences.len());
}

/// Compares one recorded answer, if it is accounting's.
fn survives(file: &Path, differences: &mut Vec<String>) -> bool {
    let Ok(recorded) = serde_json::from_str::<Value>(&std::fs::read_to_string(file).unwrap_or_default()) else {
        return false;
    };
    let (method, path) = (recorded["request"]["method"].as_str(), recorded["request"]["path"].as_str());
    let (Some(method), Some(path)) = (method, path) else { return false };
    let answer = &recorded["response"]["json"];
    if !path.starts_with("/slurmdb/") || !answer.is_object() || recorded["response"]["status"] != 200 {
        return false;
    }
    let Some(found) = find(method, path.split('?').next().unwrap_or_default()) else { return false };
    let mut reader = Reader::new(found.version, 0, &UTC);
    let mut writer = Writer::new(found.version);
    (found.operation.copy_answer)(answer.clone(), &mut reader, &mut writer);
    let ours: Value = serde_json::from_slice(&writer.into_bytes()).unwrap();
    compare(answer, &ours, &format!("{}", file.display()), differences);
    true
}

fn compare(theirs: &Value, ours: &Value, at: &str, differences: &mut Vec<String>) {
    match (theirs, ours) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, value) in a {
                match b.get(key) {
                    Some(other) => compare(value, other, &format!("{at}/{key}"), differences),
                    None => differences.push(format!("{at}/{key}: lost {value}")),
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).for_each(|(a, b)| compare(a, b, &format!("{at}[]"), differences));
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => {}
        _ if theirs == ours => {}
        _ => differences.push(format!("{at}: {theirs} became {ours}")),
    }
}
