//! One file per command: explicit arguments in, an exit code out.

mod audit;
mod autosubmit;
mod cancel;
mod certs;
mod completions;
mod config;
mod deliveries;
mod dialect;
mod drain;
mod hold;
mod hot_start;
mod logs;
mod ls;
mod man;
mod policy;
mod poll;
mod prune;
mod reached;
mod reindex;
mod release;
mod resume;
mod rm;
pub(crate) mod runner;
mod serve;
mod share;
mod show;
mod slurmrestd;
pub(crate) mod srun;
mod start;
mod status;
mod submit;
mod token;
mod version;
mod wait;

use std::ffi::OsStr;
use std::fmt::Write;
use std::path::Path;

use clap::{CommandFactory, FromArgMatches};
use jobgate_engine::Job;
use tracing::field::Field;
use tracing_subscriber::Layer;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::audit::Action;
use crate::cli::autosubmit::{Action as AutosubmitAction, Autosubmit as AutosubmitArgs};
use crate::cli::token::{Policy as PolicyArgs, PolicyAction};
use crate::cli::{Cli, Command, DeliveryAction};
use crate::config::{LogFormat, env};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::record;
use crate::selector::{self, Scope};
use crate::table::Shown;
use crate::wiring::Session;

/// Reads the command line of this process and does what it says. Usage errors end the process with exit code 2.
pub(crate) fn run(printer: &mut Printer) -> anyhow::Result<Exit> {
    let called = std::env::args_os().next().unwrap_or_default();
    let called = Path::new(&called).file_name();
    if called == Some(OsStr::new("slurmrestd")) {
        return slurmrestd::run(printer);
    }
    let name = if called == Some(OsStr::new("psik")) { "psik" } else { "jobgate" };
    let matches = grammar(name).get_matches();
    let command = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()).command;
    if !matches!(command, Command::Serve(_) | Command::Autosubmit(_)) {
        log(verbosity(&command), LogFormat::Text, LevelFilter::WARN);
    }
    match command {
        Command::Submit(args) => submit::run(&args, printer),
        Command::Start(args) => start::run(&args, printer),
        Command::Poll(args) => poll::run(&args, printer),
        Command::Cancel(args) => cancel::run(&args, printer),
        Command::Ls(args) => ls::run(&args, printer),
        Command::Status(args) => status::run(&args, printer),
        Command::Reached(args) => reached::run(&args, printer),
        Command::Rm(args) => rm::run(&args, printer),
        Command::HotStart(args) => hot_start::run(&args),
        Command::Version => version::run(printer),
        Command::Show(args) => show::run(&args, printer),
        Command::Logs(args) => logs::run(&args, printer),
        Command::Wait(args) => wait::run(&args, printer),
        Command::Share(args) => share::run(&args, printer),
        Command::Hold(args) => hold::run(&args, printer),
        Command::Release(args) => release::run(&args, printer),
        Command::Drain(options) => drain::run(&options, printer),
        Command::Resume(options) => resume::run(&options, printer),
        Command::Deliveries(args) => deliveries::run(&args, printer),
        Command::Reindex(args) => reindex::run(&args, printer),
        Command::Prune(args) => prune::run(&args, printer),
        Command::Serve(args) => serve::run(&args, printer),
        Command::Autosubmit(args) => autosubmit::run(&args, printer),
        Command::Audit(args) => audit::run(&args, printer),
        Command::Token(args) => token::run(&args, printer),
        Command::Certs(args) => certs::run(&args, printer),
        Command::Policy(args) => policy::run(&args, printer),
        Command::Config(args) => config::run(&args, printer),
        Command::Completions { shell } => completions::run(shell, printer),
        Command::Man { dir } => man::run(&dir, printer),
    }
}

/// The grammar under the name by which the program was called.
fn grammar(name: &'static str) -> clap::Command {
    Cli::command().name(name).mut_subcommand("config", |config| config.after_help(environment()))
}

/// The variables that are read, for the help of `config`.
fn environment() -> String {
    let width = env::ALL.iter().map(|variable| variable.name.len()).max().unwrap_or(0);
    let lines = env::ALL.iter().map(|variable| format!("  {:<width$}  {}", variable.name, variable.about));
    std::iter::once("Environment:".to_owned()).chain(lines).collect::<Vec<_>>().join("\n")
}

fn verbosity(command: &Command) -> u8 {
    match command {
        Command::Submit(args) => args.options.verbose,
        Command::Start(args)
        | Command::Poll(args)
        | Command::Cancel(args)
        | Command::Hold(args)
        | Command::Release(args) => args.options.verbose,
        Command::Status(args) | Command::Show(args) => args.options.verbose,
        Command::Ls(args) => args.options.verbose,
        Command::Reached(args) => args.verbose,
        Command::Rm(args) => args.options.verbose,
        Command::HotStart(args) => args.options.verbose,
        Command::Logs(args) => args.options.verbose,
        Command::Wait(args) => args.options.verbose,
        Command::Share(args) => args.options.verbose,
        Command::Deliveries(args) => match &args.action {
            Some(DeliveryAction::Retry { options, .. }) => options.verbose,
            None => args.options.verbose,
        },
        Command::Drain(options) | Command::Resume(options) | Command::Reindex(options) => options.verbose,
        Command::Prune(args) => args.options.verbose,
        Command::Serve(args) => args.verbose,
        Command::Autosubmit(AutosubmitArgs { action: AutosubmitAction::Start(args) }) => args.verbose,
        Command::Audit(args) => match &args.action {
            Action::Verify(args) => args.options.verbose,
            Action::Show(args) => args.options.verbose,
        },
        Command::Token(args) => token::verbosity(args),
        Command::Policy(PolicyArgs { action: PolicyAction::Check(args) }) => args.options.verbose,
        Command::Config(args) => args.options.verbose,
        Command::Certs(_) | Command::Completions { .. } | Command::Man { .. } | Command::Version => 0,
    }
}

