//! Ten thousand runs: every one is shown, and quickly; the time is printed, not asserted.

use std::sync::Arc;
use std::time::Instant;

use jobgate_slurm::cluster::JobsWanted;

use super::super::array::shown;
use super::super::board::Runs;
use super::*;

#[test]
#[expect(clippy::print_stderr, reason = "a measurement")]
fn ten_thousand_runs() {
    let world = World::new();
    let runs: Runs = (1..=10_000)
        .map(|id| {
            let view = if id % 20 == 0 { running(id, "n1") } else { run(id) };
            (id, Arc::new(view))
        })
        .collect();
    let began = Instant::now();
    let scene = world.scene();
    let jobs = shown(runs.values().map(AsRef::as_ref), &JobsWanted::default(), |_, _| true);
    let rendered: Vec<_> = jobs.iter().map(|shown| job(shown, &scene)).collect();
    let made = began.elapsed();
    let began = Instant::now();
    let mut writer = Writer::new(Version::V45);
    writer.list(&rendered, Writer::object);
    let written = began.elapsed();
    let bytes = writer.into_bytes().len();
    eprintln!("10000 jobs made in {made:?}, written ({bytes} bytes) in {written:?}");
    assert_eq!(rendered.len(), 10_000);
    assert!(bytes > 10_000 * 4000, "{bytes}");
}
