//! `log/console`: messages about a run for its owner.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use jobgate_model::{JobNdx, clean_info};

/// Adds a line to a job's `log/console`: `1795313532.254 run 1: MESSAGE`. It is for people; a line that cannot be written
/// fails nothing.
pub fn note(base: &Path, jobndx: JobNdx, message: &str) {
    let line = format!("{:.3} run {jobndx}: {}\n", crate::process::now(), clean_info(message));
    let opened = OpenOptions::new().append(true).create(true).open(base.join("log/console"));
    if let Err(error) = opened.and_then(|mut file| file.write_all(line.as_bytes())) {
        tracing::warn!(base = %base.display(), %error, message, "cannot write to log/console");
    }
}
