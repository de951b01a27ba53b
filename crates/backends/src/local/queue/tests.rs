use rusqlite::Connection;

use super::*;
use crate::local::inventory::NodeRecord;
use crate::local::need::{Gpus, Memory};

fn old_queue() -> (tempfile::TempDir, Connection) {
    let dir = tempfile::tempdir().unwrap();
    let old = Connection::open(dir.path().join("local.db")).unwrap();
    old.execute_batch(include_str!("version_1.sql")).unwrap();
    drop(old);
    let new = open(dir.path()).unwrap();
    (dir, new)
}

#[test]
fn a_queue_of_version_1_goes_on() {
    let (dir, tx) = old_queue();
    let version: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 2);
    let run = |id| by_id(&tx, id).unwrap().unwrap();
    let one = Need { lenient: true, ..Need::default() };

    let failed = run(1);
    assert_eq!(
        (failed.phase, failed.end, failed.need.clone()),
        (Phase::Ended, Some((State::Failed, "3".into())), one.clone())
    );
    assert!(failed.allocation.is_empty());

    let runs = run(2);
    let licences = [("matlab".to_owned(), 2)].into();
    let need = Need { memory: Memory::PerNode(1 << 30), gpus: Gpus::None, licences, ..one.clone() };
    assert_eq!((runs.phase, &runs.need), (Phase::Running, &need));
    let share = Share { tasks: 1, cores: 1, memory: 1 << 30, ..Share::default() };
    assert_eq!((runs.memory_limit(), runs.allocation), (Some(1 << 30), vec![share]));

    let held = run(3);
    assert_eq!((held.blocked, held.partitions.as_str(), held.name), (blocked::HELD, "fast", None));
    let wished = Wishes { asked: 17, nice: 0, begin: None, deadline: None, reservations: String::new() };
    assert_eq!(wishes(&tx, 3).unwrap(), wished);

    assert_eq!(awaiting(&tx, 2).unwrap().iter().map(|(id, _)| *id).collect::<Vec<_>>(), [4]);
    let first = ArrayRow { id: 5, task: 3, count: 2, limit: Some(1) };
    assert_eq!((run(5).array_task, run(6).array_task), (Some(first), Some(ArrayRow { task: 5, ..first })));
    assert_eq!(tasks_of(&tx, 5).unwrap(), [(5, 3), (6, 5)]);

    // The machine was drained: its one node is, whatever its name.
    let nodes: Vec<(String, NodeRecord)> = records(&tx, Table::Node).unwrap();
    assert_eq!(nodes, [(String::new(), NodeRecord { drained: true, ..NodeRecord::default() })]);
    assert_eq!(setting(&tx, "drained").unwrap(), None);
    // Nothing is migrated twice.
    drop(open(dir.path()).unwrap());
    assert_eq!(population(&tx).unwrap(), (3, 2, 6));
}

#[test]
fn a_migrated_queue_has_the_tables_of_a_new_one() {
    let shape = |tx: &Connection| {
        let mut objects: Vec<(String, String)> = tx
            .prepare("SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        objects.sort();
        let mut columns: Vec<(String, String, bool, Option<String>)> = tx
            .prepare("SELECT name, type, \"notnull\", dflt_value FROM pragma_table_info('run')")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        columns.sort();
        (objects, columns)
    };
    let (_old, migrated) = old_queue();
    let dir = tempfile::tempdir().unwrap();
    let fresh = open(dir.path()).unwrap();
    assert_eq!(shape(&migrated), shape(&fresh));
}

#[test]
fn every_change_of_a_run_has_a_revision() {
    let (_dir, tx) = old_queue();
    let revision =
        |id: i64| -> i64 { tx.query_row("SELECT revision FROM run WHERE id = ?", [id], |row| row.get(0)).unwrap() };
    let before = changes(&tx).unwrap();
    assert_eq!((revision(3), before.number), (0, 1));
    set_priority(&tx, 3, 99).unwrap();
    count_change(&tx, Touched { nodes: true, ..Touched::default() }, 7.0).unwrap();
    let after = changes(&tx).unwrap();
    assert_eq!((revision(3), revision(4), after.number), (2, 0, 2));
    assert_eq!((after.inventory, after.runs as i64, after.nodes as i64, after.partitions as i64), (1, 7, 7, 0));
    set_record(&tx, Table::Node, "n1", Some(&NodeRecord::default())).unwrap();
    assert_eq!(changes(&tx).unwrap().inventory, 3);
}
