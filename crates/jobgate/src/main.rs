//! The executable: the grammar of the command line (`cli`), one file per command (`commands`), the configuration (`config`),
//! and the wiring of all that to the engine (`wiring`). Only this crate knows the terminal, and only `printer` writes to it.

mod accounts;
mod cli;
mod commands;
mod config;
mod exit;
mod gateway;
mod lookout;
mod nobooks;
mod nowhere;
mod printer;
mod record;
mod reporter;
mod selector;
mod table;
mod wiring;

use std::path::Path;
use std::process::ExitCode;

use jobgate_backends::srun;
use jobgate_model::{Error, ErrorKind};

use crate::exit::Exit;
use crate::printer::Printer;

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let called = words.next().unwrap_or_default();
    // Inside a job we are also `srun`, and what becomes its tasks.
    match Path::new(&called).file_name().and_then(|name| name.to_str()) {
        Some("srun") => return commands::srun::run(words).into(),
        Some(srun::TASK) => return commands::srun::task(words).into(),
        _ => {}
    }
    // A runner comes once per run: it must not pay for the grammar of commands that it does not have.
    if words.next().is_some_and(|word| word == "runner") {
        return commands::runner::run(words).into();
    }
    let mut printer = Printer::new();
    let result = commands::run(&mut printer).and_then(|exit| {
        printer.flush()?;
        Ok(exit)
    });
    result.unwrap_or_else(|error| report(&mut printer, &error)).into()
}

/// Tells what went wrong, and chooses the exit code. That the reader of our output has seen enough is not wrong.
fn report(printer: &mut Printer, error: &anyhow::Error) -> Exit {
    if is_broken_pipe(error) {
        return Exit::Ok;
    }
    printer.error(format_args!("{error:#}"));
    match error.chain().find_map(|cause| cause.downcast_ref::<Error>()).map(Error::kind) {
        Some(ErrorKind::Unavailable) => Exit::Unreachable,
        Some(ErrorKind::Timeout) => Exit::TimedOut,
        _ => Exit::Failed,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |cause: &std::io::Error| cause.kind() == std::io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref().is_some_and(broken))
}
