//! A site that is made for measurements, in the layout of Autosubmit 4.2.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, params};

/// Makes a site with the experiment `a0000` of so many members and chunks of each (with two jobs in each chunk), and small ones.
pub(crate) fn make(root: &Path, experiments: i64, (members, chunks): (i64, i64)) {
    let at = root.display();
    let rc = format!(
        "[database]\npath = {at}\n[local]\npath = {at}\n[historicdb]\npath = {at}/data\n[structures]\npath = {at}/structures\n"
    );
    fs::write(root.join(".autosubmitrc"), rc).unwrap();
    fs::create_dir(root.join("data")).unwrap();
    let main = Connection::open(root.join("autosubmit.db")).unwrap();
    main.execute_batch(
        "CREATE TABLE experiment(id INTEGER PRIMARY KEY, name VARCHAR, description VARCHAR, autosubmit_version VARCHAR);
         CREATE TABLE details(exp_id INTEGER PRIMARY KEY, user TEXT, created TEXT, model TEXT, branch TEXT, hpc TEXT); BEGIN",
    )
    .unwrap();
    for number in 0..=experiments {
        let name = format!("a{number:04}");
        main.execute("INSERT INTO experiment VALUES (?1, ?2, 'one of many', '4.2.0')", params![number, name]).unwrap();
        main.execute("INSERT INTO details VALUES (?1, 'ann', '2026-01-01', 'NA', 'NA', 'MN5')", [number]).unwrap();
        let (members, chunks) = if number == 0 { (members, chunks) } else { (1, 1) };
        experiment(root, &name, chunks, members);
    }
    main.execute_batch("COMMIT").unwrap();
}

fn experiment(root: &Path, name: &str, chunks: i64, members: i64) {
    let folder = root.join(name);
    for part in ["conf", "db", "tmp/ASLOGS", &format!("tmp/LOG_{name}")] {
        fs::create_dir_all(folder.join(part)).unwrap();
    }
    let conf = format!(
        "CONFIG: {{AUTOSUBMIT_VERSION: '4.2.0'}}\nDEFAULT: {{EXPID: {name}, HPCARCH: MN5}}\nPLATFORMS: {{MN5: {{TYPE: slurm, HOST: h}}}}\n\
         EXPERIMENT: {{CHUNKSIZE: 1, CHUNKSIZEUNIT: month}}\nJOBS:\n  SIM: {{FILE: a.sh, WALLCLOCK: '01:00', PROCESSORS: 16}}\n  \
         POST: {{FILE: b.sh, WALLCLOCK: '00:10'}}\n"
    );
    fs::write(folder.join("conf/minimal.yml"), conf).unwrap();
    let list = Connection::open(folder.join("db/job_list.db")).unwrap();
    list.execute_batch(
        "PRAGMA synchronous = OFF; CREATE TABLE jobs(name VARCHAR PRIMARY KEY, id INTEGER, priority INTEGER, status TEXT, section VARCHAR,
         chunk INTEGER, member TEXT, splits INTEGER, split INTEGER, date VARCHAR, local_logs_out VARCHAR, local_logs_err VARCHAR,
         remote_logs_out VARCHAR, remote_logs_err VARCHAR, modified TEXT);
         CREATE TABLE experiment_structure(e_from VARCHAR, e_to VARCHAR); BEGIN",
    )
    .unwrap();
    let history = Connection::open(root.join(format!("data/job_data_{name}.db"))).unwrap();
    history
        .execute_batch(
            "PRAGMA synchronous = OFF; CREATE TABLE experiment_run(run_id INTEGER PRIMARY KEY, created TEXT, modified TEXT, start INTEGER,
             finish INTEGER, chunk_unit TEXT, chunk_size INTEGER, completed INTEGER, total INTEGER, failed INTEGER, queuing INTEGER,
             running INTEGER, submitted INTEGER, suspended INTEGER, metadata TEXT);
             CREATE TABLE job_data(id INTEGER PRIMARY KEY, counter INTEGER, job_name TEXT, created TEXT, modified TEXT, submit INTEGER,
             start INTEGER, finish INTEGER, status TEXT, rowtype INTEGER, ncpus INTEGER, wallclock TEXT, qos TEXT, energy INTEGER, date TEXT,
             section TEXT, member TEXT, chunk INTEGER, last INTEGER, platform TEXT, job_id INTEGER, extra_data TEXT, nnodes INTEGER,
             run_id INTEGER, out TEXT, err TEXT);
             CREATE INDEX names ON job_data(job_name);
             INSERT INTO experiment_run VALUES (1, '2026-01-01', '', 1767225600, 0, 'month', 1, 1, 2, 0, 0, 0, 0, 0, '{}'); BEGIN",
        )
        .unwrap();
    let mut number = 0_i64;
    for member in 0..members {
        let mut before: Option<String> = None;
        for chunk in 1..=chunks {
            let sim = format!("{name}_20000101_fc{member}_{chunk}_SIM");
            let post = format!("{name}_20000101_fc{member}_{chunk}_POST");
            for (job, section) in [(&sim, "SIM"), (&post, "POST")] {
                number += 1;
                list.execute(
                    "INSERT INTO jobs VALUES (?1, ?2, 0, 'COMPLETED', ?3, ?4, ?5, -1, -1, '2000-01-01T00:00:00', ?6, ?7, '', '', '2026-01-01 00:00:00')",
                    params![job, number, section, chunk, format!("fc{member}"), format!("{job}.out"), format!("{job}.err")],
                )
                .unwrap();
                let start = 1_767_225_600 + number * 60;
                history
                    .execute(
                        "INSERT INTO job_data (counter, job_name, created, modified, submit, start, finish, status, rowtype, ncpus, wallclock,
                         qos, energy, date, section, member, chunk, last, platform, job_id, extra_data, nnodes, run_id, out, err)
                         VALUES (1, ?1, '', '', ?2, ?3, ?4, 'COMPLETED', 2, 16, '01:00', 'q', 1000, '', ?5, ?6, ?7, 1, 'MN5', ?8, '', 1, 1, '', '')",
                        params![job, start - 30, start, start + 600, section, format!("fc{member}"), chunk, number],
                    )
                    .unwrap();
            }
            let edge = |from: &str, to: &str| {
                list.execute("INSERT INTO experiment_structure VALUES (?1, ?2)", [from, to]).unwrap()
            };
            edge(&sim, &post);
            if let Some(before) = before.replace(sim.clone()) {
                edge(&before, &sim);
            }
        }
    }
    list.execute_batch("COMMIT").unwrap();
    history.execute_batch("COMMIT").unwrap();
}
