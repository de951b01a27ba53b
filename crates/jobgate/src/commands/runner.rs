//! `jobgate runner`: executes one run, detached from whoever started it. Not for people.
//!
//! The embedded batch system hands it a ticket on stdin; scripts of other batch systems call it with arguments.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use jobgate_backends::execute::{Batch, Execution, Outcome, catch_signals, execute, queued_native};
use jobgate_backends::local::{Allocation, Host, Local, LocalSettings, runner};
use jobgate_backends::{note, srun};
use jobgate_engine::tree;
use jobgate_model::{Generation, JobId, JobNdx, JobSpec, State};

use crate::config;
use crate::exit::Exit;
use crate::reporter::{Reporter, Run};

/// `at` tells the native id to the submitter only, which records it a moment later.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs what the ticket on stdin or the arguments say.
pub(crate) fn run(words: impl Iterator<Item = OsString>) -> Exit {
    let words: Vec<OsString> = words.collect();
    if words.is_empty() {
        // No ticket: whoever wanted the run is gone and will find that it never began.
        return runner::receive().map_or(Exit::Ok, with_ticket);
    }
    match arguments(words).and_then(with_arguments) {
        Ok(exit) => exit,
        Err(error) => {
            crate::printer::Printer::new().error(format_args!("{error:#}"));
            Exit::Failed
        }
    }
}

fn with_ticket(ticket: runner::Ticket) -> Exit {
    let runner::Ticket { run, base, jobid, jobndx, native, environment, memory, allocation, settings, .. } = ticket;
    let given = Given { run, allocation, settings: settings.clone() };
    let (state_dir, config) = (settings.state_dir.clone(), settings.config.clone());
    let Ok(jobid) = JobId::parse(&jobid) else { return Exit::Failed };
    let told = base.clone();
    let finish = move || {
        if let Err(error) = Local::open(settings).and_then(|local| local.finish(run)) {
            note(&told, jobndx, &format!("the queue was not told of the end: {}", error.chain()));
        }
    };
    let (native, given) = (Some(native), Some(given));
    perform(Order { state_dir, config, base, jobid, jobndx, native, environment, memory, given, report: None }, finish)
}

/// What the script of another batch system says.
#[derive(Debug, Default, PartialEq)]
struct Arguments {
    base: PathBuf,
    jobndx: JobNdx,
    native: Option<String>,
    environment: Vec<(String, String)>,
    state_dir: Option<PathBuf>,
    report: Option<Generation>,
}

fn arguments(words: Vec<OsString>) -> anyhow::Result<Arguments> {
    let mut parsed = Arguments::default();
    let mut words = words.into_iter();
    while let Some(option) = words.next() {
        let value = words.next().with_context(|| format!("{} needs a value", option.display()))?;
        let text = || value.to_str().map(str::to_owned).context("not UTF-8 text");
        match option.to_str() {
            Some("--base") => parsed.base = PathBuf::from(&value),
            Some("--jobndx") => parsed.jobndx = text()?.parse().context("--jobndx must be a number")?,
            Some("--native") => parsed.native = Some(text()?),
            Some("--mpirun") => parsed.environment.push(("mpirun".into(), text()?)),
            Some("--nodes") => parsed.environment.push(("nodes".into(), text()?)),
            Some("--report") => {
                parsed.report = Some(Generation::from_number(text()?.parse().context("--report must be a number")?));
            }
            Some("--state-dir") => parsed.state_dir = Some(PathBuf::from(&value)),
            _ => bail!("unknown option {}", option.display()),
        }
    }
    if parsed.base.as_os_str().is_empty() || parsed.jobndx == 0 {
        bail!("--base and --jobndx are required");
    }
    Ok(parsed)
}

fn with_arguments(arguments: Arguments) -> anyhow::Result<Exit> {
    catch_signals();
    let Arguments { base, jobndx, native, environment, state_dir, report } = arguments;
    let name = base.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let jobid = JobId::parse(name).with_context(|| format!("{} is not a job's directory", base.display()))?;
    let state_dir = state_dir.map_or_else(config::default_state_dir, Ok)?;
    let native = native.or_else(|| queued_native(&base, jobndx, PATIENCE));
    let (config, memory, given) = (None, None, None);
    let order = Order { state_dir, config, base, jobid, jobndx, native, environment, memory, given, report };
    Ok(perform(order, || ()))
}

