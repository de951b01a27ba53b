//! `jobgate submit FILE`

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::Context;
use jobgate_engine::audit::{Event, Outcome};
use jobgate_engine::{Job, Launched, NewJob, OnRefusal, Start};
use jobgate_model::{Generation, JobId, JobSpec, Violation, parse_spec};
use serde_json::{Value, json};

use crate::cli::{Output, Submit};
use crate::config::Manner;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::record;
use crate::wiring::Session;

/// Scripts are text, not data.
const LARGEST: u64 = 64 << 20;

/// Where a job runs whose spec names no directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Directory {
    /// In its own, new `work/`.
    New,
    /// In the caller's.
    Callers,
}

/// What the options of either psik ask for, or else what that psik does without options.
pub(crate) fn directory_wish(args: &Submit, manner: Manner) -> Directory {
    match (args.newdir || args.no_here, args.here || args.no_newdir) {
        (true, _) => Directory::New,
        (_, true) => Directory::Callers,
        _ if manner == Manner::Psik31 => Directory::New,
        _ => Directory::Callers,
    }
}

pub(crate) fn run(args: &Submit, printer: &mut Printer) -> anyhow::Result<Exit> {
    let session = Session::open(&args.options)?;
    let mut spec = match read_spec(&args.jobspec) {
        Ok(spec) => spec,
        Err(problems) => return Ok(refuse_spec(&args.jobspec, &problems, printer)),
    };
    spec.directory = directory(spec.directory.take(), directory_wish(args, session.config.psik))?;
    let start = if args.no_submit { Start::No } else { Start::Yes };
    let new = NewJob {
        spec,
        generation: Generation::V3,
        place: None,
        start,
        idempotency: None,
        environment: (start == Start::Yes).then(|| std::env::vars_os().collect()),
    };
    record::ready(&session.config)?;
    let created = session.engine.create(&session.who, new);
    let (job, outcome) = match &created {
        Ok(created) => (Some(&created.job.jobid), Outcome::Allowed),
        Err(_) => (None, Outcome::Failed),
    };
    record::note(&session.config, Event::Command("submit".into()), job, outcome);
    let job = created?.job;
    if start == Start::No {
        tell(args, printer, "Created", &job, &[])?;
        return Ok(Exit::Ok);
    }
    match session.engine.launch(job.key, OnRefusal::Report) {
        Ok(launched) => {
            tell(args, printer, "Queued", &job, &launched)?;
            super::deliver(&session, printer, &job);
        }
        Err(error) => {
            printer.complain(format_args!("Error submitting job: {}", error.chain()));
            tell(args, printer, "Created", &job, &[])?;
            return Ok(Exit::Failed);
        }
    }
    if args.wait {
        printer.flush()?;
        return super::wait::until_ended(&session, printer, vec![job], None);
    }
    Ok(Exit::Ok)
}

/// Says under which id the job can be found.
fn tell(args: &Submit, printer: &mut Printer, word: &str, job: &Job, runs: &[Launched]) -> anyhow::Result<()> {
    match args.format.output {
        Output::Json => {
            let run = |run: &Launched| json!({"jobndx": run.jobndx, "native": run.native.0});
            printer.json(&json!({
                "jobid": job.jobid.as_str(), "base": job.base.to_string_lossy(), "submitted": word == "Queued",
                "runs": runs.iter().map(run).collect::<Vec<_>>(),
            }))?;
        }
        Output::Text if args.parsable => printer.line(&job.jobid)?,
        Output::Text => printer.line(format_args!("{word} {}", job.jobid))?,
    }
    Ok(())
}

fn refuse_spec(file: &Path, problems: &[String], printer: &mut Printer) -> Exit {
    printer.complain(format_args!("Error parsing JobSpec from file {}", file.display()));
    for problem in problems {
        printer.complain(format_args!("    {problem}"));
    }
    if let Some(jobid) = file.to_str().and_then(|text| JobId::parse(text).ok()) {
        printer.hint(format_args!("did you mean `jobgate start {jobid}`?"));
    }
    Exit::Failed
}

/// Reads a jobspec: YAML if its name says so, otherwise JSON.
fn read_spec(file: &Path) -> Result<JobSpec, Vec<String>> {
    let text = if file == Path::new("-") { read_text(io::stdin()) } else { File::open(file).and_then(read_text) }
        .map_err(|error| vec![format!("cannot read it: {error}")])?;
    let name = file.as_os_str().as_encoded_bytes();
    let value: Value = if name.ends_with(b"yaml") || name.ends_with(b"yml") {
        yaml_serde::from_str(&text).map_err(|error| vec![format!("not YAML: {error}")])?
    } else {
        serde_json::from_str(&text).map_err(|error| vec![format!("not JSON: {error}")])?
    };
    parse_spec(&value, Generation::V3).map_err(|violations| violations.iter().map(Violation::line).collect())
}

fn read_text(source: impl Read) -> io::Result<String> {
    let mut text = String::new();
    source.take(LARGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST {
        return Err(io::Error::other("it is larger than 64 MiB; keep data in files and name them in the script"));
    }
    Ok(text)
}

/// The directory to ask for: the spec's own, made absolute as psik does it, or the caller's, or `None` for a new one.
fn directory(own: Option<String>, wish: Directory) -> anyhow::Result<Option<String>> {
    let here = || std::env::current_dir().context("cannot tell the current directory");
    let path = match (own, wish) {
        (Some(own), _) if Path::new(&own).is_absolute() => return Ok(Some(own)),
        (Some(own), _) => here()?.join(own),
        (None, Directory::Callers) => here()?,
        (None, Directory::New) => return Ok(None),
    };
    let text = path.into_os_string().into_string();
    text.map(Some).map_err(|path| anyhow::anyhow!("the directory {} is not UTF-8 text", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str, text: &str) -> Result<JobSpec, Vec<String>> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        read_spec(&file)
    }

    #[test]
    fn json_or_yaml_by_name() {
        assert_eq!(spec("a.json", r#"{"script": "x"}"#).unwrap().script, "x");
        let yaml = "name: y\nscript: |\n  echo hi\nresources:\n  duration: 30\n";
        for name in ["a.yaml", "a.yml"] {
            let spec = spec(name, yaml).unwrap();
            assert_eq!((spec.script.as_str(), spec.resources.duration), ("echo hi\n", 30));
        }
        assert!(spec("a.json", yaml).unwrap_err()[0].starts_with("not JSON"));
        assert!(spec("a.yml", "{").unwrap_err()[0].starts_with("not YAML"));
        assert_eq!(spec("a", r#"{"script": 5, "x": 1}"#).unwrap_err().len(), 2);
    }

    #[test]
    fn directories() {
        let here = std::env::current_dir().unwrap().to_str().unwrap().to_owned();
        let of = |own: Option<&str>, wish| directory(own.map(str::to_owned), wish).unwrap();
        assert_eq!(of(Some("/a/../b"), Directory::New).as_deref(), Some("/a/../b"));
        assert_eq!(of(Some("sub"), Directory::New), Some(format!("{here}/sub")));
        assert_eq!(of(None, Directory::Callers), Some(here));
        assert_eq!(of(None, Directory::New), None);
    }
}
