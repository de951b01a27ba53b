//! `jobgate hot-start STAMP JOBNDX JOBSPEC [ZIP]`

mod unpack;

use std::io;
use std::path::Path;

use anyhow::{Context, bail};
use jobgate_backends::execute::{Execution, catch_signals, execute};
use jobgate_engine::{Clock, Place, tree};
use jobgate_model::{Generation, JobId, JobSpec, State, Transition, Violation, parse_spec};

use crate::cli::HotStart;
use crate::exit::Exit;
use crate::record::recorded;
use crate::reporter::{Reporter, Run};
use crate::wiring::Session;

/// Runs in the foreground and exits with the script's code.
pub(crate) fn run(args: &HotStart) -> anyhow::Result<Exit> {
    // Before anything is running that a signal could be meant for.
    catch_signals();
    let jobid = JobId::parse(&args.stamp).with_context(|| format!("{:?} is not a job id", args.stamp))?;
    let asked = read_spec(&args.jobspec)?;
    let files = args.zip.as_deref().map(unpack::open).transpose()?;
    let session = Session::open(&args.options)?;
    let (base, spec) = recorded(&session.config, "hot-start", Some(&jobid), || job(&session, &jobid, asked))?;
    if let Some(files) = files {
        let work = spec.directory.as_deref().context("the job has no directory")?;
        unpack::into(files, Path::new(work)).with_context(|| format!("cannot unpack the files into {work}"))?;
    }
    let mut reporter = Reporter::new(Run {
        state_dir: session.config.state_dir.clone(),
        base: base.clone(),
        jobid,
        jobndx: args.jobndx,
        config: session.config.file.clone(),
        backend: spec.backend.clone(),
        callback: spec.callback.is_some(),
        report: None,
    });
    drop(session);
    let execution = Execution {
        base: &base,
        jobndx: args.jobndx,
        native: None,
        spec: &spec,
        environment: &[],
        memory: None,
        batch: None,
    };
    let outcome = execute(&execution, &mut |state, info| reporter.record(state, info));
    reporter.close(|| ());
    Ok(Exit::Code(outcome.code))
}

fn read_spec(text: &str) -> anyhow::Result<JobSpec> {
    let value = serde_json::from_str(text).context("the jobspec is not JSON")?;
    parse_spec(&value, Generation::V3).map_err(|violations| {
        let lines: Vec<String> = violations.iter().map(Violation::line).collect();
        anyhow::anyhow!("the jobspec is wrong: {}", lines.join("; "))
    })
}

/// The job's directory and spec: those that are there, otherwise new ones from what was asked for.
fn job(session: &Session, jobid: &JobId, asked: JobSpec) -> anyhow::Result<(std::path::PathBuf, JobSpec)> {
    for place in session.engine.places() {
        let base = place.prefix.join(jobid.as_str());
        if let Some(stored) = tree::read_spec(&base)? {
            return Ok((base, stored.spec));
        }
    }
    let name = &asked.backend;
    let place = session.engine.place(name).with_context(|| format!("there is no backend {name:?}"))?;
    let base = place.prefix.join(jobid.as_str());
    let spec = create(place, &base, asked)?;
    Ok((base, spec))
}

fn create(place: &Place, base: &Path, mut spec: JobSpec) -> anyhow::Result<JobSpec> {
    spec.attributes = place.config.attributes.overlaid(&spec.attributes);
    match &spec.directory {
        Some(directory) if !Path::new(directory).is_dir() => bail!("the directory {directory} does not exist"),
        Some(_) => {}
        None => {
            let work = base.join("work").into_os_string().into_string();
            spec.directory = Some(work.map_err(|path| anyhow::anyhow!("{} is not UTF-8 text", path.display()))?);
        }
    }
    let row =
        Transition { time: Clock::system().now(), jobndx: 0, state: State::New, info: place.config.to_new_info() };
    match tree::create(base, &spec, &[row]) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            bail!("{} exists and has no readable spec.json; remove it first", base.display())
        }
        created => created.with_context(|| format!("cannot make {}", base.display()))?,
    }
    Ok(spec)
}