/// Which run to execute, and how.
struct Order {
    state_dir: PathBuf,
    config: Option<PathBuf>,
    base: PathBuf,
    jobid: JobId,
    jobndx: JobNdx,
    native: Option<String>,
    environment: Vec<(String, String)>,
    memory: Option<u64>,
    /// By the embedded batch system.
    given: Option<Given>,
    /// Nobody else sends the callbacks if the index is not on this machine.
    report: Option<Generation>,
}

/// A run of the embedded batch system.
struct Given {
    run: i64,
    allocation: Allocation,
    settings: LocalSettings,
}

impl Given {
    /// Executes the run as Slurm's users expect it: with Slurm's variables, output files and `srun`.
    fn execute(
        &self,
        execution: &Execution<'_>,
        record: &mut dyn FnMut(State, &str) -> std::io::Result<()>,
    ) -> Outcome {
        let host = Host::here();
        let names = self.allocation.names(execution.spec, &host);
        let mut variables = self.allocation.variables(execution.spec, &host);
        let steps = execution.base.join(format!(".steps.{}", execution.jobndx));
        variables.extend(steps.to_str().map(|path| (srun::STEPS.to_owned(), path.to_owned())));
        let programs = runner::programs(&self.settings);
        let batch = Batch {
            variables: &variables,
            names: &names,
            programs: programs.as_deref(),
            minutes: self.allocation.minutes,
            orders: &|| runner::orders(&self.settings, self.run),
        };
        let outcome = execute(&Execution { batch: Some(&batch), ..*execution }, record);
        // Most runs have no steps.
        drop(std::fs::remove_file(steps));
        outcome
    }
}

/// Executes the run. `finish` is called at the end when no gateway takes care of what comes next.
fn perform(order: Order, finish: impl FnOnce()) -> Exit {
    let Order { state_dir, config, base, jobid, jobndx, native, environment, memory, given, report } = order;
    let spec: Option<JobSpec> = tree::read_spec(&base).ok().flatten().map(|stored| stored.spec);
    let report = report.filter(|_| spec.as_ref().is_some_and(|spec| spec.callback.is_some()));
    let mut reporter = Reporter::new(Run {
        state_dir,
        base: base.clone(),
        jobid,
        jobndx,
        config,
        backend: spec.as_ref().map_or_else(|| "default".into(), |spec| spec.backend.clone()),
        callback: spec.as_ref().is_some_and(|spec| spec.callback.is_some()),
        report,
    });
    let code = if let Some(spec) = &spec {
        let native = native.as_deref();
        let environment = &environment;
        let execution = Execution { base: &base, jobndx, native, spec, environment, memory, batch: None };
        let mut record = |state, info: &str| reporter.record(state, info);
        match &given {
            Some(given) => given.execute(&execution, &mut record).code,
            None => execute(&execution, &mut record).code,
        }
    } else {
        note(&base, jobndx, "cannot read spec.json, so nothing was run");
        // Without a row the run would be looked for; if even that fails, so be it.
        drop(reporter.record(State::Failed, "spec.json cannot be read"));
        1
    };
    reporter.close(finish);
    Exit::Code(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> anyhow::Result<Arguments> {
        arguments(words.iter().map(OsString::from).collect())
    }

    #[test]
    fn arguments_of_the_scripts() {
        let slurm =
            parse(&["--base", "/p/1.5", "--jobndx", "2", "--native", "4711", "--nodes", "3", "--mpirun", "srun"]);
        let expected = Arguments {
            base: "/p/1.5".into(),
            jobndx: 2,
            native: Some("4711".into()),
            environment: vec![("nodes".into(), "3".into()), ("mpirun".into(), "srun".into())],
            state_dir: None,
            report: None,
        };
        assert_eq!(slurm.unwrap(), expected);
        for bad in
            [&["--base"][..], &["--base", "/p"], &["--jobndx", "1"], &["--base", "/p", "--jobndx", "x"], &["--x", "1"]]
        {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
