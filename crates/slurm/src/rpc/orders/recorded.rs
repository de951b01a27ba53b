//! What the real commands and the real slurmrestd of 24.11 sent (made by `tests/record writes`), and what we send for the same.

use std::path::PathBuf;

use serde_json::json;

use super::*;
use crate::objects::{JobDesc, NodeUpdate};
use crate::rpc::Protocol;
use crate::rpc::client::bodies;
use crate::rpc::codec::{Reader, Wire, Writer as Packer};
use crate::rpc::records::{
    Description, Kill, KillMany, Name, NodeChange, PartitionChange, Requeue, ReservationChange, Suspend,
};
use crate::table::Reader as Json;

mod many;
mod places;

const PROTOCOL: Protocol = Protocol::V24_11;
/// The job that ran when this was recorded.
const JOB: u32 = 44;
const SCRIPT: &str = "#!/bin/sh\nsleep 60\n";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/rpc/recorded/24.11/writes")
}

fn sent(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(format!("{name}.bin"))).unwrap()
}

fn read<'a, T: Wire<'a>>(bytes: &'a [u8]) -> T {
    let mut from = Reader::new(bytes, PROTOCOL);
    let record = T::read(&mut from).unwrap();
    from.end().unwrap();
    record
}

/// Every body that was recorded is read, and is the same when it is written.
#[test]
fn all_that_was_sent_is_understood() {
    let mut seen = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let name = name.strip_suffix(".bin").unwrap();
        let bytes = sent(name);
        let mut to = Packer::new(PROTOCOL);
        match name.rsplit_once('.').unwrap().1 {
            "3001" | "4003" | "4001" => read::<Description<'_>>(&bytes).write(&mut to),
            "4028" => {
                for part in components(&bytes, &mut to) {
                    part.write(&mut to);
                }
            }
            "5041" => read::<KillMany<'_>>(&bytes).write(&mut to),
            "3002" | "3014" | "3015" => read::<NodeChange<'_>>(&bytes).write(&mut to),
            "3003" | "3005" => read::<PartitionChange<'_>>(&bytes).write(&mut to),
            "3006" | "3009" => read::<ReservationChange<'_>>(&bytes).write(&mut to),
            "3004" | "3008" => read::<Name<'_>>(&bytes).write(&mut to),
            "5032" => read::<Kill<'_>>(&bytes).write(&mut to),
            "5023" => read::<Requeue<'_>>(&bytes).write(&mut to),
            "5014" => read::<Suspend<'_>>(&bytes).write(&mut to),
            "1003" => assert!(bytes.is_empty()),
            other => panic!("{name}: {other}"),
        }
        assert_eq!(to.into_bytes(), bytes, "{name}");
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
}

/// What a heterogeneous job asks for, part by part; how many there are is written.
fn components<'a>(bytes: &'a [u8], to: &mut Packer) -> Vec<Description<'a>> {
    let mut from = Reader::new(bytes, PROTOCOL);
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

#[track_caller]
fn same(name: &str, ours: &[u8]) {
    same_as(name, &sent(name), ours);
}

/// A submission as slurmrestd sends it, but with the mail that `sbatch` asks for: slurmrestd leaves bits of "not set" in it
/// that mean nothing.
fn with_mail_of_sbatch(name: &str) -> Vec<u8> {
    let (bytes, sbatch) = (sent(name), sent("submit-much.4003"));
    let (mut record, mail) = (read::<Description<'_>>(&bytes), read::<Description<'_>>(&sbatch).mail_type);
    assert_eq!((mail, record.mail_type & 0x7ff, record.mail_type & 0xf800), (3, 3, 0xf800));
    record.mail_type = mail;
    let mut to = Packer::new(PROTOCOL);
    record.write(&mut to);
    to.into_bytes()
}

