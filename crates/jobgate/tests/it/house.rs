//! The house keeps its shape: who may import whom, and where things may be said. DESIGN in tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::fixture::root;

/// May import, and nothing else may. Crates that are not there yet have their line already.
const MAY_IMPORT: [(&str, &[&str]); 7] = [
    ("jobgate-model", &[]),
    ("jobgate-slurm", &[]),
    ("jobgate-autosubmit", &[]),
    ("jobgate-engine", &["jobgate-model"]),
    ("jobgate-backends", &["jobgate-model", "jobgate-slurm"]),
    ("jobgate-server", &["jobgate-engine", "jobgate-model", "jobgate-slurm", "jobgate-autosubmit"]),
    (
        "jobgate",
        &[
            "jobgate-model",
            "jobgate-slurm",
            "jobgate-autosubmit",
            "jobgate-engine",
            "jobgate-backends",
            "jobgate-server",
        ],
    ),
];

/// External crates that have one home: the crate, and the folders that may use it.
const ONE_HOME: [(&str, &[&str]); 7] = [
    ("axum", &["server"]),
    ("biscuit_auth", &["server/src/auth/biscuit"]),
    ("clap", &["jobgate"]),
    ("hyper", &["server"]),
    ("rusqlite", &["engine/src/store", "backends/src/local", "autosubmit"]),
    ("reqwest", &["engine"]),
    ("postgres", &["autosubmit"]),
];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked", "--offline"])
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn crates_import_only_what_they_may() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_IMPORT.into_iter().collect();
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() >= 5, "the workspace has lost crates: {}", packages.len());
    let mut wrong = Vec::new();
    for package in packages {
        let name = text(&package["name"]);
        let Some(allowed) = allowed.get(name) else {
            wrong.push(format!("{name} has no line in MAY_IMPORT"));
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let other = text(&dependency["name"]);
            if other.starts_with("jobgate") && !allowed.contains(&other) {
                wrong.push(format!("{name} imports {other}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn external_crates_stay_in_their_rooms() {
    let mut wrong = Vec::new();
    for (path, source) in sources("src") {
        for (name, homes) in ONE_HOME {
            let at_home = homes.iter().any(|home| path.starts_with(format!("crates/{home}")));
            if !at_home && lines_of_code(&source).any(|line| names_crate(line, name)) {
                wrong.push(format!("{name} in {}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_backends_start_programs() {
    let mut wrong = Vec::new();
    for (path, source) in sources("src") {
        if path.starts_with("crates/backends") {
            continue;
        }
        let production = source.split("#[cfg(test)]").next().unwrap_or_default();
        if lines_of_code(production).any(|line| line.contains("Command::new(") && !line.contains("clap")) {
            wrong.push(path.display().to_string());
        }
    }
    assert!(wrong.is_empty(), "these start programs: {wrong:#?}");
}

#[test]
fn files_are_short_and_named_for_what_they_do() {
    let mut wrong = Vec::new();
    for (path, source) in sources("") {
        let lines = source.lines().count();
        if lines > 500 {
            wrong.push(format!("{} has {lines} lines", path.display()));
        }
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if ["util", "utils", "common", "helper", "helpers", "manager", "misc", "service", "data", "info"]
            .contains(&stem)
        {
            wrong.push(format!("{}: a name that says nothing", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_crate_obeys_the_lints_of_the_workspace() {
    for manifest in fs::read_dir(root().join("crates")).unwrap().flatten() {
        let path = manifest.path().join("Cargo.toml");
        let manifest = fs::read_to_string(&path).unwrap();
        let manifest: toml::Table = toml::from_str(&manifest).unwrap();
        let inherits = manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
        assert_eq!(inherits, Some(true), "{} lacks `lints.workspace = true`", path.display());
    }
}

/// What `cargo deny` would say of `deny.toml`'s bans, for machines that do not have it.
#[test]
fn no_banned_crate_is_in_the_tree() {
    let deny: toml::Table = toml::from_str(&fs::read_to_string(root().join("deny.toml")).unwrap()).unwrap();
    let banned: BTreeSet<&str> =
        deny["bans"]["deny"].as_array().unwrap().iter().filter_map(|entry| entry["crate"].as_str()).collect();
    assert!(!banned.is_empty());
    let arguments = ["tree", "--workspace", "--prefix", "none", "--format", "{p}", "--edges", "normal,build"];
    let output = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(arguments)
        .args(["--locked", "--offline", "--target", "x86_64-unknown-linux-gnu"])
        .output()
        .unwrap();
    let tree = String::from_utf8_lossy(&output.stdout);
    let names: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains("rustls"), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let found: Vec<&&str> = names.intersection(&banned).collect();
    assert!(found.is_empty(), "{found:?}; deny.toml says why they are banned");
}

/// Committed files must mean the same on every machine.
#[test]
fn no_file_names_a_machine() {
    let listed = Command::new("git").current_dir(root()).args(["ls-files", "-z"]).output().unwrap();
    if !listed.status.success() {
        return crate::fixture::skip("not a git checkout");
    }
    // written in two halves so that this file does not name them either
    let forbidden = [["/wo", "rk/"], ["/ro", "ot/"], ["/fa", "rm/"], ["py", "pi.org"], ["deb.", "debian.org"]];
    let mut wrong = Vec::new();
    for name in String::from_utf8_lossy(&listed.stdout).split_terminator('\0') {
        let Ok(content) = fs::read_to_string(root().join(name)) else { continue };
        for word in forbidden.map(|halves| halves.concat()) {
            if let Some(line) = content.lines().position(|line| has_path(line, &word)) {
                wrong.push(format!("{name}:{}: {word}", line + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whether `word` stands in `line` as the beginning of a path, not as part of one (`$base/work/`, `JOB/work/`).
fn has_path(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !word.starts_with('/') || !before.is_some_and(|c| c.is_alphanumeric() || "_}).>*/".contains(c))
    })
}

/// All Rust files of the crates below `part` (`src`, or everything for an empty one), by their path from the root.
fn sources(part: &str) -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    for member in fs::read_dir(root().join("crates")).unwrap().flatten() {
        walk(&member.path().join(part), &mut found);
    }
    assert!(found.len() > 10, "found no sources below {}", root().display());
    let relative = |path: &PathBuf| path.strip_prefix(root()).unwrap().to_path_buf();
    found.iter().map(|path| (relative(path), fs::read_to_string(path).unwrap())).collect()
}

fn lines_of_code(source: &str) -> impl Iterator<Item = &str> {
    source.lines().map(str::trim_start).filter(|line| !line.starts_with("//"))
}

fn names_crate(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + name.len()..];
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '"') && after.starts_with("::")
    })
}

#[test]
fn the_checks_themselves_see_what_they_should() {
    assert!(names_crate("use axum::Router;", "axum") && names_crate("fn f(x: axum::Body)", "axum"));
    assert!(!names_crate("use axum_extra::Router;", "axum") && !names_crate("hyper_util::x", "hyper"));
    let path = ["/wo", "rk/"].concat();
    assert!(has_path(&format!("cd {path}main"), &path) && has_path(&format!("\"{path}\""), &path));
    assert!(!has_path(&format!("$base{path}x"), &path));
}
