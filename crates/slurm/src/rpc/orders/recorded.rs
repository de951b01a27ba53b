//! What the real commands and the real slurmrestd sent (made by `tests/record writes`), and what we send for the same: those of
//! 24.11 in their protocol, and those of 26.05 in their own and in that of a cluster of 25.11.

use std::path::PathBuf;

use serde_json::json;

use super::*;
use crate::objects::{JobDesc, NodeUpdate, Partition};
use crate::rpc::Protocol;
use crate::rpc::client::bodies;
use crate::rpc::codec::{Reader, Wire, Writer as Packer};
use crate::rpc::records::{
    Description, Kill, KillMany, Name, NodeChange, PartitionChange, Requeue, ReservationChange, Suspend,
};
use crate::table::Reader as Json;

mod many;
mod more;
mod places;

/// In which protocol they spoke, and where it is kept.
const SPOKEN: [(Protocol, &str); 3] =
    [(Protocol::V24_11, "24.11"), (Protocol::V25_11, "26.05"), (Protocol::V26_05, "26.05-own")];
/// The job that ran when this was recorded.
const JOB: u32 = 44;
const SCRIPT: &str = "#!/bin/sh\nsleep 60\n";

fn folder(protocol: Protocol) -> PathBuf {
    let (_, folder) = SPOKEN.into_iter().find(|(spoken, _)| *spoken == protocol).unwrap();
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/rpc/recorded").join(folder).join("writes")
}

fn sent(protocol: Protocol, name: &str) -> Vec<u8> {
    std::fs::read(folder(protocol).join(format!("{name}.bin"))).unwrap()
}

fn read<'a, T: Wire<'a>>(protocol: Protocol, bytes: &'a [u8]) -> T {
    let mut from = Reader::new(bytes, protocol);
    let record = T::read(&mut from).unwrap();
    from.end().unwrap();
    record
}

fn written<'a>(protocol: Protocol, record: &impl Wire<'a>) -> Vec<u8> {
    let mut to = Packer::new(protocol);
    record.write(&mut to);
    to.into_bytes()
}

/// What a body of this kind says, and the body of the same.
fn understood(protocol: Protocol, kind: &str, bytes: &[u8]) -> (String, Vec<u8>) {
    fn one<'a, T: Wire<'a> + std::fmt::Debug>(protocol: Protocol, bytes: &'a [u8]) -> (String, Vec<u8>) {
        let record: T = read(protocol, bytes);
        (format!("{record:#?}"), written(protocol, &record))
    }
    match kind {
        "3001" | "4003" | "4001" => one::<Description<'_>>(protocol, bytes),
        "4025" | "4028" => {
            let mut to = Packer::new(protocol);
            let parts = components_of(protocol, bytes, &mut to);
            for part in &parts {
                part.write(&mut to);
            }
            (format!("{parts:#?}"), to.into_bytes())
        }
        "5041" => one::<KillMany<'_>>(protocol, bytes),
        "3002" | "3014" | "3015" => one::<NodeChange<'_>>(protocol, bytes),
        "3003" | "3005" => one::<PartitionChange<'_>>(protocol, bytes),
        "3006" | "3009" => one::<ReservationChange<'_>>(protocol, bytes),
        "3004" | "3008" => one::<Name<'_>>(protocol, bytes),
        "5032" => one::<Kill<'_>>(protocol, bytes),
        "5023" => one::<Requeue<'_>>(protocol, bytes),
        "5014" => one::<Suspend<'_>>(protocol, bytes),
        "1003" => (String::new(), Vec::new()),
        other => panic!("{other}"),
    }
}

/// Every body that was recorded is read, and is the same when it is written.
#[test]
fn all_that_was_sent_is_understood() {
    for (protocol, _) in SPOKEN {
        let mut seen = 0;
        for entry in std::fs::read_dir(folder(protocol)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let name = name.strip_suffix(".bin").unwrap();
            let bytes = sent(protocol, name);
            let (_, again) = understood(protocol, name.rsplit_once('.').unwrap().1, &bytes);
            assert_eq!(again, bytes, "{name} in {protocol}");
            seen += 1;
        }
        assert!(seen > 70, "{seen} in {protocol}");
    }
}

