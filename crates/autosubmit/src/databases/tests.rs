use std::fs;
use std::path::PathBuf;

use rusqlite::Connection;

use super::catalogue::{self, Catalogue};
use super::history::{self, History};
use super::packages::Packages;
use super::{Column, Database, DatabaseError, drawing, metrics, structure};

/// A database made by SQL, in a folder whose name needs care.
fn database(sql: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::Builder::new().prefix("a b%?#").tempdir().unwrap();
    let path = folder.path().join("made.db");
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    (folder, path)
}

#[test]
fn missing_damaged_and_cut_files_are_told_apart() {
    let (folder, path) = database(
        "CREATE TABLE experiment(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO experiment VALUES(1,'a000');",
    );
    let failed = |path: &std::path::Path| Catalogue::read(path).unwrap_err();
    assert!(matches!(failed(&folder.path().join("none.db")), DatabaseError::Missing { .. }));
    assert!(matches!(failed(folder.path()), DatabaseError::Missing { .. }));
    let cut = folder.path().join("cut.db");
    let whole = fs::read(&path).unwrap();
    fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(failed(&cut), DatabaseError::Damaged { .. }));
    fs::write(&cut, "this is text and not a database, and it is long enough for one").unwrap();
    assert!(matches!(failed(&cut), DatabaseError::Damaged { .. }));
    fs::write(&cut, "").unwrap();
    let error = failed(&cut);
    assert!(matches!(error, DatabaseError::NoTable { table: "experiment", .. }));
    assert_eq!(error.to_string(), "no such table: experiment in cut.db");
    let (_folder, path) = database("CREATE TABLE experiment(id INTEGER)");
    assert!(matches!(failed(&path), DatabaseError::NoColumn { column: "name", .. }));
}

#[test]
fn reading_neither_writes_nor_disturbs_a_writer() {
    let (folder, path) = database(
        "CREATE TABLE experiment(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO experiment VALUES(1,'a000');",
    );
    let before = fs::read(&path).unwrap();
    let writer = Connection::open(&path).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE; INSERT INTO experiment VALUES(2,'a001');").unwrap();
    // a writer that has not committed yet is not waited for, and is not seen
    assert_eq!(Catalogue::read(&path).unwrap().experiments().len(), 1);
    writer.execute_batch("COMMIT").unwrap();
    assert_eq!(Catalogue::read(&path).unwrap().experiments().len(), 2);
    assert_ne!(fs::read(&path).unwrap(), before);
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["made.db"]);
    let reader = Database::open(&path).unwrap();
    assert!(reader.file().connection.execute("DELETE FROM experiment", []).is_err());
}

#[test]
fn columns_that_come_and_go_are_seen() {
    let (_folder, path) = database("CREATE TABLE experiment(id INTEGER PRIMARY KEY, name TEXT);");
    let writer = Connection::open(&path).unwrap();
    let read = |change: &str| {
        writer.execute_batch(change).unwrap();
        Catalogue::read(&path).map(|found| found.experiments()[0].description.clone())
    };
    assert_eq!(read("INSERT INTO experiment VALUES(1,'a000')").unwrap(), None);
    assert_eq!(read("ALTER TABLE experiment ADD description DEFAULT 'new'").unwrap().as_deref(), Some("new"));
    assert_eq!(read("ALTER TABLE experiment DROP description").unwrap(), None);
    assert!(matches!(read("ALTER TABLE experiment RENAME TO other"), Err(DatabaseError::NoTable { .. })));
    assert_eq!(read("ALTER TABLE other RENAME TO experiment").unwrap(), None);
}

#[test]
fn a_lock_that_stays_is_named() {
    let (_folder, path) = database("CREATE TABLE experiment(id INTEGER PRIMARY KEY, name TEXT);");
    let writer = Connection::open(&path).unwrap();
    writer.execute_batch("PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE;").unwrap();
    let reader = Database::open(&path).and_then(|database| {
        database.file().connection.busy_timeout(std::time::Duration::ZERO).unwrap();
        database.read("experiment", &[Column::Needed("id")], "", &[], |_| ())
    });
    assert!(matches!(reader, Err(DatabaseError::Busy { .. })), "{reader:?}");
}

