//! Programs that make one thing of another, and nothing else.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::command::{Output, run_within};

/// Graphviz takes long for large graphs.
const DRAWING: Duration = Duration::from_secs(60);
/// Unpacking a log.
const UNPACKING: Duration = Duration::from_secs(60);
/// The memory that `xz` may take; what needs more is not unpacked.
const MEMORY: &str = "--memlimit-decompress=128MiB";

/// What `dot -Tplain` makes of a graph, up to `most` bytes. An error says why there is nothing.
pub fn dot(graph: &str, most: u64) -> Result<Vec<u8>, String> {
    let mut command = Command::new("dot");
    told(run_within(command.arg("-Tplain"), graph.as_bytes(), DRAWING, most), "dot")
}

/// What a file that `xz` has packed unpacks to, up to `most` bytes.
pub fn unxz(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let mut command = Command::new("xz");
    let command = command.args(["--decompress", "--stdout", "--format=xz", MEMORY, "--"]).arg(path);
    told(run_within(command, b"", UNPACKING, most), "xz")
}

fn told(ran: Result<Output, crate::command::CommandError>, program: &str) -> Result<Vec<u8>, String> {
    let output = ran.map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(output.stdout.into_bytes());
    }
    let why = output.stderr.lines().next().unwrap_or_default().to_owned();
    Err(format!("{program} ended with {}: {why}", output.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_xz_file_is_said_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("-x");
        std::fs::write(&path, "text").unwrap();
        let why = unxz(&path, 100).unwrap_err();
        assert!(why.contains("xz"), "{why}");
    }
}
