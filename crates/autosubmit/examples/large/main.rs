//! What a large site costs: an experiment of 4,000 jobs, and a directory of 2,000 experiments; first and repeated readings.
//!
//! ```text
//! cargo run --release -p jobgate-autosubmit --example large [SITE EXPID]
//! ```
//!
//! Without arguments it makes a site in a temporary folder, with the job list in a database as since Autosubmit 4.2. With them it
//! reads a site that is there (`SITE/.autosubmitrc`), for example one with a pickle.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program for developers, whose output is its purpose")]

mod site;

use std::fs;
use std::path::PathBuf;
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

/// Experiments besides the large one.
const EXPERIMENTS: i64 = 2000;
/// Members of the large one, and chunks of each; two jobs in each chunk.
const LARGE: (i64, i64) = (10, 200);
/// Readings of which the middle one counts.
const TIMES: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = tempfile::tempdir().unwrap();
    let (root, expid) = if let [root, expid] = arguments.as_slice() {
        (PathBuf::from(root), Expid::parse(expid).unwrap())
    } else {
        site::make(folder.path(), EXPERIMENTS, LARGE);
        (folder.path().to_owned(), Expid::parse("a0000").unwrap())
    };
    // files that were just written are read each time
    std::thread::sleep(jobgate_autosubmit::kept::UNSETTLED + Duration::from_millis(200));
    let environment = Environment::default();
    let rc = Rc::read(&root.join(".autosubmitrc"), &environment).unwrap();
    let open = || Site::new(rc.clone(), environment.clone(), 256 << 20);
    let moment = Moment::new(jiff::Timestamp::now().as_second(), Offset::UTC);
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
