//! Answers of real controllers, and what the real slurmrestd showed of them at the same moment (made by `tests/record reads`).

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use super::*;
use crate::cluster::JobState;
use crate::rpc::codec::{Bits, Reader, Wire, Writer as Packer};
use crate::rpc::{Protocol, records};
use crate::table::{Kind, Writer};
use crate::version::Version;

/// Where the answers of a release are, in which version of the protocol, and which version of the API is beside them.
const RECORDED: [(&str, Protocol, &str); 3] = [
    ("24.11", Protocol::V24_11, "v0.0.42"),
    ("26.05", Protocol::V25_11, "v0.0.44"),
    ("26.05-own", Protocol::V26_05, "v0.0.45"),
];

/// What is shown otherwise than slurmrestd shows it, and why.
const OTHERWISE: &[(&str, &str)] = &[
    ("reservations/watts", "gone, but still in the tables for older versions"),
    ("diag/bf_table_size_mean", "slurmrestd shows the mean length of the queue instead"),
    ("diag/rpcs_by_message_type", "slurmrestd's own request is counted"),
    ("diag/rpcs_by_user", "slurmrestd's own request is counted"),
    ("diag/parts_packed", "later releases do not know it; shown is that there are counters"),
    ("shares/shares/fairshare/level", "26.05 shows 2^64 where nothing is used, and not that it is infinite"),
];

struct Recorded {
    folder: PathBuf,
    release: &'static str,
    protocol: Protocol,
    version: Version,
}

