use std::fs;

use super::{Job, JobList, JobsError, Logs, modified, read_database, read_pickle};
use crate::pickle::writer::Writer;
use crate::status::JobStatus;

fn written(bytes: &[u8]) -> Result<JobList, JobsError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("job_list_a000.pkl");
    fs::write(&path, bytes).unwrap();
    read_pickle(&path)
}

fn sim() -> Job {
    Job {
        name: "a000_20000101_fc0_1_SIM".into(),
        id: Some(77),
        status: JobStatus::Completed,
        priority: Some(3),
        section: Some("SIM".into()),
        date: Some("2000-01-01T12:30:00".parse().unwrap()),
        member: Some("fc0".into()),
        chunk: Some(1),
        split: None,
        splits: None,
        local_logs: Logs { out: Some("o".into()), err: Some("e".into()) },
        remote_logs: Logs { out: Some(String::new()), err: None },
    }
}

/// The tuple of [`sim`], without what begins and ends it.
fn tuple(writer: Writer, id: &str) -> Writer {
    let writer = writer.text("a000_20000101_fc0_1_SIM").text(id).int(5).int(3).text("SIM");
    writer.datetime(2000, 1, 1, 12, 30).text("fc0").int(1).text("o").text("e").text("").none()
}

/// The attributes of [`sim`] with the names that a version gives them, between the marks of a dictionary.
fn attributes(writer: Writer, status: &str) -> Writer {
    let writer =
        writer.raw(b"}(").text("id").int(77).text(status).int(5).text("priority").int(3).text("_section").text("SIM");
    let writer = writer.text("date").datetime(2000, 1, 1, 12, 30).text("_member").text("fc0").text("_chunk").int(1);
    let writer = writer.text("_split").int(-1).text("_splits").int(0).text("parameters").raw(b"}");
    let writer = writer.text("_local_logs").text("o").text("e").raw(b"\x86");
    writer.text("_remote_logs").text("").none().raw(b"\x86u")
}

#[test]
fn the_four_generations_of_pickles_say_the_same() {
    let python3 = tuple(Writer::new(2).raw(b"](("), "77").text("none").raw(b"te").finish();
    let python2 = b"(lp0\n(S'a000_20000101_fc0_1_SIM'\np1\nI77\nI5\nI3\nS'SIM'\ncdatetime\ndatetime\n\
                    (S'\\x07\\xd0\\x01\\x01\\x0c\\x1e\\x00\\x00\\x00\\x00'\ntRS'fc0'\nI1\nS'o'\nS'e'\nS''\nNta.";
    let name = "a000_20000101_fc0_1_SIM";
    let dictionary = attributes(Writer::new(5).raw(b"}(").text(name), "_status").raw(b"u").finish();
    let graph = Writer::new(5).global("networkx.classes.digraph", "DiGraph").raw(b")\x81}(").text("graph").raw(b"}");
    let graph = graph
        .text("_node")
        .raw(b"}(")
        .text(name)
        .raw(b"}")
        .text("job")
        .global("autosubmit.job.job", "Job")
        .raw(b")\x81");
    let graph = attributes(graph, "status").raw(b"bsuub").finish();
    for (version, bytes) in [("4.0", &python3), ("3", &python2.to_vec()), ("4.1.17", &dictionary), ("4.1.11", &graph)] {
        assert_eq!(written(bytes).unwrap().jobs(), [sim()], "{version}");
    }
}

#[test]
fn what_is_no_job_list_is_refused() {
    let refused = |bytes: &[u8]| written(bytes).unwrap_err().to_string();
    assert!(refused(b"").contains("job_list_a000.pkl: pickle, byte 0: the file ends too early"));
    for (bytes, what) in [
        (b"N.".to_vec(), "neither a list"),
        (b"](K\x01e.".to_vec(), "no tuple"),
        (b"](K\x01\x85e.".to_vec(), "shorter than 12"),
        (tuple(Writer::new(2).raw(b"](("), "x").raw(b"te").finish(), "id is no number"),
        (b"}K\x01Ns.".to_vec(), "neither a dictionary nor"),
    ] {
        let error = refused(&bytes);
        assert!(error.contains(what), "{error}");
    }
    assert!(matches!(read_pickle("/does/not/exist".as_ref()), Err(JobsError::Read { .. })));
    assert!(written(b"].").unwrap().is_empty());
}

/// A short file whose jobs all share a long text must not become a long list.
#[test]
fn shared_text_is_not_copied_without_end() {
    let long = "x".repeat(1 << 20);
    let mut writer = Writer::new(2).raw(b"]").text(&long).raw(b"q\x000(");
    for number in 0..2000 {
        writer = writer.raw(b"(").text(&number.to_string()).raw(b"NNNh\x00NNNh\x00h\x00NNt");
    }
    assert!(written(&writer.raw(b"e").finish()).unwrap_err().to_string().contains("share more text"));
}

#[test]
fn of_jobs_with_one_name_the_last_counts() {
    let later = Job { status: JobStatus::Failed, ..sim() };
    let other = Job { name: "other".into(), ..sim() };
    let list: JobList = [sim(), other, later].into_iter().collect();
    assert_eq!((list.len(), list.place("other")), (2, Some(1)));
    assert_eq!(list.get("a000_20000101_fc0_1_SIM").unwrap().status, JobStatus::Failed);
    assert_eq!(list.counts(), [0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
}

#[test]
fn databases_say_it_in_columns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("job_list.db");
    let sql = "CREATE TABLE jobs(name PRIMARY KEY, id, priority, status, section, chunk, member, splits, split, date,
                 local_logs_out, local_logs_err, remote_logs_out, remote_logs_err, modified);
               INSERT INTO jobs VALUES('b',77,3,'COMPLETED','SIM',1,'fc0',-1,-1,'2000-01-01T12:30:00','o','e','',NULL,'2024-01-02 00:00:01'),
                 ('a',NULL,NULL,'WHATEVER',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2024-01-02 00:00:02');";
    rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    let list = read_database(&path).unwrap();
    let expected = Job { name: "b".into(), split: Some(-1), splits: Some(-1), ..sim() };
    assert_eq!(list.jobs()[0], expected);
    assert_eq!((list.jobs()[1].name.as_str(), list.jobs()[1].status), ("a", JobStatus::Unknown));
    assert_eq!(modified(&path).unwrap().unwrap().to_string(), "2024-01-02T00:00:02");
}
