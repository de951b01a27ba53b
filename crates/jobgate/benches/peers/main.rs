//! Our figures beside those of psik_api 1.0.0 and psik 3.0.1, in the same run, on the same stores.
//!
//! `cargo bench -p jobgate --bench peers` (after `tests/setup`). Options, after `--`:
//! `--quick` shorter measurements; `--only WORD` sections whose name contains it; `--originals-10000` lets the originals
//! list 10,000 jobs, too (minutes); `--million` makes a store of a million jobs; `--stores DIR` keeps the stores there.
//!
//! Figures say what was seen; nothing is asserted. On a shared machine, look at the server's CPU time per request.
#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a program that prints figures")]

#[expect(dead_code, unused_imports, reason = "shared with the tests, which use all of it")]
#[path = "../../tests/it/fixture/mod.rs"]
mod fixture;

mod commands;
mod load;
mod reads;
mod store;
mod transfers;
mod writes;

use std::path::PathBuf;
use std::time::Duration;

use fixture::peer::Peer;

/// What was asked for on the command line, and the originals that are there.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) quick: bool,
    pub(crate) million: bool,
    pub(crate) originals_10000: bool,
    pub(crate) stores: PathBuf,
    pub(crate) psik: Option<Peer>,
    pub(crate) psik_api: Option<Peer>,
}

impl Bench {
    /// How long one measurement takes.
    pub(crate) fn time(&self) -> Duration {
        Duration::from_secs(if self.quick { 1 } else { 4 })
    }
}

type Section = (&'static str, fn(&Bench));

/// One line of a table.
pub(crate) fn row(what: &str, ours: &str, theirs: &str) {
    println!("  {what:<44} {ours:<40} {theirs}");
}

fn title(text: &str) {
    println!("\n{text}");
    row("", "jobgate", "original");
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let value = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1)).cloned();
    let only = value("--only").unwrap_or_default();
    let scratch = tempfile::tempdir().unwrap();
    let bench = Bench {
        quick: has("--quick"),
        million: has("--million"),
        originals_10000: has("--originals-10000"),
        stores: value("--stores").map_or_else(|| scratch.path().to_path_buf(), PathBuf::from),
        psik: Peer::get("psik-3.0"),
        psik_api: Peer::get("psik_api-1"),
    };
    let sections: [Section; 5] = [
        ("commands: the command line, whole processes, beside psik 3.0.1", commands::run),
        ("starts: from exec to the first answer, beside psik_api 1.0.0", reads::start_up),
        ("reads: beside psik_api 1.0.0", reads::run),
        ("writes: beside psik_api 1.0.0 and the library of psik 3.0.1", writes::run),
        ("transfers: 200 MB, beside psik_api 1.0.0", transfers::run),
    ];
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load before: {}", load.trim());
    for (name, section) in sections {
        if name.contains(&only) {
            title(name);
            section(&bench);
        }
    }
}