/// What a heterogeneous job asks for, part by part; how many there are is written.
fn components_of<'a>(protocol: Protocol, bytes: &'a [u8], to: &mut Packer) -> Vec<Description<'a>> {
    let mut from = Reader::new(bytes, protocol);
    let count = from.u16().unwrap();
    to.u16(count);
    let parts = (0..count).map(|_| Description::read(&mut from).unwrap()).collect();
    from.end().unwrap();
    parts
}

fn of_json<T: crate::table::Object>(value: serde_json::Value) -> T {
    let zone = jiff::tz::TimeZone::UTC;
    let mut reader = Json::new(Version::V45, 0, &zone);
    reader.object(value)
}

/// That we send the same, in each protocol.
#[track_caller]
fn same(name: &str, ours: impl Fn(Protocol) -> Result<Vec<u8>, Unsendable>) {
    same_since(Protocol::V24_11, name, ours);
}

/// That we send the same, in each protocol from this one on.
#[track_caller]
fn same_since(first: Protocol, name: &str, ours: impl Fn(Protocol) -> Result<Vec<u8>, Unsendable>) {
    for (protocol, _) in SPOKEN.into_iter().filter(|(protocol, _)| *protocol >= first) {
        same_as(protocol, name, &sent(protocol, name), &ours(protocol).unwrap());
    }
}

/// A submission as slurmrestd sends it, but with the mail that `sbatch` asks for: slurmrestd leaves bits of "not set" in it
/// that mean nothing.
fn with_mail_of_sbatch(protocol: Protocol, name: &str) -> Vec<u8> {
    let (bytes, sbatch) = (sent(protocol, name), sent(protocol, "submit-much.4003"));
    let mut record: Description<'_> = read(protocol, &bytes);
    let mail = read::<Description<'_>>(protocol, &sbatch).mail_type;
    assert_eq!((mail, record.mail_type & 0x7ff, record.mail_type & 0xf800), (3, 3, 0xf800));
    record.mail_type = mail;
    written(protocol, &record)
}

#[track_caller]
fn same_as(protocol: Protocol, name: &str, real: &[u8], ours: &[u8]) {
    if real != ours {
        let kind = name.rsplit_once('.').unwrap().1;
        let as_text = |bytes: &[u8]| understood(protocol, kind, bytes).0;
        let (real, ours) = (as_text(real), as_text(ours));
        let other: Vec<String> =
            real.lines().zip(ours.lines()).filter(|(a, b)| a != b).map(|(a, b)| format!("{a} <-> {b}")).collect();
        panic!("{name} in {protocol}: real <-> ours\n{}", other.join("\n"));
    }
}

/// Much at once.
const MUCH: &str = r##"{
            "script": "#!/bin/sh\nsleep 60\n", "name": "name", "current_working_directory": "/tmp", "environment": ["PATH=/bin"],
            "account": "physics", "argv": ["a", "b"], "array": "1-9:2%2", "begin_time": 1893456000, "comment": "words",
            "constraints": "fake", "cpus_per_task": 2, "deadline": 1893628800, "dependency": "afterany:1",
            "excluded_nodes": ["n3", "n2"], "required_nodes": ["n1"], "kill_warning_signal": "USR1", "kill_warning_delay": 60,
            "kill_warning_flags": ["BATCH_JOB"], "licenses": "matlab:2", "mail_type": ["BEGIN", "END"], "mail_user": "a@b",
            "memory_per_node": 100, "minimum_nodes": 2, "maximum_nodes": 3, "minimum_cpus": 4, "minimum_cpus_per_node": 2,
            "nice": 7, "open_mode": ["APPEND"], "partition": "defq", "qos": "normal", "requeue": true, "reservation": "r1",
            "shared": ["none"], "standard_error": "err.%j", "standard_input": "/dev/null", "standard_output": "out.%j",
            "tasks": 4, "tasks_per_node": 2, "threads_per_core": 1, "temporary_disk_per_node": 10, "time_limit": 90,
            "time_minimum": 30, "tres_per_node": "gres/gpu:1", "tres_per_job": "gres/gpu:2", "tres_per_socket": "gres/gpu:1",
            "tres_per_task": "gres/gpu:1", "cpus_per_tres": "gres/gpu:2", "memory_per_tres": "gres/gpu:20", "wckey": "key",
            "extra": "more", "priority": 9
}"##;