#[test]
fn what_is_in_the_log_of_a_writer_is_read() {
    let (_folder, path) =
        database("PRAGMA journal_mode=WAL; CREATE TABLE experiment(id INTEGER PRIMARY KEY, name TEXT);");
    let writer = Connection::open(&path).unwrap();
    writer.execute_batch("PRAGMA wal_autocheckpoint=0; INSERT INTO experiment VALUES(1,'a000');").unwrap();
    assert_eq!(Catalogue::read(&path).unwrap().experiments()[0].name, "a000");
}

#[test]
fn nothing_is_made_beside_a_file_that_is_written_ahead() {
    let (folder, path) = database(
        "PRAGMA journal_mode=WAL; CREATE TABLE experiment(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO experiment VALUES(1,'a000');",
    );
    let beside = || fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(beside(), 1);
    assert_eq!(Catalogue::read(&path).unwrap().experiments()[0].name, "a000");
    assert_eq!(beside(), 1);
    // what is written while it is read without locks is not mixed with what was there
    let reader = Database::open(&path).unwrap();
    let writer = Connection::open(&path).unwrap();
    writer.execute_batch("INSERT INTO experiment VALUES(2,'a001'); PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let read = reader.read("experiment", &[Column::Needed("id")], "", &[], |_| ());
    assert!(matches!(read, Err(DatabaseError::Busy { .. })), "{read:?}");
    drop(reader);
    // a writer is at it
    writer.execute_batch("INSERT INTO experiment VALUES(3,'a002')").unwrap();
    assert_eq!(Catalogue::read(&path).unwrap().experiments().len(), 3);
    // the same without its writer
    let dead = folder.path().join("dead.db");
    fs::copy(&path, &dead).unwrap();
    fs::copy(folder.path().join("made.db-wal"), folder.path().join("dead.db-wal")).unwrap();
    let before = beside();
    assert!(matches!(Catalogue::read(&dead), Err(DatabaseError::Unfinished { .. })));
    assert_eq!(beside(), before);
}

#[test]
fn a_text_that_is_too_long_is_refused() {
    let (_folder, path) = database(
        "CREATE TABLE experiment(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO experiment VALUES(1, printf('%*c', 40000000, 'x'));",
    );
    assert!(matches!(Catalogue::read(&path), Err(DatabaseError::TooMuch { .. })));
}

#[test]
fn what_is_kept_counts_with_its_texts() {
    let sql = "CREATE TABLE experiment(id INTEGER PRIMARY KEY, name TEXT, description TEXT); \
               INSERT INTO experiment VALUES(1, 'a000', printf('%*c', 1000000, 'x'));";
    let (_folder, path) = database(sql);
    assert!(Catalogue::read(&path).unwrap().size() > 1_000_000);
    let jobs = "CREATE TABLE jobs(name TEXT, status TEXT, local_logs_out TEXT); \
                INSERT INTO jobs VALUES('a000_SIM', 'READY', printf('%*c', 1000000, 'x'));";
    let (_folder, path) = database(jobs);
    assert!(crate::jobs::read_database(&path).unwrap().size() > 1_000_000);
    let tries = "CREATE TABLE job_data(id, counter, job_name, submit, start, finish, status, rowtype, last, err); \
                 INSERT INTO job_data VALUES(1, 1, 'a', 1, 1, 1, 'RUNNING', 2, 1, printf('%*c', 1000000, 'x'));";
    let (_folder, path) = database(tries);
    assert!(History::read(&path).unwrap().size() > 1_000_000);
}

#[test]
fn a_file_cannot_make_us_run_its_queries() {
    let endless = "CREATE VIEW experiment AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) \
                   SELECT id, 'a' AS name FROM n;";
    let (_folder, path) = database(endless);
    assert!(matches!(Catalogue::read(&path), Err(DatabaseError::NoTable { .. })));
    let generated = "CREATE TABLE experiment(id INTEGER PRIMARY KEY, name TEXT, \
                     description TEXT GENERATED ALWAYS AS (printf('%*c', 100000000, 'x')) VIRTUAL); \
                     INSERT INTO experiment(id, name) VALUES(1, 'a000');";
    let (_folder, path) = database(generated);
    assert_eq!(Catalogue::read(&path).unwrap().experiments()[0].description, None);
}

#[test]
fn experiments_come_with_their_details() {
    let (_folder, path) = database(
        "CREATE TABLE experiment(id INTEGER PRIMARY KEY, name, description, autosubmit_version);
         CREATE TABLE details(exp_id INTEGER, user TEXT, created TEXT, model TEXT, branch TEXT, hpc TEXT);
         INSERT INTO experiment VALUES(2,'a001','second',NULL),(1,'a000','first','4.1.17'),(3,NULL,'','');
         INSERT INTO details VALUES(1,'old','','','',''),(1,'alice','2024-01-08 14:52:35','m','b','MN5');",
    );
    let catalogue = Catalogue::read(&path).unwrap();
    assert_eq!(catalogue.experiments().iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["a000", "a001"]);
    let first = catalogue.get("a000").unwrap();
    assert_eq!((first.id, first.version.as_deref()), (1, Some("4.1.17")));
    assert_eq!(first.details.as_ref().unwrap().user.as_deref(), Some("alice"));
    assert_eq!((catalogue.get("a001").unwrap().details.as_ref(), catalogue.get("a002")), (None, None));
}

#[test]
fn states_of_experiments_need_no_key_and_no_table() {
    let (_folder, path) = database(
        "CREATE TABLE experiment_status(exp_id, name, status); INSERT INTO experiment_status VALUES('7','a','RUNNING');",
    );
    assert_eq!(*catalogue::statuses(&path).unwrap().numbered(), [(7, "RUNNING".to_owned())].into());
    let (_folder, path) = database("CREATE TABLE other(x)");
    assert!(catalogue::statuses(&path).unwrap().numbered().is_empty());
}

/// The columns of `job_data` in all versions; the later ones have more.
const BASE: &str = "id INTEGER PRIMARY KEY, counter, job_name, created, modified, submit, start, finish, status, rowtype, ncpus, \
                    wallclock, qos, energy, date, section, member, chunk, last, platform, job_id, extra_data, nnodes, run_id, \
                    MaxRSS, AveRSS, out, err, rowstatus, children, platform_output";

#[test]
fn histories_of_all_schema_versions_are_read() {
    let later = [
        "",
        ", workflow_commit",
        ", workflow_commit, split TEXT, splits TEXT",
        ", workflow_commit, split INTEGER, splits INTEGER, fail_count",
    ];
    for more in later {
        let (_folder, path) = database(&format!(
            "CREATE TABLE experiment_run(run_id INTEGER PRIMARY KEY, created, start, finish, chunk_unit, chunk_size, completed, total, \
               failed, queuing, running, submitted, suspended, metadata, modified);
             CREATE TABLE job_data({BASE}{more});
             INSERT INTO experiment_run VALUES(1,'c',10,0,'NA',0,1,2,0,0,0,0,0,'{{\"A\":1}}',NULL),(2,'c',0,NULL,'month',4,1,0,0,0,0,0,0,NULL,NULL);
             INSERT INTO job_data(counter,job_name,submit,start,finish,status,rowtype,energy,last,run_id) VALUES
               (1,'j',1,2,3,'FAILED',2,0,0,1),(2,'j',4,5,6,'COMPLETED',2,1.5,1,1),(9,'j',4,5,6,'COMPLETED',1,1.5,1,1);",
        ));
        let history = History::read(&path).unwrap();
        let last = history.last_try("j").unwrap();
        assert_eq!((last.counter, last.energy, last.workflow_commit.as_ref(), last.split), (2, 1.5, None, None));
        assert_eq!(history.last_run_of("j").unwrap().run_id, 1);
        assert_eq!((history.run(1).unwrap().chunk_length(), history.last_run()), (None, None));
        assert_eq!(history.run(2).unwrap().chunk_length().unwrap().size, 4);
        assert_eq!(history::tries_of_job(&path, "j").unwrap().iter().map(|t| t.counter).collect::<Vec<_>>(), [9, 2, 1]);
        assert_eq!(history::tries_of_run(&path, 1).unwrap().len(), 2);
        assert_eq!(history::completed_tries(&path).unwrap().len(), 2);
        assert_eq!(history::configuration(&path, Some(1)).unwrap().as_deref(), Some("{\"A\":1}"));
        assert_eq!(
            (history::configuration(&path, None).unwrap(), history::configuration(&path, Some(9)).unwrap()),
            (None, None)
        );
    }
}

#[test]
fn real_packages_count_before_previewed_ones_and_the_last_before_the_first() {
    let (_folder, path) = database(
        "CREATE TABLE wrappers_jobs(package_id, package_name, job_name); CREATE TABLE preview_wrappers_jobs(package_id, package_name, job_name);
         INSERT INTO preview_wrappers_jobs VALUES(1,'P1','a'),(1,'P1','b'),(1,'P2','a');",
    );
    let packages = Packages::read(&path).unwrap();
    assert_eq!((packages.of_job("a"), packages.of_job("b"), packages.of_job("c")), (Some("P2"), Some("P1"), None));
    assert_eq!(packages.all(), [("P2", vec!["a"]), ("P1", vec!["b"])]);
    Connection::open(&path).unwrap().execute_batch("INSERT INTO wrappers_jobs VALUES(1,'R','c')").unwrap();
    assert_eq!(Packages::read(&path).unwrap().all(), [("R", vec!["c"])]);
    let (_folder, path) = database(
        "CREATE TABLE job_package(exp_id, package_name, job_name); INSERT INTO job_package VALUES('a','P','j');",
    );
    assert_eq!(Packages::read(&path).unwrap().of_job("j"), Some("P"));
    let (_folder, path) = database("CREATE TABLE other(x)");
    assert!(Packages::read(&path).unwrap().is_empty());
}

#[test]
fn the_smaller_databases_may_lack_what_nobody_wrote() {
    let (folder, path) = database(
        "CREATE TABLE experiment_structure(e_from, e_to); INSERT INTO experiment_structure VALUES('a','b'),('a',NULL);",
    );
    assert_eq!(structure::read(&path).unwrap(), [("a".into(), "b".into())]);
    assert!(drawing::read(&path).unwrap().is_empty());
    let none = folder.path().join("none.db");
    assert!(drawing::read(&none).unwrap().is_empty() && metrics::runs(&none).unwrap().is_empty());
    assert!(structure::read(&none).is_err() && metrics::of_run(&none, 1).is_err());
    let (_folder, path) = database(
        "CREATE TABLE user_metrics(user_metric_id INTEGER PRIMARY KEY, run_id, job_name, metric_name, metric_value, modified);
         INSERT INTO user_metrics VALUES(1,1,'j','m',1.5,'t'),(2,2,'j','m','x','t');
         CREATE TABLE experiment_graph_draw(id, job_name, x, y); INSERT INTO experiment_graph_draw VALUES(1,'j',90,-180);",
    );
    assert_eq!(metrics::runs(&path).unwrap(), [2, 1]);
    assert_eq!(metrics::of_run(&path, 1).unwrap()[0].metric_value.as_deref(), Some("1.5"));
    assert_eq!(drawing::read(&path).unwrap(), [("j".to_owned(), (90, -180))].into());
}
