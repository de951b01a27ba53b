//! `jobgate logs STAMP`

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use jobgate_engine::{Job, tree};
use jobgate_model::JobNdx;

use crate::cli::Logs;
use crate::exit::Exit;
use crate::lookout::Lookout;
use crate::printer::Printer;
use crate::selector;
use crate::wiring::Session;

/// How often a growing file is looked at.
const GLANCE: Duration = Duration::from_millis(100);

pub(crate) fn run(args: &Logs, printer: &mut Printer) -> anyhow::Result<Exit> {
    let session = Session::open(&args.options)?;
    let job = selector::one(&session, &args.stamp)?;
    let jobndx = args.run.map_or_else(|| last_run(&session, &job), Ok)?;
    let name = match (args.console, args.err) {
        (true, _) => "console".to_owned(),
        (_, true) => format!("stderr.{jobndx}"),
        _ => format!("stdout.{jobndx}"),
    };
    let path = job.base.join("log").join(name);
    if args.follow {
        follow(&session, &job, jobndx, &path, printer)?;
        return Ok(Exit::Ok);
    }
    match File::open(&path) {
        Ok(mut file) => io::copy(&mut file, printer.out()).map(drop)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => missing(&session, &job, jobndx, printer)?,
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
    Ok(Exit::Ok)
}

/// The run that a person most probably means.
fn last_run(session: &Session, job: &Job) -> anyhow::Result<JobNdx> {
    let history = session.engine.history(&session.who, job.key)?;
    Ok(history.iter().map(|row| row.transition.jobndx).max().unwrap_or(0).max(1))
}

/// A run that has not begun has no output yet; one that is not in the history never had any.
fn missing(session: &Session, job: &Job, jobndx: JobNdx, printer: &mut Printer) -> anyhow::Result<()> {
    let history = session.engine.history(&session.who, job.key)?;
    if !history.iter().any(|row| row.transition.jobndx == jobndx) {
        bail!("job {} has no run {jobndx}", job.jobid);
    }
    printer.note(format_args!("run {jobndx} of {} has printed nothing so far", job.jobid));
    Ok(())
}

/// Prints what is there and what comes, until the run has ended.
fn follow(session: &Session, job: &Job, jobndx: JobNdx, path: &Path, printer: &mut Printer) -> anyhow::Result<()> {
    let mut offset = 0;
    let mut seen = u64::MAX;
    let mut ended = false;
    let mut lookout = Lookout::new(session);
    let mut job = job.clone();
    loop {
        for changed in lookout.look(std::slice::from_mut(&mut job), super::wait::over)? {
            super::deliver(session, printer, &changed);
        }
        let size = tree::size(&job.base)?;
        if size != seen {
            seen = size;
            ended = has_ended(session, &job, jobndx)?;
        }
        // After the look at the history: what the run wrote before it ended is in the file now.
        offset = print_from(path, offset, printer)?;
        printer.flush()?;
        if ended {
            return Ok(());
        }
        std::thread::sleep(GLANCE);
    }
}

fn has_ended(session: &Session, job: &Job, jobndx: JobNdx) -> anyhow::Result<bool> {
    let job = session.engine.job(&session.who, job.key)?;
    if !job.live {
        return Ok(true);
    }
    let history = session.engine.history(&session.who, job.key)?;
    Ok(history.iter().any(|row| row.transition.jobndx == jobndx && row.transition.state.is_final()))
}

/// Prints a file from an offset on, and gives the offset behind what was printed. A file that got shorter was begun anew.
fn print_from(path: &Path, offset: u64, printer: &mut Printer) -> anyhow::Result<u64> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(offset),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let start = if file.metadata()?.len() < offset { 0 } else { offset };
    file.seek(SeekFrom::Start(start))?;
    Ok(start + io::copy(&mut file, printer.out())?)
}