#[test]
fn submissions_as_slurmrestd_sends_them() {
    let body = |desc: serde_json::Value| move |protocol: Protocol| bodies::submit(protocol, &of_json(desc.clone()));
    same(
        "rest-submit.4003",
        body(json!({
            "script": SCRIPT, "name": "rest", "current_working_directory": "/tmp", "environment": ["PATH=/bin", "HOME=/"],
            "partition": "defq",
        })),
    );
    let much = body(serde_json::from_str(MUCH).unwrap());
    for (protocol, _) in SPOKEN {
        let real = with_mail_of_sbatch(protocol, "rest-submit-much.4003");
        same_as(protocol, "rest-submit-much.4003", &real, &much(protocol).unwrap());
    }
    same(
        "rest-submit-less.4003",
        body(json!({
            "script": SCRIPT, "current_working_directory": "/tmp", "environment": ["PATH=/bin"], "hold": true, "requeue": false,
            "memory_per_cpu": 50, "nice": -7, "open_mode": ["TRUNCATE"], "nodes": "2-3", "reboot": false,
            "time_limit": { "infinite": true }, "shared": ["oversubscribe"], "contiguous": true,
        })),
    );
}

#[test]
fn changes_of_jobs_as_slurmrestd_sends_them() {
    let body = |desc: serde_json::Value| {
        let desc = of_json(desc);
        move |protocol: Protocol| bodies::update_job(protocol, JOB, &desc)
    };
    same("rest-update.3001", body(json!({ "comment": "words", "time_limit": 30 })));
    same("rest-hold.3001", body(json!({ "hold": true })));
    same("rest-release.3001", body(json!({ "hold": false })));
    same(
        "rest-update-much.3001",
        body(json!({
            "name": "other", "partition": "gpu", "qos": "normal", "nice": 5, "account": "physics", "dependency": "afterok:3",
            "begin_time": 1_893_456_000, "constraints": "fake", "licenses": "matlab:1", "minimum_nodes": 2, "maximum_nodes": 3,
            "required_nodes": ["n1"], "priority": 9, "requeue": true,
        })),
    );
}

#[test]
fn changes_of_nodes_as_slurmrestd_and_scontrol_send_them() {
    let body = |names: &[&str], update: serde_json::Value| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        move |protocol: Protocol| bodies::update_nodes(protocol, &names, &of_json::<NodeUpdate>(update.clone()))
    };
    let why = json!({ "state": ["DRAIN"], "reason": "why" });
    same("rest-node.3002", body(&["n1"], why));
    same(
        "rest-node-reason.3002",
        body(&["n1"], json!({ "state": ["DRAIN"], "reason": "why", "reason_uid": "daemon" })),
    );
    same(
        "rest-node-much.3002",
        body(
            &["n1"],
            json!({
                "state": ["DOWN"], "reason": "why", "comment": "words", "extra": "more", "weight": 7, "features": ["a", "b"],
                "features_act": ["a"], "gres": "gpu:1", "resume_after": 60,
            }),
        ),
    );
    same("drain.3002", body(&["n1", "n2"], json!({ "state": ["DRAIN"], "reason": "why" })));
    same("resume-node.3002", body(&["n1"], json!({ "state": ["RESUME"] })));
    let down = json!({ "state": ["DOWN"], "reason": "why", "weight": 7, "comment": "words", "extra": "more" });
    same("down.3002", body(&["n1"], down));
}

