//! What a runner is told by whoever started it.

use std::io::{self, BufRead};
use std::path::PathBuf;

use jobgate_model::JobNdx;
use serde::{Deserialize, Serialize};

use super::settings::LocalSettings;

/// A run that is handed to a runner: the first line on its standard input, as JSON. The second line is `go`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The run's number in the queue, for [`super::Local::finish`].
    pub run: i64,
    /// The job's directory.
    pub base: PathBuf,
    /// The job.
    pub jobid: String,
    /// The run.
    pub jobndx: JobNdx,
    /// The run's marker.
    pub marker: String,
    /// What the run is called in its `queued` row: the variable `jobid`.
    pub native: String,
    /// Variables that the batch system adds: an array task, GPUs.
    pub environment: Vec<(String, String)>,
    /// Memory limit in bytes.
    pub memory: Option<u64>,
    /// To open the queue with when there is no gateway.
    pub settings: LocalSettings,
}

/// Becomes a runner: catches the signals that stop a run, leaves the session of the process that started it, and reads the
/// ticket from the standard input. `None`: the starter is gone or has changed its mind, and nothing may be run.
pub fn receive() -> Option<Ticket> {
    crate::execute::catch_signals();
    if let Err(error) = rustix::process::setsid() {
        tracing::warn!(%error, "cannot leave the session");
    }
    read(&mut io::stdin().lock())
}

fn read(input: &mut impl BufRead) -> Option<Ticket> {
    let mut line = String::new();
    input.read_line(&mut line).ok()?;
    let ticket = serde_json::from_str(&line).ok()?;
    line.clear();
    input.read_line(&mut line).ok()?;
    (line == "go\n").then_some(ticket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_complete_order_counts() {
        let ticket = Ticket {
            run: 1,
            base: "/p/1.000".into(),
            jobid: "1.000".into(),
            jobndx: 2,
            marker: "m".into(),
            native: "77".into(),
            environment: vec![("A".into(), "b\n".into())],
            memory: None,
            settings: LocalSettings::new("/s", "/bin/jobgate"),
        };
        let line = serde_json::to_string(&ticket).unwrap();
        let of = |text: String| read(&mut text.as_bytes());
        assert_eq!(of(format!("{line}\ngo\n")), Some(ticket));
        for cut in [line.clone(), format!("{line}\n"), format!("{line}\ngo"), format!("{line}\nno\n"), String::new()] {
            assert_eq!(of(cut), None);
        }
    }
}
