//! What a large site costs: an experiment of 4,000 jobs, and a directory of 2,000 experiments; first and repeated readings.
//!
//! ```text
//! cargo run --release -p jobgate-autosubmit --example large [SITE EXPID]
//! ```
//!
//! Without arguments it makes a site in a temporary folder, with the job list in a database as since Autosubmit 4.2. With them it
//! reads a site that is there (`SITE/.autosubmitrc`), for example one with a pickle.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program for developers, whose output is its purpose")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::tz::Offset;
use jobgate_autosubmit::expid::Expid;
use jobgate_autosubmit::machine::{Call, Machine, MachineError, Said};
use jobgate_autosubmit::rc::{Environment, Rc};
use jobgate_autosubmit::site::Site;
use jobgate_autosubmit::views::facts::Facts;
use jobgate_autosubmit::views::graph::{Grouping, Placement, graph};
use jobgate_autosubmit::views::search::{Filter, search};
use jobgate_autosubmit::views::{Moment, Snapshot, brief, performance, tree};
use jobgate_autosubmit::workers::{Task, Workers};
use rusqlite::{Connection, params};

/// Experiments besides the large one.
const EXPERIMENTS: i64 = 2000;
/// Members of the large one, and chunks of each; two jobs in each chunk.
const MEMBERS: i64 = 10;
/// See [`MEMBERS`].
const CHUNKS: i64 = 200;
/// Readings of which the middle one counts.
const TIMES: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = tempfile::tempdir().unwrap();
    let (root, expid) = match arguments.as_slice() {
        [root, expid] => (PathBuf::from(root), Expid::parse(expid).unwrap()),
        _ => (folder.path().to_owned(), make(folder.path())),
    };
    // files that were just written are read each time
    std::thread::sleep(jobgate_autosubmit::kept::UNSETTLED + Duration::from_millis(200));
    let environment = Environment::default();
    let rc = Rc::read(&root.join(".autosubmitrc"), &environment).unwrap();
    let open = || Site::new(rc.clone(), environment.clone(), 256 << 20);
    let moment = Moment { now: jiff::Timestamp::now().as_second(), zone: Offset::UTC };
    println!("{:<34} {:>10} {:>10}", "", "first", "repeated");
    println!("memory at the start {:>48}", memory());
    row("an experiment, read whole", open, |site| drop(Snapshot::read(site, &expid).unwrap()));
    row("its jobs, counted", open, |site| drop(site.jobs(&expid).unwrap()));
    row("its tree as JSON", open, |site| {
        let snapshot = Snapshot::read(site, &expid).unwrap();
        let facts = Facts::of(&snapshot, moment);
        let titles = tree::titles(&facts);
        drop(serde_json::to_vec(&tree::tree(&facts, &titles)).unwrap());
    });
    row("its graph as JSON", open, |site| {
        let snapshot = Snapshot::read(site, &expid).unwrap();
        let facts = Facts::of(&snapshot, moment);
        drop(serde_json::to_vec(&graph(&facts, &Placement::Layers, Grouping::None).unwrap()).unwrap());
    });
    row("its summary", open, |site| {
        let snapshot = Snapshot::read(site, &expid).unwrap();
        let facts = Facts::of(&snapshot, moment);
        drop(brief::summary(&snapshot.jobs, &facts.times));
    });
    row("its performance", open, |site| {
        let snapshot = Snapshot::read(site, &expid).unwrap();
        let facts = Facts::of(&snapshot, moment);
        drop(performance::performance(&facts));
    });
    println!("memory with one experiment {:>41}", memory());
    let count = open().catalogue().unwrap().experiments().len();
    row(&format!("search of {count}, with last runs"), open, |site| {
        let (catalogue, statuses) = (site.catalogue().unwrap(), site.statuses().unwrap());
        let filter = Filter { text: Some("a"), ..Filter::default() };
        for experiment in search(&catalogue, &statuses, &filter, None) {
            drop(site.runs(&Expid::parse(&experiment.name).unwrap()));
        }
    });
    if arguments.is_empty() {
        row(&format!("which of {count} run, written"), open, |site| {
            // a site of its own would be needed to keep the files' readings
            let workers = Workers::new(
                Arc::new(Site::new(site.rc().clone(), Environment::default(), 1 << 28)),
                Arc::new(Nothing),
            );
            workers.run(Task::Status, moment).unwrap();
        });
    }
    println!("memory at the end {:>50}", memory());
}

/// The time of the first reading, and of one that finds everything kept.
fn row(what: &str, open: impl Fn() -> Site, work: impl Fn(&Site)) {
    let (mut first, mut repeated) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let site = open();
        for times in [&mut first, &mut repeated] {
            let began = Instant::now();
            work(&site);
            times.push(began.elapsed());
        }
    }
    println!("{what:<34} {:>10} {:>10}", middle(first), middle(repeated));
}

fn middle(mut times: Vec<Duration>) -> String {
    times.sort();
    format!("{:.2} ms", times[times.len() / 2].as_secs_f64() * 1000.0)
}

/// Resident memory now, and the most that it was.
fn memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
    };
    format!("{} MiB (at most {})", field("VmRSS:"), field("VmHWM:"))
}

#[derive(Debug)]
struct Nothing;

impl Machine for Nothing {
    fn run(&self, _: &Call) -> Result<Said, MachineError> {
        Ok(Said::default())
    }
}

/// Makes a site with one large experiment and many small ones.
fn make(root: &Path) -> Expid {
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
    for number in 0..=EXPERIMENTS {
        let name = format!("a{number:04}");
        main.execute("INSERT INTO experiment VALUES (?1, ?2, 'one of many', '4.2.0')", params![number, name]).unwrap();
        main.execute("INSERT INTO details VALUES (?1, 'ann', '2026-01-01', 'NA', 'NA', 'MN5')", [number]).unwrap();
        experiment(root, &name, if number == 0 { CHUNKS } else { 1 }, if number == 0 { MEMBERS } else { 1 });
    }
    main.execute_batch("COMMIT").unwrap();
    Expid::parse("a0000").unwrap()
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