impl Recorded {
    fn all() -> impl Iterator<Item = Self> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/rpc/recorded");
        RECORDED.into_iter().map(move |(release, protocol, version)| Self {
            folder: root.join(release).join("reads"),
            release,
            protocol,
            version: Version::parse(version).unwrap(),
        })
    }

    fn of(release: &str) -> Self {
        Self::all().find(|recorded| recorded.release == release).unwrap()
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.folder.join(format!("{name}.bin"))).unwrap()
    }

    fn shown(&self, name: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.folder.join(format!("{name}.json"))).unwrap()).unwrap()
    }

    fn jobs(&self) -> Vec<String> {
        let names =
            std::fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut jobs: Vec<String> = names
            .filter_map(|name| Some(name.strip_suffix(".bin")?.to_owned()))
            .filter(|name| name.starts_with("job-"))
            .collect();
        jobs.sort();
        assert!(jobs.len() > 5, "{jobs:?}");
        jobs
    }

    /// What we show, with who the cluster's users are.
    fn render<T: Kind>(&self, shown: &T) -> Value {
        let mut out = Writer::new(self.version);
        shown.write(&mut out);
        serde_json::from_slice(&out.into_bytes()).unwrap()
    }

    /// Reads a list of records to its end, and that writing them gives the same bytes.
    fn records<T, R>(&self, name: &str, read: impl FnOnce(&mut Reader<'_>, &mut Packer) -> R) -> R
    where
        R: IntoIterator<Item = T>,
    {
        let bytes = self.bytes(name);
        let (mut from, mut to) = (Reader::new(&bytes, self.protocol), Packer::new(self.protocol));
        let read = read(&mut from, &mut to);
        from.end().unwrap();
        assert_eq!(to.into_bytes(), bytes, "{} {name} is written otherwise", self.release);
        read
    }

    #[track_caller]
    fn same(&self, name: &str, ours: &Value, real: &Value) {
        let mut found = BTreeSet::new();
        differences(name, ours, real, &mut found);
        found.retain(|difference| !OTHERWISE.iter().any(|(path, _)| difference.starts_with(path)));
        assert!(found.is_empty(), "{} {name}:\n{}", self.release, found.into_iter().collect::<Vec<_>>().join("\n"));
    }
}

fn differences(path: &str, ours: &Value, real: &Value, found: &mut BTreeSet<String>) {
    match (ours, real) {
        (Value::Object(ours), Value::Object(real)) => {
            for key in ours.keys().chain(real.keys()).collect::<BTreeSet<_>>() {
                let of =
                    |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or(Value::from("(missing)"));
                differences(&format!("{path}/{key}"), &of(ours), &of(real), found);
            }
        }
        (Value::Array(ours), Value::Array(real)) if ours.len() == real.len() => {
            ours.iter().zip(real).for_each(|(ours, real)| differences(path, ours, real, found));
        }
        (Value::Number(ours), Value::Number(real))
            if (ours.as_f64().unwrap() - real.as_f64().unwrap()).abs() <= 1e-6 * real.as_f64().unwrap().abs() => {}
        (ours, real) if ours == real => {}
        (ours, real) => drop(found.insert(format!("{path}: {ours} instead of {real}"))),
    }
}

fn user(number: u32) -> Option<String> {
    let name = match number {
        0 => "root",
        2001 => "alice",
        2002 => "bob",
        2003 => "carol",
        2004 => "mallory",
        64030 => "slurm",
        _ => return None,
    };
    Some(name.to_owned())
}

const NAMES: Names<'static> = Names { user: &user, group: &user };

fn head<T: for<'a> Wire<'a>>(from: &mut Reader<'_>, to: &mut Packer) -> T {
    let head = T::read(from).unwrap();
    head.write(to);
    head
}

fn next<'a, T: Wire<'a>>(from: &mut Reader<'a>, to: &mut Packer) -> T {
    let record = T::read(from).unwrap();
    record.write(to);
    record
}

#[test]
fn jobs_as_slurmrestd_shows_them() {
    for recorded in Recorded::all() {
        for name in recorded.jobs() {
            let jobs: Vec<_> = recorded.records(&name, |from, to| {
                let head: records::JobsHead = head(from, to);
                (0..head.count).map(|_| job(&next(from, to), head.last_backfill, NAMES)).collect::<Vec<_>>()
            });
            recorded.same("jobs", &recorded.render(&jobs), &recorded.shown(&name));
        }
    }
}

#[test]
fn nodes_and_partitions() {
    for recorded in Recorded::all() {
        let bytes = recorded.bytes("partitions");
        let mut from = Reader::new(&bytes, recorded.protocol);
        let count = records::ListHead::read(&mut from).unwrap().count;
        let partitions: Vec<records::Partition<'_>> = (0..count).map(|_| Wire::read(&mut from).unwrap()).collect();
        let shown: Vec<_> = partitions.iter().map(|record| partition(record, recorded.protocol)).collect();
        recorded.same("partitions", &recorded.render(&shown), &recorded.shown("partitions"));

        let nodes: Vec<_> = recorded.records("nodes", |from, to| {
            let head: records::ListHead = head(from, to);
            // nobody hides a node from an administrator
            assert_eq!(next::<Bits<'_>>(from, to).places().iter().count(), 0);
            let all: Vec<usize> = (0..head.count as usize).collect();
            let one = |partitions| node(&next(from, to), recorded.protocol, partitions, NAMES);
            memberships(&partitions, &all).into_iter().map(one).collect::<Vec<_>>()
        });
        recorded.same("nodes", &recorded.render(&nodes), &recorded.shown("nodes"));
    }
}

#[test]
fn reservations_and_licenses() {
    for recorded in Recorded::all() {
        let reservations: Vec<_> = recorded.records("reservations", |from, to| {
            let head: records::ListHead = head(from, to);
            (0..head.count).map(|_| reservation(&next(from, to))).collect::<Vec<_>>()
        });
        assert!(!reservations.is_empty());
        recorded.same("reservations", &recorded.render(&reservations), &recorded.shown("reservations"));
        let licenses: Vec<_> = recorded.records("licenses", |from, to| {
            let head: records::ListHead = head(from, to);
            (0..head.count).map(|_| license(&next(from, to))).collect::<Vec<_>>()
        });
        assert!(!licenses.is_empty());
        recorded.same("licenses", &recorded.render(&licenses), &recorded.shown("licenses"));
    }
}

#[test]
fn shares_and_counters() {
    for recorded in Recorded::all() {
        let all = recorded.records("shares", |from, to| Some(shares(&next(from, to))));
        recorded.same("shares", &recorded.render(&all.unwrap()), &recorded.shown("shares"));
        let all = recorded.records("diag", |from, to| Some(stats(&next(from, to), recorded.protocol, NAMES)));
        recorded.same("diag", &recorded.render(&all.unwrap()), &recorded.shown("diag"));
    }
}

#[test]
fn configurations_as_scontrol_shows_them() {
    for (name, protocol) in [
        ("conf", Protocol::V25_11),
        ("conf-24.11", Protocol::V24_11),
        ("conf-much", Protocol::V25_11),
        ("conf-much-24.11", Protocol::V24_11),
        ("conf-much", Protocol::V26_05),
    ] {
        let release = if protocol == Protocol::V26_05 { "26.05-own" } else { "26.05" };
        let recorded = Recorded { protocol, version: Version::V45, ..Recorded::of(release) };
        let real = recorded.shown(name);
        let both = recorded.records(name, |from, to| {
            let record: records::Configuration<'_> = next(from, to);
            Some((config(&record, protocol), config_meta(&record)))
        });
        let (shown, meta) = both.unwrap();
        recorded.same(name, &recorded.render(&shown), &real["slurm_conf"]);
        recorded.same(name, &recorded.render(&meta), &real["slurm_conf_meta"]);
    }
}

/// What scontrol's text says in other words than its JSON: these are compared with the JSON of 26.05.
const REWORDED: [&str; 15] = [
    "CpuFreqGovernors",
    "DefMemPerCPU",
    "HealthCheckNodeState",
    "PreemptExemptTime",
    "PreemptMode",
    "PriorityFlags",
    "PrivateData",
    "PropagatePrioProcess",
    "ReturnToService",
    "SlurmdUser",
    "SlurmUser",
    "SrunPortRange",
    "SuspendTime",
    "TaskPluginParam",
    "PrologFlags",
];

/// Release 24.11 has no JSON of it: numbers have units, and words stand for truth and for nothing.
#[test]
fn configurations_of_24_11_as_scontrol_writes_them() {
    let recorded = Recorded { version: Version::V45, ..Recorded::of("24.11") };
    for name in ["conf", "conf-much"] {
        let shown = recorded.records(name, |from, to| Some(config(&next(from, to), recorded.protocol))).unwrap();
        let ours = recorded.render(&shown);
        let text = std::fs::read_to_string(recorded.folder.join(format!("{name}.txt"))).unwrap();
        let (mut same, mut other) = (0, Vec::new());
        for (key, real) in text.lines().filter_map(|line| line.split_once('=')) {
            let (key, real) = (key.trim(), real.trim());
            let Some(ours) = ours.get(key) else { continue };
            let of = |real: &str| match ours {
                Value::String(ours) => *ours == real || ours.is_empty() && real == "(null)",
                Value::Number(ours) => real.split(' ').next() == Some(&ours.to_string()),
                Value::Bool(ours) => matches!((ours, real), (true, "1" | "yes" | "Yes") | (false, "0" | "no" | "No")),
                Value::Array(ours) => {
                    let ours: Vec<&str> = ours.iter().filter_map(Value::as_str).collect();
                    ours.join(",").eq_ignore_ascii_case(&real.replace(' ', "")) || ours.is_empty() && real == "(null)"
                }
                _ => false,
            };
            if of(real) { same += 1 } else { other.push(format!("{key}: {ours} and {real}")) }
        }
        let reworded = |difference: &String| REWORDED.iter().any(|key| difference.starts_with(&format!("{key}: ")));
        other.retain(|difference| !reworded(difference));
        assert!(same > 130 && other.is_empty(), "{same} are the same; others are not:\n{}", other.join("\n"));
    }
}

#[test]
fn what_came_of_signals() {
    for recorded in ["24.11", "26.05"].map(Recorded::of) {
        // orders are in the version of 24.11, whoever gets them
        let recorded = Recorded { protocol: Protocol::V24_11, ..recorded };
        let ours: Vec<_> = recorded.records("killed", |from, to| {
            let all: Vec<records::Killed<'_>> = next(from, to);
            all.iter().map(killed).collect::<Vec<_>>()
        });
        recorded.same("killed", &recorded.render(&ours), &recorded.shown("killed"));
    }
}

#[test]
fn what_jobs_were_given() {
    for recorded in ["26.05-own", "26.05"].map(Recorded::of) {
        let ours: Vec<_> = recorded.records("layout", |from, to| {
            let all: Option<Vec<records::Layout<'_>>> = next(from, to);
            all.iter().flatten().map(layout).collect::<Vec<_>>()
        });
        recorded.same("layout", &recorded.render(&ours), &recorded.shown("layout"));
    }
    // what older releases say of the job is enough to tell the same
    let recorded = Recorded { protocol: Protocol::V24_11, ..Recorded::of("26.05") };
    let ours = recorded.records("layout-24.11", |from, to| {
        let head: records::JobsHead = head(from, to);
        assert_eq!(head.count, 1);
        layout_of(&next(from, to))
    });
    recorded.same("layout-24.11", &recorded.render(&ours.unwrap()), &recorded.shown("layout"));
}

#[test]
fn states_of_jobs() {
    for recorded in Recorded::all() {
        let mut ours = Vec::new();
        recorded.records("states", |from, to| {
            let count: u32 = head(from, to);
            for _ in 0..count {
                states(&next(from, to), &mut |state: JobState| ours.push(state));
            }
            None::<()>
        });
        let real = recorded.shown("states");
        let real = real.as_array().unwrap();
        assert_eq!(ours.len(), real.len());
        for (ours, real) in ours.iter().zip(real) {
            let id = match ours.array {
                Some((_, task)) => format!("{}_{task}", ours.id),
                None => ours.id.to_string(),
            };
            // slurmrestd names the component of a heterogeneous job, and that an array is meant as a whole
            let real_id = real["job_id"].as_str().unwrap();
            let real_id = real_id.split_once('+').map_or(real_id, |(id, _)| id);
            assert_eq!(real_id.strip_suffix("_*").unwrap_or(real_id), id);
            assert_eq!(real["state"], Value::from(ours.states.clone()), "{id}");
        }
    }
}
