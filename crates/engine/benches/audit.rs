//! What the audit log costs: lines per second, in batches as the server's thread writes them and one by one as commands do.
//! `cargo bench -p jobgate-engine --bench audit`
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints its figures")]

use std::path::Path;
use std::time::Instant;

use jobgate_engine::audit::{Actor, Entry, Event, Log, verify};

const LINES: usize = 100_000;

fn entry() -> Entry {
    let actor = Actor { who: "alice".into(), established: "jwt", role: "user", ..Actor::unknown("192.0.2.1", "tls") };
    let event = Event::Request { dialect: "psik", method: "DELETE".into(), route: "/v2/jobs/{jobid}".into() };
    let mut entry = Entry::new(actor, event);
    entry.job = Some("1795313531.329".into());
    entry.status = Some(200);
    entry.request_id = Some("0b6c4fe1a2c3d4e5".into());
    entry
}

fn write(path: &Path, lines: usize, batch: usize) -> f64 {
    let mut log = Log::open(path, "gate").unwrap();
    let batch_of: Vec<Entry> = std::iter::repeat_with(entry).take(batch).collect();
    let began = Instant::now();
    for _ in 0..lines / batch {
        log.append(&batch_of).unwrap();
    }
    lines as f64 / began.elapsed().as_secs_f64()
}

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    for batch in [1, 16, 1024] {
        let rate = write(&path, if batch == 1 { LINES / 10 } else { LINES / batch * batch }, batch);
        println!("batches of {batch:>4}: {rate:>9.0} lines/s");
    }
    let began = Instant::now();
    let rates: Vec<f64> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4).map(|_| scope.spawn(|| write(&path, LINES / 10, 16))).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    let all = 4.0 * (LINES / 10 / 16 * 16) as f64 / began.elapsed().as_secs_f64();
    println!(
        "4 writers of 16: {all:>9.0} lines/s together ({:.0} the slowest)",
        rates.iter().copied().fold(f64::MAX, f64::min)
    );
    let began = Instant::now();
    let report = verify(std::slice::from_ref(&path)).unwrap();
    assert_eq!(report.fault, None);
    let rate = report.lines as f64 / began.elapsed().as_secs_f64();
    let size = path.metadata().unwrap().len() / report.lines;
    println!("verify:          {rate:>9.0} lines/s, {size} bytes a line");
}
