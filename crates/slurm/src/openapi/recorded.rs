//! Our document against those that real servers gave, where they are at hand: equal but for what Slurm's own test-suite
//! ignores (the texts of descriptions, `info.version`, `info.x-slurm`, tags).

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::{Follows, Manner, document_of};
use crate::operations::Plugin;
use crate::version::Version;

/// Which release's document describes which versions. (24.11 writes v0.0.41 without references, unless it is told to prefer them.)
const RECORDED: [(&str, &[&str]); 3] = [
    ("24.11", &["v0.0.40", "v0.0.42"]),
    ("25.11", &["v0.0.41", "v0.0.42", "v0.0.43", "v0.0.44"]),
    ("26.05", &["v0.0.42", "v0.0.43", "v0.0.44", "v0.0.45"]),
];

#[test]
fn the_documents_are_those_of_the_real_servers() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/openapi");
    if !folder.is_dir() {
        return skip("there are no recorded documents of slurmrestd beside the checkout");
    }
    let mut differences = Vec::new();
    for (release, versions) in RECORDED {
        let text = std::fs::read_to_string(folder.join(format!("slurm-{release}.json"))).unwrap();
        let whole: Value = serde_json::from_str(&text).unwrap();
        for name in versions {
            let version = Version::parse(name).unwrap();
            let plugins: &[Plugin] =
                if version.number() < 44 { &[Plugin::Slurmctld, Plugin::Slurmdbd] } else { &Plugin::ALL };
            let theirs = only(&whole, name);
            let ours = only(
                &document_of(&[version], plugins, Manner { release: Follows::parse(release), ..Manner::default() }),
                name,
            );
            compare(&theirs, &ours, &format!("{release} {name}"), &mut differences);
        }
    }
    differences.truncate(100);
    assert!(differences.is_empty(), "{differences:#?}");
}

/// `./test` repeats what was skipped at its end.
fn skip(reason: &str) {
    use std::io::Write;
    let line = format!("jobgate-slurm openapi: {reason}\n");
    drop(std::io::stderr().write_all(format!("SKIPPED {line}").as_bytes()));
    let file = std::env::var_os("JOBGATE_SKIPPED");
    let file = file.and_then(|path| std::fs::OpenOptions::new().append(true).create(true).open(path).ok());
    file.map(|mut file| file.write_all(line.as_bytes()));
}

/// The part of a document that is about one version, without what is not compared.
fn only(document: &Value, version: &str) -> Value {
    let mut part = document.clone();
    let keep = |map: &mut Map<String, Value>, wanted: &dyn Fn(&str) -> bool| map.retain(|key, _| wanted(key));
    keep(part["paths"].as_object_mut().unwrap(), &|path| path.contains(&format!("/{version}/")));
    keep(part["components"]["schemas"].as_object_mut().unwrap(), &|name| name.starts_with(&format!("{version}_")));
    part.as_object_mut().unwrap().remove("tags");
    let info = part["info"].as_object_mut().unwrap();
    info.remove("version");
    info.remove("x-slurm");
    part
}

fn compare(theirs: &Value, ours: &Value, at: &str, differences: &mut Vec<String>) {
    match (theirs, ours) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, value) in a {
                match b.get(key) {
                    None => differences.push(format!("{at}/{key}: missing, they have {}", short(value))),
                    Some(_) if key == "description" && value.is_string() => {}
                    Some(other) => compare(value, other, &format!("{at}/{key}"), differences),
                }
            }
            for (key, value) in b.iter().filter(|(key, _)| !a.contains_key(*key)) {
                differences.push(format!("{at}/{key}: too much, we have {}", short(value)));
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                compare(a, b, &format!("{at}[{index}]"), differences);
            }
        }
        _ if theirs == ours => {}
        _ => differences.push(format!("{at}: they {} we {}", short(theirs), short(ours))),
    }
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(160).collect()
}