#[test]
fn what_newer_protocols_have() {
    let update = |protocol: Protocol| {
        let topology = of_json::<NodeUpdate>(json!({ "topology_str": "default:s1" }));
        bodies::update_nodes(protocol, &["n1".to_owned()], &topology)
    };
    same_since(Protocol::V25_11, "rest-node-topology.3002", update);
    same_since(Protocol::V25_11, "node-topology.3002", update);
    assert_eq!(
        update(Protocol::V24_11).unwrap_err().to_string(),
        "topology_str cannot be said to the controller in the protocol of Slurm 24.11: it has it since that of 25.11"
    );
    let partition = |name: &'static str| {
        move |protocol: Protocol| {
            bodies::partition(protocol, &of_json::<Partition>(json!({ "name": name, "topology": "default" })))
        }
    };
    same_since(Protocol::V25_11, "rest-partition-topology.3003", partition("p9"));
    same_since(Protocol::V25_11, "partition-topology.3005", partition("defq"));
    assert!(partition("p9")(Protocol::V24_11).unwrap_err().to_string().starts_with("topology cannot be said"));
    let submit = |desc: serde_json::Value| move |protocol| bodies::submit(protocol, &of_json(desc.clone()));
    same_since(
        Protocol::V26_05,
        "rest-submit-newer.4003",
        submit(json!({
            "script": SCRIPT, "current_working_directory": "/tmp", "environment": ["PATH=/bin"], "container_type": "oci",
            "memory_update_delay": 30, "memory_update_margin": 20,
        })),
    );
    for newer in
        [json!({ "container_type": "oci" }), json!({ "memory_update_delay": 1 }), json!({ "memory_update_margin": 1 })]
    {
        let refused = submit(newer.clone())(Protocol::V25_11).unwrap_err().to_string();
        assert!(refused.ends_with("in the protocol of Slurm 25.11: it has it since that of 26.05"), "{refused}");
        assert!(submit(newer)(Protocol::V26_05).is_ok());
    }
    assert!(submit(json!({ "memory_update_delay": -1 }))(Protocol::V26_05).is_err());
}

#[test]
fn signals_as_scancel_sends_them() {
    use crate::cluster::Reach;
    let (job, task) = (JOB.to_string(), format!("{JOB}_3"));
    same("cancel.5032", |protocol| bodies::kill(protocol, &job, 9, Reach::Steps));
    same("cancel-task.5032", |protocol| bodies::kill(protocol, &task, 9, Reach::Steps));
    same("signal.5032", |protocol| bodies::kill(protocol, &job, 10, Reach::Steps));
    same("signal-batch.5032", |protocol| bodies::kill(protocol, &job, 10, Reach::Script));
    same("signal-full.5032", |protocol| bodies::kill(protocol, &job, 15, Reach::Whole));
}

#[test]
fn requeues_and_suspensions_as_scontrol_sends_them() {
    use crate::cluster::Requeue as How;
    let job = JOB.to_string();
    let hold = How { hold: true, ..How::default() };
    same("requeue.5023", |protocol| bodies::requeue(protocol, &job, How::default()));
    same("requeue-hold.5023", |protocol| bodies::requeue(protocol, &job, hold));
    same("requeue-special.5023", |protocol| bodies::requeue(protocol, &job, How { special_exit: true, ..hold }));
    same("requeue-incomplete.5023", |protocol| {
        bodies::requeue(protocol, &job, How { incomplete: true, ..How::default() })
    });
    same("requeue-incomplete-hold.5023", |protocol| bodies::requeue(protocol, &job, How { incomplete: true, ..hold }));
    same("suspend.5014", |protocol| bodies::suspend(protocol, &job));
    same("resume.5014", |protocol| bodies::resume(protocol, &job));
}

#[test]
fn what_was_not_compared_is_not_sent() {
    let refused =
        |desc: serde_json::Value| bodies::submit(Protocol::V24_11, &of_json::<JobDesc>(desc)).unwrap_err().to_string();
    assert!(refused(json!({ "cpus_per_task": -1 })).contains("cpus_per_task: -1 is not possible"));
    assert!(refused(json!({ "cpus_per_task": 65_536 })).contains("not possible"));
    assert!(refused(json!({ "nodes": "3-2" })).contains("3-2"));
    let nodes = bodies::update_nodes(
        Protocol::V24_11,
        &["n1".into()],
        &of_json::<NodeUpdate>(json!({ "state": ["DOWN", "DRAIN"] })),
    );
    assert!(nodes.is_err());
    for bad in ["", "x", "1_", "1_x", "1;2", "4294967295", "1_*"] {
        assert!(bodies::kill(Protocol::V24_11, bad, 9, crate::cluster::Reach::Steps).is_err(), "{bad}");
    }
    assert!(bodies::kill(Protocol::V24_11, "1", 0, crate::cluster::Reach::Steps).is_err());
    assert!(bodies::kill(Protocol::V24_11, "1", 65, crate::cluster::Reach::Steps).is_err());
}
