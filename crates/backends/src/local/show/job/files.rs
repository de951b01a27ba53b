//! Where a run works, and which files its output goes to.

use jobgate_slurm::filename::{self, Names};

use super::super::super::cluster::RunView;
use super::super::options::Options;
use super::default_directory;

/// A run's files: as they were asked for, and with everything filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Files {
    pub(in super::super) directory: String,
    pub(in super::super) input: Option<String>,
    pub(in super::super) output: String,
    pub(in super::super) error: Option<String>,
    pub(in super::super) input_expanded: Option<String>,
    pub(in super::super) output_expanded: String,
    pub(in super::super) error_expanded: Option<String>,
}

impl Files {
    /// `array`: the array's number and the task's.
    pub(in super::super) fn of(run: &RunView, options: &Options<'_>, login: &str, array: Option<(u64, u64)>) -> Self {
        let directory = options.text("chdir").unwrap_or_else(|| default_directory(run).to_string_lossy().into_owned());
        let names = Names {
            job: array.filter(|(_, task)| *task == super::NO_TASK).map_or(run.id.unsigned_abs(), |(id, _)| id),
            array,
            name: run.name.clone().unwrap_or_default(),
            user: login.to_owned(),
            node: run.allocation.first().map(|share| share.node.clone()).unwrap_or_default(),
            ..Names::default()
        };
        let expand = |pattern: &str| {
            let name = filename::expand(pattern, &names);
            if name.starts_with('/') { name } else { format!("{}/{name}", directory.trim_end_matches('/')) }
        };
        let log = |stream: &str| run.base.join(format!("log/{stream}.{}", run.jobndx)).to_string_lossy().into_owned();
        let (output, error) = match options.get("output") {
            Some("") if array.is_some() => (filename::DEFAULT_ARRAY.to_owned(), options.text("error")),
            Some("") => (filename::DEFAULT.to_owned(), options.text("error")),
            Some(pattern) => (pattern.to_owned(), options.text("error")),
            // Jobs that know nothing of Slurm have their output in their own log, the streams apart.
            None => (log("stdout"), Some(options.text("error").unwrap_or_else(|| log("stderr")))),
        };
        let input = options.text("input");
        // A log's path is not a pattern.
        let output_expanded = if options.get("output").is_some() { expand(&output) } else { output.clone() };
        let error_expanded = match options.text("error") {
            Some(pattern) => Some(expand(&pattern)),
            None => error.clone(),
        };
        Self {
            input_expanded: input.as_deref().map(expand),
            output_expanded,
            error_expanded,
            directory,
            input,
            output,
            error,
        }
    }
}