/// Sends what our crates log to stderr, from `quiet` on; other crates' lines only when they are warnings.
fn log(verbose: u8, format: LogFormat, quiet: LevelFilter) {
    let ours = match verbose {
        0 => quiet,
        1 => quiet.max(LevelFilter::INFO),
        _ => LevelFilter::DEBUG,
    };
    let targets = Targets::new().with_default(LevelFilter::WARN).with_target("jobgate", ours);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).fmt_fields(fields());
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr()) && env::NO_COLOR.get().is_none();
    let registry = tracing_subscriber::registry();
    match format {
        LogFormat::Text => registry.with(lines.with_ansi(colours).with_filter(targets)).init(),
        LogFormat::Json => registry.with(lines.json().with_filter(targets)).init(),
    }
}

/// How values stand in a readable line: whatever somebody else has written into them, they stay within it.
fn fields() -> impl for<'writer> FormatFields<'writer> {
    let format = |line: &mut Writer<'_>, field: &Field, value: &dyn std::fmt::Debug| {
        if field.name() != "message" {
            line.write_str(field.name())?;
            line.write_char('=')?;
        }
        write!(Shown(line), "{value:?}")
    };
    debug_fn(format).delimited(" ")
}

/// Applies a command to each job that was named. What fails for one does not keep the others from it.
fn for_each(
    session: &Session,
    printer: &mut Printer,
    stamps: &[String],
    scope: Scope,
    mut act: impl FnMut(&Job, &mut Printer) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    let mut exit = Exit::Ok;
    for named in selector::resolve(session, stamps, scope)? {
        let done = named.job.map_err(anyhow::Error::from).and_then(|job| act(&job, printer));
        match done {
            Ok(Exit::Ok) => {}
            Ok(other) => exit = other,
            Err(error) if crate::is_broken_pipe(&error) => return Err(error),
            Err(error) => exit = crate::report(printer, &error),
        }
    }
    Ok(exit)
}

/// Applies a command that changes something to each job that was named, and records it under its verb.
fn change_each(
    verb: &str,
    session: &Session,
    printer: &mut Printer,
    stamps: &[String],
    scope: Scope,
    mut act: impl FnMut(&Job, &mut Printer) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    for_each(session, printer, stamps, scope, |job, printer| {
        record::recorded(&session.config, verb, Some(&job.jobid), || act(job, printer))
    })
}

/// Has a job's callbacks delivered. That it did not work is worth a note, but what was asked for was done.
fn deliver(session: &Session, printer: &mut Printer, job: &Job) {
    // A receiver may be slow; what was printed should be seen before. If it cannot, the next line tells.
    let _ = printer.flush();
    if let Err(error) = session.deliver(job.key, &job.base) {
        printer.note(format_args!("callbacks of {} are still to be delivered: {error:#}", job.jobid));
    }
}

/// The job as it is now, also when no gateway looks after it.
fn looked_at(session: &Session, printer: &mut Printer, job: &Job) -> anyhow::Result<Job> {
    let now = session.looked_at(job)?;
    if now.state != job.state || now.jobndx != job.jobndx {
        deliver(session, printer, &now);
    }
    Ok(now)
}

#[cfg(test)]
mod tests {
    use super::submit::Directory::{Callers, New};
    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        grammar("jobgate").debug_assert();
    }

    #[test]
    fn the_page_names_every_command() {
        let page = include_str!("../../../../docs/cli.md");
        for command in grammar("jobgate").get_subcommands() {
            assert!(page.contains(&format!("`{}", command.get_name())), "docs/cli.md lacks {}", command.get_name());
        }
    }

    #[test]
    fn options_of_both_psiks_override_each_other() {
        let parse = |words: &[&str]| {
            let all = ["jobgate", "submit", "x"].iter().chain(words);
            let matches = grammar("jobgate").try_get_matches_from(all).unwrap();
            match Cli::from_arg_matches(&matches).unwrap().command {
                Command::Submit(args) => submit::directory_wish(&args, crate::config::Manner::Psik30),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(parse(&[]), Callers);
        for (words, expected) in [
            (["--newdir"].as_slice(), New),
            (&["--no-here"], New),
            (&["--here"], Callers),
            (&["--newdir", "--here"], Callers),
            (&["--here", "--newdir"], New),
            (&["--newdir", "--no-newdir"], Callers),
        ] {
            assert_eq!(parse(words), expected, "{words:?}");
        }
    }
}
