//! `srun` inside a job: our program by another name, which jobs find first in their PATH.

use std::ffi::OsString;

use clap::Parser;
use jobgate_backends::srun::{self, Step};

use crate::cli::srun::Srun;
use crate::exit::Exit;
use crate::printer::Printer;

/// Runs a step of the job that this process belongs to.
pub(crate) fn run(words: impl Iterator<Item = OsString>) -> Exit {
    let mut printer = Printer::new();
    let args = match Srun::try_parse_from(std::iter::once("srun".into()).chain(words)) {
        Ok(args) => args,
        Err(error) if error.use_stderr() => {
            printer.complain(format_args!("srun: {}", error.to_string().trim_end()));
            // Slurm's own exits with 1 whatever is wrong, and so scripts expect it.
            return Exit::Failed;
        }
        Err(help) => return Exit::unless(help.print().is_err()),
    };
    let quiet = args.quiet;
    let told = srun::run(&step(args), &std::env::vars_os().collect(), &mut |text| {
        if !quiet {
            printer.complain(format_args!("srun: error: {text}"));
        }
    });
    match told {
        Ok(code) => Exit::Code(code),
        Err(error) => {
            printer.complain(format_args!("srun: error: {error}"));
            Exit::Failed
        }
    }
}

/// Becomes a task of a step; `words` were put together by [`run`].
pub(crate) fn task(words: impl Iterator<Item = OsString>) -> Exit {
    let mut words = words.peekable();
    let Err(error) = srun::become_task(&mut words);
    Printer::new().complain(format_args!("srun: error: cannot start the task: {error}"));
    // The kernel's error, as Slurm does it.
    Exit::Code(error.raw_os_error().and_then(|errno| u8::try_from(errno).ok()).unwrap_or(1))
}

fn step(args: Srun) -> Step {
    Step {
        tasks: args.ntasks,
        nodes: args.nodes,
        tasks_per_node: args.ntasks_per_node,
        cores_per_task: args.cpus_per_task,
        label: args.label,
        output: args.output,
        error: args.error,
        input: args.input,
        append: args.open_mode.is_some_and(|mode| mode.starts_with('a')),
        export: args.export,
        directory: args.chdir,
        kill_on_bad_exit: args.kill_on_bad_exit.is_some_and(|wish| wish == "1"),
        command: args.command,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(words: &[&str]) -> Result<Step, String> {
        let words = ["srun"].iter().chain(words);
        Srun::try_parse_from(words).map(step).map_err(|error| error.to_string())
    }

    #[test]
    fn the_grammar_is_sound() {
        Srun::command().debug_assert();
    }

    #[test]
    fn options_end_at_the_command() {
        let step =
            parse(&["-n4", "-N", "1-2", "-lK", "--mpi=pmix", "-w", "n[1-2]", "-u", "prog", "-n", "9", "--x"]).unwrap();
        assert_eq!((step.tasks, step.nodes, step.label, step.kill_on_bad_exit), (Some(4), Some(2), true, true));
        assert_eq!(step.command, ["prog", "-n", "9", "--x"]);
        assert_eq!(parse(&["-n", "2", "--", "prog", "--y"]).unwrap().command, ["prog", "--y"]);
        assert!(!parse(&["--kill-on-bad-exit=0", "true"]).unwrap().kill_on_bad_exit);
        assert_eq!(parse(&["--open-mode=append", "-o", "f.%t", "x"]).unwrap().output.as_deref(), Some("f.%t"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (words, named) in [
            (&["--multi-prog", "x"][..], "--multi-prog"),
            (&["-n", "two", "x"], "two"),
            (&["-n", "2"], "COMMAND"),
            (&["-N", "a", "x"], "--nodes"),
        ] {
            let error = parse(words).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }
}
