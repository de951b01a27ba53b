//! What tasks read and where they write.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::JoinHandle;

use jobgate_slurm::filename;

use super::layout::{Allotted, Layout, Place};
use super::{SrunError, Step};
use crate::execute::streams::{Mode, source, target};

/// A line that is longer is cut when it gets a label.
const LONGEST: u64 = 64 << 10;

/// The streams of all tasks of a step.
pub(super) struct Terminal {
    /// The output and the error output of each task.
    outputs: Vec<(File, File)>,
    input: Input,
    /// So many digits a label has; `None`: no labels.
    width: Option<usize>,
    pipes: Vec<ChildStdin>,
    labelling: Vec<JoinHandle<()>>,
}

enum Input {
    /// The only task reads what `srun` would.
    Same,
    /// Every task reads all of what `srun` would.
    Everybody,
    /// A file for each task.
    Files(Vec<File>),
}

impl Terminal {
    pub(super) fn open(step: &Step, job: &Allotted, layout: &Layout, number: u32) -> Result<Self, SrunError> {
        let places = layout.places();
        let mode = if step.append { Mode::Append } else { Mode::Truncate };
        let files = Files { job, places: &places, number, mode };
        let output = files.outputs(step.output.as_deref())?;
        let error = match &step.error {
            error if *error == step.output => None,
            None => None,
            error => files.outputs(error.as_deref())?,
        };
        let own = |fd: io::Result<std::os::fd::OwnedFd>| fd.map(File::from).map_err(SrunError::Watch);
        let mut outputs = Vec::new();
        for index in 0..places.len() {
            let given = |files: &Option<Vec<File>>| files.as_ref().map(|files| files[index].try_clone()).transpose();
            let (out, err) = (given(&output)?, given(&error)?);
            let err = match (err, &out) {
                (Some(err), _) => err,
                (None, Some(out)) => out.try_clone()?,
                (None, None) => own(io::stderr().as_fd().try_clone_to_owned())?,
            };
            outputs.push((out.map_or_else(|| own(io::stdout().as_fd().try_clone_to_owned()), Ok)?, err));
        }
        let input = match &step.input {
            Some(pattern) => Input::Files(files.inputs(pattern)?),
            None if places.len() == 1 => Input::Same,
            None => Input::Everybody,
        };
        let width = step.label.then(|| (places.len() - 1).to_string().len());
        Ok(Self { outputs, input, width, pipes: Vec::new(), labelling: Vec::new() })
    }

    /// Starts a task with its streams.
    pub(super) fn start(&mut self, command: &mut Command, place: &Place) -> io::Result<Child> {
        let (output, error) = &self.outputs[place.rank as usize];
        match &self.input {
            Input::Same => command.stdin(Stdio::inherit()),
            Input::Everybody => command.stdin(Stdio::piped()),
            Input::Files(files) => command.stdin(files[place.rank as usize].try_clone()?),
        };
        let Some(width) = self.width else {
            let mut child = command.stdout(output.try_clone()?).stderr(error.try_clone()?).spawn()?;
            self.pipes.extend(child.stdin.take());
            return Ok(child);
        };
        let (output, error) = (output.try_clone()?, error.try_clone()?);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        self.pipes.extend(child.stdin.take());
        let label = format!("{:width$}: ", place.rank);
        if let Some(from) = child.stdout.take() {
            let label = label.clone();
            self.labelling.push(std::thread::spawn(move || labelled(from, output, &label)));
        }
        if let Some(from) = child.stderr.take() {
            self.labelling.push(std::thread::spawn(move || labelled(from, error, &label)));
        }
        Ok(child)
    }

    /// Begins to hand out what `srun` reads.
    pub(super) fn feed(&mut self) {
        let mut pipes = std::mem::take(&mut self.pipes);
        if pipes.is_empty() {
            return;
        }
        // Not waited for: a terminal may never end.
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            let mut input = io::stdin().lock();
            while let Ok(count @ 1..) = input.read(&mut buffer) {
                // A task that has ended, or does not read, is left out.
                pipes.retain_mut(|pipe| pipe.write_all(&buffer[..count]).is_ok());
                if pipes.is_empty() {
                    return;
                }
            }
        });
    }

    /// Waits until all output is written.
    pub(super) fn finish(self) {
        for thread in self.labelling {
            drop(thread.join());
        }
    }
}

/// Copies lines with a label before each, every line in one write.
fn labelled(from: impl Read, mut to: impl Write, label: &str) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        line.extend_from_slice(label.as_bytes());
        match Read::by_ref(&mut from).take(LONGEST).read_until(b'\n', &mut line) {
            Ok(1..) => {}
            Ok(0) | Err(_) => return,
        }
        if line.last() != Some(&b'\n') {
            line.push(b'\n');
        }
        if to.write_all(&line).is_err() {
            return;
        }
    }
}

/// How files of tasks are opened.
struct Files<'a> {
    job: &'a Allotted,
    places: &'a [Place],
    number: u32,
    mode: Mode,
}

impl Files<'_> {
    /// One file for all tasks, or one for each if its name says so; `None`: nothing was said.
    fn outputs(&self, pattern: Option<&str>) -> Result<Option<Vec<File>>, SrunError> {
        let Some(pattern) = pattern else { return Ok(None) };
        let pattern = if pattern == "none" { "/dev/null" } else { pattern };
        let open = |place: &Place| self.opened(pattern, place, |path| target(path, self.mode));
        if filename::is_per_task(pattern) {
            return self.places.iter().map(open).collect::<Result<_, _>>().map(Some);
        }
        let one = open(&self.places[0])?;
        Ok(Some(self.places.iter().map(|_| one.try_clone()).collect::<io::Result<_>>()?))
    }

    /// A file for each task, even if it is the same: each reads all of it.
    fn inputs(&self, pattern: &str) -> Result<Vec<File>, SrunError> {
        let pattern = if pattern == "none" { "/dev/null" } else { pattern };
        self.places.iter().map(|place| self.opened(pattern, place, source)).collect()
    }

    fn opened(
        &self,
        pattern: &str,
        place: &Place,
        open: impl Fn(&Path) -> io::Result<File>,
    ) -> Result<File, SrunError> {
        let path = PathBuf::from(filename::expand(pattern, &Layout::names(self.job, place, self.number)));
        open(&path).map_err(|source| SrunError::Open { path, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_its_label() {
        let mut written = Vec::new();
        labelled(&b"one\n\nlast"[..], &mut written, " 3: ");
        assert_eq!(String::from_utf8(written).unwrap(), " 3: one\n 3: \n 3: last\n");
    }
}
