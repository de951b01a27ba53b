//! Comparing with the answers of real controllers, where they are at hand.

use std::fs;

use super::*;

/// For each version the release that we follow (which has no recorded answers for v0.0.41).
pub(super) const RELEASES: [(&str, &str); 5] = [
    ("26.05.5-v0.0.45", "v0.0.45"),
    ("26.05.5-v0.0.44", "v0.0.44"),
    ("26.05.5-v0.0.43", "v0.0.43"),
    ("26.05.5-v0.0.42", "v0.0.42"),
    ("24.11.5-v0.0.40", "v0.0.40"),
];

/// What another system shows otherwise: its own names, numbers and clocks.
pub(super) const OTHERWISE: [&str; 6] = [
    "allocating_node",
    "group_name",
    "step_id/sluid",
    "last_sched_evaluation/number",
    // memory that was not asked for is not given, so it is not shown as asked for
    "tres_req_str",
    "flags",
];

#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
/// The list `key` of a recorded answer; `None`, loudly, where there are no recorded answers.
pub(super) fn recorded(release: &str, name: &str, key: &str) -> Option<Value> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden/slurm").join(release);
    let Ok(entries) = fs::read_dir(&folder) else {
        eprintln!("SKIPPED: no recorded answers in {}", folder.display());
        return None;
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let is_it = |path: &PathBuf| {
        let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        file.get(4..) == Some(&format!("{name}.json"))
    };
    let found = paths.iter().filter(|path| is_it(path)).find_map(|path| {
        let answer: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let value = answer["response"]["json"][key].clone();
        (!value.is_null()).then_some(value)
    });
    assert!(found.is_some(), "no {name} with {key} in {}", folder.display());
    found
}

/// Where two values differ: in kind (`!`), or in value.
pub(super) fn differences(theirs: &Value, ours: &Value, at: &str, found: &mut Vec<String>) {
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => {
            let inner = |key: &str| if at.is_empty() { key.to_owned() } else { format!("{at}/{key}") };
            for (key, value) in theirs {
                match ours.get(key) {
                    Some(own) => differences(value, own, &inner(key), found),
                    None => found.push(format!("! {} is missing", inner(key))),
                }
            }
            for key in ours.keys().filter(|key| !theirs.contains_key(*key)) {
                found.push(format!("! {} is too much", inner(key)));
            }
        }
        (Value::Array(theirs), Value::Array(ours)) => {
            if let (Some(first), Some(own)) = (theirs.first(), ours.first())
                && (first.is_object() || own.is_object())
            {
                differences(first, own, at, found);
            } else if theirs != ours {
                found.push(at.to_owned());
            }
        }
        (Value::Number(a), Value::Number(b)) if a.is_f64() == b.is_f64() => {
            if a != b {
                found.push(at.to_owned());
            }
        }
        (Value::String(_), Value::String(_)) | (Value::Bool(_), Value::Bool(_)) | (Value::Null, Value::Null) => {
            if theirs != ours {
                found.push(at.to_owned());
            }
        }
        _ => found.push(format!("! {at}: they {theirs}, we {ours}")),
    }
}

/// The same keys and types; the same values but for those that are named (a name ends anywhere within the path).
pub(super) fn compare(what: &str, theirs: &Value, ours: &Value, but: &[&str]) {
    let mut found = Vec::new();
    differences(theirs, ours, "", &mut found);
    found.retain(|at| at.starts_with('!') || !but.iter().any(|name| at == name || at.starts_with(&format!("{name}/"))));
    assert!(found.is_empty(), "{what}: {found:#?}\ntheirs {theirs}\nours   {ours}");
}

pub(super) fn each_release(name: &str, key: &str, check: impl Fn(Version, &Value, &str)) {
    for (release, version) in RELEASES {
        let version = Version::parse(version).unwrap();
        if let Some(recorded) = recorded(release, name, key) {
            check(version, &recorded, &format!("{name} of {release}"));
        }
    }
}