#[track_caller]
fn same_as(name: &str, real: &[u8], ours: &[u8]) {
    if real != ours {
        let (kind, as_text) =
            (name.rsplit_once('.').unwrap().1, |bytes: &[u8]| match name.rsplit_once('.').unwrap().1 {
                "3002" | "3014" | "3015" => format!("{:#?}", read::<NodeChange<'_>>(bytes)),
                "3003" | "3005" => format!("{:#?}", read::<PartitionChange<'_>>(bytes)),
                "3006" | "3009" => format!("{:#?}", read::<ReservationChange<'_>>(bytes)),
                "3004" | "3008" => format!("{:#?}", read::<Name<'_>>(bytes)),
                "5041" => format!("{:#?}", read::<KillMany<'_>>(bytes)),
                "4028" => format!("{:#?}", components(bytes, &mut Packer::new(PROTOCOL))),
                "5032" => format!("{:#?}", read::<Kill<'_>>(bytes)),
                "5023" => format!("{:#?}", read::<Requeue<'_>>(bytes)),
                "5014" => format!("{:#?}", read::<Suspend<'_>>(bytes)),
                _ => format!("{:#?}", read::<Description<'_>>(bytes)),
            });
        let (real, ours) = (as_text(real), as_text(ours));
        let other: Vec<String> =
            real.lines().zip(ours.lines()).filter(|(a, b)| a != b).map(|(a, b)| format!("{a} <-> {b}")).collect();
        panic!("{name} ({kind}): real <-> ours\n{}", other.join("\n"));
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
    let body = |desc: serde_json::Value| bodies::submit(&of_json(desc)).unwrap();
    same(
        "rest-submit.4003",
        &body(json!({
            "script": SCRIPT, "name": "rest", "current_working_directory": "/tmp", "environment": ["PATH=/bin", "HOME=/"],
            "partition": "defq",
        })),
    );
    same_as(
        "rest-submit-much.4003",
        &with_mail_of_sbatch("rest-submit-much.4003"),
        &body(serde_json::from_str(MUCH).unwrap()),
    );
    same(
        "rest-submit-less.4003",
        &body(json!({
            "script": SCRIPT, "current_working_directory": "/tmp", "environment": ["PATH=/bin"], "hold": true, "requeue": false,
            "memory_per_cpu": 50, "nice": -7, "open_mode": ["TRUNCATE"], "nodes": "2-3", "reboot": false,
            "time_limit": { "infinite": true }, "shared": ["oversubscribe"], "contiguous": true,
        })),
    );
}

#[test]
fn changes_of_jobs_as_slurmrestd_sends_them() {
    let body = |desc: serde_json::Value| bodies::update_job(JOB, &of_json(desc)).unwrap();
    same("rest-update.3001", &body(json!({ "comment": "words", "time_limit": 30 })));
    same("rest-hold.3001", &body(json!({ "hold": true })));
    same("rest-release.3001", &body(json!({ "hold": false })));
    same(
        "rest-update-much.3001",
        &body(json!({
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
        bodies::update_nodes(&names, &of_json::<NodeUpdate>(update)).unwrap()
    };
    let why = json!({ "state": ["DRAIN"], "reason": "why" });
    same("rest-node.3002", &body(&["n1"], why));
    same(
        "rest-node-reason.3002",
        &body(&["n1"], json!({ "state": ["DRAIN"], "reason": "why", "reason_uid": "daemon" })),
    );
    same(
        "rest-node-much.3002",
        &body(
            &["n1"],
            json!({
                "state": ["DOWN"], "reason": "why", "comment": "words", "extra": "more", "weight": 7, "features": ["a", "b"],
                "features_act": ["a"], "gres": "gpu:1", "resume_after": 60,
            }),
        ),
    );
    same("drain.3002", &body(&["n1", "n2"], json!({ "state": ["DRAIN"], "reason": "why" })));
    same("resume-node.3002", &body(&["n1"], json!({ "state": ["RESUME"] })));
    let down = json!({ "state": ["DOWN"], "reason": "why", "weight": 7, "comment": "words", "extra": "more" });
    same("down.3002", &body(&["n1"], down));
}

#[test]
fn signals_as_scancel_sends_them() {
    use crate::cluster::Reach;
    let (job, task) = (JOB.to_string(), format!("{JOB}_3"));
    same("cancel.5032", &bodies::kill(&job, 9, Reach::Steps).unwrap());
    same("cancel-task.5032", &bodies::kill(&task, 9, Reach::Steps).unwrap());
    same("signal.5032", &bodies::kill(&job, 10, Reach::Steps).unwrap());
    same("signal-batch.5032", &bodies::kill(&job, 10, Reach::Script).unwrap());
    same("signal-full.5032", &bodies::kill(&job, 15, Reach::Whole).unwrap());
}

#[test]
fn requeues_and_suspensions_as_scontrol_sends_them() {
    use crate::cluster::Requeue as How;
    let job = JOB.to_string();
    let hold = How { hold: true, ..How::default() };
    same("requeue.5023", &bodies::requeue(&job, How::default()).unwrap());
    same("requeue-hold.5023", &bodies::requeue(&job, hold).unwrap());
    same("requeue-special.5023", &bodies::requeue(&job, How { special_exit: true, ..hold }).unwrap());
    same("requeue-incomplete.5023", &bodies::requeue(&job, How { incomplete: true, ..How::default() }).unwrap());
    same("requeue-incomplete-hold.5023", &bodies::requeue(&job, How { incomplete: true, ..hold }).unwrap());
    same("suspend.5014", &bodies::suspend(&job).unwrap());
    same("resume.5014", &bodies::resume(&job).unwrap());
}

#[test]
fn what_was_not_compared_is_not_sent() {
    let refused = |desc: serde_json::Value| bodies::submit(&of_json::<JobDesc>(desc)).unwrap_err().to_string();
    assert_eq!(refused(json!({ "burst_buffer": "x" })), "burst_buffer cannot be sent to the controller yet");
    assert_eq!(refused(json!({ "user_id": "0" })), "user_id cannot be sent to the controller yet");
    assert!(refused(json!({ "cpus_per_task": -1 })).contains("cpus_per_task: -1 is not possible"));
    assert!(refused(json!({ "cpus_per_task": 65_536 })).contains("not possible"));
    assert!(refused(json!({ "shared": ["topo"] })).contains("topo"));
    assert!(refused(json!({ "nodes": "3-2" })).contains("3-2"));
    let nodes = bodies::update_nodes(&["n1".into()], &of_json::<NodeUpdate>(json!({ "state": ["DOWN", "DRAIN"] })));
    assert!(nodes.is_err());
    for bad in ["", "x", "1_", "1_x", "1;2", "4294967295", "1_*"] {
        assert!(bodies::kill(bad, 9, crate::cluster::Reach::Steps).is_err(), "{bad}");
    }
    assert!(bodies::kill("1", 0, crate::cluster::Reach::Steps).is_err());
    assert!(bodies::kill("1", 65, crate::cluster::Reach::Steps).is_err());
}
